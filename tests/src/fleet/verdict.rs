//! Whether every tick that hosts took is stored, once.

use super::{FleetHost, model::PROBE};
use crate::site::Site;
use std::collections::BTreeMap;
use tocsin_vocabulary::Timestamp;

/// What became of the ticks of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Ticks that were taken.
    pub taken: u64,
    /// Of them not stored.
    pub lost: u64,
    /// Stored more than once.
    pub twice: u64,
    /// Stored, but never taken.
    pub strange: u64,
}

impl Verdict {
    /// Whether every tick is stored once.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.lost == 0 && self.twice == 0 && self.strange == 0
    }

    fn add(&mut self, host: &FleetHost, until: Timestamp, stored: &[i64]) {
        let taken = host.pace.taken(until);
        let mut seen: BTreeMap<i64, u64> = (1..=taken).map(|seq| (host.pace.time(seq).as_millis(), 0)).collect();
        self.taken += taken;
        for time in stored {
            match seen.get_mut(time) {
                Some(count) => *count += 1,
                None => self.strange += 1,
            }
        }
        self.lost += seen.values().filter(|count| **count == 0).count() as u64;
        self.twice += seen.values().filter(|count| **count > 1).count() as u64;
    }
}

/// Asks the collector for each host's ticks up to `until` and compares them with those that the host took.
///
/// # Panics
/// When the collector does not answer.
pub async fn of(site: &Site, hosts: &[FleetHost], until: Timestamp) -> Verdict {
    let mut verdict = Verdict::default();
    for host in hosts {
        let to = until.as_millis() + 1;
        let path = format!("query?host={}&metric={PROBE}&from=0&to={to}", host.id);
        let answer = site.get(&path).await;
        let points = answer["series"][0]["points"].as_array().cloned().unwrap_or_default();
        // Where nothing is known there is a point without a value.
        let known = points.iter().filter(|point| !point[1].is_null());
        let stored: Vec<i64> = known.filter_map(|point| point[0].as_i64()).collect();
        verdict.add(host, until, &stored);
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{pace::Pace, tally::Progress};
    use std::{sync::Arc, time::Duration};

    #[test]
    fn what_is_lost_twice_or_strange_is_told_apart() {
        let begin = Timestamp::from_millis(1_000);
        let host = FleetHost {
            id: tocsin_vocabulary::HostId::from_bytes([1; 16]),
            pace: Pace::spread(begin, Duration::from_secs(1), 0, 1),
            progress: Arc::new(Progress::default()),
            failing: Arc::default(),
        };
        let mut verdict = Verdict::default();
        verdict.add(
            &host,
            Timestamp::from_millis(4_500),
            &[1_000, 2_000, 2_000, 4_000, 4_001],
        );
        let expected = Verdict {
            taken: 4,
            lost: 1,
            twice: 1,
            strange: 1,
        };
        assert_eq!(verdict, expected);
        assert!(!verdict.is_good());
    }
}
