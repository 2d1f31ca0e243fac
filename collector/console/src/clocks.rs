//! A clock as a page shows it: what is left or how late, in words and as a bar that drains.

use crate::{
    markup::Html,
    moments::{element, short, span},
    words::say,
};
use jiff::tz::TimeZone;
use tocsin_desk::model::Clock;
use tocsin_vocabulary::{Language, Timestamp};

/// One clock, ready to show.
#[derive(Debug, Clone)]
pub(crate) struct ClockView {
    /// The clock's name, such as `响应`.
    pub(crate) name: String,
    /// `剩余 12 分钟 · 14:05 前响应`, `逾期 8 分钟`, `14:02 达成`.
    pub(crate) text: Html,
    /// `late`, `soon`, `calm` or `done`.
    pub(crate) tone: &'static str,
    /// What is left, in thousandths of the whole.
    pub(crate) left: i64,
    /// The contract's clause, as the policy words it; empty where it says nothing.
    pub(crate) clause: String,
}

/// What is left when a clock counts as nearly due, in thousandths.
const SOON: i64 = 250;

impl ClockView {
    pub(crate) fn new(clock: &Clock, now: Timestamp, language: Language, zone: &TimeZone) -> Self {
        let name = say(language, &format!("clock-{}", clock.kind.as_str()), &[]);
        let left = left(clock, clock.stopped_at.unwrap_or(now));
        let when = |at: Timestamp| fluent_bundle::FluentValue::from(short(at, now, zone));
        let (tone, text, at) = match (clock.stopped_at, clock.breached_at) {
            (Some(stopped), None) => ("done", say(language, "clock-met", &[("at", when(stopped))]), stopped),
            (Some(stopped), Some(_)) => {
                let late = span(stopped.since(clock.due_at), language);
                let text = say(
                    language,
                    "clock-met-late",
                    &[("at", when(stopped)), ("span", late.into())],
                );
                ("late", text, stopped)
            }
            (None, _) if now >= clock.due_at => {
                let late = span(now.since(clock.due_at), language);
                (
                    "late",
                    say(
                        language,
                        "clock-late",
                        &[("span", late.into()), ("at", when(clock.due_at))],
                    ),
                    clock.due_at,
                )
            }
            (None, _) => {
                let rest = span(clock.due_at.since(now), language);
                let tone = if left < SOON { "soon" } else { "calm" };
                let key = format!("clock-left-{}", clock.kind.as_str());
                (
                    tone,
                    say(language, &key, &[("span", rest.into()), ("at", when(clock.due_at))]),
                    clock.due_at,
                )
            }
        };
        Self {
            name,
            text: element(at, &text, zone),
            tone,
            left,
            clause: String::new(),
        }
    }
}

impl ClockView {
    /// A clock that ended because the level was raised: nobody met it.
    pub(crate) fn superseded(
        clock: &Clock,
        raised: Timestamp,
        now: Timestamp,
        language: Language,
        zone: &TimeZone,
    ) -> Self {
        let when = |at: Timestamp| fluent_bundle::FluentValue::from(short(at, now, zone));
        let blanks = [("at", when(raised)), ("due", when(clock.due_at))];
        let (tone, key) = match clock.breached_at {
            Some(_) => ("late", "clock-raised-late"),
            None => ("done", "clock-raised"),
        };
        Self {
            text: element(raised, &say(language, key, &blanks), zone),
            tone,
            ..Self::new(clock, now, language, zone)
        }
    }

    /// A clock that stands still while the ticket waits.
    pub(crate) fn paused(clock: &Clock, now: Timestamp, language: Language, zone: &TimeZone) -> Self {
        Self {
            text: element(clock.started_at, &say(language, "clock-paused", &[]), zone),
            tone: "calm",
            ..Self::new(clock, now, language, zone)
        }
    }
}

/// What is left of a clock at an instant, 0 to 1000.
fn left(clock: &Clock, at: Timestamp) -> i64 {
    let whole = clock
        .due_at
        .as_millis()
        .saturating_sub(clock.started_at.as_millis())
        .max(1);
    let rest = clock.due_at.as_millis().saturating_sub(at.as_millis()).clamp(0, whole);
    rest.saturating_mul(1000) / whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_desk::model::ClockKind;

    fn minutes(n: i64) -> Timestamp {
        Timestamp::from_millis(n * 60_000)
    }

    fn show(clock: Clock, now: i64) -> ClockView {
        ClockView::new(&clock, minutes(now), Language::Chinese, &TimeZone::UTC)
    }

    #[test]
    fn a_clock_drains_then_is_late_and_stays_late_when_it_is_met() {
        let running = Clock {
            kind: ClockKind::Respond,
            started_at: minutes(0),
            due_at: minutes(30),
            stopped_at: None,
            breached_at: None,
        };
        let view = show(running, 18);
        assert!(view.text.0.contains("剩余 12 分钟 · 00:30 前响应"), "{}", view.text);
        assert_eq!((view.tone, view.left), ("calm", 400));
        assert_eq!(show(running, 25).tone, "soon");
        let late = show(running, 38);
        assert!(late.text.0.contains("逾期 8 分钟"), "{}", late.text);
        assert_eq!((late.tone, late.left), ("late", 0));
        let met = Clock {
            stopped_at: Some(minutes(40)),
            breached_at: Some(minutes(30)),
            ..running
        };
        assert_eq!(show(met, 90).tone, "late");
        let raised = ClockView::superseded(&met, minutes(40), minutes(90), Language::Chinese, &TimeZone::UTC);
        assert!(
            raised.text.0.contains("00:30 逾期\u{ff0c}00:40 升级"),
            "{}",
            raised.text
        );
        assert!(!raised.text.0.contains("达成"), "nobody met it: {}", raised.text);
        assert_eq!(
            show(
                Clock {
                    stopped_at: Some(minutes(3)),
                    ..running
                },
                90
            )
            .tone,
            "done"
        );
    }
}
