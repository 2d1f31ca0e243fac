//! A site is lost: every host of it falls silent at once, or one after the other within ten seconds. How long until all of
//! it is in the ledger, and how many pages go out.
//!
//! `cargo bench -p tocsin-ledger --bench site_lost [-- HOSTS]`, by default 10 000. Without `--bench` (as in tests) a small
//! run only shows that it works. Rules and network stand outside: the desk is given what the rules would have said.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]

use std::{
    error::Error,
    time::{Duration, Instant},
};
use tocsin_desk::{
    effect::OpenWork,
    input::{AlertChange, Input, OnDuty, Turn},
    model::{AssetFacts, Person, Response, Role},
    policy::Policy,
    record::{HostFacts, HostRecord},
    step::Desk,
    topology::Relations,
};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_vocabulary::{AssetId, HostId, IdSource, Language, PersonId, Severity, Text, Timestamp};

/// 2026-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_305_600_000);
/// The engine takes so many commands at once when rules spoke.
const BATCH: usize = 128;
/// Hosts miss their ticks within this much time: the usual interval.
const SPREAD: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Default)]
struct Outcome {
    alerts: usize,
    tickets: usize,
    pages: usize,
    step: Duration,
    commit: Duration,
    commits: usize,
}

struct Scene {
    ledger: Ledger,
    desk: Desk,
    hosts: Vec<HostRecord>,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set(count: usize) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let ledger = Ledger::open(&format!("sqlite:{}", folder.path().join("ledger.db").display()), START).await?;
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
        let mut hosts = Vec::with_capacity(count);
        for n in 0..count {
            let new = NewHost {
                host: HostId::next(&mut ids, START),
                asset: AssetId::next(&mut ids, START),
                name: format!("host-{n}"),
                customer: None,
                facts: HostFacts::default(),
                certificate_until: START,
            };
            hosts.push(ledger.enrol_host(&new, START, &[]).await?);
        }
        let duty = vec![OnDuty {
            person: person.id,
            destinations: vec!["inbox".to_owned(), "sms".to_owned()],
        }];
        let mut desk = Desk::new(Policy::basic(), ids, OpenWork::default(), duty);
        desk.survey(ledger.places().await?);
        desk.relate(Relations {
            silence: ["host-silent".to_owned()].into(),
            ..Relations::default()
        });
        Ok(Self {
            ledger,
            desk,
            hosts,
            _folder: folder,
        })
    }

    async fn step(&mut self, input: Input, now: Timestamp, outcome: &mut Outcome) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        let effects = self.desk.step(input, now)?;
        outcome.step += began.elapsed();
        outcome.alerts += effects.alerts.iter().filter(|alert| alert.raised_at == now).count();
        outcome.tickets += effects.entries.iter().filter(|entry| entry.action == "open").count();
        outcome.pages += effects.pages.len();
        let began = Instant::now();
        self.ledger.commit(&effects, &[]).await?;
        outcome.commit += began.elapsed();
        outcome.commits += 1;
        Ok(())
    }

    /// The site is lost; what the rules say reaches the desk in batches of `batch`.
    async fn lose(&mut self, batch: usize) -> Result<Outcome, Box<dyn Error>> {
        let mut outcome = Outcome::default();
        let batches: Vec<Vec<AlertChange>> = self
            .hosts
            .chunks(batch)
            .map(|hosts| hosts.iter().map(silent).collect())
            .collect();
        let pause = SPREAD / u32::try_from(batches.len()).unwrap_or(1).max(1);
        let mut now = START.plus(Duration::from_secs(60));
        for changes in batches {
            now = now.plus(pause);
            self.step(Input::Alerts(changes), now, &mut outcome).await?;
            if self.desk.next_due().is_some_and(|due| due <= now) {
                self.step(Input::Timer, now, &mut outcome).await?;
            }
        }
        // Whatever waited for a storm is told by then.
        now = now.plus(SPREAD);
        self.step(Input::Timer, now, &mut outcome).await?;
        Ok(outcome)
    }
}

fn silent(host: &HostRecord) -> AlertChange {
    AlertChange {
        ruling: Default::default(),
        turn: Turn::Raised,
        rule: "host-silent".to_owned(),
        host: host.id,
        instance: String::new(),
        asset: AssetFacts {
            asset: host.asset,
            name: host.name.clone(),
            customer: host.customer,
            contract: host.contract,
            site: host.site,
            importance: host.importance,
        },
        severity: Severity::Critical,
        response: Response::Ticket,
        title: Text::new(format!("{} is silent", host.name), format!("{} 失联", host.name)),
        remedy: Text::new("look after it", "查看"),
        metric: String::new(),
        value: None,
        threshold: Some(60.0),
        occurred_at: START,
        drill: false,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse::<usize>().ok());
    let count = given.unwrap_or(if full { 10_000 } else { 40 });
    for (how, batch) in [("in one moment", count), ("within 10 s", BATCH.min(count / 10).max(1))] {
        let mut scene = Scene::set(count).await?;
        let outcome = scene.lose(batch).await?;
        println!(
            "{count} hosts lost {how}: {} alerts, {} tickets, {} pages; desk {:.0?}, ledger {:.0?} in {} commits",
            outcome.alerts, outcome.tickets, outcome.pages, outcome.step, outcome.commit, outcome.commits
        );
        let lost = count.saturating_sub(outcome.alerts);
        if lost > 0 || outcome.pages > 10 {
            return Err(format!("{lost} alerts are not recorded, {} pages went out", outcome.pages).into());
        }
    }
    Ok(())
}
