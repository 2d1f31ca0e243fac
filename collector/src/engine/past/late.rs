//! Judges samples that came late: by rules of its own over what is stored, so that nothing of it pages or moves what holds
//! now. An episode that was raised in them is told as over: a retrospective alert.

use super::{Late, Past, read::Reader};
use std::{collections::BTreeMap, time::Duration};
use tocsin_desk::record::{AlertFilter, HostRecord, Slice};
use tocsin_ledger::LedgerError;
use tocsin_metrics::{QueryError, Store};
use tocsin_rules::{Decision, Phase, RuleSet, Transition, TransitionKind};
use tocsin_vocabulary::{Dictionary, HostId, Timestamp};

/// What lies before the late samples is shown to the rules too, so that windows are full: at most this much of it.
const BEFORE_MAX: Duration = Duration::from_secs(6 * 3_600);
/// And what lies after them, so that what they raised is seen to clear: at most this much.
const AFTER_MAX: Duration = Duration::from_secs(3_600);
/// More than ticks are apart.
const MARGIN: Duration = Duration::from_secs(120);
/// Episodes of one host that are told of one stretch; a host that flapped through its backlog is told as that.
const EPISODES_MAX: usize = 100;
/// The longest list of the ledger.
const ALERTS_MAX: u32 = 500;

/// An alert that was over when the collector heard of it.
#[derive(Debug, Clone)]
pub struct Episode {
    /// What its rule would have said when it was raised, with the worst value.
    pub raised: Transition,
    /// When it was over, by the host's clock.
    pub ended: Timestamp,
    /// What the rule decided on the way.
    pub decisions: Vec<Decision>,
}

/// What is judged.
struct Judged {
    record: HostRecord,
    dictionary: Dictionary,
    late: Late,
    /// As far as is read.
    from: Timestamp,
    to: Timestamp,
}

impl Past {
    /// Finds the episodes in a stretch of late samples and tells the engine of those that nobody knows of.
    pub(super) async fn judge(&self, host: HostId, late: Late) {
        let found = match self.episodes(host, late).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%host, error, "cannot judge samples that came late: charts and reports have them");
                return;
            }
        };
        if found.is_empty() {
            return;
        }
        match self.unknown(host, found).await {
            Ok(unknown) => self.found(unknown).await,
            Err(error) => tracing::warn!(%host, %error, "cannot tell whether episodes in late samples are known"),
        }
    }

    async fn episodes(&self, host: HostId, late: Late) -> Result<Vec<Episode>, String> {
        let record = self.ledger.host(host).await.map_err(|error| error.to_string())?;
        let Some(record) = record.filter(|record| record.revoked_at.is_none()) else {
            return Ok(Vec::new());
        };
        let rules = self.engine.watch.lock().rules.rules().clone();
        let store = self.store.clone();
        let judged = tokio::task::spawn_blocking(move || {
            let Some(latest) = store.latest(host) else {
                return Ok(Vec::new());
            };
            let around = rules.remembers().saturating_add(MARGIN);
            let judged = Judged {
                record,
                dictionary: latest.dictionary,
                from: late.from.minus(around.min(BEFORE_MAX)),
                to: late.to.plus(around.min(AFTER_MAX)).min(latest.tick.time.max(late.to)),
                late,
            };
            judge(&store, &judged, &rules)
        });
        match judged.await {
            Ok(found) => found.map_err(|error: QueryError| error.to_string()),
            Err(_) => Ok(Vec::new()), // the runtime is going
        }
    }

    /// Those of the episodes that overlap with no alert that is known: neither with one that holds or waits, nor with one
    /// in the ledger, be it one that was found before.
    async fn unknown(&self, host: HostId, mut found: Vec<Episode>) -> Result<Vec<Episode>, LedgerError> {
        let states = self.engine.watch.lock().rules.states(host);
        let first = found.iter().map(|one| one.raised.at).min().unwrap_or_default();
        let last = found.iter().map(|one| one.ended).max().unwrap_or_default();
        let mut filter = AlertFilter {
            host: Some(host),
            from: Some(first.minus(MARGIN)),
            to: Some(last.plus(MARGIN)),
            slice: Slice {
                after: None,
                limit: ALERTS_MAX,
            },
            ..AlertFilter::default()
        };
        let mut known = Vec::new();
        loop {
            let list = self.ledger.alerts(&filter).await?;
            known.extend(list.items);
            match list.next {
                Some(next) => filter.slice.after = Some(next),
                None => break,
            }
        }
        found.retain(|one| {
            let (rule, instance) = (&one.raised.rule, &one.raised.instance);
            let goes_on = states.iter().any(|state| {
                (&state.rule, &state.instance) == (rule, instance)
                    && state.state != Phase::Clear
                    && state.since.is_some_and(|since| since <= one.ended)
            });
            let is_known = known.iter().any(|alert| {
                (&alert.rule, &alert.instance) == (rule, instance)
                    && alert.occurred_at <= one.ended
                    && alert.cleared_at.is_none_or(|cleared| cleared >= one.raised.at)
            });
            !goes_on && !is_known
        });
        Ok(found)
    }
}

