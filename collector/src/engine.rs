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
//! * `record` — what rules decided and which events they judged, until the ledger has it,
//! * `silence` — why nothing is heard from a host,
//! * `start` — what is known of before a restart,
//! * `past` — windows after a restart, and samples that came late,
//! * `condition` — how it is doing, for health,
//! * `write` — steps, commits, and what happens when the ledger can't be written,
//! * `plans` — planned work, topology, guarded hosts,
//! * `translate` — between the words of rules, ledger and desk.

mod command;
mod condition;
pub mod past;
mod plans;
mod record;
mod silence;
mod standing;
mod start;
mod translate;
mod unwritten;
mod watch;
mod write;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use command::{Command, EngineHandle, TickSeen};

use crate::{clock::Clock, diagnoses::Diagnoses, live::Live};
use condition::Condition;
use plans::{Belongs, Guarded};
use record::Record;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};
use tocsin_console::backend::{Failure, RuleView};
use tocsin_desk::{
    calendar::Calendars,
    clocks::Book,
    input::{Act, AlertChange, Amend, Found, Input, Report},
    model::{Arrival, AssetFacts, Silence, Ticket},
    step::{Desk, Limits},
};
use tocsin_ledger::Ledger;
use tocsin_rules::{Condition as RuleCondition, Phase, RuleSet, Transition};
use tocsin_vocabulary::{Code, HostId, Timestamp};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use translate::{audit_of, change_of, happened, on_duty, unknown, unwritable};
use unwritten::Unwritten;
use watch::{Heard, Watch};

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
    /// Policies and calendars; the contracts are read from the ledger.
    pub book: Book,
    /// Over which ways people on duty are paged.
    pub destinations: Vec<String>,
    /// The shell's clock.
    pub clock: Clock,
    /// Rings when something changed.
    pub live: Arc<Live>,
    /// When many alerts are one fault, and many pages one message.
    pub limits: Limits,
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
    /// By what overrides of thresholds go.
    belongs: HashMap<HostId, Belongs>,
    guarded: Guarded,
    /// Hosts that were shut out: what is still on its way from them is not heard.
    gone: HashSet<HostId>,
    unwritten: Unwritten,
    /// Episodes that were over when they were found, not written yet.
    found: Vec<Found>,
    record: Record,
    /// What was last said of each host that is silent.
    silent: HashMap<HostId, Vec<AlertChange>>,
    /// Whether no host was heard lately, and when that was looked up.
    hears_none: Option<(Timestamp, bool)>,
    /// Hosts that were enrolled and never heard, as far as the register knows.
    never_heard: HashSet<HostId>,
    /// Where hosts say that they can be reached.
    addresses: HashMap<HostId, IpAddr>,
    /// Places for questions to machines whose agents are silent.
    asking: Arc<Semaphore>,
    /// The way back to this engine, which does not keep it alive.
    commands: mpsc::WeakSender<Command>,
    past: past::Asked,
    /// After a failed commit, the desk in RAM is not what the ledger has: when to make it anew.
    stale_until: Option<Timestamp>,
    /// Failed commits in a row.
    failures: u32,
    /// Whether the last failure was the ledger's refusal of what was to be written, not its absence.
    refused: bool,
    /// Until when the engine is known to have watched.
    watched_at: Timestamp,
    /// Up to when it is known that agents could not be heard.
    deaf_at: Timestamp,
    condition: Condition,
}

impl Engine {
    fn forget(&mut self, host: HostId, now: Timestamp) {
        self.gone.insert(host);
        self.leave_place(host);
        self.watch.shut_out(host);
        self.tell(|rules| rules.forget(host, now));
    }

    /// Has the rules do something, and heeds what they say and said before.
    fn tell(&mut self, tell: impl FnOnce(&mut tocsin_rules::Engine) -> Vec<Transition>) {
        let Heard { said, decisions, asks } = self.watch.tell(tell);
        self.record.decided(decisions, (self.parts.clock)());
        self.heed(said);
        for host in asks {
            self.ask_for_rules(host);
        }
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
        [
            self.watch.next_deadline(),
            self.desk.next_due(),
            self.record.due(),
            self.guard_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes note of the time; more of it than `meant` to pass, and the engine was blind. Then, and while agents can't be
    /// heard at all, every host's silence is counted anew.
    fn look_up(&mut self, meant: Duration) {
        let now = (self.parts.clock)();
        let passed = now.since(self.watched_at);
        self.watched_at = now;
        let deaf_at = self.parts.live.ears.last_deaf(now).filter(|at| *at > self.deaf_at);
        if passed > meant.saturating_add(BLIND_AFTER) {
            let seconds = passed.as_secs();
            tracing::warn!(
                seconds,
                "time passed unnoticed (the machine slept, its clock was set, or the ledger hung): silence is counted anew"
            );
        } else if deaf_at.is_none() {
            return;
        }
        self.deaf_at = deaf_at.unwrap_or(self.deaf_at);
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
            .filter(|rule| matches!(rule.condition, RuleCondition::NoData { .. }))
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
                self.is_heard(host);
                self.tell(|rules| {
                    rules.expect(host, interval, now);
                    rules.seen(host, now)
                });
            }
            Command::Streaming { .. } => {}
            Command::Events(host, spool, events) => {
                if !self.gone.contains(&host) {
                    self.tell(|rules| happened(rules, host, &events, now));
                }
                if let Some(last) = events.iter().map(|(event, _)| event.seq).max() {
                    self.record.judged(host, spool, last, now);
                }
            }
            Command::Found(episodes) => self.find(episodes),
            Command::Silence(host, silence) => {
                self.silence_told(host, silence);
                self.tell(|rules| rules.answered(host, silence == Silence::AgentSilent, now));
            }
            Command::HostChanged(record) => self.learn(&record, now),
            Command::HostGone(host) => self.forget(host, now),
            Command::Act(act, reply) => {
                let _ = reply.send(self.act(*act, now).await);
            }
            Command::Amend(amend, reply) => {
                let _ = reply.send(self.amend(*amend, now).await);
            }
            Command::Report(report, reply) => {
                let _ = reply.send(self.report(*report, now).await);
            }
            Command::Duty => self.duty(now).await,
            Command::Audit => self.audit(now).await,
            Command::Reload(rules) => {
                self.parts.rules = *rules.clone();
                self.record.rules(&rules);
                self.tell(|watched| watched.reload(*rules, now));
                // New windows shall not begin empty.
                self.past.recall(self.assets.keys().copied());
                self.places_changed(now).await;
            }
            Command::Rules(reply) => {
                let _ = reply.send(self.rule_views());
            }
            Command::Plan(plan, by, reply) => {
                let _ = reply.send(self.plan(*plan, by, now).await);
            }
            Command::Calendars(calendars) => self.calendars_changed(calendars, now).await,
            Command::Places => self.places_changed(now).await,
            Command::Ping(reply) => {
                let _ = reply.send(());
            }
        }
    }

