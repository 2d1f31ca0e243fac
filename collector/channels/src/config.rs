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
//! Secrets stand in files of their own, never here, and are never printed. What every channel may say stands in
//! [`Common`]; the settings of each kind stand beside its code.

mod common;
mod table;

pub use common::{Common, Quiet};
pub use table::ChannelTable;

use crate::{
    channel::Channel,
    cmpp::CmppConfig,
    gateway::GatewayConfig,
    guard::is_loopback,
    inbox::INBOX,
    kannel::KannelConfig,
    mail::Mail,
    push::{GotifyConfig, NtfyConfig},
    robots::RobotConfig,
    secret::{Secret, read_certificates},
    smpp::SmppConfig,
    spool::{GammuConfig, GammuSqlConfig, OpenTables, SmstoolsConfig},
    trap::{SnmpTrapConfig, SyslogConfig},
    voice::AsteriskConfig,
    webhook::{Webhook, WebhookConfig},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Longest name of a channel, in bytes: it is part of every page's key.
const NAME_BYTES_MAX: usize = 32;

/// One `[[channel]]` table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelConfig {
    /// What every channel has.
    #[serde(flatten)]
    pub common: Common,
    /// What its kind has.
    #[serde(flatten)]
    pub kind: Kind,
}

/// The settings of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// JSON by POST.
    Webhook(WebhookConfig),
    /// Mail by SMTP.
    Mail(MailConfig),
    /// DingTalk's robot.
    Dingtalk(RobotConfig),
    /// WeCom's robot.
    Wecom(RobotConfig),
    /// Feishu's robot.
    Feishu(RobotConfig),
    /// ntfy, self-hosted push.
    Ntfy(NtfyConfig),
    /// Gotify, self-hosted push.
    Gotify(GotifyConfig),
    /// A GSM modem through gammu-smsd's folders.
    Gammu(GammuConfig),
    /// A GSM modem through gammu-smsd's SQL backend.
    GammuSql(GammuSqlConfig),
    /// A GSM modem through smstools3's spool.
    Smstools(SmstoolsConfig),
    /// Kannel's `sendsms`.
    Kannel(KannelConfig),
    /// A message centre by SMPP 3.4.
    Smpp(SmppConfig),
    /// A message centre by CMPP 2.0 or 3.0.
    Cmpp(CmppConfig),
    /// Any HTTP gateway, by template.
    Gateway(GatewayConfig),
    /// A call through Asterisk.
    Asterisk(AsteriskConfig),
    /// Syslog messages (RFC 5424).
    Syslog(SyslogConfig),
    /// SNMP v2c traps.
    SnmpTrap(SnmpTrapConfig),
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
        host_mistakes("host", &self.host, mistakes);
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

/// What is wrong with a host's name or address.
pub(crate) fn host_mistakes(key: &str, host: &str, mistakes: &mut Vec<String>) {
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
        mistakes.push(format!("`{key}`: name the server, such as {key}.example.com"));
    }
}

