//! What a backup promises: everything acknowledged before it, whatever goes on meanwhile, and no silent damage.

use super::world::{Agent, config, learn, open, stored, tick};
use crate::{
    Disk, FaultDisk, RealDisk, Store, StoreConfig,
    backup::{BackupError, MANIFEST, Manifest, Progress, restore, snapshot_closed},
    verify::{Verified, verify_backup, verify_closed},
};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tocsin_vocabulary::HostId;

const STORE: &str = "/store";
const BACKUP: &str = "/backup";
const AGAIN: &str = "/again";

fn quiet(_: Progress) -> bool {
    true
}

fn at(dir: impl Into<std::path::PathBuf>) -> StoreConfig {
    StoreConfig {
        dir: dir.into(),
        ..config()
    }
}

fn check(disk: &FaultDisk) -> Result<Verified, BackupError> {
    verify_backup(disk, Path::new(BACKUP), &quiet)
}

/// A store with sealed blocks, an open hour: ticks 1 to 9, host 1.
fn filled(disk: &FaultDisk) -> (Store, Agent) {
    let store = open(disk);
    let dictionary = learn(&store).unwrap();
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    for seq in 1..=6 {
        agent.live(&store, seq, seq == 1).unwrap();
    }
    store.seal_everything(tick(6).time).unwrap();
    for seq in 7..=9 {
        agent.live(&store, seq, seq == 7).unwrap();
    }
    (store, agent)
}

fn restored_seqs(disk: &FaultDisk, host: HostId) -> BTreeSet<u64> {
    restore(disk, Path::new(BACKUP), Path::new(AGAIN), &quiet).unwrap();
    let store = Store::open(at(AGAIN), Arc::new(disk.clone())).unwrap();
    assert!(store.health().is_good(), "{:?}", store.health());
    let counts = stored(&store, host);
    assert!(counts.values().all(|count| *count == 1), "nothing is stored twice");
    counts.into_keys().map(|(_, seq)| seq).collect()
}

#[test]
fn a_backup_of_a_busy_store_holds_all_that_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let disk = Arc::new(RealDisk::new());
    let store = Arc::new(Store::open(at(path("store")), disk.clone()).unwrap());
    let dictionary = learn(&store).unwrap();
    let (acknowledged, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut agent = Agent::new(1, &dictionary);
    agent.connect(&store, 1);
    let appending = {
        let (store, acknowledged, enough) = (store.clone(), acknowledged.clone(), enough.clone());
        std::thread::spawn(move || {
            let mut seq = 0;
            while !enough.load(Ordering::Acquire) {
                seq += 1;
                agent.live(&store, seq, seq % 20 == 1).unwrap();
                acknowledged.store(seq, Ordering::Release);
            }
            (agent.host, seq)
        })
    };
    let wait = |count| {
        while acknowledged.load(Ordering::Acquire) < count {
            std::thread::yield_now();
        }
        acknowledged.load(Ordering::Acquire)
    };
    let before_sealing = wait(30);
    store.seal_everything(tick(before_sealing).time).unwrap();
    let before = wait(before_sealing + 30);
    let report = store.backup(&path("backup"), tick(before).time).unwrap();
    // The store goes on: linked files grow, hours are sealed into them.
    let after = wait(acknowledged.load(Ordering::Acquire) + 30);
    store.seal_everything(tick(after).time).unwrap();
    enough.store(true, Ordering::Release);
    let (host, last) = appending.join().unwrap();
    assert!(
        report.linked_files == report.files && report.copied_bytes == 0,
        "{report:?}"
    );
    assert!(last > before);

    let verified = verify_backup(disk.as_ref(), &path("backup"), &quiet).unwrap();
    assert!(verified.is_whole() && verified.blocks > 0, "{verified:?}");
    assert!(store.verify(&quiet).unwrap().is_whole());
    restore(disk.as_ref(), &path("backup"), &path("again"), &quiet).unwrap();
    let again = Store::open(at(path("again")), disk.clone()).unwrap();
    let counts = stored(&again, host);
    assert!(counts.values().all(|count| *count == 1));
    let seqs: BTreeSet<u64> = counts.into_keys().map(|(_, seq)| seq).collect();
    assert!((1..=before).all(|seq| seqs.contains(&seq)), "up to {before}: {seqs:?}");
    // What the restored store does leaves the backup alone.
    again.seal_everything(tick(last).time).unwrap();
    let verified = verify_backup(disk.as_ref(), &path("backup"), &quiet).unwrap();
    assert!(verified.is_whole(), "{verified:?}");
}

#[test]
fn where_links_are_refused_everything_is_copied() {
    let disk = FaultDisk::new();
    let (store, agent) = filled(&disk);
    disk.refuse_links();
    let report = store.backup(Path::new(BACKUP), tick(9).time).unwrap();
    assert_eq!((report.linked_files, report.copied_bytes), (0, report.bytes));
    assert!(check(&disk).unwrap().is_whole());
    assert_eq!(restored_seqs(&disk, agent.host), (1..=9).collect());
}

