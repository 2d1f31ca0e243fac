//! Any HTTP gateway, by template: what is posted where, and what in the answer means success.
//!
//! ```toml
//! [[channel]]
//! name = "sms"
//! kind = "gateway"
//! url = "https://sms.example.com/send"
//! secret_file = "/etc/tocsin/sms.secret"
//! headers = { Authorization = "Bearer {secret}" }
//! content_type = "application/json"
//! body = '{"mobile": "{phone}", "content": "{text}", "ref": "{key}"}'
//! success = '"code":0'
//! ```
//!
//! `{phone}`, `{text}`, `{key}`, `{secret}`, and the names of a message's template may stand in `url` (after the host),
//! `body` and `headers`; each is escaped for where it stands: percent-encoded in addresses and forms, as a JSON string in
//! JSON. So a gateway that knows only registered templates gets its parameters one by one. What `success` says must stand in
//! the answer; without it a status of 2xx is enough.

mod balance;

use crate::{
    advice::Advice,
    channel::{Channel, Condition, Envelope, Incoming, Receipt, SendError, SendErrorKind},
    config::Common,
    http::{self, TIMEOUT},
    secret::{Secret, SecretText},
    sms, template, wording,
    wording::Style,
};
use async_trait::async_trait;
use balance::Balance;
use reqwest::{Method, header};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;

/// `kind = "gateway"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where to: `https://…`, with names in braces after the host if need be.
    pub url: String,
    /// `POST` or `GET`.
    #[serde(default = "post")]
    pub method: String,
    /// What is posted.
    #[serde(default)]
    pub body: String,
    /// The body's type: `application/json` or `application/x-www-form-urlencoded`.
    #[serde(default = "json")]
    pub content_type: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// File with what `{secret}` stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// What must stand in the answer; blanks do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// Where the provider tells what is left, asked by GET; `{secret}` may stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_url: Option<String>,
    /// Where in the answer, as a JSON pointer: `/data/balance`. Without it the answer is the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_at: Option<String>,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to other machines.
    #[serde(default)]
    pub insecure: bool,
}

fn post() -> String {
    "POST".to_owned()
}

fn json() -> String {
    "application/json".to_owned()
}

/// How a value is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Percent,
    Json,
    Header,
}

fn names() -> Vec<&'static str> {
    let mut names = vec!["phone", "text", "key", "secret"];
    names.extend(template::NAMES);
    names
}

impl GatewayConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        // Names stand for words of a URL, so any word shows whether the rest is one.
        let plain = template::fill(&self.url, &mut |_| "x".to_owned()).unwrap_or_default();
        http::url_mistakes(&plain, self.insecure, mistakes);
        if let Some(url) = &self.balance_url {
            http::url_mistakes(&url.replace("{secret}", "x"), self.insecure, mistakes);
        }
        let authority = self.url.split('/').nth(2).unwrap_or_default();
        if authority.contains('{') {
            mistakes.push("`url`: the host is fixed, names in braces stand after it".to_owned());
        }
        let names = names();
        let texts = [("url", &self.url), ("body", &self.body)];
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (key, text) in texts.into_iter().chain(headers) {
            // A body of JSON is full of braces that are none of ours.
            let strange = if key == "body" {
                None
            } else {
                template::unknown(text, &names)
            };
            if let Some(mistake) = strange {
                mistakes.push(format!("`{key}`: {mistake}"));
            }
        }
        for name in self.headers.keys() {
            if name.parse::<header::HeaderName>().is_err() {
                mistakes.push(format!("`headers`: `{name}` is no header's name"));
            }
        }
        if !["GET", "POST"].contains(&self.method.as_str()) {
            mistakes.push("`method` is POST or GET".to_owned());
        }
        if !(self.body.contains("{text}") || self.url.contains("{text}") || self.names_a_value()) {
            mistakes.push("neither `body` nor `url` has `{text}`: nothing would be said".to_owned());
        }
    }

    fn names_a_value(&self) -> bool {
        let said =
            |name: &&str| self.body.contains(&format!("{{{name}}}")) || self.url.contains(&format!("{{{name}}}"));
        template::NAMES.iter().any(said)
    }
}

