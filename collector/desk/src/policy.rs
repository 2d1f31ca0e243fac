//! Policy: the table of targets that a contract bought, as data. Severity × importance → level, level → clocks,
//! and how pages repeat until somebody accepts.
//!
//! Every target counts natural time now; [`TimeBase`] is where calendars will come in.

use crate::model::{Clock, ClockKind};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Importance, Level, Severity, Text, Timestamp, time::HumanDuration};

/// The table of targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What contracts call it.
    pub name: String,
    /// The levels with their names, worst first: ranks 1, 2, 3 …
    pub ladder: Vec<LadderStep>,
    /// Severity × importance → level, one cell for each pair.
    pub matrix: Vec<MatrixCell>,
    /// What each level promises.
    pub targets: Vec<Target>,
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

/// From when a clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockStart {
    /// From the opening of the ticket, which is when the fault was reported.
    Opened,
    /// From acceptance by a named person.
    Accepted,
}

/// Which hours count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeBase {
    /// The wall clock.
    #[default]
    Natural,
}

/// One promise of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The level that it is promised for.
    pub level: Level,
    /// Which clock.
    pub clock: ClockKind,
    /// From when it runs.
    pub start: ClockStart,
    /// How long it may take.
    pub within: HumanDuration,
    /// Which hours count.
    #[serde(default)]
    pub time_base: TimeBase,
}

