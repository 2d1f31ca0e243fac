//! Diagnostic snapshots: asking an agent for one, by a person's hand or because a fault opened a ticket.
//!
//! What is sent is an identifier and nothing else. It is written down before it is sent: who, when, for which ticket.

use crate::{
    clock::{self, Clock},
    live::Live,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_console::backend::Failure;
use tocsin_desk::{effect::Effects, record::AuditLine};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{Code, DiagnosisId, HostId, IdSource, TicketId};

/// Faults of one host within this time call for one snapshot, not for many.
const FAULT_PAUSE: Duration = Duration::from_secs(600);
/// Tickets opened together for which snapshots are asked: when half a site fails, the others say nothing new.
const TOGETHER_MAX: usize = 32;

/// Whoever asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Login, or `system`.
    pub who: &'a str,
    /// `console`, `api`, `rules`.
    pub via: &'a str,
}

/// Asks agents.
pub struct Diagnoses {
    ledger: Arc<Ledger>,
    live: Arc<Live>,
    clock: Clock,
    ids: Mutex<IdSource>,
    on_fault: bool,
}

impl Diagnoses {
    /// `on_fault`: also without being asked, when a fault opens a ticket.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn new(ledger: Arc<Ledger>, live: Arc<Live>, clock: Clock, on_fault: bool) -> Result<Self, clock::RandomError> {
        Ok(Self {
            ledger,
            live,
            clock,
            ids: Mutex::new(clock::ids()?),
            on_fault,
        })
    }

    /// Asks the agent of `host`; the snapshot arrives as a document.
    ///
    /// # Errors
    /// When the host is not connected, or the ledger can't be written.
    pub async fn ask(&self, host: HostId, ticket: Option<TicketId>, asker: Asker<'_>) -> Result<DiagnosisId, Failure> {
        let away = || {
            Failure::new(
                Code::Unavailable,
                "the host is not connected: nothing can be asked of it now",
            )
        };
        if !self.live.presence(host).connected() {
            return Err(away());
        }
        let now = (self.clock)();
        let id = DiagnosisId::next(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now);
        let line = AuditLine {
            at: now,
            actor: asker.who.to_owned(),
            via: asker.via.to_owned(),
            action: "host.diagnose".to_owned(),
            subject: host.to_string(),
            detail: ticket.map(|ticket| format!("for ticket {ticket}")).unwrap_or_default(),
        };
        self.ledger
            .ask_diagnosis(id, host, ticket, asker.who, now, &[line])
            .await
            .map_err(|error: LedgerError| Failure::new(error.code(), error.to_string()))?;
        if self.live.ask_diagnosis(host, id) {
            Ok(id)
        } else {
            Err(away())
        }
    }

    /// Asks for snapshots of hosts on which a fault has just opened a ticket. Nothing waits for it.
    pub fn opened(self: &Arc<Self>, effects: &Effects) {
        if !self.on_fault {
            return;
        }
        let now = (self.clock)();
        let opened = effects.tickets.iter().filter(|ticket| {
            let of_it = |entry: &&tocsin_desk::model::Entry| entry.ticket == ticket.id;
            effects.entries.iter().filter(of_it).any(|entry| entry.action == "open")
        });
        for ticket in opened.take(TOGETHER_MAX) {
            let Some(host) = ticket.host else { continue };
            if !self.live.may_diagnose(host, FAULT_PAUSE, now) {
                continue;
            }
            let (asking, ticket) = (Arc::clone(self), ticket.id);
            tokio::spawn(async move {
                let asker = Asker {
                    who: "system",
                    via: "rules",
                };
                if let Err(failure) = asking.ask(host, Some(ticket), asker).await {
                    tracing::info!(%host, reason = failure.reason, "no diagnosis for a new ticket");
                }
            });
        }
    }
}
