//! The delivery worker: takes due pages from the outbox, hands each to its channel, and writes down how that went.
//!
//! One dispatcher reads the outbox; every channel has a task of its own (`lane`) with two short queues, one for the worst
//! level, so a dead channel never delays another. Before a page is handed over the ledger says that it is being sent; what was
//! cut off there has an unknown outcome and is resent, marked so.
//!
//! * **Order.** A destination may be an order of channels. A page whose try failed goes over the next of them at once; only
//!   after all have failed does it wait: 5 s, 10 s, 20 s … 5 min (± 20 %), later if the other side asks for it. While a
//!   channel is out of order, pages that have another way do not wait for it, but for one a minute that looks whether it is
//!   back.
//! * **Budget.** A channel that has no room left keeps the last of it for the worst level ([`crate::budget`]); what waits for
//!   one address is then told in one message, a digest.
//! * **Quiet hours** postpone everything but the worst level.
//! * After 24 h, or when it can never succeed, a page is given up and the log says so.
//!
//! When a page went out but the ledger could not be written, writing is repeated before anything else happens to that page.
//! At shutdown a page in flight has a moment to finish.

mod lane;

use crate::{
    budget::Budget,
    channel::{Envelope, Secrecy, chain},
    config::Built,
    inbox::{INBOX, Inbox},
    outbox::{Failed, Outbox, OutboxError},
    route::Orders,
};
use lane::{Done, Health, Lane, Readiness};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::{Level, PageId, Timestamp};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The shell's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often the outbox is read without a kick: a repeated try starts at most this much late.
const POLL: Duration = Duration::from_secs(5);

/// Pages that wait in memory for one channel and kind of level. When it is full the rest waits in the ledger.
const QUEUE_MAX: usize = 32;

/// How many pages are read at once. When none of them is for a channel that could send, more are read, up to
/// [`READ_MAX`]: only beyond that do the pages of dead channels stand in the way of others.
const READ_MIN: u32 = 256;

/// See [`READ_MIN`].
const READ_MAX: u32 = 16_384;

/// How many times more are read.
const READ_GROWTH: u32 = 4;

/// How often a channel that is waited at for what comes back is told the time.
const LISTEN: Duration = Duration::from_secs(30);

/// Pause after the outbox refused what came back, before it is tried again; and how often.
const CAME_PAUSE: Duration = Duration::from_secs(2);
const CAME_TRIES: u32 = 30;

/// Delivers pages.
pub struct Worker {
    outbox: Arc<dyn Outbox>,
    channels: HashMap<String, Built>,
    orders: Orders,
    clock: Clock,
}

/// The ways into a lane.
struct Way {
    urgent: mpsc::Sender<Envelope>,
    ordinary: mpsc::Sender<Envelope>,
    health: Arc<Health>,
    built: Option<Built>,
}

impl Way {
    /// Whether it has nothing to do.
    fn is_empty(&self) -> bool {
        [&self.urgent, &self.ordinary]
            .iter()
            .all(|queue| queue.capacity() == queue.max_capacity())
    }
}

/// What the dispatcher keeps.
struct Dispatcher {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    orders: Orders,
    ways: HashMap<String, Way>,
    /// Pages handed to a lane whose outcome is not written yet.
    busy: BTreeSet<PageId>,
}

