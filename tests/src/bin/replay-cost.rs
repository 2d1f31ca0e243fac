//! How long it takes to replay a past period through rules.
//!
//! The data is made through the store's own intake: hosts with the series that the default rules look at and as many
//! others, a tick every so often for all days, sealed. Two series in three stand still from hour to hour, as most do on a
//! real host; the rest wander with noise. Rules are the default ones that look at metrics, up to the number asked for. The
//! files are in the system's cache, as they were written just before.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

use clap::Parser;
use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};
use tocsin_collector::replaying::{Listener, ReplayAsk, replay};
use tocsin_desk::record::HostFacts;
use tocsin_ledger::{Ledger, NewHost};
use tocsin_metrics::{RealDisk, Store, StoreConfig};
use tocsin_rules::{Condition, RuleSet, replay as pure};
use tocsin_tests::fleet::usage::own_cpu_time;
use tocsin_vocabulary::{
    AssetId, Dictionary, HostId, IdSource, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
    catalogue::METRICS,
};

/// 2026-01-05T00:00:00Z.
const BEGIN_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;
/// Ticks of one chunk.
const CHUNK: usize = 480;

/// Replay of a past period through rules.
#[derive(Debug, Parser)]
struct Options {
    /// Hosts
    #[arg(long, default_value_t = 100)]
    hosts: i64,
    /// Days that they were watched
    #[arg(long, default_value_t = 30)]
    days: i64,
    /// Seconds between ticks
    #[arg(long, default_value_t = 10)]
    interval: i64,
    /// Rules
    #[arg(long, default_value_t = 40)]
    rules: usize,
}

/// A number that has nothing to do with its neighbours' (the finisher of SplitMix64).
const fn noise(seed: i64) -> i64 {
    let mut mixed = seed.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 16).cast_signed()
}

/// Rules that look at metrics, the first so many by name.
fn rules(count: usize) -> RuleSet {
    let all = RuleSet::builtin();
    let of_metrics = all
        .rules()
        .filter(|rule| !matches!(rule.condition, Condition::Event(_) | Condition::NoData { .. }));
    let names: Vec<String> = of_metrics.take(count).map(|rule| rule.name.clone()).collect();
    all.only(&names)
}

/// A series of each metric that the rules look at with attributes that fit, and as many that none looks at.
fn series(rules: &RuleSet) -> Vec<Series> {
    let wanted = pure::metrics(rules);
    let mut all = Vec::new();
    for metric in METRICS {
        let pairs: Vec<(&str, &str)> = metric
            .attributes
            .iter()
            .filter_map(|key| match *key {
                "cpu.mode" | "cpu.logical_number" => None,
                "hw.type" => Some((*key, "disk")),
                "system.filesystem.state" | "system.memory.state" | "system.paging.state" => Some((*key, "used")),
                "network.io.direction" => Some((*key, "receive")),
                "disk.io.direction" => Some((*key, "read")),
                _ => Some((*key, "one")),
            })
            .collect();
        if wanted.contains(metric.name) || all.len() < 2 * wanted.len() {
            all.push(metric.series(&pairs));
        }
    }
    all
}

/// The value of a series at a tick, scaled: two in three stand still.
fn cell(one: &Series, host: i64, number: i64, tick: i64) -> Cell {
    let scale = 10_i64.pow(u32::from(one.decimals));
    match (one.kind, number % 3) {
        (Kind::Counter, 0) => Cell::Scaled(tick * 100 + noise(tick ^ host << 40).rem_euclid(50)),
        (Kind::Counter, _) => Cell::Scaled(1_000),
        (Kind::Gauge, 0) => Cell::Scaled(noise(tick ^ host << 40 ^ number << 56).rem_euclid(scale / 2 + 1)),
        (Kind::Gauge, _) => Cell::Scaled(scale / 2),
    }
}

