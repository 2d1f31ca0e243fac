//! Deliveries: what became of each page on its way, step by step. The table of moves in the database refuses what is not
//! legal; here every change writes the state it came from.
//!
//! * `figures` — what became of them, told.

mod figures;

use crate::{
    DEFAULT_CUSTOMER, DEFAULT_SITE, Ledger, LedgerError,
    engine::{Tx, commit},
    pages::{columns, page},
    people::{person, person_columns},
    statement::{Fields, Statement},
};
use std::collections::HashMap;
use tocsin_desk::{
    delivery::{DeliveryState, DuePage, Reported},
    model::{Page, Person},
};
use tocsin_vocabulary::{PageId, Timestamp};

/// Tries after which a report of failure no longer sends a page out again.
const ATTEMPTS_MAX: i64 = 6;
/// Longest detail that is kept, in characters.
const DETAIL_CHARS_MAX: usize = 400;

/// What a delivery changes to.
struct Move<'a> {
    to: DeliveryState,
    channel: &'a str,
    reference: &'a str,
    detail: &'a str,
    at: Timestamp,
}

impl Ledger {
    /// Queued pages whose next try is due with what their texts are made of: those of the worst level first, then the
    /// longest waiting; at most `limit`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn due_deliveries(&self, now: Timestamp, limit: u32) -> Result<Vec<DuePage>, LedgerError> {
        const OPERATION: &str = "take pages from the outbox";
        let mut reader = self.engine.reader(OPERATION).await?;
        let (mut pages, mut facts) = (Vec::new(), HashMap::new());
        // Two halves, so that each follows its own index.
        for level in ["page.level = 1", "page.level > 1"] {
            let left = i64::from(limit).saturating_sub(i64::try_from(pages.len()).unwrap_or(i64::MAX));
            let which = format!(
                "WHERE page.state = 'queued' AND {level} AND page.due_at <= $1
                 ORDER BY page.due_at, page.id LIMIT $2"
            );
            let sql = format!("SELECT {} FROM page {which}", columns!());
            let rows = Statement::assembled(OPERATION, sql)
                .time(now)
                .integer(left)
                .rows(&mut reader);
            for row in &rows.await? {
                pages.push(page(&Fields::new(OPERATION, row))?);
            }
            let sql = format!("{FACTS} {which}");
            let rows = Statement::assembled(OPERATION, sql)
                .time(now)
                .integer(left)
                .rows(&mut reader);
            for row in &rows.await? {
                let fields = Fields::new(OPERATION, row);
                facts.insert(fields.parsed::<PageId>("id")?, PageFacts::read(&fields)?);
            }
        }
        if pages.is_empty() {
            return Ok(Vec::new());
        }
        let people = Statement::new(
            OPERATION,
            concat!(
                "SELECT ",
                person_columns!(),
                ", COALESCE(staff_number.number, '') AS staff FROM person \
                 LEFT JOIN staff_number ON staff_number.person = person.id"
            ),
        )
        .rows(&mut reader)
        .await?;
        let mut known = HashMap::new();
        for row in &people {
            let fields = Fields::new(OPERATION, row);
            let person = person(&fields)?;
            known.insert(person.id, (person, fields.text("staff")?));
        }
        let secrecy = Secrecies::read(&mut reader, OPERATION).await?;
        pages
            .into_iter()
            // One that became due between the two reads is told next time.
            .filter_map(|page| {
                let facts = facts.remove(&page.id)?;
                let (person, staff) = known.get(&page.person).cloned()?;
                Some(Ok(due(page, facts, person, staff, &secrecy)))
            })
            .collect()
    }

    /// What was being sent when the collector ended: its outcome is unknown, and it is due again. Answers how many.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn recover_deliveries(&self, now: Timestamp) -> Result<u64, LedgerError> {
        const OPERATION: &str = "recover deliveries that were cut off";
        let mut tx = self.engine.write(OPERATION).await?;
        let rows = Statement::new(OPERATION, "SELECT page, channel FROM delivery WHERE state = 'sending'")
            .rows(&mut tx)
            .await?;
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            let (page, channel) = (fields.parsed("page")?, fields.text("channel")?);
            let moved = Move {
                to: DeliveryState::Unknown,
                channel: &channel,
                reference: "",
                detail: "the collector ended while this was being sent",
                at: now,
            };
            go(&mut tx, OPERATION, page, &moved).await?;
            Statement::new(
                OPERATION,
                "UPDATE page SET attempts = attempts + 1, due_at = $2, error = $3 WHERE id = $1 AND state = 'queued'",
            )
            .id(page)
            .time(now)
            .text(moved.detail)
            .run(&mut tx)
            .await?;
        }
        commit(tx, OPERATION).await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// These pages are about to be handed to `channel`: answers those that still may go, which are `sending` from now on.
    /// What stands at `sending` already lost its outcome: that is written down first.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn begin_deliveries(
        &self,
        pages: &[PageId],
        channel: &str,
        now: Timestamp,
    ) -> Result<Vec<PageId>, LedgerError> {
        const OPERATION: &str = "begin to send pages";
        let mut tx = self.engine.write(OPERATION).await?;
        let mut begun = Vec::with_capacity(pages.len());
        for &page in pages {
            let queued = Statement::new(OPERATION, "SELECT id FROM page WHERE id = $1 AND state = 'queued'")
                .id(page)
                .row(&mut tx)
                .await?;
            if queued.is_none() {
                continue;
            }
            let mut moved = Move {
                to: DeliveryState::Unknown,
                channel,
                reference: "",
                detail: "what became of the last try could not be written down",
                at: now,
            };
            if is_sending(&mut tx, OPERATION, page).await? {
                go(&mut tx, OPERATION, page, &moved).await?;
            }
            (moved.to, moved.detail) = (DeliveryState::Sending, "");
            go(&mut tx, OPERATION, page, &moved).await?;
            begun.push(page);
        }
        commit(tx, OPERATION).await?;
        Ok(begun)
    }

    /// The channel took the page, and calls it `reference`; `state` says how far it came.
    ///
    /// # Errors
    /// `NotFound` for a page that is not here; otherwise when the ledger can't be written.
    pub async fn delivery_accepted(
        &self,
        id: PageId,
        state: DeliveryState,
        reference: &str,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "record a page as sent";
        let mut tx = self.engine.write(OPERATION).await?;
        sent(&mut tx, OPERATION, id, now, 1).await?;
        let channel = channel_of(&mut tx, OPERATION, id).await?;
        let moved = Move {
            to: state,
            channel: &channel,
            reference,
            detail: answer,
            at: now,
        };
        go(&mut tx, OPERATION, id, &moved).await?;
        commit(tx, OPERATION).await
    }

    /// A try failed; `unknown`: it may have arrived all the same. The next one is due at `next`; without one the page is
    /// given up.
    ///
    /// # Errors
    /// `NotFound` for a page that is not here; otherwise when the ledger can't be written.
    pub async fn delivery_failed(
        &self,
        id: PageId,
        reason: &str,
        unknown: bool,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "record a page that failed";
        let mut tx = self.engine.write(OPERATION).await?;
        let touched = Statement::new(
            OPERATION,
            "UPDATE page SET attempts = attempts + 1, error = $2, due_at = COALESCE($3, due_at),
                    state = CASE WHEN state <> 'queued' THEN state WHEN $4 = 1 THEN 'failed' ELSE 'queued' END
             WHERE id = $1",
        )
        .id(id)
        .text(reason)
        .maybe_time(next)
        .flag(next.is_none())
        .run(&mut tx)
        .await?;
        if touched == 0 {
            return Err(missing(OPERATION, id));
        }
        let channel = channel_of(&mut tx, OPERATION, id).await?;
        let moved = Move {
            to: match (next, unknown) {
                (None, _) => DeliveryState::Failed,
                (Some(_), true) => DeliveryState::Unknown,
                (Some(_), false) => DeliveryState::Pending,
            },
            channel: &channel,
            reference: "",
            detail: reason,
            at: now,
        };
        go(&mut tx, OPERATION, id, &moved).await?;
        commit(tx, OPERATION).await
    }

    /// Nothing was tried: the page waits until `due`.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn postpone_page(&self, id: PageId, due: Timestamp) -> Result<(), LedgerError> {
        const OPERATION: &str = "postpone a page";
        let mut tx = self.engine.write(OPERATION).await?;
        Statement::new(
            OPERATION,
            "UPDATE page SET due_at = $2 WHERE id = $1 AND state = 'queued'",
        )
        .id(id)
        .time(due)
        .run(&mut tx)
        .await?;
        commit(tx, OPERATION).await
    }

    /// A report of delivery over `channel`, under any of these names. None: no page of ours bears one of them, or the
    /// report says nothing new. A page that is reported as failed goes out again, as long as nobody took its ticket.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn delivery_reported(
        &self,
        channel: &str,
        references: &[String],
        state: DeliveryState,
        detail: &str,
        now: Timestamp,
    ) -> Result<Option<Reported>, LedgerError> {
        const OPERATION: &str = "record a report of delivery";
        let mut tx = self.engine.write(OPERATION).await?;
        for reference in references.iter().filter(|reference| !reference.is_empty()) {
            let row = Statement::new(
                OPERATION,
                "SELECT delivery.page AS page, delivery.state AS state, page.attempts AS attempts
                 FROM delivery_step
                 JOIN delivery ON delivery.page = delivery_step.page
                 JOIN page ON page.id = delivery.page
                 WHERE delivery_step.reference = $1 AND delivery_step.channel = $2
                 ORDER BY delivery_step.at DESC LIMIT 1",
            )
            .text(reference)
            .text(channel)
            .row(&mut tx)
            .await?;
            let Some(row) = row else { continue };
            let fields = Fields::new(OPERATION, &row);
            let (page, from) = (fields.parsed("page")?, fields.word("state", DeliveryState::parse)?);
            if !is_news(from, state) {
                return Ok(None);
            }
            let moved = Move {
                to: state,
                channel,
                reference: "",
                detail,
                at: now,
            };
            go(&mut tx, OPERATION, page, &moved).await?;
            let again = if state == DeliveryState::Failed {
                requeue(&mut tx, OPERATION, page, fields.integer("attempts")?, detail, now).await?
            } else {
                // What was unknown is known now: it is not resent.
                sent(&mut tx, OPERATION, page, now, 0).await?;
                false
            };
            commit(tx, OPERATION).await?;
            return Ok(Some(Reported { page, state, again }));
        }
        Ok(None)
    }

    /// Deliveries over `channel` that were accepted before `before` and never reported: unknown from now on, and due again
    /// as long as nobody took the ticket. Answers how many.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn miss_receipts(&self, channel: &str, before: Timestamp, now: Timestamp) -> Result<u64, LedgerError> {
        const OPERATION: &str = "look for receipts that did not come";
        let mut tx = self.engine.write(OPERATION).await?;
        let rows = Statement::new(
            OPERATION,
            "SELECT delivery.page AS page, page.attempts AS attempts
             FROM delivery JOIN page ON page.id = delivery.page
             WHERE delivery.state = 'accepted' AND delivery.channel = $1 AND delivery.changed_at < $2 LIMIT 500",
        )
        .text(channel)
        .time(before)
        .rows(&mut tx)
        .await?;
        for row in &rows {
            let fields = Fields::new(OPERATION, row);
            let page = fields.parsed("page")?;
            let detail = "no receipt of delivery came in time";
            let moved = Move {
                to: DeliveryState::Unknown,
                channel,
                reference: "",
                detail,
                at: now,
            };
            go(&mut tx, OPERATION, page, &moved).await?;
            requeue(&mut tx, OPERATION, page, fields.integer("attempts")?, detail, now).await?;
        }
        commit(tx, OPERATION).await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }
}

