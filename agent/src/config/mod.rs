//! The agent's configuration, `/etc/tocsin/agent.toml`: what it may say, its defaults, and everything that is wrong
//! with it at once.

mod backups;
mod files;
mod logs;
mod probes;
mod processes;
mod read;

pub use crate::watched::FilesConfig;
pub use read::Mistake;

use crate::{
    backup::files::BackupFile,
    logs::LogsConfig,
    probes::Probe,
    sources::{ProcessGroup, SamplerConfig},
    surveys::{self, SurveysConfig},
};
use read::{Mistakes, Table};
use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_vocabulary::time::parse_duration;
use toml::de::DeTable;

/// Where the configuration is, unless `--config` says otherwise.
pub const CONFIG_FILE: &str = "/etc/tocsin/agent.toml";
/// Where the agent keeps identity, spool and status, unless `--state-dir` or `TOCSIN_STATE_DIR` says otherwise.
pub const STATE_DIR: &str = "/var/lib/tocsin/agent";
/// Shortest time between ticks.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Longest time between ticks.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// A file larger than this is not a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Smallest spool: a few segments.
const SPOOL_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Everything that an administrator of the host may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port` of the collectors' agents' listeners; empty: those received at enrolment.
    pub collectors: Vec<String>,
    /// Time between ticks.
    pub interval: Duration,
    /// CPU times of each core besides their sum.
    pub per_core: bool,
    /// Least severity of what is logged.
    pub log: LogLevel,
    /// Bound of the spool on disk, in bytes.
    pub spool_bytes: u64,
    /// Mount points that are not watched; `*` stands for any characters.
    pub mounts_exclude: Vec<String>,
    /// Network interfaces that are not watched; `*` stands for any characters.
    pub interfaces_exclude: Vec<String>,
    /// Block devices that are not watched; `*` stands for any characters.
    pub disks_exclude: Vec<String>,
    /// What is looked at less often than on every tick.
    pub surveys: SurveysConfig,
    /// Sets of processes that must run.
    pub processes: Vec<ProcessGroup>,
    /// Which configuration files are watched.
    pub files: FilesConfig,
    /// Whether a diagnostic snapshot is taken when the duty team asks for one.
    pub diagnosis: bool,
    /// Which logs are watched, and for what.
    pub logs: LogsConfig,
    /// What this host asks of others over the network.
    pub probes: Vec<Probe>,
    /// Backup jobs that this host declares, each as the attributes of an event.
    pub backups: Vec<BTreeMap<String, String>>,
    /// Files to which something else writes results of backups.
    pub backup_files: Vec<BackupFile>,
}

/// Least severity of what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what fails.
    Error,
    /// And what may fail.
    Warn,
    /// And what happens.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    const ALL: [(Self, &str); 5] = [
        (Self::Error, "error"),
        (Self::Warn, "warn"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
        (Self::Trace, "trace"),
    ];

    /// The same for `tracing`.
    #[must_use]
    pub const fn filter(self) -> tracing::level_filters::LevelFilter {
        use tracing::level_filters::LevelFilter;
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let sampler = SamplerConfig::default();
        Self {
            collectors: Vec::new(),
            interval: Duration::from_secs(10),
            per_core: false,
            log: LogLevel::Info,
            spool_bytes: 64 * 1024 * 1024,
            mounts_exclude: sampler.exclude_mounts,
            interfaces_exclude: sampler.exclude_interfaces,
            disks_exclude: sampler.exclude_disks,
            surveys: sampler.surveys,
            processes: Vec::new(),
            files: FilesConfig::default(),
            diagnosis: true,
            logs: LogsConfig::default(),
            probes: Vec::new(),
            backups: Vec::new(),
            backup_files: Vec::new(),
        }
    }
}

/// A configuration that cannot be used, with all its mistakes; `Display` puts each on a line of its own.
#[derive(Debug)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, at least one thing.
    pub mistakes: Vec<Mistake>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {mistake}", self.path.display())?;
        }
        Ok(())
    }
}

impl Config {
    /// What the sampler needs of it, for the host below `root`.
    #[must_use]
    pub fn sampler(&self, root: &Path) -> SamplerConfig {
        SamplerConfig {
            root: root.to_owned(),
            per_core: self.per_core,
            process_groups: self.processes.clone(),
            exclude_mounts: self.mounts_exclude.clone(),
            exclude_interfaces: self.interfaces_exclude.clone(),
            exclude_disks: self.disks_exclude.clone(),
            surveys: SurveysConfig {
                exclude_interfaces: self.interfaces_exclude.clone(),
                ..self.surveys.clone()
            },
            ..SamplerConfig::default()
        }
    }

    /// Reads a file. A missing file is a mistake too: see [`Config::load_or_default`].
    ///
    /// # Errors
    /// With every mistake that the file has.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_file(path).map_err(|error| ConfigError {
            path: path.to_owned(),
            mistakes: vec![Mistake {
                line: 0,
                problem: format!("cannot read the configuration: {error}"),
                hint: "`tocsin-agent run --print-config` prints one to begin with".to_owned(),
            }],
        })?;
        Self::parse(&text).map_err(|mistakes| ConfigError {
            path: path.to_owned(),
            mistakes,
        })
    }

    /// As [`Config::load`], but a file that does not exist means the defaults.
    ///
    /// # Errors
    /// With every mistake that the file has.
    pub fn load_or_default(path: &Path) -> Result<Self, ConfigError> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            _ => Self::load(path),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// With every mistake, ordered by line.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Mistakes::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            mistakes.add(&error.span().unwrap_or(0..0), error.message(), "this is not TOML");
        }
        let mut table = Table::new("", document, &mut mistakes);
        let config = read_config(&mut table);
        table.finish();
        if mistakes.list.is_empty() {
            return Ok(config);
        }
        mistakes.list.sort_by_key(|mistake| mistake.line);
        Err(mistakes.list)
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}

fn read_config(table: &mut Table<'_, '_, '_>) -> Config {
    let default = Config::default();
    let units = table.table("units", |units| units.texts("watch", logs::check_unit));
    let backup_services = backups::read_services(table);
    let interval_hint = "from 1s to 60s";
    Config {
        collectors: table.texts("collectors", check_address).unwrap_or(default.collectors),
        interval: table
            .parsed("interval", interval_hint, read_interval)
            .unwrap_or(default.interval),
        per_core: table.boolean("per_core", default.per_core),
        log: table.parsed("log", "", read_level).unwrap_or(default.log),
        spool_bytes: table.table("spool", |spool| {
            spool
                .parsed("size", "such as 64MiB or 2GiB", read_bytes)
                .unwrap_or(default.spool_bytes)
        }),
        mounts_exclude: table.table("mounts", |mounts| {
            mounts.texts("exclude", check_filled).unwrap_or(default.mounts_exclude)
        }),
        interfaces_exclude: table.table("interfaces", |own| {
            own.texts("exclude", check_filled).unwrap_or(default.interfaces_exclude)
        }),
        disks_exclude: table.table("disks", |disks| {
            disks.texts("exclude", check_filled).unwrap_or(default.disks_exclude)
        }),
        surveys: table.table("surveys", |surveys| SurveysConfig {
            off: surveys.texts("off", check_survey).unwrap_or(default.surveys.off),
            units: units.unwrap_or(default.surveys.units),
            backup_services,
            ..SurveysConfig::default()
        }),
        processes: processes::read_groups(table),
        logs: logs::read_logs(table),
        probes: probes::read_probes(table),
        backups: backups::read_jobs(table),
        backup_files: backups::read_files(table),
        files: files::read_files(table),
        diagnosis: table.boolean("diagnosis", default.diagnosis),
    }
}

fn check_address(text: &str) -> Result<(), (String, String)> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(port)) if port > 0 => Ok(()),
        _ => Err((
            format!("`{text}` is not host:port"),
            "such as 10.0.0.5:7443 or [fd00::5]:7443".to_owned(),
        )),
    }
}

fn check_survey(text: &str) -> Result<(), (String, String)> {
    let names = surveys::names();
    if names.contains(&text) {
        return Ok(());
    }
    Err((
        format!("there is no survey `{text}`"),
        format!("one of {}", names.join(", ")),
    ))
}

fn check_filled(text: &str) -> Result<(), (String, String)> {
    read_filled(text)
        .map(drop)
        .map_err(|problem| (problem.to_owned(), "remove it or fill it in".to_owned()))
}

fn read_filled(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.len() > 256 {
        Err("it is longer than 256 bytes")
    } else if text.chars().any(char::is_control) {
        Err("it holds a control character")
    } else {
        Ok(text.to_owned())
    }
}

fn read_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        Ok(interval)
    } else {
        Err(format!("`{text}` is out of bounds"))
    }
}

fn read_level(text: &str) -> Result<LogLevel, String> {
    let known = LogLevel::ALL.iter().find(|(_, word)| *word == text);
    known.map(|(level, _)| *level).ok_or_else(|| {
        let words: Vec<&str> = LogLevel::ALL.iter().map(|(_, word)| *word).collect();
        format!("`{text}` is not a level: expected one of {}", words.join(", "))
    })
}

/// Reads `64MiB`, `2GiB`: what a spool may have.
fn read_bytes(text: &str) -> Result<u64, String> {
    match read_size(text)? {
        bytes if bytes < SPOOL_BYTES_MIN => Err(format!("`{text}` is less than 4MiB")),
        bytes => Ok(bytes),
    }
}

/// Reads `500KiB`, `64MiB`, `2GiB`, `1TiB`.
fn read_size(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let shift = match unit.trim_start() {
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        "TiB" => Some(40),
        _ => None,
    };
    let bytes = number
        .parse::<u64>()
        .ok()
        .zip(shift)
        .and_then(|(number, shift)| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| format!("`{text}` is not a size"))
}

/// The configuration that a new host begins with: every setting with its default, as comments.
pub const PRINTED: &str = include_str!("default.toml");

#[cfg(test)]
mod tests;
