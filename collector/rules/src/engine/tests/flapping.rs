//! Stories of alerts that come and go.

use super::*;
use crate::Flapping;

/// Bad and good in turns, a minute each: what was raised and cleared in which minute.
fn turns(story: &mut Story, minutes: std::ops::Range<i64>) -> Vec<(i64, TransitionKind)> {
    let mut told = Vec::new();
    for minute in minutes {
        let value = if minute % 2 == 0 { 0.95 } else { 0.1 };
        let said = story.tick(minute * 60, &[value]);
        told.extend(said.into_iter().map(|(kind, _)| (minute, kind)));
        let said = story.engine.advance(at(minute * 60 + 30));
        told.extend(said.iter().map(|one| (minute, one.kind)));
    }
    told.retain(|(_, kind)| *kind != TransitionKind::Updated);
    told
}

#[test]
fn what_comes_and_goes_is_told_a_few_times_and_then_stays_one_alert() {
    let mut story = Story::new(&full("full", ""));
    let told = turns(&mut story, 0..120);
    let raised = told.iter().filter(|(_, kind)| *kind == TransitionKind::Raised);
    assert_eq!((raised.count(), told.len()), (5, 9), "{told:?}");
    assert!(story.engine.snapshot()[0].state.is_raised());
    for minute in 120..134 {
        assert_eq!(story.tick(minute * 60, &[0.1]), []);
    }
    assert_eq!(story.tick(134 * 60, &[0.1]), one(TransitionKind::Cleared, "full"));
    // The hour is over: it may be told again.
    let told = turns(&mut story, 136..140);
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn a_rule_says_what_flapping_is_or_that_nothing_is() {
    let mut story = Story::new(&full("full", "flapping = false"));
    assert_eq!(turns(&mut story, 0..60).len(), 60);
    let lines = "flapping = { raises = 2, within = \"30m\", calm = \"2m\" }";
    let mut story = Story::new(&full("full", lines));
    assert_eq!(turns(&mut story, 0..60).len(), 3);
    let flapping = story.engine.rules().get("full").unwrap().flapping;
    assert_eq!(flapping.unwrap().calm, Duration::from_secs(120));
    let unsaid = rules(&full("full", ""));
    assert_eq!(unsaid.get("full").unwrap().flapping, Some(Flapping::DEFAULT));
}

#[test]
fn another_dictionary_keeps_count() {
    let mut story = Story::new(&full("full", ""));
    assert_eq!(turns(&mut story, 0..8).len(), 8);
    story.dictionary = mounts(&["/", "/data"]);
    assert_eq!(story.tick(8 * 60, &[0.95, 0.1]).len(), 1, "the fifth time");
    assert_eq!(story.tick(9 * 60, &[0.1, 0.95]), one(TransitionKind::Raised, "full"));
    assert_eq!(story.tick(10 * 60, &[0.1, 0.1]), one(TransitionKind::Cleared, "full"));
}

#[test]
fn a_flapping_event_ends_only_after_calm() {
    let text = r#"
        [[rule]]
        name = "link"
        event = "link.down"
        cleared_by = { event = "link.up" }
        flapping = { raises = 2, calm = "5m" }
        severity = "warning"
        action = "notify"
        title = { en = "{host}", zh = "{host}" }
        remedy = { en = "Look.", zh = "检查。" }
        [[rule.level]]
        severity = "critical"
        after = "1m"
    "#;
    let mut engine = Engine::new(rules(text));
    let say = |engine: &mut Engine, seconds: i64, name: &str| {
        let event = Event {
            number: seconds.unsigned_abs(),
            name,
            attributes: &[],
            body: "",
            time: at(seconds),
        };
        let said = engine.event(HOST, &event, at(seconds), false);
        let each = said.iter().map(|one| (one.kind, one.evidence.flapping));
        each.collect::<Vec<_>>()
    };
    assert_eq!(say(&mut engine, 0, "link.down"), [(TransitionKind::Raised, false)]);
    assert_eq!(say(&mut engine, 10, "link.up"), [(TransitionKind::Cleared, false)]);
    assert_eq!(say(&mut engine, 20, "link.down"), [(TransitionKind::Raised, true)]);
    assert_eq!(say(&mut engine, 30, "link.up"), []);
    assert_eq!(say(&mut engine, 40, "link.down"), []);
    assert_eq!(say(&mut engine, 50, "link.up"), []);
    assert_eq!(engine.advance(at(300)), []);
    let next = engine.next_deadline().unwrap();
    assert_eq!(told(&engine.advance(next)), one(TransitionKind::Cleared, "link"));
    assert_eq!((next, engine.next_deadline()), (at(351), None));
}

#[test]
fn a_link_and_whether_a_ticket_may_close_itself_go_along() {
    let minor = |lines: &str| {
        full("full", lines)
            .replace("critical", "minor")
            .replace("CRIT", "critical")
    };
    let mut story = Story::new(&minor("knowledge = \"/knowledge/disk-full\"\nauto_close = true"));
    let tick = tick(0, &[0.95]);
    let said = story.engine.tick(HOST, &story.dictionary, &tick, &[1], at(0), false);
    assert_eq!(said[0].knowledge.as_deref(), Some("/knowledge/disk-full"));
    assert!(said[0].auto_close);
    let level = "auto_close = true\n[[rule.level]]\nseverity = \"CRIT\"\nabove = 0.94";
    let mut story = Story::new(&minor(level));
    let said = story.engine.tick(HOST, &story.dictionary, &tick, &[1], at(0), false);
    assert!(!said[0].auto_close, "it was worse than minor");
    for (lines, message) in [
        ("auto_close = true", "`auto_close` of a severe rule"),
        ("knowledge = \"disk full\"", "`knowledge` is not a link"),
        ("knowledge = \"//elsewhere\"", "`knowledge` is not a link"),
        ("flapping = 3", "`flapping` is a number"),
        ("flapping = { raises = 1 }", "`raises` can't be 1"),
        ("flapping = { rises = 3 }", "unknown key `rises` of a flapping"),
    ] {
        let errors = RuleSet::parse(&[("a.toml", full("full", lines))]).unwrap_err();
        assert!(
            errors.iter().any(|one| one.message.contains(message)),
            "{lines}: {errors:#?}"
        );
    }
}
