//! Jobs and runs over a real ledger, under a clock that the test moves; what the rules hear is read from their queue.

use super::*;
use crate::engine::Command;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};
use tocsin_console::backend::{Ping, PingKind};
use tocsin_desk::{
    backup::{Job, JobRun, Note, Origin, Plan},
    record::{EventRecord, HostFacts},
};
use tocsin_ledger::NewHost;
use tocsin_vocabulary::{
    AssetId, HostId, RunId, RunResult, Severity,
    backup::{JOB_DECLARED, JOB_FOUND, RUN_ENDED, RUN_STARTED},
    time::HumanDuration,
};
use tokio::sync::mpsc;

const CLI: Actor<'_> = Actor { who: "cli", via: "cli" };

pub(super) struct World {
    _folder: tempfile::TempDir,
    pub(super) ledger: Arc<Ledger>,
    now: Arc<AtomicI64>,
    pub(super) backups: Arc<Backups>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) host: HostId,
}

pub(super) fn at(text: &str) -> Timestamp {
    format!("2026-11-{text}Z").parse().unwrap()
}

fn open(ledger: &Arc<Ledger>, now: &Arc<AtomicI64>, seed: u64) -> (Arc<Backups>, mpsc::Receiver<Command>) {
    let (engine, commands) = EngineHandle::queue();
    let now = now.clone();
    let clock: Clock = Arc::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed)));
    let backups = Backups::new(ledger.clone(), engine, clock, IdSource::new(seed));
    (Arc::new(backups), commands)
}

impl World {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = at("22T00:00:00");
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let ledger = Arc::new(Ledger::open(&address, start).await.unwrap());
        let mut ids = IdSource::new(1);
        let new = NewHost {
            host: HostId::next(&mut ids, start),
            asset: AssetId::next(&mut ids, start),
            name: "db1".to_owned(),
            customer: None,
            facts: HostFacts::default(),
            certificate_until: start.plus(Duration::from_secs(86_400)),
        };
        let host = ledger.enrol_host(&new, start, &[]).await.unwrap().id;
        let now = Arc::new(AtomicI64::new(start.as_millis()));
        let (backups, commands) = open(&ledger, &now, 2);
        Self {
            _folder: folder,
            ledger,
            now,
            backups,
            commands,
            host,
        }
    }

    pub(super) fn set(&self, text: &str) {
        self.now.store(at(text).as_millis(), Ordering::Relaxed);
    }

    pub(super) async fn declare(&self, plan: Plan) -> Job {
        self.backups.declare(self.host, &plan, true, CLI).await.unwrap()
    }

    /// A run as an agent tells it.
    pub(super) fn run(&self, number: u8, result: &str, started: &str, bytes: u64) -> EventRecord {
        let text = |text: &str| text.to_owned();
        EventRecord {
            seq: number.into(),
            at: at(started),
            received_at: at(started),
            name: RUN_ENDED.to_owned(),
            severity: Severity::Info,
            attributes: BTreeMap::from([
                (text("run"), RunId::from_bytes([number; 16]).to_string()),
                (text("job"), text("nightly")),
                (text("result"), text(result)),
                (text("started_ms"), at(started).as_millis().to_string()),
                (text("duration_ms"), text("1000")),
                (text("bytes"), bytes.to_string()),
                (
                    text("error"),
                    text(if result == "failed" {
                        "Fatal: wrong password"
                    } else {
                        ""
                    }),
                ),
            ]),
            body: String::new(),
        }
    }

    /// A collector that starts where another was killed: what that one told and nobody took is gone.
    pub(super) async fn again(&mut self) {
        (self.backups, self.commands) = open(&self.ledger, &self.now, 9);
        self.backups.begin().await.unwrap();
    }

    /// What the rules heard since, each with how long ago it was when it came late.
    pub(super) fn commands_of_events(&mut self) -> Vec<(EventRecord, Option<Duration>)> {
        let mut heard = Vec::new();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Events(host, _, events) = command {
                assert_eq!(host, self.host);
                heard.extend(events);
            }
        }
        heard
    }

    pub(super) fn events(&mut self) -> Vec<EventRecord> {
        let heard = self.commands_of_events();
        heard.into_iter().map(|(event, _)| event).collect()
    }

    /// Names and bodies of what the rules heard since.
    pub(super) fn heard(&mut self) -> Vec<(String, String)> {
        let events = self.events();
        events.into_iter().map(|event| (event.name, event.body)).collect()
    }

    pub(super) fn names(&mut self) -> Vec<String> {
        self.heard().into_iter().map(|(name, _)| name).collect()
    }

    pub(super) async fn runs(&self, job: &Job) -> Vec<JobRun> {
        self.ledger.runs(job.id, None, 100).await.unwrap()
    }
}

