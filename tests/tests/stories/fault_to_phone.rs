//! The spine: a process dies, a phone rings, somebody accepts, the process comes back.

use serde_json::json;
use std::{os::unix::process::CommandExt as _, process::Command};
use tocsin_tests::{host::Host, patience::until, phone::Phone, program::Running, site::Site};

/// A process that is called `name` and does nothing.
pub fn stand_in(site: &Site, name: &str) -> Running {
    let mut command = Command::new("sleep");
    Running::start(command.arg0(name).arg("600"), &site.path("stand-in.log"))
}

/// A rule by which the death of the group `name` is a fault at once.
pub fn rule(name: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}-down\"\nmetric = \"tocsin.process.group.count\"\n\
         where = {{ \"tocsin.process.group\" = \"{name}\" }}\nbelow = 1\nseverity = \"major\"\naction = \"ticket\"\n\
         title.en = \"{{host}}: {name} is not running\"\ntitle.zh = \"{{host}}:{name} 未运行\"\n\
         remedy.en = \"start it\"\nremedy.zh = \"启动它\"\n"
    )
}

/// A folder of rules with this one in it, as configuration.
pub fn rules_dir(folder: &std::path::Path, text: &str) -> String {
    let rules = folder.join("rules.d");
    std::fs::create_dir_all(&rules).expect("a folder");
    std::fs::write(rules.join("story.toml"), text).expect("a rule");
    format!("rules_dir = {rules:?}\n")
}

#[tokio::test]
async fn a_killed_process_rings_a_phone_and_the_ticket_follows_it_to_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path().to_owned()).await;
    let name = format!("story-{}", std::process::id());
    let rules = rules_dir(folder.path(), &rule(&name));
    let site = Site::start(&format!("{rules}{}", phone.channel())).await;
    let mut process = stand_in(&site, &name);
    let group = format!("[[process]]\nname = \"{name}\"\ncommand = \"{name}\"\n");
    let host = Host::start(&site, "host", &group).await;
    host.is_live(&site).await;
    let counted = async || {
        let series = site.get(&format!("hosts/{}/series", host.id())).await;
        let found = series["items"].as_array()?.iter().find(|one| one["name"] == "tocsin.process.group.count")?.clone();
        (found["value"].as_f64()? >= 1.0).then_some(())
    };
    until("the process to be counted", counted).await;

    process.kill();
    let page = phone.rings_for("opened").await.page;
    let number = page["ticket"].as_u64().expect("a ticket number");
    assert!(page["title"]["en"].as_str().unwrap_or_default().contains(&name), "{page}");
    let ticket = site.get(&format!("tickets/{number}")).await;
    assert_eq!(ticket["state"], "open");

    let (status, accepted) = site.post(&format!("tickets/{number}/accept"), &json!({})).await;
    assert_eq!((status, &accepted["state"]), (200, &json!("accepted")), "{accepted}");
    let _back = stand_in(&site, &name);
    until("the ticket to be restored by itself", async || {
        (site.get(&format!("tickets/{number}")).await["state"] == "restored").then_some(())
    })
    .await;
    let finish = json!({ "cause": "killed by a story", "solution": "started again" });
    let (status, resolved) = site.post(&format!("tickets/{number}/resolve"), &finish).await;
    assert_eq!((status, &resolved["state"]), (200, &json!("resolved")), "{resolved}");
    let (status, closed) = site.post(&format!("tickets/{number}/confirm"), &json!({})).await;
    assert_eq!((status, &closed["state"]), (200, &json!("closed")), "{closed}");
}

#[tokio::test]
async fn a_page_link_shows_on_get_and_accepts_on_post() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path().to_owned()).await;
    let name = format!("link-{}", std::process::id());
    let rules = rules_dir(folder.path(), &rule(&name));
    let site = Site::start(&format!("{rules}{}", phone.channel())).await;
    let group = format!("[[process]]\nname = \"{name}\"\ncommand = \"{name}\"\n");
    let _host = Host::start(&site, "host", &group).await;

    let page = phone.rings_for("opened").await.page;
    let number = page["ticket"].as_u64().expect("a ticket number");
    let link = page["link"].as_str().expect("a link");
    let link = format!("{}{}", site.console(), &link[link.find("/p/").expect("a page link")..]);
    let shown = site.http().get(&link).send().await.expect("the link answers");
    assert_eq!(shown.status(), 200);
    assert_eq!(site.get(&format!("tickets/{number}")).await["state"], "open", "a preview must not accept");
    let accepted = site.http().post(&link).send().await.expect("the link answers");
    assert!(accepted.status().is_success() || accepted.status().is_redirection(), "{}", accepted.status());
    assert_eq!(site.get(&format!("tickets/{number}")).await["state"], "accepted");
}

#[tokio::test]
async fn a_gateway_that_fails_first_gets_the_page_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path().to_owned()).await;
    phone.answer_next(&[503]);
    let name = format!("retry-{}", std::process::id());
    let rules = rules_dir(folder.path(), &rule(&name));
    let site = Site::start(&format!("{rules}{}", phone.channel())).await;
    let group = format!("[[process]]\nname = \"{name}\"\ncommand = \"{name}\"\n");
    let _host = Host::start(&site, "host", &group).await;
    let page = phone.rings_for("opened").await.page;
    assert!(page["attempt"].as_u64().unwrap_or(0) >= 2, "{page}");
}
