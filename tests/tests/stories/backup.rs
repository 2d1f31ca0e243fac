//! A collector is backed up while it works, lost, and restored elsewhere: its hosts, history, tickets and people are there.

use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tocsin_tests::{fault::Scene, host::Host, patience::until, postgres::Server, site::Site};

/// Runs a command of the collector to its end: its status, what it printed and what it complained about.
fn outcome(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = site.command(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn words(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// The permissions of everything in a folder, by path.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let mode = path.metadata().expect("a file").permissions().mode() & 0o777;
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path, mode));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_site_backed_up_while_it_ran_is_restored_elsewhere_with_all_it_had() {
    let mut scene = Scene::set("backup", "").await;
    let (number, _) = scene.cause().await;
    let site = &scene.site;
    let (status, _) = site.post(&format!("tickets/{number}/accept"), &json!({})).await;
    assert_eq!(status, 200);
    scene.host.goes_on(site).await;
    let before = scene.host.ticks(site).await;

    let folder = site.path("backup");
    let said = site.cli(&["backup", words(&folder)]);
    assert!(
        said.contains("backed up into") && said.contains("private keys"),
        "{said}"
    );
    let mode = folder.metadata().expect("a folder").permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "{mode:o}");
    for (path, mode) in modes(&folder) {
        let secret = !path.starts_with(folder.join("metrics"));
        assert!(!secret || mode == 0o600, "{}: {mode:o}", path.display());
    }
    for kept in [
        "MANIFEST",
        "ledger.db",
        "pki/agents.pem",
        "pki/console.pem",
        "config/collector.toml",
        "config/rules.d/story.toml",
    ] {
        assert!(folder.join(kept).is_file(), "{kept} is in the backup");
    }
    assert!(site.cli(&["verify"]).contains("\nwhole:") || site.cli(&["verify"]).starts_with("whole:"));
    let verdict = site.cli(&["verify", words(&folder)]);
    assert!(
        verdict.contains("whole:") && !verdict.contains("NOT whole"),
        "{verdict}"
    );
    let (status, _, complaint) = outcome(site, &["backup", words(&folder)]);
    assert_eq!(status, Some(2), "{complaint}");
    assert!(complaint.contains("is not empty"), "{complaint}");
    let (status, _, complaint) = outcome(site, &["restore", words(&folder)]);
    assert_eq!(status, Some(5), "{complaint}");
    assert!(complaint.contains("stop it first"), "{complaint}");

    scene.host.goes_on(site).await;
    let known = scene.host.ticks(site).await;
    scene.site.collector().kill();
    let elsewhere = scene.site.path("elsewhere");
    scene.site.move_to(elsewhere.clone());
    let said = scene.site.cli(&["restore", words(&folder)]);
    assert!(
        said.contains("restored into") && said.contains("start the collector"),
        "{said}"
    );
    let (status, _, complaint) = outcome(&scene.site, &["restore", words(&folder)]);
    assert_eq!(status, Some(5), "{complaint}");
    assert!(complaint.contains("nothing is overwritten"), "{complaint}");

    scene.site.run().await;
    let site = &scene.site;
    let restored = site.get(&format!("tickets/{number}")).await;
    assert_eq!(
        (&restored["state"], &restored["assignee_name"]),
        (&json!("accepted"), &json!("admin"))
    );
    site.sign_in().await;
    assert!(before.iter().all(|time| !known.is_empty() && known.contains(time)));
    scene.host.goes_on(site).await;
    // What came after the backup comes again: its agent has kept it.
    until("the agent to send again what the backup has not", async || {
        let after = scene.host.ticks(site).await;
        known.iter().all(|time| after.contains(time)).then_some(())
    })
    .await;
    assert!(!site.cli(&["verify"]).contains("NOT whole"));
    assert!(!site.cli(&["verify", words(&folder)]).contains("NOT whole"));
    let cookie = site.sign_in().await;
    let trail = site.page("/system", &cookie).await;
    assert!(
        trail.contains("backup.write") && trail.contains("backup.restore"),
        "both are on the record"
    );
}

#[tokio::test]
async fn a_damaged_byte_is_named_and_a_damaged_or_unfinished_backup_is_not_restored() {
    let mut site = Site::start("").await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    host.goes_on(&site).await;
    let folder = site.path("backup");
    let _ = site.cli(&["backup", words(&folder)]);
    // A collector that does not run is backed up and checked all the same.
    assert!(site.collector().stop().await);
    let second = site.path("second");
    let said = site.cli(&["backup", words(&second)]);
    assert!(said.contains("0 files linked"), "{said}");
    assert!(site.cli(&["verify"]).contains("whole:"));

    let segment = second.join("metrics/journal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).expect("a segment");
    let (status, printed, _) = outcome(&site, &["verify", words(&second)]);
    assert_eq!(status, Some(5), "{printed}");
    assert!(
        printed.contains("DAMAGED metrics/journal/0000000001.seg at byte "),
        "{printed}"
    );
    assert!(printed.contains(&host.id()), "whose ticks it costs: {printed}");
    site.move_to(site.path("elsewhere"));
    let (status, _, complaint) = outcome(&site, &["restore", words(&second)]);
    assert_eq!(status, Some(5), "{complaint}");
    assert!(complaint.contains("0000000001.seg"), "{complaint}");

    std::fs::remove_file(folder.join("MANIFEST")).expect("a manifest");
    let (status, _, complaint) = outcome(&site, &["restore", words(&folder)]);
    assert_eq!(status, Some(5), "{complaint}");
    assert!(complaint.contains("no finished backup"), "{complaint}");
    for command in ["restore", "verify"] {
        let (status, _, complaint) = outcome(&site, &[command, words(&site.path("nowhere"))]);
        assert_eq!(status, Some(3), "{complaint}");
        assert!(complaint.contains("there is no folder"), "{complaint}");
    }
    assert!(!site.state("metrics").exists(), "nothing was restored");
}

#[tokio::test]
async fn a_ledger_on_postgresql_is_named_and_the_rest_is_backed_up() {
    let Some(server) = Server::start() else { return };
    let mut site = Site::start(&format!("ledger.url = \"{}\"\n", server.url())).await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    let before = host.ticks(&site).await;
    let folder = site.path("backup");
    let said = site.cli(&["backup", words(&folder)]);
    assert!(said.contains("PostgreSQL") && said.contains("pg_dump"), "{said}");
    assert!(!folder.join("ledger.db").exists());
    let verdict = site.cli(&["verify", words(&folder)]);
    assert!(verdict.contains("restore that database as of"), "{verdict}");
    site.collector().kill();
    site.move_to(site.path("elsewhere"));
    let said = site.cli(&["restore", words(&folder)]);
    assert!(said.contains("restore the PostgreSQL database"), "{said}");
    site.run().await;
    host.goes_on(&site).await;
    let after = host.ticks(&site).await;
    assert!(before.iter().all(|time| after.contains(time)));
}
