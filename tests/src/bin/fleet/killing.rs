//! A collector that is killed again and again: nothing may be lost, nothing stored twice.

use super::{PATIENCE, Setup};
use std::{process::ExitCode, time::Duration};
use tocsin_agent::random::Chance;
use tocsin_tests::{
    figures::Figures,
    fleet::{Fleet, Plan, verdict},
};
use tokio::time::Instant;

/// Longest window of the delay before a host tries again: shorter than agents have it, for more is cut off in
/// mid-stream so.
const BACKOFF_MOST: Duration = Duration::from_secs(1);
/// Points that one answer of the collector may have.
const POINTS_MAX: u64 = 11_000;

pub(super) async fn run(mut setup: Setup, most: u64) -> ExitCode {
    let ticks = setup.options.seconds / setup.options.interval.max(1);
    assert!(
        ticks < POINTS_MAX / 2,
        "more ticks than can be asked for: fewer seconds, or a longer interval"
    );
    let plan = Plan {
        backoff_most: BACKOFF_MOST,
        ..setup.plan()
    };
    let fleet = Fleet::start(&plan, &setup.model, &setup.credentials);
    fleet.is_live(PATIENCE).await;
    let mut chance = Chance::new(setup.options.seed);
    let (mut kills, mut starts) = (0, Figures::default());
    let end = Instant::now() + Duration::from_secs(setup.options.seconds);
    while Instant::now() < end {
        let span = most.saturating_sub(1) as f64 * chance.share();
        tokio::time::sleep(Duration::from_secs(1) + Duration::from_secs_f64(span)).await;
        setup.station.process().kill();
        kills += 1;
        let began = Instant::now();
        setup.station.site.run().await;
        starts.add(began.elapsed());
    }
    let until = fleet.drain(PATIENCE).await;
    let verdict = verdict::of(&setup.station.site, &fleet.hosts, until).await;

    let tally = &fleet.tally;
    println!("{}", setup.headline());
    println!(
        "killed {kills} times in {} s, seed {}",
        setup.options.seconds, setup.options.seed
    );
    println!("{:<32}{}   milliseconds", "", Figures::HEAD);
    println!("{:<32}{starts}", "started -> answers");
    println!(
        "{} ticks, {} streams, {} ticks sent as backlog, asked to come back later {}, refused {}, broken {}",
        verdict.taken,
        tally.welcomed.get(),
        tally.backlog.get(),
        tally.retries.get(),
        tally.refused.get(),
        tally.broken.get()
    );
    println!(
        "lost {}, stored twice {}, never taken {}, acknowledged and asked for again {}",
        verdict.lost,
        verdict.twice,
        verdict.strange,
        tally.forgotten.get()
    );
    if verdict.is_good() && tally.forgotten.get() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
