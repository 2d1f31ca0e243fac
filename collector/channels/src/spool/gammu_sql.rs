//! gammu-smsd's SQL backend: a message is a row of its table `outbox`, moved to `sentitems` once it was sent, with a status
//! that follows the receipts; replies are rows of `inbox`. The tables themselves are behind [`SmsTables`].
//!
//! | status of `sentitems` | what is told |
//! |---|---|
//! | `SendingOK`, `SendingOKNoReport`, `DeliveryPending`, `DeliveryUnknown` | nothing: the page stays accepted |
//! | `DeliveryOK`, of every part | delivered |
//! | `SendingError`, `DeliveryFailed`, `Error`, of any part | failed |
//!
//! A database on another machine is reached only at an address that `allow` lets through, as every other destination.
//!
//! Long texts are rows of `outbox_multipart` behind the first, each with its user data header.

mod reach;

use super::{LOOK_EVERY, STUCK_AFTER, note};
use crate::{
    advice::Advice,
    channel::{Channel, Condition, Envelope, Incoming, Outcome, Receipt, SendError},
    config::Common,
    secret::Secret,
    sms,
    wording::Style,
};
use async_trait::async_trait;
use reach::Tables;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex as Lock, PoisonError},
};
use tocsin_desk::{
    model::Person,
    modem::{Modems, OutgoingSms, ReceivedSms, SentPart, SmsPart},
};
use tocsin_vocabulary::{PageId, Timestamp};
use tokio::sync::Mutex;

/// `kind = "gammu-sql"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammuSqlConfig {
    /// The daemon's database: `sqlite:/var/lib/gammu/smsd.db` or `postgres://gammu@db.example.com/smsd`.
    pub database: String,
    /// File with the password of the database's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Only over the modem whose daemon has this `PhoneID`; without it over any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_id: Option<String>,
}

impl GammuSqlConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        if let Some(path) = self.database.strip_prefix("sqlite:") {
            if !path.starts_with('/') {
                mistakes
                    .push("`database`: give the file's full path, such as sqlite:/var/lib/gammu/smsd.db".to_owned());
            }
            if self.password_file.is_some() {
                mistakes.push("`password_file`: a SQLite file has no password, leave it out".to_owned());
            }
            return;
        }
        match self.database.parse::<Url>() {
            Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => {
                if url.password().is_some() {
                    mistakes.push("`database`: leave the password out, it stands in `password_file`".to_owned());
                }
                let is_elsewhere = |(key, value): (Cow<'_, str>, Cow<'_, str>)| {
                    key == "hostaddr" || key == "host" && !value.starts_with('/')
                };
                if url.query_pairs().any(is_elsewhere) {
                    let remedy = "name the host before the database's name, where `allow` holds for it";
                    mistakes.push(format!(
                        "`database`: `host` after `?` is only for a socket's folder, {remedy}"
                    ));
                }
            }
            _ => mistakes.push("`database` is sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned()),
        }
    }

    /// The address with its password.
    fn address(&self) -> Result<String, String> {
        let Some(path) = &self.password_file else {
            return Ok(self.database.clone());
        };
        let password = Secret::read_text(path)?;
        let mut url: Url = self
            .database
            .parse()
            .map_err(|error| format!("`database` is not an address: {error}"))?;
        url.set_password(Some(password.as_str()))
            .map_err(|()| "`database` names no host".to_owned())?;
        Ok(url.into())
    }

    /// For people: without what might be secret.
    pub(crate) fn goes_to(&self) -> String {
        match self.database.strip_prefix("sqlite:") {
            Some(path) => path.to_owned(),
            None => crate::http::host_of(&self.database),
        }
    }
}

