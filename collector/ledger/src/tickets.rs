//! Tickets, their clocks and their timelines.

use crate::{
    Ledger, LedgerError, clocks, cursor,
    engine::Tx,
    statement::{Conditions, Fields, Statement, Value},
};
use sqlx::{AnyConnection, any::AnyRow};
use std::collections::{BTreeMap, HashMap};
use tocsin_desk::{
    clocks::Reckoning,
    model::{Actor, Clock, ClockKind, Entry, Ticket, TicketKind, TicketState, Via},
    record::{List, TicketFilter},
};
use tocsin_vocabulary::{FaultId, Level, TicketId, Timestamp};

/// Sorts a ticket without running clocks behind all others of its level.
const END_OF_TIME: i64 = i64::MAX;

/// How many tickets' clocks are asked for in one statement.
const CLOCKS_PER_STATEMENT: usize = 100;

/// Six kinds of clock, each at most once for each level of a ladder (at most nine).
const CLOCKS_MAX: usize = 54;

/// As the indexes of live tickets have it, word for word.
pub(crate) const LIVE: &str = "state NOT IN ('closed', 'merged', 'cancelled')";

pub(crate) const COLUMNS: &str = "SELECT id, number, kind, state, prior_state, title_en, title_zh, remedy_en, remedy_zh, level, \
     severity, fault, asset, asset_name, host, customer, contract, assignee, assignee_name, page_round, page_due_at, \
     opened_at, updated_at, next_due_at, revision, entry_count FROM ticket";

const CLOCKS: &str = "SELECT ticket, kind, started_at, due_at, stopped_at, breached_at FROM ticket_clock";

impl Ledger {
    /// The ticket that a fault opened.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn ticket_of_fault(&self, fault: FaultId) -> Result<Option<Ticket>, LedgerError> {
        const OPERATION: &str = "find the ticket of a fault";
        let row = Statement::new(
            OPERATION,
            "SELECT ticket FROM fault WHERE id = $1 AND ticket IS NOT NULL",
        )
        .id(fault)
        .row(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        match row {
            Some(row) => self.ticket_by_id(Fields::new(OPERATION, &row).parsed("ticket")?).await,
            None => Ok(None),
        }
    }

    /// Tickets, most urgent first: worst level, then earliest due, then lowest number.
    ///
    /// # Errors
    /// When the cursor is not one of this list, or the ledger can't be read.
    pub async fn tickets(&self, filter: &TicketFilter) -> Result<List<Ticket>, LedgerError> {
        const OPERATION: &str = "list tickets";
        let mut conditions = Conditions::default();
        if !filter.states.is_empty() {
            let marks = vec!["?"; filter.states.len()].join(", ");
            let states = filter.states.iter().map(|state| Value::Text(state.as_str().to_owned()));
            conditions.and(&format!("state IN ({marks})"), states);
            if filter.states.iter().all(|state| state.is_live()) {
                // Says nothing new, but lets the engines use the index of live tickets.
                conditions.and(LIVE, []);
            }
        }
        conditions.equal("host", filter.host);
        conditions.equal("customer", filter.customer);
        conditions.equal("assignee", filter.assignee);
        if let Some(after) = cursor::numbers::<3>(OPERATION, &filter.slice)? {
            conditions.and("(level, next_due_at, number) > (?, ?, ?)", after.map(Value::Integer));
        }
        let mut tx = self.engine.snapshot(OPERATION).await?;
        let rows = conditions
            .statement(
                OPERATION,
                COLUMNS,
                "ORDER BY level, next_due_at, number",
                cursor::fetch(&filter.slice),
            )
            .rows(&mut tx)
            .await?;
        let tickets = with_clocks(&mut tx, OPERATION, &rows).await?;
        Ok(cursor::list(tickets, &filter.slice, |ticket| {
            cursor::write(&[&ticket.level.rank(), &next_due_millis(ticket), &ticket.number])
        }))
    }

