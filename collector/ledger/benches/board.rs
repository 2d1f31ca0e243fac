//! Ten thousand tickets: how long until the board and the lists of tickets have what they show.
//!
//! `cargo bench -p tocsin-ledger --bench board [-- TICKETS]`, by default 10 000. Without `--bench` (as in tests) a small run
//! only shows that it works. What is measured is what a page reads of the ledger, as often as it reads it.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]

use std::{
    error::Error,
    time::{Duration, Instant},
};
use tocsin_desk::{
    effect::OpenWork,
    input::{Act, Action, AlertChange, Input, OnDuty, Turn},
    model::{Actor, AlertState, AssetFacts, Person, Response, Role, Ticket, TicketState, Via},
    policy::Policy,
    record::{AlertFilter, HostFacts, HostRecord, Slice, TicketFilter},
    step::Desk,
};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_vocabulary::{AssetId, HostId, IdSource, Language, PersonId, Severity, Text, Timestamp};

type Failing<T> = Result<T, Box<dyn Error>>;

/// 2026-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_305_600_000);
/// As many tickets are opened in one commit.
const BATCH: usize = 500;
/// What the board shows.
const SHOWN: u32 = 100;
/// Each read is made so often; the slowest counts.
const TIMES: usize = 20;
/// The promise.
const MOST: Duration = Duration::from_millis(50);

/// A ledger with so many tickets, a tenth of them accepted, all paged several times.
async fn fill(ledger: &Ledger, count: usize) -> Failing<(Person, HostRecord)> {
    let mut ids = IdSource::new(1);
    let person = Person {
        id: PersonId::next(&mut ids, START),
        login: "wang".to_owned(),
        name: "wang".to_owned(),
        role: Role::Operator,
        customer: None,
        language: Language::default(),
        email: String::new(),
        phone: String::new(),
        on_duty: true,
    };
    ledger.create_person(&person, "", &[]).await?;
    let new = NewHost {
        host: HostId::next(&mut ids, START),
        asset: AssetId::next(&mut ids, START),
        name: "host".to_owned(),
        customer: None,
        facts: HostFacts::default(),
        certificate_until: START,
    };
    let host = ledger.enrol_host(&new, START, &[]).await?;
    let duty = vec![OnDuty {
        person: person.id,
        destinations: vec!["inbox".to_owned()],
    }];
    let mut desk = Desk::new(Policy::basic(), ids, OpenWork::default(), duty);
    let alerts: Vec<AlertChange> = (0..count).map(|number| full(&host, number)).collect();
    for alerts in alerts.chunks(BATCH) {
        let effects = desk.step(Input::Alerts(alerts.to_vec()), START)?;
        ledger.commit(&effects, &[]).await?;
    }
    for round in 1..=3 {
        let effects = desk.step(Input::Timer, START.plus(Duration::from_secs(300 * round)))?;
        ledger.commit(&effects, &[]).await?;
    }
    let now = START.plus(Duration::from_secs(1_000));
    let tickets: Vec<Ticket> = desk.open_work().tickets;
    for ticket in tickets.iter().step_by(10) {
        let act = Act {
            ticket: ticket.id,
            actor: Actor::Person(person.id, person.name.clone()),
            via: Via::Console,
            action: Action::Accept,
            revision: None,
        };
        let effects = desk.step(Input::Act(act), now)?;
        ledger.commit(&effects, &[]).await?;
    }
    Ok((person, host))
}

fn full(host: &HostRecord, number: usize) -> AlertChange {
    AlertChange {
        ruling: Default::default(),
        turn: Turn::Raised,
        rule: "filesystem-full".to_owned(),
        host: host.id,
        instance: format!("system.filesystem.mountpoint=/srv/{number}"),
        asset: AssetFacts {
            asset: host.asset,
            name: host.name.clone(),
            customer: host.customer,
            contract: host.contract,
            site: host.site,
            importance: host.importance,
        },
        severity: if number.is_multiple_of(7) {
            Severity::Critical
        } else {
            Severity::Major
        },
        response: Response::Ticket,
        title: Text::new(format!("/srv/{number} is full"), format!("/srv/{number} 已满")),
        remedy: Text::new("make room", "清理空间"),
        metric: "system.filesystem.utilization".to_owned(),
        value: Some(0.97),
        threshold: Some(0.9),
        occurred_at: START,
        drill: false,
    }
}

fn live() -> Vec<TicketState> {
    TicketState::ALL.into_iter().filter(|state| state.is_live()).collect()
}

/// What `GET /` reads of work.
async fn board(ledger: &Ledger) -> Failing<usize> {
    let slice = Slice {
        after: None,
        limit: SHOWN,
    };
    let filter = TicketFilter {
        states: live(),
        slice: slice.clone(),
        ..TicketFilter::default()
    };
    let tickets = ledger.tickets(&filter).await?.items;
    let ids: Vec<_> = tickets.iter().map(|ticket| ticket.id).collect();
    ledger.last_acts(&ids).await?;
    let filter = AlertFilter {
        state: Some(AlertState::Raised),
        slice,
        ..AlertFilter::default()
    };
    ledger.alerts(&filter).await?;
    Ok(tickets.len())
}

/// Searches of tickets, each with the first page of what it finds; the last one lies deep in the list.
async fn searches(ledger: &Ledger, person: &Person, host: &HostRecord) -> Failing<Vec<(&'static str, TicketFilter)>> {
    let slice = Slice {
        after: None,
        limit: SHOWN,
    };
    let all = TicketFilter {
        slice: slice.clone(),
        ..TicketFilter::default()
    };
    let mut deep = all.clone();
    for _ in 0..20 {
        let Some(after) = ledger.tickets(&deep).await?.next else {
            break;
        };
        deep.slice.after = Some(after);
    }
    let state = |state| TicketFilter {
        states: vec![state],
        ..all.clone()
    };
    Ok(vec![
        ("all tickets", all.clone()),
        ("accepted tickets", state(TicketState::Accepted)),
        ("closed tickets, of which there are none", state(TicketState::Closed)),
        (
            "tickets of one person",
            TicketFilter {
                assignee: Some(person.id),
                ..all.clone()
            },
        ),
        (
            "tickets of one host",
            TicketFilter {
                host: Some(host.id),
                ..all.clone()
            },
        ),
        (
            "tickets of one customer",
            TicketFilter {
                customer: Some(host.customer),
                ..all.clone()
            },
        ),
        ("the twentieth page", deep),
    ])
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Failing<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measured = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse::<usize>().ok());
    let count = given.unwrap_or(if measured { 10_000 } else { 40 });
    let folder = tempfile::tempdir()?;
    let ledger = Ledger::open(&format!("sqlite:{}", folder.path().join("ledger.db").display()), START).await?;
    let (person, host) = fill(&ledger, count).await?;
    let mut slowest = Duration::ZERO;
    let mut took = |what: &str, mut times: Vec<Duration>| {
        times.sort_unstable();
        let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{count} tickets: {what}: median {median:.1?}, slowest of {TIMES} {most:.1?}");
        slowest = slowest.max(most);
    };
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let shown = board(&ledger).await?;
        times.push(began.elapsed());
        if shown != count.min(SHOWN as usize) {
            return Err(format!("the board shows {shown} tickets").into());
        }
    }
    took("the board", times);
    for (what, filter) in searches(&ledger, &person, &host).await? {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            ledger.tickets(&filter).await?;
            times.push(began.elapsed());
        }
        took(what, times);
    }
    if measured && slowest > MOST {
        return Err(format!("{slowest:.1?} is more than {MOST:.0?}").into());
    }
    Ok(())
}
