//! Housekeeping of rollups: what to make, to merge and to drop, and when.

use super::{
    Runs, Tier, Work, covered,
    make::{self, SLICE_BLOCKS},
    merge::{self, Step},
    run::Run,
};
use crate::{blocks::DAY_MS, error::StoreError, health::is_low, retention::ClassDay, shared::Shared, store::Store};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// Fewer blocks than a slice wait this long for more.
const WAIT_MAX: Duration = Duration::from_secs(20 * 60);
/// The files of a day that is over are merged this long after its end, when its last hours are sealed.
const DAY_OVER: Duration = Duration::from_secs(2 * 3_600);
/// Late data of a day that was merged waits this long for more.
const MERGE_AGAIN: Duration = Duration::from_secs(6 * 3_600);
/// Pieces of a merge at one call: 64 hosts of one metric each.
const STEPS: usize = 64;

impl Store {
    /// Makes, merges and drops rollups: a bounded piece, or all there is when `everything`.
    ///
    /// # Errors
    /// The first thing that failed; the rest was still tried.
    pub(crate) fn keep_rollups(&self, now: Timestamp, everything: bool) -> Result<(), StoreError> {
        let shared = self.shared();
        if shared.poisoned.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut work = shared.rollups.work();
        let again = discard_damaged(shared);
        let mut made = Ok(());
        while made.is_ok() && make_due(shared, &mut work, now, everything, &mut made) && everything {}
        let mut merged = Ok(());
        while merged.is_ok() && merge_due(shared, &mut work, now, everything, &mut merged) && everything {}
        let dropped = drop_old(shared, now);
        again.and(made).and(merged).and(dropped)
    }
}

/// Removes files that a reader found damaged, when their blocks are still there.
fn discard_damaged(shared: &Shared) -> Result<(), StoreError> {
    let raw = shared.blocks.days();
    for tier in Tier::ALL {
        for day in raw.iter().filter(|day| shared.rollups.days(tier).contains(day)) {
            let runs = shared.rollups.runs(tier, *day);
            let damaged: Vec<Arc<Run>> = runs.iter().filter(|run| run.is_damaged()).cloned().collect();
            if !damaged.is_empty() {
                shared.rollups.remove(shared.disk.as_ref(), &damaged)?;
            }
        }
    }
    Ok(())
}

/// Rolls up one slice of blocks, if one is due. Whether there may be more.
fn make_due(
    shared: &Shared,
    work: &mut Work,
    now: Timestamp,
    everything: bool,
    outcome: &mut Result<(), StoreError>,
) -> bool {
    let sealed = shared.counters.sealed_blocks.load(Ordering::Relaxed);
    let many = sealed.saturating_sub(work.sealed) >= SLICE_BLOCKS as u64;
    let days = shared.blocks.days();
    work.waiting.retain(|day, _| days.contains(day));
    for day in days {
        let end = shared.blocks.end_of(day).unwrap_or(0);
        let from = Tier::ALL.map(|tier| covered(&shared.rollups.runs(tier, day)));
        let from = from.into_iter().min().unwrap_or(0);
        if from >= end {
            work.waiting.remove(&day);
            continue;
        }
        let since = *work.waiting.entry(day).or_insert(now);
        if !(everything || many || now.since(since) >= WAIT_MAX) {
            continue;
        }
        let slice = match make::slice(shared, day, from, end) {
            Ok(slice) => slice,
            Err(error) => {
                *outcome = Err(StoreError::write("list the blocks of", &shared.config.dir)(error));
                return false;
            }
        };
        match make::make(shared, day, &slice) {
            Ok(runs) => make::publish(shared, runs),
            Err(error) => *outcome = Err(error),
        }
        work.sealed = work.sealed.max(sealed.saturating_sub(SLICE_BLOCKS as u64)) + slice.blocks.len() as u64;
        return outcome.is_ok();
    }
    false
}

