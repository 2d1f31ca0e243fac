//! The engine as a whole: stories of alerts.

mod absence;
mod changes;
mod derived;
mod events;
mod flapping;
mod history;
mod levels;
mod order;
mod ordinary;
mod overriding;
mod restarts;
mod sparse;
mod turns;

use super::*;
use crate::{Evidence, RuleSet};
use tocsin_vocabulary::{Section, batch::Cell, catalogue::metric};

const HOST: HostId = HostId::from_bytes([1; 16]);
const INTERVAL: Duration = Duration::from_secs(10);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1_000)
}

fn rules(text: &str) -> RuleSet {
    RuleSet::parse(&[("test.toml", text)]).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// A rule about the share of `/` that is used, with more lines.
fn full(name: &str, lines: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "{name}"
        metric = "system.filesystem.utilization"
        above = 0.9
        severity = "critical"
        action = "ticket"
        title.en = "{{host}}: {{system.filesystem.mountpoint}} {{value}}"
        title.zh = "{{host}}:{{system.filesystem.mountpoint}} {{value}}"
        remedy.en = "Clean up."
        remedy.zh = "清理。"
        {lines}
        "#
    )
}

fn silent(lines: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "silent"
        no_data = "60s"
        severity = "critical"
        action = "ticket"
        title.en = "{{host}} silent for {{value}}"
        title.zh = "{{host}} 失联 {{value}}"
        remedy.en = "Look."
        remedy.zh = "检查。"
        {lines}
        "#
    )
}

fn mounts(names: &[&str]) -> Dictionary {
    let metric = metric("system.filesystem.utilization").unwrap();
    let series = names
        .iter()
        .map(|name| metric.series(&[("system.filesystem.mountpoint", name)]))
        .collect();
    Dictionary::new(vec![Arc::new(Section::new(series))])
}

fn tick(seconds: i64, values: &[f64]) -> Tick {
    let cells = values.iter().map(|value| {
        if value.is_nan() {
            Cell::Absent
        } else {
            Cell::from_f64(*value, 4)
        }
    });
    Tick {
        time: at(seconds),
        cells: cells.collect(),
    }
}

/// One host whose ticks arrive at once.
struct Story {
    engine: Engine,
    dictionary: Dictionary,
    last: Vec<f64>,
}

impl Story {
    fn new(text: &str) -> Self {
        Self {
            engine: Engine::new(rules(text)),
            dictionary: mounts(&["/"]),
            last: Vec::new(),
        }
    }

    /// A tick with these values; `changed` is told as a decoder would.
    fn tick(&mut self, seconds: i64, values: &[f64]) -> Vec<(TransitionKind, String)> {
        let mut changed = vec![0_u64; values.len().div_ceil(64)];
        for (at, value) in values.iter().enumerate() {
            if self.last.get(at).is_none_or(|last| last.to_bits() != value.to_bits()) {
                changed[at / 64] |= 1 << (at % 64);
            }
        }
        self.last = values.to_vec();
        let tick = tick(seconds, values);
        told(
            &self
                .engine
                .tick(HOST, &self.dictionary, &tick, &changed, at(seconds), false),
        )
    }

    fn phases(&self) -> Vec<Phase> {
        self.engine.states(HOST).iter().map(|state| state.state).collect()
    }
}

fn told(transitions: &[Transition]) -> Vec<(TransitionKind, String)> {
    transitions.iter().map(|one| (one.kind, one.rule.clone())).collect()
}

fn one(kind: TransitionKind, rule: &str) -> Vec<(TransitionKind, String)> {
    vec![(kind, rule.to_owned())]
}

#[test]
fn an_alert_is_pending_then_raised_then_clearing_then_cleared() {
    let mut story = Story::new(&full("full", "for = \"30s\"\nclear_for = \"20s\""));
    assert_eq!(story.tick(0, &[0.5]), []);
    assert_eq!(story.phases(), [Phase::Clear]);
    for seconds in [10, 20, 30] {
        assert_eq!(story.tick(seconds, &[0.95]), []);
        assert_eq!(story.phases(), [Phase::Pending]);
    }
    assert_eq!(story.tick(40, &[0.95]), one(TransitionKind::Raised, "full"));
    assert_eq!(story.tick(50, &[0.5]), []);
    assert_eq!(story.phases(), [Phase::Clearing]);
    assert_eq!(story.tick(60, &[0.5]), []);
    assert_eq!(story.tick(70, &[0.5]), one(TransitionKind::Cleared, "full"));
    assert_eq!(story.phases(), [Phase::Clear]);
    assert_eq!(story.engine.next_deadline(), None);
}

