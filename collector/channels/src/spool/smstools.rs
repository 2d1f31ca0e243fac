//! smstools3's spool.

use super::{Daemon, Folders, Spool, folder_mistakes, note};
use crate::{channel::Envelope, config::Common, sms, wording};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_vocabulary::{Level, Timestamp};

/// `kind = "smstools"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmstoolsConfig {
    /// `outgoing` of smsd.
    #[serde(default = "outgoing")]
    pub outgoing: PathBuf,
    /// `checked`: what it has taken and not sent yet.
    #[serde(default = "checked")]
    pub checked: PathBuf,
    /// `sent`.
    #[serde(default = "sent")]
    pub sent: PathBuf,
    /// `failed`.
    #[serde(default = "failed")]
    pub failed: PathBuf,
    /// `incoming`: replies and reports of delivery come from there.
    #[serde(default = "incoming")]
    pub incoming: PathBuf,
    /// The file `status` in its folder `stats`: the modem's signal is read from there. Without it none is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PathBuf>,
}

fn outgoing() -> PathBuf {
    "/var/spool/sms/outgoing".into()
}
fn checked() -> PathBuf {
    "/var/spool/sms/checked".into()
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
        let mut folders = vec![
            ("outgoing", self.outgoing.as_path()),
            ("checked", &self.checked),
            ("sent", &self.sent),
            ("failed", &self.failed),
            ("incoming", &self.incoming),
        ];
        folders.extend(self.status.as_deref().map(|path| ("status", path)));
        folder_mistakes(Smsd::NAME, &folders, mistakes);
    }
}

/// Sends through smstools3's spool.
pub type Smstools = Spool<Smsd>;

/// smsd's way of writing files.
#[derive(Debug, Clone)]
pub struct Smsd {
    status: Option<PathBuf>,
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
        let folders = Folders {
            out: config.outgoing.clone(),
            taken: Some(config.checked.clone()),
            sent: config.sent.clone(),
            failed: config.failed.clone(),
            inbox: config.incoming.clone(),
        };
        let smsd = Smsd {
            status: config.status.clone(),
        };
        Self::open(smsd, folders, common)
    }
}

impl Daemon for Smsd {
    const NAME: &'static str = "smsd";

    fn file(&self, envelope: &Envelope, number: &str, text: &str, _now: Timestamp) -> (String, Vec<u8>) {
        (note(envelope.page.id), file(envelope, number, text))
    }

    fn is_text(&self, name: &str) -> bool {
        !name.starts_with('.')
    }

    fn reply(&self, _name: &str, bytes: &[u8]) -> Option<(String, String)> {
        let message = Message::read(bytes)?;
        let text = message.text();
        // A report of delivery names smsd's own number of the message, which its file in `sent` told already.
        if text.starts_with("SMS STATUS REPORT") {
            return None;
        }
        Some((wording::one_line(message.get("From")?), text))
    }

    fn signal(&self) -> Option<u8> {
        signal(&std::fs::read_to_string(self.status.as_ref()?).ok()?)
    }
}

/// The best signal among the modems of smsd's status file, in percent of what GSM modems tell: -113 dBm to -51 dBm
/// (3GPP TS 27.007, 8.5).
pub(super) fn signal(status: &str) -> Option<u8> {
    let levels = status.lines().filter_map(|line| {
        let dbm: i32 = line.split_once("ssi:")?.1.split_whitespace().next()?.parse().ok()?;
        u8::try_from((dbm.clamp(-113, -51) + 113) * 100 / 62).ok()
    });
    levels.max()
}
