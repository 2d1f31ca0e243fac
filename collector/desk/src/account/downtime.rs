//! Downtime 停运: time in which a contract's service was down, its cause attributed (责任认定) and agreed.
//!
//! A downtime is a list of lines that is only ever added to. A *claim* says from when to when and whose cause; the
//! customer agrees to it or disputes it; a correction is another claim and needs another word. What was agreed holds
//! until something else is agreed.

use super::Refused;
use crate::calendar::Span;
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{AssetId, ContractId, CustomerId, Timestamp};

/// Longest words of a line, in characters.
const WORDS_MAX: usize = 2_000;
/// Longest name of whoever gave the customer's word.
const NAME_MAX: usize = 200;

/// Whose cause it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// 我方: quality of our software, or our service. Only this moves the end of maintenance (R27).
    Ours,
    /// 客户.
    Customer,
    /// 第三方: a carrier, a power company, another vendor.
    ThirdParty,
    /// 计划内: agreed beforehand.
    Planned,
    /// 不可抗力.
    ForceMajeure,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ours,
        Self::Customer,
        Self::ThirdParty,
        Self::Planned,
        Self::ForceMajeure,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Customer => "customer",
            Self::ThirdParty => "third_party",
            Self::Planned => "planned",
            Self::ForceMajeure => "force_majeure",
        }
    }

    /// The cause that a word names, in the words of Chinese sheets too.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let chinese = ["我方", "客户", "第三方", "计划内", "不可抗力"];
        let mut known = Self::ALL.into_iter().zip(chinese);
        let (cause, _) = known.find(|(cause, zh)| cause.as_str() == word || *zh == word)?;
        Some(cause)
    }
}

/// From when to when something was down, and whose cause it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Since when.
    pub from: Timestamp,
    /// Until when; none while it is still down.
    pub to: Option<Timestamp>,
    /// Whose cause.
    pub cause: Cause,
    /// Why: what was down, and how the cause is known.
    pub words: String,
}

/// By which way the customer's word came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The customer's own account.
    Account,
    /// By phone; whoever wrote it down stands beside it.
    Phone,
    /// On paper.
    Paper,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Account, Self::Phone, Self::Paper];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Phone => "phone",
            Self::Paper => "paper",
        }
    }

    /// The way that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|how| how.as_str() == word)
    }
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "turn", rename_all = "snake_case")]
pub enum Turn {
    /// It was so; a later claim corrects an earlier one.
    Claim(Claim),
    /// The customer agrees to the last claim.
    Agree {
        /// Name of whoever gave the customer's word.
        who: String,
        /// By which way.
        how: How,
        /// What they said; may be empty.
        words: String,
    },
    /// The customer does not agree to it.
    Dispute {
        /// Name of whoever gave the customer's word.
        who: String,
        /// By which way.
        how: How,
        /// Why.
        words: String,
    },
    /// The last claim is taken back.
    Withdraw {
        /// Why.
        words: String,
    },
}

impl Turn {
    /// What the audit trail calls it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Claim(_) => "downtime.correct",
            Self::Agree { .. } => "downtime.agree",
            Self::Dispute { .. } => "downtime.dispute",
            Self::Withdraw { .. } => "downtime.withdraw",
        }
    }
}

/// One line. Never changed, never erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// 1, 2, 3 … within the downtime.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Name of whoever wrote it.
    pub by: String,
    /// What it says.
    pub turn: Turn,
}

/// Where a downtime stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The customer has not answered the last claim.
    Proposed,
    /// The customer does not agree to it.
    Disputed,
    /// The customer agreed.
    Agreed,
    /// It was taken back before anybody agreed.
    Withdrawn,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Proposed, Self::Disputed, Self::Agreed, Self::Withdrawn];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Disputed => "disputed",
            Self::Agreed => "agreed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A downtime with all that was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// 1, 2, 3 … within the ledger.
    pub id: u64,
    /// Number of the ticket that it came of; none for one from a sheet.
    pub ticket: Option<u64>,
    /// Whose.
    pub customer: CustomerId,
    /// The contract that promised the service.
    pub contract: ContractId,
    /// The contract's name.
    pub contract_name: String,
    /// What was down.
    pub asset: AssetId,
    /// Its name.
    pub asset_name: String,
    /// Everything that was said of it, oldest first.
    pub lines: Vec<Line>,
}

