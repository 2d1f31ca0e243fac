//! Terms beside tickets' clocks: complaints with what was signed, and what was told, once.

use crate::world::{World, at, tickets};
use tocsin_desk::{
    defect::Signed,
    model::{Page, PageReason, Role, TicketKind, TicketState},
    record::PageFilter,
};

on_both_engines! {
    a_share_of_a_term_is_told_once_with_its_pages,
    complaints_are_read_with_what_was_signed,
}

async fn a_share_of_a_term_is_told_once_with_its_pages(mut world: World) {
    let host = world.host("web-01").await;
    let ticket = world.ticket(&host, 1);
    let person = world.person("wang", Role::Operator).await.id;
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();
    let mut page = world.page(person, "robot", Some(&ticket));
    page.reason = PageReason::Warned;
    assert_eq!(world.ledger.told_of("1-verify").await.unwrap(), None);
    let tell =
        async |percent: u8, pages: &[Page]| world.ledger.tell_term("1-verify", percent, pages, at(5)).await.unwrap();
    assert!(tell(50, std::slice::from_ref(&page)).await);
    // Told again after a restart: neither the share nor its page is written a second time.
    assert!(!tell(50, std::slice::from_ref(&page)).await);
    assert_eq!(world.ledger.told_of("1-verify").await.unwrap(), Some(50));
    assert!(tell(100, &[]).await);
    assert_eq!(world.ledger.told_of("1-verify").await.unwrap(), Some(100));
    let pages = world.ledger.pages(&PageFilter::default()).await.unwrap().items;
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0].page.reason, PageReason::Warned);
}

async fn complaints_are_read_with_what_was_signed(mut world: World) {
    let host = world.host("web-01").await;
    let all: Vec<_> = [
        (TicketKind::Complaint, TicketState::Open),
        (TicketKind::Fault, TicketState::Open),
        (TicketKind::Complaint, TicketState::Cancelled),
    ]
    .into_iter()
    .zip(1..)
    .map(|((kind, state), number)| {
        let mut ticket = world.ticket(&host, number);
        (ticket.kind, ticket.state) = (kind, state);
        ticket
    })
    .collect();
    world.ledger.commit(&tickets(all.clone()), &[]).await.unwrap();
    let signed = Signed {
        step: "verify".to_owned(),
        by: "wang".to_owned(),
        at: at(3),
        words: "seen".to_owned(),
    };
    world.ledger.sign_step(all[0].id, &signed, &[]).await.unwrap();
    let before = all[0].opened_at.minus(std::time::Duration::from_secs(1));
    let found = world.ledger.complaints(before).await.unwrap();
    assert_eq!(found, [(all[0].clone(), vec![signed])]);
    assert_eq!(world.ledger.complaints(all[0].opened_at).await.unwrap(), []);
}
