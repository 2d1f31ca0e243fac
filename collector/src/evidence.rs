//! The samples around an alert, kept in the ledger: the store of metrics forgets them sooner than a contract does.
//!
//! Which alerts lack them is asked of the ledger, so a collector that was killed in between goes on where it was.

use crate::clock::Clock;
use std::{sync::Arc, time::Duration};
use tocsin_desk::model::{Alert, SampledSeries, Samples};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_metrics::{Aggregate, Query, QueryError, SeriesData, Store};
use tocsin_vocabulary::{Kind, Timestamp};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often alerts without samples are looked for, and how many are served in one go.
const LOOK_PERIOD: Duration = Duration::from_secs(10);
const ALERTS_MAX: u32 = 32;
/// Older alerts are left as they are.
const REACH: Duration = Duration::from_secs(86_400);
/// Time that is shown before an alert occurred, and after it was raised or cleared.
const BEFORE: Duration = Duration::from_secs(600);
const AFTER: Duration = Duration::from_secs(60);
/// The stretch that is kept at most, from its beginning.
const STRETCH_MAX: Duration = Duration::from_secs(6 * 3_600);
/// Points and series that are kept of an alert.
const POINTS_MAX: i64 = 240;
const SERIES_MAX: usize = 8;
/// How often old decisions are dropped.
const TRIM_PERIOD: Duration = Duration::from_secs(600);

/// Keeps samples, and drops decisions that are old.
pub struct Evidence {
    ledger: Arc<Ledger>,
    store: Arc<Store>,
    clock: Clock,
}

impl Evidence {
    /// Over these stores.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, store: Arc<Store>, clock: Clock) -> Self {
        Self { ledger, store, clock }
    }

    /// Works until cancelled. What fails is logged and tried again.
    pub async fn run(self, cancel: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_PERIOD);
        let mut trim = tokio::time::interval(TRIM_PERIOD);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        trim.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = look.tick() => {
                    if let Err(error) = self.keep().await {
                        tracing::warn!(%error, "cannot keep the samples around alerts; trying again");
                    }
                }
                _ = trim.tick() => {
                    if let Err(error) = self.ledger.trim_decisions((self.clock)()).await {
                        tracing::warn!(%error, "cannot drop old decisions of rules; trying again");
                    }
                }
            }
        }
    }

    /// Keeps the samples of alerts that lack them.
    pub(crate) async fn keep(&self) -> Result<(), LedgerError> {
        let now = (self.clock)();
        let alerts = self
            .ledger
            .alerts_without_samples(now.minus(REACH), now.minus(AFTER), ALERTS_MAX);
        for alert in alerts.await? {
            let (store, asked) = (self.store.clone(), alert.clone());
            match tokio::task::spawn_blocking(move || samples(&store, &asked, now)).await {
                Ok(Ok(samples)) => self.ledger.keep_samples(&samples).await?,
                Ok(Err(error)) => {
                    tracing::warn!(alert = %alert.id, %error, "cannot read the samples around an alert");
                }
                Err(_) => return Ok(()), // the runtime is going
            }
        }
        Ok(())
    }
}

/// Samples of the alert's metric and instance, from before it occurred until after it cleared.
fn samples(store: &Store, alert: &Alert, now: Timestamp) -> Result<Samples, QueryError> {
    let from = alert.occurred_at.minus(BEFORE);
    let end = alert.cleared_at.map_or(now, |cleared| cleared.plus(AFTER).min(now));
    let to = end.max(alert.occurred_at).min(from.plus(STRETCH_MAX));
    let span = i64::try_from(to.since(from).as_millis()).unwrap_or(i64::MAX);
    let mut series = store.query(&query(alert, from, to, None))?.series;
    if series
        .iter()
        .any(|one| i64::try_from(one.points.len()).unwrap_or(i64::MAX) > POINTS_MAX)
    {
        let step = Duration::from_millis(u64::try_from(span / POINTS_MAX).unwrap_or(1).max(1));
        series = store.query(&query(alert, from, to, Some(step)))?.series;
    }
    Ok(Samples {
        alert: alert.id,
        from,
        to,
        complete: alert.cleared_at.is_some(),
        series: series.iter().take(SERIES_MAX).map(sampled).collect(),
    })
}

fn query(alert: &Alert, from: Timestamp, to: Timestamp, step: Option<Duration>) -> Query {
    let pairs = alert.instance.split(',').filter_map(|pair| pair.split_once('='));
    let counts = tocsin_vocabulary::catalogue::metric(&alert.metric).is_some_and(|metric| metric.kind == Kind::Counter);
    Query {
        hosts: vec![alert.host],
        attributes: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        step,
        aggregate: counts.then_some(Aggregate::Rate),
        ..Query::new(alert.metric.clone(), from, to)
    }
}

fn sampled(data: &SeriesData) -> SampledSeries {
    let attributes = data.attributes.iter();
    SampledSeries {
        name: data.name.to_string(),
        attributes: attributes
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        unit: data.unit.to_string(),
        points: data.points.iter().map(|(at, value)| (at.as_millis(), *value)).collect(),
    }
}
