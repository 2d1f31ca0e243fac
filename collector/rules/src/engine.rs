//! What holds now: hosts, their alerts and their deadlines.
//!
//! State is small: some bytes per host and plan entry while all is well, beside a plan that equal hosts share. A tick
//! costs what its changed cells cost. Nothing here reads a clock: every call says what time it is.

mod absence;
mod came;
mod evaluate;
mod flaps;
mod history;
mod host;
mod kept;
mod life;
mod memory;
mod occurrence;
mod rebuild;
mod said;
mod silence;
mod speak;
#[cfg(test)]
mod tests;
mod timers;
mod totals;

pub use history::Wanted;
pub use life::Phase;
pub use memory::Hourly;

use crate::{
    plan::{self, Plan, Plans},
    rule::{Condition, Event, RuleSet},
    transition::{Decision, Reason, Transition, TransitionKind},
};
use host::{Host, Orphan};
use life::{Life, Moment};
use memory::Memory;
use said::{DECISIONS_MAX, Said};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use timers::{Slot, Timers};
use tocsin_vocabulary::{Dictionary, HostId, Severity, Timestamp, batch::Tick};

/// A host that no longer has a series keeps the series' raised alert this long, for it may come back.
const VANISHED_AFTER: Duration = Duration::from_secs(300);

/// An alert that was raised before a restart, as the ledger knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// As in the [`Transition`] that raised it.
    pub instance: String,
    /// When it happened (`at` of that transition).
    pub raised_at: Timestamp,
    /// The last value known.
    pub value: Option<f64>,
    /// How bad it was when last told of; decides which level of its rule it had.
    pub severity: Severity,
}

/// Where one alert stands, for the page of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertState {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// Attributes as `key=value,key=value`; empty if there are none.
    pub instance: String,
    /// Where it stands.
    pub state: Phase,
    /// When the condition began to hold; `None` while clear.
    pub since: Option<Timestamp>,
    /// The last value; `None` while clear, and when nothing was measured.
    pub value: Option<f64>,
}

/// Evaluates rules on arrival.
#[derive(Debug, Default)]
pub struct Engine {
    rules: RuleSet,
    plans: Plans,
    /// Boxed, so that finding one looks at ids alone.
    hosts: HashMap<HostId, Box<Host>>,
    timers: Timers,
    /// What was decided since it was last taken, if anybody wants to know.
    decisions: Vec<Decision>,
    /// Decisions for which there was no room.
    dropped: u64,
    keeps: bool,
    /// Silent hosts of which a rule wants to know whether their machine answers.
    asks: BTreeSet<HostId>,
}

