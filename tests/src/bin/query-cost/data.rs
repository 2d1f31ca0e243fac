//! What is asked about.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};
use tempfile::TempDir;
use tocsin_metrics::{RealDisk, Store, StoreConfig};
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
};

/// 2026-01-05T00:00:00Z.
const BEGIN_MS: i64 = 1_767_571_200_000;
pub(super) const DAY_MS: i64 = 86_400_000;
pub(super) const HOUR_MS: i64 = 3_600_000;
/// The one host with many series.
pub(super) const WIDE_HOST: i64 = -1;
pub(super) const WIDE_SERIES: usize = 50;
const FLEET_SERIES: usize = 4;
const HOUR_SERIES: usize = 200;
/// Most ticks of one chunk.
const CHUNK: i64 = 480;

/// Ticks of some hosts: every `interval` from `from` to `to`, milliseconds from the beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) interval: i64,
}

/// The store with everything in it.
pub(super) struct Data {
    pub(super) store: Store,
    pub(super) hosts: i64,
    pub(super) days: i64,
    _folder: TempDir,
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN_MS + millis)
}

pub(super) fn id(host: i64) -> [u8; 16] {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&host.to_be_bytes());
    id
}

/// The value of a series at a time, in tenths: wanders, as a load does, with noise on it.
pub(super) fn value(host: i64, series: i64, millis: i64) -> i64 {
    let minute = millis / 60_000;
    let slow = ((minute + host * 37) % 1_440 - 720).abs();
    500 + slow + noise(millis ^ host.rotate_left(40) ^ series.rotate_left(56)).rem_euclid(97)
}

/// A number that has nothing to do with its neighbours' (the finisher of SplitMix64).
const fn noise(seed: i64) -> i64 {
    let mut mixed = seed.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 16).cast_signed()
}

impl Data {
    /// Makes it.
    pub(super) fn make(hosts: i64, days: i64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = StoreConfig {
            free_bytes_min: 0,
            free_percent_min: 0,
            retention: Duration::from_secs(400 * 86_400),
            group_pause: Duration::ZERO,
            ..StoreConfig::new(folder.path())
        };
        let store = Store::open(config, Arc::new(RealDisk::new())).expect("a store");
        let data = Self {
            store,
            hosts,
            days,
            _folder: folder,
        };
        data.fill();
        data
    }

    fn fill(&self) {
        let wide = self.learn("wide", 2, WIDE_SERIES);
        let day = Span {
            from: 0,
            to: DAY_MS,
            interval: 10_000,
        };
        self.put(&wide, WIDE_HOST, 0, day);
        let fleet = self.learn("fleet", 2, FLEET_SERIES);
        for day in 0..self.days {
            let span = Span {
                from: day * DAY_MS,
                to: (day + 1) * DAY_MS,
                interval: 60_000,
            };
            (0..self.hosts).for_each(|host| self.put(&fleet, host, 0, span));
            self.store.seal_everything(at(span.to)).expect("sealed");
        }
        let end = self.days * DAY_MS;
        self.store.seal_everything(at(end + 3 * HOUR_MS)).expect("rolled up");
        let hour = self.learn("hour", 3, HOUR_SERIES);
        for from in (end..end + HOUR_MS).step_by(300_000) {
            let span = Span {
                from,
                to: from + 300_000,
                interval: 10_000,
            };
            (0..self.hosts).for_each(|host| self.put(&hour, host, end, span));
            self.store.maintain(at(span.to)).expect("housekeeping");
        }
    }

    fn learn(&self, name: &str, width: usize, series: usize) -> Dictionary {
        let one = |number: usize| Series {
            name: format!("bench.{name}.{number:0width$}").into(),
            attributes: vec![("part".into(), number.to_string().into())],
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 1,
        };
        let section = Section::new((0..series).map(one).collect());
        self.store.put_sections(&[section.bytes().to_vec()]).expect("a section");
        self.store.put_dictionary(&[section.hash()]).expect("a dictionary")
    }

    /// Puts the ticks of a span; their numbers count from `origin`, and each origin is a spool of its own.
    fn put(&self, dictionary: &Dictionary, host: i64, origin: i64, span: Span) {
        let mut spool = id(host);
        spool[8..].copy_from_slice(&origin.to_be_bytes());
        let stream = self
            .store
            .begin_stream(HostId::from_bytes(id(host)), SpoolId::from_bytes(spool), 1);
        let times: Vec<i64> = (span.from..span.to)
            .step_by(usize::try_from(span.interval).unwrap_or(1))
            .collect();
        for times in times.chunks(usize::try_from(CHUNK).unwrap_or(1)) {
            let mut encoder = Encoder::new();
            let batch = |(index, time): (usize, &i64)| {
                let cells = (0_i64..)
                    .take(dictionary.len())
                    .map(|series| Cell::Scaled(value(host, series, *time)));
                let tick = Tick {
                    time: at(*time),
                    cells: cells.collect(),
                };
                let seq = u64::try_from((time - origin) / span.interval).unwrap_or(0) + 1;
                (seq, encoder.encode(&tick, dictionary, index == 0))
            };
            let batches: Vec<(u64, Vec<u8>)> = times.iter().enumerate().map(batch).collect();
            let (sender, receiver) = mpsc::channel();
            let on_durable = Box::new(move |outcome| drop(sender.send(outcome)));
            let appended = self.store.append_chunk(&stream, &batches, at(span.to), on_durable);
            appended.expect("taken");
            receiver.recv().expect("a verdict").expect("durable");
        }
    }
}
