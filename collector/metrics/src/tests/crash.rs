//! Power cuts, full disks and failing syncs at every operation of a scripted run.
//!
//! Scripts ([`script`]) are made from seeds: three hosts over several days with live ticks, outages, backlog, lost ticks,
//! late ticks, two dictionaries, a new spool, three retention classes, a host that changes its class, restarts, sealing,
//! dropped segments and days. The disk
//! ([`crate::FaultDisk`]) loses, tears and reorders what was not synced. After each cut ([`check`]) the store must open,
//! show every acknowledged tick with its values and nothing else, have in blocks what it called sealed, and take what
//! is missing, each tick once.
//!
//! By itself a test run tries a few hundred cut points. All of them, of as many scripts as you like:
//!
//! ```text
//! TOCSIN_CRASH_SEEDS=30 cargo test --release -p tocsin-metrics --lib crash -- --nocapture
//! ```
//!
//! `TOCSIN_CRASH_LIE` makes the disk break a promise, so that the suite must fail ([`crate::disk::Lie`] has the words):
//! `fdatasync:journal/` for one. `TOCSIN_CRASH_ONLY=SCRIPT:CUT` repeats one cut point.

mod bustle;
pub(super) mod check;
mod failing;
pub(super) mod fleet;
mod lies;
pub(super) mod script;

use crate::{
    FaultDisk,
    disk::{Lie, Operation, Random},
};
use fleet::Fleet;
use script::Script;
use std::{
    env,
    num::NonZero,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// Scripts of which a few cut points are tried when nothing else is asked for.
const SCRIPTS: u64 = 8;
/// Cut points of each of them.
const CUTS: usize = 25;
/// Operations of each of them at which something else goes wrong.
const FAILURES: usize = 10;
/// Failures that are told in full.
const TOLD: usize = 5;

/// What may go wrong at an operation, and how it is checked.
type Trial = fn(&Arc<Script>, u64, &[Lie]) -> check::Verdict;

/// How many scripts are to be tried in full, if that was asked for.
pub(super) fn full() -> Option<u64> {
    env::var("TOCSIN_CRASH_SEEDS")
        .ok()
        .map(|text| text.parse().expect("TOCSIN_CRASH_SEEDS is a number of scripts"))
}

/// The lie that was asked for.
fn lies() -> Vec<Lie> {
    let lie = |text: String| text.parse().expect("TOCSIN_CRASH_LIE names a lie");
    env::var("TOCSIN_CRASH_LIE").ok().map(lie).into_iter().collect()
}

/// The script and the operation that were asked for.
fn only() -> Option<(u64, u64)> {
    let text = env::var("TOCSIN_CRASH_ONLY").ok()?;
    let (script, operation) = text.split_once(':').expect("TOCSIN_CRASH_ONLY is SCRIPT:CUT");
    Some((script.parse().unwrap(), operation.parse().unwrap()))
}

/// Plays a script on a good disk.
fn played(script: &Arc<Script>) -> (FaultDisk, Fleet) {
    let disk = FaultDisk::new();
    let mut fleet = Fleet::new(script);
    fleet.play(&disk);
    (disk, fleet)
}

/// Tries operations of these scripts: all for which `wanted` holds, or `few` of each script.
fn try_all(
    scripts: Range<u64>,
    few: Option<usize>,
    lies: &[Lie],
    wanted: fn(Operation) -> bool,
    trial: Trial,
) -> Tried {
    let tried = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let seeds: Vec<u64> = scripts.collect();
    in_parallel(&seeds, |_, &seed| {
        let script = Arc::new(Script::new(seed));
        let history = played(&script).0.history();
        let numbered = history.iter().enumerate();
        let points: Vec<usize> = numbered
            .filter(|(_, (what, _))| wanted(*what))
            .map(|(at, _)| at)
            .collect();
        // Odd, and begun elsewhere in each script.
        let stride = few.map_or(1, |few| (points.len() / few).max(1) | 1);
        let offset = Random::new(seed).within(0, stride - 1);
        for &number in points.iter().skip(offset).step_by(stride) {
            let at = number as u64;
            if only().is_some_and(|only| only != (seed, at)) {
                continue;
            }
            tried.fetch_add(1, Ordering::Relaxed);
            if let Err(what) = trial(&script, at, lies) {
                let (operation, path) = &history[number];
                let place = format!("{seed}:{at} ({operation:?} {}): {what}", path.display());
                failed.lock().unwrap().push(place);
            }
        }
    });
    Tried {
        points: tried.into_inner(),
        failed: failed.into_inner().unwrap(),
    }
}

/// Works through all of these on the cores that there are.
pub(super) fn in_parallel<T: Sync>(all: &[T], work: impl Fn(usize, &T) + Sync) {
    let next = AtomicUsize::new(0);
    let work_on = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = all.get(index) else { return };
            work(index, item);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        (0..threads).for_each(|_| drop(scope.spawn(work_on)));
    });
}

