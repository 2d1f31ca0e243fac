//! `collector.toml`: what an administrator edits. What the duty team edits lives in the ledger.
//!
//! Reading a configuration opens no port and no file but itself.

mod channel_lines;

pub use channel_lines::ChannelLines;

use crate::{
    backups::intake::config::IntakeConfig,
    calendars,
    limits::Limits,
    retention::{Classes, RETENTION_MIN},
    toml_table::{Mistake, Mistakes, PlainTable, Reader, Table},
};
use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_channels::{
    BuildError, Built, Order,
    config::{ChannelConfig, ChannelTable},
};
use tocsin_desk::calendar::CalendarSpec;
use tocsin_desk::step::Limits as DeskLimits;
use tocsin_prometheus::RemoteWriteConfig;
use tocsin_vocabulary::time::HumanDuration;

/// Where packages put the configuration.
pub const DEFAULT_PATH: &str = "/etc/tocsin/collector.toml";
/// Where packages keep state.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/tocsin/collector";
/// The control socket of an installed collector.
pub const DEFAULT_SOCKET: &str = "/run/tocsin/collector.sock";

/// Shortest time between two rounds of pages.
const REPAGE_MIN: Duration = Duration::from_secs(10);

/// Longest time that an alert waits to be found part of a storm.
const STORM_WINDOW_MAX: Duration = Duration::from_secs(300);

/// A collector's configuration with its defaults filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that this was read from; none: the defaults.
    pub file: Option<PathBuf>,
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
    /// How long samples are kept, rollups of five minutes, and rollups of an hour.
    pub retention: [Duration; 3],
    /// Hosts for which other times hold.
    pub retention_classes: Classes,
    /// What ingest takes at once, and of one host.
    pub limits: Limits,
    /// Folder of rule files; none: the built-in rules.
    pub rules_dir: Option<PathBuf>,
    /// Over which ways people on duty are paged: `inbox` and names of channels.
    pub destinations: Vec<String>,
    /// How long after a page nobody accepts until the next round.
    pub repage_after: Duration,
    /// When many alerts are one fault, and many pages one message.
    pub desk_limits: DeskLimits,
    /// Ways out of the site.
    pub channels: Vec<ChannelConfig>,
    /// Where each channel and each of its keys stands in the file.
    pub channel_lines: ChannelLines,
    /// Orders of channels that destinations may name.
    pub orders: Vec<Order>,
    /// On which day of each month every channel is drilled to everybody who works on tickets; none: never.
    pub drill_on_day: Option<u8>,
    /// The name of the enrolled host on which the collector runs: what becomes of channels is told to the rules as its
    /// events. Without one, people on duty are told directly.
    pub own_host: Option<String>,
    /// For how long a full cycle counts as proven; none: by the heartbeats.
    pub cycle_within: Option<Duration>,
    /// Stores of metrics to which samples are passed on.
    pub remote_writes: Vec<RemoteWriteConfig>,
    /// Where appliances send the results of their backups.
    pub backup_intake: IntakeConfig,
    /// Whether a host on which a fault opens a ticket is asked for a diagnostic snapshot.
    pub diagnose_on_fault: bool,
    /// Folder of policies beside the shipped ones, or instead of them; none: the shipped ones.
    pub policies_dir: Option<PathBuf>,
    /// Service calendars beside the built-in ones, or instead of them, by name.
    pub calendars: BTreeMap<String, CalendarSpec>,
}

