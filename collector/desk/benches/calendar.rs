//! What one question to a calendar costs: `due` and `elapsed` over a year of it.
//!
//! `cargo bench -p tocsin-desk --bench calendar`. Without `--bench` (as in tests) a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods)] // a benchmark measures time

use std::{hint::black_box, time::Duration, time::Instant};
use tocsin_desk::calendar::{Calendars, TimeBase};
use tocsin_vocabulary::Timestamp;

/// 2026-01-01T00:00:00+08:00.
const START: i64 = 1_767_196_800_000;
const YEAR_MILLIS: u64 = 365 * 86_400_000;
/// Open hours of a year of workdays.
const TARGET: Duration = Duration::from_secs(248 * 8 * 3600);

fn main() {
    let full = std::env::args().any(|argument| argument == "--bench");
    let rounds: u64 = if full { 5_000_000 } else { 1_000 };
    let calendars = Calendars::built_in();
    for calendar in calendars.iter() {
        for base in [TimeBase::Business, TimeBase::Natural] {
            let due = time(rounds, |start| {
                black_box(calendar.due(base, start, black_box(TARGET)));
            });
            let elapsed = time(rounds, |start| {
                let end = start.plus(Duration::from_millis(YEAR_MILLIS));
                black_box(calendar.elapsed(base, start, black_box(end)));
            });
            println!(
                "{} {}: due over a year {due:.0} ns, elapsed over a year {elapsed:.0} ns",
                calendar.name(),
                base.as_str()
            );
        }
    }
}

/// Nanoseconds for one call, from another start of the year each time.
fn time(rounds: u64, mut call: impl FnMut(Timestamp)) -> f64 {
    let begun = Instant::now();
    for round in 0..rounds {
        let within = (round.wrapping_mul(7_919_000_003) % YEAR_MILLIS).cast_signed();
        call(Timestamp::from_millis(START + within));
    }
    #[allow(clippy::cast_precision_loss)] // a figure for people
    let per_call = begun.elapsed().as_nanos() as f64 / rounds as f64;
    per_call
}