    async fn duty(&mut self, now: Timestamp) {
        if self.stale_until.is_some() {
            return; // the desk is about to be made anew, and reads who is on duty
        }
        match self.parts.ledger.contract_terms().await {
            Ok(contracts) => self.desk.set_contracts(contracts),
            Err(error) => self.failed(&error),
        }
        match on_duty(&self.parts).await {
            Ok((duty, escalation)) => {
                for input in [Input::Duty(duty), Input::Escalation(Box::new(escalation))] {
                    let effects = self.desk.step(input, now).unwrap_or_default();
                    // A failure is logged and tried again.
                    if self.commit(effects, &[]).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Open tickets are counted by these calendars from now on.
    async fn calendars_changed(&mut self, calendars: Arc<Calendars>, now: Timestamp) {
        // A desk that is made anew later counts by them too.
        self.parts.book.set_calendars(calendars.clone());
        if let Err(error) = self.parts.ledger.keep_versions(&self.parts.book, now).await {
            return self.failed(&error);
        }
        if self.ready(now).await.is_err() {
            return; // the desk is made anew later; its tickets follow as they change
        }
        let effects = self.desk.step(Input::Calendars(calendars), now).unwrap_or_default();
        // A failure is logged, and the desk made anew.
        let _ = self.commit(effects, &[]).await;
    }

    /// Sets tickets going again whose next step is overdue or was never set.
    async fn audit(&mut self, now: Timestamp) {
        if self.stale_until.is_some() {
            return; // the desk is about to be made anew, and does all that is due
        }
        let effects = self.desk.step(Input::Audit, now).unwrap_or_default();
        let kicked = effects
            .entries
            .iter()
            .filter(|entry| entry.action == "page_kick")
            .count();
        if kicked > 0 {
            tracing::warn!(kicked, "tickets had no next step: they were set going again");
        }
        // A failure is logged and tried again.
        let _ = self.commit(effects, &[]).await;
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

    async fn amend(&mut self, amend: Amend, now: Timestamp) -> Result<Ticket, Failure> {
        let ticket = amend.ticket;
        let action = amend.amendment.as_str();
        let audit = audit_of(&amend.actor, amend.via, action, &ticket.to_string(), now);
        self.ready(now).await?;
        let effects = self.person(Input::Amend(amend), audit, now).await?;
        let changed = effects.tickets.into_iter().find(|changed| changed.id == ticket);
        changed.ok_or_else(unknown)
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
                    let version = self.record.version(&transition.rule);
                    let mut change = change_of(transition, asset.clone(), version);
                    if self.is_about_silence(&change.rule) {
                        self.silence_of(&mut change, (self.parts.clock)());
                    }
                    self.unwritten.push(change);
                }
                None => {
                    tracing::warn!(host = %transition.host, rule = transition.rule, "a rule spoke of a host that is not in the register");
                }
            }
        }
    }

    fn is_about_silence(&self, rule: &str) -> bool {
        let rule = self.parts.rules.get(rule);
        rule.is_some_and(|rule| matches!(rule.condition, RuleCondition::NoData { .. }))
    }

    /// Keeps episodes that were over when they were found, until they are written.
    fn find(&mut self, episodes: Vec<past::Episode>) {
        for episode in episodes {
            let Some(asset) = self.assets.get(&episode.raised.host) else {
                continue;
            };
            let worst = episode.raised.evidence.worst;
            let version = self.record.version(&episode.raised.rule);
            let mut change = change_of(episode.raised, asset.clone(), version);
            change.value = worst.or(change.value);
            change.ruling.arrival = Arrival::Retrospective;
            self.record.keep(episode.decisions, (self.parts.clock)());
            self.found.push(Found {
                change,
                cleared_at: episode.ended,
            });
        }
    }

    /// Timers of rules and desk, then everything unwritten.
    async fn advance(&mut self) {
        self.look_up(Duration::ZERO);
        let now = self.watched_at;
        self.guard(now);
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
