//! What a host says of itself beside its ticks: facts and events.

use super::{BUSY_RETRY, Stream, end::End};
use crate::{
    engine::Command,
    ingest::{thread::at_home, wire},
};
use std::time::Duration;
use tocsin_console::backend::Change;
use tocsin_desk::record::EventRecord;
use tocsin_proto::v1;
use tocsin_vocabulary::{Code, Timestamp};

/// Most events in one message.
const EVENTS_MAX: usize = 1_000;

/// An event that took longer than this to arrive is marked late.
const LATE_AFTER: Duration = Duration::from_secs(60);

/// Whether an event took long to arrive, by the host's own clock: a wrong one makes nothing late.
fn is_late(event: &EventRecord, clock_offset_ms: i64) -> bool {
    let arrived = event.received_at.as_millis().saturating_add(clock_offset_ms);
    Timestamp::from_millis(arrived).since(event.at) > LATE_AFTER
}

impl Stream {
    pub(super) async fn events(&mut self, events: v1::Events, now: Timestamp) -> Result<(), End> {
        if events.events.len() > EVENTS_MAX {
            return Err(End::Refused(
                Code::ResourceExhausted,
                format!("a message may have {EVENTS_MAX} events"),
            ));
        }
        let records: Vec<EventRecord> = events
            .events
            .into_iter()
            .map(|event| wire::event_of(event, now))
            .collect();
        let (ledger, host, spool) = (self.parts.ledger.clone(), self.parts.record.id, self.spool);
        let offset = self.parts.live.presence(host).clock_offset_ms.unwrap_or(0);
        let heard: Vec<_> = records
            .iter()
            .map(|event| (event.clone(), is_late(event, offset)))
            .collect();
        let stored = at_home(&self.parts.home, async move {
            ledger.store_events(host, spool, &records).await
        });
        let stored = stored
            .await
            .map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
        // Before they are acknowledged: what is lost on the way to the rules comes again.
        self.parts.engine.send(Command::Events(host, heard)).await;
        self.ack(stored).await
    }

    pub(super) async fn facts(&mut self, facts: v1::HostFacts) -> Result<(), End> {
        let facts = wire::facts_of(facts);
        let host = self.parts.record.id;
        let interval_ms = self.parts.live.presence(host).interval_ms;
        if facts == self.parts.record.facts && interval_ms == self.parts.record.interval_ms {
            return Ok(());
        }
        let ledger = self.parts.ledger.clone();
        let updated = at_home(&self.parts.home, async move {
            ledger.update_facts(host, &facts, interval_ms).await?;
            // Read anew: the register may have changed since the stream was opened.
            ledger.host(host).await
        });
        let record = updated
            .await
            .map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
        let Some(record) = record.filter(|record| record.revoked_at.is_none()) else {
            return Err(End::Refused(
                Code::Forbidden,
                "this host was shut out: enrol it again".to_owned(),
            ));
        };
        self.parts.record = record;
        self.parts.engine.host_changed(self.parts.record.clone()).await;
        self.parts.live.ring(Change::Hosts);
        Ok(())
    }
}
