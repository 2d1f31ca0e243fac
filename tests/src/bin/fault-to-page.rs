//! Measures the way from a fault to its page: a process is killed, a page arrives at a local HTTP server.
//!
//! A real collector and a real agent with 1 s ticks; a rule with `for = 0` on groups of one process each. Processes are
//! killed and started again at random phases of the tick, several groups beside each other, until there are enough tries.
//!
//! What is printed, in milliseconds:
//! * *cause → page*: from the kill to the page's arrival,
//! * *tick → page*: from the time of the tick that saw it (`occurred_at` of the alert, by the agent's clock, which is the
//!   collector's here) to the page's arrival. It holds sampling, the wire, rules, desk, ledger and channel; the rest of
//!   the way is waiting for the next tick.
//! * *alert → page*: from `raised_at` of the alert, when the collector had taken the tick, to the page's arrival.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

use clap::Parser;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tocsin_tests::{
    fault::{group, stand_in},
    figures::{Figures, millis_of, next},
    host::Host,
    patience::until,
    phone::Phone,
    program::Running,
    site::{Site, rules_dir},
};
use tocsin_vocabulary::Timestamp;

/// How long it takes from a process's death to its page.
#[derive(Debug, Parser)]
struct Options {
    /// How many faults to cause
    #[arg(long, default_value_t = 300)]
    tries: usize,
    /// Groups that are killed beside each other
    #[arg(long, default_value_t = 10)]
    groups: usize,
    /// Start of the random phases, to repeat a run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Agent to measure, if not the one built beside this program
    #[arg(long)]
    agent: Option<PathBuf>,
}

/// One group's process, and when it was killed last.
struct Group {
    name: String,
    process: Option<Running>,
    killed_at: Option<SystemTime>,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    let names: Vec<String> = (0..options.groups)
        .map(|i| format!("bench-{}-{i:02}", std::process::id()))
        .collect();
    let rule = "[[rule]]\nname = \"down\"\nmetric = \"tocsin.process.group.count\"\nbelow = 1\nseverity = \"major\"\n\
                action = \"ticket\"\nflapping = false\ntitle.en = \"{tocsin.process.group}\"\ntitle.zh = \"{tocsin.process.group}\"\n\
                remedy.en = \"none\"\nremedy.zh = \"无\"\n";
    // Every try is to be paged at once, however many there are in a minute.
    let paging = "[paging]\npages_per_minute = 1000000\n";
    let site = Site::start(&format!(
        "{}{paging}{}",
        rules_dir(folder.path(), rule),
        phone.channel()
    ))
    .await;
    let mut groups: Vec<Group> = names
        .iter()
        .map(|name| Group {
            name: name.clone(),
            process: Some(stand_in(folder.path(), name)),
            killed_at: None,
        })
        .collect();
    let settings: String = names.iter().map(|name| group(name)).collect();
    let mut host = Host::prepare(&site, "host", &settings);
    if let Some(agent) = options.agent {
        host = host.with_program(agent);
    }
    host.enrol(&site.install_string()).expect("enrols");
    host.run();
    for name in &names {
        counted(&site, &host, name, 1.0).await;
    }

    let (mut from_cause, mut from_tick, mut from_alert) = (Figures::default(), Figures::default(), Figures::default());
    let mut random = options.seed.max(1);
    while from_cause.len() < options.tries {
        let arrivals = round(&mut groups, &mut phone, &mut random).await;
        let alerts = raised(&site).await;
        for (name, killed_at, at) in arrivals {
            let alert = &alerts[&name];
            from_cause.add(at.duration_since(killed_at).unwrap_or_default());
            from_tick.add(since(at, alert, "occurred_at"));
            from_alert.add(since(at, alert, "raised_at"));
        }
        mend(&mut groups, &site, &host, folder.path()).await;
    }
    println!(
        "{} tries, {} groups, 1 s ticks, for = 0; milliseconds",
        from_cause.len(),
        options.groups
    );
    println!("{:<16}{}", "", Figures::HEAD);
    println!("{:<16}{from_cause}", "cause → page");
    println!("{:<16}{from_tick}", "tick → page");
    println!("{:<16}{from_alert}", "alert → page");
}

/// Kills each group's process at a phase of its own; answers group, when it was killed, when its page came.
async fn round(groups: &mut [Group], phone: &mut Phone, random: &mut u64) -> Vec<(String, SystemTime, SystemTime)> {
    let mut delays: Vec<u64> = groups.iter().map(|_| next(random) % 1_000).collect();
    delays.sort_unstable();
    let mut waited = 0;
    for (group, delay) in groups.iter_mut().zip(delays) {
        // The phase is what is measured at random, not a race.
        tokio::time::sleep(Duration::from_millis(delay - waited)).await;
        waited = delay;
        if let Some(mut process) = group.process.take() {
            group.killed_at = Some(now());
            process.kill();
        }
    }
    let mut arrivals = Vec::new();
    while arrivals.len() < groups.len() {
        let received = phone.rings_for("opened").await;
        let title = received.page["title"]["en"].as_str().unwrap_or_default();
        if let Some(group) = groups.iter_mut().find(|group| group.name == title)
            && let Some(killed_at) = group.killed_at.take()
        {
            arrivals.push((group.name.clone(), killed_at, received.at));
        }
    }
    arrivals
}

/// Alerts that hold, by group.
async fn raised(site: &Site) -> HashMap<String, Value> {
    let alerts = site.get("alerts?state=raised&limit=500").await;
    let items = alerts["items"].as_array().cloned().unwrap_or_default();
    items
        .into_iter()
        .map(|alert| (alert["title"]["en"].as_str().unwrap_or_default().to_owned(), alert))
        .collect()
}

/// Starts all processes again, and closes their tickets so that the next fault opens a new one.
async fn mend(groups: &mut [Group], site: &Site, host: &Host, folder: &std::path::Path) {
    for group in groups.iter_mut() {
        group.process = Some(stand_in(folder, &group.name));
    }
    for group in groups.iter() {
        counted(site, host, &group.name, 1.0).await;
    }
    until("all tickets to be restored", async || {
        let open = site.tickets("open,accepted").await;
        open.is_empty().then_some(())
    })
    .await;
    for ticket in site.tickets("restored").await {
        let number = ticket["number"].as_u64().unwrap_or(0);
        let done = json!({ "cause": "measured", "solution": "started again" });
        site.post(&format!("tickets/{number}/resolve"), &done).await;
        site.post(&format!("tickets/{number}/confirm"), &json!({})).await;
    }
}

async fn counted(site: &Site, host: &Host, name: &str, wanted: f64) {
    until("a process to be counted", async || {
        host.counts(site, name).await.filter(|count| *count >= wanted)
    })
    .await;
}

/// From a time of the alert to the page's arrival.
fn since(at: SystemTime, alert: &Value, key: &str) -> Duration {
    let time: Timestamp = alert[key].as_str().and_then(|text| text.parse().ok()).expect("a time");
    Duration::from_millis(u64::try_from(millis_of(at) - time.as_millis()).unwrap_or(0))
}

#[allow(
    clippy::disallowed_methods,
    reason = "measures by the machine's clock, as agent and collector do"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
