//! Documents travel from host to ledger: files that change, also while nobody listens, and diagnostic snapshots.

use serde_json::{Value, json};
use std::path::Path;
use tocsin_proto::v1::{self, agent_message::Body, collector_message::Body as Heard};
use tocsin_tests::{
    fault::Scene,
    host::Host,
    patience::until,
    site::Site,
    wire::{self, Talk},
};
use tocsin_vocabulary::Hash;

/// Replaces a file as editors and configuration tools do.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("a file");
    std::fs::rename(beside, path).expect("a file");
}

/// TOML that has an agent watch one folder.
fn watching(folder: &Path) -> String {
    format!(
        "[surveys]\noff = [\"inventory\"]\n[files]\ndefault = false\n[[file]]\npath = \"{}/*.conf\"\n",
        folder.display()
    )
}

/// The versions of a file, newest first, once there are so many.
async fn versions(site: &Site, host: &Host, path: &Path, count: usize) -> Vec<Value> {
    let name = path.display().to_string().replace('/', "%2F");
    let listed = format!("hosts/{}/documents?kind=file&name={name}", host.id());
    until("versions of a file", async || {
        let items = site.get(&listed).await["items"].as_array()?.clone();
        (items.len() >= count).then_some(items)
    })
    .await
}

async fn text(site: &Site, host: &Host, version: &Value) -> String {
    let id = version["id"].as_str().unwrap_or_default();
    let document = site.get(&format!("hosts/{}/documents/{id}", host.id())).await;
    document["text"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_file_that_is_replaced_shows_what_changed_and_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.conf");
    std::fs::write(&path, "port = 1\npassword = first-secret\n").expect("a file");
    let site = Site::start("").await;
    let host = Host::start(&site, "host", &watching(folder.path()));
    let first = versions(&site, &host, &path, 1).await;
    assert_eq!(text(&site, &host, &first[0]).await, "port = 1\npassword = ********\n");

    replace(&path, "port = 2\npassword = second-secret\n");
    let both = versions(&site, &host, &path, 2).await;
    let newest = both[0]["id"].as_str().unwrap_or_default();
    let diff = site.get(&format!("hosts/{}/documents/{newest}/diff", host.id())).await;
    let diff = diff["diff"].as_str().unwrap_or_default();
    assert!(
        diff.contains("\n-port = 1\n+port = 2\n password = ********\n"),
        "{diff}"
    );
    until("the event", async || {
        let events = site.get(&format!("hosts/{}/events", host.id())).await;
        let found = events["items"]
            .as_array()?
            .iter()
            .any(|event| event["name"] == "file.changed" && event["attributes"]["path"] == path.display().to_string());
        found.then_some(())
    })
    .await;
    let page = site
        .page(
            &format!("/hosts/{}/documents/{newest}", host.id()),
            &site.sign_in().await,
        )
        .await;
    assert!(
        page.contains("<del>-port = 1</del>") && !page.contains("-secret"),
        "{page}"
    );
}

#[tokio::test]
async fn what_changed_twice_while_no_collector_was_there_arrives_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.conf");
    std::fs::write(&path, "one\n").expect("a file");
    let mut site = Site::start("").await;
    let mut host = Host::start(&site, "host", &watching(folder.path()));
    versions(&site, &host, &path, 1).await;
    let index = host.state_dir().join("documents/index.json");
    let waiting = async |count: usize| {
        until("versions to wait for their acknowledgement", async || {
            let index: Value = serde_json::from_slice(&std::fs::read(&index).ok()?).ok()?;
            let versions = index["versions"].as_array()?.iter();
            let waiting = versions.filter(|version| version["kind"] == "file" && version["acked"] == false);
            (waiting.count() == count).then_some(())
        })
        .await;
    };
    waiting(0).await;
    site.collector().kill();
    replace(&path, "two\n");
    waiting(1).await;
    replace(&path, "three\n");
    waiting(2).await;
    // Also an agent that was restarted meanwhile has them.
    host.agent().kill();
    host.run();
    site.run().await;
    let all = versions(&site, &host, &path, 3).await;
    let mut texts = Vec::new();
    for version in &all {
        texts.push(text(&site, &host, version).await);
    }
    assert_eq!(texts, ["three\n", "two\n", "one\n"]);
}

