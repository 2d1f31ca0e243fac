//! ntfy and Gotify: push from a server of one's own to an app, with buttons.
//!
//! ntfy takes JSON at `/` (Chinese does not survive headers): topic, title, message, priority 1 to 5, `click`, and up to
//! three actions; the button 接单 posts to the page's signed link, which accepts. Gotify takes JSON at `/message?token=`;
//! its app opens the link when the message is touched.

use crate::{
    channel::{Channel, Envelope, Receipt, SendError},
    config::Common,
    http::{self, Server, TIMEOUT},
    secret::{Secret, SecretText},
    wording::{self, Style},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use tocsin_desk::model::Person;
use tocsin_vocabulary::{Language, Timestamp};

/// `kind = "ntfy"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NtfyConfig {
    /// The server: `https://ntfy.example.com`.
    pub url: String,
    /// The topic; `{login}` in it stands for the person's login, so that everybody has their own.
    pub topic: String,
    /// File with an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to other machines.
    #[serde(default)]
    pub insecure: bool,
}

impl NtfyConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        http::url_mistakes(&self.url, self.insecure, mistakes);
        let plain = self.topic.replace("{login}", "x");
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if plain.is_empty() || plain.len() > 64 || !plain.chars().all(good) {
            mistakes.push("`topic`: 1 to 64 letters, digits, `-`, `_`, and `{login}`".to_owned());
        }
    }
}

/// Publishes to an ntfy server.
pub struct Ntfy {
    server: Server,
    topic: String,
    token: Option<SecretText>,
    style: Style,
}

impl Ntfy {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &NtfyConfig, common: &Common) -> Result<Self, String> {
        Ok(Self {
            server: server(&config.url, "/", config.ca_file.as_deref(), common)?,
            topic: config.topic.clone(),
            token: config.token_file.as_deref().map(Secret::read_text).transpose()?,
            style: Style::long(common),
        })
    }

    fn topic(&self, person: &Person) -> String {
        let login: String = person
            .login
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        self.topic.replace("{login}", &login)
    }

    fn body(&self, envelope: &Envelope, now: Timestamp) -> Value {
        let language = envelope.person.language;
        let link = self.style.link(envelope);
        // The link has a place of its own.
        let mut unlinked = envelope.clone();
        unlinked.link.clear();
        let mut body = json!({
            "topic": self.topic(&envelope.person),
            "title": wording::subject(envelope),
            "message": self.style.message(&unlinked, now),
            "priority": priority(envelope.page.level.rank(), 5),
            "tags": [if envelope.page.level.rank() == 1 { "rotating_light" } else { "warning" }],
        });
        if !link.is_empty() {
            let (accept, open) = match language {
                Language::Chinese => ("接单", "查看"),
                Language::English => ("Accept", "Open"),
            };
            body["click"] = link.into();
            let mut actions = vec![json!({ "action": "view", "label": open, "url": link })];
            if envelope.page.ticket_number.is_some() && envelope.also.is_empty() {
                let press = json!({ "action": "http", "label": accept, "url": link, "method": "POST", "clear": true });
                actions.insert(0, press);
            }
            body["actions"] = actions.into();
        }
        body
    }
}

/// 1 is the worst level; the app's scale is the other way round.
fn priority(rank: u8, most: u8) -> u8 {
    most.saturating_sub(rank.saturating_sub(1)).max(most.div_ceil(2))
}

fn server(url: &str, path: &str, ca_file: Option<&std::path::Path>, common: &Common) -> Result<Server, String> {
    let url = format!("{}{path}", url.trim_end_matches('/'));
    Server::new(&url, ca_file, http::guard_for(&url, &common.networks()), TIMEOUT)
}

#[async_trait]
impl Channel for Ntfy {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let mut request = self.server.post(&[]).json(&self.body(envelope, now));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        let answered = self.server.ask(request).await?;
        http::judge("ntfy", &answered)?;
        let reference = answered.json()["id"]
            .as_str()
            .map(wording::one_line)
            .unwrap_or_default();
        if reference.is_empty() {
            let reason = "the answer has no id of a message: is this an ntfy server's address, without the topic?";
            return Err(answered.strange(reason));
        }
        Ok(Receipt {
            reference,
            ..Receipt::taken("ntfy has it")
        })
    }

    fn address(&self, person: &Person) -> Option<String> {
        Some(self.topic(person))
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        let body = self.body(envelope, envelope.page.created_at);
        vec![serde_json::to_string_pretty(&body).unwrap_or_default()]
    }
}

/// `kind = "gotify"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GotifyConfig {
    /// The server: `https://gotify.example.com`.
    pub url: String,
    /// File with the application's token.
    pub token_file: PathBuf,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to other machines.
    #[serde(default)]
    pub insecure: bool,
}

impl GotifyConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        http::url_mistakes(&self.url, self.insecure, mistakes);
    }
}

/// Publishes to a Gotify server.
pub struct Gotify {
    server: Server,
    token: SecretText,
    style: Style,
}

