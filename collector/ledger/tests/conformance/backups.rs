//! Backup jobs and their runs.

use crate::world::{World, at, line};
use tocsin_desk::{
    backup::{HostedJob, Job, JobFilter, JobRun, Plan},
    record::{HostRecord, Slice},
};
use tocsin_vocabulary::{CustomerId, JobId, RunId, RunResult};

on_both_engines! {
    a_job_is_kept_and_found_and_forgotten,
    runs_are_kept_once_and_the_job_stands_as_they_do,
    the_calendar_has_the_worst_of_each_day,
    jobs_are_listed_a_page_at_a_time,
    the_board_has_what_is_wrong_first,
}

async fn declared(world: &mut World, host: &HostRecord, name: &str) -> Job {
    let plan = Plan {
        name: name.to_owned(),
        schedule: Some("30 2 * * *".to_owned()),
        bytes_min: Some(7),
        ..Plan::default()
    };
    let id = JobId::next(&mut world.ids, at(0));
    let mut job = plan.apply(None, id, host.id, "UTC", at(0)).unwrap();
    job.ping_key = format!("key-{name}");
    let audit = line("backup.job.declare", 0);
    world.ledger.declare_job(&job, &[audit]).await.unwrap();
    job
}

fn run(world: &mut World, job: &Job, seconds: i64, result: RunResult) -> JobRun {
    let id = RunId::next(&mut world.ids, at(seconds));
    JobRun {
        ended_at: Some(at(seconds + 5)),
        duration_ms: Some(5_000),
        result: Some(result),
        reported: Some(result),
        exit_code: Some(0),
        bytes: Some(u64::try_from(seconds).unwrap()),
        error: "NUL \0 and 错误".to_owned(),
        ..JobRun::begun(id, job.id, at(seconds), at(seconds + 6))
    }
}

async fn a_job_is_kept_and_found_and_forgotten(mut world: World) {
    let host = world.host("db1").await;
    let other = world.host("db2").await;
    assert_eq!(world.ledger.uncovered_hosts(None).await.unwrap().len(), 2);
    let job = declared(&mut world, &host, "nightly").await;
    assert_eq!(world.ledger.jobs().await.unwrap(), std::slice::from_ref(&job));
    assert_eq!(
        world.ledger.job_named(host.id, "nightly").await.unwrap(),
        Some(job.clone())
    );
    assert_eq!(world.ledger.job_named(other.id, "nightly").await.unwrap(), None);
    assert_eq!(world.ledger.job_of_key("key-nightly").await.unwrap(), Some(job.clone()));
    assert_eq!(world.ledger.job_of_key("").await.unwrap(), None);
    assert_eq!(
        world.ledger.uncovered_hosts(None).await.unwrap(),
        [(other.id, "db2".to_owned())]
    );
    let nobody = Some(CustomerId::from_bytes([9; 16]));
    assert_eq!(world.ledger.uncovered_hosts(nobody).await.unwrap(), []);
    let changed = Job {
        owner: "wang".to_owned(),
        paused: true,
        ..job.clone()
    };
    world.ledger.declare_job(&changed, &[]).await.unwrap();
    assert_eq!(world.ledger.job(job.id).await.unwrap(), Some(changed));
    let run = run(&mut world, &job, 10, RunResult::Ok);
    world.ledger.keep_run(&run, None, None, &[]).await.unwrap();
    world.ledger.forget_job(job.id, &[]).await.unwrap();
    assert_eq!(world.ledger.jobs().await.unwrap(), []);
}

async fn runs_are_kept_once_and_the_job_stands_as_they_do(mut world: World) {
    let host = world.host("db1").await;
    let job = declared(&mut world, &host, "nightly").await;
    let good = run(&mut world, &job, 100, RunResult::Ok);
    let begun = JobRun::begun(good.id, job.id, at(100), at(101));
    let next = Some(at(86_400));
    assert!(world.ledger.keep_run(&begun, next, None, &[]).await.unwrap());
    assert!(world.ledger.keep_run(&good, next, None, &[]).await.unwrap());
    assert!(!world.ledger.keep_run(&good, next, None, &[]).await.unwrap());
    assert!(
        !world.ledger.keep_run(&begun, next, None, &[]).await.unwrap(),
        "a start after the end"
    );
    let kept = world.ledger.runs(job.id, None, 10).await.unwrap();
    assert_eq!(
        (kept.len(), kept[0].bytes, kept[0].error.as_str()),
        (1, Some(100), "NUL \u{fffd} and 错误")
    );
    let missed = run(&mut world, &job, 200, RunResult::Missed);
    world.ledger.keep_run(&missed, next, None, &[]).await.unwrap();
    let stand = world.ledger.job(job.id).await.unwrap().unwrap().stand;
    assert_eq!(
        (stand.last_result, stand.good_at, stand.expected_at),
        (Some(RunResult::Missed), Some(at(100)), next)
    );
    let late = run(&mut world, &job, 201, RunResult::Warning);
    world.ledger.keep_run(&late, next, Some(at(200)), &[]).await.unwrap();
    let kept = world.ledger.runs(job.id, Some(at(202)), 10).await.unwrap();
    assert_eq!(kept.iter().map(|run| run.id).collect::<Vec<_>>(), [late.id, good.id]);
    assert_eq!(world.ledger.run_sizes(job.id, at(201)).await.unwrap(), [100]);
    assert_eq!(world.ledger.run_sizes(job.id, at(202)).await.unwrap(), [201, 100]);
}