impl Target {
    /// The clock of this target, running from `started_at`.
    #[must_use]
    pub fn run(&self, started_at: Timestamp) -> Clock {
        let due_at = match self.time_base {
            TimeBase::Natural => started_at.plus(self.within.0),
        };
        Clock {
            kind: self.clock,
            started_at,
            due_at,
            stopped_at: None,
            breached_at: None,
        }
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

impl Policy {
    /// The shipped policy `basic` (R22, table `basic`): respond within 1 h, on site within 2 h, an ordinary fault resolved
    /// within 4 h. The promise names no other level, so worse levels have the same targets. Pages repeat every 5 minutes
    /// for a day.
    #[must_use]
    pub fn basic() -> Self {
        let names = [
            ("critical", "特大"),
            ("major", "重大"),
            ("serious", "较大"),
            ("ordinary", "普通"),
        ];
        let ladder: Vec<_> = (1..)
            .zip(names)
            .map(|(rank, (en, zh))| LadderStep {
                level: Level::new(rank),
                name: Text::new(en, zh),
            })
            .collect();
        let promises = [
            (ClockKind::Respond, ClockStart::Opened, 1),
            (ClockKind::Arrive, ClockStart::Accepted, 2),
            (ClockKind::Resolve, ClockStart::Accepted, 4),
        ];
        let targets = ladder
            .iter()
            .flat_map(|step| {
                promises.map(|(clock, start, hours)| Target {
                    level: step.level,
                    clock,
                    start,
                    within: HumanDuration(Duration::from_secs(hours * 3600)),
                    time_base: TimeBase::Natural,
                })
            })
            .collect();
        Self {
            name: "basic".to_owned(),
            ladder,
            matrix: basic_matrix(),
            targets,
            paging: Paging {
                repage_after: HumanDuration(Duration::from_secs(300)),
                rounds_max: 288,
                destinations: vec!["inbox".to_owned()],
            },
            reopen_within: HumanDuration(Duration::from_secs(7 * 86_400)),
        }
    }

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

    /// What a level is called; its rank where the ladder has no such level.
    #[must_use]
    pub fn level_name(&self, level: Level) -> Text {
        let step = self.ladder.iter().find(|step| step.level == level);
        step.map_or_else(|| Text::plain(level.to_string()), |step| step.name.clone())
    }

    /// The clocks that begin to run at this start.
    pub fn clocks(&self, level: Level, start: ClockStart, started_at: Timestamp) -> impl Iterator<Item = Clock> {
        let targets = self
            .targets
            .iter()
            .filter(move |target| target.level == level && target.start == start);
        targets.map(move |target| target.run(started_at))
    }

    /// Everything that is wrong with it, as sentences; empty when it can be used.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let known = |level: Level| self.ladder.iter().any(|step| step.level == level);
        if self.ladder.is_empty()
            || (1..)
                .zip(&self.ladder)
                .any(|(rank, step)| step.level != Level::new(rank))
        {
            mistakes.push("ladder: needs the levels 1, 2, 3 … in order, at least one".to_owned());
        }
        for &severity in Severity::ALL {
            for &importance in Importance::ALL {
                let mut cells = self
                    .matrix
                    .iter()
                    .filter(|cell| cell.severity == severity && cell.importance == importance);
                match (cells.next(), cells.next()) {
                    (Some(cell), None) if known(cell.level) => {}
                    (Some(cell), None) => mistakes.push(format!(
                        "matrix: {severity} × {importance} has level {}, which the ladder lacks",
                        cell.level
                    )),
                    _ => mistakes.push(format!("matrix: {severity} × {importance} needs exactly one cell")),
                }
            }
        }
        for (at, target) in self.targets.iter().enumerate() {
            let name = format!("targets: {} of level {}", target.clock.as_str(), target.level);
            if !known(target.level) {
                mistakes.push(format!("{name}: the ladder lacks this level"));
            }
            if self.targets[..at]
                .iter()
                .any(|other| (other.level, other.clock) == (target.level, target.clock))
            {
                mistakes.push(format!("{name}: stands there twice"));
            }
            if target.clock == ClockKind::Respond && target.start == ClockStart::Accepted {
                mistakes.push(format!("{name}: ends at acceptance, so it cannot start there"));
            }
            if target.within.0.is_zero() {
                mistakes.push(format!("{name}: `within` is zero"));
            }
        }
        if self.paging.repage_after.0 < REPAGE_AFTER_MIN {
            mistakes.push("paging: `repage_after` is under 1m".to_owned());
        }
        if self.paging.rounds_max == 0 {
            mistakes.push("paging: `rounds_max` is 0, nobody would be paged".to_owned());
        }
        mistakes
    }
}

/// Shorter rounds would only pile up pages that nobody can read in time.
const REPAGE_AFTER_MIN: Duration = Duration::from_secs(60);

/// Each step of severity and each step of importance moves one level, between the worst and the mildest.
fn basic_matrix() -> Vec<MatrixCell> {
    let row = |severity, ranks: [u8; 3]| {
        [Importance::Key, Importance::Normal, Importance::Low]
            .into_iter()
            .zip(ranks)
            .map(move |(importance, rank)| MatrixCell {
                severity,
                importance,
                level: Level::new(rank),
            })
    };
    [
        row(Severity::Critical, [1, 2, 3]),
        row(Severity::Major, [2, 3, 4]),
        row(Severity::Minor, [3, 4, 4]),
        row(Severity::Warning, [4, 4, 4]),
        row(Severity::Info, [4, 4, 4]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_usable_and_promises_what_was_written() {
        let policy = Policy::basic();
        assert_eq!(policy.mistakes(), Vec::<String>::new());
        let ordinary = policy.level(Severity::Minor, Importance::Normal);
        assert_eq!(policy.level_name(ordinary), Text::new("ordinary", "普通"));
        let hours = |start| -> Vec<_> {
            let clocks = policy.clocks(ordinary, start, Timestamp::from_millis(0));
            clocks
                .map(|clock| (clock.kind, clock.due_at.as_millis() / 3_600_000))
                .collect()
        };
        assert_eq!(hours(ClockStart::Opened), [(ClockKind::Respond, 1)]);
        assert_eq!(
            hours(ClockStart::Accepted),
            [(ClockKind::Arrive, 2), (ClockKind::Resolve, 4)]
        );
    }

    #[test]
    fn a_worse_severity_or_a_weightier_asset_never_has_a_milder_level() {
        let policy = Policy::basic();
        for pair in Severity::ALL.windows(2) {
            for &importance in Importance::ALL {
                assert!(policy.level(pair[1], importance) <= policy.level(pair[0], importance));
            }
        }
        for pair in Importance::ALL.windows(2) {
            for &severity in Severity::ALL {
                assert!(policy.level(severity, pair[1]) <= policy.level(severity, pair[0]));
            }
        }
    }

    #[test]
    fn all_mistakes_are_told_together() {
        let mut policy = Policy::basic();
        policy.matrix.pop();
        policy.targets.push(policy.targets[0]);
        policy.targets[1].level = Level::new(9);
        policy.paging.rounds_max = 0;
        let mistakes = policy.mistakes();
        assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
    }
}
