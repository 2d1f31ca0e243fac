//! What came of each source: counted, with the newest message and what went wrong last, for people who set one up and wonder
//! why nothing comes.

use super::{Way, usm::Refused};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// Of a message, so many characters are shown.
const SHOWN_CHARS_MAX: usize = 2_000;
/// A stranger is logged so often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// How a source stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stand {
    /// By which it is called.
    pub(crate) name: String,
    /// Who judges.
    pub(crate) judge: String,
    /// The host whose jobs these are.
    pub(crate) host: String,
    /// Messages, mails and files that came.
    pub(crate) came: u64,
    /// Runs that were kept.
    pub(crate) runs: u64,
    /// Messages for which there was no room.
    pub(crate) dropped: u64,
    /// When the newest came.
    #[serde(skip)]
    pub(crate) last_at: Option<Timestamp>,
    /// The newest, as it was judged.
    pub(crate) last: String,
    /// What went wrong last; empty since something went well.
    pub(crate) error: String,
}

#[derive(Debug, Default)]
struct Inner {
    sources: BTreeMap<String, Stand>,
    listeners: Vec<(Way, SocketAddr)>,
    /// Messages of senders that are on no list, or that could not be read.
    refused: u64,
    logged_at: Option<Timestamp>,
}

/// How all sources stand.
#[derive(Debug, Default)]
pub(crate) struct Stands {
    inner: Mutex<Inner>,
}

impl Stands {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Stand)) {
        if let Some(stand) = self.lock().sources.get_mut(name) {
            change(stand);
        }
    }

    pub(super) fn add(&self, name: &str, judge: &str, host: &str) {
        let stand = Stand {
            name: name.to_owned(),
            judge: judge.to_owned(),
            host: host.to_owned(),
            ..Stand::default()
        };
        self.lock().sources.insert(name.to_owned(), stand);
    }

    pub(super) fn listens(&self, way: Way, address: SocketAddr) {
        tracing::info!(?way, %address, "backup results are taken in");
        self.lock().listeners.push((way, address));
    }

    pub(super) fn came(&self, name: &str, text: &str, at: Timestamp) {
        self.change(name, |stand| {
            stand.came += 1;
            stand.last_at = Some(at);
            stand.last = text.chars().take(SHOWN_CHARS_MAX).collect();
        });
    }

    pub(super) fn kept(&self, name: &str, runs: u64) {
        self.change(name, |stand| {
            stand.runs += runs;
            stand.error.clear();
        });
    }

    pub(super) fn dropped(&self, name: &str) {
        self.change(name, |stand| stand.dropped += 1);
    }

    /// Something went wrong; the same again is logged once.
    pub(super) fn failed(&self, name: &str, error: &str, at: Timestamp) {
        self.change(name, |stand| {
            if stand.error != error {
                tracing::warn!(source = name, error, %at, "backup results can't be taken in; they are tried again");
                error.clone_into(&mut stand.error);
            }
        });
    }

    /// A sender that is on no list.
    pub(super) fn refused(&self, sender: IpAddr, at: Timestamp) {
        self.turned_away(sender, at, "it is on no source's list");
    }

    /// A trap that is no trap of any source.
    pub(super) fn unreadable(&self, sender: IpAddr, at: Timestamp) {
        self.turned_away(sender, at, &Refused::Malformed.to_string());
    }

    /// A trap that a source does not take.
    pub(super) fn not_taken(&self, name: &str, sender: IpAddr, why: Refused, at: Timestamp) {
        // Another community may be another source's.
        if why != Refused::Community {
            self.change(name, |stand| {
                stand.error = format!("a trap of {sender} is turned away: {why}");
            });
        }
        self.turned_away(sender, at, &why.to_string());
    }

    fn turned_away(&self, sender: IpAddr, at: Timestamp, why: &str) {
        let mut inner = self.lock();
        inner.refused += 1;
        if inner.logged_at.is_none_or(|before| at.since(before) >= LOG_EVERY) {
            inner.logged_at = Some(at);
            tracing::warn!(%sender, why, refused = inner.refused, "a backup result is turned away");
        }
    }

    /// All of them, where they listen, and how many messages were turned away.
    pub(crate) fn shown(&self) -> serde_json::Value {
        let inner = self.lock();
        let source = |stand: &Stand| {
            let mut value = serde_json::to_value(stand).unwrap_or_default();
            value["last_at"] = stand.last_at.map(|at| at.to_string()).into();
            value
        };
        let listener = |(way, address): &(Way, SocketAddr)| {
            let kind = match way {
                Way::Syslog => "syslog",
                Way::Trap => "trap",
            };
            serde_json::json!({ "kind": kind, "address": address })
        };
        serde_json::json!({
            "items": inner.sources.values().map(source).collect::<Vec<_>>(),
            "next": null,
            "listeners": inner.listeners.iter().map(listener).collect::<Vec<_>>(),
            "turned_away": inner.refused,
        })
    }
}
