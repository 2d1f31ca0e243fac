//! Deliveries: their states, reports, what is cut off, what customers keep inside.

use crate::world::{World, at};
use tocsin_desk::{
    delivery::DeliveryState,
    effect::Effects,
    model::{Page, PageState, Role},
};
use tocsin_ledger::{DEFAULT_CUSTOMER, OutsideAlert};
use tocsin_vocabulary::{Code, Level, PageId};

on_both_engines! {
    a_page_goes_its_way_step_by_step,
    the_worst_level_is_taken_first,
    what_was_cut_off_is_unknown_and_due_again,
    a_lost_outcome_stays_marked_and_a_refusal_is_not,
    a_report_of_failure_sends_a_page_out_again,
    a_receipt_that_does_not_come_makes_a_delivery_unknown,
    an_illegal_move_is_refused_by_the_database,
    what_was_withdrawn_does_not_begin,
    a_customers_wish_reaches_the_pages_of_its_tickets,
    people_are_known_by_their_staff_number,
    an_alert_from_outside_is_kept,
    a_drill_is_told_person_by_person_and_channel_by_channel,
}

async fn queue(world: &World, pages: &[&Page]) {
    let pages = pages.iter().map(|page| (*page).clone()).collect();
    let effects = Effects {
        pages,
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
}

async fn stored(world: &World, page: PageId) -> Page {
    world.ledger.page(page).await.unwrap().unwrap().page
}

async fn states(world: &World, page: PageId) -> Vec<DeliveryState> {
    let steps = world.ledger.delivery_steps(page).await.unwrap();
    steps.iter().map(|step| step.state).collect()
}

async fn a_page_goes_its_way_step_by_step(mut world: World) {
    use DeliveryState::{Accepted, Delivered, Pending, Read, Sending};
    let person = world.person("li", Role::Operator).await;
    let page = world.page(person.id, "sms", None);
    queue(&world, &[&page]).await;
    let ledger = &world.ledger;
    assert_eq!(
        ledger.begin_deliveries(&[page.id], "sms", at(11)).await.unwrap(),
        [page.id]
    );
    ledger
        .delivery_failed(page.id, "busy", false, Some(at(20)), at(12))
        .await
        .unwrap();
    assert!(ledger.due_deliveries(at(19), 10).await.unwrap().is_empty());
    let due = ledger.due_deliveries(at(20), 10).await.unwrap();
    assert_eq!(
        (due[0].page.attempts, due[0].unknown, due[0].person.login.as_str()),
        (1, false, "li")
    );
    ledger.begin_deliveries(&[page.id], "voice", at(21)).await.unwrap();
    ledger
        .delivery_accepted(page.id, Accepted, "id-7", "ok", at(22))
        .await
        .unwrap();
    let refs = ["other".to_owned(), "id-7".to_owned()];
    // Another channel's name for a message means nothing here.
    assert_eq!(
        ledger
            .delivery_reported("sms", &refs, Delivered, "", at(23))
            .await
            .unwrap(),
        None
    );
    let reported = ledger
        .delivery_reported("voice", &refs, Delivered, "", at(23))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((reported.page, reported.again), (page.id, false));
    assert_eq!(
        ledger
            .delivery_reported("voice", &refs, Delivered, "", at(24))
            .await
            .unwrap(),
        None
    );
    ledger
        .delivery_reported("voice", &refs, Read, "", at(25))
        .await
        .unwrap();
    assert_eq!(
        states(&world, page.id).await,
        [Sending, Pending, Sending, Accepted, Delivered, Read]
    );
    let page = stored(&world, page.id).await;
    assert_eq!(
        (page.state, page.sent_at, page.attempts),
        (PageState::Sent, Some(at(22)), 2)
    );
    let figures = world.ledger.channel_figures(at(0)).await.unwrap();
    assert_eq!(
        (figures[0].channel.as_str(), figures[0].accepted, figures[0].delivered),
        ("voice", 1, 1)
    );
}

async fn the_worst_level_is_taken_first(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let (first, mut worst) = (world.page(person.id, "sms", None), world.page(person.id, "sms", None));
    (worst.level, worst.due_at) = (Level::WORST, at(25));
    queue(&world, &[&first, &worst]).await;
    let ids = |due: Vec<tocsin_desk::delivery::DuePage>| due.into_iter().map(|due| due.page.id).collect::<Vec<_>>();
    assert_eq!(
        ids(world.ledger.due_deliveries(at(30), 10).await.unwrap()),
        [worst.id, first.id]
    );
    assert_eq!(ids(world.ledger.due_deliveries(at(30), 1).await.unwrap()), [worst.id]);
    assert_eq!(world.ledger.worst_waiting_since().await.unwrap(), Some(at(10)));
}

async fn what_was_cut_off_is_unknown_and_due_again(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let page = world.page(person.id, "sms", None);
    queue(&world, &[&page]).await;
    world.ledger.begin_deliveries(&[page.id], "sms", at(11)).await.unwrap();
    assert_eq!(world.ledger.recover_deliveries(at(40)).await.unwrap(), 1);
    assert_eq!(world.ledger.recover_deliveries(at(41)).await.unwrap(), 0);
    let due = world.ledger.due_deliveries(at(41), 10).await.unwrap();
    assert_eq!((due[0].unknown, due[0].page.attempts), (true, 1));
    // A receipt that comes late settles it, and nothing is resent.
    world.ledger.begin_deliveries(&[page.id], "sms", at(42)).await.unwrap();
    world
        .ledger
        .delivery_accepted(page.id, DeliveryState::Delivered, "", "ok", at(43))
        .await
        .unwrap();
    assert!(world.ledger.due_deliveries(at(99), 10).await.unwrap().is_empty());
}

async fn a_lost_outcome_stays_marked_and_a_refusal_is_not(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let (page, other) = (world.page(person.id, "sms", None), world.page(person.id, "sms", None));
    queue(&world, &[&page]).await;
    let ledger = &world.ledger;
    let is_marked = async |now| ledger.due_deliveries(at(now), 10).await.unwrap()[0].unknown;
    let refused = async |now| {
        ledger.begin_deliveries(&[page.id], "sms", at(now)).await.unwrap();
        let next = Some(at(now));
        ledger
            .delivery_failed(page.id, "503", false, next, at(now))
            .await
            .unwrap();
    };
    refused(11).await;
    assert!(!is_marked(12).await, "the other side said no: it has nothing");
    ledger.begin_deliveries(&[page.id], "sms", at(13)).await.unwrap();
    // Its outcome was never written down: the page is due all the same, and may go.
    assert!(is_marked(14).await);
    ledger.begin_deliveries(&[page.id], "sms", at(15)).await.unwrap();
    let refs = ["7".to_owned()];
    ledger
        .delivery_failed(page.id, "503", false, Some(at(16)), at(16))
        .await
        .unwrap();
    assert!(is_marked(17).await, "the try before this refusal may have arrived");
    // What is reported as failed is not in doubt.
    queue(&world, &[&other]).await;
    ledger.begin_deliveries(&[other.id], "sms", at(20)).await.unwrap();
    ledger
        .delivery_accepted(other.id, DeliveryState::Accepted, "7", "ok", at(21))
        .await
        .unwrap();
    assert_eq!(ledger.miss_receipts("sms", at(22), at(23)).await.unwrap(), 1);
    let marked = |due: &[tocsin_desk::delivery::DuePage]| {
        due.iter()
            .find(|due| due.page.id == other.id)
            .map(|due| due.unknown)
            .unwrap()
    };
    assert!(marked(&ledger.due_deliveries(at(24), 10).await.unwrap()));
    ledger
        .delivery_reported("sms", &refs, DeliveryState::Failed, "phone off", at(25))
        .await
        .unwrap();
    assert!(!marked(&ledger.due_deliveries(at(26), 10).await.unwrap()));
}

async fn a_report_of_failure_sends_a_page_out_again(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let host = world.host("db1").await;
    let ticket = world.ticket(&host, 1);
    let effects = Effects {
        tickets: vec![ticket.clone()],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let page = world.page(person.id, "sms", Some(&ticket));
    queue(&world, &[&page]).await;
    world.ledger.begin_deliveries(&[page.id], "sms", at(11)).await.unwrap();
    world
        .ledger
        .delivery_accepted(page.id, DeliveryState::Accepted, "7", "ok", at(12))
        .await
        .unwrap();
    let refs = ["7".to_owned()];
    let reported = world
        .ledger
        .delivery_reported("sms", &refs, DeliveryState::Failed, "phone off", at(13))
        .await
        .unwrap()
        .unwrap();
    assert!(reported.again);
    let due = world.ledger.due_deliveries(at(13), 10).await.unwrap();
    assert_eq!(
        (due[0].page.id, due[0].page.error.as_str(), due[0].asset.as_str()),
        (page.id, "phone off", "db1")
    );
    assert_eq!((due[0].opened_at, due[0].next_due_at), (Some(at(10)), Some(at(600))));
    world
        .ledger
        .begin_deliveries(&[page.id], "voice", at(14))
        .await
        .unwrap();
}

async fn a_receipt_that_does_not_come_makes_a_delivery_unknown(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let page = world.page(person.id, "sms", None);
    queue(&world, &[&page]).await;
    world.ledger.begin_deliveries(&[page.id], "sms", at(11)).await.unwrap();
    world
        .ledger
        .delivery_accepted(page.id, DeliveryState::Accepted, "7", "ok", at(12))
        .await
        .unwrap();
    assert_eq!(world.ledger.miss_receipts("sms", at(12), at(50)).await.unwrap(), 0);
    assert_eq!(world.ledger.miss_receipts("sms", at(13), at(50)).await.unwrap(), 1);
    let due = world.ledger.due_deliveries(at(50), 10).await.unwrap();
    assert!(due[0].unknown);
}

async fn an_illegal_move_is_refused_by_the_database(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let page = world.page(person.id, "sms", None);
    queue(&world, &[&page]).await;
    world.ledger.begin_deliveries(&[page.id], "sms", at(11)).await.unwrap();
    world
        .ledger
        .delivery_accepted(page.id, DeliveryState::Read, "", "ok", at(12))
        .await
        .unwrap();
    let back = world
        .ledger
        .delivery_accepted(page.id, DeliveryState::Accepted, "", "late", at(13))
        .await;
    assert!(back.is_err(), "what was read is not taken back");
    assert_eq!(states(&world, page.id).await.last(), Some(&DeliveryState::Read));
}

async fn what_was_withdrawn_does_not_begin(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let (gone, there) = (world.page(person.id, "sms", None), world.page(person.id, "sms", None));
    queue(&world, &[&gone, &there]).await;
    let effects = Effects {
        withdrawn: vec![gone.id],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let begun = world.ledger.begin_deliveries(&[gone.id, there.id], "sms", at(11)).await;
    assert_eq!(begun.unwrap(), [there.id]);
    world.ledger.postpone_page(there.id, at(500)).await.unwrap();
    assert!(world.ledger.due_deliveries(at(499), 10).await.unwrap().is_empty());
}

async fn a_customers_wish_reaches_the_pages_of_its_tickets(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let strict = world.customer("Strict Bank").await;
    let (ours, theirs) = (world.host("db1").await, world.host_of("db2", Some(strict)).await);
    let tickets = vec![world.ticket(&ours, 1), world.ticket(&theirs, 2)];
    let effects = Effects {
        tickets: tickets.clone(),
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let mut pages = [
        world.page(person.id, "sms", Some(&tickets[0])),
        world.page(person.id, "sms", Some(&tickets[1])),
        world.page(person.id, "sms", None),
        world.page(person.id, "sms", None),
    ];
    pages[3].key = format!("heartbeat-sms-{}", pages[3].id);
    queue(&world, &pages.iter().collect::<Vec<_>>()).await;
    world.ledger.set_secrecy(strict, "none", &[]).await.unwrap();
    let due = world.ledger.due_deliveries(at(30), 10).await.unwrap();
    let secrecy = |page: &Page| due.iter().find(|due| due.page.id == page.id).unwrap().secrecy.clone();
    let all: Vec<String> = pages.iter().map(secrecy).collect();
    // Of a page that is nobody's in particular only codes go out.
    assert_eq!(all, ["full", "none", "code-only", "full"]);
    let listed = world.ledger.secrecies().await.unwrap();
    assert!(
        listed
            .iter()
            .any(|(id, _, secrecy)| *id == DEFAULT_CUSTOMER && secrecy == "full")
    );
    assert!(world.ledger.set_secrecy(strict, "half", &[]).await.is_err());
    assert_eq!(
        world.ledger.last_own_page("heartbeat-", "sms").await.unwrap(),
        Some((at(10), DeliveryState::Pending))
    );
}

async fn people_are_known_by_their_staff_number(mut world: World) {
    let (li, wang) = (
        world.person("li", Role::Operator).await,
        world.person("wang", Role::Operator).await,
    );
    let ledger = &world.ledger;
    ledger
        .set_contact(li.id, Some("13800000001"), None, Some("07"), &[])
        .await
        .unwrap();
    let found = ledger.person_by_staff_number("07").await.unwrap().unwrap();
    assert_eq!(
        (found.id, found.phone.as_str(), found.email.as_str()),
        (li.id, "13800000001", "li@example.com")
    );
    let taken = ledger
        .set_contact(wang.id, None, None, Some("07"), &[])
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::Conflict);
    ledger.set_contact(li.id, None, None, Some(""), &[]).await.unwrap();
    assert_eq!(ledger.person_by_staff_number("07").await.unwrap(), None);
}

async fn an_alert_from_outside_is_kept(mut world: World) {
    let host = world.host("db1").await;
    let now = at(5);
    let id = tocsin_vocabulary::AssetId::next(&mut world.ids, now);
    let known = world.ledger.asset_named("db1", id, now).await.unwrap();
    assert_eq!(known.asset, host.asset);
    let new = world.ledger.asset_named("switch-7", id, now).await.unwrap();
    assert_eq!(new.asset, id);
    assert_eq!(
        world
            .ledger
            .asset_named("switch-7", host.asset, now)
            .await
            .unwrap()
            .asset,
        id
    );
    let alert = OutsideAlert {
        ticket: None,
        firing: true,
        changed_at: now,
    };
    assert_eq!(world.ledger.outside_alert("zabbix", "17").await.unwrap(), None);
    world.ledger.put_outside_alert("zabbix", "17", alert).await.unwrap();
    let over = OutsideAlert { firing: false, ..alert };
    world.ledger.put_outside_alert("zabbix", "17", over).await.unwrap();
    assert_eq!(world.ledger.outside_alert("zabbix", "17").await.unwrap(), Some(over));

    // An opening that was cut off after the ticket finds it again, until it is known whose it is.
    let ticket = world.ticket(&host, 1);
    let (id, opened) = (ticket.id, ticket.opened_at);
    let effects = Effects {
        tickets: vec![ticket],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let left = async |title: &str, since| {
        world
            .ledger
            .ticket_without_alert(host.asset, title, since)
            .await
            .unwrap()
    };
    assert_eq!(left("disk is full", opened).await, Some(id));
    assert_eq!(left("disk is empty", opened).await, None);
    assert_eq!(left("disk is full", at(11)).await, None);
    let known = OutsideAlert {
        ticket: Some(id),
        ..alert
    };
    world.ledger.put_outside_alert("zabbix", "17", known).await.unwrap();
    assert_eq!(left("disk is full", opened).await, None);
}

async fn a_drill_is_told_person_by_person_and_channel_by_channel(mut world: World) {
    assert_eq!(world.ledger.last_drill().await.unwrap(), None);
    let (li, wang) = (
        world.person("li", Role::Operator).await,
        world.person("wang", Role::Operator).await,
    );
    let mut drill = |person, channel: &str, created_at| {
        let mut page = world.page(person, channel, None);
        page.key = format!("drill-{channel}-{}", page.id);
        (page.drill, page.created_at, page.due_at) = (true, created_at, created_at);
        page
    };
    let earlier = drill(li.id, "sms", at(10));
    let (arrived, refused, waiting) = (
        drill(li.id, "sms", at(20)),
        drill(wang.id, "mail", at(20)),
        drill(wang.id, "sms", at(20)),
    );
    queue(&world, &[&earlier, &arrived, &refused, &waiting]).await;
    let ledger = &world.ledger;
    ledger.begin_deliveries(&[arrived.id], "sms", at(21)).await.unwrap();
    ledger
        .delivery_accepted(arrived.id, DeliveryState::Delivered, "", "taken", at(22))
        .await
        .unwrap();
    // Given up before any channel was tried.
    ledger
        .delivery_failed(refused.id, "no mail address", false, None, at(23))
        .await
        .unwrap();
    let report = ledger.last_drill().await.unwrap().unwrap();
    assert_eq!((report.at, report.counts()), (at(20), [1, 1, 3]));
    let rows: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.login.as_str(), row.channel.as_str(), row.state, row.detail.as_str()))
        .collect();
    assert_eq!(
        rows,
        [
            ("li", "sms", DeliveryState::Delivered, "taken"),
            ("wang", "mail", DeliveryState::Failed, "no mail address"),
            ("wang", "sms", DeliveryState::Pending, ""),
        ]
    );
    assert_eq!(report.unreached(), ["wang"]);
}
