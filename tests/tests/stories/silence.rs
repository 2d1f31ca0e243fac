//! An agent that dies is a fault of its own; its return clears it.

use tocsin_tests::{
    host::Host,
    patience::until,
    site::{Site, rules_dir},
};

#[tokio::test]
async fn a_silent_host_opens_a_ticket_and_its_return_restores_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let rule = "[[rule]]\nname = \"silent\"\nno_data = \"3s\"\nseverity = \"critical\"\naction = \"ticket\"\n\
                title.en = \"{host} is silent\"\ntitle.zh = \"{host} 失联\"\n\
                remedy.en = \"look after it\"\nremedy.zh = \"查看\"\n";
    let site = Site::start(&rules_dir(folder.path(), rule)).await;
    let mut host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    host.agent().kill();
    let ticket = until("a ticket for the silence", async || {
        site.tickets("open").await.into_iter().next()
    })
    .await;
    let number = ticket["number"].as_u64().expect("a number");
    assert_eq!(ticket["host"], host.id());
    assert!(
        ticket["title"]["en"].as_str().unwrap_or_default().contains("silent"),
        "{ticket}"
    );
    host.run();
    site.ticket_becomes(number, "restored").await;
}
