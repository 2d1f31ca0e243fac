//! What a ticket remembers of its times, its interval log, and the versions that it was counted by.

use crate::world::{World, at, tickets};
use std::{collections::BTreeMap, sync::Arc};
use tocsin_desk::{
    calendar::{Calendars, Holidays, TimeBase, YearFile},
    clocks::{Book, ContractTerms, Fired, Mark, MarkKind, Pause, Reckoning, Rung, Timing},
    effect::Effects,
    model::{ClockKind, Ticket},
    policy::{Impact, Policy, WaitReason},
};
use tocsin_ledger::DEFAULT_CONTRACT;
use tocsin_vocabulary::{Code, Level};

on_both_engines! {
    what_a_ticket_remembers_reads_back,
    a_share_of_a_target_is_told_once_whatever_happens,
    the_interval_log_only_grows,
    what_was_counted_by_can_be_counted_by_again,
    contracts_say_what_they_bought,
}

fn timing(clock: ClockKind, rung: u32) -> Timing {
    Timing {
        clock,
        rung,
        level: Level::new(2),
        base: TimeBase::Business,
        target_ms: 3_600_000,
        calendar: "5x8".to_owned(),
        calendar_version: "00ff".to_owned(),
        paused: true,
        warn_at: [at(1), at(2)],
        wording: "2小时内到达现场".to_owned(),
    }
}

fn mark(ticket: &Ticket, seq: u64, kind: MarkKind) -> Mark {
    Mark {
        ticket: ticket.id,
        seq,
        clock: ClockKind::Recover,
        rung: 1,
        level: Level::new(2),
        kind,
        at: at(5),
        entered_at: at(9),
        due_at: at(600),
        policy_version: "aa".to_owned(),
        calendar_version: "bb".to_owned(),
    }
}

async fn what_a_ticket_remembers_reads_back(mut world: World) {
    let host = world.host("web-01").await;
    let mut ticket = world.ticket(&host, 7);
    let mut remembered = Reckoning {
        policy: "graded".to_owned(),
        impact: Some(Impact::BusinessDown),
        pauses: vec![Pause {
            from: at(20),
            to: None,
            reason: WaitReason::Customer,
        }],
        rungs: vec![Rung {
            level: Level::new(2),
            since: at(10),
        }],
        timings: vec![timing(ClockKind::Respond, 0), timing(ClockKind::Restore, 0)],
        mark_count: 3,
        ..Reckoning::default()
    };
    remembered.moments.accepted = Some(at(15));
    ticket.reckoning = remembered;
    // After a raise there are two of a kind.
    ticket.clocks.push(ticket.clocks[0]);
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();
    assert_eq!(world.ledger.ticket(7).await.unwrap(), Some(ticket.clone()));
    assert_eq!(world.ledger.load_open_work().await.unwrap().tickets, [ticket]);
}

async fn a_share_of_a_target_is_told_once_whatever_happens(mut world: World) {
    let host = world.host("web-01").await;
    let mut ticket = world.ticket(&host, 7);
    let fired = |percent| Fired {
        clock: ClockKind::Respond,
        rung: 0,
        percent,
    };
    let mut effects = tickets(vec![ticket.clone()]);
    effects.fired = vec![(ticket.id, fired(50), at(20)), (ticket.id, fired(80), at(30))];
    world.ledger.commit(&effects, &[]).await.unwrap();
    ticket.revision = 2;
    let mut again = tickets(vec![ticket.clone()]);
    again.fired = vec![(ticket.id, fired(80), at(40))];
    let error = world.ledger.commit(&again, &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    assert_eq!(
        world.ledger.ticket(7).await.unwrap().unwrap().revision,
        1,
        "nothing was written"
    );
}

async fn the_interval_log_only_grows(mut world: World) {
    let host = world.host("web-01").await;
    let ticket = world.ticket(&host, 7);
    let marks: Vec<Mark> = (1..)
        .zip(MarkKind::ALL)
        .map(|(seq, kind)| mark(&ticket, seq, kind))
        .collect();
    let effects = Effects {
        tickets: vec![ticket.clone()],
        marks: marks.clone(),
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    assert_eq!(world.ledger.marks(ticket.id).await.unwrap(), marks);
    let again = Effects {
        marks: vec![mark(&ticket, 3, MarkKind::Void)],
        ..Effects::default()
    };
    let error = world.ledger.commit(&again, &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    assert_eq!(world.ledger.marks(ticket.id).await.unwrap(), marks);
}

async fn what_was_counted_by_can_be_counted_by_again(world: World) {
    let book = |holidays| {
        let calendars = Arc::new(Calendars::new(&BTreeMap::new(), holidays));
        Book::new(Policy::basic(), Policy::shipped(), calendars, BTreeMap::new())
    };
    let before = book(Holidays::built_in());
    world.ledger.keep_versions(&before, at(1)).await.unwrap();
    let mut holidays = Holidays::built_in();
    let notice = r#"{"year": 2027, "days": [{"name": "x", "date": "2027-01-04", "isOffDay": true}]}"#;
    holidays.add(YearFile::parse(notice).unwrap());
    let after = book(holidays);
    world.ledger.keep_versions(&after, at(2)).await.unwrap();
    world.ledger.keep_versions(&after, at(3)).await.unwrap();
    for book in [before, after] {
        let calendar = book.calendars().get("5x8").unwrap();
        let kept = world
            .ledger
            .calendar_version(calendar.version())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(kept, **calendar);
    }
    assert_eq!(world.ledger.calendar_version("none").await.unwrap(), None);
}

async fn contracts_say_what_they_bought(world: World) {
    let terms = world.ledger.contract_terms().await.unwrap();
    let expected = ContractTerms {
        policy: "basic".to_owned(),
        grade: "standard".to_owned(),
        service_hours: "7x24".to_owned(),
        warranty_until: None,
    };
    assert_eq!(terms, BTreeMap::from([(DEFAULT_CONTRACT, expected)]));
}
