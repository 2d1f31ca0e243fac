//! Real SMS programs and a real Alertmanager between us and the people.

use crate::channels::alert;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tocsin_tests::{
    gateways::{GammuSmsd, Kannel},
    patience::until,
    peers::Peer,
    provider::Provider,
    site::Site,
};

const PHONE: &str = "+8613800000001";
const PAGING: &str = "[paging]\nrepage_after = \"1h\"\n";

async fn an_alert(site: &Site) -> u64 {
    let (status, opened) = site.post("inbound/alertmanager", &alert("firing")).await;
    assert_eq!(status, 200, "{opened}");
    opened["tickets"][0].as_u64().expect("a ticket's number")
}

/// Waits until a channel has so many messages that are known to have arrived.
async fn delivers(site: &Site, channel: &str, wanted: u64) {
    until("the reports of delivery", async || {
        let list = site.get("channels").await;
        let found = list["items"].as_array()?.iter().find(|item| item["name"] == channel)?;
        (found["delivered"].as_u64()? >= wanted).then_some(())
    })
    .await;
}

async fn is_accepted_by_admin(site: &Site, number: u64) {
    let ticket = site.ticket_becomes(number, "accepted").await;
    assert_eq!(ticket["assignee_name"], "admin");
}

#[tokio::test]
async fn gammu_smsd_sends_a_page_by_its_phone_and_brings_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(smsd) = GammuSmsd::start(folder.path()) else {
        return;
    };
    let site = Site::start(&format!("{}{PAGING}", smsd.channel())).await;
    let _ = site.cli(&["user", "contact", "admin", "--phone", PHONE, "--staff", "07"]);
    let number = an_alert(&site).await;
    let text = smsd.sends(&format!("#{number} ")).await;
    assert!(text.contains("PortDown"), "{text}");
    assert!(smsd.log().contains(&format!("to {PHONE}")), "{}", smsd.log());
    delivers(&site, "modem", 1).await;
    smsd.receives(PHONE, &format!("接{number} 07"));
    is_accepted_by_admin(&site, number).await;
}

#[tokio::test]
async fn kannel_sends_a_page_reports_its_delivery_and_brings_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    // The address that Kannel calls is known once the collector runs, and Kannel's once that runs.
    let start = format!(
        "[[channel]]\nname = \"sms\"\nkind = \"kannel\"\nurl = \"http://127.0.0.1:9/cgi-bin/sendsms\"\n\
         username = \"tocsin\"\npassword_file = {:?}\n",
        password(folder.path())
    );
    let mut site = Site::start(&format!("{start}{PAGING}")).await;
    let callback = site.cli(&["channel", "address", "sms"]);
    let Some(mut kannel) = Kannel::start(&folder.path().join("kannel"), &callback).await else {
        return;
    };
    let _ = site.cli(&["user", "contact", "admin", "--phone", PHONE, "--staff", "07"]);
    site.change_config(&start, &kannel.channel(&callback));
    site.collector().kill();
    site.run().await;
    // A message centre takes nothing before a phone was seen.
    kannel.a_phone_says("13900000009", "hello");
    let number = an_alert(&site).await;
    delivers(&site, "sms", 1).await;
    let messages = kannel.messages();
    assert!(messages.len() == 1 && messages[0].contains("ucs-2"), "{messages:?}");
    kannel.a_phone_says("13800000001", &format!("{number} 07"));
    is_accepted_by_admin(&site, number).await;
}

fn password(folder: &Path) -> PathBuf {
    let path = folder.join("password");
    std::fs::write(&path, "hush").expect("it is written");
    path
}

/// An Alertmanager that tells this site, and a receiver beside it.
async fn alertmanager(folder: &Path, site: &Site, other: &str) -> Option<Peer> {
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("it is written");
        path
    };
    let token = file("token", site.cli(&["user", "api-token", "admin", "--role", "operator"]));
    let authority = file("ca.pem", site.console_authority());
    let config = format!(
        "route: {{receiver: both, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers:\n- name: both\n  webhook_configs:\n  - url: {:?}\n    http_config:\n      \
         authorization: {{credentials_file: {token:?}}}\n      tls_config: {{ca_file: {authority:?}}}\n  \
         - url: {other:?}\n",
        format!("{}/api/v1/inbound/alertmanager", site.console()),
    );
    let mut peer = Peer::alertmanager(&folder.join("alertmanager"), &config)?;
    peer.run().await;
    Some(peer)
}

async fn tell(peer: &Peer, ends_at: Option<&str>) {
    let mut alert = json!({
        "labels": {"alertname": "PortDown", "instance": "switch-7:161", "severity": "critical"},
        "annotations": {"summary": "uplink is down"}, "startsAt": "2026-01-01T00:00:00Z",
    });
    if let Some(at) = ends_at {
        alert["endsAt"] = at.into();
    }
    let request = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = request.post(peer.url("/api/v2/alerts")).json(&json!([alert])).send();
    assert_eq!(answer.await.expect("an answer").status(), 200);
}

/// What a document is made of: its keys, with the kinds of their values; of a list its first.
fn shape(value: &Value) -> Value {
    match value {
        // Labels and annotations are whatever somebody likes, as long as they are text.
        Value::Object(map) if map.values().all(Value::is_string) && !map.contains_key("status") => "texts".into(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(list) => Value::Array(list.first().map(shape).into_iter().collect()),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "bool".into(),
        Value::Null => Value::Null,
    }
}

#[tokio::test]
async fn a_real_alertmanager_opens_and_restores_a_ticket_and_we_post_what_it_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let (theirs, ours) = (Provider::start().await, Provider::start().await);
    let channel = format!("{}format = \"alertmanager\"\n", ours.channel("robot"));
    let site = Site::start(&format!("{channel}{PAGING}")).await;
    let Some(peer) = alertmanager(folder.path(), &site, &theirs.url()).await else {
        return;
    };
    tell(&peer, None).await;
    let ticket = until("a ticket", async || site.tickets("open").await.pop()).await;
    assert_eq!(ticket["title"]["en"], "PortDown: uplink is down", "{ticket}");
    let number = ticket["number"].as_u64().expect("a number");
    let (theirs, ours) = (theirs.is_asked(1).await, ours.is_asked(1).await);
    assert_eq!(shape(&ours[0].page), shape(&theirs[0].page));
    assert_eq!(ours[0].page["alerts"][0]["labels"]["ticket"], number.to_string());

    // Its own end, long past.
    tell(&peer, Some("2026-01-01T00:01:00Z")).await;
    site.ticket_becomes(number, "restored").await;
}
