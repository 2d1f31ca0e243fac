//! The contract's clocks: what is remembered of a ticket's times, and what that makes of its targets.
//!
//! A ticket remembers *moments* (when it was reported, accepted, …), *pauses* and *rungs* (the levels it has stood on).
//! Its clocks are computed from these and the contract's terms, the same way each time ([`reckon`]): a time that is
//! entered late changes a moment, and all clocks follow. Nothing is erased by that: each change of a clock is a [`Mark`],
//! and marks are only ever added.
//!
//! * `terms` — policy, grade and calendar of a contract,
//! * `count` — how much of a target has run between pauses, and when it ends,
//! * `reckon` — the clocks of a ticket,
//! * `mark` — what changed between two reckonings.

mod count;
mod mark;
mod reckon;
mod terms;

#[cfg(test)]
mod tests;

pub use count::{Count, Due};
pub use mark::{Mark, MarkKind, marks};
pub use reckon::{Reckoned, reckon};
pub use terms::{Book, ContractTerms, Terms};

use crate::{
    account::report,
    calendar::TimeBase,
    model::{Clock, ClockKind, TicketState},
    policy::{Impact, Intake, WaitReason},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{Importance, Level, Timestamp};

/// Shares of a target at which people are warned, in percent.
pub const WARNINGS: [u8; 2] = [50, 80];

/// When things happened to a ticket, as far as they have. Entered times replace those that the desk noted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Moments {
    /// 发生.
    pub occurred: Timestamp,
    /// 发现.
    pub discovered: Timestamp,
    /// 报障.
    pub reported: Timestamp,
    /// 受理.
    pub accepted: Option<Timestamp>,
    /// 到场.
    pub on_site: Option<Timestamp>,
    /// The duty engineer gave up and called for a specialist.
    pub given_up: Option<Timestamp>,
    /// The repair plan was entered.
    pub planned: Option<Timestamp>,
    /// 业务恢复.
    pub restored: Option<Timestamp>,
    /// All alerts of the fault cleared.
    pub recovered: Option<Timestamp>,
    /// 解决.
    pub resolved: Option<Timestamp>,
    /// Closed, merged or cancelled.
    pub ended: Option<Timestamp>,
    /// Nobody has to accept any more although nobody did: restored by itself, reopened later.
    pub response_excused: Option<Timestamp>,
    /// Nobody has to come any more although nobody came: mended from afar, and back too late for an arrival in time.
    pub arrival_excused: Option<Timestamp>,
}

/// A time that people may enter after the fact (补录).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// 发生.
    Occurred,
    /// 发现.
    Discovered,
    /// 报障.
    Reported,
    /// 受理.
    Accepted,
    /// 到场.
    OnSite,
    /// 修复方案.
    Planned,
    /// 业务恢复.
    Restored,
    /// 解决.
    Resolved,
}

impl Moment {
    /// All of them, in the order in which they must follow each other.
    pub const ALL: [Self; 8] = [
        Self::Occurred,
        Self::Discovered,
        Self::Reported,
        Self::Accepted,
        Self::OnSite,
        Self::Planned,
        Self::Restored,
        Self::Resolved,
    ];

    /// The word in API and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Occurred => "occurred",
            Self::Discovered => "discovered",
            Self::Reported => "reported",
            Self::Accepted => "accepted",
            Self::OnSite => "on_site",
            Self::Planned => "planned",
            Self::Restored => "restored",
            Self::Resolved => "resolved",
        }
    }

    /// The moment that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.as_str() == word)
    }
}

impl Moments {
    /// When it was, if it was.
    #[must_use]
    pub const fn get(&self, moment: Moment) -> Option<Timestamp> {
        match moment {
            Moment::Occurred => Some(self.occurred),
            Moment::Discovered => Some(self.discovered),
            Moment::Reported => Some(self.reported),
            Moment::Accepted => self.accepted,
            Moment::OnSite => self.on_site,
            Moment::Planned => self.planned,
            Moment::Restored => self.restored,
            Moment::Resolved => self.resolved,
        }
    }

    /// Sets a moment.
    pub const fn set(&mut self, moment: Moment, at: Timestamp) {
        match moment {
            Moment::Occurred => self.occurred = at,
            Moment::Discovered => self.discovered = at,
            Moment::Reported => self.reported = at,
            Moment::Accepted => self.accepted = Some(at),
            Moment::OnSite => self.on_site = Some(at),
            Moment::Planned => self.planned = Some(at),
            Moment::Restored => self.restored = Some(at),
            Moment::Resolved => self.resolved = Some(at),
        }
    }
}

/// A time in which no clock of the ticket ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end; none while it lasts.
    pub to: Option<Timestamp>,
    /// Why.
    pub reason: WaitReason,
}

/// A level on which the ticket stands, and since when. Each raise adds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The level.
    pub level: Level,
    /// Its clocks start no earlier.
    pub since: Timestamp,
}

/// Both sides agreed that this ticket is not raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Who recorded it.
    pub by: String,
    /// What was agreed.
    pub reason: String,
    /// When it was recorded.
    pub at: Timestamp,
}

