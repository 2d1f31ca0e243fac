//! What a host says of itself beside its ticks: facts and events.

use super::{BUSY_RETRY, Stream, end::End};
use crate::{
    engine::Command,
    ingest::{thread::at_home, wire},
};
use std::time::Duration;
use tocsin_console::backend::Change;
use tocsin_desk::record::EventRecord;
use tocsin_ledger::LedgerError;
use tocsin_proto::v1;
use tocsin_vocabulary::{Code, Timestamp};

/// Most events in one message.
const EVENTS_MAX: usize = 1_000;

/// An event that took longer than this to arrive is marked late.
const LATE_AFTER: Duration = Duration::from_secs(60);

/// How long ago an event happened that came late; none for one that came when it happened.
///
/// Late is what was numbered before this stream was opened (`before`), whatever any clock says: one that is wrong, or was
/// set in between, mutes nobody. Only how long it took is told by the host's own clock, and what took no time is not called
/// late. An agent that does not say what it had (0) is judged by its clock alone.
fn lateness(event: &EventRecord, before: u64, clock_offset_ms: i64) -> Option<Duration> {
    if before > 0 && event.seq > before {
        return None;
    }
    let arrived = Timestamp::from_millis(event.received_at.as_millis().saturating_add(clock_offset_ms));
    let age = arrived.since(event.at);
    let from_the_future = before > 0 && event.at > arrived.plus(LATE_AFTER);
    (age > LATE_AFTER || from_the_future).then_some(age)
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
            .map(|event| (event.clone(), lateness(event, self.events_before, offset)))
            .collect();
        let (backups, told) = (self.parts.backups.clone(), heard.clone());
        let stored = at_home(&self.parts.home, async move {
            let stored = ledger.store_events(host, spool, &records).await?;
            // Before they are acknowledged: a run that is not judged comes again.
            backups.told(host, &told).await?;
            Ok::<_, LedgerError>(stored)
        });
        let stored = stored
            .await
            .map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
        // Before they are acknowledged: what is lost on the way to the rules comes again.
        self.parts.engine.send(Command::Events(host, spool, heard)).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::Severity;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
    const HOURS: Duration = Duration::from_secs(8 * 3_600);

    fn event(seq: u64, at: Timestamp) -> EventRecord {
        EventRecord {
            seq,
            at,
            received_at: NOW,
            name: "log.match".to_owned(),
            severity: Severity::Warning,
            attributes: std::collections::BTreeMap::new(),
            body: String::new(),
        }
    }

    #[test]
    fn a_clock_that_is_hours_off_or_was_set_makes_nothing_late_that_is_new() {
        for at in [NOW, NOW.minus(HOURS), NOW.plus(HOURS)] {
            assert_eq!(lateness(&event(6, at), 5, 0), None);
        }
    }

    #[test]
    fn what_was_numbered_before_the_stream_is_late_unless_it_took_no_time() {
        let minute = Duration::from_secs(90);
        assert_eq!(lateness(&event(5, NOW.minus(minute)), 5, 0), Some(minute));
        assert_eq!(lateness(&event(5, NOW.minus(Duration::from_secs(2))), 5, 0), None);
        // The host's clock is eight hours behind, and says so.
        let offset = -i64::try_from(HOURS.as_millis()).unwrap();
        assert_eq!(
            lateness(&event(5, NOW.minus(HOURS).minus(minute)), 5, offset),
            Some(minute)
        );
        // It was set back by eight hours since: how long ago it was is not known.
        assert_eq!(lateness(&event(5, NOW.plus(HOURS)), 5, 0), Some(Duration::ZERO));
    }

    #[test]
    fn an_older_agent_is_judged_by_its_clock() {
        assert_eq!(lateness(&event(5, NOW), 0, 0), None);
        assert_eq!(lateness(&event(5, NOW.minus(HOURS)), 0, 0), Some(HOURS));
    }
}
