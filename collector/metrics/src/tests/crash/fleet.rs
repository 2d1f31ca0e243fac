//! The agents of a script: they send, hear what is safe, and send again what the store lacks.

use super::script::{Dictionaries, KEY_EVERY, Life, Script, Step, classes, config};
use crate::{FaultDisk, Maintained, Store, StoreError, Stream};
use std::{collections::BTreeSet, sync::Arc};
use tocsin_vocabulary::{Timestamp, batch::Encoder};

/// Most ticks of one chunk when a lot is missing.
const REFILL_TICKS: usize = 50;

/// What an agent was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Heard {
    /// These ticks are durable, or noted as lost.
    pub(crate) received: BTreeSet<u64>,
    /// Everything up to here is sealed: it was forgotten here.
    pub(crate) sealed: u64,
}

/// All agents, and what they were told.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    pub(crate) script: Arc<Script>,
    pub(crate) heard: Vec<Heard>,
    /// The greatest time for which house was kept: by it days may have been dropped.
    pub(crate) kept_house: Timestamp,
    /// How often the store did not open.
    pub(crate) failed_opens: usize,
    /// Rounds of housekeeping that told of an error.
    pub(crate) failed_upkeep: usize,
    /// What housekeeping did.
    pub(crate) done: Maintained,
    /// Whether hosts went to other classes.
    changed: bool,
}

/// One connection.
struct Line {
    stream: Stream,
    dictionaries: Dictionaries,
    encoder: Encoder,
    next_is_key: bool,
}

impl Fleet {
    pub(crate) fn new(script: &Arc<Script>) -> Self {
        Self {
            script: script.clone(),
            heard: vec![Heard::default(); script.lives.len()],
            kept_house: Timestamp::from_millis(0),
            failed_opens: 0,
            failed_upkeep: 0,
            done: Maintained::default(),
            changed: false,
        }
    }

    /// Plays the script until it ends or the power goes. What fails is sent again later, by [`Self::refill`].
    pub(crate) fn play(&mut self, disk: &FaultDisk) {
        drop(self.play_watched(disk, |_, _| true));
    }

    /// As [`Self::play`], on a disk that is full until this many operations were tried. Gives the store back.
    pub(crate) fn play_until_room(&mut self, disk: &FaultDisk, operations: u64) -> Option<Store> {
        let store = self.play_watched(disk, |_, _| {
            if disk.operations() >= operations {
                disk.make_room();
            }
            true
        });
        disk.make_room();
        store
    }

    /// As [`Self::play`], until the store takes nothing any more. Gives it back.
    pub(crate) fn play_until_poisoned(&mut self, disk: &FaultDisk) -> Option<Store> {
        self.play_watched(disk, |_, store| !store.is_some_and(|store| store.health().poisoned))
    }

    /// Plays the script, after each step only while `goes_on`.
    fn play_watched(
        &mut self,
        disk: &FaultDisk,
        mut goes_on: impl FnMut(&FaultDisk, Option<&Store>) -> bool,
    ) -> Option<Store> {
        let script = self.script.clone();
        let mut store = open(disk, self.changed);
        self.failed_opens += usize::from(store.is_none());
        let mut lines: Vec<Option<Line>> = script.lives.iter().map(|_| None).collect();
        for step in &script.steps {
            if disk.is_off() || !goes_on(disk, store.as_ref()) {
                break;
            }
            if *step == Step::Reopen {
                drop(store.take());
            }
            self.changed |= *step == Step::Classes;
            if store.is_none() {
                lines.iter_mut().for_each(|line| *line = None);
                store = open(disk, self.changed);
                self.failed_opens += usize::from(store.is_none());
            }
            if let Some(store) = &store {
                self.step(store, step, &mut lines);
            }
        }
        store
    }

    fn step(&mut self, store: &Store, step: &Step, lines: &mut [Option<Line>]) {
        let script = self.script.clone();
        match step {
            Step::Connect(life) => lines[*life] = self.connect(store, *life).ok(),
            Step::Live(life, ..) | Step::Chunk(life, ..) | Step::Gap(life, ..) => {
                // What fails is sent again in the end, over a new connection.
                let line = lines[*life].take().map_or_else(|| self.connect(store, *life), Ok);
                let sent = line.and_then(|mut line| self.send(store, &mut line, *life, step).map(|()| line));
                lines[*life] = sent.ok();
            }
            Step::Maintain(now) | Step::SealEverything(now) => {
                self.keep_house(store, *now, matches!(step, Step::SealEverything(_)));
            }
            Step::Classes => store.set_classes(classes(true)),
            Step::Reopen => {}
        }
        for (heard, life) in self.heard.iter_mut().zip(&script.lives) {
            heard.sealed = heard.sealed.max(store.holdings(life.host, life.spool).sealed_seq);
        }
    }

    pub(crate) fn keep_house(&mut self, store: &Store, now: Timestamp, everything: bool) {
        self.kept_house = self.kept_house.max(now);
        let done = if everything {
            store.seal_everything(now)
        } else {
            store.maintain(now)
        };
        match done {
            Ok(done) => {
                self.done.sealed_blocks += done.sealed_blocks;
                self.done.dropped_segments += done.dropped_segments;
                self.done.dropped_days += done.dropped_days;
            }
            Err(_) => self.failed_upkeep += 1,
        }
    }

