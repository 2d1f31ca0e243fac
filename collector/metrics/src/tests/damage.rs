//! One flipped byte, or a lost end, at every place of every file of a store.
//!
//! The folder is walked, so a new kind of file is damaged too, without a word here. What may be lost depends on where
//! the damage is:
//!
//! * journal: ticks of one host up to its next key-frame, or one chunk; they are missing in the holdings, so that the
//!   agent sends them again, and then all is there;
//! * blocks: one block, or one of its columns;
//! * dictionaries: nothing once agents have offered theirs again, as each does when it connects;
//! * anything else: nothing, for it can be made again.
//!
//! The store always starts, and [`crate::Health`] shows the damage. A lost end is invisible where it is cut between
//! two records; only there. By itself a test run tries some places; all of them, in all files (minutes):
//!
//! ```text
//! TOCSIN_CRASH_SEEDS=30 cargo test --release -p tocsin-metrics --lib damage -- --nocapture
//! ```

mod look;

use super::crash::{
    check::{Verdict, check_contents, points, start},
    fleet::Fleet,
    full, in_parallel,
    script::{KEY_EVERY, Script},
};
use crate::{FaultDisk, Store, disk::Random};
use look::Look;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Places tried in each file when not all are.
const PLACES: usize = 24;
/// Of how many places one is also refilled when all are tried.
const REFILL_EVERY: usize = 16;

/// A store with a journal of 64 KiB beside sealed hours, left alone.
struct Whole {
    disk: FaultDisk,
    fleet: Fleet,
    look: Look,
}

impl Whole {
    fn new() -> Self {
        let script = Arc::new(Script::steady());
        let disk = FaultDisk::new();
        let mut fleet = Fleet::new(&script);
        fleet.play(&disk);
        let store = start(&disk).unwrap();
        check_contents(&store, &fleet, true).unwrap();
        let look = Look::new(&store, &fleet).unwrap();
        drop(store);
        let whole = Self { disk, fleet, look };
        let sizes = whole.files().into_iter().map(|path| whole.size(&path));
        assert!(sizes.max().is_some_and(|size| size >= 64 << 10), "a journal of 64 KiB");
        whole
    }

    fn size(&self, path: &Path) -> usize {
        let mut size = 0;
        assert!(self.disk.damage(path, |bytes| size = bytes.len()));
        size
    }

    fn files(&self) -> Vec<PathBuf> {
        let used = |path: &PathBuf| self.size(path) > 0;
        self.disk.paths().into_iter().filter(used).collect()
    }
}

/// What a file is, by its place in the store's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Journal,
    Blocks,
    Dictionaries,
    Format,
    Other,
}

impl Part {
    fn of(path: &Path) -> Self {
        let inside = path.strip_prefix("/store").unwrap();
        match inside.components().next().unwrap().as_os_str().to_str().unwrap() {
            "journal" => Self::Journal,
            "blocks" => Self::Blocks,
            "dictionaries.log" => Self::Dictionaries,
            "FORMAT" => Self::Format,
            _ => Self::Other,
        }
    }
}

