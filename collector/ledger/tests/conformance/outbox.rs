//! What the delivery worker takes and reports.

use crate::world::{World, at};
use tocsin_desk::{
    effect::Effects,
    model::{Page, PageState, Role},
};
use tocsin_vocabulary::{Code, PageId};

on_both_engines! {
    the_longest_waiting_page_comes_first,
    a_failed_page_is_tried_again_and_at_last_given_up,
    a_page_that_left_while_it_was_withdrawn_is_told_as_sent,
}

async fn queue(world: &World, pages: &[&Page]) {
    let pages = pages.iter().map(|page| (*page).clone()).collect();
    world
        .ledger
        .commit(
            &Effects {
                pages,
                ..Effects::default()
            },
            &[],
        )
        .await
        .unwrap();
}

async fn stored(world: &World, page: &Page) -> Page {
    world.ledger.page(page.id).await.unwrap().unwrap().page
}

async fn the_longest_waiting_page_comes_first(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let (mut early, mut late, mut future) = (
        world.page(person.id, "sms", None),
        world.page(person.id, "sms", None),
        world.page(person.id, "sms", None),
    );
    let inbox = world.page(person.id, "inbox", None);
    (early.due_at, late.due_at, future.due_at) = (at(10), at(20), at(31));
    queue(&world, &[&future, &late, &inbox, &early]).await;
    assert_eq!(
        world.ledger.due_pages(at(30), 10).await.unwrap(),
        [early.clone(), late.clone()]
    );
    assert_eq!(world.ledger.due_pages(at(30), 1).await.unwrap(), [early.clone()]);
    world.ledger.page_sent(early.id, at(30)).await.unwrap();
    assert_eq!(world.ledger.due_pages(at(31), 10).await.unwrap(), [late, future]);
    let sent = stored(&world, &early).await;
    assert_eq!(
        (sent.state, sent.sent_at, sent.attempts),
        (PageState::Sent, Some(at(30)), 1)
    );
}

async fn a_failed_page_is_tried_again_and_at_last_given_up(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let page = world.page(person.id, "sms", None);
    queue(&world, &[&page]).await;
    world
        .ledger
        .page_failed(page.id, "gateway said 503\0", Some(at(60)))
        .await
        .unwrap();
    assert!(world.ledger.due_pages(at(59), 10).await.unwrap().is_empty());
    let again = world.ledger.due_pages(at(60), 10).await.unwrap();
    assert_eq!(
        (again[0].attempts, again[0].error.as_str()),
        (1, "gateway said 503\u{FFFD}")
    );
    world
        .ledger
        .page_failed(page.id, "gateway is gone", None)
        .await
        .unwrap();
    assert!(world.ledger.due_pages(at(9_999), 10).await.unwrap().is_empty());
    let given_up = stored(&world, &page).await;
    assert_eq!((given_up.state, given_up.attempts), (PageState::Failed, 2));
    let unknown = PageId::next(&mut world.ids, at(0));
    assert_eq!(
        world.ledger.page_failed(unknown, "", None).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(
        world.ledger.page_sent(unknown, at(0)).await.unwrap_err().code(),
        Code::NotFound
    );
}

async fn a_page_that_left_while_it_was_withdrawn_is_told_as_sent(mut world: World) {
    let person = world.person("li", Role::Operator).await;
    let (rang, failed) = (world.page(person.id, "sms", None), world.page(person.id, "sms", None));
    queue(&world, &[&rang, &failed]).await;
    let withdrawn = Effects {
        withdrawn: vec![rang.id, failed.id],
        ..Effects::default()
    };
    world.ledger.commit(&withdrawn, &[]).await.unwrap();
    world.ledger.page_sent(rang.id, at(12)).await.unwrap();
    world
        .ledger
        .page_failed(failed.id, "timeout", Some(at(60)))
        .await
        .unwrap();
    assert_eq!(stored(&world, &rang).await.state, PageState::Sent);
    assert_eq!(stored(&world, &failed).await.state, PageState::Withdrawn);
    assert!(world.ledger.due_pages(at(9_999), 10).await.unwrap().is_empty());
}