#[test]
fn a_store_that_nobody_has_open_is_copied_and_one_that_is_open_is_not() {
    let disk = FaultDisk::new();
    let (store, agent) = filled(&disk);
    let take = || {
        snapshot_closed(
            Arc::new(disk.clone()),
            Path::new(STORE),
            Path::new(BACKUP),
            tick(9).time,
        )
    };
    assert!(matches!(take(), Err(BackupError::InUse { .. })));
    assert!(verify_closed(&disk, Path::new(STORE), &quiet).is_err());
    drop(store);
    assert!(verify_closed(&disk, Path::new(STORE), &quiet).unwrap().is_whole());
    let snapshot = take().unwrap();
    assert!(
        Store::open(config(), Arc::new(disk.clone())).is_err(),
        "it is kept closed meanwhile"
    );
    assert_eq!(snapshot.finish(&quiet).unwrap().linked_files, 0);
    assert_eq!(restored_seqs(&disk, agent.host), (1..=9).collect());
}

#[test]
fn scratch_files_stay_behind_and_files_of_a_later_version_come_along() {
    let disk = FaultDisk::new();
    let (store, _) = filled(&disk);
    for name in [
        "head/0001.bin",
        "rollups/later/2025-11-22.roll",
        "blocks/2025-11-22.later",
        "a.new",
    ] {
        let file = disk.open(&Path::new(STORE).join(name), true).unwrap();
        file.append(b"something").unwrap();
    }
    store.backup(Path::new(BACKUP), tick(9).time).unwrap();
    let manifest = Manifest::read(&disk, Path::new(BACKUP)).unwrap();
    let has = |path: &str| manifest.entries.iter().any(|entry| entry.path == path);
    assert!(has("rollups/later/2025-11-22.roll") && has("blocks/2025-11-22.later") && has("FORMAT"));
    assert!(!has("head/0001.bin") && !has("lock") && !has("a.new"));
    let verified = check(&disk).unwrap();
    assert!(verified.is_whole() && verified.unknown_files == 2, "{verified:?}");
}

#[test]
fn a_backup_takes_an_empty_folder_outside_the_store_only() {
    let disk = FaultDisk::new();
    let (store, _) = filled(&disk);
    let inside = store.backup(&Path::new(STORE).join("backup"), tick(9).time);
    assert!(matches!(inside, Err(BackupError::Inside { .. })));
    disk.open(&Path::new(BACKUP).join("letter"), true).unwrap();
    let full = store.backup(Path::new(BACKUP), tick(9).time);
    assert!(matches!(full, Err(BackupError::NotEmpty { .. })));
    assert!(restore(&disk, Path::new(BACKUP), Path::new(AGAIN), &quiet).is_err());
}

#[test]
fn a_flipped_byte_anywhere_in_a_backup_is_found() {
    let disk = FaultDisk::new();
    let (store, _) = filled(&disk);
    store.backup(Path::new(BACKUP), tick(9).time).unwrap();
    drop(store);
    assert!(check(&disk).unwrap().is_whole());
    let files: Vec<_> = disk
        .paths()
        .into_iter()
        .filter(|path| path.starts_with(BACKUP))
        .collect();
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let name = path.strip_prefix(BACKUP).unwrap().to_str().unwrap();
        let length = disk.open(&path, false).unwrap().len().unwrap();
        let flip = |at: u64| disk.damage(&path, |bytes| bytes[usize::try_from(at).unwrap()] ^= 0x10);
        for at in 0..length {
            assert!(flip(at));
            match check(&disk) {
                Ok(found) => assert!(
                    found.damages.iter().any(|damage| damage.path == name),
                    "{name} byte {at}: {found:?}"
                ),
                Err(error) => assert!(
                    name == MANIFEST && error.to_string().contains(MANIFEST),
                    "{name}: {error}"
                ),
            }
            flip(at);
        }
    }
    assert!(check(&disk).unwrap().is_whole());
}

#[test]
fn a_power_cut_anywhere_in_a_backup_leaves_none_or_a_whole_one() {
    cut_anywhere(false);
}

#[test]
fn a_power_cut_anywhere_in_a_copying_backup_leaves_none_or_a_whole_one() {
    cut_anywhere(true);
}

