//! What alerts rest on: samples that came late page nobody, a kill changes no history, and minor tickets close by
//! themselves.

use serde_json::Value;
use std::time::Duration;
use tocsin_proto::v1::{self, agent_message::Body, collector_message};
use tocsin_tests::{
    host::Host,
    patience::until,
    site::{Site, rules_dir},
    wire::{Talk, connect, dictionary, newcomer, now},
};
use tocsin_vocabulary::{
    Timestamp,
    batch::{Cell, Encoder, Tick},
    series::Dictionary,
};

/// A rule about the values of [`dictionary`], and more lines.
fn rule(name: &str, lines: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nmetric = \"system.cpu.utilization\"\nabove = 0.5\nseverity = \"minor\"\n\
         action = \"ticket\"\nknowledge = \"https://wiki.example/{name}\"\ntitle.en = \"{{host}} {name} {{value}}\"\n\
         title.zh = \"{{host}} {{value}}\"\nremedy.en = \"look\"\nremedy.zh = \"look\"\n{lines}\n"
    )
}

/// A tick with this value, in thousandths, of each series.
fn payload(dictionary: &Dictionary, time: Timestamp, value: i64) -> Vec<u8> {
    let cells = (0..dictionary.len()).map(|_| Cell::Scaled(value)).collect();
    Encoder::new().encode(&Tick { time, cells }, dictionary, true)
}

async fn live(talk: &mut Talk, dictionary: &Dictionary, seq: u64, value: i64) -> bool {
    let payload = payload(dictionary, now(), value).into();
    talk.say(Body::Live(v1::Batch { seq, payload })).await
}

async fn alerts(site: &Site, filter: &str) -> Vec<Value> {
    let list = site.get(&format!("alerts?limit=500&{filter}")).await;
    list["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_episode_in_samples_that_came_late_is_listed_with_its_evidence_and_pages_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::start(&rules_dir(folder.path(), &rule("busy", "for = \"3s\""))).await;
    let identity = newcomer(&site).await;
    let channel = connect(&site, &identity, &identity).await.expect("a connection");
    let mut talk = Talk::open_with(channel, 30).await.expect("a stream");
    let dictionary = dictionary("late", 1, 1);
    talk.define(&dictionary).await.expect("a dictionary");
    assert!(live(&mut talk, &dictionary, 31, 100).await);
    while !matches!(talk.hear().await.expect("credit"), collector_message::Body::Credit(_)) {}
    let newest = now().minus(Duration::from_secs(60));
    let batches = (1..=30).map(|seq| {
        let time = newest.minus(Duration::from_secs(30 - seq));
        let value = if (10..20).contains(&seq) { 900 } else { 100 };
        v1::Batch {
            seq,
            payload: payload(&dictionary, time, value).into(),
        }
    });
    let chunk = v1::Chunk {
        batches: batches.collect(),
    };
    talk.say(Body::Backlog(chunk)).await;
    let found = until("the episode to be found", async || {
        alerts(&site, "arrival=retrospective").await.into_iter().next()
    })
    .await;
    assert_eq!(
        (&found["rule"], &found["state"]),
        (&"busy".into(), &"cleared".into()),
        "{found}"
    );
    assert_eq!(found["value"], 0.9);
    assert_eq!(site.tickets("open").await, Vec::<Value>::new());
    let alert = site
        .get(&format!("alerts/{}", found["id"].as_str().unwrap_or_default()))
        .await;
    assert!(
        alert["rule_text"].as_str().unwrap_or_default().contains("for = \"3s\""),
        "{alert}"
    );
    let turns: Vec<&Value> = alert["decisions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| &one["to"])
        .collect();
    assert_eq!(turns, ["raised", "clear"], "{alert}");
    let cookie = site.sign_in().await;
    let page = site.page("/alerts?state=retrospective", &cookie).await;
    assert!(page.contains("busy"));
}

