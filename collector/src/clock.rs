//! The one place where the collector reads time and randomness.

use std::sync::Arc;
use tocsin_vocabulary::{IdSource, Timestamp};

/// Tells the time; handed to everything that needs it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The operating system's clock.
#[must_use]
pub fn system() -> Clock {
    Arc::new(|| {
        #[allow(clippy::disallowed_methods, reason = "the shell's one reading of the clock")]
        let now = jiff::Timestamp::now();
        Timestamp::from_millis(now.as_millisecond())
    })
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
