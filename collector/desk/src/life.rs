//! Ticket life: which action leads from which state to which (the table of `domain.md`), and what the pages offer.
//!
//! Breach, level and assignee are columns beside the state; nothing here knows them.

use crate::{input::Action, model::TicketState};
use TicketState::{Accepted, Cancelled, Closed, Merged, OnSite, Open, Resolved, Restored, Waiting};
use serde::{Deserialize, Serialize};

/// What can be done to a ticket, without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// 接单.
    Accept,
    /// 派工/转派.
    Assign,
    /// 到场.
    Arrive,
    /// 挂起.
    Wait,
    /// 恢复处理.
    Resume,
    /// 业务恢复.
    Restore,
    /// 复发: by the desk alone, when an alert returns.
    Recur,
    /// 解决.
    Resolve,
    /// 客户确认.
    Confirm,
    /// 重开.
    Reopen,
    /// 作废.
    Cancel,
    /// 合并.
    Merge,
    /// A note.
    Note,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Accept,
        Self::Assign,
        Self::Arrive,
        Self::Wait,
        Self::Resume,
        Self::Restore,
        Self::Recur,
        Self::Resolve,
        Self::Confirm,
        Self::Reopen,
        Self::Cancel,
        Self::Merge,
        Self::Note,
    ];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Assign => "assign",
            Self::Arrive => "arrive",
            Self::Wait => "wait",
            Self::Resume => "resume",
            Self::Restore => "restore",
            Self::Recur => "recur",
            Self::Resolve => "resolve",
            Self::Confirm => "confirm",
            Self::Reopen => "reopen",
            Self::Cancel => "cancel",
            Self::Merge => "merge",
            Self::Note => "note",
        }
    }

    /// The action that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Action {
    /// Which action it is.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Accept => ActionKind::Accept,
            Self::Assign { .. } => ActionKind::Assign,
            Self::Arrive => ActionKind::Arrive,
            Self::Wait { .. } => ActionKind::Wait,
            Self::Resume => ActionKind::Resume,
            Self::Restore => ActionKind::Restore,
            Self::Resolve { .. } => ActionKind::Resolve,
            Self::Confirm => ActionKind::Confirm,
            Self::Reopen { .. } => ActionKind::Reopen,
            Self::Cancel { .. } => ActionKind::Cancel,
            Self::Merge { .. } => ActionKind::Merge,
            Self::Note { .. } => ActionKind::Note,
        }
    }
}

/// The state does not allow the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Illegal {
    /// Where the ticket stands.
    pub state: TicketState,
    /// What was asked.
    pub action: ActionKind,
}

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a ticket that is {} does not allow `{}`; ",
            self.state.as_str(),
            self.action.as_str()
        )?;
        let words: Vec<_> = actions(self.state).iter().map(|kind| kind.as_str()).collect();
        if words.is_empty() {
            f.write_str("nothing is possible any more")
        } else {
            write!(f, "possible: {}", words.join(", "))
        }
    }
}

impl std::error::Error for Illegal {}

/// The state after `action`, and the state that `resume` or `recur` will then lead back to.
///
/// A ticket restored while waiting recurs into waiting; the state before the waiting, which its `resume` leads back to, is
/// kept by the ticket meanwhile (`waited_from`).
///
/// # Errors
/// When the table has no such line.
pub const fn next(
    state: TicketState,
    prior: Option<TicketState>,
    action: ActionKind,
) -> Result<(TicketState, Option<TicketState>), Illegal> {
    Ok(match (action, state) {
        (ActionKind::Accept, Open) | (ActionKind::Reopen, Resolved | Closed) => (Accepted, None),
        (ActionKind::Assign, Open | Accepted | OnSite | Waiting)
        | (ActionKind::Note, Open | Accepted | OnSite | Waiting | Restored | Resolved) => (state, prior),
        (ActionKind::Arrive, Accepted) => (OnSite, None),
        (ActionKind::Wait, Accepted | OnSite) => (Waiting, Some(state)),
        (ActionKind::Resume, Waiting) => (or(prior, Accepted), None),
        (ActionKind::Restore, Open | Accepted | OnSite | Waiting) => (Restored, Some(state)),
        (ActionKind::Recur, Restored) => (or(prior, Open), None),
        (ActionKind::Resolve, Restored) => (Resolved, None),
        (ActionKind::Confirm, Resolved) => (Closed, None),
        (ActionKind::Cancel, Open | Accepted | OnSite | Waiting | Restored | Resolved) => (Cancelled, None),
        (ActionKind::Merge, Open | Accepted | OnSite | Waiting | Restored | Resolved) => (Merged, None),
        _ => return Err(Illegal { state, action }),
    })
}

/// `prior`, which is always set where it is read; `otherwise` keeps a damaged row workable.
const fn or(prior: Option<TicketState>, otherwise: TicketState) -> TicketState {
    match prior {
        Some(state) => state,
        None => otherwise,
    }
}

/// What people can do to a ticket in this state, the likeliest first.
#[must_use]
pub const fn actions(state: TicketState) -> &'static [ActionKind] {
    use ActionKind::{Accept, Arrive, Assign, Cancel, Confirm, Merge, Note, Reopen, Resolve, Restore, Resume, Wait};
    match state {
        Open => &[Accept, Assign, Restore, Note, Merge, Cancel],
        Accepted => &[Arrive, Restore, Wait, Assign, Note, Merge, Cancel],
        OnSite => &[Restore, Wait, Assign, Note, Merge, Cancel],
        Waiting => &[Resume, Restore, Assign, Note, Merge, Cancel],
        Restored => &[Resolve, Note, Merge, Cancel],
        Resolved => &[Confirm, Reopen, Note, Merge, Cancel],
        Closed => &[Reopen],
        Merged | Cancelled => &[],
    }
}

