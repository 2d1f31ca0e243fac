//! Sampling: one pass over the host gives one tick, all of whose values bear one timestamp.
//!
//! Everything comes from `/proc` and `/sys` below a root path, so a recorded tree is sampled like a machine. What a
//! kernel does not have or may not be read is absent: neither zero nor an error. On an unchanged host a tick keeps its
//! files open, parses bytes in place and allocates next to nothing; sections of the dictionary are made anew only when
//! their set of series changed. File systems are asked for their space by others (see `space`).

mod bytes;
mod cgroup;
mod columns;
mod core;
mod cpu;
mod disks;
mod file;
mod groups;
mod limits;
mod load;
mod memory;
mod mountinfo;
mod mounts;
mod network;
mod own;
mod pressure;
pub(crate) mod process_stat;
mod process_table;
mod processes;
pub(crate) mod space;
mod walk;

#[cfg(test)]
mod tests;

pub use groups::{PROCESS_GROUPS_MAX, ProcessGroup};
pub use own::OwnFigures;
pub use process_table::{ProcessRow, ProcessTable};

pub(crate) use bytes::{cut, fields, fits, lines, number, text, trimmed};
pub(crate) use columns::CachedSection;
pub(crate) use cpu::Stat;
pub(crate) use file::read_path;
pub(crate) use memory::Memory;
pub(crate) use process_stat::page_bytes;

use crate::{
    clock::SharedClock,
    surveys::{self, Document, Feed, Mode, Surveyor, SurveysConfig},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::{
    Dictionary, Severity, Timestamp,
    batch::{Cell, Tick},
};

/// What to sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplerConfig {
    /// `/`, or the folder of a recorded tree with `proc`, `sys` and perhaps `etc` below.
    pub root: PathBuf,
    /// Whether logical processors are told apart.
    pub per_core: bool,
    /// Sets of processes that must run; at most [`PROCESS_GROUPS_MAX`].
    pub process_groups: Vec<ProcessGroup>,
    /// Rows of the process table by processor time, and as many by memory; at most 100.
    pub top: usize,
    /// Mount points that are left out. In all patterns `*` stands for anything.
    pub exclude_mounts: Vec<String>,
    /// Network interfaces that are left out.
    pub exclude_interfaces: Vec<String>,
    /// Block devices that are left out.
    pub exclude_disks: Vec<String>,
    /// What is looked at less often than on every tick.
    pub surveys: SurveysConfig,
}

impl Default for SamplerConfig {
    /// This machine, without what containers, loop devices and sessions bring along.
    fn default() -> Self {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Self {
            root: PathBuf::from("/"),
            per_core: false,
            process_groups: Vec::new(),
            top: 10,
            exclude_mounts: owned(&[
                "/run/credentials/*",
                "/run/docker/*",
                "/run/lock",
                "/run/user/*",
                "/snap/*",
                "/var/lib/containers/*",
                "/var/lib/docker/*",
                "/var/lib/kubelet/*",
            ]),
            exclude_interfaces: owned(&["cali*", "ifb*", "lo", "veth*"]),
            exclude_disks: owned(&["fd*", "loop*", "ram*", "sr*", "zram*"]),
            surveys: SurveysConfig::default(),
        }
    }
}

/// Something that happened on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEvent {
    /// Dotted name, such as `process.group.gone`, `network.link.down`, `part.failed`.
    pub name: &'static str,
    /// How bad, by itself.
    pub severity: Severity,
    /// What it happened to.
    pub attributes: Vec<(&'static str, String)>,
    /// One sentence, English. Holds names of the host: data, never markup.
    pub body: String,
}

/// One pass of sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// What the cells mean. Equal hashes mean the same dictionary.
    pub dictionary: Dictionary,
    /// The values.
    pub tick: Tick,
    /// What happened since the tick before.
    pub events: Vec<HostEvent>,
    /// The busiest processes, when a table was due.
    pub processes: Option<ProcessTable>,
    /// Texts that changed.
    pub documents: Vec<Document>,
}

/// Samples one host again and again. Blocks for as long as reading `/proc` takes; a file system that hangs delays
/// nothing.
#[derive(Debug)]
pub struct Sampler {
    config: SamplerConfig,
    core: core::Core,
    cores: cpu::Cores,
    disks: disks::Disks,
    mounts: mounts::Mounts,
    network: network::Network,
    processes: processes::Processes,
    own: own::Own,
    surveyor: Option<Surveyor>,
    buffer: Vec<u8>,
    dictionary: Dictionary,
    first: bool,
}

impl Sampler {
    /// A sampler of this configuration. Nothing is read yet.
    #[must_use]
    pub fn new(config: SamplerConfig) -> Self {
        let root = config.root.as_path();
        let live = is_live(root);
        let ask = live.then(|| Arc::new(space::ask_kernel) as space::Ask);
        Self {
            core: core::Core::new(root),
            cores: cpu::Cores::new(config.per_core),
            disks: disks::Disks::new(root, config.exclude_disks.clone()),
            mounts: mounts::Mounts::new(root, config.exclude_mounts.clone(), ask),
            network: network::Network::new(root, config.exclude_interfaces.clone()),
            processes: processes::Processes::new(root, config.process_groups.clone(), config.top),
            own: own::Own::new(live),
            surveyor: None,
            config,
            buffer: Vec::new(),
            dictionary: Dictionary::new(Vec::new()),
            first: true,
        }
    }

