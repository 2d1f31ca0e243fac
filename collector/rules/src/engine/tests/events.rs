//! Stories of events.

use super::*;
use proptest::prelude::*;

fn about(lines: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "logins"
        event = "log.*"
        severity = "warning"
        action = "notify"
        title.en = "{{host}}: {{value}} of {{threshold}} {{body}}"
        title.zh = "{{host}} {{value}}"
        remedy.en = "Look."
        remedy.zh = "检查。"
        {lines}
        "#
    )
}

struct Log {
    engine: Engine,
    number: u64,
}

impl Log {
    fn new(lines: &str) -> Self {
        Self {
            engine: Engine::new(rules(&about(lines))),
            number: 0,
        }
    }

    fn say(&mut self, seconds: i64, from: &str, body: &str) -> Vec<Transition> {
        self.number += 1;
        let event = Event {
            number: self.number,
            name: "log.match",
            attributes: &[("unit", "sshd"), ("from", from)],
            body,
            time: at(seconds),
        };
        self.engine.event(HOST, &event, at(seconds), false)
    }
}

#[test]
fn so_many_in_so_much_time_are_one_alert_that_ends_when_none_comes() {
    let mut log = Log::new(
        "where = { unit = \"ssh*\" }\nbody = \"(?i)failed pass\"\ncount = 3\nwithin = \"1m\"\nclear_after = \"10m\"",
    );
    for seconds in [0, 40, 80, 120] {
        assert_eq!(log.say(seconds, "a", "Failed password"), [], "only two in a minute");
    }
    assert_eq!(log.say(121, "a", "Accepted password"), []);
    let raised = log.say(130, "a", "Failed password for root");
    assert_eq!(told(&raised), one(TransitionKind::Raised, "logins"));
    assert_eq!(raised[0].title.en, format!("{HOST}: 3 of 3 Failed password for root"));
    assert_eq!((raised[0].at, raised[0].evidence.late), (at(80), false));
    assert_eq!(log.say(200, "a", "Failed password"), []);
    assert_eq!(log.engine.next_deadline(), Some(at(800)));
    assert_eq!(log.engine.advance(at(799)), []);
    assert_eq!(
        told(&log.engine.advance(at(800))),
        one(TransitionKind::Cleared, "logins")
    );
    assert_eq!(log.engine.next_deadline(), None);
    assert_eq!(log.say(810, "a", "Failed password"), [], "it is counted anew");
}

#[test]
fn another_event_ends_it_for_its_own_instance() {
    let mut log = Log::new("body = \"down\"\nby = [\"from\"]\ncleared_by = { event = \"log.*\", body = \"up\" }");
    assert_eq!(log.say(0, "eth0", "down")[0].instance, "from=eth0");
    assert_eq!(log.say(1, "eth1", "down").len(), 1);
    assert_eq!(log.say(2, "eth0", "down"), []);
    let cleared = log.say(3, "eth0", "up");
    assert_eq!(told(&cleared), one(TransitionKind::Cleared, "logins"));
    assert_eq!((cleared[0].instance.as_str(), cleared[0].at), ("from=eth0", at(3)));
    assert_eq!(log.engine.snapshot().len(), 1);
    assert_eq!(log.say(4, "eth2", "up"), []);
}

#[test]
fn a_late_event_pages_marked_late_unless_it_is_known_to_be_over() {
    let text =
        "body = \"down\"\nby = [\"from\"]\ncleared_by = { event = \"log.*\", body = \"up\" }\nclear_after = \"1h\"";
    let mut log = Log::new(text);
    let late = |number, seconds, from, body| (number, [("from", from)], body, at(seconds));
    let mut say = |(number, attributes, body, time): (u64, [(&str, &str); 1], &str, Timestamp)| {
        let event = Event {
            number,
            name: "log.match",
            attributes: &attributes,
            body,
            time,
        };
        log.engine.event(HOST, &event, at(5_000), true)
    };
    let raised = say(late(1, 4_000, "a", "down"));
    assert_eq!((raised.len(), raised[0].evidence.late), (1, true));
    assert_eq!(say(late(2, 4_100, "b", "up")), []);
    assert_eq!(say(late(3, 4_050, "b", "down")), [], "it came up after that");
    assert_eq!(say(late(4, 1_000, "c", "down")), [], "an hour ago");
    assert_eq!(say(late(1, 4_000, "a", "down")), []);
    let cleared = say(late(5, 4_500, "a", "up"));
    assert_eq!(told(&cleared), one(TransitionKind::Cleared, "logins"));
}

