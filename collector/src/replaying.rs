//! Replays a past period through rules, host by host, from the metric store and the ledger. Nothing is changed and nobody
//! is paged.

mod closed;
mod feed;
mod host;
#[cfg(test)]
mod tests;
mod ticks;

pub use crate::backup::Listener;
pub use closed::closed;

use host::{HostPast, Span};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tocsin_console::backend::Failure;
use tocsin_desk::record::{AlertFilter, HostRecord, Slice};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_metrics::{QueryError, Store};
use tocsin_rules::{
    Patterns, RuleSet,
    replay::{self, Compared, Episode, Real, Tally, Who},
};
use tocsin_vocabulary::{Code, HostId, Severity, Text, Timestamp};

/// Threads of a replay: one is left to ingest, rules and pages.
const THREADS_MAX: usize = 2;
/// Alerts of either kind in one answer; what is beyond is counted.
const ALERTS_MAX: usize = 5_000;
/// Alerts that there were, which are looked at.
const REAL_MAX: usize = 100_000;
/// Rows of the ledger that are asked for at a time.
const ROWS: u32 = 500;

/// What shall be replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayAsk {
    /// First instant.
    pub from: Timestamp,
    /// Last instant, exclusive.
    pub to: Timestamp,
    /// Files of rules: name and text.
    pub files: Vec<(String, String)>,
    /// Names of rules; all when empty.
    pub only: Vec<String>,
    /// Patterns of names of hosts; all when empty.
    pub hosts: Vec<String>,
}

/// An alert of the past: one that would have been, or one that there was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Name of the rule.
    pub rule: String,
    /// Which host.
    pub host: HostId,
    /// What it is called.
    pub host_name: String,
    /// Attributes as `key=value,…`.
    pub instance: String,
    /// The worst that it was.
    pub severity: Severity,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it cleared; none while it holds.
    pub cleared_at: Option<Timestamp>,
    /// In words.
    pub title: Text,
    /// Whether it would have been and was.
    pub both: bool,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// First instant.
    pub from: Timestamp,
    /// Last instant.
    pub to: Timestamp,
    /// Hosts that were replayed.
    pub hosts: usize,
    /// Ticks that were looked at, those before the period that windows need included.
    pub ticks: u64,
    /// Rules that were replayed.
    pub rules: usize,
    /// By rule.
    pub tallies: Vec<Tally>,
    /// What would have been, in the order of time.
    pub would: Vec<Past>,
    /// What was, and would not have been, in the order of time.
    pub did_only: Vec<Past>,
    /// Alerts that are counted and not listed.
    pub further: usize,
    /// What a reader should know.
    pub remarks: Vec<String>,
}

/// Replays.
///
/// # Errors
/// When the rules have mistakes, the period is none, no host fits, or store or ledger can't be read.
pub async fn replay(
    ledger: &Ledger,
    store: Arc<Store>,
    ask: ReplayAsk,
    listener: Listener,
) -> Result<Replayed, Failure> {
    let rules = rules_of(&ask)?;
    if ask.from >= ask.to {
        return Err(wrong(
            "the period ends before it begins: give --from and --to".to_owned(),
        ));
    }
    let wanted = Patterns::new(ask.hosts.iter().map(String::as_str));
    let records = ledger.hosts().await.map_err(|error| failed(&error))?;
    let records: Vec<HostRecord> = records
        .into_iter()
        .filter(|record| wanted.matches(&record.name))
        .collect();
    if records.is_empty() {
        return Err(Failure::new(
            Code::NotFound,
            "no host has such a name: `agent list` names all",
        ));
    }
    let names: HashMap<HostId, String> = records.iter().map(|record| (record.id, record.name.clone())).collect();
    let mut replayed = Replayed {
        from: ask.from,
        to: ask.to,
        hosts: records.len(),
        rules: rules.rules().count(),
        ..Replayed::default()
    };
    let span = Span {
        begin: ask.from.minus(replay::lead(&rules)),
        from: ask.from,
        to: ask.to,
    };
    let hosts = pasts(ledger, records, &rules, span, &mut replayed.remarks).await?;
    let (rules_of_hosts, teller) = (rules.clone(), listener.clone());
    let (episodes, ticks) =
        tokio::task::spawn_blocking(move || over_hosts(&store, &rules_of_hosts, &hosts, span, &teller))
            .await
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))??;
    replayed.ticks = ticks;
    let real = real_of(ledger, &ask, &rules, &names, &mut replayed.remarks).await?;
    replayed.fill(replay::compare(episodes, real), &names);
    Ok(replayed)
}