/// What came of it.
struct Tried {
    points: u64,
    failed: Vec<String>,
}

impl Tried {
    /// Tries what was asked for by the environment, and tells how much that was.
    fn asked(what: &str, few: usize, wanted: fn(Operation) -> bool, trial: Trial) {
        let scripts = only().map_or(0..full().unwrap_or(SCRIPTS), |(script, _)| script..script + 1);
        let few = if full().is_some() || only().is_some() {
            None
        } else {
            Some(few)
        };
        let tried = try_all(scripts.clone(), few, &lies(), wanted, trial);
        println!(
            "{what}: {} points of {} scripts, {} failed",
            tried.points,
            scripts.count(),
            tried.failed.len()
        );
        let told = tried.failed[..tried.failed.len().min(TOLD)].join("\n");
        assert!(
            tried.failed.is_empty(),
            "{} of {} failed\n{told}",
            tried.failed.len(),
            tried.points
        );
    }
}

/// The power goes amid an operation; what is found is checked in several outcomes.
fn cut(script: &Arc<Script>, at: u64, lies: &[Lie]) -> check::Verdict {
    let disk = FaultDisk::new();
    lies.iter().cloned().for_each(|lie| disk.lie(lie));
    disk.cut_at(at);
    let mut fleet = Fleet::new(script);
    fleet.play(&disk);
    for outcome in 0..2 {
        let seed = at * 1_000 + outcome;
        check::check(&disk.restart(seed), &fleet, seed).map_err(|what| format!("outcome {outcome}: {what}"))?;
    }
    Ok(())
}

#[test]
fn a_power_cut_anywhere_loses_nothing_acknowledged_and_stores_nothing_twice() {
    Tried::asked("power cuts", CUTS, |_| true, cut);
}

#[test]
fn scripts_do_everything_that_a_cut_could_hit() {
    let mut all = Vec::new();
    let mut classes = Vec::new();
    let mut days = 0;
    for seed in 0..SCRIPTS {
        let (disk, fleet) = played(&Arc::new(Script::new(seed)));
        assert!(
            fleet.done.sealed_blocks > 10 && fleet.done.dropped_segments > 1,
            "{seed}: {:?}",
            fleet.done
        );
        days += fleet.done.dropped_days;
        for (operation, path) in disk.history() {
            all.push(operation);
            classes.extend(
                path.to_string_lossy()
                    .split('.')
                    .nth(1)
                    .map(|class| (operation, class.to_owned())),
            );
        }
        check::check(&disk.restart(seed), &fleet, seed).unwrap();
    }
    assert!(days > 10, "{days} days dropped");
    for class in ["brief", "long"] {
        for operation in [Operation::Create, Operation::Write, Operation::Unlink] {
            assert!(
                classes.contains(&(operation, class.to_owned())),
                "{operation:?} of {class}"
            );
        }
    }
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::Unlink,
        Operation::SyncFolder,
        Operation::Truncate,
    ] {
        assert!(all.contains(&operation), "{operation:?}");
    }
}
