//! The desk's engine: the one task that owns rules and desk.
//!
//! Everything that can change an alert, a ticket or a page reaches it as a [`Command`] over one bounded queue. What
//! rules say of one batch of commands becomes *one* `desk.step` and *one* commit; pages leave the ledger's outbox only
//! after it. A commit that fails loses nothing: what the rules said is kept and stepped again over a desk rebuilt
//! from the ledger, until it is written.

use crate::{
    clock::{self, Clock},
    live::Live,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tocsin_console::backend::{Change, Failure, RuleView};
use tocsin_desk::{
    effect::Effects,
    input::{Act, AlertChange, Input, OnDuty, Report, Turn},
    model::{Actor, Alert, AlertState, AssetFacts, Response, Ticket, Via},
    policy::Policy,
    record::{AuditLine, HostRecord},
    step::Desk,
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_rules::{Phase, Restored, RuleSet, Transition, TransitionKind};
use tocsin_vocabulary::{Code, Dictionary, HostId, Timestamp, batch::Tick};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Commands that wait; a full queue makes streams wait, which makes agents keep their ticks.
const COMMANDS_QUEUE: usize = 4_096;
/// Commands taken together before one step and commit.
const BATCH_MAX: usize = 1_024;
/// First and longest pause before a failed commit is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(15);

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
    /// A live tick arrived.
    Tick(TickSeen),
    /// A stream opened; ticks are due every `interval`.
    Streaming {
        /// Whose.
        host: HostId,
        /// Between ticks.
        interval: Duration,
    },
    /// A host was enrolled or its register row changed.
    HostChanged(Box<HostRecord>),
    /// A host was shut out.
    HostGone(HostId),
    /// A person acts.
    Act(Box<Act>, oneshot::Sender<Result<Ticket, Failure>>),
    /// A person reports.
    Report(Box<Report>, oneshot::Sender<Result<Ticket, Failure>>),
    /// Who is on duty may have changed.
    Duty,
    /// New rules.
    Reload(Box<RuleSet>),
    /// Rules with their present state.
    Rules(oneshot::Sender<Vec<RuleView>>),
}

/// The way to the engine.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    sender: mpsc::Sender<Command>,
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
        (Self { sender }, receiver)
    }

    /// Sends a command; false when the engine has stopped.
    pub async fn send(&self, command: Command) -> bool {
        self.sender.send(command).await.is_ok()
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

    /// A person reports a fault.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub async fn report(&self, report: Report) -> Result<Ticket, Failure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Report(Box::new(report), reply)).await;
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
}

/// What the engine works with.
pub struct Parts {
    /// Where everything is written.
    pub ledger: Arc<Ledger>,
    /// Rules as loaded.
    pub rules: RuleSet,
    /// Levels, targets, page rounds.
    pub policy: Policy,
    /// Over which ways people on duty are paged.
    pub destinations: Vec<String>,
    /// The shell's clock.
    pub clock: Clock,
    /// Rings when something changed.
    pub live: Arc<Live>,
    /// Wakes the delivery worker.
    pub outbox: Arc<Notify>,
}

/// The engine itself.
pub struct Engine {
    parts: Parts,
    rules: tocsin_rules::Engine,
    desk: Desk,
    assets: HashMap<HostId, AssetFacts>,
    /// What rules said and the ledger does not have yet.
    unwritten: Vec<AlertChange>,
    /// After a failed commit: when to try again, and the pause after that.
    retry: Option<(Timestamp, Duration)>,
}

