//! One recorded host: how many bytes a sample takes once it is sealed, beside VictoriaMetrics.

use super::{
    Options,
    place::{Durable, Place},
};
use std::{collections::HashSet, path::Path, sync::Arc};
use tocsin_tests::{
    fleet::{
        feed::{BATCH_SAMPLES, add_cells},
        peer::{Peer, PeerKind},
        remote_write::{Batch, encoded_labels},
        usage::{bytes_per, nanos_per, own_cpu_time},
    },
    recording::Recording,
};
use tocsin_vocabulary::{
    Dictionary,
    batch::{Cell, Encoder, Tick},
};

type Ticks = Vec<(Arc<Tick>, Dictionary)>;

pub(super) async fn run(options: &Options, path: &Path) {
    let recording = Recording::read(path).expect("a recording");
    let every = options.every.max(1);
    let ticks: Ticks = recording.ticks.into_iter().step_by(every).collect();
    let (first, last) = (ticks.first().expect("ticks"), ticks.last().expect("ticks"));
    let span = last.0.time.since(first.0.time);
    let samples: u64 = ticks.iter().map(|(tick, _)| present(tick)).sum();
    let (constant, series) = constants(&ticks);
    println!(
        "{} ticks over {} s, every {every} of the recording; {series} series, of which {constant} ({:.0} %) never change; \
         {samples} samples",
        ticks.len(),
        span.as_secs(),
        bytes_per(constant as u64 * 100, series as u64)
    );
    ours(options, &ticks, samples);
    let kind = PeerKind::VictoriaMetrics;
    if kind.program().is_file() {
        theirs(kind, &ticks).await;
    } else {
        println!("{} is not installed: nothing to compare with", kind.program().display());
    }
}

fn present(tick: &Tick) -> u64 {
    tick.cells.iter().filter(|cell| **cell != Cell::Absent).count() as u64
}

/// How many series of all never change.
fn constants(ticks: &Ticks) -> (usize, usize) {
    let mut values = std::collections::HashMap::new();
    let mut moved = HashSet::new();
    for (tick, dictionary) in ticks {
        for (series, cell) in dictionary.series().zip(&tick.cells) {
            if *values.entry(series).or_insert(*cell) != *cell {
                moved.insert(series);
            }
        }
    }
    (values.len() - moved.len(), values.len())
}

fn ours(options: &Options, ticks: &Ticks, samples: u64) {
    let place = Place::open(options);
    let stream = place.stream(1);
    let mut known = HashSet::new();
    let (mut encoder, mut durable) = (Encoder::new(), Durable::new());
    let mut wire = 0;
    for (seq, (tick, dictionary)) in (1..).zip(ticks) {
        if known.insert(dictionary.hash()) {
            place.learn(dictionary);
        }
        let batch = encoder.encode(tick, dictionary, false);
        wire += batch.len() as u64;
        let taken = place.store.append_live(&stream, seq, &batch, tick.time, durable.one());
        taken.expect("a tick that is taken");
        durable.all();
    }
    let end = ticks.last().map_or(ticks[0].0.time, |(tick, _)| tick.time);
    let cpu = own_cpu_time();
    place.store.seal_everything(end).expect("sealed blocks");
    let cpu = own_cpu_time().saturating_sub(cpu);
    println!(
        "ours: blocks {:.3} bytes per sample",
        bytes_per(place.store.health().block_bytes, samples)
    );
    println!(
        "  on the wire before TLS {:.3} bytes per sample",
        bytes_per(wire, samples)
    );
    println!("  CPU of sealing {:.1} ns per sample", nanos_per(cpu, samples));
}

async fn theirs(kind: PeerKind, ticks: &Ticks) {
    let peer = Peer::start(kind).await;
    let mut batch = Batch::default();
    let mut sent = 0;
    for (tick, dictionary) in ticks {
        let labels: Vec<_> = dictionary
            .series()
            .map(|series| encoded_labels(series, "recorded"))
            .collect();
        let decimals: Vec<u8> = dictionary.series().map(|series| series.decimals).collect();
        add_cells(&mut batch, &tick.cells, &labels, &decimals, tick.time);
        if batch.len() >= BATCH_SAMPLES {
            sent += batch.len() as u64;
            peer.write(batch.take()).await;
        }
    }
    if !batch.is_empty() {
        sent += batch.len() as u64;
        peer.write(batch.take()).await;
    }
    let disk = peer.settled_disk().await;
    println!(
        "{}: data {:.3} bytes per sample, index {:.3}",
        kind.name(),
        bytes_per(disk.data, sent),
        bytes_per(disk.index, sent)
    );
}