/// The daemon's tables. Errors are sentences that name the operation and what to do.
#[async_trait]
pub trait SmsTables: Send + Sync + 'static {
    /// Whether a message of this creator waits, or was sent and is not known to have failed.
    async fn is_there(&self, creator: &str) -> Result<bool, String>;
    /// Puts a message into the outbox.
    async fn put(&self, sms: &OutgoingSms) -> Result<(), String>;
    /// What became of the newest messages whose creator begins with `prefix`, part by part.
    async fn sent(&self, prefix: &str) -> Result<Vec<SentPart>, String>;
    /// Messages that came in and that nobody has dealt with.
    async fn received(&self) -> Result<Vec<ReceivedSms>, String>;
    /// A message that came in was dealt with.
    async fn processed(&self, id: i64) -> Result<(), String>;
    /// How the daemon and its modems are.
    async fn modems(&self) -> Result<Modems, String>;
}

/// Opens tables at an address; connects to nothing yet.
pub type OpenTables = fn(&str) -> Result<Arc<dyn SmsTables>, String>;

/// What our creators begin with; see `note`.
const CREATOR: &str = "tocsin";

/// Sends through gammu-smsd's tables.
pub struct GammuSql {
    tables: Tables,
    modem: String,
    style: Style,
    found: Mutex<Found>,
    health: Lock<Health>,
}

/// What was found and not handed on yet.
#[derive(Default)]
struct Found {
    /// With the number of the received message.
    queue: VecDeque<(Incoming, Option<i64>)>,
    /// That of the one that was handed on last.
    handed: Option<i64>,
    told: HashSet<(i64, bool)>,
}

/// What the last look at the daemon found.
#[derive(Default)]
struct Health {
    condition: Option<Condition>,
    sign_of_life: (String, Timestamp),
    oldest: Option<(i64, Timestamp)>,
}

impl GammuSql {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &GammuSqlConfig, common: &Common, open: OpenTables) -> Result<Self, String> {
        let tables = Tables::new(&config.address()?, common.networks(), open)?;
        Ok(Self::over(tables, config, common))
    }

    fn over(tables: Tables, config: &GammuSqlConfig, common: &Common) -> Self {
        Self {
            tables,
            modem: config.phone_id.clone().unwrap_or_default(),
            style: Style::sms(common, true),
            found: Mutex::default(),
            health: Lock::default(),
        }
    }

    async fn processed(&self, id: i64) -> Result<(), String> {
        let tables = self.tables.get().await.map_err(|error| error.reason)?;
        tables.processed(id).await
    }

    async fn look(&self, found: &mut Found) -> Result<(), String> {
        let mut messages: BTreeMap<(i64, String), Vec<String>> = BTreeMap::new();
        let tables = self.tables.get().await.map_err(|error| error.reason)?;
        for part in tables.sent(CREATOR).await? {
            messages.entry((part.id, part.creator)).or_default().push(part.status);
        }
        for ((id, creator), parts) in messages {
            let Some(outcome) = outcome(&parts) else { continue };
            if found.told.insert((id, outcome == Outcome::Delivered)) {
                let report = Incoming::Report {
                    references: vec![creator],
                    outcome,
                    detail: format!("gammu-smsd says {}", parts.join(", ")),
                };
                found.queue.push_back((report, None));
            }
        }
        for ReceivedSms { id, from, text } in tables.received().await? {
            found.queue.push_back((Incoming::Reply { from, text }, Some(id)));
        }
        Ok(())
    }
}

/// What became of a message, by the states of its parts; none: nothing is known yet.
fn outcome(parts: &[String]) -> Option<Outcome> {
    let is_failed = |status: &String| matches!(status.as_str(), "SendingError" | "DeliveryFailed" | "Error");
    if parts.iter().any(is_failed) {
        return Some(Outcome::Failed);
    }
    parts
        .iter()
        .all(|status| status == "DeliveryOK")
        .then_some(Outcome::Delivered)
}

