//! Storms: many hosts of one site that show the same alert at once are one fault, not as many.
//!
//! Alerts that come one by one are told at once, at a large site too. When the last few hosts came at such a pace that, going
//! on so, they would be as many as [`StormPolicy`] says within its window, the newest and those after it wait for at most that
//! long: if they become so many, all of them are one fault with one ticket; if not, each is told after all. Alerts that arrive together are counted together, so a site that is lost
//! in one moment is one fault from the beginning.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{FaultId, SiteId, Timestamp};

/// When alerts are a storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormPolicy {
    /// This share of a site's hosts, in percent.
    pub percent: u8,
    /// And at least so many hosts.
    pub hosts_min: usize,
    /// Within this much time.
    pub window: Duration,
    /// So many hosts are told of before any has to wait.
    pub told_at_once: usize,
}

impl Default for StormPolicy {
    fn default() -> Self {
        Self {
            percent: 30,
            hosts_min: 5,
            window: Duration::from_secs(10),
            told_at_once: 2,
        }
    }
}

impl StormPolicy {
    /// How many of a site's hosts make a storm; none where the site is too small for one.
    #[must_use]
    pub fn threshold(&self, hosts: usize) -> Option<usize> {
        let share = hosts.saturating_mul(usize::from(self.percent)).div_ceil(100);
        (hosts >= self.hosts_min).then_some(share.max(self.hosts_min))
    }

    /// Whether so many hosts within `span` would, at that pace, be `threshold` within the window.
    #[must_use]
    pub fn brews(&self, hosts: usize, span: Duration, threshold: usize) -> bool {
        let hosts = self.window.as_millis().saturating_mul(hosts as u128);
        hosts >= span.as_millis().saturating_mul(threshold as u128)
    }
}

/// One storm: the fault that many alerts share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// The fault.
    pub fault: FaultId,
    /// The rule that all its alerts are of.
    pub rule: String,
    /// Where.
    pub site: SiteId,
    /// The site's name.
    pub site_name: String,
    /// When it was recognised.
    pub begun_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_takes_a_share_of_the_site_and_never_few_hosts() {
        let policy = StormPolicy::default();
        for (hosts, threshold) in [
            (0, None),
            (4, None),
            (5, Some(5)),
            (16, Some(5)),
            (17, Some(6)),
            (10_000, Some(3_000)),
        ] {
            assert_eq!(policy.threshold(hosts), threshold, "{hosts}");
        }
    }

    #[test]
    fn a_storm_brews_by_the_pace_of_the_last_hosts() {
        let policy = StormPolicy::default();
        let within = |millis| policy.brews(3, Duration::from_millis(millis), 3_000);
        assert!(
            within(0) && within(10),
            "3 000 within the window of 10 s is one in 3.3 ms"
        );
        assert!(!within(11) && !within(10_000));
        assert!(policy.brews(3, Duration::from_secs(5), 6), "a small site needs few");
        assert!(!policy.brews(3, Duration::from_secs(6), 6));
    }
}