impl Kind {
    /// The word in `kind`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Mail(_) => "mail",
            Self::Dingtalk(_) => "dingtalk",
            Self::Wecom(_) => "wecom",
            Self::Feishu(_) => "feishu",
            Self::Ntfy(_) => "ntfy",
            Self::Gotify(_) => "gotify",
            Self::Gammu(_) => "gammu",
            Self::GammuSql(_) => "gammu-sql",
            Self::Smstools(_) => "smstools",
            Self::Kannel(_) => "kannel",
            Self::Smpp(_) => "smpp",
            Self::Cmpp(_) => "cmpp",
            Self::Gateway(_) => "gateway",
            Self::Asterisk(_) => "asterisk",
            Self::Syslog(_) => "syslog",
            Self::SnmpTrap(_) => "snmp-trap",
        }
    }

    /// Whether it sends to phones by SMS: short texts, no links unless wanted.
    #[must_use]
    pub const fn is_sms(&self) -> bool {
        matches!(
            self,
            Self::Gammu(_)
                | Self::GammuSql(_)
                | Self::Smstools(_)
                | Self::Kannel(_)
                | Self::Smpp(_)
                | Self::Cmpp(_)
                | Self::Gateway(_)
        )
    }

    /// Whether it can learn what arrived: by receipts of delivery, or because somebody picks up.
    #[must_use]
    pub const fn tells_arrival(&self) -> bool {
        self.is_sms() || matches!(self, Self::Asterisk(_))
    }

    /// Messages per minute without a setting: under what the providers allow (20 a minute for the robots of DingTalk and
    /// WeCom, 100 for Feishu's), and what a SIM card sends without being blocked.
    #[must_use]
    pub const fn per_minute(&self) -> u32 {
        match self {
            Self::Dingtalk(_) | Self::Wecom(_) => 18,
            Self::Feishu(_) => 90,
            Self::Gammu(_) | Self::GammuSql(_) | Self::Smstools(_) => 12,
            Self::Asterisk(_) => 30,
            _ => 3_000,
        }
    }

    /// Messages that may be on their way at once.
    pub(crate) const fn in_flight(&self) -> usize {
        match self {
            Self::Smpp(_) | Self::Cmpp(_) | Self::Kannel(_) | Self::Gateway(_) | Self::Webhook(_) => 8,
            Self::Asterisk(_) => 4,
            _ => 1,
        }
    }

    /// Where it goes, for people; without secrets.
    #[must_use]
    pub fn goes_to(&self) -> String {
        match self {
            Self::Webhook(config) => crate::http::host_of(&config.url),
            Self::Mail(config) => format!("{}:{}", config.host, config.port()),
            Self::Dingtalk(config) => config.host("https://oapi.dingtalk.com/"),
            Self::Wecom(config) => config.host("https://qyapi.weixin.qq.com/"),
            Self::Feishu(config) => config.host("https://open.feishu.cn/"),
            Self::Ntfy(config) => crate::http::host_of(&config.url),
            Self::Gotify(config) => crate::http::host_of(&config.url),
            Self::Gammu(config) => config.outbox.display().to_string(),
            Self::GammuSql(config) => config.goes_to(),
            Self::Smstools(config) => config.outgoing.display().to_string(),
            Self::Kannel(config) => crate::http::host_of(&config.url),
            Self::Smpp(config) => format!("{}:{}", config.host, config.port),
            Self::Cmpp(config) => format!("{}:{}", config.host, config.port),
            Self::Gateway(config) => crate::http::host_of(&config.url),
            Self::Asterisk(config) => format!("{}:{}", config.host, config.port),
            Self::Syslog(config) => format!("{}:{}", config.host, config.port),
            Self::SnmpTrap(config) => format!("{}:{}", config.host, config.port),
        }
    }

    fn mistakes(&self, mistakes: &mut Vec<String>) {
        match self {
            Self::Webhook(config) => config.mistakes(mistakes),
            Self::Mail(config) => config.mistakes(mistakes),
            Self::Dingtalk(config) | Self::Wecom(config) | Self::Feishu(config) => config.mistakes(mistakes),
            Self::Ntfy(config) => config.mistakes(mistakes),
            Self::Gotify(config) => config.mistakes(mistakes),
            Self::Gammu(config) => config.mistakes(mistakes),
            Self::GammuSql(config) => config.mistakes(mistakes),
            Self::Smstools(config) => config.mistakes(mistakes),
            Self::Kannel(config) => config.mistakes(mistakes),
            Self::Smpp(config) => config.mistakes(mistakes),
            Self::Cmpp(config) => config.mistakes(mistakes),
            Self::Gateway(config) => config.mistakes(mistakes),
            Self::Asterisk(config) => config.mistakes(mistakes),
            Self::Syslog(config) => config.mistakes(mistakes),
            Self::SnmpTrap(config) => config.mistakes(mistakes),
        }
    }

    fn build(&self, common: &Common, open: OpenTables) -> Result<Arc<dyn Channel>, String> {
        use crate::robots::{Brand, Robot};
        Ok(match self {
            Self::Webhook(config) => Arc::new(Webhook::new(config, common)?),
            Self::Mail(config) => Arc::new(Mail::new(config, common)?),
            Self::Dingtalk(config) => Arc::new(Robot::new(Brand::Dingtalk, config, common)?),
            Self::Wecom(config) => Arc::new(Robot::new(Brand::Wecom, config, common)?),
            Self::Feishu(config) => Arc::new(Robot::new(Brand::Feishu, config, common)?),
            Self::Ntfy(config) => Arc::new(crate::push::Ntfy::new(config, common)?),
            Self::Gotify(config) => Arc::new(crate::push::Gotify::new(config, common)?),
            Self::Gammu(config) => Arc::new(crate::spool::Gammu::new(config, common)),
            Self::GammuSql(config) => Arc::new(crate::spool::GammuSql::new(config, common, open)?),
            Self::Smstools(config) => Arc::new(crate::spool::Smstools::new(config, common)),
            Self::Kannel(config) => Arc::new(crate::kannel::Kannel::new(config, common)?),
            Self::Smpp(config) => Arc::new(crate::smpp::open(config, common)?),
            Self::Cmpp(config) => Arc::new(crate::cmpp::open(config, common)?),
            Self::Gateway(config) => Arc::new(crate::gateway::Gateway::new(config, common)?),
            Self::Asterisk(config) => Arc::new(crate::voice::Asterisk::new(config, common)?),
            Self::Syslog(config) => Arc::new(crate::trap::Syslog::new(config, common)),
            Self::SnmpTrap(config) => Arc::new(crate::trap::SnmpTrap::new(config, common)?),
        })
    }
}

