//! What every host has, always in the same series, so that all hosts share one section: processor, load, memory,
//! swap, pressure, processes by state, uptime. What a kernel does not say is absent in its cell.

use super::{
    columns::{CachedSection, Columns},
    cpu::{MODES, SHARE_DECIMALS, Shares, Stat, Times, share, shares},
    file::KeptFile,
    limits::{Limits, parse_tasks},
    load::{parse_loadavg, parse_uptime},
    memory::{Memory, Paging},
    pressure::{Pressure, RESOURCES, Stall},
    processes::{Moment, Processes},
};
use std::{path::Path, time::Duration};
use tocsin_vocabulary::{Timestamp, batch::Cell};

/// Microseconds of a unit of `tocsin.pressure.stall.time`.
const STALL_UNIT_MICROS: u64 = 1_000;

/// Hundredths of a second in a second, as `/proc/uptime` counts.
const UPTIME_UNITS_PER_SECOND: u64 = 100;

/// Samples the core section.
#[derive(Debug)]
pub(crate) struct Core {
    files: Files,
    stat: Stat,
    before: Option<Times>,
    shares: Option<Shares>,
    load: Option<[u64; 3]>,
    uptime: Option<u64>,
    limits: Limits,
    memory: Memory,
    paging: Paging,
    pressures: [Option<Pressure>; RESOURCES.len()],
    section: CachedSection,
}

#[derive(Debug)]
struct Files {
    stat: KeptFile,
    loadavg: KeptFile,
    uptime: KeptFile,
    meminfo: KeptFile,
    vmstat: KeptFile,
    pressures: [KeptFile; RESOURCES.len()],
}

impl Core {
    pub(crate) fn new(root: &Path) -> Self {
        let file = |name: &str| KeptFile::new(root.join("proc").join(name));
        Self {
            files: Files {
                stat: file("stat"),
                loadavg: file("loadavg"),
                uptime: file("uptime"),
                meminfo: file("meminfo"),
                vmstat: file("vmstat"),
                pressures: RESOURCES.map(|resource| file(&format!("pressure/{resource}"))),
            },
            stat: Stat::default(),
            before: None,
            shares: None,
            load: None,
            uptime: None,
            limits: Limits::new(root),
            memory: Memory::default(),
            paging: Paging::default(),
            pressures: [None; RESOURCES.len()],
            section: CachedSection::default(),
        }
    }