/// Sends through a gateway.
pub struct Gateway {
    config: GatewayConfig,
    server: http::Server,
    secret: Option<SecretText>,
    balance: Option<Balance>,
    style: Style,
}

impl Gateway {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &GatewayConfig, common: &Common) -> Result<Self, String> {
        let plain = template::fill(&config.url, &mut |_| "x".to_owned()).unwrap_or_default();
        let secret = config.secret_file.as_deref().map(Secret::read_text).transpose()?;
        let server = |url: &str| {
            let guard = http::guard_for(url, &common.networks());
            http::Server::new(url, config.ca_file.as_deref(), guard, TIMEOUT)
        };
        let balance = config.balance_url.as_deref().map(|url| {
            let value = secret.as_ref().map_or("", SecretText::as_str);
            let filled = url.replace("{secret}", &escaped(value, Escape::Percent));
            let server = server(&filled)?;
            Ok::<_, String>(Balance::new(server, config.balance_at.as_deref(), secret.clone()))
        });
        Ok(Self {
            config: config.clone(),
            server: server(&plain)?,
            balance: balance.transpose()?,
            secret,
            style: Style::sms(common, false),
        })
    }

    /// Only known names are replaced: a body of JSON has braces of its own.
    fn fill(&self, text: &str, envelope: &Envelope, now: Timestamp, number: &str, escape: Escape) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            let known = names()
                .into_iter()
                .find(|name| rest[at + 1..].starts_with(name) && rest[at + 1 + name.len()..].starts_with('}'));
            if let Some(name) = known {
                let value = match name {
                    "phone" => number.to_owned(),
                    "text" => self.style.message(envelope, now),
                    "key" => envelope.page.key.clone(),
                    "secret" => self
                        .secret
                        .as_ref()
                        .map_or_else(String::new, |secret| secret.as_str().to_owned()),
                    other => self.style.value(envelope, now, other),
                };
                filled.push_str(&escaped(&value, escape));
                rest = &rest[at + name.len() + 2..];
            } else {
                filled.push('{');
                rest = &rest[at + 1..];
            }
        }
        filled.push_str(rest);
        filled
    }

    fn hide(&self, error: SendError) -> SendError {
        match &self.secret {
            Some(secret) => SendError {
                reason: secret.hide(&error.reason),
                ..error
            },
            None => error,
        }
    }

    async fn try_send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::no_contact)?;
        let config = &self.config;
        let url = self.fill(&config.url, envelope, now, &number, Escape::Percent);
        let server = self.server.at(&url).map_err(SendError::permanent)?;
        let mut request = if config.method == Method::GET.as_str() {
            server.get(&[])
        } else {
            let escape = if config.content_type.contains("json") {
                Escape::Json
            } else {
                Escape::Percent
            };
            let body = self.fill(&config.body, envelope, now, &number, escape);
            server
                .post(&[])
                .header(header::CONTENT_TYPE, config.content_type.as_str())
                .body(body)
        };
        for (name, value) in &config.headers {
            request = request.header(name, self.fill(value, envelope, now, &number, Escape::Header));
        }
        let answered = server.ask(request).await?;
        http::judge("the gateway", &answered)?;
        let said = String::from_utf8_lossy(&answered.body).into_owned();
        let blank = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
        if let Some(success) = &config.success
            && !blank(&said).contains(&blank(success))
        {
            let reason = format!("the gateway's answer is no success: {}", wording::one_line(&said));
            let strange = answered.strange(reason);
            return Err(match strange.kind {
                SendErrorKind::Unknown => strange,
                _ => strange.meaning(Advice::NoSuccess),
            });
        }
        Ok(Receipt {
            reference: envelope.page.key.clone(),
            ..Receipt::taken(answered.status.to_string())
        })
    }
}

fn escaped(value: &str, escape: Escape) -> String {
    match escape {
        Escape::Header => wording::one_line(value),
        Escape::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Escape::Percent => value.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
            out
        }),
    }
}

