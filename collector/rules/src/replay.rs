//! What rules would have said of the past: one host's ticks and events go through the real engine in virtual time, and the
//! alerts that come of it are held against those that there really were.
//!
//! A replay begins before its period, so that windows and `for` know what came before; what is raised then and still holds
//! counts as held at the beginning. What the store does not have is silence: a gap that was filled later from an agent's
//! backlog is none.

mod compare;

pub use compare::{Compared, Real, compare};

use crate::{
    engine::{Engine, Hourly, Wanted},
    rule::{Condition, Event, RuleSet},
    transition::{Transition, TransitionKind},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tocsin_vocabulary::{Dictionary, HostId, Severity, Text, Timestamp, batch::Tick};

/// What a replay begins with at least, before its period: `for` and `clear_for` of most rules fit in.
const LEAD_LEAST: Duration = Duration::from_secs(3_600);
/// And at most, as far as any window or forecast looks back.
const LEAD_MOST: Duration = Duration::from_secs(14 * 86_400);

/// An alert that would have been.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// Attributes as `key=value,key=value`; empty if there are none.
    pub instance: String,
    /// The worst that it was.
    pub severity: Severity,
    /// `record`, `notify` or `ticket`, at its worst.
    pub action: String,
    /// When its condition began to hold.
    pub began_at: Timestamp,
    /// When it would have been raised.
    pub raised_at: Timestamp,
    /// When it would have cleared; none while it holds at the end.
    pub cleared_at: Option<Timestamp>,
    /// In words, as it was raised.
    pub title: Text,
    /// The worst value.
    pub worst: Option<f64>,
}

/// How a host is called, for rules that look at some hosts only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Which host.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its groups.
    pub groups: Vec<String>,
    /// Its customer.
    pub customer: String,
}

/// One host on its way through a replay.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    host: HostId,
    /// By rule and instance: where it is among the episodes.
    open: HashMap<(String, String), usize>,
    episodes: Vec<Episode>,
    last: Timestamp,
    /// Ticks that were looked at.
    ticks: u64,
}

impl Replay {
    /// A host whose ticks come every `interval` (none: silence is not looked at), from `begin` on.
    #[must_use]
    pub fn new(rules: &RuleSet, who: &Who, interval: Option<Duration>, begin: Timestamp) -> Self {
        let mut replay = Self {
            engine: Engine::new(rules.clone()),
            host: who.host,
            open: HashMap::new(),
            episodes: Vec::new(),
            last: begin,
            ticks: 0,
        };
        let said = replay.engine.introduce(who.host, &who.name, &who.tags, begin);
        replay.hear(said);
        let said = replay.engine.assign(who.host, &who.groups, &who.customer, begin);
        replay.hear(said);
        if let Some(interval) = interval {
            replay.engine.expect(who.host, interval, begin);
        }
        replay
    }

    /// The next tick. `changed` as a decoder tells it.
    pub fn tick(&mut self, dictionary: &Dictionary, tick: &Tick, changed: &[u64]) {
        self.wind(tick.time);
        self.ticks += 1;
        let said = self.engine.tick(self.host, dictionary, tick, changed, tick.time, false);
        self.hear(said);
    }

    /// The next event.
    pub fn event(&mut self, event: &Event<'_>) {
        self.wind(event.time);
        let said = self.engine.event(self.host, event, event.time, false);
        self.hear(said);
    }

    /// Series of which past hours should be told by [`Self::learn`]; known after the first tick.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        self.engine.wanted(self.host)
    }

    /// Tells past hours of one of them.
    pub fn learn(&mut self, wanted: &Wanted, hours: &[Hourly]) {
        self.engine.learn(self.host, &wanted.rule, &wanted.instance, hours);
    }

    /// Lets time pass until `to`, and answers the alerts that held at some time in `from..to`, and how many ticks there were.
    #[must_use]
    pub fn finish(mut self, from: Timestamp, to: Timestamp) -> (Vec<Episode>, u64) {
        self.wind(to);
        self.episodes
            .retain(|episode| episode.raised_at < to && episode.cleared_at.is_none_or(|cleared| cleared > from));
        (self.episodes, self.ticks)
    }

    /// Every deadline until then is acted on at its own time.
    fn wind(&mut self, to: Timestamp) {
        let mut before = None;
        while let Some(deadline) = self.engine.next_deadline() {
            if deadline > to || before == Some(deadline) {
                break;
            }
            before = Some(deadline);
            let said = self.engine.advance(deadline.max(self.last));
            self.hear(said);
        }
        self.last = self.last.max(to);
    }

    fn hear(&mut self, said: Vec<Transition>) {
        for one in said {
            let key = (one.rule.clone(), one.instance.clone());
            let open = self.open.get(&key).and_then(|at| self.episodes.get_mut(*at));
            match (one.kind, open) {
                (TransitionKind::Cleared, Some(episode)) => {
                    episode.cleared_at = Some(one.evidence.decided);
                    self.open.remove(&key);
                }
                (TransitionKind::Cleared, None) => {}
                (_, Some(episode)) => {
                    if one.severity > episode.severity {
                        episode.severity = one.severity;
                        one.action.as_str().clone_into(&mut episode.action);
                    }
                    episode.worst = one.evidence.worst.or(episode.worst);
                }
                (_, None) => {
                    self.open.insert(key, self.episodes.len());
                    self.episodes.push(Episode {
                        rule: one.rule,
                        host: one.host,
                        instance: one.instance,
                        severity: one.severity,
                        action: one.action.as_str().to_owned(),
                        began_at: one.at,
                        raised_at: one.evidence.decided,
                        cleared_at: None,
                        title: one.title,
                        worst: one.evidence.worst.or(one.value),
                    });
                }
            }
        }
    }
}

