//! Documents: texts that travel once, whenever they changed — the parts of a host, its inventory, its files, diagnoses.
//!
//! ```text
//! surveys, files, diagnosis ─▶ worker (thread) ─▶ store (state folder) ─▶ uplink ─▶ collector
//! ```
//!
//! The newest version of each document is kept, content-addressed, so that a restart tells what changed; versions that
//! were made while no collector was in reach are kept too, up to a bound, so that no history is lost.
//!
//! * `store` — what is kept on disk,
//! * `worker` — the thread that owns it, so that a slow disk delays nobody.

mod store;
pub(crate) mod worker;

#[cfg(test)]
mod tests;

pub use store::Version;
pub use worker::{DocumentsHandle, DocumentsView};

pub(crate) use store::Store;

/// Documents below the state directory.
pub const DOCUMENTS_DIR: &str = "documents";
/// Most versions of one document that wait for a collector; beyond it the oldest goes.
pub const VERSIONS_MAX: usize = 20;
/// Most versions of all documents together.
pub const COUNT_MAX: usize = 2_000;
/// Most bytes of all contents together.
pub const BYTES_MAX: u64 = 32 << 20;