/// Does some steps of a merge, begun when one is due. Whether there may be more.
fn merge_due(
    shared: &Shared,
    work: &mut Work,
    now: Timestamp,
    everything: bool,
    outcome: &mut Result<(), StoreError>,
) -> bool {
    if work.merge.is_none() {
        let Some((key, inputs)) = next_merge(shared, work, now, everything) else {
            return false;
        };
        work.merged.insert(key, now);
        match merge::begin(shared, inputs) {
            Ok(begun) => work.merge = begun,
            Err(error) => {
                *outcome = Err(error);
                return false;
            }
        }
    }
    for _ in 0..STEPS {
        let Some(merge) = work.merge.take() else { break };
        match merge::step(shared, merge) {
            Ok(Step::More(merge)) => work.merge = Some(merge),
            Ok(Step::Done(run, inputs)) => *outcome = replace(shared, run, &inputs),
            Err(error) => *outcome = Err(error),
        }
    }
    outcome.is_ok()
}

/// Puts a merged file in the place of those it was made of, unless one of them went away meanwhile.
fn replace(shared: &Shared, run: Run, inputs: &[Arc<Run>]) -> Result<(), StoreError> {
    let known: Runs = shared.rollups.runs(run.name.tier, run.name.day);
    let there = |input: &Arc<Run>| !input.is_damaged() && known.iter().any(|run| Arc::ptr_eq(run, input));
    if !inputs.iter().all(there) {
        return shared
            .disk
            .unlink(&run.path)
            .map_err(StoreError::write("remove", &run.path));
    }
    shared.rollups.publish(inputs, Arc::new(run));
    shared.rollups.remove(shared.disk.as_ref(), inputs)
}

type Merging = ((Tier, ClassDay), Vec<Arc<Run>>);

fn next_merge(shared: &Shared, work: &Work, now: Timestamp, everything: bool) -> Option<Merging> {
    for tier in Tier::ALL {
        for day in shared.rollups.days(tier) {
            let runs = shared.rollups.runs(tier, day);
            if runs.iter().any(|run| run.is_damaged()) {
                continue;
            }
            let over = Timestamp::from_millis(day.day.saturating_add(DAY_MS)).plus(DAY_OVER) <= now;
            let before = work.merged.get(&(tier, day));
            let patient = before.is_none_or(|before| now.since(*before) >= MERGE_AGAIN);
            let whole_day = over && (patient || everything) && shared.blocks.end_of(day).unwrap_or(0) <= covered(&runs);
            if let Some(inputs) = merge::due(&runs, whole_day) {
                return Some(((tier, day), inputs));
            }
        }
    }
    None
}

/// Drops what is too old, and when room is still wanted after all raw days but today's went, the oldest of the finest.
fn drop_old(shared: &Shared, now: Timestamp) -> Result<(), StoreError> {
    for tier in Tier::ALL {
        for day in shared.rollups.days(tier) {
            let kept = shared.config.retention_of(day.class);
            let end = Timestamp::from_millis(day.day.saturating_add(DAY_MS));
            if kept.is_some_and(|kept| end.plus(kept.of(tier)) <= now) {
                drop_day(shared, tier, day)?;
            }
        }
    }
    make_room(shared, now)
}

fn make_room(shared: &Shared, now: Timestamp) -> Result<(), StoreError> {
    let over = |day: &ClassDay| day.day.saturating_add(DAY_MS) <= now.as_millis();
    while shared.counters.space_low.load(Ordering::Relaxed) && !shared.blocks.days().first().is_some_and(over) {
        let space = shared.disk.space(&shared.config.dir);
        let space = space.map_err(StoreError::write("read the free space of", &shared.config.dir))?;
        let oldest = Tier::ALL.into_iter().find_map(|tier| {
            let day = shared.rollups.days(tier).first().copied().filter(over)?;
            Some((tier, day))
        });
        let Some((tier, day)) = oldest.filter(|_| is_low(space, &shared.config)) else {
            break;
        };
        tracing::error!(day = %Timestamp::from_millis(day.day), class = %day.class, ?tier, free_bytes = space.free_bytes, "little space is left: dropping the oldest rollups");
        drop_day(shared, tier, day)?;
        shared.counters.days_dropped_for_space.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn drop_day(shared: &Shared, tier: Tier, day: ClassDay) -> Result<(), StoreError> {
    let runs = shared.rollups.runs(tier, day);
    shared.rollups.remove(shared.disk.as_ref(), &runs)
}