/// Names of all metrics that the rules look at.
#[must_use]
pub fn metrics(rules: &RuleSet) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for rule in rules.rules() {
        match &rule.condition {
            Condition::Metric(condition) => {
                names.insert(condition.metric.name);
            }
            Condition::Derived(condition) => {
                names.extend(condition.operands.iter().map(|operand| operand.metric.name));
            }
            Condition::Absent(condition) => {
                names.insert(condition.metric.name);
            }
            Condition::Event(_) | Condition::NoData { .. } => {}
        }
    }
    names
}

/// Whether a series of this metric with these attributes is looked at by any rule.
#[must_use]
pub fn looks_at(rules: &RuleSet, series: &tocsin_vocabulary::Series) -> bool {
    let fits = |filters: &[(String, crate::Patterns)]| {
        filters
            .iter()
            .all(|(key, patterns)| patterns.matches(series.attribute(key).unwrap_or("")))
    };
    rules.rules().any(|rule| match &rule.condition {
        Condition::Metric(condition) => series.name == condition.metric.name && fits(&condition.filters),
        Condition::Derived(condition) => condition
            .operands
            .iter()
            .any(|operand| series.name == operand.metric.name && fits(&operand.filters)),
        Condition::Absent(condition) => series.name == condition.metric.name && fits(&condition.filters),
        Condition::Event(_) | Condition::NoData { .. } => false,
    })
}

/// Whether any rule looks at events.
#[must_use]
pub fn wants_events(rules: &RuleSet) -> bool {
    rules.rules().any(|rule| matches!(rule.condition, Condition::Event(_)))
}

/// How long before its period a replay begins.
#[must_use]
pub fn lead(rules: &RuleSet) -> Duration {
    let held = rules
        .rules()
        .map(|rule| rule.hold + rule.clear_hold)
        .max()
        .unwrap_or_default();
    rules.looks_back().max(held).saturating_add(LEAD_LEAST).min(LEAD_MOST)
}

/// How much one rule would have said, and said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Name of the rule.
    pub rule: String,
    /// Alerts that would have been.
    pub would: usize,
    /// Alerts that there were.
    pub did: usize,
    /// Alerts that would have been, and were.
    pub both: usize,
    /// Hosts with alerts that would have been.
    pub hosts: usize,
    /// For how long those would have held in all, milliseconds.
    pub held_ms: u64,
}

