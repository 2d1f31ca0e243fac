//! The loop of one receiver: read, pack, send until it is taken or refused, note the place, go on.

use super::{
    Clock, ExportError,
    config::RemoteWriteConfig,
    cursor::{Cursor, Place},
    figures::Figures,
    requests::{Request, requests},
    sender::{Sender, Verdict},
};
use crate::{
    fleet::{Directory, Fleet},
    series::ShapeCache,
};
use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tocsin_metrics::{Store, Tail, TailBatch};
use tocsin_vocabulary::{HostId, Timestamp};
use tokio_util::sync::CancellationToken;

/// How often the journal's end is looked at.
const POLL_PERIOD: Duration = Duration::from_millis(500);
/// Waits between tries double from the first to the last of these.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// How long a request on its way may still take when the collector stops.
const GOODBYE: Duration = Duration::from_millis(800);
/// How old names of hosts may grow, and how often a host that is in no register is looked for.
const FLEET_AGE_MAX: Duration = Duration::from_secs(60);
/// Cells that are read for one sample at most: where few metrics are wanted, more is read for a request.
const CELLS_PER_SAMPLE_MAX: usize = 32;

/// Asked to stop.
struct Stopped;

/// What one reading gave.
struct Read {
    tail: Tail,
    shapes: ShapeCache,
    batch: TailBatch,
    requests: Vec<Request>,
}

