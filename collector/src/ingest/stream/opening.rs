//! Hello and Welcome: what an agent says first, and what it is told.

use super::{
    BUSY_RETRY, Stream, StreamParts,
    end::End,
    news::{News, ranges},
};
use crate::{engine::Command, ingest::thread::at_home};
use std::time::Duration;
use tocsin_proto::{
    PROTOCOL,
    v1::{self, collector_message::Body},
};
use tocsin_vocabulary::{Code, SpoolId};

/// Bounds of a tick interval.
const INTERVAL_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;

/// What the hello says of spool and interval, if it is sound.
pub(super) fn checked(hello: &v1::Hello) -> Result<(SpoolId, Duration), End> {
    if hello.protocol != PROTOCOL {
        return Err(End::Refused(
            Code::FailedPrecondition,
            format!(
                "the agent speaks protocol {}, this collector {PROTOCOL}: upgrade the older of the two",
                hello.protocol
            ),
        ));
    }
    let spool: [u8; 16] = hello
        .spool_id
        .as_ref()
        .try_into()
        .map_err(|_| End::Refused(Code::InvalidInput, "spool_id is not 16 bytes".to_owned()))?;
    if !INTERVAL_MS.contains(&hello.interval_ms) {
        return Err(End::Refused(
            Code::InvalidInput,
            "interval is not between 1s and 60s".to_owned(),
        ));
    }
    Ok((SpoolId::from_bytes(spool), Duration::from_millis(hello.interval_ms)))
}

impl Stream {
    pub(super) async fn open(
        parts: StreamParts,
        spool: SpoolId,
        interval: Duration,
        hello: &v1::Hello,
    ) -> Result<Self, End> {
        let host = parts.record.id;
        let unreadable = |error: tocsin_ledger::LedgerError| End::Retry(BUSY_RETRY, error.to_string());
        // Again, now that the stream is one that a shut-out closes: it may have come between the call and the hello.
        let ledger = parts.ledger.clone();
        let record = at_home(&parts.home, async move { ledger.host(host).await });
        let record = record.await.map_err(unreadable)?;
        if record.is_none_or(|record| record.revoked_at.is_some()) {
            return Err(End::Refused(
                Code::Forbidden,
                "this host was shut out: enrol it again".to_owned(),
            ));
        }
        let ticks = parts.store.begin_stream(host, spool, hello.first_seq);
        parts.engine.send(Command::Streaming { host, interval }).await;
        let ledger = parts.ledger.clone();
        let event_seq = at_home(&parts.home, async move { ledger.event_seq(host, spool).await });
        let event_seq = event_seq.await.map_err(unreadable)?;
        let holdings = parts.store.holdings(host, spool);
        let news = News::new(parts.bell.clone());
        let stream = Self {
            member: parts.capacity.backlog.join(news.clone()),
            parts,
            spool,
            ticks,
            offered: Vec::new(),
            arriving: None,
            ids: None,
            gaps: 0,
            news,
            last_seq: hello.last_seq,
            events_before: hello.last_event_seq,
            live_seq: 0,
            chunk_bytes: 0,
            told_sealed: holdings.sealed_seq,
        };
        stream
            .say(Body::Welcome(v1::Welcome {
                collector: env!("CARGO_PKG_VERSION").to_owned(),
                received: ranges(holdings.received),
                sealed_seq: holdings.sealed_seq,
                event_seq,
                settings: None,
                // Live first: credit follows when it is this stream's turn.
                backlog_credit: 0,
            }))
            .await?;
        tracing::info!(%host, name = stream.parts.record.name, "stream opened");
        Ok(stream)
    }
}
