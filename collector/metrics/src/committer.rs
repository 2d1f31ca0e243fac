//! The one thread that writes the journal.
//!
//! It takes whatever waits in the queue, writes it in one go, syncs once, hands the ticks to their hosts and tells each
//! submitter. While it syncs, and for a few milliseconds since the last group began, the next one gathers: that is the
//! whole of group commit.

use crate::{
    bytes::length_u32,
    config::{GROUP_BYTES_MAX, SEGMENT_AGE_MAX},
    error::StoreError,
    head::{Part, RecordPlace, TickPlace},
    host::Host,
    journal::{
        record::{HEADER_BYTES, Kind, Watermark},
        writer::{Failure, Writer},
    },
    shared::Shared,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};
use tocsin_vocabulary::{Dictionary, SpoolId, Timestamp, batch::Tick};

/// Told once the data is durable, or why it is not. Called on the committer's thread: must not block.
pub type OnDurable = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A tick of a chunk, with the number of its batch in the record.
pub(crate) type ChunkTick = (u16, u64, Arc<Tick>, Dictionary);

/// What becomes of the data once it is durable.
pub(crate) enum Apply {
    /// A live tick of one chain.
    Live {
        epoch: u64,
        /// Segment of the chain's key-frame.
        chain_segment: Arc<AtomicU32>,
        key_frame: bool,
        spool: SpoolId,
        seq: u64,
        tick: Arc<Tick>,
        dictionary: Dictionary,
        received_at: Timestamp,
    },
    /// Ticks of the backlog.
    Chunk {
        spool: SpoolId,
        ticks: Vec<ChunkTick>,
        received_at: Timestamp,
    },
    /// Ticks that are lost.
    Gap {
        spool: SpoolId,
        first: u64,
        last: u64,
        span: (Timestamp, Timestamp),
    },
    /// Nothing: everything submitted before is durable when this is told so.
    Nothing,
}

/// One record on its way.
pub(crate) struct Submission {
    pub(crate) host: Arc<Host>,
    pub(crate) record: Option<(Kind, Vec<u8>)>,
    pub(crate) apply: Apply,
    pub(crate) on_durable: OnDurable,
}

/// What the committer is asked to do.
pub(crate) enum Request {
    /// Write this.
    Commit(Submission),
    /// Begin a new segment if this one holds data and is old enough, then say so.
    Tidy(Timestamp, SyncSender<()>),
}

/// The committer's own state.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    writer: Writer,
    begun_at: Option<Timestamp>,
}

/// Marks the store poisoned should the thread end by a panic: nobody may wait for it then.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poisoned.store(true, Ordering::Release);
        }
        self.0.queue.abandon();
    }
}

impl Committer {
    pub(crate) const fn new(shared: Arc<Shared>, writer: Writer) -> Self {
        Self {
            shared,
            writer,
            begun_at: None,
        }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _alive = Alive(self.shared.clone());
        let mut last_group: Option<Duration> = None;
        while self.shared.queue.wait() {
            self.gather(last_group);
            last_group = Some(self.shared.disk.monotonic());
            let requests = self.shared.queue.take(GROUP_BYTES_MAX);
            let mut group = Vec::with_capacity(requests.len());
            let mut tidy = None;
            for request in requests {
                match request {
                    Request::Commit(submission) => group.push(submission),
                    Request::Tidy(now, done) => tidy = Some((now, done)),
                }
            }
            if !group.is_empty() {
                self.commit(group);
            }
            if let Some((now, done)) = tidy {
                self.tidy(now);
                // Who asked may have gone.
                let _ = done.send(());
            }
        }
        if !self.shared.poisoned.load(Ordering::Acquire) {
            self.end_segment();
        }
    }

    /// Lets a group gather for the rest of the pause since the last one began: syncing is what costs.
    fn gather(&self, last_group: Option<Duration>) {
        let since = last_group.map(|last| self.shared.disk.monotonic().saturating_sub(last));
        if let Some(rest) = since.and_then(|since| self.shared.config.group_pause.checked_sub(since)) {
            std::thread::sleep(rest);
        }
    }

    fn commit(&mut self, group: Vec<Submission>) {
        let (group, broken): (Vec<_>, Vec<_>) = group.into_iter().partition(|submission| !is_broken(submission));
        for submission in broken {
            let error = StoreError::BrokenChain(submission.host.id);
            refuse(submission, &error);
        }
        let written = self.write(&group);
        match written {
            Ok(mut offset) => {
                for submission in &group {
                    let length = submission
                        .record
                        .as_ref()
                        .map_or(0, |(_, body)| HEADER_BYTES + body.len());
                    let record = RecordPlace {
                        segment: self.writer.segment(),
                        offset,
                        length: length_u32(length),
                    };
                    self.apply(submission, record);
                    offset += record.length;
                }
                for submission in group {
                    (submission.on_durable)(Ok(()));
                }
            }
            Err(error) => {
                tracing::error!(%error, records = group.len(), "journal: a group was not written");
                for submission in group {
                    refuse(submission, &error);
                }
            }
        }
    }