/// What is known of queued pages besides themselves. A notice has no ticket: its key begins with its alert's id. `unknown`:
/// the outcome of an earlier try was lost and no report said since that it failed; a plain refusal leaves nothing unknown.
const FACTS: &str =
    "SELECT page.id AS id, COALESCE(ticket.asset_name, asset.name) AS asset_name, ticket.opened_at AS opened_at,
       ticket.next_due_at AS next_due_at, customer.id AS customer, customer.name AS customer_name,
       site.id AS site, site.name AS site_name, CASE WHEN ticket.state = 'open' THEN 1 ELSE 0 END AS is_open,
       CASE WHEN delivery.state = 'sending' OR EXISTS (
         SELECT 1 FROM delivery_step AS lost WHERE lost.page = page.id AND lost.state = 'unknown'
           AND NOT EXISTS (SELECT 1 FROM delivery_step AS told WHERE told.page = lost.page
                           AND told.seq = lost.seq + 1 AND told.state = 'failed')) THEN 1 ELSE 0 END AS unknown
     FROM page
     LEFT JOIN ticket ON ticket.id = page.ticket
     LEFT JOIN alert ON page.ticket IS NULL AND alert.id = SUBSTR(page.page_key, 1, 36)
     LEFT JOIN asset ON asset.id = COALESCE(ticket.asset, alert.asset)
     LEFT JOIN customer ON customer.id = COALESCE(ticket.customer, asset.customer)
     LEFT JOIN site ON site.id = asset.site
     LEFT JOIN delivery ON delivery.page = page.id";

