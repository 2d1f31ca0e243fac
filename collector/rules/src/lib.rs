//! Rules: a condition with hysteresis, compiled per dictionary, evaluated on arrival. Pure: no clock, no file, no socket.
//!
//! * [`RuleSet`] — what an administrator wrote: TOML files in, rules or *all* mistakes out ([`RuleError`]),
//! * [`Engine`] — what holds now: ticks and time in, [`Transition`]s out,
//! * [`Transition`] — an alert raised, updated or cleared, with the words that people read and what was seen,
//! * [`testing`] — tests of rules as data, [`explain`] — a rule read aloud, [`replay`] — what rules would have said of the past.
//!
//! # Life of an alert
//!
//! An *alert* is one rule that holds for one host and one *instance* (the attributes of a series, such as one mount
//! point). It has four states:
//!
//! * **clear** — the condition does not hold. When it begins to hold, the alert becomes *pending*, or *raised* at once
//!   when the rule has no `for`.
//! * **pending** — the condition holds, but not long enough. When a tick is seen on which it does not hold, or on which
//!   nothing was measured, the alert is clear again and nobody hears of it. After `for` it is *raised*.
//! * **raised** — people know. Between the threshold and the clear threshold nothing happens: that is the hysteresis.
//!   When the value is beyond the clear threshold, the alert becomes *clearing*, or *clear* at once without `clear_for`.
//! * **clearing** — healthy, but not long enough. Anything but a healthy value makes it *raised* again, silently;
//!   after `clear_for` it is cleared.
//!
//! So every alert is raised once and cleared once, in turns. What is not observed never clears an alert: an absent
//! value keeps it raised. Only when the host no longer has the series for five minutes (a file system was unmounted,
//! a process group is no longer watched), when the rule is gone, or when the host is forgotten, is it cleared without
//! having been seen healthy, and [`Reason`] says so.
//!
//! An alert that is raised for the fifth time in an hour is *flapping*: it stays raised until it was healthy for a
//! quarter of an hour, so the number of notices is bounded. An alert may have *levels*: its severity gets worse with its
//! value or with time, and milder again, and it stays one alert; each change is an update.
//!
//! # What a condition may look at
//!
//! * **a value** of one series ([`MetricCondition`]): by far the most, and what a tick costs least,
//! * **what is worked out** ([`DerivedCondition`]): windows, changes, ages, arithmetic, forecasts, what is usual, and
//!   several of these together by *and*, *or*, *not*. Each such alert has a bounded memory: sixty slots for a window,
//!   forty-eight for a forecast, eight weeks of hours for a baseline,
//! * **what is missing** ([`AbsentCondition`]): a series that was there, or is expected,
//! * **events** ([`EventCondition`]): how many of a kind in a time. They are counted by their own time and number, so
//!   order and repetition do not matter. Late ones count, and what they raise is marked late,
//! * **silence** of a host.
//!
//! After a restart the caller tells what was raised ([`Engine::restore`]) and, if it likes, the past ticks
//! ([`Engine::recall`]) and hours ([`Engine::learn`]) that windows, forecasts and baselines want. Until those know enough
//! they are *unknown*, which ends what is pending and neither raises nor clears. What the past ticks show to hold is
//! pending since then, and what they show healthy is clearing: so the history of alerts is the one that it would have
//! been. Past events are told by [`Engine::recall_event`], and how often an alert was raised lately by
//! [`Engine::raised_before`]. A tick that comes twice counts once.
//!
//! # Decisions
//!
//! Every evaluation that changes where an alert stands is a [`Decision`], heard of or not: what was seen, and what was
//! decided. They are kept from [`Engine::keep_decisions`] on, until [`Engine::take_decisions`] takes them.
//!
//! # Time
//!
//! Durations count in the agent's tick time, so a slow network does not shorten or stretch them; it may run ahead of
//! the collector's by some seconds, no more, so that a clock that jumps forward decides nothing. When no tick comes
//! in between, timers count in the collector's time, and only for a host that is not overdue: nothing is raised
//! about a host that is silent, except that it is silent. *Late* ticks (backlog) change nothing at all.

mod engine;
pub mod explain;
mod few;
mod glob;
mod language;
mod nearest;
mod plan;
pub mod replay;
mod rule;
mod template;
pub mod testing;
mod transition;

pub use engine::{AlertState, Engine, Hourly, Phase, Restored, Wanted};
pub use glob::{Glob, Patterns};
pub use language::RuleError;
pub use nearest::nearest;
pub use rule::{
    AbsentCondition, Action, Body, Bounds, Condition, DerivedCondition, Direction, Event, EventCondition, EventPattern,
    Flapping, Formula, Function, Level, Logic, Measure, MetricCondition, Operand, Override, Rule, RuleSet, States,
    Test,
};
pub use transition::{Decision, Evidence, Reason, Transition, TransitionKind};
