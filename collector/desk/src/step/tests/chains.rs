//! Escalation in virtual time.

use super::*;
use crate::{
    calendar::Calendars,
    clocks::{Book, ContractTerms},
    escalation::{Called, Chain, Crew, Hours},
    model::ClockKind,
};

/// wang has the main post, li the deputy's, chen leads; zhao is a team lead.
fn desk() -> Desk {
    let crew = Crew {
        people: [
            (Called::Main, vec![on_duty(1)]),
            (Called::Deputy, vec![on_duty(2)]),
            (Called::Leader, vec![on_duty(3)]),
            (Called::TeamLead, vec![on_duty(4)]),
        ]
        .into(),
        on_site: BTreeMap::new(),
        by_login: BTreeMap::new(),
        fallback: vec![on_duty(9)],
    };
    let duty = vec![on_duty(1), on_duty(2)];
    let mut desk = Desk::new(Policy::basic(), IdSource::new(1), OpenWork::default(), duty);
    let escalation = Input::Escalation(Box::new((Chain::shipped(), crew)));
    desk.step(escalation, Timestamp::from_millis(0)).unwrap();
    desk
}

fn opened(desk: &mut Desk, severity: Severity, now: Timestamp) -> (TicketId, Effects) {
    let change = AlertChange {
        severity,
        ..alert(Turn::Raised, 1, "disk")
    };
    let effects = desk.step(Input::Alerts(vec![change]), now).unwrap();
    (effects.tickets[0].id, effects)
}

fn who(effects: &Effects) -> Vec<u8> {
    let mut people: Vec<u8> = effects.pages.iter().map(|page| page.person.as_bytes()[0]).collect();
    people.dedup();
    people
}

#[test]
fn silence_brings_the_deputy_and_the_leader_then_the_team_lead() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    let (_, effects) = opened(&mut desk, Severity::Minor, start);
    assert_eq!(who(&effects), [1]);
    assert_eq!(effects.chains.len(), 1, "the chain is frozen with the ticket");
    let mut told = Vec::new();
    while let Some(due) = desk.next_due().filter(|due| *due <= start.plus(HOUR)) {
        let mut effects = desk.step(Input::Timer, due).unwrap();
        effects.pages.retain(|page| page.reason == PageReason::Unaccepted);
        if !effects.pages.is_empty() {
            told.push((due.as_millis() / 60_000, who(&effects)));
        }
    }
    assert_eq!(
        told[..4],
        [(5, vec![1]), (10, vec![1]), (15, vec![1, 2, 3]), (20, vec![1, 2, 3])]
    );
    assert_eq!(told.last(), Some(&(60, vec![1, 2, 3, 4])));
}

#[test]
fn the_worst_level_climbs_three_times_as_fast_and_a_rung_does_not_wait_for_a_round() {
    let mut desk = desk();
    let start = Timestamp::from_millis(30_000);
    if let Some((chain, _)) = &mut desk.escalation {
        chain.rungs[1].after = tocsin_vocabulary::time::HumanDuration(3 * MINUTE);
    }
    let change = AlertChange {
        severity: Severity::Critical,
        asset: crate::model::AssetFacts {
            importance: Importance::Key,
            ..asset(1)
        },
        ..alert(Turn::Raised, 1, "disk")
    };
    desk.step(Input::Alerts(vec![change]), start).unwrap();
    assert_eq!(desk.next_due(), Some(start.plus(3 * MINUTE)));
    assert_eq!(
        who(&desk.step(Input::Timer, start.plus(3 * MINUTE)).unwrap()),
        [1, 2, 3]
    );
}

#[test]
fn an_open_ticket_keeps_the_chain_that_it_began_with() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    opened(&mut desk, Severity::Minor, start);
    let mut changed = Chain::shipped();
    changed.rungs.truncate(1);
    let (_, crew) = desk.escalation.clone().unwrap();
    desk.step(Input::Escalation(Box::new((changed, crew))), start).unwrap();
    for minutes in [5, 10] {
        desk.step(Input::Timer, start.plus(minutes * MINUTE)).unwrap();
    }
    assert_eq!(
        who(&desk.step(Input::Timer, start.plus(15 * MINUTE)).unwrap()),
        [1, 2, 3]
    );
}

