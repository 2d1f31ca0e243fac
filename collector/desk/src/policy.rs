//! Policy: the table of targets that a contract bought, as data. Severity × importance × impact → level, level → targets,
//! and how pages repeat until somebody accepts.
//!
//! * `cell` — one target: for whom it holds, from when it runs, how long it may take,
//! * `impact` — what a fault does to the customer, and the level that makes,
//! * `file` — how policies are written down; the ones that ship,
//! * `mistakes` — everything that can be wrong with one.

mod cell;
mod file;
mod impact;
mod mistakes;

#[cfg(test)]
mod tests;

pub use crate::calendar::TimeBase;
pub use cell::{ClockStart, HoursOf, Intake, Phase, Situation, Target, Within};
pub use file::PolicyError;
pub use impact::{Impact, ImpactCell};

use crate::model::ClockKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Importance, Level, Severity, Text, time::HumanDuration};

/// The table of targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What contracts call it.
    pub name: String,
    /// What people read.
    pub title: Text,
    /// The levels with their names, worst first: ranks 1, 2, 3 …
    pub ladder: Vec<LadderStep>,
    /// Severity × importance → level, one cell for each pair.
    pub matrix: Vec<MatrixCell>,
    /// What a stated impact makes of the level, as it lasts.
    pub impacts: Vec<ImpactCell>,
    /// The grades that can be bought; empty: there is one for all.
    pub grades: Vec<Grade>,
    /// What each level promises.
    pub targets: Vec<Target>,
    /// The calendar that tells working hours from others, where cells distinguish them.
    pub working_hours: String,
    /// Reasons of waiting that stop the clocks.
    pub pauses: Vec<WaitReason>,
    /// Clocks whose breach raises the level.
    pub raise_on: Vec<ClockKind>,
    /// How pages repeat.
    pub paging: Paging,
    /// How long after it was closed a ticket can be reopened.
    pub reopen_within: HumanDuration,
}

/// One level and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderStep {
    /// Rank 1 is the worst.
    pub level: Level,
    /// Its name.
    pub name: Text,
    /// What belongs to it, in the contract's words; may be empty.
    #[serde(default)]
    pub meaning: Text,
}

/// One cell of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixCell {
    /// The rule's word.
    pub severity: Severity,
    /// How much the asset matters.
    pub importance: Importance,
    /// The level that both make.
    pub level: Level,
}

/// One column of the table that a contract can buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grade {
    /// `A`, `B`, `C`.
    pub name: String,
    /// When reports are accepted, where the contract names no calendar of its own.
    pub calendar: String,
}

/// Why a ticket waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitReason {
    /// 客户.
    Customer,
    /// 备件.
    Parts,
    /// 厂商.
    Vendor,
    /// 窗口.
    Window,
}

impl WaitReason {
    const WORDS: [(Self, [&'static str; 2]); 4] = [
        (Self::Customer, ["customer", "客户"]),
        (Self::Parts, ["parts", "备件"]),
        (Self::Vendor, ["vendor", "厂商"]),
        (Self::Window, ["window", "窗口"]),
    ];

    /// The word in policies and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Parts => "parts",
            Self::Vendor => "vendor",
            Self::Window => "window",
        }
    }

    /// The reason that a sentence begins with, in either language: `parts: fan ordered`, `等待` is none.
    #[must_use]
    pub fn of(sentence: &str) -> Option<Self> {
        let sentence = sentence.trim().to_lowercase();
        let begins = |word: &str| {
            sentence
                .strip_prefix(word)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        };
        let found = Self::WORDS
            .into_iter()
            .find(|(_, words)| words.iter().any(|word| begins(word)));
        found.map(|(reason, _)| reason)
    }
}

/// How pages repeat until somebody accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Time between two rounds.
    pub repage_after: HumanDuration,
    /// No further round after this many, so that a ticket that nobody will ever take stays finite. Counted over the
    /// whole life of the ticket.
    pub rounds_max: u32,
    /// Where people are paged who are not on duty and so have named no destinations: an assignee after their shift.
    pub destinations: Vec<String>,
}

impl Default for Paging {
    /// Every 5 minutes for a day, to the inbox.
    fn default() -> Self {
        Self {
            repage_after: HumanDuration(Duration::from_secs(300)),
            rounds_max: 288,
            destinations: vec!["inbox".to_owned()],
        }
    }
}

impl Policy {
    /// The level of a fault. A pair that the matrix lacks has the mildest level; [`Policy::mistakes`] tells of it.
    #[must_use]
    pub fn level(&self, severity: Severity, importance: Importance) -> Level {
        let cell = self
            .matrix
            .iter()
            .find(|cell| cell.severity == severity && cell.importance == importance);
        cell.map(|cell| cell.level)
            .or_else(|| self.ladder.last().map(|step| step.level))
            .unwrap_or(Level::WORST)
    }

    /// The level of a fault whose impact somebody has stated and that has lasted for a while: what rule and asset make of
    /// it, or what the impact does, whichever is worse.
    #[must_use]
    pub fn level_of(
        &self,
        severity: Severity,
        importance: Importance,
        impact: Option<Impact>,
        lasted: Duration,
    ) -> Level {
        let by_rule = self.level(severity, importance);
        let reached = self
            .impacts
            .iter()
            .filter(|cell| Some(cell.impact) == impact && cell.lasting.0 <= lasted)
            .map(|cell| cell.level)
            .min();
        reached.map_or(by_rule, |level| level.min(by_rule))
    }

    /// How long this impact must last until the level is next worse than `level`; none when it gets no worse.
    #[must_use]
    pub fn worsens_after(&self, impact: Impact, level: Level) -> Option<Duration> {
        let worse = self
            .impacts
            .iter()
            .filter(|cell| cell.impact == impact && cell.level < level);
        worse.map(|cell| cell.lasting.0).min()
    }

    /// What a level is called; its rank where the ladder has no such level.
    #[must_use]
    pub fn level_name(&self, level: Level) -> Text {
        let step = self.ladder.iter().find(|step| step.level == level);
        step.map_or_else(|| Text::plain(level.to_string()), |step| step.name.clone())
    }

    /// What is promised for one clock of one level: of all cells that fit the situation the one that says most about it.
    #[must_use]
    pub fn target(&self, level: Level, clock: ClockKind, situation: &Situation<'_>) -> Option<&Target> {
        self.targets
            .iter()
            .filter(|target| target.clock == clock && target.levels.contains(&level) && target.fits(situation))
            .max_by_key(|target| target.conditions())
    }

    /// The level above one, where there is one.
    #[must_use]
    pub fn raised(level: Level) -> Option<Level> {
        (level > Level::WORST).then(|| Level::new(level.rank() - 1))
    }
}
