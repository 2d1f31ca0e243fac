//! A disk that is full for a while, and syncs that fail.

use super::{
    FAILURES, Tried,
    check::{Verdict, check, check_contents, start},
    fleet::Fleet,
    script::Script,
};
use crate::{
    FaultDisk, Store, StoreError,
    disk::{Lie, Operation},
};
use std::{io, sync::Arc};

/// How many operations a full disk refuses, or takes, before there is room.
const FULL_FOR: u64 = 40;

fn lying(lies: &[Lie]) -> FaultDisk {
    let disk = FaultDisk::new();
    lies.iter().cloned().for_each(|lie| disk.lie(lie));
    disk
}

/// After the trouble the same process goes on by itself, and what a cut leaves is right, before and after that.
fn resumes(disk: &FaultDisk, store: Option<Store>, mut fleet: Fleet, at: u64) -> Verdict {
    check(&disk.restart(at), &fleet, at).map_err(|what| format!("after a cut: {what}"))?;
    let store = store.map_or_else(|| start(disk), Ok)?;
    if store.health().poisoned {
        return Err("a full disk is no reason to stop".to_owned());
    }
    fleet.refill(&store)?;
    let end = fleet.script.end;
    fleet.keep_house(&store, end, true);
    check_contents(&store, &fleet, true)?;
    drop(store);
    check(&disk.restart(at + 1), &fleet, at + 1).map_err(|what| format!("in the end: {what}"))
}

/// No room from this operation on; then there is room, and the script goes on.
fn fills_up(script: &Arc<Script>, at: u64, lies: &[Lie]) -> Verdict {
    let disk = lying(lies);
    disk.fill_at(at);
    let mut fleet = Fleet::new(script);
    let store = fleet.play_until_room(&disk, at + FULL_FOR);
    resumes(&disk, store, fleet, at)
}

/// One write finds no room, the next one does.
fn one_write_fails(script: &Arc<Script>, at: u64, lies: &[Lie]) -> Verdict {
    let disk = lying(lies);
    disk.fail_at(at, io::ErrorKind::StorageFull);
    let mut fleet = Fleet::new(script);
    let store = fleet.play_until_room(&disk, 0);
    resumes(&disk, store, fleet, at)
}

/// Whether this file can be made again from others: nothing promised depends on its sync.
fn is_derived(disk: &FaultDisk, at: u64) -> bool {
    let history = disk.history();
    let operation = history.get(usize::try_from(at).unwrap());
    operation
        .is_some_and(|(_, path)| path.to_string_lossy().ends_with(".index.new") || path.starts_with("/store/rollups"))
}

/// A sync fails: from then on this process promises nothing. That of a file which is made from others is told, and the
/// file is written anew.
fn a_sync_fails(script: &Arc<Script>, at: u64, lies: &[Lie]) -> Verdict {
    let disk = lying(lies);
    disk.fail_at(at, io::ErrorKind::Other);
    let mut fleet = Fleet::new(script);
    // Where it fails while the store opens, there is none; whoever starts the collector again tries again.
    if let Some(store) = fleet.play_until_poisoned(&disk).filter(|store| store.health().poisoned) {
        let before = fleet.heard.clone();
        let refused = fleet.refill(&store).is_err();
        if !refused || fleet.heard != before || store.health().is_good() {
            return Err("a sync failed, and the store goes on".to_owned());
        }
    } else if fleet.failed_opens == 0 && !(is_derived(&disk, at) && fleet.failed_upkeep > 0) {
        return Err("a sync failed, and nobody noticed".to_owned());
    }
    check(&disk.restart(at), &fleet, at)?;
    check(&disk.restart(at + 1), &fleet, at + 1)
}

const fn writes(operation: Operation) -> bool {
    matches!(operation, Operation::Write | Operation::Create)
}

#[test]
fn a_full_disk_loses_nothing_and_is_used_again_when_there_is_room() {
    Tried::asked("full from a write on", FAILURES, writes, fills_up);
}

#[test]
fn one_write_without_room_loses_nothing() {
    Tried::asked("one write without room", FAILURES, writes, one_write_fails);
}

#[test]
fn after_a_failed_sync_nothing_is_promised_and_what_was_promised_is_there() {
    Tried::asked(
        "failed syncs",
        FAILURES,
        |operation| operation == Operation::Sync,
        a_sync_fails,
    );
}

#[test]
fn a_poisoned_store_says_so_and_refuses() {
    let script = Arc::new(Script::new(1));
    let disk = FaultDisk::new();
    let mut fleet = Fleet::new(&script);
    let store = start(&disk).unwrap();
    super::script::Dictionaries::learn(&store).unwrap();
    disk.fail(Operation::Sync, io::ErrorKind::Other, 1);
    assert!(fleet.refill(&store).is_err());
    assert!(store.health().poisoned && !store.health().is_good());
    // Syncs would succeed again; that proves nothing.
    assert!(fleet.refill(&store).unwrap_err().contains("a sync to disk failed"));
    assert!(matches!(store.seal_everything(script.end), Err(StoreError::Poisoned)));
    assert!(fleet.heard.iter().all(|heard| heard.received.is_empty()));
}