#[test]
fn a_transition_says_who_what_where_when_and_what_was_seen() {
    let mut story = Story::new(&full("full", "for = \"10s\""));
    assert_eq!(story.engine.introduce(HOST, "db-1", &[], at(0)), []);
    story.tick(0, &[0.96]);
    let tick = tick(10, &[0.95]);
    let raised = &story.engine.tick(HOST, &story.dictionary, &tick, &[1], at(12), false)[0];
    assert_eq!(raised.title.en, "db-1: / 95 %");
    assert_eq!(raised.instance, "system.filesystem.mountpoint=/");
    assert_eq!((raised.value, raised.threshold, raised.at), (Some(0.95), 0.9, at(0)));
    assert_eq!(
        raised.evidence,
        Evidence {
            reason: Reason::Holds,
            since: at(0),
            observed: at(10),
            decided: at(12),
            worst: Some(0.96),
            ticks: 2,
            flapping: false,
            late: false,
        }
    );
}

#[test]
fn between_the_two_thresholds_nothing_flaps() {
    let mut story = Story::new(&full("full", "clear_below = 0.8"));
    assert_eq!(story.tick(0, &[0.95]), one(TransitionKind::Raised, "full"));
    for seconds in 1..20 {
        let value = if seconds % 2 == 0 { 0.91 } else { 0.85 };
        assert_eq!(story.tick(seconds, &[value]), []);
    }
    assert_eq!(story.tick(20, &[0.79]), one(TransitionKind::Cleared, "full"));
    assert_eq!(story.tick(21, &[0.85]), []);
}

#[test]
fn a_dip_starts_for_anew() {
    let mut story = Story::new(&full("full", "for = \"30s\""));
    story.tick(0, &[0.95]);
    story.tick(20, &[0.85]);
    story.tick(30, &[0.95]);
    assert_eq!(story.tick(50, &[0.95]), []);
    assert_eq!(story.tick(60, &[0.95]), one(TransitionKind::Raised, "full"));
}

#[test]
fn a_timer_raises_between_ticks_unless_the_host_is_overdue() {
    let text = full("full", "for = \"5s\"");
    let mut story = Story::new(&text);
    story.engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(story.tick(0, &[0.95]), []);
    assert_eq!(story.engine.next_deadline(), Some(at(6)));
    assert_eq!(story.engine.advance(at(5)), []);
    assert_eq!(told(&story.engine.advance(at(6))), one(TransitionKind::Raised, "full"));

    let mut story = Story::new(&full("full", "for = \"60s\""));
    story.engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(story.tick(0, &[0.95]), []);
    assert_eq!(story.engine.advance(at(120)), []);
    assert_eq!(story.phases(), [Phase::Pending]);
    assert_eq!(story.tick(130, &[0.95]), one(TransitionKind::Raised, "full"));
}

#[test]
fn silence_is_raised_once_and_cleared_by_the_first_sign_of_life() {
    let mut engine = Engine::new(rules(&silent("")));
    engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(engine.next_deadline(), Some(at(60)));
    assert_eq!(engine.seen(HOST, at(30)), []);
    assert_eq!(engine.advance(at(60)), []);
    assert_eq!(engine.next_deadline(), Some(at(90)));
    let raised = engine.advance(at(90));
    assert_eq!(told(&raised), one(TransitionKind::Raised, "silent"));
    assert_eq!((raised[0].at, raised[0].value), (at(30), Some(60.0)));
    assert!(raised[0].title.en.ends_with("silent for 1m"), "{}", raised[0].title.en);
    assert_eq!(engine.advance(at(10_000)), []);
    assert_eq!(
        told(&engine.seen(HOST, at(10_001))),
        one(TransitionKind::Cleared, "silent")
    );
    assert_eq!(engine.next_deadline(), Some(at(10_061)));
    assert_eq!(told(&engine.advance(at(10_061))), one(TransitionKind::Raised, "silent"));
}

