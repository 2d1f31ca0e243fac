//! A fleet in which hosts fail: how soon somebody is paged, what a killed collector does with open alerts, and what
//! happens when the whole site is gone.

use super::{PATIENCE, Setup};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};
use tocsin_agent::random::Chance;
use tocsin_tests::{
    figures::{Figures, millis_of},
    fleet::{Fleet, FleetHost, pace},
    phone::{Phone, Received},
};
use tocsin_vocabulary::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Longest that a page may take after its tick.
const PAGE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a collector that was killed is watched after all hosts are live again.
const WATCH: Duration = Duration::from_secs(45);
/// How often alerts are counted while they come.
const COUNT_EVERY: Duration = Duration::from_millis(200);
/// Longest that silence may take to be told: the rule's 60 s, and room.
const SILENCE_PATIENCE: Duration = Duration::from_secs(600);

pub(super) async fn run(mut setup: Setup, count: usize, mut phone: Phone) {
    let fleet = Fleet::start(&setup.plan(), &setup.model, &setup.credentials);
    fleet.is_live(PATIENCE).await;
    sleep(Duration::from_secs(setup.options.warm_up)).await;
    println!("{}", setup.headline());

    let failing = fail(&setup, &fleet, count).await;
    let opened = pages_of(&mut phone, &failing).await;
    let raised = alerts(&setup, "failed").await;
    paged(&failing, &opened, &raised);

    let killed = kill(&mut setup, &fleet, &mut phone).await;
    let after = alerts(&setup, "failed").await;
    let ids = |alerts: &BTreeMap<String, Value>| -> BTreeSet<String> {
        alerts.values().map(|alert| alert["id"].to_string()).collect()
    };
    println!(
        "killed with {} alerts open, answers after {:.1} s; {} s after all are live again:",
        raised.len(),
        killed.answers_after.as_secs_f64(),
        WATCH.as_secs()
    );
    println!(
        "  cleared or replaced {}, raised anew {}, pages for what was paged before {}",
        ids(&raised).difference(&ids(&after)).count(),
        ids(&after).difference(&ids(&raised)).count(),
        killed
            .pages
            .iter()
            .filter(|page| page.page["reason"] == "opened")
            .count()
    );

    lose_all(&setup, fleet, &mut phone).await;
}

/// Hosts that fail, by what their rule calls them.
type Failing<'a> = BTreeMap<String, &'a FleetHost>;

/// Lets so many hosts fail, one after the other over the measured time.
async fn fail<'a>(setup: &Setup, fleet: &'a Fleet, count: usize) -> Failing<'a> {
    let mut chance = Chance::new(setup.options.seed);
    let span = Duration::from_secs(setup.options.seconds);
    let mut moments: Vec<Duration> = (0..count).map(|_| span.mul_f64(chance.share())).collect();
    moments.sort_unstable();
    let names = names(setup).await;
    let (began, apart) = (Instant::now(), (fleet.hosts.len() / count.max(1)).max(1));
    let mut failing = BTreeMap::new();
    for (number, moment) in moments.into_iter().enumerate() {
        sleep_until(began + moment).await;
        let host = &fleet.hosts[number * apart];
        host.failing.begin(host.pace.taken(pace::now()) + 1);
        failing.insert(names[&host.id.to_string()].clone(), host);
    }
    failing
}

/// When the first page of each arrived, by what its rule calls it.
async fn pages_of(phone: &mut Phone, failing: &Failing<'_>) -> BTreeMap<String, SystemTime> {
    let mut opened = BTreeMap::new();
    let all = async {
        while opened.len() < failing.len() {
            let Received { page, at } = phone.rings_for("opened").await;
            let title = page["title"]["en"].as_str().unwrap_or_default();
            if failing.contains_key(title) {
                opened.entry(title.to_owned()).or_insert(at);
            }
        }
    };
    // Who is not paged in time is counted below.
    let _ = timeout(PAGE_PATIENCE, all).await;
    opened
}

