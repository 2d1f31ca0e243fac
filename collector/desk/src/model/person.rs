//! People and what they may do.

use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{CustomerId, Language, PersonId};

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// 管理人员: people, tokens, agents.
    Administrator,
    /// 操作人员: tickets.
    Operator,
    /// 值班长: tickets, and whatever the shift needs a lead for: roster, spare parts, the word at a handover.
    #[serde(rename = "team_lead")]
    TeamLead,
    /// 监督人员: reads everything, the audit too.
    Supervisor,
    /// 审计员: the audit trail and who may what; works on nothing.
    Auditor,
    /// 客户: reads and confirms its own.
    Customer,
    /// A shared screen: reads the board, does nothing.
    Kiosk,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Administrator,
        Self::Operator,
        Self::TeamLead,
        Self::Supervisor,
        Self::Auditor,
        Self::Customer,
        Self::Kiosk,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Operator => "operator",
            Self::TeamLead => "team_lead",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Customer => "customer",
            Self::Kiosk => "kiosk",
        }
    }

    /// The role that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A person who signs in or is paged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// What they sign in with.
    pub login: String,
    /// What others call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// For a customer: whose things they see.
    pub customer: Option<CustomerId>,
    /// The language of their pages.
    pub language: Language,
    /// Mail address, or empty.
    pub email: String,
    /// Phone number, or empty.
    pub phone: String,
    /// Whether they are paged now.
    pub on_duty: bool,
}
