//! `[[export.remote_write]]` of the collector's configuration. Secrets stand in files of their own.

use serde::Deserialize;
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};
use tocsin_vocabulary::prometheus::{ATTRIBUTE_PREFIX, HOST_LABELS, NAME_LABEL};

/// Longest name of an export, in bytes: it names a file.
const NAME_BYTES_MAX: usize = 32;
/// Samples of one request unless configured.
const SAMPLES_DEFAULT: usize = 10_000;
/// Most samples of one request: about 10 MB, 1 MB on the way.
const SAMPLES_MAX: usize = 50_000;

/// One receiver.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteWriteConfig {
    /// What logs, figures and its cursor call it: lower-case letters, digits, `-`.
    pub name: String,
    /// Where to send: `https://…`, or `http://…` to this machine itself.
    pub url: String,
    /// Metrics that are sent, by our names; `*` stands for any characters. All unless given.
    #[serde(default = "everything")]
    pub include: Vec<String>,
    /// Metrics that are not, whatever `include` says.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether ticks that arrive after the fact are sent too. Off for receivers that refuse samples out of order.
    #[serde(default = "yes")]
    pub backlog: bool,
    /// File with a token that is sent as `Authorization: Bearer`.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// With `password_file`: basic authentication.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password of `username`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// About this many samples go in one request.
    #[serde(default = "samples_default")]
    pub samples_per_request: usize,
    /// Further labels for every series.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Allows `http://` to other machines: samples and secrets travel readable by everybody on the way.
    #[serde(default)]
    pub insecure: bool,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

const fn yes() -> bool {
    true
}

const fn samples_default() -> usize {
    SAMPLES_DEFAULT
}

impl RemoteWriteConfig {
    /// Everything that is wrong with this table by itself, each with its remedy. Reads no file.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.chars().all(good) {
            mistakes.push(format!(
                "`name`: use 1 to {NAME_BYTES_MAX} lower-case letters, digits and `-`"
            ));
        }
        mistakes.extend(self.wrong_url());
        if self.username.is_some() != self.password_file.is_some() {
            mistakes.push("`username` and `password_file` go together: give both or neither".to_owned());
        }
        if self.bearer_token_file.is_some() && self.username.is_some() {
            mistakes.push("`bearer_token_file` and `username` exclude each other: keep one".to_owned());
        }
        if !(1..=SAMPLES_MAX).contains(&self.samples_per_request) {
            mistakes.push(format!("`samples_per_request` must be 1 to {SAMPLES_MAX}"));
        }
        if self.include.is_empty() {
            mistakes.push("`include` is empty: nothing would be sent; leave it out for everything".to_owned());
        }
        for (name, value) in &self.labels {
            let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.starts_with("__");
            if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || value.is_empty() {
                mistakes.push(format!(
                    "`labels`: `{name}` needs a value and a name of letters, digits and `_`"
                ));
            } else if HOST_LABELS.contains(&name.as_str()) || name.starts_with(ATTRIBUTE_PREFIX) || name == NAME_LABEL {
                mistakes.push(format!("`labels`: `{name}` is one of our own labels, choose another"));
            }
        }
        mistakes
    }

    fn wrong_url(&self) -> Option<String> {
        let url = match self.url.parse::<reqwest::Url>() {
            Ok(url) => url,
            Err(error) => return Some(format!("`url` is not an address: {error}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Some("`url` bears a secret: use `username` and `password_file`".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let own = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => None,
            "http" if own || self.insecure => None,
            "http" => Some("`url`: use https://, or set insecure = true to send everything readable by all".to_owned()),
            other => Some(format!("`url`: `{other}://` is not supported, use https://")),
        }
    }

    /// Whether a metric is sent.
    pub(crate) fn wants(&self, metric: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, metric));
        any(&self.include) && !any(&self.exclude)
    }
}

/// Whether `text` fits a pattern in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(text: &str) -> RemoteWriteConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_name_and_an_address_are_enough() {
        let config = config(r#"{"name": "archive", "url": "https://vm.example.org/api/v1/write"}"#);
        assert_eq!(config.mistakes(), [""; 0]);
        assert!(config.wants("system.cpu.time") && config.backlog);
    }

    #[test]
    fn mistakes_come_together() {
        let config = config(
            r#"{"name": "A", "url": "http://vm.example.org/", "include": [], "username": "x", "bearer_token_file": "/t",
                "samples_per_request": 0, "labels": {"host": "x", "9": "y", "ok": ""}}"#,
        );
        assert_eq!(config.mistakes().len(), 9, "{:?}", config.mistakes());
        for (url, word) in [("ftp://x", "https"), ("https://u:p@x/", "secret"), ("x", "address")] {
            let config = RemoteWriteConfig {
                url: url.to_owned(),
                ..config.clone()
            };
            assert!(config.mistakes().iter().any(|mistake| mistake.contains(word)), "{url}");
        }
        for url in ["http://127.0.0.1:8428/x", "http://[::1]/x", "http://localhost/"] {
            assert_eq!(
                RemoteWriteConfig {
                    url: url.to_owned(),
                    ..config.clone()
                }
                .wrong_url(),
                None
            );
        }
    }

    #[test]
    fn exclude_wins_over_include() {
        let config = config(
            r#"{"name": "a", "url": "https://x/", "include": ["system.*", "tocsin.agent.*.time"], "exclude": ["*.cpu.*"]}"#,
        );
        let wanted = |metric: &str| config.wants(metric);
        assert!(wanted("system.uptime") && !wanted("system.cpu.time") && !wanted("tocsin.agent.ticks"));
    }

    proptest! {
        #[test]
        fn stars_mean_what_they_mean_in_a_regular_expression(pattern in "[ab*.]{0,6}", text in "[ab.]{0,8}") {
            let expression = format!("^{}$", pattern.split('*').map(regex::escape).collect::<Vec<_>>().join(".*"));
            prop_assert_eq!(glob(&pattern, &text), regex::Regex::new(&expression).unwrap().is_match(&text));
        }
    }
}
