//! Writing: steps and commits, and what happens when the ledger can't be written.

use super::{
    Engine,
    translate::{book, on_duty, unwritable},
    unwritten::Key,
};
use crate::clock;
use std::time::Duration;
use tocsin_console::backend::{Change, Failure};
use tocsin_desk::{
    effect::Effects,
    input::Input,
    record::AuditLine,
    step::{Desk, Refusal},
};
use tocsin_ledger::{
    LedgerError,
    steps::{Step, reached},
};
use tocsin_vocabulary::{Code, Timestamp};

/// First and longest pause before a failed commit is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(15);
/// After so many failures in a row that are not the ledger's absence, alerts are written one by one.
const APART_AFTER: u32 = 3;

impl Engine {
    /// Steps and commits what the rules said, in one go.
    pub(super) async fn flush(&mut self) {
        if self.stale_until.is_some() && !self.rebuild().await {
            return;
        }
        if self.unwritten.is_empty() && self.found.is_empty() {
            return self.flush_record().await;
        }
        if self.refused && self.failures >= APART_AFTER {
            return self.flush_apart().await;
        }
        let now = (self.parts.clock)();
        match self.stepped(now) {
            Ok(mut effects) => {
                self.record
                    .add_to(&mut effects, |host| self.assets.contains_key(&host), now);
                let versions = effects.versions.clone();
                if self.commit(effects, &[]).await.is_ok() {
                    self.unwritten.clear();
                    self.found.clear();
                    self.record.written(&versions);
                }
            }
            Err(refusal) => {
                tracing::error!(reason = refusal.reason, "the desk refused what the rules said");
                self.unwritten.clear();
                self.found.clear();
            }
        }
    }

    /// What the rules said and found, as one step.
    fn stepped(&mut self, now: Timestamp) -> Result<Effects, Refusal> {
        let mut effects = Effects::default();
        if !self.unwritten.is_empty() {
            reached(Step::RuleSpoke);
            effects = self.desk.step(Input::Alerts(self.unwritten.all()), now)?;
        }
        if self.found.is_empty() {
            return Ok(effects);
        }
        let found = self.desk.step(Input::Found(self.found.clone()), now)?;
        if self.unwritten.is_empty() {
            // Time may have done something too: all of it is to be written.
            return Ok(found);
        }
        // The first step did what was due at this moment; this one has only what was found.
        effects.alerts.extend(found.alerts);
        Ok(effects)
    }

    /// Writes what was decided and judged when nothing else is to be written, not each time that it changes.
    async fn flush_record(&mut self) {
        let now = (self.parts.clock)();
        if self.record.due().is_none_or(|due| due > now) {
            return;
        }
        let mut effects = Effects::default();
        self.record
            .add_to(&mut effects, |host| self.assets.contains_key(&host), now);
        let versions = effects.versions.clone();
        if self.commit(effects, &[]).await.is_ok() {
            self.record.written(&versions);
        } else if self.refused {
            tracing::error!("the ledger refuses what the rules decided, and takes other things: it is set aside");
            self.record.clear();
        }
    }

    /// Writes alert by alert, and finds the one that the ledger does not take.
    async fn flush_apart(&mut self) {
        for key in self.unwritten.keys() {
            let now = (self.parts.clock)();
            let changes = self.unwritten.of(&key);
            let count = changes.len();
            let effects = self.desk.step(Input::Alerts(changes), now).unwrap_or_default();
            if let Err(failure) = self.commit(effects, &[]).await
                && !(self.refused && self.set_apart(&key, count, &failure, now).await && self.rebuild().await)
            {
                return;
            }
            self.unwritten.forget(&key);
        }
        // Whatever else there was to write may be what the ledger does not take.
        self.found.clear();
        self.record.clear();
        self.well();
    }

