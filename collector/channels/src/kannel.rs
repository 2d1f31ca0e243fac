//! Kannel's `sendsms`: SMS through a gateway in one's own room.
//!
//! `GET /cgi-bin/sendsms` with `coding=2`, `charset=UTF-8`; 202 (`0: Accepted for delivery`, `3: Queued for later
//! delivery`) is success, 4xx is final, 503 is tried again. With `callback`, the address under which Kannel reaches this
//! collector, reports of delivery are asked for (`dlr-mask` 19: delivered, failed, refused by the message centre), and an
//! `sms-service` with `get-url` on the same address brings replies; `tocsin-collector channel address NAME` prints both.

use crate::{
    channel::{Channel, Envelope, Incoming, Outcome, Receipt, SendError},
    config::Common,
    http::{self, Server, TIMEOUT},
    secret::{Secret, SecretText},
    sms, wording,
    wording::Style,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;

/// Delivered (1), failed (2), refused by the message centre (16).
const DLR_MASK: &str = "19";

/// `kind = "kannel"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KannelConfig {
    /// Kannel's address with path: `http://127.0.0.1:13013/cgi-bin/sendsms`.
    pub url: String,
    /// The `username` of its sendsms-user.
    pub username: String,
    /// File with that user's password.
    pub password_file: PathBuf,
    /// The sender that is shown, if Kannel may set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What `channel address` prints for reports: Kannel calls it. Without it there are no reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_file: Option<PathBuf>,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to other machines.
    #[serde(default)]
    pub insecure: bool,
}

impl KannelConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        http::url_mistakes(&self.url, self.insecure, mistakes);
        if self.username.is_empty() {
            mistakes.push("`username` is empty: name Kannel's sendsms-user".to_owned());
        }
    }
}

/// Sends through Kannel.
pub struct Kannel {
    server: Server,
    username: String,
    password: SecretText,
    from: Option<String>,
    callback: Option<SecretText>,
    style: Style,
}

impl Kannel {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &KannelConfig, common: &Common) -> Result<Self, String> {
        let guard = http::guard_for(&config.url, &common.networks());
        Ok(Self {
            server: Server::new(&config.url, config.ca_file.as_deref(), guard, TIMEOUT)?,
            username: config.username.clone(),
            password: Secret::read_text(&config.password_file)?,
            from: config.from.clone(),
            callback: config.callback_file.as_deref().map(Secret::read_text).transpose()?,
            style: Style::sms(common, true),
        })
    }
}

#[async_trait]
impl Channel for Kannel {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::no_contact)?;
        let text = self.style.message(envelope, now);
        let reference = envelope.page.id.to_string();
        let report = self
            .callback
            .as_ref()
            .map(|callback| report_url(callback.as_str(), &reference));
        let mut parameters = vec![
            ("username", self.username.as_str()),
            ("password", self.password.as_str()),
            ("to", number.as_str()),
            ("text", text.as_str()),
            ("coding", "2"),
            ("charset", "UTF-8"),
        ];
        if let Some(from) = &self.from {
            parameters.push(("from", from));
        }
        if let Some(report) = &report {
            parameters.extend([("dlr-mask", DLR_MASK), ("dlr-url", report)]);
        }
        let hide = |error: SendError| SendError {
            reason: self.password.hide(&error.reason),
            ..error
        };
        let answered = self.server.ask(self.server.get(&parameters)).await.map_err(hide)?;
        http::judge("kannel", &answered).map_err(hide)?;
        let said = wording::one_line(&String::from_utf8_lossy(&answered.body));
        if !(said.starts_with("0:") || said.starts_with("3:")) {
            let reason = format!("kannel did not say that it accepted: {said}");
            return Err(hide(answered.strange(reason)));
        }
        Ok(Receipt {
            reference,
            ..Receipt::taken(said)
        })
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }

    fn called_back(&self, parameters: &[(String, String)]) -> Option<Incoming> {
        from_parameters(parameters)
    }
}

/// Kannel fills in `%d`: what became of it.
fn report_url(callback: &str, reference: &str) -> String {
    let joint = if callback.contains('?') { '&' } else { '?' };
    format!("{callback}{joint}id={reference}&status=%d")
}

