//! The same values in VictoriaMetrics.

use super::data::{self, Data, Span};
use prost::Message;
use tocsin_metrics::Query;
use tocsin_tests::fleet::{
    peer::{Peer, PeerKind},
    remote_write::{Label, Sample, TimeSeries, WriteRequest},
};

/// Samples of one request.
const REQUEST_SAMPLES: usize = 20_000;

/// A peer that has the series which are asked for.
pub(super) async fn filled(data: &Data) -> Peer {
    let peer = Peer::start(PeerKind::VictoriaMetrics).await;
    let end = data.days * data::DAY_MS;
    let day = Span {
        from: 0,
        to: data::DAY_MS,
        interval: 10_000,
    };
    for series in (0_i64..).take(data::WIDE_SERIES) {
        write(
            &peer,
            &format!("bench_wide_{series:02}"),
            (data::WIDE_HOST, series),
            day,
        )
        .await;
    }
    let all = Span {
        from: 0,
        to: end,
        interval: 60_000,
    };
    let hour = Span {
        from: end,
        to: end + data::HOUR_MS,
        interval: 10_000,
    };
    for host in 0..data.hosts {
        write(&peer, "bench_fleet_02", (host, 2), all).await;
        write(&peer, "bench_hour_002", (host, 2), hour).await;
    }
    peer.settled_disk().await;
    peer
}

async fn write(peer: &Peer, name: &str, (host, series): (i64, i64), span: Span) {
    let label = |name: &str, value: String| Label {
        name: name.to_owned(),
        value,
    };
    let labels = vec![
        label("__name__", name.to_owned()),
        label("host", host.to_string()),
        label("part", series.to_string()),
    ];
    let times: Vec<i64> = (span.from..span.to)
        .step_by(usize::try_from(span.interval).unwrap_or(1))
        .collect();
    for times in times.chunks(REQUEST_SAMPLES) {
        let samples = times.iter().map(|time| Sample {
            value: data::value(host, series, *time) as f64 / 10.0,
            timestamp: data::at(*time).as_millis(),
        });
        let request = WriteRequest {
            timeseries: vec![TimeSeries {
                labels: labels.clone(),
                samples: samples.collect(),
            }],
        };
        let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec());
        peer.write(body.expect("a small request")).await;
    }
}

/// Asks; answers the body.
pub(super) async fn ask(peer: &Peer, question: &str, same: &Query) -> Vec<u8> {
    let step = same.step.map_or(60, |step| step.as_secs());
    let seconds = |millis: i64| (millis / 1_000).to_string();
    // A step's value stands at its end there, at its beginning here.
    let start = same.from.as_millis() + i64::try_from(step).unwrap_or(60) * 1_000;
    let parameters = [
        ("query", question.to_owned()),
        ("start", seconds(start)),
        ("end", seconds(same.to.as_millis() + 1)),
        ("step", step.to_string()),
        ("nocache", "1".to_owned()),
    ];
    peer.get("api/v1/query_range", &parameters).await
}

/// How many series an answer has.
pub(super) fn series_in(body: &[u8]) -> usize {
    let answer: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    answer["data"]["result"].as_array().map_or(0, Vec::len)
}
