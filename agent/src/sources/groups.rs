//! Named process groups: sets of processes that must run, told by name, command line, user, unit and cgroup.

use super::{
    HostEvent,
    bytes::{fits, text},
    cgroup,
    columns::Columns,
    cpu::KERNEL_TICKS_PER_SECOND,
    process_stat::{NAME_BYTES_MAX, page_bytes, parse_status_user},
    walk::{Process, ProcessFolder},
};
use std::path::Path;
use tocsin_vocabulary::Severity;

/// Most groups of one host.
pub const PROCESS_GROUPS_MAX: usize = 64;

/// A younger process may still become another program (fork, then exec), so it is looked at again.
const SETTLED_AFTER_TICKS: u64 = 2 * KERNEL_TICKS_PER_SECOND;

/// Of a group with more processes than this, open files are not counted.
const FILES_PROCESSES_MAX: u64 = 256;
/// Of a process with more open files than this, they are not counted where counting means listing.
const FILES_LISTED_MAX: u64 = 20_000;

/// A set of processes that are watched under one name. All conditions that are given must hold; with none, nothing
/// belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessGroup {
    /// What the group is called.
    pub name: String,
    /// The process's own name, exactly; beyond 15 bytes, which is all that the kernel keeps, the program's file name.
    pub process: Option<String>,
    /// A part of the command line, arguments joined by spaces.
    pub command: Option<String>,
    /// The user it runs as: name or number.
    pub user: Option<String>,
    /// The unit of systemd that it belongs to; `*` stands for any characters.
    pub unit: Option<String>,
    /// The path of one of its cgroups; `*` stands for any characters.
    pub cgroup: Option<String>,
}

impl ProcessGroup {
    fn accepts_name(&self, name: &[u8]) -> bool {
        self.process.as_ref().is_none_or(|wanted| {
            let wanted = wanted.as_bytes();
            name == &wanted[..wanted.len().min(NAME_BYTES_MAX)]
        })
    }

    fn needs_command(&self) -> bool {
        self.command.is_some()
            || self
                .process
                .as_ref()
                .is_some_and(|wanted| wanted.len() > NAME_BYTES_MAX)
    }

    /// `command`: arguments, each ended by a zero byte.
    fn accepts_command(&self, command: &[u8]) -> bool {
        let joined = || {
            command
                .iter()
                .map(|byte| if *byte == 0 { b' ' } else { *byte })
                .collect::<Vec<_>>()
        };
        let long_name = self.process.as_ref().is_none_or(|wanted| {
            let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
            wanted.len() <= NAME_BYTES_MAX || program.rsplit(|byte| *byte == b'/').next() == Some(wanted.as_bytes())
        });
        long_name
            && self
                .command
                .as_ref()
                .is_none_or(|part| contains(&joined(), part.as_bytes()))
    }

    fn has_condition(&self) -> bool {
        let Self {
            process,
            command,
            user,
            unit,
            cgroup,
            ..
        } = self;
        [process, command, user, unit, cgroup]
            .iter()
            .any(|condition| condition.is_some())
    }

    /// `place`: what the kernel says of the process's cgroups.
    fn accepts_place(&self, place: &[u8]) -> bool {
        let unit = || cgroup::unit(place).unwrap_or_default();
        self.unit.as_ref().is_none_or(|wanted| fits(wanted, unit()))
            && self.cgroup.as_ref().is_none_or(|wanted| cgroup::is_in(place, wanted))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// What the living processes of a group amount to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    cpu_ticks: u64,
    pages: u64,
    threads: u64,
    youngest_ticks: u64,
    oldest_ticks: u64,
}

/// What is known of a group beyond the sums of a tick.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    /// Processes that came when the group had been there.
    restarts: u64,
    /// Whether it was ever there.
    was_there: bool,
    /// Open files, when they were last counted; absent when one process did not show them.
    files: Option<u64>,
}

/// Tells which processes belong to which group, and what groups amount to.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Vec<(ProcessGroup, Option<u32>)>,
    sums: Vec<Sum>,
    courses: Vec<Course>,
    seen: bool,
    page_bytes: u64,
}

