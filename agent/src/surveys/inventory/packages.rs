//! Packages that are installed, and updates that wait.

use super::{Host, apt, changed};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    time::{Duration, SystemTime},
};

const DPKG_STATUS: &str = "var/lib/dpkg/status";
/// Most bytes of dpkg's status that are read: 20 000 packages have about 40 MB.
const DPKG_BYTES_MAX: u64 = 64 << 20;
/// Where rpm keeps its database, newest kind first.
const RPM_DATABASES: [&str; 5] = [
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
];
const RPM_DEADLINE: Duration = Duration::from_secs(40);
const RPM_FORMAT: &str = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n";
const UPDATES_DEADLINE: Duration = Duration::from_secs(35);
/// Lists of what could be installed that are older than this tell nothing about today.
const LISTS_AGE_MAX: Duration = Duration::from_secs(14 * 86_400);
/// Most names of pending updates that are told.
const NAMES_MAX: usize = 2_000;
/// What `dnf` may need with large repositories.
const DNF_BYTES: u64 = 512 << 20;
/// `dnf check-update` ends so when updates wait (dnf(8)).
const DNF_WAITING: i32 = 100;

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) arch: String,
}

/// Packages as they were when the database behind them changed last.
#[derive(Debug, Default)]
pub(super) struct Packages {
    of: Option<SystemTime>,
    found: Vec<Package>,
}

impl Packages {
    /// What is installed, by name; nothing where no package manager is known.
    pub(super) fn look(&mut self, host: &Host) -> &[Package] {
        let (at, dpkg) = match changed(host, DPKG_STATUS) {
            Some(at) => (Some(at), true),
            None => (rpm_changed(host), false),
        };
        if at.is_none() || at == self.of {
            return &self.found;
        }
        let found = if dpkg { dpkg_packages(host) } else { rpm_packages(host) };
        if let Some(mut found) = found {
            found.sort_unstable();
            found.dedup();
            (self.found, self.of) = (found, at);
        }
        &self.found
    }
}

fn rpm_changed(host: &Host) -> Option<SystemTime> {
    RPM_DATABASES.iter().find_map(|path| changed(host, path))
}

fn dpkg_packages(host: &Host) -> Option<Vec<Package>> {
    let file = File::open(host.path(DPKG_STATUS)).ok()?;
    let mut reader = BufReader::new(file.take(DPKG_BYTES_MAX));
    let (mut packages, mut entry, mut line) = (Vec::new(), Entry::default(), Vec::new());
    loop {
        line.clear();
        let ended = reader.read_until(b'\n', &mut line).ok()? == 0;
        let text = String::from_utf8_lossy(&line);
        if ended || text.trim_end().is_empty() {
            packages.extend(std::mem::take(&mut entry).package());
        } else {
            entry.take(text.trim_end());
        }
        if ended {
            return Some(packages);
        }
    }
}

/// A paragraph of dpkg's status file.
#[derive(Debug, Default)]
struct Entry {
    name: String,
    version: String,
    arch: String,
    installed: bool,
}

impl Entry {
    fn take(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(": ") else {
            return;
        };
        match key {
            "Package" => value.clone_into(&mut self.name),
            "Version" => value.clone_into(&mut self.version),
            "Architecture" => value.clone_into(&mut self.arch),
            "Status" => self.installed = value.ends_with(" installed"),
            _ => {}
        }
    }

    fn package(self) -> Option<Package> {
        (self.installed && !self.name.is_empty()).then_some(Package {
            name: self.name,
            version: self.version,
            arch: self.arch,
        })
    }
}

fn rpm_packages(host: &Host) -> Option<Vec<Package>> {
    let output = host
        .tool("rpm", &["-qa", "--queryformat", RPM_FORMAT], RPM_DEADLINE)?
        .ok()?;
    if output.status != 0 {
        return None;
    }
    let text = String::from_utf8_lossy(&output.out);
    Some(text.lines().filter_map(rpm_line).collect())
}

fn rpm_line(line: &str) -> Option<Package> {
    let mut fields = line.split('\t');
    let (name, version, arch) = (fields.next()?, fields.next()?, fields.next()?);
    let version = version.strip_prefix("0:").unwrap_or(version);
    // Keys of signers are kept like packages.
    (!name.is_empty() && name != "gpg-pubkey").then(|| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        arch: arch.to_owned(),
    })
}

/// Updates that wait, as far as the host itself knows.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Pending {
    pub(super) pending: u64,
    /// Absent when the host can't tell them from the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) security: Option<u64>,
    packages: Vec<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Waiting {
    pub(super) name: String,
    pub(super) version: String,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) security: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Updates as they were when what they are made from changed last.
#[derive(Debug, Default)]
pub(super) struct Updates {
    of: Option<(Option<SystemTime>, Option<SystemTime>)>,
    found: Option<Pending>,
}

impl Updates {
    /// What waits; `None` when nobody knows: no package manager, no lists, or lists of long ago.
    pub(super) fn look(&mut self, host: &Host, installed: &[Package]) -> Option<&Pending> {
        let lists = apt::lists_at(host);
        let of = (changed(host, DPKG_STATUS).or_else(|| rpm_changed(host)), lists);
        // Lists of dnf change without a trace that we know: they are asked each time.
        if self.of.as_ref() != Some(&of) || lists.is_none() {
            self.found = match lists {
                Some(_) => apt::waiting(host, installed),
                None => dnf(host),
            };
            self.of = Some(of);
        }
        let aged = lists.is_some_and(|at| !is_recent(at, host));
        self.found.as_ref().filter(|_| !aged)
    }
}

