//! Edits of configuration and rules take effect while the daemons run; bad ones change nothing and are told.

use serde_json::Value;
use tocsin_tests::{
    host::Host,
    patience::until,
    site::{Site, rules_dir},
};

const BROKEN: &str = "[[rule]]\nname = \"broken\"\n";

fn rule(name: &str, below: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nmetric = \"system.memory.utilization\"\nbelow = {below}\nseverity = \"info\"\n\
         action = \"record\"\ntitle.en = \"{name}\"\ntitle.zh = \"{name}\"\nremedy.en = \"none\"\nremedy.zh = \"无\"\n"
    )
}

#[tokio::test]
async fn an_agent_takes_a_good_edit_and_keeps_its_settings_after_a_bad_one() {
    let site = Site::start("").await;
    let mut host = Host::start(&site, "host", "");
    let interval = |status: &Value| status["interval_ms"].as_u64();
    let problem = |status: &Value| status["config_problem"].as_str().map(str::to_owned);
    host.says("one second between ticks", |status| {
        interval(status).filter(|millis| *millis == 1_000)
    })
    .await;

    host.configure("interval = \"2m\"\nspol = 1\n");
    let told = host.says("what is wrong with the edit", problem).await;
    assert!(
        told.contains("line 1") && told.contains("line 2"),
        "all mistakes with their lines: {told}"
    );
    assert_eq!(
        interval(&host.status()),
        Some(1_000),
        "the settings before it are still in use"
    );
    host.goes_on(&site).await;

    host.configure("interval = \"2s\"\n");
    host.says("two seconds between ticks", |status| {
        interval(status).filter(|millis| *millis == 2_000)
    })
    .await;
    host.says("nothing wrong any more", |status| {
        status["config_problem"].is_null().then_some(())
    })
    .await;
    until("the collector to know", async || {
        let host = site.get(&format!("hosts/{}", host.id())).await;
        (host["interval_ms"] == 2_000).then_some(())
    })
    .await;
    assert!(host.agent().is_running());
}

#[tokio::test]
async fn a_collector_takes_a_good_rule_and_keeps_its_rules_after_a_bad_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut site = Site::start(&rules_dir(folder.path(), &rule("first", "0.0"))).await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    let names = async |site: &Site| -> Vec<String> {
        let rules = site.get("rules").await["items"].clone();
        rules
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|rule| Some(rule["name"].as_str()?.to_owned()))
            .collect()
    };
    assert_eq!(names(&site).await, ["first"]);

    let _ = rules_dir(folder.path(), BROKEN);
    until("the mistakes to be told", async || {
        let printed = site.collector().printed();
        printed.contains("story.toml:1").then_some(())
    })
    .await;
    assert_eq!(names(&site).await, ["first"], "the rules before it are still in force");
    let cookie = site.sign_in().await;
    let page = site.page("/rules", &cookie).await;
    assert!(
        page.contains("story.toml:1: ") && page.contains("role=\"alert\""),
        "{page}"
    );
    let status = site.cli(&["status"]);
    assert!(status.contains("warning: a change was refused"), "{status}");

    // Always true, so the next tick raises it.
    let _ = rules_dir(folder.path(), &rule("second", "2.0"));
    until("the new rule's alert", async || {
        let alerts = site.get("alerts?state=raised").await;
        alerts["items"]
            .as_array()?
            .iter()
            .find(|alert| alert["rule"] == "second")
            .map(|_| ())
    })
    .await;
    assert_eq!(names(&site).await, ["second"]);
    let page = site.page("/rules", &cookie).await;
    assert!(!page.contains("story.toml:1: "), "it is mended: {page}");
}
