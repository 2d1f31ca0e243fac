//! How long questions to the metric store take, and the same questions to VictoriaMetrics with the same values.
//!
//! The data is made through the store's own intake, with time of its own: one host with 50 series at 10 s for a day,
//! sealed; a fleet with 4 series each, a tick a minute for all days, sealed and rolled up; the fleet's last hour, 200
//! series at 10 s, not sealed, with housekeeping as it goes: light blocks, and the newest minutes in the journal. The peer
//! gets the series that are asked for, and no others: its index is small then, which is kind to it.
//!
//! Ours is asked in this process and answers with the JSON text of its series, written while they are found, as the
//! console writes it; the peer over HTTP on loopback, with its cache of results off. Neither text holds the least and
//! greatest values of the steps. The first answer and the median of some rounds are told: the store keeps nothing decoded
//! from one question to the next, so that the first differs only by what the system and the allocator had not touched
//! yet. The files of both are in the system's cache throughout, as they were written just before. CPU time is that of
//! the process that answers, for one round on average; the peer's in steps of 10 ms over all rounds.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

mod data;
mod peer;

use clap::Parser;
use data::Data;
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};
use tocsin_metrics::{Aggregate, Query, SeriesData, Store};
use tocsin_tests::fleet::usage::own_cpu_time;
use tocsin_vocabulary::{HostId, json};

/// Questions to the metric store, beside VictoriaMetrics.
#[derive(Debug, Parser)]
struct Options {
    /// Hosts of the fleet
    #[arg(long, default_value_t = 1_000)]
    hosts: i64,
    /// Days that the fleet was watched
    #[arg(long, default_value_t = 30)]
    days: i64,
    /// Times each question is asked
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Only the question with this number, counted from 1
    #[arg(long)]
    question: Option<usize>,
    /// Asks VictoriaMetrics too
    #[arg(long)]
    peer: bool,
}

/// A question to both.
struct Question {
    name: &'static str,
    ours: Query,
    /// In the peer's language.
    theirs: &'static str,
}

fn questions(data: &Data) -> Vec<Question> {
    let end = data.days * data::DAY_MS;
    let query = |metric: &str, from: i64, to: i64, step: u64| Query {
        step: Some(Duration::from_secs(step)),
        aggregate: Some(Aggregate::Avg),
        ..Query::new(metric, data::at(from), data::at(to - 1))
    };
    let wide = |query: Query| Query {
        hosts: vec![HostId::from_bytes(data::id(data::WIDE_HOST))],
        ..query
    };
    vec![
        Question {
            name: "one series, 24 h at 1 min",
            ours: wide(query("bench.wide.02", 0, data::DAY_MS, 60)),
            theirs: "avg_over_time(bench_wide_02[1m])",
        },
        Question {
            name: "one host, 50 series, 24 h at 1 min",
            ours: wide(query("bench.wide.*", 0, data::DAY_MS, 60)),
            theirs: "avg_over_time({__name__=~\"bench_wide_.*\"}[1m]) keep_metric_names",
        },
        Question {
            name: "one metric, the fleet, 1 h at 1 min",
            ours: query("bench.hour.002", end, end + data::HOUR_MS, 60),
            theirs: "avg_over_time(bench_hour_002[1m])",
        },
        Question {
            name: "one metric, the fleet, all days at 1 h",
            ours: query("bench.fleet.02", 0, end, 3_600),
            theirs: "avg_over_time(bench_fleet_02[1h])",
        },
    ]
}

/// Bytes that the console sends at once while it still writes.
const PIECE_BYTES: usize = 64 << 10;

/// How much an answer had.
#[derive(Default)]
struct Answer {
    series: usize,
    bytes: usize,
}

/// Writes the answer as text, names and all points in JSON, piece by piece.
fn answer(store: &Store, query: &Query) -> Answer {
    let (mut answer, mut piece) = (Answer::default(), Vec::new());
    let answered = store.query_each(query, &mut |found| {
        put(&found, &mut piece);
        answer.series += 1;
        if piece.len() >= PIECE_BYTES {
            answer.bytes += std::mem::take(&mut piece).len();
        }
        ControlFlow::Continue(())
    });
    answered.expect("an answer");
    answer.bytes += piece.len();
    answer
}

fn put(series: &SeriesData, body: &mut Vec<u8>) {
    let host = series.host.map(|host| host.to_string());
    let names = (host, series.name.as_str(), series.unit.as_str());
    serde_json::to_writer(&mut *body, &names).expect("names");
    json::put_points(&series.points, body);
}

/// How long the rounds of one question took, and what CPU time each took on average, in milliseconds.
struct Times {
    first: f64,
    median: f64,
    cpu: f64,
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Asks so often; answers what the last round gave, too. `cpu` reads the CPU time of who answers.
#[allow(clippy::disallowed_methods, reason = "measures real time")]
async fn measured<T>(rounds: usize, cpu: impl Fn() -> Duration, mut ask: impl AsyncFnMut() -> T) -> (Times, T) {
    let mut times = Vec::new();
    let spent = cpu();
    loop {
        let asked = Instant::now();
        let answer = ask().await;
        times.push(asked.elapsed());
        if times.len() < rounds {
            continue;
        }
        let cpu = millis(cpu().saturating_sub(spent)) / times.len() as f64;
        let first = times.first().copied().map_or(0.0, millis);
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().map_or(0.0, millis);
        return (Times { first, median, cpu }, answer);
    }
}

#[tokio::main]
#[allow(clippy::disallowed_methods, reason = "measures real time")]
async fn main() {
    let options = Options::parse();
    let started = Instant::now();
    let data = Data::make(options.hosts, options.days);
    println!(
        "{} hosts, {} days, made in {:.0} s",
        options.hosts,
        options.days,
        started.elapsed().as_secs_f64()
    );
    let peer = if options.peer {
        Some(peer::filled(&data).await)
    } else {
        None
    };
    for (number, question) in (1..).zip(questions(&data)) {
        if options.question.is_some_and(|only| only != number) {
            continue;
        }
        let ask = async || answer(&data.store, &question.ours);
        let (ours, found) = measured(options.rounds, own_cpu_time, ask).await;
        print!(
            "{:40} {:8.2} ms, first {:8.2}, CPU {:8.2}   {} series, {} KiB of JSON",
            question.name,
            ours.median,
            ours.first,
            ours.cpu,
            found.series,
            found.bytes / 1_024
        );
        if let Some(peer) = &peer {
            let ask = async || peer::ask(peer, question.theirs, &question.ours).await;
            let (theirs, body) = measured(options.rounds, || peer.cpu_time(), ask).await;
            print!(
                "   VictoriaMetrics {:8.2} ms, first {:8.2}, CPU {:8.2}, {} series, {} KiB: ratio {:.2}",
                theirs.median,
                theirs.first,
                theirs.cpu,
                peer::series_in(&body),
                body.len() / 1_024,
                ours.median / theirs.median
            );
        }
        println!();
    }
}