#[tokio::test]
async fn a_fault_and_a_person_get_snapshots_that_are_kept_with_the_ticket() {
    let mut scene = Scene::set("diagnosis", "").await;
    let (number, _) = scene.cause().await;
    let (site, host) = (&scene.site, &scene.host);
    let path = format!("hosts/{}/diagnoses", host.id());
    let of_ticket = format!("{path}?ticket={number}");
    let come = async |count: usize| {
        until("snapshots to come", async || {
            let items = site.get(&of_ticket).await["items"].as_array()?.clone();
            (items.len() == count && items.iter().all(|item| item["document"].is_string())).then_some(items)
        })
        .await
    };
    let own = come(1).await;
    assert_eq!(own[0]["asked_by"], "system");
    let (status, asked) = site.post(&path, &json!({ "ticket": number })).await;
    assert_eq!(status, 202, "{asked}");
    let both = come(2).await;
    assert_eq!((&both[0]["id"], &both[0]["asked_by"]), (&asked["id"], &json!("admin")));
    let document = both[0]["document"].as_str().unwrap_or_default();
    let snapshot = site.get(&format!("hosts/{}/documents/{document}", host.id())).await;
    let text = snapshot["text"].as_str().unwrap_or_default();
    assert!(text.contains("== memory ==\n-- /proc/meminfo\nMemTotal:"), "{text}");

    host.configure("interval = \"1s\"\ndiagnosis = false\n");
    until("a refusal", async || {
        let (status, asked) = site.post(&path, &json!({})).await;
        if status != 202 {
            return None;
        }
        until("an answer", async || {
            let items = site.get(&path).await["items"].as_array()?.clone();
            let answer = items.into_iter().find(|item| item["id"] == asked["id"])?;
            answer["document"].is_string().then(|| answer["refused"] == true)
        })
        .await
        .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_host_tells_its_inventory() {
    let site = Site::start("").await;
    let host = Host::start(&site, "host", "[files]\ndefault = false\n");
    let path = format!("hosts/{}/documents?kind=inventory", host.id());
    let names = until("the inventory", async || {
        let items = site.get(&path).await["items"].as_array()?.clone();
        let names: Vec<String> = items
            .iter()
            .filter_map(|item| Some(item["name"].as_str()?.to_owned()))
            .collect();
        names.contains(&"users".to_owned()).then_some(names)
    })
    .await;
    assert!(
        names.contains(&"hardware".to_owned()) && names.contains(&"system".to_owned()),
        "{names:?}"
    );
}

/// An offer of this text.
fn offer(number: u64, kind: &str, name: &str, text: &str) -> v1::DocumentOffer {
    v1::DocumentOffer {
        number,
        kind: kind.to_owned(),
        name: name.to_owned(),
        hash: Hash::of(text.as_bytes()).as_bytes().to_vec().into(),
        size: text.len() as u64,
        media: "text/plain".to_owned(),
        time_ms: wire::now().as_millis(),
        ..v1::DocumentOffer::default()
    }
}

/// The collector's answer to an offer: whether it wants the content, else why it refuses.
async fn answer(talk: &mut Talk, offer: v1::DocumentOffer) -> Result<(), String> {
    talk.say(Body::Document(offer)).await;
    loop {
        match talk.hear().await.expect("an answer") {
            Heard::DocumentNeed(_) => return Ok(()),
            Heard::DocumentAck(ack) => return Err(ack.refused),
            _ => {}
        }
    }
}

fn piece(text: &str, offset: u64, bytes: &str) -> Body {
    Body::Piece(v1::DocumentPiece {
        hash: Hash::of(text.as_bytes()).as_bytes().to_vec().into(),
        offset,
        bytes: bytes.as_bytes().to_vec().into(),
        last: true,
    })
}

#[tokio::test]
async fn a_hostile_agent_keeps_nothing_that_is_not_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("app.conf"), "known to its host alone\n").expect("a file");
    let site = Site::start("").await;
    let good = Host::start(&site, "good", &watching(folder.path()));
    versions(&site, &good, &folder.path().join("app.conf"), 1).await;
    let enemy = Host::prepare(&site, "enemy", "");
    enemy.enrol(&site.install_string()).expect("enrols");
    let mut talk = Talk::of(&site, &enemy).await;

    let theirs = offer(1, "file", "/x", "known to its host alone\n");
    assert_eq!(
        answer(&mut talk, theirs).await,
        Ok(()),
        "what another host has must be shown, not named"
    );
    for (kind, name) in [
        ("virus", "x"),
        ("diagnosis", "0192f0c1-2345-7abc-8def-0123456789ab"),
        ("diagnosis", "x"),
    ] {
        let refused = answer(&mut talk, offer(2, kind, name, "text")).await;
        assert!(refused.is_err_and(|reason| !reason.is_empty()), "{kind} {name}");
    }
    let large = v1::DocumentOffer {
        size: 1 << 40,
        ..offer(3, "file", "/x", "text")
    };
    assert!(
        answer(&mut talk, large)
            .await
            .is_err_and(|reason| reason.contains("too large"))
    );
    let wrong = v1::DocumentOffer {
        size: 5,
        ..offer(4, "file", "/x", "text")
    };
    assert_eq!(answer(&mut talk, wrong).await, Ok(()));
    talk.say(piece("text", 0, "other")).await;
    let refused = loop {
        if let Heard::DocumentAck(ack) = talk.hear().await.expect("an answer") {
            break ack.refused;
        }
    };
    assert!(refused.contains("hash"), "{refused}");
    assert_eq!(answer(&mut talk, offer(5, "file", "/x", "text")).await, Ok(()));
    talk.say(piece("text", 3, "t")).await;
    assert_eq!(talk.is_refused().await.0, "invalid_input");
    let kept = site.get(&format!("hosts/{}/documents", enemy.id())).await;
    assert_eq!(kept["items"], json!([]));
}
