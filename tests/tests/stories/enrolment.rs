//! Enrolment: who gets in, who does not, and why.

use tocsin_tests::{host::Host, patience::until, site::Site};

#[tokio::test]
async fn a_host_enrols_once_with_its_token_and_is_seen() {
    let site = Site::start("").await;
    let install = site.install_string();
    let mut first = Host::prepare(&site, "first", "");
    first.enrol(&install).expect("a fresh token enrols");
    first.run();
    let host = first.is_live(&site).await;
    assert_eq!(host["record"]["id"], first.id());

    let second = Host::prepare(&site, "second", "");
    let refusal = second.enrol(&install).expect_err("a token is good once");
    assert!(refusal.contains("was used at"), "{refusal}");
}

#[tokio::test]
async fn a_wrong_pin_is_refused_by_the_agent() {
    let site = Site::start("").await;
    let install = site.install_string();
    let mut parts: Vec<&str> = install.split('@').collect();
    let wrong = "0".repeat(64);
    parts[2] = &wrong;
    let host = Host::prepare(&site, "host", "");
    let refusal = host.enrol(&parts.join("@")).expect_err("a wrong pin");
    assert!(refusal.contains("pin"), "{refusal}");
    host.enrol(&install).expect("the token was not sent, so it is still good");
}

#[tokio::test]
async fn a_certificate_of_another_site_is_refused() {
    let home = Site::start("").await;
    let elsewhere = Site::start("").await;
    let mut host = Host::prepare(&home, "host", &format!("collectors = [\"{}\"]\n", elsewhere.address("agents")));
    host.enrol(&home.install_string()).expect("enrols at home");
    host.run();
    let status = until("the agent to say why it is refused", async || {
        let status = host.status();
        let problem = status["link"]["problem"].as_str().unwrap_or_default().to_owned();
        (!problem.is_empty()).then_some(problem)
    })
    .await;
    assert!(!status.is_empty());
    assert_eq!(elsewhere.get("hosts").await["items"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn a_revoked_host_is_shut_out_at_once_and_told_why() {
    let site = Site::start("").await;
    let mut host = Host::start(&site, "host", "").await;
    host.is_live(&site).await;
    let _ = site.cli(&["agent", "revoke", &host.id()]);
    until("the agent to hear that it was shut out", async || {
        host.agent().printed().contains("shut out").then_some(())
    })
    .await;
    let seen = site.get(&format!("hosts/{}", host.id())).await;
    assert_eq!(seen["state"], "revoked");
}
