//! Processor time from `/proc/stat` (proc_stat(5)): for the whole machine and, when asked for, per logical processor.

use super::{
    bytes::{fields, lines, number},
    columns::CachedSection,
};
use tocsin_vocabulary::batch::Cell;

/// Kernel ticks per second in which `/proc` counts time (`USER_HZ`): 100 on every architecture that Linux has kept
/// since 2.6 except alpha and ia64. So one kernel tick is one unit of a series with 2 decimals.
pub(crate) const KERNEL_TICKS_PER_SECOND: u64 = 100;

/// Most logical processors that are told apart.
pub(crate) const CORES_MAX: usize = 4_096;

/// What a processor may do: values of `cpu.mode`. Guest time is part of `user` and `nice`, soft interrupts are part of
/// `interrupt`.
pub(crate) const MODES: [&str; 7] = ["user", "nice", "system", "idle", "iowait", "interrupt", "steal"];

/// Kernel ticks spent in each of [`MODES`]; a mode that the kernel does not know is `None`.
pub(crate) type Times = [Option<u64>; MODES.len()];

const IDLE: usize = 3;
const IOWAIT: usize = 4;
const INTERRUPT: usize = 5;
const STEAL: usize = 6;

/// What `/proc/stat` says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The whole machine.
    pub(crate) total: Times,
    /// Logical processors that are online.
    pub(crate) core_count: u64,
    /// The same, one by one, when they are told apart: number and times.
    pub(crate) cores: Vec<(u32, Times)>,
    /// Processes and threads created since boot.
    pub(crate) forks: Option<u64>,
    /// Switches from one task to another since boot.
    pub(crate) context_switches: Option<u64>,
    /// Interrupts served since boot.
    pub(crate) interrupts: Option<u64>,
    /// Tasks that run or wait for a processor.
    pub(crate) runnable: Option<u64>,
    /// Tasks that wait for a disk.
    pub(crate) blocked: Option<u64>,
    /// When the machine booted, seconds since the epoch.
    pub(crate) boot_seconds: Option<u64>,
}

impl Stat {
    /// Reads the file into `self`, whose room is used again. `cores` says whether processors are told apart.
    pub(crate) fn parse(&mut self, bytes: &[u8], cores: bool) -> bool {
        self.clear();
        for line in lines(bytes) {
            let mut fields = fields(line);
            match fields.next() {
                Some(b"cpu") => self.total = times(fields),
                Some(b"processes") => self.forks = fields.next().and_then(number),
                Some(b"ctxt") => self.context_switches = fields.next().and_then(number),
                Some(b"intr") => self.interrupts = fields.next().and_then(number),
                Some(b"procs_running") => self.runnable = fields.next().and_then(number),
                Some(b"procs_blocked") => self.blocked = fields.next().and_then(number),
                Some(b"btime") => self.boot_seconds = fields.next().and_then(number),
                Some(key) => {
                    let core = key
                        .strip_prefix(b"cpu")
                        .and_then(number)
                        .and_then(|core| u32::try_from(core).ok());
                    let Some(core) = core else { continue };
                    self.core_count += 1;
                    if cores && self.cores.len() < CORES_MAX {
                        self.cores.push((core, times(fields)));
                    }
                }
                None => {}
            }
        }
        self.total[IDLE].is_some()
    }

    fn clear(&mut self) {
        let mut cores = std::mem::take(&mut self.cores);
        cores.clear();
        *self = Self {
            cores,
            ..Self::default()
        };
    }
}

/// Columns: user nice system idle iowait irq softirq steal guest guest_nice; older kernels have fewer.
fn times<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Times {
    let mut columns = [None; 8];
    for (column, field) in columns.iter_mut().zip(fields) {
        *column = number(field);
    }
    let [user, nice, system, idle, iowait, hard, soft, steal] = columns;
    let mut times: Times = [user, nice, system, idle, iowait, hard, None];
    times[INTERRUPT] = hard.map(|hard| hard.saturating_add(soft.unwrap_or(0)));
    times[STEAL] = steal;
    times
}

/// What was done between two readings, as shares of the time that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// In each of [`MODES`], in units of 10^-[`SHARE_DECIMALS`].
    pub(crate) modes: Times,
    /// All that was neither idle nor waiting for a disk.
    pub(crate) busy: u64,
}

/// Digits after the point of shares.
pub(crate) const SHARE_DECIMALS: u8 = 4;

/// What was done between two readings; `None` when no time passed. The kernel's `idle` and `iowait` can run backwards
/// a little; such a step counts as nothing.
pub(crate) fn shares(before: &Times, after: &Times) -> Option<Shares> {
    let spent: Times = std::array::from_fn(|mode| Some(after[mode]?.saturating_sub(before[mode]?)));
    let total = spent
        .iter()
        .flatten()
        .fold(0_u64, |sum, spent| sum.saturating_add(*spent));
    let idle = spent[IDLE]?.saturating_add(spent[IOWAIT].unwrap_or(0));
    let busy = share(total.saturating_sub(idle), total, SHARE_DECIMALS)?;
    Some(Shares {
        modes: spent.map(|spent| share(spent?, total, SHARE_DECIMALS)),
        busy,
    })
}

