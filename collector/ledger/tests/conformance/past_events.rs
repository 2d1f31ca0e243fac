//! Events of a past period.

use crate::world::{World, at};
use tocsin_desk::record::EventRecord;
use tocsin_vocabulary::{Severity, SpoolId};

on_both_engines! {
    events_of_a_period_come_in_the_order_of_time,
}

async fn events_of_a_period_come_in_the_order_of_time(mut world: World) {
    let (host, other) = (world.host("web-01").await.id, world.host("web-02").await.id);
    let spool = SpoolId::next(&mut world.ids, at(0));
    let event = |seq: u64, seconds: i64| EventRecord {
        seq,
        at: at(seconds),
        received_at: at(100),
        name: "kernel.io_error".to_owned(),
        severity: Severity::Major,
        attributes: [("device".to_owned(), "sda".to_owned())].into(),
        body: String::new(),
    };
    let all = [event(1, 30), event(2, 10), event(3, 20), event(4, 40)];
    world.ledger.store_events(host, spool, &all).await.unwrap();
    let found = world.ledger.past_events(host, at(10), at(40)).await.unwrap();
    assert_eq!(found, [event(2, 10), event(3, 20), event(1, 30)]);
    assert_eq!(world.ledger.past_events(other, at(0), at(100)).await.unwrap(), []);
}
