//! One alert whose severity follows its value and its duration.

use super::*;
use crate::Reason;

/// Kind, severity and reason of what was said.
fn told(transitions: &[Transition]) -> Vec<(TransitionKind, Severity, Reason)> {
    let each = transitions.iter();
    each.map(|one| (one.kind, one.severity, one.evidence.reason)).collect()
}

fn graded(lines: &str) -> String {
    full("full", lines)
        .replace("critical", "warning")
        .replace("CRIT", "critical")
}

fn say(story: &mut Story, seconds: i64, value: f64) -> Vec<(TransitionKind, Severity, Reason)> {
    let tick = tick(seconds, &[value]);
    told(
        &story
            .engine
            .tick(HOST, &story.dictionary, &tick, &[1], at(seconds), false),
    )
}

#[test]
fn two_sticky_thresholds_are_one_alert() {
    let mut story = Story::new(&graded(
        "clear_below = 0.85\n[[rule.level]]\nseverity = \"CRIT\"\nabove = 0.95\nclear_below = 0.92",
    ));
    let raised = (TransitionKind::Raised, Severity::Warning, Reason::Holds);
    let worse = (TransitionKind::Updated, Severity::Critical, Reason::Worsened);
    let eased = (TransitionKind::Updated, Severity::Warning, Reason::Eased);
    assert_eq!(say(&mut story, 0, 0.91), [raised]);
    assert_eq!(say(&mut story, 10, 0.96), [worse]);
    assert_eq!(say(&mut story, 20, 0.93), [], "between");
    assert_eq!(say(&mut story, 30, 0.96), []);
    assert_eq!(say(&mut story, 40, 0.91), [eased]);
    assert_eq!(say(&mut story, 50, 0.94), [], "not passed again");
    assert_eq!(
        say(&mut story, 60, 0.5),
        [(TransitionKind::Cleared, Severity::Warning, Reason::Recovered)]
    );
    assert_eq!(
        say(&mut story, 70, 0.99),
        [(TransitionKind::Raised, Severity::Critical, Reason::Holds)]
    );
}

#[test]
fn a_peak_is_not_worse_until_it_lasts_and_an_action_may_go_with_it() {
    let lines = "for = \"30s\"\n[[rule.level]]\nseverity = \"CRIT\"\nabove = 0.95\naction = \"notify\"";
    let mut story = Story::new(&graded(lines));
    let mut actions = Vec::new();
    for (seconds, value) in [
        (0, 0.91),
        (10, 0.97),
        (20, 0.91),
        (30, 0.91),
        (40, 0.97),
        (50, 0.97),
        (60, 0.97),
        (70, 0.97),
    ] {
        let tick = tick(seconds, &[value]);
        let said = story
            .engine
            .tick(HOST, &story.dictionary, &tick, &[1], at(seconds), false);
        actions.extend(said.iter().map(|one| (seconds, one.severity, one.action)));
    }
    use crate::Action::{Notify, Ticket};
    assert_eq!(
        actions,
        [(30, Severity::Warning, Ticket), (70, Severity::Critical, Notify)]
    );
}

#[test]
fn what_lasts_gets_worse_by_ticks_and_a_clock_that_jumps_proves_nothing() {
    let levels =
        "[[rule.level]]\nseverity = \"major\"\nafter = \"10m\"\n[[rule.level]]\nseverity = \"CRIT\"\nafter = \"1h\"";
    let mut story = Story::new(&graded(levels));
    let mut severities = Vec::new();
    for minute in 0..70 {
        for (kind, severity, _) in say(&mut story, minute * 60, 0.91) {
            severities.push((minute, kind, severity));
        }
    }
    let (raised, updated) = (TransitionKind::Raised, TransitionKind::Updated);
    assert_eq!(
        severities,
        [
            (0, raised, Severity::Warning),
            (10, updated, Severity::Major),
            (60, updated, Severity::Critical)
        ]
    );
    let mut story = Story::new(&graded(levels));
    assert_eq!(say(&mut story, 0, 0.91).len(), 1);
    let jumped = tick(7_200, &[0.91]);
    assert_eq!(
        story.engine.tick(HOST, &story.dictionary, &jumped, &[1], at(10), false),
        []
    );
}

#[test]
fn a_silence_gets_worse_by_timers() {
    let text = silent("[[rule.level]]\nseverity = \"CRIT\"\nafter = \"180s\"").replace("critical", "warning");
    let mut engine = Engine::new(rules(&text.replace("CRIT", "critical")));
    engine.expect(HOST, INTERVAL, at(0));
    assert_eq!(engine.next_deadline(), Some(at(60)));
    assert_eq!(told(&engine.advance(at(60)))[0].1, Severity::Warning);
    assert_eq!(engine.next_deadline(), Some(at(180)));
    assert_eq!(
        told(&engine.advance(at(180))),
        [(TransitionKind::Updated, Severity::Critical, Reason::Worsened)]
    );
    assert_eq!(engine.next_deadline(), None);
    let cleared = engine.seen(HOST, at(200));
    assert_eq!(told(&cleared)[0].1, Severity::Critical);
    assert_eq!(told(&engine.advance(at(260)))[0].1, Severity::Warning);
}

#[test]
fn a_restart_keeps_the_level() {
    let mut story = Story::new(&graded(
        "clear_below = 0.85\n[[rule.level]]\nseverity = \"CRIT\"\nabove = 0.95\nclear_below = 0.92",
    ));
    let restored = Restored {
        rule: "full".to_owned(),
        host: HOST,
        instance: "system.filesystem.mountpoint=/".to_owned(),
        raised_at: at(-500),
        value: Some(0.97),
        severity: Severity::Critical,
    };
    assert_eq!(story.engine.restore([restored], at(0)), []);
    assert_eq!(say(&mut story, 10, 0.93), []);
    assert_eq!(say(&mut story, 20, 0.91)[0].2, Reason::Eased);
}
