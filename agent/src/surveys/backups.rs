//! What backups need beside a good run: that their daemons live and answer, that the repository can be reached and has room,
//! and that nobody holds its lock for hours.
//!
//! Every check of a service has its own series, so that what can't be told is left out and is never taken for well.

use super::{Findings, Host, Survey, tool::Output};
use crate::sources::{fits, space};
use std::{
    collections::HashMap,
    fs,
    net::{TcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

/// What systemd may take for an answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a daemon may take to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// A lock file of borg is shorter.
const ROSTER_BYTES_MAX: usize = 64 * 1024;

/// A service that backups of this host need; `[[backup_service]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupService {
    /// What people call it.
    pub name: String,
    /// A process of this name must run; `*` stands for any characters.
    pub process: Option<String>,
    /// This unit of systemd must be active.
    pub unit: Option<String>,
    /// `host:port` that must take connections.
    pub tcp: Option<String>,
    /// A folder that must be there; its space is told.
    pub repository: Option<PathBuf>,
    /// Whose locks the repository has: `restic` or `borg`.
    pub tool: Option<String>,
    /// A file that is there while the lock is held, such as the `lockfile` of rsnapshot.
    pub lock: Option<PathBuf>,
}

/// The survey.
#[derive(Debug)]
pub(crate) struct Backups {
    services: Vec<BackupService>,
    /// Since when each service's lock was held at every look.
    held: HashMap<String, Duration>,
}

impl Backups {
    /// Asks after these.
    pub(crate) fn new(services: Vec<BackupService>) -> Self {
        Self {
            services,
            held: HashMap::new(),
        }
    }
}

impl Survey for Backups {
    fn name(&self) -> &'static str {
        "backups"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let wants_processes = self.services.iter().any(|service| service.process.is_some());
        let processes = if wants_processes { processes(host) } else { Vec::new() };
        for service in &self.services {
            daemons(service, host, &processes, findings);
            if let Some(folder) = &service.repository {
                repository(service, &below(host, folder), findings);
            }
            if let Some(held) = lock(service, host) {
                let age = age(&mut self.held, &service.name, held, host);
                findings.count(
                    "tocsin.backup.lock.age",
                    &[("tocsin.backup.service", &service.name)],
                    age.as_secs(),
                );
            }
        }
    }
}

fn below(host: &Host, path: &Path) -> PathBuf {
    host.path(path.strip_prefix("/").unwrap_or(path))
}

fn up(service: &BackupService, check: &str, is_up: bool, findings: &mut Findings) {
    let attributes = [
        ("tocsin.backup.check", check),
        ("tocsin.backup.service", service.name.as_str()),
    ];
    findings.count("tocsin.backup.service.up", &attributes, u64::from(is_up));
}

fn daemons(service: &BackupService, host: &Host, processes: &[String], findings: &mut Findings) {
    if let Some(pattern) = &service.process {
        let runs = processes.iter().any(|name| fits(pattern, name));
        up(service, "process", runs, findings);
    }
    if let Some(unit) = &service.unit {
        // What does not answer is not known; the survey of units says why.
        if let Some(Ok(Output { status, .. })) = host.tool("systemctl", &["is-active", "--quiet", "--", unit], DEADLINE)
        {
            up(service, "unit", status == 0, findings);
        }
    }
    if let Some(address) = service.tcp.as_ref().filter(|_| host.is_live()) {
        up(service, "tcp", answers(address), findings);
    }
}

/// Whether one of the addresses of `host:port` takes a connection.
fn answers(address: &str) -> bool {
    let Ok(addresses) = address.to_socket_addrs() else {
        return false; // a name that is not found is as bad
    };
    addresses
        .take(4)
        .any(|address| TcpStream::connect_timeout(&address, CONNECT_MAX).is_ok())
}

/// Names of all processes: what the kernel calls them, and the program's file, for the kernel cuts names at 15 bytes.
fn processes(host: &Host) -> Vec<String> {
    let pids = host.entries("proc");
    let pids = pids
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let names = pids.flat_map(|pid| {
        let comm = host.text(format!("proc/{pid}/comm"));
        let line = host.text(format!("proc/{pid}/cmdline")).unwrap_or_default();
        let program = line.split('\0').next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        comm.into_iter().chain([program])
    });
    names.filter(|name| !name.is_empty()).collect()
}

