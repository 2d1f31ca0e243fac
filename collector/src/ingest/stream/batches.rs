//! Ticks: live ones to journal and rules at once, kept ones to the journal, and word of those that never come.

use super::{Stream, end::End};
use crate::{
    engine::TickSeen,
    ingest::{
        backlog::{Chunk, pool::Arrival},
        wire,
    },
};
use tocsin_proto::{CHUNK_TICKS_MAX, v1};
use tocsin_vocabulary::{Code, Timestamp};

/// A chunk of backlog is expected to have at least so many bytes.
const CHUNK_BYTES_MIN: usize = 4_096;

impl Stream {
    pub(super) async fn live(&mut self, batch: v1::Batch, now: Timestamp) -> Result<(), End> {
        let host = self.parts.record.id;
        let appended =
            self.parts
                .store
                .append_live(&self.ticks, batch.seq, &batch.payload, now, self.news.verdict())?;
        self.parts.live.ticked(host, now);
        if self.chunk_bytes == 0 {
            self.chunk_bytes = CHUNK_BYTES_MIN.max(batch.payload.len() * CHUNK_TICKS_MAX);
        }
        if !appended.duplicate && batch.seq < self.live_seq {
            let at = appended.tick.time;
            self.parts.engine.past.late(host, at, at, now);
        } else if !appended.duplicate {
            self.live_seq = batch.seq;
            let tocsin_metrics::Appended {
                tick,
                dictionary,
                changed,
                ..
            } = appended;
            let seen = TickSeen {
                host,
                dictionary,
                tick,
                changed,
            };
            if let Err(seen) = self.parts.engine.look(seen, now) {
                Box::pin(self.bring(seen)).await?;
            }
        }
        Ok(())
    }

    /// Until the engine has looked at a tick no further message is taken, but what is durable is acknowledged.
    async fn bring(&mut self, seen: TickSeen) -> Result<(), End> {
        let engine = self.parts.engine.clone();
        let brought = engine.bring(seen);
        tokio::pin!(brought);
        let news = self.news.clone();
        loop {
            tokio::select! {
                biased;
                () = &mut brought => return Ok(()),
                told = news.come() => self.tell(told?).await?,
            }
        }
    }

    pub(super) fn backlog(&mut self, chunk: v1::Chunk, now: Timestamp) -> Result<(), End> {
        if chunk.batches.len() > CHUNK_TICKS_MAX {
            return Err(End::Refused(
                Code::ResourceExhausted,
                format!("a chunk may have {CHUNK_TICKS_MAX} ticks"),
            ));
        }
        let bytes: usize = chunk.batches.iter().map(|batch| batch.payload.len()).sum();
        let place = self.member.arrives(bytes).map_err(|refused| match refused {
            Arrival::Late => {
                let reason = "the turn of this host's backlog has passed, and others are busy with theirs".to_owned();
                End::Retry(self.parts.capacity.gate.spread(1), reason)
            }
            Arrival::Taken | Arrival::Unasked => End::Refused(
                Code::FailedPrecondition,
                "backlog was sent without credit: upgrade the agent".to_owned(),
            ),
        })?;
        self.chunk_bytes = bytes.max(CHUNK_BYTES_MIN);
        let handed_over = self.member.hand_over(Chunk {
            ticks: self.ticks.clone(),
            batches: chunk.batches,
            received_at: now,
            news: self.news.clone(),
            place,
        });
        if handed_over { Ok(()) } else { Err(End::Gone) }
    }

    pub(super) fn gap(&mut self, gap: v1::Gap) -> Result<(), End> {
        let host = self.parts.record.id;
        let reason = wire::clipped(gap.reason);
        self.gaps += 1;
        if self.gaps == 1 {
            tracing::warn!(%host, name = self.parts.record.name, from = gap.first_seq, to = gap.last_seq, reason, "the agent had to drop ticks; further gaps of this stream are in its chart only");
        }
        self.parts.store.append_gap(
            &self.ticks,
            (gap.first_seq, gap.last_seq),
            (Timestamp::from_millis(gap.from_ms), Timestamp::from_millis(gap.to_ms)),
            &reason,
            self.news.verdict(),
        )?;
        Ok(())
    }
}