/// Serves one receiver.
pub struct Worker {
    config: Arc<RemoteWriteConfig>,
    store: Arc<Store>,
    directory: Arc<dyn Directory>,
    clock: Clock,
    sender: Sender,
    figures: Arc<Figures>,
    cursor: Cursor,
    place: Place,
    fleet: Arc<Fleet>,
    fleet_at: Option<Timestamp>,
    /// Hosts that were in no register when it was last read.
    strangers: HashSet<HostId>,
    cells_per_sample: usize,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("config", &self.config)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn open(
        config: &RemoteWriteConfig,
        folder: &Path,
        store: &Arc<Store>,
        directory: &Arc<dyn Directory>,
        clock: &Clock,
    ) -> Result<Self, ExportError> {
        let mut cursor = Cursor::new(folder, &config.name);
        let now = clock();
        let failed = |operation: &'static str, cursor: &Cursor| {
            let path = cursor.path().to_owned();
            move |source| ExportError::Io {
                operation,
                path,
                source,
            }
        };
        let known = cursor.read().map_err(failed("read", &cursor))?;
        // A new receiver gets what arrives from now on.
        let place = known.unwrap_or_else(|| Place {
            position: store.tail_end(),
            done: 0,
            of: 0,
            received_at: now,
        });
        cursor.write(place, now).map_err(failed("write", &cursor))?;
        store.pin_journal(&config.name, place.position, place.received_at);
        Ok(Self {
            config: Arc::new(config.clone()),
            store: store.clone(),
            directory: directory.clone(),
            clock: clock.clone(),
            sender: Sender::new(config)?,
            figures: Arc::new(Figures::new(&config.name)),
            cursor,
            place,
            fleet: Arc::default(),
            fleet_at: None,
            strangers: HashSet::new(),
            cells_per_sample: 1,
        })
    }

    pub(super) fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Runs until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut shapes = ShapeCache::default();
        let mut tail = None;
        loop {
            if cancel.is_cancelled() {
                return;
            }
            let reader = tail.take().unwrap_or_else(|| self.store.tail(self.place.position));
            let Some(read) = self.read(reader, std::mem::take(&mut shapes)).await else {
                // Begins anew at its place.
                if wait(RETRY_LAST, &cancel).await.is_err() {
                    return;
                }
                continue;
            };
            shapes = read.shapes;
            self.note_losses(&read.batch);
            if self.deliver_all(read.requests, &cancel).await.is_err() {
                return;
            }
            self.go_on(&read.batch);
            tail = Some(read.tail);
            if !read.batch.more && wait(POLL_PERIOD, &cancel).await.is_err() {
                return;
            }
        }
    }

    /// Reads and packs off the runtime's threads; none when that failed, which is said.
    async fn read(&mut self, mut tail: Tail, mut shapes: ShapeCache) -> Option<Read> {
        let (store, cells_max) = (
            self.store.clone(),
            self.config.samples_per_request * self.cells_per_sample,
        );
        let read = tokio::task::spawn_blocking(move || {
            let batch = tail.next_batch(&store, cells_max)?;
            Ok::<_, tocsin_metrics::StoreError>((tail, batch))
        });
        let (tail, batch) = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                tracing::error!(export = self.config.name, %error, "cannot read the journal");
                return None;
            }
            Err(_) => return None,
        };
        self.look_up(&batch).await?;
        let (config, fleet) = (self.config.clone(), self.fleet.clone());
        let packed = tokio::task::spawn_blocking(move || {
            let requests = requests(&batch.ticks, &config, &fleet, &mut shapes);
            (batch, shapes, requests)
        });
        let (batch, shapes, requests) = packed.await.ok()?;
        let requests = requests
            .inspect_err(|error| tracing::error!(export = self.config.name, %error, "cannot pack a request"))
            .ok()?;
        let cells: usize = batch.ticks.iter().map(|tick| tick.tick.cells.len()).sum();
        let samples: usize = requests.iter().map(|request| request.samples).sum();
        if cells > 0 {
            self.cells_per_sample = (cells / samples.max(1)).clamp(1, CELLS_PER_SAMPLE_MAX);
        }
        Some(Read {
            tail,
            shapes,
            batch,
            requests,
        })
    }

    /// Makes sure that the hosts of a batch bear their names: with and without they would be two series. None when the
    /// register can't be read now.
    async fn look_up(&mut self, batch: &TailBatch) -> Option<()> {
        let now = (self.clock)();
        let is_new = |host: HostId| self.fleet.labels(host).is_none() && !self.strangers.contains(&host);
        let fresh = self.fleet_at.is_some_and(|at| now.since(at) < FLEET_AGE_MAX);
        if fresh && !batch.ticks.iter().any(|tick| is_new(tick.host)) {
            return Some(());
        }
        let fleet = self.directory.fleet().await;
        let fleet = fleet
            .inspect_err(|error| tracing::warn!(export = self.config.name, error, "cannot read the names of hosts"))
            .ok()?;
        let hosts = batch.ticks.iter().map(|tick| tick.host);
        self.strangers = hosts.filter(|host| fleet.labels(*host).is_none()).collect();
        (self.fleet, self.fleet_at) = (Arc::new(fleet), Some(now));
        Some(())
    }

    fn note_losses(&self, batch: &TailBatch) {
        let figures = &self.figures;
        figures
            .undecodable_ticks
            .fetch_add(batch.undecodable, Ordering::Relaxed);
        if batch.missed_segments == 0 {
            return;
        }
        let missed = u64::from(batch.missed_segments);
        figures.missed_segments.fetch_add(missed, Ordering::Relaxed);
        let until = batch
            .ticks
            .first()
            .map(|tick| tick.received_at.to_string())
            .unwrap_or_default();
        let since = self.place.received_at.to_string();
        tracing::error!(
            export = self.config.name,
            segments = missed,
            since,
            until,
            "the receiver was away for too long: what arrived between is not sent"
        );
        figures.lost(
            format!("{missed} journal segments were given up, received between {since} and {until}"),
            (self.clock)(),
        );
    }

    /// Delivers a batch. Only a chunk of backlog, which is the same whenever it is read, makes several requests, and only of
    /// those is noted how many are done.
    async fn deliver_all(&mut self, requests: Vec<Request>, cancel: &CancellationToken) -> Result<(), Stopped> {
        let of = requests.iter().map(|request| request.body.len() as u64).sum();
        if self.place.of != of {
            (self.place.done, self.place.of) = (0, of);
        }
        let (several, done) = (
            requests.len() > 1,
            usize::try_from(self.place.done).unwrap_or(usize::MAX),
        );
        for request in requests.into_iter().skip(done) {
            self.deliver(request, cancel).await?;
            if several {
                self.place.done = self.place.done.saturating_add(1);
                self.note_place();
            }
        }
        Ok(())
    }

    /// Sends until it is taken or refused for good.
    async fn deliver(&self, request: Request, cancel: &CancellationToken) -> Result<(), Stopped> {
        let mut pause = RETRY_FIRST;
        loop {
            let verdict = tokio::select! {
                verdict = self.sender.send(request.body.clone()) => verdict,
                () = late(cancel) => return Err(Stopped),
            };
            let (reason, after) = match verdict {
                Verdict::Accepted => {
                    self.count_accepted(&request);
                    return Ok(());
                }
                Verdict::Refused(reason) => {
                    self.count_refused(&request, &reason);
                    return Ok(());
                }
                Verdict::Later { reason, after } => (reason, after),
            };
            self.figures.retries.fetch_add(1, Ordering::Relaxed);
            if self.figures.failing(&reason, (self.clock)()) {
                tracing::warn!(export = self.config.name, reason, "nothing gets through; trying again");
            }
            wait(after.unwrap_or(pause).max(pause), cancel).await?;
            pause = (pause * 2).min(RETRY_LAST);
        }
    }

    fn count_accepted(&self, request: &Request) {
        self.figures.requests.fetch_add(1, Ordering::Relaxed);
        self.figures
            .samples
            .fetch_add(request.samples as u64, Ordering::Relaxed);
        if let Some(since) = self.figures.answered() {
            tracing::info!(export = self.config.name, %since, "the receiver is back");
        }
    }

    fn count_refused(&self, request: &Request, reason: &str) {
        let samples = request.samples as u64;
        self.figures.answered();
        self.figures.refused_samples.fetch_add(samples, Ordering::Relaxed);
        tracing::error!(
            export = self.config.name,
            samples,
            reason,
            "a request was refused: its samples are given up"
        );
        self.figures
            .lost(format!("{samples} samples were given up: {reason}"), (self.clock)());
    }

    /// Everything of a batch is passed on.
    fn go_on(&mut self, batch: &TailBatch) {
        let newest = batch.ticks.iter().map(|tick| tick.received_at).max();
        let received_at = match newest {
            Some(newest) => newest.max(self.place.received_at),
            None if batch.more => self.place.received_at,
            None => (self.clock)(),
        };
        let moved = self.place.position != batch.next || newest.is_some();
        self.place = Place {
            position: batch.next,
            done: 0,
            of: 0,
            received_at: if moved { received_at } else { self.place.received_at },
        };
        self.store
            .pin_journal(&self.config.name, self.place.position, received_at);
        let behind = self.store.journal_bytes_after(self.place.position);
        self.figures.behind_bytes.store(behind, Ordering::Relaxed);
        self.note_place();
    }

    fn note_place(&mut self) {
        if let Err(error) = self.cursor.write(self.place, (self.clock)()) {
            let file = self.cursor.path().display();
            tracing::error!(export = self.config.name, %file, %error, "cannot note what was sent: a restart would send it again");
        }
    }
}

/// Waits; an error when the collector stops.
async fn wait(pause: Duration, cancel: &CancellationToken) -> Result<(), Stopped> {
    tokio::select! {
        () = tokio::time::sleep(pause) => Ok(()),
        () = cancel.cancelled() => Err(Stopped),
    }
}

/// Ends a while after the collector was asked to stop.
async fn late(cancel: &CancellationToken) {
    cancel.cancelled().await;
    tokio::time::sleep(GOODBYE).await;
}
