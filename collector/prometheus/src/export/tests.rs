//! Workers against a receiver of the test's own: what it refuses, delays, or was away for.

use super::*;
use crate::{
    fleet::Fleet,
    tests::{Ticker, clock, fleet, store_on},
    wire::{WriteRequest, unpack},
};
use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tocsin_metrics::FaultDisk;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// So many hosts are in it; none: it can't be read.
struct Register(Arc<AtomicU8>);

#[async_trait]
impl Directory for Register {
    async fn fleet(&self) -> Result<Fleet, String> {
        match self.0.load(Ordering::Relaxed) {
            0 => Err("no ledger".to_owned()),
            hosts => Ok(fleet(hosts)),
        }
    }
}

/// One request that was taken: times by series.
type Taken = BTreeMap<String, Vec<i64>>;

#[derive(Clone)]
struct Receiver {
    /// Answers to the next requests; 204 after that.
    answers: Arc<Mutex<VecDeque<u16>>>,
    taken: mpsc::UnboundedSender<Taken>,
    authorization: Arc<Mutex<Vec<String>>>,
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-encoding"], "snappy");
    assert_eq!(headers["x-prometheus-remote-write-version"], "0.1.0");
    if let Some(value) = headers.get("authorization") {
        receiver
            .authorization
            .lock()
            .unwrap()
            .push(value.to_str().unwrap().to_owned());
    }
    let answer = receiver.answers.lock().unwrap().pop_front();
    if let Some(status) = answer.filter(|status| *status >= 300) {
        return (
            StatusCode::from_u16(status).unwrap(),
            [("retry-after", "0")],
            "no\nthanks",
        )
            .into_response();
    }
    let request: WriteRequest = unpack(&body, 1 << 20).unwrap();
    let mut taken = Taken::new();
    for series in request.timeseries {
        assert!(series.labels.is_sorted_by(|a, b| a.name < b.name));
        assert!(
            series
                .labels
                .iter()
                .any(|label| label.name == "host" && label.value.starts_with("host-"))
        );
        let name = series
            .labels
            .iter()
            .find(|label| label.name == "__name__")
            .unwrap()
            .value
            .clone();
        taken
            .entry(name)
            .or_default()
            .extend(series.samples.iter().map(|sample| sample.timestamp));
    }
    receiver.taken.send(taken).unwrap();
    StatusCode::NO_CONTENT.into_response()
}

/// A store, a receiver, and a folder for cursors.
struct Scene {
    disk: FaultDisk,
    store: Arc<Store>,
    folder: TempDir,
    config: RemoteWriteConfig,
    receiver: Receiver,
    registered: Arc<AtomicU8>,
    taken: mpsc::UnboundedReceiver<Taken>,
}