impl ChannelConfig {
    /// What destinations call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.common.name
    }

    /// Messages per minute that it may send.
    #[must_use]
    pub fn per_minute(&self) -> u32 {
        self.common.per_minute.unwrap_or_else(|| self.kind.per_minute())
    }

    /// Everything that is wrong with the files that this table names: its secrets and certificates.
    #[must_use]
    pub fn file_mistakes(&self) -> Vec<BuildMistake> {
        // Every kind calls its files so; what is none of these names no file that is read at the start.
        let table = toml::Table::try_from(self).unwrap_or_default();
        let files = table.iter().filter(|(key, _)| key.ends_with("_file"));
        let mistakes = files.filter_map(|(key, value)| {
            let path = Path::new(value.as_str()?);
            let read = match key.as_str() {
                "ca_file" => read_certificates(path).map(drop),
                _ => Secret::read(path).map(drop),
            };
            Some(BuildMistake {
                channel: self.name().to_owned(),
                key: Some(key.clone()),
                message: read.err()?,
            })
        });
        mistakes.collect()
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
        self.common.mistakes(&mut mistakes);
        self.kind.mistakes(&mut mistakes);
        if !self.kind.tells_arrival() {
            let kind = self.kind.as_str();
            let is_given = [
                ("receipt_within", self.common.receipt_within.is_some()),
                ("delivery_min", self.common.delivery_min.is_some()),
            ];
            for (key, _) in is_given.iter().filter(|(_, is_given)| *is_given) {
                mistakes.push(format!("`{key}`: {kind} never tells what arrived, so leave it out"));
            }
        }
        mistakes
    }
}

/// One thing that hinders a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildMistake {
    /// The channel's name.
    pub channel: String,
    /// The key whose value is to blame, where that is known.
    pub key: Option<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for BuildMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("`{key}`: "));
        write!(f, "channel `{}`: {key}{}", self.channel, self.message)
    }
}

/// Everything that hinders the channels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct BuildError(pub Vec<BuildMistake>);

/// A channel that can be used, and how.
#[derive(Clone)]
pub struct Built {
    /// Its table.
    pub config: ChannelConfig,
    /// The channel.
    pub channel: Arc<dyn Channel>,
}

/// The channels by name. Reads the files that the tables name, connects to nothing; `open` opens databases of other
/// programs.
///
/// # Errors
/// With all mistakes of all tables and their files.
pub fn build(configs: &[ChannelConfig], open: OpenTables) -> Result<HashMap<String, Built>, BuildError> {
    let mut channels: HashMap<String, Built> = HashMap::new();
    let mut mistakes = Vec::new();
    for config in configs {
        let name = config.name();
        let mistake = |message: String| BuildMistake {
            channel: name.to_owned(),
            key: None,
            message,
        };
        let mut found: Vec<_> = config.mistakes().into_iter().map(mistake).collect();
        if channels.contains_key(name) {
            found.push(mistake("`name` is taken by another channel: choose another".to_owned()));
        }
        found.extend(config.file_mistakes());
        if found.is_empty() {
            match config.kind.build(&config.common, open) {
                Ok(channel) => {
                    let built = Built {
                        config: config.clone(),
                        channel,
                    };
                    channels.insert(name.to_owned(), built);
                }
                Err(message) => found.push(mistake(message)),
            }
        }
        mistakes.extend(found);
    }
    if mistakes.is_empty() {
        Ok(channels)
    } else {
        Err(BuildError(mistakes))
    }
}

#[cfg(test)]
pub(crate) mod tests;
