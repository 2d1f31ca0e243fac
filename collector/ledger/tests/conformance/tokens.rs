//! Enrolment tokens and API tokens.

use crate::world::{World, at, line};
use tocsin_desk::{model::Role, record::Redeemed};
use tocsin_vocabulary::{Code, TokenId};

on_both_engines! {
    of_a_hundred_redemptions_at_once_one_is_good,
    a_token_says_why_it_is_not_good,
    an_api_token_never_may_more_than_its_maker,
}

async fn of_a_hundred_redemptions_at_once_one_is_good(mut world: World) {
    let token = world.enrol_token("hash");
    world
        .ledger
        .create_enrol_token(&token, &[line("token.create", 0)])
        .await
        .unwrap();
    let tries: Vec<_> = (0..100)
        .map(|i| {
            let ledger = world.ledger.clone();
            tokio::spawn(async move { ledger.redeem_enrol_token("hash", at(i)).await.unwrap() })
        })
        .collect();
    let mut good = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Redeemed::Good { host_name, customer } => {
                assert_eq!((host_name.as_str(), customer), ("web-01", None));
                good += 1;
            }
            Redeemed::Used { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(good, 1);
}

async fn a_token_says_why_it_is_not_good(mut world: World) {
    let mut token = world.enrol_token("hash");
    token.customer = Some(world.customer("某银行").await);
    world.ledger.create_enrol_token(&token, &[]).await.unwrap();
    assert_eq!(
        world.ledger.create_enrol_token(&token, &[]).await.unwrap_err().code(),
        Code::Conflict
    );
    assert_eq!(
        world.ledger.redeem_enrol_token("other", at(1)).await.unwrap(),
        Redeemed::Unknown
    );
    let expired = Redeemed::Expired { at: at(3_600) };
    assert_eq!(
        world.ledger.redeem_enrol_token("hash", at(3_600)).await.unwrap(),
        expired
    );
    let good = Redeemed::Good {
        host_name: "web-01".to_owned(),
        customer: token.customer,
    };
    assert_eq!(world.ledger.redeem_enrol_token("hash", at(3_599)).await.unwrap(), good);
    let used = Redeemed::Used { at: at(3_599) };
    assert_eq!(world.ledger.redeem_enrol_token("hash", at(9_999)).await.unwrap(), used);
    let listed = world.ledger.enrol_tokens().await.unwrap();
    assert_eq!((listed[0].id, listed[0].used_at), (token.id, Some(at(3_599))));
}

async fn an_api_token_never_may_more_than_its_maker(mut world: World) {
    let admin = world.person("admin", Role::Administrator).await;
    let operator = world.person("li", Role::Operator).await;
    let mut id = || TokenId::next(&mut world.ids, at(0));
    let (board, up) = (id(), id());
    world
        .ledger
        .create_api_token(board, "board", Role::Operator, admin.id, "h1", at(1), &[])
        .await
        .unwrap();
    let error = world
        .ledger
        .create_api_token(
            up,
            "up",
            Role::Administrator,
            operator.id,
            "h2",
            at(1),
            &[line("api_token.create", 1)],
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidInput);
    let speaker = world.ledger.api_token("h1", at(2)).await.unwrap().unwrap();
    assert_eq!((speaker.role, speaker.person.id), (Role::Operator, admin.id));
    assert_eq!(world.ledger.api_token("h2", at(2)).await.unwrap(), None);

    // Its maker may less by now.
    world
        .tamper("UPDATE person SET role = 'supervisor' WHERE login = 'admin'")
        .await;
    assert_eq!(
        world.ledger.api_token("h1", at(2)).await.unwrap().unwrap().role,
        Role::Supervisor
    );

    world.ledger.revoke_api_token(board, at(3), &[]).await.unwrap();
    world.ledger.revoke_api_token(board, at(4), &[]).await.unwrap();
    assert_eq!(world.ledger.api_token("h1", at(5)).await.unwrap(), None);
    assert_eq!(world.ledger.api_tokens().await.unwrap()[0].revoked_at, Some(at(3)));
    assert_eq!(
        world.ledger.revoke_api_token(up, at(5), &[]).await.unwrap_err().code(),
        Code::NotFound
    );
}
