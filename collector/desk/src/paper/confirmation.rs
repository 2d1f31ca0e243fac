//! The customer's word that it is done: by account, by a signature drawn on a phone, by a signed paper, or told to the
//! desk. Whatever was shown to whoever confirmed is kept with its hash.

use super::attachment::Done;
use crate::model::{Entry, Ticket, TicketState};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tocsin_vocabulary::{Language, TicketId, Timestamp};

/// How it was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Somebody of the customer, signed in.
    Account,
    /// Drawn by hand on a phone.
    Signature,
    /// A signed paper, scanned or photographed.
    Paper,
    /// The customer said so, and the desk wrote it down.
    Desk,
}

impl Way {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Signature => "signature",
            Self::Paper => "paper",
            Self::Desk => "desk",
        }
    }
}

/// One confirmation. Never changed, never erased: a ticket that is opened again gets another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its number.
    pub id: u64,
    /// The ticket.
    pub ticket: TicketId,
    /// How.
    pub way: Way,
    /// Who confirmed: the customer's person, as they wrote themselves or as the desk wrote them.
    pub name: String,
    /// Who of us took it down, or the customer's person themselves; and when.
    pub by: Done,
    /// What was confirmed, word for word.
    pub text: String,
    /// SHA-256 of the text, hex.
    pub text_hash: String,
    /// Number of the attachment that bears the signature.
    pub file: Option<u64>,
}

/// What a page sends when somebody has signed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// SHA-256 of the link's secret, hex.
    pub secret_hash: String,
    /// What they wrote as their name.
    pub name: String,
    /// Strokes, as [`super::ink::Ink::parse`] reads them.
    pub ink: String,
    /// What was shown.
    pub text: String,
}

/// A one-time link to sign behind, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignLink {
    /// For which ticket.
    pub ticket: TicketId,
    /// Login of the engineer who made it.
    pub login: String,
    /// When it is no longer good.
    pub expires_at: Timestamp,
    /// The confirmation that came of it.
    pub confirmation: Option<u64>,
}

/// What is shown to whoever confirms: the work in plain words. The same ticket gives the same text.
#[must_use]
pub fn statement(ticket: &Ticket, entries: &[Entry], published: &[u64], language: Language, zone: &TimeZone) -> String {
    let say = |en: &'static str, zh: &'static str| match language {
        Language::English => en,
        Language::Chinese => zh,
    };
    let colon = say(": ", "\u{FF1A}");
    let mut text = format!(
        "{} #{}\n{}\n",
        say("Ticket", "工单"),
        ticket.number,
        ticket.title.get(language)
    );
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}{colon}{value}");
    };
    line(say("Asset", "维保对象"), &ticket.asset_name);
    line(say("Reported", "报障"), &moment(ticket.opened_at, zone));
    for (state, en, zh) in [
        (TicketState::Accepted, "Accepted", "受理"),
        (TicketState::OnSite, "On site", "到场"),
        (TicketState::Restored, "Restored", "业务恢复"),
        (TicketState::Resolved, "Resolved", "故障解决"),
    ] {
        if let Some(entry) = entries.iter().rev().find(|entry| entry.to == Some(state)) {
            line(say(en, zh), &moment(entry.at, zone));
        }
    }
    if let Some(resolved) = entries.iter().rev().find(|entry| entry.action == "resolve") {
        line(say("Cause and solution", "原因与处理"), resolved.note.get(language));
    }
    for note in entries.iter().filter(|entry| published.contains(&entry.seq)) {
        line(say("Note", "说明"), note.note.get(language));
    }
    text.push_str(say(
        "The work described above is done and the service runs again. I confirm this.\n",
        "上述服务已完成\u{FF0C}业务恢复正常\u{FF0C}特此确认\u{3002}\n",
    ));
    text
}

/// `2026-11-22 11:04 +08:00`.
fn moment(at: Timestamp, zone: &TimeZone) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|instant| {
            instant
                .to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M %:z")
                .to_string()
        })
        .unwrap_or_default()
}
