//! Pages as rows: how they are written, and lists of them with the names of those they went to.

use crate::{
    Ledger, LedgerError,
    alerts::before,
    cursor,
    engine::Tx,
    statement::{Conditions, Fields, Statement, Value},
};
use tocsin_desk::{
    model::{Page, PageReason, PageState},
    record::{List, PageFilter, PageRecord},
};
use tocsin_vocabulary::{Level, PageId};

/// The destination that is delivered by being written: people read it in the console.
pub(crate) const INBOX: &str = "inbox";

/// The columns of a page.
macro_rules! columns {
    () => {
        "page.id AS id, page_key, ticket, ticket_number, person, destination, reason, title_en, title_zh, body_en, \
         body_zh, level, drill, created_at, state, attempts, due_at, sent_at, error"
    };
}
pub(crate) use columns;

const RECORD: &str = concat!(
    "SELECT ",
    columns!(),
    ", (SELECT person.name FROM person WHERE person.id = page.person) AS person_name FROM page"
);

impl Ledger {
    /// Pages, newest first.
    ///
    /// # Errors
    /// When the cursor is not one of this list, or the ledger can't be read.
    pub async fn pages(&self, filter: &PageFilter) -> Result<List<PageRecord>, LedgerError> {
        const OPERATION: &str = "list pages";
        let mut conditions = Conditions::default();
        conditions.equal("person", filter.person);
        conditions.equal("ticket", filter.ticket);
        conditions.equal("destination", filter.destination.as_deref());
        if let Some((time, id)) = cursor::newest::<PageId>(OPERATION, &filter.slice)? {
            before(&mut conditions, "created_at", time, id);
        }
        let rows = conditions
            .statement(
                OPERATION,
                RECORD,
                "ORDER BY created_at DESC, id DESC",
                cursor::fetch(&filter.slice),
            )
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let pages = rows
            .iter()
            .map(|row| record(&Fields::new(OPERATION, row)))
            .collect::<Result<_, _>>()?;
        Ok(cursor::list(pages, &filter.slice, |last: &PageRecord| {
            cursor::write(&[&last.page.created_at.as_millis(), &last.page.id])
        }))
    }

    /// One page.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn page(&self, id: PageId) -> Result<Option<PageRecord>, LedgerError> {
        const OPERATION: &str = "read a page";
        let mut conditions = Conditions::default();
        conditions.and("id = ?", [Value::Text(id.to_string())]);
        let row = conditions
            .statement(OPERATION, RECORD, "", 1)
            .row(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        row.map(|row| record(&Fields::new(OPERATION, &row))).transpose()
    }
}

/// Inserts a page. One to the inbox is thereby sent.
pub(crate) async fn put(tx: &mut Tx, operation: &'static str, page: &Page) -> Result<(), LedgerError> {
    let delivered = page.destination == INBOX && page.state == PageState::Queued;
    let (state, sent_at) = if delivered {
        (PageState::Sent, Some(page.created_at))
    } else {
        (page.state, page.sent_at)
    };
    Statement::new(
        operation,
        "INSERT INTO page (id, page_key, ticket, ticket_number, person, destination, reason, title_en, title_zh,
                           body_en, body_zh, level, drill, created_at, state, attempts, due_at, sent_at, error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
    )
    .id(page.id)
    .text(&page.key)
    .maybe_id(page.ticket)
    .maybe_count(page.ticket_number)
    .id(page.person)
    .text(&page.destination)
    .text(page.reason.as_str())
    .sentence(&page.title)
    .sentence(&page.body)
    .integer(page.level.rank().into())
    .flag(page.drill)
    .time(page.created_at)
    .text(state.as_str())
    .integer(page.attempts.into())
    .time(page.due_at)
    .maybe_time(sent_at)
    .text(&page.error)
    .run(tx)
    .await?;
    Ok(())
}

/// Reads a page.
pub(crate) fn page(fields: &Fields<'_>) -> Result<Page, LedgerError> {
    Ok(Page {
        id: fields.parsed("id")?,
        key: fields.text("page_key")?,
        ticket: fields.maybe_parsed("ticket")?,
        ticket_number: fields.maybe_number("ticket_number")?,
        person: fields.parsed("person")?,
        destination: fields.text("destination")?,
        reason: fields.word("reason", PageReason::parse)?,
        title: fields.sentence("title_en", "title_zh")?,
        body: fields.sentence("body_en", "body_zh")?,
        level: Level::new(fields.number("level")?),
        drill: fields.flag("drill")?,
        created_at: fields.time("created_at")?,
        state: fields.word("state", PageState::parse)?,
        attempts: fields.number("attempts")?,
        due_at: fields.time("due_at")?,
        sent_at: fields.maybe_time("sent_at")?,
        error: fields.text("error")?,
    })
}

fn record(fields: &Fields<'_>) -> Result<PageRecord, LedgerError> {
    Ok(PageRecord {
        page: page(fields)?,
        person_name: fields.text("person_name")?,
    })
}
