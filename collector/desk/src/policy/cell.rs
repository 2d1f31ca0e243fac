//! One cell of the table: for whom it holds, from when it runs, how long it may take, and which hours count.

use crate::{calendar::Calendar, calendar::TimeBase, model::ClockKind};
use serde::{Deserialize, Serialize};
use std::{str::FromStr, time::Duration};
use tocsin_vocabulary::{
    Importance, Level, Timestamp,
    time::{format_duration, parse_duration},
};

/// From when a clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockStart {
    /// 发生: when it went wrong.
    Occurred,
    /// 发现: when Tocsin or a person noticed.
    Discovered,
    /// 报障: when the ticket was opened, or the time at which the report came in.
    Reported,
    /// 受理: acceptance by a named person.
    Accepted,
    /// 到场: arrival; where nobody came, or came too late, the moment at which the arrival was due.
    OnSite,
    /// When the duty engineer gives up and calls for a specialist.
    GivenUp,
}

/// By which way a report came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intake {
    /// An alert of ours.
    Alert,
    /// The hotline.
    Phone,
    /// A mail.
    Mail,
    /// The console or the API.
    Console,
}

/// Whether the warranty still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// 保修期内.
    #[default]
    Within,
    /// 保修期外.
    After,
}

/// Whether a report came in within working hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoursOf {
    /// 工作时间.
    Open,
    /// 非工作时间.
    Closed,
}

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Within {
    /// A length of time: `2h`.
    Time(Duration),
    /// Working days of the calendar: `2wd`.
    WorkingDays(u32),
    /// 第二天: until the close of the next open day: `next_day`.
    NextDay,
}

impl Within {
    /// What it comes to for a clock that starts at `start`: which hours count, and how much of them.
    #[must_use]
    pub fn resolve(self, base: TimeBase, calendar: &Calendar, start: Timestamp) -> (TimeBase, Duration) {
        match self {
            Self::Time(time) => (base, time),
            Self::WorkingDays(days) => (TimeBase::Business, calendar.working_day().saturating_mul(days)),
            Self::NextDay => {
                let end = calendar.next_day_ends(start);
                (TimeBase::Business, calendar.elapsed(TimeBase::Business, start, end))
            }
        }
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        match self {
            Self::Time(time) => time.is_zero(),
            Self::WorkingDays(days) => days == 0,
            Self::NextDay => false,
        }
    }
}

impl FromStr for Within {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "next_day" {
            return Ok(Self::NextDay);
        }
        let days = text.strip_suffix("wd").and_then(|days| days.parse().ok());
        days.map_or_else(
            || {
                parse_duration(text)
                    .map(Self::Time)
                    .map_err(|error| format!("{error}, or 2wd for working days, or next_day"))
            },
            |days| Ok(Self::WorkingDays(days)),
        )
    }
}

impl TryFrom<String> for Within {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Within> for String {
    fn from(within: Within) -> Self {
        match within {
            Within::Time(time) => format_duration(time),
            Within::WorkingDays(days) => format!("{days}wd"),
            Within::NextDay => "next_day".to_owned(),
        }
    }
}

/// One promise of some levels. Conditions that are not said hold always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The levels that it is promised for.
    pub levels: Vec<Level>,
    /// Only for this grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<String>,
    /// Only for reports that came in this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intake: Option<Intake>,
    /// Only while, or only after, the warranty runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Only for assets that matter this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<Importance>,
    /// Only for reports within, or outside, working hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<HoursOf>,
    /// Which clock.
    pub clock: ClockKind,
    /// From when it runs.
    pub start: ClockStart,
    /// How long it may take.
    pub within: Within,
    /// Which hours count.
    #[serde(default)]
    pub time_base: TimeBase,
    /// Counted by this calendar instead of the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// As the contract words it.
    #[serde(default)]
    pub wording: String,
}

/// What a cell may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation<'a> {
    /// The grade that the contract bought.
    pub grade: &'a str,
    /// By which way the report came in.
    pub intake: Intake,
    /// Whether the warranty runs.
    pub phase: Phase,
    /// How much the asset matters.
    pub importance: Importance,
    /// Whether it was reported within working hours.
    pub hours: HoursOf,
}

impl Target {
    /// Whether all that it asks for is so.
    #[must_use]
    pub fn fits(&self, situation: &Situation<'_>) -> bool {
        self.grade.as_deref().is_none_or(|grade| grade == situation.grade)
            && self.intake.is_none_or(|intake| intake == situation.intake)
            && self.phase.is_none_or(|phase| phase == situation.phase)
            && self
                .importance
                .is_none_or(|importance| importance == situation.importance)
            && self.hours.is_none_or(|hours| hours == situation.hours)
    }

    /// How much it asks for: of two cells that fit, the one with more conditions counts.
    #[must_use]
    pub fn conditions(&self) -> usize {
        [
            self.grade.is_some(),
            self.intake.is_some(),
            self.phase.is_some(),
            self.importance.is_some(),
            self.hours.is_some(),
        ]
        .into_iter()
        .filter(|&asked| asked)
        .count()
    }
}