impl Worker {
    /// A worker over these channels and the inbox.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>, channels: HashMap<String, Built>, orders: Orders, clock: Clock) -> Self {
        Self {
            outbox,
            channels,
            orders,
            clock,
        }
    }

    /// Works until `cancel`. `kick` (by `notify_one`) says that there are new pages. Ends early only by a mistake of ours.
    pub async fn run(self, cancel: CancellationToken, kick: Arc<Notify>) {
        if !recover(&self.outbox, &self.clock, &cancel).await {
            return;
        }
        let mut tasks = JoinSet::new();
        let mut ways = HashMap::new();
        // Room for everything that can be in flight, so that no lane waits for the dispatcher.
        let (done, mut finished) = mpsc::channel((self.channels.len() + 1) * (2 * QUEUE_MAX + lane::IN_FLIGHT_MAX));
        let inbox = (INBOX.to_owned(), None);
        let all = self.channels.into_iter().map(|(name, built)| (name, Some(built)));
        for (name, built) in all.chain([inbox]) {
            let (urgent, urgent_pages) = mpsc::channel(QUEUE_MAX);
            let (ordinary, ordinary_pages) = mpsc::channel(QUEUE_MAX);
            let health = Arc::new(Health::default());
            let (channel, budget, in_flight) = match &built {
                Some(Built { config, channel }) => (
                    channel.clone(),
                    Budget::new(config.per_minute(), config.common.reserve),
                    config.kind.in_flight(),
                ),
                None => (Arc::new(Inbox) as _, Budget::new(u32::MAX, Some(0)), 1),
            };
            if built.is_some() {
                let (outbox, clock) = (self.outbox.clone(), self.clock.clone());
                let listening = listen(name.clone(), Arc::clone(&channel), outbox, clock, cancel.clone());
                tasks.spawn(listening);
            }
            let lane = Lane {
                name: name.clone(),
                channel,
                outbox: self.outbox.clone(),
                clock: self.clock.clone(),
                cancel: cancel.clone(),
                done: done.clone(),
                health: health.clone(),
                in_flight_max: in_flight,
            };
            tasks.spawn(lane.run(urgent_pages, ordinary_pages, budget));
            let way = Way {
                urgent,
                ordinary,
                health,
                built,
            };
            ways.insert(name, way);
        }
        drop(done);
        let mut dispatcher = Dispatcher {
            outbox: self.outbox,
            clock: self.clock,
            orders: self.orders,
            ways,
            busy: BTreeSet::new(),
        };
        // The channel that asks for more; none: whoever could send.
        let mut hungry = None;
        while !cancel.is_cancelled() {
            dispatcher.dispatch(hungry.take().as_deref()).await;
            tokio::select! {
                () = cancel.cancelled() => break,
                () = kick.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                idle = dispatcher.until_idle(&mut finished) => hungry = idle,
                _ = tasks.join_next() => {
                    if !cancel.is_cancelled() {
                        tracing::error!("the task of a channel ended: delivery stops");
                        return;
                    }
                }
            }
            while let Ok(done) = finished.try_recv() {
                dispatcher.busy.remove(&done.page);
            }
        }
        drop(dispatcher);
        while tasks.join_next().await.is_some() {}
    }
}

/// Says of what was cut off that its outcome is unknown; false when it was cancelled before it could be written.
async fn recover(outbox: &Arc<dyn Outbox>, clock: &Clock, cancel: &CancellationToken) -> bool {
    loop {
        match outbox.recover(clock()).await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(
                error = chain(&error),
                "cannot look for pages that were cut off, trying again"
            ),
        }
        tokio::select! {
            () = cancel.cancelled() => return false,
            () = tokio::time::sleep(CAME_PAUSE) => {}
        }
    }
}

/// Writes down what comes back over a channel.
async fn listen(
    name: String,
    channel: Arc<dyn crate::Channel>,
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    cancel: CancellationToken,
) {
    loop {
        let incoming = tokio::select! {
            () = cancel.cancelled() => return,
            waited = tokio::time::timeout(LISTEN, channel.incoming(clock())) => match waited {
                Ok(incoming) => incoming,
                Err(_) => continue,
            },
        };
        for _ in 0..CAME_TRIES {
            match outbox.came(&name, incoming.clone(), clock()).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(
                        channel = name,
                        error = chain(&error),
                        "cannot write down what came back"
                    );
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(CAME_PAUSE) => {}
            }
        }
    }
}

impl Dispatcher {
    /// Takes note of finished pages until a channel has nothing more to do, or gave pages back. Cancel safe.
    async fn until_idle(&mut self, finished: &mut mpsc::Receiver<Done>) -> Option<String> {
        while let Some(done) = finished.recv().await {
            self.busy.remove(&done.page);
            if done.idle.is_some() {
                return done.idle;
            }
            if done.again {
                return None;
            }
        }
        None
    }

