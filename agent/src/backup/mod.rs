//! Backup runs on this host: commands that are wrapped, what the tools say, runs that are kept until the collector
//! has them.
//!
//! * [`args`], `commands` — the command line: `tocsin-agent backup exec`, `runs`, `judge`,
//! * [`quick`] — the short way to it,
//! * [`exec`] — a command wrapped so that nobody notices, and what came of it,
//! * [`run`] — one run, as kept and told,
//! * [`keep`] — runs below the state directory,
//! * `discover` — jobs that timers and crontabs have already,
//! * [`files`] — results that something else writes to files,
//! * `courier` — the running agent's part: kept runs become events in the spool.
//!
//! What the output of backup tools means is the business of `tocsin_adapters`, which the collector shares.
//!
//! A run is written down by the wrapper itself, so that neither a running agent nor a configuration is needed.

pub mod args;
mod commands;
pub(crate) mod courier;
mod discover;
pub mod exec;
pub mod files;
pub mod keep;
pub mod quick;
pub mod run;

pub(crate) use commands::dispatch;
