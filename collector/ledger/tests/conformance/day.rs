//! People and the day: rosters, swaps, chains, handovers, PINs, what tickets bear, registers.

use crate::world::{World, at, line, tickets};
use std::collections::BTreeMap;
use tocsin_desk::{
    defect::Signed,
    effect::Effects,
    escalation::{Chain, Frozen},
    handover::{Handover, Register, Side},
    model::{Role, TicketKind},
    register::{Book, Row, spare::Use},
    roster::{Consent, Exchange, Move, Roster},
    sheet::{Intake, Rating, Relation},
};
use tocsin_vocabulary::Code;

on_both_engines! {
    a_roster_and_its_swaps_are_read_as_written,
    a_swap_is_answered_once_by_whom_it_needs,
    the_chain_of_a_ticket_stays_and_goes_on,
    a_handover_opens_once_and_is_changed_by_one_at_a_time,
    five_wrong_pins_lock,
    a_ticket_bears_what_people_wrote,
    registers_keep_rows_and_their_history,
    spares_leave_the_stock_when_it_is_allowed,
    every_role_is_read_back,
    an_exported_chain_of_audit_lines_can_be_followed,
}

fn roster() -> Roster {
    serde_json::from_str(
        r#"{"name": "room", "fallback": "li", "shifts": [{"name": "day", "from": "08:00", "to": "08:00"}]}"#,
    )
    .unwrap()
}

fn swap() -> Exchange {
    Exchange {
        id: 0,
        roster: "room".to_owned(),
        moves: vec![Move {
            from: at(10),
            to: at(20),
            out: "wang".to_owned(),
            into: "li".to_owned(),
        }],
        reason: "exam".to_owned(),
        asked_by: "wang".to_owned(),
        asked_at: at(1),
        needs: Some("li".to_owned()),
        consent: Consent::Asked,
        answered_at: None,
    }
}

async fn a_roster_and_its_swaps_are_read_as_written(world: World) {
    let ledger = &world.ledger;
    ledger
        .put_roster(&roster(), "chen", at(0), &[line("roster.put", 0)])
        .await
        .unwrap();
    let changed = Roster { minimum: 3, ..roster() };
    ledger.put_roster(&changed, "chen", at(1), &[]).await.unwrap();
    assert_eq!(ledger.rosters().await.unwrap(), [changed]);
    let id = ledger.enter_exchange(&swap(), &[]).await.unwrap();
    assert_eq!(ledger.exchanges(at(19)).await.unwrap(), [Exchange { id, ..swap() }]);
    assert_eq!(ledger.exchanges(at(20)).await.unwrap(), [], "what is over is not read");
}

async fn a_swap_is_answered_once_by_whom_it_needs(world: World) {
    let ledger = &world.ledger;
    ledger.put_roster(&roster(), "chen", at(0), &[]).await.unwrap();
    let id = ledger.enter_exchange(&swap(), &[]).await.unwrap();
    let answer = async |login| ledger.answer_exchange(id, Consent::Agreed, login, at(2), &[]).await;
    assert_eq!(answer("wang").await.unwrap_err().code(), Code::NotFound);
    answer("li").await.unwrap();
    assert_eq!(answer("li").await.unwrap_err().code(), Code::NotFound);
    let kept = &ledger.exchanges(at(0)).await.unwrap()[0];
    assert_eq!((kept.consent, kept.answered_at), (Consent::Agreed, Some(at(2))));
}

async fn the_chain_of_a_ticket_stays_and_goes_on(mut world: World) {
    let host = world.host("web-01").await;
    let ticket = world.ticket(&host, 1);
    let mut frozen = Frozen {
        ticket: ticket.id,
        chain: Chain::shipped(),
        acted_at: at(1),
        nudges: 0,
    };
    let effects = |frozen: &Frozen| Effects {
        chains: vec![frozen.clone()],
        ..Effects::default()
    };
    let first = Effects {
        tickets: vec![ticket.clone()],
        ..effects(&frozen)
    };
    world.ledger.commit(&first, &[]).await.unwrap();
    frozen.nudges = 2;
    world.ledger.commit(&effects(&frozen), &[]).await.unwrap();
    assert_eq!(world.ledger.load_open_work().await.unwrap().chains, [frozen.clone()]);
    let recalled = world.ledger.load_work_of(ticket.id).await.unwrap().unwrap();
    assert_eq!(recalled.chains, [frozen]);

    assert_eq!(world.ledger.escalation_chain().await.unwrap(), None);
    let mut chain = Chain::shipped();
    chain.name = "night".to_owned();
    world
        .ledger
        .set_escalation_chain(&chain, "chen", at(2), &[])
        .await
        .unwrap();
    world
        .ledger
        .set_escalation_chain(&chain, "chen", at(3), &[])
        .await
        .unwrap();
    assert_eq!(world.ledger.escalation_chain().await.unwrap(), Some(chain));
}