#[test]
fn a_restart_keeps_what_is_raised_until_it_ends() {
    let text =
        "body = \"down\"\nby = [\"from\"]\ncleared_by = { event = \"log.*\", body = \"up\" }\nclear_after = \"1h\"";
    let mut log = Log::new(text);
    let alert = |from: &str| Restored {
        rule: "logins".to_owned(),
        host: HOST,
        instance: format!("from={from}"),
        raised_at: at(-500),
        value: Some(1.0),
        severity: Severity::Warning,
    };
    assert_eq!(log.engine.restore([alert("a"), alert("b")], at(0)), []);
    assert_eq!(log.say(10, "a", "down"), []);
    assert_eq!(told(&log.say(20, "a", "up")), one(TransitionKind::Cleared, "logins"));
    assert_eq!(
        told(&log.engine.advance(at(3_600))),
        one(TransitionKind::Cleared, "logins")
    );
}

#[test]
fn hostile_attributes_make_a_bounded_number_of_alerts() {
    let mut log = Log::new("by = [\"from\"]\nclear_after = \"1h\"");
    let said = (0..1_000).flat_map(|at| log.say(at, &at.to_string(), "x"));
    let raised = said.filter(|one| one.kind == TransitionKind::Raised).count();
    assert_eq!(raised, 65);
    assert_eq!(log.engine.snapshot().len(), 65);
    assert_eq!(log.engine.forget(HOST, at(2_000)).len(), 65);
    assert_eq!(log.engine.next_deadline(), None);
}

#[test]
fn mistakes_in_rules_about_events_are_told() {
    for (lines, message, hint) in [
        ("", "nothing ends", "clear_after"),
        ("clear_after = \"1h\"\ncount = 0", "`count` can't be 0", "from 1"),
        ("clear_after = \"1h\"\ncount = 2", "`count` without `within`", "10m"),
        (
            "clear_after = \"1h\"\nbody = \"(\"",
            "not a regular expression",
            "literally",
        ),
        ("clear_after = \"1h\"\nfor = \"1m\"", "`for` beside `event`", "`within`"),
        ("clear_after = \"1h\"\nabove = 1", "`above` beside `event`", "`count`"),
        (
            "cleared_by = { evnt = \"x\" }",
            "unknown key `evnt` of an event",
            "`event`",
        ),
        ("cleared_by = { body = \"x\" }", "`event` is missing", "process.exited"),
    ] {
        let errors = RuleSet::parse(&[("a.toml", about(lines))]).unwrap_err();
        let fits = |one: &crate::RuleError| one.message.contains(message) && one.hint.contains(hint);
        assert!(errors.iter().any(fits), "{lines}: {errors:#?}");
    }
}

proptest! {
    #[test]
    fn the_order_in_which_events_come_does_not_matter(
        mut times in prop::collection::vec((0_i64..300, any::<bool>()), 1..20), seed in prop::collection::vec(any::<u16>(), 20),
    ) {
        times.sort_unstable();
        times.dedup_by_key(|(time, _)| *time);
        let text = "body = \"down\"\ncleared_by = { event = \"log.*\", body = \"up\" }\nflapping = false";
        let run = |order: &[usize]| {
            let mut engine = Engine::new(rules(&about(text)));
            for at_place in order {
                let (time, down) = times[*at_place];
                let event = Event {
                    number: *at_place as u64,
                    name: "log.match",
                    attributes: &[],
                    body: if down { "down" } else { "up" },
                    time: at(time),
                };
                // Twice: a duplicate changes nothing.
                let _ = engine.event(HOST, &event, at(1_000), true);
                let _ = engine.event(HOST, &event, at(1_000), true);
            }
            !engine.snapshot().is_empty()
        };
        let straight: Vec<usize> = (0..times.len()).collect();
        let mut mixed = straight.clone();
        mixed.sort_by_key(|at| seed[*at]);
        prop_assert_eq!(run(&straight), run(&mixed));
        prop_assert_eq!(run(&straight), times.last().is_some_and(|(_, down)| *down));
    }
}
