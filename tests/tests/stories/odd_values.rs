//! What machines really send: no numbers, counters that begin anew, processes that come and go, a disk that fills slowly.

use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tocsin_proto::v1::{self, agent_message::Body};
use tocsin_tests::{
    fault::{group, rule, stand_in},
    host::Host,
    patience::until,
    site::{Site, rules_dir},
    wire::{Talk, connect, newcomer, now},
};
use tocsin_vocabulary::{
    batch::{Cell, Encoder, Tick},
    catalogue::metric,
    series::{Dictionary, Section},
};

async fn alerts(site: &Site, filter: &str) -> Vec<Value> {
    let list = site.get(&format!("alerts?limit=500&{filter}")).await;
    list["items"].as_array().cloned().unwrap_or_default()
}

fn words(name: &str, condition: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\n{condition}\nseverity = \"major\"\naction = \"ticket\"\ntitle.en = \"{{host}} {name}\"\n\
         title.zh = \"{{host}}\"\nremedy.en = \"look\"\nremedy.zh = \"look\"\n"
    )
}

/// A host with one gauge and one counter, spoken by hand.
struct Odd {
    talk: Talk,
    dictionary: Dictionary,
    seq: u64,
}

impl Odd {
    async fn new(site: &Site) -> Self {
        let identity = newcomer(site).await;
        let channel = connect(site, &identity, &identity).await.expect("a connection");
        let mut talk = Talk::open(channel).await.expect("a stream");
        let of = |name: &str, attributes: &[(&str, &str)]| metric(name).expect("a metric").series(attributes);
        let dictionary = Dictionary::new(vec![Arc::new(Section::new(vec![
            of("system.cpu.load_average.1m", &[]),
            of(
                "system.network.errors",
                &[("network.interface.name", "eth0"), ("network.io.direction", "receive")],
            ),
        ]))]);
        talk.define(&dictionary).await.expect("a dictionary");
        Self {
            talk,
            dictionary,
            seq: 0,
        }
    }

    /// A tick of now.
    async fn says(&mut self, load: Cell, errors: Cell) {
        self.seq += 1;
        let tick = Tick {
            time: now(),
            cells: vec![load, errors],
        };
        let payload = Encoder::new().encode(&tick, &self.dictionary, true).into();
        assert!(self.talk.say(Body::Live(v1::Batch { seq: self.seq, payload })).await);
        // Ticks of one host are a moment apart, or the second is taken for the first.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_no_number_and_a_counter_that_begins_anew_neither_raise_nor_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = [
        words("loaded", "metric = \"system.cpu.load_average.1m\"\nabove = 10"),
        words(
            "broken",
            "metric = \"system.network.errors\"\nrate = true\nabove = 1000000",
        ),
    ]
    .concat();
    let site = Site::start(&rules_dir(folder.path(), &rules)).await;
    let mut odd = Odd::new(&site).await;
    let load = |value: i64| Cell::Scaled(value * 100);
    for nothing in [Cell::Raw(f64::NAN), Cell::Absent, Cell::Raw(f64::NEG_INFINITY)] {
        odd.says(load(1), Cell::Scaled(4_000_000_000)).await;
        odd.says(nothing, nothing).await;
    }
    // A restart of the host: the counter begins anew, twice, and wraps no 64 bits.
    odd.says(load(1), Cell::Scaled(3)).await;
    odd.says(load(1), Cell::Scaled(0)).await;
    odd.says(load(1), Cell::Scaled(2)).await;
    // What comes after it is judged, so all before was.
    odd.says(load(20), Cell::Scaled(2)).await;
    let raised = until("a real value to be told", async || {
        alerts(&site, "").await.into_iter().next()
    })
    .await;
    assert_eq!(raised["rule"], "loaded", "{raised}");
    // No number is no recovery.
    odd.says(Cell::Raw(f64::NAN), Cell::Absent).await;
    odd.says(Cell::Absent, Cell::Scaled(0)).await;
    odd.says(load(20), Cell::Scaled(9_000_000_000)).await;
    let errors = until("a real increase to be told", async || {
        alerts(&site, "state=raised")
            .await
            .into_iter()
            .find(|alert| alert["rule"] == "broken")
    })
    .await;
    assert!(errors["value"].as_f64().is_some_and(|rate| rate > 1e6), "{errors}");
    let all = alerts(&site, "").await;
    assert_eq!(all.len(), 2, "one each, and none in between: {all:?}");
    assert!(all.iter().all(|alert| alert["state"] == "raised"), "{all:?}");
}

#[tokio::test]
async fn a_process_that_comes_and_goes_is_one_ticket_and_stays_one_alert() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = format!("flaps-{}", std::process::id());
    let flapping = "flapping = { raises = 3, within = \"1h\", calm = \"15m\" }\n";
    let site = Site::start(&rules_dir(folder.path(), &format!("{}{flapping}", rule(&name)))).await;
    let host = Host::start(&site, "host", &group(&name));
    let counted = async |wanted: f64| {
        until("the process to be counted", async || {
            host.counts(&site, &name).await.filter(|count| *count == wanted)
        })
        .await;
    };
    let raises = async |wanted: usize| {
        until("the alert to be raised", async || {
            let known = alerts(&site, "").await;
            let raised = known.iter().any(|alert| alert["state"] == "raised");
            (raised && known.len() == wanted).then_some(())
        })
        .await;
    };
    let mut process = stand_in(folder.path(), &name);
    counted(1.0).await;
    for round in 1..=3 {
        process.kill();
        raises(round).await;
        process = stand_in(folder.path(), &name);
        if round < 3 {
            until("the alert to clear", async || {
                alerts(&site, "state=raised").await.is_empty().then_some(())
            })
            .await;
        }
    }
    // The third time it is known to flap: it stays while the process lives, and whatever follows is the same alert.
    counted(1.0).await;
    for _ in 0..2 {
        process.kill();
        counted(0.0).await;
        process = stand_in(folder.path(), &name);
        counted(1.0).await;
    }
    let all = alerts(&site, "").await;
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(alerts(&site, "state=raised").await.len(), 1);
    let tickets = site.get("tickets?limit=500").await;
    assert_eq!(tickets["items"].as_array().map(Vec::len), Some(1), "{tickets}");
}