    /// With surveys: by workers beside the ticks, or within the first tick.
    pub(crate) fn surveyed(mut self, mode: Mode, clock: SharedClock) -> Self {
        let surveys = surveys::all(&self.config.surveys);
        self.surveyor = Some(Surveyor::new(&self.config.root, surveys, mode, clock));
        self
    }

    /// Surveys keep below this state folder what must survive a restart.
    pub(crate) fn remembering(mut self, state_dir: &Path) -> Self {
        self.surveyor = self.surveyor.map(|surveyor| surveyor.remembering(state_dir));
        self
    }

    /// What looks by itself tells through the same ticks, once there are surveys.
    pub(crate) fn fed_by(mut self, feed: Arc<dyn Feed>) -> Self {
        self.surveyor = self.surveyor.map(|surveyor| surveyor.fed_by(feed));
        self
    }

    /// Resident memory of this process at the last tick, in bytes; absent in a recorded tree.
    pub(crate) const fn resident(&self) -> Option<u64> {
        self.own.resident
    }

    /// Gives back the memory of what can be found again: the table of processes and what surveys found. File systems
    /// that hang are not asked a second time.
    pub(crate) fn slim(&mut self) {
        let (config, root) = (&self.config, self.config.root.as_path());
        self.processes = processes::Processes::new(root, config.process_groups.clone(), config.top);
        if let Some(surveyor) = &mut self.surveyor {
            *surveyor = surveyor.with(surveys::all(&config.surveys));
        }
        (self.buffer, self.first) = (Vec::new(), true);
    }

    /// Another configuration from the next tick on, of the same root. What it does not concern goes on as it was, so
    /// that nothing is missed meanwhile and no file system that hangs is asked a second time.
    pub fn reconfigure(&mut self, config: SamplerConfig) {
        let config = SamplerConfig {
            root: std::mem::take(&mut self.config.root),
            ..config
        };
        let (old, root) = (&self.config, config.root.as_path());
        if config.per_core != old.per_core {
            self.cores = cpu::Cores::new(config.per_core);
        }
        if config.exclude_disks != old.exclude_disks {
            self.disks = disks::Disks::new(root, config.exclude_disks.clone());
        }
        if config.exclude_mounts != old.exclude_mounts {
            self.mounts.exclude(config.exclude_mounts.clone());
        }
        if config.exclude_interfaces != old.exclude_interfaces {
            self.network = network::Network::new(root, config.exclude_interfaces.clone());
        }
        if (&config.process_groups, config.top) != (&old.process_groups, old.top) {
            self.processes = processes::Processes::new(root, config.process_groups.clone(), config.top);
        }
        if let Some(surveyor) = self.surveyor.as_mut().filter(|_| config.surveys != old.surveys) {
            *surveyor = surveyor.with(surveys::all(&config.surveys));
        }
        self.config = config;
        self.first = true;
    }

    /// What the agent says about itself from the next tick on.
    pub const fn set_own_figures(&mut self, figures: OwnFigures) {
        self.own.figures = figures;
    }

    /// Takes one tick. `now` becomes its timestamp; `mono` is the monotonic clock, which must never run backwards.
    pub fn sample(&mut self, now: Timestamp, mono: Duration) -> Sampled {
        let Self {
            core,
            cores,
            disks,
            mounts,
            network,
            processes,
            own,
            surveyor,
            buffer,
            dictionary,
            first,
            ..
        } = self;
        let mut cells: Vec<Cell> = Vec::with_capacity(dictionary.len());
        let (mut events, mut documents) = (Vec::new(), Vec::new());
        core.read(buffer, cores.wanted());
        let moment = core.moment(now, mono);
        let table = processes.refresh(buffer, &mut events, &moment);
        let mut changed = [
            core.sample(&mut cells, processes),
            cores.sample(&mut cells, core.stat()),
            disks.sample(buffer, &mut cells),
            mounts.sample(buffer, &mut cells, mono),
            network.sample(buffer, &mut cells, &mut events, mono),
            processes.sample_groups(&mut cells),
            own.sample(buffer, &mut cells),
        ]
        .contains(&true);
        if let Some(surveyor) = surveyor {
            changed |= surveyor.sample(&mut cells, &mut events, &mut documents, now, mono);
        }
        if std::mem::take(first) || changed {
            let sections = [
                core.section(),
                cores.section(),
                disks.section(),
                mounts.section(),
                network.section(),
                processes.section(),
                own.section(),
            ];
            let mut sections: Vec<_> = sections.map(CachedSection::section).into();
            sections.extend(surveyor.iter().flat_map(Surveyor::sections));
            *dictionary = Dictionary::new(sections);
        }
        Sampled {
            dictionary: dictionary.clone(),
            tick: Tick { time: now, cells },
            events,
            processes: table,
            documents,
        }
    }
}

/// Whether `root` is this machine, and not a recorded tree.
pub(crate) fn is_live(root: &Path) -> bool {
    root == Path::new("/")
}
