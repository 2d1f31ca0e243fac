//! The spine: a process dies, a phone rings, somebody accepts, the process comes back.

use serde_json::json;
use tocsin_tests::{
    fault::{Scene, group, rule},
    host::Host,
    phone::Phone,
    site::{Site, rules_dir},
};

/// The whole path, on a site whose collector has `more` in its configuration.
pub(crate) async fn from_fault_to_closed_ticket(more: &str) {
    let mut scene = Scene::set("story", more).await;
    let (number, page) = scene.cause().await;
    assert!(
        page["title"]["en"].as_str().unwrap_or_default().contains(&scene.name),
        "{page}"
    );
    let ticket = scene.site.get(&format!("tickets/{number}")).await;
    assert_eq!(
        (&ticket["state"], &ticket["host"]),
        (&json!("open"), &json!(scene.host.id()))
    );

    let site = &scene.site;
    let (status, accepted) = site.post(&format!("tickets/{number}/accept"), &json!({})).await;
    assert_eq!((status, &accepted["state"]), (200, &json!("accepted")), "{accepted}");
    scene.mend();
    let site = &scene.site;
    site.ticket_becomes(number, "restored").await;
    let finish = json!({ "cause": "killed by a story", "solution": "started again" });
    let (status, resolved) = site.post(&format!("tickets/{number}/resolve"), &finish).await;
    assert_eq!((status, &resolved["state"]), (200, &json!("resolved")), "{resolved}");
    let (status, closed) = site.post(&format!("tickets/{number}/confirm"), &json!({})).await;
    assert_eq!((status, &closed["state"]), (200, &json!("closed")), "{closed}");

    let faults = site.get("faults").await;
    let fault = faults["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|fault| fault["ticket"] == ticket["id"]);
    let fault = fault.expect("the ticket's fault");
    for time in [
        "occurred_at",
        "discovered_at",
        "reported_at",
        "accepted_at",
        "cleared_at",
    ] {
        assert!(fault[time].is_string(), "{time} is on the record: {fault}");
    }
}

#[tokio::test]
async fn a_killed_process_rings_a_phone_and_the_ticket_follows_it_to_the_end() {
    from_fault_to_closed_ticket("").await;
}

#[tokio::test]
async fn a_page_link_shows_on_get_and_accepts_on_post() {
    let mut scene = Scene::set("link", "").await;
    let (number, page) = scene.cause().await;
    let site = &scene.site;
    let link = page["link"].as_str().expect("a link");
    assert!(link.starts_with(&site.console()), "{link}");
    let shown = site.http().get(link).send().await.expect("the link answers");
    assert_eq!(shown.status(), 200);
    assert_eq!(
        site.get(&format!("tickets/{number}")).await["state"],
        "open",
        "a preview must not accept"
    );
    let accepted = site.http().post(link).send().await.expect("the link answers");
    assert!(
        accepted.status().is_success() || accepted.status().is_redirection(),
        "{}",
        accepted.status()
    );
    let ticket = site.get(&format!("tickets/{number}")).await;
    assert_eq!(
        (&ticket["state"], &ticket["assignee_name"]),
        (&json!("accepted"), &json!("admin"))
    );
    let forged = format!("{}x", &link[..link.len() - 1]);
    assert_eq!(site.http().get(forged).send().await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn a_gateway_that_fails_first_gets_the_page_again_under_the_same_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    phone.answer_next(&[503]);
    let name = format!("retry-{}", std::process::id());
    let rules = rules_dir(folder.path(), &rule(&name));
    let site = Site::start(&format!("{rules}{}", phone.channel())).await;
    // Nothing of this name runs, so the first tick is a fault.
    let _host = Host::start(&site, "host", &group(&name));
    let page = phone.rings_for("opened").await.page;
    assert!(page["attempt"].as_u64().unwrap_or(0) >= 2, "{page}");
    assert_eq!(
        phone.refused().first(),
        page["key"].as_str().map(str::to_owned).as_ref()
    );
}

#[tokio::test]
async fn a_fault_that_comes_and_goes_while_the_collector_is_away_is_told_when_it_is_back() {
    let mut scene = Scene::set("away", "").await;
    scene.site.collector().kill();
    scene.kill();
    scene.site.run().await;
    let page = scene.phone.rings_for("opened").await.page;
    let number = page["ticket_number"].as_u64().expect("a ticket's number");
    scene.site.collector().kill();
    scene.mend();
    scene.site.run().await;
    scene.site.ticket_becomes(number, "restored").await;
}
