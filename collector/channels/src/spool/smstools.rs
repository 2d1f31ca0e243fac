//! smstools3's spool.

use super::{Found, LOOK_EVERY, fresh, is_there, moves, names, note, put, take};
use crate::{
    channel::{Channel, Envelope, Incoming, Outcome, Receipt, SendError},
    config::Common,
    sms,
    wording::{self, Style},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_desk::model::Person;
use tocsin_vocabulary::{Level, Timestamp};
use tokio::sync::Mutex;

/// `kind = "smstools"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmstoolsConfig {
    /// `outgoing` of smsd.
    #[serde(default = "outgoing")]
    pub outgoing: PathBuf,
    /// `sent`.
    #[serde(default = "sent")]
    pub sent: PathBuf,
    /// `failed`.
    #[serde(default = "failed")]
    pub failed: PathBuf,
    /// `incoming`: replies and reports of delivery come from there.
    #[serde(default = "incoming")]
    pub incoming: PathBuf,
}

fn outgoing() -> PathBuf {
    "/var/spool/sms/outgoing".into()
}
fn sent() -> PathBuf {
    "/var/spool/sms/sent".into()
}
fn failed() -> PathBuf {
    "/var/spool/sms/failed".into()
}
fn incoming() -> PathBuf {
    "/var/spool/sms/incoming".into()
}

impl SmstoolsConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        for (key, path) in [
            ("outgoing", &self.outgoing),
            ("sent", &self.sent),
            ("failed", &self.failed),
            ("incoming", &self.incoming),
        ] {
            if !path.is_absolute() {
                mistakes.push(format!("`{key}` is a full path, as in smsd's own configuration"));
            }
        }
    }
}

/// Sends through smstools3's spool.
pub struct Smstools {
    config: SmstoolsConfig,
    style: Style,
    found: Mutex<Found>,
}

/// A message file: headers, an empty line, the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Reads a file; none when it has no header.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut headers = Vec::new();
        let mut rest = bytes;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = String::from_utf8_lossy(&rest[..end]).trim_end().to_owned();
            rest = rest.get(end + 1..).unwrap_or_default();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
            if rest.is_empty() {
                break;
            }
        }
        (!headers.is_empty()).then(|| Self {
            headers,
            body: rest.to_vec(),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text: UTF-16BE where the header says UCS2.
    pub(super) fn text(&self) -> String {
        if self
            .get("Alphabet")
            .is_some_and(|alphabet| alphabet.to_ascii_uppercase().starts_with("UCS"))
        {
            sms::from_utf16_be(&self.body)
        } else {
            String::from_utf8_lossy(&self.body).trim_end().to_owned()
        }
    }
}

/// The file that smsd takes.
pub(super) fn file(envelope: &Envelope, number: &str, text: &str) -> Vec<u8> {
    let urgent = if envelope.page.level == Level::WORST {
        "Priority: High\n"
    } else {
        ""
    };
    // Numbers without their `+`, as smsd wants them.
    let number = number.trim_start_matches('+');
    let mut file = format!("To: {number}\nAlphabet: UCS2\nReport: yes\nAutosplit: 3\n{urgent}\n").into_bytes();
    file.extend(sms::utf16_be(&text.encode_utf16().collect::<Vec<_>>()));
    file
}

impl Smstools {
    /// From a configuration without mistakes.
    #[must_use]
    pub fn new(config: &SmstoolsConfig, common: &Common) -> Self {
        Self {
            config: config.clone(),
            style: Style::sms(common, true),
            found: Mutex::default(),
        }
    }

    fn look(&self, found: &mut Found) {
        for (folder, outcome) in [
            (&self.config.sent, Outcome::Delivered),
            (&self.config.failed, Outcome::Failed),
        ] {
            for (note, name) in fresh(folder, &mut found.told) {
                found.queue.push_back(Incoming::Report {
                    references: vec![note],
                    outcome,
                    detail: format!("smsd moved {name}"),
                });
            }
        }
        for name in names(&self.config.incoming) {
            if name.starts_with('.') {
                continue;
            }
            let Some(message) = take(&self.config.incoming, &name).and_then(|bytes| Message::read(&bytes)) else {
                continue;
            };
            // A report of delivery names smsd's own number of the message, which its file in `sent` told already.
            let is_report = message.text().starts_with("SMS STATUS REPORT");
            if let (Some(from), false) = (message.get("From"), is_report) {
                found.queue.push_back(Incoming::Reply {
                    from: wording::one_line(from),
                    text: message.text(),
                });
            }
        }
    }
}

#[async_trait]
impl Channel for Smstools {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::permanent)?;
        let config = &self.config;
        let reference = note(envelope.page.id);
        if envelope.is_resent() && is_there(&[&config.outgoing, &config.sent], &reference) {
            return Ok(Receipt {
                reference,
                ..Receipt::taken("was in the spool already")
            });
        }
        let text = self.style.message(envelope, now);
        put(&config.outgoing, &reference, &file(envelope, &number, &text))?;
        Ok(Receipt {
            reference,
            ..Receipt::taken("in smsd's spool")
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
        Some(moves(&self.config.outgoing))
    }
}
