//! Alerts of which people are not told for now, and why. Each stands here from the moment its telling was withheld until
//! it was told after all, or cleared: nothing leaves in any other way.

use crate::model::AssetFacts;
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{AlertId, FaultId, Timestamp};

/// Why people are not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A silence covers it.
    Silence,
    /// Planned work covers it.
    Window,
    /// What the asset hangs on is down, or is about to be found down.
    Parent,
    /// Another alert of the same host explains it.
    Part,
    /// Many hosts of the site show the same: it may be a storm.
    Storm,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Silence, Self::Window, Self::Parent, Self::Part, Self::Storm];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Window => "window",
            Self::Parent => "parent",
            Self::Part => "part",
            Self::Storm => "storm",
        }
    }

    /// The cause that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// People were told.
    Told,
    /// It cleared before.
    Cleared,
    /// It became part of a storm's fault.
    Joined,
}

impl Outcome {
    /// The word in API and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Cleared => "cleared",
            Self::Joined => "joined",
        }
    }

    /// The outcome that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Told, Self::Cleared, Self::Joined]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

/// One alert whose telling is withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The alert. It stands here at most once.
    pub alert: AlertId,
    /// What is known of its asset, for the ticket that it may become.
    pub asset: AssetFacts,
    /// Why.
    pub cause: Cause,
    /// What exactly: the id of a silence or window, the alert that explains it, the asset it hangs on, or the rule.
    pub by: String,
    /// The fault of the alert that explains it.
    pub fault: Option<FaultId>,
    /// Since when.
    pub since: Timestamp,
    /// When it is looked at again, at the latest; none: when the explaining alert clears.
    pub until: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}
