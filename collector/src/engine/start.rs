//! What an engine knows when it begins: the open work, who is watched, when each host was last heard, and the events whose
//! alerts a collector that was killed did not write.
//!
//! While a collector is down it is blind, and nobody's silence counts: when each host was last heard is known as of the
//! last time that this was written down, and its deadline goes on from there.

use super::{
    Engine, EngineHandle, Parts, Record, Unwritten,
    plans::{self, Belongs, Guarded},
    silence::{ASKED_MAX, address_of},
    translate::{book, facts_of, on_duty, restored, with_event},
};
use crate::clock;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tocsin_desk::{
    model::{AlertState, Arrival},
    record::{AlertFilter, HostRecord, Slice},
    step::Desk,
};
use tocsin_rules::{Flapping, Restored};
use tocsin_vocabulary::{HostId, Timestamp};
use tokio::sync::Semaphore;

/// After a start no host is missed before then: its agent needs a moment to find the collector again.
const GRACE: Duration = Duration::from_secs(30);
/// A host that was enrolled and never heard is missed after three times this long.
const NEVER_HEARD_INTERVAL: Duration = Duration::from_secs(200);
/// Alerts that were raised lately and are told again, and how many are read at a time.
const RAISES_MAX: usize = 20_000;
const RAISES_PAGE: u32 = 500;
/// Events that are told again after a start, beside those that were not judged.
const EVENTS_MAX: u32 = 20_000;
/// How far back events are told again at most.
const EVENTS_REACH: Duration = Duration::from_secs(7 * 86_400);

impl Engine {
    /// Loads the open work; hosts' silence is counted on from when the collector last watched.
    ///
    /// # Errors
    /// When the ledger can't be read, or the operating system has no randomness.
    pub async fn open(parts: Parts, handle: &EngineHandle) -> anyhow::Result<Self> {
        let now = (parts.clock)();
        let work = parts.ledger.load_open_work().await?;
        let hosts = parts.ledger.hosts().await?;
        let watched_until = parts.ledger.watched_until().await?;
        let mut rules = tocsin_rules::Engine::new(parts.rules.clone());
        rules.keep_decisions();
        handle.watch.lock().rules = rules;
        let (duty, escalation) = on_duty(&parts).await?;
        parts.ledger.keep_versions(&parts.book, now).await?;
        let book = book(&parts).await?;
        for mistake in book.mistakes() {
            tracing::warn!(
                mistake,
                "a contract is counted by the policy `basic`, or around the clock"
            );
        }
        let restored: Vec<Restored> = work
            .alerts
            .iter()
            .filter(|alert| alert.state == AlertState::Raised)
            .map(restored)
            .collect();
        let desk = Desk::new(book, clock::ids()?, work, duty).with_escalation(escalation);
        let mut record = Record::default();
        record.rules(&parts.rules);
        let mut engine = Self {
            parts,
            watch: handle.watch.clone(),
            desk,
            assets: HashMap::new(),
            belongs: HashMap::new(),
            guarded: Guarded::default(),
            gone: HashSet::new(),
            unwritten: Unwritten::default(),
            found: Vec::new(),
            record,
            silent: HashMap::new(),
            hears_none: None,
            never_heard: HashSet::new(),
            addresses: HashMap::new(),
            asking: Arc::new(Semaphore::new(ASKED_MAX)),
            commands: handle.sender.downgrade(),
            past: handle.past.clone(),
            stale_until: None,
            failures: 0,
            refused: false,
            watched_at: now,
            deaf_at: now,
            condition: handle.condition.clone(),
        };
        engine.furnish().await.map_err(|error| plans::unread(&error))?;
        for host in &hosts {
            engine.learn(host, now);
            engine.heard_before(host, watched_until, now);
        }
        engine.guard(now);
        engine.tell(|rules| rules.restore(restored, now));
        // Nothing will ever clear what was raised for a host that was shut out.
        for host in hosts.iter().filter(|host| host.revoked_at.is_some()) {
            engine.forget(host.id, now);
        }
        engine.recall_raises(now).await?;
        engine.recall_events(watched_until, now).await?;
        Ok(engine)
    }

