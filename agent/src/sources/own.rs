//! What the agent itself costs and does.

use super::{
    columns::{CachedSection, Columns},
    file::KeptFile,
    process_stat::{page_bytes, parse_stat},
};
use std::time::Duration;
use tocsin_vocabulary::batch::Cell;

/// What only the agent's other parts know of themselves. What is `None` is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnFigures {
    /// How long the last tick took to sample.
    pub tick_duration: Option<Duration>,
    /// Ticks sampled since start.
    pub ticks: Option<u64>,
    /// Of those, how many began late.
    pub ticks_late: Option<u64>,
    /// Ticks left out since start because their time had passed.
    pub ticks_skipped: Option<u64>,
    /// Ticks that the collector has not sealed yet.
    pub spool_records: Option<u64>,
    /// Bytes of the spool on disk.
    pub spool_bytes: Option<u64>,
    /// Ticks that the spool had to give up.
    pub spool_dropped: Option<u64>,
    /// Of logs: lines read, matched, suppressed; bytes behind.
    pub logs: Option<[u64; 4]>,
}

/// Samples the agent itself; in a recorded tree its cost is absent.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) figures: OwnFigures,
    /// In bytes, at the last tick.
    pub(crate) resident: Option<u64>,
    stat: Option<KeptFile>,
    page_bytes: u64,
    section: CachedSection,
}

impl Own {
    pub(crate) fn new(live: bool) -> Self {
        Self {
            figures: OwnFigures::default(),
            resident: None,
            stat: live.then(|| KeptFile::new("/proc/self/stat")),
            page_bytes: page_bytes(),
            section: CachedSection::default(),
        }
    }

    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    pub(crate) fn sample(&mut self, buffer: &mut Vec<u8>, cells: &mut Vec<Cell>) -> bool {
        let stat = self
            .stat
            .as_mut()
            .and_then(|file| file.read(buffer))
            .and_then(parse_stat);
        let cpu_ticks = stat.as_ref().map(|stat| stat.cpu_ticks);
        let memory = stat
            .as_ref()
            .and_then(|stat| stat.resident_pages.checked_mul(self.page_bytes));
        self.resident = memory;
        let figures = self.figures;
        self.section.fill(cells, |columns| {
            columns.put("tocsin.agent.cpu.time", &[], 2, cpu_ticks);
            columns.put("tocsin.agent.memory.usage", &[], 0, memory);
            put(columns, &figures);
        })
    }
}

fn put(columns: &mut Columns<'_>, figures: &OwnFigures) {
    /// Of `tocsin.agent.tick.duration`: 0.1 ms.
    const TICK_DURATION_UNIT_MICROS: u128 = 100;
    let duration = figures
        .tick_duration
        .and_then(|duration| u64::try_from(duration.as_micros() / TICK_DURATION_UNIT_MICROS).ok());
    columns.put("tocsin.agent.tick.duration", &[], 4, duration);
    columns.put("tocsin.agent.ticks", &[], 0, figures.ticks);
    columns.put("tocsin.agent.ticks.late", &[], 0, figures.ticks_late);
    columns.put("tocsin.agent.ticks.skipped", &[], 0, figures.ticks_skipped);
    columns.put("tocsin.agent.spool.records", &[], 0, figures.spool_records);
    columns.put("tocsin.agent.spool.usage", &[], 0, figures.spool_bytes);
    columns.put("tocsin.agent.spool.dropped", &[], 0, figures.spool_dropped);
    let log = |at: usize| figures.logs.map(|logs| logs[at]);
    columns.put("tocsin.agent.log.lines", &[], 0, log(0));
    columns.put("tocsin.agent.log.matched", &[], 0, log(1));
    columns.put("tocsin.agent.log.suppressed", &[], 0, log(2));
    columns.put("tocsin.agent.log.behind", &[], 0, log(3));
}
