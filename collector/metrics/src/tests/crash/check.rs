//! What must hold of a store that was found after a cut.

use super::{
    fleet::Fleet,
    script::{Life, classes, config, kept},
};
use crate::{Aggregate, FaultDisk, Query, Store, disk::Random};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use tocsin_vocabulary::{HostId, Timestamp};

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// What broke, or nothing.
pub(crate) type Verdict = Result<(), String>;

fn broken(claim: bool, what: impl FnOnce() -> String) -> Verdict {
    if claim { Err(what()) } else { Ok(()) }
}

/// Opens the store; that it opens is the first promise.
pub(crate) fn start(disk: &FaultDisk) -> Result<Store, String> {
    let store = Store::open(config(), Arc::new(disk.clone()));
    let store = store.map_err(|error| format!("the store does not start: {error}"))?;
    store.set_classes(classes(true));
    Ok(store)
}

/// All that `metric` shows of a host.
pub(crate) fn points(store: &Store, host: HostId, metric: &str) -> Result<BTreeMap<Timestamp, f64>, String> {
    let query = Query {
        hosts: vec![host],
        aggregate: Some(Aggregate::Last),
        ..Query::new(
            metric,
            Timestamp::from_millis(super::script::START_MS),
            Timestamp::from_millis(super::script::START_MS + 14 * DAY_MS),
        )
    };
    let result = store.query(&query).map_err(|error| format!("a query fails: {error}"))?;
    let series = result.series.into_iter().flat_map(|series| series.points);
    Ok(series.filter_map(|(time, value)| Some((time, value?))).collect())
}

/// Whether a day file with this tick may have been dropped already.
fn may_be_dropped(fleet: &Fleet, life: &Life, seq: u64) -> bool {
    let day = life.sampled(seq).time.as_millis().div_euclid(DAY_MS) * DAY_MS;
    day + DAY_MS < fleet.kept_house.minus(kept(life.host)).as_millis()
}

/// For each life the numbers of the ticks that the store shows, each with the right values and no stranger among them.
fn shown(store: &Store, fleet: &Fleet) -> Result<Vec<BTreeSet<u64>>, String> {
    let lives = &fleet.script.lives;
    let mut shown = vec![BTreeSet::new(); lives.len()];
    for host in lives.iter().map(|life| life.host).collect::<BTreeSet<_>>() {
        let mut level = points(store, host, "level")?;
        let mut sent = points(store, host, "sent")?;
        for (life, shown) in lives.iter().zip(&mut shown).filter(|(life, _)| life.host == host) {
            for seq in 1..=life.last() {
                let time = life.sampled(seq).time;
                match (level.remove(&time), sent.remove(&time)) {
                    (None, None) => {}
                    (Some(level), Some(sent)) if (level, sent) == (life.level(seq), life.sent(seq)) => {
                        shown.insert(seq);
                    }
                    other => return Err(format!("tick {seq} of {} shows {other:?}", life.spool)),
                }
            }
        }
        let stranger = level.keys().chain(sent.keys()).next();
        broken(stranger.is_some(), || {
            format!("{host} shows a value at {stranger:?} that it never took")
        })?;
    }
    Ok(shown)
}

/// What was promised is held and shown; what is shown is held; what is held is shown. With `complete`, all of it.
pub(crate) fn check_contents(store: &Store, fleet: &Fleet, complete: bool) -> Verdict {
    let shown = shown(store, fleet)?;
    for ((life, heard), shown) in fleet.script.lives.iter().zip(&fleet.heard).zip(shown) {
        let ranges = store.holdings(life.host, life.spool).received;
        for seq in 1..=life.last() {
            let held = ranges.iter().any(|&(first, last)| (first..=last).contains(&seq));
            let promised = complete || seq <= heard.sealed || heard.received.contains(&seq);
            // What retention took may be forgotten; its agent knows that it was sealed.
            let gone = may_be_dropped(fleet, life, seq);
            let named = || format!("tick {seq} of {}", life.spool);
            broken(promised && !held && !gone, || {
                format!("{} was promised and is not held", named())
            })?;
            broken(shown.contains(&seq) && !held, || {
                format!("{} is shown and not held", named())
            })?;
            let excused = life.lost.contains(&seq) || gone;
            broken(held && !excused && !shown.contains(&seq), || {
                format!("{} is held and not shown (promised: {promised})", named())
            })?;
        }
        let stranger = ranges.iter().any(|&(_, last)| last > life.last());
        broken(stranger, || {
            format!("{} holds ticks that never were: {ranges:?}", life.spool)
        })?;
    }
    Ok(())
}

