//! Waiting for something to become true: asked again every 20 ms, for a bounded time.

use std::{fmt::Debug, time::Duration};

/// Nothing in a story takes longer than this on a machine that works, however loaded.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within a minute.
pub async fn until<T, F: AsyncFnMut() -> Option<T>>(what: &str, mut ask: F) -> T {
    let waited = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    match waited.await {
        Ok(answer) => answer,
        Err(_) => panic!("waited a minute for: {what}"),
    }
}

/// Asks until `ask` answers `wanted`.
///
/// # Panics
/// When it does not within a minute.
pub async fn until_equal<T: PartialEq + Debug, F: AsyncFnMut() -> T>(what: &str, wanted: T, mut ask: F) {
    until(what, async || (ask().await == wanted).then_some(())).await;
}
