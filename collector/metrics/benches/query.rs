//! Wall time of some questions, warm, on a store of its own.
//!
//! `cargo bench -p tocsin-metrics --bench query [-- FOLDER [HOSTS DAYS]]`, by default 1 000 hosts × 30 days. The data is
//! made once, with virtual time through the public API, in `FOLDER` (kept, and used again) or a temporary one:
//!
//! - one host with 50 series, a tick each 10 s for a day, sealed;
//! - the fleet with 4 series each, a tick a minute for all days, sealed and rolled up;
//! - the fleet's last hour, a tick each 10 s, not sealed: asked once while it lies in the journal alone, then once it is
//!   in light blocks, with five more minutes in the journal.
//!
//! Without `--bench` (as in tests) a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command

use std::{error::Error, path::PathBuf, sync::Arc, sync::mpsc, time::Duration};
use tocsin_metrics::{Aggregate, Disk, Query, RealDisk, Store, StoreConfig};
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
};

/// 2025-11-22T00:00:00Z.
const START_MS: i64 = 1_763_769_600_000;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const WIDE_SERIES: i64 = 50;
const FLEET_SERIES: i64 = 4;
/// Each question is asked this often; the median counts.
const ROUNDS: usize = 9;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--bench");
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<i64>().ok());
    let mut size = |full_run, small_run| numbers.next().unwrap_or(if full { full_run } else { small_run });
    let (hosts, days) = (size(1_000, 70), size(30, 2));
    let folder = arguments
        .iter()
        .find(|argument| !argument.starts_with('-') && argument.parse::<i64>().is_err());
    let temporary = tempfile::tempdir()?;
    let dir = folder.map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let made = dir.join("blocks").exists();

    let disk = Arc::new(RealDisk::new());
    let config = StoreConfig {
        free_bytes_min: 0,
        free_percent_min: 0,
        retention: Duration::from_secs(400 * 86_400),
        ..StoreConfig::new(dir)
    };
    let store = Store::open(config, disk.clone())?;
    if !made {
        let started = disk.monotonic();
        fill(&store, hosts, days)?;
        println!(
            "data made in {:.1} s",
            disk.monotonic().saturating_sub(started).as_secs_f64()
        );
    }
    let health = store.health();
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{hosts} hosts, {days} days: blocks {:.1} MiB, rollups {:.1} MiB",
        mebibytes(health.block_bytes),
        mebibytes(health.rollup_bytes)
    );
    questions(&store, disk.as_ref(), days)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + millis)
}

fn fill(store: &Store, hosts: i64, days: i64) -> Outcome<()> {
    let wide = dictionary(store, "wide", WIDE_SERIES)?;
    for hour in 0..24 {
        put(
            store,
            &wide,
            -1,
            (hour * HOUR_MS, 10_000, 360),
            hour * 360 + 1,
            WIDE_SERIES,
        )?;
    }
    let fleet = dictionary(store, "fleet", FLEET_SERIES)?;
    for day in 0..days {
        for host in 0..hosts {
            for part in 0..3 {
                let minutes = day * 1_440 + part * 480;
                put(
                    store,
                    &fleet,
                    host,
                    (minutes * 60_000, 60_000, 480),
                    minutes + 1,
                    FLEET_SERIES,
                )?;
            }
        }
        store.seal_everything(at((day + 1) * DAY_MS))?;
    }
    store.seal_everything(at(days * DAY_MS + 3 * HOUR_MS))?;
    for host in 0..hosts {
        put(
            store,
            &fleet,
            host,
            (days * DAY_MS, 10_000, 360),
            days * 1_440 + 1,
            FLEET_SERIES,
        )?;
    }
    Ok(())
}

fn dictionary(store: &Store, prefix: &str, series: i64) -> Outcome<Dictionary> {
    let one = |number: i64| Series {
        name: format!("bench.{prefix}.{number:02}").into(),
        attributes: vec![("part".into(), number.to_string().into())],
        kind: if number % 2 == 0 { Kind::Gauge } else { Kind::Counter },
        unit: "1".into(),
        decimals: 1,
    };
    let section = Section::new((0..series).map(one).collect());
    store.put_sections(&[section.bytes()])?;
    Ok(store.put_dictionary(&[section.hash()])?)
}

fn id(host: i64) -> [u8; 16] {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&host.to_be_bytes());
    id
}

