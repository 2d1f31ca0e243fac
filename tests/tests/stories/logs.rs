//! What happens on a host beside its figures: a log that is rotated under load, a process group that is started again.

use serde_json::Value;
use std::{collections::BTreeSet, fs, io::Write, path::Path};
use tocsin_tests::{
    fault::{group, stand_in},
    host::Host,
    patience::until,
    site::{Site, rules_dir},
};

async fn events(site: &Site, host: &Host) -> Vec<Value> {
    let listed = site.get(&format!("hosts/{}/events", host.id())).await;
    listed["items"].as_array().cloned().unwrap_or_default()
}

fn append(path: &Path, text: &str) {
    let opened = fs::OpenOptions::new().create(true).append(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.expect("a log that can be written");
}

/// Numbers of the lines that became events, and how many more were counted.
fn told(events: &[Value]) -> (Vec<String>, u64) {
    let numbers = events.iter().filter(|event| event["name"] == "app.error");
    let numbers = numbers.filter_map(|event| Some(event["attributes"]["number"].as_str()?.to_owned()));
    let held = events
        .iter()
        .filter(|event| event["name"] == "log.suppressed" && event["attributes"]["event"] == "app.error");
    let held = held.filter_map(|event| event["attributes"]["count"].as_str()?.parse::<u64>().ok());
    (numbers.collect(), held.sum())
}

/// Waits until the line with this number is an event.
async fn arrives(site: &Site, host: &Host, number: u64) {
    let number = number.to_string();
    until("a line of the new file", async || {
        let (numbers, _) = told(&events(site, host).await);
        numbers.contains(&number).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_log_that_is_rotated_under_load_gives_exactly_its_events() {
    const FILES: u64 = 4;
    const LINES: u64 = 500;
    let site = Site::start("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("app.log");
    append(&log, "error 999999 is old\n");
    let config = format!(
        "[logs]\nkernel = false\n[[logs.watch]]\npath = {:?}\n[[logs.watch.match]]\n\
         pattern = 'error (?<number>\\d+)'\nexclude = \"harmless\"\nevent = \"app.error\"\nseverity = \"major\"\n",
        folder.path().join("*.log")
    );
    let mut host = Host::start(&site, "host", &config);
    let positions = host.state_dir().join("logs.json");
    until("the log to be followed", async || positions.is_file().then_some(())).await;

    // One error in a hundred lines: each is an event, whatever rotation does meanwhile.
    let mut next = 0;
    for file in 0..FILES {
        for _ in 0..LINES {
            append(
                &log,
                &match next % 500 {
                    7 => format!("error {next}\n"),
                    8 => "error 8 is harmless\n".to_owned(),
                    _ => format!("line {next}\n"),
                },
            );
            next += 1;
        }
        fs::rename(&log, folder.path().join(format!("app.log.{file}"))).expect("a rotation");
        append(&log, &format!("error {}\n", 100_000 + file));
        arrives(&site, &host, 100_000 + file).await;
        if file == 1 {
            // Whatever is written while the agent is away is read when it is back, also from the file that was renamed.
            host.agent().kill();
            append(&log, "error 200000\n");
            fs::rename(&log, folder.path().join("app.log.away")).expect("a rotation");
            append(&log, "error 200001\n");
            host.run();
            arrives(&site, &host, 200_001).await;
        }
    }
    let wanted: BTreeSet<String> = (0..FILES)
        .flat_map(|file| [file * LINES + 7, 100_000 + file])
        .chain([200_000, 200_001])
        .map(|number| number.to_string())
        .collect();
    let numbers = until("all errors", async || {
        let (numbers, held) = told(&events(&site, &host).await);
        assert_eq!(held, 0, "nothing was too much");
        (numbers.len() >= wanted.len()).then_some(numbers)
    })
    .await;
    assert_eq!(numbers.len(), wanted.len(), "{numbers:?}");
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), wanted);

    // A flood is told in a few events; every line of it is accounted for.
    let flood: String = (0..10_000)
        .map(|number| format!("error {number} of a flood\n"))
        .collect();
    append(&log, &flood);
    let before = wanted.len() as u64;
    until("the flood to be counted", async || {
        let (numbers, held) = told(&events(&site, &host).await);
        (numbers.len() as u64 + held == before + 10_000).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_process_group_that_ends_and_starts_again_is_seen_as_events_and_series() {
    let site = Site::start("").await;
    let folder = tempfile::tempdir().expect("a folder");
    let name = format!("again-{}", std::process::id());
    let mut process = stand_in(folder.path(), &name);
    let host = Host::start(&site, "host", &group(&name));
    until("the process to be counted", async || {
        host.counts(&site, &name).await.filter(|count| *count >= 1.0)
    })
    .await;
    process.kill();
    until("its end", async || {
        happened(&events(&site, &host).await, "process.group.gone")
    })
    .await;
    let _process = stand_in(folder.path(), &name);
    until("its return", async || {
        happened(&events(&site, &host).await, "process.group.back")
    })
    .await;
    let figure = async |metric: &str| {
        let series = site.get(&format!("hosts/{}/series", host.id())).await;
        let items = series["items"].as_array().cloned().unwrap_or_default();
        items.iter().find(|one| one["name"] == metric)?["value"].as_f64()
    };
    until("the restart to be counted", async || {
        figure("tocsin.process.group.restarts")
            .await
            .filter(|count| *count >= 1.0)
    })
    .await;
    assert!(figure("tocsin.process.group.oldest").await.is_some());
    assert!(figure("tocsin.process.group.thread.count").await.is_some());
}

fn happened(events: &[Value], name: &str) -> Option<()> {
    events.iter().any(|event| event["name"] == name).then_some(())
}

#[tokio::test]
async fn a_line_of_a_log_opens_a_ticket_by_a_rule_about_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("app.log");
    append(&log, "started\n");
    let rules = rules_dir(
        folder.path(),
        r#"
[[rule]]
name = "payment-refused"
event = "app.payment"
by = ["shop"]
clear_after = "1h"
severity = "major"
action = "ticket"
title.en = "{host}: payments of {shop} are refused"
title.zh = "{host} {shop}"
remedy.en = "Look at the gateway."
remedy.zh = "-"
"#,
    );
    let site = Site::start(&rules).await;
    let watch = format!(
        "[[logs.watch]]\npath = \"{}\"\n[[logs.watch.match]]\npattern = 'payment refused by (?<shop>\\w+)'\nevent = \"app.payment\"\n",
        log.display()
    );
    let host = Host::start(&site, "host", &watch);
    host.says("the log is watched", |status| {
        status["tick_seq"].as_u64().filter(|seq| *seq > 1)
    })
    .await;
    let ticket = until("a ticket", async || {
        append(&log, "payment refused by north\n");
        site.get("tickets").await["items"].get(0).cloned()
    })
    .await;
    assert!(ticket.to_string().contains("payments of north are refused"), "{ticket}");
}