/// What `[paging]` names: destinations and orders, each with where it stands.
type Paging = (Option<(Vec<String>, Range<usize>)>, Vec<(Order, Range<usize>)>);

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
        Self {
            file: None,
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
            retention: [30, 180, 1_826].map(|days| Duration::from_secs(days * 86_400)),
            retention_classes: Classes::default(),
            limits: Limits::default(),
            rules_dir: None,
            destinations: vec!["inbox".to_owned()],
            repage_after: Duration::from_secs(300),
            desk_limits: DeskLimits::default(),
            channels: Vec::new(),
            channel_lines: ChannelLines::default(),
            orders: Vec::new(),
            drill_on_day: None,
            own_host: None,
            cycle_within: None,
            remote_writes: Vec::new(),
            backup_intake: IntakeConfig::default(),
            diagnose_on_fault: true,
            policies_dir: None,
            calendars: BTreeMap::new(),
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
        let mut config = Self::read(&path.display().to_string(), &text, true)?;
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Reads text; `file` names it in messages.
    ///
    /// # Errors
    /// With all its mistakes.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistakes> {
        Self::read(file, text, false)
    }

    /// As [`Config::parse`]. With `files`, what has mistakes anyway is told those of the files that its channels name too:
    /// all come together. Without other mistakes these files are left to whoever starts or checks, for not everybody who
    /// reads a configuration may read secrets.
    fn read(file: &str, text: &str, files: bool) -> Result<Self, Mistakes> {
        let mut config = Self::default();
        let (mut reader, mut top) = Reader::parse(text);
        if let Some(folder) = top.take("state_dir", &mut reader) {
            config.state_dir = folder;
        }
        config.socket = top.take("socket", &mut reader);
        config.rules_dir = top.take("rules_dir", &mut reader);
        config.policies_dir = top.take("policies_dir", &mut reader);
        config.take_listen(&mut top, &mut reader);
        config.take_site(&mut top, &mut reader);
        config.take_ledger(&mut top, &mut reader);
        config.take_metrics(&mut top, &mut reader);
        config.retention_classes = Classes::take(&mut top, config.retention, &mut reader);
        config.limits = Limits::take(&mut top, &mut reader);
        let (destinations, orders) = config.take_paging(&mut top, &mut reader);
        config.take_storm(&mut top, &mut reader);
        let channels = config.take_channels(&mut top, &mut reader);
        let names: Vec<&str> = channels.iter().map(ChannelTable::name).collect();
        config.take_orders(orders, &names, &mut reader);
        config.take_exports(&mut top, &mut reader);
        let mut diagnosis = top.table("diagnosis", &mut reader);
        config.diagnose_on_fault = diagnosis.take("on_fault", &mut reader).unwrap_or(true);
        diagnosis.finish(&mut reader);
        config.backup_intake = IntakeConfig::take(&mut top, &mut reader);
        config.calendars = calendars::take(&mut top, &mut reader);
        config.page_over(destinations, &names, &mut reader);
        top.finish(&mut reader);
        if files && reader.has_mistakes() {
            for mistake in channels.iter().flat_map(ChannelTable::file_mistakes) {
                reader.mistake_in_line(config.channel_lines.of(&mistake), mistake.to_string());
            }
        }
        config.channels = channels.into_iter().filter_map(ChannelTable::config).collect();
        reader.finish(file, config)
    }

    /// The channels, ready to be used.
    ///
    /// # Errors
    /// With all mistakes of all tables and the files that they name, each with its line.
    pub fn build_channels(&self) -> Result<HashMap<String, Built>, Mistakes> {
        tocsin_channels::build(&self.channels, crate::sms_tables::open).map_err(|BuildError(mistakes)| Mistakes {
            file: self
                .file
                .as_ref()
                .map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string()),
            mistakes: mistakes
                .iter()
                .map(|mistake| Mistake {
                    line: self.channel_lines.of(mistake),
                    message: mistake.to_string(),
                })
                .collect(),
        })
    }

    fn take_listen<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) {
        let mut listen = top.table("listen", reader);
        let mut taken: Vec<SocketAddr> = Vec::new();
        for (key, slot) in [
            ("agents", &mut self.agents),
            ("enrolment", &mut self.enrolment),
            ("console", &mut self.console),
        ] {
            let given = listen.take_spanned::<SocketAddr>(key, reader);
            if let Some((address, span)) = given {
                if address.port() != 0 && taken.contains(&address) {
                    reader.mistake(span, format!("listen.{key} `{address}` is taken by another listener"));
                }
                *slot = address;
            }
            taken.push(*slot);
        }
        listen.finish(reader);
    }

    fn take_site<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) {
        let mut site = top.table("site", reader);
        if let Some((addresses, span)) = site.take_spanned::<Vec<String>>("agents_connect_to", reader) {
            for address in &addresses {
                let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                if port.is_none() {
                    reader.mistake(
                        span.clone(),
                        format!("site.agents_connect_to `{address}` is not host:port"),
                    );
                }
            }
            self.advertised = addresses;
        }
        if let Some((url, span)) = site.take_spanned::<String>("public_url", reader) {
            if !url.starts_with("https://") {
                reader.mistake(span, format!("site.public_url `{url}` must begin with https://"));
            }
            self.public_url = Some(url.trim_end_matches('/').to_owned());
        }
        self.console_names = site.take("console_names", reader).unwrap_or_default();
        let certificate = site.take_spanned::<PathBuf>("console_certificate", reader);
        let key = site.take_spanned::<PathBuf>("console_key", reader);
        match (certificate, key) {
            (Some((certificate, _)), Some((key, _))) => self.console_certificate = Some((certificate, key)),
            (None, None) => {}
            (Some((_, span)), None) => {
                reader.mistake(span, "site.console_certificate needs site.console_key".to_owned());
            }
            (None, Some((_, span))) => {
                reader.mistake(span, "site.console_key needs site.console_certificate".to_owned());
            }
        }
        site.finish(reader);
    }

    fn take_ledger<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) {
        let mut ledger = top.table("ledger", reader);
        if let Some((url, span)) = ledger.take_spanned::<String>("url", reader) {
            if url != "sqlite" && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                reader.mistake(span, "ledger.url is `sqlite` or begins with postgres://".to_owned());
            }
            self.ledger = url;
        }
        ledger.finish(reader);
    }

    fn take_metrics<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) {
        let mut metrics = top.table("metrics", reader);
        for (key, kept) in ["retention", "retention_5m", "retention_1h"]
            .into_iter()
            .zip(&mut self.retention)
        {
            if let Some((HumanDuration(retention), span)) = metrics.take_spanned(key, reader) {
                if retention < RETENTION_MIN {
                    reader.mistake(span, format!("metrics.{key} must be at least 1d"));
                }
                *kept = retention;
            }
        }
        metrics.finish(reader);
    }

    /// Answers destinations and orders: whether what they name exists is known once the channels are read.
    fn take_paging<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) -> Paging {
        let mut paging = top.table("paging", reader);
        let destinations = paging.take_spanned("destinations", reader);
        if let Some((HumanDuration(repage), span)) = paging.take_spanned("repage_after", reader) {
            if repage < REPAGE_MIN {
                reader.mistake(span, "paging.repage_after must be at least 10s".to_owned());
            }
            self.repage_after = repage;
        }
        if let Some((most, span)) = paging.take_spanned::<usize>("pages_per_minute", reader) {
            if most == 0 {
                reader.mistake(span, "paging.pages_per_minute must be at least 1".to_owned());
            }
            self.desk_limits.pages_per_minute = most;
        }
        let within: Option<HumanDuration> = paging.take("cycle_within", reader);
        self.cycle_within = within.map(|within| within.0);
        if let Some((day, span)) = paging.take_spanned::<u8>("drill_on_day", reader) {
            if !(1..=28).contains(&day) {
                reader.mistake(
                    span,
                    "paging.drill_on_day is 1 to 28, so that every month has it".to_owned(),
                );
            }
            self.drill_on_day = Some(day);
        }
        self.own_host = paging.take("own_host", reader);
        let orders = paging.list::<Order>("order", reader);
        paging.finish(reader);
        (destinations, orders)
    }

    /// Orders of channels, once the channels are read.
    fn take_orders(&mut self, orders: Vec<(Order, Range<usize>)>, channels: &[&str], reader: &mut Reader<'_>) {
        for (i, (order, span)) in orders.iter().enumerate() {
            for mistake in order.mistakes(channels) {
                reader.mistake(span.clone(), format!("paging.order: {mistake}"));
            }
            if orders[..i].iter().any(|(other, _)| other.name == order.name) {
                reader.mistake(span.clone(), format!("paging.order `{}` is there twice", order.name));
            }
        }
        self.orders = orders.into_iter().map(|(order, _)| order).collect();
    }

    fn take_storm<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) {
        let mut table = top.table("storm", reader);
        let storm = &mut self.desk_limits.storm;
        if let Some((percent, span)) = table.take_spanned::<u8>("percent", reader) {
            if !(1..=100).contains(&percent) {
                reader.mistake(span, "storm.percent must be 1 to 100".to_owned());
            }
            storm.percent = percent;
        }
        if let Some((hosts, span)) = table.take_spanned::<usize>("hosts_min", reader) {
            if hosts < 2 {
                reader.mistake(span, "storm.hosts_min must be at least 2".to_owned());
            }
            storm.hosts_min = hosts;
        }
        if let Some((HumanDuration(window), span)) = table.take_spanned("window", reader) {
            if window.is_zero() || window > STORM_WINDOW_MAX {
                reader.mistake(span, "storm.window must be more than nothing and at most 5m".to_owned());
            }
            storm.window = window;
        }
        table.finish(reader);
    }

    /// The tables of channels, good or not.
    fn take_channels<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) -> Vec<ChannelTable> {
        let mut channels = Vec::new();
        for PlainTable { table, head, lines } in top.plain_list("channel", reader) {
            let channel = ChannelTable::read(table);
            let name = channel.name();
            if self.channel_lines.knows(name) {
                let message = format!("channel name `{name}` is taken: choose another");
                reader.mistake_in_line(head, message);
            }
            self.channel_lines.note(name, head, lines);
            for mistake in channel.mistakes() {
                reader.mistake_in_line(self.channel_lines.of(&mistake), mistake.to_string());
            }
            channels.push(channel);
        }
        channels
    }

    fn take_exports<'a>(&mut self, top: &mut Table<'a>, reader: &mut Reader<'a>) {
        let mut export = top.table("export", reader);
        let receivers = export.list::<RemoteWriteConfig>("remote_write", reader);
        for (i, (receiver, span)) in receivers.iter().enumerate() {
            for mistake in receiver.mistakes() {
                reader.mistake(span.clone(), format!("export.remote_write: {mistake}"));
            }
            if receivers[..i].iter().any(|(other, _)| other.name == receiver.name) {
                let message = format!("export name `{}` is taken: choose another", receiver.name);
                reader.mistake(span.clone(), message);
            }
        }
        self.remote_writes = receivers.into_iter().map(|(receiver, _)| receiver).collect();
        export.finish(reader);
    }

    /// Over the given destinations, or over the inbox, every order, and every channel that is in none.
    fn page_over(
        &mut self,
        destinations: Option<(Vec<String>, Range<usize>)>,
        channels: &[&str],
        reader: &mut Reader<'_>,
    ) {
        let orders = self.orders.iter().map(|order| order.name.clone());
        let names = channels.iter().map(|name| (*name).to_owned());
        let Some((destinations, span)) = destinations else {
            let is_alone = |name: &String| !self.orders.iter().any(|order| order.channels.contains(name));
            self.destinations.extend(orders.chain(names.filter(is_alone)));
            return;
        };
        let known: Vec<String> = orders.chain(names).collect();
        for name in destinations
            .iter()
            .filter(|name| *name != "inbox" && !known.contains(name))
        {
            reader.mistake(
                span.clone(),
                format!("paging.destinations names `{name}`, which is neither `inbox` nor a [[channel]] nor a [[paging.order]]"),
            );
        }
        if destinations.is_empty() {
            reader.mistake(
                span,
                "paging.destinations is empty: nobody would ever be paged; name at least `inbox`".to_owned(),
            );
        }
        self.destinations = destinations;
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
                    retention_1h = \"5m\"\n\
                    [paging]\nrepage_after = \"1s\"\ndestinations = [\"sms\"]\n";
        let mistakes = Config::parse("collector.toml", text).unwrap_err();
        let lines: Vec<usize> = mistakes.mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [1, 3, 5, 6, 8, 10, 11, 13, 14], "{mistakes}");
    }

    #[test]
    fn the_file_that_is_shipped_is_good_as_it_is_and_with_every_setting_uncommented() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/etc/collector.toml");
        let shipped = std::fs::read_to_string(path).unwrap();
        let config = Config::parse("collector.toml", &shipped).unwrap();
        assert_eq!(config.socket_path(), Path::new(DEFAULT_SOCKET));
        let is_setting = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
        let all: String = shipped
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if is_setting(setting) => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let config = Config::parse("collector.toml", &all).unwrap();
        assert_eq!(config.state_dir, Path::new(DEFAULT_STATE_DIR));
        assert_eq!(config.agents.port(), 7443);
        assert!(config.console_certificate.is_some());
        assert_eq!((config.channels.len(), config.orders.len()), (8, 1));
        assert_eq!(config.remote_writes.len(), 1);
        assert_eq!(config.retention_classes.kept().len(), 1);
    }

    #[test]
    fn listeners_on_one_port_and_pages_to_nobody_are_mistakes() {
        let text = "[listen]\nagents = \"0.0.0.0:8443\"\nconsole = \"0.0.0.0:8443\"\n[paging]\ndestinations = []\n";
        let mistakes = Config::parse("collector.toml", text).unwrap_err();
        let lines: Vec<usize> = mistakes.mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [3, 5], "{mistakes}");
    }
}
