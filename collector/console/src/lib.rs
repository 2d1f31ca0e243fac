//! The console: web pages, HTTP API, sessions, roles, handbook.
//!
//! * [`backend`] — what the console asks of the rest of the collector,
//! * [`router`] — everything it serves, as one axum router; TLS is the caller's,
//! * [`guarded`] — routes of other parts behind the same gate,
//! * [`authority`] — the one table action × role,
//! * [`link`] — the signed links that pages carry,
//! * [`password`] — how passwords are kept.
//!
//! Pages are askama templates in two languages and work without script; one small script of ours makes them live.
//! Every name that comes from a monitored host is shown escaped and used as nothing else.

// The fake backend of tests and preview speaks of this crate by name.
#[cfg(test)]
extern crate self as tocsin_console;

mod api;
mod assets;
pub mod authority;
pub mod backend;
mod backup_span;
mod clocks;
mod duty;
mod events;
mod figures;
mod graph;
mod guard;
mod handbook;
mod headers;
mod host_view;
pub mod link;
mod markup;
mod moments;
mod pages;
mod parts;
pub mod password;
mod phrases;
mod planning;
mod published;
mod report_view;
mod reporting;
mod routes;
pub mod session;
mod shell;
mod state;
mod steps;
mod texts;
mod upload;
mod words;

#[cfg(test)]
mod tests;

pub use api::{QueryAnswer, openapi, problem::response as problem};
pub use report_view::{Speech, markdown as report_markdown};
pub use routes::{guarded, router};
pub use state::ConsoleOptions;
