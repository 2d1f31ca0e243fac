//! What rules decided and which events they have judged, on its way into the ledger with the next commit.
//!
//! Decisions that people hear of are all kept. Of those that nobody hears of — a condition that held, not long enough — a
//! host may bring so many an hour, for a value that swings about its threshold makes one with each tick.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use tocsin_desk::{
    effect::Effects,
    model::{Decision, Judged, Phase, RuleVersion},
};
use tocsin_rules::RuleSet;
use tocsin_vocabulary::{HostId, SpoolId, Timestamp};

/// What waits is written this long after it came, unless something else is written before.
const WRITE_AFTER: Duration = Duration::from_secs(2);
/// Decisions that nobody hears of, by host and hour.
const UNHEARD_PER_HOUR: u32 = 240;
const HOUR: Duration = Duration::from_secs(3_600);
/// Decisions that wait while the ledger can't be written; the oldest go first.
const WAITING_MAX: usize = 65_536;

/// What waits to be written beside alerts.
#[derive(Debug, Default)]
pub(super) struct Record {
    decisions: Vec<Decision>,
    judged: BTreeMap<(HostId, SpoolId), u64>,
    /// By rule: its text and what that is called.
    texts: HashMap<String, (String, String)>,
    /// Versions that the ledger has.
    known: HashSet<String>,
    /// By host: which hour it is, and how many unheard decisions it brought.
    unheard: HashMap<HostId, (Timestamp, u32)>,
    /// When the first of what waits came.
    since: Option<Timestamp>,
}

impl Record {
    /// Takes the texts of rules as they are in force from now on.
    pub(super) fn rules(&mut self, rules: &RuleSet) {
        let texts = rules.rules();
        self.texts = texts
            .map(|rule| (rule.name.clone(), (rule.version(), rule.text.clone())))
            .collect();
    }

    /// Which text of a rule speaks now; empty for a rule that is gone.
    pub(super) fn version(&self, rule: &str) -> String {
        self.texts
            .get(rule)
            .map(|(version, _)| version.clone())
            .unwrap_or_default()
    }

    /// Takes what rules decided.
    pub(super) fn decided(&mut self, decisions: Vec<tocsin_rules::Decision>, now: Timestamp) {
        let mut decisions = decisions;
        decisions.retain(|one| one.from.is_raised() || one.to.is_raised() || self.may(one.host, now));
        self.keep(decisions, now);
    }

    /// Takes decisions, all of them.
    pub(super) fn keep(&mut self, decisions: Vec<tocsin_rules::Decision>, now: Timestamp) {
        for one in decisions {
            self.since.get_or_insert(now);
            let version = self.version(&one.rule);
            self.decisions.push(Decision {
                host: one.host,
                rule: one.rule,
                instance: one.instance,
                from: phase(one.from),
                to: phase(one.to),
                reason: one.reason.to_owned(),
                since: one.since,
                observed: one.observed,
                decided: one.decided,
                value: one.value,
                threshold: Some(one.threshold),
                worst: one.worst,
                ticks: one.ticks,
                saw: one.saw,
                version,
            });
        }
        let over = self.decisions.len().saturating_sub(WAITING_MAX);
        if over > 0 {
            tracing::warn!(
                over,
                "decisions of rules were dropped: the ledger could not take them for too long"
            );
            self.decisions.drain(..over);
        }
    }

    /// Whether a host may bring one more decision that nobody hears of.
    fn may(&mut self, host: HostId, now: Timestamp) -> bool {
        let hour = now.floor_to(HOUR);
        let (of, count) = self.unheard.entry(host).or_insert((hour, 0));
        if *of != hour {
            (*of, *count) = (hour, 0);
        }
        *count = count.saturating_add(1);
        if *count == UNHEARD_PER_HOUR + 1 {
            tracing::info!(%host, "values swing about thresholds: what rules decide of it is not written for the rest of the hour, unless somebody hears of it");
        }
        *count <= UNHEARD_PER_HOUR
    }