impl Downtime {
    /// The last claim.
    #[must_use]
    pub fn claim(&self) -> Option<&Claim> {
        self.lines.iter().rev().find_map(|line| match &line.turn {
            Turn::Claim(claim) => Some(claim),
            _ => None,
        })
    }

    /// The claim that the customer agreed to last: it counts, whatever was claimed since.
    #[must_use]
    pub fn agreed(&self) -> Option<&Claim> {
        let at = self
            .lines
            .iter()
            .rposition(|line| matches!(line.turn, Turn::Agree { .. }))?;
        self.lines[..at].iter().rev().find_map(|line| match &line.turn {
            Turn::Claim(claim) => Some(claim),
            _ => None,
        })
    }

    /// What counts today: what was agreed, else what is claimed; nothing of what was withdrawn.
    #[must_use]
    pub fn counted(&self) -> Option<&Claim> {
        match self.standing() {
            Standing::Withdrawn => None,
            _ => self.agreed().or_else(|| self.claim()),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.lines.last().map(|line| &line.turn) {
            None | Some(Turn::Claim(_)) => Standing::Proposed,
            Some(Turn::Agree { .. }) => Standing::Agreed,
            Some(Turn::Dispute { .. }) => Standing::Disputed,
            Some(Turn::Withdraw { .. }) if self.agreed().is_some() => Standing::Agreed,
            Some(Turn::Withdraw { .. }) => Standing::Withdrawn,
        }
    }

    /// Checks that a line may follow.
    ///
    /// # Errors
    /// With every mistake of what is said, or that it does not fit where the downtime stands.
    pub fn may(&self, turn: &Turn, now: Timestamp) -> Result<(), Refused> {
        let mistakes = mistakes(turn, now);
        if !mistakes.is_empty() {
            return Err(Refused::Wrong(mistakes));
        }
        let standing = self.standing();
        let fits = match turn {
            Turn::Claim(_) => true,
            Turn::Agree { .. } => matches!(standing, Standing::Proposed | Standing::Disputed),
            Turn::Dispute { .. } => standing == Standing::Proposed,
            Turn::Withdraw { .. } => {
                matches!(standing, Standing::Proposed | Standing::Disputed) && !self.lines.is_empty()
            }
        };
        if !fits {
            let word = turn.as_str().trim_start_matches("downtime.");
            let reason = format!("downtime {} is {}: it takes no `{word}`", self.id, standing.as_str());
            return Err(Refused::Standing(reason));
        }
        if matches!(turn, Turn::Agree { .. }) && self.claim().is_none_or(|claim| claim.to.is_none()) {
            let reason = format!("downtime {} has no end yet: correct it before it is agreed", self.id);
            return Err(Refused::Standing(reason));
        }
        Ok(())
    }
}

/// Which downtimes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DowntimeFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Of this contract.
    pub contract: Option<ContractId>,
    /// Of the ticket with this number.
    pub ticket: Option<u64>,
    /// Only this one.
    pub id: Option<u64>,
}

/// Everything that is wrong with what is said, whatever it is said of.
#[must_use]
pub fn mistakes(turn: &Turn, now: Timestamp) -> Vec<String> {
    let mut mistakes = Vec::new();
    let (words, needed) = match turn {
        Turn::Claim(claim) => {
            if claim.from >= now {
                mistakes.push(format!("field `from`: {} has not come yet", claim.from));
            }
            if let Some(to) = claim.to {
                if to <= claim.from {
                    mistakes.push(format!("field `to`: {to} is not after {}", claim.from));
                }
                if to > now {
                    mistakes.push(format!("field `to`: {to} has not come yet"));
                }
            }
            (&claim.words, true)
        }
        Turn::Agree { who, words, .. } | Turn::Dispute { who, words, .. } => {
            if who.trim().is_empty() || who.chars().count() > NAME_MAX {
                mistakes.push(format!("field `who`: whose word it is, in 1 to {NAME_MAX} characters"));
            }
            (words, matches!(turn, Turn::Dispute { .. }))
        }
        Turn::Withdraw { words } => (words, true),
    };
    if (needed && words.trim().is_empty()) || words.chars().count() > WORDS_MAX {
        mistakes.push(format!("field `words`: say why, in 1 to {WORDS_MAX} characters"));
    }
    mistakes
}

