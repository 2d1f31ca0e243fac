//! What the tests share: a store in memory with hosts that tick; and the routes over it.

use crate::{
    Exchange, Fleet, HostNames,
    export::Clock,
    router,
    wire::{LabelMatcher, MatcherType, Query, ReadRequest, ReadResponse, ResponseType, pack, unpack},
};
use axum::{
    Extension, Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use std::sync::{Arc, mpsc};
use tocsin_metrics::{FaultDisk, Store, StoreConfig, Stream};
use tocsin_vocabulary::{
    Dictionary, HostId, Section, SpoolId, Timestamp,
    batch::{Cell, Encoder, Tick},
    catalogue::metric,
};
use tower::ServiceExt as _;

/// 2025-11-22T00:00:00Z.
pub(crate) const START_MS: i64 = 1_763_769_600_000;

pub(crate) fn store_on(disk: &FaultDisk) -> Arc<Store> {
    let config = StoreConfig {
        free_bytes_min: 0,
        free_percent_min: 0,
        ..StoreConfig::new("/store")
    };
    Arc::new(Store::open(config, Arc::new(disk.clone())).unwrap())
}

pub(crate) fn clock(now: i64) -> Clock {
    Arc::new(move || Timestamp::from_millis(now))
}

pub(crate) fn host(number: u8) -> HostId {
    HostId::from_bytes([number; 16])
}

/// Hosts 1 … `last`, named `host-1` ….
pub(crate) fn fleet(last: u8) -> Fleet {
    Fleet::new((1..=last).map(|number| HostNames {
        id: host(number),
        host: format!("host-{number}"),
        customer: "Acme".to_owned(),
        site: "HQ".to_owned(),
    }))
}

/// One host that ticks every 10 s: CPU time by two modes (it counts 1 s per tick), and used memory.
pub(crate) struct Ticker {
    dictionary: Dictionary,
    encoder: Encoder,
    stream: Stream,
    seq: u64,
}

impl Ticker {
    pub(crate) fn new(store: &Store, number: u8) -> Self {
        let series = |name: &str, attributes: &[(&str, &str)]| metric(name).unwrap().series(attributes);
        let section = Section::new(vec![
            series("system.cpu.time", &[("cpu.mode", "user")]),
            series("system.cpu.time", &[("cpu.mode", "idle \"\\\n")]),
            series("system.memory.utilization", &[("system.memory.state", "used")]),
        ]);
        store.put_sections(&[section.bytes()]).unwrap();
        let dictionary = store.put_dictionary(&[section.hash()]).unwrap();
        let stream = store.begin_stream(host(number), SpoolId::from_bytes([number; 16]), 1);
        Self {
            dictionary,
            encoder: Encoder::new(),
            stream,
            seq: 0,
        }
    }

    pub(crate) const fn time(seq: u64) -> i64 {
        START_MS + seq.cast_signed() * 10_000
    }

    fn tick(seq: u64) -> Tick {
        let number = seq.cast_signed();
        Tick {
            time: Timestamp::from_millis(Self::time(seq)),
            cells: vec![
                Cell::Scaled(number * 100),
                Cell::Scaled(number * 50),
                Cell::Scaled(number % 10_000),
            ],
        }
    }

    /// Sends so many live ticks and waits until they are durable.
    pub(crate) fn live(&mut self, store: &Store, ticks: u64) {
        for _ in 0..ticks {
            self.seq += 1;
            let tick = Self::tick(self.seq);
            let payload = self.encoder.encode(&tick, &self.dictionary, self.seq == 1);
            let (sender, receiver) = mpsc::channel();
            let told = Box::new(move |outcome| drop(sender.send(outcome)));
            store
                .append_live(&self.stream, self.seq, &payload, tick.time, told)
                .unwrap();
            receiver.recv().unwrap().unwrap();
        }
    }

    /// Sends so many ticks as one chunk of backlog and waits until they are durable.
    pub(crate) fn backlog(&mut self, store: &Store, ticks: u64) {
        let mut encoder = Encoder::new();
        let batches: Vec<_> = (1..=ticks)
            .map(|at| {
                (
                    self.seq + at,
                    encoder.encode(&Self::tick(self.seq + at), &self.dictionary, at == 1),
                )
            })
            .collect();
        self.seq += ticks;
        let (sender, receiver) = mpsc::channel();
        let told = Box::new(move |outcome| drop(sender.send(outcome)));
        let now = Timestamp::from_millis(Self::time(self.seq));
        store.append_chunk(&self.stream, &batches, now, told).unwrap();
        receiver.recv().unwrap().unwrap();
    }
}

/// A store with two hosts and 100 ticks of each, and the routes as who sees `fleet` has them.
fn served(fleet: Fleet) -> (Arc<Store>, Router) {
    let store = store_on(&FaultDisk::new());
    for number in [1, 2] {
        Ticker::new(&store, number).live(&store, 100);
    }
    let exchange = Exchange::new(store.clone(), clock(Ticker::time(101)));
    (store, router(exchange).layer(Extension(Arc::new(fleet))))
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, String, Vec<u8>) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .map_or("", |kind| kind.to_str().unwrap());
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, kind.to_owned(), body.to_vec())
}

