//! Appliances without an agent tell of their backups; the plan is held against the fact; how soon somebody knows.

use serde_json::{Value, json};
use std::{
    net::UdpSocket,
    process::Command,
    time::{Duration, SystemTime},
};
use tocsin_tests::{host::Host, patience::until, phone::Phone, program, site::Site, wire};
use tocsin_vocabulary::Timestamp;

/// Runs that came from a source.
fn runs_from(site: &Site, source: &str) -> Value {
    let told = intake(site);
    let mut items = told["items"].as_array().into_iter().flatten();
    items
        .find(|one| one["name"] == source)
        .map_or(Value::Null, |one| one["runs"].clone())
}

/// What `job intake --json` says.
fn intake(site: &Site) -> Value {
    serde_json::from_str(&site.cli(&["job", "intake", "--json"])).expect("an answer")
}

#[tokio::test]
async fn an_appliance_tells_by_syslog_and_by_an_export_and_a_phone_rings() {
    let folder = tempfile::tempdir().expect("a folder");
    let exports = folder.path().join("exports");
    std::fs::create_dir(&exports).expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("this machine has a name");
    let name = name.trim();
    let config = format!(
        "{}\n[backup_intake]\nsyslog_udp = \"127.0.0.1:0\"\n\
         [[backup_intake.source]]\nname = \"veeam\"\nhost = {name:?}\nfrom = [\"127.0.0.1\"]\nadapter = \"veeam\"\n\
         [[backup_intake.source]]\nname = \"oa\"\nhost = {name:?}\nfolder = {exports:?}\ndefinition = \"anybackup\"\n\
         zone = \"UTC\"\n",
        phone.channel()
    );
    let site = Site::start(&config).await;
    let _host = Host::start(&site, "backup1", "");
    let listeners = intake(&site)["listeners"].clone();
    let address = listeners[0]["address"].as_str().expect("an address").to_owned();
    let now = wire::now();
    let line = format!(
        "<14>1 {now} b1 Veeam_MP - - [x instanceId=190 JobSessionID=\"s1\" JobName=\"VMs\" JobResult=\"2\" WillBeRetried=\"False\" \
         Reason=\"no space left on the repository\"]"
    );
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // The host has a name when its agent has told it; until then nothing can be kept, and a datagram is not said again.
    until("the run to be kept", async || {
        socket.send_to(line.as_bytes(), &address).expect("sent");
        runs_from(&site, "veeam").as_u64().filter(|runs| *runs >= 1)
    })
    .await;
    let page = phone.rings_for("opened").await.page;
    let title = page["title"]["en"].as_str().unwrap_or_default();
    assert!(title.contains("VMs") && title.contains("no space left"), "{page}");
    std::fs::write(
        exports.join("runs.csv"),
        "OA,oa-db,full,2026-11-20 01:00:00,2026-11-20 01:10:00,失败,0 B,x\n\
         OA,oa-db,full,2026-11-21 01:00:00,2026-11-21 01:10:00,成功,12 GB,\n",
    )
    .expect("an export");
    until("the export to be read", async || {
        (runs_from(&site, "oa") == 2).then_some(())
    })
    .await;
    let jobs = site.get("backups/jobs").await;
    let named = |name: &str| {
        let jobs = jobs["items"].as_array().into_iter().flatten();
        jobs.filter(|job| job["name"] == name)
            .map(|job| job["last_result"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((named("VMs"), named("OA")), (vec![json!("failed")], vec![json!("ok")]));
    let told = site.cli(&["job", "intake"]);
    assert!(
        told.contains("listens: syslog 127.0.0.1:") && told.contains("JobName=\"VMs\""),
        "{told}"
    );
}

#[tokio::test]
async fn the_plan_is_held_against_the_fact_by_page_command_and_api() {
    let site = Site::start("").await;
    let host = Host::start(&site, "db1", "");
    let bare = Host::start(&site, "db2", "");
    let _ = site.cli(&["job", "add", "--host", &host.id(), "nightly", "--rpo", "26h"]);
    let _ = site.cli(&[
        "job",
        "done",
        "--host",
        &host.id(),
        "nightly",
        "--reason",
        "run by hand before the move",
    ]);
    let coverage = site.get("backups/coverage").await;
    let contract = &coverage["items"][0];
    assert_eq!(
        (&contract["hosts"], &contract["covered"], &contract["percent"]),
        (&json!(2), &json!(1), &json!(50))
    );
    assert_eq!(
        (&contract["rpo_promised"], &contract["rpo_broken"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(contract["uncovered"][0]["host"], json!(bare.id()));
    let told = site.cli(&["job", "coverage"]);
    assert!(told.contains("1/2 50%") && told.contains("no backup: "), "{told}");
    let _ = site.cli(&["agent", "tag", &bare.id(), "no-backup"]);
    let told: Value = serde_json::from_str(&site.cli(&["job", "coverage", "--json"])).expect("an answer");
    assert_eq!(
        (&told["items"][0]["percent"], &told["items"][0]["not_needed"]),
        (&json!(100), &json!(1))
    );
    // The site's own day may be the next one already.
    let days =
        [wire::now(), wire::now().plus(Duration::from_secs(14 * 3_600))].map(|at| at.to_string()[..10].to_owned());
    for period in ["week", "month"] {
        let mut found = false;
        for day in &days {
            let summary = site.get(&format!("backups/summary?period={period}&on={day}")).await;
            assert_eq!(summary["period"], period, "{summary}");
            found |= summary["totals"]["ok"] == 1 && summary["items"][0]["good_per_mille"] == 1_000;
        }
        assert!(found, "{period} of {days:?}");
        let told = site.cli(&["job", "summary", "--period", period, "--on", &days[0]]);
        assert!(told.contains("nightly") && told.contains(period), "{told}");
    }
}

fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time of today")
}

#[tokio::test]
async fn how_soon_a_failure_and_a_missed_run_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    let site = Site::start(&phone.channel()).await;
    let host = Host::start(&site, "host", "");
    let added = site.cli(&[
        "job",
        "add",
        "--host",
        &host.id(),
        "often",
        "--schedule",
        "every 10s",
        "--grace",
        "1s",
        "--json",
    ]);
    let added: serde_json::Value = serde_json::from_str(&added).expect("JSON");
    let awaited = added["stand"]["expected_at"].as_str().expect("a time");
    let awaited: Timestamp = awaited.parse().expect("a time");
    let due = awaited.plus(Duration::from_secs(1));
    let page = phone.rings_for("opened").await;
    let noticed = millis(page.at) - due.as_millis();
    println!("missed run: on the phone {noticed} ms after the end of its grace (aim: 5000)");
    let _ = site.cli(&["job", "pause", "--host", &host.id(), "often"]);
    let status = Command::new(program::path("tocsin-agent"))
        .args(["backup", "exec", "--job", "nightly", "--state-dir"])
        .arg(host.state_dir())
        .args(["--", "sh", "-c", "exit 3"])
        .status()
        .expect("a wrapper");
    assert_eq!(status.code(), Some(3));
    let ended = wire::now();
    let page = phone.rings_for("opened").await;
    println!(
        "failure: on the phone {} ms after the command's end (aim: noticed within 2000)",
        millis(page.at) - ended.as_millis()
    );
    assert!(
        page.page["title"]["en"]
            .as_str()
            .is_some_and(|title| title.contains("nightly"))
    );
}
