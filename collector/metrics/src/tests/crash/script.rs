//! A few days in the life of a small fleet, made from a seed: what its agents sample and send, and when house is kept.

use crate::{Retention, RetentionClass, Store, StoreConfig, StoreError, disk::Random};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Section, Series, SpoolId, Timestamp,
    batch::{Cell, Tick},
};

/// 2025-11-22T22:40:00Z: hours and a day turn soon.
pub(crate) const START_MS: i64 = 1_763_851_200_000;
/// Between two ticks.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Hosts of a fleet; the first of them is installed anew on the way.
const HOSTS: u8 = 3;
/// Rounds of a script.
const ROUNDS: usize = 16;
/// Ticks between two key-frames.
pub(crate) const KEY_EVERY: u64 = 7;

/// Settings under which days are dropped within a script, of three classes at different times.
pub(crate) fn config() -> StoreConfig {
    let days = |count: u64| Duration::from_secs(count * 86_400);
    let kept = |raw| Retention {
        raw: days(raw),
        rollup_5m: days(raw + 1),
        rollup_1h: days(raw + 2),
    };
    StoreConfig {
        retention: days(2),
        classes: BTreeMap::from([(class("brief"), kept(1)), (class("long"), kept(3))]),
        ..super::super::world::config()
    }
}

fn class(name: &str) -> RetentionClass {
    name.parse().unwrap()
}

/// The classes of the fleet, before the change that happens amid a script and after it.
pub(crate) fn classes(changed: bool) -> HashMap<HostId, RetentionClass> {
    let mut classes = HashMap::from([(HostId::from_bytes([2; 16]), class("brief"))]);
    if changed {
        classes.insert(HostId::from_bytes([3; 16]), class("long"));
    }
    classes
}

/// The shortest time for which samples of a host are kept while a script is played.
pub(crate) fn kept(host: HostId) -> Duration {
    let before = classes(false).get(&host).copied().unwrap_or_default();
    config().retention_of(before).unwrap().raw
}

/// One life of a host's spool, and all that is sampled in it. Tick number *n* is at *n* - 1.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) host: HostId,
    pub(crate) spool: SpoolId,
    pub(crate) ticks: Vec<Sampled>,
    /// Ticks that its spool lost.
    pub(crate) lost: BTreeSet<u64>,
}

/// When a tick was sampled, and by which of the two dictionaries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampled {
    pub(crate) time: Timestamp,
    pub(crate) wide: bool,
}

/// One thing that happens. Lives are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Connect(usize),
    Live(usize, u64),
    Chunk(usize, Vec<u64>),
    Gap(usize, u64, u64),
    Maintain(Timestamp),
    SealEverything(Timestamp),
    /// Hosts go to other classes.
    Classes,
    Reopen,
}

/// What happens, in order.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) lives: Vec<Life>,
    pub(crate) steps: Vec<Step>,
    /// When it ends.
    pub(crate) end: Timestamp,
}

impl Life {
    fn new(host: u8, spool: u8) -> Self {
        Self {
            host: HostId::from_bytes([host; 16]),
            spool: SpoolId::from_bytes([spool; 16]),
            ticks: Vec::new(),
            lost: BTreeSet::new(),
        }
    }

    /// Its last tick's number.
    pub(crate) fn last(&self) -> u64 {
        self.ticks.len() as u64
    }

    pub(crate) fn sampled(&self, seq: u64) -> Sampled {
        self.ticks[usize::try_from(seq).unwrap() - 1]
    }

    /// A tick; everything about it follows from its number and its host.
    pub(crate) fn tick(&self, seq: u64) -> Tick {
        let number = i64::try_from(seq).unwrap() + i64::from(self.spool.as_bytes()[0]);
        let Sampled { time, wide } = self.sampled(seq);
        let mut cells = vec![Cell::Scaled(number * 7 % 100), Cell::Scaled(number * 3), Cell::Absent];
        if wide {
            cells.push(Cell::Scaled(number));
        }
        Tick { time, cells }
    }

    /// What `level` shows at that tick.
    pub(crate) fn level(&self, seq: u64) -> f64 {
        let number = seq + u64::from(self.spool.as_bytes()[0]);
        (number * 7 % 100) as f64 / 10.0
    }

    /// What `sent` shows at that tick.
    pub(crate) fn sent(&self, seq: u64) -> f64 {
        let number = seq + u64::from(self.spool.as_bytes()[0]);
        (number * 3) as f64
    }
}