/// By rule, those that would say most first; rules without any alert are left out.
#[must_use]
pub fn tally(compared: &Compared, from: Timestamp, to: Timestamp) -> Vec<Tally> {
    let mut tallies: BTreeMap<&str, (Tally, BTreeSet<HostId>)> = BTreeMap::new();
    for (episode, was) in &compared.episodes {
        let (tally, hosts) = tallies.entry(&episode.rule).or_default();
        let begin = episode.raised_at.max(from);
        let held = episode.cleared_at.unwrap_or(to).min(to).since(begin);
        tally.would += 1;
        tally.both += usize::from(*was);
        tally.did += usize::from(*was);
        tally.held_ms += u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
        hosts.insert(episode.host);
    }
    for real in &compared.missing {
        tallies.entry(&real.rule).or_default().0.did += 1;
    }
    let mut all: Vec<Tally> = tallies
        .into_iter()
        .map(|(rule, (tally, hosts))| Tally {
            rule: rule.to_owned(),
            hosts: hosts.len(),
            ..tally
        })
        .collect();
    all.sort_by(|one, other| (other.would, other.did, &one.rule).cmp(&(one.would, one.did, &other.rule)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tocsin_vocabulary::{Section, batch::Cell, catalogue};

    const HOST: HostId = HostId::from_bytes([7; 16]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    fn rules(text: &str) -> RuleSet {
        let words = "severity = \"warning\"\naction = \"notify\"\ntitle = { en = \"t\", zh = \"t\" }\nremedy = { en = \"r\", zh = \"r\" }\n";
        RuleSet::parse(&[("r.toml", text.replace("WORDS", words))]).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    fn who() -> Who {
        Who {
            host: HOST,
            name: "db1".to_owned(),
            tags: Vec::new(),
            groups: Vec::new(),
            customer: String::new(),
        }
    }

    /// One value a tick, ten seconds apart.
    fn replay(rules: &RuleSet, values: &[f64]) -> Vec<Episode> {
        let metric = catalogue::metric("tocsin.cpu.load_per_cpu").unwrap();
        let dictionary = Dictionary::new(vec![Arc::new(Section::new(vec![metric.series(&[])]))]);
        let mut replay = Replay::new(rules, &who(), Some(Duration::from_secs(10)), at(0));
        for (nth, value) in values.iter().enumerate() {
            let tick = Tick {
                time: at(10 * i64::try_from(nth).unwrap()),
                cells: vec![Cell::from_f64(*value, metric.decimals)],
            };
            replay.tick(&dictionary, &tick, &[1]);
        }
        replay.finish(at(100), at(10 * i64::try_from(values.len()).unwrap())).0
    }

    #[test]
    fn alerts_of_the_past_come_out_with_their_times() {
        let rules =
            rules("[[rule]]\nname = \"load\"\nmetric = \"tocsin.cpu.load_per_cpu\"\nabove = 2\nfor = \"30s\"\nWORDS");
        let mut values = vec![1.0; 20];
        values.extend([3.0; 10]);
        values.extend([1.0; 10]);
        let episodes = replay(&rules, &values);
        assert_eq!(episodes.len(), 1);
        assert_eq!(episodes[0].began_at, at(200));
        assert_eq!(episodes[0].raised_at, at(230));
        assert_eq!(episodes[0].cleared_at, Some(at(300)));
        assert_eq!(episodes[0].worst, Some(3.0));
    }

    #[test]
    fn what_was_over_before_the_period_is_left_out_and_what_held_is_kept() {
        let rules = rules("[[rule]]\nname = \"load\"\nmetric = \"tocsin.cpu.load_per_cpu\"\nabove = 2\nWORDS");
        let mut over = vec![3.0; 3];
        over.extend([1.0; 30]);
        assert_eq!(replay(&rules, &over), []);
        let held = replay(&rules, &[3.0; 30]);
        assert_eq!((held.len(), held[0].cleared_at), (1, None));
    }

    #[test]
    fn a_gap_is_silence_at_its_own_time() {
        let rules = rules("[[rule]]\nname = \"silent\"\nno_data = \"60s\"\nWORDS");
        let dictionary = Dictionary::new(Vec::new());
        let mut replay = Replay::new(&rules, &who(), Some(Duration::from_secs(10)), at(0));
        for seconds in (0..=100).step_by(10).chain((400..=500).step_by(10)) {
            let tick = Tick {
                time: at(seconds),
                cells: Vec::new(),
            };
            replay.tick(&dictionary, &tick, &[]);
        }
        let (episodes, ticks) = replay.finish(at(0), at(500));
        assert_eq!((episodes.len(), ticks), (1, 22));
        assert!(
            episodes[0].raised_at >= at(160) && episodes[0].raised_at <= at(165),
            "{episodes:?}"
        );
        assert_eq!(episodes[0].cleared_at, Some(at(400)));
    }

    #[test]
    fn only_what_rules_look_at_is_wanted() {
        let rules = rules(
            "[[rule]]\nname = \"a\"\nmetric = \"system.cpu.utilization\"\nwhere = { \"cpu.mode\" = \"\" }\nabove = 2\nWORDS\n[[rule]]\nname = \"b\"\nmetric = \"system.uptime\"\navg = \"2d\"\nabove = 2\nWORDS",
        );
        assert_eq!(
            metrics(&rules).into_iter().collect::<Vec<_>>(),
            ["system.cpu.utilization", "system.uptime"]
        );
        let cpu = catalogue::metric("system.cpu.utilization").unwrap();
        assert!(looks_at(&rules, &cpu.series(&[])));
        assert!(!looks_at(&rules, &cpu.series(&[("cpu.mode", "user")])));
        assert_eq!(lead(&rules), Duration::from_secs(49 * 3_600));
    }
}
