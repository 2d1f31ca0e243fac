//! A channel's own task: what waits for it, its budget, what is in flight, and what became of it.

use super::{Clock, QUEUE_MAX};
use crate::{
    budget::Budget,
    channel::{Channel, Envelope, SendError, SendErrorKind, chain},
    outbox::{Failed, Outbox},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tocsin_desk::model::Page;
use tocsin_vocabulary::{Level, PageId, Timestamp};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Messages of one channel on their way at once, at most.
pub(super) const IN_FLIGHT_MAX: usize = 8;

/// Pages that one digest tells of.
const DIGEST_MAX: usize = 40;

/// How long a try may take where there is another way: it must be tried within half a minute.
const TRY_MAX: Duration = Duration::from_secs(25);

/// Wait after the first failure; doubled with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(5);

/// Longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Longest wait that the other side can ask for.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A page older than this is given up at its next failure.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// How long a page in flight may take after shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Pause between two tries to write an outcome, and how many there are before the page is left to be sent again.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
const RECORD_TRIES: u32 = 60;

/// After this long one page looks whether a channel that was out of order is back.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// A lane is done with a page.
pub(super) struct Done {
    pub(super) page: PageId,
    /// The lane's name, when it has nothing more to do.
    pub(super) idle: Option<String>,
    /// The page should be looked at again at once: it was given back, or has another way.
    pub(super) again: bool,
}

/// What pages that have another way make of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It works.
    Up,
    /// It failed, and it is time to look again.
    Probe,
    /// It failed a moment ago, or wants to be left alone.
    Down,
}

/// Whether a channel works, as its last tries say.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// When it last failed, in milliseconds; 0: its last try went well.
    failed_at: AtomicI64,
    /// Until when the other side wants to be left alone.
    rests_until: AtomicI64,
}

impl Health {
    /// Whether pages may come. A minute after the last failure one page looks whether the channel is back.
    pub(super) fn readiness(&self, now: Timestamp) -> Readiness {
        if self.rests_until.load(Ordering::Relaxed) > now.as_millis() {
            return Readiness::Down;
        }
        let failed_at = self.failed_at.load(Ordering::Relaxed);
        if failed_at == 0 {
            Readiness::Up
        } else if now.since(Timestamp::from_millis(failed_at)) < PROBE_AFTER {
            Readiness::Down
        } else {
            Readiness::Probe
        }
    }

    /// A page is on its way to look; the others wait for what it finds.
    pub(super) fn probed(&self, now: Timestamp) {
        self.failed_at.store(now.as_millis().max(1), Ordering::Relaxed);
    }

    fn rest(&self, now: Timestamp) -> Duration {
        Timestamp::from_millis(self.rests_until.load(Ordering::Relaxed)).since(now)
    }

    fn works(&self) {
        self.failed_at.store(0, Ordering::Relaxed);
    }

    /// What one person's missing number says nothing of the channel.
    fn failed(&self, error: &SendError, now: Timestamp) {
        if error.kind != SendErrorKind::Permanent {
            self.failed_at.store(now.as_millis().max(1), Ordering::Relaxed);
        }
        if let Some(pause) = error.retry_after {
            let until = now.plus(pause.min(RETRY_AFTER_MAX)).as_millis();
            self.rests_until.fetch_max(until, Ordering::Relaxed);
        }
    }
}

/// What the task of one channel works with.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) clock: Clock,
    pub(super) cancel: CancellationToken,
    pub(super) done: mpsc::Sender<Done>,
    pub(super) health: Arc<Health>,
    pub(super) in_flight_max: usize,
}

/// What waits in a lane.
struct Waiting {
    urgent: VecDeque<Envelope>,
    ordinary: VecDeque<Envelope>,
    budget: Budget,
}

/// Pages of the worst level are told one by one; everything else may become a digest.
const ORDINARY: Level = Level::new(2);

impl Waiting {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.ordinary.is_empty()
    }

    /// The next message, if there is room for one. When not all that waits has room, what goes to the same address goes
    /// with it.
    fn next(&mut self, channel: &dyn Channel, now: Timestamp) -> Option<Envelope> {
        if !self.urgent.is_empty() && self.budget.room(Level::WORST, now) > 0 {
            self.budget.take(now);
            return self.urgent.pop_front();
        }
        let room = self.budget.room(ORDINARY, now);
        if room == 0 {
            return None;
        }
        let mut first = self.ordinary.pop_front()?;
        self.budget.take(now);
        let address = channel.address(&first.person);
        if self.ordinary.len() >= room && address.is_some() {
            let mut rest = VecDeque::new();
            for envelope in self.ordinary.drain(..) {
                let together = first.also.len() < DIGEST_MAX
                    && envelope.page.drill == first.page.drill
                    && channel.address(&envelope.person) == address;
                if together {
                    first.also.push((envelope.page, envelope.facts));
                } else {
                    rest.push_back(envelope);
                }
            }
            self.ordinary = rest;
        }
        Some(first)
    }

    /// How long until there may be room for something that waits.
    fn wait(&mut self, now: Timestamp) -> Duration {
        let urgent = (!self.urgent.is_empty()).then(|| self.budget.wait(Level::WORST, now));
        let ordinary = (!self.ordinary.is_empty()).then(|| self.budget.wait(ORDINARY, now));
        urgent
            .into_iter()
            .chain(ordinary)
            .min()
            .unwrap_or(Duration::MAX)
            .max(Duration::from_millis(10))
    }
}

