//! A hundred thousand open tickets: how long a collector that starts reads its open work, until its desk knows what is due
//! when.
//!
//! `cargo bench -p tocsin-ledger --bench restart [-- TICKETS]`, by default 100 000 with three clocks each that run. Without
//! `--bench` (as in tests) a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]

use std::{
    error::Error,
    time::{Duration, Instant},
};
use tocsin_desk::{
    effect::{Effects, OpenWork},
    input::{Act, Action, Input, OnDuty, Report},
    model::{Actor, AssetFacts, Person, Role, Ticket, TicketKind, Via},
    policy::Policy,
    step::Desk,
};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_vocabulary::{AssetId, HostId, IdSource, Language, PersonId, Severity, Timestamp};

type Failing<T> = Result<T, Box<dyn Error>>;

/// 2026-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_305_600_000);
/// As many tickets are written in one commit.
const BATCH: usize = 1_000;
/// Starts that are measured; the slowest counts.
const TIMES: usize = 3;
/// The promise.
const MOST: Duration = Duration::from_secs(2);

/// So many tickets that people reported, every one of them accepted.
async fn fill(ledger: &Ledger, count: usize) -> Failing<()> {
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
        facts: Default::default(),
        certificate_until: START,
    };
    let host = ledger.enrol_host(&new, START, &[]).await?;
    let asset = AssetFacts {
        asset: host.asset,
        name: host.name.clone(),
        customer: host.customer,
        contract: host.contract,
        site: host.site,
        importance: host.importance,
    };
    let actor = Actor::Person(person.id, person.name.clone());
    for first in (0..count).step_by(BATCH) {
        let work = OpenWork {
            last_number: first as u64,
            ..OpenWork::default()
        };
        // A desk of its own for each batch, lest the filling take longer with each.
        let mut desk = Desk::new(Policy::basic(), ids.clone(), work, Vec::<OnDuty>::new());
        let mut made = Effects::default();
        for number in first..(first + BATCH).min(count) {
            let report = Report {
                actor: actor.clone(),
                via: Via::Console,
                kind: TicketKind::Fault,
                asset: asset.clone(),
                title: format!("/srv/{number} is full"),
                severity: Severity::Major,
                occurred_at: None,
            };
            let opened = desk.step(Input::Report(report), START)?;
            let ticket = opened.tickets[0].id;
            ledger_rows(&mut made, opened);
            let act = Act {
                ticket,
                actor: actor.clone(),
                via: Via::Console,
                action: Action::Accept,
                revision: None,
            };
            ledger_rows(
                &mut made,
                desk.step(Input::Act(act), START.plus(Duration::from_secs(60)))?,
            );
        }
        // A ticket is written as it is after both steps, as if one had done both.
        for ticket in &mut made.tickets {
            ticket.revision = 1;
        }
        ids = IdSource::new(first as u64 + 2);
        ledger.commit(&made, &[]).await?;
    }
    Ok(())
}

/// Adds what a step wrote; of faults and tickets only the newest rows stay.
fn ledger_rows(all: &mut Effects, step: Effects) {
    for ticket in step.tickets {
        all.tickets.retain(|known: &Ticket| known.id != ticket.id);
        all.tickets.push(ticket);
    }
    for fault in step.faults {
        all.faults.retain(|known| known.id != fault.id);
        all.faults.push(fault);
    }
    all.entries.extend(step.entries);
    all.marks.extend(step.marks);
    all.fired.extend(step.fired);
}

#[tokio::main]
async fn main() -> Failing<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measured = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse::<usize>().ok());
    let count = given.unwrap_or(if measured { 100_000 } else { 40 });
    let folder = tempfile::tempdir()?;
    let ledger = Ledger::open(&format!("sqlite:{}", folder.path().join("ledger.db").display()), START).await?;
    fill(&ledger, count).await?;
    let mut slowest = Duration::ZERO;
    for _ in 0..TIMES {
        let began = Instant::now();
        let work = ledger.load_open_work().await?;
        let read = began.elapsed();
        let clocks = work.tickets.iter().flat_map(|ticket| &ticket.clocks);
        let running = clocks.filter(|clock| clock.stopped_at.is_none()).count();
        let desk = Desk::new(Policy::basic(), IdSource::new(3), work, Vec::new());
        let took = began.elapsed();
        println!("{count} tickets, {running} clocks run: read in {read:.2?}, the desk stands after {took:.2?}");
        if desk.next_due().is_none() || running < 2 * count {
            return Err(format!("{running} clocks run, next due {:?}", desk.next_due()).into());
        }
        slowest = slowest.max(took);
    }
    if measured && slowest > MOST {
        return Err(format!("{slowest:.2?} is more than {MOST:.0?}").into());
    }
    Ok(())
}