    /// One ticket by its number.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn ticket(&self, number: u64) -> Result<Option<Ticket>, LedgerError> {
        const OPERATION: &str = "read a ticket";
        self.one_ticket(
            OPERATION,
            Statement::assembled(OPERATION, format!("{COLUMNS} WHERE number = $1")).count(number),
        )
        .await
    }

    /// One ticket by its id.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn ticket_by_id(&self, id: TicketId) -> Result<Option<Ticket>, LedgerError> {
        const OPERATION: &str = "read a ticket";
        self.one_ticket(
            OPERATION,
            Statement::assembled(OPERATION, format!("{COLUMNS} WHERE id = $1")).id(id),
        )
        .await
    }

    async fn one_ticket(&self, operation: &'static str, statement: Statement) -> Result<Option<Ticket>, LedgerError> {
        let mut tx = self.engine.snapshot(operation).await?;
        let rows = statement.rows(&mut tx).await?;
        Ok(with_clocks(&mut tx, operation, &rows).await?.into_iter().next())
    }

    /// A ticket's timeline, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn entries(&self, ticket: TicketId) -> Result<Vec<Entry>, LedgerError> {
        const OPERATION: &str = "read a ticket's timeline";
        let rows = Statement::new(
            OPERATION,
            "SELECT ticket, seq, at, actor, actor_name, via, action, from_state, to_state, note_en, note_zh
             FROM ticket_entry WHERE ticket = $1 ORDER BY seq",
        )
        .id(ticket)
        .rows(&mut *self.engine.reader(OPERATION).await?)
        .await?;
        rows.iter().map(|row| entry(&Fields::new(OPERATION, row))).collect()
    }

    /// The last line that a person wrote into each of these timelines, in no order; none for a ticket that nobody touched.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn last_acts(&self, tickets: &[TicketId]) -> Result<Vec<Entry>, LedgerError> {
        const OPERATION: &str = "read what was last done about tickets";
        if tickets.is_empty() {
            return Ok(Vec::new());
        }
        let mut conditions = Conditions::default();
        let marks = vec!["?"; tickets.len()].join(", ");
        conditions.and(
            &format!("ticket IN ({marks})"),
            tickets.iter().map(|ticket| Value::Text(ticket.to_string())),
        );
        conditions.and("actor IS NOT NULL", []);
        let head = "SELECT ticket, seq, at, actor, actor_name, via, action, from_state, to_state, note_en, note_zh
             FROM ticket_entry JOIN (SELECT ticket AS of_ticket, MAX(seq) AS last FROM ticket_entry";
        let tail = "GROUP BY ticket) AS newest ON ticket = of_ticket AND seq = last";
        let most = i64::try_from(tickets.len()).unwrap_or(i64::MAX);
        let rows = conditions
            .statement(OPERATION, head, tail, most)
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter().map(|row| entry(&Fields::new(OPERATION, row))).collect()
    }
}

/// One ticket, live or not.
pub(crate) async fn by_id(tx: &mut Tx, operation: &'static str, id: TicketId) -> Result<Option<Ticket>, LedgerError> {
    one(
        tx,
        operation,
        Statement::assembled(operation, format!("{COLUMNS} WHERE id = $1")).id(id),
    )
    .await
}

async fn one(tx: &mut Tx, operation: &'static str, statement: Statement) -> Result<Option<Ticket>, LedgerError> {
    let rows = statement.rows(tx).await?;
    Ok(with_clocks(tx, operation, &rows).await?.into_iter().next())
}

/// All tickets in a live state, by number.
pub(crate) async fn live(tx: &mut Tx, operation: &'static str) -> Result<Vec<Ticket>, LedgerError> {
    let sql = format!("{COLUMNS} WHERE {LIVE} ORDER BY number");
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    // All at once: a start reads very many, and lists of ids would take longer than the rows.
    let of_live = format!("WHERE ticket IN (SELECT id FROM ticket WHERE {LIVE})");
    let mut clocks = live_clocks(tx, operation, &of_live).await?;
    let mut reckonings = crate::clocks::live_reckonings(tx, operation, &of_live).await?;
    rows.iter()
        .map(|row| {
            let mut ticket = ticket(&Fields::new(operation, row))?;
            ticket.clocks = clocks.remove(&ticket.id).unwrap_or_default();
            ticket.reckoning = reckonings.remove(&ticket.id).unwrap_or_default();
            Ok(ticket)
        })
        .collect()
}

/// The clocks of live tickets, a row for each ticket and in it a word for each cell: of very many rows it is the rows and
/// cells that take their time, and not what is in them.
async fn live_clocks(
    tx: &mut Tx,
    operation: &'static str,
    of_live: &str,
) -> Result<HashMap<TicketId, Vec<Clock>>, LedgerError> {
    let sql = format!(
        "SELECT ticket, string_agg(kind || ' ' || place || ' ' || started_at || ' ' || due_at || ' ' ||
                COALESCE(CAST(stopped_at AS TEXT), '-') || ' ' || COALESCE(CAST(breached_at AS TEXT), '-'), ';') AS clocks
         FROM ticket_clock {of_live} GROUP BY ticket"
    );
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    let read = |row: &AnyRow| {
        let fields = Fields::new(operation, row);
        let text = fields.text("clocks")?;
        let mut clocks = Vec::new();
        for words in text.split(';') {
            clocks.push(clock_in_words(words).ok_or_else(|| fields.strange("clocks", words))?);
        }
        clocks.sort_unstable_by_key(|(place, _)| *place);
        let clocks = clocks.into_iter().map(|(_, clock)| clock).collect();
        Ok((fields.parsed("ticket")?, clocks))
    };
    rows.iter().map(read).collect()
}

