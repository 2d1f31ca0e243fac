//! Channels before the rules: what becomes of one is an event of the host on which the collector runs, so that rules say
//! how bad that is and what follows, silences and windows hold, and a ticket waits until somebody takes it.
//!
//! | event | attributes | |
//! |---|---|---|
//! | `channel.trouble` | `channel`; the body says what is wrong | it is worse than its bounds |
//! | `channel.well` | `channel` | it is well again, or was well when the collector started |

use super::ChannelWatch;
use crate::{
    backups::{OUR_SPOOL, event_number},
    engine::Command,
};
use std::collections::BTreeMap;
use tocsin_desk::record::EventRecord;
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{Severity, SpoolId, Text, Timestamp};

/// A channel is worse than its bounds.
const TROUBLE: &str = "channel.trouble";
/// It is not.
const WELL: &str = "channel.well";

/// What happened, as an event. Words of rules have no place for a second language, so the body is English; the channels
/// page says the same in the reader's.
fn event(channel: &str, trouble: Option<&Text>, now: Timestamp) -> EventRecord {
    let (name, severity) = match trouble {
        Some(_) => (TROUBLE, Severity::Major),
        None => (WELL, Severity::Info),
    };
    EventRecord {
        seq: event_number(channel, name, now),
        at: now,
        received_at: now,
        name: name.to_owned(),
        severity,
        attributes: BTreeMap::from([("channel".to_owned(), channel.to_owned())]),
        body: trouble.map(|trouble| trouble.en.clone()).unwrap_or_default(),
    }
}

impl ChannelWatch {
    /// Tells the rules, and keeps what is news beside the host's own events; answers whether there is a host to tell it of.
    pub(super) async fn tell_rules(
        &self,
        channel: &str,
        trouble: Option<&Text>,
        is_news: bool,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let Some(name) = &self.own_host else { return Ok(false) };
        let hosts = self.ledger.hosts().await?;
        let own = hosts
            .iter()
            .find(|host| host.name == *name && host.revoked_at.is_none());
        let Some(host) = own.map(|host| host.id) else {
            tracing::warn!(
                own_host = name,
                "no such host is enrolled: people on duty are told of channels directly"
            );
            return Ok(false);
        };
        let (spool, event) = (SpoolId::from_bytes(OUR_SPOOL), event(channel, trouble, now));
        if is_news {
            self.ledger
                .store_events(host, spool, std::slice::from_ref(&event))
                .await?;
        }
        Ok(self
            .engine
            .send(Command::Events(host, spool, vec![(event, None)]))
            .await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_channel_is_told_by_name_and_twice_is_two_events() {
        let trouble = Text::new("the signal is 10 %", "信号10%");
        let told = |trouble, millis| event("modem", trouble, Timestamp::from_millis(millis));
        let first = told(Some(&trouble), 1);
        assert_eq!(
            (first.name.as_str(), first.body.as_str()),
            (TROUBLE, "the signal is 10 %")
        );
        assert_eq!(first.attributes["channel"], "modem");
        assert_eq!(told(None, 1).name, WELL);
        assert_ne!(first.seq, told(Some(&trouble), 2).seq);
        assert_ne!(first.seq, told(None, 1).seq);
    }
}
