//! What a rule says beside value and words: a ticket that closes by itself, an episode that was over when it was found, and
//! why nothing is heard.

use super::{stories::Story, *};
use crate::{
    input::Found,
    model::{Arrival, PageReason, Ruling, Silence, TicketState},
};

fn minor(turn: Turn, rule: &str, auto_close: bool) -> AlertChange {
    AlertChange {
        severity: Severity::Minor,
        ruling: Ruling {
            auto_close,
            ..Ruling::default()
        },
        ..alert(turn, 1, rule)
    }
}

fn state(story: &Story) -> TicketState {
    story.last.tickets[0].state
}

#[test]
fn a_minor_ticket_that_clears_by_itself_is_closed_where_its_rule_says_so_and_that_is_told() {
    let story = Story::begin()
        .does(Input::Alerts(vec![minor(Turn::Raised, "disk", true)]))
        .after(Duration::from_secs(60))
        .does(Input::Alerts(vec![minor(Turn::Cleared, "disk", true)]));
    assert_eq!(state(&story), TicketState::Closed);
    assert!(
        story.last.tickets[0]
            .clocks
            .iter()
            .all(|clock| clock.stopped_at.is_some())
    );
    assert!(story.last.entries.iter().any(|entry| entry.action == "auto_close"));
    assert!(story.last.pages.iter().all(|page| page.reason == PageReason::Restored));
    assert_eq!(
        story.last.pages.len(),
        4,
        "whoever was paged is told that it is over, over each way"
    );
    assert_eq!(story.desk.next_due(), None);
    assert_eq!(story.desk.open_work().tickets, []);
}

#[test]
fn it_stays_open_where_the_rule_does_not_say_so_where_it_was_worse_and_where_somebody_took_it() {
    let raised = || Story::begin().does(Input::Alerts(vec![minor(Turn::Raised, "disk", true)]));
    let cleared = |auto_close| Input::Alerts(vec![minor(Turn::Cleared, "disk", auto_close)]);
    assert_eq!(state(&raised().does(cleared(false))), TicketState::Restored);
    let taken = raised().person_does(1, Action::Accept);
    assert_eq!(state(&taken.does(cleared(true))), TicketState::Restored);
    let mut worse = minor(Turn::Updated, "disk", true);
    worse.severity = Severity::Critical;
    let story = raised().does(Input::Alerts(vec![worse]));
    assert_eq!(state(&story.does(cleared(true))), TicketState::Restored);
}

#[test]
fn an_episode_that_was_over_is_kept_and_nobody_is_paged() {
    let mut change = alert(Turn::Raised, 1, "disk");
    change.ruling.arrival = Arrival::Retrospective;
    let found = Found {
        change,
        cleared_at: Timestamp::from_millis(500),
    };
    let story = Story::begin().does(Input::Found(vec![found]));
    let kept = &story.last.alerts[0];
    assert_eq!(
        (kept.state, kept.cleared_at),
        (AlertState::Cleared, Some(Timestamp::from_millis(500)))
    );
    assert_eq!(
        (kept.raised_at, kept.ruling.arrival),
        (story.now, Arrival::Retrospective)
    );
    assert!(story.last.pages.is_empty() && story.last.tickets.is_empty() && story.last.faults.is_empty());
    assert_eq!(story.desk.open_work().alerts, [], "nothing holds");
    let story = story.raise();
    assert_eq!(story.last.tickets.len(), 1, "what holds now is another matter");
}

#[test]
fn a_page_says_that_what_it_tells_came_late() {
    let mut change = alert(Turn::Raised, 1, "disk");
    change.ruling.arrival = Arrival::Late;
    let story = Story::begin().does(Input::Alerts(vec![change]));
    let body = &story.last.pages[0].body;
    assert!(
        body.en.starts_with("Came late, happened at 1970-01-01T00:00:00"),
        "{body:?}"
    );
    assert!(body.zh.starts_with("补报"), "{body:?}");
}

#[test]
fn why_nothing_is_heard_is_written_once_it_is_known() {
    let mut unreachable = alert(Turn::Updated, 1, "disk");
    unreachable.ruling.silence = Some(Silence::HostUnreachable);
    let story = Story::begin().raise().does(Input::Alerts(vec![unreachable.clone()]));
    assert_eq!(story.last.entries[0].action, "silence");
    assert_eq!(story.last.entries[0].note, Silence::HostUnreachable.words());
    assert!(story.last.pages.is_empty());
    let story = story.does(Input::Alerts(vec![unreachable, alert(Turn::Updated, 1, "disk")]));
    assert!(story.last.entries.is_empty(), "it is told once, and stays known");
}
