//! Events of hosts: stored once each, acknowledged by sequence.

use crate::{
    Ledger, LedgerError,
    engine::{Tx, commit},
    statement::{Fields, Statement},
};
use tocsin_desk::{model::Judged, record::EventRecord};
use tocsin_vocabulary::{HostId, SpoolId, Timestamp};

/// Most events of one list.
const EVENTS_MAX: u32 = 500;

impl Ledger {
    /// Stores events; those already here are passed over. Answers the highest sequence number stored of this spool.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn store_events(&self, host: HostId, spool: SpoolId, events: &[EventRecord]) -> Result<u64, LedgerError> {
        const OPERATION: &str = "store events";
        let mut tx = self.engine.write(OPERATION).await?;
        for event in events {
            let attributes = serde_json::to_string(&event.attributes).unwrap_or_default();
            Statement::new(
                OPERATION,
                "INSERT INTO event (host, spool, seq, at, received_at, name, severity, attributes, body, judged)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) ON CONFLICT (host, spool, seq) DO NOTHING",
            )
            .id(host)
            .id(spool)
            .count(event.seq)
            .time(event.at)
            .time(event.received_at)
            .text(&event.name)
            .text(event.severity.as_str())
            .text(&attributes)
            .text(&event.body)
            .run(&mut tx)
            .await?;
        }
        let highest = highest(host, spool, OPERATION).row(&mut tx).await?;
        let seq = highest.map_or(Ok(0), |row| Fields::new(OPERATION, &row).number("seq"))?;
        commit(tx, OPERATION).await?;
        Ok(seq)
    }

    /// The highest sequence number of an event stored of this spool; 0 when there is none.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn event_seq(&self, host: HostId, spool: SpoolId) -> Result<u64, LedgerError> {
        const OPERATION: &str = "find the last event";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let row = highest(host, spool, OPERATION).row(&mut tx).await?;
        row.map_or(Ok(0), |row| Fields::new(OPERATION, &row).number("seq"))
    }

    /// A host's events since `from`, newest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn events(&self, host: HostId, from: Timestamp) -> Result<Vec<EventRecord>, LedgerError> {
        const OPERATION: &str = "list events";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            "SELECT seq, at, received_at, name, severity, attributes, body FROM event
             WHERE host = $1 AND at >= $2 ORDER BY at DESC, seq DESC LIMIT $3",
        )
        .id(host)
        .time(from)
        .integer(EVENTS_MAX.into())
        .rows(&mut tx)
        .await?;
        rows.iter().map(|row| event(&Fields::new(OPERATION, row))).collect()
    }
}

/// An event with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Whose.
    pub host: HostId,
    /// Which life of its spool.
    pub spool: SpoolId,
    /// Whether the ledger has what the rules made of it.
    pub judged: bool,
    /// The event.
    pub event: EventRecord,
}

impl Ledger {
    /// Events received since `from`, and all that were not judged, in the order in which they came; of those that were
    /// judged the newest, so that there are at most `limit`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn events_to_recall(&self, from: Timestamp, limit: u32) -> Result<Vec<StoredEvent>, LedgerError> {
        const OPERATION: &str = "recall events";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            "SELECT host, spool, judged, seq, at, received_at, name, severity, attributes, body FROM event
             WHERE judged = 0
             UNION ALL
             SELECT host, spool, judged, seq, at, received_at, name, severity, attributes, body FROM
                 (SELECT * FROM event WHERE judged = 1 AND received_at >= $1
                  ORDER BY received_at DESC, seq DESC LIMIT $2) AS recent
             ORDER BY received_at, host, spool, seq",
        )
        .time(from)
        .integer(limit.into())
        .rows(&mut tx)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok(StoredEvent {
                    host: fields.parsed("host")?,
                    spool: fields.parsed("spool")?,
                    judged: fields.flag("judged")?,
                    event: event(&fields)?,
                })
            })
            .collect()
    }
}

/// Notes that what rules made of events is written.
pub(crate) async fn put_judged(tx: &mut Tx, operation: &'static str, judged: &[Judged]) -> Result<(), LedgerError> {
    for one in judged {
        Statement::new(
            operation,
            "UPDATE event SET judged = 1 WHERE host = $1 AND spool = $2 AND seq <= $3 AND judged = 0",
        )
        .id(one.host)
        .id(one.spool)
        .count(one.seq)
        .run(tx)
        .await?;
    }
    Ok(())
}

fn highest(host: HostId, spool: SpoolId, operation: &'static str) -> Statement {
    Statement::new(
        operation,
        "SELECT COALESCE(MAX(seq), 0) AS seq FROM event WHERE host = $1 AND spool = $2",
    )
    .id(host)
    .id(spool)
}

pub(crate) fn event(fields: &Fields<'_>) -> Result<EventRecord, LedgerError> {
    Ok(EventRecord {
        seq: fields.number("seq")?,
        at: fields.time("at")?,
        received_at: fields.time("received_at")?,
        name: fields.text("name")?,
        severity: fields.parsed("severity")?,
        attributes: serde_json::from_str(&fields.text("attributes")?).unwrap_or_default(),
        body: fields.text("body")?,
    })
}
