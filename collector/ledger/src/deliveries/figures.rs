//! What became of deliveries, told: the steps of one, the figures of each channel, what waits.

use crate::{
    Ledger, LedgerError,
    statement::{Fields, Statement},
};
use std::collections::HashMap;
use tocsin_desk::delivery::{ChannelFigures, DeliveryState, DeliveryStep, DrillReport, DrillRow};
use tocsin_vocabulary::{PageId, Timestamp};

impl Ledger {
    /// How a page's delivery went, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn delivery_steps(&self, page: PageId) -> Result<Vec<DeliveryStep>, LedgerError> {
        const OPERATION: &str = "read how a page was delivered";
        let rows = Statement::new(
            OPERATION,
            "SELECT at, state, channel, detail FROM delivery_step WHERE page = $1 ORDER BY seq",
        )
        .id(page)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter()
            .map(|row| {
                let fields = Fields::new(OPERATION, row);
                Ok(DeliveryStep {
                    at: fields.time("at")?,
                    state: fields.word("state", DeliveryState::parse)?,
                    channel: fields.text("channel")?,
                    detail: fields.text("detail")?,
                })
            })
            .collect()
    }

    /// How each channel did since `from`, by name.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn channel_figures(&self, from: Timestamp) -> Result<Vec<ChannelFigures>, LedgerError> {
        const OPERATION: &str = "count deliveries";
        let mut reader = self.engine.reader(OPERATION).await?;
        let mut all: HashMap<String, ChannelFigures> = HashMap::new();
        let rows = Statement::new(
            OPERATION,
            "SELECT channel, state, COUNT(*) AS n, MAX(changed_at) AS newest FROM delivery
             WHERE changed_at >= $1 AND channel <> '' GROUP BY channel, state",
        )
        .time(from)
        .rows(&mut reader)
        .await?;
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            let figures = entry(&mut all, fields.text("channel")?);
            let count: u64 = fields.number("n")?;
            let taken = match fields.word("state", DeliveryState::parse)? {
                DeliveryState::Accepted => {
                    figures.accepted += count;
                    true
                }
                DeliveryState::Delivered | DeliveryState::Read => {
                    figures.accepted += count;
                    figures.delivered += count;
                    true
                }
                DeliveryState::Failed => {
                    figures.failed += count;
                    false
                }
                DeliveryState::Unknown => {
                    figures.unknown += count;
                    false
                }
                DeliveryState::Pending | DeliveryState::Sending => false,
            };
            if taken {
                figures.last_accepted_at = figures.last_accepted_at.max(fields.maybe_time("newest")?);
            }
        }
        let rows = Statement::new(
            OPERATION,
            "SELECT destination, COUNT(*) AS n, MIN(created_at) AS oldest FROM page WHERE state = 'queued'
             GROUP BY destination",
        )
        .rows(&mut reader)
        .await?;
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            let figures = entry(&mut all, fields.text("destination")?);
            figures.waiting = fields.number("n")?;
            figures.oldest_at = fields.maybe_time("oldest")?;
        }
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by(|a, b| a.channel.cmp(&b.channel));
        Ok(all)
    }
}

fn entry(all: &mut HashMap<String, ChannelFigures>, channel: String) -> &mut ChannelFigures {
    all.entry(channel.clone()).or_insert_with(|| ChannelFigures {
        channel,
        ..ChannelFigures::default()
    })
}

impl Ledger {
    /// The newest page to `destination` whose key begins with `prefix`, and where its delivery stands: pending before its
    /// first try.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn last_own_page(
        &self,
        prefix: &str,
        destination: &str,
    ) -> Result<Option<(Timestamp, DeliveryState)>, LedgerError> {
        const OPERATION: &str = "look up the last heartbeat";
        let row = Statement::new(
            OPERATION,
            "SELECT page.created_at AS created_at, delivery.state AS state
             FROM page LEFT JOIN delivery ON delivery.page = page.id
             WHERE page.destination = $1 AND page.page_key LIKE $2
             ORDER BY page.created_at DESC, page.id DESC LIMIT 1",
        )
        .text(destination)
        // Our own words: no sign in them means anything to LIKE.
        .text(&format!("{prefix}%"))
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map(|row| {
            let fields = Fields::new(OPERATION, &row);
            let state = fields.maybe_word("state", DeliveryState::parse)?;
            Ok((fields.time("created_at")?, state.unwrap_or(DeliveryState::Pending)))
        })
        .transpose()
    }

    /// Since when the oldest queued page of the worst level waits.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn worst_waiting_since(&self) -> Result<Option<Timestamp>, LedgerError> {
        const OPERATION: &str = "look for pages that wait";
        let row = Statement::new(
            OPERATION,
            "SELECT MIN(created_at) AS oldest FROM page WHERE state = 'queued' AND level = 1",
        )
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        row.map_or(Ok(None), |row| Fields::new(OPERATION, &row).maybe_time("oldest"))
    }
}

impl Ledger {
    /// The newest drill of the channels: what became of each of its pages. None: there was none.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn last_drill(&self) -> Result<Option<DrillReport>, LedgerError> {
        const OPERATION: &str = "read how the last drill of the channels went";
        let mut reader = self.engine.reader(OPERATION).await?;
        let row = Statement::new(
            OPERATION,
            "SELECT MAX(created_at) AS at FROM page WHERE drill = 1 AND ticket IS NULL AND page_key LIKE 'drill-%'",
        )
        .row(&mut reader)
        .await?;
        let at = row.map_or(Ok(None), |row| Fields::new(OPERATION, &row).maybe_time("at"))?;
        let Some(at) = at else { return Ok(None) };
        let rows = Statement::new(
            OPERATION,
            "SELECT person.login AS login, person.name AS name, page.destination AS channel, page.state AS page_state,
                    delivery.state AS state, delivery.changed_at AS changed_at,
                    COALESCE(delivery_step.detail, page.error) AS detail
             FROM page
             JOIN person ON person.id = page.person
             LEFT JOIN delivery ON delivery.page = page.id
             LEFT JOIN delivery_step ON delivery_step.page = delivery.page AND delivery_step.seq = delivery.seq
             WHERE page.created_at = $1 AND page.drill = 1 AND page.ticket IS NULL AND page.page_key LIKE 'drill-%'
             ORDER BY person.name, person.login, page.destination",
        )
        .time(at)
        .rows(&mut reader)
        .await?;
        let row = |row| {
            let fields = Fields::new(OPERATION, row);
            let state = fields.maybe_word("state", DeliveryState::parse)?;
            // Given up before any channel was tried: nothing moved, and nothing will.
            let is_given_up = fields.text("page_state")? == "failed";
            Ok(DrillRow {
                login: fields.text("login")?,
                name: fields.text("name")?,
                channel: fields.text("channel")?,
                state: state.unwrap_or(if is_given_up {
                    DeliveryState::Failed
                } else {
                    DeliveryState::Pending
                }),
                at: fields.maybe_time("changed_at")?,
                detail: fields.text("detail")?,
            })
        };
        Ok(Some(DrillReport {
            at,
            rows: rows.iter().map(row).collect::<Result<_, LedgerError>>()?,
        }))
    }
}