impl Engine {
    /// Loads the open work and arms every host's silence deadline from now: while the collector was down it was blind.
    ///
    /// # Errors
    /// When the ledger can't be read, or the operating system has no randomness.
    pub async fn open(parts: Parts) -> anyhow::Result<Self> {
        let now = (parts.clock)();
        let work = parts.ledger.load_open_work().await?;
        let hosts = parts.ledger.hosts().await?;
        let rules = tocsin_rules::Engine::new(parts.rules.clone());
        let duty = on_duty(&parts).await?;
        let restored: Vec<Restored> = work
            .alerts
            .iter()
            .filter(|alert| alert.state == AlertState::Raised)
            .map(restored)
            .collect();
        let desk = Desk::new(parts.policy.clone(), clock::ids()?, work, duty);
        let mut engine = Self {
            parts,
            rules,
            desk,
            assets: HashMap::new(),
            unwritten: Vec::new(),
            retry: None,
        };
        for host in hosts {
            engine.learn(&host, now);
        }
        let said = engine.rules.restore(restored, now);
        engine.heed(said);
        Ok(engine)
    }

    fn learn(&mut self, host: &HostRecord, now: Timestamp) {
        self.assets.insert(
            host.id,
            AssetFacts {
                asset: host.asset,
                name: host.name.clone(),
                customer: host.customer,
                contract: host.contract,
                site: host.site,
                importance: host.importance,
            },
        );
        if host.revoked_at.is_some() {
            return;
        }
        let said = self.rules.introduce(host.id, &host.name, &host.tags, now);
        self.heed(said);
        if host.interval_ms > 0 {
            self.rules.expect(host.id, Duration::from_millis(host.interval_ms), now);
        }
    }

