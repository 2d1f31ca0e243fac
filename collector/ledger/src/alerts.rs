//! Alerts and the faults they belong to.

use crate::{
    Ledger, LedgerError, cursor,
    engine::Tx,
    statement::{Conditions, Fields, Statement, Value, clean},
    tickets::LIVE,
};
use sha2::{Digest as _, Sha256};
use tocsin_desk::{
    model::{Alert, AlertState, Arrival, Fault, Response, Ruling, Silence},
    record::{AlertFilter, FaultFilter, List},
};
use tocsin_vocabulary::{AlertId, FaultId, Level, TicketId, Timestamp};

/// Alerts of one ticket that a page can show; a fault that gathers more has a list of its own.
const ALERTS_OF_TICKET_MAX: i64 = 500;

const ALERT: &str = "SELECT id, rule, host, asset, instance, severity, response, title_en, title_zh, remedy_en, \
     remedy_zh, metric, value, threshold, state, occurred_at, raised_at, cleared_at, fault, knowledge, auto_close, \
     arrival, rule_version, silence FROM alert";

const FAULT: &str = "SELECT id, asset, customer, severity, level, title_en, title_zh, occurred_at, discovered_at, \
     reported_at, accepted_at, cleared_at, ticket FROM fault";

impl Ledger {
    /// Alerts, newest first.
    ///
    /// # Errors
    /// When the cursor is not one of this list, or the ledger can't be read.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<List<Alert>, LedgerError> {
        const OPERATION: &str = "list alerts";
        let mut conditions = Conditions::default();
        match filter.state {
            // As its index has it, word for word.
            Some(AlertState::Raised) => conditions.and("state = 'raised'", []),
            other => conditions.equal("state", other.map(state_word)),
        }
        conditions.equal("host", filter.host);
        conditions.equal("arrival", filter.arrival.map(Arrival::as_str));
        if let Some(customer) = filter.customer {
            conditions.and(
                "asset IN (SELECT id FROM asset WHERE customer = ?)",
                [Value::Text(customer.to_string())],
            );
        }
        if let Some(from) = filter.from {
            conditions.and(
                "(cleared_at IS NULL OR cleared_at >= ?)",
                [Value::Integer(from.as_millis())],
            );
        }
        if let Some(to) = filter.to {
            conditions.and("occurred_at < ?", [Value::Integer(to.as_millis())]);
        }
        if let Some((time, id)) = cursor::newest::<AlertId>(OPERATION, &filter.slice)? {
            before(&mut conditions, "raised_at", time, id);
        }
        let rows = conditions
            .statement(
                OPERATION,
                ALERT,
                "ORDER BY raised_at DESC, id DESC",
                cursor::fetch(&filter.slice),
            )
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let alerts = rows
            .iter()
            .map(|row| alert(&Fields::new(OPERATION, row)))
            .collect::<Result<_, _>>()?;
        Ok(cursor::list(alerts, &filter.slice, |last: &Alert| {
            cursor::write(&[&last.raised_at.as_millis(), &last.id])
        }))
    }

    /// One alert.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn alert(&self, id: AlertId) -> Result<Option<Alert>, LedgerError> {
        const OPERATION: &str = "read an alert";
        let rows = Statement::assembled(OPERATION, format!("{ALERT} WHERE id = $1"))
            .id(id)
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.first().map(|row| alert(&Fields::new(OPERATION, row))).transpose()
    }

    /// Alerts raised since `from` about a metric whose samples are not kept yet, or not what came after they cleared;
    /// Of those that changed since `until` nothing is told yet; at most `limit`, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn alerts_without_samples(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Alert>, LedgerError> {
        const OPERATION: &str = "find alerts whose samples are not kept";
        let mut conditions = Conditions::default();
        conditions.and("raised_at >= ?", [Value::Integer(from.as_millis())]);
        conditions.and("metric <> ''", []);
        conditions.and(
            "(raised_at <= ? AND (cleared_at IS NULL OR cleared_at <= ?))",
            [Value::Integer(until.as_millis()), Value::Integer(until.as_millis())],
        );
        conditions.and(
            "NOT EXISTS (SELECT 1 FROM alert_samples
                         WHERE alert_samples.alert = alert.id
                           AND (alert_samples.complete = 1 OR alert.state = 'raised'))",
            [],
        );
        let rows = conditions
            .statement(OPERATION, ALERT, "ORDER BY raised_at, id", limit.into())
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter().map(|row| alert(&Fields::new(OPERATION, row))).collect()
    }

    /// The alerts of one ticket's fault, newest first; at most 500.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn alerts_of_ticket(&self, ticket: TicketId) -> Result<Vec<Alert>, LedgerError> {
        const OPERATION: &str = "read a ticket's alerts";
        let mut conditions = Conditions::default();
        conditions.and(
            "fault IN (SELECT id FROM fault WHERE ticket = ?)",
            [Value::Text(ticket.to_string())],
        );
        let rows = conditions
            .statement(
                OPERATION,
                ALERT,
                "ORDER BY raised_at DESC, id DESC",
                ALERTS_OF_TICKET_MAX,
            )
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        rows.iter().map(|row| alert(&Fields::new(OPERATION, row))).collect()
    }

    /// Faults, newest first.
    ///
    /// # Errors
    /// When the cursor is not one of this list, or the ledger can't be read.
    pub async fn faults(&self, filter: &FaultFilter) -> Result<List<Fault>, LedgerError> {
        const OPERATION: &str = "list faults";
        let mut conditions = Conditions::default();
        conditions.equal("asset", filter.asset);
        conditions.equal("customer", filter.customer);
        if filter.open_only {
            conditions.and("cleared_at IS NULL", []);
        }
        if let Some((time, id)) = cursor::newest::<FaultId>(OPERATION, &filter.slice)? {
            before(&mut conditions, "discovered_at", time, id);
        }
        let rows = conditions
            .statement(
                OPERATION,
                FAULT,
                "ORDER BY discovered_at DESC, id DESC",
                cursor::fetch(&filter.slice),
            )
            .rows(&mut *self.engine.reader(OPERATION).await?)
            .await?;
        let faults = rows
            .iter()
            .map(|row| fault(&Fields::new(OPERATION, row)))
            .collect::<Result<_, _>>()?;
        Ok(cursor::list(faults, &filter.slice, |last: &Fault| {
            cursor::write(&[&last.discovered_at.as_millis(), &last.id])
        }))
    }
}

