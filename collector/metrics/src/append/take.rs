//! Decoding and checking what arrives, before it is queued.

use super::{Appended, ChunkAppended, Stream};
use crate::{
    committer::{Apply, ChunkTick, OnDurable, Request, Submission},
    config::{
        BACKLOG_INTERVALS_MAX, BATCH_BYTES_MAX, CHUNK_BATCHES_MAX, LIVE_INTERVALS_MAX, OPEN_HOURS_MAX,
        RECORD_BYTES_MAX, TICKS_PER_HOUR_MAX,
    },
    dictionaries::limit,
    error::StoreError,
    head::{END_OF_TIME_MS, HeadHour, hour_of},
    host::HostState,
    journal::{
        queue::Refused,
        record::{Chunk, Kind, Live},
    },
    shared::Shared,
};
use std::sync::atomic::Ordering;
use tocsin_vocabulary::{
    HostId, SpoolId, Timestamp,
    batch::{BatchError, Decoder, Tick},
};

/// Decodes, checks and queues a live tick.
pub(super) fn live(
    shared: &Shared,
    state: &mut HostState,
    stream: &Stream,
    seq: u64,
    payload: &[u8],
    now: Timestamp,
    on_durable: OnDurable,
) -> Result<Appended, StoreError> {
    let host = stream.host.id;
    check_room(shared)?;
    limit("bytes of a batch", payload.len(), BATCH_BYTES_MAX)?;
    state.let_go_of_latest();
    let decoded = state
        .chain
        .decoder
        .decode(payload, |hash| shared.dictionaries.get(hash))
        .map_err(|source| StoreError::Batch { host, seq, source })?;
    let (tick, dictionary) = (decoded.tick.clone(), decoded.dictionary.clone());
    let (changed, key_frame) = (decoded.changed.to_vec(), decoded.key_frame);
    check_tick(state, host, seq, &tick)?;
    let duplicate = state.spool(stream.spool).holds(seq);
    if !duplicate {
        check_open_hours(state, &tick, OPEN_HOURS_MAX * 2)?;
        check_intervals(state, stream.spool, seq, LIVE_INTERVALS_MAX)?;
    }
    let link = if key_frame { 0 } else { state.chain.next_link };
    let record = Live {
        host,
        spool: stream.spool,
        seq,
        received_at: now,
        link,
        payload,
    };
    let apply = Apply::Live {
        epoch: state.chain.epoch,
        chain_segment: state.chain.segment.clone(),
        key_frame,
        spool: stream.spool,
        seq,
        tick: tick.clone(),
        dictionary: dictionary.clone(),
        received_at: now,
    };
    // A duplicate is written too: the ticks after it refer to it.
    let record = Some((Kind::Live, record.encode()));
    submit(
        shared,
        Submission {
            host: stream.host.clone(),
            record,
            apply,
            on_durable,
        },
    )?;
    state.chain.next_link = link.saturating_add(1);
    state.chain.last_received = now;
    if duplicate {
        shared.counters.duplicates.fetch_add(1, Ordering::Relaxed);
    } else {
        state.spool(stream.spool).pending.insert(seq);
        shared.counters.ticks.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Appended {
        duplicate,
        tick,
        dictionary,
        changed,
        key_frame,
    })
}

