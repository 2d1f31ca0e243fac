//! The table of the busiest processes: a snapshot for people, not series, for its rows come and go.

use super::{
    bytes::text,
    cpu::KERNEL_TICKS_PER_SECOND,
    process_stat::page_bytes,
    process_stat::{command_line, parse_status_user, user_name},
    processes::Moment,
    walk::{Process, ProcessFolder},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// Most rows by either order.
const TOP_MAX: usize = 100;
/// Most rows of processes that do not reap their children.
const PARENTS_MAX: usize = 5;

/// The busiest processes of a host at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessTable {
    /// When it was taken.
    pub time: Timestamp,
    /// Number of all processes.
    pub total: u64,
    /// The first by processor time since the last table, then the first by memory, then those with the most zombies,
    /// without doubles.
    pub processes: Vec<ProcessRow>,
}

/// One process of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessRow {
    /// Its number.
    pub pid: u32,
    /// What it calls itself.
    pub name: String,
    /// The user it runs as: name, or number when the host's own register has no name.
    pub user: String,
    /// Share of one processor since the last table, or since it started; 1 is one whole processor.
    pub cpu_ratio: f64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Number of threads.
    pub threads: u64,
    /// When it started; the epoch when unknown.
    pub started: Timestamp,
    /// `R`, `S`, `D`, `Z`, …
    pub state: char,
    /// Its command line, secrets hidden; empty for threads of the kernel.
    pub command: String,
    /// Children that ended and that it does not reap.
    pub zombies: u32,
}

/// Makes tables; remembers processor times for the next.
#[derive(Debug)]
pub(crate) struct TableMaker {
    top: usize,
    passwd: PathBuf,
    page_bytes: u64,
    /// Sorted by number: the processes of the last table.
    before: Vec<Before>,
}

/// What a process had used at the last table, as it was read at that time.
#[derive(Debug, Clone, Copy)]
struct Before {
    pid: u32,
    started_ticks: u64,
    cpu_ticks: u64,
    seen: Duration,
}

impl TableMaker {
    pub(crate) fn new(root: &Path, top: usize) -> Self {
        Self {
            top: top.min(TOP_MAX),
            passwd: root.join("etc/passwd"),
            page_bytes: page_bytes(),
            before: Vec::new(),
        }
    }

    /// A table of `processes`, which are sorted by number.
    pub(crate) fn make(
        &mut self,
        processes: &[Process],
        folder: &mut ProcessFolder,
        buffer: &mut Vec<u8>,
        moment: &Moment,
    ) -> ProcessTable {
        let ratios: Vec<f64> = processes
            .iter()
            .map(|process| self.cpu_ratio(process, moment))
            .collect();
        let mut by_cpu: Vec<usize> = (0..processes.len()).collect();
        let mut chosen = self.first(&mut by_cpu, |a, b| {
            ratios[b]
                .total_cmp(&ratios[a])
                .then(processes[a].pid.cmp(&processes[b].pid))
        });
        let mut by_memory = by_cpu;
        let largest = self.first(&mut by_memory, |a, b| {
            processes[b]
                .resident_pages
                .cmp(&processes[a].resident_pages)
                .then(processes[a].pid.cmp(&processes[b].pid))
        });
        let zombies = zombies(processes);
        for at in largest.into_iter().chain(negligent(processes, &zombies)) {
            if !chosen.contains(&at) {
                chosen.push(at);
            }
        }
        self.before.clear();
        self.before.extend(processes.iter().map(|process| Before {
            pid: process.pid,
            started_ticks: process.started_ticks,
            cpu_ticks: process.cpu_ticks,
            seen: process.seen,
        }));
        let mut names = HashMap::new();
        let passwd = std::fs::read(&self.passwd).unwrap_or_default();
        let rows = chosen.into_iter().map(|at| {
            let process = &processes[at];
            let user = folder.read(process.pid, "status", buffer).and_then(parse_status_user);
            let name_of = |user: u32| user_name(&passwd, user).unwrap_or_else(|| user.to_string());
            let user = user.map_or_else(String::new, |user| {
                names.entry(user).or_insert_with(|| name_of(user)).clone()
            });
            // The command line lies in the process's own memory: while it is caught in a call that does not return, so
            // might be whoever reads it.
            let command = Some(process)
                .filter(|process| process.state != b'D')
                .and_then(|process| folder.read(process.pid, "cmdline", buffer))
                .map(command_line)
                .unwrap_or_default();
            ProcessRow {
                zombies: zombies.get(&process.pid).copied().unwrap_or(0),
                ..self.row(process, ratios[at], user, command, moment)
            }
        });
        ProcessTable {
            time: moment.now,
            total: processes.len() as u64,
            processes: rows.collect(),
        }
    }

