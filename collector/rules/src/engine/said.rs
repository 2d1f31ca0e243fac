//! What one call of the engine says: transitions for whoever asked, and what was decided on the way.

use super::{
    Decision, Moment, Phase,
    life::{Life, Outcome},
    speak::{About, threshold},
};
use crate::transition::{Reason, Transition, TransitionKind};
use tocsin_vocabulary::HostId;

/// Decisions that wait to be taken; further ones are counted and dropped. A site's hosts that fail together, several times
/// over.
pub(super) const DECISIONS_MAX: usize = 65_536;

/// Transitions and decisions in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) transitions: Vec<Transition>,
    pub(super) decisions: Vec<Decision>,
    /// Silent hosts of which a rule wants to know whether their machine answers.
    pub(super) asks: Vec<HostId>,
    /// Whether anybody wants to know of decisions.
    keeps: bool,
}

impl Said {
    pub(super) const fn new(keeps: bool) -> Self {
        Self {
            transitions: Vec::new(),
            decisions: Vec::new(),
            asks: Vec::new(),
            keeps,
        }
    }

    /// An alert that ends without having been seen healthy is a decision of its own.
    pub(super) fn push(&mut self, said: Transition) {
        if self.keeps && said.kind == TransitionKind::Cleared && said.evidence.reason != Reason::Recovered {
            self.decisions.push(Decision::of_end(&said));
        }
        self.transitions.push(said);
    }

    pub(super) fn extend(&mut self, said: impl IntoIterator<Item = Transition>) {
        for one in said {
            self.push(one);
        }
    }

    /// An alert took a reading, or a timer looked: what that made of it.
    pub(super) fn turned(&mut self, about: About<'_>, from: Phase, outcome: Outcome, life: &Life, moment: Moment) {
        if self.keeps && (from != life.phase || matches!(outcome, Outcome::Graded { .. })) {
            self.decisions.push(Decision {
                rule: about.rule.name.clone(),
                host: about.host,
                instance: about.instance.to_owned(),
                from,
                to: life.phase,
                reason: reason(from, outcome, life),
                since: life.began,
                observed: moment.tick,
                decided: moment.now,
                value: life.last(),
                threshold: threshold(about.rule, life.level),
                worst: life.worst,
                ticks: life.ticks,
                saw: String::new(),
            });
        }
        self.transitions.extend(about.outcome(outcome, life, moment));
    }

    /// Whether a turn of phase is worth a description: nobody asks, and nothing is said.
    pub(super) const fn heeds(&self, from: Phase, to: Phase, outcome: Outcome) -> bool {
        !matches!(outcome, Outcome::Nothing) || (self.keeps && from as u8 != to as u8)
    }
}

/// Why an alert stands where it stands now.
const fn reason(from: Phase, outcome: Outcome, life: &Life) -> &'static str {
    match (from, life.phase, outcome) {
        (_, _, Outcome::Graded { worse: true }) => "worsened",
        (_, _, Outcome::Graded { worse: false }) => "eased",
        (Phase::Clear, Phase::Pending, _) => "holds",
        (_, Phase::Raised, Outcome::Raised) => "held",
        (Phase::Pending, Phase::Clear, _) => "not_long_enough",
        (Phase::Raised, Phase::Clearing, _) => "healthy",
        (Phase::Clearing, Phase::Raised, _) => "holds_again",
        _ => "recovered",
    }
}

impl Decision {
    fn of_end(said: &Transition) -> Self {
        Self {
            rule: said.rule.clone(),
            host: said.host,
            instance: said.instance.clone(),
            from: Phase::Raised,
            to: Phase::Clear,
            reason: said.evidence.reason.as_str(),
            since: said.evidence.since,
            observed: said.evidence.observed,
            decided: said.evidence.decided,
            value: said.value,
            threshold: said.threshold,
            worst: said.evidence.worst,
            ticks: said.evidence.ticks,
            saw: String::new(),
        }
    }
}
