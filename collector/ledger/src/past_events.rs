//! Events of a past period, for a replay of rules.

use crate::{
    Ledger, LedgerError,
    events::event,
    statement::{Fields, Statement},
};
use tocsin_desk::record::EventRecord;
use tocsin_vocabulary::{HostId, Timestamp};

/// Events of one host that are answered at most: a replay holds them in memory.
pub const PAST_EVENTS_MAX: usize = 20_000;

impl Ledger {
    /// A host's events from `from` until before `to`, in the order of time, at most [`PAST_EVENTS_MAX`].
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn past_events(
        &self,
        host: HostId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<EventRecord>, LedgerError> {
        const OPERATION: &str = "list past events";
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            "SELECT seq, at, received_at, name, severity, attributes, body FROM event
             WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at, seq LIMIT $4",
        )
        .id(host)
        .time(from)
        .time(to)
        .integer(i64::try_from(PAST_EVENTS_MAX).unwrap_or(i64::MAX))
        .rows(&mut tx)
        .await?;
        rows.iter().map(|row| event(&Fields::new(OPERATION, row))).collect()
    }
}
