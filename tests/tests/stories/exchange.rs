//! Exchange with the real programs of the Prometheus world: export to VictoriaMetrics, remote-read and federation by
//! Prometheus.

use std::collections::BTreeSet;
use tocsin_tests::{
    host::Host,
    patience::until,
    peers::Peer,
    site::{Plan, Site},
};

/// The gauge that [`Host::ticks`] counts, as it is called there.
const GAUGE: &str = "system_memory_utilization_ratio";

/// Waits until the receiver has everything that the site stores, and asserts that it has nothing twice.
async fn everything_arrives_once(site: &Site, host: &Host, receiver: &Peer) -> usize {
    let wanted = host.ticks(site).await;
    let selector = format!("{GAUGE}{{host_id=\"{}\"}}", host.id());
    let found = until("everything to arrive", async || {
        let found = receiver.samples(&selector).await;
        let times: BTreeSet<i64> = found.iter().map(|(time, _)| *time).collect();
        wanted.iter().all(|time| times.contains(time)).then_some(found)
    })
    .await;
    let times: BTreeSet<i64> = found.iter().map(|(time, _)| *time).collect();
    assert_eq!(times.len(), found.len(), "no sample arrived twice");
    assert!(found.iter().all(|(_, value)| (0.0..=1.0).contains(value)), "{found:?}");
    wanted.len()
}

/// The value of the only series of an answer.
fn value(answer: &serde_json::Value) -> Option<f64> {
    answer[0]["value"][1].as_str()?.parse().ok()
}

#[tokio::test]
async fn what_is_exported_arrives_once_though_receiver_and_collector_go_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut receiver) = Peer::victoria_metrics(folder.path()) else {
        return;
    };
    receiver.run().await;
    let export = format!(
        "[[export.remote_write]]\nname = \"archive\"\nurl = \"{}\"\nexclude = [\"system.paging.*\"]\nlabels = {{ region = \"north\" }}\n",
        receiver.url("/api/v1/write")
    );
    let mut site = Site::start_as(Plan {
        more: export,
        ..Plan::default()
    })
    .await;
    let host = Host::start(&site, "host", "");
    let shown = host.is_live(&site).await;
    host.goes_on(&site).await;
    everything_arrives_once(&site, &host, &receiver).await;

    receiver.stop().await;
    let before = host.ticks(&site).await.len();
    while host.ticks(&site).await.len() < before + 3 {
        host.goes_on(&site).await;
    }
    receiver.run().await;
    let arrived = everything_arrives_once(&site, &host, &receiver).await;
    assert!(arrived >= before + 3);

    // Stopped while the receiver is away, so that what waits must survive in the journal.
    receiver.stop().await;
    host.goes_on(&site).await;
    assert!(site.collector().stop().await, "the collector ends well after SIGTERM");
    receiver.run().await;
    site.run().await;
    host.goes_on(&site).await;
    everything_arrives_once(&site, &host, &receiver).await;

    let one = receiver.ask(&format!("{GAUGE}{{region=\"north\"}}")).await;
    assert_eq!(one[0]["metric"]["host"], shown["name"], "{one}");
    assert!(one[0]["metric"]["host_id"] == host.id().as_str(), "{one}");
    let counters = receiver
        .ask("count(system_cpu_time_seconds_total{cpu_mode=\"idle\",cpu_logical_number=\"\"})")
        .await;
    assert_eq!(counters[0]["value"][1], "1", "{counters}");
    let excluded = receiver.ask("{__name__=~\"system_paging.*\"}").await;
    assert_eq!(excluded.as_array().map(Vec::len), Some(0), "{excluded}");
    let figures = site.metrics().await;
    assert!(
        figures.contains("tocsin_export_samples_total{export=\"archive\"} "),
        "{figures}"
    );
    for nothing in ["refused_samples_total", "missed_segments_total"] {
        let line = format!("tocsin_export_{nothing}{{export=\"archive\"}} 0\n");
        assert!(figures.contains(&line), "{figures}");
    }
}

#[tokio::test]
async fn a_stock_prometheus_answers_promql_with_our_samples() {
    let site = Site::start("").await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    let address = site.address("console");
    let write = |name: &str, text: &str| {
        std::fs::write(site.path(name), text).expect("a file");
        site.path(name).display().to_string()
    };
    let (authority, token) = (
        write("console-ca.pem", &site.console_authority()),
        write(
            "prometheus.token",
            &site.cli(&["user", "api-token", "admin", "--role", "supervisor"]),
        ),
    );
    let access = format!(
        "    authorization:\n      credentials_file: {token}\n    tls_config:\n      ca_file: {authority}\n      server_name: localhost\n"
    );
    let config = format!(
        "global:\n  scrape_interval: 1s\nremote_read:\n  - url: https://{address}/api/v1/read\n    read_recent: true\n{access}\
         scrape_configs:\n  - job_name: tocsin\n    scheme: https\n    metrics_path: /federate\n    honor_labels: true\n    params:\n      'match[]': ['{{__name__=\"system_uptime_seconds\"}}']\n    static_configs:\n      - targets: ['{address}']\n{access}"
    );
    let Some(mut prometheus) = Peer::prometheus(&site.path("prometheus"), &config) else {
        return;
    };
    prometheus.run().await;
    // All modes of all CPUs together pass one second per second and CPU.
    let rate = "sum(rate(system_cpu_time_seconds_total{cpu_logical_number=\"\"}[WINDOW]))";
    until("a rate of our counter", async || {
        let cpus = value(&prometheus.ask("system_cpu_logical_count").await)?;
        let (long, short) = (rate.replace("WINDOW", "1m"), rate.replace("WINDOW", "10s"));
        let rates = (
            value(&prometheus.ask(&long).await)?,
            value(&prometheus.ask(&short).await)?,
        );
        // The window of a minute begins before there was a host.
        (rates.0 > 0.0 && rates.0 < 1.2 * cpus && (0.8 * cpus..1.2 * cpus).contains(&rates.1)).then_some(())
    })
    .await;
    let id = host.id();
    for (query, fits) in [
        (format!("{GAUGE}{{host_id=\"{id}\"}}"), true),
        (
            format!("{{__name__=~\"system_memory_util.*\",host_id!~\"{id}\"}}"),
            false,
        ),
        (format!("{GAUGE}{{host=\"nobody\"}}"), false),
        ("sum by (host_id) (system_memory_usage_bytes)".to_owned(), true),
    ] {
        let answer = prometheus.ask(&query).await;
        let found = answer.as_array().expect("series");
        assert_eq!(found.is_empty(), !fits, "{query}: {answer}");
        if fits {
            assert_eq!(found[0]["metric"]["host_id"], id.as_str(), "{query}: {answer}");
        }
    }
    // The scrape of /federate is Prometheus' own, with its job's name.
    until("a scrape of /federate", async || {
        let answer = prometheus.ask("system_uptime_seconds{job=\"tocsin\"}").await;
        (answer[0]["metric"]["host_id"] == id.as_str()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn strangers_read_nothing() {
    let site = Site::start("").await;
    for (method, path) in [
        (reqwest::Method::POST, "/api/v1/read"),
        (reqwest::Method::GET, "/federate?match[]=up"),
    ] {
        let request = site.http().request(method, format!("{}{path}", site.console()));
        let answer = request.bearer_auth("nobody").send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{path}");
    }
}
