//! `collector.toml`: what an administrator edits. What the duty team edits lives in the ledger.
//!
//! Reading a configuration opens no port and no file but itself.

use crate::toml_table::{Mistakes, Reader};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_channels::config::ChannelConfig;
use tocsin_vocabulary::time::HumanDuration;

/// Where packages put the configuration.
pub const DEFAULT_PATH: &str = "/etc/tocsin/collector.toml";
/// Where packages keep state.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/tocsin/collector";
/// The control socket of an installed collector.
pub const DEFAULT_SOCKET: &str = "/run/tocsin/collector.sock";

/// A collector's configuration with its defaults filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listener of agents (mTLS).
    pub agents: SocketAddr,
    /// Listener of enrolment.
    pub enrolment: SocketAddr,
    /// Listener of console and API (HTTPS).
    pub console: SocketAddr,
    /// Where all state lives.
    pub state_dir: PathBuf,
    /// Control socket for the command line; none: in the state folder.
    pub socket: Option<PathBuf>,
    /// `host:port` that agents are told to use; empty: the host they enrolled at, agents' port.
    pub advertised: Vec<String>,
    /// How people's phones reach the console: `https://…`, without a slash at the end.
    pub public_url: Option<String>,
    /// Further names in the console's own certificate.
    pub console_names: Vec<String>,
    /// The administrator's own certificate and key for the console, PEM.
    pub console_certificate: Option<(PathBuf, PathBuf)>,
    /// `sqlite` (in the state folder) or `postgres://…`.
    pub ledger: String,
    /// How long sealed blocks are kept.
    pub retention: Duration,
    /// Folder of rule files; none: the built-in rules.
    pub rules_dir: Option<PathBuf>,
    /// Over which ways people on duty are paged: `inbox` and names of channels.
    pub destinations: Vec<String>,
    /// How long after a page nobody accepts until the next round.
    pub repage_after: Duration,
    /// Ways out of the site.
    pub channels: Vec<ChannelConfig>,
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        Self {
            agents: any(7443),
            enrolment: any(7444),
            console: any(8443),
            state_dir: PathBuf::from(DEFAULT_STATE_DIR),
            socket: None,
            advertised: Vec::new(),
            public_url: None,
            console_names: Vec::new(),
            console_certificate: None,
            ledger: "sqlite".to_owned(),
            retention: Duration::from_secs(30 * 86_400),
            rules_dir: None,
            destinations: vec!["inbox".to_owned()],
            repage_after: Duration::from_secs(300),
            channels: Vec::new(),
        }
    }
}

