//! The words of Tocsin as types, shared by agent and collector.
//!
//! Pure but for the table of shared labels: no clock, no file, no socket, no randomness. Everything here is data and
//! arithmetic on data:
//!
//! * [`id`] — newtyped UUIDv7 identifiers and the seeded [`id::IdSource`] that makes them,
//! * [`time`] — [`Timestamp`] (UTC epoch milliseconds) and durations written as `10s`, `5m`, `72h`,
//! * [`severity`] — the rule's word ([`Severity`]), the contract's ladder ([`Level`]), an asset's [`Importance`],
//! * [`code`] — one closed error [`Code`] → HTTP status, gRPC status, exit code, text key,
//! * [`text`] — [`Text`], a sentence for people in both languages,
//! * [`label`] — [`Label`], a text of series that is kept once,
//! * [`series`] — what is measured: [`Series`], [`Section`], [`Dictionary`], content-addressed,
//! * [`catalogue`] — the metric catalogue: name, unit, kind, decimals, description,
//! * [`prometheus`] — how all that is called in Prometheus,
//! * [`json`] — points as text of an answer,
//! * [`backup`] — results of backup runs, and how runs are told,
//! * [`batch`] — the tick codec: key-frames, changed-bitmap, zigzag varint deltas.

pub mod backup;
pub mod batch;
pub mod catalogue;
pub mod code;
pub mod id;
pub mod json;
pub mod label;
pub mod prometheus;
pub mod series;
pub mod severity;
pub mod text;
pub mod time;
mod varint;

pub use backup::RunResult;
pub use code::Code;
pub use id::{
    AlertId, AssetId, ContractId, CustomerId, DiagnosisId, DocumentId, FaultId, HostId, IdSource, JobId, PageId,
    PersonId, PlannedId, RunId, SiteId, SpoolId, TicketId, TokenId,
};
pub use label::Label;
pub use series::{Dictionary, Hash, Kind, Section, Series};
pub use severity::{Importance, Level, Severity};
pub use text::{Language, Text};
pub use time::Timestamp;
