//! What a host asks of others: the collector's own console plays those others.

use serde_json::Value;
use tocsin_tests::{
    host::Host,
    patience::until,
    program,
    site::{Site, rules_dir},
};

/// What the agent asks: `url` below, ports that are open and shut, and this machine.
fn config(console: &str, shut: &str, ca: &str) -> String {
    let port = console.rsplit(':').next().unwrap_or_default();
    format!(
        "[[probes.tcp]]\nname = \"door\"\ntarget = \"{console}\"\nevery = \"1s\"\ntimeout = \"1s\"\n\
         [[probes.tcp]]\nname = \"shut\"\ntarget = \"{shut}\"\nevery = \"1s\"\ntimeout = \"1s\"\n\
         [[probes.http]]\nname = \"page\"\nurl = \"https://localhost:{port}/api/v1/health\"\ntext = \"status\"\nca = {ca:?}\n\
         [[probes.http]]\nname = \"stranger\"\nurl = \"https://localhost:{port}/api/v1/health\"\n\
         [[probes.certificate]]\nname = \"paper\"\ntarget = \"{console}\"\nserver_name = \"localhost\"\nca = {ca:?}\n\
         [[probes.ping]]\nname = \"self\"\ntarget = \"127.0.0.1\"\nevery = \"1s\"\ntimeout = \"1s\"\n"
    )
}

fn rule() -> &'static str {
    "[[rule]]\nname = \"shut\"\nmetric = \"tocsin.probe.up\"\nwhere = { \"tocsin.probe.type\" = \"tcp\" }\nequals = 0\n\
     severity = \"major\"\naction = \"ticket\"\ntitle.en = \"{tocsin.probe} ({tocsin.probe.target}) from {host}\"\n\
     title.zh = \"{tocsin.probe}\"\nremedy.en = \"look\"\nremedy.zh = \"look\"\n"
}

/// What the newest tick says of a probe.
async fn newest(site: &Site, host: &Host, metric: &str, probe: &str) -> Option<f64> {
    let series = site.get(&format!("hosts/{}/series", host.id())).await;
    let items = series["items"].as_array()?;
    let found = items
        .iter()
        .find(|one| one["name"] == metric && one["attributes"]["tocsin.probe"] == probe)?;
    found["value"].as_f64()
}

#[tokio::test]
async fn what_a_host_asks_of_others_is_measured_judged_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::start(&rules_dir(folder.path(), rule())).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let shut = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, site.console_authority()).expect("a file");
    let config = config(&site.address("console"), &shut, ca.to_str().expect("a path"));
    let host = Host::start(&site, "host", &config);
    for (metric, probe, value) in [
        ("tocsin.probe.up", "door", 1.0),
        ("tocsin.probe.up", "shut", 0.0),
        ("tocsin.probe.up", "page", 1.0),
        ("tocsin.probe.http.status_code", "page", 200.0),
        ("tocsin.probe.certificate.trusted", "stranger", 0.0),
        ("tocsin.probe.up", "paper", 1.0),
        ("tocsin.probe.certificate.name_match", "paper", 1.0),
    ] {
        until(&format!("{metric} of {probe}"), async || {
            newest(&site, &host, metric, probe)
                .await
                .filter(|found| *found == value)
        })
        .await;
    }
    let left = newest(&site, &host, "tocsin.probe.certificate.time_left", "paper").await;
    assert!(left.is_some_and(|left| left > 86_400.0), "{left:?}");
    let ticket = until("a ticket for the shut port", async || {
        site.tickets("open").await.into_iter().next()
    })
    .await;
    let title = ticket["title"]["en"].as_str().unwrap_or_default();
    assert!(title.starts_with(&format!("shut ({shut})")), "{ticket}");
    let ill = format!("hosts/{}/parts?ill=true", host.id());
    until("both reasons to be told", async || {
        let ill = site.get(&ill).await.to_string();
        (ill.contains("Connection refused") && ill.contains("nobody who is trusted")).then_some(())
    })
    .await;
    let cookie = site.sign_in().await;
    let page = site.page(&format!("/hosts/{}", host.id()), &cookie).await;
    assert!(
        page.contains("<section id=\"probes\"") && page.contains("stranger"),
        "probes are on the host's page"
    );
}

#[test]
fn probes_are_asked_once_by_hand_with_a_status_that_scripts_can_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address");
    let path = folder.path().join("agent.toml");
    let probe = |arguments: &[&str], config: &str| {
        std::fs::write(&path, config).expect("a file");
        let mut command = std::process::Command::new(program::path("tocsin-agent"));
        let output = command.arg("probe").args(arguments).arg("--config").arg(&path).output();
        let output = output.expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let two = format!(
        "[[probes.tcp]]\nname = \"open\"\ntarget = \"{open}\"\n[[probes.tcp]]\nname = \"none\"\ntarget = \"127.0.0.1:1\"\n"
    );
    let (status, out, _) = probe(&[], &two);
    assert_eq!(status, Some(6), "{out}");
    assert!(
        out.starts_with("ok ") && out.contains("FAIL none") && out.contains("refused"),
        "{out}"
    );
    let (status, out, _) = probe(&["open", "--json"], &two);
    let answers: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &answers["items"][0]["up"]), (Some(0), &true.into()), "{out}");
    let (status, _, err) = probe(&["other"], &two);
    assert_eq!(status, Some(3), "{err}");
    let (status, _, err) = probe(&[], "");
    assert_eq!(status, Some(3), "{err}");
    let (status, _, err) = probe(&[], "[[probes.tcp]]\nname = \"x\"\ntarget = \"y\"\n");
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("line 3: `probes.tcp.target`"), "{err}");
}
