//! How a policy is written down: one TOML file each. The tables of the requirements ship as such files; an administrator
//! may write others, or replace these.

use super::{Grade, ImpactCell, LadderStep, MatrixCell, Paging, Policy, Target, WaitReason};
use crate::model::ClockKind;
use serde::Deserialize;
use std::time::Duration;
use tocsin_vocabulary::{Importance, Level, Severity, Text, time::HumanDuration};

/// The policies that ship.
const SHIPPED: [&str; 6] = [
    include_str!("../../policies/basic.toml"),
    include_str!("../../policies/duty.toml"),
    include_str!("../../policies/four-level.toml"),
    include_str!("../../policies/graded.toml"),
    include_str!("../../policies/impact.toml"),
    include_str!("../../policies/symptom.toml"),
];

/// Text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is not written as one.
    #[error("not a policy: {0}")]
    Form(String),
    /// It is one, but can't be used; all mistakes.
    #[error("the policy `{name}` can't be used: {}", mistakes.join("; "))]
    Mistakes {
        /// Its name.
        name: String,
        /// What is wrong.
        mistakes: Vec<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: Text,
    #[serde(default = "working_hours")]
    working_hours: String,
    level: Vec<LevelRow>,
    matrix: Matrix,
    #[serde(default)]
    impact: Vec<ImpactCell>,
    #[serde(default)]
    grade: Vec<Grade>,
    #[serde(default)]
    target: Vec<Target>,
    #[serde(default = "pauses")]
    pauses: Vec<WaitReason>,
    #[serde(default = "raise_on")]
    raise_on: Vec<ClockKind>,
    #[serde(default)]
    paging: Paging,
    #[serde(default = "reopen_within")]
    reopen_within: HumanDuration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelRow {
    name: Text,
    #[serde(default)]
    meaning: Text,
}

/// Ranks for key, normal and low assets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matrix {
    critical: [u8; 3],
    major: [u8; 3],
    minor: [u8; 3],
    warning: [u8; 3],
    info: [u8; 3],
}

fn working_hours() -> String {
    "5x8".to_owned()
}

/// Where the customer keeps us waiting, or work is agreed for a later window, our time does not run.
fn pauses() -> Vec<WaitReason> {
    vec![WaitReason::Customer, WaitReason::Window]
}

fn raise_on() -> Vec<ClockKind> {
    ClockKind::ALL.to_vec()
}

const fn reopen_within() -> HumanDuration {
    HumanDuration(Duration::from_secs(7 * 86_400))
}

impl Policy {
    /// Reads a policy and checks it.
    ///
    /// # Errors
    /// When it is not written as one, or with everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: File =
            toml::from_str(text).map_err(|error| PolicyError::Form(error.to_string().trim().to_owned()))?;
        let policy = Self::from(file);
        let mistakes = policy.mistakes();
        if mistakes.is_empty() {
            Ok(policy)
        } else {
            let name = policy.name;
            Err(PolicyError::Mistakes { name, mistakes })
        }
    }

    /// The tables of the contracts, ready to be named by one: `basic`, `duty`, `four-level`, `graded`, `impact`, `symptom`.
    #[must_use]
    pub fn shipped() -> Vec<Self> {
        // The files are a part of the program, and tests read them.
        SHIPPED.iter().filter_map(|text| Self::parse(text).ok()).collect()
    }

    /// The shipped policy `basic`: respond within 1 h, on site within 2 h, resolved within 4 h.
    #[must_use]
    pub fn basic() -> Self {
        Self::parse(SHIPPED[0]).unwrap_or_else(|_| Self {
            name: "basic".to_owned(),
            title: Text::default(),
            ladder: Vec::new(),
            matrix: Vec::new(),
            impacts: Vec::new(),
            grades: Vec::new(),
            targets: Vec::new(),
            working_hours: working_hours(),
            pauses: pauses(),
            raise_on: raise_on(),
            paging: Paging::default(),
            reopen_within: reopen_within(),
        })
    }
}

impl From<File> for Policy {
    fn from(file: File) -> Self {
        let ladder = (1..)
            .zip(file.level)
            .map(|(rank, row)| LadderStep {
                level: Level::new(rank),
                name: row.name,
                meaning: row.meaning,
            })
            .collect();
        let rows = [
            (Severity::Critical, file.matrix.critical),
            (Severity::Major, file.matrix.major),
            (Severity::Minor, file.matrix.minor),
            (Severity::Warning, file.matrix.warning),
            (Severity::Info, file.matrix.info),
        ];
        let matrix = rows
            .into_iter()
            .flat_map(|(severity, ranks)| {
                [Importance::Key, Importance::Normal, Importance::Low]
                    .into_iter()
                    .zip(ranks)
                    .map(move |(importance, rank)| MatrixCell {
                        severity,
                        importance,
                        level: Level::new(rank),
                    })
            })
            .collect();
        Self {
            name: file.name,
            title: file.title,
            ladder,
            matrix,
            impacts: file.impact,
            grades: file.grade,
            targets: file.target,
            working_hours: file.working_hours,
            pauses: file.pauses,
            raise_on: file.raise_on,
            paging: file.paging,
            reopen_within: file.reopen_within,
        }
    }
}