pub(super) fn nightly() -> Plan {
    Plan {
        name: "nightly".to_owned(),
        schedule: Some("30 2 * * *".to_owned()),
        zone: Some("UTC".to_owned()),
        ..Plan::default()
    }
}

#[tokio::test]
async fn a_failure_of_a_job_that_nobody_declared_is_told_with_its_error() {
    let mut world = World::new().await;
    let failed = world.run(1, "failed", "22T02:30:00", 0);
    world.backups.told(world.host, &[(failed.clone(), None)]).await.unwrap();
    let heard = world.heard();
    assert_eq!(
        heard,
        [("backup.run.failed".to_owned(), "Fatal: wrong password".to_owned())]
    );
    let job = world.ledger.job_named(world.host, "nightly").await.unwrap().unwrap();
    assert_eq!(
        (job.origin, job.stand.last_result),
        (Origin::Seen, Some(RunResult::Failed))
    );
    // Told twice, it is one run and no news.
    world.backups.told(world.host, &[(failed, None)]).await.unwrap();
    assert_eq!(world.heard(), []);
    assert_eq!(world.runs(&job).await.len(), 1);
    let adopted = world.declare(nightly()).await;
    assert_eq!((adopted.id, adopted.origin), (job.id, Origin::Declared));
}

#[tokio::test]
async fn a_run_that_does_not_come_is_missed_when_its_grace_is_over_and_a_late_one_takes_its_place() {
    let mut world = World::new().await;
    let job = world.declare(nightly()).await;
    world.set("22T02:39:59");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), [""; 0]);
    world.set("22T02:40:00");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), ["backup.run.missed"]);
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), [""; 0], "once");
    let missed = world.runs(&job).await;
    assert_eq!((missed.len(), missed[0].started_at), (1, at("22T02:30:00")));
    // It ran all the same; its host was cut off.
    world.set("22T09:00:00");
    let good = world.run(1, "ok", "22T02:30:01", 10);
    world
        .backups
        .told(world.host, &[(good, Some(std::time::Duration::from_secs(600)))])
        .await
        .unwrap();
    assert_eq!(world.names(), ["backup.run.ok"]);
    let runs = world.runs(&job).await;
    assert_eq!(
        (runs.len(), runs[0].result, runs[0].late),
        (1, Some(RunResult::Ok), true)
    );
    let job = world.ledger.job(job.id).await.unwrap().unwrap();
    assert_eq!(
        (job.stand.good_at, job.stand.expected_at),
        (Some(at("22T02:30:01")), Some(at("23T02:30:00")))
    );
}

#[tokio::test]
async fn deadlines_survive_a_restart_and_wait_a_minute_for_agents_to_tell() {
    let mut world = World::new().await;
    world.declare(nightly()).await;
    world.set("22T03:00:00");
    (world.backups, world.commands) = open(&world.ledger, &world.now, 3);
    world.backups.begin().await.unwrap();
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), [""; 0], "blind until agents had time");
    world.set("22T03:01:00");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), ["backup.run.missed"]);
    // A verdict that the rules may not have heard is told again.
    (world.backups, world.commands) = open(&world.ledger, &world.now, 4);
    world.backups.begin().await.unwrap();
    assert_eq!(world.names(), ["backup.run.missed"]);
}