    /// Reads all files of this section. `cores` says whether logical processors are told apart.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, cores: bool) {
        let found = self
            .files
            .stat
            .read(buffer)
            .is_some_and(|bytes| self.stat.parse(bytes, cores));
        if !found {
            self.stat = Stat::default();
        }
        self.shares = self.before.and_then(|before| shares(&before, &self.stat.total));
        self.before = found.then_some(self.stat.total);
        let load = self.files.loadavg.read(buffer);
        let tasks = load.and_then(parse_tasks);
        self.load = load.and_then(parse_loadavg);
        self.limits.read(buffer, tasks);
        self.uptime = self.files.uptime.read(buffer).and_then(parse_uptime);
        self.memory = self.files.meminfo.read(buffer).map(Memory::parse).unwrap_or_default();
        self.paging = self.files.vmstat.read(buffer).map(Paging::parse).unwrap_or_default();
        for (pressure, file) in self.pressures.iter_mut().zip(&mut self.files.pressures) {
            *pressure = file.read(buffer).map(Pressure::parse);
        }
    }

    pub(crate) const fn stat(&self) -> &Stat {
        &self.stat
    }

    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    /// What the other sources need to know of this tick.
    pub(crate) const fn moment(&self, now: Timestamp, mono: Duration) -> Moment {
        // Hundredths of a second are kernel ticks.
        Moment {
            now,
            mono,
            uptime_ticks: self.uptime,
            boot_seconds: self.stat.boot_seconds,
        }
    }

    /// Appends this tick's values; says whether the section changed, which happens once.
    pub(crate) fn sample(&mut self, cells: &mut Vec<Cell>, processes: &Processes) -> bool {
        let mut section = std::mem::take(&mut self.section);
        let changed = section.fill(cells, |columns| {
            self.put_cpu(columns);
            self.put_load(columns);
            self.put_memory(columns);
            self.put_paging(columns);
            self.put_pressure(columns);
            processes.put_states(columns);
            self.limits.put(columns);
            columns.put("system.process.created", &[], 0, self.stat.forks);
            columns.put("tocsin.processes.runnable", &[], 0, self.stat.runnable);
            columns.put("tocsin.processes.blocked", &[], 0, self.stat.blocked);
            columns.put(
                "system.uptime",
                &[],
                0,
                self.uptime.map(|uptime| uptime / UPTIME_UNITS_PER_SECOND),
            );
        });
        self.section = section;
        changed
    }

    fn put_cpu(&self, columns: &mut Columns<'_>) {
        let cores = Some(self.stat.core_count).filter(|count| *count > 0);
        columns.put("system.cpu.logical.count", &[], 0, cores);
        for (mode, time) in MODES.into_iter().zip(self.stat.total) {
            columns.put("system.cpu.time", &[("cpu.mode", mode)], 2, time);
        }
        columns.put("tocsin.cpu.context_switches", &[], 0, self.stat.context_switches);
        columns.put("tocsin.cpu.interrupts", &[], 0, self.stat.interrupts);
        let shares = self.shares;
        columns.put(
            "system.cpu.utilization",
            &[],
            SHARE_DECIMALS,
            shares.map(|shares| shares.busy),
        );
        for (at, mode) in MODES.into_iter().enumerate() {
            let share = shares.and_then(|shares| shares.modes[at]);
            columns.put("system.cpu.utilization", &[("cpu.mode", mode)], SHARE_DECIMALS, share);
        }
    }

    fn put_load(&self, columns: &mut Columns<'_>) {
        let load = |at: usize| self.load.map(|load| load[at]);
        columns.put("system.cpu.load_average.1m", &[], 2, load(0));
        columns.put("system.cpu.load_average.5m", &[], 2, load(1));
        columns.put("system.cpu.load_average.15m", &[], 2, load(2));
        let per_cpu = load(2).and_then(|load| share(load, self.stat.core_count, 0));
        columns.put("tocsin.cpu.load_per_cpu", &[], 2, per_cpu);
    }

    fn put_memory(&self, columns: &mut Columns<'_>) {
        let memory = &self.memory;
        let used = memory.used();
        columns.put("system.memory.limit", &[], 0, memory.total);
        let states = [
            ("used", used),
            ("free", memory.free),
            ("buffers", memory.buffers),
            ("cached", memory.cached),
        ];
        for (state, bytes) in states {
            columns.put("system.memory.usage", &[("system.memory.state", state)], 0, bytes);
        }
        let utilization = used
            .zip(memory.total)
            .and_then(|(used, total)| share(used, total, SHARE_DECIMALS));
        columns.put(
            "system.memory.utilization",
            &[("system.memory.state", "used")],
            SHARE_DECIMALS,
            utilization,
        );
        columns.put("system.memory.linux.available", &[], 0, memory.available);
        columns.put("system.memory.linux.shared", &[], 0, memory.shared);
        columns.put("system.memory.linux.slab.usage", &[], 0, memory.slab);
        for (name, bytes_or_pages) in [
            ("tocsin.memory.slab.unreclaimable", memory.slab_unreclaimable),
            ("tocsin.memory.anonymous", memory.anonymous),
            ("tocsin.memory.dirty", memory.dirty),
            ("tocsin.memory.writeback", memory.writeback),
            ("tocsin.memory.page_tables", memory.page_tables),
            ("tocsin.memory.kernel_stacks", memory.kernel_stacks),
            ("tocsin.memory.committed", memory.committed),
            ("tocsin.memory.commit_limit", memory.commit_limit),
            ("tocsin.memory.hugepages.limit", memory.hugepages),
            ("tocsin.memory.hugepages.free", memory.hugepages_free),
        ] {
            columns.put(name, &[], 0, bytes_or_pages);
        }
        columns.put("tocsin.memory.oom_kills", &[], 0, self.paging.oom_kills);
    }

    fn put_paging(&self, columns: &mut Columns<'_>) {
        let (memory, paging) = (&self.memory, &self.paging);
        let used = memory.swap_used();
        let utilization = used
            .zip(memory.swap_total)
            .and_then(|(used, total)| share(used, total, SHARE_DECIMALS));
        columns.put("system.paging.usage", &[("system.paging.state", "used")], 0, used);
        columns.put(
            "system.paging.usage",
            &[("system.paging.state", "free")],
            0,
            memory.swap_free,
        );
        columns.put(
            "system.paging.utilization",
            &[("system.paging.state", "used")],
            SHARE_DECIMALS,
            utilization,
        );
        columns.put(
            "system.paging.operations",
            &[("system.paging.direction", "in")],
            0,
            paging.swapped_in,
        );
        columns.put(
            "system.paging.operations",
            &[("system.paging.direction", "out")],
            0,
            paging.swapped_out,
        );
        columns.put("tocsin.paging.direct_scans", &[], 0, paging.direct_scans);
        columns.put("tocsin.paging.stalls", &[], 0, paging.stalls);
        let minor = paging
            .faults
            .map(|faults| faults.saturating_sub(paging.major_faults.unwrap_or(0)));
        columns.put(
            "system.paging.faults",
            &[("system.paging.fault.type", "major")],
            0,
            paging.major_faults,
        );
        columns.put(
            "system.paging.faults",
            &[("system.paging.fault.type", "minor")],
            0,
            minor,
        );
    }

    fn put_pressure(&self, columns: &mut Columns<'_>) {
        for (resource, pressure) in RESOURCES.into_iter().zip(self.pressures) {
            let pressure = pressure.unwrap_or_default();
            for (word, stall) in [("some", pressure.some), ("full", pressure.full)] {
                put_stall(columns, resource, word, &stall);
            }
        }
    }
}

fn put_stall(columns: &mut Columns<'_>, resource: &str, word: &str, stall: &Stall) {
    let averages = [
        ("10s", stall.average_10_s),
        ("60s", stall.average_60_s),
        ("300s", stall.average_300_s),
    ];
    for (window, average) in averages {
        let attributes = &[
            ("tocsin.pressure.resource", resource),
            ("tocsin.pressure.stall", word),
            ("tocsin.pressure.window", window),
        ];
        // Hundredths of a percent are what 4 decimals of a share are.
        columns.put("tocsin.pressure.share", attributes, SHARE_DECIMALS, average);
    }
    let attributes = &[("tocsin.pressure.resource", resource), ("tocsin.pressure.stall", word)];
    columns.put(
        "tocsin.pressure.stall.time",
        attributes,
        3,
        stall.total_micros.map(|micros| micros / STALL_UNIT_MICROS),
    );
}
