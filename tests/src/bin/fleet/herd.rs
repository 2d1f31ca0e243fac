//! All hosts come back at once, each with a backlog.

use super::{PATIENCE, Setup};
use std::time::Duration;
use tocsin_tests::{
    figures::Figures,
    fleet::{
        Fleet, Plan, pace,
        usage::{self, mib, nanos_per},
    },
    program,
};
use tocsin_vocabulary::Timestamp;

/// Between the time that hosts left and the time that they come back.
const AWAY: Duration = Duration::from_secs(2);

pub(super) async fn run(mut setup: Setup, minutes: u64) {
    // The collector has known these hosts and their series for long.
    let known = Fleet::start(&setup.plan(), &setup.model, &setup.credentials);
    known.is_live(PATIENCE).await;
    drop(known);
    tokio::time::sleep(AWAY).await;

    let pid = setup.station.process().pid();
    let before = program::resident_bytes(pid);
    usage::forget_peak(pid);
    let cpu = usage::cpu_time(pid);
    let plan = Plan {
        backlog: minutes * 60 / setup.options.interval.max(1),
        herd: true,
        ..setup.plan()
    };
    let began = pace::now();
    let fleet = Fleet::start(&plan, &setup.model, &setup.credentials);
    fleet.is_live(PATIENCE).await;
    fleet.has_caught_up(PATIENCE).await;
    let cpu = usage::cpu_time(pid).saturating_sub(cpu);

    let tally = &fleet.tally;
    println!("{}, {minutes} minutes of backlog each, all at once", setup.headline());
    println!("{:<32}{}   milliseconds", "", Figures::HEAD);
    let since = |at: Option<Timestamp>| at.map_or(PATIENCE, |at| at.since(began));
    let (mut live, mut caught_up, mut acked) = (Figures::default(), Figures::default(), Figures::default());
    for host in &fleet.hosts {
        live.add(since(host.progress.live_at()));
        caught_up.add(since(host.progress.caught_up_at()));
    }
    tally.take_acked().iter().for_each(|one| acked.add(one.after));
    println!("{:<32}{live}", "start -> live tick acknowledged");
    println!("{:<32}{caught_up}", "start -> backlog acknowledged");
    println!("{:<32}{acked}", "live tick sent -> acknowledged");
    println!("{:<32}{}", "tick due -> sent (simulation)", tally.take_late());
    println!(
        "{} live ticks and {} of backlog, CPU {:.1} ns per sample",
        tally.live.get(),
        tally.backlog.get(),
        nanos_per(cpu, tally.samples.get())
    );
    println!(
        "RSS {:.1} MiB before, {:.1} MiB at most",
        mib(before),
        mib(usage::peak_resident_bytes(pid))
    );
    println!(
        "streams {}, asked to come back later {} (obeyed, with jitter), refused {}, broken {}",
        tally.welcomed.get(),
        tally.retries.get(),
        tally.refused.get(),
        tally.broken.get()
    );
    for (reason, count) in tally.reasons() {
        println!("  {count} x {reason}");
    }
}