#[tokio::test]
async fn a_collector_killed_with_a_thousand_alerts_raised_pages_nobody_again_and_clears_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut site = Site::start(&rules_dir(folder.path(), &rule("busy", ""))).await;
    let identity = newcomer(&site).await;
    let dictionary = dictionary("many", 1, 1_000);
    let mut seq = 0;
    let raised = async |site: &Site| {
        let list = site.get("tickets?limit=500&state=open").await;
        let first = list["items"].as_array().map_or(0, Vec::len);
        let rest = match list["next"].as_str() {
            Some(next) => {
                let more = site.get(&format!("tickets?limit=500&state=open&after={next}")).await;
                (more["items"].as_array().map_or(0, Vec::len), more["next"].is_string())
            }
            None => (0, false),
        };
        (first + rest.0, rest.1)
    };
    for round in 0..3 {
        let channel = connect(&site, &identity, &identity).await.expect("a connection");
        let mut talk = Talk::open_with(channel, seq).await.expect("a stream");
        talk.define(&dictionary).await.expect("a dictionary");
        for _ in 0..3 {
            seq += 1;
            assert!(live(&mut talk, &dictionary, seq, 900 + round).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let count = until("a thousand tickets", async || {
            let count = raised(&site).await;
            (count.0 >= 1_000).then_some(count)
        })
        .await;
        assert_eq!(count, (1_000, false), "round {round}");
        site.collector().kill();
        site.run().await;
    }
}

#[tokio::test]
async fn of_a_machine_that_answers_the_agent_is_what_is_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let about = |name: &str, answers: &str| {
        let lines = format!("no_data = \"3s\"\n{answers}");
        rule(name, "").replace("metric = \"system.cpu.utilization\"\nabove = 0.5", &lines)
    };
    let rules = [
        about("silent", ""),
        about("mute", "answers = true"),
        about("dead", "answers = false"),
    ]
    .concat();
    let site = Site::start(&rules_dir(folder.path(), &rules)).await;
    let mut host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    host.agent().kill();
    let why = until("why it is silent", async || {
        let alert = alerts(&site, "state=raised").await.into_iter().next()?;
        alert["silence"].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(why, "agent_silent");
    until("the rule about those that answer, and not its opposite", async || {
        let raised = alerts(&site, "state=raised").await;
        let mut rules: Vec<&str> = raised.iter().filter_map(|alert| alert["rule"].as_str()).collect();
        rules.sort_unstable();
        (rules == ["mute", "silent"]).then_some(())
    })
    .await;
    let ticket = site.tickets("open").await.remove(0);
    let detail = site.get(&format!("tickets/{}", ticket["number"])).await;
    let entries = detail["entries"].as_array().into_iter().flatten();
    assert!(entries.clone().any(|entry| entry["action"] == "silence"), "{detail}");
}

#[tokio::test]
async fn a_minor_ticket_that_clears_by_itself_is_closed_and_says_where_to_read_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::start(&rules_dir(folder.path(), &rule("busy", "auto_close = true"))).await;
    let identity = newcomer(&site).await;
    let channel = connect(&site, &identity, &identity).await.expect("a connection");
    let mut talk = Talk::open(channel).await.expect("a stream");
    let dictionary = dictionary("minor", 1, 1);
    talk.define(&dictionary).await.expect("a dictionary");
    assert!(live(&mut talk, &dictionary, 1, 900).await);
    let ticket = until("a ticket", async || site.tickets("open").await.into_iter().next()).await;
    let number = ticket["number"].as_u64().expect("a number");
    let cookie = site.sign_in().await;
    let page = site.page(&format!("/t/{number}"), &cookie).await;
    assert!(page.contains("href=\"https://wiki.example/busy\""));
    assert!(live(&mut talk, &dictionary, 2, 100).await);
    site.ticket_becomes(number, "closed").await;
    let alert = alerts(&site, "state=cleared").await.remove(0);
    assert_eq!(alert["knowledge"], "https://wiki.example/busy");
    let page = site
        .page(
            &format!("/alerts/{}", alert["id"].as_str().unwrap_or_default()),
            &cookie,
        )
        .await;
    assert!(page.contains("auto_close = true"), "the rule's text is shown");
}