    /// Writes into the audit trail that an alert can't be written; false when not even that can be.
    async fn set_apart(&mut self, key: &Key, changes: usize, failure: &Failure, now: Timestamp) -> bool {
        let line = AuditLine {
            at: now,
            actor: "system".to_owned(),
            via: "rules".to_owned(),
            action: "alert.refused".to_owned(),
            subject: key.to_string(),
            detail: failure.reason.clone(),
        };
        if let Err(error) = self.parts.ledger.audit(line).await {
            self.failed(&error);
            return false;
        }
        let alert = key.to_string();
        tracing::error!(
            alert,
            reason = failure.reason,
            "the ledger refuses this alert and takes others: it is set aside"
        );
        self.condition.refused(changes, failure.reason.clone());
        true
    }

    /// Sees to it that the desk is what the ledger has, and that what the rules said comes first.
    pub(super) async fn ready(&mut self, now: Timestamp) -> Result<(), Failure> {
        if self.stale_until.is_none_or(|at| at <= now) {
            self.flush().await;
        }
        match self.stale_until {
            None => Ok(()),
            Some(_) => Err(Failure::new(
                Code::Unavailable,
                "the ledger cannot be written at the moment: try again in a moment",
            )),
        }
    }

    /// A person's input, over a desk that is [`Self::ready`].
    pub(super) async fn person(&mut self, input: Input, audit: AuditLine, now: Timestamp) -> Result<Effects, Failure> {
        let effects = self
            .desk
            .step(input, now)
            .map_err(|refusal| Failure::new(refusal.code, refusal.reason))?;
        self.commit(effects.clone(), &[audit]).await?;
        Ok(effects)
    }

    /// One transaction; then the bells. After a failure the desk in RAM is no longer what the ledger has.
    pub(super) async fn commit(&mut self, effects: Effects, audit: &[AuditLine]) -> Result<(), Failure> {
        if effects.is_empty() {
            return Ok(());
        }
        if !effects.pages.is_empty() {
            reached(Step::DeskStepped);
        }
        if let Err(error) = self.parts.ledger.commit(&effects, audit).await {
            self.failed(&error);
            return Err(unwritable(&error));
        }
        self.well();
        self.parts.live.ring(Change::Desk);
        if let Some(diagnoses) = &self.parts.diagnoses {
            diagnoses.opened(&effects);
        }
        if !effects.pages.is_empty() {
            self.parts.live.ring(Change::Pages);
            self.parts.outbox.notify_one();
            reached(Step::OutboxRung);
        }
        Ok(())
    }

    fn well(&mut self) {
        self.failures = 0;
        self.refused = false;
        self.condition.well();
    }

    /// The ledger could not be read or written: the desk is made anew after a pause that grows.
    pub(super) fn failed(&mut self, error: &LedgerError) {
        self.failures = self.failures.saturating_add(1);
        self.refused = !matches!(error.code(), Code::Unavailable | Code::ResourceExhausted);
        self.pause();
        let reason = unwritable(error).reason;
        self.condition.failing(reason.clone(), self.unwritten.len());
        tracing::error!(
            reason,
            unwritten = self.unwritten.len(),
            "the ledger cannot be used; nothing is lost, trying again"
        );
    }

    fn pause(&mut self) {
        let doubled = RETRY_FIRST.saturating_mul(1 << self.failures.saturating_sub(1).min(8));
        self.stale_until = Some((self.parts.clock)().plus(doubled.min(RETRY_LAST)));
    }

    /// Makes the desk anew from the ledger after a failed commit; false while the ledger can't be read.
    async fn rebuild(&mut self) -> bool {
        let (work, (duty, escalation), book) = match (
            self.parts.ledger.load_open_work().await,
            on_duty(&self.parts).await,
            book(&self.parts).await,
        ) {
            (Ok(work), Ok(duty), Ok(book)) => (work, duty, book),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                self.failed(&error);
                return false;
            }
        };
        match clock::ids() {
            Ok(ids) => {
                self.desk = Desk::new(book, ids, work, duty).with_escalation(escalation);
                if let Err(error) = self.furnish().await {
                    self.failed(&error);
                    return false;
                }
            }
            Err(error) => {
                self.pause();
                tracing::error!(%error, "cannot make the desk anew");
                return false;
            }
        }
        self.stale_until = None;
        if self.unwritten.is_empty() {
            // A person's action failed, and they were told: nothing waits to be written.
            self.well();
        }
        true
    }
}
