//! Processes: how many in which state, watched groups, and now and then a table of the busiest.
//!
//! Between walks that are stretched on large hosts (see [`walk`](super::walk)) the last figures stand, but the members
//! of watched groups are looked at on each tick: when one is gone, all are walked at once, and often until its group is
//! whole again.

use super::{
    HostEvent,
    columns::{CachedSection, Columns},
    groups::{Groups, ProcessGroup},
    process_table::{ProcessTable, TableMaker},
    walk::{EVERY_TICK_MAX, Pace, Process, ProcessFolder, table_period, walk_period},
};
use std::{path::Path, time::Duration};
use tocsin_vocabulary::{Timestamp, batch::Cell};

/// Values of `process.state` with the letters of `/proc/PID/stat` that they stand for.
const STATES: [(&str, &[u8]); 6] = [
    ("running", b"R"),
    ("sleeping", b"SKW"),
    ("blocked", b"D"),
    ("stopped", b"Tt"),
    ("defunct", b"ZXx"),
    ("idle", b"IP"),
];

/// For so long after a watched process ended, its successor is looked for closely.
const SEARCH_FOR: Duration = Duration::from_secs(60);

/// What a walk needs to know of the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    pub(crate) mono: Duration,
    /// Kernel ticks since boot.
    pub(crate) uptime_ticks: Option<u64>,
    /// Seconds since the epoch at boot.
    pub(crate) boot_seconds: Option<u64>,
}

/// Samples the processes.
#[derive(Debug)]
pub(crate) struct Processes {
    folder: ProcessFolder,
    groups: Groups,
    section: CachedSection,
    table: TableMaker,
    /// The last walk and the one before it, which keeps its room.
    last: Vec<Process>,
    spare: Vec<Process>,
    walked: Option<Duration>,
    tabled: Option<Duration>,
    /// When a watched group was last found to have lost processes.
    lost: Option<Duration>,
    uptime_ticks: Option<u64>,
}

impl Processes {
    pub(crate) fn new(root: &Path, groups: Vec<ProcessGroup>, top: usize) -> Self {
        Self {
            folder: ProcessFolder::new(root),
            groups: Groups::new(groups, root),
            section: CachedSection::default(),
            table: TableMaker::new(root, top),
            last: Vec::new(),
            spare: Vec::new(),
            walked: None,
            tabled: None,
            lost: None,
            uptime_ticks: None,
        }
    }

    /// The section of watched groups.
    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    /// Looks at the processes, as far as it is time to; makes a table when that is due.
    pub(crate) fn refresh(
        &mut self,
        buffer: &mut Vec<u8>,
        events: &mut Vec<HostEvent>,
        moment: &Moment,
    ) -> Option<ProcessTable> {
        self.uptime_ticks = moment.uptime_ticks;
        let is_due = |last: Option<Duration>, period: Duration| {
            last.is_none_or(|last| moment.mono.saturating_sub(last) >= period)
        };
        let table_due = is_due(self.tabled, table_period(self.last.len()));
        let period = walk_period(self.last.len(), self.pace(moment.mono));
        if table_due || is_due(self.walked, period) {
            self.walk(buffer, moment, self.pace(moment.mono));
        } else if !self.members_are_well(buffer, moment.mono) {
            self.walk(buffer, moment, Pace::Searching);
        }
        if self.groups.sum(&self.last, events) {
            self.lost = Some(moment.mono);
        }
        if table_due {
            self.groups.count_files(&self.last, &mut self.folder);
        }
        let table = table_due.then(|| self.table.make(&self.last, &mut self.folder, buffer, moment))?;
        self.tabled = Some(moment.mono);
        Some(table)
    }

    fn pace(&self, mono: Duration) -> Pace {
        let lately = self.lost.is_some_and(|lost| mono.saturating_sub(lost) < SEARCH_FOR);
        if lately || self.groups.miss_one() {
            Pace::Searching
        } else {
            Pace::Calm
        }
    }

    fn walk(&mut self, buffer: &mut Vec<u8>, moment: &Moment, pace: Pace) {
        let Self {
            folder,
            groups,
            last,
            spare,
            ..
        } = self;
        // Where a process is looked for, its number may have been a quiet one's.
        let all = pace == Pace::Searching || last.len() <= EVERY_TICK_MAX;
        let known: &[Process] = if all { &[] } else { last };
        folder.walk(known, moment.mono, spare, buffer);
        if !groups.is_empty() {
            let mut before = last.iter().peekable();
            for process in &mut *spare {
                while before.next_if(|before| before.pid < process.pid).is_some() {}
                let known = before.peek().copied().filter(|known| known.pid == process.pid);
                groups.assign(process, known, moment.uptime_ticks, folder, buffer);
            }
        }
        std::mem::swap(last, spare);
        self.walked = Some(moment.mono);
    }

    /// Looks at the members of groups alone; `false` when one is gone or became something else.
    fn members_are_well(&mut self, buffer: &mut Vec<u8>, mono: Duration) -> bool {
        let Self { folder, last, .. } = self;
        last.iter_mut().filter(|process| process.groups != 0).all(|process| {
            let Some(seen) = folder.look(process.pid, mono, buffer) else {
                return false;
            };
            let well = seen.is(process) && seen.name() == process.name() && seen.is_alive() == process.is_alive();
            process.take_figures(&seen);
            well
        })
    }