#[test]
fn what_was_accepted_and_stands_still_is_told_again() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    let (ticket, _) = opened(&mut desk, Severity::Minor, start);
    desk.step(act(ticket, 1, Action::Accept), start.plus(MINUTE)).unwrap();
    let due = start.plus(61 * MINUTE);
    assert_eq!(desk.next_due(), Some(due));
    let effects = desk.step(Input::Timer, due).unwrap();
    assert_eq!(who(&effects), [1, 3]);
    assert!(effects.pages.iter().all(|page| page.reason == PageReason::Stalled));
    let note = Action::Note {
        text: "looking".to_owned(),
    };
    desk.step(act(ticket, 1, note), start.plus(70 * MINUTE)).unwrap();
    assert!(
        desk.step(Input::Timer, start.plus(121 * MINUTE))
            .unwrap()
            .pages
            .iter()
            .all(|page| page.reason == PageReason::Breached)
    );
    assert_eq!(
        desk.step(Input::Timer, start.plus(130 * MINUTE)).unwrap().pages[0].reason,
        PageReason::Stalled
    );
}

#[test]
fn where_the_plan_leaves_nobody_the_fallback_is_paged() {
    let mut desk = desk();
    desk.duty.clear();
    if let Some((_, crew)) = &mut desk.escalation {
        crew.people = [(Called::Main, Vec::new())].into();
    }
    let (_, effects) = opened(&mut desk, Severity::Minor, Timestamp::from_millis(0));
    assert_eq!(who(&effects), [9]);
}

#[test]
fn the_auditor_sets_a_lost_ticket_going_again() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    let (ticket, _) = opened(&mut desk, Severity::Minor, start);
    desk.tickets.get_mut(&ticket).unwrap().page_due_at = None;
    let effects = desk.step(Input::Audit, start.plus(20 * MINUTE)).unwrap();
    assert_eq!(who(&effects), [1, 2, 3]);
    assert!(effects.entries.iter().any(|entry| entry.action == "page_kick"));
    assert!(desk.step(Input::Audit, start.plus(21 * MINUTE)).unwrap().is_empty());
}

#[test]
fn a_merged_ticket_gives_its_alerts_to_the_other() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    let (first, _) = opened(&mut desk, Severity::Minor, start);
    let effects = desk
        .step(Input::Alerts(vec![alert(Turn::Raised, 1, "cpu")]), start)
        .unwrap();
    let second = effects.tickets[0].id;
    assert!(
        desk.step(act(second, 1, Action::Merge { into: 2 }), start).is_err(),
        "not into itself"
    );
    assert!(
        desk.step(act(second, 1, Action::Merge { into: 7 }), start).is_err(),
        "not into nothing"
    );
    let effects = desk.step(act(second, 1, Action::Merge { into: 1 }), start).unwrap();
    let states: Vec<_> = effects
        .tickets
        .iter()
        .map(|ticket| (ticket.number, ticket.state))
        .collect();
    assert!(states.contains(&(2, TicketState::Merged)), "{states:?}");
    desk.step(Input::Alerts(vec![alert(Turn::Cleared, 1, "disk")]), start)
        .unwrap();
    assert_eq!(
        desk.ticket(first).unwrap().state,
        TicketState::Open,
        "the other's alert still holds"
    );
    desk.step(Input::Alerts(vec![alert(Turn::Cleared, 1, "cpu")]), start)
        .unwrap();
    assert_eq!(desk.ticket(first).unwrap().state, TicketState::Restored);
}

#[test]
fn office_hours_are_those_of_the_contract_with_its_holidays() {
    // 2026-10-08 is a Thursday after the holidays, 2026-10-01 a Thursday within them; 02:00 UTC is 10:00 in Shanghai.
    let workday = Timestamp::from_millis(1_791_424_800_000);
    let holiday = workday.minus(7 * 24 * HOUR);
    let called = |service_hours: &str, now: Timestamp| {
        let terms = ContractTerms {
            policy: "basic".to_owned(),
            service_hours: service_hours.to_owned(),
            ..ContractTerms::default()
        };
        let contracts = [(asset(1).contract, terms)].into();
        let book = Book::new(Policy::basic(), Policy::shipped(), Calendars::built_in(), contracts);
        let mut desk = Desk::new(book, IdSource::new(1), OpenWork::default(), vec![on_duty(1)]);
        let mut chain = Chain::shipped();
        for (rung, hours) in [(1, Hours::Open), (2, Hours::Closed)] {
            chain.rungs[rung] = chain.rungs[0].clone();
            chain.rungs[rung].hours = hours;
        }
        chain.rungs[1].to = vec![Called::Deputy];
        chain.rungs[2].to = vec![Called::Standby];
        let people = [(Called::Deputy, vec![on_duty(2)]), (Called::Standby, vec![on_duty(3)])];
        let crew = Crew {
            people: people.into(),
            ..Crew::default()
        };
        desk.step(Input::Escalation(Box::new((chain, crew))), now).unwrap();
        who(&opened(&mut desk, Severity::Minor, now).1)
    };
    assert_eq!(called("5x8", workday), [1, 2]);
    assert_eq!(called("5x8", holiday), [1, 3]);
    assert_eq!(called("7x8", holiday), [1, 2]);
    assert_eq!(
        called("7x24", holiday),
        [1, 3],
        "around the clock has the policy's working hours"
    );
    assert_eq!(called("7x24", workday), [1, 2]);
}