    /// Takes a host's register row.
    pub(super) fn learn(&mut self, host: &HostRecord, now: Timestamp) {
        self.assets.insert(host.id, facts_of(host));
        self.belongs.insert(host.id, Belongs::of(host));
        self.settle_at(host);
        let groups = self.groups_of(host.id);
        if let Some(address) = address_of(&host.facts.addresses) {
            self.addresses.insert(host.id, address);
        }
        if host.revoked_at.is_some() || self.gone.contains(&host.id) {
            return;
        }
        let never_heard = host.interval_ms == 0 && host.last_seen_at.is_none();
        if !never_heard {
            self.never_heard.remove(&host.id);
        }
        let newly = never_heard && self.never_heard.insert(host.id);
        self.tell(|rules| {
            let mut said = rules.introduce(host.id, &host.name, &host.tags, now);
            said.extend(rules.assign(host.id, &groups, &host.customer_name, now));
            if host.interval_ms > 0 {
                rules.expect(host.id, Duration::from_millis(host.interval_ms), now);
            } else if newly {
                rules.expect(host.id, NEVER_HEARD_INTERVAL, now);
            }
            said
        });
        self.watch.knows(host.id);
    }

    /// Goes on counting a host's silence from where it stood when the collector last watched.
    fn heard_before(&self, host: &HostRecord, watched_until: Option<Timestamp>, now: Timestamp) {
        let (Some(until), Some(seen)) = (watched_until, host.last_seen_at) else {
            return;
        };
        // Of one that was on time nothing is missed yet.
        let overdue = until.since(seen) > Duration::from_millis(host.interval_ms).saturating_mul(2);
        if host.revoked_at.is_none() && overdue {
            let heard = now.minus(until.since(seen));
            let mut state = self.watch.lock();
            state.rules.heard_before(host.id, heard, now.plus(GRACE));
        }
    }

    /// Tells the rules how often alerts were raised lately.
    async fn recall_raises(&self, now: Timestamp) -> anyhow::Result<()> {
        let from = now.minus(Flapping::WITHIN_MAX);
        let mut filter = AlertFilter {
            slice: Slice {
                after: None,
                limit: RAISES_PAGE,
            },
            ..AlertFilter::default()
        };
        let mut raises = Vec::new();
        while raises.len() < RAISES_MAX {
            let list = self.parts.ledger.alerts(&filter).await?;
            let recent = list.items.into_iter().filter(|alert| alert.raised_at >= from);
            let before = raises.len();
            raises.extend(recent);
            match list.next {
                Some(next) if raises.len() > before => filter.slice.after = Some(next),
                _ => break,
            }
        }
        let mut state = self.watch.lock();
        for alert in raises
            .iter()
            .rev()
            .filter(|alert| alert.ruling.arrival != Arrival::Retrospective)
        {
            let (rule, instance) = (&alert.rule, &alert.instance);
            state.rules.raised_before(alert.host, rule, instance, alert.raised_at);
        }
        Ok(())
    }

    /// Tells the rules the events that they may have to count, and has them judge those that were stored and
    /// acknowledged while nobody wrote down what came of them.
    async fn recall_events(&mut self, watched_until: Option<Timestamp>, now: Timestamp) -> anyhow::Result<()> {
        let blind = watched_until.map_or(Duration::ZERO, |until| now.since(until));
        let reach = self.parts.rules.remembers_events().min(EVENTS_REACH);
        let from = now.minus(reach.saturating_add(blind));
        let events = self.parts.ledger.events_to_recall(from, EVENTS_MAX).await?;
        let mut judged = 0_usize;
        for stored in events {
            let (host, event) = (stored.host, &stored.event);
            if self.gone.contains(&host) || !self.assets.contains_key(&host) {
                self.record.judged(host, stored.spool, event.seq, now);
                continue;
            }
            if stored.judged {
                let heard = event.received_at.plus(blind).min(now);
                let mut state = self.watch.lock();
                with_event(event, |event| state.rules.recall_event(host, event, heard));
            } else {
                judged += 1;
                self.tell(|rules| with_event(event, |event| rules.event_again(host, event, now)));
                self.record.judged(host, stored.spool, event.seq, now);
            }
        }
        if judged > 0 {
            tracing::info!(judged, "events that came before the last stop are judged now");
        }
        Ok(())
    }

    /// A host that was never heard is heard.
    pub(super) fn is_heard(&mut self, host: HostId) {
        self.never_heard.remove(&host);
    }
}
