//! One commit for all that a step decided, and what the desk finds after a start.

use crate::world::{World, alerts, at, clock, entry, line, tickets};
use tocsin_desk::{
    effect::{Effects, OpenWork, QuietRows},
    model::{Actor, AlertState, ClockKind, PageState, Role, TicketKind, TicketState},
    record::{AlertFilter, Slice},
};
use tocsin_ledger::{Chain, LedgerError};
use tocsin_vocabulary::{Code, Text};

on_both_engines! {
    a_step_reads_back_as_it_was_written,
    a_stale_step_is_a_conflict_and_leaves_no_trace,
    an_alert_is_raised_once,
    a_drill_does_not_mix_with_the_real_thing,
    a_page_key_is_used_once,
    closed_work_is_recalled_and_not_loaded,
    withdrawn_pages_that_left_stay_sent,
    hostile_text_is_kept_as_data,
    references_to_nothing_are_refused,
}

async fn a_step_reads_back_as_it_was_written(mut world: World) {
    let host = world.host("web-01").await;
    let person = world.person("li", Role::Operator).await;
    let mut ticket = world.ticket(&host, 1_042);
    let mut fault = world.fault(&host, 10);
    fault.ticket = Some(ticket.id);
    fault.accepted_at = Some(at(20));
    ticket.fault = Some(fault.id);
    ticket.state = TicketState::Waiting;
    ticket.prior_state = Some(TicketState::Accepted);
    ticket.assignee = Some(person.id);
    ticket.assignee_name = Some(person.name.clone());
    ticket.entry_count = 2;
    ticket.clocks[0].stopped_at = Some(at(700));
    ticket.clocks[0].breached_at = Some(at(600));
    let alert = world.alert(&host, "disk_full", Some(fault.id), 10);
    let entries = vec![
        entry(&ticket, 1, Actor::System),
        entry(&ticket, 2, Actor::Person(person.id, person.name.clone())),
    ];
    let queued = world.page(person.id, "sms", Some(&ticket));
    let inbox = world.page(person.id, "inbox", Some(&ticket));
    let effects = Effects {
        alerts: vec![alert.clone()],
        faults: vec![fault.clone()],
        tickets: vec![ticket.clone()],
        entries: entries.clone(),
        pages: vec![queued.clone(), inbox.clone()],
        withdrawn: Vec::new(),
        quiet: QuietRows::default(),
        chains: Vec::new(),
        ..Effects::default()
    };
    world
        .ledger
        .commit(&effects, &[line("ticket.accept", 20)])
        .await
        .unwrap();

    let expected = OpenWork {
        alerts: vec![alert.clone()],
        faults: vec![fault],
        tickets: vec![ticket.clone()],
        pages: vec![queued],
        chains: Vec::new(),
        last_number: 1_042,
        quiet: QuietRows::default(),
    };
    assert_eq!(world.ledger.load_open_work().await.unwrap(), expected);
    assert_eq!(world.ledger.ticket(1_042).await.unwrap(), Some(ticket.clone()));
    assert_eq!(
        world.ledger.ticket_by_id(ticket.id).await.unwrap(),
        Some(ticket.clone())
    );
    assert_eq!(world.ledger.ticket(1_043).await.unwrap(), None);
    assert_eq!(world.ledger.entries(ticket.id).await.unwrap(), entries);
    let last = entries.iter().rfind(|entry| matches!(entry.actor, Actor::Person(..)));
    let last: Vec<_> = last.cloned().into_iter().collect();
    assert_eq!(world.ledger.last_acts(&[ticket.id]).await.unwrap(), last);
    assert_eq!(world.ledger.last_acts(&[]).await.unwrap(), []);
    assert_eq!(world.ledger.alerts_of_ticket(ticket.id).await.unwrap(), [alert]);
    let delivered = world.ledger.page(inbox.id).await.unwrap().unwrap();
    assert_eq!(
        (delivered.page.state, delivered.page.sent_at),
        (PageState::Sent, Some(at(10)))
    );
    assert_eq!(delivered.person_name, person.name);
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
}

