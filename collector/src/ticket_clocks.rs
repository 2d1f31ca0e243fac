//! The clocks of a real ticket with every interval that counted: what settles an argument with a customer.
//!
//! Each clock is counted again by the version of the calendar that it was counted by, which the ledger keeps: a later
//! notice of holidays changes nothing here.

use crate::clock_command::lasting;
use serde_json::{Value, json};
use tocsin_console::backend::Failure;
use tocsin_desk::{
    calendar::Calendar,
    clocks::{Count, Mark, Moment, Timing},
    model::{Clock, Ticket},
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{Code, Timestamp};

/// No ticket has this number.
pub(crate) fn unknown(number: u64) -> Failure {
    Failure::new(Code::NotFound, format!("there is no ticket #{number}"))
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failure(error: LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// A ticket's clocks, pauses, times and interval log.
///
/// # Errors
/// When there is no such ticket, or the ledger can't be read.
pub(crate) async fn of(ledger: &Ledger, number: u64, now: Timestamp) -> Result<Value, Failure> {
    let ticket = ledger.ticket(number).await.map_err(failure)?;
    let ticket = ticket.ok_or_else(|| unknown(number))?;
    let marks = ledger.marks(ticket.id).await.map_err(failure)?;
    let mut clocks = Vec::new();
    // All times of one answer are of one zone: that of the first clock's calendar.
    let mut own: Option<Calendar> = None;
    for (place, clock) in ticket.clocks.iter().enumerate() {
        let Some(timing) = ticket.reckoning.timings.get(place) else {
            clocks.push(plain(clock));
            continue;
        };
        let version = &timing.calendar_version;
        let calendar = ledger.calendar_version(version).await.map_err(failure)?;
        clocks.push(match &calendar {
            Some(calendar) => counted(&ticket, clock, timing, calendar, now),
            None => plain(clock),
        });
        own = own.or(calendar);
    }
    let shown = |at: Timestamp| {
        own.as_ref()
            .map_or_else(|| at.to_string(), |calendar| calendar.show(at))
    };
    let reckoning = &ticket.reckoning;
    let times: serde_json::Map<String, Value> = Moment::ALL
        .into_iter()
        .filter_map(|moment| Some((moment.as_str().to_owned(), shown(reckoning.moments.get(moment)?).into())))
        .collect();
    let pauses: Vec<_> = reckoning
        .pauses
        .iter()
        .map(|pause| json!({ "from": shown(pause.from), "to": pause.to.map(shown), "reason": pause.reason.as_str() }))
        .collect();
    Ok(json!({
        "ticket": ticket.number,
        "state": ticket.state.as_str(),
        "level": ticket.level,
        "policy": reckoning.policy,
        "policy_version": reckoning.policy_version,
        "grade": reckoning.grade,
        "impact": reckoning.impact.map(|impact| impact.as_str()),
        "waiver": reckoning.waiver,
        "times": times,
        "pauses": pauses,
        "clocks": clocks,
        "log": marks.iter().map(|mark| line(mark, &shown)).collect::<Vec<_>>(),
    }))
}

fn shown(at: Timestamp) -> Value {
    at.to_string().into()
}

/// A clock from before intervals were kept.
fn plain(clock: &Clock) -> Value {
    json!({
        "clock": clock.kind.as_str(),
        "started_at": shown(clock.started_at),
        "due_at": shown(clock.due_at),
        "stopped_at": clock.stopped_at.map(shown),
        "breached_at": clock.breached_at.map(shown),
        "intervals": [],
    })
}

fn counted(ticket: &Ticket, clock: &Clock, timing: &Timing, calendar: &Calendar, now: Timestamp) -> Value {
    let count = Count {
        calendar,
        base: timing.base,
        start: clock.started_at,
        pauses: &ticket.reckoning.pauses,
    };
    let end = clock.stopped_at.unwrap_or(now);
    let intervals: Vec<_> = count
        .spans(end)
        .into_iter()
        .map(|span| {
            json!({
                "from": calendar.show(span.from),
                "to": calendar.show(span.to),
                "counted": lasting(span.length()),
            })
        })
        .collect();
    let show = |at: Timestamp| Value::from(calendar.show(at));
    let elapsed = count.elapsed(end);
    json!({
        "clock": clock.kind.as_str(),
        "rung": timing.rung,
        "level": timing.level,
        "wording": timing.wording,
        "basis": timing.base.as_str(),
        "target": lasting(timing.target()),
        "calendar": timing.calendar,
        "calendar_version": timing.calendar_version,
        "started_at": show(clock.started_at),
        "due_at": (!timing.paused).then(|| show(clock.due_at)),
        "stopped_at": clock.stopped_at.map(show),
        "breached_at": clock.breached_at.map(show),
        "paused": timing.paused,
        "elapsed": lasting(elapsed),
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "intervals": intervals,
    })
}

fn line(mark: &Mark, shown: &dyn Fn(Timestamp) -> String) -> Value {
    json!({
        "clock": mark.clock.as_str(),
        "rung": mark.rung,
        "level": mark.level,
        "what": mark.kind.as_str(),
        "at": shown(mark.at),
        "entered_at": shown(mark.entered_at),
        "due_at": shown(mark.due_at),
        "policy_version": mark.policy_version,
        "calendar_version": mark.calendar_version,
    })
}

/// The same for people: one paragraph for each clock, then the log.
pub(crate) fn render(value: &Value) -> String {
    let text = |value: &Value, key: &str| match value.get(key) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    let rows = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut lines = vec![format!(
        "#{} {}, level {}, policy {} {}",
        text(value, "ticket"),
        text(value, "state"),
        text(value, "level"),
        text(value, "policy"),
        text(value, "grade")
    )];
    for moment in Moment::ALL {
        let at = value.get("times").and_then(|times| times.get(moment.as_str()));
        if let Some(at) = at.and_then(Value::as_str) {
            lines.push(format!("{}: {at}", moment.as_str()));
        }
    }
    let clocks = rows(value, "clocks");
    if clocks.is_empty() {
        lines.push("no clock has begun: the policy's targets start later in the ticket's life".to_owned());
    }
    for clock in clocks {
        let outcome = match (clock.get("breached_at"), clock.get("stopped_at"), clock.get("paused")) {
            (Some(Value::String(at)), Some(Value::String(stopped)), _) => format!("breached {at}, stopped {stopped}"),
            (Some(Value::String(at)), ..) => format!("breached {at}"),
            (_, Some(Value::String(at)), _) => format!("stopped {at}"),
            (_, _, Some(Value::Bool(true))) => "paused".to_owned(),
            _ => "running".to_owned(),
        };
        lines.push(format!(
            "{} (level {}): {} of {} {} by {}, started {}, due {}, {outcome}  {}",
            text(&clock, "clock"),
            text(&clock, "level"),
            text(&clock, "elapsed"),
            text(&clock, "target"),
            text(&clock, "basis"),
            text(&clock, "calendar"),
            text(&clock, "started_at"),
            text(&clock, "due_at"),
            text(&clock, "wording"),
        ));
        for span in rows(&clock, "intervals") {
            let (from, to, counted) = (text(&span, "from"), text(&span, "to"), text(&span, "counted"));
            lines.push(format!("  {from} .. {to}  {counted}"));
        }
    }
    for pause in rows(value, "pauses") {
        let (from, to, reason) = (text(&pause, "from"), text(&pause, "to"), text(&pause, "reason"));
        lines.push(format!("paused {from} .. {to}  {reason}"));
    }
    lines.push("log:".to_owned());
    for mark in rows(value, "log") {
        lines.push(format!(
            "  {} {} {} (level {}), due {}, entered {}",
            text(&mark, "at"),
            text(&mark, "clock"),
            text(&mark, "what"),
            text(&mark, "level"),
            text(&mark, "due_at"),
            text(&mark, "entered_at")
        ));
    }
    lines.join("\n")
}