fn series(name: &str, kind: Kind, decimals: u8) -> Series {
    Series {
        name: name.into(),
        attributes: vec![("host.part".into(), "a".into())],
        kind,
        unit: "By".into(),
        decimals,
    }
}

/// The narrow and the wide dictionary of the fleet.
#[derive(Debug, Clone)]
pub(crate) struct Dictionaries {
    narrow: Dictionary,
    wide: Dictionary,
}

impl Dictionaries {
    pub(crate) fn of(&self, wide: bool) -> &Dictionary {
        if wide { &self.wide } else { &self.narrow }
    }

    /// Sends the store what it lacks of both, as an agent does when it connects.
    pub(crate) fn learn(store: &Store) -> Result<Self, StoreError> {
        let core = Section::new(vec![series("level", Kind::Gauge, 1), series("sent", Kind::Counter, 0)]);
        let rare = Section::new(vec![series("absent", Kind::Gauge, 0)]);
        let more = Section::new(vec![series("more", Kind::Gauge, 0)]);
        let sections = [&core, &rare, &more].map(|section| section.bytes());
        store.put_sections(&sections)?;
        Ok(Self {
            narrow: store.put_dictionary(&[core.hash(), rare.hash()])?,
            wide: store.put_dictionary(&[core.hash(), rare.hash(), more.hash()])?,
        })
    }
}

impl Life {
    /// Whether these are ticks of one hour and one dictionary.
    pub(crate) fn is_one_block(&self, seqs: &BTreeSet<u64>) -> bool {
        let place = |seq: &u64| {
            let Sampled { time, wide } = self.sampled(*seq);
            (time.as_millis().div_euclid(3_600_000), wide)
        };
        seqs.iter().map(place).collect::<BTreeSet<_>>().len() <= 1
    }
}

impl Script {
    /// Three hosts that tick without a break: two sealed hours, then a journal of more than 64 KiB with a chunk and a
    /// gap in it.
    pub(crate) fn steady() -> Self {
        const SEALED: u64 = 120;
        const OPEN: u64 = 260;
        let mut script = Self {
            lives: (1..=HOSTS).map(|host| Life::new(host, 100 + host)).collect(),
            steps: Vec::new(),
            end: Timestamp::from_millis(START_MS),
        };
        script.tick(SEALED);
        script.steps.push(Step::SealEverything(script.end));
        // Long enough for a new segment to begin and the old one to go.
        script.end = script.end.plus(Duration::from_secs(4_000));
        script.steps.push(Step::Maintain(script.end));
        script.tick(3);
        script.end = script.end.plus(Duration::from_secs(4_000));
        script.steps.push(Step::SealEverything(script.end));
        script.steps.push(Step::Reopen);
        script.tick(OPEN);
        let last = script.lives[0].last();
        script.lives[0].lost.extend(last + 1..=last + 3);
        script.sample(0, 23);
        script.steps.push(Step::Gap(0, last + 1, last + 3));
        script.steps.push(Step::Chunk(0, (last + 4..=last + 23).collect()));
        script
    }

    fn sample(&mut self, life: usize, ticks: u64) {
        for _ in 0..ticks {
            let time = self.end;
            self.lives[life].ticks.push(Sampled { time, wide: false });
            self.end = self.end.plus(INTERVAL);
        }
    }

    /// All hosts connect and tick, live.
    fn tick(&mut self, ticks: u64) {
        self.steps.extend((0..self.lives.len()).map(Step::Connect));
        for _ in 0..ticks {
            for life in 0..self.lives.len() {
                let (time, wide) = (self.end, life == 1);
                self.lives[life].ticks.push(Sampled { time, wide });
                self.steps.push(Step::Live(life, self.lives[life].last()));
            }
            self.end = self.end.plus(INTERVAL);
        }
    }

    /// Whether these ticks are a chunk.
    pub(crate) fn has_chunk(&self, seqs: &BTreeSet<u64>) -> bool {
        let is_it = |step: &Step| matches!(step, Step::Chunk(_, chunk) if chunk.iter().eq(seqs));
        self.steps.iter().any(is_it)
    }
}

/// A script in the making.
struct Writer {
    random: Random,
    now: Timestamp,
    script: Script,
    /// The current life of each host.
    current: Vec<usize>,
    /// Ticks that wait in each life's spool.
    backlog: Vec<BTreeSet<u64>>,
    connected: Vec<bool>,
}

