//! Ingest: agents' streams in, journal, rules, acknowledgements out.
//!
//! * [`service`] — the gRPC face: `Stream` and `Renew`, who may call them,
//! * [`stream`] — one open stream from hello to end,
//! * `wire` — from messages to our own types, with limits.

pub mod service;
pub mod stream;
mod wire;

pub use wire::{facts_of, status};
