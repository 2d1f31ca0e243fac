//! 值班表: who is on duty when. A pure calculator in virtual time: plan and exchanges in, spans with people out.
//!
//! * [`Roster`] — the plan: shifts of a day, the rotation of teams, days that are staffed apart,
//! * [`Exchange`] — overrides and swaps, which replace one person by another for a while,
//! * [`duties`] — both together, as spans of time with the people of each post,
//! * `review` — everything that is wrong with a plan, and everything that people should be warned of,
//! * [`import`] — rows of a sheet become days that are staffed apart,
//! * [`ical`] — the same spans for a phone's calendar.
//!
//! People are named by their login. A shift begins and ends at a time of the wall clock of the roster's zone; so on the
//! day when clocks are set forward a shift of 24 hours has 23, and the shift after it begins where it ends.

pub mod ical;
pub mod import;
mod pattern;
mod review;
mod spans;

#[cfg(test)]
mod tests;

pub use pattern::Pattern;
pub use review::{Reach, mistakes, warnings};
pub use spans::{Span, duties, gaps, next_change, now};

use jiff::civil::{Date, Time, Weekday};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::Timestamp;

/// What somebody does in a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Post {
    /// 主班: is paged first.
    Main,
    /// 副班: is paged when the first does not answer.
    Deputy,
    /// 备班: comes when more hands are needed.
    Standby,
    /// 带班领导: leads the shift.
    Leader,
}

impl Post {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Main, Self::Deputy, Self::Standby, Self::Leader];

    /// The word in files and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Deputy => "deputy",
            Self::Standby => "standby",
            Self::Leader => "leader",
        }
    }

    /// The post that a word names, in either language.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "main" | "主班" => Some(Self::Main),
            "deputy" | "副班" => Some(Self::Deputy),
            "standby" | "备班" => Some(Self::Standby),
            "leader" | "带班领导" => Some(Self::Leader),
            _ => None,
        }
    }
}

/// The people of one shift by post, named by login.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staff {
    /// 主班.
    #[serde(default)]
    pub main: Vec<String>,
    /// 副班.
    #[serde(default)]
    pub deputy: Vec<String>,
    /// 备班.
    #[serde(default)]
    pub standby: Vec<String>,
    /// 带班领导.
    #[serde(default)]
    pub leader: Vec<String>,
}

impl Staff {
    /// The people of a post.
    #[must_use]
    pub fn of(&self, post: Post) -> &[String] {
        match post {
            Post::Main => &self.main,
            Post::Deputy => &self.deputy,
            Post::Standby => &self.standby,
            Post::Leader => &self.leader,
        }
    }

    /// The people of a post, to be changed.
    pub fn of_mut(&mut self, post: Post) -> &mut Vec<String> {
        match post {
            Post::Main => &mut self.main,
            Post::Deputy => &mut self.deputy,
            Post::Standby => &mut self.standby,
            Post::Leader => &mut self.leader,
        }
    }

    /// Everybody, each once, in the order of posts.
    #[must_use]
    pub fn everybody(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for person in Post::ALL.iter().flat_map(|post| self.of(*post)) {
            if !all.contains(person) {
                all.push(person.clone());
            }
        }
        all
    }

    /// Those who do the shift's work: main and deputy. The minimum headcount counts them.
    #[must_use]
    pub fn hands(&self) -> usize {
        self.main.len() + self.deputy.iter().filter(|who| !self.main.contains(who)).count()
    }
}

/// One shift of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// What people call it: 白班.
    pub name: String,
    /// When it begins, `HH:MM` on the roster's wall clock.
    pub from: Time,
    /// When it ends; not after `from`: on the next day, and equal to it: 24 hours.
    pub to: Time,
    /// The weekdays on which it begins; empty: every day.
    #[serde(default, with = "weekdays", skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
}

/// Teams that take turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How they take turns.
    pub pattern: Pattern,
    /// The day on which the first team begins.
    pub starts_on: Date,
    /// The teams, in the order of their turns.
    pub teams: Vec<Staff>,
    /// For the pattern `cycle`: one list for each day, with the team (from 1; 0: nobody) of each shift.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<Vec<usize>>,
}

/// A shift of one day that is staffed apart: a holiday, or a day that came from a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Special {
    /// The day on which the shift begins.
    pub date: Date,
    /// The shift's name.
    pub shift: String,
    /// Who.
    pub staff: Staff,
}

/// A plan of duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// What people call it.
    pub name: String,
    /// IANA zone of its wall clock.
    #[serde(default = "zone")]
    pub zone: String,
    /// For people on site at one customer: its name. None: the duty room's own, whom every ticket concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The fewest people of main and deputy that a shift may have.
    #[serde(default = "one")]
    pub minimum: usize,
    /// Who is paged where the plan leaves nobody.
    pub fallback: String,
    /// The shifts of a day.
    pub shifts: Vec<Shift>,
    /// Teams that take turns; none: only days that are staffed apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Days on which the rotation does not hold and each shift has to be staffed apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Date>,
    /// Shifts that are staffed apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub special: Vec<Special>,
}

fn zone() -> String {
    "Asia/Shanghai".to_owned()
}

const fn one() -> usize {
    1
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// A swap that waits for the other side.
    Asked,
    /// It holds.
    Agreed,
    /// It does not.
    Refused,
}

impl Consent {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Agreed => "agreed",
            Self::Refused => "refused",
        }
    }

    /// The state that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Asked, Self::Agreed, Self::Refused]
            .into_iter()
            .find(|consent| consent.as_str() == word)
    }
}

/// One person stands in for another for a while, at whatever post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Who does not serve.
    pub out: String,
    /// Who serves instead.
    pub into: String,
}

/// An override or a swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// 1, 2, 3 … within the ledger.
    pub id: u64,
    /// Of which roster.
    pub roster: String,
    /// What is replaced; a swap has two.
    pub moves: Vec<Move>,
    /// Why.
    pub reason: String,
    /// Login of whoever asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// Whose consent it needs: the person who is to stand in; none for an override by a lead.
    pub needs: Option<String>,
    /// How far it has come.
    pub consent: Consent,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

/// Weekdays as `mon`, `tue`, …
mod weekdays {
    use jiff::civil::Weekday;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::SerializeSeq as _};

    const NAMES: [(&str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];

    pub(super) fn serialize<S: Serializer>(days: &[Weekday], serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(days.len()))?;
        for (name, _) in days
            .iter()
            .filter_map(|day| NAMES.iter().find(|(_, known)| known == day))
        {
            list.serialize_element(name)?;
        }
        list.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Weekday>, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        let day = |word: &String| NAMES.iter().find(|(name, _)| name == word).map(|(_, day)| *day);
        words
            .iter()
            .map(|word| day(word).ok_or_else(|| D::Error::custom(format!("`{word}` is no weekday: mon, tue, …, sun"))))
            .collect()
    }
}
