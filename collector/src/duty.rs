//! The duty room: what people do there, who is on duty, and what keeps the day going.
//!
//! * [`Room`] — does one [`DutyAct`] after another over the ledger,
//! * `accounts`, `handover`, `registers`, `tickets` — how,
//! * `papers` — attachments, approvals, confirmations, call-backs,
//! * `crew` — who is on duty now, from the rosters where there are any,
//! * `keep` — shifts that change, handovers that nobody signs, tickets that nobody heeds,
//! * `terms` — promises beside tickets' clocks.

mod accounts;
mod crew;
mod handover;
mod keep;
mod papers;
mod registers;
mod roster;
mod terms;
mod tickets;

pub(crate) use crew::crew;
pub(crate) use keep::keep;
pub(crate) use terms::Word;

use crate::{
    attachments::Attachments,
    clock::Clock,
    engine::{Command, EngineHandle},
    live::Live,
};
use std::sync::{Arc, Mutex, PoisonError};
use tocsin_console::backend::{Change, Failure};
use tocsin_desk::{
    clocks::Book,
    duty::{Doer, Done, DutyAct},
    model::{Person, Role},
    record::AuditLine,
    roster::Reach,
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{Code, IdSource, Timestamp};
use tokio::sync::Notify;

/// What the duty room works with.
pub struct Room {
    /// Where everything is written.
    pub ledger: Arc<Ledger>,
    /// The desk.
    pub engine: EngineHandle,
    /// Rings when something changed.
    pub live: Arc<Live>,
    /// The shell's clock.
    pub clock: Clock,
    /// Names of new things.
    pub ids: Mutex<IdSource>,
    /// Wakes the delivery worker.
    pub outbox: Arc<Notify>,
    /// Over which ways people on duty are paged.
    pub destinations: Vec<String>,
    /// Contents of attachments.
    pub files: Attachments,
    /// The site's policies and calendars.
    pub book: Book,
    /// The site's zone, in which times are written into what a customer confirms.
    pub zone: jiff::tz::TimeZone,
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(crate) fn failed(error: LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn wrong(reason: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidInput, reason)
}

/// All mistakes as one reason, a line each.
fn mistaken(mistakes: &[String]) -> Failure {
    wrong(mistakes.join("\n"))
}

fn done(said: impl Into<String>) -> Done {
    Done {
        id: None,
        said: vec![said.into()],
    }
}

impl Room {
    /// Does one thing.
    ///
    /// # Errors
    /// With every mistake of what was given, or when the ledger refuses.
    pub async fn act(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        let outcome = match act {
            DutyAct::PutRoster { .. }
            | DutyAct::ImportRoster { .. }
            | DutyAct::Override { .. }
            | DutyAct::Swap { .. }
            | DutyAct::Answer { .. }
            | DutyAct::SetChain { .. } => self.of_roster(by, act).await?,
            DutyAct::OpenHandover { .. }
            | DutyAct::WriteHandover { .. }
            | DutyAct::SignHandover { .. }
            | DutyAct::GiveWord { .. }
            | DutyAct::SetPin { .. } => self.of_handover(by, act).await?,
            DutyAct::ImportRegister { .. }
            | DutyAct::PutRow { .. }
            | DutyAct::AskSpare { .. }
            | DutyAct::AnswerSpare { .. }
            | DutyAct::CountSpare { .. } => self.of_registers(by, act).await?,
            DutyAct::Account { account } => self.of_account(by, account).await?,
            DutyAct::PutIntake { .. }
            | DutyAct::SignStep { .. }
            | DutyAct::Publish { .. }
            | DutyAct::Unpublish { .. }
            | DutyAct::Link { .. }
            | DutyAct::Rate { .. } => self.of_tickets(by, act).await?,
        };
        self.live.ring(Change::Desk);
        Ok(outcome)
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Names for new rows, apart from those that others make meanwhile.
    fn new_ids(&self) -> IdSource {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = tocsin_vocabulary::AssetId::next(&mut ids, self.now());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&seed.as_bytes()[8..]);
        IdSource::new(u64::from_be_bytes(bytes))
    }

    fn line(&self, by: &Doer, action: &str, subject: &str, detail: &str) -> AuditLine {
        AuditLine {
            at: self.now(),
            actor: by.login.clone(),
            via: by.via.clone(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        }
    }

    async fn people(&self) -> Result<Vec<Person>, Failure> {
        self.ledger.people().await.map_err(failed)
    }

    async fn person(&self, login: &str) -> Result<Person, Failure> {
        let found = self.ledger.lookup_person(login).await.map_err(failed)?;
        found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no person `{login}`")))
    }

    /// Has the desk look at who is on duty again.
    async fn tell_desk(&self) {
        self.engine.send(Command::Duty).await;
    }
}

/// What a roster must know of people: those of the house.
pub(crate) fn reaches(people: &[Person]) -> Vec<Reach> {
    people
        .iter()
        .filter(|person| works(person.role))
        .map(|person| Reach {
            login: person.login.clone(),
            reachable: !person.phone.trim().is_empty() || !person.email.trim().is_empty(),
        })
        .collect()
}

/// Whether a role can be on duty.
pub(crate) const fn works(role: Role) -> bool {
    matches!(
        role,
        Role::Administrator | Role::Operator | Role::TeamLead | Role::Supervisor
    )
}
