//! Lists: their order, their slices, and that customers see only their own.

use crate::world::{World, alerts, at, clock, line, tickets};
use tocsin_desk::{
    effect::Effects,
    model::{AlertState, ClockKind, Role, TicketState},
    record::{AlertFilter, FaultFilter, PageFilter, Slice, TicketFilter},
};
use tocsin_vocabulary::{Code, Level};

on_both_engines! {
    tickets_are_listed_most_urgent_first,
    tickets_are_filtered,
    alerts_are_listed_newest_first_and_by_span,
    faults_are_listed_newest_first,
    pages_and_audit_lines_are_listed_newest_first,
    a_foreign_cursor_is_refused,
}

/// Follows a list to its end in slices of two.
macro_rules! all {
    ($list:expr, $filter:expr, $key:expr) => {{
        let (mut found, mut filter) = (Vec::new(), $filter);
        loop {
            filter.slice.limit = 2;
            let list = $list(&filter).await.unwrap();
            assert!(list.items.len() <= 2);
            found.extend(list.items.iter().map($key));
            match list.next {
                Some(next) => filter.slice.after = Some(next),
                None => break found,
            }
        }
    }};
}

async fn tickets_are_listed_most_urgent_first(mut world: World) {
    let host = world.host("web-01").await;
    let mut all = Vec::new();
    // Number, level, due in seconds; none: no clock runs.
    for (number, level, due) in [
        (1, 2, Some(600)),
        (2, 1, None),
        (3, 1, Some(900)),
        (4, 2, Some(60)),
        (5, 1, Some(900)),
        (6, 3, Some(1)),
    ] {
        let mut ticket = world.ticket(&host, number);
        ticket.level = Level::new(level);
        ticket.clocks = due.map(|due| clock(ClockKind::Respond, due)).into_iter().collect();
        all.push(ticket);
    }
    world.ledger.commit(&tickets(all), &[]).await.unwrap();
    let numbers = all!(
        |filter| world.ledger.tickets(filter),
        TicketFilter::default(),
        |ticket| ticket.number
    );
    assert_eq!(numbers, [3, 5, 2, 4, 1, 6]);
}

async fn tickets_are_filtered(mut world: World) {
    let other = world.customer("另一家").await;
    let (mine, theirs) = (world.host("web-01").await, world.host_of("db-01", Some(other)).await);
    let person = world.person("li", Role::Operator).await;
    let mut first = world.ticket(&mine, 1);
    first.assignee = Some(person.id);
    let mut second = world.ticket(&mine, 2);
    second.state = TicketState::Closed;
    let third = world.ticket(&theirs, 3);
    world
        .ledger
        .commit(&tickets(vec![first, second, third]), &[])
        .await
        .unwrap();
    let ledger = world.ledger.clone();
    let numbers = |filter: TicketFilter| {
        let ledger = ledger.clone();
        async move {
            ledger
                .tickets(&filter)
                .await
                .unwrap()
                .items
                .iter()
                .map(|ticket| ticket.number)
                .collect::<Vec<_>>()
        }
    };
    let any = TicketFilter::default;
    assert_eq!(
        numbers(TicketFilter {
            customer: Some(other),
            ..any()
        })
        .await,
        [3]
    );
    assert_eq!(
        numbers(TicketFilter {
            host: Some(mine.id),
            ..any()
        })
        .await,
        [1, 2]
    );
    assert_eq!(
        numbers(TicketFilter {
            assignee: Some(person.id),
            ..any()
        })
        .await,
        [1]
    );
    let live = vec![TicketState::Open, TicketState::Accepted];
    assert_eq!(
        numbers(TicketFilter {
            states: live.clone(),
            ..any()
        })
        .await,
        [1, 3]
    );
    assert_eq!(
        numbers(TicketFilter {
            states: live,
            host: Some(theirs.id),
            customer: Some(mine.customer),
            ..any()
        })
        .await,
        [0_u64; 0]
    );
}