#[tokio::test]
async fn a_run_answers_its_night_and_one_that_takes_too_long_is_told_while_it_runs() {
    let mut world = World::new().await;
    let plan = Plan {
        duration_max: Some(HumanDuration(Duration::from_secs(3_600))),
        ..nightly()
    };
    let job = world.declare(plan).await;
    world.set("22T02:30:05");
    let mut begun = world.run(1, "", "22T02:30:00", 0);
    begun.name = RUN_STARTED.to_owned();
    world.backups.told(world.host, &[(begun, None)]).await.unwrap();
    world.set("22T03:29:59");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), [""; 0], "neither missed nor too long");
    assert_eq!(world.runs(&job).await[0].result, None);
    world.set("22T03:30:00");
    world.backups.look().await.unwrap();
    let heard = world.heard();
    assert_eq!(heard[0].0, "backup.run.overran");
    assert!(heard[0].1.contains("goes on"), "{heard:?}");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), [""; 0], "once");
    let mut done = world.run(1, "ok", "22T02:30:00", 0);
    done.attributes.insert("duration_ms".to_owned(), "4000000".to_owned());
    world.backups.told(world.host, &[(done, None)]).await.unwrap();
    assert_eq!(world.names(), ["backup.run.overran"]);
    let runs = world.runs(&job).await;
    assert_eq!((runs.len(), runs[0].result), (1, Some(RunResult::Overran)));
}

#[tokio::test]
async fn a_run_far_below_its_own_history_has_shrunk() {
    let mut world = World::new().await;
    for number in 1..=5 {
        let run = world.run(number, "ok", &format!("22T0{number}:00:00"), 1_000);
        world.backups.told(world.host, &[(run, None)]).await.unwrap();
    }
    let small = world.run(6, "ok", "22T06:00:00", 400);
    world.backups.told(world.host, &[(small, None)]).await.unwrap();
    let heard = world.heard();
    assert_eq!(
        heard.last().unwrap(),
        &("backup.run.shrunk".to_owned(), "400 bytes, usually 1000".to_owned())
    );
}

#[tokio::test]
async fn a_follower_is_awaited_when_its_leader_has_ended_well() {
    let mut world = World::new().await;
    world.declare(nightly()).await;
    let copy = Plan {
        name: "copy".to_owned(),
        schedule: Some("after nightly".to_owned()),
        ..Plan::default()
    };
    let copy = world.declare(copy).await;
    assert_eq!(copy.stand.expected_at, None);
    world.set("22T02:31:00");
    let run = world.run(1, "ok", "22T02:30:00", 1);
    world.backups.told(world.host, &[(run, None)]).await.unwrap();
    world.names();
    world.set("22T02:41:00");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), ["backup.run.missed"]);
    assert_eq!(world.runs(&copy).await[0].result, Some(RunResult::Missed));
}

#[tokio::test]
async fn pings_make_runs() {
    let mut world = World::new().await;
    let plan = Plan {
        schedule: Some("every 1d".to_owned()),
        ..nightly()
    };
    let job = world.declare(plan).await;
    let ping = |kind, rid: &str, body: &str| Ping {
        key: job.ping_key.clone(),
        slug: "nightly".to_owned(),
        kind,
        rid: rid.to_owned(),
        body: body.to_owned(),
    };
    world.backups.pinged(&ping(PingKind::Start, "a", "")).await.unwrap();
    world.backups.pinged(&ping(PingKind::Start, "b", "")).await.unwrap();
    world.set("22T00:10:00");
    world
        .backups
        .pinged(&ping(PingKind::Exit(3), "a", "all good\nno space left\n"))
        .await
        .unwrap();
    world.backups.pinged(&ping(PingKind::Success, "", "")).await.unwrap();
    assert_eq!(world.names(), ["backup.run.failed", "backup.run.ok"]);
    let runs = world.runs(&job).await;
    assert_eq!(runs.len(), 2);
    let failed = runs.iter().find(|run| run.result == Some(RunResult::Failed)).unwrap();
    assert_eq!(
        (failed.exit_code, failed.duration_ms, failed.error.as_str()),
        (Some(3), Some(600_000), "no space left")
    );
    for (key, slug) in [("", "nightly"), ("guess", "nightly"), (job.ping_key.as_str(), "weekly")] {
        let wrong = Ping {
            key: key.to_owned(),
            slug: slug.to_owned(),
            ..ping(PingKind::Success, "", "")
        };
        assert!(world.backups.pinged(&wrong).await.is_err(), "{key} {slug}");
    }
}