#[async_trait]
impl Channel for Gateway {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        self.try_send(envelope, now).await.map_err(|error| self.hide(error))
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }

    async fn refresh(&self, now: Timestamp) {
        if let Some(balance) = &self.balance {
            balance.refresh(now).await;
        }
    }

    fn condition(&self) -> Option<Condition> {
        self.balance.as_ref()?.condition()
    }

    fn called_back(&self, parameters: &[(String, String)]) -> Option<Incoming> {
        crate::kannel::from_parameters(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::SendErrorKind, worker::tests::envelope};
    use axum::{
        Router,
        extract::Query,
        http::HeaderMap,
        routing::{get, post},
    };
    use tocsin_vocabulary::Text;

    async fn gateway(
        answer: &'static str,
        success: Option<&str>,
    ) -> (Gateway, tokio::sync::mpsc::Receiver<(HeaderMap, String)>) {
        let (tell, told) = tokio::sync::mpsc::channel(4);
        let router = Router::new().route(
            "/send",
            post(move |headers: HeaderMap, body: String| async move {
                tell.send((headers, body)).await.unwrap();
                answer
            }),
        );
        let router = router.route(
            "/balance",
            get(|query: Query<BTreeMap<String, String>>| async move {
                if query["key"] == "hush" {
                    "{\"left\": 12.5}"
                } else {
                    "{}"
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/send");
        tokio::spawn(async { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "hush").unwrap();
        let config = GatewayConfig {
            url,
            method: "POST".to_owned(),
            body: r#"{"mobile": "{phone}", "content": "{text}", "params": {"n": "{number}"}}"#.to_owned(),
            content_type: json(),
            headers: BTreeMap::from([("Authorization".to_owned(), "Bearer {secret}".to_owned())]),
            secret_file: Some(secret),
            success: success.map(str::to_owned),
            balance_url: Some(format!("http://{address}/balance?key={{secret}}")),
            balance_at: Some("/left".to_owned()),
            ca_file: None,
            insecure: false,
        };
        let mut mistakes = Vec::new();
        config.mistakes(&mut mistakes);
        assert_eq!(mistakes, Vec::<String>::new());
        (Gateway::new(&config, &Common::default()).unwrap(), told)
    }

    #[tokio::test]
    async fn what_a_host_is_called_stays_inside_its_json_string() {
        let (gateway, mut told) = gateway("{\"code\": 0}", Some("\"code\":0")).await;
        let mut envelope = envelope(1042, "sms");
        envelope.person.phone = "13800000001".to_owned();
        envelope.page.title = Text::plain("web\", \"to\": \"all\\ {phone}");
        gateway.send(&envelope, Timestamp::from_millis(0)).await.unwrap();
        let (headers, body) = told.recv().await.unwrap();
        assert_eq!(headers["authorization"], "Bearer hush");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
        assert_eq!(body["params"]["n"], "1042");
        assert!(body["content"].as_str().unwrap().contains("{phone}"), "{body}");
    }

    #[tokio::test]
    async fn an_answer_without_the_word_of_success_is_a_refusal() {
        let (gateway, _told) = gateway("{\"code\": 7}", Some("\"code\": 0")).await;
        let mut envelope = envelope(1, "sms");
        let error = gateway.send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
        assert!(error.reason.contains("no phone number"), "{error}");
        envelope.person.phone = "13800000001".to_owned();
        let error = gateway.send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Permanent);
        assert!(
            error.reason.contains("code") && !error.reason.contains("hush"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_left_is_asked_for_and_remembered() {
        let (gateway, _told) = gateway("{}", None).await;
        assert_eq!(gateway.condition(), None);
        gateway.refresh(Timestamp::from_millis(0)).await;
        assert_eq!(gateway.condition().unwrap().balance, Some(12.5));
    }

    #[test]
    fn values_are_escaped_for_where_they_stand() {
        assert_eq!(escaped("a b&c=警", Escape::Percent), "a%20b%26c%3D%E8%AD%A6");
        assert_eq!(escaped("a\"\n", Escape::Json), "a\\\"\\n");
        assert_eq!(escaped("a\r\nb", Escape::Header), "a  b");
    }
}
