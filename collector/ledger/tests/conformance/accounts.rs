//! Downtimes, moved ends of maintenance, reports.

use crate::world::{World, at, line, tickets};
use std::collections::BTreeMap;
use tocsin_desk::{
    account::{
        downtime::{Cause, Claim, Downtime, DowntimeFilter, How, Line, Standing, Turn},
        report::{self, Facts, Kind, Report, ReportFilter, Stamp},
    },
    model::Ticket,
    register::{Book, Row},
};
use tocsin_vocabulary::{Code, IdSource, Timestamp};

on_both_engines! {
    a_downtime_keeps_every_line_and_moves_the_end_when_it_is_agreed,
    the_end_moves_with_the_contracts_own_days_and_rounding,
    two_words_at_once_are_not_both_taken,
    a_report_is_owed_by_the_desk_and_keeps_its_versions,
    what_is_owed_no_more_goes_unless_somebody_wrote_of_it,
}

fn row(pairs: &[(&str, &str)]) -> Row {
    Row {
        id: String::new(),
        values: pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        changed_at: None,
    }
}

/// A customer with a contract and an asset, as registers have them.
async fn contract(world: &World) -> Downtime {
    let mut ids = IdSource::new(77);
    let ledger = &world.ledger;
    let customer = row(&[("name", "Bank")]);
    let contract = row(&[
        ("name", "main"),
        ("customer", "Bank"),
        ("policy", "basic"),
        ("grade", "standard"),
        ("service_hours", "7x24"),
        ("starts_on", "2026-01-01"),
        ("ends_on", "2026-12-31"),
        ("rounding", "up"),
    ]);
    let site = row(&[("name", "hall"), ("customer", "Bank"), ("zone", "Asia/Shanghai")]);
    let asset = row(&[
        ("name", "web"),
        ("customer", "Bank"),
        ("contract", "main"),
        ("site", "hall"),
        ("importance", "normal"),
    ]);
    for (book, row) in [
        (Book::Customers, customer),
        (Book::Contracts, contract),
        (Book::Sites, site),
        (Book::Assets, asset),
    ] {
        ledger
            .put_register(book, vec![row], &mut ids, "li", at(0), &[])
            .await
            .unwrap();
    }
    let id = async |book, name: &str| {
        let rows = ledger.register(book).await.unwrap();
        rows.into_iter().find(|row| row.get("name") == name).unwrap().id
    };
    Downtime {
        id: 0,
        ticket: Some(7),
        customer: id(Book::Customers, "Bank").await.parse().unwrap(),
        contract: id(Book::Contracts, "main").await.parse().unwrap(),
        contract_name: "main".to_owned(),
        asset: id(Book::Assets, "web").await.parse().unwrap(),
        asset_name: "web".to_owned(),
        lines: vec![said(1, claim("2026-03-02T00:00:00Z"))],
    }
}

fn said(seq: u64, turn: Turn) -> Line {
    Line {
        seq,
        at: at(i64::try_from(seq).unwrap()),
        by: "wang".to_owned(),
        turn,
    }
}

fn claim(to: &str) -> Turn {
    Turn::Claim(Claim {
        from: time("2026-03-01T00:00:00Z"),
        to: Some(time(to)),
        cause: Cause::Ours,
        words: "down".to_owned(),
    })
}