#[test]
fn a_rung_that_is_reached_under_a_silence_waits_for_its_end_like_the_round() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    opened(&mut desk, Severity::Minor, start);
    let silence = crate::planned::NewPlanned {
        kind: crate::planned::PlannedKind::Silence,
        scope: crate::planned::Scope {
            assets: vec![asset(1).asset],
            ..crate::planned::Scope::default()
        },
        span: crate::planned::Span::once(start.plus(4 * MINUTE), start.plus(17 * MINUTE)),
        reason: "new cables".to_owned(),
        owner: None,
        made_by: "wang".to_owned(),
    };
    let silence = Input::Plan(crate::input::PlanChange::Add(Box::new(silence)));
    desk.step(silence, start.plus(4 * MINUTE)).unwrap();
    let (mut steps, mut told) = (0, Vec::new());
    while let Some(due) = desk.next_due().filter(|due| *due <= start.plus(20 * MINUTE)) {
        let effects = desk.step(Input::Timer, due).unwrap();
        steps += 1;
        assert!(steps < 10, "time goes on");
        if !effects.pages.is_empty() {
            told.push((due.as_millis() / 60_000, who(&effects)));
        }
    }
    assert_eq!(told, [(17, vec![1, 2, 3])]);
}

#[test]
fn what_stood_still_while_nobody_watched_is_told_once() {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    let (ticket, _) = opened(&mut desk, Severity::Minor, start);
    desk.step(act(ticket, 1, Action::Accept), start).unwrap();
    let later = start.plus(30 * HOUR);
    let effects = desk.step(Input::Timer, later).unwrap();
    let stalled = effects.entries.iter().filter(|entry| entry.action == "stalled");
    assert_eq!(stalled.count(), 1);
    assert!(desk.next_due().is_none_or(|due| due > later));
}

/// Who is told of which share of the arrival, and when it was missed.
fn told_of_arrival(chain: Chain) -> Vec<(String, Vec<u8>)> {
    let mut desk = desk();
    let start = Timestamp::from_millis(0);
    let (_, crew) = desk.escalation.clone().unwrap();
    let chain = Chain {
        stalled_after: None,
        ..chain
    };
    desk.step(Input::Escalation(Box::new((chain, crew))), start).unwrap();
    let (ticket, _) = opened(&mut desk, Severity::Major, start);
    desk.step(act(ticket, 1, Action::Accept), start.plus(MINUTE)).unwrap();
    let due = desk.ticket(ticket).unwrap().clock(ClockKind::Arrive).unwrap().due_at;
    let mut told = Vec::new();
    while let Some(now) = desk.next_due().filter(|now| *now <= due) {
        let mut effects = desk.step(Input::Timer, now).unwrap();
        let breached = effects.pages.iter().any(|page| page.reason == PageReason::Breached);
        effects
            .pages
            .retain(|page| breached || page.body.en.starts_with("arrive: "));
        if let Some(page) = effects.pages.first() {
            let what = if breached {
                "missed"
            } else {
                &page.body.en["arrive: ".len()..][..4]
            };
            told.push((what.to_owned(), who(&effects)));
        }
    }
    told
}

#[test]
fn its_owner_hears_of_half_the_leader_of_four_fifths_and_the_team_lead_of_a_breach() {
    let told = [("50 %", vec![1]), ("80 %", vec![1, 3]), ("missed", vec![1, 3, 4])];
    let told = told.map(|(what, who)| (what.to_owned(), who));
    assert_eq!(told_of_arrival(Chain::shipped()), told);
}

#[test]
fn a_chain_with_shares_says_itself_who_hears_of_which() {
    let mut chain = Chain::shipped();
    chain.rungs[3].percent = Some(50);
    let told = told_of_arrival(chain);
    let people: Vec<Vec<u8>> = told.into_iter().map(|(_, people)| people).collect();
    assert_eq!(
        people,
        vec![vec![1, 2, 3]; 3],
        "deputy and leader stand on that rung, at each share"
    );
}
