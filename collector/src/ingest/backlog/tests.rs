//! The way of backlog over a real store: live does not wait, turns go round, places come back.

use super::*;
use crate::ingest::stream::Bell;
use tocsin_metrics::{FaultDisk, StoreConfig};
use tocsin_vocabulary::{
    Dictionary, HostId, IdSource, SpoolId,
    batch::{Cell, Encoder, Tick},
    series::{Kind, Section, Series},
};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A host of a store, with its place among those that share the pool.
struct Host {
    ticks: tocsin_metrics::Stream,
    news: Arc<News>,
    member: Member,
    dictionary: Dictionary,
}

impl Host {
    fn payload(&self, seq: u64) -> Vec<u8> {
        let tick = Tick {
            time: NOW.plus(Duration::from_secs(seq)),
            cells: vec![Cell::Scaled(1)],
        };
        Encoder::new().encode(&tick, &self.dictionary, true)
    }

    fn sends_chunk(&self, seqs: std::ops::RangeInclusive<u64>) {
        let batch = |seq| v1::Batch {
            seq,
            payload: self.payload(seq).into(),
        };
        let place = self.member.arrives(100).ok().unwrap();
        assert!(self.member.hand_over(Chunk {
            ticks: self.ticks.clone(),
            batches: seqs.map(batch).collect(),
            received_at: NOW,
            news: self.news.clone(),
            place,
        }));
    }
}

fn hosts(count: usize, store: &Store, backlog: &Arc<Backlog>) -> Vec<Host> {
    let series = Series {
        name: "system.cpu.utilization".into(),
        attributes: Vec::new(),
        kind: Kind::Gauge,
        unit: "1".into(),
        decimals: 0,
    };
    let section = Section::new(vec![series]);
    let (hash, bytes) = (section.hash(), section.bytes());
    store.put_sections(&[bytes]).unwrap();
    let dictionary = store.put_dictionary(&[hash]).unwrap();
    let mut ids = IdSource::new(1);
    let bell: Arc<Bell> = Arc::default();
    let rings = bell.clone();
    tokio::spawn(async move { rings.pass_on().await });
    let one = |at: usize| {
        let news = News::new(bell.clone());
        Host {
            ticks: store.begin_stream(
                HostId::next(&mut ids, NOW),
                SpoolId::from_bytes([u8::try_from(at).unwrap(); 16]),
                1,
            ),
            member: backlog.join(news.clone()),
            news,
            dictionary: dictionary.clone(),
        }
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn live_ticks_are_durable_while_backlog_waits_and_its_turn_goes_round() {
    let limits = Limits {
        backlog_chunks: 2,
        ..Limits::default()
    };
    let (backlog, queue) = Backlog::new(limits, Arc::new(|| NOW));
    let store = Arc::new(Store::open(StoreConfig::new("/store"), Arc::new(FaultDisk::new())).unwrap());
    let hosts = hosts(3, &store, &backlog);
    for host in &hosts {
        host.member.wants(100);
    }
    for host in &hosts[..2] {
        assert_eq!(host.news.come().await.ok().unwrap().credit, 1);
        host.sends_chunk(1..=10);
    }
    // Nobody brings chunks to the store, so the pool is used up; a live tick does not notice.
    assert_eq!(backlog.load(), (Room { chunks: 2, bytes: 200 }, 1));
    let waits = &hosts[2];
    store
        .append_live(&waits.ticks, 11, &waits.payload(11), NOW, waits.news.verdict())
        .unwrap();
    let told = waits.news.come().await.ok().unwrap();
    assert!(told.durable && told.credit == 0);

    let cancel = CancellationToken::new();
    let storing = tokio::spawn(store_chunks(
        backlog.clone(),
        queue,
        store.clone(),
        Asked::default(),
        cancel.clone(),
    ));
    for host in &hosts[..2] {
        assert!(host.news.come().await.ok().unwrap().durable);
        assert_eq!(
            store.holdings(host.ticks.host(), host.ticks.spool()).received,
            [(1, 10)]
        );
    }
    assert_eq!(waits.news.come().await.ok().unwrap().credit, 1, "now it is its turn");
    drop(hosts);
    assert_eq!(backlog.load(), (Room { chunks: 0, bytes: 0 }, 0));
    cancel.cancel();
    storing.await.unwrap();
}

#[tokio::test]
async fn a_chunk_that_cannot_be_stored_gives_its_place_back_and_its_stream_hears_why() {
    let (backlog, queue) = Backlog::new(Limits::default(), Arc::new(|| NOW));
    let store = Arc::new(Store::open(StoreConfig::new("/store"), Arc::new(FaultDisk::new())).unwrap());
    let hosts = hosts(1, &store, &backlog);
    hosts[0].member.wants(100);
    assert_eq!(hosts[0].news.come().await.ok().unwrap().credit, 1);
    store.close();
    hosts[0].sends_chunk(1..=2);
    let cancel = CancellationToken::new();
    let storing = tokio::spawn(store_chunks(
        backlog.clone(),
        queue,
        store.clone(),
        Asked::default(),
        cancel.clone(),
    ));
    assert!(hosts[0].news.come().await.is_err());
    assert_eq!(backlog.load().0.chunks, 0);
    cancel.cancel();
    storing.await.unwrap();
}
