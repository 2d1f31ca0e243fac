//! Names from a monitored host are data: no page shows them as markup.

use tocsin_proto::v1::{HostFacts, Process, ProcessSnapshot, agent_message::Body};
use tocsin_tests::{
    fault::{group, rule},
    host::Host,
    patience::until,
    phone::Phone,
    site::{Site, rules_dir},
    wire::Talk,
};

const HOSTILE: &str = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>";

/// Neither the script nor the tag may stand in a page as such.
fn is_harmless(page: &str) -> bool {
    !page.contains("<script>alert") && !page.contains("<img src=x") && !page.contains("<b>x</b>")
}

#[tokio::test]
async fn a_process_named_like_markup_is_shown_escaped_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    let rules = rules_dir(folder.path(), &rule("<b>x</b>"));
    let site = Site::start(&format!("{rules}{}", phone.channel())).await;
    // Nothing of this name runs, so the first tick is a fault.
    let host = Host::start(&site, "host", &group("<b>x</b>"));
    let page = phone.rings_for("opened").await.page;
    assert!(
        page["title"]["en"].as_str().unwrap_or_default().contains("<b>x</b>"),
        "JSON needs no escape: {page}"
    );
    let number = page["ticket_number"].as_u64().expect("a ticket's number");
    let cookie = site.sign_in().await;
    let link = page["link"]
        .as_str()
        .expect("a link")
        .trim_start_matches(&site.console())
        .to_owned();
    let ticket = format!("/t/{number}");
    for path in ["/", "/tickets", &ticket, "/alerts", "/inbox", &link, "/rules"] {
        let shown = site.page(path, &cookie).await;
        assert!(is_harmless(&shown), "{path} shows a process's name as markup");
        assert!(
            shown.contains("&lt;b&gt;x&lt;/b&gt;") || shown.contains("&#60;b&#62;x&#60;/b&#62;"),
            "{path} shows it"
        );
    }
    let shown = site.page(&format!("/hosts/{}", host.id()), &cookie).await;
    assert!(is_harmless(&shown), "the host's page shows a process's name as markup");
}

#[tokio::test]
async fn a_host_that_calls_itself_a_script_runs_none() {
    let site = Site::start("").await;
    let host = Host::prepare(&site, "host", "");
    host.enrol(&site.install_string()).expect("enrols");
    let mut talk = Talk::of(&site, &host).await;
    let facts = HostFacts {
        hostname: HOSTILE.to_owned(),
        os: HOSTILE.to_owned(),
        kernel: HOSTILE.to_owned(),
        ..HostFacts::default()
    };
    talk.say(Body::Facts(facts)).await;
    let process = Process {
        name: HOSTILE.to_owned(),
        user: HOSTILE.to_owned(),
        command: HOSTILE.to_owned(),
        ..Process::default()
    };
    talk.say(Body::Processes(ProcessSnapshot {
        time_ms: 1,
        total: 1,
        processes: vec![process],
    }))
    .await;
    let cookie = site.sign_in().await;
    let path = format!("/hosts/{}", host.id());
    let shown = until("the host's page to show what it says of itself", async || {
        let shown = site.page(&path, &cookie).await;
        shown.contains("alert(1)").then_some(shown)
    })
    .await;
    assert!(is_harmless(&shown));
    for path in ["/", "/hosts", "/system"] {
        assert!(is_harmless(&site.page(path, &cookie).await), "{path}");
    }
    let listed = site.cli(&["agent", "list"]);
    assert!(!listed.contains('\u{1b}'), "{listed}");
}