    /// Begins a stream, as an agent does after its dictionaries were asked for.
    fn connect(&self, store: &Store, life: usize) -> Result<Line, StoreError> {
        let Life { host, spool, .. } = self.script.lives[life];
        Ok(Line {
            dictionaries: Dictionaries::learn(store)?,
            stream: store.begin_stream(host, spool, self.heard[life].sealed + 1),
            encoder: Encoder::new(),
            next_is_key: true,
        })
    }

    fn send(&mut self, store: &Store, line: &mut Line, life: usize, step: &Step) -> Result<(), StoreError> {
        match step {
            Step::Live(_, seq) => self.live(store, line, life, *seq),
            Step::Chunk(_, seqs) => self.chunk(store, line, life, seqs),
            Step::Gap(_, first, last) => self.gap(store, line, life, (*first, *last)),
            _ => Ok(()),
        }
    }

    fn live(&mut self, store: &Store, line: &mut Line, life: usize, seq: u64) -> Result<(), StoreError> {
        let script = self.script.clone();
        let it = &script.lives[life];
        let wide = it.sampled(seq).wide;
        let turned = seq > 1 && it.sampled(seq - 1).wide != wide;
        let key = line.next_is_key || turned || seq.is_multiple_of(KEY_EVERY);
        let tick = it.tick(seq);
        let payload = line.encoder.encode(&tick, line.dictionaries.of(wide), key);
        line.next_is_key = false;
        let (on_durable, receiver) = super::super::world::durable();
        store.append_live(&line.stream, seq, &payload, tick.time, on_durable)?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))?;
        self.heard[life].received.insert(seq);
        Ok(())
    }

    fn chunk(&mut self, store: &Store, line: &Line, life: usize, seqs: &[u64]) -> Result<(), StoreError> {
        let it = &self.script.lives[life];
        let mut encoder = Encoder::new();
        let mut before = None;
        let encode = |seq: &u64| {
            let wide = it.sampled(*seq).wide;
            let key = before != Some(wide);
            before = Some(wide);
            (*seq, encoder.encode(&it.tick(*seq), line.dictionaries.of(wide), key))
        };
        let batches: Vec<_> = seqs.iter().map(encode).collect();
        let now = seqs.last().map_or(self.script.end, |seq| it.sampled(*seq).time);
        let (on_durable, receiver) = super::super::world::durable();
        store.append_chunk(&line.stream, &batches, now, on_durable)?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))?;
        self.heard[life].received.extend(seqs);
        Ok(())
    }

    fn gap(&mut self, store: &Store, line: &Line, life: usize, (first, last): (u64, u64)) -> Result<(), StoreError> {
        let it = &self.script.lives[life];
        let span = (it.sampled(first).time, it.sampled(last).time);
        let (on_durable, receiver) = super::super::world::durable();
        store.append_gap(&line.stream, (first, last), span, "spool_full", on_durable)?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))?;
        self.heard[life].received.extend(first..=last);
        Ok(())
    }

    /// Sends everything of the script that the store does not hold, and what was lost, as agents do after a welcome.
    pub(crate) fn refill(&mut self, store: &Store) -> Result<(), String> {
        let script = self.script.clone();
        for (number, life) in script.lives.iter().enumerate() {
            let held = store.holdings(life.host, life.spool).received;
            let lacks = |seq: &u64| !held.iter().any(|(first, last)| (first..=last).contains(&seq));
            let missing: Vec<u64> = (1..=life.last()).filter(lacks).collect();
            if missing.is_empty() {
                continue;
            }
            let line = self.connect(store, number);
            let line = line.map_err(|error| format!("{number} can't connect: {error}"))?;
            for run in runs(&missing, &life.lost) {
                let (first, last) = (run[0], run[run.len() - 1]);
                let sent = if life.lost.contains(&first) {
                    self.gap(store, &line, number, (first, last))
                } else {
                    self.chunk(store, &line, number, &run)
                };
                sent.map_err(|error| format!("ticks {first} to {last} of {number} are not taken: {error}"))?;
            }
        }
        Ok(())
    }
}

/// Consecutive ticks, each run either lost or not.
fn runs(seqs: &[u64], lost: &BTreeSet<u64>) -> Vec<Vec<u64>> {
    let mut runs: Vec<Vec<u64>> = Vec::new();
    for &seq in seqs {
        match runs.last_mut() {
            Some(run)
                if run.len() < REFILL_TICKS
                    && run.last() == Some(&(seq - 1))
                    && lost.contains(&seq) == lost.contains(&run[0]) =>
            {
                run.push(seq);
            }
            _ => runs.push(vec![seq]),
        }
    }
    runs
}

/// The store, unless the power goes or the disk is full while it opens.
pub(crate) fn open(disk: &FaultDisk, changed: bool) -> Option<Store> {
    let store = Store::open(config(), Arc::new(disk.clone())).ok()?;
    store.set_classes(classes(changed));
    Some(store)
}