#[tokio::test]
async fn a_start_whose_end_was_never_told_does_not_take_the_next_days_run() {
    let mut world = World::new().await;
    let job = world.declare(nightly()).await;
    let ping = |kind| Ping {
        key: job.ping_key.clone(),
        slug: String::new(),
        kind,
        rid: String::new(),
        body: String::new(),
    };
    world.set("22T02:30:00");
    world.backups.pinged(&ping(PingKind::Start)).await.unwrap();
    // Told again by a client that heard no answer: one run.
    world.set("22T02:30:20");
    world.backups.pinged(&ping(PingKind::Start)).await.unwrap();
    assert_eq!(world.runs(&job).await.len(), 1);
    for (start, end) in [("23T02:30:00", "23T02:50:00"), ("24T02:31:00", "24T02:50:00")] {
        world.set(start);
        world.backups.pinged(&ping(PingKind::Start)).await.unwrap();
        world.set(end);
        world.backups.pinged(&ping(PingKind::Success)).await.unwrap();
        world.backups.look().await.unwrap();
    }
    assert_eq!(world.names(), ["backup.run.ok", "backup.run.ok"], "nothing is missed");
    let runs = world.runs(&job).await;
    assert_eq!((runs.len(), runs[1].duration_ms), (3, Some(1_200_000)));
    // Nor does an end that comes alone take what was overtaken.
    world.set("25T02:30:00");
    world.backups.pinged(&ping(PingKind::Success)).await.unwrap();
    assert_eq!(world.runs(&job).await[0].started_at, at("25T02:30:00"));
}

#[tokio::test]
async fn lines_of_log_are_kept_with_the_run_that_goes_on() {
    let mut world = World::new().await;
    let job = world.declare(nightly()).await;
    let ping = |kind, body: &str| Ping {
        key: job.ping_key.clone(),
        slug: String::new(),
        kind,
        rid: "7".to_owned(),
        body: body.to_owned(),
    };
    world.backups.pinged(&ping(PingKind::Log, "of nothing")).await.unwrap();
    assert!(world.runs(&job).await.is_empty());
    world.backups.pinged(&ping(PingKind::Start, "begun")).await.unwrap();
    world.backups.pinged(&ping(PingKind::Log, "step 1\n")).await.unwrap();
    assert_eq!(world.names(), [""; 0]);
    world
        .backups
        .pinged(&ping(PingKind::Fail, "disk is full"))
        .await
        .unwrap();
    let run = world.runs(&job).await.remove(0);
    assert_eq!(run.tail, "begun\nstep 1\ndisk is full");
    assert_eq!(run.error, "disk is full");
}