/// A row of [`FACTS`].
struct PageFacts {
    asset: String,
    opened_at: Option<Timestamp>,
    next_due_at: Option<Timestamp>,
    customer: Option<String>,
    customer_name: String,
    site_name: String,
    is_open: bool,
    unknown: bool,
}

impl PageFacts {
    fn read(fields: &Fields<'_>) -> Result<Self, LedgerError> {
        Ok(Self {
            asset: fields.maybe_text("asset_name")?.unwrap_or_default(),
            opened_at: fields.maybe_time("opened_at")?,
            // The end of time stands for none.
            next_due_at: fields
                .maybe_time("next_due_at")?
                .filter(|due| due.as_millis() < i64::MAX),
            customer: fields.maybe_text("customer")?,
            customer_name: named(fields, ["customer", "customer_name"], &DEFAULT_CUSTOMER.to_string())?,
            site_name: named(fields, ["site", "site_name"], &DEFAULT_SITE.to_string())?,
            is_open: fields.flag("is_open")?,
            unknown: fields.flag("unknown")?,
        })
    }
}

/// The name of a customer or a site; empty for the one that is there before anybody enters one.
fn named(fields: &Fields<'_>, [id, name]: [&'static str; 2], default: &str) -> Result<String, LedgerError> {
    let is_entered = fields.maybe_text(id)?.is_some_and(|id| id != default);
    let name = fields.maybe_text(name)?.unwrap_or_default();
    Ok(if is_entered { name } else { String::new() })
}

