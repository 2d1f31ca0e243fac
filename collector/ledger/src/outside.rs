//! Alerts that other systems bring, and the tickets that they opened: an alert opens one ticket however often it is told.

use crate::{
    DEFAULT_CONTRACT, DEFAULT_CUSTOMER, DEFAULT_SITE, Ledger, LedgerError,
    engine::commit,
    statement::{Fields, Statement},
};
use tocsin_desk::model::AssetFacts;
use tocsin_vocabulary::{AssetId, Importance, TicketId, Timestamp};

/// What is known of an alert from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutsideAlert {
    /// The ticket that it opened; none while it is being opened.
    pub ticket: Option<TicketId>,
    /// Whether it still fires.
    pub firing: bool,
    /// Since when.
    pub changed_at: Timestamp,
}

impl Ledger {
    /// What is known of an alert.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn outside_alert(&self, source: &str, fingerprint: &str) -> Result<Option<OutsideAlert>, LedgerError> {
        const OPERATION: &str = "look up an alert from outside";
        let row = Statement::new(
            OPERATION,
            "SELECT ticket, firing, changed_at FROM outside_alert WHERE source = $1 AND fingerprint = $2",
        )
        .text(source)
        .text(fingerprint)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            Ok(OutsideAlert {
                ticket: fields.maybe_parsed("ticket")?,
                firing: fields.flag("firing")?,
                changed_at: fields.time("changed_at")?,
            })
        })
        .transpose()
    }

    /// Keeps what is known of an alert from now on.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn put_outside_alert(
        &self,
        source: &str,
        fingerprint: &str,
        alert: OutsideAlert,
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep an alert from outside";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "INSERT INTO outside_alert (source, fingerprint, ticket, firing, changed_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (source, fingerprint)
             DO UPDATE SET ticket = excluded.ticket, firing = excluded.firing, changed_at = excluded.changed_at",
        )
        .text(source)
        .text(fingerprint)
        .maybe_id(alert.ticket)
        .flag(alert.firing)
        .time(alert.changed_at)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }

    /// The newest ticket that was reported for this asset in these words since then, if no alert is known to have opened it:
    /// what an opening that was cut off has left.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn ticket_without_alert(
        &self,
        asset: AssetId,
        title: &str,
        since: Timestamp,
    ) -> Result<Option<TicketId>, LedgerError> {
        const OPERATION: &str = "look for the ticket of an alert from outside";
        let row = Statement::new(
            OPERATION,
            "SELECT id FROM ticket WHERE asset = $1 AND title_en = $2 AND opened_at >= $3
             AND id NOT IN (SELECT ticket FROM outside_alert WHERE ticket IS NOT NULL)
             ORDER BY number DESC LIMIT 1",
        )
        .id(asset)
        .text(title)
        .time(since)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| Fields::new(OPERATION, &row).parsed("id")).transpose()
    }

    /// The asset of this name, a host's first; one that is not in the register is entered for the default customer under
    /// the id `new`.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn asset_named(&self, name: &str, new: AssetId, now: Timestamp) -> Result<AssetFacts, LedgerError> {
        const OPERATION: &str = "look up an asset by name";
        let mut tx = self.engine.write(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "SELECT asset.id AS id, asset.customer AS customer, asset.contract AS contract, asset.site AS site,
                    asset.importance AS importance
             FROM asset LEFT JOIN host ON host.asset = asset.id WHERE asset.name = $1
             ORDER BY CASE WHEN host.id IS NULL THEN 1 ELSE 0 END, asset.id LIMIT 1",
        )
        .text(name)
        .row(&mut tx)
        .await?;
        if let Some(row) = row {
            let fields = Fields::new(OPERATION, &row);
            return Ok(AssetFacts {
                asset: fields.parsed("id")?,
                name: name.to_owned(),
                customer: fields.parsed("customer")?,
                contract: fields.parsed("contract")?,
                site: fields.parsed("site")?,
                importance: fields.parsed("importance")?,
            });
        }
        let facts = AssetFacts {
            asset: new,
            name: name.to_owned(),
            customer: DEFAULT_CUSTOMER,
            contract: DEFAULT_CONTRACT,
            site: DEFAULT_SITE,
            importance: Importance::Normal,
        };
        Statement::new(
            OPERATION,
            "INSERT INTO asset (id, customer, contract, site, name, importance, created_at)
             VALUES ($1, $2, $3, $4, $5, 'normal', $6)",
        )
        .id(new)
        .id(facts.customer)
        .id(facts.contract)
        .id(facts.site)
        .text(name)
        .time(now)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await?;
        Ok(facts)
    }
}