fn agree() -> Turn {
    Turn::Agree {
        who: "Li".to_owned(),
        how: How::Paper,
        words: String::new(),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn one(world: &World, id: u64) -> Downtime {
    let filter = DowntimeFilter {
        id: Some(id),
        ..DowntimeFilter::default()
    };
    world.ledger.downtimes(&filter).await.unwrap().remove(0)
}

/// Days and last days, move by move.
async fn moves(world: &World, downtime: &Downtime) -> Vec<(u32, String)> {
    let moves = world.ledger.contract_moves(downtime.contract).await.unwrap();
    let shown = moves
        .iter()
        .map(|moved| (moved.after.days, moved.after.ends_on.unwrap().to_string()));
    shown.collect()
}

async fn a_downtime_keeps_every_line_and_moves_the_end_when_it_is_agreed(world: World) {
    let new = contract(&world).await;
    let audit = [line("downtime.claim", 1)];
    let ids = world
        .ledger
        .enter_downtimes(std::slice::from_ref(&new), "wang", at(1), &audit)
        .await
        .unwrap();
    let kept = one(&world, ids[0]).await;
    assert_eq!(kept, Downtime { id: ids[0], ..new });
    assert_eq!(moves(&world, &kept).await, []);

    world
        .ledger
        .add_downtime_line(&kept, &said(2, agree()), &[])
        .await
        .unwrap();
    assert_eq!(moves(&world, &kept).await, [(1, "2027-01-01".to_owned())]);
    // A correction moves nothing until it is agreed; then the end moves on, and the first move stays on record.
    let correction = said(3, claim("2026-03-03T01:00:00Z"));
    world.ledger.add_downtime_line(&kept, &correction, &[]).await.unwrap();
    assert_eq!(moves(&world, &kept).await.len(), 1);
    world
        .ledger
        .add_downtime_line(&kept, &said(4, agree()), &[])
        .await
        .unwrap();
    assert_eq!(
        moves(&world, &kept).await,
        [(1, "2027-01-01".to_owned()), (3, "2027-01-03".to_owned())]
    );
    let kept = one(&world, ids[0]).await;
    assert_eq!((kept.lines.len(), kept.standing()), (4, Standing::Agreed));
    let filter = DowntimeFilter {
        ticket: Some(8),
        ..DowntimeFilter::default()
    };
    assert_eq!(world.ledger.downtimes(&filter).await.unwrap(), []);
}

async fn the_end_moves_with_the_contracts_own_days_and_rounding(world: World) {
    let new = contract(&world).await;
    let new = Downtime {
        lines: vec![said(1, claim("2026-03-02T01:00:00Z")), said(2, agree())],
        ..new
    };
    world
        .ledger
        .enter_downtimes(std::slice::from_ref(&new), "wang", at(1), &[])
        .await
        .unwrap();
    assert_eq!(moves(&world, &new).await, [(2, "2027-01-02".to_owned())]);
    let mut rows = world.ledger.register(Book::Contracts).await.unwrap();
    rows.retain(|row| row.get("name") == "main");
    rows[0].values.insert("rounding".to_owned(), "down".to_owned());
    let mut ids = IdSource::new(78);
    world
        .ledger
        .put_register(Book::Contracts, rows, &mut ids, "li", at(2), &[])
        .await
        .unwrap();
    let moved = world.ledger.contract_moves(new.contract).await.unwrap();
    assert_eq!(moved.last().unwrap().after.days, 1);
    assert_eq!(moved.last().unwrap().downtime, None, "the contract changed");
}

async fn two_words_at_once_are_not_both_taken(world: World) {
    let new = contract(&world).await;
    let ids = world.ledger.enter_downtimes(&[new], "wang", at(1), &[]).await.unwrap();
    let kept = one(&world, ids[0]).await;
    world
        .ledger
        .add_downtime_line(&kept, &said(2, agree()), &[])
        .await
        .unwrap();
    let again = world
        .ledger
        .add_downtime_line(&kept, &said(2, agree()), &[])
        .await
        .unwrap_err();
    assert_eq!(again.code(), Code::Conflict, "{again}");
}

fn facts(ticket: &Ticket) -> Facts {
    Facts {
        taken_at: at(5),
        ticket: ticket.clone(),
        customer: "Bank".to_owned(),
        contract: "main".to_owned(),
        entries: Vec::new(),
        alerts: Vec::new(),
        pages: Vec::new(),
        spares: Vec::new(),
    }
}

async fn a_report_is_owed_by_the_desk_and_keeps_its_versions(mut world: World) {
    let host = world.host("web-01").await;
    let mut ticket = world.ticket(&host, 1);
    ticket.reckoning.reports = BTreeMap::from([(Kind::Incident, Some(at(100)))]);
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();
    let owed = ReportFilter {
        done: Some(false),
        due_before: Some(at(101)),
        ..ReportFilter::default()
    };
    let rows = world.ledger.reports(&owed).await.unwrap();
    assert_eq!((rows.len(), rows[0].number, rows[0].kind), (1, 1, Kind::Incident));
    assert_eq!(rows[0].standing, report::Standing::Owed);
    assert_eq!(world.ledger.report(ticket.id, Kind::Service).await.unwrap(), None);

    let line = |seq, turn| report::Line {
        seq,
        at: at(6),
        login: "wang".to_owned(),
        by: "Wang".to_owned(),
        turn,
    };
    let version = report::Turn::Version {
        facts: Box::new(facts(&ticket)),
        words: BTreeMap::from([("cause".to_owned(), "disk".to_owned())]),
    };
    let turns = [
        version,
        report::Turn::Stamped {
            stamp: Stamp::Review,
            words: String::new(),
        },
        report::Turn::Stamped {
            stamp: Stamp::Issue,
            words: String::new(),
        },
    ];
    let mut expected = world.ledger.report(ticket.id, Kind::Incident).await.unwrap().unwrap();
    assert_eq!(expected.due_at, at(100));
    for (seq, turn) in (1..).zip(turns) {
        let line = line(seq, turn);
        world.ledger.add_report_line(&expected, &line, &[]).await.unwrap();
        expected.lines.push(line);
        let kept: Report = world.ledger.report(ticket.id, Kind::Incident).await.unwrap().unwrap();
        assert_eq!(kept, expected);
    }
    assert_eq!(world.ledger.reports(&owed).await.unwrap(), [], "it is issued");
    let twice = world.ledger.add_report_line(&expected, &expected.lines[2], &[]).await;
    assert_eq!(twice.unwrap_err().code(), Code::Conflict);
}

async fn what_is_owed_no_more_goes_unless_somebody_wrote_of_it(mut world: World) {
    let host = world.host("web-01").await;
    let mut ticket = world.ticket(&host, 1);
    ticket.reckoning.reports = BTreeMap::from([(Kind::Incident, Some(at(100))), (Kind::Service, Some(at(100)))]);
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();
    let report = world.ledger.report(ticket.id, Kind::Service).await.unwrap().unwrap();
    let line = report::Line {
        seq: 1,
        at: at(6),
        login: "wang".to_owned(),
        by: "Wang".to_owned(),
        turn: report::Turn::Version {
            facts: Box::new(facts(&ticket)),
            words: BTreeMap::new(),
        },
    };
    world.ledger.add_report_line(&report, &line, &[]).await.unwrap();
    ticket.reckoning.reports = BTreeMap::from([(Kind::Incident, None), (Kind::Service, None)]);
    ticket.revision += 1;
    world.ledger.commit(&tickets(vec![ticket]), &[]).await.unwrap();
    let rows = world.ledger.reports(&ReportFilter::default()).await.unwrap();
    let kinds: Vec<Kind> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [Kind::Service]);
}
