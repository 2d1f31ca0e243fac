//! How teams take turns.

use super::Rotation;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// How teams take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// One shift after another: the next shift has the next team. Three teams with one shift of 24 hours: 24 on 48 off.
    Turns,
    /// 24 on 48 off: one shift of 24 hours, three teams.
    #[serde(rename = "24-48")]
    DayOnTwoOff,
    /// 三班倒: early, late and night. Four teams: two days of each and two days off; three teams: a week of each.
    ThreeShifts,
    /// A week each.
    Weekly,
    /// As the table `cycle` says.
    Cycle,
}

impl Rotation {
    /// Which team serves in shift number `shift` (from 0) of `shifts` on a day; none: nobody, or before it starts.
    #[must_use]
    pub fn team(&self, date: Date, shift: usize, shifts: usize) -> Option<usize> {
        let days = usize::try_from((date - self.starts_on).get_days()).ok()?;
        let teams = self.teams.len();
        if teams == 0 {
            return None;
        }
        match self.pattern {
            Pattern::Turns | Pattern::DayOnTwoOff => Some((days * shifts.max(1) + shift) % teams),
            Pattern::Weekly => Some(days / 7 % teams),
            Pattern::ThreeShifts if teams == 3 => Some((shift + days / 7) % 3),
            // Team t is t × 2 days behind team 0; two days early, two late, two at night, two off.
            Pattern::ThreeShifts => (0..teams.min(4)).find(|team| (days + 8 - 2 * team) % 8 / 2 == shift),
            Pattern::Cycle => {
                let day = self.cycle.get(days.checked_rem(self.cycle.len())?)?;
                day.get(shift)?.checked_sub(1).filter(|team| *team < teams)
            }
        }
    }

    /// What does not fit the pattern, as sentences.
    pub(super) fn mistakes(&self, shifts: usize) -> Vec<String> {
        let mut mistakes = Vec::new();
        let teams = self.teams.len();
        if teams == 0 {
            mistakes.push("rotation: has no teams".to_owned());
        }
        match self.pattern {
            Pattern::DayOnTwoOff if teams != 3 || shifts != 1 => {
                mistakes.push(format!(
                    "rotation: 24-48 needs one shift and three teams, here are {shifts} and {teams}"
                ));
            }
            Pattern::ThreeShifts if shifts != 3 || !(3..=4).contains(&teams) => {
                mistakes.push(format!(
                    "rotation: three-shifts needs three shifts and three or four teams, here are {shifts} and {teams}"
                ));
            }
            Pattern::Cycle if self.cycle.is_empty() => mistakes.push("rotation: cycle is empty".to_owned()),
            _ => {}
        }
        for (number, day) in (1..).zip(&self.cycle) {
            if day.len() != shifts {
                mistakes.push(format!(
                    "rotation: day {number} of the cycle has {} shifts, not {shifts}",
                    day.len()
                ));
            }
            for team in day.iter().filter(|team| **team > teams) {
                mistakes.push(format!(
                    "rotation: day {number} of the cycle names team {team} of {teams}"
                ));
            }
        }
        mistakes
    }
}