/// The one thing that the state wants next: the large button.
#[must_use]
pub const fn next_step(state: TicketState) -> Option<ActionKind> {
    match state {
        Open => Some(ActionKind::Accept),
        Accepted => Some(ActionKind::Arrive),
        OnSite => Some(ActionKind::Restore),
        Waiting => Some(ActionKind::Resume),
        Restored => Some(ActionKind::Resolve),
        Resolved => Some(ActionKind::Confirm),
        Closed | Merged | Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of the table: action, from, state before (for `resume` and `recur`), to, state kept.
    #[rustfmt::skip]
    const TABLE: &[(&str, &str, &str, &str, &str)] = &[
        ("accept",  "open",     "",         "accepted",  ""),
        ("assign",  "open",     "",         "open",      ""),
        ("assign",  "accepted", "",         "accepted",  ""),
        ("assign",  "on_site",  "",         "on_site",   ""),
        ("assign",  "waiting",  "accepted", "waiting",   "accepted"),
        ("arrive",  "accepted", "",         "on_site",   ""),
        ("wait",    "accepted", "",         "waiting",   "accepted"),
        ("wait",    "on_site",  "",         "waiting",   "on_site"),
        ("resume",  "waiting",  "accepted", "accepted",  ""),
        ("resume",  "waiting",  "on_site",  "on_site",   ""),
        ("restore", "open",     "",         "restored",  "open"),
        ("restore", "accepted", "",         "restored",  "accepted"),
        ("restore", "on_site",  "",         "restored",  "on_site"),
        ("restore", "waiting",  "accepted", "restored",  "waiting"),
        ("restore", "waiting",  "on_site",  "restored",  "waiting"),
        ("recur",   "restored", "open",     "open",      ""),
        ("recur",   "restored", "accepted", "accepted",  ""),
        ("recur",   "restored", "on_site",  "on_site",   ""),
        ("recur",   "restored", "waiting",  "waiting",   ""),
        ("resolve", "restored", "accepted", "resolved",  ""),
        ("confirm", "resolved", "",         "closed",    ""),
        ("reopen",  "resolved", "",         "accepted",  ""),
        ("reopen",  "closed",   "",         "accepted",  ""),
        ("cancel",  "open",     "",         "cancelled", ""),
        ("cancel",  "accepted", "",         "cancelled", ""),
        ("cancel",  "on_site",  "",         "cancelled", ""),
        ("cancel",  "waiting",  "accepted", "cancelled", ""),
        ("cancel",  "restored", "open",     "cancelled", ""),
        ("cancel",  "resolved", "",         "cancelled", ""),
        ("merge",   "open",     "",         "merged",    ""),
        ("merge",   "accepted", "",         "merged",    ""),
        ("merge",   "on_site",  "",         "merged",    ""),
        ("merge",   "waiting",  "accepted", "merged",    ""),
        ("merge",   "restored", "open",     "merged",    ""),
        ("merge",   "resolved", "",         "merged",    ""),
        ("note",    "open",     "",         "open",      ""),
        ("note",    "accepted", "",         "accepted",  ""),
        ("note",    "on_site",  "",         "on_site",   ""),
        ("note",    "waiting",  "on_site",  "waiting",   "on_site"),
        ("note",    "restored", "open",     "restored",  "open"),
        ("note",    "resolved", "",         "resolved",  ""),
    ];

    #[test]
    fn the_table_is_followed_and_everything_else_refused() {
        for (action, from, prior, to, kept) in TABLE {
            let (action, from) = (ActionKind::parse(action).unwrap(), TicketState::parse(from).unwrap());
            let expected = (TicketState::parse(to).unwrap(), TicketState::parse(kept));
            assert_eq!(
                next(from, TicketState::parse(prior), action),
                Ok(expected),
                "{action:?} from {from:?}"
            );
        }
        for state in TicketState::ALL {
            for action in ActionKind::ALL {
                let listed = TABLE
                    .iter()
                    .any(|line| line.0 == action.as_str() && line.1 == state.as_str());
                assert_eq!(next(state, None, action).is_ok(), listed, "{action:?} from {state:?}");
            }
        }
    }

    #[test]
    fn pages_offer_exactly_what_the_table_allows_people() {
        for state in TicketState::ALL {
            for action in ActionKind::ALL {
                let allowed = action != ActionKind::Recur && next(state, None, action).is_ok();
                assert_eq!(actions(state).contains(&action), allowed, "{action:?} in {state:?}");
            }
            assert_eq!(next_step(state).is_some(), state.is_live());
            assert!(next_step(state).is_none_or(|action| actions(state)[0] == action));
        }
    }

    #[test]
    fn a_refusal_says_the_state_and_what_is_possible() {
        let refusal = next(TicketState::Restored, None, ActionKind::Accept)
            .unwrap_err()
            .to_string();
        assert_eq!(
            refusal,
            "a ticket that is restored does not allow `accept`; possible: resolve, note, merge, cancel"
        );
        let refusal = next(TicketState::Cancelled, None, ActionKind::Note)
            .unwrap_err()
            .to_string();
        assert!(refusal.ends_with("nothing is possible any more"), "{refusal}");
    }
}