fn repository(service: &BackupService, folder: &Path, findings: &mut Findings) {
    let is_there = fs::metadata(folder).is_ok_and(|found| found.is_dir());
    up(service, "repository", is_there, findings);
    let Some(space) = space::ask_kernel(folder).filter(|space| is_there && space.size > 0) else {
        return;
    };
    let service = [("tocsin.backup.service", service.name.as_str())];
    findings.count("tocsin.backup.repository.free", &service, space.available);
    // As df counts: root's reserve is nobody's.
    let used = space.size.saturating_sub(space.free);
    let total = used.saturating_add(space.available).max(1);
    #[allow(clippy::cast_precision_loss, reason = "a share has four decimals")]
    let share = used as f64 / total as f64;
    findings.value("tocsin.backup.repository.utilization", &service, share);
}

/// A lock that is held, as far as its file tells.
#[derive(Clone, Copy)]
enum Held {
    Free,
    /// And how old the lock says it is.
    By(Duration),
}

/// How a service's lock is; none when it has none that could be read.
fn lock(service: &BackupService, host: &Host) -> Option<Held> {
    if let Some(file) = &service.lock {
        return Some(oldest(&[below(host, file)], host));
    }
    let repository = below(host, service.repository.as_deref()?);
    match service.tool.as_deref()? {
        // A file for each lock, written anew every five minutes (restic's design document, "Locks").
        "restic" => {
            let locks = fs::read_dir(repository.join("locks")).ok()?;
            let files: Vec<PathBuf> = locks.flatten().map(|entry| entry.path()).collect();
            Some(oldest(&files, host))
        }
        "borg" => {
            fs::metadata(&repository).ok()?;
            let exclusive = oldest(&[repository.join("lock.exclusive")], host);
            if matches!(exclusive, Held::By(_)) {
                return Some(exclusive);
            }
            let roster = repository.join("lock.roster");
            // Lists of who shares it; they may be empty.
            let shared = fs::read(&roster).ok().filter(|text| {
                let text = text.get(..ROSTER_BYTES_MAX).unwrap_or(text);
                let lists: Option<HashMap<String, Vec<serde_json::Value>>> = serde_json::from_slice(text).ok();
                lists.is_some_and(|lists| lists.values().any(|list| !list.is_empty()))
            });
            Some(shared.map_or(Held::Free, |_| oldest(&[roster], host)))
        }
        _ => None,
    }
}

/// The lock whose file is the oldest of those that are there.
fn oldest(files: &[PathBuf], host: &Host) -> Held {
    let now = host.now.as_millis();
    let written = |file: &PathBuf| {
        let written = fs::symlink_metadata(file)
            .ok()?
            .modified()
            .ok()?
            .duration_since(UNIX_EPOCH)
            .ok()?;
        i64::try_from(written.as_millis()).ok()
    };
    match files.iter().filter_map(written).min() {
        None => Held::Free,
        Some(written) => Held::By(Duration::from_millis(u64::try_from(now - written).unwrap_or(0))),
    }
}

/// For how long a lock has been held: as its file says, or, where that is written anew, since we saw it first.
fn age(held: &mut HashMap<String, Duration>, service: &str, lock: Held, host: &Host) -> Duration {
    let Held::By(age) = lock else {
        held.remove(service);
        return Duration::ZERO;
    };
    let since = *held.entry(service.to_owned()).or_insert(host.mono);
    age.max(host.mono.saturating_sub(since))
}

#[cfg(test)]
mod tests {
    use super::{super::stand::Stand, *};
    use std::collections::BTreeMap;

    fn service(name: &str) -> BackupService {
        BackupService {
            name: name.to_owned(),
            ..BackupService::default()
        }
    }

    fn look(survey: &mut Backups, stand: &Stand) -> BTreeMap<String, f64> {
        stand.look(survey).values
    }

    fn up(check: &str, name: &str) -> String {
        format!("tocsin.backup.service.up{{tocsin.backup.check={check},tocsin.backup.service={name}}}")
    }

