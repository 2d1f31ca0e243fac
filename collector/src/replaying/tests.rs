//! A replay over real stores: what lies in blocks, in light blocks and in the journal gives one history.

use super::*;
use std::{
    sync::{Arc, mpsc},
    time::Duration,
};
use tocsin_ledger::NewHost;
use tocsin_metrics::{RealDisk, StoreConfig};
use tocsin_vocabulary::{
    AssetId, Dictionary, IdSource, Section, SpoolId,
    batch::{Cell, Encoder, Tick},
    catalogue,
};

/// 2026-01-05T00:00:00Z.
const START: i64 = 1_767_571_200_000;
const TICK: i64 = 10;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000)
}

const RULES: &str = r#"
[[rule]]
name = "full"
metric = "system.filesystem.utilization"
above = 0.9
for = "5m"
severity = "critical"
action = "ticket"
title = { en = "{host}: {value}", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }
[[rule]]
name = "unrelated"
metric = "system.cpu.utilization"
above = 0.9
severity = "info"
action = "record"
title = { en = "t", zh = "t" }
remedy = { en = "r", zh = "r" }
"#;

struct World {
    ledger: Ledger,
    store: Arc<Store>,
    host: HostId,
    _folder: tempfile::TempDir,
}

/// How full it is: above the threshold from minute 20 to 40 of each hour.
fn share(seconds: i64) -> i64 {
    if (1_200..2_400).contains(&(seconds % 3_600)) {
        9_500
    } else {
        5_000
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let ledger = Ledger::open(&address, at(0)).await.unwrap();
        let mut ids = IdSource::new(1);
        let new = NewHost {
            host: HostId::next(&mut ids, at(0)),
            asset: AssetId::next(&mut ids, at(0)),
            name: "db1".to_owned(),
            customer: None,
            facts: tocsin_desk::record::HostFacts::default(),
            certificate_until: at(1_000_000),
        };
        let host = ledger.enrol_host(&new, at(0), &[]).await.unwrap().id;
        ledger
            .update_facts(host, &tocsin_desk::record::HostFacts::default(), 10_000)
            .await
            .unwrap();
        let config = StoreConfig {
            free_bytes_min: 0,
            free_percent_min: 0,
            group_pause: Duration::ZERO,
            ..StoreConfig::new(folder.path().join("metrics"))
        };
        let store = Arc::new(Store::open(config, Arc::new(RealDisk::new())).unwrap());
        Self {
            ledger,
            store,
            host,
            _folder: folder,
        }
    }

    /// Ticks from one second to another, as one chunk for each hour.
    fn put(&self, from: i64, to: i64) {
        let series = |name: &str| catalogue::metric(name).unwrap().series(&[]);
        let all = vec![
            series("system.uptime"),
            series("system.filesystem.utilization"),
            series("system.memory.limit"),
        ];
        let section = Section::new(all);
        self.store.put_sections(&[section.bytes()]).unwrap();
        let dictionary: Dictionary = self.store.put_dictionary(&[section.hash()]).unwrap();
        let stream = self.store.begin_stream(self.host, SpoolId::from_bytes([9; 16]), 1);
        let ticks: Vec<i64> = (from..to).step_by(usize::try_from(TICK).unwrap()).collect();
        for chunk in ticks.chunks(60) {
            let mut encoder = Encoder::new();
            let batches: Vec<(u64, Vec<u8>)> = chunk
                .iter()
                .enumerate()
                .map(|(nth, seconds)| {
                    let cells = vec![
                        Cell::Scaled(*seconds),
                        Cell::Scaled(share(*seconds)),
                        Cell::Scaled(8 << 30),
                    ];
                    let tick = Tick {
                        time: at(*seconds),
                        cells,
                    };
                    let seq = u64::try_from(seconds / TICK).unwrap() + 1;
                    (seq, encoder.encode(&tick, &dictionary, nth == 0))
                })
                .collect();
            let (sender, receiver) = mpsc::channel();
            let on_durable = Box::new(move |outcome| drop(sender.send(outcome)));
            self.store.append_chunk(&stream, &batches, at(to), on_durable).unwrap();
            receiver.recv().unwrap().unwrap();
        }
    }

    async fn replay(&self, from: i64, to: i64) -> Replayed {
        let ask = ReplayAsk {
            from: at(from),
            to: at(to),
            files: vec![("r.toml".to_owned(), RULES.to_owned())],
            only: Vec::new(),
            hosts: vec!["db*".to_owned()],
        };
        replay(&self.ledger, self.store.clone(), ask, Listener::nobody())
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_and_head_give_one_history() {
    let world = World::new().await;
    world.put(0, 4 * 3_600);
    world.store.seal_everything(at(4 * 3_600)).unwrap();
    world.put(4 * 3_600, 5 * 3_600 + 1_800);
    let replayed = world.replay(0, 5 * 3_600 + 1_800).await;
    assert_eq!((replayed.hosts, replayed.rules, replayed.remarks.len()), (1, 2, 0));
    assert_eq!(replayed.ticks, (5 * 360) + 180);
    let raised: Vec<i64> = replayed
        .would
        .iter()
        .map(|past| (past.raised_at.as_millis() - START) / 1_000)
        .collect();
    assert_eq!(raised, [1_500, 5_100, 8_700, 12_300, 15_900, 19_500]);
    let cleared: Vec<Option<i64>> = replayed
        .would
        .iter()
        .map(|past| past.cleared_at.map(|at| (at.as_millis() - START) / 1_000))
        .collect();
    assert_eq!(
        cleared,
        [Some(2_400), Some(6_000), Some(9_600), Some(13_200), Some(16_800), None]
    );
    assert_eq!(replayed.would[0].host_name, "db1");
    assert_eq!(replayed.would[0].title.en, "db1: 95 %");
    let tally = &replayed.tallies[0];
    assert_eq!(
        (tally.rule.as_str(), tally.would, tally.did, tally.both),
        ("full", 6, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_period_within_knows_what_came_before_it() {
    let world = World::new().await;
    world.put(0, 4 * 3_600);
    world.store.seal_everything(at(4 * 3_600)).unwrap();
    // It begins when the alert of the third hour holds already.
    let replayed = world.replay(2 * 3_600 + 1_800, 3 * 3_600).await;
    let raised: Vec<i64> = replayed
        .would
        .iter()
        .map(|past| (past.raised_at.as_millis() - START) / 1_000)
        .collect();
    assert_eq!(raised, [8_700]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_and_empty_choices_are_told() {
    let world = World::new().await;
    let ask = |files: &str, hosts: &str, to: i64| ReplayAsk {
        from: at(0),
        to: at(to),
        files: vec![("r.toml".to_owned(), files.to_owned())],
        only: Vec::new(),
        hosts: vec![hosts.to_owned()],
    };
    for (ask, code, part) in [
        (ask("[[rule]]\nname = 3\n", "*", 10), Code::InvalidInput, "r.toml:2: "),
        (ask(RULES, "web*", 10), Code::NotFound, "no host"),
        (ask(RULES, "*", 0), Code::InvalidInput, "ends before it begins"),
    ] {
        let failure = replay(&world.ledger, world.store.clone(), ask, Listener::nobody())
            .await
            .unwrap_err();
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(failure.reason.contains(part), "{failure:?}");
    }
}
