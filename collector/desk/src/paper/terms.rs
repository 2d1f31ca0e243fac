//! What the site wants signed before which step.

use super::{Papers, approval::ApprovalState};
use crate::life::ActionKind;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Level, time::HumanDuration};

/// Steps that may be made to wait for an approval.
const STEPS: [ActionKind; 4] = [
    ActionKind::Arrive,
    ActionKind::Restore,
    ActionKind::Resolve,
    ActionKind::Confirm,
];

/// Tickets of these levels need a granted approval before these steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Required {
    /// This level and worse ones; 1 is the worst.
    pub level: u8,
    /// Steps.
    pub steps: Vec<ActionKind>,
}

/// The terms of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// While an approval of the ticket waits for its answer, or its last one was refused, these steps are refused.
    pub hold: Vec<ActionKind>,
    /// Where nobody may go on without a granted approval.
    pub required: Vec<Required>,
    /// An approval that is not signed keeps its ticket from being closed.
    pub signed_before_confirm: bool,
    /// Only the customer's own account, a drawn signature or a signed paper closes a ticket.
    pub proof: bool,
    /// Approvers are reminded to sign so often.
    pub remind_every: HumanDuration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            hold: vec![ActionKind::Restore, ActionKind::Resolve],
            required: Vec::new(),
            signed_before_confirm: true,
            proof: false,
            remind_every: HumanDuration(Duration::from_secs(4 * 3_600)),
        }
    }
}

impl Terms {
    /// Everything that is wrong with them, as sentences.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let known: Vec<&str> = STEPS.iter().map(|step| step.as_str()).collect();
        let asked = self.required.iter().flat_map(|one| &one.steps).chain(&self.hold);
        let mut mistakes: Vec<String> = asked
            .filter(|step| !STEPS.contains(step))
            .map(|step| {
                format!(
                    "`{}` can't wait for an approval: expected {}",
                    step.as_str(),
                    known.join(", ")
                )
            })
            .collect();
        if self.required.iter().any(|one| one.level == 0 || one.steps.is_empty()) {
            mistakes.push("each `required` needs a level from 1 on, and steps".to_owned());
        }
        if self.remind_every.0 < Duration::from_secs(600) {
            mistakes.push("`remind_every` is shorter than 10m".to_owned());
        }
        mistakes
    }

    /// Why a person may not take this step on a ticket of this level now; none: they may.
    #[must_use]
    pub fn hinders(&self, step: ActionKind, level: Level, papers: &Papers) -> Option<String> {
        let approvals = &papers.approvals;
        let live = approvals.iter().filter(|one| one.state != ApprovalState::Withdrawn);
        if self.hold.contains(&step) {
            if let Some(open) = approvals.iter().find(|one| one.state == ApprovalState::Asked) {
                return Some(format!(
                    "approval {} waits for its answer: `{}` is possible when it is granted or withdrawn",
                    open.id,
                    step.as_str()
                ));
            }
            if let Some(last) = live
                .clone()
                .next_back()
                .filter(|one| one.state == ApprovalState::Refused)
            {
                return Some(format!(
                    "approval {} was refused: ask for another way before `{}`",
                    last.id,
                    step.as_str()
                ));
            }
        }
        let wanted = |one: &Required| level.rank() <= one.level && one.steps.contains(&step);
        let granted = live.clone().any(|one| one.state == ApprovalState::Granted);
        if self.required.iter().any(wanted) && !granted {
            let step = step.as_str();
            return Some(format!(
                "a ticket of this level needs a granted approval before `{step}`"
            ));
        }
        if step == ActionKind::Confirm
            && self.signed_before_confirm
            && let Some(unsigned) = approvals.iter().find(|one| one.is_unsigned())
        {
            return Some(format!(
                "approval {} is not signed: it was given by phone, and `{}` must sign it first",
                unsigned.id,
                unsigned.verdict.as_ref().map_or("", |verdict| &verdict.login)
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::{
        approval::{Approval, Approver, Verdict},
        attachment::Done,
    };
    use tocsin_vocabulary::{CustomerId, TicketId, Timestamp};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn papers(state: ApprovalState, signed: bool) -> Papers {
        let done = Done {
            by: "x".to_owned(),
            at: NOW,
        };
        let verdict = Verdict {
            login: "chen".to_owned(),
            name: "Chen".to_owned(),
            at: NOW,
            words: String::new(),
            recorded: Some(done.clone()),
            signed_at: signed.then_some(NOW),
        };
        let approval = Approval {
            id: 3,
            ticket: TicketId::from_bytes([2; 16]),
            number: 1042,
            customer: CustomerId::from_bytes([5; 16]),
            what: String::new(),
            risk: String::new(),
            rollback: String::new(),
            from: NOW,
            to: NOW,
            of: Approver::Lead,
            asker: "wang".to_owned(),
            asked: done,
            verdict: matches!(state, ApprovalState::Granted | ApprovalState::Refused).then_some(verdict),
            state,
            reminders: 0,
        };
        Papers {
            approvals: vec![approval],
            ..Papers::default()
        }
    }

    #[test]
    fn work_waits_for_its_approval_and_closing_for_the_signature() {
        use ActionKind::{Arrive, Confirm, Resolve, Restore};
        let terms = Terms::default();
        for (state, signed, held) in [
            (ApprovalState::Asked, true, &[Restore, Resolve][..]),
            (ApprovalState::Refused, true, &[Restore, Resolve]),
            (ApprovalState::Granted, false, &[Confirm]),
            (ApprovalState::Granted, true, &[]),
            (ApprovalState::Withdrawn, true, &[]),
        ] {
            for step in [Arrive, Restore, Resolve, Confirm] {
                let hindered = terms.hinders(step, Level::new(2), &papers(state, signed)).is_some();
                assert_eq!(hindered, held.contains(&step), "{state:?} signed {signed} {step:?}");
            }
        }
        assert_eq!(terms.hinders(Restore, Level::WORST, &Papers::default()), None);
    }

    #[test]
    fn a_level_may_need_an_approval_before_a_step() {
        let terms = Terms {
            required: vec![Required {
                level: 2,
                steps: vec![ActionKind::Restore],
            }],
            ..Terms::default()
        };
        let needs = |level, papers: &Papers| terms.hinders(ActionKind::Restore, Level::new(level), papers).is_some();
        assert!(needs(1, &Papers::default()) && needs(2, &papers(ApprovalState::Withdrawn, true)));
        assert!(!needs(3, &Papers::default()) && !needs(1, &papers(ApprovalState::Granted, false)));
    }

    #[test]
    fn terms_are_read_from_toml_and_all_mistakes_are_told() {
        let text = "proof = true\nhold = [\"accept\"]\nremind_every = \"1m\"\n[[required]]\nlevel = 0\nsteps = []\n";
        let terms: Terms = toml::from_str(text).unwrap();
        assert!(terms.proof && terms.signed_before_confirm);
        assert_eq!(terms.mistakes().len(), 3);
        assert!(Terms::default().mistakes().is_empty());
        assert_eq!(
            toml::from_str::<Terms>(&toml::to_string(&Terms::default()).unwrap()).unwrap(),
            Terms::default()
        );
    }
}
