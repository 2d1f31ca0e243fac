//! gammu-smsd's file backend.

use super::{Daemon, Folders, Spool, folder_mistakes, note};
use crate::{channel::Envelope, config::Common, sms};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_vocabulary::Timestamp;

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
        let folders = [
            ("outbox", self.outbox.as_path()),
            ("sent", &self.sent),
            ("error", &self.error),
            ("inbox", &self.inbox),
        ];
        folder_mistakes(Files::NAME, &folders, mistakes);
    }
}

/// Sends through gammu-smsd's folders.
pub type Gammu = Spool<Files>;

/// gammu-smsd's way of writing files.
#[derive(Debug, Clone, Copy)]
pub struct Files;

impl Gammu {
    /// From a configuration without mistakes.
    #[must_use]
    pub fn new(config: &GammuConfig, common: &Common) -> Self {
        let folders = Folders {
            out: config.outbox.clone(),
            taken: None,
            sent: config.sent.clone(),
            failed: config.error.clone(),
            inbox: config.inbox.clone(),
        };
        Self::open(Files, folders, common)
    }
}

impl Daemon for Files {
    const NAME: &'static str = "gammu-smsd";

    fn file(&self, envelope: &Envelope, number: &str, text: &str, now: Timestamp) -> (String, Vec<u8>) {
        let mut content = vec![0xFE, 0xFF];
        content.extend(sms::utf16_be(&text.encode_utf16().collect::<Vec<_>>()));
        (file_name(envelope, number, now), content)
    }

    fn is_text(&self, name: &str) -> bool {
        name.starts_with("IN") && name.ends_with(".txt")
    }

    fn reply(&self, name: &str, bytes: &[u8]) -> Option<(String, String)> {
        // IN20261122_110400_00_+8613800000001_00.txt
        let sender = name.split('_').nth(3).filter(|sender| !sender.is_empty())?;
        Some((sender.to_owned(), text_of(bytes)))
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