    /// Hands due pages to the channels that have room.
    ///
    /// `busy` loses a page only between two reads and only after its outcome was written, so a page that was just sent
    /// is never taken again from an older read.
    async fn dispatch(&mut self, hungry: Option<&str>) {
        let mut limit = READ_MIN;
        loop {
            let due = match self.outbox.due((self.clock)(), limit).await {
                Ok(due) => due,
                Err(error) => {
                    return tracing::warn!(error = chain(&error), "cannot read the outbox, trying again");
                }
            };
            let all = due.len() < limit as usize;
            for envelope in due {
                self.hand(envelope).await;
            }
            let wanting = match hungry {
                Some(name) => self.ways.get(name).is_some_and(Way::is_empty),
                None => self.ways.values().any(Way::is_empty),
            };
            if all || !wanting || limit >= READ_MAX {
                return;
            }
            limit *= READ_GROWTH;
        }
    }

    /// Hands one page to its channel, unless that has it already or is full.
    async fn hand(&mut self, envelope: Envelope) {
        let (id, now) = (envelope.page.id, (self.clock)());
        if self.busy.contains(&id) {
            return;
        }
        let destination = envelope.page.destination.as_str();
        if envelope.facts.secrecy == Secrecy::None && destination != INBOX {
            let reason = "the customer lets nothing leave the site: the page stands in the console";
            return self.give_up(&envelope, reason, now).await;
        }
        let (level, login) = (envelope.page.level, envelope.person.login.as_str());
        let order = self.orders.channels(destination, level, login);
        let known: Vec<&Way> = order.iter().filter_map(|name| self.ways.get(*name)).collect();
        if known.is_empty() {
            let reason =
                format!("no channel is called `{destination}`: add it to the configuration or change who uses it");
            return self.give_up(&envelope, &reason, now).await;
        }
        let ways = turns(&known, envelope.page.attempts, now);
        let Some((first, _)) = ways.first() else { return };
        let wait = first
            .built
            .as_ref()
            .and_then(|built| built.config.common.quiet_until(level, now));
        if let Some(until) = wait {
            if let Err(error) = self.outbox.postpone(id, until).await {
                tracing::warn!(
                    error = chain(&error),
                    "cannot postpone a page to the end of quiet hours"
                );
            }
            return;
        }
        let urgent = level == Level::WORST;
        let mut envelope = envelope;
        envelope.facts.order = known.len();
        for (way, probe) in ways {
            let queue = if urgent { &way.urgent } else { &way.ordinary };
            envelope.facts.probe = probe;
            match queue.try_send(envelope) {
                Ok(()) => {
                    if probe {
                        way.health.probed(now);
                    }
                    self.busy.insert(id);
                    return;
                }
                // The next in the order may have room, for what cannot wait.
                Err(refused) if urgent => envelope = refused.into_inner(),
                Err(_) => return,
            }
        }
    }

    async fn give_up(&self, envelope: &Envelope, reason: &str, now: Timestamp) {
        tracing::error!(key = envelope.page.key, reason, "page given up");
        let failed = Failed {
            reason: reason.to_owned(),
            unknown: false,
            next: None,
        };
        let written: Result<(), OutboxError> = self.outbox.failed(envelope.page.id, &failed, now).await;
        if let Err(error) = written {
            tracing::warn!(error = chain(&error), "cannot write down what became of a page");
        }
    }
}

/// The channels of an order that a page may go over now, each with whether it looks there if the channel is back: from the
/// one whose turn it is after so many tries, without those that are out of order; when all are, just that one.
fn turns<'a>(known: &[&'a Way], attempts: u32, now: Timestamp) -> Vec<(&'a Way, bool)> {
    let first = usize::try_from(attempts).unwrap_or(0) % known.len().max(1);
    let turns = || known.iter().cycle().skip(first).take(known.len()).copied();
    let ready: Vec<_> = turns()
        .filter_map(|way| match way.health.readiness(now) {
            Readiness::Up => Some((way, false)),
            Readiness::Probe => Some((way, true)),
            Readiness::Down => None,
        })
        .collect();
    if ready.is_empty() {
        turns().take(1).map(|way| (way, true)).collect()
    } else {
        ready
    }
}

#[cfg(test)]
pub(crate) mod tests;