fn is_recent(at: SystemTime, host: &Host) -> bool {
    let millis = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let at = tocsin_vocabulary::Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    host.now.since(at) <= LISTS_AGE_MAX
}

/// `dnf`, or `yum` of old, from what it has brought before: nothing is fetched.
fn dnf(host: &Host) -> Option<Pending> {
    rpm_changed(host)?;
    if !has_room(host) {
        return None;
    }
    let (tool, answer) = ["dnf", "yum"].iter().find_map(|tool| {
        let answer = host.tool(tool, &["-q", "-C", "check-update"], UPDATES_DEADLINE)?;
        Some((*tool, answer))
    })?;
    let output = answer.ok()?;
    if output.status != 0 && output.status != DNF_WAITING {
        return None;
    }
    let security = host
        .tool(tool, &["-q", "-C", "updateinfo", "list", "security"], UPDATES_DEADLINE)
        .and_then(Result::ok)
        .filter(|output| output.status == 0)
        .map(|output| advised(&String::from_utf8_lossy(&output.out)));
    Some(dnf_pending(&String::from_utf8_lossy(&output.out), security.as_ref()))
}

/// Whether the agent's own memory limit leaves room for a package manager: a child that is killed for lack of it may
/// take the agent along.
fn has_room(host: &Host) -> bool {
    let groups = host.text("proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.trim_start_matches('/');
        match controllers {
            "" => host.number(format!("sys/fs/cgroup/{path}/memory.max")),
            "memory" => host.number(format!("sys/fs/cgroup/memory/{path}/memory.limit_in_bytes")),
            _ => None,
        }
    });
    limits.min().is_none_or(|limit| limit >= DNF_BYTES)
}

/// Names with version that a security advisory names: the last field of each line.
fn advised(text: &str) -> BTreeSet<String> {
    let advisory = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.len() >= 3).then(|| fields[fields.len() - 1].to_owned())
    };
    text.lines().filter_map(advisory).collect()
}

/// `name.arch version repository`, a line each, until what would be replaced.
fn dnf_pending(text: &str, advised: Option<&BTreeSet<String>>) -> Pending {
    let lines = text.lines().take_while(|line| !line.starts_with("Obsoleting"));
    let mut newest: BTreeMap<String, Waiting> = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[name, version, _] = fields.as_slice() else {
            continue;
        };
        let Some((name, arch)) = name.rsplit_once('.') else {
            continue;
        };
        let bare = version.split_once(':').map_or(version, |(_, bare)| bare);
        let whole = format!("{name}-{bare}.{arch}");
        newest.insert(
            format!("{name}.{arch}"),
            Waiting {
                name: name.to_owned(),
                version: version.to_owned(),
                security: advised.is_some_and(|advised| advised.contains(&whole)),
            },
        );
    }
    let waiting: Vec<Waiting> = newest.into_values().collect();
    let security = waiting.iter().filter(|waiting| waiting.security).count() as u64;
    pending(waiting, advised.map(|_| security))
}

pub(super) fn pending(mut waiting: Vec<Waiting>, security: Option<u64>) -> Pending {
    let count = waiting.len() as u64;
    waiting.sort_by(|a, b| (!a.security, &a.name).cmp(&(!b.security, &b.name)));
    waiting.truncate(NAMES_MAX);
    Pending {
        pending: count,
        security,
        packages: waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn updates_of_dnf_count_each_package_once_and_security_only_where_it_is_known() {
        let text = "\nkernel.x86_64   5.10.0-200.oe2203   update\nbash.x86_64  1:5.1.8-6  base\nObsoleting Packages\nx.noarch 1 y\n";
        let advised = advised("openEuler-SA-2024-1 Important/Sec. kernel-5.10.0-200.oe2203.x86_64\n");
        let found = dnf_pending(text, Some(&advised));
        assert_eq!((found.pending, found.security), (2, Some(1)));
        assert_eq!(dnf_pending(text, None).security, None);
    }

    #[test]
    fn a_paragraph_of_dpkg_is_a_package_when_it_is_installed() {
        let mut entry = Entry::default();
        for line in [
            "Package: bash",
            "Status: install ok installed",
            "Version: 5.2",
            "Architecture: amd64",
            " more",
        ] {
            entry.take(line);
        }
        assert_eq!(entry.package().unwrap().version, "5.2");
        let mut gone = Entry::default();
        gone.take("Package: old");
        gone.take("Status: deinstall ok config-files");
        assert!(gone.package().is_none());
        assert!(rpm_line("gpg-pubkey\t0:1-1\t(none)").is_none());
        assert_eq!(rpm_line("bash\t0:5.1-2\tx86_64").unwrap().version, "5.1-2");
    }

    #[test]
    fn any_output_is_survived() {
        bolero::check!().with_type::<String>().for_each(timed(|text: &String| {
            let _ = dnf_pending(text, Some(&advised(text)));
            let _ = rpm_line(text);
        }));
    }
}