/// Continues a list that is newest first.
pub(crate) fn before(conditions: &mut Conditions, column: &str, time: Timestamp, id: impl std::fmt::Display) {
    conditions.and(
        &format!("({column}, id) < (?, ?)"),
        [Value::Integer(time.as_millis()), Value::Text(id.to_string())],
    );
}

/// All alerts that hold, and those of faults whose ticket is live, oldest first.
pub(crate) async fn live(tx: &mut Tx, operation: &'static str) -> Result<Vec<Alert>, LedgerError> {
    let sql = format!(
        "{ALERT} WHERE id IN (
             SELECT id FROM alert WHERE state = 'raised'
             UNION SELECT id FROM alert WHERE fault IN (SELECT fault FROM ticket WHERE {LIVE}))
         ORDER BY raised_at, id"
    );
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    rows.iter().map(|row| alert(&Fields::new(operation, row))).collect()
}

/// All alerts of one fault, oldest first.
pub(crate) async fn of_fault(tx: &mut Tx, operation: &'static str, fault: FaultId) -> Result<Vec<Alert>, LedgerError> {
    let sql = format!("{ALERT} WHERE fault = $1 ORDER BY raised_at, id");
    let rows = Statement::assembled(operation, sql).id(fault).rows(tx).await?;
    rows.iter().map(|row| alert(&Fields::new(operation, row))).collect()
}

/// One fault.
pub(crate) async fn one_fault(tx: &mut Tx, operation: &'static str, id: FaultId) -> Result<Option<Fault>, LedgerError> {
    let rows = Statement::assembled(operation, format!("{FAULT} WHERE id = $1"))
        .id(id)
        .rows(tx)
        .await?;
    rows.first().map(|row| fault(&Fields::new(operation, row))).transpose()
}

/// Faults of live tickets, and faults that have not cleared, oldest first.
pub(crate) async fn live_faults(tx: &mut Tx, operation: &'static str) -> Result<Vec<Fault>, LedgerError> {
    let sql = format!(
        "{FAULT} WHERE id IN (
             SELECT id FROM fault WHERE cleared_at IS NULL UNION SELECT fault FROM ticket WHERE {LIVE})
         ORDER BY discovered_at, id"
    );
    let rows = Statement::assembled(operation, sql).rows(tx).await?;
    rows.iter().map(|row| fault(&Fields::new(operation, row))).collect()
}

/// Inserts an alert, or replaces the row of its id. Its ticket must have been written before.
pub(crate) async fn put(tx: &mut Tx, operation: &'static str, alert: &Alert) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO alert (id, rule, host, asset, instance, instance_hash, severity, response, title_en, title_zh,
                            remedy_en, remedy_zh, metric, value, threshold, state, occurred_at, raised_at, cleared_at,
                            fault, drill, knowledge, auto_close, arrival, rule_version, silence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                 CASE WHEN EXISTS (SELECT 1 FROM ticket WHERE ticket.fault = $20 AND ticket.kind = 'drill')
                      THEN 1 ELSE 0 END, $21, $22, $23, $24, $25)
         ON CONFLICT (id) DO UPDATE SET
             rule = excluded.rule, host = excluded.host, asset = excluded.asset, instance = excluded.instance,
             instance_hash = excluded.instance_hash, severity = excluded.severity, response = excluded.response,
             title_en = excluded.title_en, title_zh = excluded.title_zh,
             remedy_en = excluded.remedy_en, remedy_zh = excluded.remedy_zh, metric = excluded.metric,
             value = excluded.value, threshold = excluded.threshold, state = excluded.state,
             occurred_at = excluded.occurred_at, raised_at = excluded.raised_at, cleared_at = excluded.cleared_at,
             fault = excluded.fault, drill = excluded.drill, knowledge = excluded.knowledge,
             auto_close = excluded.auto_close, arrival = excluded.arrival, rule_version = excluded.rule_version,
             silence = excluded.silence",
    )
    .id(alert.id)
    .text(&alert.rule)
    .id(alert.host)
    .id(alert.asset)
    .text(&alert.instance)
    .text(&hex(&Sha256::digest(clean(&alert.instance).as_bytes())))
    .text(alert.severity.as_str())
    .text(response_word(alert.response))
    .sentence(&alert.title)
    .sentence(&alert.remedy)
    .text(&alert.metric)
    .maybe_real(alert.value)
    .maybe_real(alert.threshold)
    .text(state_word(alert.state))
    .time(alert.occurred_at)
    .time(alert.raised_at)
    .maybe_time(alert.cleared_at)
    .maybe_id(alert.fault)
    .maybe_text(alert.ruling.knowledge.as_deref())
    .flag(alert.ruling.auto_close)
    .text(alert.ruling.arrival.as_str())
    .text(&alert.ruling.version)
    .maybe_text(alert.ruling.silence.map(Silence::as_str))
    .run(tx)
    .await?;
    Ok(())
}