async fn read(router: &Router, request: &ReadRequest) -> Result<ReadResponse, String> {
    let body = Body::from(pack(request).unwrap());
    let (status, kind, body) = send(router, Request::post("/api/v1/read").body(body).unwrap()).await;
    if status == StatusCode::OK {
        assert_eq!(kind, "application/x-protobuf");
        Ok(unpack(&body, usize::MAX).unwrap())
    } else {
        assert_eq!(kind, "application/problem+json");
        Err(String::from_utf8(body).unwrap())
    }
}

fn question(from: i64, to: i64, matchers: &[(MatcherType, &str, &str)]) -> ReadRequest {
    let matcher = |(kind, name, value): &(MatcherType, &str, &str)| LabelMatcher {
        r#type: *kind as i32,
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    ReadRequest {
        queries: vec![Query {
            start_timestamp_ms: from,
            end_timestamp_ms: to,
            matchers: matchers.iter().map(matcher).collect(),
        }],
        accepted_response_types: vec![ResponseType::StreamedXorChunks as i32, ResponseType::Samples as i32],
    }
}

fn line(series: &crate::wire::TimeSeries) -> String {
    series
        .labels
        .iter()
        .map(|label| format!("{}={} ", label.name, label.value))
        .collect()
}

#[tokio::test]
async fn counters_are_read_as_they_counted_with_labels_of_series_and_host() {
    let (store, router) = served(fleet(2));
    let request = question(
        Ticker::time(10),
        Ticker::time(12),
        &[
            (MatcherType::Eq, "__name__", "system_cpu_time_seconds_total"),
            (MatcherType::Eq, "cpu_mode", "user"),
            (MatcherType::Re, "host", "host-[2-9]"),
            (MatcherType::Neq, "job", "other"),
        ],
    );
    for sealed in [false, true] {
        if sealed {
            store
                .seal_everything(Timestamp::from_millis(Ticker::time(101)))
                .unwrap();
        }
        let answer = read(&router, &request).await.unwrap();
        let [series] = answer.results[0].timeseries.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(
            line(series),
            format!(
                "__name__=system_cpu_time_seconds_total cpu_mode=user customer=Acme host=host-2 host_id={} site=HQ ",
                host(2)
            )
        );
        let samples: Vec<(i64, f64)> = series
            .samples
            .iter()
            .map(|sample| (sample.timestamp, sample.value))
            .collect();
        assert_eq!(
            samples,
            [
                (Ticker::time(10), 10.0),
                (Ticker::time(11), 11.0),
                (Ticker::time(12), 12.0)
            ]
        );
    }
}

#[tokio::test]
async fn all_of_time_and_patterns_of_names_can_be_asked_and_answers_are_sorted() {
    let (_, router) = served(fleet(2));
    let request = question(i64::MIN, i64::MAX, &[(MatcherType::Re, "__name__", "system_.+")]);
    let answer = read(&router, &request).await.unwrap();
    let series = &answer.results[0].timeseries;
    assert_eq!(series.len(), 6);
    assert!(
        series
            .iter()
            .all(|series| series.samples.len() == 100 && series.samples.is_sorted_by(|a, b| a.timestamp < b.timestamp))
    );
    assert!(series.is_sorted_by(|a, b| a.labels < b.labels));
}

#[tokio::test]
async fn who_sees_one_host_reads_of_that_one_alone() {
    let (_, router) = served(fleet(1));
    let all = question(0, i64::MAX, &[(MatcherType::Re, "host", ".*")]);
    let answer = read(&router, &all).await.unwrap();
    assert_eq!(answer.results[0].timeseries.len(), 3);
    let (status, _, text) = send(
        &router,
        Request::get("/federate?match[]=%7Bsite=%22HQ%22%7D")
            .body(Body::empty())
            .unwrap(),
    )
    .await;
    let text = String::from_utf8(text).unwrap();
    assert!(
        status == StatusCode::OK && text.contains("host-1") && !text.contains("host-2"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_no_question_is_refused_in_words() {
    let (_, router) = served(fleet(2));
    let chunks = ReadRequest {
        accepted_response_types: vec![ResponseType::StreamedXorChunks as i32],
        ..question(0, 1, &[])
    };
    let many = ReadRequest {
        queries: vec![Query::default(); 17],
        ..ReadRequest::default()
    };
    for (request, words) in [
        (chunks, "SAMPLES"),
        (many, "17 queries"),
        (question(2, 1, &[]), "ends before"),
        (question(0, 1, &[(MatcherType::Re, "host", "(")]), "label `host`"),
    ] {
        let refused = read(&router, &request).await.unwrap_err();
        assert!(
            refused.contains(words) && refused.contains("invalid_input"),
            "{refused}"
        );
    }
    let (status, ..) = send(
        &router,
        Request::post("/api/v1/read").body(Body::from("nonsense")).unwrap(),
    )
    .await;
    assert_eq!(
        status,
        StatusCode::from_u16(tocsin_vocabulary::Code::InvalidInput.http_status()).unwrap()
    );
    for path in [
        "/federate",
        "/federate?match[]=",
        "/federate?match[]=%7B",
        "/federate?match=up",
    ] {
        let (status, kind, _) = send(&router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert!(
            status.is_client_error() && kind == "application/problem+json",
            "{path}: {status}"
        );
    }
}

#[tokio::test]
async fn nothing_is_answered_outside_the_gate() {
    let store = store_on(&FaultDisk::new());
    let router = router(Exchange::new(store, clock(START_MS)));
    assert!(
        read(&router, &question(0, 1, &[]))
            .await
            .unwrap_err()
            .contains("internal")
    );
    let (status, ..) = send(
        &router,
        Request::get("/federate?match[]=up").body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn federation_tells_the_newest_values_by_metric_with_their_times() {
    let (_, router) = served(fleet(2));
    let request = Request::get(
        "/federate?match[]=system_memory_utilization_ratio&match[]=%7B__name__=~%22system_cpu_time.%2B%22,cpu_mode!=%22user%22%7D",
    );
    let (status, kind, text) = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (status, kind.as_str()),
        (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8")
    );
    let (one, two, at) = (host(1), host(2), Ticker::time(100));
    let host =
        |number: u8, id: HostId| format!("customer=\"Acme\",host=\"host-{number}\",host_id=\"{id}\",site=\"HQ\"");
    let expected = format!(
        "# HELP system_cpu_time_seconds_total CPU time spent in each mode since boot, summed over all CPUs unless one is named.\n\
         # TYPE system_cpu_time_seconds_total counter\n\
         system_cpu_time_seconds_total{{cpu_mode=\"idle \\\"\\\\\\n\",{}}} 50 {at}\n\
         system_cpu_time_seconds_total{{cpu_mode=\"idle \\\"\\\\\\n\",{}}} 50 {at}\n\
         # HELP system_memory_utilization_ratio Share of the physical memory, 0 to 1; used is what is not available (state used only).\n\
         # TYPE system_memory_utilization_ratio gauge\n\
         system_memory_utilization_ratio{{{},system_memory_state=\"used\"}} 0.01 {at}\n\
         system_memory_utilization_ratio{{{},system_memory_state=\"used\"}} 0.01 {at}\n",
        host(1, one),
        host(2, two),
        host(1, one),
        host(2, two),
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[tokio::test]
async fn federation_leaves_out_what_is_older_than_five_minutes() {
    let store = store_on(&FaultDisk::new());
    Ticker::new(&store, 1).live(&store, 1);
    for (age, told) in [(299_999, true), (300_000, false)] {
        let exchange = Exchange::new(store.clone(), clock(Ticker::time(1) + age));
        let router = router(exchange).layer(Extension(Arc::new(fleet(1))));
        let (_, _, text) = send(
            &router,
            Request::get("/federate?match[]=%7Bhost=%22host-1%22%7D")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
        assert_eq!(!text.is_empty(), told, "{age}");
    }
}
