//! The crash suite proves itself: on a disk that breaks one promise it must find something broken.

use super::{cut, played, script::Script, try_all};
use crate::disk::{Lie, Operation};
use std::sync::Arc;

/// Cut points of a script; as many scripts are tried as it takes.
const CUTS: usize = 10;
/// Each of these takes one kind of sync away, or its order.
const LIES: [&str; 7] = [
    "fdatasync:journal/",
    "fdatasync:blocks/",
    "fdatasync:dictionaries.log",
    "fsync-folder:journal",
    "fsync-folder:blocks",
    "fsync-folder:store",
    "rename-first",
];

#[test]
fn the_suite_fails_on_a_disk_that_lies() {
    for text in LIES {
        let lie: Lie = text.parse().unwrap();
        let noticed = |script| {
            let tried = try_all(
                script..script + 1,
                Some(CUTS),
                std::slice::from_ref(&lie),
                |_| true,
                cut,
            );
            !tried.failed.is_empty()
        };
        assert!((0..50).any(noticed), "nobody noticed {text}");
    }
    assert!("fdatasync".parse::<Lie>().is_err());
}

/// One sync of all that a script makes is left out; the power goes soon after it.
fn notices_without_sync(script: &Arc<Script>, number: u64, at: u64) -> bool {
    let lie = [Lie::OneSync(number)];
    (at + 1..at + 7).any(|later| cut(script, later, &lie).is_err())
}

#[test]
fn the_suite_fails_when_one_sync_of_the_journal_is_left_out() {
    let script = Arc::new(Script::new(3));
    let history = played(&script).0.history();
    let syncs = (0_u64..)
        .zip(&history)
        .filter(|(_, (operation, _))| *operation == Operation::Sync);
    let in_journal = (0_u64..)
        .zip(syncs)
        .filter(|(_, (_, (_, path)))| path.starts_with("/store/journal"));
    let tried: Vec<bool> = in_journal
        .step_by(15)
        .map(|(number, (at, _))| notices_without_sync(&script, number, at))
        .collect();
    let noticed = tried.iter().filter(|noticed| **noticed).count();
    println!("one sync left out: {noticed} of {} noticed", tried.len());
    // Some sync nothing that was promised: watermarks, and ticks that were held already.
    assert!(
        tried.len() > 5 && noticed * 2 > tried.len(),
        "{noticed} of {}",
        tried.len()
    );
}