/// A clock and its place: `resolve 2 1795305660000 1795320060000 - -`.
fn clock_in_words(words: &str) -> Option<(u32, Clock)> {
    let mut words = words.split(' ');
    let kind = ClockKind::parse(words.next()?)?;
    let place = words.next()?.parse().ok()?;
    let mut time = || match words.next()? {
        "-" => Some(None),
        millis => Some(Some(Timestamp::from_millis(millis.parse().ok()?))),
    };
    let clock = Clock {
        kind,
        started_at: time()??,
        due_at: time()??,
        stopped_at: time()?,
        breached_at: time()?,
    };
    Some((place, clock))
}

/// Inserts a ticket, or replaces the row that is exactly one revision older.
pub(crate) async fn put(tx: &mut Tx, operation: &'static str, ticket: &Ticket) -> Result<(), LedgerError> {
    let written = upsert(operation, ticket).run(tx).await?;
    if written == 0 {
        return Err(LedgerError::Conflict {
            operation,
            what: format!(
                "ticket #{} is not at the revision before {}",
                ticket.number, ticket.revision
            ),
        });
    }
    Statement::new(
        operation,
        "UPDATE counter SET value = $1 WHERE name = 'ticket' AND value < $1",
    )
    .count(ticket.number)
    .run(tx)
    .await?;
    Statement::new(operation, "DELETE FROM ticket_clock WHERE ticket = $1")
        .id(ticket.id)
        .run(tx)
        .await?;
    for (place, clock) in (0..).zip(&ticket.clocks) {
        Statement::new(
            operation,
            "INSERT INTO ticket_clock (ticket, kind, place, started_at, due_at, stopped_at, breached_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .id(ticket.id)
        .text(clock.kind.as_str())
        .integer(place)
        .time(clock.started_at)
        .time(clock.due_at)
        .maybe_time(clock.stopped_at)
        .maybe_time(clock.breached_at)
        .run(tx)
        .await?;
    }
    clocks::put_reckoning(tx, operation, ticket.id, &ticket.reckoning).await
}

fn upsert(operation: &'static str, ticket: &Ticket) -> Statement {
    Statement::new(
        operation,
        "INSERT INTO ticket (id, number, kind, state, prior_state, title_en, title_zh, remedy_en, remedy_zh, level,
                             severity, fault, asset, asset_name, host, customer, contract, assignee, assignee_name,
                             page_round, page_due_at, opened_at, updated_at, next_due_at, revision, entry_count)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                 $23, $24, $25, $26)
         ON CONFLICT (id) DO UPDATE SET
             kind = excluded.kind, state = excluded.state, prior_state = excluded.prior_state,
             title_en = excluded.title_en, title_zh = excluded.title_zh,
             remedy_en = excluded.remedy_en, remedy_zh = excluded.remedy_zh,
             level = excluded.level, severity = excluded.severity, fault = excluded.fault, asset = excluded.asset,
             asset_name = excluded.asset_name, host = excluded.host, customer = excluded.customer,
             contract = excluded.contract, assignee = excluded.assignee, assignee_name = excluded.assignee_name,
             page_round = excluded.page_round, page_due_at = excluded.page_due_at,
             opened_at = excluded.opened_at, updated_at = excluded.updated_at, next_due_at = excluded.next_due_at,
             revision = excluded.revision, entry_count = excluded.entry_count
         WHERE ticket.number = excluded.number AND ticket.revision = excluded.revision - 1",
    )
    .id(ticket.id)
    .count(ticket.number)
    .text(ticket.kind.as_str())
    .text(ticket.state.as_str())
    .maybe_text(ticket.prior_state.map(TicketState::as_str))
    .sentence(&ticket.title)
    .sentence(&ticket.remedy)
    .integer(ticket.level.rank().into())
    .text(ticket.severity.as_str())
    .maybe_id(ticket.fault)
    .id(ticket.asset)
    .text(&ticket.asset_name)
    .maybe_id(ticket.host)
    .id(ticket.customer)
    .id(ticket.contract)
    .maybe_id(ticket.assignee)
    .maybe_text(ticket.assignee_name.as_deref())
    .integer(ticket.page_round.into())
    .maybe_time(ticket.page_due_at)
    .time(ticket.opened_at)
    .time(ticket.updated_at)
    .integer(next_due_millis(ticket))
    .count(ticket.revision)
    .count(ticket.entry_count)
}

