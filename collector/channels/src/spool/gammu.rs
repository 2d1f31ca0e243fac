//! gammu-smsd's file backend.

use super::{Found, LOOK_EVERY, fresh, is_there, moves, names, note, put, take};
use crate::{
    channel::{Channel, Envelope, Incoming, Outcome, Receipt, SendError},
    config::Common,
    sms,
    wording::Style,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;
use tokio::sync::Mutex;

/// `kind = "gammu"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammuConfig {
    /// `OutboxPath` of gammu-smsd.
    #[serde(default = "outbox")]
    pub outbox: PathBuf,
    /// `SentSMSPath`.
    #[serde(default = "sent")]
    pub sent: PathBuf,
    /// `ErrorSMSPath`.
    #[serde(default = "error")]
    pub error: PathBuf,
    /// `InboxPath`: replies come from there.
    #[serde(default = "inbox")]
    pub inbox: PathBuf,
}

fn outbox() -> PathBuf {
    "/var/spool/gammu/outbox".into()
}
fn sent() -> PathBuf {
    "/var/spool/gammu/sent".into()
}
fn error() -> PathBuf {
    "/var/spool/gammu/error".into()
}
fn inbox() -> PathBuf {
    "/var/spool/gammu/inbox".into()
}

impl GammuConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        for (key, path) in [
            ("outbox", &self.outbox),
            ("sent", &self.sent),
            ("error", &self.error),
            ("inbox", &self.inbox),
        ] {
            if !path.is_absolute() {
                mistakes.push(format!("`{key}` is a full path, as in gammu-smsd's own configuration"));
            }
        }
    }
}

/// Sends through gammu-smsd's folders.
pub struct Gammu {
    config: GammuConfig,
    style: Style,
    found: Mutex<Found>,
}

impl Gammu {
    /// From a configuration without mistakes.
    #[must_use]
    pub fn new(config: &GammuConfig, common: &Common) -> Self {
        Self {
            config: config.clone(),
            style: Style::sms(common, true),
            found: Mutex::default(),
        }
    }

    /// What appeared in the folders since the last look.
    fn look(&self, found: &mut Found) {
        for (folder, outcome) in [(&self.config.sent, None), (&self.config.error, Some(Outcome::Failed))] {
            for (note, name) in fresh(folder, &mut found.told) {
                // A sent message is on its way, and gammu's files say no more.
                let outcome = outcome.unwrap_or(Outcome::Delivered);
                found.queue.push_back(Incoming::Report {
                    references: vec![note],
                    outcome,
                    detail: format!("gammu-smsd moved {name}"),
                });
            }
        }
        for name in names(&self.config.inbox) {
            // IN20261122_110400_00_+8613800000001_00.txt
            let mut words = name.split('_');
            let is_text = name.starts_with("IN") && name.ends_with(".txt");
            let sender = words.nth(3).unwrap_or_default().to_owned();
            if !is_text || sender.is_empty() {
                continue;
            }
            if let Some(bytes) = take(&self.config.inbox, &name) {
                found.queue.push_back(Incoming::Reply {
                    from: sender,
                    text: text_of(&bytes),
                });
            }
        }
    }
}

/// UTF-16 with a byte order mark, as gammu writes it, or UTF-8.
pub(super) fn text_of(bytes: &[u8]) -> String {
    match bytes {
        [0xFE, 0xFF, rest @ ..] => sms::from_utf16_be(rest),
        [0xFF, 0xFE, rest @ ..] => {
            let swapped: Vec<u8> = rest.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect();
            sms::from_utf16_be(&swapped)
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// `OUT<priority><date>_<time>_00_<number>_<note>.txtd`; `d` asks for a report of delivery.
pub(super) fn file_name(envelope: &Envelope, number: &str, now: Timestamp) -> String {
    // Alphabetical order is gammu's order of sending: the worst level first.
    let priority = char::from(b'A' + envelope.page.level.rank().saturating_sub(1).min(25));
    let time: String = now
        .to_string()
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == 'T')
        .take(15)
        .collect();
    let time = time.replace('T', "_");
    format!("OUT{priority}{time}_00_{number}_{}.txtd", note(envelope.page.id))
}

#[async_trait]
impl Channel for Gammu {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::permanent)?;
        let config = &self.config;
        let reference = note(envelope.page.id);
        // After a crash it may be there already, or may have left.
        if envelope.is_resent() && is_there(&[&config.outbox, &config.sent], &reference) {
            return Ok(Receipt {
                reference,
                ..Receipt::taken("was in the spool already")
            });
        }
        let text = self.style.message(envelope, now);
        let mut content = vec![0xFE, 0xFF];
        content.extend(sms::utf16_be(&text.encode_utf16().collect::<Vec<_>>()));
        put(&config.outbox, &file_name(envelope, &number, now), &content)?;
        Ok(Receipt {
            reference,
            ..Receipt::taken("in gammu-smsd's spool")
        })
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    async fn incoming(&self, _now: Timestamp) -> Incoming {
        let mut found = self.found.lock().await;
        loop {
            if let Some(incoming) = found.queue.pop_front() {
                return incoming;
            }
            self.look(&mut found);
            if found.queue.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }

    async fn condition(&self) -> Option<(bool, String)> {
        Some(moves(&self.config.outbox))
    }
}