    /// Works until cancelled or until every handle is gone.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, cancel: CancellationToken) {
        loop {
            let pause = self.next_deadline().map(|at| at.since((self.parts.clock)()));
            tokio::select! {
                () = cancel.cancelled() => break,
                command = commands.recv() => match command {
                    Some(command) => self.take(command, &mut commands).await,
                    None => break,
                },
                () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => {}
            }
            self.advance().await;
        }
        self.flush().await;
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        if let Some((at, _)) = self.retry {
            return Some(at);
        }
        [self.rules.next_deadline(), self.desk.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes what waits, up to a bound, so that many alerts of one moment become one commit.
    async fn take(&mut self, first: Command, commands: &mut mpsc::Receiver<Command>) {
        self.handle(first).await;
        for _ in 1..BATCH_MAX {
            match commands.try_recv() {
                Ok(command) => self.handle(command).await,
                Err(_) => break,
            }
        }
    }

    async fn handle(&mut self, command: Command) {
        let now = (self.parts.clock)();
        match command {
            Command::Tick(seen) => {
                let said = self
                    .rules
                    .tick(seen.host, &seen.dictionary, &seen.tick, &seen.changed, now, false);
                self.heed(said);
            }
            Command::Streaming { host, interval } => {
                self.rules.expect(host, interval, now);
                let said = self.rules.seen(host, now);
                self.heed(said);
            }
            Command::HostChanged(record) => self.learn(&record, now),
            Command::HostGone(host) => {
                let said = self.rules.forget(host, now);
                self.heed(said);
            }
            Command::Act(act, reply) => {
                let _ = reply.send(self.act(*act, now).await);
            }
            Command::Report(report, reply) => {
                let audit = audit_of(&report.actor, report.via, "report", &report.asset.name, now);
                let done = self.person(Input::Report(*report), audit, now).await;
                let opened = done.and_then(|effects| {
                    effects
                        .tickets
                        .into_iter()
                        .next()
                        .ok_or_else(|| Failure::new(Code::Internal, "no ticket was opened"))
                });
                let _ = reply.send(opened);
            }
            Command::Duty => match on_duty(&self.parts).await {
                Ok(duty) => {
                    let effects = self.desk.step(Input::Duty(duty), now).unwrap_or_default();
                    // A failure is logged and tried again.
                    let _ = self.commit(effects, &[]).await;
                }
                Err(error) => tracing::error!(%error, "cannot read who is on duty"),
            },
            Command::Reload(rules) => {
                let said = self.rules.reload(*rules.clone(), now);
                self.parts.rules = *rules;
                self.heed(said);
            }
            Command::Rules(reply) => {
                let _ = reply.send(self.rule_views());
            }
        }
    }

    async fn act(&mut self, act: Act, now: Timestamp) -> Result<Ticket, Failure> {
        let ticket = act.ticket;
        let audit = audit_of(
            &act.actor,
            act.via,
            act.action.kind().as_str(),
            &ticket.to_string(),
            now,
        );
        if self.desk.ticket(ticket).is_none() {
            // Closed, so not in RAM: it may be reopened.
            let work = self.parts.ledger.load_work_of(ticket).await.map_err(unwritable)?;
            self.desk.recall(work.ok_or_else(unknown)?);
        }
        let effects = self.person(Input::Act(act), audit, now).await?;
        let changed = effects.tickets.into_iter().find(|changed| changed.id == ticket);
        changed
            .or_else(|| self.desk.ticket(ticket).cloned())
            .ok_or_else(unknown)
    }

    /// Keeps what the rules said until it is written.
    fn heed(&mut self, transitions: Vec<Transition>) {
        for transition in transitions {
            match self.assets.get(&transition.host) {
                Some(asset) => {
                    self.unwritten.push(change_of(transition, asset.clone()));
                }
                None => {
                    tracing::warn!(host = %transition.host, rule = transition.rule, "a rule spoke of a host that is not in the register")
                }
            }
        }
    }

    /// Timers of rules and desk, then everything unwritten.
    async fn advance(&mut self) {
        let now = (self.parts.clock)();
        let said = self.rules.advance(now);
        self.heed(said);
        if self.retry.is_some_and(|(at, _)| at > now) {
            return;
        }
        self.flush().await;
        if self.retry.is_none() && self.desk.next_due().is_some_and(|at| at <= now) {
            match self.desk.step(Input::Timer, now) {
                Ok(effects) => {
                    // A failure is logged and tried again.
                    let _ = self.commit(effects, &[]).await;
                }
                Err(refusal) => tracing::error!(reason = refusal.reason, "the desk refused its timer"),
            }
        }
    }

    /// Steps and commits what the rules said, in one go.
    async fn flush(&mut self) {
        if self.retry.is_some() && !self.rebuild().await {
            return;
        }
        if self.unwritten.is_empty() {
            return;
        }
        let now = (self.parts.clock)();
        match self.desk.step(Input::Alerts(self.unwritten.clone()), now) {
            Ok(effects) => {
                if self.commit(effects, &[]).await.is_ok() {
                    self.unwritten.clear();
                }
            }
            Err(refusal) => {
                tracing::error!(reason = refusal.reason, "the desk refused what the rules said");
                self.unwritten.clear();
            }
        }
    }

    /// A person's input: alerts first, so that they act on what is.
    async fn person(&mut self, input: Input, audit: AuditLine, now: Timestamp) -> Result<Effects, Failure> {
        self.flush().await;
        if self.retry.is_some() {
            return Err(Failure::new(
                Code::Unavailable,
                "the ledger cannot be written at the moment: try again in a moment",
            ));
        }
        let effects = self
            .desk
            .step(input, now)
            .map_err(|refusal| Failure::new(refusal.code, refusal.reason))?;
        self.commit(effects.clone(), &[audit]).await?;
        Ok(effects)
    }

    /// One transaction; then the bells. After a failure the desk in RAM is no longer what the ledger has.
    async fn commit(&mut self, effects: Effects, audit: &[AuditLine]) -> Result<(), Failure> {
        if effects.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.parts.ledger.commit(&effects, audit).await {
            let pause = self.retry.map_or(RETRY_FIRST, |(_, pause)| (pause * 2).min(RETRY_LAST));
            self.retry = Some(((self.parts.clock)().plus(pause), pause));
            tracing::error!(%error, unwritten = self.unwritten.len(), "cannot write to the ledger; nothing is lost, trying again");
            return Err(unwritable(error));
        }
        self.parts.live.ring(Change::Desk);
        if !effects.pages.is_empty() {
            self.parts.live.ring(Change::Pages);
            self.parts.outbox.notify_one();
        }
        Ok(())
    }

    /// Makes the desk anew from the ledger after a failed commit; false while the ledger can't be read.
    async fn rebuild(&mut self) -> bool {
        let now = (self.parts.clock)();
        let (work, duty) = match (self.parts.ledger.load_open_work().await, on_duty(&self.parts).await) {
            (Ok(work), Ok(duty)) => (work, duty),
            (Err(error), _) | (_, Err(error)) => {
                let pause = self.retry.map_or(RETRY_FIRST, |(_, pause)| (pause * 2).min(RETRY_LAST));
                self.retry = Some((now.plus(pause), pause));
                tracing::error!(%error, "cannot read the ledger");
                return false;
            }
        };
        match clock::ids() {
            Ok(ids) => self.desk = Desk::new(self.parts.policy.clone(), ids, work, duty),
            Err(error) => {
                tracing::error!(%error, "cannot make the desk anew");
                return false;
            }
        }
        self.retry = None;
        true
    }

    fn rule_views(&self) -> Vec<RuleView> {
        let states = self.rules.snapshot();
        self.parts
            .rules
            .rules()
            .map(|rule| {
                let of_rule = states.iter().filter(|state| state.rule == rule.name);
                RuleView {
                    name: rule.name.clone(),
                    file: rule.file.clone(),
                    text: rule.text.clone(),
                    severity: rule.severity,
                    action: rule.action.as_str().to_owned(),
                    title: rule.title.clone(),
                    metric: rule.metric().to_owned(),
                    threshold: rule.threshold(),
                    raised: of_rule
                        .clone()
                        .filter(|state| matches!(state.state, Phase::Raised | Phase::Clearing))
                        .count(),
                    pending: of_rule.filter(|state| state.state == Phase::Pending).count(),
                }
            })
            .collect()
    }
}

fn unwritable(error: LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn unknown() -> Failure {
    Failure::new(Code::NotFound, "there is no such ticket")
}

async fn on_duty(parts: &Parts) -> Result<Vec<OnDuty>, LedgerError> {
    let people = parts.ledger.on_duty().await?;
    Ok(people
        .into_iter()
        .map(|person| OnDuty {
            person: person.id,
            destinations: parts.destinations.clone(),
        })
        .collect())
}

fn restored(alert: &Alert) -> Restored {
    Restored {
        rule: alert.rule.clone(),
        host: alert.host,
        instance: alert.instance.clone(),
        raised_at: alert.occurred_at,
        value: alert.value,
    }
}

fn audit_of(actor: &Actor, via: Via, action: &str, subject: &str, now: Timestamp) -> AuditLine {
    let actor = match actor {
        Actor::System => "system".to_owned(),
        Actor::Person(_, name) => name.clone(),
    };
    AuditLine {
        at: now,
        actor,
        via: via.as_str().to_owned(),
        action: format!("ticket.{action}"),
        subject: subject.to_owned(),
        detail: String::new(),
    }
}

fn change_of(transition: Transition, asset: AssetFacts) -> AlertChange {
    AlertChange {
        turn: match transition.kind {
            TransitionKind::Raised => Turn::Raised,
            TransitionKind::Updated => Turn::Updated,
            TransitionKind::Cleared => Turn::Cleared,
        },
        rule: transition.rule,
        host: transition.host,
        instance: transition.instance,
        asset,
        severity: transition.severity,
        response: match transition.action {
            tocsin_rules::Action::Record => Response::Record,
            tocsin_rules::Action::Notify => Response::Notify,
            tocsin_rules::Action::Ticket => Response::Ticket,
        },
        title: transition.title,
        remedy: transition.remedy,
        metric: transition.metric,
        value: transition.value,
        threshold: Some(transition.threshold),
        occurred_at: transition.at,
        drill: transition.drill,
    }
}
