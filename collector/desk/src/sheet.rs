//! What a ticket bears beside its state: who called, the steps that were signed, links, what the customer thought.

use crate::defect::Signed;
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{Text, Timestamp};

/// Longest field of an intake, in characters; the symptom may have ten times as much.
const FIELD_CHARS_MAX: usize = 200;

/// Who called the hotline, from where, about what (R34).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Intake {
    /// 报障人.
    pub caller: String,
    /// 单位.
    pub unit: String,
    /// 电话.
    pub phone: String,
    /// Over which channel: `phone`, `mail`, `wechat`, `visit`, `console`.
    pub channel: String,
    /// 故障现象, in the caller's words.
    pub symptom: String,
}

impl Intake {
    /// Channels over which people report.
    pub const CHANNELS: [&'static str; 5] = ["phone", "mail", "wechat", "visit", "console"];

    /// Everything that is wrong with it, as sentences.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let fields = [
            ("caller", &self.caller, FIELD_CHARS_MAX),
            ("unit", &self.unit, FIELD_CHARS_MAX),
            ("phone", &self.phone, FIELD_CHARS_MAX),
            ("symptom", &self.symptom, FIELD_CHARS_MAX * 10),
        ];
        for (name, value, most) in fields {
            if value.chars().count() > most {
                mistakes.push(format!("field `{name}` is longer than {most} characters"));
            }
        }
        if self.caller.trim().is_empty() {
            mistakes.push("field `caller` is empty: fill it in".to_owned());
        }
        if !Self::CHANNELS.contains(&self.channel.as_str()) {
            mistakes.push(format!("field `channel` is none of {}", Self::CHANNELS.join(", ")));
        }
        mistakes
    }
}

/// How two tickets belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// They belong together.
    Related,
    /// The other was split off this one.
    Split,
    /// This one was split off the other.
    Origin,
}

impl Relation {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Related => "related",
            Self::Split => "split",
            Self::Origin => "origin",
        }
    }
}

/// A ticket that belongs to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// How.
    pub relation: Relation,
    /// The other's number.
    pub number: u64,
    /// The other's title.
    pub title: Text,
}

/// What the customer thought of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// 1 to 5; 5 is best.
    pub stars: u8,
    /// In words.
    pub words: String,
    /// Name of whoever rated.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TicketSheet {
    /// Who called.
    pub intake: Option<Intake>,
    /// Signed steps.
    pub steps: Vec<Signed>,
    /// Lines of the timeline, by `seq`, that the customer may read.
    pub published: Vec<u64>,
    /// Tickets that belong to it.
    pub links: Vec<Link>,
    /// What the customer thought.
    pub rating: Option<Rating>,
}
