//! Harness for stories across real processes: programs as built, in a temporary folder, on free ports.
//!
//! * [`site`] — a collector process with its folder, and a client of its API,
//! * [`host`] — an agent process enrolled at a site,
//! * [`phone`] — a web server that receives pages as a phone's gateway would,
//! * [`patience`] — waiting for something to become true, bounded, by asking again.
//!
//! Everything started here is stopped when it goes out of scope. Two runs side by side don't meet.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a harness: a broken assumption is a failed test")]

pub mod host;
pub mod patience;
pub mod phone;
pub mod program;
pub mod site;
