//! Pages by modem and answers that come back; what other systems bring; a crash in the middle of sending.

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_tests::{patience::until, site::Site};

/// The folders of an SMS daemon's spool, and the channel over them.
struct Spool {
    folder: tempfile::TempDir,
}

impl Spool {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["outgoing", "checked", "sent", "failed", "incoming"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn channel(&self) -> String {
        let folders = ["outgoing", "checked", "sent", "failed", "incoming"]
            .map(|name| format!("{name} = {:?}\n", self.path(name)));
        format!(
            "[[channel]]\nname = \"modem\"\nkind = \"smstools\"\nsignature = \"某某运维\"\n{}",
            folders.concat()
        )
    }

    /// The texts that wait to be sent, with their files.
    fn outgoing(&self) -> Vec<(PathBuf, String)> {
        let entries = std::fs::read_dir(self.path("outgoing")).expect("a folder");
        entries
            .flatten()
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                let body = bytes.windows(2).position(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
                let units: Vec<u16> = bytes[body..]
                    .chunks_exact(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                    .collect();
                (entry.path(), String::from_utf16_lossy(&units))
            })
            .collect()
    }

    /// Waits for a text, and plays the daemon: it moves the file to `sent`.
    async fn sends(&self, words: &str) -> String {
        let (path, text) = until("the spool to have the message", async || {
            self.outgoing().into_iter().find(|(_, text)| text.contains(words))
        })
        .await;
        let name = path.file_name().expect("a name").to_owned();
        std::fs::rename(&path, self.path("sent").join(name)).expect("it is moved");
        text
    }

    fn receives(&self, from: &str, text: &str) {
        let name = format!("GSM1.{from}-{}", text.len());
        let aside = self.folder.path().join(&name);
        std::fs::write(&aside, format!("From: {from}\nAlphabet: ISO\n\n{text}\n")).expect("it is written");
        std::fs::rename(aside, self.path("incoming").join(name)).expect("it is moved");
    }
}

/// What Alertmanager posts of one alert.
pub(crate) fn alert(status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "tocsin",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        "alerts": [{
            "status": status, "labels": {"alertname": "PortDown", "instance": "switch-7:161", "severity": "critical"},
            "annotations": {"summary": "uplink is down"}, "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "f00d",
        }],
    })
}

#[tokio::test]
async fn an_alert_of_another_system_leaves_by_modem_and_a_reply_takes_it() {
    let spool = Spool::new();
    let site = Site::start(&format!("{}[paging]\nrepage_after = \"1h\"\n", spool.channel())).await;
    let _ = site.cli(&["user", "contact", "admin", "--phone", "13800000001", "--staff", "07"]);
    assert_eq!(site.post("inbound/alertmanager", &json!({"version": "3"})).await.0, 400);
    let (status, opened) = site.post("inbound/alertmanager", &alert("firing")).await;
    assert_eq!(status, 200, "{opened}");
    let number = opened["tickets"][0].as_u64().expect("a ticket's number");
    let text = spool.sends(&format!("#{number} ")).await;
    assert!(text.starts_with("【某某运维】") && text.contains("PortDown"), "{text}");
    // The same alert again is the same ticket.
    let (_, again) = site.post("inbound/alertmanager", &alert("firing")).await;
    assert_eq!(again["tickets"][0].as_u64(), Some(number));

    // A shared phone proves nobody: without a staff number nothing happens.
    spool.receives("8613800000001", "1");
    spool.receives("8613900000009", &format!("{number}  07"));
    spool.receives("8613800000001", &format!("a{number} 07"));
    let ticket = site.ticket_becomes(number, "accepted").await;
    assert_eq!(ticket["assignee_name"], "admin");
    let answer = spool.sends("admin").await;
    assert!(answer.contains(&format!("#{number} ")), "{answer}");

    let (_, over) = site.post("inbound/alertmanager", &alert("resolved")).await;
    assert_eq!(over["tickets"][0].as_u64(), Some(number), "{over}");
    site.ticket_becomes(number, "restored").await;

    let list = site.cli(&["channel", "list"]);
    assert!(list.contains("modem") && list.contains("smstools"), "{list}");
    let cycle = site.http().get(format!("{}/health/cycle", site.console()));
    assert_eq!(cycle.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_channel_is_tested_and_a_customer_keeps_its_matters_inside() {
    let spool = Spool::new();
    let site = Site::start(&format!("{}[paging]\nrepage_after = \"1h\"\n", spool.channel())).await;
    let cycle = site.http().get(format!("{}/health/cycle", site.console()));
    assert_eq!(
        cycle.send().await.expect("an answer").status(),
        503,
        "nothing was proven yet"
    );
    let unreached = site
        .try_cli(&["channel", "test", "modem"], "")
        .expect_err("no phone is known");
    assert!(unreached.contains("has no phone number"), "{unreached}");
    let _ = site.cli(&["user", "contact", "admin", "--phone", "13800000001"]);
    let said = site.cli(&["channel", "test", "modem", "--to", "admin"]);
    assert!(said.contains("the message was taken"), "{said}");
    spool.sends("无故障").await;
    assert!(site.try_cli(&["channel", "test", "fax"], "").is_err());
    assert!(site.cli(&["channel", "drill"]).starts_with("1 pages"));
    spool.sends("演练").await;

    let customer = site.cli(&["channel", "secrecy"]);
    let name = customer.trim_start_matches("full").trim().to_owned();
    let _ = site.cli(&["channel", "secrecy", &name, "code-only"]);
    let event =
        json!({"source": "zabbix", "key": "17", "host": "secret-host", "title": "secret fault", "severity": "high"});
    let (status, opened) = site.post("inbound/events", &event).await;
    assert_eq!(status, 200, "{opened}");
    let text = spool.sends("请回值班室").await;
    assert!(!text.contains("secret"), "{text}");
}

type Seen = Arc<Mutex<Vec<Value>>>;

/// A receiver that never answers its first request.
async fn receiver(seen: Seen) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = axum::routing::post(move |body: axum::Json<Value>| {
        let seen = seen.clone();
        async move {
            let first = {
                let mut seen = seen.lock().expect("a lock");
                seen.push(body.0);
                seen.len() == 1
            };
            if first {
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
        }
    });
    let router = axum::Router::new().route("/page", answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_page_that_was_cut_off_by_a_crash_is_sent_again_under_its_key_and_marked() {
    let seen = Seen::default();
    let address = receiver(seen.clone()).await;
    let channel = format!("[[channel]]\nname = \"robot\"\nkind = \"webhook\"\nurl = \"http://{address}/page\"\n");
    let mut site = Site::start(&channel).await;
    let event = json!({"source": "zabbix", "key": "1", "host": "h1", "title": "fault"});
    let (status, opened) = site.post("inbound/events", &event).await;
    assert_eq!(status, 200, "{opened}");
    until("the page to be under way", async || {
        (!seen.lock().expect("a lock").is_empty()).then_some(())
    })
    .await;
    site.collector().kill();
    site.run().await;
    until("the page to come again", async || {
        (seen.lock().expect("a lock").len() >= 2).then_some(())
    })
    .await;
    let seen = seen.lock().expect("a lock").clone();
    assert_eq!(seen[0]["key"], seen[1]["key"]);
    assert_eq!((&seen[0]["resent"], &seen[1]["resent"]), (&json!(false), &json!(true)));
    assert!(Path::new(&site.path("collector.log")).exists());
}