#[tokio::test]
async fn jobs_that_would_await_each_other_are_refused() {
    let world = World::new().await;
    let after = |name: &str, leader: &str| Plan {
        name: name.to_owned(),
        schedule: Some(format!("after {leader}")),
        ..Plan::default()
    };
    let declare = async |plan: Plan| world.backups.declare(world.host, &plan, false, CLI).await;
    declare(after("b", "a")).await.unwrap();
    declare(after("c", "b")).await.unwrap();
    for (name, leader) in [("x", "x"), ("a", "b"), ("a", "c")] {
        let refused = declare(after(name, leader)).await.unwrap_err();
        assert!(
            refused.reason.contains("after itself"),
            "{name} {leader}: {}",
            refused.reason
        );
    }
    declare(nightly()).await.unwrap();
    // What a host declares is held to the same.
    let mut event = world.run(1, "ok", "22T02:30:00", 0);
    event.name = JOB_DECLARED.to_owned();
    event.attributes = BTreeMap::from([
        ("job".to_owned(), "a".to_owned()),
        ("schedule".to_owned(), "after c".to_owned()),
    ]);
    world.backups.told(world.host, &[(event, None)]).await.unwrap();
    assert!(world.ledger.job_named(world.host, "a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_run_by_hand_needs_a_reason_and_makes_good_what_was_missed() {
    let mut world = World::new().await;
    let job = world.declare(nightly()).await;
    world.set("22T03:00:00");
    world.backups.look().await.unwrap();
    world.names();
    let note = |reason: &str| Note {
        result: RunResult::Ok,
        reason: reason.to_owned(),
        started_at: None,
    };
    assert!(world.backups.note(job.id, &note(" "), CLI).await.is_err());
    let run = world
        .backups
        .note(job.id, &note("the tape was full"), CLI)
        .await
        .unwrap();
    assert_eq!((run.result, run.noted_by.as_str()), (Some(RunResult::Ok), "cli"));
    assert_eq!(world.names(), ["backup.run.ok"]);
    assert_eq!(world.runs(&job).await.len(), 2, "the missed night stays on record");
}

#[tokio::test]
async fn copies_that_are_too_old_and_restores_that_nobody_tried_are_told_once() {
    let mut world = World::new().await;
    let plan = Plan {
        name: "nightly".to_owned(),
        rpo: Some(HumanDuration(Duration::from_secs(3_600))),
        drill_every: Some(HumanDuration(Duration::from_secs(7_200))),
        ..Plan::default()
    };
    let job = world.declare(plan).await;
    let run = world.run(1, "ok", "22T00:00:00", 1);
    world.backups.told(world.host, &[(run, None)]).await.unwrap();
    world.names();
    world.set("22T01:00:00");
    world.backups.look().await.unwrap();
    assert_eq!(world.names(), ["backup.rpo.broken"]);
    world.set("22T02:00:00");
    world.backups.look().await.unwrap();
    world.backups.look().await.unwrap();
    let names = world.names();
    assert_eq!(
        names.iter().filter(|name| *name == "backup.drill.due").count(),
        1,
        "{names:?}"
    );
    world.backups.drilled(job.id, None, CLI).await.unwrap();
    assert_eq!(world.names(), ["backup.drill.done"]);
}

#[tokio::test]
async fn a_host_declares_the_jobs_of_its_configuration() {
    let world = World::new().await;
    let mut event = world.run(1, "", "22T00:00:00", 0);
    event.name = JOB_DECLARED.to_owned();
    event.attributes.insert("schedule".to_owned(), "30 2 * * *".to_owned());
    event.attributes.insert("zone".to_owned(), "UTC".to_owned());
    event.attributes.insert("grace".to_owned(), "30m".to_owned());
    world.backups.told(world.host, &[(event.clone(), None)]).await.unwrap();
    let job = world.ledger.job_named(world.host, "nightly").await.unwrap().unwrap();
    assert_eq!((job.origin, job.grace_ms), (Origin::Declared, 1_800_000));
    assert_eq!(job.stand.expected_at, Some(at("22T02:30:00")));
    event
        .attributes
        .insert("schedule".to_owned(), "now and then".to_owned());
    world.backups.told(world.host, &[(event, None)]).await.unwrap();
    assert_eq!(world.ledger.jobs().await.unwrap(), [job], "a mistake changes nothing");
}

#[tokio::test]
async fn a_job_that_a_host_found_waits_to_be_adopted() {
    let world = World::new().await;
    let mut event = world.run(1, "", "22T00:00:00", 0);
    event.name = JOB_FOUND.to_owned();
    for (key, value) in [
        ("schedule", "30 2 * * *"),
        ("tool", "restic"),
        ("content", "restic backup /srv"),
    ] {
        event.attributes.insert(key.to_owned(), value.to_owned());
    }
    world.backups.told(world.host, &[(event.clone(), None)]).await.unwrap();
    let job = world.ledger.job_named(world.host, "nightly").await.unwrap().unwrap();
    assert_eq!((job.origin, job.stand.expected_at), (Origin::Seen, None));
    assert_eq!(
        (job.tool.as_str(), job.content.as_str()),
        ("restic", "restic backup /srv")
    );
    assert_eq!(
        world.ledger.uncovered_hosts(None).await.unwrap().len(),
        1,
        "nobody saw it run"
    );
    let plan = Plan {
        name: "nightly".to_owned(),
        owner: Some("wang".to_owned()),
        ..Plan::default()
    };
    let adopted = world.backups.declare(world.host, &plan, false, CLI).await.unwrap();
    assert_eq!((adopted.id, adopted.origin), (job.id, Origin::Declared));
    assert!(adopted.stand.expected_at.is_some());
    world.backups.told(world.host, &[(event, None)]).await.unwrap();
    assert_eq!(world.ledger.jobs().await.unwrap(), [adopted], "what was declared stays");
}
