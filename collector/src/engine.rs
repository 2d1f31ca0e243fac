//! The desk's engine: the one task that owns the desk and heeds the rules.
//!
//! Everything that can change an alert, a ticket or a page reaches it as a [`Command`] over one bounded queue, or was said
//! by the rules when a tick arrived. What rules say of one batch of commands becomes *one* `desk.step` and *one* commit; pages leave the ledger's outbox only
//! after it. A commit that fails loses nothing: what the rules said is kept and stepped again over a desk rebuilt
//! from the ledger, until it is written. A change that the ledger refuses while it takes others is set apart, logged
//! and audited, so that it does not stand in the way of the rest.
//!
//! Time that the engine did not live through — a machine that slept, a clock that was set, a ledger that hung — is no
//! silence of hosts: their deadlines begin anew after it.
//!
//! * `command` — what reaches it, and the way to it,
//! * `watch` — the rules, shared with those who bring ticks,
//! * `unwritten` — what rules said and the ledger does not have yet,
//! * `condition` — how it is doing, for health,
//! * `write` — steps, commits, and what happens when the ledger can't be written,
//! * `translate` — between the words of rules, ledger and desk.

mod command;
mod condition;
mod translate;
mod unwritten;
mod watch;
mod write;

#[cfg(test)]
mod tests;

pub use command::{Command, EngineHandle, TickSeen};

use crate::{
    clock::{self, Clock},
    diagnoses::Diagnoses,
    live::Live,
};
use condition::Condition;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tocsin_console::backend::{Failure, RuleView};
use tocsin_desk::{
    input::{Act, Input, Report},
    model::{AlertState, AssetFacts, Ticket},
    policy::Policy,
    record::HostRecord,
    step::Desk,
};
use tocsin_ledger::Ledger;
use tocsin_rules::{Phase, Restored, RuleSet, Transition};
use tocsin_vocabulary::{Code, HostId, Timestamp};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use translate::{audit_of, change_of, facts_of, happened, on_duty, restored, unknown, unwritable};
use unwritten::Unwritten;
use watch::Watch;

/// Commands taken together before one step and commit.
const BATCH_MAX: usize = 1_024;
/// Once a rule spoke, no more than so many commands are taken before it is written: a page waits for them.
const BATCH_WITH_ALERTS_MAX: usize = 128;
/// Time that passed without the engine noticing; from here on it was blind.
const BLIND_AFTER: Duration = Duration::from_secs(2);

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
    /// Asks hosts on which a fault opened a ticket how they are; none: nobody is asked.
    pub diagnoses: Option<Arc<Diagnoses>>,
}

/// The engine itself.
pub struct Engine {
    parts: Parts,
    watch: Arc<Watch>,
    desk: Desk,
    assets: HashMap<HostId, AssetFacts>,
    /// Hosts that were shut out: what is still on its way from them is not heard.
    gone: HashSet<HostId>,
    unwritten: Unwritten,
    /// After a failed commit, the desk in RAM is not what the ledger has: when to make it anew.
    stale_until: Option<Timestamp>,
    /// Failed commits in a row.
    failures: u32,
    /// Whether the last failure was the ledger's refusal of what was to be written, not its absence.
    refused: bool,
    /// Until when the engine is known to have watched.
    watched_at: Timestamp,
    condition: Condition,
}

