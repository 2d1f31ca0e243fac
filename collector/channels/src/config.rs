//! Channels in the collector's configuration, and what is built from them.
//!
//! ```toml
//! [[channel]]
//! name = "robot"
//! kind = "webhook"
//! url = "https://robots.example.com/duty"
//! secret_file = "/etc/tocsin/robot.secret"
//!
//! [[channel]]
//! name = "mail"
//! kind = "mail"
//! host = "mail.example.com"
//! from = "Tocsin <tocsin@example.com>"
//! username = "tocsin"
//! password_file = "/etc/tocsin/mail.password"
//! ```
//!
//! Secrets stand in files of their own, never here, and are never printed.

use crate::{channel::Channel, inbox::INBOX, mail::Mail, webhook::Webhook};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Longest name of a channel, in bytes: it is part of every page's key.
const NAME_BYTES_MAX: usize = 32;

/// Largest file of a secret or of certificates, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One `[[channel]]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ChannelConfig {
    /// JSON by POST.
    Webhook(WebhookConfig),
    /// Mail by SMTP.
    Mail(MailConfig),
}

/// `kind = "webhook"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// What destinations call it: lower-case letters, digits, `-`.
    pub name: String,
    /// Where to post: `https://…`, or `http://…` to this machine itself.
    pub url: String,
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

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Plain at first, TLS before anything is said (RFC 3207). Port 587.
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314). Port 465.
    Tls,
    /// Plain. Port 25. Only to this machine itself, or with `insecure`.
    None,
}

/// `kind = "mail"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// What destinations call it: lower-case letters, digits, `-`.
    pub name: String,
    /// The SMTP server.
    pub host: String,
    /// Its port; by default that of `security`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `starttls`, `tls` or `none`.
    #[serde(default)]
    pub security: Security,
    /// The sender: `tocsin@example.com` or `Tocsin <tocsin@example.com>`.
    pub from: String,
    /// With `password_file`: signs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File with the password of `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM file with a certificate authority to trust besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Allows `security = "none"` to other machines: pages and password travel readable by everybody on the way.
    #[serde(default)]
    pub insecure: bool,
}

impl ChannelConfig {
    /// What destinations call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Webhook(webhook) => &webhook.name,
            Self::Mail(mail) => &mail.name,
        }
    }

    /// Everything that is wrong with this table by itself, each with its remedy. Reads no file.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let name = self.name();
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(good) {
            mistakes.push(format!(
                "`name`: use 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-`"
            ));
        } else if name == INBOX {
            mistakes.push(format!("`name`: `{INBOX}` is always there, choose another"));
        }
        match self {
            Self::Webhook(webhook) => webhook.mistakes(&mut mistakes),
            Self::Mail(mail) => mail.mistakes(&mut mistakes),
        }
        mistakes
    }
}

impl WebhookConfig {
    fn mistakes(&self, mistakes: &mut Vec<String>) {
        let url: reqwest::Url = match self.url.parse() {
            Ok(url) => url,
            Err(error) => return mistakes.push(format!("`url` is not an address: {error}")),
        };
        match url.scheme() {
            "https" => {}
            "http" if self.insecure || url.host_str().is_some_and(is_loopback) => {}
            "http" => mistakes.push("`url`: use https://, or set `insecure = true` to send readable pages".to_owned()),
            scheme => mistakes.push(format!("`url`: `{scheme}` cannot be posted to, use https://")),
        }
        if url.password().is_some() || !url.username().is_empty() {
            mistakes.push("`url`: leave name and password out, sign with `secret_file` instead".to_owned());
        }
    }
}

impl MailConfig {
    /// The port in use.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        })
    }

    fn mistakes(&self, mistakes: &mut Vec<String>) {
        if self.host.is_empty()
            || self
                .host
                .contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
        {
            mistakes.push("`host`: name the mail server, such as mail.example.com".to_owned());
        }
        if self.port == Some(0) {
            mistakes.push("`port`: 0 is not a port, leave it out for the usual one".to_owned());
        }
        if self.security == Security::None && !self.insecure && !is_loopback(&self.host) {
            let remedy = "use \"starttls\" or \"tls\", or set `insecure = true` to send readable mail";
            mistakes.push(format!("`security = \"none\"` to another machine: {remedy}"));
        }
        if let Err(error) = self.from.parse::<lettre::message::Mailbox>() {
            mistakes.push(format!("`from` is not a mail address: {error}"));
        }
        if self.username.is_some() != self.password_file.is_some() {
            mistakes.push("`username` and `password_file` go together: give both or neither".to_owned());
        }
    }
}

/// Whether a host is this machine itself.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Everything that hinders the channels, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BuildError(pub Vec<String>);

