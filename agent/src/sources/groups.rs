//! Named process groups: sets of processes that must run, told by name, command line and user.

use super::{
    HostEvent,
    bytes::text,
    columns::Columns,
    cpu::KERNEL_TICKS_PER_SECOND,
    process_stat::{NAME_BYTES_MAX, parse_status_user},
    walk::{Process, ProcessFolder},
};
use std::path::Path;
use tocsin_vocabulary::Severity;

/// Most groups of one host.
pub const PROCESS_GROUPS_MAX: usize = 64;

/// A younger process may still become another program (fork, then exec), so it is looked at again.
const SETTLED_AFTER_TICKS: u64 = 2 * KERNEL_TICKS_PER_SECOND;

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
        self.process.is_some() || self.command.is_some() || self.user.is_some()
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
}

/// Tells which processes belong to which group, and what groups amount to.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Vec<(ProcessGroup, Option<u32>)>,
    sums: Vec<Sum>,
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
        let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(4_096);
        Self {
            sums: vec![Sum::default(); groups.len()],
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
        &self,
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
    }

    fn matching(&self, process: &Process, folder: &mut ProcessFolder, buffer: &mut Vec<u8>) -> u64 {
        let mut user: Option<Option<u32>> = None;
        let mut command: Option<Vec<u8>> = None;
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
            bits |= 1 << at;
        }
        bits
    }

    /// Sums up `processes`; tells which groups lost their last process, or have one again.
    pub(crate) fn sum(&mut self, processes: &[Process], events: &mut Vec<HostEvent>) {
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
            }
            let before = std::mem::replace(&mut self.sums[at], sum);
            if self.seen && (before.count == 0) != (sum.count == 0) {
                events.push(group_event(&group.name, before.count, sum.count));
            }
        }
        self.seen = true;
    }

    /// Tells the sums, in the order of the configuration.
    pub(crate) fn put(&self, columns: &mut Columns<'_>, uptime_ticks: Option<u64>) {
        for ((group, _), sum) in self.groups.iter().zip(&self.sums) {
            let attributes = &[("tocsin.process.group", group.name.as_str())];
            let some = self.seen.then_some(*sum);
            let alive = some.filter(|sum| sum.count > 0);
            let age = alive
                .zip(uptime_ticks)
                .map(|(sum, now)| now.saturating_sub(sum.youngest_ticks) / KERNEL_TICKS_PER_SECOND);
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
            columns.put("tocsin.process.group.uptime", attributes, 0, age);
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
mod tests {
    use super::*;
    use std::fs;

    fn group(process: Option<&str>, command: Option<&str>, user: Option<&str>) -> ProcessGroup {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        ProcessGroup {
            name: "g".to_owned(),
            process: owned(process),
            command: owned(command),
            user: owned(user),
        }
    }

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("etc")).unwrap();
            fs::create_dir_all(root.path().join("proc")).unwrap();
            fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:\nwww:x:33:33::/:\n").unwrap();
            Self(root)
        }

        fn process(&self, pid: u32, name: &str, command: &str, started: u64) {
            let folder = self.0.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let stat = format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 2 0 {started} 0 10");
            fs::write(folder.join("stat"), stat).unwrap();
            fs::write(folder.join("cmdline"), command).unwrap();
            fs::write(folder.join("status"), "Name: x\nUid:\t33\t33\t33\t33\n").unwrap();
        }

        fn bits(&self, group: ProcessGroup, pid: u32) -> u64 {
            let mut folder = ProcessFolder::new(self.0.path());
            let process = folder.look(pid, &mut Vec::new()).unwrap();
            Groups::new(vec![group], self.0.path()).matching(&process, &mut folder, &mut Vec::new())
        }
    }

    #[test]
    fn all_conditions_of_a_group_must_hold() {
        let tree = Tree::new();
        tree.process(7, "java", "/usr/bin/java\0-jar\0app.jar\0", 1);
        for (name, command, user, expected) in [
            (Some("java"), None, None, 1),
            (Some("jav"), None, None, 0),
            (None, Some("-jar app.jar"), None, 1),
            (None, Some("other.jar"), None, 0),
            (Some("java"), Some("app.jar"), Some("www"), 1),
            (Some("java"), Some("app.jar"), Some("33"), 1),
            (Some("java"), None, Some("root"), 0),
            (Some("java"), None, Some("nobody here"), 0),
            (None, None, None, 0),
        ] {
            assert_eq!(
                tree.bits(group(name, command, user), 7),
                expected,
                "{name:?} {command:?} {user:?}"
            );
        }
    }

    #[test]
    fn names_longer_than_the_kernel_keeps_are_compared_with_the_program() {
        let tree = Tree::new();
        tree.process(8, "a-very-long-nam", "/opt/a-very-long-name-of-a-daemon\0", 1);
        assert_eq!(tree.bits(group(Some("a-very-long-name-of-a-daemon"), None, None), 8), 1);
        assert_eq!(tree.bits(group(Some("a-very-long-name-of-another"), None, None), 8), 0);
    }

    #[test]
    fn going_and_coming_back_is_told_once_each() {
        let tree = Tree::new();
        let mut groups = Groups::new(vec![group(Some("db"), None, None)], tree.0.path());
        tree.process(9, "db", "", 1);
        let mut alive = ProcessFolder::new(tree.0.path()).look(9, &mut Vec::new()).unwrap();
        alive.groups = 1;
        let mut zombie = alive;
        zombie.state = b'Z';
        let mut names = |processes: &[Process]| {
            let mut events = Vec::new();
            groups.sum(processes, &mut events);
            events.into_iter().map(|event| event.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[alive]), Vec::<&str>::new());
        assert_eq!(names(&[alive, alive]), Vec::<&str>::new());
        assert_eq!(names(&[zombie]), ["process.group.gone"]);
        assert_eq!(names(&[]), Vec::<&str>::new());
        assert_eq!(names(&[alive]), ["process.group.back"]);
    }

    #[test]
    fn a_process_that_becomes_another_program_is_looked_at_again() {
        let tree = Tree::new();
        let groups = Groups::new(vec![group(None, Some("serve"), None)], tree.0.path());
        let mut folder = ProcessFolder::new(tree.0.path());
        let mut buffer = Vec::new();
        let mut look = |command: &str, before: Option<&Process>, uptime: u64| {
            tree.process(5, "python", command, 1_000);
            let mut process = folder.look(5, &mut buffer).unwrap();
            groups.assign(&mut process, before, Some(uptime), &mut folder, &mut buffer);
            process
        };
        let young = look("python\0", None, 1_010);
        assert_eq!((young.groups, young.settled), (0, false));
        let grown = look("python\0serve\0", Some(&young), 1_300);
        assert_eq!((grown.groups, grown.settled), (1, true));
        let kept = look("renamed itself\0", Some(&grown), 9_999);
        assert_eq!(
            kept.groups, 1,
            "a settled process keeps its groups without reading its command line"
        );
    }
}
