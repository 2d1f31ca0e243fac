//! Everything that can be wrong with a policy, told together.

use super::{ClockStart, Policy, Target};
use crate::model::ClockKind;
use std::time::Duration;
use tocsin_vocabulary::{Importance, Level, Severity};

/// Shorter rounds would only pile up pages that nobody can read in time.
const REPAGE_AFTER_MIN: Duration = Duration::from_secs(60);

/// Worse levels than this no contract has; the ledger keeps ranks in a byte.
const LEVELS_MAX: usize = 9;

impl Policy {
    /// Everything that is wrong with it, as sentences; empty when it can be used.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        self.check_ladder(&mut mistakes);
        self.check_matrix(&mut mistakes);
        self.check_targets(&mut mistakes);
        if self.paging.repage_after.0 < REPAGE_AFTER_MIN {
            mistakes.push("paging: `repage_after` is under 1m".to_owned());
        }
        if self.paging.rounds_max == 0 {
            mistakes.push("paging: `rounds_max` is 0, nobody would be paged".to_owned());
        }
        mistakes
    }

    fn known(&self, level: Level) -> bool {
        self.ladder.iter().any(|step| step.level == level)
    }

    fn check_ladder(&self, mistakes: &mut Vec<String>) {
        let in_order = (1..)
            .zip(&self.ladder)
            .all(|(rank, step)| step.level == Level::new(rank));
        if self.ladder.is_empty() || self.ladder.len() > LEVELS_MAX || !in_order {
            mistakes.push(format!(
                "ladder: needs the levels 1, 2, 3 … in order, 1 to {LEVELS_MAX} of them"
            ));
        }
        for cell in self.impacts.iter().filter(|cell| !self.known(cell.level)) {
            let (impact, level) = (cell.impact.as_str(), cell.level);
            mistakes.push(format!("impact: {impact} has level {level}, which the ladder lacks"));
        }
    }

    fn check_matrix(&self, mistakes: &mut Vec<String>) {
        for &severity in Severity::ALL {
            for &importance in Importance::ALL {
                let mut cells = self
                    .matrix
                    .iter()
                    .filter(|cell| cell.severity == severity && cell.importance == importance);
                match (cells.next(), cells.next()) {
                    (Some(cell), None) if self.known(cell.level) => {}
                    (Some(cell), None) => mistakes.push(format!(
                        "matrix: {severity} × {importance} has level {}, which the ladder lacks",
                        cell.level
                    )),
                    _ => mistakes.push(format!("matrix: {severity} × {importance} needs exactly one cell")),
                }
            }
        }
    }

    fn check_targets(&self, mistakes: &mut Vec<String>) {
        for (at, target) in self.targets.iter().enumerate() {
            let levels: Vec<_> = target.levels.iter().map(ToString::to_string).collect();
            let name = format!("targets: {} of level {}", target.clock.as_str(), levels.join(", "));
            if target.levels.is_empty() || !target.levels.iter().all(|&level| self.known(level)) {
                mistakes.push(format!("{name}: the ladder lacks this level"));
            }
            let twin = |other: &Target| {
                let same = (
                    other.clock,
                    &other.grade,
                    other.intake,
                    other.phase,
                    other.importance,
                    other.hours,
                ) == (
                    target.clock,
                    &target.grade,
                    target.intake,
                    target.phase,
                    target.importance,
                    target.hours,
                );
                same && other.levels.iter().any(|level| target.levels.contains(level))
            };
            if self.targets[..at].iter().any(twin) {
                mistakes.push(format!("{name}: stands there twice"));
            }
            if target
                .grade
                .as_ref()
                .is_some_and(|grade| self.grades.iter().all(|known| known.name != *grade))
            {
                mistakes.push(format!("{name}: names a grade that is not among [[grade]]"));
            }
            let late = matches!(
                target.start,
                ClockStart::Accepted | ClockStart::OnSite | ClockStart::GivenUp
            );
            if target.clock == ClockKind::Respond && late {
                mistakes.push(format!("{name}: ends at acceptance, so it cannot start there"));
            }
            if target.clock == ClockKind::Arrive && target.start == ClockStart::OnSite {
                mistakes.push(format!("{name}: ends at the arrival, so it cannot start there"));
            }
            if target.within.is_zero() {
                mistakes.push(format!("{name}: `within` is zero"));
            }
        }
    }
}
