//! What reaches the engine, and the way to it.

use super::{
    condition::Condition,
    past::{Asked, Episode},
    watch::Watch,
};
use std::{sync::Arc, time::Duration};
use tocsin_console::backend::{Failure, HealthPart, Planner, RuleView};
use tocsin_desk::{
    calendar::Calendars,
    input::{Act, Amend, PlanChange, Report},
    model::{Silence, Ticket},
    planned::Planned,
    record::{EventRecord, HostRecord},
};
use tocsin_rules::RuleSet;
use tocsin_vocabulary::{Code, Dictionary, HostId, SpoolId, Timestamp, batch::Tick};
use tokio::sync::{mpsc, oneshot};

/// Commands that wait; a full queue makes whoever sends one wait.
const COMMANDS_QUEUE: usize = 4_096;

/// One tick for the rules.
#[derive(Debug)]
pub struct TickSeen {
    /// Whose.
    pub host: HostId,
    /// What its cells mean.
    pub dictionary: Dictionary,
    /// The tick.
    pub tick: Arc<Tick>,
    /// Which cells differ from the tick before.
    pub changed: Vec<u64>,
}

/// What the engine is asked to do.
#[derive(Debug)]
pub enum Command {
    /// A live tick arrived that could not be looked at at once; whoever brought it is told when it was.
    Tick(Box<TickSeen>, oneshot::Sender<()>),
    /// A stream opened; ticks are due every `interval`.
    Streaming {
        /// Whose.
        host: HostId,
        /// Between ticks.
        interval: Duration,
    },
    /// Something happened on a host; of each event that came late, how long ago.
    Events(HostId, SpoolId, Vec<(EventRecord, Option<Duration>)>),
    /// Episodes were found in samples that came late.
    Found(Vec<Episode>),
    /// Why nothing is heard from a host.
    Silence(HostId, Silence),
    /// A host was enrolled or its register row changed.
    HostChanged(Box<HostRecord>),
    /// A host was shut out.
    HostGone(HostId),
    /// A person acts.
    Act(Box<Act>, oneshot::Sender<Result<Ticket, Failure>>),
    /// A person says something of a ticket's times, impact or level.
    Amend(Box<Amend>, oneshot::Sender<Result<Ticket, Failure>>),
    /// A person reports.
    Report(Box<Report>, oneshot::Sender<Result<Ticket, Failure>>),
    /// Who is on duty may have changed.
    Duty,
    /// Looks for tickets that nobody heeds.
    Audit,
    /// New rules.
    Reload(Box<RuleSet>),
    /// Rules with their present state.
    Rules(oneshot::Sender<Vec<RuleView>>),
    /// A person plans something or ends it.
    Plan(Box<PlanChange>, Planner, oneshot::Sender<Result<Planned, Failure>>),
    /// Public holidays that were not known before, or are known otherwise.
    Calendars(Arc<Calendars>),
    /// What assets hang on has changed.
    Places,
    /// Are you there?
    Ping(oneshot::Sender<()>),
}

/// The way to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    pub(super) sender: mpsc::Sender<Command>,
    pub(super) watch: Arc<Watch>,
    pub(super) condition: Condition,
    /// What shall be read of the past.
    pub past: Asked,
}

/// The engine has stopped.
fn stopped() -> Failure {
    Failure::new(Code::Unavailable, "the desk is shutting down: try again in a moment")
}

impl EngineHandle {
    /// The queue to a new engine.
    #[must_use]
    pub fn queue() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(COMMANDS_QUEUE);
        let handle = Self {
            sender,
            watch: Arc::default(),
            condition: Condition::default(),
            past: Asked::default(),
        };
        (handle, receiver)
    }

    /// Sends a command; false when the engine has stopped.
    pub async fn send(&self, command: Command) -> bool {
        self.sender.send(command).await.is_ok()
    }

    /// Has the rules look at a tick, at once.
    ///
    /// # Errors
    /// The tick, when it must be [`Self::bring`] instead.
    pub fn look(&self, seen: TickSeen, now: Timestamp) -> Result<(), TickSeen> {
        if self.watch.look(&seen, now) { Ok(()) } else { Err(seen) }
    }

    /// Brings a tick to the engine and waits until it was looked at: no tick of the same host may come before.
    pub async fn bring(&self, seen: TickSeen) {
        let (handled, wait) = oneshot::channel();
        self.send(Command::Tick(Box::new(seen), handled)).await;
        // Nobody looks when the engine has stopped.
        let _ = wait.await;
    }

    /// A host was enrolled or changed.
    pub async fn host_changed(&self, record: HostRecord) {
        self.send(Command::HostChanged(Box::new(record))).await;
    }

    /// A person acts on a ticket.
    ///
    /// # Errors
    /// When the table of ticket life, the revision or the ledger refuses.
    pub async fn act(&self, act: Act) -> Result<Ticket, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Act(Box::new(act), reply)).await;
        answer.await.map_err(|_| stopped())?
    }

    /// A person says something of a ticket's times, impact or level.
    ///
    /// # Errors
    /// When it can't be so, or the ledger refuses.
    pub async fn amend(&self, amend: Amend) -> Result<Ticket, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Amend(Box::new(amend), reply)).await;
        answer.await.map_err(|_| stopped())?
    }

    /// A person reports a fault.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub async fn report(&self, report: Report) -> Result<Ticket, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Report(Box::new(report), reply)).await;
        answer.await.map_err(|_| stopped())?
    }

    /// A person plans something or ends it.
    ///
    /// # Errors
    /// When the desk or the ledger refuses.
    pub async fn plan(&self, plan: PlanChange, by: Planner) -> Result<Planned, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Plan(Box::new(plan), by, reply)).await;
        answer.await.map_err(|_| stopped())?
    }

    /// Rules with their present state.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn rules(&self) -> Result<Vec<RuleView>, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Rules(reply)).await;
        answer.await.map_err(|_| stopped())
    }

    /// Whether the engine still takes commands and comes to their end.
    pub async fn answers(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Ping(reply)).await && answer.await.is_ok()
    }

    /// Whether what rules and people say reaches the ledger.
    #[must_use]
    pub fn health(&self) -> HealthPart {
        self.condition.health()
    }
}