impl Script {
    /// The script of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let lives: Vec<Life> = (1..=HOSTS).map(|host| Life::new(host, 100 + host)).collect();
        let mut writer = Writer {
            random: Random::new(seed),
            now: Timestamp::from_millis(START_MS),
            current: (0..lives.len()).collect(),
            backlog: vec![BTreeSet::new(); lives.len()],
            connected: vec![false; lives.len()],
            script: Self {
                lives,
                steps: Vec::new(),
                end: Timestamp::from_millis(START_MS),
            },
        };
        for round in 0..ROUNDS {
            writer.round(round);
        }
        writer.finish()
    }
}

impl Writer {
    fn push(&mut self, step: Step) {
        self.script.steps.push(step);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    fn round(&mut self, round: usize) {
        for _ in 0..self.random.within(1, 4) {
            for host in 0..self.current.len() {
                self.sample(self.current[host]);
            }
            self.wait(INTERVAL.as_secs());
        }
        let life = self.current[self.random.within(0, self.current.len() - 1)];
        match self.random.within(0, 5) {
            0 => self.connected[life] = false,
            1 => self.push(Step::SealEverything(self.now)),
            2 => self.push(Step::Reopen),
            3 => self.give_up(life),
            _ => self.send_backlog(life),
        }
        if self.random.one_in(3) {
            self.connected[life] = false;
        }
        if round == ROUNDS / 2 {
            self.install_anew();
            self.push(Step::Classes);
        }
        // Time passes: within the hour, into the next one, into another day.
        match round % 4 {
            0 => self.wait(1_300),
            1 => self.wait(4_000),
            2 => {}
            _ => self.wait(86_400),
        }
        self.push(Step::Maintain(self.now));
    }

    fn sample(&mut self, life: usize) {
        let wide = self.random.one_in(4);
        let time = self.now;
        self.script.lives[life].ticks.push(Sampled { time, wide });
        let seq = self.script.lives[life].last();
        if !self.connected[life] && self.random.one_in(2) {
            self.push(Step::Connect(life));
            self.connected[life] = true;
        }
        if self.connected[life] {
            self.push(Step::Live(life, seq));
        } else {
            self.backlog[life].insert(seq);
        }
    }

    /// A run of backlog, the newest or the oldest.
    fn run(&mut self, life: usize, newest: bool) -> Vec<u64> {
        let mut all: Vec<u64> = self.backlog[life].iter().copied().collect();
        if newest {
            all.reverse();
        }
        let width = self.random.within(1, 6);
        let mut run: Vec<u64> = Vec::new();
        for seq in all {
            if run.len() == width || run.last().is_some_and(|last| last.abs_diff(seq) != 1) {
                break;
            }
            run.push(seq);
        }
        run.sort_unstable();
        self.backlog[life].retain(|seq| !run.contains(seq));
        run
    }

    fn send_backlog(&mut self, life: usize) {
        if !self.connected[life] {
            self.push(Step::Connect(life));
            self.connected[life] = true;
        }
        for _ in 0..self.random.within(1, 3) {
            let newest = self.random.one_in(2);
            let run = self.run(life, newest);
            if !run.is_empty() {
                self.push(Step::Chunk(life, run));
            }
        }
    }

    fn give_up(&mut self, life: usize) {
        let run = self.run(life, false);
        if let (Some(&first), Some(&last), true) = (run.first(), run.last(), self.connected[life]) {
            self.script.lives[life].lost.extend(first..=last);
            self.push(Step::Gap(life, first, last));
        } else {
            self.backlog[life].extend(run);
        }
    }

    /// The first host gets a new disk, and with it a new spool.
    fn install_anew(&mut self) {
        self.send_backlog(0);
        self.script.lives.push(Life::new(1, 150));
        self.current[0] = self.script.lives.len() - 1;
        self.backlog.push(BTreeSet::new());
        self.connected.push(false);
    }

    fn finish(mut self) -> Script {
        for life in 0..self.script.lives.len() {
            while !self.backlog[life].is_empty() {
                self.send_backlog(life);
            }
        }
        self.push(Step::SealEverything(self.now));
        self.wait(86_400);
        self.push(Step::Maintain(self.now));
        self.script.end = self.now;
        self.script
    }
}
