//! The agent's own cap on its memory, where no cgroup holds it: systemd of old kernels has no `MemoryMax`, containers and
//! other service managers often set none.
//!
//! Above [`RESIDENT_MAX`] the agent drops what it can find again. If that did not help for [`PATIENCE`], it starts itself
//! anew: everything is stored, synced and told first, so that nothing is lost but a few seconds.
//!
//! Long before that it [stays small](stay_small).

use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What starting up needed is let go after these pauses: when everything was looked at once, and when it goes on calmly …
const SETTLING: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(50)];
/// … and what was needed only since then this often: each time, what goes on being needed is mapped anew, which takes
/// less than a millisecond.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(120);

/// Most resident memory, in bytes: what `MemoryMax` of the unit says. An agent needs a tenth of that.
pub(crate) const RESIDENT_MAX: u64 = 96 << 20;
/// For how long the memory may stay above after everything was dropped that could be.
const PATIENCE: Duration = Duration::from_secs(60);
/// An agent that has just started is not started again: on a host that needs this much, samples go before the limit.
const EARLIEST: Duration = Duration::from_secs(600);

/// Gives memory back that is not needed now, until `stop`.
pub(crate) async fn stay_small(stop: CancellationToken) {
    for pause in SETTLING.into_iter().chain(std::iter::repeat(GIVE_BACK_EVERY)) {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = tocsin_thrift::give_back() {
            tracing::debug!(%error, "can't tell which memory is not needed");
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Go on.
    Nothing,
    /// Drop what can be found again.
    Slim,
    /// Start anew.
    Restart,
}

/// Watches the agent's resident memory.
#[derive(Debug)]
pub(crate) struct Footprint {
    /// In bytes; `None` where somebody else is responsible, as for an agent within another process.
    limit: Option<u64>,
    began: Option<Duration>,
    above_since: Option<Duration>,
}

impl Footprint {
    /// With this limit in bytes, or without any.
    pub(crate) const fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            began: None,
            above_since: None,
        }
    }

    /// The limit, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }

    /// Takes the resident memory in bytes, `None` where it can't be read, at a moment of the monotonic clock.
    pub(crate) fn note(&mut self, resident: Option<u64>, mono: Duration) -> Measure {
        let began = *self.began.get_or_insert(mono);
        let above = self.limit.zip(resident).is_some_and(|(limit, bytes)| bytes > limit);
        if !above {
            self.above_since = None;
            return Measure::Nothing;
        }
        let Some(since) = self.above_since else {
            self.above_since = Some(mono);
            return Measure::Slim;
        };
        if mono >= since + PATIENCE && mono >= began + EARLIEST {
            self.above_since = Some(mono);
            return Measure::Restart;
        }
        Measure::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(footprint: &mut Footprint, second: u64, mib: u64) -> Measure {
        footprint.note(Some(mib * MIB), Duration::from_secs(second))
    }

    #[test]
    fn what_can_be_dropped_is_dropped_once_and_then_the_agent_starts_anew() {
        let mut footprint = Footprint::new(Some(RESIDENT_MAX));
        assert_eq!(at(&mut footprint, 0, 96), Measure::Nothing, "at the limit is not above");
        assert_eq!(at(&mut footprint, 1_000, 97), Measure::Slim);
        assert_eq!(at(&mut footprint, 1_059, 97), Measure::Nothing);
        assert_eq!(at(&mut footprint, 1_060, 97), Measure::Restart);
        assert_eq!(at(&mut footprint, 1_061, 97), Measure::Nothing, "told once");
    }

    #[test]
    fn memory_that_came_back_is_forgiven() {
        let mut footprint = Footprint::new(Some(RESIDENT_MAX));
        at(&mut footprint, 0, 8);
        assert_eq!(at(&mut footprint, 1_000, 97), Measure::Slim);
        assert_eq!(at(&mut footprint, 1_030, 40), Measure::Nothing);
        assert_eq!(at(&mut footprint, 1_061, 97), Measure::Slim);
        assert_eq!(at(&mut footprint, 1_062, 97), Measure::Nothing);
    }

    #[test]
    fn an_agent_that_has_just_started_is_not_started_again() {
        let mut footprint = Footprint::new(Some(RESIDENT_MAX));
        assert_eq!(at(&mut footprint, 5, 200), Measure::Slim);
        assert_eq!(at(&mut footprint, 500, 200), Measure::Nothing);
        assert_eq!(at(&mut footprint, 605, 200), Measure::Restart);
    }

    #[test]
    fn without_a_limit_or_a_reading_nothing_is_done() {
        let mut footprint = Footprint::new(None);
        assert_eq!(at(&mut footprint, 0, 10_000), Measure::Nothing);
        let mut footprint = Footprint::new(Some(RESIDENT_MAX));
        assert_eq!(footprint.note(None, Duration::ZERO), Measure::Nothing);
    }
}