/// Puts ticks from a time on, each an interval after the one before.
fn put(
    store: &Store,
    dictionary: &Dictionary,
    host: i64,
    (from, interval, count): (i64, i64, i64),
    first_seq: i64,
    series: i64,
) -> Outcome<()> {
    let stream = store.begin_stream(HostId::from_bytes(id(host)), SpoolId::from_bytes(id(host)), 1);
    let mut encoder = Encoder::new();
    let mut batches = Vec::new();
    for index in 0..count {
        let time = from + index * interval;
        let phase = time / interval + host * 17;
        let cell = |number: i64| {
            let noise = noise(time ^ host.rotate_left(40) ^ number.rotate_left(56));
            match number % 4 {
                1 => phase * 500 + noise % 100,
                2 => 500 + noise % 97,
                3 => phase * 20_000 + noise % 10_000,
                _ => 300 + noise % 211,
            }
        };
        let cells = (0..series).map(|number| Cell::Scaled(cell(number))).collect();
        let tick = Tick { time: at(time), cells };
        let seq = u64::try_from(first_seq + index)?;
        batches.push((seq, encoder.encode(&tick, dictionary, index == 0)));
    }
    let (sender, receiver) = mpsc::channel();
    let on_durable = Box::new(move |outcome| drop(sender.send(outcome)));
    store.append_chunk(&stream, &batches, at(from + interval * count), on_durable)?;
    Ok(receiver.recv()??)
}

/// A number that has nothing to do with its neighbours' (the finisher of SplitMix64), so that nothing packs too well.
const fn noise(seed: i64) -> i64 {
    let mut mixed = seed.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 16).cast_signed()
}

fn questions(store: &Store, disk: &RealDisk, days: i64) -> Outcome<()> {
    let step = |seconds| Some(Duration::from_secs(seconds));
    let wide = vec![HostId::from_bytes(id(-1))];
    let end = days * DAY_MS;
    let ask = [
        (
            "one series, 24 h at 60 s",
            Query {
                hosts: wide.clone(),
                step: step(60),
                ..Query::new("bench.wide.02", at(0), at(DAY_MS - 1))
            },
        ),
        (
            "one host, 50 series, 24 h at 60 s",
            Query {
                hosts: wide,
                step: step(60),
                ..Query::new("bench.wide.*", at(0), at(DAY_MS - 1))
            },
        ),
        (
            "the fleet, last hour at 60 s",
            Query {
                step: step(60),
                aggregate: Some(Aggregate::Avg),
                ..Query::new("bench.fleet.02", at(end), at(end + HOUR_MS - 1))
            },
        ),
        (
            "the fleet, all days at 1 h",
            Query {
                step: step(3_600),
                ..Query::new("bench.fleet.02", at(0), at(end - 1))
            },
        ),
        (
            "the fleet's rates, all days at 1 h",
            Query {
                step: step(3_600),
                ..Query::new("bench.fleet.01", at(0), at(end - 1))
            },
        ),
    ];
    for (name, query) in ask {
        time(store, disk, name, &query)?;
    }
    // Light blocks are made anew after each start.
    store.maintain(at(end + HOUR_MS))?;
    let fleet = dictionary(store, "fleet", FLEET_SERIES)?;
    for host in store
        .hosts()
        .into_iter()
        .filter(|host| *host != HostId::from_bytes(id(-1)))
    {
        let number = i64::from_be_bytes(host.as_bytes()[..8].try_into()?);
        let five_minutes = (end + HOUR_MS, 10_000, 30);
        put(store, &fleet, number, five_minutes, days * 1_440 + 361, FLEET_SERIES)?;
    }
    let query = Query {
        step: step(60),
        aggregate: Some(Aggregate::Avg),
        ..Query::new("bench.fleet.02", at(end + 300_000), at(end + HOUR_MS + 299_999))
    };
    time(store, disk, "the same from light blocks, journal", &query)
}

fn time(store: &Store, disk: &RealDisk, name: &str, query: &Query) -> Outcome<()> {
    let mut times = Vec::with_capacity(ROUNDS);
    let (mut series, mut points) = (0, 0);
    for _ in 0..ROUNDS {
        let started = disk.monotonic();
        let answer = store.query(query)?;
        times.push(disk.monotonic().saturating_sub(started));
        series = answer.series.len();
        points = answer.series.iter().map(|series| series.points.len()).sum();
    }
    times.sort_unstable();
    let millis = times[ROUNDS / 2].as_secs_f64() * 1_000.0;
    println!("{name:36} {millis:9.2} ms   {series} series, {points} points");
    Ok(())
}