/// Decodes, checks and queues a chunk of backlog.
pub(super) fn chunk<B: AsRef<[u8]>>(
    shared: &Shared,
    stream: &Stream,
    batches: &[(u64, B)],
    now: Timestamp,
    on_durable: OnDurable,
) -> Result<ChunkAppended, StoreError> {
    check_room(shared)?;
    limit("batches of a chunk", batches.len(), CHUNK_BATCHES_MAX)?;
    let batches: Vec<(u64, &[u8])> = batches.iter().map(|(seq, payload)| (*seq, payload.as_ref())).collect();
    limit(
        "bytes of a chunk",
        batches.iter().map(|(_, payload)| payload.len() + 20).sum(),
        RECORD_BYTES_MAX - 64,
    )?;
    let ticks = decode_chunk(shared, stream.host.id, &batches)?;
    let mut state = stream.host.lock();
    let spool = state.spool(stream.spool);
    // What is only on its way counts as new: should its write fail, this one may succeed.
    let fresh: Vec<_> = ticks
        .into_iter()
        .filter(|(_, seq, ..)| !spool.received.contains(*seq))
        .collect();
    let counts = ChunkAppended {
        ticks: fresh.len(),
        duplicates: batches.len() - fresh.len(),
    };
    let mut reach = spool.received.clone();
    for (_, seq, tick, _) in &fresh {
        check_tick(&state, stream.host.id, *seq, tick)?;
        check_open_hours(&state, tick, OPEN_HOURS_MAX)?;
        reach.insert(*seq);
    }
    if reach.ranges().len() > BACKLOG_INTERVALS_MAX
        && reach.ranges().len() > state.spool(stream.spool).received.ranges().len()
    {
        return Err(StoreError::Busy(
            "too many holes in this host's ticks, fill the older ones first",
        ));
    }
    let seqs: Vec<u64> = fresh.iter().map(|(_, seq, ..)| *seq).collect();
    let record = Chunk {
        host: stream.host.id,
        spool: stream.spool,
        received_at: now,
        batches,
    };
    let submission = Submission {
        host: stream.host.clone(),
        record: (!fresh.is_empty()).then(|| (Kind::Chunk, record.encode())),
        apply: if fresh.is_empty() {
            Apply::Nothing
        } else {
            Apply::Chunk {
                spool: stream.spool,
                ticks: fresh,
                received_at: now,
            }
        },
        on_durable,
    };
    submit(shared, submission)?;
    let pending = &mut state.spool(stream.spool).pending;
    seqs.into_iter().for_each(|seq| pending.insert(seq));
    shared.counters.ticks.fetch_add(counts.ticks as u64, Ordering::Relaxed);
    shared
        .counters
        .duplicates
        .fetch_add(counts.duplicates as u64, Ordering::Relaxed);
    Ok(counts)
}

fn decode_chunk(shared: &Shared, host: HostId, batches: &[(u64, &[u8])]) -> Result<Vec<ChunkTick>, StoreError> {
    let mut decoder = Decoder::new();
    let mut ticks = Vec::with_capacity(batches.len());
    for (number, (seq, payload)) in (0_u16..).zip(batches) {
        let decoded = decoder
            .decode(payload, |hash| shared.dictionaries.get(hash))
            .map_err(|source| StoreError::Batch {
                host,
                seq: *seq,
                source,
            })?;
        ticks.push((number, *seq, decoded.tick.clone(), decoded.dictionary.clone()));
    }
    Ok(ticks)
}

fn check_room(shared: &Shared) -> Result<(), StoreError> {
    if shared.poisoned.load(Ordering::Acquire) {
        return Err(StoreError::Poisoned);
    }
    if shared.head_bytes.load(Ordering::Relaxed) > shared.config.head_bytes_max {
        return Err(StoreError::Busy("too many unsealed ticks in memory"));
    }
    Ok(())
}

fn check_tick(state: &HostState, host: HostId, seq: u64, tick: &Tick) -> Result<(), StoreError> {
    if seq == 0 {
        return Err(StoreError::Batch {
            host,
            seq,
            source: BatchError::Malformed,
        });
    }
    if !(0..END_OF_TIME_MS).contains(&tick.time.as_millis()) {
        return Err(StoreError::Time { host, time: tick.time });
    }
    let in_hour = state.head.hours.get(&hour_of(tick.time));
    let in_hour = in_hour.map_or(0, |hour: &HeadHour| hour.ticks);
    limit("ticks in one hour", in_hour + 1, TICKS_PER_HOUR_MAX)
}

fn check_open_hours(state: &HostState, tick: &Tick, max: usize) -> Result<(), StoreError> {
    let full = state.head.hours.len() >= max && !state.head.hours.contains_key(&hour_of(tick.time));
    if full {
        Err(StoreError::Busy("too many unsealed hours of this host"))
    } else {
        Ok(())
    }
}

fn check_intervals(state: &mut HostState, spool: SpoolId, seq: u64, max: usize) -> Result<(), StoreError> {
    let received = &state.spool(spool).received;
    let grows = received.count_with(seq) > received.ranges().len().max(max);
    if grows {
        Err(StoreError::Busy("too many holes in this host's ticks"))
    } else {
        Ok(())
    }
}

/// Queues for the committer.
pub(super) fn submit(shared: &Shared, submission: Submission) -> Result<(), StoreError> {
    let bytes = submission.record.as_ref().map_or(0, |(_, body)| body.len());
    shared
        .queue
        .push(Request::Commit(submission), bytes)
        .map_err(|(refused, _)| match refused {
            Refused::Full => StoreError::Busy("its queue to the disk is full"),
            Refused::Closed if shared.poisoned.load(Ordering::Acquire) => StoreError::Poisoned,
            Refused::Closed => StoreError::Closed,
        })
}