    /// Tells the numbers of processes by state; absent where there are none at all, as in a tree without processes.
    pub(crate) fn put_states(&self, columns: &mut Columns<'_>) {
        for (state, letters) in STATES {
            let count = self
                .last
                .iter()
                .filter(|process| letters.contains(&process.state))
                .count() as u64;
            let count = Some(count).filter(|_| !self.last.is_empty());
            columns.put("system.process.count", &[("process.state", state)], 0, count);
        }
    }

    /// Appends the values of watched groups; says whether the section changed.
    pub(crate) fn sample_groups(&mut self, cells: &mut Vec<Cell>) -> bool {
        let (groups, uptime_ticks) = (&self.groups, self.uptime_ticks);
        self.section.fill(cells, |columns| groups.put(columns, uptime_ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Host {
        root: tempfile::TempDir,
        processes: Processes,
    }

    impl Host {
        fn new(filler: u32) -> Self {
            let root = tempfile::tempdir().unwrap();
            let group = ProcessGroup {
                name: "db".to_owned(),
                process: Some("db".to_owned()),
                ..ProcessGroup::default()
            };
            fs::create_dir_all(root.path().join("proc")).unwrap();
            let host = Self {
                processes: Processes::new(root.path(), vec![group], 10),
                root,
            };
            (1..=filler).for_each(|pid| host.start(pid, "filler", 1));
            host
        }

        fn start(&self, pid: u32, name: &str, started: u64) {
            let folder = self.root.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&folder).unwrap();
            let stat = format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 2 0 {started} 0 10");
            fs::write(folder.join("stat"), stat).unwrap();
        }

        fn end(&self, pid: u32) {
            fs::remove_dir_all(self.root.path().join("proc").join(pid.to_string())).unwrap();
        }

        fn tick(&mut self, second: u64) -> (Vec<&'static str>, Cell) {
            let moment = Moment {
                now: Timestamp::from_millis(0),
                mono: Duration::from_secs(second),
                uptime_ticks: Some(second * 100 + 10_000),
                boot_seconds: Some(0),
            };
            let mut events = Vec::new();
            self.processes.refresh(&mut Vec::new(), &mut events, &moment);
            let mut cells = Vec::new();
            self.processes.sample_groups(&mut cells);
            (events.into_iter().map(|event| event.name).collect(), cells[0])
        }
    }

    #[test]
    fn a_group_that_ends_and_starts_again_is_seen_on_the_next_tick() {
        let mut host = Host::new(3);
        host.start(50, "db", 100);
        assert_eq!(host.tick(0), (vec![], Cell::Scaled(1)));
        host.end(50);
        assert_eq!(host.tick(1), (vec!["process.group.gone"], Cell::Scaled(0)));
        host.start(51, "db", 10_200);
        assert_eq!(host.tick(2), (vec!["process.group.back"], Cell::Scaled(1)));
    }

    #[test]
    fn what_joins_a_group_that_was_there_is_a_restart() {
        let mut host = Host::new(3);
        host.start(50, "db", 100);
        let figures = |host: &mut Host, second| {
            host.tick(second);
            let (mut cells, uptime) = (Vec::new(), Some(second * 100 + 10_000));
            let mut section = CachedSection::default();
            section.fill(&mut cells, |columns| host.processes.groups.put(columns, uptime));
            // Age of the youngest, of the oldest, restarts.
            cells[4..7].to_vec()
        };
        assert_eq!(figures(&mut host, 0), [99, 99, 0].map(Cell::Scaled));
        host.start(51, "db", 10_050);
        assert_eq!(figures(&mut host, 1), [0, 100, 1].map(Cell::Scaled));
        host.end(50);
        host.end(51);
        host.tick(2);
        host.start(52, "db", 10_300);
        assert_eq!(figures(&mut host, 3), [0, 0, 2].map(Cell::Scaled));
        assert_eq!(figures(&mut host, 8), [5, 5, 2].map(Cell::Scaled), "counted once");
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let mut host = Host::new(3);
        host.start(50, "db", 100);
        host.tick(0);
        host.start(50, "other", 10_050);
        assert_eq!(host.tick(1).0, ["process.group.gone"]);
    }

    #[test]
    fn on_a_large_host_a_lost_member_is_still_seen_on_the_next_tick() {
        let mut host = Host::new(1_200);
        host.start(5_000, "db", 100);
        assert_eq!(host.tick(0), (vec![], Cell::Scaled(1)));
        host.start(6_000, "db", 100);
        assert_eq!(
            host.tick(1),
            (vec![], Cell::Scaled(1)),
            "a newcomer waits for the next walk"
        );
        assert_eq!(host.tick(60), (vec![], Cell::Scaled(2)));
        host.end(5_000);
        host.end(6_000);
        assert_eq!(host.tick(61), (vec!["process.group.gone"], Cell::Scaled(0)));
        host.start(7_000, "db", 16_150);
        assert_eq!(host.tick(62), (vec![], Cell::Scaled(0)));
        assert_eq!(host.tick(63), (vec!["process.group.back"], Cell::Scaled(1)));
        host.start(8_000, "db", 16_350);
        assert_eq!(host.tick(65), (vec![], Cell::Scaled(2)), "others may follow");
    }

    #[test]
    fn states_are_absent_where_nothing_is_known() {
        let mut host = Host::new(0);
        host.tick(0);
        let (mut section, mut cells) = (CachedSection::default(), Vec::new());
        section.fill(&mut cells, |columns| host.processes.put_states(columns));
        assert_eq!(cells, [Cell::Absent; 6]);
    }
}
