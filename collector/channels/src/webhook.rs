//! Webhook: a page as a signed JSON document, sent by POST.
//!
//! ```json
//! {
//!   "version": 1,
//!   "key": "1042-opened-1-0192f0c1-2345-7abc-8def-0123456789ab-robot",
//!   "ticket_number": 1042,
//!   "reason": "opened",
//!   "title": {"en": "…", "zh": "…"},
//!   "body": {"en": "…", "zh": "…"},
//!   "level": 2,
//!   "drill": false,
//!   "link": "https://…",
//!   "asset": "web-1",
//!   "customer": "第一银行",
//!   "site": "主机房",
//!   "since": "2026-11-22T03:04:00.000Z",
//!   "due_at": "2026-11-22T04:04:00.000Z",
//!   "created_at": "2026-11-22T03:04:05.678Z",
//!   "person": "张三",
//!   "attempt": 1,
//!   "resent": false
//! }
//! ```
//!
//! `ticket_number`, `since` (when the ticket was opened) and `due_at` (its next clock) are null and `link` empty where there
//! is no ticket; `asset`, `customer` and `site` are empty where nobody entered them; `reason` is one of `opened`, `unaccepted`,
//! `stalled`, `warned`, `breached`, `recurred`, `restored`, `handover`, `notice`; `level` 1 is the worst. Fields may be
//! added, never removed.
//!
//! Headers: `Idempotency-Key` is the key, by which the receiver drops doubles. `X-Tocsin-Timestamp` is the time of this
//! try in seconds since the epoch. With a secret, `X-Tocsin-Signature` is `v1=` and the lower-case hex HMAC-SHA256 of
//! timestamp, a full stop, and the body as sent. A receiver compares in constant time and refuses old timestamps.
//!
//! With `format = "alertmanager"` the document is that of Alertmanager's webhook, version 4, so that receivers made for it
//! work: one alert with labels `alertname` (the title), `severity`, `level`, `ticket`, `instance`, `customer`, `site`, annotations
//! `summary`, `description`, `link`, and the page's key as `fingerprint` and `groupKey`. A restored ticket is `resolved`.
//!
//! What a customer's secrecy forbids is missing from both: all but ticket number and level gives way.
//!
//! 2xx is success; 408, 429 and 5xx are tried again, not before `Retry-After` (seconds); any other answer is final.
//! Redirects are not followed and proxies of the environment not used: a page goes where the configuration says.

use crate::{
    channel::{Channel, Envelope, Facts, Receipt, Secrecy, SendError},
    config::Common,
    http::{self, Server, TIMEOUT},
    secret::Secret,
    wording,
};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{
    fmt::{self, Write as _},
    path::PathBuf,
    time::Duration,
};
use tocsin_desk::model::{Page, PageReason};
use tocsin_vocabulary::{Language, Text, Timestamp};

/// Which document is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Ours, as documented above.
    #[default]
    Tocsin,
    /// Alertmanager's, version 4.
    Alertmanager,
}

/// `kind = "webhook"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to post: `https://…`, or `http://…` to this machine itself.
    pub url: String,
    /// `tocsin` or `alertmanager`.
    #[serde(default)]
    pub format: Format,
    /// File with the secret that signs the pages; without it they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to other machines: pages travel readable by everybody on the way.
    #[serde(default)]
    pub insecure: bool,
}

impl WebhookConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        http::url_mistakes(&self.url, self.insecure, mistakes);
    }
}

/// Posts pages to one address.
pub struct Webhook {
    server: Server,
    format: Format,
    secret: Option<Secret>,
}

impl fmt::Debug for Webhook {
    /// Without the address's path, which may bear a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("peer", &self.server.peer())
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// The document; its fields are explained above.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    key: &'a str,
    ticket_number: Option<u64>,
    reason: &'static str,
    title: Text,
    body: Text,
    level: u8,
    drill: bool,
    link: &'a str,
    asset: &'a str,
    customer: &'a str,
    site: &'a str,
    since: Option<String>,
    due_at: Option<String>,
    created_at: String,
    person: &'a str,
    attempt: u32,
    resent: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<Also<'a>>,
}

/// A further page that this message tells of.
#[derive(Debug, Serialize)]
struct Also<'a> {
    key: &'a str,
    ticket_number: Option<u64>,
    title: Text,
    level: u8,
}

impl Webhook {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &WebhookConfig, common: &Common) -> Result<Self, String> {
        Self::with_timeout(config, common, TIMEOUT)
    }

    pub(crate) fn with_timeout(config: &WebhookConfig, common: &Common, timeout: Duration) -> Result<Self, String> {
        let secret = config.secret_file.as_deref().map(Secret::read).transpose()?;
        let guard = http::guard_for(&config.url, &common.networks());
        Ok(Self {
            server: Server::new(&config.url, config.ca_file.as_deref(), guard, timeout)?,
            format: config.format,
            secret,
        })
    }

    fn document(&self, envelope: &Envelope) -> serde_json::Value {
        let said = match self.format {
            Format::Tocsin => serde_json::to_value(ours(envelope)),
            Format::Alertmanager => Ok(alertmanager(envelope)),
        };
        // Text and numbers always become JSON.
        said.unwrap_or_default()
    }
}