impl Engine {
    /// Loads the open work and arms every host's silence deadline from now: while the collector was down it was blind.
    ///
    /// # Errors
    /// When the ledger can't be read, or the operating system has no randomness.
    pub async fn open(parts: Parts, handle: &EngineHandle) -> anyhow::Result<Self> {
        let now = (parts.clock)();
        let work = parts.ledger.load_open_work().await?;
        let hosts = parts.ledger.hosts().await?;
        handle.watch.lock().rules = tocsin_rules::Engine::new(parts.rules.clone());
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
            watch: handle.watch.clone(),
            desk,
            assets: HashMap::new(),
            gone: HashSet::new(),
            unwritten: Unwritten::default(),
            stale_until: None,
            failures: 0,
            refused: false,
            watched_at: now,
            condition: handle.condition.clone(),
        };
        for host in &hosts {
            engine.learn(host, now);
        }
        engine.tell(|rules| rules.restore(restored, now));
        // Nothing will ever clear what was raised for a host that was shut out.
        for host in hosts.iter().filter(|host| host.revoked_at.is_some()) {
            engine.forget(host.id, now);
        }
        Ok(engine)
    }

    fn learn(&mut self, host: &HostRecord, now: Timestamp) {
        self.assets.insert(host.id, facts_of(host));
        if host.revoked_at.is_some() || self.gone.contains(&host.id) {
            return;
        }
        self.tell(|rules| {
            let mut said = rules.introduce(host.id, &host.name, &host.tags, now);
            said.extend(rules.assign(host.id, &[], &host.customer_name, now));
            if host.interval_ms > 0 {
                rules.expect(host.id, Duration::from_millis(host.interval_ms), now);
            }
            said
        });
        self.watch.knows(host.id);
    }

    fn forget(&mut self, host: HostId, now: Timestamp) {
        self.gone.insert(host);
        self.watch.shut_out(host);
        self.tell(|rules| rules.forget(host, now));
    }

    /// Has the rules do something, and heeds what they say and said before.
    fn tell(&mut self, tell: impl FnOnce(&mut tocsin_rules::Engine) -> Vec<Transition>) {
        let said = self.watch.tell(tell);
        self.heed(said);
    }

    /// Works until cancelled or until every handle is gone.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, cancel: CancellationToken) {
        let watch = self.watch.clone();
        loop {
            self.look_up(Duration::ZERO);
            let pause = self.next_deadline().map(|at| at.since((self.parts.clock)()));
            let command = tokio::select! {
                () = cancel.cancelled() => break,
                command = commands.recv() => match command {
                    Some(command) => Some(command),
                    None => break,
                },
                () = watch.spoke.notified() => None,
                () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => None,
            };
            // Without a deadline nothing depends on how long the wait was.
            self.look_up(pause.unwrap_or(Duration::MAX));
            if let Some(command) = command {
                self.take(command, &mut commands).await;
            }
            self.advance().await;
        }
        self.flush().await;
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        if let Some(at) = self.stale_until {
            return Some(at);
        }
        [self.watch.next_deadline(), self.desk.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes note of the time; more of it than `meant` to pass, and the engine was blind.
    fn look_up(&mut self, meant: Duration) {
        let now = (self.parts.clock)();
        let passed = now.since(self.watched_at);
        self.watched_at = now;
        if passed <= meant.saturating_add(BLIND_AFTER) {
            return;
        }
        let seconds = passed.as_secs();
        tracing::warn!(
            seconds,
            "time passed unnoticed (the machine slept, its clock was set, or the ledger hung): silence is counted anew"
        );
        let silent = self.silent();
        let hosts: Vec<HostId> = self
            .assets
            .keys()
            .filter(|host| !silent.contains(host) && !self.gone.contains(host))
            .copied()
            .collect();
        for host in hosts {
            self.tell(|rules| rules.seen(host, now));
        }
    }

    /// Hosts of which a rule about silence speaks.
    fn silent(&self) -> HashSet<HostId> {
        let about_silence: HashSet<&str> = self
            .parts
            .rules
            .rules()
            .filter(|rule| matches!(rule.condition, tocsin_rules::Condition::NoData(_)))
            .map(|rule| rule.name.as_str())
            .collect();
        let states = self.watch.lock().rules.snapshot();
        states
            .into_iter()
            .filter(|state| about_silence.contains(state.rule.as_str()))
            .map(|state| state.host)
            .collect()
    }

    /// Takes what waits, up to a bound, so that many alerts of one moment become one commit.
    async fn take(&mut self, first: Command, commands: &mut mpsc::Receiver<Command>) {
        self.handle(first).await;
        for taken in 1..BATCH_MAX {
            if taken >= BATCH_WITH_ALERTS_MAX && !self.unwritten.is_empty() {
                break;
            }
            match commands.try_recv() {
                Ok(command) => self.handle(command).await,
                Err(_) => break,
            }
        }
    }

    async fn handle(&mut self, command: Command) {
        let now = (self.parts.clock)();
        match command {
            Command::Tick(seen, handled) => {
                if !self.gone.contains(&seen.host) {
                    self.tell(|rules| rules.tick(seen.host, &seen.dictionary, &seen.tick, &seen.changed, now, false));
                }
                let _ = handled.send(());
            }
            Command::Streaming { host, interval } if !self.gone.contains(&host) => {
                self.tell(|rules| {
                    rules.expect(host, interval, now);
                    rules.seen(host, now)
                });
            }
            Command::Streaming { .. } => {}
            Command::Events(host, events) if !self.gone.contains(&host) => {
                self.tell(|rules| happened(rules, host, &events, now));
            }
            Command::Events(..) => {}
            Command::HostChanged(record) => self.learn(&record, now),
            Command::HostGone(host) => self.forget(host, now),
            Command::Act(act, reply) => {
                let _ = reply.send(self.act(*act, now).await);
            }
            Command::Report(report, reply) => {
                let _ = reply.send(self.report(*report, now).await);
            }
            Command::Duty => self.duty(now).await,
            Command::Reload(rules) => {
                self.parts.rules = *rules.clone();
                self.tell(|watched| watched.reload(*rules, now));
            }
            Command::Rules(reply) => {
                let _ = reply.send(self.rule_views());
            }
            Command::Ping(reply) => {
                let _ = reply.send(());
            }
        }
    }

    async fn duty(&mut self, now: Timestamp) {
        if self.stale_until.is_some() {
            return; // the desk is about to be made anew, and reads who is on duty
        }
        match on_duty(&self.parts).await {
            Ok(duty) => {
                let effects = self.desk.step(Input::Duty(duty), now).unwrap_or_default();
                // A failure is logged and tried again.
                let _ = self.commit(effects, &[]).await;
            }
            Err(error) => self.failed(&error),
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
        self.ready(now).await?;
        if self.desk.ticket(ticket).is_none() {
            // Closed, so not in RAM: it may be reopened.
            let work = self
                .parts
                .ledger
                .load_work_of(ticket)
                .await
                .map_err(|error| unwritable(&error))?;
            self.desk.recall(work.ok_or_else(unknown)?);
        }
        let effects = self.person(Input::Act(act), audit, now).await?;
        let changed = effects.tickets.into_iter().find(|changed| changed.id == ticket);
        changed
            .or_else(|| self.desk.ticket(ticket).cloned())
            .ok_or_else(unknown)
    }

    async fn report(&mut self, report: Report, now: Timestamp) -> Result<Ticket, Failure> {
        let audit = audit_of(&report.actor, report.via, "report", &report.asset.name, now);
        self.ready(now).await?;
        let effects = self.person(Input::Report(report), audit, now).await?;
        let opened = effects.tickets.into_iter().next();
        opened.ok_or_else(|| Failure::new(Code::Internal, "no ticket was opened"))
    }

    /// Keeps what the rules said until it is written.
    fn heed(&mut self, transitions: Vec<Transition>) {
        for transition in transitions {
            match self.assets.get(&transition.host) {
                Some(asset) => {
                    self.unwritten.push(change_of(transition, asset.clone()));
                }
                None => {
                    tracing::warn!(host = %transition.host, rule = transition.rule, "a rule spoke of a host that is not in the register");
                }
            }
        }
    }

    /// Timers of rules and desk, then everything unwritten.
    async fn advance(&mut self) {
        self.look_up(Duration::ZERO);
        let now = self.watched_at;
        self.tell(|rules| rules.advance(now));
        if self.stale_until.is_some_and(|at| at > now) {
            return;
        }
        self.flush().await;
        if self.stale_until.is_none() && self.desk.next_due().is_some_and(|at| at <= now) {
            match self.desk.step(Input::Timer, now) {
                Ok(effects) => {
                    // A failure is logged and tried again.
                    let _ = self.commit(effects, &[]).await;
                }
                Err(refusal) => tracing::error!(reason = refusal.reason, "the desk refused its timer"),
            }
        }
    }

    fn rule_views(&self) -> Vec<RuleView> {
        let states = self.watch.lock().rules.snapshot();
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