/// Inserts a fault, or replaces the row of its id.
pub(crate) async fn put_fault(tx: &mut Tx, operation: &'static str, fault: &Fault) -> Result<(), LedgerError> {
    Statement::new(
        operation,
        "INSERT INTO fault (id, asset, customer, severity, level, title_en, title_zh, occurred_at, discovered_at,
                            reported_at, accepted_at, cleared_at, ticket)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET
             asset = excluded.asset, customer = excluded.customer, severity = excluded.severity,
             level = excluded.level, title_en = excluded.title_en, title_zh = excluded.title_zh,
             occurred_at = excluded.occurred_at, discovered_at = excluded.discovered_at,
             reported_at = excluded.reported_at, accepted_at = excluded.accepted_at,
             cleared_at = excluded.cleared_at, ticket = excluded.ticket",
    )
    .id(fault.id)
    .id(fault.asset)
    .id(fault.customer)
    .text(fault.severity.as_str())
    .integer(fault.level.rank().into())
    .sentence(&fault.title)
    .time(fault.occurred_at)
    .time(fault.discovered_at)
    .time(fault.reported_at)
    .maybe_time(fault.accepted_at)
    .maybe_time(fault.cleared_at)
    .maybe_id(fault.ticket)
    .run(tx)
    .await?;
    Ok(())
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0x0F)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

fn alert(fields: &Fields<'_>) -> Result<Alert, LedgerError> {
    Ok(Alert {
        id: fields.parsed("id")?,
        rule: fields.text("rule")?,
        host: fields.parsed("host")?,
        asset: fields.parsed("asset")?,
        instance: fields.text("instance")?,
        severity: fields.parsed("severity")?,
        response: fields.word("response", response)?,
        title: fields.sentence("title_en", "title_zh")?,
        remedy: fields.sentence("remedy_en", "remedy_zh")?,
        metric: fields.text("metric")?,
        value: fields.maybe_real("value")?,
        threshold: fields.maybe_real("threshold")?,
        state: fields.word("state", state)?,
        occurred_at: fields.time("occurred_at")?,
        raised_at: fields.time("raised_at")?,
        cleared_at: fields.maybe_time("cleared_at")?,
        fault: fields.maybe_parsed("fault")?,
        ruling: Ruling {
            knowledge: fields.maybe_text("knowledge")?,
            auto_close: fields.flag("auto_close")?,
            arrival: fields.word("arrival", Arrival::parse)?,
            version: fields.text("rule_version")?,
            silence: fields.maybe_word("silence", Silence::parse)?,
        },
    })
}

fn fault(fields: &Fields<'_>) -> Result<Fault, LedgerError> {
    Ok(Fault {
        id: fields.parsed("id")?,
        asset: fields.parsed("asset")?,
        customer: fields.parsed("customer")?,
        severity: fields.parsed("severity")?,
        level: Level::new(fields.number("level")?),
        title: fields.sentence("title_en", "title_zh")?,
        occurred_at: fields.time("occurred_at")?,
        discovered_at: fields.time("discovered_at")?,
        reported_at: fields.time("reported_at")?,
        accepted_at: fields.maybe_time("accepted_at")?,
        cleared_at: fields.maybe_time("cleared_at")?,
        ticket: fields.maybe_parsed("ticket")?,
    })
}

const fn state_word(state: AlertState) -> &'static str {
    match state {
        AlertState::Raised => "raised",
        AlertState::Cleared => "cleared",
    }
}

fn state(word: &str) -> Option<AlertState> {
    [AlertState::Raised, AlertState::Cleared]
        .into_iter()
        .find(|&state| state_word(state) == word)
}

const fn response_word(response: Response) -> &'static str {
    match response {
        Response::Record => "record",
        Response::Notify => "notify",
        Response::Ticket => "ticket",
    }
}

fn response(word: &str) -> Option<Response> {
    [Response::Record, Response::Notify, Response::Ticket]
        .into_iter()
        .find(|&response| response_word(response) == word)
}
