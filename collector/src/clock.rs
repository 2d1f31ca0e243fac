//! The one place where the collector reads time and randomness.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tocsin_vocabulary::{IdSource, Timestamp};

/// Tells the time; handed to everything that needs it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The operating system's clock, which never goes backwards here: when it is set back, time goes on from where it was at
/// its own pace until the clock has caught up. Deadlines that people wait for must not move away.
#[must_use]
pub fn system() -> Clock {
    let steady: Mutex<Option<Steady>> = Mutex::new(None);
    Arc::new(move || {
        let mut steady = steady.lock().unwrap_or_else(PoisonError::into_inner);
        #[allow(clippy::disallowed_methods, reason = "the shell's one reading of the clock")]
        let (wall, elapsed) = (jiff::Timestamp::now(), Instant::now());
        let wall = Timestamp::from_millis(wall.as_millisecond());
        steady
            .get_or_insert(Steady {
                anchor: (wall, elapsed),
                behind: false,
            })
            .read(wall, elapsed)
    })
}

/// A step back that is noise of the clock's discipline, not worth a word.
const STEP_MIN: Duration = Duration::from_secs(1);

/// Time that never goes backwards.
#[derive(Debug)]
struct Steady {
    /// The last reading at which the wall clock was not behind.
    anchor: (Timestamp, Instant),
    /// Whether it was said that the clock is behind.
    behind: bool,
}

impl Steady {
    fn read(&mut self, wall: Timestamp, elapsed: Instant) -> Timestamp {
        let gone_on = self.anchor.0.plus(elapsed.saturating_duration_since(self.anchor.1));
        if wall >= gone_on {
            *self = Self {
                anchor: (wall, elapsed),
                behind: false,
            };
            return wall;
        }
        let step = gone_on.since(wall);
        if step >= STEP_MIN && !self.behind {
            self.behind = true;
            let seconds = step.as_secs();
            tracing::warn!(
                seconds,
                "the clock was set back: time goes on from where it was until it has caught up"
            );
        }
        gone_on
    }
}

/// The operating system's randomness was not to be had.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness: {0}")]
pub struct RandomError(getrandom::Error);

/// Fills `bytes` with the operating system's randomness.
///
/// # Errors
/// When the operating system has none.
pub fn random(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(RandomError)
}

/// A source of identifiers that nobody can foresee.
///
/// # Errors
/// When the operating system has no randomness.
pub fn ids() -> Result<IdSource, RandomError> {
    let mut seed = [0; 8];
    random(&mut seed)?;
    Ok(IdSource::new(u64::from_le_bytes(seed)))
}

/// A secret of 256 bits, as 43 characters that survive URLs and copying.
///
/// # Errors
/// When the operating system has no randomness.
pub fn secret() -> Result<String, RandomError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret: its SHA-256 in hex.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    tocsin_vocabulary::Hash::of(secret.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_where_it_was() {
        let at = Timestamp::from_millis;
        #[allow(clippy::disallowed_methods, reason = "an origin; nothing is timed")]
        let begin = Instant::now();
        let mut steady = Steady {
            anchor: (at(100_000), begin),
            behind: false,
        };
        let after = |millis| begin + Duration::from_millis(millis);
        // Set back by 50 s; a second still is one, however often it is asked for.
        for millis in 1..=1_000 {
            steady.read(at(50_000).plus(Duration::from_millis(millis)), after(millis));
        }
        assert_eq!(steady.read(at(51_000), after(1_000)), at(101_000));
        assert!(steady.behind);
        assert_eq!(steady.read(at(200_000), after(2_000)), at(200_000));
        assert!(!steady.behind);
    }
}
