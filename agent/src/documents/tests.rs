//! Documents on disk: what is kept, what is let go, and in which order.

use super::{COUNT_MAX, Store, VERSIONS_MAX};
use crate::surveys::Document;
use std::{collections::BTreeMap, fs, path::Path};
use tocsin_vocabulary::{HostId, IdSource, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn document(kind: &'static str, name: &str, text: &str) -> Document {
    Document {
        kind,
        name: name.to_owned(),
        media: "text/plain",
        bytes: text.as_bytes().to_vec(),
        attributes: BTreeMap::new(),
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, None).unwrap()
}

fn numbers(store: &Store) -> Vec<u64> {
    store.versions().iter().map(|version| version.number).collect()
}

#[test]
fn only_what_changed_is_a_version_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert!(store.put(vec![document("file", "/etc/hosts", "one")], NOW));
    assert!(!store.put(vec![document("file", "/etc/hosts", "one")], NOW));
    store.acked(1);
    drop(store);
    let mut store = open(dir.path());
    assert!(!store.put(vec![document("file", "/etc/hosts", "one")], NOW));
    assert!(store.put(vec![document("file", "/etc/hosts", "two")], NOW));
    assert_eq!(numbers(&store), [2], "what is acknowledged and superseded is let go");
    let hash = store.versions()[0].hash.clone();
    assert_eq!(store.read(&hash).unwrap(), b"two");
}

#[test]
fn versions_that_no_collector_has_are_kept_up_to_a_bound_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for i in 0..VERSIONS_MAX + 3 {
        store.put(vec![document("file", "/etc/hosts", &i.to_string())], NOW);
    }
    assert_eq!(store.versions().len(), VERSIONS_MAX);
    assert_eq!((store.dropped, numbers(&store)[0]), (3, 4));
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, VERSIONS_MAX + 1, "contents that nothing names are removed");
}

#[test]
fn all_documents_together_are_bounded_and_what_is_superseded_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let names: Vec<String> = (0..COUNT_MAX - 1).map(|i| i.to_string()).collect();
    store.put(names.iter().map(|name| document("file", name, "same")).collect(), NOW);
    store.put(vec![document("file", "0", "other")], NOW);
    assert_eq!(store.dropped, 0);
    store.put(vec![document("file", "x", "new")], NOW);
    assert_eq!((store.versions().len(), store.dropped), (COUNT_MAX, 1));
    assert_eq!(numbers(&store)[0], 2, "the first version of `0`");
}

#[test]
fn a_diagnosis_is_not_kept_once_a_collector_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.put(vec![document("diagnosis", "a", "top")], NOW);
    store.acked(1);
    assert_eq!(numbers(&store), [0; 0]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_content_is_given_up_and_comes_again_when_it_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.put(vec![document("file", "/etc/hosts", "one")], NOW);
    let hash = store.versions()[0].hash.clone();
    fs::write(dir.path().join(&hash), "bad").unwrap();
    assert_eq!(store.read(&hash), None);
    assert_eq!(
        store.read("../../etc/shadow"),
        None,
        "only what the index names is read"
    );
    assert!(store.put(vec![document("file", "/etc/hosts", "one")], NOW));
    assert_eq!(store.read(&hash).unwrap(), b"one");
}

#[test]
fn another_host_begins_anew_and_a_lost_index_costs_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = IdSource::new(1);
    let (one, two) = (HostId::next(&mut ids, NOW), HostId::next(&mut ids, NOW));
    let mut store = Store::open(dir.path(), Some(one)).unwrap();
    store.put(vec![document("file", "/etc/hosts", "one")], NOW);
    assert_eq!(Store::open(dir.path(), Some(one)).unwrap().versions().len(), 1);
    assert_eq!(Store::open(dir.path(), Some(two)).unwrap().versions().len(), 0);
    fs::write(dir.path().join("index.json"), "{").unwrap();
    assert!(open(dir.path()).put(vec![document("file", "/etc/hosts", "one")], NOW));
}