/// `part` of `whole`, rounded to a whole number of 10^-`decimals`; `None` of nothing.
pub(crate) fn share(part: u64, whole: u64, decimals: u8) -> Option<u64> {
    let (part, whole) = (u128::from(part), u128::from(whole));
    let scaled = part * 10_u128.pow(u32::from(decimals)) + whole / 2;
    u64::try_from(scaled.checked_div(whole)?).ok()
}

/// Samples logical processors, when they are told apart.
#[derive(Debug)]
pub(crate) struct Cores {
    wanted: bool,
    /// Number as attribute, number, times at the last tick.
    known: Vec<(String, u32, Times)>,
    section: CachedSection,
}

impl Cores {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            known: Vec::new(),
            section: CachedSection::default(),
        }
    }

    /// Whether logical processors are told apart.
    pub(crate) const fn wanted(&self) -> bool {
        self.wanted
    }

    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    /// Appends this tick's values; says whether the section changed.
    pub(crate) fn sample(&mut self, cells: &mut Vec<Cell>, stat: &Stat) -> bool {
        let same = stat
            .cores
            .iter()
            .map(|(core, _)| core)
            .eq(self.known.iter().map(|(_, core, _)| core));
        if !same {
            let none = Times::default();
            self.known = stat
                .cores
                .iter()
                .map(|(core, _)| (core.to_string(), *core, none))
                .collect();
            self.section.mark_stale();
        }
        let known = &self.known;
        let changed = self.section.fill(cells, |columns| {
            for ((name, _, before), (_, times)) in known.iter().zip(&stat.cores) {
                for (mode, time) in MODES.into_iter().zip(times) {
                    columns.put(
                        "system.cpu.time",
                        &[("cpu.logical_number", name), ("cpu.mode", mode)],
                        2,
                        *time,
                    );
                }
                let busy = shares(before, times).map(|shares| shares.busy);
                columns.put(
                    "system.cpu.utilization",
                    &[("cpu.logical_number", name)],
                    SHARE_DECIMALS,
                    busy,
                );
            }
        });
        for ((_, _, before), (_, times)) in self.known.iter_mut().zip(&stat.cores) {
            *before = *times;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;
    use proptest::prelude::*;

    const OLD: &[u8] = b"cpu  10 20 30 400\ncpu0 10 20 30 400\nintr 5 0 0\nctxt 77\nbtime 1700000000\nprocesses 9\n";
    const NEW: &[u8] = b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3 4 5 6 7 8 9 10\ncpu12 1 2 3 18446744073709551615 5 6 7 8 9 10\nintr 1\nctxt 3\nbtime 4\nprocesses 5\nprocs_running 6\nprocs_blocked 7\nsoftirq 1 2\n";

    fn parse(bytes: &[u8]) -> Stat {
        let mut stat = Stat::default();
        assert!(stat.parse(bytes, true));
        stat
    }

    #[test]
    fn an_old_kernel_has_fewer_modes() {
        let stat = parse(OLD);
        assert_eq!(stat.total[..5], [Some(10), Some(20), Some(30), Some(400), None]);
        assert_eq!((stat.forks, stat.core_count), (Some(9), 1));
    }

    #[test]
    fn soft_interrupts_are_interrupts_and_guests_are_not_counted_twice() {
        let stat = parse(NEW);
        assert_eq!(stat.total, [1, 2, 3, 4, 5, 6 + 7, 8].map(Some));
    }

    #[test]
    fn processors_that_are_offline_are_left_out() {
        let stat = parse(NEW);
        assert_eq!(stat.cores.iter().map(|(core, _)| *core).collect::<Vec<_>>(), [1, 12]);
        assert_eq!(stat.cores[1].1[IDLE], Some(u64::MAX));
        assert_eq!((stat.core_count, stat.boot_seconds), (2, Some(4)));
    }

    #[test]
    fn a_second_reading_keeps_nothing_of_the_first() {
        let mut stat = parse(NEW);
        assert!(stat.parse(OLD, false));
        assert_eq!(stat.total[STEAL], None);
        assert!(stat.cores.is_empty() && stat.core_count == 1);
        assert!(!stat.parse(b"nothing here", false));
    }

    #[test]
    fn shares_are_of_the_time_that_passed() {
        let before: Times = [Some(100); 7];
        let mut after = before;
        after[0] = Some(125);
        after[IDLE] = Some(150);
        after[IOWAIT] = Some(125);
        let seen = shares(&before, &after).unwrap();
        assert_eq!(
            (seen.busy, seen.modes[0], seen.modes[IDLE]),
            (2_500, Some(2_500), Some(5_000))
        );
        assert_eq!(shares(&before, &before), None);
        after[IOWAIT] = Some(90);
        assert_eq!(shares(&before, &after).unwrap().busy, 3_333);
    }

    proptest! {
        #[test]
        fn shares_are_between_none_and_all(before: [u64; 7], after: [u64; 7]) {
            if let Some(shares) = shares(&before.map(Some), &after.map(Some)) {
                prop_assert!(shares.busy <= 10_000);
                prop_assert!(shares.modes.into_iter().flatten().all(|share| share <= 10_000));
            }
        }
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(&[include_str!("../../fixtures/modern/proc/stat")], |bytes: &[u8]| {
            Stat::default().parse(bytes, true);
        });
    }
}