#[test]
fn a_return_must_hold_when_the_rule_says_so() {
    let mut engine = Engine::new(rules(&silent("clear_for = \"20s\"")));
    engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(engine.advance(at(60)).len(), 1);
    assert_eq!(engine.seen(HOST, at(70)), []);
    assert_eq!(engine.seen(HOST, at(80)), []);
    assert_eq!(told(&engine.seen(HOST, at(90))), one(TransitionKind::Cleared, "silent"));
}

#[test]
fn a_rule_about_machines_that_answer_asks_waits_and_asks_again() {
    let text = silent("answers = true") + &silent("answers = false").replace("\"silent\"", "\"gone\"");
    let mut engine = Engine::new(rules(&text));
    engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(engine.advance(at(61)), []);
    assert_eq!(engine.take_asks().into_iter().collect::<Vec<_>>(), [HOST]);
    let gone = engine.answered(HOST, false, at(62));
    assert_eq!(told(&gone), one(TransitionKind::Raised, "gone"));
    assert_eq!(engine.advance(at(92)), []);
    assert!(engine.take_asks().contains(&HOST), "it may have come up meanwhile");
    assert_eq!(
        told(&engine.answered(HOST, true, at(93))),
        one(TransitionKind::Raised, "silent")
    );
    assert_eq!(engine.seen(HOST, at(100)).len(), 2, "both are over when it is heard");
    assert_eq!(
        engine.answered(HOST, true, at(101)),
        [],
        "an answer that comes late is about nothing"
    );
}

#[test]
fn a_slow_host_is_silent_only_when_three_ticks_are_missing() {
    let mut engine = Engine::new(rules(&silent("")));
    engine.expect(HOST, Duration::from_secs(60), at(0));
    assert_eq!(engine.advance(at(179)), []);
    assert_eq!(engine.advance(at(180)).len(), 1);
}

#[test]
fn late_ticks_never_raise_and_never_clear_but_are_a_sign_of_life() {
    let mut story = Story::new(&(full("full", "") + &silent("")));
    story.engine.expect(HOST, INTERVAL, at(0));
    let bad = tick(-100, &[0.99]);
    assert_eq!(story.engine.tick(HOST, &story.dictionary, &bad, &[1], at(0), true), []);
    assert_eq!(story.tick(10, &[0.95]), one(TransitionKind::Raised, "full"));
    let good = tick(-90, &[0.1]);
    assert_eq!(
        story.engine.tick(HOST, &story.dictionary, &good, &[1], at(50), true),
        []
    );
    assert_eq!(story.engine.advance(at(100)), []);
}

#[test]
fn an_absent_value_keeps_what_was_raised_and_ends_what_was_pending() {
    let mut story = Story::new(&full("full", "for = \"10s\""));
    story.tick(0, &[0.95]);
    assert_eq!(story.tick(10, &[f64::NAN]), []);
    assert_eq!(story.phases(), [Phase::Clear]);
    story.tick(20, &[0.95]);
    assert_eq!(story.tick(30, &[0.95]), one(TransitionKind::Raised, "full"));
    assert_eq!(story.tick(40, &[f64::NAN]), []);
    assert_eq!(story.phases(), [Phase::Raised]);
    assert_eq!(story.tick(50, &[0.1]), one(TransitionKind::Cleared, "full"));
}

