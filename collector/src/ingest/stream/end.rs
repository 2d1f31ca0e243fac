//! Why a stream ends from our side, and what the agent is told then.

use super::BUSY_RETRY;
use std::time::Duration;
use tocsin_metrics::StoreError;
use tocsin_vocabulary::Code;

/// Why a stream ends from our side.
pub(crate) enum End {
    /// The agent went away.
    Gone,
    /// It is told to come back later.
    Retry(Duration, String),
    /// It did what it may not, or is no longer welcome.
    Refused(Code, String),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        let reason = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match error.code() {
            Code::Unavailable => Self::Retry(BUSY_RETRY, reason),
            code => Self::Refused(code, reason),
        }
    }
}
