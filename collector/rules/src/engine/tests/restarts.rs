//! What a restart may not change: forecasts, what is usual, events, and a thousand alerts that are raised.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const WORDS: &str = "severity = \"warning\"\naction = \"ticket\"\nflapping = false\ntitle = { en = \"{host}\", zh = \"{host}\" }\n\
                     remedy = { en = \"Look.\", zh = \"Look.\" }\n";

fn rule(name: &str, condition: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\n{WORDS}{condition}\n")
}

type Told = (TransitionKind, String, Timestamp);

/// An engine that may be killed, and what people know.
struct Run {
    engine: Engine,
    history: Vec<Told>,
    raised: BTreeMap<String, Restored>,
}

impl Run {
    fn new(rules: &RuleSet) -> Self {
        Self {
            engine: Engine::new(rules.clone()),
            history: Vec::new(),
            raised: BTreeMap::new(),
        }
    }

    fn hear(&mut self, said: Vec<Transition>) {
        for one in said {
            match one.kind {
                TransitionKind::Raised => {
                    let restored = Restored {
                        rule: one.rule.clone(),
                        host: one.host,
                        instance: one.instance.clone(),
                        raised_at: one.at,
                        value: one.value,
                        severity: one.severity,
                    };
                    self.raised.insert(one.rule.clone(), restored);
                }
                TransitionKind::Cleared => {
                    self.raised.remove(&one.rule);
                }
                TransitionKind::Updated => continue,
            }
            self.history.push((one.kind, one.rule, one.at));
        }
        self.history.sort_by(|a, b| (a.2, &a.1).cmp(&(b.2, &b.1)));
    }

    fn kill(&mut self, now: Timestamp) {
        self.engine = Engine::new(self.engine.rules().clone());
        let said = self.engine.restore(self.raised.values().cloned(), now);
        self.hear(said);
    }
}

fn load() -> Dictionary {
    let series = metric("system.cpu.load_average.1m").unwrap().series(&[]);
    Dictionary::new(vec![Arc::new(Section::new(vec![series]))])
}

fn hours() -> Vec<Hourly> {
    let each = 1..=400_i64;
    each.map(|before| Hourly {
        hour: at(-before * 3_600),
        mean: 5.0 + (before % 7) as f64 / 10.0,
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn forecasts_and_what_is_usual_are_the_same_after_a_restart(
        slope in 0_u32..40,
        noise in prop::collection::vec(0_u32..10, 160),
        restarts in prop::collection::vec(prop::bool::weighted(0.05), 160),
    ) {
        let lead = "metric = \"system.cpu.load_average.1m\"\n";
        let text = rule("fills", &format!("{lead}forecast = 1000\nover = \"1h\"\nbelow = \"24h\""))
            + &rule("unusual", &format!("{lead}baseline = \"above\"\nleast = 1\nabove = 4"));
        let rules = rules(&text);
        let dictionary = load();
        let ticks: Vec<Tick> = (0_i64..).zip(&noise).map(|(number, noise)| Tick {
            time: at(number * 60),
            cells: vec![Cell::from_f64(5.0 + f64::from(slope) * number as f64 / 10.0 + f64::from(*noise) / 10.0, 2)],
        }).collect();
        let (mut plain, mut disturbed) = (Run::new(&rules), Run::new(&rules));
        // Its series are known from its first tick on.
        let first = Tick {
            time: at(-60),
            cells: vec![Cell::Absent],
        };
        for run in [&mut plain, &mut disturbed] {
            let said = run.engine.tick(HOST, &dictionary, &first, &[u64::MAX], at(-60), false);
            run.hear(said);
            run.engine.learn(HOST, "unusual", "", &hours());
        }
        for (number, tick) in ticks.iter().enumerate() {
            if restarts[number] {
                disturbed.kill(tick.time);
                for past in std::iter::once(&first).chain(&ticks[..number]) {
                    let said = disturbed.engine.recall(HOST, &dictionary, past, tick.time);
                    disturbed.hear(said);
                }
                disturbed.engine.learn(HOST, "unusual", "", &hours());
            }
            for run in [&mut plain, &mut disturbed] {
                let said = run.engine.tick(HOST, &dictionary, tick, &[u64::MAX], tick.time, false);
                run.hear(said);
            }
            prop_assert_eq!(&plain.history, &disturbed.history, "after tick {}", number);
        }
    }

    #[test]
    fn events_are_counted_on_after_a_restart(
        events in prop::collection::vec(prop::option::weighted(0.6, 0_u8..4), 1..60),
        restarts in prop::collection::vec(prop::bool::weighted(0.15), 60),
    ) {
        let rules = rules(&(rule("many", "event = \"log.bad\"\ncount = 3\nwithin = \"1m\"\nclear_after = \"90s\"")
            + &rule("link", "event = \"log.bad\"\ncleared_by = { event = \"log.good\" }")));
        let (mut plain, mut disturbed) = (Run::new(&rules), Run::new(&rules));
        let mut past: Vec<(u64, &str, Timestamp)> = Vec::new();
        for (number, kind) in (0_u32..).zip(&events) {
            let now = at(i64::from(number) * 10);
            if restarts[number as usize] {
                disturbed.kill(now);
                for (number, name, time) in &past {
                    let event = Event { number: *number, name, attributes: &[], body: "", time: *time };
                    disturbed.engine.recall_event(HOST, &event, *time);
                }
            }
            let name = kind.map(|kind| if kind == 0 { "log.good" } else { "log.bad" });
            for run in [&mut plain, &mut disturbed] {
                let said = run.engine.advance(now);
                run.hear(said);
                if let Some(name) = name {
                    let event = Event { number: u64::from(number) + 1, name, attributes: &[], body: "", time: now };
                    let said = run.engine.event(HOST, &event, now, false);
                    run.hear(said);
                }
            }
            past.extend(name.map(|name| (u64::from(number) + 1, name, now)));
            prop_assert_eq!(&plain.history, &disturbed.history, "after step {}", number);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_comes_and_goes_is_known_to_after_a_restart(
        values in prop::collection::vec(0_u8..3, 1..80),
        restarts in prop::collection::vec(prop::bool::weighted(0.1), 80),
    ) {
        let text = rule("load", "metric = \"system.cpu.load_average.1m\"\nabove = 1").replace(
            "flapping = false",
            "flapping = { raises = 3, within = \"5m\", calm = \"1m\" }",
        );
        let rules = rules(&text);
        let dictionary = load();
        let ticks: Vec<Tick> = (0_i64..).zip(&values).map(|(number, value)| Tick {
            time: at(number * 10),
            cells: vec![Cell::from_f64(f64::from(*value), 2)],
        }).collect();
        let (mut plain, mut disturbed) = (Run::new(&rules), Run::new(&rules));
        let mut raised: Vec<Timestamp> = Vec::new();
        for (number, tick) in ticks.iter().enumerate() {
            if restarts[number] {
                disturbed.kill(tick.time);
                for then in &raised {
                    disturbed.engine.raised_before(HOST, "load", "", *then);
                }
                for past in &ticks[..number] {
                    let said = disturbed.engine.recall(HOST, &dictionary, past, tick.time);
                    disturbed.hear(said);
                }
            }
            for run in [&mut plain, &mut disturbed] {
                let said = run.engine.tick(HOST, &dictionary, tick, &[u64::MAX], tick.time, false);
                run.hear(said);
            }
            let known = |one: &&Told| one.0 == TransitionKind::Raised;
            raised = disturbed.history.iter().filter(known).map(|one| one.2).collect();
            prop_assert_eq!(&plain.history, &disturbed.history, "after tick {}", number);
        }
    }
}

#[test]
fn a_restart_with_a_thousand_raised_alerts_clears_and_raises_none() {
    let text = full("disk", "for = \"20s\"\nclear_for = \"20s\"") + &silent("");
    let rules = rules(&text);
    let names: Vec<String> = (0..10).map(|mount| format!("/data{mount}")).collect();
    let dictionary = mounts(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let hosts: Vec<HostId> = (0..100).map(|number| HostId::from_bytes([number; 16])).collect();
    let mut engine = Engine::new(rules.clone());
    let tick_all = |engine: &mut Engine, seconds: i64, value: f64| {
        let tick = tick(seconds, &[value; 10]);
        let mut said = engine.advance(at(seconds));
        for host in &hosts {
            said.extend(engine.tick(*host, &dictionary, &tick, &[u64::MAX], at(seconds), false));
        }
        said
    };
    for host in &hosts {
        let _ = engine.introduce(*host, "db", &[], at(0));
        engine.expect(*host, INTERVAL, at(0));
    }
    let mut raised = Vec::new();
    for number in 0..4 {
        raised.extend(tick_all(&mut engine, number * 10, 0.95));
    }
    assert_eq!(raised.len(), 1_000);
    // Killed, and back an hour later; agents come back half a minute after that.
    let mut engine = Engine::new(rules);
    engine.keep_decisions();
    for host in &hosts {
        let _ = engine.introduce(*host, "db", &[], at(3_600));
        engine.expect(*host, INTERVAL, at(3_600));
        engine.heard_before(*host, at(3_590), at(3_630));
    }
    let restored = raised.iter().map(|one| Restored {
        rule: one.rule.clone(),
        host: one.host,
        instance: one.instance.clone(),
        raised_at: one.at,
        value: one.value,
        severity: one.severity,
    });
    assert_eq!(engine.restore(restored, at(3_600)), []);
    for seconds in (3_610..3_640).step_by(10) {
        assert_eq!(engine.advance(at(seconds)), []);
    }
    for number in 0..10 {
        assert_eq!(tick_all(&mut engine, 3_640 + number * 10, 0.95), []);
    }
    let mut cleared = Vec::new();
    for number in 0..4 {
        cleared.extend(tick_all(&mut engine, 3_740 + number * 10, 0.5));
    }
    assert_eq!(cleared.len(), 1_000);
    assert!(cleared.iter().all(|one| one.kind == TransitionKind::Cleared));
    let (decisions, dropped) = engine.take_decisions();
    assert_eq!(
        (decisions.len(), dropped),
        (2_000, 0),
        "healthy, then cleared, each once"
    );
}

#[test]
fn what_is_pending_at_a_restart_is_raised_when_it_would_have_been() {
    let rules = rules(&full("disk", "for = \"1m\""));
    let dictionary = mounts(&["/"]);
    let mut engine = Engine::new(rules);
    for number in 0..4 {
        assert_eq!(
            engine.recall(HOST, &dictionary, &tick(number * 10, &[0.95]), at(40)),
            []
        );
    }
    assert_eq!(engine.states(HOST)[0].state, Phase::Pending);
    assert_eq!(engine.advance(at(50)), []);
    let at_fifty = engine.tick(HOST, &dictionary, &tick(50, &[0.95]), &[u64::MAX], at(50), false);
    assert_eq!(at_fifty, []);
    let said = engine.tick(HOST, &dictionary, &tick(60, &[0.95]), &[0], at(60), false);
    assert_eq!(told(&said), one(TransitionKind::Raised, "disk"));
    assert_eq!(said[0].at, at(0));
}

#[test]
fn a_past_that_is_told_while_ticks_come_takes_the_place_of_what_was_read() {
    let text = full("disk", "for = \"1m\"");
    let dictionary = mounts(&["/"]);
    let mut engine = Engine::new(rules(&text));
    let _ = engine.tick(HOST, &dictionary, &tick(40, &[0.95]), &[u64::MAX], at(40), false);
    let _ = engine.tick(HOST, &dictionary, &tick(50, &[0.95]), &[0], at(50), false);
    assert_eq!(engine.forget_past(HOST), Some(at(50)));
    for number in 0..=5 {
        assert_eq!(
            engine.recall(HOST, &dictionary, &tick(number * 10, &[0.95]), at(50)),
            []
        );
    }
    let said = engine.tick(HOST, &dictionary, &tick(60, &[0.95]), &[0], at(60), false);
    assert_eq!((told(&said), said[0].at), (one(TransitionKind::Raised, "disk"), at(0)));
}

#[test]
fn silence_goes_on_from_where_it_stood_and_not_before_an_agent_could_come_back() {
    let mut engine = Engine::new(rules(&silent("")));
    engine.expect(HOST, INTERVAL, at(0));
    engine.heard_before(HOST, at(-50), at(30));
    assert_eq!(engine.next_deadline(), Some(at(30)));
    engine.heard_before(HOST, at(-20), at(30));
    assert_eq!(engine.next_deadline(), Some(at(40)));
    let said = engine.advance(at(40));
    assert_eq!(
        (told(&said), said[0].at),
        (one(TransitionKind::Raised, "silent"), at(-20))
    );
}

#[test]
fn every_turn_of_an_alert_is_a_decision_that_says_what_was_seen() {
    let mut engine = Engine::new(rules(&full(
        "disk",
        "clear_below = 0.8\nfor = \"20s\"\nclear_for = \"10s\"",
    )));
    engine.keep_decisions();
    let dictionary = mounts(&["/"]);
    for (number, value) in (0..).zip([0.95, 0.7, 0.95, 0.97, 0.96, 0.7, 0.95, 0.7, 0.7]) {
        let tick = tick(number * 10, &[value]);
        let _ = engine.tick(HOST, &dictionary, &tick, &[u64::MAX], at(number * 10), false);
    }
    let (decisions, _) = engine.take_decisions();
    let turns: Vec<_> = decisions.iter().map(|one| (one.from, one.to, one.reason)).collect();
    assert_eq!(
        turns,
        [
            (Phase::Clear, Phase::Pending, "holds"),
            (Phase::Pending, Phase::Clear, "not_long_enough"),
            (Phase::Clear, Phase::Pending, "holds"),
            (Phase::Pending, Phase::Raised, "held"),
            (Phase::Raised, Phase::Clearing, "healthy"),
            (Phase::Clearing, Phase::Raised, "holds_again"),
            (Phase::Raised, Phase::Clearing, "healthy"),
            (Phase::Clearing, Phase::Clear, "recovered"),
        ]
    );
    let raise = &decisions[3];
    assert_eq!((raise.since, raise.observed, raise.value), (at(20), at(40), Some(0.96)));
    assert_eq!((raise.worst, raise.ticks, raise.threshold), (Some(0.97), 3, 0.9));
}
