//! Stories of restarts, other rules, other names and hosts that go.

use super::*;

#[test]
fn reload_keeps_what_stays_clears_what_goes_and_tells_of_other_words() {
    let mut story = Story::new(&(full("a", "") + &full("b", "") + &full("c", "")));
    assert_eq!(story.tick(0, &[0.95]).len(), 3);
    let narrower = full("b", "where = { \"system.filesystem.mountpoint\" = \"/data\" }");
    let louder = full("c", "").replace("critical", "major");
    let transitions = story
        .engine
        .reload(rules(&(full("d", "") + &narrower + &louder)), at(1));
    let expected = [
        (TransitionKind::Cleared, "a"),
        (TransitionKind::Cleared, "b"),
        (TransitionKind::Updated, "c"),
    ];
    assert_eq!(told(&transitions), expected.map(|(kind, rule)| (kind, rule.to_owned())));
    assert!(transitions.iter().all(|one| one.evidence.reason == Reason::RuleChanged));
    // The value did not change, and yet the new rule sees it.
    assert_eq!(story.tick(10, &[0.95]), one(TransitionKind::Raised, "d"));
    assert_eq!(story.tick(20, &[0.1]).len(), 2);
}

#[test]
fn what_was_raised_before_a_restart_is_not_raised_again_and_clears() {
    let text = full("full", "") + &silent("");
    let alert = |rule: &str, instance: &str| Restored {
        rule: rule.to_owned(),
        host: HOST,
        instance: instance.to_owned(),
        raised_at: at(-500),
        value: Some(0.97),
        severity: Severity::Critical,
    };
    let mut story = Story::new(&text);
    let alerts = [
        alert("full", "system.filesystem.mountpoint=/"),
        alert("full", "system.filesystem.mountpoint=/gone"),
        alert("silent", ""),
        alert("removed", "x=y"),
    ];
    assert_eq!(
        told(&story.engine.restore(alerts, at(0))),
        one(TransitionKind::Cleared, "removed")
    );
    story.engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(story.engine.snapshot().len(), 3);
    assert_eq!(story.engine.advance(at(1_000)), []);
    assert_eq!(story.tick(1_000, &[0.97]), one(TransitionKind::Cleared, "silent"));
    assert_eq!(story.tick(1_010, &[0.1]), one(TransitionKind::Cleared, "full"));
    let vanished = story.engine.advance(at(1_061));
    assert_eq!(told(&vanished), []);
    assert_eq!(story.engine.seen(HOST, at(1_290)), []);
    let vanished = story.engine.advance(at(1_300));
    assert_eq!(vanished[0].title.en, format!("{HOST}: /gone 97 %"));
    assert_eq!(vanished[0].at, at(1_300));
}

#[test]
fn a_host_out_of_a_rules_sight_has_no_alert_of_it() {
    let mut story = Story::new(&(full("full", "tags = [\"production\"]\nhosts = \"db-*\"")));
    assert_eq!(story.tick(0, &[0.95]), []);
    let production = ["production".to_owned()];
    assert_eq!(story.engine.introduce(HOST, "db-1", &production, at(1)), []);
    assert_eq!(story.tick(10, &[0.95]), one(TransitionKind::Raised, "full"));
    let cleared = story.engine.introduce(HOST, "web-1", &production, at(11));
    assert_eq!(told(&cleared), one(TransitionKind::Cleared, "full"));
    assert_eq!(cleared[0].evidence.reason, Reason::NotApplicable);
}

#[test]
fn a_forgotten_host_leaves_nothing_behind() {
    let mut story = Story::new(&(full("full", "") + &silent("")));
    story.engine.expect(HOST, INTERVAL, at(0));
    story.tick(0, &[0.95]);
    let cleared = story.engine.forget(HOST, at(1));
    assert_eq!(told(&cleared), one(TransitionKind::Cleared, "full"));
    assert_eq!(
        (story.engine.next_deadline(), story.engine.snapshot()),
        (None, Vec::new())
    );
}