/// Time spans as few as cover the same time: sorted, apart from each other.
#[must_use]
pub fn merged(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans.into_iter().filter(|span| span.from < span.to).collect();
    sorted.sort_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::new();
    for span in sorted {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    pub(in crate::account) fn claim(from: i64, to: i64, cause: Cause) -> Claim {
        Claim {
            from: Timestamp::from_millis(from),
            to: (to > 0).then(|| Timestamp::from_millis(to)),
            cause,
            words: "web service down".to_owned(),
        }
    }

    fn agree() -> Turn {
        Turn::Agree {
            who: "Mr Li".to_owned(),
            how: How::Phone,
            words: String::new(),
        }
    }

    fn dispute() -> Turn {
        Turn::Dispute {
            who: "Mr Li".to_owned(),
            how: How::Account,
            words: "it was longer".to_owned(),
        }
    }

    fn withdraw() -> Turn {
        Turn::Withdraw {
            words: "another ticket has it".to_owned(),
        }
    }

    fn downtime(turns: &[Turn]) -> Downtime {
        let lines = (1..).zip(turns).map(|(seq, turn)| Line {
            seq,
            at: Timestamp::from_millis(1),
            by: "wang".to_owned(),
            turn: turn.clone(),
        });
        Downtime {
            id: 7,
            ticket: Some(1),
            customer: CustomerId::from_bytes([1; 16]),
            contract: ContractId::from_bytes([1; 16]),
            contract_name: "main".to_owned(),
            asset: AssetId::from_bytes([1; 16]),
            asset_name: "web".to_owned(),
            lines: lines.collect(),
        }
    }

    #[test]
    fn what_was_agreed_holds_until_something_else_is_agreed() {
        let first = claim(10, 20, Cause::Ours);
        let second = claim(10, 40, Cause::ThirdParty);
        let mut turns = vec![Turn::Claim(first.clone())];
        let is = |turns: &[Turn], standing, agreed: Option<&Claim>, counted: Option<&Claim>| {
            let downtime = downtime(turns);
            assert_eq!(downtime.standing(), standing);
            assert_eq!(downtime.agreed(), agreed);
            assert_eq!(downtime.counted(), counted);
        };
        is(&turns, Standing::Proposed, None, Some(&first));
        turns.push(agree());
        is(&turns, Standing::Agreed, Some(&first), Some(&first));
        turns.push(Turn::Claim(second.clone()));
        is(&turns, Standing::Proposed, Some(&first), Some(&first));
        turns.push(withdraw());
        is(&turns, Standing::Agreed, Some(&first), Some(&first));
        turns.extend([Turn::Claim(second.clone()), agree()]);
        is(&turns, Standing::Agreed, Some(&second), Some(&second));
        assert_eq!(downtime(&turns).lines.len(), 6, "nothing is erased");
        is(&[Turn::Claim(first), withdraw()], Standing::Withdrawn, None, None);
    }

    /// Standing × turn, all of it.
    #[test]
    fn each_standing_takes_what_fits_it() {
        let made = Turn::Claim(claim(10, 20, Cause::Ours));
        let standings = [
            (vec![made.clone()], [true, true, true, true]),
            (vec![made.clone(), dispute()], [true, true, false, true]),
            (vec![made.clone(), agree()], [true, false, false, false]),
            (vec![made.clone(), withdraw()], [true, false, false, false]),
        ];
        for (turns, expected) in standings {
            let downtime = downtime(&turns);
            let taken = [made.clone(), agree(), dispute(), withdraw()].map(|turn| downtime.may(&turn, NOW).is_ok());
            assert_eq!(taken, expected, "{:?}", downtime.standing());
        }
        let lasting = downtime(&[Turn::Claim(claim(10, 0, Cause::Ours))]);
        let refused = lasting.may(&agree(), NOW).unwrap_err().to_string();
        assert!(refused.contains("no end yet"), "{refused}");
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = Turn::Claim(Claim {
            words: " ".to_owned(),
            ..claim(2_000_000, 1_500_000, Cause::Ours)
        });
        let mistakes = mistakes(&wrong, NOW);
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    }

    #[test]
    fn every_cause_has_a_word_in_both_languages() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(cause));
        }
        assert_eq!(Cause::parse("不可抗力"), Some(Cause::ForceMajeure));
        assert_eq!(Cause::parse("weather"), None);
    }
}
