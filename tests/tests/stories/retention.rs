//! Retention by contract: a class is declared, its hosts are found in the register, and its figures are shown.

use tocsin_tests::{host::Host, site::Site};

const CLASS: &str = "[retention.bank]\nraw = \"90d\"\ncustomers = [\"默认客户 Default\", \"nobody\"]\n";

#[tokio::test]
async fn a_class_of_hosts_shows_in_health_and_metrics() {
    let mut site = Site::start(CLASS).await;
    let host = Host::start(&site, "host", "");
    host.goes_on(&site).await;
    let health = site.get("health").await;
    let parts = health["parts"].as_array().expect("parts").clone();
    let samples = parts.into_iter().find(|part| part["name"] == "samples");
    let detail = samples.expect("what is stored")["detail"].to_string();
    assert!(detail.contains("default 0 MiB; bank 0 MiB"), "{detail}");
    let metrics = site.metrics().await;
    for class in ["default", "bank"] {
        let line = format!("tocsin_store_class_block_bytes{{class=\"{class}\"}} 0");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(site.collector().is_running());
}
