//! Fills what rules remember of a host: windows, forecasts, what is pending, and what is usual.
//!
//! The store is read without holding anybody up; then, in one go, what the rules read since the start is forgotten and the
//! whole past told, up to the tick that they looked at last. So it does not matter how many live ticks came meanwhile.

use super::{
    Past,
    read::{REACH, Reader, hours},
};
use std::{collections::BTreeMap, time::Duration};
use tocsin_metrics::{QueryError, SeriesData, Store};
use tocsin_rules::{Hourly, RuleSet, Wanted};
use tocsin_vocabulary::{Dictionary, HostId, Timestamp, batch::Tick};

/// More than ticks are apart, and than a window's slot is long.
const MARGIN: Duration = Duration::from_secs(120);
/// A baseline knows eight weeks.
const WEEKS: Duration = Duration::from_secs(8 * 7 * 86_400);
/// How often it is tried again when a tick came meanwhile.
const TRIES: u32 = 3;
/// The store takes a moment to show a tick that it was given.
const SHOWN_AFTER: Duration = Duration::from_millis(50);

impl Past {
    /// Tells the rules the past of a host. What can't be read is logged: rules then learn it anew.
    pub(super) async fn recall(&self, host: HostId) {
        for _ in 0..TRIES {
            match self.recall_once(host).await {
                Ok(true) => return self.learn(host).await,
                Ok(false) => tokio::time::sleep(SHOWN_AFTER).await,
                Err(error) => {
                    tracing::warn!(%host, %error, "cannot tell the rules what was measured before: windows begin anew");
                    return;
                }
            }
        }
        tracing::debug!(%host, "ticks came faster than the past was read: windows begin anew");
    }

    /// False when a tick came meanwhile that is not among what was read.
    async fn recall_once(&self, host: HostId) -> Result<bool, QueryError> {
        let rules = self.engine.watch.lock().rules.rules().clone();
        let reach = rules.remembers();
        if reach.is_zero() {
            return Ok(true);
        }
        let now = (self.clock)();
        let reach = reach.saturating_add(MARGIN).min(REACH);
        let (store, late) = (self.store.clone(), self.engine.past.came_late(host));
        let read = tokio::task::spawn_blocking(move || {
            let mut read = read(&store, host, &rules, reach, now)?;
            if let Some((_, ticks)) = &mut read {
                let is_late = |time| late.iter().any(|(from, to)| (*from..=*to).contains(&time));
                ticks.retain(|tick| !is_late(tick.time));
            }
            Ok(read)
        });
        let read: Result<Result<Read, QueryError>, _> = read.await;
        let Ok(read) = read else {
            return Ok(true); // the runtime is going
        };
        let Some((dictionary, ticks)) = read? else {
            return Ok(true); // nothing was ever measured
        };
        Ok(self.engine.watch.recall(host, &dictionary, &ticks, now))
    }

    /// Tells the rules what was usual.
    pub(super) async fn learn(&self, host: HostId) {
        let wanted = self.engine.watch.lock().rules.wanted(host);
        if wanted.is_empty() {
            return;
        }
        let mut by_metric: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        for one in wanted {
            by_metric.entry(one.series.name.to_string()).or_default().push(one);
        }
        let now = (self.clock)();
        for (metric, wanted) in by_metric {
            let (store, name) = (self.store.clone(), metric.clone());
            let read = tokio::task::spawn_blocking(move || hours(&store, host, &name, now.minus(WEEKS), now)).await;
            match read {
                Ok(Ok(found)) => self.tell_hours(host, &wanted, &found, now),
                Ok(Err(error)) => {
                    tracing::warn!(%host, metric, %error, "cannot tell the rules what was usual: it is learnt anew");
                }
                Err(_) => return,
            }
        }
    }

    fn tell_hours(&self, host: HostId, wanted: &[Wanted], found: &[SeriesData], now: Timestamp) {
        let hour = now.floor_to(Duration::from_secs(3_600));
        for one in wanted {
            let same = |data: &&SeriesData| data.attributes == one.series.attributes;
            let Some(data) = found.iter().find(same) else {
                continue;
            };
            let per = one.per.map_or(1.0, |per| per.as_secs_f64());
            // The hour that is going on is learnt from its ticks.
            let past = data.points.iter().filter(|(at, _)| *at < hour);
            let hours: Vec<Hourly> = past
                .filter_map(|(at, mean)| {
                    Some(Hourly {
                        hour: *at,
                        mean: (*mean)? * per,
                    })
                })
                .collect();
            self.engine
                .watch
                .lock()
                .rules
                .learn(host, &one.rule, &one.instance, &hours);
        }
    }
}

type Read = Option<(Dictionary, Vec<Tick>)>;

/// The newest dictionary of a host, and its ticks of the last `reach` in its terms.
fn read(store: &Store, host: HostId, rules: &RuleSet, reach: Duration, now: Timestamp) -> Result<Read, QueryError> {
    let Some(latest) = store.latest(host) else {
        return Ok(None);
    };
    let dictionary = latest.dictionary;
    // By the host's own clock, which may be another.
    let until = latest.tick.time;
    if now.since(latest.received_at) > reach {
        return Ok(None);
    }
    let mut ticks = Vec::new();
    Reader::new(store, host, &dictionary, rules).each(until.minus(reach), until, |tick| {
        ticks.push(tick.clone());
    })?;
    Ok(Some((dictionary, ticks)))
}
