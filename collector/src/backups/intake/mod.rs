//! Results that appliances send: syslog, SNMP traps, mails, exports. What they say is judged by an adapter or a definition,
//! and becomes runs of a host's jobs.
//!
//! ```text
//! syslog, traps ─▶ allow-list ─▶ queue ─▶ ┐
//! maildir ───────────────────────────────▶├─ adapter ─▶ runs ─▶ as those of agents
//! folder ────────────────────────────────▶┘
//! ```
//!
//! A datagram that nobody could keep is lost: the appliance does not say it again. A mail or file stays where it is until its
//! runs are in the ledger. The same run told twice, by two exports or after a restart, has the same number and is one run.
//!
//! * [`config`] — `[backup_intake]`,
//! * `syslog` — the listeners, `trap` — SNMP as text, `usm` — who sent a trap of version 3,
//! * `looking`, `mail`, `folder` — what lies in files,
//! * `taking` — from readings to runs,
//! * `stand` — what came of each source, for people who set one up.

pub mod config;
mod folder;
mod looking;
mod mail;
mod stand;
mod syslog;
mod taking;
mod trap;
mod usm;

#[cfg(test)]
mod tests;

pub(super) use stand::Stands;

use super::Backups;
use anyhow::Context as _;
use config::{IntakeConfig, SourceConfig};
use encoding_rs::{Encoding, UTF_8};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_adapters::{Adapter, Definition, Judge, examples};
use tocsin_rules::Glob;
use tocsin_vocabulary::Timestamp;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use trap::Trap;
use usm::{Refused, User, UserConfig};

/// Messages that wait to be judged; a connection waits for room, a datagram beyond is dropped and counted.
const WAITING_MAX: usize = 1_024;
/// After a ledger that can't be written.
const RETRY: Duration = Duration::from_secs(5);
/// Messages before the one that ends a job: of its tasks.
const CONTEXT_MAX: usize = 500;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Syslog,
    Trap,
}

/// One source, ready to judge.
struct Source {
    config: SourceConfig,
    networks: Vec<IpNet>,
    judge: Judge,
    zone: TimeZone,
    encoding: &'static Encoding,
    files: Glob,
    /// Whose traps of SNMP version 3 are taken, and no others.
    user: Option<User>,
    /// Messages that end no run, and tell more of the next that does.
    context: Mutex<VecDeque<String>>,
}

impl Source {
    fn new(config: SourceConfig) -> anyhow::Result<Self> {
        let judge = judge(&config).with_context(|| format!("backup_intake.source `{}`", config.name))?;
        if !config.from.is_empty() && !judge.finds_runs() {
            anyhow::bail!(
                "backup_intake.source `{}` judges single messages: its definition needs `record`",
                config.name
            );
        }
        let zone = config.zone.as_deref().map(TimeZone::get).transpose()?;
        let label = config.encoding.as_deref().map(str::as_bytes);
        Ok(Self {
            networks: config.networks(),
            judge,
            zone: zone.unwrap_or_else(TimeZone::system),
            encoding: label.and_then(Encoding::for_label).unwrap_or(UTF_8),
            user: config
                .snmp_v3
                .as_ref()
                .map(|user| user_of(&config.name, user))
                .transpose()?,
            files: Glob::new(if config.files.is_empty() { "*" } else { &config.files }),
            context: Mutex::default(),
            config,
        })
    }

    fn decode(&self, bytes: &[u8]) -> String {
        self.encoding.decode(bytes).0.into_owned()
    }

    fn sends_from(&self, sender: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&sender))
    }

    /// A trap as a line: `plain` where it is of version 1 or 2c, else what `message` says in version 3.
    fn trap_line(&self, plain: Option<&Trap<'_>>, message: &[u8], at: Timestamp) -> Result<String, Refused> {
        match (plain, &self.user) {
            (Some(trap), None) => {
                let community = self.config.community.as_bytes();
                if !community.is_empty() && community != trap.community {
                    return Err(Refused::Community);
                }
                Ok(trap.line(|bytes| self.decode(bytes)))
            }
            (Some(_), Some(_)) => Err(Refused::Unproven),
            (None, None) => Err(Refused::Third),
            (None, Some(user)) => {
                let said = user.open(message, at)?;
                let trap = trap::of_scoped(&said).ok_or(Refused::Malformed)?;
                Ok(trap.line(|bytes| self.decode(bytes)))
            }
        }
    }

    /// A message behind those that tell more of it. Only Veeam spreads a run over several.
    fn in_context(&self, text: String) -> String {
        if !matches!(self.judge, Judge::Tool(Adapter::Veeam)) {
            return text;
        }
        let ends_a_run = !self
            .judge
            .runs(&taking::output(&text, &self.zone, Timestamp::default()))
            .is_empty();
        let mut context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        if ends_a_run {
            let all: Vec<&str> = context.iter().map(String::as_str).chain([text.as_str()]).collect();
            return all.join("\n");
        }
        context.push_back(text);
        if context.len() > CONTEXT_MAX {
            context.pop_front();
        }
        String::new()
    }
}

