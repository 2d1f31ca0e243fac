//! Measures the way from a committed fault to the channel, with one of three channels swallowing everything.
//!
//! A real collector and three webhooks at local HTTP servers. Every fault that is told to the collector makes three pages:
//! one to `a`, one to `b`, and one to the order `hole, a`, whose first channel takes connections and never answers. With
//! `--no-hole` that one answers too, for comparison.
//!
//! What is printed, in milliseconds, from the page's `created_at`, which is taken before the fault is committed, to the
//! moment the server has read the page:
//! * *a, b*: the channels that work,
//! * *order*: the pages of the order, over whichever channel they arrived; the longest is the time of fail-over,
//! * and how many pages arrived nowhere.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

use clap::Parser;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tocsin_tests::{
    figures::{Figures, millis_of},
    provider::{Mood, Provider},
    site::Site,
};
use tocsin_vocabulary::Timestamp;

/// Pages that one fault makes.
const PAGES_PER_FAULT: u32 = 3;

/// How long after the last fault its pages are waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long it takes from a committed fault to the channels.
#[derive(Debug, Parser)]
struct Options {
    /// Pages a minute, over all channels
    #[arg(long, default_value_t = 1_000)]
    pages_per_minute: u32,
    /// For how long
    #[arg(long, default_value_t = 120)]
    seconds: u32,
    /// Lets the third channel answer too
    #[arg(long)]
    no_hole: bool,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let (a, b, hole) = (
        Provider::start().await,
        Provider::start().await,
        Provider::start().await,
    );
    if !options.no_hole {
        hole.always(Mood::Swallows);
    }
    let site = Site::start(&format!(
        "[paging]\ndestinations = [\"a\", \"b\", \"order\"]\nrepage_after = \"1h\"\npages_per_minute = 1000000\n\
         [[paging.order]]\nname = \"order\"\nchannels = [\"hole\", \"a\"]\n{}{}{}",
        a.channel("a"),
        b.channel("b"),
        hole.channel("hole")
    ))
    .await;
    let faults = (options.pages_per_minute * options.seconds / 60 / PAGES_PER_FAULT).max(1);
    let pause = Duration::from_secs(60) * PAGES_PER_FAULT / options.pages_per_minute.max(1);
    let mut pace = tokio::time::interval(pause);
    for number in 0..faults {
        pace.tick().await;
        fault(&site, number).await;
    }
    let wanted = usize::try_from(faults * PAGES_PER_FAULT).unwrap_or(usize::MAX);
    let arrived = arrivals(&[&a, &b, &hole], wanted).await;

    println!(
        "{faults} faults, {wanted} pages in {} s, {}; milliseconds from the page's creation to the channel",
        options.seconds,
        if options.no_hole {
            "all three channels answer"
        } else {
            "one of three channels never answers"
        }
    );
    println!("{:<16}{}", "", Figures::HEAD);
    for (destination, figures) in &arrived.figures {
        println!("{destination:<16}{figures}");
    }
    println!("dropped: {}", wanted - arrived.keys.len());
    println!("copies: {} ({} of them unmarked)", arrived.copies, arrived.unmarked);
}

/// What arrived.
#[derive(Default)]
struct Arrivals {
    keys: BTreeSet<String>,
    figures: BTreeMap<&'static str, Figures>,
    copies: usize,
    unmarked: usize,
}

impl Arrivals {
    fn of(providers: &[&Provider]) -> Self {
        let mut arrived = Self::default();
        let mut asked: Vec<_> = providers.iter().flat_map(|provider| provider.asked()).collect();
        asked.retain(tocsin_tests::provider::Asked::arrived);
        asked.sort_by_key(|asked| asked.at);
        for asked in &asked {
            let also = asked.page["also"].as_array().into_iter().flatten();
            for page in std::iter::once(&asked.page).chain(also) {
                let key = page["key"].as_str().unwrap_or_default();
                if !arrived.keys.insert(key.to_owned()) {
                    arrived.copies += 1;
                    arrived.unmarked += usize::from(!asked.is_marked());
                    continue;
                }
                let created: Option<Timestamp> = asked.page["created_at"].as_str().and_then(|text| text.parse().ok());
                let created = created.expect("a time").as_millis();
                let took = u64::try_from(millis_of(asked.at) - created).unwrap_or(0);
                let destination = match key.rsplit('-').next() {
                    Some("order") => "order hole, a",
                    Some("a") => "a",
                    _ => "b",
                };
                let figures = arrived.figures.entry(destination).or_default();
                figures.add(Duration::from_millis(took));
            }
        }
        arrived
    }
}

/// Waits until all pages arrived, or long enough.
async fn arrivals(providers: &[&Provider], wanted: usize) -> Arrivals {
    let all = async {
        loop {
            if Arrivals::of(providers).keys.len() >= wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    // Whoever is missing then is counted as dropped.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    Arrivals::of(providers)
}

/// A fault of a host of its own.
async fn fault(site: &Site, number: u32) {
    let event: Value = json!({
        "source": "measured", "key": number.to_string(), "host": format!("h{number}"), "title": "down",
        "severity": "high",
    });
    let (status, opened) = site.post("inbound/events", &event).await;
    assert_eq!(status, 200, "{opened}");
}