impl Scene {
    async fn new() -> Self {
        let (sender, taken) = mpsc::unbounded_channel();
        let receiver = Receiver {
            answers: Arc::default(),
            taken: sender,
            authorization: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/write", listener.local_addr().unwrap());
        let router = Router::new().route("/write", post(take)).with_state(receiver.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        let disk = FaultDisk::new();
        let text = format!(
            r#"{{"name": "archive", "url": "{url}", "include": ["system.memory.*"], "samples_per_request": 1}}"#
        );
        Self {
            store: store_on(&disk),
            disk,
            folder: tempfile::tempdir().unwrap(),
            config: serde_json::from_str(&text).unwrap(),
            receiver,
            registered: Arc::new(AtomicU8::new(1)),
            taken,
        }
    }

    fn start(&self) -> (Exports, CancellationToken, JoinHandle<()>) {
        let directory: Arc<dyn Directory> = Arc::new(Register(self.registered.clone()));
        let clock = clock(Ticker::time(0));
        let configs = std::slice::from_ref(&self.config);
        let (exports, mut workers) =
            Exports::open(configs, self.folder.path(), &self.store, &directory, &clock).unwrap();
        let cancel = CancellationToken::new();
        let task = tokio::spawn(workers.remove(0).run(cancel.clone()));
        (exports, cancel, task)
    }

    fn answer_next(&self, statuses: &[u16]) {
        self.receiver.answers.lock().unwrap().extend(statuses);
    }

    /// Times of the next so many samples to arrive.
    async fn arrive(&mut self, samples: usize) -> Vec<i64> {
        let mut times = Vec::new();
        while times.len() < samples {
            let taken = tokio::time::timeout(Duration::from_secs(60), self.taken.recv())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(taken.keys().collect::<Vec<_>>(), ["system_memory_utilization_ratio"]);
            times.extend(taken.into_values().flatten());
        }
        times
    }
}

fn times(seqs: std::ops::RangeInclusive<u64>) -> Vec<i64> {
    seqs.map(Ticker::time).collect()
}

fn figure(exports: &Exports, name: &str) -> u64 {
    let text = exports.exposition();
    let start = format!("tocsin_export_{name}{{export=\"archive\"}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn ticks_arrive_once_and_in_order_though_the_receiver_is_away_and_workers_restart() {
    let mut scene = Scene::new().await;
    let (_, cancel, task) = scene.start();
    let mut ticker = Ticker::new(&scene.store, 1);
    ticker.live(&scene.store, 3);
    assert_eq!(scene.arrive(3).await, times(1..=3));
    scene.answer_next(&[503, 401]);
    ticker.live(&scene.store, 3);
    assert_eq!(scene.arrive(3).await, times(4..=6));
    cancel.cancel();
    task.await.unwrap();
    ticker.live(&scene.store, 3);
    let (exports, ..) = scene.start();
    ticker.live(&scene.store, 1);
    assert_eq!(scene.arrive(4).await, times(7..=10));
    assert_eq!(figure(&exports, "refused_samples_total"), 0);
    assert!(scene.taken.try_recv().is_err());
}

#[tokio::test]
async fn a_request_that_is_refused_is_given_up_counted_and_said() {
    let mut scene = Scene::new().await;
    let (exports, ..) = scene.start();
    scene.answer_next(&[400]);
    let mut ticker = Ticker::new(&scene.store, 1);
    ticker.live(&scene.store, 1);
    while figure(&exports, "refused_samples_total") == 0 {
        tokio::task::yield_now().await;
    }
    ticker.live(&scene.store, 1);
    assert_eq!(scene.arrive(1).await, times(2..=2));
    let (healthy, words) = exports.health(Timestamp::from_millis(Ticker::time(0))).unwrap();
    assert!(
        !healthy && words.contains("1 samples were given up") && words.contains("no thanks"),
        "{words}"
    );
}

#[tokio::test]
async fn a_chunk_in_several_requests_goes_on_after_a_restart_where_it_was() {
    let mut scene = Scene::new().await;
    // Two series, so that a chunk makes two requests.
    scene.config.include.push("system.cpu.time".to_owned());
    let (_, cancel, task) = scene.start();
    let mut ticker = Ticker::new(&scene.store, 1);
    scene.answer_next(&[204, 503, 503, 503, 503, 503, 503, 503, 503]);
    ticker.backlog(&scene.store, 5);
    let first = tokio::time::timeout(Duration::from_secs(60), scene.taken.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["system_cpu_time_seconds_total"]);
    cancel.cancel();
    task.await.unwrap();
    scene.receiver.answers.lock().unwrap().clear();
    let _running = scene.start();
    let mut names = Vec::new();
    for _ in 0..2 {
        let taken = tokio::time::timeout(Duration::from_secs(60), scene.taken.recv())
            .await
            .unwrap()
            .unwrap();
        names.extend(taken.into_iter().map(|(name, times)| (name, times.len())));
    }
    let expected = [
        ("system_cpu_time_seconds_total", 5),
        ("system_memory_utilization_ratio", 5),
    ];
    assert_eq!(
        names,
        expected.map(|(name, count)| (name.to_owned(), count)),
        "the other mode, then memory; nothing again"
    );
}

#[tokio::test]
async fn a_receiver_that_was_away_for_too_long_is_told_the_rest_and_the_loss_is_said() {
    let mut scene = Scene::new().await;
    let (_, cancel, task) = scene.start();
    cancel.cancel();
    task.await.unwrap();
    Ticker::new(&scene.store, 1).live(&scene.store, 2);
    let cursor = scene.folder.path().join("archive.cursor");
    let kept = std::fs::read(&cursor).unwrap();
    std::fs::remove_file(&cursor).unwrap();
    // A collector without exports keeps nothing for them.
    let disk = scene.disk.clone();
    scene.store.close();
    scene.store = store_on(&FaultDisk::new());
    scene.store = store_on(&disk);
    scene
        .store
        .seal_everything(Timestamp::from_millis(Ticker::time(1_000)))
        .unwrap();
    std::fs::write(&cursor, kept).unwrap();
    let (exports, ..) = scene.start();
    Ticker::new(&scene.store, 1).live(&scene.store, 1);
    while figure(&exports, "missed_segments_total") == 0 {
        tokio::task::yield_now().await;
    }
    let (healthy, words) = exports.health(Timestamp::from_millis(Ticker::time(0))).unwrap();
    assert!(
        !healthy && words.contains("1 journal segments were given up"),
        "{words}"
    );
}

#[tokio::test]
async fn the_token_is_read_from_its_file_each_time() {
    let mut scene = Scene::new().await;
    let token = scene.folder.path().join("token");
    std::fs::write(&token, "one\n").unwrap();
    scene.config.bearer_token_file = Some(token.clone());
    let (_running, ..) = scene.start();
    let mut ticker = Ticker::new(&scene.store, 1);
    ticker.live(&scene.store, 1);
    scene.arrive(1).await;
    std::fs::write(&token, "two\n").unwrap();
    ticker.live(&scene.store, 1);
    scene.arrive(1).await;
    assert_eq!(
        *scene.receiver.authorization.lock().unwrap(),
        ["Bearer one", "Bearer two"]
    );
}

#[tokio::test]
async fn an_export_without_its_secret_does_not_start_and_names_the_file() {
    let mut scene = Scene::new().await;
    scene.config.username = Some("tocsin".to_owned());
    scene.config.password_file = Some("/nowhere/password".into());
    let error = check(std::slice::from_ref(&scene.config)).unwrap_err().to_string();
    assert!(
        error.contains("export `archive`") && error.contains("/nowhere/password"),
        "{error}"
    );
}

#[tokio::test]
async fn a_host_that_was_registered_just_now_bears_its_name_from_its_first_tick() {
    let mut scene = Scene::new().await;
    let _running = scene.start();
    Ticker::new(&scene.store, 1).live(&scene.store, 1);
    scene.arrive(1).await;
    scene.registered.store(2, Ordering::Relaxed);
    Ticker::new(&scene.store, 2).live(&scene.store, 1);
    scene.arrive(1).await;
}
