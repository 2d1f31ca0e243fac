//! Who may open a stream now, and when those who may not shall come again.
//!
//! A fleet that lost its collector comes back all at once. Each stream costs the ledger some reads and the store a
//! welcome, so streams are let in at a steady pace, after a burst that a small fleet never exceeds. Whoever comes too
//! early is told so and when to come again: at a random moment of the time that all who were sent away need, one after
//! the other. So they come back at the pace at which they can be let in, not as one wave again.
//!
//! A host that opens streams over and over uses up its own allowance, not the others'.
//!
//! [`Admission`] is pure; [`Gate`] gives it clock, chance and a voice.

use crate::{
    clock::{self, Clock},
    limits::Limits,
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_vocabulary::{HostId, Timestamp};

/// Nobody is asked to come again sooner.
const DELAY_MIN_MS: u64 = 1_000;
/// Nobody is sent away for longer; an agent obeys up to ten minutes.
const DELAY_MAX_MS: u64 = 300_000;
/// Streams that one host may open one after the other, and how long until it has one more.
const HOST_BURST: u32 = 30;
const HOST_PERIOD_MS: u64 = 2_000;
/// How often it is logged that agents are sent away.
const NOTE_PERIOD: Duration = Duration::from_secs(10);
/// One admission, in the unit in which a bucket counts.
const ONE: u64 = 1_000;

/// A bucket that fills with time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of admissions in it.
    level: u64,
    at: Timestamp,
}

impl Bucket {
    /// Fills it with what `elapsed` brought: one admission in `period_ms / count`.
    fn fill(&mut self, now: Timestamp, count: u64, period_ms: u64, burst: u32) {
        let elapsed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let brought = elapsed.saturating_mul(count).saturating_mul(ONE) / period_ms;
        if brought > 0 {
            self.level = self.level.saturating_add(brought).min(u64::from(burst) * ONE);
            self.at = now;
        }
    }

    const fn take(&mut self) -> bool {
        let full = self.level >= ONE;
        if full {
            self.level -= ONE;
        }
        full
    }
}

/// Whether a stream may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Open,
    /// It may not yet.
    Later {
        /// When to come again.
        after: Duration,
        /// How many were sent away since this was last noted; `Some` when it is time to note it.
        note: Option<u64>,
    },
}

/// The pace at which streams are opened.
#[derive(Debug)]
pub struct Admission {
    per_second: u64,
    burst: u32,
    all: Bucket,
    /// Thousandths of agents that were sent away and, at the present pace, have not had their turn yet.
    away: Bucket,
    /// One small entry for each host that ever opened a stream.
    hosts: HashMap<HostId, Bucket>,
    unnoted: u64,
    noted_at: Option<Timestamp>,
    sent_away: u64,
}

impl Admission {
    /// Full at first.
    #[must_use]
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Self {
            per_second: u64::from(limits.streams_per_second.max(1)),
            burst: limits.streams_burst.max(1),
            all: Bucket {
                level: u64::from(limits.streams_burst.max(1)) * ONE,
                at: now,
            },
            away: Bucket { level: 0, at: now },
            hosts: HashMap::new(),
            unnoted: 0,
            noted_at: None,
            sent_away: 0,
        }
    }

    /// `host` wants to open a stream. `chance` is any random number.
    pub fn ask(&mut self, host: HostId, chance: u32, now: Timestamp) -> Verdict {
        let own = self.hosts.entry(host).or_insert(Bucket {
            level: u64::from(HOST_BURST) * ONE,
            at: now,
        });
        own.fill(now, 1, HOST_PERIOD_MS, HOST_BURST);
        if !own.take() {
            return self.later(HOST_PERIOD_MS, chance, now);
        }
        self.all.fill(now, self.per_second, 1_000, self.burst);
        self.drain(now);
        if self.all.take() {
            return Verdict::Open;
        }
        self.away.level = self.away.level.saturating_add(ONE);
        let window_ms = self.away.level / self.per_second;
        self.later(window_ms, chance, now)
    }

    /// When one of `agents` that are all sent away now shall come again.
    #[must_use]
    pub fn spread(&self, agents: usize, chance: u32) -> Duration {
        let agents = u64::try_from(agents).unwrap_or(u64::MAX);
        delay(agents.saturating_mul(1_000) / self.per_second, chance)
    }

    /// Those who were sent away have their turn at the pace of admission.
    fn drain(&mut self, now: Timestamp) {
        let elapsed = u64::try_from(now.since(self.away.at).as_millis()).unwrap_or(u64::MAX);
        self.away.level = self.away.level.saturating_sub(elapsed.saturating_mul(self.per_second));
        self.away.at = now;
    }

    fn later(&mut self, window_ms: u64, chance: u32, now: Timestamp) -> Verdict {
        self.sent_away += 1;
        self.unnoted += 1;
        let due = self.noted_at.is_none_or(|at| now.since(at) >= NOTE_PERIOD);
        let note = due.then(|| {
            self.noted_at = Some(now);
            std::mem::take(&mut self.unnoted)
        });
        Verdict::Later {
            after: delay(window_ms, chance),
            note,
        }
    }
}

/// Any moment of the window, but not at once.
fn delay(window_ms: u64, chance: u32) -> Duration {
    let window_ms = window_ms.min(DELAY_MAX_MS - DELAY_MIN_MS);
    Duration::from_millis(DELAY_MIN_MS + ((window_ms * u64::from(chance)) >> 32))
}

/// The gate of the agents' listener.
pub struct Gate {
    admission: Mutex<Admission>,
    clock: Clock,
}

impl Gate {
    /// Open at the pace that `limits` sets.
    #[must_use]
    pub fn new(limits: Limits, clock: Clock) -> Self {
        let admission = Mutex::new(Admission::new(limits, clock()));
        Self { admission, clock }
    }

