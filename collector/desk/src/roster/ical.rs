//! Duty for a phone's calendar: iCalendar (RFC 5545).

use super::{Post, Span};
use std::fmt::Write as _;
use tocsin_vocabulary::{Language, Timestamp};

/// Octets of one line of content (RFC 5545, 3.1).
const LINE_OCTETS_MAX: usize = 75;

const fn post(post: Post, language: Language) -> &'static str {
    match (language, post) {
        (Language::Chinese, Post::Main) => "主班",
        (Language::Chinese, Post::Deputy) => "副班",
        (Language::Chinese, Post::Standby) => "备班",
        (Language::Chinese, Post::Leader) => "带班领导",
        (Language::English, Post::Main) => "main",
        (Language::English, Post::Deputy) => "deputy",
        (Language::English, Post::Standby) => "standby",
        (Language::English, Post::Leader) => "lead",
    }
}

/// A calendar with one event for each span. `name` turns a login into what people call them; `only` keeps the spans of
/// one person.
#[must_use]
pub fn calendar(
    title: &str,
    spans: &[Span],
    only: Option<&str>,
    now: Timestamp,
    language: Language,
    name: impl Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    let mut line = |text: String| fold(&mut out, &text);
    for text in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Tocsin//Roster//EN",
        "CALSCALE:GREGORIAN",
    ] {
        line(text.to_owned());
    }
    line(format!("X-WR-CALNAME:{}", escape(title)));
    let mine = |span: &&Span| only.is_none_or(|who| span.staff.everybody().iter().any(|login| login == who));
    for span in spans.iter().filter(mine) {
        let people: Vec<String> = Post::ALL
            .iter()
            .filter(|post| !span.staff.of(**post).is_empty())
            .map(|one| {
                let names: Vec<String> = span.staff.of(*one).iter().map(|login| name(login)).collect();
                format!("{} {}", post(*one, language), names.join("、"))
            })
            .collect();
        line("BEGIN:VEVENT".to_owned());
        let uid = format!("{}-{}-{}", span.roster, span.shift, span.from.as_millis());
        line(format!("UID:{}@tocsin", escape(&uid)));
        line(format!("DTSTAMP:{}", stamp(now)));
        line(format!("DTSTART:{}", stamp(span.from)));
        line(format!("DTEND:{}", stamp(span.to)));
        line(format!(
            "SUMMARY:{}",
            escape(&format!("{} {}", span.shift, people.join(" ")))
        ));
        line(format!("DESCRIPTION:{}", escape(&people.join("\n"))));
        line("END:VEVENT".to_owned());
    }
    line("END:VCALENDAR".to_owned());
    out
}

/// `20261122T030405Z`.
fn stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
        |_| String::new(),
        |instant| instant.strftime("%Y%m%dT%H%M%SZ").to_string(),
    )
}

/// TEXT of RFC 5545, 3.3.11. Control characters have no place in it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// One line of content, folded between characters, ended by CR LF.
fn fold(out: &mut String, text: &str) {
    let mut room = LINE_OCTETS_MAX;
    for c in text.chars() {
        if c.len_utf8() > room {
            out.push_str("\r\n ");
            room = LINE_OCTETS_MAX - 1;
        }
        out.push(c);
        room -= c.len_utf8();
    }
    // Writing to a String does not fail.
    let _ = write!(out, "\r\n");
}
