//! Enrolment: who gets in, who does not, and why.

use std::time::Duration;
use tocsin_tests::{host::Host, patience::until, site::Site, wire};

#[tokio::test]
async fn a_host_enrols_once_with_its_token_and_is_seen() {
    let site = Site::start("").await;
    let install = site.cli(&["token", "create", "--host-name", "db1"]);
    let mut first = Host::prepare(&site, "first", "");
    first.enrol(&install).expect("a fresh token enrols");
    first.run();
    let host = first.is_live(&site).await;
    assert_eq!(
        (host["id"].as_str(), host["name"].as_str()),
        (Some(first.id().as_str()), Some("db1"))
    );

    let second = Host::prepare(&site, "second", "");
    let refusal = second.enrol(&install).expect_err("a token is good once");
    assert!(refusal.contains("was used at"), "{refusal}");
    let refusal = first.enrol(&site.install_string()).expect_err("it has an identity");
    assert!(refusal.contains("already enrolled"), "{refusal}");
}

#[tokio::test]
async fn of_many_that_use_a_token_at_once_one_gets_in() {
    let site = Site::start("").await;
    let install = site.install_string();
    let hosts: Vec<Host> = (0..8).map(|i| Host::prepare(&site, &format!("host{i}"), "")).collect();
    let threads = hosts.into_iter().map(|host| {
        let install = install.clone();
        std::thread::spawn(move || host.enrol(&install).is_ok())
    });
    let threads: Vec<_> = threads.collect();
    let enrolled = threads
        .into_iter()
        .map(|thread| thread.join().expect("an attempt"))
        .filter(|good| *good)
        .count();
    assert_eq!(enrolled, 1);
    assert_eq!(site.get("hosts").await["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_token_that_expired_or_never_was_is_refused() {
    let site = Site::start("").await;
    let install = site.cli(&["token", "create", "--expires", "1s"]);
    let good_until = wire::now().plus(Duration::from_secs(1));
    let host = Host::prepare(&site, "host", "");
    until("the token to expire", async || (wire::now() > good_until).then_some(())).await;
    let refusal = host.enrol(&install).expect_err("too late");
    assert!(refusal.contains("expired at"), "{refusal}");
    let invented = install
        .rsplit_once('@')
        .map(|(head, _)| format!("{head}@{}", "0".repeat(43)))
        .expect("a token");
    let refusal = host.enrol(&invented).expect_err("nobody made this token");
    assert!(refusal.contains("not known here"), "{refusal}");
}

#[tokio::test]
async fn a_wrong_pin_is_refused_by_the_agent_which_keeps_the_token_to_itself() {
    let site = Site::start("").await;
    let install = site.install_string();
    let mut parts: Vec<&str> = install.split('@').collect();
    let wrong = "0".repeat(64);
    parts[2] = &wrong;
    let host = Host::prepare(&site, "host", "");
    let refusal = host.enrol(&parts.join("@")).expect_err("a wrong pin");
    assert!(refusal.contains("is not a collector of this site"), "{refusal}");
    host.enrol(&install)
        .expect("the token was not sent, so it is still good");
}

#[tokio::test]
async fn a_revoked_host_is_shut_out_at_once_and_told_why() {
    let site = Site::start("").await;
    let mut host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    let _ = site.cli(&["agent", "revoke", &host.id()]);
    let printed = async || host.agent().printed().contains("shut out").then_some(());
    until("the agent to hear that it was shut out", printed).await;
    assert_eq!(site.get(&format!("hosts/{}", host.id())).await["state"], "revoked");
}
