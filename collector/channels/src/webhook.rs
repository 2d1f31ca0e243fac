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
//!   "created_at": "2026-11-22T03:04:05.678Z",
//!   "person": "张三",
//!   "attempt": 1,
//!   "resent": false
//! }
//! ```
//!
//! `ticket_number` is null and `link` empty where there is no ticket; `reason` is one of `opened`, `unaccepted`,
//! `breached`, `recurred`, `restored`, `notice`; `level` 1 is the worst. Fields may be added, never removed.
//!
//! Headers: `Idempotency-Key` is the key, by which the receiver drops doubles. `X-Tocsin-Timestamp` is the time of this
//! try in seconds since the epoch. With a secret, `X-Tocsin-Signature` is `v1=` and the lower-case hex HMAC-SHA256 of
//! timestamp, a full stop, and the body as sent. A receiver compares in constant time and refuses old timestamps.
//!
//! 2xx is success; 408, 429 and 5xx are tried again, not before `Retry-After` (seconds); any other answer is final.
//! Redirects are not followed and proxies of the environment not used: a page goes where the configuration says.

use crate::{
    channel::{Channel, Envelope, Receipt, SendError, SendErrorKind, chain},
    config::{Secret, WebhookConfig, need_system_authorities, read_certificates},
};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Certificate, Client, StatusCode, Url, header, redirect::Policy};
use serde::Serialize;
use sha2::Sha256;
use std::{
    fmt::{self, Write as _},
    time::Duration,
};
use tocsin_vocabulary::{Text, Timestamp};

/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts pages to one address.
pub struct Webhook {
    client: Client,
    url: Url,
    secret: Option<Secret>,
}

impl fmt::Debug for Webhook {
    /// Without the address's path, which may bear a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("peer", &peer(&self.url))
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
    title: &'a Text,
    body: &'a Text,
    level: u8,
    drill: bool,
    link: &'a str,
    created_at: String,
    person: &'a str,
    attempt: u32,
    resent: bool,
}

impl Webhook {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &WebhookConfig) -> Result<Self, String> {
        Self::with_timeout(config, TIMEOUT)
    }

    pub(crate) fn with_timeout(config: &WebhookConfig, timeout: Duration) -> Result<Self, String> {
        // Without a process-wide provider the client would panic; the first one installed stays, ours or the program's.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let url: Url = config
            .url
            .parse()
            .map_err(|error| format!("`url` is not an address: {error}"))?;
        let secret = config.secret_file.as_deref().map(Secret::read).transpose()?;
        let mut client = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("tocsin/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &config.ca_file {
            let pem = read_certificates(path)?;
            let roots = Certificate::from_pem_bundle(&pem)
                .map_err(|error| format!("cannot use the certificates in {}: {}", path.display(), chain(&error)))?;
            client = client.tls_certs_only(roots);
        } else if url.scheme() == "http" {
            // Needs no roots, and must start on machines that have none.
            client = client.tls_certs_only([]);
        } else {
            need_system_authorities()?;
        }
        let client = client
            .build()
            .map_err(|error| format!("cannot set up TLS: {}", chain(&error)))?;
        Ok(Self { client, url, secret })
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let page = &envelope.page;
        let document = Document {
            version: 1,
            key: &page.key,
            ticket_number: page.ticket_number,
            reason: page.reason.as_str(),
            title: &page.title,
            body: &page.body,
            level: page.level.rank(),
            drill: page.drill,
            link: &envelope.link,
            created_at: page.created_at.to_string(),
            person: &envelope.person.name,
            attempt: envelope.attempt(),
            resent: envelope.is_resent(),
        };
        let body = serde_json::to_vec(&document)
            .map_err(|error| SendError::new(SendErrorKind::Permanent, format!("cannot write the document: {error}")))?;
        let timestamp = now.as_millis().div_euclid(1000).to_string();
        let mut request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &page.key)
            .header("X-Tocsin-Timestamp", &timestamp);
        if let Some(secret) = &self.secret {
            request = request.header("X-Tocsin-Signature", sign(secret.bytes(), &timestamp, &body));
        }
        let answer = request
            .body(body)
            .send()
            .await
            .map_err(|error| failed(error, &self.url))?;
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        judge(answer.status(), retry_after.map(Duration::from_secs))
    }
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

/// What an answer means.
fn judge(status: StatusCode, retry_after: Option<Duration>) -> Result<Receipt, SendError> {
    if status.is_success() {
        return Ok(Receipt {
            answer: status.to_string(),
        });
    }
    let again =
        status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let kind = if again {
        SendErrorKind::Temporary
    } else {
        SendErrorKind::Permanent
    };
    let remedy = if status.is_redirection() {
        ": redirects are not followed, configure the final address"
    } else if again {
        ""
    } else {
        ": check the channel's address and secret"
    };
    Err(SendError {
        kind,
        reason: format!("the webhook answered {status}{remedy}"),
        retry_after,
    })
}

/// Host and port of an address.
fn peer(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port_or_known_default().unwrap_or_default()
    )
}

/// What a missing answer means. The address is named without its path, which may bear a token.
fn failed(error: reqwest::Error, url: &Url) -> SendError {
    let peer = peer(url);
    let kind = if error.is_builder() {
        SendErrorKind::Permanent
    } else if error.is_connect() {
        SendErrorKind::Temporary
    } else {
        SendErrorKind::Unknown
    };
    let what = if error.is_timeout() {
        "no answer in time from"
    } else {
        "cannot reach"
    };
    SendError::new(kind, format!("{what} {peer}: {}", chain(&error.without_url())))
}

#[cfg(test)]
mod tests;