/// The episodes that were raised by ticks of the late stretch.
fn judge(store: &Store, judged: &Judged, rules: &RuleSet) -> Result<Vec<Episode>, QueryError> {
    let host = judged.record.id;
    let mut engine = tocsin_rules::Engine::new(rules.clone());
    engine.keep_decisions();
    let (name, tags) = (&judged.record.name, &judged.record.tags);
    let start = judged.from;
    // Nothing holds yet, so nothing is said.
    let _ = engine.introduce(host, name, tags, start);
    let _ = engine.assign(
        host,
        &super::super::translate::groups_of(tags),
        &judged.record.customer_name,
        start,
    );
    let changed = vec![u64::MAX; judged.dictionary.series().count().div_ceil(64)];
    let mut open: BTreeMap<(String, String), Episode> = BTreeMap::new();
    let mut over: Vec<Episode> = Vec::new();
    let mut last = start;
    let reader = Reader::new(store, host, &judged.dictionary, rules);
    reader.each_exactly(judged.from, judged.to, |tick| {
        let mut said = engine.advance(tick.time);
        said.extend(engine.tick(host, &judged.dictionary, tick, &changed, tick.time, false));
        last = tick.time;
        for one in said {
            take(one, judged.late, &mut open, &mut over);
        }
        let (decisions, _) = engine.take_decisions();
        for decision in decisions {
            let key = (decision.rule.clone(), decision.instance.clone());
            let episode = open.get_mut(&key).or_else(|| {
                let mut over = over.iter_mut().rev();
                over.find(|one| (&one.raised.rule, &one.raised.instance) == (&key.0, &key.1))
                    .filter(|_| decision.from.is_raised())
            });
            if let Some(episode) = episode {
                episode.decisions.push(decision);
            }
        }
    })?;
    over.extend(open.into_values().map(|one| Episode { ended: last, ..one }));
    over.sort_by_key(|one| one.raised.at);
    over.truncate(EPISODES_MAX);
    Ok(over)
}

fn take(said: Transition, late: Late, open: &mut BTreeMap<(String, String), Episode>, over: &mut Vec<Episode>) {
    let key = (said.rule.clone(), said.instance.clone());
    match said.kind {
        TransitionKind::Raised => {
            let decided_late = (late.from..=late.to).contains(&said.evidence.observed);
            if decided_late && !said.drill {
                let ended = said.at;
                open.insert(
                    key,
                    Episode {
                        raised: said,
                        ended,
                        decisions: Vec::new(),
                    },
                );
            }
        }
        TransitionKind::Updated => {
            if let Some(episode) = open.get_mut(&key) {
                let at = episode.raised.at;
                episode.raised = Transition { at, ..said };
            }
        }
        TransitionKind::Cleared => {
            if let Some(episode) = open.remove(&key) {
                over.push(Episode {
                    ended: said.at,
                    ..episode
                });
            }
        }
    }
}
