//! A hundred thousand open tickets: how long a restart takes, what one question for the next timer costs, how late timers
//! fire when each is done as it comes due.
//!
//! `cargo bench -p tocsin-desk --bench clocks [-- TICKETS]`. Without `--bench` (as in tests) a small run only shows that
//! it works.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods)] // a benchmark measures time
#![allow(clippy::unwrap_used)] // it ends where it stumbles

use std::time::{Duration, Instant};
use tocsin_desk::{
    effect::OpenWork,
    input::{Act, Action, Input, Report},
    model::{Actor, AssetFacts, Via},
    policy::Policy,
    step::Desk,
};
use tocsin_vocabulary::{AssetId, ContractId, CustomerId, IdSource, Importance, PersonId, Severity, SiteId, Timestamp};

/// 2026-03-02T09:00:00+08:00.
const START: i64 = 1_772_413_200_000;

fn person() -> Actor {
    Actor::Person(PersonId::from_bytes([1; 16]), "person".to_owned())
}

fn report(n: usize) -> Report {
    Report {
        actor: person(),
        via: Via::Console,
        kind: tocsin_desk::model::TicketKind::Fault,
        asset: AssetFacts {
            asset: AssetId::from_bytes([1; 16]),
            name: format!("web-{n}"),
            customer: CustomerId::from_bytes([1; 16]),
            contract: ContractId::from_bytes([1; 16]),
            site: SiteId::from_bytes([1; 16]),
            importance: Importance::Normal,
        },
        title: "it is slow".to_owned(),
        severity: Severity::Minor,
        occurred_at: None,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse().ok());
    let tickets: usize = given.unwrap_or(if full { 100_000 } else { 200 });

    let mut desk = Desk::new(Policy::basic(), IdSource::new(1), OpenWork::default(), Vec::new());
    let mut now = Timestamp::from_millis(START);
    let begun = Instant::now();
    for n in 0..tickets {
        // One each 10 ms, so that each has timers of its own.
        now = now.plus(Duration::from_millis(10));
        let effects = desk.step(Input::Report(report(n)), now).unwrap();
        let accept = Input::Act(Act {
            ticket: effects.tickets[0].id,
            actor: person(),
            via: Via::Console,
            action: Action::Accept,
            revision: None,
        });
        desk.step(accept, now).unwrap();
    }
    let each = begun.elapsed() / u32::try_from(tickets.max(1)).unwrap_or(1) / 2;
    println!("{tickets} tickets opened and accepted: {each:?} a step");

    let work = desk.open_work();
    let clocks: usize = work.tickets.iter().map(|ticket| ticket.clocks.len()).sum();
    let begun = Instant::now();
    let mut desk = Desk::new(Policy::basic(), IdSource::new(2), work, Vec::new());
    println!("{clocks} clocks rebuilt from the open work: {:?}", begun.elapsed());

    // Each timer is done at its time; how long the step takes is how late the next one may be.
    let (mut steps, mut slowest, begun) = (0_u32, Duration::ZERO, Instant::now());
    while let Some(due) = desk
        .next_due()
        .filter(|_| steps < u32::try_from(tickets).unwrap_or(u32::MAX))
    {
        let step = Instant::now();
        desk.step(Input::Timer, due).unwrap();
        slowest = slowest.max(step.elapsed());
        steps += 1;
    }
    let mean = begun.elapsed() / steps.max(1);
    println!("{steps} timers fired: {mean:?} each, the slowest {slowest:?}");
}