impl Gotify {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &GotifyConfig, common: &Common) -> Result<Self, String> {
        Ok(Self {
            server: server(&config.url, "/message", config.ca_file.as_deref(), common)?,
            token: Secret::read_text(&config.token_file)?,
            style: Style::long(common),
        })
    }

    fn body(&self, envelope: &Envelope, now: Timestamp) -> Value {
        let link = self.style.link(envelope);
        let mut extras = json!({ "client::display": { "contentType": "text/plain" } });
        if !link.is_empty() {
            extras["client::notification"] = json!({ "click": { "url": link } });
        }
        json!({
            "title": wording::subject(envelope),
            "message": self.style.message(envelope, now),
            "priority": priority(envelope.page.level.rank(), 10),
            "extras": extras,
        })
    }
}

#[async_trait]
impl Channel for Gotify {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let request = self.server.post(&[("token", self.token.as_str())]);
        let hide = |error: SendError| SendError {
            reason: self.token.hide(&error.reason),
            ..error
        };
        let answered = self
            .server
            .ask(request.json(&self.body(envelope, now)))
            .await
            .map_err(hide)?;
        http::judge("gotify", &answered).map_err(hide)?;
        let Some(id) = answered.json()["id"].as_i64() else {
            return Err(answered.strange("the answer has no id of a message: is this a Gotify server's address?"));
        };
        Ok(Receipt {
            reference: id.to_string(),
            ..Receipt::taken("gotify has it")
        })
    }

    fn address(&self, _person: &Person) -> Option<String> {
        Some(String::new())
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        let body = self.body(envelope, envelope.page.created_at);
        vec![serde_json::to_string_pretty(&body).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::Secrecy, worker::tests::envelope};
    use axum::{Json, Router, extract::Query, http::HeaderMap, http::StatusCode, routing::post};
    use std::collections::HashMap;
    use tokio::sync::mpsc;

    async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        url
    }

    fn token(folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("token");
        std::fs::write(&path, "tk_hush\n").unwrap();
        path
    }

    #[tokio::test]
    async fn ntfy_has_a_button_that_accepts() {
        let (tell, mut told) = mpsc::channel(1);
        let router = Router::new().route(
            "/",
            post(move |headers: HeaderMap, body: Json<Value>| async move {
                if headers["authorization"] != "Bearer tk_hush" {
                    return (StatusCode::FORBIDDEN, Json(json!({"code": 40301})));
                }
                tell.send(body.0).await.unwrap();
                (StatusCode::OK, Json(json!({"id": "hwQ2YpKdmg"})))
            }),
        );
        let folder = tempfile::tempdir().unwrap();
        let config = NtfyConfig {
            url: serve(router).await,
            topic: "duty-{login}".to_owned(),
            token_file: Some(token(&folder)),
            ca_file: None,
            insecure: false,
        };
        let ntfy = Ntfy::new(&config, &Common::default()).unwrap();
        let mut envelope = envelope(1042, "push");
        let receipt = ntfy.send(&envelope, Timestamp::from_millis(0)).await.unwrap();
        assert_eq!(receipt.reference, "hwQ2YpKdmg");
        let body = told.recv().await.unwrap();
        assert_eq!((&body["topic"], &body["priority"]), (&"duty-zhang".into(), &4.into()));
        assert_eq!(body["actions"][0]["label"], "接单");
        assert_eq!(body["actions"][0]["method"], "POST");
        assert_eq!(body["actions"][0]["url"], envelope.link.as_str());
        envelope.facts.secrecy = Secrecy::CodeOnly;
        ntfy.send(&envelope, Timestamp::from_millis(0)).await.unwrap();
        let body = told.recv().await.unwrap().to_string();
        assert!(!body.contains("web-1") && !body.contains("actions"), "{body}");
    }

    #[tokio::test]
    async fn gotify_is_known_by_its_token_which_no_error_shows() {
        let router = Router::new().route(
            "/message",
            post(|query: Query<HashMap<String, String>>| async move {
                if query["token"] == "tk_hush" {
                    (StatusCode::OK, Json(json!({"id": 25})))
                } else {
                    (StatusCode::UNAUTHORIZED, Json(json!({})))
                }
            }),
        );
        let folder = tempfile::tempdir().unwrap();
        let mut config = GotifyConfig {
            url: serve(router).await,
            token_file: token(&folder),
            ca_file: None,
            insecure: false,
        };
        let gotify = Gotify::new(&config, &Common::default()).unwrap();
        let envelope = envelope(1, "push");
        assert_eq!(
            gotify
                .send(&envelope, Timestamp::from_millis(0))
                .await
                .unwrap()
                .reference,
            "25"
        );
        config.url = "http://127.0.0.1:1".to_owned();
        let gotify = Gotify::new(&config, &Common::default()).unwrap();
        let error = gotify.send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
        assert!(!error.reason.contains("hush"), "{error}");
    }

    #[test]
    fn the_worst_level_has_the_highest_priority() {
        assert_eq!([1, 2, 3, 9].map(|rank| priority(rank, 5)), [5, 4, 3, 3]);
        assert_eq!(priority(1, 10), 10);
    }
}
