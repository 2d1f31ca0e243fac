//! The last value of a metric across the fleet, without any chart.

use super::wanted;
use crate::store::Store;
use tocsin_vocabulary::{HostId, Series, Timestamp};

/// Which last values are wanted.
#[derive(Debug, Clone, Default)]
pub struct LatestSelector {
    /// Of these hosts; empty means all.
    pub hosts: Vec<HostId>,
    /// Metric names; a `*` in one stands for any characters.
    pub metrics: Vec<String>,
    /// Attributes that a series must have.
    pub attributes: Vec<(String, String)>,
}

/// The last value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestValue {
    /// Whose.
    pub host: HostId,
    /// What was measured.
    pub series: Series,
    /// When.
    pub time: Timestamp,
    /// `None` when the newest tick has no finite value.
    pub value: Option<f64>,
}

impl Store {
    /// What the newest tick of each host says, sorted by host, then in order of its dictionary. Read from memory.
    #[must_use]
    pub fn latest_values(&self, selector: &LatestSelector) -> Vec<LatestValue> {
        let hosts = if selector.hosts.is_empty() {
            self.hosts()
        } else {
            selector.hosts.clone()
        };
        let mut values = Vec::new();
        for host in hosts {
            let Some(latest) = self.latest(host) else { continue };
            for (series, cell) in latest.dictionary.series().zip(&latest.tick.cells) {
                let named = selector
                    .metrics
                    .iter()
                    .any(|pattern| wanted::matches(pattern, &series.name));
                let has = |(key, value): &(String, String)| series.attribute(key) == Some(value.as_str());
                if named && selector.attributes.iter().all(has) {
                    values.push(LatestValue {
                        host,
                        series: series.clone(),
                        time: latest.tick.time,
                        value: cell.to_f64(series.decimals).filter(|value| value.is_finite()),
                    });
                }
            }
        }
        values
    }
}