async fn a_stale_step_is_a_conflict_and_leaves_no_trace(mut world: World) {
    let host = world.host("web-01").await;
    let mut ticket = world.ticket(&host, 1);
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();
    ticket.revision = 2;
    ticket.state = TicketState::Accepted;
    ticket.clocks = vec![clock(ClockKind::Restore, 7_200)];
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();

    for stale in [1, 2, 4] {
        let mut other = ticket.clone();
        other.revision = stale;
        other.state = TicketState::Cancelled;
        let fault = world.fault(&host, 50);
        let effects = Effects {
            faults: vec![fault],
            tickets: vec![other],
            ..Effects::default()
        };
        let error = world
            .ledger
            .commit(&effects, &[line("ticket.cancel", 50)])
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Conflict, "revision {stale}: {error}");
    }
    let mut double = world.ticket(&host, 1);
    double.revision = 1;
    assert_eq!(
        world
            .ledger
            .commit(&tickets(vec![double]), &[])
            .await
            .unwrap_err()
            .code(),
        Code::Conflict
    );

    let work = world.ledger.load_open_work().await.unwrap();
    assert_eq!(work.tickets, [ticket]);
    assert!(work.faults.is_empty());
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 0 });
}

async fn an_alert_is_raised_once(mut world: World) {
    let host = world.host("web-01").await;
    let mut first = world.alert(&host, "disk_full", None, 10);
    let second = world.alert(&host, "disk_full", None, 20);
    world.ledger.commit(&alerts(vec![first.clone()]), &[]).await.unwrap();
    let error = world
        .ledger
        .commit(&alerts(vec![second.clone()]), &[])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Conflict);

    first.value = Some(0.99);
    world.ledger.commit(&alerts(vec![first.clone()]), &[]).await.unwrap();
    first.state = AlertState::Cleared;
    first.cleared_at = Some(at(15));
    // Cleared and back within one step, in the unlucky order.
    world
        .ledger
        .commit(&alerts(vec![second.clone(), first.clone()]), &[])
        .await
        .unwrap();
    assert_eq!(
        world.ledger.load_open_work().await.unwrap().alerts,
        vec![second.clone()]
    );
    assert_eq!(
        world.ledger.alerts(&AlertFilter::default()).await.unwrap().items,
        [second, first]
    );
}