async fn alerts_are_listed_newest_first_and_by_span(mut world: World) {
    let other = world.customer("另一家").await;
    let (mine, theirs) = (world.host("web-01").await, world.host_of("db-01", Some(other)).await);
    let mut old = world.alert(&mine, "a", None, 100);
    old.state = AlertState::Cleared;
    old.cleared_at = Some(at(200));
    let same_moment = world.alert(&mine, "b", None, 300);
    let newer = world.alert(&mine, "c", None, 300);
    let foreign = world.alert(&theirs, "d", None, 400);
    let rules = ["d", "c", "b", "a"];
    world
        .ledger
        .commit(&alerts(vec![old, newer, same_moment, foreign]), &[])
        .await
        .unwrap();
    let any = AlertFilter::default;
    let found = all!(|filter| world.ledger.alerts(filter), any(), |alert| alert.rule.clone());
    assert_eq!(found, rules);
    let of = async |filter: AlertFilter| -> String {
        world
            .ledger
            .alerts(&filter)
            .await
            .unwrap()
            .items
            .iter()
            .map(|alert| alert.rule.as_str())
            .collect()
    };
    assert_eq!(
        of(AlertFilter {
            customer: Some(other),
            ..any()
        })
        .await,
        "d"
    );
    assert_eq!(
        of(AlertFilter {
            host: Some(mine.id),
            ..any()
        })
        .await,
        "cba"
    );
    assert_eq!(
        of(AlertFilter {
            state: Some(AlertState::Cleared),
            ..any()
        })
        .await,
        "a"
    );
    assert_eq!(
        of(AlertFilter {
            from: Some(at(201)),
            to: Some(at(390)),
            ..any()
        })
        .await,
        "cb"
    );
    assert_eq!(
        of(AlertFilter {
            from: Some(at(150)),
            to: Some(at(160)),
            ..any()
        })
        .await,
        "a"
    );
}

async fn faults_are_listed_newest_first(mut world: World) {
    let other = world.customer("另一家").await;
    let (mine, theirs) = (world.host("web-01").await, world.host_of("db-01", Some(other)).await);
    let mut faults = vec![world.fault(&mine, 10), world.fault(&mine, 20), world.fault(&theirs, 30)];
    faults[0].cleared_at = Some(at(15));
    world
        .ledger
        .commit(
            &Effects {
                faults: faults.clone(),
                ..Effects::default()
            },
            &[],
        )
        .await
        .unwrap();
    let any = FaultFilter::default;
    let found = all!(|filter| world.ledger.faults(filter), any(), |fault| fault.clone());
    assert_eq!(found, faults.iter().rev().cloned().collect::<Vec<_>>());
    let open = world
        .ledger
        .faults(&FaultFilter {
            open_only: true,
            asset: Some(mine.asset),
            ..any()
        })
        .await
        .unwrap();
    assert_eq!(open.items, [faults[1].clone()]);
    let foreign = world
        .ledger
        .faults(&FaultFilter {
            customer: Some(other),
            ..any()
        })
        .await
        .unwrap();
    assert_eq!(foreign.items, [faults[2].clone()]);
}

async fn pages_and_audit_lines_are_listed_newest_first(mut world: World) {
    let (li, wang) = (
        world.person("li", Role::Operator).await,
        world.person("wang", Role::Operator).await,
    );
    let mut pages = Vec::new();
    for (person, seconds) in [(&li, 10), (&wang, 20), (&li, 30)] {
        let mut page = world.page(person.id, "sms", None);
        page.created_at = at(seconds);
        pages.push(page);
    }
    let lines = [line("a", 1), line("b", 2), line("c", 2)];
    world
        .ledger
        .commit(
            &Effects {
                pages: pages.clone(),
                ..Effects::default()
            },
            &lines,
        )
        .await
        .unwrap();
    let found = all!(|filter| world.ledger.pages(filter), PageFilter::default(), |record| {
        record.page.clone()
    });
    assert_eq!(found, pages.iter().rev().cloned().collect::<Vec<_>>());
    let own = PageFilter {
        person: Some(wang.id),
        destination: Some("sms".to_owned()),
        ..PageFilter::default()
    };
    assert_eq!(world.ledger.pages(&own).await.unwrap().items[0].person_name, wang.name);
    assert_eq!(world.ledger.pages(&own).await.unwrap().items.len(), 1);

    let first = world
        .ledger
        .audit_lines(&Slice { after: None, limit: 2 })
        .await
        .unwrap();
    assert_eq!(first.items, [lines[2].clone(), lines[1].clone()]);
    let rest = world
        .ledger
        .audit_lines(&Slice {
            after: first.next,
            limit: 2,
        })
        .await
        .unwrap();
    assert_eq!((rest.items, rest.next), (vec![lines[0].clone()], None));
}

async fn a_foreign_cursor_is_refused(world: World) {
    let slice = Slice {
        after: Some("1' OR '1'='1".to_owned()),
        limit: 2,
    };
    let filter = TicketFilter {
        slice: slice.clone(),
        ..TicketFilter::default()
    };
    assert_eq!(
        world.ledger.tickets(&filter).await.unwrap_err().code(),
        Code::InvalidInput
    );
    assert_eq!(
        world.ledger.audit_lines(&slice).await.unwrap_err().code(),
        Code::InvalidInput
    );
}
