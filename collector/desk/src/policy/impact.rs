//! What a fault does to the customer, as a person states it, and the level that makes as it lasts.

use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{Level, time::HumanDuration};

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// 系统瘫痪.
    Outage,
    /// 其他业务中断.
    BusinessDown,
    /// 关键数据丢失.
    DataLost,
    /// 有瘫痪危险.
    Danger,
    /// 部分服务不正常.
    Partial,
    /// 功能丧失且无替代办法.
    Function,
    /// 功能轻微受损，有替代办法.
    Minor,
    /// 不影响业务.
    None,
}

impl Impact {
    /// All of them, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Outage,
        Self::BusinessDown,
        Self::DataLost,
        Self::Danger,
        Self::Partial,
        Self::Function,
        Self::Minor,
        Self::None,
    ];

    /// The word in policies, API and ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::BusinessDown => "business_down",
            Self::DataLost => "data_lost",
            Self::Danger => "danger",
            Self::Partial => "partial",
            Self::Function => "function",
            Self::Minor => "minor",
            Self::None => "none",
        }
    }

    /// The impact that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|impact| impact.as_str() == word)
    }
}

/// The level of an impact that has lasted for so long. Of those reached, the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImpactCell {
    /// What the fault does.
    pub impact: Impact,
    /// For at least so long; at once when it is not said.
    #[serde(default)]
    pub lasting: HumanDuration,
    /// What that makes.
    pub level: Level,
}