    fn first(&self, order: &mut [usize], mut compare: impl FnMut(usize, usize) -> std::cmp::Ordering) -> Vec<usize> {
        if order.len() > self.top && self.top > 0 {
            order.select_nth_unstable_by(self.top - 1, |a, b| compare(*a, *b));
        }
        let mut first: Vec<usize> = order.iter().copied().take(self.top).collect();
        first.sort_unstable_by(|a, b| compare(*a, *b));
        first
    }

    fn row(&self, process: &Process, cpu_ratio: f64, user: String, command: String, moment: &Moment) -> ProcessRow {
        let millis_after_boot = process.started_ticks.saturating_mul(1_000 / KERNEL_TICKS_PER_SECOND);
        let started = moment
            .boot_seconds
            .and_then(|boot| boot.checked_mul(1_000)?.checked_add(millis_after_boot))
            .and_then(|millis| i64::try_from(millis).ok());
        ProcessRow {
            pid: process.pid,
            name: text(process.name()),
            user,
            cpu_ratio,
            memory_bytes: process.resident_pages.saturating_mul(self.page_bytes),
            threads: process.threads,
            started: Timestamp::from_millis(started.unwrap_or(0)),
            state: char::from(process.state),
            command,
            zombies: 0,
        }
    }

    /// Processor time over real time between the two readings of the process that this table and the last one have; for a
    /// process that is younger, since it started.
    #[allow(clippy::cast_precision_loss)] // a ratio for people
    fn cpu_ratio(&self, process: &Process, moment: &Moment) -> f64 {
        let age = moment.uptime_ticks.map(|now| now.saturating_sub(process.started_ticks));
        let known = self
            .before
            .binary_search_by_key(&process.pid, |before| before.pid)
            .ok()
            .map(|at| self.before[at])
            .filter(|before| before.started_ticks == process.started_ticks);
        let (spent, elapsed) = match known {
            Some(before) => (
                process.cpu_ticks.saturating_sub(before.cpu_ticks),
                Some(ticks(process.seen.saturating_sub(before.seen))),
            ),
            None => (process.cpu_ticks, age),
        };
        elapsed
            .filter(|elapsed| *elapsed > 0)
            .map_or(0.0, |elapsed| spent as f64 / elapsed as f64)
    }
}

/// How many zombies each process has.
fn zombies(processes: &[Process]) -> HashMap<u32, u32> {
    let mut zombies = HashMap::new();
    for process in processes.iter().filter(|process| !process.is_alive()) {
        *zombies.entry(process.parent).or_default() += 1;
    }
    zombies
}