    fn lock(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `host` may open a stream; otherwise when it shall come again.
    ///
    /// # Errors
    /// After how long.
    pub fn ask(&self, host: HostId) -> Result<(), Duration> {
        let verdict = self.lock().ask(host, chance(), (self.clock)());
        match verdict {
            Verdict::Open => Ok(()),
            Verdict::Later { after, note } => {
                if let Some(agents) = note {
                    tracing::warn!(
                        agents,
                        "more agents come than limits.streams_per_second lets in: the others are told to come a little later"
                    );
                }
                Err(after)
            }
        }
    }

    /// When one of `agents` that are all sent away now shall come again.
    #[must_use]
    pub fn spread(&self, agents: usize) -> Duration {
        self.lock().spread(agents, chance())
    }

    /// How many were sent away since the start.
    #[must_use]
    pub fn sent_away(&self) -> u64 {
        self.lock().sent_away
    }
}

/// A random number. Without randomness all come again at the end of the window: late, and no harm.
fn chance() -> u32 {
    let mut bytes = [0xFF; 4];
    let _ = clock::random(&mut bytes);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;

    const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn hosts(count: usize) -> Vec<HostId> {
        let mut ids = IdSource::new(7);
        (0..count).map(|_| HostId::next(&mut ids, START)).collect()
    }

    /// Numbers that look random and are the same in each run.
    fn chances() -> impl FnMut() -> u32 {
        let mut state = 1_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u32::try_from(state >> 32).unwrap()
        }
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_pace_holds() {
        let limits = Limits {
            streams_per_second: 10,
            streams_burst: 20,
            ..Limits::default()
        };
        let mut admission = Admission::new(limits, START);
        let open = |admission: &mut Admission, now| {
            let hosts = hosts(100);
            let open = |host: &&HostId| admission.ask(**host, 0, now) == Verdict::Open;
            hosts.iter().filter(open).count()
        };
        assert_eq!(open(&mut admission, START), 20);
        assert_eq!(open(&mut admission, START), 0);
        assert_eq!(open(&mut admission, START.plus(Duration::from_millis(99))), 0);
        assert_eq!(open(&mut admission, START.plus(Duration::from_millis(500))), 5);
        assert_eq!(open(&mut admission, START.plus(Duration::from_secs(3_600))), 20);
    }

    #[test]
    fn ten_thousand_that_come_at_once_are_all_in_within_twice_the_time_that_the_pace_needs() {
        let mut admission = Admission::new(Limits::default(), START);
        let mut chance = chances();
        let mut coming: Vec<(Timestamp, HostId)> = hosts(10_000).into_iter().map(|host| (START, host)).collect();
        let (mut last, mut attempts) = (START, 0);
        while !coming.is_empty() {
            coming.sort_unstable();
            let mut again = Vec::new();
            let wave = coming[0].0.plus(Duration::from_millis(100));
            for (now, host) in std::mem::take(&mut coming) {
                if now > wave {
                    again.push((now, host));
                    continue;
                }
                attempts += 1;
                match admission.ask(host, chance(), now) {
                    Verdict::Open => last = last.max(now),
                    Verdict::Later { after, .. } => again.push((now.plus(after), host)),
                }
            }
            coming = again;
        }
        let seconds = last.since(START).as_secs();
        assert!((18..=40).contains(&seconds), "{seconds} s");
        assert!(attempts < 30_000, "{attempts} attempts for 10000 streams");
    }

    #[test]
    fn delays_lie_anywhere_in_the_time_that_the_queue_needs_and_never_at_once() {
        let limits = Limits {
            streams_per_second: 10,
            streams_burst: 1,
            ..Limits::default()
        };
        let mut admission = Admission::new(limits, START);
        let hosts = hosts(102);
        assert_eq!(admission.ask(hosts[0], 0, START), Verdict::Open);
        for host in &hosts[1..101] {
            admission.ask(*host, 0, START);
        }
        let longest = match admission.ask(hosts[101], u32::MAX, START) {
            Verdict::Later { after, .. } => after,
            Verdict::Open => panic!("the bucket is empty"),
        };
        assert_eq!(longest.as_millis(), 11_099, "101 at 10 a second, after the first");
        assert_eq!(delay(10_000, 0), Duration::from_secs(1));
        assert_eq!(delay(u64::MAX, u32::MAX).as_secs(), 299);
    }

    #[test]
    fn a_host_that_opens_streams_over_and_over_is_sent_away_and_no_other() {
        let mut admission = Admission::new(Limits::default(), START);
        let hosts = hosts(2);
        let opened = (0..1_000).filter(|_| admission.ask(hosts[0], 0, START) == Verdict::Open);
        assert_eq!(opened.count(), HOST_BURST as usize);
        assert_eq!(admission.ask(hosts[1], 0, START), Verdict::Open);
        let later = START.plus(Duration::from_millis(HOST_PERIOD_MS));
        assert_eq!(admission.ask(hosts[0], 0, later), Verdict::Open);
    }

    #[test]
    fn a_thousand_who_are_sent_away_are_one_line_of_the_log() {
        let limits = Limits {
            streams_per_second: 1,
            streams_burst: 1,
            ..Limits::default()
        };
        let mut admission = Admission::new(limits, START);
        let mut noted = |now| {
            let note = |host: HostId| match admission.ask(host, 0, now) {
                Verdict::Later { note, .. } => note,
                Verdict::Open => None,
            };
            hosts(1_001).into_iter().filter_map(note).collect::<Vec<_>>()
        };
        assert_eq!(noted(START), [1]);
        assert_eq!(noted(START), [] as [u64; 0]);
        assert_eq!(noted(START.plus(NOTE_PERIOD)).len(), 1);
    }
}
