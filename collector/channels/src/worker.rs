//! The delivery worker: takes due pages from the outbox, hands each to its channel, and writes down how that went.
//!
//! One dispatcher reads the outbox; every destination has a task of its own with a short queue and **one page in flight**.
//! So a dead destination never delays another, and nobody is flooded. A try that failed for now is repeated after
//! 5 s, 10 s, 20 s … 5 min (± 20 %), later if the other side asks for it; after 24 h, or when it can never succeed, the
//! page is given up and the log says so.
//!
//! When a page went out but the ledger could not be written, writing is repeated before anything else happens at that
//! destination. At shutdown a page in flight has a moment to finish; what is cut off is sent again later, marked as resent.

use crate::{
    channel::{Channel, Envelope, SendError, SendErrorKind, chain},
    inbox::{INBOX, Inbox},
    outbox::{Outbox, OutboxError},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tocsin_desk::model::Page;
use tocsin_vocabulary::{PageId, Timestamp};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// The shell's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often the outbox is read without a kick: a repeated try starts at most this much late.
const POLL: Duration = Duration::from_secs(5);

/// Pages that wait in memory for one destination. When it is full the rest waits in the ledger. Kept short, because what
/// is withdrawn while it waits here still goes out.
const QUEUE_MAX: usize = 8;

/// How many pages are read at once. When none of them is for a destination that could send, more are read, up to
/// [`READ_MAX`]: only beyond that do the pages of dead destinations stand in the way of others.
const READ_MIN: u32 = 256;

/// See [`READ_MIN`].
const READ_MAX: u32 = 16_384;

/// How many times more are read.
const READ_GROWTH: u32 = 4;

/// Wait after the first failure; doubled with each further one.
const BACKOFF_MIN: Duration = Duration::from_secs(5);

/// Longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Longest wait that the other side can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A page older than this is given up at its next failure.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long a page in flight may take after shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Pause between two tries to write an outcome, and how many there are before the page is left to be sent again.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
const RECORD_TRIES: u32 = 60;

/// Delivers pages.
pub struct Worker {
    outbox: Arc<dyn Outbox>,
    channels: HashMap<String, Arc<dyn Channel>>,
    clock: Clock,
}

/// A destination is done with a page.
struct Done {
    page: PageId,
    /// Its name, when it has nothing more to do.
    idle: Option<String>,
}

/// What the task of one destination works with.
struct Lane {
    destination: String,
    channel: Arc<dyn Channel>,
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    cancel: CancellationToken,
    done: mpsc::Sender<Done>,
}

/// What the dispatcher keeps.
struct Dispatcher {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    lanes: HashMap<String, mpsc::Sender<Envelope>>,
    /// Pages handed to a lane whose outcome is not written yet.
    busy: BTreeSet<PageId>,
}

impl Worker {
    /// A worker over these channels and the inbox.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>, mut channels: HashMap<String, Arc<dyn Channel>>, clock: Clock) -> Self {
        channels.entry(INBOX.to_owned()).or_insert_with(|| Arc::new(Inbox));
        Self {
            outbox,
            channels,
            clock,
        }
    }

    /// Works until `cancel`. `kick` (by `notify_one`) says that there are new pages. Ends early only by a mistake of ours.
    pub async fn run(self, cancel: CancellationToken, kick: Arc<Notify>) {
        let mut tasks = JoinSet::new();
        let mut lanes = HashMap::new();
        // Room for everything that can be in flight, so that no lane waits for the dispatcher.
        let (done, mut finished) = mpsc::channel(self.channels.len() * (QUEUE_MAX + 1));
        for (destination, channel) in self.channels {
            let (queue, pages) = mpsc::channel(QUEUE_MAX);
            lanes.insert(destination.clone(), queue);
            let lane = Lane {
                destination,
                channel,
                outbox: self.outbox.clone(),
                clock: self.clock.clone(),
                cancel: cancel.clone(),
                done: done.clone(),
            };
            tasks.spawn(lane.run(pages));
        }
        drop(done);
        let mut dispatcher = Dispatcher {
            outbox: self.outbox,
            clock: self.clock,
            lanes,
            busy: BTreeSet::new(),
        };
        // The destination that asks for more; none: whoever could send.
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
                        tracing::error!("the task of a destination ended: delivery stops");
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

impl Dispatcher {
    /// Takes note of finished pages until a destination has nothing more to do. Cancel safe.
    async fn until_idle(&mut self, finished: &mut mpsc::Receiver<Done>) -> Option<String> {
        while let Some(done) = finished.recv().await {
            self.busy.remove(&done.page);
            if done.idle.is_some() {
                return done.idle;
            }
        }
        None
    }

    /// Hands due pages to the destinations that have room.
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
            let is_empty = |lane: &mpsc::Sender<Envelope>| lane.capacity() == lane.max_capacity();
            let wanting = match hungry {
                Some(destination) => self.lanes.get(destination).is_some_and(is_empty),
                None => self.lanes.values().any(is_empty),
            };
            if all || !wanting || limit >= READ_MAX {
                return;
            }
            limit *= READ_GROWTH;
        }
    }

    /// Hands one page to its destination, unless that has it already or is full.
    async fn hand(&mut self, envelope: Envelope) {
        let id = envelope.page.id;
        if self.busy.contains(&id) {
            return;
        }
        let Some(lane) = self.lanes.get(&envelope.page.destination) else {
            let destination = &envelope.page.destination;
            let reason =
                format!("no channel is called `{destination}`: add it to the configuration or change who uses it");
            tracing::error!(key = envelope.page.key, reason, "page given up");
            if let Err(error) = self.outbox.failed(id, &reason, None).await {
                tracing::warn!(error = chain(&error), "cannot write down what became of a page");
            }
            return;
        };
        if lane.try_send(envelope).is_ok() {
            self.busy.insert(id);
        }
    }
}