async fn the_calendar_has_the_worst_of_each_day(mut world: World) {
    let host = world.host("db1").await;
    let job = declared(&mut world, &host, "nightly").await;
    let day = 86_400;
    for (seconds, result) in [
        (10, RunResult::Ok),
        (20, RunResult::Failed),
        (30, RunResult::Warning),
        (day + 10, RunResult::Ok),
        (3 * day, RunResult::Ok),
    ] {
        let run = run(&mut world, &job, seconds, result);
        world.ledger.keep_run(&run, None, None, &[]).await.unwrap();
    }
    let days = |offset| {
        world
            .ledger
            .job_days(std::slice::from_ref(&job.id), at(0), at(3 * day), offset)
    };
    let mut found = days(0).await.unwrap();
    found.sort_by_key(|day| day.day);
    let shown: Vec<_> = found.iter().map(|day| (day.worst, day.runs)).collect();
    assert_eq!(shown, [(Some(RunResult::Failed), 3), (Some(RunResult::Ok), 1)]);
    let west = days(-60_000).await.unwrap();
    assert_eq!(
        west.iter().map(|day| day.day).min(),
        Some(found[0].day - 1),
        "days are of the wall clock"
    );
    assert_eq!(world.ledger.job_days(&[], at(0), at(9), 0).await.unwrap(), []);
}

fn names(jobs: &[HostedJob]) -> Vec<(&str, &str)> {
    jobs.iter()
        .map(|of| (of.host_name.as_str(), of.job.name.as_str()))
        .collect()
}

async fn jobs_are_listed_a_page_at_a_time(mut world: World) {
    let (one, two) = (world.host("db1").await, world.host("db2").await);
    for (host, name) in [(&two, "c"), (&one, "b"), (&one, "a")] {
        declared(&mut world, host, name).await;
    }
    let ask = |host: Option<String>, after: Option<String>, limit| JobFilter {
        customer: None,
        host,
        slice: Slice { after, limit },
    };
    // Declared within one millisecond: which of them is the oldest is chance, that none is left out or told twice is not.
    let first = world.ledger.job_list(&ask(None, None, 2)).await.unwrap();
    assert_eq!(first.items.len(), 2);
    let rest = world.ledger.job_list(&ask(None, first.next, 2)).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let mut all = [names(&first.items), names(&rest.items)].concat();
    all.sort_unstable();
    assert_eq!(all, [("db1", "a"), ("db1", "b"), ("db2", "c")]);
    for host in ["db1".to_owned(), one.id.to_string()] {
        let of_one = world.ledger.job_list(&ask(Some(host), None, 9)).await.unwrap();
        let mut of_one = names(&of_one.items);
        of_one.sort_unstable();
        assert_eq!(of_one, [("db1", "a"), ("db1", "b")]);
    }
    let strange = world.ledger.job_list(&ask(None, Some("x' OR 1=1".to_owned()), 9)).await;
    assert!(strange.is_err());
    let others = JobFilter {
        customer: Some(CustomerId::from_bytes([9; 16])),
        ..ask(None, None, 9)
    };
    assert_eq!(world.ledger.job_list(&others).await.unwrap().items, []);
}

async fn the_board_has_what_is_wrong_first(mut world: World) {
    let (one, two) = (world.host("db1").await, world.host("db2").await);
    for (host, name, result) in [
        (&two, "well", Some(RunResult::Ok)),
        (&two, "warned", Some(RunResult::Warning)),
        (&one, "new", None),
        (&two, "missed", Some(RunResult::Missed)),
    ] {
        let job = declared(&mut world, host, name).await;
        if let Some(result) = result {
            let run = run(&mut world, &job, 100, result);
            world.ledger.keep_run(&run, None, None, &[]).await.unwrap();
        }
    }
    let old = declared(&mut world, &one, "old").await;
    let promised = Job { rpo_ms: 60_000, ..old };
    let promised = Job {
        id: JobId::next(&mut world.ids, at(0)),
        name: "promised".to_owned(),
        ping_key: String::new(),
        ..promised
    };
    world.ledger.declare_job(&promised, &[]).await.unwrap();
    let board = world.ledger.job_board(None, 0, 4, at(60)).await.unwrap();
    assert_eq!(
        names(&board.rows),
        [("db2", "missed"), ("db2", "warned"), ("db1", "new"), ("db1", "old")]
    );
    assert_eq!((board.jobs, board.bad), (6, 2));
    let next = world.ledger.job_board(None, 4, 4, at(61)).await.unwrap();
    assert_eq!(names(&next.rows), [("db1", "promised"), ("db2", "well")]);
    assert_eq!((next.jobs, next.bad), (6, 3), "the promise of a minute is broken");
    let nobody = Some(CustomerId::from_bytes([9; 16]));
    let none = world.ledger.job_board(nobody, 0, 4, at(61)).await.unwrap();
    assert_eq!((none.rows.len(), none.jobs, none.bad), (0, 0, 0));
}