    /// The rules have judged all events of a spool up to this number.
    pub(super) fn judged(&mut self, host: HostId, spool: SpoolId, seq: u64, now: Timestamp) {
        self.since.get_or_insert(now);
        let known = self.judged.entry((host, spool)).or_insert(seq);
        *known = (*known).max(seq);
    }

    /// When what waits shall be written.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.since.map(|since| since.plus(WRITE_AFTER))
    }

    /// Adds everything to what is about to be written; only of hosts that the register has.
    pub(super) fn add_to(&self, effects: &mut Effects, known: impl Fn(HostId) -> bool, now: Timestamp) {
        let decisions = self.decisions.iter().filter(|one| known(one.host));
        effects.decisions.extend(decisions.cloned());
        let judged = self.judged.iter().filter(|((host, _), _)| known(*host));
        effects.judged.extend(judged.map(|((host, spool), seq)| Judged {
            host: *host,
            spool: *spool,
            seq: *seq,
        }));
        let spoke = effects.decisions.iter().map(|one| one.rule.as_str());
        let spoke = spoke.chain(effects.alerts.iter().map(|alert| alert.rule.as_str()));
        let mut versions: BTreeMap<String, RuleVersion> = BTreeMap::new();
        for rule in spoke {
            let Some((version, text)) = self
                .texts
                .get(rule)
                .filter(|(version, _)| !self.known.contains(version))
            else {
                continue;
            };
            versions.entry(version.clone()).or_insert_with(|| RuleVersion {
                version: version.clone(),
                rule: rule.to_owned(),
                text: text.clone(),
                since: now,
            });
        }
        effects.versions.extend(versions.into_values());
    }

    /// What was added is written.
    pub(super) fn written(&mut self, versions: &[RuleVersion]) {
        self.known.extend(versions.iter().map(|one| one.version.clone()));
        self.clear();
    }

    /// What waits is written, or can't be.
    pub(super) fn clear(&mut self) {
        self.decisions.clear();
        self.judged.clear();
        self.since = None;
    }
}

/// Of rules, in the desk's words.
const fn phase(phase: tocsin_rules::Phase) -> Phase {
    match phase {
        tocsin_rules::Phase::Clear => Phase::Clear,
        tocsin_rules::Phase::Pending => Phase::Pending,
        tocsin_rules::Phase::Raised => Phase::Raised,
        tocsin_rules::Phase::Clearing => Phase::Clearing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(to: tocsin_rules::Phase) -> tocsin_rules::Decision {
        let now = Timestamp::from_millis(1);
        tocsin_rules::Decision {
            rule: "cpu".to_owned(),
            host: HostId::from_bytes([1; 16]),
            instance: String::new(),
            from: tocsin_rules::Phase::Clear,
            to,
            reason: "holds",
            since: now,
            observed: now,
            decided: now,
            value: None,
            threshold: 0.0,
            worst: None,
            ticks: 1,
            saw: String::new(),
        }
    }

    #[test]
    fn a_value_that_swings_brings_a_bounded_number_of_decisions_and_what_people_hear_of_is_kept() {
        let mut record = Record::default();
        let now = Timestamp::from_millis(3_600_000);
        for _ in 0..10_000 {
            record.decided(vec![decision(tocsin_rules::Phase::Pending)], now);
        }
        assert_eq!(record.decisions.len(), UNHEARD_PER_HOUR as usize);
        record.decided(vec![decision(tocsin_rules::Phase::Raised)], now);
        record.decided(vec![decision(tocsin_rules::Phase::Pending)], now.plus(HOUR));
        assert_eq!(record.decisions.len(), UNHEARD_PER_HOUR as usize + 2);
        let mut effects = Effects::default();
        record.add_to(&mut effects, |_| true, now);
        assert_eq!(effects.decisions.len(), UNHEARD_PER_HOUR as usize + 2);
        record.written(&effects.versions);
        assert_eq!(record.due(), None);
    }
}