fn cut_anywhere(copying: bool) {
    let begin = || {
        let disk = FaultDisk::new();
        let (store, agent) = filled(&disk);
        if copying {
            disk.refuse_links();
        }
        (disk, store, agent)
    };
    let (disk, store, agent) = begin();
    let first = disk.operations();
    store.backup(Path::new(BACKUP), tick(9).time).unwrap();
    let operations = disk.operations() - first;
    let (mut none, mut whole) = (0, 0);
    for cut in 0..=operations {
        let (disk, store, _) = begin();
        disk.cut_at(disk.operations() + cut);
        // The last thing that is done, to make the manifest's name durable, may fail after it reached the disk.
        assert_eq!(store.backup(Path::new(BACKUP), tick(9).time).is_ok(), cut == operations);
        for seed in 0..4 {
            let found = disk.restart(seed);
            match check(&found) {
                Ok(verified) => {
                    assert!(verified.is_whole(), "cut {cut} seed {seed}: {verified:?}");
                    assert_eq!(restored_seqs(&found, agent.host), (1..=9).collect());
                    whole += 1;
                }
                Err(BackupError::NoManifest { .. }) => {
                    assert!(restore(&found, Path::new(BACKUP), Path::new(AGAIN), &quiet).is_err());
                    none += 1;
                }
                Err(other) => panic!("cut {cut} seed {seed}: {other}"),
            }
        }
    }
    assert!(none > 0 && whole >= 4, "{none} {whole}");
}

#[test]
fn a_store_that_is_cut_off_and_started_again_does_not_spoil_its_backup() {
    let disk = FaultDisk::new();
    let (store, mut agent) = filled(&disk);
    store.backup(Path::new(BACKUP), tick(9).time).unwrap();
    agent.live(&store, 10, false).unwrap();
    disk.cut_at(disk.operations() + 1);
    let _ = agent.live(&store, 11, false);
    drop(store);
    for seed in 0..8 {
        let found = disk.restart(seed);
        let again = open(&found);
        again.seal_everything(tick(11).time).unwrap();
        assert!(check(&found).unwrap().is_whole(), "seed {seed}");
        drop(again);
        assert_eq!(restored_seqs(&found, agent.host), (1..=9).collect());
    }
}

#[test]
fn who_asked_may_stop_it() {
    let disk = FaultDisk::new();
    let (store, _) = filled(&disk);
    let snapshot = store.snapshot(Path::new(BACKUP), tick(9).time).unwrap();
    assert!(matches!(snapshot.finish(&|_| false), Err(BackupError::Stopped)));
    assert!(matches!(check(&disk), Err(BackupError::NoManifest { .. })));
    assert!(matches!(store.verify(&|_| false), Err(BackupError::Stopped)));
}

#[test]
fn damage_is_told_with_its_place_and_its_cost() {
    let disk = FaultDisk::new();
    let (store, agent) = filled(&disk);
    assert!(store.verify(&quiet).unwrap().is_whole());
    let day = Path::new(STORE).join("blocks/2025-11-22.blk");
    let mut length = 0;
    disk.damage(&day, |bytes| {
        length = bytes.len();
        *bytes.last_mut().unwrap() ^= 1;
    });
    let segment = Path::new(STORE).join("journal/0000000001.seg");
    let middle = store.shared().segment_lengths()[&1] / 2;
    disk.damage(&segment, |bytes| bytes[usize::try_from(middle).unwrap()] ^= 1);
    let found = store.verify(&quiet).unwrap();
    let told: Vec<String> = found.damages.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let host = format!("host {}", agent.host);
    assert!(told[0].starts_with("journal/0000000001.seg at byte "), "{told:?}");
    assert!(told[0].contains(&host), "{told:?}");
    assert!(told[1].starts_with("blocks/2025-11-22.blk at byte "), "{told:?}");
    assert!(
        told[1].contains(&format!(
            "{host}, the hour from 2025-11-22T00:00:00.000Z: level (host.part=a), sent (host.part=a), absent (host.part=a)"
        )),
        "{told:?}"
    );
    let offset = usize::try_from(found.damages[1].offset.unwrap()).unwrap();
    assert!(offset < length && offset > 0);

    // A header costs the whole block.
    disk.damage(&day, |bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes[60] ^= 1;
    });
    let found = store.verify(&quiet).unwrap();
    let block = found
        .damages
        .iter()
        .find(|damage| damage.path.starts_with("blocks/"))
        .unwrap();
    assert_eq!(block.offset, Some(0));
    assert!(block.cost.contains(&host), "{block}");
}

#[test]
fn a_write_that_was_cut_off_is_no_damage() {
    let disk = FaultDisk::new();
    let (store, _) = filled(&disk);
    drop(store);
    let segment = Path::new(STORE).join("journal/0000000001.seg");
    disk.damage(&segment, |bytes| bytes.truncate(bytes.len() - 5));
    let day = Path::new(STORE).join("blocks/2025-11-22.blk");
    disk.damage(&day, |bytes| bytes.truncate(bytes.len() - 5));
    let found = verify_closed(&disk, Path::new(STORE), &quiet).unwrap();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!(found.unfinished.len(), 2, "{found:?}");
    assert!(open(&disk).verify(&quiet).unwrap().is_whole());
}