async fn a_handover_opens_once_and_is_changed_by_one_at_a_time(world: World) {
    let ledger = &world.ledger;
    ledger.put_roster(&roster(), "chen", at(0), &[]).await.unwrap();
    let new = Handover {
        id: 0,
        roster: "room".to_owned(),
        at: at(0),
        leaving: vec!["wang".to_owned()],
        coming: vec!["li".to_owned()],
        register: Register::default(),
        left: None,
        came: None,
        word: None,
        nags: 0,
    };
    let id = ledger.open_handover(&new, &[]).await.unwrap().unwrap();
    assert_eq!(ledger.open_handover(&new, &[]).await.unwrap(), None);
    let sign = async |side, login: &'static str| {
        let change = move |one: &mut Handover| one.sign(side, login, None, at(5));
        ledger
            .change_handover(id, &[], &[line("handover.sign", 5)], change)
            .await
            .unwrap()
    };
    assert!(sign(Side::Leaving, "li").await.is_err());
    assert!(sign(Side::Leaving, "wang").await.unwrap().left.is_some());
    assert_eq!(ledger.open_handovers().await.unwrap().len(), 1);
    sign(Side::Coming, "li").await.unwrap();
    assert_eq!(ledger.open_handovers().await.unwrap(), []);
    assert!(ledger.handover(id).await.unwrap().unwrap().is_closed());
    assert_eq!(ledger.handovers(5).await.unwrap().len(), 1);
    let missing = ledger.change_handover(99, &[], &[], |_| Ok::<(), ()>(())).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
}

async fn five_wrong_pins_lock(mut world: World) {
    let li = world.person("li", Role::Operator).await;
    let ledger = &world.ledger;
    assert_eq!(ledger.pin(li.id).await.unwrap(), None);
    ledger.set_pin(li.id, "hash", at(0), &[]).await.unwrap();
    for _ in 0..4 {
        ledger.pin_failed(li.id, at(1)).await.unwrap();
    }
    assert_eq!(ledger.pin(li.id).await.unwrap().unwrap().locked_until, None);
    ledger.pin_failed(li.id, at(1)).await.unwrap();
    assert_eq!(ledger.pin(li.id).await.unwrap().unwrap().locked_until, Some(at(901)));
    ledger.pin_good(li.id).await.unwrap();
    assert_eq!(ledger.pin(li.id).await.unwrap().unwrap().locked_until, None);
}

async fn a_ticket_bears_what_people_wrote(mut world: World) {
    let host = world.host("web-01").await;
    let mut first = world.ticket(&host, 1);
    first.kind = TicketKind::Defect;
    let second = world.ticket(&host, 2);
    world
        .ledger
        .commit(&tickets(vec![first.clone(), second.clone()]), &[])
        .await
        .unwrap();
    let ledger = &world.ledger;
    assert_eq!(ledger.ticket(1).await.unwrap().unwrap().kind, TicketKind::Defect);
    let intake = Intake {
        caller: "孙主任".to_owned(),
        unit: "门诊楼".to_owned(),
        phone: "010-1".to_owned(),
        channel: "phone".to_owned(),
        symptom: "打不开".to_owned(),
    };
    ledger.put_intake(first.id, &intake, &[]).await.unwrap();
    let signed = Signed {
        step: "submit".to_owned(),
        by: "wang".to_owned(),
        at: at(3),
        words: "seen".to_owned(),
    };
    ledger.sign_step(first.id, &signed, &[]).await.unwrap();
    assert_eq!(
        ledger.sign_step(first.id, &signed, &[]).await.unwrap_err().code(),
        Code::Conflict
    );
    for _ in 0..2 {
        ledger.publish(first.id, 4, "wang", at(4), &[]).await.unwrap();
        ledger
            .link_tickets(first.id, second.id, Relation::Split, at(4), &[])
            .await
            .unwrap();
    }
    let rating = Rating {
        stars: 5,
        words: "good".to_owned(),
        by: "sun".to_owned(),
        at: at(5),
    };
    ledger.rate_ticket(first.id, &rating, &[]).await.unwrap();
    let sheet = ledger.ticket_sheet(first.id).await.unwrap();
    assert_eq!(
        (sheet.intake, sheet.steps, sheet.published, sheet.rating),
        (Some(intake), vec![signed], vec![4], Some(rating))
    );
    assert_eq!((sheet.links[0].number, sheet.links[0].relation), (2, Relation::Split));
    let other = ledger.ticket_sheet(second.id).await.unwrap();
    assert_eq!((other.links[0].number, other.links[0].relation), (1, Relation::Origin));
}