/// The channels by name. Reads the files that the tables name, connects to nothing.
///
/// # Errors
/// With all mistakes of all tables and their files.
pub fn build(configs: &[ChannelConfig]) -> Result<HashMap<String, Arc<dyn Channel>>, BuildError> {
    let mut channels: HashMap<String, Arc<dyn Channel>> = HashMap::new();
    let mut mistakes = Vec::new();
    for config in configs {
        let name = config.name();
        let mut found = config.mistakes();
        if channels.contains_key(name) {
            found.push("`name` is taken by another channel: choose another".to_owned());
        }
        if found.is_empty() {
            let built: Result<Arc<dyn Channel>, String> = match config {
                ChannelConfig::Webhook(webhook) => Webhook::new(webhook).map(|channel| Arc::new(channel) as _),
                ChannelConfig::Mail(mail) => Mail::new(mail).map(|channel| Arc::new(channel) as _),
            };
            match built {
                Ok(channel) => drop(channels.insert(name.to_owned(), channel)),
                Err(mistake) => found.push(mistake),
            }
        }
        mistakes.extend(found.into_iter().map(|mistake| format!("channel `{name}`: {mistake}")));
    }
    if mistakes.is_empty() {
        Ok(channels)
    } else {
        Err(BuildError(mistakes))
    }
}

/// A secret from a file, without the line break at its end. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let bytes = read(path)?;
        let end = bytes
            .iter()
            .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
            .map_or(0, |last| last + 1);
        if end == 0 {
            return Err(format!("{} is empty: write the secret into it", path.display()));
        }
        Ok(Self(bytes[..end].to_vec()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A PEM file of certificates.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<u8>, String> {
    let pem = read(path)?;
    if pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        Ok(pem)
    } else {
        Err(format!("{} has no certificate in PEM form", path.display()))
    }
}

/// Whether this machine has certificate authorities to trust. Without any, every handshake would fail only later.
pub(crate) fn need_system_authorities() -> Result<(), String> {
    authorities(rustls_native_certs::load_native_certs().certs.len())
}

fn authorities(found: usize) -> Result<(), String> {
    if found > 0 {
        return Ok(());
    }
    Err("this machine trusts no certificate authority: install ca-certificates, or set `ca_file`".to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "{} is larger than {FILE_BYTES_MAX} bytes: is it the right file?",
            path.display()
        ));
    }
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Top {
        channel: Vec<ChannelConfig>,
    }

    fn channels(toml: &str) -> Vec<ChannelConfig> {
        toml::from_str::<Top>(toml).unwrap().channel
    }

    #[test]
    fn the_documented_tables_are_read() {
        let text: String = include_str!("config.rs")
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .map(|line| format!("{}\n", line.trim_start_matches("//!")))
            .collect();
        let channels = channels(&text);
        assert_eq!(
            channels.iter().map(ChannelConfig::name).collect::<Vec<_>>(),
            ["robot", "mail"]
        );
        assert!(
            channels.iter().all(|channel| channel.mistakes().is_empty()),
            "{channels:?}"
        );
        let ChannelConfig::Mail(mail) = &channels[1] else {
            panic!("the second is mail")
        };
        assert_eq!(mail.port(), 587);
    }

    #[test]
    fn an_unknown_setting_is_refused_and_not_ignored() {
        let text = "[[channel]]\nname = \"x\"\nkind = \"webhook\"\nurl = \"https://a\"\nsecret = \"s\"";
        assert!(
            toml::from_str::<Top>(text)
                .err()
                .unwrap()
                .to_string()
                .contains("secret")
        );
    }

    #[test]
    fn all_mistakes_of_all_tables_are_told_together() {
        let configs = channels(
            r#"
            [[channel]]
            name = "Robot 1"
            kind = "webhook"
            url = "http://me:pw@robots.example.com/"
            [[channel]]
            name = "mail"
            kind = "mail"
            host = "mail.example.com"
            security = "none"
            from = "nobody"
            username = "tocsin"
            [[channel]]
            name = "signed"
            kind = "webhook"
            url = "http://127.0.0.1:1/"
            secret_file = "/nonexistent/secret"
            "#,
        );
        let BuildError(mistakes) = build(&configs).err().unwrap();
        assert_eq!(mistakes.len(), 7, "{mistakes:#?}");
        assert!(
            mistakes[6].starts_with("channel `signed`: cannot read /nonexistent/secret"),
            "{}",
            mistakes[6]
        );
    }

    #[test]
    fn plain_text_is_only_spoken_to_this_machine_or_on_request() {
        let webhook = |url: &str, insecure| {
            ChannelConfig::Webhook(WebhookConfig {
                name: "robot".to_owned(),
                url: url.to_owned(),
                secret_file: None,
                ca_file: None,
                insecure,
            })
        };
        for url in [
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost/",
            "https://robots.example.com/",
        ] {
            assert_eq!(webhook(url, false).mistakes(), Vec::<String>::new(), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "ftp://localhost/",
            "robots",
        ] {
            assert_eq!(webhook(url, false).mistakes().len(), 1, "{url}");
        }
        assert!(webhook("http://10.0.0.1/", true).mistakes().is_empty());
    }

    #[test]
    fn a_machine_without_authorities_is_told_what_to_do() {
        assert_eq!(authorities(1), Ok(()));
        let mistake = authorities(0).unwrap_err();
        assert!(
            mistake.contains("ca-certificates") && mistake.contains("`ca_file`"),
            "{mistake}"
        );
    }

    #[test]
    fn a_secret_is_read_without_its_line_break_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "hush\r\n").unwrap();
        let secret = Secret::read(&path).unwrap();
        assert_eq!(secret.bytes(), b"hush");
        assert!(!format!("{secret:?}").contains("hush"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Secret::read(&path).unwrap_err().contains("is empty"));
    }
}