impl Replayed {
    fn fill(&mut self, compared: Compared, names: &HashMap<HostId, String>) {
        self.tallies = replay::tally(&compared, self.from, self.to);
        self.further =
            compared.episodes.len().saturating_sub(ALERTS_MAX) + compared.missing.len().saturating_sub(ALERTS_MAX);
        let name = |host: &HostId| names.get(host).cloned().unwrap_or_default();
        let would = compared.episodes.into_iter().take(ALERTS_MAX);
        self.would = would
            .map(|(episode, both)| Past {
                host_name: name(&episode.host),
                rule: episode.rule,
                host: episode.host,
                instance: episode.instance,
                severity: episode.severity,
                raised_at: episode.raised_at,
                cleared_at: episode.cleared_at,
                title: episode.title,
                both,
            })
            .collect();
        let missing = compared.missing.into_iter().take(ALERTS_MAX);
        self.did_only = missing
            .map(|real| Past {
                host_name: name(&real.host),
                rule: real.rule,
                host: real.host,
                instance: real.instance,
                severity: real.severity,
                raised_at: real.raised_at,
                cleared_at: real.cleared_at,
                title: real.title,
                both: false,
            })
            .collect();
    }
}

fn wrong(reason: String) -> Failure {
    Failure::new(Code::InvalidInput, reason)
}

fn failed_query(error: &QueryError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn failed(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// The rules that are asked for.
fn rules_of(ask: &ReplayAsk) -> Result<RuleSet, Failure> {
    let rules = RuleSet::parse(&ask.files)
        .map_err(|errors| wrong(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    if let Some(unknown) = ask.only.iter().find(|name| rules.get(name).is_none()) {
        return Err(Failure::new(
            Code::NotFound,
            format!("there is no rule `{unknown}`: `rules list` names all"),
        ));
    }
    Ok(if ask.only.is_empty() {
        rules
    } else {
        rules.only(&ask.only)
    })
}

/// What the ledger has of each host.
async fn pasts(
    ledger: &Ledger,
    records: Vec<HostRecord>,
    rules: &RuleSet,
    span: Span,
    remarks: &mut Vec<String>,
) -> Result<Vec<HostPast>, Failure> {
    let wants_events = replay::wants_events(rules);
    let mut hosts = Vec::with_capacity(records.len());
    for record in records {
        let events = if wants_events {
            let past = ledger.past_events(record.id, span.begin, span.to).await;
            past.map_err(|error| failed(&error))?
        } else {
            Vec::new()
        };
        if events.len() >= tocsin_ledger::PAST_EVENTS_MAX {
            remarks.push(format!(
                "{}: only the first {} events were replayed",
                record.name,
                events.len()
            ));
        }
        hosts.push(HostPast {
            interval_ms: record.interval_ms,
            enrolled_at: record.enrolled_at,
            who: Who {
                host: record.id,
                name: record.name,
                tags: record.tags,
                groups: Vec::new(),
                customer: record.customer_name,
            },
            events,
        });
    }
    Ok(hosts)
}

/// Alerts that there were, of these rules and hosts.
async fn real_of(
    ledger: &Ledger,
    ask: &ReplayAsk,
    rules: &RuleSet,
    names: &HashMap<HostId, String>,
    remarks: &mut Vec<String>,
) -> Result<Vec<Real>, Failure> {
    let mut real = Vec::new();
    let mut after = None;
    loop {
        let filter = AlertFilter {
            from: Some(ask.from),
            to: Some(ask.to),
            slice: Slice { after, limit: ROWS },
            ..AlertFilter::default()
        };
        let list = ledger.alerts(&filter).await.map_err(|error| failed(&error))?;
        let all_rules = ask.only.is_empty();
        let fits = list
            .items
            .into_iter()
            .filter(|alert| names.contains_key(&alert.host) && (all_rules || rules.get(&alert.rule).is_some()));
        real.extend(fits.map(|alert| Real {
            rule: alert.rule,
            host: alert.host,
            instance: alert.instance,
            severity: alert.severity,
            raised_at: alert.raised_at,
            cleared_at: alert.cleared_at,
            title: alert.title,
        }));
        after = list.next;
        if after.is_none() {
            return Ok(real);
        }
        if real.len() >= REAL_MAX {
            remarks.push(format!("only the newest {REAL_MAX} alerts of the period were compared"));
            return Ok(real);
        }
    }
}

/// Replays host by host, on some threads; blocks.
fn over_hosts(
    store: &Store,
    rules: &RuleSet,
    hosts: &[HostPast],
    span: Span,
    listener: &Listener,
) -> Result<(Vec<Episode>, u64), Failure> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX)
        .min(hosts.len());
    let (next, done, ticks) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let stopped = AtomicBool::new(false);
    let trouble: Mutex<Option<Failure>> = Mutex::new(None);
    let found: Mutex<BTreeMap<usize, Vec<Episode>>> = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some((at, host)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, hosts.get(at)?)))
        {
            let go_on = || !stopped.load(Ordering::Relaxed) && !listener.is_gone();
            match host.replay(store, rules, span, &go_on) {
                Ok((episodes, count)) => {
                    ticks.fetch_add(count, Ordering::Relaxed);
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(at, episodes);
                }
                Err(failure) => {
                    stopped.store(true, Ordering::Relaxed);
                    trouble
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(failure);
                    return;
                }
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of((hosts.len() / 20).max(1)) && hosts.len() > 1 {
                listener.say(format!("replayed {done} of {} hosts", hosts.len()));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    if let Some(failure) = trouble.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((found.into_values().flatten().collect(), ticks.into_inner()))
}
