//! Stories of series that are missed.

use super::*;

fn missed(lines: &str) -> String {
    full("missed", lines)
        .replace("above = 0.9", "absent = true")
        .replace("{value}", "gone for {value}")
}

fn alert(raised: i64) -> Restored {
    Restored {
        rule: "missed".to_owned(),
        host: HOST,
        instance: "system.filesystem.mountpoint=/data".to_owned(),
        raised_at: at(raised),
        value: None,
        severity: Severity::Critical,
    }
}

#[test]
fn a_series_without_a_value_and_a_series_that_is_gone_are_missed_until_they_return() {
    let mut story = Story::new(&missed("for = \"20s\""));
    story.dictionary = mounts(&["/", "/data"]);
    assert_eq!(story.tick(0, &[0.1, 0.1]), []);
    assert_eq!(story.tick(10, &[0.1, f64::NAN]), []);
    assert_eq!(story.tick(20, &[0.1, 0.1]), [], "not long enough");
    assert_eq!(story.tick(30, &[0.1, f64::NAN]), []);
    story.dictionary = mounts(&["/"]);
    assert_eq!(story.tick(40, &[0.1]), []);
    assert_eq!(story.tick(50, &[0.1]), one(TransitionKind::Raised, "missed"));
    assert_eq!(story.tick(60, &[0.1]), []);
    story.dictionary = mounts(&["/data", "/"]);
    assert_eq!(story.tick(70, &[0.1, 0.1]), one(TransitionKind::Cleared, "missed"));
    assert!(story.engine.snapshot().is_empty());
}

#[test]
fn what_was_never_there_is_missed_only_when_it_is_expected() {
    let lines = "where = { \"system.filesystem.mountpoint\" = \"/backup\" }";
    let mut story = Story::new(&missed(lines));
    assert_eq!(story.tick(0, &[0.1]), []);
    assert_eq!(story.tick(10, &[0.1]), []);
    let mut story = Story::new(&missed(&format!("{lines}\nexpected = true")));
    assert_eq!(story.tick(0, &[0.1]), one(TransitionKind::Raised, "missed"));
    assert_eq!(story.tick(10, &[0.1]), []);
    story.dictionary = mounts(&["/", "/backup"]);
    assert_eq!(story.tick(20, &[0.1, 0.1]), one(TransitionKind::Cleared, "missed"));
    assert_eq!(story.tick(30, &[0.1, f64::NAN]), one(TransitionKind::Raised, "missed"));
    assert_eq!(
        story.engine.snapshot()[0].instance,
        "system.filesystem.mountpoint=/backup"
    );
}

#[test]
fn a_restart_neither_repeats_nor_forgets_what_is_missed() {
    let mut story = Story::new(&missed(""));
    assert_eq!(story.engine.restore([alert(-100)], at(0)), []);
    assert_eq!(story.tick(10, &[0.1]), []);
    assert_eq!(story.engine.advance(at(5_000)), []);
    story.dictionary = mounts(&["/", "/data"]);
    assert_eq!(story.tick(5_010, &[0.1, 0.1]), one(TransitionKind::Cleared, "missed"));
}

#[test]
fn after_a_week_a_series_is_no_longer_missed_and_other_rules_let_go() {
    let mut story = Story::new(&missed(""));
    let _ = story.engine.restore([alert(0)], at(0));
    assert_eq!(story.tick(10, &[0.1]), []);
    let tick = tick(700_000, &[0.1]);
    let said = story
        .engine
        .tick(HOST, &story.dictionary, &tick, &[1], at(700_000), false);
    assert_eq!(told(&said), one(TransitionKind::Cleared, "missed"));
    assert_eq!(said[0].evidence.reason, Reason::Vanished);
    let mut story = Story::new(&missed(""));
    let _ = story.engine.restore([alert(0)], at(0));
    let said = story.engine.reload(rules(&full("other", "")), at(10));
    assert_eq!(told(&said), one(TransitionKind::Cleared, "missed"));
    let mut story = Story::new(&missed(""));
    let _ = story.engine.restore([alert(0)], at(0));
    assert_eq!(
        told(&story.engine.forget(HOST, at(10))),
        one(TransitionKind::Cleared, "missed")
    );
}