/// Title and body as far as the customer lets them out.
fn words(envelope: &Envelope, page: &Page) -> (Text, Text) {
    if envelope.secrecy() == Secrecy::Full {
        return (page.title.clone(), page.body.clone());
    }
    let mut alone = envelope.clone();
    alone.page = page.clone();
    alone.also.clear();
    let mut said = |language| {
        alone.person.language = language;
        wording::code_only(&alone)
    };
    (
        Text::new(said(Language::English), said(Language::Chinese)),
        Text::default(),
    )
}

/// A text as far as the customer lets it out: as a whole, or not at all.
fn shown<'a>(envelope: &Envelope, text: &'a str) -> &'a str {
    if envelope.secrecy() == Secrecy::Full { text } else { "" }
}

fn link(envelope: &Envelope) -> &str {
    shown(envelope, &envelope.link)
}

fn ours(envelope: &Envelope) -> Document<'_> {
    let page = &envelope.page;
    let (title, body) = words(envelope, page);
    let facts = &envelope.facts;
    let time = |time: Option<Timestamp>| {
        let shown = time.filter(|_| envelope.secrecy() == Secrecy::Full);
        shown.map(|time| time.to_string())
    };
    Document {
        version: 1,
        key: &page.key,
        ticket_number: page.ticket_number,
        reason: page.reason.as_str(),
        title,
        body,
        level: page.level.rank(),
        drill: page.drill,
        link: link(envelope),
        asset: shown(envelope, &facts.asset),
        customer: shown(envelope, &facts.customer),
        site: shown(envelope, &facts.site),
        since: time(facts.since),
        due_at: time(facts.due_at),
        created_at: page.created_at.to_string(),
        person: &envelope.person.name,
        attempt: envelope.attempt(),
        resent: envelope.is_resent(),
        also: envelope
            .also
            .iter()
            .map(|(page, _)| Also {
                key: &page.key,
                ticket_number: page.ticket_number,
                title: words(envelope, page).0,
                level: page.level.rank(),
            })
            .collect(),
    }
}

/// The time that stands for "not over" in Alertmanager's documents.
const NOT_OVER: &str = "0001-01-01T00:00:00Z";

fn alertmanager(envelope: &Envelope) -> serde_json::Value {
    let language = envelope.person.language;
    let status = if envelope.page.reason == PageReason::Restored {
        "resolved"
    } else {
        "firing"
    };
    let pages: Vec<&Page> = std::iter::once(&envelope.page)
        .chain(envelope.also.iter().map(|(page, _)| page))
        .collect();
    let alerts: Vec<_> = pages
        .iter()
        .map(|page| {
            let (title, body) = words(envelope, page);
            let severity = match page.level.rank() {
                1 => "critical",
                2 | 3 => "warning",
                _ => "info",
            };
            let mut labels = serde_json::json!({
                "alertname": title.get(language), "severity": severity, "level": page.level.to_string(),
                "ticket": page.ticket_number.map_or_else(String::new, |number| number.to_string()),
                "drill": page.drill.to_string(),
            });
            if envelope.secrecy() == Secrecy::Full && page.id == envelope.page.id {
                let Facts {
                    asset, customer, site, ..
                } = &envelope.facts;
                for (label, value) in [("instance", asset), ("customer", customer), ("site", site)] {
                    if !value.is_empty() {
                        labels[label] = value.clone().into();
                    }
                }
            }
            let started = envelope.facts.since.unwrap_or(page.created_at).to_string();
            let ended = if status == "resolved" {
                page.created_at.to_string()
            } else {
                NOT_OVER.to_owned()
            };
            serde_json::json!({
                "status": status, "labels": labels,
                "annotations": {
                    "summary": title.get(language), "description": body.get(language), "link": link(envelope),
                },
                "startsAt": started, "endsAt": ended, "generatorURL": link(envelope), "fingerprint": page.key,
            })
        })
        .collect();
    serde_json::json!({
        "version": "4", "groupKey": envelope.page.key, "truncatedAlerts": 0, "status": status, "receiver": "tocsin",
        "groupLabels": {}, "commonLabels": alerts.first().map(|alert| alert["labels"].clone()),
        "commonAnnotations": alerts.first().map(|alert| alert["annotations"].clone()),
        "externalURL": link(envelope), "alerts": alerts,
    })
}

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let body = serde_json::to_vec(&self.document(envelope))
            .map_err(|error| SendError::permanent(format!("cannot write the document: {error}")))?;
        let timestamp = now.as_millis().div_euclid(1000).to_string();
        let mut request = self
            .server
            .post(&[])
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", header_text(&envelope.page.key))
            .header("X-Tocsin-Timestamp", &timestamp);
        if let Some(secret) = &self.secret {
            request = request.header("X-Tocsin-Signature", sign(secret.bytes(), &timestamp, &body));
        }
        let answered = self.server.ask(request.body(body)).await?;
        http::judge("the webhook", &answered).map(Receipt::taken)
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![serde_json::to_string_pretty(&self.document(envelope)).unwrap_or_default()]
    }
}

/// A key as a header can bear it.
fn header_text(key: &str) -> String {
    key.chars().filter(|c| c.is_ascii_graphic()).collect()
}

/// `v1=` and the hex HMAC-SHA256 of `<timestamp>.<body>`.
fn sign(secret: &[u8], timestamp: &str, body: &[u8]) -> String {
    let mut signature = "v1=".to_owned();
    // HMAC takes keys of any length, so there is no error to report.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(signature, "{byte:02x}");
        }
    }
    signature
}

#[cfg(test)]
mod tests;