/// How one clock counts, beside what the ticket shows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Which clock.
    pub clock: ClockKind,
    /// Of which rung, from 0.
    pub rung: u32,
    /// The level whose promise it is.
    pub level: Level,
    /// Which hours count.
    pub base: TimeBase,
    /// How much of them, in milliseconds.
    pub target_ms: u64,
    /// The calendar.
    pub calendar: String,
    /// Its version.
    pub calendar_version: String,
    /// Whether it stands still.
    pub paused: bool,
    /// When the shares of [`WARNINGS`] have run.
    pub warn_at: [Timestamp; 2],
    /// Its cell as the contract words it.
    pub wording: String,
}

impl Timing {
    /// How much may run.
    #[must_use]
    pub const fn target(&self) -> Duration {
        Duration::from_millis(self.target_ms)
    }
}

/// A share of a clock that people were told of, once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fired {
    /// Which clock.
    pub clock: ClockKind,
    /// Of which rung.
    pub rung: u32,
    /// 50, 80, or 100 for the breach.
    pub percent: u8,
}

/// Everything that a ticket remembers for its clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reckoning {
    /// The policy by which it was counted last.
    pub policy: String,
    /// That policy's version.
    pub policy_version: String,
    /// The grade.
    pub grade: String,
    /// By which way the report came in.
    pub intake: Intake,
    /// How much the asset matters.
    pub importance: Importance,
    /// What the fault does to the customer, once somebody has said it.
    pub impact: Option<Impact>,
    /// Set when it was agreed not to raise.
    pub waiver: Option<Waiver>,
    /// When things happened.
    pub moments: Moments,
    /// When no clock ran, in order.
    pub pauses: Vec<Pause>,
    /// The levels, in order; empty only for a ticket from before there were rungs.
    pub rungs: Vec<Rung>,
    /// The state before the waiting, kept while the ticket is restored out of waiting.
    pub waited_from: Option<TicketState>,
    /// How the ticket's clocks count, one for each, in their order.
    pub timings: Vec<Timing>,
    /// What people were told of.
    pub fired: Vec<Fired>,
    /// How many marks there are: the `seq` of the last one.
    pub mark_count: u64,
    /// When people were last told by a round, or that it came back; none: never, or before this was kept.
    pub told_at: Option<Timestamp>,
    /// Up to when the rungs of its chain were looked at: whom those name was paged, or will be by the round that is due.
    pub called_at: Option<Timestamp>,
    /// Reports that are owed about it, and when each is due; none: it was owed, and is not any more.
    pub reports: BTreeMap<report::Kind, Option<Timestamp>>,
}

impl Default for Reckoning {
    fn default() -> Self {
        Self {
            policy: String::new(),
            policy_version: String::new(),
            grade: String::new(),
            intake: Intake::Alert,
            importance: Importance::Normal,
            impact: None,
            waiver: None,
            moments: Moments::default(),
            pauses: Vec::new(),
            rungs: Vec::new(),
            waited_from: None,
            timings: Vec::new(),
            fired: Vec::new(),
            mark_count: 0,
            told_at: None,
            called_at: None,
            reports: BTreeMap::new(),
        }
    }
}

impl Reckoning {
    /// Whether the clock at this place of the ticket stands still.
    #[must_use]
    pub fn is_paused(&self, place: usize) -> bool {
        self.timings.get(place).is_some_and(|timing| timing.paused)
    }

    /// When the clock at this place ended because the level was raised, if that is why it ended.
    #[must_use]
    pub fn superseded(&self, place: usize, clock: &Clock) -> Option<Timestamp> {
        let rung = usize::try_from(self.timings.get(place)?.rung).ok()?;
        let next = self.rungs.get(rung + 1)?.since;
        (clock.stopped_at == Some(next)).then_some(next)
    }

    /// Whether people were told of this share.
    #[must_use]
    pub fn has_fired(&self, place: usize, percent: u8) -> bool {
        self.timings.get(place).is_some_and(|timing| {
            let wanted = (timing.clock, timing.rung, percent);
            self.fired
                .iter()
                .any(|fired| (fired.clock, fired.rung, fired.percent) == wanted)
        })
    }

    /// Notes that people are told of a share; none when they were told before.
    pub fn fire(&mut self, place: usize, percent: u8) -> Option<Fired> {
        if self.has_fired(place, percent) {
            return None;
        }
        let timing = self.timings.get(place)?;
        let fired = Fired {
            clock: timing.clock,
            rung: timing.rung,
            percent,
        };
        self.fired.push(fired);
        Some(fired)
    }

    /// Begins a pause, unless one lasts.
    pub fn pause(&mut self, reason: WaitReason, at: Timestamp) {
        if self.pauses.last().is_none_or(|pause| pause.to.is_some()) {
            self.pauses.push(Pause {
                from: at,
                to: None,
                reason,
            });
        }
    }

    /// Lets the pause that ended at `restored` go on as if it had not ended; where a target was `missed` since, which must
    /// stay so, it begins again `now`.
    pub fn rejoin_pause(&mut self, restored: Option<Timestamp>, missed: bool, now: Timestamp) {
        let ended = self.pauses.last_mut().filter(|pause| pause.to == restored);
        match ended {
            Some(pause) if missed => {
                let reason = pause.reason;
                self.pause(reason, now);
            }
            Some(pause) => pause.to = None,
            None => {}
        }
    }

    /// Ends the pause that lasts, if one does.
    pub fn unpause(&mut self, at: Timestamp) {
        if let Some(pause) = self.pauses.last_mut().filter(|pause| pause.to.is_none()) {
            pause.to = Some(at.max(pause.from));
        }
    }
}
