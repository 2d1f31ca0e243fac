//! An agent that dies is a fault of its own; its return clears it.

use tocsin_tests::{host::Host, patience::until, site::Site};

#[tokio::test]
async fn a_silent_host_opens_a_ticket_and_its_return_restores_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let rule = "[[rule]]\nname = \"silent\"\nno_data = \"3s\"\nseverity = \"critical\"\naction = \"ticket\"\n\
                title.en = \"{host} is silent\"\ntitle.zh = \"{host} 失联\"\n";
    let rules = crate::fault_to_phone::rules_dir(folder.path(), rule);
    let site = Site::start(&rules).await;
    let mut host = Host::start(&site, "host", "").await;
    host.is_live(&site).await;
    host.agent().kill();
    let ticket = until("a ticket for the silence", async || site.tickets("open").await.into_iter().next()).await;
    let number = ticket["number"].as_u64().expect("a number");
    assert!(ticket["title"]["en"].as_str().unwrap_or_default().contains("silent"), "{ticket}");
    host.run();
    until("the ticket to be restored", async || {
        (site.get(&format!("tickets/{number}")).await["state"] == "restored").then_some(())
    })
    .await;
}
