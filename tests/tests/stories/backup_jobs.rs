//! Backup jobs from command to phone: a wrapped command that fails, a run that does not come, a device that pings.

use serde_json::{Value, json};
use std::process::Command;
use tocsin_tests::{host::Host, patience::until, phone::Phone, program, site::Site};

/// Runs `script` as a run of `job` on a host; answers its exit code.
fn wrap(host: &Host, job: &str, script: &str) -> Option<i32> {
    let status = Command::new(program::path("tocsin-agent"))
        .args(["backup", "exec", "--job", job, "--state-dir"])
        .arg(host.state_dir())
        .args(["--", "sh", "-c", script])
        .status();
    status.expect("a wrapper").code()
}

async fn jobs(site: &Site) -> Vec<Value> {
    let listed = site.get("backups/jobs").await;
    listed["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_backup_that_fails_rings_a_phone_with_its_error_and_a_good_one_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    let site = Site::start(&phone.channel()).await;
    let mut host = Host::start(&site, "host", "");
    let added = site.cli(&[
        "job",
        "add",
        "--host",
        &host.id(),
        "nightly",
        "--schedule",
        "30 2 * * *",
    ]);
    assert!(added.contains("next run awaited"), "{added}");

    assert_eq!(
        wrap(&host, "nightly", "echo 'Fatal: wrong password' >&2; exit 12"),
        Some(12)
    );
    let page = phone.rings_for("opened").await.page;
    let title = page["title"]["en"].as_str().unwrap_or_default();
    assert!(
        title.contains("nightly") && title.contains("Fatal: wrong password"),
        "{page}"
    );
    let number = page["ticket_number"].as_u64().expect("a ticket's number");
    let listed = jobs(&site).await;
    assert_eq!((listed.len(), &listed[0]["last_result"]), (1, &json!("failed")));

    // The agent is away meanwhile: the run is kept, and told when it is back.
    host.agent().kill();
    assert_eq!(wrap(&host, "nightly", "true"), Some(0));
    host.run();
    site.ticket_becomes(number, "restored").await;
    let id = listed[0]["id"].as_str().expect("an id").to_owned();
    let runs = site.get(&format!("backups/jobs/{id}/runs")).await;
    let results: Vec<&str> = runs["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|run| run["result"].as_str())
        .collect();
    assert_eq!(results, ["ok", "failed"]);
}

#[tokio::test]
async fn a_run_that_does_not_come_is_missed_also_when_the_collector_was_started_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    let mut site = Site::start(&phone.channel()).await;
    let host = Host::start(&site, "host", "");
    let _ = site.cli(&[
        "job",
        "add",
        "--host",
        &host.id(),
        "often",
        "--schedule",
        "every 10s",
        "--grace",
        "1s",
    ]);
    site.collector().kill();
    site.run().await;
    let page = phone.rings_for("opened").await.page;
    let title = page["title"]["en"].as_str().unwrap_or_default();
    assert!(title.contains("often") && title.contains("did not run"), "{page}");
    assert_eq!(jobs(&site).await[0]["last_result"], "missed");
}

#[tokio::test]
async fn a_device_without_an_agent_pings() {
    let site = Site::start("").await;
    let host = Host::start(&site, "host", "");
    let added = site.cli(&["job", "add", "--host", &host.id(), "NAS export", "--ping"]);
    let url = added
        .lines()
        .find_map(|line| line.strip_prefix("ping: "))
        .expect("an address");
    let path = url.split_once("/ping/").expect("a path").1;
    let address = format!("{}/ping/{path}", site.console());
    let http = site.http();
    for signal in ["/start?rid=1", "/log", "/3?rid=1"] {
        let answer = http
            .post(format!("{address}{signal}"))
            .body("disk is full")
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200, "{signal}");
    }
    until("the run to be judged", async || {
        (jobs(&site).await[0]["last_result"] == "failed").then_some(())
    })
    .await;
    assert_eq!(
        http.get(&address)
            .send()
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text"),
        "OK"
    );
    assert_eq!(http.head(&address).send().await.expect("an answer").status(), 200);
    let wrong = format!("{}/ping/guess/nas-export", site.console());
    assert_eq!(http.get(wrong).send().await.expect("an answer").status(), 404);
}