/// A user with the passwords of its files.
fn user_of(source: &str, config: &UserConfig) -> anyhow::Result<User> {
    let read = |file: &Path| {
        let read = || {
            format!(
                "backup_intake.source `{source}`: cannot read password file {}",
                file.display()
            )
        };
        let text = std::fs::read_to_string(file).with_context(read)?;
        let password = text.trim_end_matches(['\r', '\n']).to_owned();
        if password.len() < usm::PASSWORD_BYTES_MIN {
            anyhow::bail!(
                "backup_intake.source `{source}`: the password in {} is too short, SNMP asks for at least {} characters",
                file.display(),
                usm::PASSWORD_BYTES_MIN
            );
        }
        Ok(password)
    };
    let privacy = config.privacy_password_file.as_deref().map(read).transpose()?;
    let password = read(&config.auth_password_file)?;
    Ok(User::new(&config.user, config.auth, &password, privacy.as_deref()))
}

fn judge(config: &SourceConfig) -> anyhow::Result<Judge> {
    if let Some(name) = &config.adapter {
        let adapter = <Adapter as clap::ValueEnum>::from_str(name, true).map_err(anyhow::Error::msg)?;
        return Ok(Judge::Tool(adapter));
    }
    let name = config.definition.as_deref().unwrap_or_default();
    let text = match examples::named(name) {
        Some(example) => example.toml.to_owned(),
        None => std::fs::read_to_string(name).with_context(|| format!("cannot read definition {name}"))?,
    };
    let definition = Definition::parse(&text).with_context(|| format!("cannot use definition {name}"))?;
    Ok(Judge::Defined(Arc::new(definition)))
}

/// Reads every definition that a configuration names.
///
/// # Errors
/// When one can't be read or used.
pub(crate) fn check(config: &IntakeConfig) -> anyhow::Result<()> {
    sources(config).map(drop)
}

fn sources(config: &IntakeConfig) -> anyhow::Result<Vec<Arc<Source>>> {
    let sources = config.sources.iter().cloned();
    sources.map(|source| Source::new(source).map(Arc::new)).collect()
}

/// A message of a source.
struct Message {
    source: Arc<Source>,
    text: String,
    at: Timestamp,
}

/// Where messages come in.
pub(super) struct Intake {
    backups: Arc<Backups>,
    sources: Vec<Arc<Source>>,
    queue: mpsc::Sender<Message>,
}

impl Intake {
    fn knows(&self, sender: IpAddr) -> bool {
        self.sources
            .iter()
            .any(|source| source.sends_from(sender.to_canonical()))
    }

    /// Comes back when a message has room to wait.
    async fn room(&self) {
        // An error means that the collector ends.
        drop(self.queue.reserve().await);
    }

    /// Takes a message; answers what is to be sent back.
    fn heard(&self, way: Way, sender: IpAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        let sender = sender.to_canonical();
        let stands = &self.backups.intake;
        let at = (self.backups.clock)();
        if !self.knows(sender) {
            stands.refused(sender, at);
            return None;
        }
        let trap = match way {
            Way::Trap if !usm::is_third(bytes) => match trap::read(bytes) {
                Some(trap) => Some(trap),
                None => {
                    stands.unreadable(sender, at);
                    return None;
                }
            },
            Way::Trap | Way::Syslog => None,
        };
        let mut wanted = false;
        for source in self.sources.iter().filter(|source| source.sends_from(sender)) {
            let text = match way {
                Way::Syslog => {
                    let text = source.decode(bytes);
                    syslog::without_priority(text.trim_start_matches('\u{FEFF}').trim()).to_owned()
                }
                Way::Trap => match source.trap_line(trap.as_ref(), bytes, at) {
                    Ok(line) => line,
                    Err(why) => {
                        stands.not_taken(&source.config.name, sender, why, at);
                        continue;
                    }
                },
            };
            wanted = true;
            stands.came(&source.config.name, &text, at);
            let message = Message {
                source: source.clone(),
                text,
                at,
            };
            if self.queue.try_send(message).is_err() {
                stands.dropped(&source.config.name);
            }
        }
        trap.filter(|_| wanted)?.answer
    }
}