#[test]
fn a_series_that_is_gone_clears_as_vanished_after_five_minutes_and_not_when_it_returns() {
    let mut story = Story::new(&full("full", ""));
    story.dictionary = mounts(&["/", "/data"]);
    assert_eq!(story.tick(0, &[0.1, 0.95]), one(TransitionKind::Raised, "full"));
    story.dictionary = mounts(&["/"]);
    assert_eq!(story.tick(10, &[0.1]), []);
    assert_eq!(story.engine.advance(at(309)), []);
    story.dictionary = mounts(&["/new", "/data", "/"]);
    assert_eq!(story.tick(309, &[0.1, 0.95, 0.1]), []);
    assert_eq!(story.engine.advance(at(1_000)), []);
    story.dictionary = mounts(&["/"]);
    story.tick(1_010, &[0.1]);
    let cleared = story.engine.advance(at(1_310));
    assert_eq!(told(&cleared), one(TransitionKind::Cleared, "full"));
    assert_eq!(cleared[0].evidence.reason, Reason::Vanished);
    assert_eq!(cleared[0].instance, "system.filesystem.mountpoint=/data");
}

#[test]
fn a_counters_rate_is_compared_and_a_reset_gives_no_value() {
    let text = full("errors", "rate = true").replace("system.filesystem.utilization", "system.network.errors");
    let text = text
        .replace("system.filesystem.mountpoint", "network.interface.name")
        .replace("0.9", "2");
    let mut engine = Engine::new(rules(&text));
    let series = metric("system.network.errors")
        .unwrap()
        .series(&[("network.interface.name", "eth0")]);
    let dictionary = Dictionary::new(vec![Arc::new(Section::new(vec![series]))]);
    let mut feed = |seconds, total: u64| {
        let tick = Tick {
            time: at(seconds),
            cells: vec![Cell::from_u64(total)],
        };
        told(&engine.tick(HOST, &dictionary, &tick, &[1], at(seconds), false))
    };
    assert_eq!(feed(0, 1_000_000), []);
    assert_eq!(feed(10, 1_000_020), []);
    assert_eq!(feed(20, 1_000_041), one(TransitionKind::Raised, "errors"));
    assert_eq!(feed(30, 5), []);
    assert_eq!(feed(40, 25), one(TransitionKind::Cleared, "errors"));
}

#[test]
fn what_always_was_so_is_not_raised_where_only_a_turn_counts() {
    let mut story = Story::new(&full("full", "from_healthy = true"));
    assert_eq!(story.tick(0, &[0.95]), []);
    assert_eq!(story.tick(10, &[0.96]), []);
    assert_eq!(story.tick(20, &[0.5]), []);
    assert_eq!(story.tick(30, &[0.95]), one(TransitionKind::Raised, "full"));
}

#[test]
fn a_raised_alert_tells_a_new_value_every_five_minutes_at_most() {
    let mut story = Story::new(&full("full", ""));
    assert_eq!(story.tick(0, &[0.95]), one(TransitionKind::Raised, "full"));
    assert_eq!(story.tick(299, &[0.96]), []);
    assert_eq!(story.tick(300, &[0.96]), one(TransitionKind::Updated, "full"));
    assert_eq!(story.tick(700, &[0.96]), []);
}

#[test]
fn two_series_with_one_name_share_no_alert() {
    let mut story = Story::new(&full("full", ""));
    story.dictionary = mounts(&["/", "/"]);
    assert_eq!(story.tick(0, &[0.95, 0.1]), one(TransitionKind::Raised, "full"));
    assert_eq!(story.tick(10, &[0.95, 0.95]), []);
}

#[test]
fn a_clock_that_jumps_forward_neither_raises_nor_clears_early() {
    let mut story = Story::new(&full("full", "for = \"5m\"\nclear_for = \"5m\""));
    let dictionary = story.dictionary.clone();
    let mut see = |tick_at: i64, now: i64, value: f64| {
        let tick = tick(tick_at, &[value]);
        told(&story.engine.tick(HOST, &dictionary, &tick, &[1], at(now), false))
    };
    assert!(see(0, 0, 0.95).is_empty());
    assert!(
        see(3_600, 10, 0.95).is_empty(),
        "an hour by the host's clock, ten seconds by ours"
    );
    assert!(see(3_890, 300, 0.95).len() == 1, "five minutes by both");
    assert!(see(3_900, 310, 0.5).is_empty());
    assert!(see(9_000, 320, 0.5).is_empty());
    assert_eq!(see(9_290, 610, 0.5), [(TransitionKind::Cleared, "full".to_owned())]);
}
