//! People, passwords, sessions and one-time links.

use crate::world::{World, at, line};
use tocsin_desk::model::{Person, Role};
use tocsin_vocabulary::{Code, PersonId};

on_both_engines! {
    people_read_back_and_logins_are_unique,
    one_of_many_first_starts_enters_the_administrator,
    the_fifth_wrong_password_locks_for_fifteen_minutes,
    wrong_passwords_at_once_are_all_counted,
    a_session_ends_when_idle_and_in_any_case_after_twelve_hours,
    a_new_password_ends_sessions,
    a_sign_in_link_works_once,
    the_link_key_stays,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

async fn people_read_back_and_logins_are_unique(mut world: World) {
    let wang = world.person("wang", Role::Customer).await;
    let mut li = world.person("li", Role::Operator).await;
    assert_eq!(world.ledger.people().await.unwrap(), [li.clone(), wang.clone()]);
    assert_eq!(world.ledger.lookup_person("wang").await.unwrap(), Some(wang.clone()));
    assert_eq!(world.ledger.lookup_person("WANG' OR 1=1").await.unwrap(), None);
    world
        .ledger
        .set_duty(li.id, true, &[line("duty.begin", 1)])
        .await
        .unwrap();
    li.on_duty = true;
    assert_eq!(world.ledger.on_duty().await.unwrap(), [li.clone()]);
    world.ledger.set_duty(li.id, false, &[]).await.unwrap();
    assert!(world.ledger.on_duty().await.unwrap().is_empty());

    let double = Person {
        id: PersonId::next(&mut world.ids, at(0)),
        ..li
    };
    let error = world.ledger.create_person(&double, "", &[]).await.unwrap_err();
    assert!(error.to_string().contains("`li` is taken"), "{error}");
    let stray = Person {
        login: "x".to_owned(),
        customer: None,
        id: PersonId::next(&mut world.ids, at(0)),
        ..wang
    };
    assert_eq!(
        world.ledger.create_person(&stray, "", &[]).await.unwrap_err().code(),
        Code::InvalidInput
    );
}

async fn one_of_many_first_starts_enters_the_administrator(mut world: World) {
    let template = world.person("li", Role::Operator).await;
    let tries: Vec<_> = (0..10)
        .map(|i| {
            let (ledger, id) = (world.ledger.clone(), PersonId::next(&mut world.ids, at(1)));
            let person = Person {
                id,
                login: format!("admin{i}"),
                role: Role::Administrator,
                ..template.clone()
            };
            tokio::spawn(async move { ledger.ensure_administrator(&person, "hash").await.unwrap() })
        })
        .collect();
    let mut entered = 0;
    for attempt in tries {
        entered += usize::from(attempt.await.unwrap());
    }
    assert_eq!(entered, 1);
    let people = world.ledger.people().await.unwrap();
    assert_eq!(
        people
            .iter()
            .filter(|person| person.role == Role::Administrator)
            .count(),
        1
    );
}

async fn the_fifth_wrong_password_locks_for_fifteen_minutes(mut world: World) {
    let li = world.person("li", Role::Operator).await.id;
    let until = async || world.ledger.credentials("li").await.unwrap().unwrap().locked_until;
    for second in 1..=4 {
        assert!(!world.ledger.sign_in_failed(li, at(second)).await.unwrap());
    }
    assert!(world.ledger.sign_in_failed(li, at(5)).await.unwrap());
    assert_eq!(until().await, Some(at(5 + 15 * MINUTE)));
    assert!(world.ledger.sign_in_failed(li, at(6)).await.unwrap());
    assert_eq!(
        until().await,
        Some(at(5 + 15 * MINUTE)),
        "a try while locked does not count"
    );
    for second in 0..4 {
        let later = at(5 + 15 * MINUTE + second);
        assert!(!world.ledger.sign_in_failed(li, later).await.unwrap(), "{second}");
    }
    world.ledger.begin_session("s", li, at(HOUR)).await.unwrap();
    assert!(
        !world.ledger.sign_in_failed(li, at(HOUR + 1)).await.unwrap(),
        "a success forgets"
    );
    let nobody = PersonId::next(&mut world.ids, at(0));
    assert_eq!(
        world.ledger.sign_in_failed(nobody, at(1)).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(world.ledger.credentials("nobody").await.unwrap(), None);
}

async fn wrong_passwords_at_once_are_all_counted(mut world: World) {
    let li = world.person("li", Role::Operator).await.id;
    let tries: Vec<_> = (0..5)
        .map(|_| {
            let ledger = world.ledger.clone();
            tokio::spawn(async move { ledger.sign_in_failed(li, at(1)).await.unwrap() })
        })
        .collect();
    let mut locked = 0;
    for attempt in tries {
        locked += usize::from(attempt.await.unwrap());
    }
    assert_eq!(locked, 1);
}

async fn a_session_ends_when_idle_and_in_any_case_after_twelve_hours(mut world: World) {
    let li = world.person("li", Role::Operator).await;
    let speaks = async |second| {
        world
            .ledger
            .session("s", at(second))
            .await
            .unwrap()
            .map(|speaker| speaker.person)
    };
    world.ledger.begin_session("s", li.id, at(0)).await.unwrap();
    assert_eq!(speaks(15 * MINUTE - 1).await, Some(li.clone()));
    assert_eq!(speaks(29 * MINUTE).await, Some(li.clone()), "its deadline has moved");
    assert_eq!(speaks(44 * MINUTE).await, None);
    let peeked = async |second| world.ledger.peek_session("s", at(second)).await.unwrap().is_some();
    assert!(peeked(44 * MINUTE).await, "an open page still shows what it shows");
    assert_eq!(speaks(44 * MINUTE).await, None, "and looking moves nothing");
    assert!(!peeked(12 * HOUR).await);

    world.ledger.begin_session("busy", li.id, at(HOUR)).await.unwrap();
    for step in 1..72 {
        let now = at(HOUR + step * 10 * MINUTE);
        assert!(
            world.ledger.session("busy", now).await.unwrap().is_some(),
            "step {step}"
        );
    }
    assert_eq!(world.ledger.session("busy", at(13 * HOUR)).await.unwrap(), None);

    world.ledger.begin_session("short", li.id, at(20 * HOUR)).await.unwrap();
    assert_eq!(world.ledger.session("s", at(1)).await.unwrap(), None, "swept out");
    world.ledger.end_session("short").await.unwrap();
    assert_eq!(world.ledger.session("short", at(20 * HOUR)).await.unwrap(), None);
}

async fn a_new_password_ends_sessions(mut world: World) {
    let li = world.person("li", Role::Operator).await.id;
    world.ledger.begin_session("s", li, at(0)).await.unwrap();
    world
        .ledger
        .set_password(li, "new", &[line("person.password", 1)])
        .await
        .unwrap();
    assert_eq!(world.ledger.session("s", at(1)).await.unwrap(), None);
    assert_eq!(
        world.ledger.credentials("li").await.unwrap().unwrap().password_hash,
        "new"
    );
    let nobody = PersonId::next(&mut world.ids, at(0));
    assert_eq!(
        world.ledger.set_password(nobody, "", &[]).await.unwrap_err().code(),
        Code::NotFound
    );
}

async fn a_sign_in_link_works_once(mut world: World) {
    let li = world.person("li", Role::Operator).await;
    world
        .ledger
        .create_sign_in_link("once", li.id, at(60), &[])
        .await
        .unwrap();
    world
        .ledger
        .create_sign_in_link("late", li.id, at(60), &[])
        .await
        .unwrap();
    assert_eq!(world.ledger.redeem_sign_in_link("late", at(60)).await.unwrap(), None);
    assert_eq!(world.ledger.redeem_sign_in_link("unknown", at(1)).await.unwrap(), None);
    assert_eq!(world.ledger.redeem_sign_in_link("once", at(1)).await.unwrap(), Some(li));
    assert_eq!(world.ledger.redeem_sign_in_link("once", at(1)).await.unwrap(), None);
}

async fn the_link_key_stays(world: World) {
    assert_eq!(world.ledger.ensure_link_key([7; 32]).await.unwrap(), [7; 32]);
    assert_eq!(world.ledger.ensure_link_key([8; 32]).await.unwrap(), [7; 32]);
}