impl Lane {
    async fn run(self, mut pages: mpsc::Receiver<Envelope>) {
        loop {
            let envelope = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                envelope = pages.recv() => envelope,
            };
            let Some(envelope) = envelope else { return };
            if !self.deliver(&envelope).await {
                return;
            }
            let done = Done {
                page: envelope.page.id,
                idle: pages.is_empty().then(|| self.destination.clone()),
            };
            if self.done.send(done).await.is_err() {
                return;
            }
        }
    }

    /// One try and its record; false when shutdown cut it off.
    async fn deliver(&self, envelope: &Envelope) -> bool {
        let outcome = tokio::select! {
            outcome = self.channel.send(envelope, (self.clock)()) => outcome,
            () = async { self.cancel.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE).await; } => return false,
        };
        let (page, now) = (&envelope.page, (self.clock)());
        let (key, destination) = (page.key.as_str(), self.destination.as_str());
        for _ in 0..RECORD_TRIES {
            let recorded: Result<(), OutboxError> = match &outcome {
                Ok(_) => self.outbox.sent(page.id, now).await,
                Err(error) => {
                    self.outbox
                        .failed(page.id, &error.reason, next_try(page, error, now))
                        .await
                }
            };
            match (recorded, &outcome) {
                (Ok(()), Ok(receipt)) => {
                    tracing::info!(key, destination, answer = receipt.answer, "page sent");
                }
                (Ok(()), Err(error)) => match next_try(page, error, now) {
                    Some(next) => {
                        tracing::warn!(key, destination, reason = error.reason, %next, "page not sent, trying again");
                    }
                    None => {
                        tracing::error!(key, destination, reason = error.reason, "page given up");
                    }
                },
                (Err(error), _) => {
                    tracing::warn!(
                        key,
                        destination,
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
            destination,
            "what became of a page was not written down: it will be sent again"
        );
        true
    }
}

/// When a page whose try failed `now` is tried again; none when it is given up.
fn next_try(page: &Page, error: &SendError, now: Timestamp) -> Option<Timestamp> {
    if error.kind == SendErrorKind::Permanent || now.since(page.created_at) >= GIVE_UP_AFTER {
        return None;
    }
    let wanted = error.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Some(now.plus(backoff(page.id, page.attempts).max(wanted)))
}

/// The wait after the failure of try `attempts` + 1. Spread by ± 20 %, by the page's random id, so that pages which failed
/// together are not tried together.
fn backoff(id: PageId, attempts: u32) -> Duration {
    let wait = BACKOFF_MIN
        .saturating_mul(2_u32.saturating_pow(attempts.min(16)))
        .min(BACKOFF_MAX);
    let random = id.as_bytes()[8..]
        .iter()
        .fold(attempts, |mixed, byte| mixed.rotate_left(5) ^ u32::from(*byte));
    wait * (800 + random % 401) / 1000
}

#[cfg(test)]
pub(crate) mod tests;