fn paged(failing: &Failing<'_>, opened: &BTreeMap<String, SystemTime>, raised: &BTreeMap<String, Value>) {
    let (mut to_alert, mut to_page) = (Figures::default(), Figures::default());
    for (name, host) in failing {
        let Some(told_at) = host.failing.told_at() else {
            continue;
        };
        if let Some(at) = raised.get(name).and_then(|alert| moment(&alert["raised_at"])) {
            to_alert.add(at.since(told_at));
        }
        if let Some(at) = opened.get(name) {
            to_page.add(Timestamp::from_millis(millis_of(*at)).since(told_at));
        }
    }
    println!(
        "{} hosts failed: {} alerts, {} pages",
        failing.len(),
        raised.len(),
        opened.len()
    );
    println!("{:<32}{}   milliseconds", "", Figures::HEAD);
    println!("{:<32}{to_alert}", "tick sent -> alert raised");
    println!("{:<32}{to_page}", "tick sent -> committed and paged");
}

fn moment(text: &Value) -> Option<Timestamp> {
    text.as_str()?.parse().ok()
}

struct Killed {
    answers_after: Duration,
    pages: Vec<Received>,
}

/// Kills the collector and starts it again; answers the pages that came until long after all hosts were back.
async fn kill(setup: &mut Setup, fleet: &Fleet, phone: &mut Phone) -> Killed {
    let _ = phone.rang();
    let welcomed = fleet.tally.welcomed.get();
    setup.station.process().kill();
    let began = Instant::now();
    setup.station.site.run().await;
    let answers_after = began.elapsed();
    let back = async {
        while fleet.tally.welcomed.get() < welcomed + fleet.hosts.len() as u64 {
            sleep(COUNT_EVERY).await;
        }
    };
    timeout(PATIENCE, back).await.expect("every host comes back");
    sleep(WATCH).await;
    Killed {
        answers_after,
        pages: phone.rang(),
    }
}

/// All hosts are gone at once.
async fn lose_all(setup: &Setup, fleet: Fleet, phone: &mut Phone) {
    let hosts = fleet.hosts.len();
    let _ = phone.rang();
    let before = known(setup, "host-silent").await.len();
    drop(fleet);
    let gone = Instant::now();
    let mut first = None;
    let told = async {
        loop {
            let silent = known(setup, "host-silent").await.len() - before;
            if silent > 0 && first.is_none() {
                first = Some(gone.elapsed());
            }
            if silent >= hosts {
                return;
            }
            sleep(COUNT_EVERY).await;
        }
    };
    let whole = timeout(SILENCE_PATIENCE, told).await.is_ok();
    let last = gone.elapsed();
    let silent = known(setup, "host-silent").await.len() - before;
    sleep(Duration::from_secs(5)).await;
    let pages = phone.rang().len();
    println!(
        "{hosts} hosts gone at once: {silent} alerts recorded{}, the first {:.1} s and the last {:.1} s after they left; {pages} pages",
        if whole { "" } else { " (not all)" },
        first.unwrap_or_default().as_secs_f64(),
        last.as_secs_f64()
    );
}

/// What hosts are called in the register, by their ids.
async fn names(setup: &Setup) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let hosts = setup.station.site.get("hosts").await;
    let hosts = hosts["items"].as_array().expect("a list of hosts");
    hosts
        .iter()
        .map(|host| (text(&host["id"]), text(&host["name"])))
        .collect()
}

/// Alerts of a rule that hold, by what they are called.
async fn alerts(setup: &Setup, rule: &str) -> BTreeMap<String, Value> {
    let all = known(setup, rule).await;
    all.into_iter()
        .map(|alert| (alert["title"]["en"].as_str().unwrap_or_default().to_owned(), alert))
        .collect()
}

/// Alerts of a rule that hold.
async fn known(setup: &Setup, rule: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let list = setup
            .station
            .site
            .get(&format!("alerts?state=raised&limit=500{after}"))
            .await;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        found.extend(items.into_iter().filter(|alert| alert["rule"] == rule));
        match list["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}