impl Groups {
    /// Groups beyond [`PROCESS_GROUPS_MAX`] are left out. `passwd` names users.
    pub(crate) fn new(groups: Vec<ProcessGroup>, root: &Path) -> Self {
        let passwd = std::fs::read(root.join("etc/passwd")).unwrap_or_default();
        let groups: Vec<_> = groups
            .into_iter()
            .take(PROCESS_GROUPS_MAX)
            .map(|group| {
                let user = group
                    .user
                    .as_ref()
                    .and_then(|user| user.parse().ok().or_else(|| user_number(&passwd, user)));
                (group, user)
            })
            .collect();
        let page_bytes = page_bytes();
        Self {
            sums: vec![Sum::default(); groups.len()],
            courses: vec![Course::default(); groups.len()],
            groups,
            seen: false,
            page_bytes,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Sets `process.groups`: from `before`, the same process at the last walk, when that still holds.
    pub(crate) fn assign(
        &mut self,
        process: &mut Process,
        before: Option<&Process>,
        uptime_ticks: Option<u64>,
        folder: &mut ProcessFolder,
        buffer: &mut Vec<u8>,
    ) {
        let before = before.filter(|before| before.is(process) && before.name() == process.name());
        if let Some(before) = before.filter(|before| before.settled) {
            (process.groups, process.settled) = (before.groups, true);
            return;
        }
        process.groups = self.matching(process, folder, buffer);
        process.settled =
            uptime_ticks.is_none_or(|now| now.saturating_sub(process.started_ticks) >= SETTLED_AFTER_TICKS);
        let joined = process.groups & !before.map_or(0, |before| before.groups);
        for (at, course) in self.courses.iter_mut().enumerate() {
            course.restarts += u64::from(course.was_there && joined >> at & 1 == 1);
        }
    }

    fn matching(&self, process: &Process, folder: &mut ProcessFolder, buffer: &mut Vec<u8>) -> u64 {
        let mut user: Option<Option<u32>> = None;
        let mut command: Option<Vec<u8>> = None;
        let mut place: Option<Vec<u8>> = None;
        let mut bits = 0;
        for (at, (group, wanted_user)) in self.groups.iter().enumerate() {
            if !group.has_condition() || !group.accepts_name(process.name()) {
                continue;
            }
            if group.needs_command() {
                let command = command.get_or_insert_with(|| {
                    folder
                        .read(process.pid, "cmdline", buffer)
                        .map(<[u8]>::to_vec)
                        .unwrap_or_default()
                });
                if !group.accepts_command(command) {
                    continue;
                }
            }
            if group.user.is_some() {
                let user =
                    user.get_or_insert_with(|| folder.read(process.pid, "status", buffer).and_then(parse_status_user));
                if wanted_user.is_none() || user != wanted_user {
                    continue;
                }
            }
            if group.unit.is_some() || group.cgroup.is_some() {
                let place = place.get_or_insert_with(|| {
                    folder
                        .read(process.pid, "cgroup", buffer)
                        .map(<[u8]>::to_vec)
                        .unwrap_or_default()
                });
                if !group.accepts_place(place) {
                    continue;
                }
            }
            bits |= 1 << at;
        }
        bits
    }

    /// Counts the open files of each group: a call for each process, or more, so not on every tick.
    pub(crate) fn count_files(&mut self, processes: &[Process], folder: &mut ProcessFolder) {
        for (at, (course, sum)) in self.courses.iter_mut().zip(&self.sums).enumerate() {
            let mut members = processes
                .iter()
                .filter(|process| process.groups >> at & 1 == 1 && process.is_alive());
            let few = sum.count <= FILES_PROCESSES_MAX;
            course.files = few.then_some(()).and_then(|()| {
                members.try_fold(0, |sum, process| {
                    Some(sum + folder.open_files(process.pid, FILES_LISTED_MAX)?)
                })
            });
        }
    }

    /// Sums up `processes`; tells which groups lost their last process, or have one again. Says whether a group has fewer
    /// processes than before.
    pub(crate) fn sum(&mut self, processes: &[Process], events: &mut Vec<HostEvent>) -> bool {
        let mut fewer = false;
        for (at, (group, _)) in self.groups.iter().enumerate() {
            let mut sum = Sum::default();
            for process in processes
                .iter()
                .filter(|process| process.groups >> at & 1 == 1 && process.is_alive())
            {
                sum.count += 1;
                sum.cpu_ticks = sum.cpu_ticks.saturating_add(process.cpu_ticks);
                sum.pages = sum.pages.saturating_add(process.resident_pages);
                sum.threads = sum.threads.saturating_add(process.threads);
                sum.youngest_ticks = sum.youngest_ticks.max(process.started_ticks);
                sum.oldest_ticks = match sum.count {
                    1 => process.started_ticks,
                    _ => sum.oldest_ticks.min(process.started_ticks),
                };
            }
            self.courses[at].was_there |= sum.count > 0;
            let before = std::mem::replace(&mut self.sums[at], sum);
            fewer |= sum.count < before.count;
            if self.seen && (before.count == 0) != (sum.count == 0) {
                events.push(group_event(&group.name, before.count, sum.count));
            }
        }
        self.seen = true;
        fewer
    }

    /// Whether a group has no process.
    pub(crate) fn miss_one(&self) -> bool {
        self.sums.iter().any(|sum| sum.count == 0)
    }

    /// Tells the sums, in the order of the configuration.
    pub(crate) fn put(&self, columns: &mut Columns<'_>, uptime_ticks: Option<u64>) {
        for (((group, _), sum), course) in self.groups.iter().zip(&self.sums).zip(&self.courses) {
            let attributes = &[("tocsin.process.group", group.name.as_str())];
            let some = self.seen.then_some(*sum);
            let alive = some.filter(|sum| sum.count > 0);
            let age = |started: fn(Sum) -> u64| {
                alive
                    .zip(uptime_ticks)
                    .map(|(sum, now)| now.saturating_sub(started(sum)) / KERNEL_TICKS_PER_SECOND)
            };
            let bytes = some.and_then(|sum| sum.pages.checked_mul(self.page_bytes));
            columns.put("tocsin.process.group.count", attributes, 0, some.map(|sum| sum.count));
            columns.put(
                "tocsin.process.group.cpu.time",
                attributes,
                2,
                alive.map(|sum| sum.cpu_ticks),
            );
            columns.put("tocsin.process.group.memory.usage", attributes, 0, bytes);
            columns.put(
                "tocsin.process.group.thread.count",
                attributes,
                0,
                some.map(|sum| sum.threads),
            );
            columns.put(
                "tocsin.process.group.uptime",
                attributes,
                0,
                age(|sum| sum.youngest_ticks),
            );
            columns.put(
                "tocsin.process.group.oldest",
                attributes,
                0,
                age(|sum| sum.oldest_ticks),
            );
            let restarts = some.map(|_| course.restarts);
            columns.put("tocsin.process.group.restarts", attributes, 0, restarts);
            let files = some.and(course.files);
            columns.put("tocsin.process.group.fd.count", attributes, 0, files);
        }
    }
}

fn user_number(passwd: &[u8], name: &str) -> Option<u32> {
    use super::bytes::{lines, number};
    lines(passwd).find_map(|line| {
        let mut columns = line.split(|byte| *byte == b':');
        (columns.next()? == name.as_bytes())
            .then(|| columns.nth(1).and_then(number))?
            .and_then(|user| u32::try_from(user).ok())
    })
}

fn group_event(group: &str, before: u64, now: u64) -> HostEvent {
    let (name, severity, body) = if now == 0 {
        (
            "process.group.gone",
            Severity::Major,
            format!("process group {group} has no process left; it had {before}"),
        )
    } else {
        (
            "process.group.back",
            Severity::Info,
            format!("process group {group} runs again with {now} process(es)"),
        )
    };
    HostEvent {
        name,
        severity,
        attributes: vec![("tocsin.process.group", text(group.as_bytes()))],
        body,
    }
}

#[cfg(test)]
mod tests;
