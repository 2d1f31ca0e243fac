//! What the provider says is left: money, or messages. Asked every ten minutes, for it is shown and judged, not used.

use crate::{
    channel::Condition,
    http::{self, Server},
    secret::SecretText,
};
use serde_json::Value;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_secs(600);

/// What was answered, and when that was asked.
type Answer = (Timestamp, Result<f64, String>);

/// Asks for it and remembers what was answered.
pub(super) struct Balance {
    server: Server,
    secret: Option<SecretText>,
    /// A JSON pointer (RFC 6901); empty: the whole answer is the number.
    at: String,
    last: Mutex<Option<Answer>>,
}

impl Balance {
    pub(super) fn new(server: Server, at: Option<&str>, secret: Option<SecretText>) -> Self {
        Self {
            server,
            secret,
            at: at.unwrap_or_default().to_owned(),
            last: Mutex::default(),
        }
    }

    /// Asks, if it is time.
    pub(super) async fn refresh(&self, now: Timestamp) {
        let is_fresh = |(asked, _): &Answer| now.since(*asked) < ASK_EVERY;
        if self.lock().as_ref().is_some_and(is_fresh) {
            return;
        }
        let answer = self.ask().await;
        *self.lock() = Some((now, answer));
    }

    async fn ask(&self) -> Result<f64, String> {
        let hide = |said: String| {
            self.secret
                .as_ref()
                .map_or_else(|| said.clone(), |secret| secret.hide(&said))
        };
        let answered = self.server.ask(self.server.get(&[])).await;
        let answered = answered.map_err(|error| hide(error.reason))?;
        http::judge("the provider", &answered).map_err(|error| hide(error.reason))?;
        read(&answered.body, &self.at).ok_or_else(|| "its answer has no number there: check `balance_at`".to_owned())
    }

    /// What was answered last; none before anything was.
    pub(super) fn condition(&self) -> Option<Condition> {
        let last = self.lock();
        let (_, answer) = last.as_ref()?;
        Some(match answer {
            Ok(balance) => Condition {
                balance: Some(*balance),
                ..Condition::new(true, "")
            },
            // Messages may go all the same.
            Err(reason) => Condition::new(true, format!("the balance is not known: {reason}")),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answer>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number in an answer: a number of JSON, or one in quotes.
fn read(answer: &[u8], at: &str) -> Option<f64> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    let found = value.pointer(at)?;
    let number = found.as_f64().or_else(|| found.as_str()?.trim().parse().ok());
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_is_a_number_wherever_it_stands() {
        assert_eq!(read(br#"{"data": {"left": 12.5}}"#, "/data/left"), Some(12.5));
        assert_eq!(read(br#"{"left": " 40 "}"#, "/left"), Some(40.0));
        assert_eq!(read(b"7", ""), Some(7.0));
        for nothing in [&b"{}"[..], b"<html>", br#"{"left": "NaN"}"#] {
            assert_eq!(read(nothing, "/left"), None);
        }
    }

    #[test]
    fn any_answer_is_a_number_or_none() {
        bolero::check!().for_each(|answer: &[u8]| {
            let _ = read(answer, "/a/0");
        });
    }
}
