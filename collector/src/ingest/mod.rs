//! Ingest: agents' streams in, journal, rules, acknowledgements out.
//!
//! * [`service`] — the gRPC face: `Stream` and `Renew`, who may call them,
//! * [`admission`] — at what pace streams are opened,
//! * [`backlog`] — whose turn it is to send what it kept, and its way to the store,
//! * `connections` — HTTP/2 on the connections of agents,
//! * [`stream`] — one open stream from hello to end,
//! * `thread` — the one thread on which all this goes on,
//! * `wire` — from messages to our own types, with limits.

pub mod admission;
pub mod backlog;
pub(crate) mod connections;
pub mod service;
pub mod stream;
pub(crate) mod thread;
mod wire;

pub use wire::{facts_of, status};

use crate::limits::Limits;
use std::sync::Arc;
use tocsin_proto::v1::CollectorMessage;
use tokio::sync::mpsc;
use tonic::Status;

/// The way to one agent. Boxed, for a queue has room for 32 messages from the start, and there are ten thousand queues.
pub type Outgoing = mpsc::Sender<Result<Box<CollectorMessage>, Status>>;

/// What ingest can take now, for all agents together.
pub struct Capacity {
    /// At what pace streams are opened.
    pub gate: admission::Gate,
    /// Credit for backlog.
    pub backlog: Arc<backlog::Backlog>,
    /// What one host may bring.
    pub limits: Limits,
}