    fn of(metric: &str, name: &str) -> String {
        format!("tocsin.backup.{metric}{{tocsin.backup.service={name}}}")
    }

    #[test]
    fn daemons_are_known_by_process_unit_and_port() {
        let stand = Stand::new(&[
            ("proc/12/comm", "bareos-fd\n"),
            ("proc/12/cmdline", "/usr/sbin/bareos-fd\0-f\0"),
        ]);
        stand.says("systemctl is-active --quiet -- good.service", "");
        stand.prints("systemctl is-active --quiet -- bad.service", 3, "");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let mut services = vec![
            BackupService {
                process: Some("bareos-*".to_owned()),
                unit: Some("good.service".to_owned()),
                tcp: Some(open.to_string()),
                ..service("good")
            },
            BackupService {
                process: Some("veeamservice".to_owned()),
                unit: Some("bad.service".to_owned()),
                ..service("bad")
            },
        ];
        let found = look(&mut Backups::new(services.clone()), &stand);
        for check in ["process", "unit", "tcp"] {
            assert_eq!(found.get(&up(check, "good")), Some(&1.0), "{check}");
        }
        for check in ["process", "unit"] {
            assert_eq!(found.get(&up(check, "bad")), Some(&0.0), "{check}");
        }
        drop(listener);
        services.truncate(1);
        let found = look(&mut Backups::new(services), &stand);
        assert_eq!(found.get(&up("tcp", "good")), Some(&0.0));
    }

    #[test]
    fn a_repository_is_there_with_its_space_or_is_not() {
        let stand = Stand::new(&[("backup/repo/config", "")]);
        let there = BackupService {
            repository: Some("/backup/repo".into()),
            ..service("there")
        };
        let gone = BackupService {
            repository: Some("/backup/gone".into()),
            ..service("gone")
        };
        let found = look(&mut Backups::new(vec![there, gone]), &stand);
        assert_eq!(found.get(&up("repository", "there")), Some(&1.0));
        assert_eq!(found.get(&up("repository", "gone")), Some(&0.0));
        assert!(found[&of("repository.free", "there")] > 0.0);
        assert!((0.0..=1.0).contains(&found[&of("repository.utilization", "there")]));
        assert!(!found.contains_key(&of("repository.free", "gone")));
    }

    #[test]
    fn a_lock_is_as_old_as_its_file_or_as_it_has_been_seen() {
        let mut stand = Stand::new(&[
            ("restic/locks/.keep", ""),
            ("borg/lock.roster", "{\"shared\": [], \"exclusive\": []}"),
        ]);
        stand.remove("restic/locks/.keep");
        let with_repository = |name: &str| BackupService {
            repository: Some(Path::new("/").join(name)),
            tool: Some(name.to_owned()),
            ..service(name)
        };
        let rsnapshot = BackupService {
            lock: Some("/run/rsnapshot.pid".into()),
            ..service("rsnapshot")
        };
        let mut survey = Backups::new(vec![with_repository("restic"), with_repository("borg"), rsnapshot]);
        let found = look(&mut survey, &stand);
        for name in ["restic", "borg", "rsnapshot"] {
            assert_eq!(found.get(&of("lock.age", name)), Some(&0.0), "{name}");
        }
        stand.write("restic/locks/a1", "x");
        stand.write("borg/lock.roster", "{\"shared\": [[\"db1\", 12, 0]]}");
        stand.write("borg/lock.exclusive/db1.12-0", "");
        stand.write("run/rsnapshot.pid", "12");
        let first = look(&mut survey, &stand);
        stand.pass(Duration::from_secs(7_200));
        let second = look(&mut survey, &stand);
        for name in ["restic", "borg", "rsnapshot"] {
            let (first, second) = (first[&of("lock.age", name)], second[&of("lock.age", name)]);
            assert!(first < 7_200.0 && second >= 7_200.0, "{name}: {first} {second}");
        }
        stand.remove("restic/locks/a1");
        assert_eq!(look(&mut survey, &stand).get(&of("lock.age", "restic")), Some(&0.0));
    }
}