fn claim(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

/// Whether the store says that something is wrong.
fn alarmed(store: &Store) -> bool {
    let health = store.health();
    health.quarantined_records + health.torn_bytes + health.undecodable_ticks + health.damaged_blocks > 0
}

/// What one damage did.
struct Found {
    lost: usize,
    alarmed: bool,
}

/// Opens a damaged copy, judges what is missing by `bound`, and has it sent again when `refill`.
fn examine(
    whole: &Whole,
    path: &Path,
    refill: bool,
    change: impl FnOnce(&mut Vec<u8>),
    bound: impl FnOnce(&Whole, &Look) -> Verdict,
) -> Result<Found, String> {
    let disk = whole.disk.copy();
    disk.damage(path, change);
    let part = Part::of(path);
    let store = match start(&disk) {
        // A version that is not ours is refused: nothing is lost by it.
        Err(error) if part == Part::Format && error.contains("newer") => return Ok(Found { lost: 0, alarmed: true }),
        other => other?,
    };
    let look = Look::new(&store, &whole.fleet)?;
    bound(whole, &look)?;
    if part == Part::Blocks {
        // A damaged column is noticed by who asks for it.
        for life in &whole.fleet.script.lives {
            points(&store, life.host, "absent")?;
            points(&store, life.host, "more")?;
        }
    }
    let found = Found {
        lost: whole.look.count() - look.count(),
        alarmed: alarmed(&store),
    };
    if refill {
        let mut fleet = whole.fleet.clone();
        fleet.refill(&store)?;
        let after = Look::new(&store, &fleet)?;
        if part == Part::Blocks {
            claim(after.count() >= look.count(), || {
                "sending again makes it worse".to_owned()
            })?;
        } else {
            claim(after == whole.look, || {
                format!("not all is refilled: {:?}", whole.look.missing_in(&after))
            })?;
        }
        fleet.keep_house(&store, fleet.script.end, true);
        drop(store);
        let again = Look::new(&start(&disk)?, &fleet)?;
        claim(again == after, || format!("lost later: {:?}", after.missing_in(&again)))?;
    }
    Ok(found)
}

/// What one flipped byte may cost.
fn flip_bound(part: Part, whole: &Whole, look: &Look) -> Verdict {
    let missing = whole.look.missing_in(look);
    let hit: BTreeSet<usize> = missing
        .iter()
        .filter(|(_, seqs)| !seqs.is_empty())
        .map(|((life, _), _)| *life)
        .collect();
    match part {
        Part::Dictionaries => Ok(()),
        Part::Format | Part::Other => claim(hit.is_empty(), || format!("{missing:?} is missing")),
        Part::Journal | Part::Blocks => {
            claim(hit.len() <= 1, || format!("several hosts are hit: {missing:?}"))?;
            let seqs: Vec<&BTreeSet<u64>> = missing.values().filter(|seqs| !seqs.is_empty()).collect();
            let Some(first) = seqs.first() else { return Ok(()) };
            claim(seqs.iter().all(|seqs| seqs == first), || {
                format!("columns lose different ticks: {missing:?}")
            })?;
            let life = &whole.fleet.script.lives[*hit.first().unwrap()];
            if part == Part::Blocks {
                return claim(life.is_one_block(first), || {
                    format!("more than a block is gone: {missing:?}")
                });
            }
            claim(seqs.len() == 2, || {
                format!("a tick of the journal is there in part: {missing:?}")
            })?;
            let keys = first.iter().skip(1).filter(|seq| seq.is_multiple_of(KEY_EVERY)).count();
            let chunk = whole.fleet.script.has_chunk(first);
            claim(chunk || keys == 0, || format!("lost beyond a key-frame: {missing:?}"))?;
            let held = look.held(*hit.first().unwrap(), first);
            claim(!held, || format!("{first:?} is lost, and held all the same"))
        }
    }
}

/// The places of a file of this size that are tried.
fn places(size: usize, seed: u64) -> Vec<usize> {
    let few = full().is_none();
    let stride = if few { (size / PLACES).max(1) | 1 } else { 1 };
    let offset = Random::new(seed).within(0, stride - 1);
    (offset..size).step_by(stride).collect()
}

/// Tries places of all files, and says how many there were.
fn everywhere(what: &str, trial: impl Fn(&Whole, &Path, usize, bool) -> Verdict + Sync) {
    let whole = Whole::new();
    let mut tried = 0;
    let failed = Mutex::new(Vec::new());
    for (number, path) in whole.files().into_iter().enumerate() {
        let places = places(whole.size(&path), number as u64);
        tried += places.len();
        in_parallel(&places, |index, &at| {
            let refill = full().is_none() || index.is_multiple_of(REFILL_EVERY);
            if let Err(error) = trial(&whole, &path, at, refill) {
                failed
                    .lock()
                    .unwrap()
                    .push(format!("{} at {at}: {error}", path.display()));
            }
        });
    }
    let failed = failed.into_inner().unwrap();
    println!("{what}: {tried} places, {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "{} of {tried} failed\n{}",
        failed.len(),
        failed[..failed.len().min(5)].join("\n")
    );
}

#[test]
fn one_flipped_byte_costs_no_more_than_it_must_and_is_noticed() {
    everywhere("flipped bytes", |whole, path, at, refill| {
        let flip = u8::try_from(Random::new(at as u64).within(1, 255)).unwrap();
        let part = Part::of(path);
        let bound = |whole: &Whole, look: &Look| flip_bound(part, whole, look);
        let found = examine(whole, path, refill, |bytes| bytes[at] ^= flip, bound)?;
        let silent = !found.alarmed && matches!(part, Part::Journal | Part::Blocks | Part::Dictionaries);
        claim(!silent, || format!("{} values are lost and nobody is told", found.lost))
    });
}

#[test]
fn a_lost_end_costs_the_end_alone_and_is_noticed() {
    // What a file of this length kept, and whether that was told.
    let kept = Mutex::new(std::collections::BTreeMap::new());
    everywhere("lost ends", |whole, path, at, refill| {
        let found = examine(whole, path, refill, |bytes| bytes.truncate(at), |_, _| Ok(()))?;
        kept.lock().unwrap().insert((path.to_owned(), at), found);
        Ok(())
    });
    let kept = kept.into_inner().unwrap();
    let mut before: Option<(&Path, usize)> = None;
    let mut silent = 0;
    for ((path, at), found) in &kept {
        if let Some((_, lost)) = before.filter(|(before, _)| before == path) {
            assert!(
                found.lost <= lost,
                "{} cut at {at} loses more than cut before it",
                path.display()
            );
        }
        before = Some((path, found.lost));
        silent += usize::from(found.lost > 0 && !found.alarmed);
    }
    // Between two records, and nowhere else, a lost end can't be told from one that was never written.
    assert!(
        silent * 20 <= kept.len(),
        "{silent} of {} lost ends were not noticed",
        kept.len()
    );
}