/// What customers wish, and what holds where nobody knows whose a page is.
struct Secrecies {
    wishes: HashMap<String, String>,
}

impl Secrecies {
    async fn read(reader: &mut sqlx::AnyConnection, operation: &'static str) -> Result<Self, LedgerError> {
        let rows = Statement::new(operation, "SELECT customer, secrecy FROM customer_secrecy")
            .rows(reader)
            .await?;
        let mut wishes = HashMap::new();
        for row in &rows {
            let fields = Fields::new(operation, row);
            wishes.insert(fields.text("customer")?, fields.text("secrecy")?);
        }
        Ok(Self { wishes })
    }

    /// Of a page that belongs to no single customer only codes go out as soon as one customer is strict.
    fn of(&self, customer: Option<&str>) -> String {
        let found = match customer {
            Some(customer) => self.wishes.get(customer).map(String::as_str),
            None if self.wishes.values().any(|wish| wish != "full") => Some("code-only"),
            None => None,
        };
        found.unwrap_or("full").to_owned()
    }
}

/// Keys of pages that say nothing of any customer: heartbeats, drills and troubles of channels, and that an answer could
/// not be used.
const OWN: [&str; 4] = ["heartbeat-", "drill-", "channel-", "reply-"];

fn due(page: Page, facts: PageFacts, person: Person, staff: String, secrecy: &Secrecies) -> DuePage {
    let is_own = page.ticket.is_none() && OWN.iter().any(|prefix| page.key.starts_with(prefix));
    DuePage {
        secrecy: if is_own {
            "full".to_owned()
        } else {
            secrecy.of(facts.customer.as_deref())
        },
        asset: facts.asset,
        customer: facts.customer_name,
        site: facts.site_name,
        is_open: facts.is_open,
        opened_at: facts.opened_at,
        next_due_at: facts.next_due_at,
        unknown: facts.unknown,
        page,
        person,
        staff,
    }
}