/// Appends to a timeline.
pub(crate) async fn put_entry(tx: &mut Tx, operation: &'static str, entry: &Entry) -> Result<(), LedgerError> {
    let (actor, name) = match &entry.actor {
        Actor::System => (None, None),
        Actor::Person(person, name) => (Some(*person), Some(name.as_str())),
    };
    Statement::new(
        operation,
        "INSERT INTO ticket_entry (ticket, seq, at, actor, actor_name, via, action, from_state, to_state, note_en, note_zh)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .id(entry.ticket)
    .count(entry.seq)
    .time(entry.at)
    .maybe_id(actor)
    .maybe_text(name)
    .text(entry.via.as_str())
    .text(&entry.action)
    .maybe_text(entry.from.map(TicketState::as_str))
    .maybe_text(entry.to.map(TicketState::as_str))
    .sentence(&entry.note)
    .run(tx)
    .await?;
    Ok(())
}

/// The tickets of these rows, each with its clocks.
pub(crate) async fn with_clocks(
    connection: &mut AnyConnection,
    operation: &'static str,
    rows: &[AnyRow],
) -> Result<Vec<Ticket>, LedgerError> {
    let mut tickets: Vec<Ticket> = rows
        .iter()
        .map(|row| ticket(&Fields::new(operation, row)))
        .collect::<Result<_, _>>()?;
    for chunk in tickets.chunks_mut(CLOCKS_PER_STATEMENT) {
        let mut conditions = Conditions::default();
        let marks = vec!["?"; chunk.len()].join(", ");
        conditions.and(
            &format!("ticket IN ({marks})"),
            chunk.iter().map(|ticket| Value::Text(ticket.id.to_string())),
        );
        let most = i64::try_from(chunk.len() * CLOCKS_MAX).unwrap_or(i64::MAX);
        let mut clocks: BTreeMap<TicketId, Vec<Clock>> = BTreeMap::new();
        for row in conditions
            .statement(operation, CLOCKS, "ORDER BY ticket, place", most)
            .rows(connection)
            .await?
        {
            let fields = Fields::new(operation, &row);
            clocks
                .entry(fields.parsed("ticket")?)
                .or_default()
                .push(clock(&fields)?);
        }
        let ids = chunk.iter().map(|ticket| ticket.id);
        let mut reckonings = crate::clocks::reckonings(connection, operation, ids).await?;
        for ticket in chunk {
            ticket.clocks = clocks.remove(&ticket.id).unwrap_or_default();
            ticket.reckoning = reckonings.remove(&ticket.id).unwrap_or_default();
        }
    }
    Ok(tickets)
}

fn next_due_millis(ticket: &Ticket) -> i64 {
    ticket.next_due().map_or(END_OF_TIME, |clock| clock.due_at.as_millis())
}

fn ticket(fields: &Fields<'_>) -> Result<Ticket, LedgerError> {
    Ok(Ticket {
        id: fields.parsed("id")?,
        number: fields.number("number")?,
        kind: fields.word("kind", TicketKind::parse)?,
        state: fields.word("state", TicketState::parse)?,
        prior_state: fields.maybe_word("prior_state", TicketState::parse)?,
        title: fields.sentence("title_en", "title_zh")?,
        remedy: fields.sentence("remedy_en", "remedy_zh")?,
        level: Level::new(fields.number("level")?),
        severity: fields.parsed("severity")?,
        fault: fields.maybe_parsed("fault")?,
        asset: fields.parsed("asset")?,
        asset_name: fields.text("asset_name")?,
        host: fields.maybe_parsed("host")?,
        customer: fields.parsed("customer")?,
        contract: fields.parsed("contract")?,
        assignee: fields.maybe_parsed("assignee")?,
        assignee_name: fields.maybe_text("assignee_name")?,
        clocks: Vec::new(),
        reckoning: Reckoning::default(),
        page_round: fields.number("page_round")?,
        page_due_at: fields.maybe_time("page_due_at")?,
        opened_at: fields.time("opened_at")?,
        updated_at: fields.time("updated_at")?,
        revision: fields.number("revision")?,
        entry_count: fields.number("entry_count")?,
    })
}

fn clock(fields: &Fields<'_>) -> Result<Clock, LedgerError> {
    Ok(Clock {
        kind: fields.word("kind", ClockKind::parse)?,
        started_at: fields.time("started_at")?,
        due_at: fields.time("due_at")?,
        stopped_at: fields.maybe_time("stopped_at")?,
        breached_at: fields.maybe_time("breached_at")?,
    })
}

fn entry(fields: &Fields<'_>) -> Result<Entry, LedgerError> {
    let actor = match fields.maybe_parsed("actor")? {
        Some(person) => Actor::Person(person, fields.maybe_text("actor_name")?.unwrap_or_default()),
        None => Actor::System,
    };
    Ok(Entry {
        ticket: fields.parsed("ticket")?,
        seq: fields.number("seq")?,
        at: fields.time("at")?,
        actor,
        via: fields.word("via", Via::parse)?,
        action: fields.text("action")?,
        from: fields.maybe_word("from_state", TicketState::parse)?,
        to: fields.maybe_word("to_state", TicketState::parse)?,
        note: fields.sentence("note_en", "note_zh")?,
    })
}
