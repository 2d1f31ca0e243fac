//! Rules: a condition with hysteresis, compiled per dictionary, evaluated on arrival. Pure: no clock, no file, no socket.
//!
//! * [`RuleSet`] — what an administrator wrote: TOML files in, rules or *all* mistakes out ([`RuleError`]),
//! * [`Engine`] — what holds now: ticks and time in, [`Transition`]s out,
//! * [`Transition`] — an alert raised, updated or cleared, with the words that people read and what was seen.
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
//! Time: durations count in the agent's tick time, so a slow network does not shorten or stretch them; it may run ahead of
//! the collector's by some seconds, no more, so that a clock that jumps forward decides nothing. When no tick comes
//! in between, timers count in the collector's time, and only for a host that is not overdue: nothing is raised
//! about a host that is silent, except that it is silent. *Late* ticks (backlog) change nothing at all.

mod engine;
mod glob;
mod language;
mod nearest;
mod plan;
mod rule;
mod template;
mod transition;

pub use engine::{AlertState, Engine, Phase, Restored};
pub use glob::{Glob, Patterns};
pub use language::RuleError;
pub use rule::{Action, Bounds, Condition, MetricCondition, Rule, RuleSet};
pub use transition::{Evidence, Reason, Transition, TransitionKind};