/// A report (`id`, `status` as Kannel counts or in words) or a reply (`from`, `text`).
pub(crate) fn from_parameters(parameters: &[(String, String)]) -> Option<Incoming> {
    let get = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    if let (Some(id), Some(status)) = (get("id"), get("status")) {
        let outcome = match status.to_ascii_lowercase().as_str() {
            "1" | "delivrd" | "delivered" => Outcome::Delivered,
            "2" | "16" | "failed" | "undeliv" | "undelivered" | "rejectd" | "expired" => Outcome::Failed,
            "read" => Outcome::Read,
            // On its way: nothing new.
            _ => return None,
        };
        return Some(Incoming::Report {
            references: vec![id.to_owned()],
            outcome,
            detail: wording::one_line(&format!("status {status} {}", get("detail").unwrap_or_default())),
        });
    }
    Some(Incoming::Reply {
        from: get("from")?.to_owned(),
        text: get("text")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::SendErrorKind, worker::tests::envelope};
    use axum::{Router, extract::Query, http::StatusCode, routing::get};
    use std::collections::HashMap;

    type Asked = HashMap<String, String>;

    async fn kannel(answer: (u16, &'static str)) -> (Kannel, tokio::sync::mpsc::Receiver<Asked>) {
        let (tell, told) = tokio::sync::mpsc::channel(4);
        let router = Router::new().route(
            "/cgi-bin/sendsms",
            get(move |query: Query<Asked>| async move {
                if query["password"] != "hush" {
                    return (StatusCode::FORBIDDEN, "Authorization failed for sendsms");
                }
                tell.send(query.0).await.unwrap();
                (StatusCode::from_u16(answer.0).unwrap(), answer.1)
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/cgi-bin/sendsms", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let config = KannelConfig {
            url,
            username: "tocsin".to_owned(),
            password_file: file("password", "hush"),
            from: None,
            callback_file: Some(file("callback", "https://duty.example.com/in/sms/abc")),
            ca_file: None,
            insecure: false,
        };
        (Kannel::new(&config, &Common::default()).unwrap(), told)
    }

    #[tokio::test]
    async fn a_text_goes_as_ucs_2_and_asks_for_a_report() {
        let (kannel, mut asked) = kannel((202, "0: Accepted for delivery")).await;
        let mut envelope = envelope(1042, "sms");
        envelope.person.phone = "138 0000 0001".to_owned();
        let receipt = kannel.send(&envelope, Timestamp::from_millis(0)).await.unwrap();
        assert_eq!(receipt.reference, envelope.page.id.to_string());
        let asked = asked.recv().await.unwrap();
        assert_eq!((asked["to"].as_str(), asked["coding"].as_str()), ("13800000001", "2"));
        assert!(
            asked["text"].contains("磁盘已满") && !asked["text"].contains("http"),
            "{asked:?}"
        );
        assert_eq!(
            asked["dlr-url"],
            format!("https://duty.example.com/in/sms/abc?id={}&status=%d", envelope.page.id)
        );
    }

    #[tokio::test]
    async fn a_busy_gateway_is_asked_again_and_a_refusal_is_final() {
        let mut envelope = envelope(1, "sms");
        envelope.person.phone = "13800000001".to_owned();
        for (answer, kind) in [
            ((503, "Temporal failure, try again later."), SendErrorKind::Temporary),
            (
                (400, "Number(s) has/have been denied by white- and/or black-lists."),
                SendErrorKind::Permanent,
            ),
            ((200, "<html>welcome</html>"), SendErrorKind::Permanent),
        ] {
            let (kannel, _asked) = kannel(answer).await;
            let error = kannel.send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
        }
    }

    #[test]
    fn reports_and_replies_are_told_apart() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let report = from_parameters(&pairs(&[("id", "x"), ("status", "1")]));
        assert!(matches!(
            report,
            Some(Incoming::Report {
                outcome: Outcome::Delivered,
                ..
            })
        ));
        assert_eq!(from_parameters(&pairs(&[("id", "x"), ("status", "8")])), None);
        let reply = from_parameters(&pairs(&[("from", "138"), ("text", "接1042 07")]));
        assert!(matches!(reply, Some(Incoming::Reply { .. })));
        assert_eq!(from_parameters(&pairs(&[("from", "138")])), None);
    }
}