/// What was called sealed must not need the journal. Returns how many ticks blocks alone show.
fn check_blocks_alone(disk: &FaultDisk, fleet: &Fleet) -> Result<usize, String> {
    let disk = disk.copy();
    disk.forget_folder(Path::new("/store/journal"));
    disk.forget_folder(Path::new("/store/head"));
    let store = start(&disk)?;
    let mut ticks = 0;
    let shown = shown(&store, fleet)?;
    for ((life, heard), shown) in fleet.script.lives.iter().zip(&fleet.heard).zip(shown) {
        ticks += shown.len();
        for seq in 1..=heard.sealed {
            let excused = life.lost.contains(&seq) || may_be_dropped(fleet, life, seq);
            broken(!excused && !shown.contains(&seq), || {
                format!("tick {seq} of {} was called sealed and is not in a block", life.spool)
            })?;
        }
    }
    Ok(ticks)
}

fn ticks_shown(store: &Store, fleet: &Fleet) -> Result<usize, String> {
    Ok(shown(store, fleet)?.iter().map(BTreeSet::len).sum())
}

fn sealed_ticks(store: &Store) -> u64 {
    let counters = store.counters();
    let sealed = counters
        .iter()
        .find(|counter| counter.name == "store_sealed_ticks_total");
    sealed.map_or(0, |counter| counter.value)
}

/// Everything that must hold of a disk that was found; `seed` decides whether it is cut once more.
pub(crate) fn check(found: &FaultDisk, fleet: &Fleet, seed: u64) -> Verdict {
    let mut fleet = fleet.clone();
    let mut random = Random::new(seed);
    broken(!found.half_replaced().is_empty(), || {
        format!("{:?} was renamed before it was synced", found.half_replaced())
    })?;
    let mut disk = found.copy();
    if random.one_in(3) {
        disk.cut_at(random.within(0, 40) as u64);
        if let Some(store) = super::fleet::open(&disk, true) {
            // The second cut may come while things are sent again, too.
            let _ = fleet.refill(&store);
        }
        disk = disk.restart(random.next());
    }
    let at = |stage: &'static str| move |what| format!("{stage}: {what}");
    let store = start(&disk)?;
    check_contents(&store, &fleet, false).map_err(at("as found"))?;
    drop(store);
    let in_blocks = check_blocks_alone(&disk, &fleet).map_err(at("without its journal"))?;
    let store = start(&disk)?;
    let all = ticks_shown(&store, &fleet)?;
    fleet.keep_house(&store, fleet.kept_house, true);
    let sealed = sealed_ticks(&store);
    broken(sealed != (all - in_blocks) as u64, || {
        format!("{all} ticks are held and {in_blocks} in blocks, yet {sealed} are sealed: some are stored twice")
    })?;
    fleet.refill(&store)?;
    check_contents(&store, &fleet, true).map_err(at("when all was sent again"))?;
    fleet.keep_house(&store, fleet.script.end, true);
    check_contents(&store, &fleet, true).map_err(at("when all was sealed"))?;
    let mut lives = fleet.script.lives.iter();
    let open = lives.find(|life| store.holdings(life.host, life.spool).sealed_seq != life.last());
    broken(open.is_some(), || {
        format!("{:?} is not sealed as a whole", open.map(|life| life.spool))
    })?;
    drop(store);
    check_contents(&start(&disk)?, &fleet, true).map_err(at("in the end"))
}
