//! The plan against the fact: coverage by contract, and what runs came to.

use crate::world::{World, at};
use tocsin_desk::{
    backup::{Job, JobRun, Plan, coverage::NOT_NEEDED},
    record::HostRecord,
};
use tocsin_vocabulary::{JobId, RunId, RunResult, time::HumanDuration};

on_both_engines! {
    coverage_counts_hosts_and_promises_by_contract,
    totals_are_of_a_span_and_of_a_customer,
}

async fn declared(world: &mut World, host: &HostRecord, name: &str, rpo_seconds: u64) -> Job {
    let plan = Plan {
        name: name.to_owned(),
        rpo: Some(HumanDuration(std::time::Duration::from_secs(rpo_seconds))),
        ..Plan::default()
    };
    let id = JobId::next(&mut world.ids, at(0));
    let job = plan.apply(None, id, host.id, "UTC", at(0)).unwrap();
    world.ledger.declare_job(&job, &[]).await.unwrap();
    job
}

async fn ran(world: &mut World, job: &Job, seconds: i64, result: RunResult) {
    let run = JobRun {
        ended_at: Some(at(seconds + 5)),
        duration_ms: Some(5_000),
        result: Some(result),
        bytes: Some(1_000),
        ..JobRun::begun(
            RunId::next(&mut world.ids, at(seconds)),
            job.id,
            at(seconds),
            at(seconds),
        )
    };
    world.ledger.keep_run(&run, None, None, &[]).await.unwrap();
}

async fn coverage_counts_hosts_and_promises_by_contract(mut world: World) {
    let covered = world.host("db1").await;
    let bare = world.host("db2").await;
    let excused = world.host("switch-console").await;
    let paused = world.host("db3").await;
    world
        .ledger
        .set_host_tags(excused.id, &[NOT_NEEDED.to_owned()], &[])
        .await
        .unwrap();
    let kept = declared(&mut world, &covered, "kept", 1_000).await;
    let broken = declared(&mut world, &covered, "broken", 10).await;
    declared(&mut world, &covered, "never", 0).await;
    let stopped = declared(&mut world, &paused, "stopped", 10).await;
    let stopped = Job {
        paused: true,
        ..stopped
    };
    world.ledger.declare_job(&stopped, &[]).await.unwrap();
    ran(&mut world, &kept, 100, RunResult::Ok).await;
    ran(&mut world, &broken, 100, RunResult::Ok).await;
    let coverage = world.ledger.coverage(None, at(200)).await.unwrap();
    assert_eq!(coverage.len(), 1, "one contract has hosts");
    let one = &coverage[0];
    assert_eq!((one.hosts, one.not_needed, one.covered, one.percent()), (3, 1, 1, 33));
    assert_eq!((one.jobs, one.promised, one.broken, one.never_good), (3, 2, 1, 1));
    let gaps = world.ledger.coverage_gaps(None).await.unwrap();
    let names: Vec<&str> = gaps.iter().map(|gap| gap.host_name.as_str()).collect();
    assert_eq!(names, ["db2", "db3"]);
    assert_eq!((gaps[0].host, gaps[0].contract), (bare.id, one.contract));
    let nobody = world.customer("other").await;
    assert_eq!(world.ledger.coverage(Some(nobody), at(200)).await.unwrap(), []);
    assert_eq!(world.ledger.coverage_gaps(Some(nobody)).await.unwrap(), []);
}

async fn totals_are_of_a_span_and_of_a_customer(mut world: World) {
    let host = world.host("db1").await;
    let job = declared(&mut world, &host, "nightly", 0).await;
    let other = declared(&mut world, &host, "other", 0).await;
    for (seconds, result) in [
        (99, RunResult::Failed),
        (100, RunResult::Ok),
        (110, RunResult::Warning),
        (120, RunResult::Missed),
        (130, RunResult::Shrunk),
        (200, RunResult::Failed),
    ] {
        ran(&mut world, &job, seconds, result).await;
    }
    let begun = RunId::next(&mut world.ids, at(150));
    let begun = JobRun::begun(begun, job.id, at(150), at(150));
    world.ledger.keep_run(&begun, None, None, &[]).await.unwrap();
    let ids = [job.id, other.id];
    let totals = world.ledger.run_totals(&ids, at(100), at(200)).await.unwrap();
    assert_eq!(totals.len(), 1, "the other did not run");
    let of_job = &totals[0];
    assert_eq!((of_job.job, of_job.runs, of_job.good()), (Some(job.id), 4, 2));
    assert_eq!((of_job.missed, of_job.shrunk, of_job.failed), (1, 1, 0));
    assert_eq!((of_job.bytes, of_job.longest_ms), (4_000, 5_000));
    let all = world.ledger.all_run_totals(None, at(100), at(200)).await.unwrap();
    assert_eq!((all.job, all.runs), (None, 4));
    let nobody = world.customer("other").await;
    let none = world
        .ledger
        .all_run_totals(Some(nobody), at(0), at(1_000))
        .await
        .unwrap();
    assert_eq!(none.good_per_mille(), None);
    assert!(world.ledger.run_totals(&[], at(0), at(1)).await.unwrap().is_empty());
}