/// A configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("cannot read configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has mistakes; all of them.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, or with all its mistakes.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }

    /// Reads text; `file` names it in messages.
    ///
    /// # Errors
    /// With all its mistakes.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistakes> {
        let mut config = Self::default();
        let (mut reader, mut top) = Reader::parse(text);
        let set = |slot: &mut Duration, value: Option<HumanDuration>| {
            if let Some(HumanDuration(duration)) = value {
                *slot = duration;
            }
        };

        if let Some(folder) = top.take("state_dir", &mut reader) {
            config.state_dir = folder;
        }
        config.socket = top.take("socket", &mut reader);
        config.rules_dir = top.take("rules_dir", &mut reader);

        let mut listen = top.table("listen", &mut reader);
        for (key, slot) in [
            ("agents", &mut config.agents),
            ("enrolment", &mut config.enrolment),
            ("console", &mut config.console),
        ] {
            if let Some(address) = listen.take(key, &mut reader) {
                *slot = address;
            }
        }
        listen.finish(&mut reader);

        let mut site = top.table("site", &mut reader);
        config.advertised = site.take("agents_connect_to", &mut reader).unwrap_or_default();
        if let Some((url, span)) = site.take_spanned::<String>("public_url", &mut reader) {
            if !url.starts_with("https://") {
                reader.mistake(span, format!("site.public_url `{url}` must begin with https://"));
            }
            config.public_url = Some(url.trim_end_matches('/').to_owned());
        }
        config.console_names = site.take("console_names", &mut reader).unwrap_or_default();
        let certificate = site.take_spanned::<PathBuf>("console_certificate", &mut reader);
        let key = site.take_spanned::<PathBuf>("console_key", &mut reader);
        match (certificate, key) {
            (Some((certificate, _)), Some((key, _))) => config.console_certificate = Some((certificate, key)),
            (None, None) => {}
            (Some((_, span)), None) => {
                reader.mistake(span, "site.console_certificate needs site.console_key".to_owned())
            }
            (None, Some((_, span))) => {
                reader.mistake(span, "site.console_key needs site.console_certificate".to_owned())
            }
        }
        site.finish(&mut reader);

        let mut ledger = top.table("ledger", &mut reader);
        if let Some((url, span)) = ledger.take_spanned::<String>("url", &mut reader) {
            if url != "sqlite" && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                reader.mistake(span, "ledger.url is `sqlite` or begins with postgres://".to_owned());
            }
            config.ledger = url;
        }
        ledger.finish(&mut reader);

        let mut metrics = top.table("metrics", &mut reader);
        let retention = metrics.take_spanned::<HumanDuration>("retention", &mut reader);
        if let Some((HumanDuration(retention), span)) = &retention
            && *retention < Duration::from_secs(86_400)
        {
            reader.mistake(span.clone(), "metrics.retention must be at least 1d".to_owned());
        }
        set(&mut config.retention, retention.map(|(retention, _)| retention));
        metrics.finish(&mut reader);

        let mut paging = top.table("paging", &mut reader);
        let destinations = paging.take_spanned::<Vec<String>>("destinations", &mut reader);
        let repage = paging.take_spanned::<HumanDuration>("repage_after", &mut reader);
        if let Some((HumanDuration(repage), span)) = &repage
            && *repage < Duration::from_secs(10)
        {
            reader.mistake(span.clone(), "paging.repage_after must be at least 10s".to_owned());
        }
        set(&mut config.repage_after, repage.map(|(repage, _)| repage));
        paging.finish(&mut reader);

        let channels = top.list::<ChannelConfig>("channel", &mut reader);
        for (i, (channel, span)) in channels.iter().enumerate() {
            for mistake in channel.mistakes() {
                reader.mistake(span.clone(), mistake);
            }
            if channel.name() == "inbox" || channels[..i].iter().any(|(other, _)| other.name() == channel.name()) {
                reader.mistake(
                    span.clone(),
                    format!("channel name `{}` is taken: choose another", channel.name()),
                );
            }
        }
        config.channels = channels.into_iter().map(|(channel, _)| channel).collect();
        if let Some((destinations, span)) = destinations {
            for name in &destinations {
                if name != "inbox" && !config.channels.iter().any(|channel| channel.name() == name) {
                    reader.mistake(
                        span.clone(),
                        format!("paging.destinations names `{name}`, which is neither `inbox` nor a [[channel]]"),
                    );
                }
            }
            config.destinations = destinations;
        } else {
            config
                .destinations
                .extend(config.channels.iter().map(|channel| channel.name().to_owned()));
        }
        top.finish(&mut reader);
        reader.finish(file, config)
    }

    /// The ledger's URL with the default spelled out.
    #[must_use]
    pub fn ledger_url(&self) -> String {
        if self.ledger == "sqlite" {
            format!("sqlite:{}", self.state_dir.join("ledger.db").display())
        } else {
            self.ledger.clone()
        }
    }

    /// The control socket.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        self.socket
            .clone()
            .unwrap_or_else(|| self.state_dir.join("collector.sock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = Config::parse("collector.toml", "").unwrap();
        assert_eq!(config.agents.port(), 7443);
        assert_eq!(config.destinations, ["inbox"]);
        assert_eq!(config.ledger_url(), "sqlite:/var/lib/tocsin/collector/ledger.db");
    }

    #[test]
    fn all_mistakes_of_a_file_come_together() {
        let text = "stat_dir = \"/x\"\n[listen]\nagents = \"nowhere\"\n[site]\npublic_url = \"http://x\"\n\
                    console_key = \"k.pem\"\n[ledger]\nurl = \"mysql://x\"\n[metrics]\nretention = \"1h\"\n\
                    [paging]\nrepage_after = \"1s\"\ndestinations = [\"sms\"]\n";
        let mistakes = Config::parse("collector.toml", text).unwrap_err();
        let lines: Vec<usize> = mistakes.mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [1, 3, 5, 6, 8, 10, 12, 13], "{mistakes}");
    }
}