impl Engine {
    /// An engine that knows no host yet.
    #[must_use]
    pub fn new(rules: RuleSet) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Takes a tick. `changed` is the decoder's: bit *i* of word *i* / 64 is set when cell *i* differs from the tick
    /// before. A `late` tick (backlog) is a sign of life and nothing more.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn tick(
        &mut self,
        host: HostId,
        dictionary: &Dictionary,
        tick: &Tick,
        changed: &[u64],
        now: Timestamp,
        late: bool,
    ) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        let Self {
            rules,
            plans,
            hosts,
            timers,
            ..
        } = self;
        let count = hosts.len();
        let host = hosts.entry(host).or_insert_with(|| Box::new(Host::new(host, rules)));
        host.heard_at(now);
        host.seen(rules, timers, now, &mut out);
        if late {
            return self.say(out);
        }
        if host.dictionary().map(Dictionary::hash) != Some(dictionary.hash()) {
            let plan = plans.of(dictionary, rules, count);
            host.rebuild(rules, rules, plan, timers, now, &mut out);
            host.share(plans);
        }
        host.evaluate(rules, timers, tick, changed, now, false, &mut out);
        host.miss(rules, tick, now, false, &mut out);
        self.say(out)
    }

    /// Takes an event: a sign of life, and what rules about events count. A `late` one (from backlog) counts too, unless
    /// what ends it is known.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn event(&mut self, host: HostId, event: &Event<'_>, now: Timestamp, late: bool) -> Vec<Transition> {
        let age = late.then(|| now.since(event.time));
        self.event_of_age(host, event, now, age)
    }

    /// As [`Self::event`], for a host whose clock may be wrong: `late` says how long ago an event was that came late.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn event_of_age(
        &mut self,
        host: HostId,
        event: &Event<'_>,
        now: Timestamp,
        late: Option<Duration>,
    ) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        self.host(host).heard_at(now);
        self.with(host, |host, rules, timers| {
            host.seen(rules, timers, now, &mut out);
            host.happened(rules, timers, event, now, late, &mut out);
        });
        self.say(out)
    }

    /// Takes an event that came before a restart and was not judged: as [`Self::event`], but no sign of life.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn event_again(&mut self, host: HostId, event: &Event<'_>, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        self.host(host);
        self.with(host, |host, rules, timers| {
            host.happened(rules, timers, event, now, Some(Duration::ZERO), &mut out);
        });
        self.say(out)
    }

    /// A sign of life of any kind.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn seen(&mut self, host: HostId, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        self.host(host).heard_at(now);
        self.with(host, |host, rules, timers| {
            host.seen(rules, timers, now, &mut out);
        });
        self.say(out)
    }

    /// The host shall be heard every `interval`; arms its silence deadline. The first call counts as a sign of life,
    /// so that after a restart, when the collector itself was blind, every deadline starts anew.
    pub fn expect(&mut self, host: HostId, interval: Duration, now: Timestamp) {
        self.host(host).expected(interval, now);
        self.with(host, |host, rules, timers| host.arm_silences(rules, timers));
    }

    /// What was known before a restart of when a host was last heard: its silence is counted from then. No deadline comes
    /// before `grace`, for its agent needs a moment to find the collector again. To be called after [`Self::expect`].
    pub fn heard_before(&mut self, host: HostId, heard: Timestamp, grace: Timestamp) {
        self.host(host).was_heard(heard, grace);
        self.with(host, |host, rules, timers| host.arm_silences(rules, timers));
    }

    /// Says what a host is called, for words and for rules with `hosts` or `tags`. Rules that no longer apply clear.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn introduce(&mut self, host: HostId, name: &str, tags: &[String], now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        if self.host(host).rename(name, tags) {
            self.with(host, |host, rules, timers| {
                let plan = host.plan();
                host.rebuild(rules, rules, plan, timers, now, &mut out);
            });
            self.share(host);
        }
        self.say(out)
    }

    /// Says to which groups and which customer a host belongs, for rules with an `override`.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn assign(&mut self, host: HostId, groups: &[String], customer: &str, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        if self.host(host).assign(groups, customer) {
            self.with(host, |host, rules, timers| {
                let plan = host.plan();
                host.rebuild(rules, rules, plan, timers, now, &mut out);
            });
            self.share(host);
        }
        self.say(out)
    }

    /// The host is no longer watched: its alerts are cleared and its deadlines dropped.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn forget(&mut self, host: HostId, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        if let Some(mut host) = self.hosts.remove(&host) {
            host.dismiss(&self.rules, &mut self.timers, now, &mut out);
        }
        self.say(out)
    }

    /// Alerts that were raised before a restart: they are not raised again, and clear when the condition is gone.
    /// Alerts of rules that are no more are cleared at once. Introduce hosts first: an alert of a rule that does not
    /// apply to its host is cleared too.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn restore(&mut self, alerts: impl IntoIterator<Item = Restored>, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        for alert in alerts {
            let Some(at) = self.rules.position(&alert.rule) else {
                out.push(speak::orphaned(&alert, now));
                continue;
            };
            let rule = self.rules.at(at);
            let level = rule.level_of(alert.severity);
            let life = Life::restored(alert.raised_at, alert.value, level, now);
            let host = self
                .hosts
                .entry(alert.host)
                .or_insert_with(|| Box::new(Host::new(alert.host, &self.rules)));
            match &rule.condition {
                Condition::Absent(_) => {
                    let series = plan::series_of(rule.metric(), &alert.instance).map(Arc::new);
                    let series = series.filter(|_| !alert.instance.is_empty());
                    host.restore_absence(at, alert.instance, series, life);
                }
                Condition::Event(_) => host.restore_occurrence(at, alert.instance, life, &self.rules, now),
                Condition::NoData { .. } => host.restore_silence(at, life, &mut self.timers),
                Condition::Metric(_) | Condition::Derived(_) => host.adopt(Orphan {
                    rule: alert.rule,
                    series: plan::series_of(rule.metric(), &alert.instance).map(Arc::new),
                    instance: alert.instance,
                    life,
                    due: None,
                }),
            }
            self.with(alert.host, |host, rules, timers| {
                let plan = host.plan();
                host.rebuild(rules, rules, plan, timers, now, &mut out);
            });
        }
        self.say(out)
    }

    /// Takes other rules. Rules are the same when their names are: what was raised stays raised and is judged anew on
    /// the next tick. Alerts of rules that are gone, or that no longer look at the series, are cleared; alerts whose
    /// severity, action or words changed are updated.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn reload(&mut self, rules: RuleSet, now: Timestamp) -> Vec<Transition> {
        let old = std::mem::replace(&mut self.rules, rules);
        self.plans.clear();
        let mut out = Said::new(self.keeps);
        // One order, whatever the table's: what is said must not depend on it.
        let count = self.hosts.len();
        let mut hosts: Vec<&mut Host> = self.hosts.values_mut().map(|host| &mut **host).collect();
        hosts.sort_unstable_by_key(|host| host.id);
        for host in hosts {
            let plan = host
                .dictionary()
                .map(|of| self.plans.of(of, &self.rules, count))
                .unwrap_or_else(Plan::none);
            host.rebuild(&old, &self.rules, plan, &mut self.timers, now, &mut out);
            host.share(&mut self.plans);
        }
        self.say(out)
    }

    /// Silent hosts of which a rule wants to know whether their machine answers at its address; each is told by
    /// [`Self::answered`]. Until then such a rule says nothing of them, and asks again.
    #[must_use = "what is not answered is not judged"]
    pub fn take_asks(&mut self) -> BTreeSet<HostId> {
        std::mem::take(&mut self.asks)
    }

    /// Whether the machine of a silent host answers.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn answered(&mut self, host: HostId, answers: bool, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        self.with(host, |host, rules, timers| {
            host.answered(answers, rules, timers, now, &mut out);
        });
        self.say(out)
    }

    /// From now on keeps what is decided, until it is taken: whoever asks for it takes it often.
    pub const fn keep_decisions(&mut self) {
        self.keeps = true;
    }

    /// What was decided since this was last asked, in order, and how many decisions there was no room for.
    #[must_use = "decisions are told once"]
    pub fn take_decisions(&mut self) -> (Vec<Decision>, u64) {
        (std::mem::take(&mut self.decisions), std::mem::take(&mut self.dropped))
    }

    /// Whether there are decisions to be taken.
    #[must_use]
    pub const fn has_decided(&self) -> bool {
        !self.decisions.is_empty()
    }

    /// Keeps decisions, and hands on what is to be heard.
    fn say(&mut self, said: Said) -> Vec<Transition> {
        let room = DECISIONS_MAX.saturating_sub(self.decisions.len());
        let over = said.decisions.len().saturating_sub(room);
        self.dropped = self.dropped.saturating_add(over as u64);
        self.asks.extend(said.asks);
        self.decisions.extend(said.decisions.into_iter().take(room));
        said.transitions
    }

    /// When [`Self::advance`] wants to be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.first()
    }

    /// Acts on every deadline that has come.
    #[must_use = "a transition that is dropped is a lost page"]
    pub fn advance(&mut self, now: Timestamp) -> Vec<Transition> {
        let mut out = Said::new(self.keeps);
        while let Some((host, slot)) = self.timers.pop(now) {
            self.with(host, |host, rules, timers| match slot {
                Slot::Entry(at) => host.entry_due(at as usize, rules, timers, now, &mut out),
                Slot::Orphans => host.orphans_due(rules, now, &mut out),
                Slot::Silence(at) => host.silence_due(at as usize, rules, timers, now, &mut out),
                Slot::Events => host.events_due(rules, timers, now, &mut out),
            });
        }
        self.say(out)
    }

    /// Where every alert of one host stands, clear ones included.
    #[must_use]
    pub fn states(&self, host: HostId) -> Vec<AlertState> {
        self.hosts
            .get(&host)
            .map(|host| host.states(&self.rules).collect())
            .unwrap_or_default()
    }

    /// Where every alert of every host stands, except those that are clear.
    #[must_use]
    pub fn snapshot(&self) -> Vec<AlertState> {
        let mut hosts: Vec<&Host> = self.hosts.values().map(|host| &**host).collect();
        hosts.sort_unstable_by_key(|host| host.id);
        hosts.into_iter().flat_map(|host| host.stirred(&self.rules)).collect()
    }

    /// Bytes that windows, changes, forecasts and baselines of all hosts take, with room that is not used yet: what the rest
    /// of a host takes does not depend on how far its rules look back.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let memories = self.hosts.values().flat_map(|host| &host.memories);
        memories.map(Memory::bytes).sum()
    }

    fn host(&mut self, host: HostId) -> &mut Host {
        let rules = &self.rules;
        self.hosts
            .entry(host)
            .or_insert_with(|| Box::new(Host::new(host, rules)))
    }

    /// Lets a host use what others have too.
    fn share(&mut self, host: HostId) {
        if let Some(host) = self.hosts.get_mut(&host) {
            host.share(&mut self.plans);
        }
    }

    /// One host beside the rules and the timers.
    fn with(&mut self, host: HostId, act: impl FnOnce(&mut Host, &RuleSet, &mut Timers)) {
        if let Some(host) = self.hosts.get_mut(&host) {
            act(host, &self.rules, &mut self.timers);
        }
    }
}