fn row(pairs: &[(&str, &str)]) -> Row {
    Row {
        id: String::new(),
        values: pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        changed_at: None,
    }
}

async fn registers_keep_rows_and_their_history(mut world: World) {
    world.host("web-01").await;
    let ledger = world.ledger.clone();
    let ids = &mut world.ids;
    let customer = row(&[("name", "医院"), ("phone", "010-1")]);
    ledger
        .put_register(Book::Customers, vec![customer], ids, "chen", at(1), &[])
        .await
        .unwrap();
    let asset = row(&[
        ("name", "his"),
        ("customer", "医院"),
        ("contract", ""),
        ("site", ""),
        ("importance", "key"),
        ("serial", "S1"),
    ]);
    let written = ledger
        .put_register(
            Book::Assets,
            vec![asset],
            ids,
            "chen",
            at(1),
            &[line("register.assets", 1)],
        )
        .await;
    assert_eq!(written.unwrap(), (1, 0));
    let assets = ledger.register(Book::Assets).await.unwrap();
    assert_eq!(
        assets.iter().map(|row| row.get("name")).collect::<Vec<_>>(),
        ["web-01", "his"]
    );
    let his = assets[1].clone();
    assert_eq!(
        (his.get("contract"), his.get("serial")),
        ("医院", "S1"),
        "its customer's contract covers it"
    );
    let alone = ledger.register_row(Book::Assets, &his.id).await.unwrap();
    assert_eq!(alone.as_ref(), Some(&his), "a row alone is as it is among the others");
    assert_eq!(ledger.register_row(Book::Spares, &his.id).await.unwrap(), None);
    let mut moved = his.clone();
    moved.values.insert("serial".to_owned(), "S2".to_owned());
    let both = vec![assets[0].clone(), moved];
    assert_eq!(
        ledger
            .put_register(Book::Assets, both, ids, "li", at(2), &[])
            .await
            .unwrap(),
        (0, 1)
    );
    let history = ledger.register_changes(Book::Assets, &his.id).await.unwrap();
    assert_eq!(
        (
            history[0].before.as_str(),
            history[0].after.as_str(),
            history[0].by.as_str()
        ),
        ("S1", "S2", "li")
    );
    let stranger = row(&[("name", "x"), ("customer", "nobody")]);
    let refused = ledger
        .put_register(Book::Assets, vec![stranger], ids, "li", at(3), &[])
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidInput);
}

async fn spares_leave_the_stock_when_it_is_allowed(mut world: World) {
    let ledger = world.ledger.clone();
    let disk = row(&[("name", "disk"), ("count", "2")]);
    ledger
        .put_register(Book::Spares, vec![disk], &mut world.ids, "chen", at(1), &[])
        .await
        .unwrap();
    let spare = ledger.register(Book::Spares).await.unwrap()[0].id.clone();
    let wanted = |count| Use {
        id: 0,
        spare: spare.clone(),
        name: "disk".to_owned(),
        count,
        ticket: 7,
        asked_by: "wang".to_owned(),
        asked_at: at(2),
        answered_by: None,
        allowed: None,
    };
    let first = ledger.ask_spare(&wanted(2), &[]).await.unwrap();
    let second = ledger.ask_spare(&wanted(1), &[]).await.unwrap();
    ledger.answer_spare(first, true, "chen", at(3), &[]).await.unwrap();
    assert_eq!(ledger.register(Book::Spares).await.unwrap()[0].get("count"), "0");
    let none_left = ledger.answer_spare(second, true, "chen", at(3), &[]).await;
    assert_eq!(none_left.unwrap_err().code(), Code::Conflict);
    ledger.answer_spare(second, false, "chen", at(3), &[]).await.unwrap();
    assert_eq!(ledger.spare_uses().await.unwrap()[0].allowed, Some(false));
}

async fn every_role_is_read_back(mut world: World) {
    for role in Role::ALL {
        world.person(role.as_str(), role).await;
    }
    for person in world.ledger.people().await.unwrap() {
        assert_eq!(person.login, person.role.as_str());
    }
}

async fn an_exported_chain_of_audit_lines_can_be_followed(world: World) {
    for second in 0..5 {
        world.ledger.audit(line("a", second)).await.unwrap();
    }
    let mut links = world.ledger.audit_links(0, 3).await.unwrap();
    links.extend(world.ledger.audit_links(3, 100).await.unwrap());
    assert_eq!(links.len(), 5);
    let mut before = String::new();
    for link in &links {
        assert!(tocsin_ledger::follows(&before, link));
        before.clone_from(&link.hash);
    }
    links[2].line.actor = "somebody else".to_owned();
    assert!(!tocsin_ledger::follows(&links[1].hash, &links[2]));
}