/// Where in `processes`, which are sorted by number, those with the most zombies are.
fn negligent(processes: &[Process], zombies: &HashMap<u32, u32>) -> Vec<usize> {
    let mut parents: Vec<(u32, u32)> = zombies.iter().map(|(pid, count)| (*count, *pid)).collect();
    parents.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let known = |(_, pid): (u32, u32)| processes.binary_search_by_key(&pid, |process| process.pid).ok();
    parents.into_iter().take(PARENTS_MAX).filter_map(known).collect()
}

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / (1_000 / KERNEL_TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn host(processes: &[(u32, u64, u64)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "db:x:70:70::/:\n").unwrap();
        for (pid, cpu, pages) in processes {
            let folder = root.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let stat = format!("{pid} (p{pid}) S 1 1 1 0 -1 0 0 0 0 0 {cpu} 0 0 0 20 0 1 0 1000 0 {pages}");
            fs::write(folder.join("stat"), stat).unwrap();
            fs::write(folder.join("status"), format!("Uid:\t{}\n", 69 + pid)).unwrap();
            fs::write(folder.join("cmdline"), "run\0me\0").unwrap();
        }
        root
    }

    fn moment(second: u64) -> Moment {
        Moment {
            now: Timestamp::from_millis(0),
            mono: Duration::from_secs(second),
            uptime_ticks: Some(1_000 + 10_000 + second * 100),
            boot_seconds: Some(1_700_000_000),
        }
    }

    fn make(maker: &mut TableMaker, root: &tempfile::TempDir, second: u64) -> ProcessTable {
        let (mut folder, mut found) = (ProcessFolder::new(root.path()), Vec::new());
        folder.walk(&[], Duration::from_secs(second), &mut found, &mut Vec::new());
        maker.make(&found, &mut folder, &mut Vec::new(), &moment(second))
    }

    #[test]
    fn memory_is_counted_in_the_pages_of_the_kernel_even_where_they_are_large() {
        let root = host(&[(1, 0, 500)]);
        let mut maker = TableMaker::new(root.path(), 2);
        maker.page_bytes = 64 << 10;
        assert_eq!(make(&mut maker, &root, 0).processes[0].memory_bytes, 500 << 16);
    }

    #[test]
    fn the_busiest_and_the_largest_are_shown_once_each() {
        let root = host(&[(1, 5_000, 1), (2, 10, 500), (3, 9_000, 900), (4, 0, 0)]);
        let table = make(&mut TableMaker::new(root.path(), 2), &root, 0);
        assert_eq!(table.total, 4);
        assert_eq!(table.processes.iter().map(|row| row.pid).collect::<Vec<_>>(), [3, 1, 2]);
        let row = &table.processes[1];
        assert_eq!(
            (row.user.as_str(), row.command.as_str(), row.name.as_str()),
            ("db", "run me", "p1")
        );
        assert_eq!(table.processes[0].user, "72");
        assert_eq!(row.started, Timestamp::from_millis(1_700_000_010_000));
        assert!(
            (row.cpu_ratio - 0.5).abs() < 1e-9,
            "5000 of the 10000 ticks since it started"
        );
    }

    #[test]
    fn the_second_table_shows_what_happened_since_the_first() {
        let root = host(&[(1, 5_000, 1)]);
        let mut maker = TableMaker::new(root.path(), 10);
        make(&mut maker, &root, 0);
        let root = host(&[(1, 5_300, 1)]);
        let table = make(&mut maker, &root, 30);
        assert!((table.processes[0].cpu_ratio - 0.1).abs() < 1e-9);
    }

    #[test]
    fn whoever_does_not_reap_its_children_is_shown_with_their_number() {
        let root = host(&[(1, 5_000, 900), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0)]);
        for (pid, parent) in [(3, 2), (4, 2), (5, 77)] {
            let stat = format!("{pid} (gone) Z {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 0 0");
            fs::write(root.path().join(format!("proc/{pid}/stat")), stat).unwrap();
        }
        let table = make(&mut TableMaker::new(root.path(), 1), &root, 0);
        let shown: Vec<(u32, u32)> = table.processes.iter().map(|row| (row.pid, row.zombies)).collect();
        assert_eq!(shown, [(1, 0), (2, 2)]);
    }

    #[test]
    fn a_table_of_no_rows_can_be_asked_for() {
        let root = host(&[(1, 5_000, 1)]);
        assert!(
            make(&mut TableMaker::new(root.path(), 0), &root, 0)
                .processes
                .is_empty()
        );
    }
}
