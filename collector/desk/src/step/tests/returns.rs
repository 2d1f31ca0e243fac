//! Stories of what comes back: by itself, or because people reopen it.

use super::{stories::Story, *};
use crate::model::{ClockKind, TicketState};

#[test]
fn what_clears_by_itself_and_returns_is_the_same_ticket() {
    let story = Story::begin().raise().after(MINUTE).clear().is(TicketState::Restored);
    let story = story.pages(&[(PageReason::Restored, 4)]);
    assert!(story.ticket().clock(ClockKind::Respond).unwrap().stopped_at.is_some());
    let story = story
        .after(MINUTE)
        .raise()
        .is(TicketState::Open)
        .tells(&["recur"])
        .pages(&[]);
    assert_eq!(story.last.alerts.len(), 1, "a later episode has its own row");
    assert_eq!(story.last.faults[0].cleared_at, None);
    assert_eq!(
        story.ticket().clock(ClockKind::Respond).unwrap().stopped_at,
        None,
        "as if it had not stopped"
    );
    let story = story.after(3 * MINUTE).timer().pages(&[(PageReason::Unaccepted, 4)]);
    let story = story.after(MINUTE).clear().pages(&[(PageReason::Restored, 4)]);
    story.after(5 * MINUTE).raise().pages(&[(PageReason::Recurred, 4)]);
}

#[test]
fn what_flaps_pages_once_in_an_interval_and_the_last_word_is_true() {
    let mut story = Story::begin()
        .raise()
        .after(MINUTE)
        .person_does(1, Action::Accept)
        .clear();
    let mut pages: Vec<PageReason> = Vec::new();
    for _ in 0..60 {
        story = story.after(Duration::from_secs(5)).timer();
        pages.extend(story.last.pages.iter().map(|page| page.reason));
        story = story.after(Duration::from_secs(5)).raise();
        pages.extend(story.last.pages.iter().map(|page| page.reason));
        story = story.after(Duration::from_secs(5)).clear();
        pages.extend(story.last.pages.iter().map(|page| page.reason));
    }
    // A quarter of an hour, one person with two destinations.
    let told = |reason| pages.iter().filter(|told| **told == reason).count();
    assert!((4..=8).contains(&told(PageReason::Recurred)), "{pages:?}");
    assert_eq!(told(PageReason::Restored), told(PageReason::Recurred));
    assert_eq!(pages.last(), Some(&PageReason::Restored));
    let story = story.raise();
    let quiet_until = story.desk.next_due().unwrap();
    assert!(quiet_until <= story.now.plus(5 * MINUTE));
    let wait = quiet_until.since(story.now);
    story
        .after(wait)
        .timer()
        .is(TicketState::Accepted)
        .pages(&[(PageReason::Recurred, 2)])
        .timer()
        .silent();
}

#[test]
fn what_flaps_after_the_last_round_is_still_told() {
    let mut policy = Policy::basic();
    policy.paging.rounds_max = 1;
    let mut story = Story::begin();
    story.desk = Desk::new(policy, IdSource::new(1), OpenWork::default(), vec![on_duty(1)]);
    let story = story.raise().after(MINUTE).clear().raise();
    let story = story.pages(&[(PageReason::Recurred, 2)]).after(MINUTE).clear();
    let story = story.after(MINUTE).raise().pages(&[]).after(3 * MINUTE).timer();
    let story = story.is(TicketState::Open).pages(&[(PageReason::Recurred, 2)]);
    story.after(5 * MINUTE).timer().silent();
}

#[test]
fn recurring_leads_back_to_where_the_work_stood() {
    let wait = Action::Wait {
        reason: "parts".to_owned(),
        until: None,
    };
    let story = Story::begin()
        .raise()
        .person_does(1, Action::Accept)
        .person_does(1, Action::Arrive);
    let story = story
        .person_does(1, wait)
        .is(TicketState::Waiting)
        .clear()
        .is(TicketState::Restored);
    let story = story
        .raise()
        .is(TicketState::Waiting)
        .pages(&[(PageReason::Recurred, 2)]);
    let resumed = Action::Resume;
    let story = story.person_does(1, resumed).is(TicketState::OnSite);
    let story = story
        .clear()
        .person_does(1, resolve())
        .raise()
        .is(TicketState::Accepted)
        .tells(&["reopen"]);
    assert!(story.ticket().clock(ClockKind::Resolve).unwrap().stopped_at.is_none());
}

/// A closed ticket as the ledger still has it, and the desk that forgot it.
fn closed() -> (Story, OpenWork) {
    let story = Story::begin()
        .raise()
        .person_does(1, Action::Accept)
        .clear()
        .person_does(1, resolve());
    let mut work = story.desk.open_work();
    let story = story.person_does(1, Action::Confirm);
    work.tickets.clone_from(&story.last.tickets);
    work.pages.clear();
    (story, work)
}

#[test]
fn a_closed_ticket_is_recalled_to_be_reopened() {
    let (mut story, work) = closed();
    story.desk.recall(work);
    let story = story
        .person_does(
            1,
            Action::Reopen {
                reason: "not mended".to_owned(),
            },
        )
        .is(TicketState::Accepted);
    let story = story
        .raise()
        .tells(&["alert_raised"])
        .pages(&[(PageReason::Recurred, 2)]);
    assert_eq!(story.last.tickets[0].number, 1);
}

#[test]
fn a_closed_ticket_stays_closed_when_it_is_too_old_or_has_a_successor() {
    let reopen = Action::Reopen {
        reason: "not mended".to_owned(),
    };
    for late in [true, false] {
        let (story, work) = closed();
        let mut story = if late { story.after(200 * HOUR) } else { story.raise() };
        let ticket = work.tickets[0].id;
        let before = story.desk.open_work();
        story.desk.recall(work);
        let refusal = story.desk.step(act(ticket, 1, reopen.clone()), story.now).unwrap_err();
        assert_eq!(refusal.code, Code::Conflict);
        assert!(
            refusal.reason.contains(if late { "7d ago" } else { "has #2" }),
            "{refusal}"
        );
        assert_eq!(story.desk.open_work(), before, "and is forgotten again");
    }
}

#[test]
fn a_restored_ticket_that_takes_over_what_holds_goes_on() {
    let now = Timestamp::from_millis(0);
    let mut desk = Desk::new(Policy::basic(), IdSource::new(1), OpenWork::default(), vec![on_duty(1)]);
    let mut opened = |host| {
        let raised = Input::Alerts(vec![alert(Turn::Raised, host, "disk")]);
        desk.step(raised, now).unwrap().tickets[0].clone()
    };
    let (holds, cleared) = (opened(1), opened(2));
    desk.step(Input::Alerts(vec![alert(Turn::Cleared, 2, "disk")]), now)
        .unwrap();
    assert_eq!(desk.ticket(cleared.id).unwrap().state, TicketState::Restored);
    let merge = Action::Merge { into: cleared.number };
    desk.step(act(holds.id, 1, merge), now.plus(MINUTE)).unwrap();
    let other = desk.ticket(cleared.id).unwrap();
    assert_eq!(other.state, TicketState::Open);
    assert_eq!(other.reckoning.moments.recovered, None);
}
