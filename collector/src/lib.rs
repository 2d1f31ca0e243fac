//! The collector: takes the agents' ticks, notices faults, opens tickets, pages people until somebody answers.
//!
//! Here is only wiring, ingest and the desk's engine; the parts are crates of their own below this folder.
//!
//! ```text
//! agents ─▶ listen ─▶ ingest ─▶ metrics (journal, fsync) ─▶ ack
//!                       └─────▶ engine: rules ─▶ desk.step ─▶ ledger (one commit) ─▶ outbox ─▶ channels ─▶ phones
//! people ─▶ listen ─▶ console ─▶ backend ─▶ ledger, metrics, live, engine
//! command line ─▶ control (Unix socket)
//! ```
//!
//! [`app`] wires it all; [`backup`] copies and checks what is kept; `serve` runs the listeners; [`supervise`] owns the tasks; [`clock`] is the only reader of time and randomness.

pub mod account_command;
pub mod app;
pub mod attachments;
pub mod backend;
pub mod backup;
pub mod backups;
pub mod calendars;
pub mod channel_command;
pub mod channel_watch;
pub mod cli;
pub mod clock;
pub mod clock_command;
pub mod config;
pub mod control;
pub mod diagnoses;
pub mod duty;
pub mod duty_command;
pub mod ears;
pub mod engine;
pub mod enrolment;
pub mod evidence;
mod exchange;
pub mod files;
mod inbound;
pub mod ingest;
mod input_file;
pub mod limits;
pub mod listen;
pub mod live;
pub mod outbox;
pub mod paper_command;
pub mod pki;
pub mod policies;
pub mod replaying;
pub mod retention;
pub mod rules_command;
pub mod rules_files;
mod serve;
pub mod sheet_file;
pub mod sms_tables;
pub mod supervise;
mod ticket_clocks;
pub mod toml_table;
