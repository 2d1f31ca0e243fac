//! What people read for an answer of the duty room.

use crate::cli::printable;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write as _;
use tocsin_desk::{
    handover::{Handover, Register},
    register::{Revision, spare::Stock},
    roster::{Exchange, Post, Span},
};
use tocsin_vocabulary::{RunResult, Timestamp};

fn list<T: DeserializeOwned>(value: Option<&Value>) -> Vec<T> {
    value
        .cloned()
        .and_then(|value| serde_json::from_value(value).ok())
        .unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `2026-11-22 08:00` on the roster's wall clock.
fn local(at: Timestamp, zone: &str) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .ok()
        .and_then(|instant| instant.in_tz(zone).ok())
        .map_or_else(|| at.to_string(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

fn people(span: &Span) -> String {
    let posts = Post::ALL.iter().filter(|post| !span.staff.of(**post).is_empty());
    let posts: Vec<String> = posts
        .map(|post| format!("{} {}", post.as_str(), span.staff.of(*post).join(", ")))
        .collect();
    if posts.is_empty() {
        "nobody".to_owned()
    } else {
        printable(&posts.join("; "))
    }
}

fn line(span: &Span, zone: &str) -> String {
    let mark = match (span.special, span.changed) {
        (_, true) => " *",
        (true, _) => " +",
        _ => "",
    };
    format!(
        "{}  {}  {}: {}{mark}",
        local(span.from, zone),
        local(span.to, zone),
        printable(&span.shift),
        people(span)
    )
}

/// Who is on duty, roster by roster.
pub(super) fn on_duty(value: &Value) -> String {
    let mut out = String::new();
    for roster in value.as_array().into_iter().flatten() {
        let zone = text(roster, "zone");
        let _ = writeln!(out, "{} ({zone})", printable(text(roster, "name")));
        let now: Vec<Span> = list(roster.get("now"));
        if now.iter().all(|span| span.staff.main.is_empty()) {
            let _ = writeln!(out, "  nobody has the main post; {} is paged", text(roster, "fallback"));
        }
        for span in &now {
            let _ = writeln!(out, "  now   {}", line(span, zone));
        }
        let shifts: Vec<Span> = list(roster.get("shifts"));
        let ends = now.iter().map(|span| span.to).min();
        if let Some(next) = shifts.iter().find(|span| ends.is_none_or(|end| span.from >= end)) {
            let _ = writeln!(out, "  next  {}", line(next, zone));
        }
    }
    if out.is_empty() {
        "there is no roster: whoever is marked as on duty is paged (`user duty LOGIN on`)".to_owned()
    } else {
        out
    }
}

/// Shifts with exchanges and warnings. `+`: staffed apart; `*`: changed by an override or a swap.
pub(super) fn shifts(value: &Value) -> String {
    let mut out = String::new();
    for roster in value.as_array().into_iter().flatten() {
        let zone = text(roster, "zone");
        let _ = writeln!(
            out,
            "{} ({zone}), fallback {}",
            printable(text(roster, "name")),
            text(roster, "fallback")
        );
        for span in list::<Span>(roster.get("shifts")) {
            let _ = writeln!(out, "  {}", line(&span, zone));
        }
        for exchange in list::<Exchange>(roster.get("exchanges")) {
            for one in &exchange.moves {
                let _ = writeln!(
                    out,
                    "  exchange {} ({}): {} for {} from {} to {}: {}",
                    exchange.id,
                    exchange.consent.as_str(),
                    printable(&one.into),
                    printable(&one.out),
                    local(one.from, zone),
                    local(one.to, zone),
                    printable(&exchange.reason)
                );
            }
        }
        for warning in list::<String>(roster.get("warnings")) {
            let _ = writeln!(out, "  warning: {}", printable(&warning));
        }
    }
    if out.is_empty() {
        "there is no roster".to_owned()
    } else {
        out
    }
}

fn signatures(one: &Handover) -> String {
    let by = |signature: &Option<tocsin_desk::handover::Signature>| {
        signature
            .as_ref()
            .map_or_else(|| "-".to_owned(), |signature| printable(&signature.by))
    };
    format!("leaving {}, coming {}", by(&one.left), by(&one.came))
}

/// One line for each handover.
pub(super) fn handovers(value: &Value) -> String {
    let all: Vec<Handover> = list(Some(value));
    let mut lines = vec![format!("{:<6}{:<26}{:<16}{:<8}SIGNED", "ID", "AT", "ROSTER", "STATE")];
    lines.extend(all.iter().map(|one| {
        let state = if one.is_closed() { "signed" } else { "open" };
        format!(
            "{:<6}{:<26}{:<16}{state:<8}{}",
            one.id,
            one.at.to_string(),
            printable(&one.roster),
            signatures(one)
        )
    }));
    lines.join("\n")
}

/// What is withheld, backups that stand badly and silent hosts: what each is, and its words.
fn matters(register: &Register) -> Vec<(&'static str, String)> {
    let quiet = register.silences.iter().map(|one| {
        let words = format!("{} until {}: {}", one.what, one.until, one.reason);
        (one.kind.as_str(), words)
    });
    let jobs = register.jobs.iter().map(|job| {
        let result = job.result.map_or("never run", RunResult::as_str);
        let good = job.good_at.map_or_else(|| "none".to_owned(), |at| at.to_string());
        let words = format!("{} {}: {result}, newest good run {good}", job.host, job.name);
        ("backup", words)
    });
    let alerts = register.backups.iter().map(|alert| ("backup", alert.en.clone()));
    let silent = register.silent.iter().map(|alert| ("silent host", alert.en.clone()));
    quiet.chain(jobs).chain(alerts).chain(silent).collect()
}

/// All that is handed over.
pub(super) fn handover(value: &Value) -> String {
    let mut out = String::new();
    for one in list::<Handover>(Some(value)) {
        let _ = writeln!(out, "handover {} of {} at {}", one.id, printable(&one.roster), one.at);
        let _ = writeln!(out, "from {} to {}", one.leaving.join(", "), one.coming.join(", "));
        let _ = writeln!(out, "signed: {}", signatures(&one));
        if let Some(word) = &one.word {
            let _ = writeln!(out, "word of {}: {}", printable(&word.by), printable(&word.reason));
        }
        for ticket in &one.register.tickets {
            let due = ticket.due_at.map_or_else(String::new, |at| format!(", due {at}"));
            let _ = writeln!(
                out,
                "  #{} level {} {} {}{due}: {}",
                ticket.number,
                ticket.level,
                ticket.state.as_str(),
                printable(ticket.assignee.as_deref().unwrap_or("nobody")),
                printable(&ticket.title.en)
            );
        }
        for (name, words) in matters(&one.register) {
            let _ = writeln!(out, "  {name}: {}", printable(&words));
        }
        for thing in &one.register.things {
            let there = if thing.there { "there" } else { "MISSING" };
            let _ = writeln!(out, "  {}: {there}", printable(&thing.name));
        }
        for (name, words) in [("room", &one.register.room), ("notes", &one.register.notes)] {
            if !words.is_empty() {
                let _ = writeln!(out, "  {name}: {}", printable(words));
            }
        }
    }
    out
}

/// Changes of a row, newest first.
pub(super) fn history(value: &Value) -> String {
    let lines = list::<Revision>(Some(value)).into_iter().map(|change| {
        let (before, after) = (printable(&change.before), printable(&change.after));
        format!(
            "{}  {}  {}: `{before}` → `{after}`",
            change.at,
            printable(&change.by),
            change.column
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is held and what is missing.
pub(super) fn stock(value: &Value) -> String {
    let mut lines = vec![format!(
        "{:<32}{:>8}{:>8}{:>9}{:>8}{:>9}",
        "MODEL", "ASSETS", "HELD", "STANDBY", "WANTED", "MISSING"
    )];
    lines.extend(list::<Stock>(value.get("stock")).iter().map(|one| {
        format!(
            "{:<32}{:>8}{:>8}{:>9}{:>8}{:>9}",
            printable(&one.model),
            one.assets,
            one.held,
            one.standby,
            one.wanted,
            one.missing()
        )
    }));
    for used in list::<tocsin_desk::register::spare::Use>(value.get("uses")) {
        let state = match used.allowed {
            None => "waits",
            Some(true) => "allowed",
            Some(false) => "refused",
        };
        lines.push(format!(
            "use {}: {} × {} for #{}, asked by {}: {state}",
            used.id,
            used.count,
            printable(&used.name),
            used.ticket,
            printable(&used.asked_by)
        ));
    }
    for one in list::<tocsin_desk::register::spare::Used>(value.get("months")) {
        let name = printable(&one.name);
        lines.push(format!(
            "used in {}: {} × {name} on {} tickets",
            one.month, one.count, one.tickets
        ));
    }
    for row in list::<tocsin_desk::register::Row>(value.get("uncounted")) {
        lines.push(format!("not counted this month: {}", printable(row.get("name"))));
    }
    lines.join("\n")
}
