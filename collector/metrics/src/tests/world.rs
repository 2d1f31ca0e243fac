//! What the stories share: a host that ticks, and a look at everything that is stored.

use crate::{
    Appended, ChunkAppended, Disk, Store, StoreConfig, StoreError, Stream, committer::OnDurable, intervals::Intervals,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
};
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
};

/// 2025-11-22T00:00:00Z.
pub(crate) const START_MS: i64 = 1_763_769_600_000;
/// Between two ticks.
pub(crate) const INTERVAL_MS: i64 = 10_000;

pub(crate) fn config() -> StoreConfig {
    StoreConfig {
        free_bytes_min: 0,
        free_percent_min: 0,
        group_pause: std::time::Duration::ZERO,
        ..StoreConfig::new("/store")
    }
}

pub(crate) fn open(disk: &(impl Disk + Clone + 'static)) -> Store {
    Store::open(config(), Arc::new(disk.clone())).unwrap()
}

fn series(name: &str, kind: Kind, decimals: u8) -> Series {
    Series {
        name: name.into(),
        attributes: vec![("host.part".into(), "a".into())],
        kind,
        unit: "By".into(),
        decimals,
    }
}

pub(crate) fn sections() -> Vec<Section> {
    vec![
        Section::new(vec![series("level", Kind::Gauge, 1), series("sent", Kind::Counter, 0)]),
        Section::new(vec![series("absent", Kind::Gauge, 0)]),
    ]
}

/// Makes the test dictionary known.
pub(crate) fn learn(store: &Store) -> Result<Dictionary, StoreError> {
    let sections = sections();
    store.put_sections(&sections.iter().map(|section| section.bytes()).collect::<Vec<_>>())?;
    store.put_dictionary(&sections.iter().map(Section::hash).collect::<Vec<_>>())
}

/// The tick with this number; everything about it follows from the number.
pub(crate) fn tick(seq: u64) -> Tick {
    let number = i64::try_from(seq).unwrap();
    let absent = if seq.is_multiple_of(5) {
        Cell::Absent
    } else {
        Cell::Scaled(-number)
    };
    Tick {
        time: Timestamp::from_millis(START_MS + number * INTERVAL_MS),
        cells: vec![Cell::Scaled(number * 7 % 100), Cell::Scaled(number * 3), absent],
    }
}

/// What `level` shows at that tick.
pub(crate) fn level(seq: u64) -> f64 {
    (seq * 7 % 100) as f64 / 10.0
}

/// One host's agent as the store sees it.
pub(crate) struct Agent {
    pub(crate) host: HostId,
    pub(crate) spool: SpoolId,
    pub(crate) dictionary: Dictionary,
    encoder: Encoder,
    stream: Option<Stream>,
}

/// An `on_durable` and the place where its word arrives.
pub(crate) fn durable() -> (OnDurable, mpsc::Receiver<Result<(), StoreError>>) {
    let (sender, receiver) = mpsc::channel();
    // Who sent the tick may have gone.
    let on_durable = move |outcome| drop(sender.send(outcome));
    (Box::new(on_durable), receiver)
}

impl Agent {
    pub(crate) fn new(number: u8, dictionary: &Dictionary) -> Self {
        Self {
            host: HostId::from_bytes([number; 16]),
            spool: SpoolId::from_bytes([number + 100; 16]),
            dictionary: dictionary.clone(),
            encoder: Encoder::new(),
            stream: None,
        }
    }

    pub(crate) fn connect(&mut self, store: &Store, first_seq: u64) {
        self.encoder = Encoder::new();
        self.stream = Some(store.begin_stream(self.host, self.spool, first_seq));
    }

    pub(crate) fn stream(&self) -> &Stream {
        self.stream.as_ref().unwrap()
    }

    /// Sends a live tick without waiting.
    pub(crate) fn send(
        &mut self,
        store: &Store,
        seq: u64,
        key: bool,
    ) -> (Result<Appended, StoreError>, mpsc::Receiver<Result<(), StoreError>>) {
        let payload = self.encoder.encode(&tick(seq), &self.dictionary, key);
        let (on_durable, receiver) = durable();
        let now = tick(seq).time;
        (
            store.append_live(self.stream(), seq, &payload, now, on_durable),
            receiver,
        )
    }

    /// Sends a live tick and waits until it is durable.
    pub(crate) fn live(&mut self, store: &Store, seq: u64, key: bool) -> Result<Appended, StoreError> {
        let (appended, receiver) = self.send(store, seq, key);
        let appended = appended?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))?;
        Ok(appended)
    }

    /// Sends backlog and waits until it is durable.
    pub(crate) fn chunk(&self, store: &Store, seqs: &[u64], now: Timestamp) -> Result<ChunkAppended, StoreError> {
        let mut encoder = Encoder::new();
        let batches: Vec<_> = seqs
            .iter()
            .enumerate()
            .map(|(index, seq)| (*seq, encoder.encode(&tick(*seq), &self.dictionary, index == 0)))
            .collect();
        let (on_durable, receiver) = durable();
        let appended = store.append_chunk(self.stream(), &batches, now, on_durable)?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))?;
        Ok(appended)
    }

    /// Reports lost ticks and waits.
    pub(crate) fn gap(&self, store: &Store, first: u64, last: u64) -> Result<(), StoreError> {
        let (on_durable, receiver) = durable();
        let span = (tick(first).time, tick(last).time);
        store.append_gap(self.stream(), (first, last), span, "spool_full", on_durable)?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// How often each tick is stored, in head and blocks together.
pub(crate) fn stored(store: &Store, host: HostId) -> BTreeMap<(SpoolId, u64), usize> {
    let mut counts = BTreeMap::new();
    let Some(host) = store.shared().hosts.find(host) else {
        return counts;
    };
    let view = host.lock().head.view(i64::MIN..=i64::MAX, &store.shared().segments());
    let unreadable = view.for_each(&store.shared().dictionaries, |found| {
        assert_eq!(*found.tick, tick(found.seq), "tick {} in the head", found.seq);
        *counts.entry((found.spool, found.seq)).or_default() += 1;
    });
    assert_eq!(unreadable.unwrap(), []);
    let light = view.light.iter().map(|light| light.block.clone());
    let sealed = store.shared().blocks.list(host.id, i64::MIN..=i64::MAX).read().unwrap();
    for block in sealed.into_iter().chain(light) {
        let open = block.open().unwrap();
        let mut ticks = 0;
        for (spool, seqs) in &open.header.seqs {
            for seq in numbers(seqs) {
                *counts.entry((*spool, seq)).or_default() += 1;
                ticks += 1;
            }
        }
        assert_eq!(open.times().unwrap().len(), ticks);
    }
    counts
}

fn numbers(seqs: &Intervals) -> impl Iterator<Item = u64> {
    seqs.ranges().iter().flat_map(|&(first, last)| first..=last)
}
