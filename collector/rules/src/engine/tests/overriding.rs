//! Stories of hosts for which other thresholds count.

use super::*;

fn text() -> String {
    full(
        "full",
        r#"
        [[rule.override]]
        hosts = ["db-*"]
        tags = ["big"]
        above = 0.97
        for = "20s"
        [[rule.override]]
        groups = ["lab"]
        off = true
        [[rule.override]]
        customers = ["bank"]
        severity = "major"
        "#,
    )
}

#[test]
fn the_first_override_that_fits_counts() {
    let mut story = Story::new(&text());
    assert_eq!(story.engine.introduce(HOST, "db-1", &["big".to_owned()], at(0)), []);
    assert_eq!(story.tick(0, &[0.95]), []);
    assert_eq!(story.tick(10, &[0.98]), []);
    assert_eq!(story.tick(30, &[0.98]), one(TransitionKind::Raised, "full"));
    assert_eq!(story.tick(40, &[0.95]), one(TransitionKind::Cleared, "full"));
    // Both must fit.
    assert_eq!(story.engine.introduce(HOST, "db-1", &[], at(45)), []);
    assert_eq!(story.tick(50, &[0.95]), one(TransitionKind::Raised, "full"));
}

#[test]
fn a_host_that_moves_takes_its_alert_along() {
    let mut story = Story::new(&text());
    assert_eq!(story.tick(0, &[0.95]), one(TransitionKind::Raised, "full"));
    let said = story.engine.assign(HOST, &[], "bank", at(5));
    assert_eq!(told(&said), one(TransitionKind::Updated, "full"));
    assert_eq!(
        (said[0].severity, said[0].evidence.reason),
        (Severity::Major, Reason::RuleChanged)
    );
    let said = story.engine.assign(HOST, &["lab".to_owned()], "bank", at(6));
    assert_eq!(told(&said), one(TransitionKind::Cleared, "full"));
    assert_eq!(said[0].evidence.reason, Reason::NotApplicable);
    assert_eq!(story.tick(10, &[0.99]), []);
    assert_eq!(story.engine.assign(HOST, &[], "", at(11)), []);
    assert_eq!(story.tick(20, &[0.99]), one(TransitionKind::Raised, "full"));
    // Where the threshold is higher, it is healthy.
    assert_eq!(story.engine.introduce(HOST, "db-1", &["big".to_owned()], at(21)), []);
    assert_eq!(story.tick(30, &[0.95]), one(TransitionKind::Cleared, "full"));
}

#[test]
fn a_silence_may_be_longer_for_some() {
    let text = silent("[[rule.override]]\nhosts = \"slow\"\nno_data = \"10m\"");
    let mut engine = Engine::new(rules(&text));
    let _ = engine.introduce(HOST, "slow", &[], at(0));
    engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(engine.next_deadline(), Some(at(600)));
    assert_eq!(engine.advance(at(599)), []);
    assert_eq!(told(&engine.advance(at(600))), one(TransitionKind::Raised, "silent"));
}

#[test]
fn metrics_and_words_can_not_be_overridden() {
    let text = full(
        "full",
        "[[rule.override]]\nhosts = \"a\"\nmetric = \"system.uptime\"\nabove = 1",
    );
    let errors = RuleSet::parse(&[("a.toml", text)]).unwrap_err();
    assert!(
        errors
            .iter()
            .any(|one| one.message.contains("unknown key `metric` of an override"))
    );
}
