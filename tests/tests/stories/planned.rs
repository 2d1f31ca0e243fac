//! Planned work: what is silenced is recorded and not paged, and pages when the silence ends; what hangs on a host that
//! is down waits for that host.

use serde_json::Value;
use tocsin_tests::{
    fault::Scene,
    host::Host,
    patience::until,
    site::{Site, rules_dir},
};

async fn withheld(site: &Site) -> Vec<Value> {
    let list = site.get("withheld").await;
    list["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_silenced_fault_rings_no_phone_until_the_silence_is_ended() {
    let mut scene = Scene::set("planned", "").await;
    // Hosts of a story share this machine's name: the id tells them apart.
    let host = scene.host.id();
    let _ = scene.site.cli(&["agent", "tag", &host, "lab"]);
    let add = [
        "silence",
        "add",
        "--tag",
        "lab",
        "--for",
        "1h",
        "--reason",
        "new controller",
    ];
    let id = scene.site.cli(&add).trim().to_owned();
    scene.kill();
    let held = until("the alert to be recorded and withheld", async || {
        withheld(&scene.site).await.into_iter().next()
    })
    .await;
    assert_eq!(
        (&held["cause"], &held["by"]),
        (&"silence".into(), &id.as_str().into()),
        "{held}"
    );
    let raised = scene.site.get("alerts?state=raised").await;
    assert_eq!(raised["items"][0]["id"], held["alert"], "{raised}");
    assert!(
        scene.site.tickets("open").await.is_empty(),
        "no ticket opens under a silence"
    );

    let _ = scene.site.cli(&["silence", "end", &id]);
    let page = scene.phone.rings().await.page;
    assert_eq!(
        page["reason"], "opened",
        "the first that rings is the fault, after the silence: {page}"
    );
    assert_eq!(scene.site.tickets("open").await.len(), 1);
    let list = scene.site.cli(&["silence", "list", "--all", "--json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(
        (&list["items"][0]["ended_by"], &list["items"][0]["active"]),
        (&"cli".into(), &false.into()),
        "{list}"
    );
    let nameless = scene
        .site
        .try_cli(&["silence", "add", "--for", "1h", "--reason", "x"], "");
    assert!(
        nameless.is_err_and(|error| error.contains("concerns nothing")),
        "a silence of everything is refused"
    );
}

#[tokio::test]
async fn a_guest_of_a_host_that_is_down_is_told_of_when_only_the_host_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let rule = "[[rule]]\nname = \"silent\"\nno_data = \"3s\"\nseverity = \"major\"\naction = \"ticket\"\n\
                title.en = \"{host} is silent\"\ntitle.zh = \"{host} 失联\"\n\
                remedy.en = \"look after it\"\nremedy.zh = \"查看\"\n";
    let site = Site::start(&rules_dir(folder.path(), rule)).await;
    let mut hypervisor = Host::start(&site, "hypervisor", "");
    let mut guest = Host::start(&site, "guest", "");
    hypervisor.is_live(&site).await;
    guest.is_live(&site).await;
    let (above, below) = (hypervisor.id(), guest.id());
    let _ = site.cli(&["topology", "parent", &below, &above]);
    let ring = site.try_cli(&["topology", "parent", &above, &below], "");
    assert!(
        ring.is_err_and(|error| error.contains("hang on itself")),
        "a ring is refused"
    );

    hypervisor.agent().kill();
    guest.agent().kill();
    let held = until("the guest's alert to be linked to the hypervisor's fault", async || {
        withheld(&site).await.into_iter().find(|held| held["fault"].is_string())
    })
    .await;
    assert_eq!(held["cause"], "parent", "{held}");
    let alerts = site.get(&format!("alerts?state=raised&host={below}")).await;
    assert_eq!(
        (&alerts["items"][0]["id"], &alerts["items"][0]["withheld"]),
        (&held["alert"], &"parent".into()),
        "{alerts}"
    );
    let tickets = site.tickets("open").await;
    assert_eq!(
        (tickets.len(), &tickets[0]["host"]),
        (1, &above.as_str().into()),
        "{tickets:?}"
    );

    hypervisor.run();
    until("a ticket for the guest", async || {
        let tickets = site.tickets("open").await;
        tickets.into_iter().find(|ticket| ticket["host"] == below.as_str())
    })
    .await;
    assert!(withheld(&site).await.is_empty());
}
