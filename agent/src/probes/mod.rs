//! Probes: what this host asks of others over the network because `[probes]` of its configuration says so. Without that
//! table nothing is asked, and nothing is told.
//!
//! A probe is one question, asked again and again at its own pace: does it answer a ping, take a connection, give the
//! right page, show a certificate that is good for a while? Each has one deadline for everything it does, names looked up
//! included. What could not be asked at all — the kernel forbids pings, a file of authorities can't be read — is not
//! told as a failure of the other side: such values are absent, and the probe's part says why.
//!
//! * `prober` — asks each probe at its pace, few at a time,
//! * `asking` — one probe, once, within its deadline,
//! * `ping`, `http`, `certificate` — the questions,
//! * `board` — the last answers, as ticks take them,
//! * `command` — `tocsin-agent probe`.

mod asking;
mod board;
mod certificate;
pub(crate) mod command;
mod http;
mod ping;
mod prober;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use board::Board;
pub(crate) use prober::Prober;
pub use url::Url;
pub(crate) use url::split_port;

use std::{path::PathBuf, time::Duration};

/// Most probes of one host.
pub const PROBES_MAX: usize = 64;
/// How many are asked at the same time.
pub const ASKED_AT_ONCE_MAX: usize = 16;
/// Shortest time between two askings of a probe.
pub const EVERY_MIN: Duration = Duration::from_secs(1);
/// Longest.
pub const EVERY_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Shortest deadline.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Longest.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Most echo requests of one asking.
pub const REQUESTS_MAX: u16 = 20;
/// Most redirects that are followed.
pub const REDIRECTS_MAX: u16 = 10;

/// One question and its pace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What it is called; unique among the host's probes.
    pub name: String,
    /// Time between two askings.
    pub every: Duration,
    /// By when everything must be answered; at most `every`.
    pub timeout: Duration,
    /// What is asked.
    pub question: Question,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Does it answer echo requests (RFC 792, RFC 4443)?
    Ping {
        /// Address or name.
        target: String,
        /// How many are sent each time, from 1 to [`REQUESTS_MAX`].
        requests: u16,
    },
    /// Does it take a connection?
    Tcp {
        /// `host:port`.
        target: String,
    },
    /// Does it give the right page?
    Http(HttpQuestion),
    /// How long is its certificate good, for this name, by whose word?
    Certificate {
        /// `host:port`.
        target: String,
        /// The name that it must be for; the host of `target` without it.
        server_name: Option<String>,
        /// File of the authorities (PEM) that are trusted; those of the system without it.
        ca: Option<PathBuf>,
    },
}

/// Of a page: what is fetched and what is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpQuestion {
    /// What is fetched, by GET.
    pub url: Url,
    /// Statuses that are right.
    pub status: Vec<StatusPattern>,
    /// A part of the page's first 256 KiB that must be there, letter by letter.
    pub text: Option<String>,
    /// Most redirects that are followed; one more is a failure. With none a redirect is judged by its own status.
    pub redirects: u16,
    /// As for a certificate.
    pub ca: Option<PathBuf>,
    /// Whether a certificate that is not trusted, or not for this name, is a failure.
    pub verify: bool,
}

/// One status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// Such as 204.
    Code(u16),
    /// Such as 2 for `2xx`.
    Class(u16),
}

impl StatusPattern {
    /// Reads `204` or `2xx`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pattern = match text.strip_suffix("xx") {
            Some(class) => Self::Class(class.parse().ok().filter(|class| (1..=5).contains(class))?),
            None => Self::Code(text.parse().ok().filter(|code| (100..=599).contains(code))?),
        };
        Some(pattern)
    }

    const fn fits(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => class == status / 100,
        }
    }
}

impl Question {
    /// What it is called in the configuration and in the series.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ping { .. } => "ping",
            Self::Tcp { .. } => "tcp",
            Self::Http(_) => "http",
            Self::Certificate { .. } => "certificate",
        }
    }

    /// Whom it asks, as configured.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Ping { target, .. } | Self::Tcp { target } | Self::Certificate { target, .. } => target.clone(),
            Self::Http(question) => question.url.to_string(),
        }
    }

    /// The metrics that it has beside [`UP`] and [`DURATION`], whether there is a value or not.
    fn metrics(&self) -> &'static [&'static str] {
        match self {
            Self::Ping { .. } => &[LOSS],
            Self::Tcp { .. } => &[],
            Self::Http(question) if question.url.secure => &[STATUS, REDIRECTS, TIME_LEFT, TRUSTED, NAME_MATCH],
            Self::Http(_) => &[STATUS, REDIRECTS],
            Self::Certificate { .. } => &[TIME_LEFT, TRUSTED, NAME_MATCH],
        }
    }
}

const UP: &str = "tocsin.probe.up";
const DURATION: &str = "tocsin.probe.duration";
const LOSS: &str = "tocsin.probe.loss";
const STATUS: &str = "tocsin.probe.http.status_code";
const REDIRECTS: &str = "tocsin.probe.http.redirects";
const TIME_LEFT: &str = "tocsin.probe.certificate.time_left";
const TRUSTED: &str = "tocsin.probe.certificate.trusted";
const NAME_MATCH: &str = "tocsin.probe.certificate.name_match";

/// What came of asking once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Answer {
    /// Whether all was as it should be; `None` when it could not be asked.
    pub(crate) up: Option<bool>,
    /// Why not; empty when it was.
    pub(crate) reason: String,
    /// What was measured, each in the unit of its metric.
    pub(crate) values: Vec<(&'static str, f64)>,
}

/// Why a question was not answered as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// The other side, or the way there.
    Failed(String),
    /// This host: nothing is known of the other side.
    Unable(String),
}

/// What is measured on the way, kept also when the rest fails.
type Values = Vec<(&'static str, f64)>;