/// Whether a report says more than is known.
fn is_news(from: DeliveryState, to: DeliveryState) -> bool {
    use DeliveryState::{Accepted, Delivered, Failed, Read, Sending, Unknown};
    match to {
        Delivered => matches!(from, Sending | Accepted | Unknown),
        Read => matches!(from, Sending | Accepted | Unknown | Delivered),
        Failed => matches!(from, Sending | Accepted | Unknown),
        _ => false,
    }
}

/// Moves a delivery, and writes the step down. Its first move makes it, as pending.
async fn go(tx: &mut Tx, operation: &'static str, page: PageId, moved: &Move<'_>) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO delivery (page, state, prior_state, channel, changed_at, seq)
         VALUES ($1, 'pending', 'pending', $2, $3, 1) ON CONFLICT (page) DO NOTHING",
    )
    .id(page)
    .text(moved.channel)
    .time(moved.at)
    .run(tx)
    .await?;
    Statement::new(
        operation,
        "UPDATE delivery SET prior_state = state, state = $2, channel = $3, changed_at = $4, seq = seq + 1
         WHERE page = $1",
    )
    .id(page)
    .text(moved.to.as_str())
    .text(moved.channel)
    .time(moved.at)
    .run(tx)
    .await?;
    let detail: String = moved.detail.chars().take(DETAIL_CHARS_MAX).collect();
    Statement::new(
        operation,
        "INSERT INTO delivery_step (page, seq, at, state, channel, reference, detail)
         SELECT page, seq, $2, state, channel, $3, $4 FROM delivery WHERE page = $1",
    )
    .id(page)
    .time(moved.at)
    .text(moved.reference)
    .text(&detail)
    .run(tx)
    .await?;
    Ok(())
}

/// A page is sent: true even of one that was withdrawn meanwhile, for the phone has rung.
async fn sent(
    tx: &mut Tx,
    operation: &'static str,
    page: PageId,
    now: Timestamp,
    attempts: i64,
) -> Result<(), LedgerError> {
    let touched = Statement::new(
        operation,
        "UPDATE page SET state = 'sent', sent_at = COALESCE(sent_at, $2), attempts = attempts + $3, error = ''
         WHERE id = $1",
    )
    .id(page)
    .time(now)
    .integer(attempts)
    .run(tx)
    .await?;
    if touched == 0 {
        return Err(missing(operation, page));
    }
    Ok(())
}

/// Sends a page out again, unless it was tried too often or somebody took its ticket; answers whether it goes.
async fn requeue(
    tx: &mut Tx,
    operation: &'static str,
    page: PageId,
    attempts: i64,
    error: &str,
    now: Timestamp,
) -> Result<bool, LedgerError> {
    let again = attempts < ATTEMPTS_MAX;
    let touched = Statement::new(
        operation,
        "UPDATE page SET state = CASE WHEN $4 = 1 THEN 'queued' ELSE 'failed' END, due_at = $2, error = $3
         WHERE id = $1 AND state IN ('queued', 'sent')
           AND (ticket IS NULL OR EXISTS (SELECT 1 FROM ticket WHERE ticket.id = page.ticket AND ticket.state = 'open'))",
    )
    .id(page)
    .time(now)
    .text(error)
    .flag(again)
    .run(tx)
    .await?;
    Ok(again && touched > 0)
}

/// Over which channel a page goes; empty before its first try.
async fn channel_of(tx: &mut Tx, operation: &'static str, page: PageId) -> Result<String, LedgerError> {
    let row = Statement::new(operation, "SELECT channel FROM delivery WHERE page = $1")
        .id(page)
        .row(tx)
        .await?;
    row.map_or(Ok(String::new()), |row| Fields::new(operation, &row).text("channel"))
}

/// Whether a delivery stands at `sending`.
async fn is_sending(tx: &mut Tx, operation: &'static str, page: PageId) -> Result<bool, LedgerError> {
    let row = Statement::new(
        operation,
        "SELECT page FROM delivery WHERE page = $1 AND state = 'sending'",
    )
    .id(page)
    .row(tx)
    .await?;
    Ok(row.is_some())
}

fn missing(operation: &'static str, page: PageId) -> LedgerError {
    LedgerError::NotFound {
        operation,
        what: format!("page {page}"),
    }
}
