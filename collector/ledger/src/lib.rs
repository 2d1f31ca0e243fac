//! The ledger: everything relational, on SQLite or PostgreSQL with the same SQL.
//!
//! * [`Ledger::open`] — the engine, its locks and the migrations,
//! * `desk` — one commit for all that a step of the desk decided, and what the desk keeps in RAM,
//! * `tickets`, `alerts`, `pages` — lists for pages and API,
//! * `outbox`, `deliveries` — what the delivery worker takes and reports, and what became of each page,
//! * `contacts` — staff numbers, and what customers keep inside,
//! * `outside` — alerts that other systems brought,
//! * `hosts`, `tokens`, `people`, `access` — the registers, and who may come in,
//! * `planned`, `withheld`, `topology` — silences and windows, what they keep untold, what assets hang on,
//! * `events`, `past_events` — what happened on hosts,
//! * `evidence` — what rules saw and decided, with the samples around it,
//! * `documents`, `diagnoses` — texts of hosts with their history,
//! * `backups`, `backup_lists` — backup jobs and their runs,
//! * `rosters`, `chains`, `handovers`, `pins` — people and the day,
//! * `sheets` — what tickets bear beside their state,
//! * `registers` — customers, sites, contracts, assets, spare parts, knowledge, with their history,
//! * `sms_tables` — the tables of gammu-smsd, another program's,
//! * `downtimes`, `reports` — what is accounted for when the work is done,
//! * `audit` — the hash chain,
//! * `terms` — promises beside clocks, and what was told of them,
//! * [`steps`] — where a test kills the process,
//! * `copy` — copies of a SQLite ledger, and whether a ledger is whole.
//!
//! No SQL stands outside this crate. The clock is the caller's: every method that needs the time takes `now`.

mod access;
mod alerts;
mod audit;
mod backup_coverage;
mod backup_lists;
mod backups;
mod chains;
mod clocks;
mod contacts;
mod copy;
mod cursor;
mod customers;
mod deliveries;
mod desk;
mod diagnoses;
mod documents;
mod downtimes;
mod engine;
mod error;
mod events;
mod evidence;
mod handovers;
mod hosts;
mod migrate;
mod outbox;
mod outside;
mod pages;
mod papers;
mod past_events;
mod people;
mod pins;
mod place;
mod planned;
mod registers;
mod reports;
mod revisioned;
mod rosters;
mod sheets;
mod sms_tables;
mod statement;
pub mod steps;
mod terms;
mod tickets;
mod tokens;
mod topology;
mod withheld;

pub use audit::{AuditLink, Chain, follows};
pub use backups::JOBS_MAX;
pub use customers::{DEFAULT_CONTRACT, DEFAULT_CUSTOMER, DEFAULT_SITE};
pub use documents::{AGE_MAX, DIAGNOSES_MAX, NAMES_MAX, NewDocument, VERSIONS_MAX};
pub use downtimes::DOWNTIMES_MAX;
pub use error::LedgerError;
pub use events::StoredEvent;
pub use hosts::NewHost;
pub use outside::OutsideAlert;
pub use past_events::PAST_EVENTS_MAX;
pub use pins::Pin;
pub use reports::REPORTS_MAX;
pub use sms_tables::SmsTables;
pub use tokens::{ApiTokenRecord, EnrolTokenRecord};

use engine::Engine;
use tocsin_vocabulary::Timestamp;

/// An open ledger. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    engine: Engine,
}

impl Ledger {
    /// Opens `sqlite:PATH` (made if it is missing, kept from other processes by `PATH.lock`) or `postgres://…`, and
    /// brings it to this collector's schema.
    ///
    /// # Errors
    /// When it can't be opened, is no ledger, is in use by another process, or was written by a newer collector.
    pub async fn open(address: &str, now: Timestamp) -> Result<Self, LedgerError> {
        let engine = Engine::open(address).await?;
        migrate::migrate(&engine, migrate::MIGRATIONS, now).await?;
        Ok(Self { engine })
    }

    /// Closes all connections. Later calls fail as unavailable.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}
