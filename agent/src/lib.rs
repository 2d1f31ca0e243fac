//! The agent: samples a host, keeps what it saw until the collector has it safe.
//!
//! ```text
//! sources ─▶ ticking ─▶ spool (thread) ─▶ uplink (backlog, events) ─▶ collector
//!                └───── live queue ─────▶ uplink (live) ──────────▶
//! ```
//!
//! * [`sources`], [`schedule`], [`facts`], [`sample`] — what is read of the host, when, and shown without a collector,
//! * [`surveys`] — what a host is asked less often than on every tick,
//! * [`documents`], `watched`, `diagnosis` — texts that travel when they change: of surveys, of files, on request,
//! * [`logs`] — what is written on a host, watched for patterns,
//! * [`probes`] — what is asked of others over the network,
//! * [`backup`] — runs of backup jobs: wrapped, read, kept, told,
//! * [`ticking`] — the tick loop,
//! * [`spool`] — the durable queue,
//! * [`uplink`] — the link to the collectors,
//! * [`enrol`], [`identity`], [`tls`] — who this host is and whom it trusts,
//! * [`config`], [`status`], [`check`] — what an administrator writes and sees,
//! * [`app`] — all of it put together; also as a library, for an agent inside another process,
//! * [`cli`], [`commands`] — the command line.
//!
//! The agent opens no port and executes nothing that a collector sends.

pub mod app;
pub mod backup;
pub mod check;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
mod diagnosis;
pub mod documents;
mod echo;
pub mod enrol;
pub mod facts;
#[cfg(test)]
mod field_data;
pub mod files;
mod footprint;
#[cfg(test)]
mod fuzzing;
pub mod identity;
pub mod logs;
mod notices;
pub mod probes;
pub mod random;
pub mod ranges;
mod reload;
mod reporter;
pub mod sample;
pub mod schedule;
pub mod sources;
pub mod spool;
pub mod status;
pub mod surveys;
#[cfg(test)]
mod testing;
pub mod ticking;
pub mod tls;
pub mod uplink;
mod wake;
mod watched;
