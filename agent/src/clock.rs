//! The one place where the agent reads a clock.

use std::{sync::Arc, time::Duration};
use tocsin_vocabulary::Timestamp;

/// What time it is, twice: by the wall and by a clock that never steps.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock, UTC.
    fn wall(&self) -> Timestamp;
    /// Time since some fixed instant; goes on while the machine is suspended, never steps.
    fn mono(&self) -> Duration;
}

/// A clock that everybody holds.
pub type SharedClock = Arc<dyn Clock>;

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the shell's one reading of the wall clock")]
    fn wall(&self) -> Timestamp {
        let millis = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        Timestamp::from_millis(millis)
    }

    /// `CLOCK_BOOTTIME`: counts suspended time too (`clock_gettime(2)`).
    fn mono(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            u64::try_from(now.tv_sec).unwrap_or(0),
            u32::try_from(now.tv_nsec).unwrap_or(0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_run_forwards() {
        let clock = SystemClock;
        let (wall, mono) = (clock.wall(), clock.mono());
        assert!(wall > Timestamp::from_millis(1_700_000_000_000));
        assert!(clock.mono() >= mono);
    }
}