/// A configuration's listeners and folders, ready to begin.
pub(crate) struct Ready {
    sources: Vec<Arc<Source>>,
    datagrams: Vec<(Way, std::net::UdpSocket)>,
    connections: Option<std::net::TcpListener>,
}

/// Takes the ports that a configuration names, so that a start fails where one is taken.
///
/// # Errors
/// When a port can't be had, or a definition can't be used.
pub(crate) fn ready(config: &IntakeConfig) -> anyhow::Result<Ready> {
    let udp = |way: Way, address: Option<SocketAddr>| {
        address.map(|address| Ok((way, unblocked(std::net::UdpSocket::bind(address), "udp", address)?)))
    };
    let datagrams = [udp(Way::Syslog, config.syslog_udp), udp(Way::Trap, config.snmp_trap)];
    let connections = config.syslog_tcp.map(|address| {
        let bound = std::net::TcpListener::bind(address).with_context(|| refused("tcp", address))?;
        bound.set_nonblocking(true)?;
        anyhow::Ok(bound)
    });
    Ok(Ready {
        sources: sources(config)?,
        datagrams: datagrams.into_iter().flatten().collect::<anyhow::Result<_>>()?,
        connections: connections.transpose()?,
    })
}

fn unblocked(
    bound: io::Result<std::net::UdpSocket>,
    kind: &str,
    address: SocketAddr,
) -> anyhow::Result<std::net::UdpSocket> {
    let socket = bound.with_context(|| refused(kind, address))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn refused(kind: &str, address: SocketAddr) -> String {
    format!("cannot listen on {kind} {address} for backup_intake: is it taken, or below 1024 without the right to it?")
}

/// Takes in until cancelled.
///
/// # Errors
/// When a socket can't be watched.
pub(crate) fn begin(
    ready: Ready,
    backups: &Arc<Backups>,
    cancel: &CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let (queue, messages) = mpsc::channel(WAITING_MAX);
    for source in &ready.sources {
        backups
            .intake
            .add(&source.config.name, source.judge.name(), &source.config.host);
    }
    let intake = Arc::new(Intake {
        backups: backups.clone(),
        sources: ready.sources.clone(),
        queue,
    });
    let mut tasks = tokio::task::JoinSet::new();
    for (way, socket) in ready.datagrams {
        let socket = UdpSocket::from_std(socket)?;
        backups.intake.listens(way, socket.local_addr()?);
        tasks.spawn(syslog::datagrams(way, socket, intake.clone(), cancel.clone()));
    }
    if let Some(listener) = ready.connections {
        let listener = TcpListener::from_std(listener)?;
        backups.intake.listens(Way::Syslog, listener.local_addr()?);
        tasks.spawn(syslog::connections(listener, intake.clone(), cancel.clone()));
    }
    tasks.spawn(judge_messages(backups.clone(), messages, cancel.clone()));
    for source in ready.sources.into_iter().filter(|source| source.config.from.is_empty()) {
        tasks.spawn(looking::look_again(backups.clone(), source, cancel.clone()));
    }
    // All of them end when they are cancelled, or one has died and takes the others along.
    Ok(async move {
        let _intake = intake;
        tasks.join_next().await;
        tasks.shutdown().await;
    })
}

async fn judge_messages(backups: Arc<Backups>, mut messages: mpsc::Receiver<Message>, cancel: CancellationToken) {
    loop {
        let message = tokio::select! {
            () = cancel.cancelled() => return,
            message = messages.recv() => message,
        };
        let Some(Message { source, text, at }) = message else {
            return;
        };
        let text = source.in_context(text);
        let told = taking::Told {
            text: &text,
            at,
            id: "",
        };
        while let Err(error) = backups.take_in(&source, &told).await {
            backups
                .intake
                .failed(&source.config.name, &error.to_string(), (backups.clock)());
            if !error.may_pass() {
                break;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}