    /// Answers where the first record of the group lies in its segment.
    fn write(&mut self, group: &[Submission]) -> Result<u32, StoreError> {
        if self.shared.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let records: Vec<(Kind, &[u8])> = group
            .iter()
            .filter_map(|submission| submission.record.as_ref())
            .map(|(kind, body)| (*kind, body.as_slice()))
            .collect();
        if records.is_empty() {
            return Ok(0);
        }
        let bytes = records.iter().map(|(_, body)| body.len()).sum();
        if !self.writer.has_room(records.len(), bytes) {
            self.begin_segment()?;
        }
        let offset = u32::try_from(self.writer.length()).unwrap_or(u32::MAX);
        let started = self.shared.disk.monotonic();
        let outcome = self.writer.write(&records).map_err(|failure| self.judge(failure));
        self.measure(
            self.shared.disk.monotonic().saturating_sub(started),
            records.len(),
            bytes,
        );
        self.shared
            .set_active(self.writer.segment(), self.writer.length(), self.writer.file());
        outcome.map(|()| offset)
    }

    fn measure(&self, took: Duration, records: usize, bytes: usize) {
        let counters = &self.shared.counters;
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counters.syncs.fetch_add(1, Ordering::Relaxed);
        counters.sync_micros.fetch_add(micros, Ordering::Relaxed);
        counters.last_sync_micros.store(micros, Ordering::Relaxed);
        counters.records.fetch_add(records as u64, Ordering::Relaxed);
        counters
            .journal_bytes_written
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Turns a failure into what the submitters hear; a fatal one ends all writing.
    fn judge(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::Undone(error) => StoreError::write("append to", self.writer.path())(error),
            Failure::Fatal(error) => {
                self.shared.poisoned.store(true, Ordering::Release);
                StoreError::write("sync", self.writer.path())(error)
            }
        }
    }

    fn apply(&mut self, submission: &Submission, record: RecordPlace) {
        let segment = record.segment;
        let mut state = submission.host.lock();
        let fresh = match &submission.apply {
            Apply::Live {
                chain_segment,
                key_frame,
                spool,
                seq,
                tick,
                dictionary,
                received_at,
                ..
            } => {
                self.begun_at.get_or_insert(*received_at);
                if *key_frame {
                    chain_segment.store(segment, Ordering::Release);
                }
                let needed = chain_segment.load(Ordering::Acquire);
                state.set_latest(tick, dictionary, *received_at);
                let place = TickPlace {
                    spool: *spool,
                    seq: *seq,
                    time: tick.time,
                    part: if *key_frame { Part::KeyFrame } else { Part::Delta },
                };
                usize::from(state.store(place, record, needed, *received_at))
            }
            Apply::Chunk {
                spool,
                ticks,
                received_at,
            } => {
                self.begun_at.get_or_insert(*received_at);
                let mut fresh = 0;
                for (batch, seq, tick, dictionary) in ticks {
                    state.offer_latest(tick, dictionary, *received_at);
                    let place = TickPlace {
                        spool: *spool,
                        seq: *seq,
                        time: tick.time,
                        part: Part::Batch(*batch),
                    };
                    fresh += usize::from(state.store(place, record, segment, *received_at));
                }
                fresh
            }
            Apply::Gap {
                spool,
                first,
                last,
                span,
            } => {
                state.lose(*spool, *first, *last, Some(*span));
                0
            }
            Apply::Nothing => 0,
        };
        self.shared.hold(fresh);
    }

    fn tidy(&mut self, now: Timestamp) {
        let old = self.begun_at.is_some_and(|begun| now.since(begun) >= SEGMENT_AGE_MAX);
        if old
            && !self.shared.poisoned.load(Ordering::Acquire)
            && let Err(error) = self.begin_segment()
        {
            tracing::warn!(%error, "journal: could not begin a new segment, going on in the old one");
        }
    }

    /// Nothing more comes into this segment.
    fn end_segment(&mut self) {
        if let Err(error) = self.writer.cut_off_zeros() {
            tracing::warn!(%error, path = %self.writer.path().display(), "journal: could not cut a segment to its length");
        }
    }

    /// A new segment begins with what is sealed, so that the ones before it can go.
    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let first = watermarks(&self.shared);
        let next = self.writer.segment() + 1;
        let dir = self.shared.journal_dir();
        match Writer::create(self.shared.disk.as_ref(), &dir, next, &first) {
            Ok(writer) => {
                self.end_segment();
                self.writer = writer;
                self.begun_at = None;
                self.shared.set_active(next, self.writer.length(), self.writer.file());
                Ok(())
            }
            Err(failure) => Err(self.judge(failure)),
        }
    }
}

/// One record for each spool: what of it is sealed.
pub(crate) fn watermarks(shared: &Shared) -> Vec<(Kind, Vec<u8>)> {
    let mut records = Vec::new();
    for host in shared.hosts.all() {
        let state = host.lock();
        for spool in &state.spools {
            let current = state.current_spool == Some(spool.id);
            let watermark = Watermark {
                host: host.id,
                spool: spool.id,
                current,
                sealed: spool.sealed.clone(),
            };
            records.push((Kind::Watermark, watermark.encode()));
        }
    }
    records
}

fn is_broken(submission: &Submission) -> bool {
    match submission.apply {
        Apply::Live { epoch, .. } => epoch < submission.host.lock().chain.broken_before,
        _ => false,
    }
}

/// Takes back what was pending and tells the submitter.
pub(crate) fn refuse(submission: Submission, error: &StoreError) {
    {
        let mut state = submission.host.lock();
        match &submission.apply {
            Apply::Live { epoch, spool, seq, .. } => {
                state.spool(*spool).pending.remove(*seq);
                state.chain.break_at(*epoch);
            }
            Apply::Chunk { spool, ticks, .. } => {
                let spool = state.spool(*spool);
                for (_, seq, ..) in ticks {
                    spool.pending.remove(*seq);
                }
            }
            Apply::Gap { .. } | Apply::Nothing => {}
        }
    }
    (submission.on_durable)(Err(error.clone()));
}