async fn a_drill_does_not_mix_with_the_real_thing(mut world: World) {
    let host = world.host("web-01").await;
    let mut drill = world.ticket(&host, 1);
    let mut fault = world.fault(&host, 10);
    fault.ticket = Some(drill.id);
    drill.fault = Some(fault.id);
    drill.kind = TicketKind::Drill;
    let drilled = world.alert(&host, "disk_full", Some(fault.id), 10);
    let effects = Effects {
        alerts: vec![drilled],
        faults: vec![fault],
        tickets: vec![drill],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let real = world.alert(&host, "disk_full", None, 20);
    world.ledger.commit(&alerts(vec![real]), &[]).await.unwrap();
    let again = world.alert(&host, "disk_full", None, 30);
    assert_eq!(
        world.ledger.commit(&alerts(vec![again]), &[]).await.unwrap_err().code(),
        Code::Conflict
    );
}

async fn a_page_key_is_used_once(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let first = world.page(person.id, "sms", None);
    let mut double = world.page(person.id, "sms", None);
    double.key.clone_from(&first.key);
    let pages = |page| Effects {
        pages: vec![page],
        ..Effects::default()
    };
    world.ledger.commit(&pages(first), &[]).await.unwrap();
    assert_eq!(
        world.ledger.commit(&pages(double), &[]).await.unwrap_err().code(),
        Code::Conflict
    );
}

async fn closed_work_is_recalled_and_not_loaded(mut world: World) {
    let host = world.host("web-01").await;
    let mut ticket = world.ticket(&host, 7);
    let mut fault = world.fault(&host, 10);
    fault.ticket = Some(ticket.id);
    fault.cleared_at = Some(at(30));
    ticket.fault = Some(fault.id);
    let mut alert = world.alert(&host, "disk_full", Some(fault.id), 10);
    alert.state = AlertState::Cleared;
    alert.cleared_at = Some(at(30));
    let mut effects = Effects {
        alerts: vec![alert.clone()],
        faults: vec![fault.clone()],
        tickets: vec![ticket.clone()],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let live = world.ledger.load_open_work().await.unwrap();
    assert_eq!(
        (&live.alerts, &live.faults),
        (&vec![alert.clone()], &vec![fault.clone()]),
        "its ticket is live"
    );

    ticket.revision = 2;
    ticket.state = TicketState::Closed;
    effects.tickets = vec![ticket.clone()];
    world.ledger.commit(&effects, &[]).await.unwrap();
    let rest = OpenWork {
        last_number: 7,
        ..OpenWork::default()
    };
    assert_eq!(world.ledger.load_open_work().await.unwrap(), rest);
    let recalled = world.ledger.load_work_of(ticket.id).await.unwrap();
    let whole = OpenWork {
        alerts: vec![alert],
        faults: vec![fault],
        tickets: vec![ticket],
        ..rest
    };
    assert_eq!(recalled, Some(whole));
    let unknown = world.ticket(&host, 8);
    assert_eq!(world.ledger.load_work_of(unknown.id).await.unwrap(), None);
}

async fn withdrawn_pages_that_left_stay_sent(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let (left, waiting) = (world.page(person.id, "sms", None), world.page(person.id, "mail", None));
    let both = Effects {
        pages: vec![left.clone(), waiting.clone()],
        ..Effects::default()
    };
    world.ledger.commit(&both, &[]).await.unwrap();
    world.ledger.page_sent(left.id, at(11)).await.unwrap();
    let withdrawn = Effects {
        withdrawn: vec![left.id, waiting.id],
        ..Effects::default()
    };
    world.ledger.commit(&withdrawn, &[]).await.unwrap();
    assert_eq!(
        world.ledger.page(left.id).await.unwrap().unwrap().page.state,
        PageState::Sent
    );
    assert_eq!(
        world.ledger.page(waiting.id).await.unwrap().unwrap().page.state,
        PageState::Withdrawn
    );
}

async fn hostile_text_is_kept_as_data(mut world: World) {
    let host = world.host("'; DROP TABLE host; --\0").await;
    assert_eq!(host.name, "'; DROP TABLE host; --\u{FFFD}");
    assert_eq!(host.facts.hostname, "'; DROP TABLE host; --\0");
    let mut alert = world.alert(&host, "process_gone", None, 10);
    alert.title = Text::plain("\0<script>\u{202E}");
    // Longer than any index entry of PostgreSQL, and not to be squeezed.
    alert.instance = (0..40_000_u32)
        .map(|i| char::from_u32(0x4E00 + i * 7_919 % 20_000).unwrap())
        .collect();
    alert.value = Some(f64::NAN);
    alert.threshold = Some(f64::INFINITY);
    world.ledger.commit(&alerts(vec![alert.clone()]), &[]).await.unwrap();
    alert.title = Text::plain("\u{FFFD}<script>\u{202E}");
    alert.value = None;
    assert_eq!(
        world.ledger.alerts(&AlertFilter::default()).await.unwrap().items,
        [alert]
    );
    let mut noisy = line("\0", 1);
    noisy.detail = "a\0b".to_owned();
    world.ledger.audit(noisy).await.unwrap();
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
    assert_eq!(
        world.ledger.audit_lines(&Slice::default()).await.unwrap().items[0].detail,
        "a\u{FFFD}b"
    );
}

async fn references_to_nothing_are_refused(mut world: World) {
    let host = world.host("web-01").await;
    let nobody = world.fault(&host, 10);
    let stray = world.alert(&host, "disk_full", Some(nobody.id), 10);
    let error = world.ledger.commit(&alerts(vec![stray]), &[]).await.unwrap_err();
    assert!(matches!(error, LedgerError::Invalid { .. }), "{error}");
    assert!(world.ledger.load_open_work().await.unwrap().alerts.is_empty());
}
