//! Debian's Prometheus with node_exporter and Alertmanager, and the receiver of its notices.

use super::disks::{Disk, now};
use axum::{Json, Router, extract::State, routing::post};
use serde_json::Value;
use std::{path::Path, time::SystemTime};
use tocsin_tests::{figures::Figures, patience::until, peers::Peer};
use tokio::sync::mpsc;

/// How a rival is set up.
#[derive(Debug)]
pub(super) struct Manner {
    scrape: &'static str,
    evaluate: &'static str,
    group_wait: &'static str,
    group_interval: &'static str,
}

/// As fast as its documentation lets one set it.
pub(super) const TUNED: Manner = Manner {
    scrape: "1s",
    evaluate: "1s",
    group_wait: "0s",
    group_interval: "1s",
};

/// As Debian's packages set it.
pub(super) const DEBIAN: Manner = Manner {
    scrape: "15s",
    evaluate: "15s",
    group_wait: "30s",
    group_interval: "5m",
};

/// A running rival.
pub(super) struct Rival {
    prometheus: Peer,
    received: mpsc::UnboundedReceiver<(String, SystemTime)>,
    _others: [Peer; 2],
}

impl Rival {
    /// Starts all three programs and a receiver.
    pub(super) async fn start(folder: &Path, manner: &Manner) -> Self {
        let (address, received) = receiver().await;
        let mut exporter = Peer::node_exporter(&folder.join("node")).expect("prometheus-node-exporter");
        exporter.run().await;
        let Manner {
            scrape,
            evaluate,
            group_wait,
            group_interval,
        } = manner;
        let route = format!(
            "route:\n  receiver: here\n  group_by: [mountpoint]\n  group_wait: {group_wait}\n  group_interval: {group_interval}\n\
             receivers:\n- name: here\n  webhook_configs:\n  - url: http://{address}/\n"
        );
        let mut alertmanager = Peer::alertmanager(&folder.join("am"), &route).expect("prometheus-alertmanager");
        alertmanager.run().await;
        let host_of = |peer: &Peer| peer.url("").replace("http://", "");
        let rules = folder.join("rules.yml");
        std::fs::write(&rules, RULES).expect("a file of rules");
        let config = format!(
            "global:\n  scrape_interval: {scrape}\n  scrape_timeout: 1s\n  evaluation_interval: {evaluate}\n\
             rule_files: [{:?}]\n\
             alerting:\n  alertmanagers:\n  - static_configs:\n    - targets: [{:?}]\n\
             scrape_configs:\n- job_name: node\n  static_configs:\n  - targets: [{:?}]\n",
            rules,
            host_of(&alertmanager),
            host_of(&exporter),
        );
        let mut prometheus = Peer::prometheus(&folder.join("prometheus"), &config).expect("prometheus");
        prometheus.run().await;
        Self {
            prometheus,
            received,
            _others: [exporter, alertmanager],
        }
    }

    /// Waits until it has a series of a file system.
    pub(super) async fn sees(&self, disk: &Disk) {
        let query = format!("node_filesystem_avail_bytes{{mountpoint={:?}}}", disk.point());
        until("Prometheus to see each file system", async || {
            let found = self.prometheus.ask(&query).await;
            found.as_array().is_some_and(|found| !found.is_empty()).then_some(())
        })
        .await;
    }

    /// Waits for the notice of each.
    pub(super) async fn notices(&mut self, disks: &[Disk]) -> Figures {
        let mut figures = Figures::default();
        while figures.len() < disks.len() {
            let (point, at) = self.received.recv().await.expect("the receiver runs");
            if let Some(disk) = disks.iter().find(|disk| disk.is_at(&point)) {
                figures.add(disk.since(at));
            }
        }
        figures
    }
}

/// The same condition as ours, without `for`.
const RULES: &str = "groups:\n- name: disks\n  rules:\n  - alert: full\n    \
                     expr: 1 - node_filesystem_avail_bytes / node_filesystem_size_bytes > 0.95\n";

/// Takes notices; answers its address, and mount points as they arrive.
async fn receiver() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<(String, SystemTime)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, received) = mpsc::unbounded_channel();
    let router = Router::new().route("/", post(notice)).with_state(sender);
    tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    (address, received)
}

async fn notice(State(sender): State<mpsc::UnboundedSender<(String, SystemTime)>>, Json(body): Json<Value>) {
    let at = now();
    for alert in body["alerts"].as_array().into_iter().flatten() {
        if alert["status"] == "firing" {
            let point = alert["labels"]["mountpoint"].as_str().unwrap_or_default();
            let _ = sender.send((point.to_owned(), at));
        }
    }
}