fn put(store: &Store, dictionary: &Dictionary, host: HostId, number: i64, ticks: std::ops::Range<i64>, interval: i64) {
    let stream = store.begin_stream(host, SpoolId::from_bytes(*host.as_bytes()), 1);
    let all: Vec<Series> = dictionary.series().cloned().collect();
    let ticks: Vec<i64> = ticks.collect();
    for chunk in ticks.chunks(CHUNK) {
        let mut encoder = Encoder::new();
        let batch = |(nth, tick): (usize, &i64)| {
            let cells = (0_i64..).zip(&all).map(|(at, one)| cell(one, number, at, *tick));
            let time = Timestamp::from_millis(BEGIN_MS + tick * interval * 1_000);
            let made = Tick {
                time,
                cells: cells.collect(),
            };
            (tick.unsigned_abs() + 1, encoder.encode(&made, dictionary, nth == 0))
        };
        let batches: Vec<(u64, Vec<u8>)> = chunk.iter().enumerate().map(batch).collect();
        let (sender, receiver) = mpsc::channel();
        let on_durable = Box::new(move |outcome| drop(sender.send(outcome)));
        let now = Timestamp::from_millis(BEGIN_MS + chunk.last().map_or(0, |tick| tick * interval * 1_000));
        store.append_chunk(&stream, &batches, now, on_durable).expect("taken");
        receiver.recv().expect("a verdict").expect("durable");
    }
}

#[tokio::main]
#[allow(clippy::disallowed_methods, reason = "measures real time")]
async fn main() {
    let options = Options::parse();
    let (started, folder) = (Instant::now(), tempfile::tempdir().expect("a folder"));
    let rules = rules(options.rules);
    let series = series(&rules);
    let looked_at = series.iter().filter(|one| pure::looks_at(&rules, one)).count();
    let config = StoreConfig {
        free_bytes_min: 0,
        free_percent_min: 0,
        retention: Duration::from_secs(400 * 86_400),
        group_pause: Duration::ZERO,
        ..StoreConfig::new(folder.path().join("metrics"))
    };
    let store = Arc::new(Store::open(config, Arc::new(RealDisk::new())).expect("a store"));
    let begin = Timestamp::from_millis(BEGIN_MS);
    let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let ledger = Ledger::open(&address, begin).await.expect("a ledger");
    let section = Section::new(series.clone());
    store.put_sections(&[section.bytes()]).expect("a section");
    let dictionary = store.put_dictionary(&[section.hash()]).expect("a dictionary");
    let mut ids = IdSource::new(1);
    let mut hosts = Vec::new();
    for number in 0..options.hosts {
        let new = NewHost {
            host: HostId::next(&mut ids, begin),
            asset: AssetId::next(&mut ids, begin),
            name: format!("host-{number}"),
            customer: None,
            facts: HostFacts::default(),
            certificate_until: begin,
        };
        let host = ledger.enrol_host(&new, begin, &[]).await.expect("enrolled").id;
        let interval_ms = options.interval.unsigned_abs() * 1_000;
        ledger
            .update_facts(host, &HostFacts::default(), interval_ms)
            .await
            .expect("told");
        hosts.push(host);
    }
    let per_day = DAY_MS / 1_000 / options.interval;
    for day in 0..options.days {
        for (number, host) in (0_i64..).zip(&hosts) {
            put(
                &store,
                &dictionary,
                *host,
                number,
                day * per_day..(day + 1) * per_day,
                options.interval,
            );
        }
        let end = Timestamp::from_millis(BEGIN_MS + (day + 1) * DAY_MS);
        store.seal_everything(end).expect("sealed");
    }
    println!(
        "{} hosts x {} days at {} s, {} series each of which rules look at {looked_at}; made in {:.0} s",
        options.hosts,
        options.days,
        options.interval,
        series.len(),
        started.elapsed().as_secs_f64()
    );
    let ask = ReplayAsk {
        from: begin,
        to: Timestamp::from_millis(BEGIN_MS + options.days * DAY_MS),
        files: RuleSet::builtin_files()
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect(),
        only: rules.rules().map(|rule| rule.name.clone()).collect(),
        hosts: Vec::new(),
    };
    let (asked, spent) = (Instant::now(), own_cpu_time());
    let replayed = replay(&ledger, store, ask, Listener::nobody()).await.expect("replayed");
    let (took, cpu) = (asked.elapsed(), own_cpu_time().saturating_sub(spent));
    println!(
        "replayed {} ticks through {} rules in {:.1} s, CPU {:.1} s, {:.0} ns a tick; {} alerts would have been",
        replayed.ticks,
        replayed.rules,
        took.as_secs_f64(),
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e9 / replayed.ticks.max(1) as f64,
        replayed.would.len() + replayed.further,
    );
}
