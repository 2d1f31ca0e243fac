//! How long questions to the metric store take, and the same questions to VictoriaMetrics with the same values.
//!
//! The data is made through the store's own intake, with time of its own: one host with 50 series at 10 s for a day,
//! sealed; a fleet with 4 series each, a tick a minute for all days, sealed and rolled up; the fleet's last hour, 200
//! series at 10 s, not sealed, with housekeeping as it goes: light blocks, and the newest minutes in the journal. The peer
//! gets the series that are asked for, and no others: its index is small then, which is kind to it.
//!
//! Ours is asked in this process and answers with the JSON text of its series; the peer over HTTP on loopback, with its
//! cache of results off. The median of some rounds counts.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

mod data;
mod peer;

use clap::Parser;
use data::Data;
use std::time::{Duration, Instant};
use tocsin_metrics::{Aggregate, Query, QueryResult};
use tocsin_vocabulary::HostId;

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

/// The answer as text: names and all points in JSON.
fn text(answer: &QueryResult) -> String {
    let mut out = String::new();
    for series in &answer.series {
        let host = series.host.map(|host| host.to_string());
        let points: Vec<(i64, Option<f64>)> = series
            .points
            .iter()
            .map(|(time, value)| (time.as_millis(), *value))
            .collect();
        let one = (host, series.name.as_str(), series.unit.as_str(), points);
        out.push_str(&serde_json::to_string(&one).expect("numbers and names"));
    }
    out
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1_000.0
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
    for question in questions(&data) {
        let mut times = Vec::new();
        let mut found = (0, 0);
        for _ in 0..options.rounds {
            let asked = Instant::now();
            let answer = data.store.query(&question.ours).expect("an answer");
            let length = text(&answer).len();
            times.push(asked.elapsed());
            found = (answer.series.len(), length);
        }
        let ours = median(times);
        let (series, bytes) = found;
        print!(
            "{:40} {ours:9.2} ms   {series} series, {} KiB of JSON",
            question.name,
            bytes / 1_024
        );
        if let Some(peer) = &peer {
            let mut times = Vec::new();
            let mut body = Vec::new();
            for _ in 0..options.rounds {
                let asked = Instant::now();
                body = peer::ask(peer, question.theirs, &question.ours).await;
                times.push(asked.elapsed());
            }
            let series = peer::series_in(&body);
            let theirs = median(times);
            print!(
                "   VictoriaMetrics {theirs:9.2} ms, {series} series: ratio {:.2}",
                ours / theirs
            );
        }
        println!();
    }
}