/// The parts of a text; all parts of one message bear one number, made from the page's id.
fn parts(text: &str, page: PageId) -> Vec<SmsPart> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02X}")).collect() };
    let all = sms::parts(text);
    let (total, reference) = (all.len(), page.as_bytes()[15]);
    let part = |(units, place): (Vec<u16>, usize)| SmsPart {
        text: String::from_utf16_lossy(&units),
        hex: hex(&sms::utf16_be(&units)),
        header: hex(&sms::header(reference, total, place)),
    };
    all.into_iter().zip(1..).map(part).collect()
}

#[async_trait]
impl Channel for GammuSql {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::no_contact)?;
        let failed = |reason| SendError::temporary(reason).meaning(Advice::Spool);
        let creator = note(envelope.page.id);
        let tables = self.tables.get().await?;
        // Nobody waits for another's commit here: after a crash it is there, or it is not.
        let answer = if envelope.is_resent() && tables.is_there(&creator).await.map_err(failed)? {
            "was in gammu-smsd's tables already"
        } else {
            let sms = OutgoingSms {
                number,
                creator: creator.clone(),
                modem: self.modem.clone(),
                priority: i64::from(u8::MAX - envelope.page.level.rank()),
                parts: parts(&self.style.message(envelope, now), envelope.page.id),
            };
            tables.put(&sms).await.map_err(failed)?;
            "in gammu-smsd's outbox"
        };
        Ok(Receipt {
            reference: creator,
            ..Receipt::taken(answer)
        })
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    async fn incoming(&self, _now: Timestamp) -> Incoming {
        let mut found = self.found.lock().await;
        loop {
            // Whoever asks for the next has dealt with the last one: a crash before that brings it again.
            if let Some(id) = found.handed {
                match self.processed(id).await {
                    Ok(()) => found.handed = None,
                    Err(reason) => tracing::warn!(reason, "a reply is told again until it can be marked"),
                }
            }
            if found.handed.is_none() {
                if let Some((incoming, id)) = found.queue.pop_front() {
                    found.handed = id;
                    return incoming;
                }
                if let Err(reason) = self.look(&mut found).await {
                    tracing::debug!(reason, "cannot look for what came back");
                }
            }
            if found.queue.is_empty() || found.handed.is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }

    async fn refresh(&self, now: Timestamp) {
        let modems = match self.tables.get().await {
            Ok(tables) => tables.modems().await,
            Err(error) => Err(error.reason),
        };
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.condition = Some(match modems {
            Ok(modems) => health.judge(&modems, now),
            Err(reason) => Condition::new(false, reason),
        });
    }

    fn condition(&self) -> Option<Condition> {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.condition.clone()
    }
}

impl Health {
    fn judge(&mut self, modems: &Modems, now: Timestamp) -> Condition {
        if self.sign_of_life.0 != modems.sign_of_life {
            self.sign_of_life = (modems.sign_of_life.clone(), now);
        }
        let is_new = |oldest: i64| self.oldest.is_none_or(|(id, _)| id != oldest);
        match modems.oldest {
            Some(id) if is_new(id) => self.oldest = Some((id, now)),
            Some(_) => {}
            None => self.oldest = None,
        }
        let oldest = self.oldest.map(|(_, since)| now.since(since));
        let waits = format!("{} messages wait in the spool", modems.waiting);
        let (well, detail) = if modems.sign_of_life.is_empty() {
            (
                false,
                "gammu-smsd has not written into its tables yet: does it run?".to_owned(),
            )
        } else if now.since(self.sign_of_life.1) > STUCK_AFTER {
            (false, "gammu-smsd gives no sign of life: does it run?".to_owned())
        } else if oldest.is_some_and(|age| age > STUCK_AFTER) {
            (false, format!("{waits}, the oldest for more than 10 minutes"))
        } else {
            (true, waits)
        };
        Condition {
            signal_percent: modems.signals.iter().flatten().max().copied(),
            oldest,
            ..Condition::new(well, detail)
        }
    }
}

#[cfg(test)]
mod tests;
