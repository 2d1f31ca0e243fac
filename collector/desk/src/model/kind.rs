//! Kinds of work.

use serde::{Deserialize, Serialize};

/// What kind of work a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TicketKind {
    /// Something is broken.
    Fault,
    /// Somebody asks for something.
    Request,
    /// 咨询: somebody asks something.
    Consultation,
    /// 系统缺陷: goes through signed steps, see [`crate::defect`].
    Defect,
    /// 投诉: goes through signed steps with terms.
    Complaint,
    /// Capacity or change that is planned.
    Planning,
    /// The path is exercised.
    Drill,
}

impl TicketKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Fault,
        Self::Request,
        Self::Consultation,
        Self::Defect,
        Self::Complaint,
        Self::Planning,
        Self::Drill,
    ];

    /// Those that a person may report; a drill is begun otherwise.
    pub const REPORTED: [Self; 6] = [
        Self::Fault,
        Self::Request,
        Self::Consultation,
        Self::Defect,
        Self::Complaint,
        Self::Planning,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Request => "request",
            Self::Consultation => "consultation",
            Self::Defect => "defect",
            Self::Complaint => "complaint",
            Self::Planning => "planning",
            Self::Drill => "drill",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
