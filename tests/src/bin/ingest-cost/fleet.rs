//! Many hosts: decode → journal → sync → rules, and sealing.

use super::{
    Options,
    place::{Durable, Place},
};
use std::time::Duration;
use tocsin_metrics::Stream;
use tocsin_rules::RuleSet;
use tocsin_tests::{
    fleet::{
        model::{Machine, Model},
        pace::Pace,
        register, rules,
        station::RULES,
        usage::{bytes_per, folder_bytes, mib, nanos_per, own_cpu_time},
    },
    program,
};
use tocsin_vocabulary::{
    Timestamp,
    batch::{Encoder, Tick},
};

/// 2026-01-05T00:00:00Z: a full hour, so that a run of an hour is one of the store's.
const BEGIN: Timestamp = Timestamp::from_millis(1_767_571_200_000);
/// Between key-frames, as agents have it.
const KEY_FRAME_EVERY: Duration = Duration::from_secs(300);

/// A host as it is made up.
struct Made {
    machine: Machine,
    pace: Pace,
    batches: Vec<Vec<u8>>,
}

/// A host that store and rules know.
struct Host {
    stream: Stream,
    made: Made,
}

pub(super) fn run(options: &Options) {
    let place = Place::open(options);
    let rules = RuleSet::parse(&rules::files(RULES)).expect("rules");
    let mut engine = tocsin_rules::Engine::new(rules);
    let made = encoded(options, Duration::from_secs(options.interval));
    let samples = (options.hosts * options.series) as u64 * options.ticks;
    let encoded_bytes: usize = made.iter().flat_map(|host| &host.batches).map(Vec::len).sum();

    let before = program::resident_bytes(std::process::id());
    let mut fleet: Vec<Host> = made
        .into_iter()
        .map(|made| connected(&place, &mut engine, made))
        .collect();
    // The first tick binds rules to series: that is a cost of series and not of samples.
    let mut spoken = tick(&place, &mut engine, &mut fleet, 1);
    let cpu = own_cpu_time();
    for seq in 2..=options.ticks {
        spoken += tick(&place, &mut engine, &mut fleet, seq);
    }
    let cpu = own_cpu_time().saturating_sub(cpu);
    let held = program::resident_bytes(std::process::id()).saturating_sub(before);
    let (journal, head) = (
        folder_bytes(&place.folder.join("journal")),
        place.store.health().head_bytes,
    );
    let sealing = own_cpu_time();
    let ticks = u32::try_from(options.ticks).unwrap_or(u32::MAX);
    let end = BEGIN.plus(Duration::from_secs(options.interval) * ticks);
    place.store.seal_everything(end).expect("sealed blocks");
    let sealing = own_cpu_time().saturating_sub(sealing);

    let series = (options.hosts * options.series) as u64;
    let measured = samples - series;
    println!(
        "{} hosts x {} series x {} ticks = {samples} samples, {RULES} rules, which spoke {spoken} times",
        options.hosts, options.series, options.ticks
    );
    println!(
        "CPU {:.1} ns per sample: decode, journal, sync, rules (all threads)",
        nanos_per(cpu, measured)
    );
    println!("CPU {:.1} ns per sample: sealing", nanos_per(sealing, samples));
    println!(
        "batches {:.3} bytes per sample",
        bytes_per(encoded_bytes as u64, samples)
    );
    println!("journal {:.3} bytes per sample", bytes_per(journal, samples));
    println!(
        "blocks {:.3} bytes per sample",
        bytes_per(place.store.health().block_bytes, samples)
    );
    println!(
        "RSS {:.0} bytes per series; of it {:.0} are ticks that were not sealed, {:.1} MiB in all",
        bytes_per(held, series),
        bytes_per(head, series),
        mib(held)
    );
}

/// Hosts with all their batches. They keep their own dictionaries, so that what the store keeps does not come to lie
/// where others were before, uncounted.
fn encoded(options: &Options, interval: Duration) -> Vec<Made> {
    let model = Model::made(options.series);
    let hosts = (0..options.hosts).map(|number| {
        let machine = model.machine(number as u64);
        let pace = Pace::spread(BEGIN, interval, number, options.hosts);
        let every = pace.ticks_in(KEY_FRAME_EVERY);
        let mut encoder = Encoder::new();
        let batches = (1..=options.ticks).map(|seq| {
            let (time, cells) = (pace.time(seq), machine.cells(seq));
            encoder.encode(&Tick { time, cells }, machine.dictionary(), seq.is_multiple_of(every))
        });
        Made {
            batches: batches.collect(),
            pace,
            machine,
        }
    });
    hosts.collect()
}

/// Makes a host known to store and rules, as its connecting does.
fn connected(place: &Place, engine: &mut tocsin_rules::Engine, made: Made) -> Host {
    let number = made.machine.number();
    place.learn(made.machine.dictionary());
    let stream = place.stream(number);
    let said = engine.introduce(stream.host(), &register::name(number), &[], BEGIN);
    assert!(said.is_empty(), "nothing to say of a new host");
    engine.expect(stream.host(), made.pace.interval(), BEGIN);
    Host { stream, made }
}

/// One tick of every host, until all are durable; answers how often rules spoke.
fn tick(place: &Place, engine: &mut tocsin_rules::Engine, fleet: &mut [Host], seq: u64) -> usize {
    let mut durable = Durable::new();
    let at = usize::try_from(seq - 1).unwrap_or(0);
    let mut spoken = 0;
    for host in fleet {
        let now = host.made.pace.time(seq);
        let appended = place
            .store
            .append_live(&host.stream, seq, &host.made.batches[at], now, durable.one());
        let seen = appended.expect("a tick that is taken");
        let (of, dictionary) = (host.stream.host(), &seen.dictionary);
        spoken += engine.tick(of, dictionary, &seen.tick, &seen.changed, now, false).len();
        spoken += engine.advance(now).len();
    }
    durable.all();
    spoken
}
