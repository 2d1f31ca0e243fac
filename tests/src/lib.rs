//! Harness for stories across real processes: programs as built, in a temporary folder, on free ports.
//!
//! * [`site`] — a collector process with its folder, and a client of its API,
//! * [`host`] — an agent process enrolled at a site,
//! * [`hung_mount`] — a file system that never answers,
//! * [`killing`] — a collector that dies at one named step after another,
//! * [`fault`] — a process whose death is a fault, and everything that makes it one,
//! * [`phone`] — a web server that receives pages as a phone's gateway would,
//! * [`postgres`] — a throwaway PostgreSQL server,
//! * [`peers`] — Debian's own Prometheus and VictoriaMetrics,
//! * [`gateways`] — Debian's own gammu-smsd and Kannel,
//! * [`modems`] — real modem daemons and a real SMPP server,
//! * [`provider`] — a provider that refuses, hangs, and keeps count,
//! * [`browser`] — a headless browser,
//! * [`wire`] — an agent's side of the wire spoken by hand, to say what no agent would,
//! * [`recording`] — real metrics of a host in a file,
//! * [`fleet`] — very many simulated hosts, and what they and other stores cost,
//! * [`figures`] — durations gathered and summed up,
//! * [`patience`] — waiting for something to become true, bounded, by asking again.
//!
//! Everything started here is stopped when it goes out of scope. Two runs side by side don't meet.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a harness: a broken assumption is a failed test"
)]

pub mod browser;
pub mod fault;
pub mod figures;
pub mod fleet;
pub mod gateways;
pub mod host;
pub mod hung_mount;
pub mod killing;
pub mod modems;
pub mod patience;
pub mod peers;
pub mod phone;
pub mod postgres;
pub mod program;
pub mod provider;
pub mod recording;
pub mod site;
pub mod wire;
