//! Stores written by earlier builds stay readable: one folder of `fixtures` for each format.
//!
//! All of them tell the same story ([`write_story`]), so that one test reads them all. When the format changes, add a
//! folder with the build that changes it and leave the old ones alone:
//! `TOCSIN_WRITE_FIXTURE=1 cargo test -p tocsin-metrics --lib formats`.

use super::world::{Agent, config, learn, level, stored, tick};
use crate::{Aggregate, Query, RealDisk, RetentionClass, Store, StoreConfig, config::FORMAT_VERSION};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::HostId;

/// Ticks of the steady host: an hour that is sealed, a part of the next that is not.
const STEADY: u64 = 400;
/// Of the patchy host, these came late, into a sealed hour.
const LATE: (u64, u64) = (101, 120);
/// Of the patchy host, these are lost.
const LOST: (u64, u64) = (121, 125);
/// The patchy host's last tick.
const PATCHY: u64 = 130;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn in_folder(dir: &Path) -> StoreConfig {
    StoreConfig {
        dir: dir.to_owned(),
        classes: BTreeMap::from([(class(), config().retention_of(RetentionClass::DEFAULT).unwrap())]),
        ..config()
    }
}

/// The retention class of the patchy host, from format 3 on.
fn class() -> RetentionClass {
    "patchy".parse().unwrap()
}

fn open(dir: &Path) -> Store {
    let store = Store::open(in_folder(dir), Arc::new(RealDisk::new())).unwrap();
    store.set_classes(HashMap::from([(HostId::from_bytes([2; 16]), class())]));
    store
}

/// A store with everything that a format has: sections and a dictionary, two generations of an hour, two retention
/// classes, rollups, watermarks, live ticks, a chunk and a gap.
fn write_story(dir: &Path) {
    let store = open(dir);
    let dictionary = learn(&store).unwrap();
    let (mut steady, mut patchy) = (Agent::new(1, &dictionary), Agent::new(2, &dictionary));
    steady.connect(&store, 1);
    patchy.connect(&store, 1);
    for seq in 1..=100 {
        steady.live(&store, seq, seq % 30 == 1).unwrap();
        patchy.live(&store, seq, seq % 30 == 1).unwrap();
    }
    store.seal_everything(tick(101).time).unwrap();
    drop(store);
    // A second start, so that a segment begins with watermarks.
    let store = open(dir);
    steady.connect(&store, 1);
    patchy.connect(&store, 1);
    for seq in 101..=380 {
        steady.live(&store, seq, seq % 30 == 11).unwrap();
    }
    patchy
        .chunk(&store, &(LATE.0..=LATE.1).collect::<Vec<_>>(), tick(380).time)
        .unwrap();
    let sealed = store
        .maintain(tick(380).time.plus(config().lateness + config().stagger))
        .unwrap();
    assert_eq!(sealed.sealed_blocks, 2);
    for seq in 381..=STEADY {
        steady.live(&store, seq, seq == 381).unwrap();
    }
    patchy.gap(&store, LOST.0, LOST.1).unwrap();
    patchy
        .chunk(&store, &(LOST.1 + 1..=PATCHY).collect::<Vec<_>>(), tick(STEADY).time)
        .unwrap();
    drop(store);
    fs::remove_file(dir.join("lock")).unwrap();
}

fn level_of(store: &Store, host: HostId) -> Vec<(u64, Option<f64>)> {
    let query = Query {
        hosts: vec![host],
        aggregate: Some(Aggregate::Last),
        ..Query::new("level", tick(0).time, tick(STEADY).time)
    };
    let result = store.query(&query).unwrap();
    let seq = |time: i64| u64::try_from((time - tick(0).time.as_millis()) / 10_000).unwrap();
    let points = result.series[0].points.iter();
    points.map(|(time, value)| (seq(time.as_millis()), *value)).collect()
}

fn expected(seqs: impl Iterator<Item = u64>) -> Vec<(u64, Option<f64>)> {
    seqs.map(|seq| (seq, Some(level(seq)))).collect()
}

fn check_story(store: &Store) {
    let (steady, patchy) = (HostId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
    assert_eq!(store.hosts(), [steady, patchy]);
    assert_eq!(level_of(store, steady), expected(1..=STEADY));
    let patchy_seqs = || (1..=LATE.1).chain(LOST.1 + 1..=PATCHY);
    assert_eq!(level_of(store, patchy), expected(patchy_seqs()));
    for (host, last, sealed, ticks) in [(steady, STEADY, 359, 400), (patchy, PATCHY, LOST.1, 125)] {
        let holdings = store.holdings(host, store.current_spool(host).unwrap());
        assert_eq!(holdings.received, [(1, last)]);
        assert!(holdings.sealed_seq >= sealed, "{}", holdings.sealed_seq);
        let counts = stored(store, host);
        assert_eq!(counts.len(), ticks);
        assert!(counts.values().all(|count| *count == 1));
    }
    assert_eq!(store.latest(steady).unwrap().tick.cells, tick(STEADY).cells);
    assert_eq!(store.series(steady).len(), 3);
    let health = store.health();
    assert!(health.is_good() && health.torn_bytes == 0, "{health:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_store_of_every_format_opens_and_goes_on() {
    let mut formats = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let dir = tempfile::tempdir().unwrap();
        copy(&entry.unwrap().path(), dir.path());
        for _ in 0..2 {
            let store = open(dir.path());
            check_story(&store);
            store.seal_everything(tick(STEADY + 1).time).unwrap();
            check_story(&store);
            store
                .maintain(tick(STEADY + 1).time.plus(Duration::from_secs(86_400)))
                .unwrap();
            check_story(&store);
        }
        // And it takes data as any other.
        let store = open(dir.path());
        let dictionary = learn(&store).unwrap();
        let mut agent = Agent::new(1, &dictionary);
        agent.connect(&store, 1);
        agent.live(&store, STEADY + 1, true).unwrap();
        assert_eq!(store.holdings(agent.host, agent.spool).received, [(1, STEADY + 1)]);
        formats += 1;
    }
    assert!(formats >= 1, "the fixtures are there");
}

#[test]
fn what_this_build_writes_is_what_a_fixture_holds() {
    let dir = tempfile::tempdir().unwrap();
    write_story(dir.path());
    let store = open(dir.path());
    check_story(&store);
    let fixture = fixtures().join(format!("format-{FORMAT_VERSION}"));
    if !fixture.exists() && std::env::var_os("TOCSIN_WRITE_FIXTURE").is_some() {
        write_story(&fixture);
    }
    assert!(fixture.is_dir(), "each format has a fixture: see the top of this file");
}
