//! Kills between result, verdict and ticket, one after another: each leaves what the next start needs, and what is told twice
//! is one. The table is in `mod.rs`.

use super::tests::{World, at, nightly};
use std::time::Duration;
use tocsin_desk::backup::{Job, JobRun, Plan};
use tocsin_vocabulary::{RunId, RunResult, Timestamp};

/// A run as it is in the ledger when the process dies right after its commit.
async fn kept(world: &World, job: &Job, number: u8, result: RunResult, started: Timestamp) {
    let ended = started.plus(Duration::from_secs(60));
    let run = JobRun {
        ended_at: Some(ended),
        result: Some(result),
        reported: Some(result),
        error: "no space left".to_owned(),
        ..JobRun::begun(RunId::from_bytes([number; 16]), job.id, started, ended)
    };
    let expected = job.stand.expected_at;
    world.ledger.keep_run(&run, expected, None, &[]).await.unwrap();
}

#[tokio::test]
async fn killed_before_the_commit_the_host_tells_it_again() {
    let mut world = World::new().await;
    let failed = world.run(1, "failed", "22T02:30:00", 0);
    // The first telling came to nothing: no row, no answer to the host. The second is as the first.
    world.again().await;
    assert_eq!(world.names(), [""; 0]);
    world.backups.told(world.host, &[(failed, None)]).await.unwrap();
    assert_eq!(world.names(), ["backup.run.failed"]);
}

#[tokio::test]
async fn killed_between_verdict_and_rules_the_next_start_tells_them() {
    for (result, name) in [
        (RunResult::Failed, "backup.run.failed"),
        (RunResult::Shrunk, "backup.run.shrunk"),
        // One that makes good what failed before is as important: its ticket waits for it.
        (RunResult::Ok, "backup.run.ok"),
    ] {
        let mut world = World::new().await;
        let job = world.declare(nightly()).await;
        world.set("22T02:32:00");
        kept(&world, &job, 1, RunResult::Failed, at("22T02:00:00")).await;
        kept(&world, &job, 2, result, at("22T02:30:00")).await;
        world.again().await;
        let first = world.events();
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!(first[0].name, name);
        // Killed once more, after the rules have heard it: it is the same event, by which they know it.
        world.again().await;
        let second = world.events();
        assert_eq!((second.len(), second[0].seq), (1, first[0].seq));
    }
}

#[tokio::test]
async fn killed_between_the_events_row_and_the_rules_the_row_is_there_to_be_judged() {
    let mut world = World::new().await;
    let failed = world.run(1, "failed", "22T02:30:00", 0);
    world.backups.told(world.host, &[(failed, None)]).await.unwrap();
    // The queue to the rules dies with the process; what they judge they write down with the ticket, in one commit.
    drop(world.names());
    let stored = world.ledger.events_to_recall(at("22T00:00:00"), 10).await.unwrap();
    assert_eq!((stored.len(), stored[0].judged), (1, false));
    assert_eq!(stored[0].event.name, "backup.run.failed");
}

#[tokio::test]
async fn killed_between_a_leader_and_its_followers_they_are_awaited_at_the_next_start() {
    let mut world = World::new().await;
    let leader = world.declare(nightly()).await;
    let plan = Plan {
        name: "copy".to_owned(),
        schedule: Some("after nightly".to_owned()),
        ..Plan::default()
    };
    let follower = world.declare(plan).await;
    world.set("22T02:31:00");
    kept(&world, &leader, 1, RunResult::Ok, at("22T02:30:00")).await;
    world.again().await;
    let awaited = world.ledger.job(follower.id).await.unwrap().unwrap();
    assert_eq!(awaited.stand.expected_at, Some(at("22T02:31:00")));
    // One that came is not awaited again.
    kept(&world, &awaited, 2, RunResult::Ok, at("22T02:32:00")).await;
    let mut done = awaited;
    done.stand.expected_at = None;
    world.ledger.declare_job(&done, &[]).await.unwrap();
    world.again().await;
    let done = world.ledger.job(follower.id).await.unwrap().unwrap();
    assert_eq!(done.stand.expected_at, None);
}

#[tokio::test]
async fn killed_after_a_drill_was_noted_the_rules_hear_of_it_at_the_next_start() {
    let mut world = World::new().await;
    let mut job = world.declare(nightly()).await;
    job.drilled_at = Some(at("21T12:00:00"));
    world.ledger.declare_job(&job, &[]).await.unwrap();
    world.again().await;
    assert_eq!(world.names(), ["backup.drill.done"]);
}

#[tokio::test]
async fn killed_before_a_deadline_was_judged_the_next_start_judges_it() {
    let mut world = World::new().await;
    let plan = Plan {
        rpo: Some(tocsin_vocabulary::time::HumanDuration(Duration::from_secs(3_600))),
        ..nightly()
    };
    world.declare(plan).await;
    world.set("22T02:41:00");
    world.again().await;
    world.set("22T02:42:00");
    world.backups.look().await.unwrap();
    let mut names = world.names();
    names.sort();
    assert_eq!(names, ["backup.rpo.broken", "backup.run.missed"]);
}

#[tokio::test]
async fn what_comes_late_pages_while_it_is_the_newest_of_its_job_and_is_marked_late() {
    let mut world = World::new().await;
    world.set("22T09:00:00");
    let late = Some(Duration::from_secs(6 * 3_600));
    let failed = world.run(1, "failed", "22T02:30:00", 0);
    world.backups.told(world.host, &[(failed, late)]).await.unwrap();
    let told = world.commands_of_events();
    assert_eq!(told.len(), 1);
    let (event, ago) = &told[0];
    assert_eq!(event.name, "backup.run.failed");
    assert!(ago.is_some_and(|ago| ago >= Duration::from_secs(6 * 3_600)), "{ago:?}");
    // An older one that comes later still is of the past.
    let older = world.run(2, "failed", "21T02:30:00", 0);
    world.backups.told(world.host, &[(older, late)]).await.unwrap();
    assert_eq!(world.names(), [""; 0]);
    let job = world.ledger.job_named(world.host, "nightly").await.unwrap().unwrap();
    assert_eq!(world.runs(&job).await.len(), 2, "it is on record");
}