impl Lane {
    pub(super) async fn run(
        self,
        mut urgent: mpsc::Receiver<Envelope>,
        mut ordinary: mpsc::Receiver<Envelope>,
        budget: Budget,
    ) {
        let mut waiting = Waiting {
            urgent: VecDeque::new(),
            ordinary: VecDeque::new(),
            budget,
        };
        let mut in_flight: JoinSet<bool> = JoinSet::new();
        loop {
            while waiting.urgent.len() < QUEUE_MAX
                && let Ok(envelope) = urgent.try_recv()
            {
                waiting.urgent.push_back(envelope);
            }
            while waiting.ordinary.len() < QUEUE_MAX
                && let Ok(envelope) = ordinary.try_recv()
            {
                waiting.ordinary.push_back(envelope);
            }
            if !self.give_back(&mut waiting).await {
                return;
            }
            let now = (self.clock)();
            let rest = self.health.rest(now);
            let mut pause = rest;
            if rest.is_zero() && in_flight.len() < self.in_flight_max {
                if let Some(envelope) = waiting.next(&*self.channel, now) {
                    let lane = self.clone();
                    let last = waiting.is_empty();
                    in_flight.spawn(async move { lane.deliver(envelope, last).await });
                    continue;
                }
                pause = waiting.wait(now);
            }
            let full = in_flight.len() >= self.in_flight_max;
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                ended = in_flight.join_next(), if !in_flight.is_empty() => {
                    // One that was cut off ends the lane, which is about to be ended anyway.
                    if !matches!(ended, Some(Ok(true))) {
                        break;
                    }
                }
                envelope = urgent.recv(), if waiting.urgent.len() < QUEUE_MAX => match envelope {
                    Some(envelope) => waiting.urgent.push_back(envelope),
                    None => break,
                },
                envelope = ordinary.recv(), if waiting.ordinary.len() < QUEUE_MAX => match envelope {
                    Some(envelope) => waiting.ordinary.push_back(envelope),
                    None => break,
                },
                () = tokio::time::sleep(pause.min(Duration::from_secs(60))), if !waiting.is_empty() && !full => {}
            }
        }
        while in_flight.join_next().await.is_some() {}
    }

    /// While the channel is out of order, what has another way goes back to the dispatcher; false when that has ended.
    async fn give_back(&self, waiting: &mut Waiting) -> bool {
        let now = (self.clock)();
        let failed = self.health.failed_at.load(Ordering::Relaxed) != 0;
        if !failed && self.health.rest(now).is_zero() {
            return true;
        }
        for queue in [&mut waiting.urgent, &mut waiting.ordinary] {
            let (stay, back): (VecDeque<_>, VecDeque<_>) = queue
                .drain(..)
                .partition(|envelope| !envelope.facts.has_alternatives() || envelope.facts.probe);
            *queue = stay;
            for envelope in back {
                let done = Done {
                    page: envelope.page.id,
                    idle: None,
                    again: true,
                };
                if self.done.send(done).await.is_err() {
                    return false;
                }
            }
        }
        true
    }

    /// One try and its record; false when shutdown cut it off.
    async fn deliver(&self, mut envelope: Envelope, last: bool) -> bool {
        let ids: Vec<PageId> = std::iter::once(envelope.page.id)
            .chain(envelope.also.iter().map(|(page, _)| page.id))
            .collect();
        let began = self.outbox.begin(&ids, &self.name, (self.clock)()).await;
        let may_go = match began {
            Ok(may_go) => may_go,
            Err(error) => {
                tracing::warn!(
                    channel = self.name,
                    error = chain(&error),
                    "cannot begin to send: trying again"
                );
                tokio::select! {
                    () = self.cancel.cancelled() => return false,
                    () = tokio::time::sleep(RECORD_PAUSE) => {}
                }
                return self.tell(&ids, false, true).await;
            }
        };
        envelope.also.retain(|(page, _)| may_go.contains(&page.id));
        if !may_go.contains(&envelope.page.id) {
            if envelope.also.is_empty() {
                return self.tell(&ids, last, false).await;
            }
            (envelope.page, envelope.facts) = envelope.also.remove(0);
        }
        let tried = self.channel.send(&envelope, (self.clock)());
        let bounded = async {
            if !envelope.facts.has_alternatives() {
                return tried.await;
            }
            let too_long = || SendError::unknown(format!("no outcome within {} s", TRY_MAX.as_secs()));
            tokio::time::timeout(TRY_MAX, tried)
                .await
                .unwrap_or_else(|_| Err(too_long()))
        };
        let outcome = tokio::select! {
            outcome = bounded => outcome,
            () = async { self.cancel.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE).await; } => return false,
        };
        let now = (self.clock)();
        match &outcome {
            Ok(_) => self.health.works(),
            Err(error) => self.health.failed(error, now),
        }
        let mut again = false;
        let pages = std::iter::once((&envelope.page, envelope.facts.order))
            .chain(envelope.also.iter().map(|(page, facts)| (page, facts.order)));
        for (page, order) in pages {
            let next = outcome
                .as_ref()
                .err()
                .and_then(|error| next_try(page, order, error, now));
            again |= next.is_some_and(|next| next <= now);
            if !self.record(page, &outcome, next, now).await {
                return false;
            }
        }
        self.tell(&ids, last, again).await
    }

    /// Tells the dispatcher; false when that has ended.
    async fn tell(&self, ids: &[PageId], last: bool, again: bool) -> bool {
        for (i, page) in ids.iter().enumerate() {
            let is_last = i + 1 == ids.len();
            let done = Done {
                page: *page,
                idle: (last && is_last).then(|| self.name.clone()),
                again: again && is_last,
            };
            if self.done.send(done).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Writes down what became of one page; false when shutdown cut it off.
    async fn record(
        &self,
        page: &Page,
        outcome: &Result<crate::Receipt, SendError>,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let (key, channel) = (page.key.as_str(), self.name.as_str());
        for _ in 0..RECORD_TRIES {
            let recorded = match outcome {
                Ok(receipt) => self.outbox.sent(page.id, receipt, now).await,
                Err(error) => {
                    let failed = Failed {
                        reason: error.reason.clone(),
                        unknown: error.kind == SendErrorKind::Unknown,
                        next,
                    };
                    self.outbox.failed(page.id, &failed, now).await
                }
            };
            match (recorded, outcome, next) {
                (Ok(()), Ok(receipt), _) => {
                    tracing::info!(key, channel, answer = receipt.answer, "page sent");
                }
                (Ok(()), Err(error), Some(next)) => {
                    tracing::warn!(key, channel, reason = error.reason, %next, "page not sent, trying again");
                }
                (Ok(()), Err(error), None) => {
                    tracing::error!(key, channel, reason = error.reason, "page given up");
                }
                (Err(error), ..) => {
                    tracing::warn!(
                        key,
                        channel,
                        error = chain(&error),
                        "cannot write down what became of a page"
                    );
                    tokio::select! {
                        () = self.cancel.cancelled() => return false,
                        () = tokio::time::sleep(RECORD_PAUSE) => continue,
                    }
                }
            }
            return true;
        }
        tracing::error!(
            key,
            channel,
            "what became of a page was not written down: it will be sent again"
        );
        true
    }
}

/// When a page whose try failed `now` is tried again, where `order` channels can be tried; none when it is given up.
pub(super) fn next_try(page: &Page, order: usize, error: &SendError, now: Timestamp) -> Option<Timestamp> {
    let tried = usize::try_from(page.attempts).unwrap_or(usize::MAX).saturating_add(1);
    let order = order.max(1);
    if now.since(page.created_at) >= GIVE_UP_AFTER {
        return None;
    }
    // The next channel of the order at once.
    if tried % order != 0 {
        return Some(now);
    }
    // One person's refusal by one channel of an order says nothing of the others: all are tried twice.
    if error.kind == SendErrorKind::Permanent && (order == 1 || tried >= 2 * order) {
        return None;
    }
    let wanted = error.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    let round = u32::try_from(tried / order - 1).unwrap_or(u32::MAX);
    // Where there is another channel, this one's wish is its own matter.
    let wanted = if order > 1 { Duration::ZERO } else { wanted };
    Some(now.plus(backoff(page.id, round).max(wanted)))
}

/// The wait after the failure of round `round`, from 0. Spread by ± 20 %, by the page's random id, so that pages which failed
/// together are not tried together.
pub(super) fn backoff(id: PageId, round: u32) -> Duration {
    let wait = BACKOFF_MIN
        .saturating_mul(2_u32.saturating_pow(round.min(16)))
        .min(BACKOFF_MAX);
    let random = id.as_bytes()[8..]
        .iter()
        .fold(round, |mixed, byte| mixed.rotate_left(5) ^ u32::from(*byte));
    wait * (800 + random % 401) / 1000
}
