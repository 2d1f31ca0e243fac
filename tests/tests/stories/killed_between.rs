//! The collector killed (SIGKILL) at each named step between the outbox and the receipt ([`tocsin_ledger::steps`]), while
//! its provider throttles, bans, loses, delays, repeats its reports, and says what is not true. Every page of the worst level
//! reaches somebody; there is at most one more copy for each crash, and a copy says that it is one.

use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use tempfile::TempDir;
use tocsin_ledger::steps::Step;
use tocsin_tests::{
    patience::until,
    provider::{Asked, Mood, Provider},
    site::{Plan, Site},
};

const PHONE: &str = "13800000001";

/// What a page meets, and the step at which the collector is killed meanwhile, having passed it so many times.
struct Trial {
    step: Step,
    passes: u32,
    moods: &'static [Mood],
}

const fn trial(step: Step, passes: u32, moods: &'static [Mood]) -> Trial {
    Trial { step, passes, moods }
}

/// Each point with a provider that works, and those where it matters with one that does not.
const TRIALS: [Trial; 21] = [
    trial(Step::PagesRead, 0, &[]),
    trial(Step::SendingMeant, 0, &[]),
    trial(Step::SendingBegun, 0, &[]),
    trial(Step::Answered, 0, &[]),
    trial(Step::OutcomeWritten, 0, &[]),
    trial(Step::ReportCame, 0, &[]),
    trial(Step::ReportWritten, 0, &[]),
    trial(Step::ReplyCame, 0, &[]),
    trial(Step::ReplyHeard, 0, &[]),
    // It throttles, then takes.
    trial(Step::Refused, 0, &[Mood::Refuses(429)]),
    trial(Step::RefusalWritten, 0, &[Mood::Refuses(429)]),
    trial(Step::SendingBegun, 1, &[Mood::Refuses(429)]),
    // It bans for several tries.
    trial(
        Step::Refused,
        1,
        &[Mood::Refuses(429), Mood::Refuses(429), Mood::Refuses(503)],
    ),
    // It refuses, then loses the message and never answers.
    trial(Step::Refused, 0, &[Mood::Refuses(503), Mood::Swallows]),
    // It is slow.
    trial(Step::Answered, 0, &[Mood::TakesAfter(800)]),
    trial(Step::OutcomeWritten, 0, &[Mood::TakesAfter(800)]),
    // It says that it took the message, and it is lost: no report of delivery comes.
    trial(Step::Answered, 0, &[Mood::Lies]),
    trial(Step::OutcomeWritten, 0, &[Mood::Lies]),
    // It says that it broke, and the message has arrived.
    trial(Step::Refused, 0, &[Mood::TakesAndBreaks]),
    trial(Step::RefusalWritten, 0, &[Mood::TakesAndBreaks]),
    trial(Step::SendingBegun, 1, &[Mood::TakesAndBreaks]),
];

struct Scene {
    site: Site,
    provider: Provider,
    /// Where the provider reports and brings replies.
    callback: String,
    /// Copies that a crash, or a provider that said what is not true, explains.
    explained: usize,
    /// Reports that the collector took.
    reported: HashSet<String>,
    folder: TempDir,
}

impl Scene {
    async fn set() -> Self {
        let provider = Provider::start().await;
        let gateway = format!(
            "[paging]\ndestinations = [\"sms\"]\nrepage_after = \"1h\"\npages_per_minute = 1000\n\
             [[channel]]\nname = \"sms\"\nkind = \"gateway\"\nurl = {:?}\nreceipt_within = \"8s\"\n\
             body = '{{\"key\": \"{{key}}\", \"ticket_number\": {{number}}, \"text\": \"{{text}}\"}}'\n",
            provider.url()
        );
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("kill-at").display().to_string();
        let site = Site::start_as(Plan {
            more: gateway,
            environment: vec![("TOCSIN_KILL_AT".to_owned(), at)],
            ..Plan::default()
        })
        .await;
        let _ = site.cli(&["user", "contact", "admin", "--phone", PHONE, "--staff", "07"]);
        let callback = site.cli(&["channel", "address", "sms"]);
        Self {
            site,
            provider,
            callback,
            explained: 0,
            reported: HashSet::new(),
            folder,
        }
    }

    /// Calls back as a gateway does; whether that was taken.
    async fn calls_back(&self, parameters: &[(&str, &str)]) -> bool {
        let mut url: reqwest::Url = self.callback.trim().parse().expect("an address");
        url.query_pairs_mut().extend_pairs(parameters);
        let request = self.site.http().get(url);
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Reports everything that arrived and was not reported yet, twice, as a provider that repeats itself.
    async fn reports(&mut self) {
        for asked in self.provider.asked().iter().filter(|asked| asked.arrived()) {
            let report = [("id", asked.key()), ("status", "delivered")];
            if !self.reported.contains(asked.key()) && self.calls_back(&report).await && self.calls_back(&report).await
            {
                self.reported.insert(asked.key().to_owned());
            }
        }
    }

    fn asked_of(&self, ticket: u64) -> Vec<Asked> {
        let mut asked = self.provider.asked();
        asked.retain(|asked| asked.page["ticket_number"] == ticket);
        asked
    }

    /// The numbers of all tickets.
    async fn numbers(&self) -> Vec<u64> {
        let tickets = self.site.tickets("open,accepted").await;
        tickets.iter().filter_map(|ticket| ticket["number"].as_u64()).collect()
    }

    /// One fault while the collector is to be killed at a point; runs until its page has arrived and was reported.
    async fn go(&mut self, trial: &Trial, place: usize) {
        let before = self.numbers().await;
        let (at, step) = (self.folder.path().join("kill-at"), trial.step.as_str());
        std::fs::write(&at, format!("{step} {}", trial.passes)).expect("the step is named");
        self.provider.next(trial.moods);
        let event: Value = json!({
            "source": "zabbix", "key": place.to_string(), "host": format!("h{place}"), "title": "down",
            "severity": "critical",
        });
        // It may be killed before it answers.
        let _ = self.site.send("inbound/events", &event).await;
        until(&format!("the collector to be killed at {step}"), async || {
            if step.starts_with("re") {
                self.reports().await;
            }
            if step.starts_with("reply") {
                let newest = self.provider.asked().last()?.page["ticket_number"].to_string();
                self.calls_back(&[("from", PHONE), ("text", &format!("{newest} 07"))])
                    .await;
            }
            (!self.site.collector().is_running()).then_some(())
        })
        .await;
        self.explained += 1 + trial.moods.iter().filter(|mood| **mood == Mood::TakesAndBreaks).count();
        std::fs::remove_file(&at).expect("nothing more kills");
        self.site.run().await;
        let number = until("the ticket", async || {
            self.numbers().await.into_iter().find(|number| !before.contains(number))
        })
        .await;
        until(&format!("the page to arrive after {step}"), async || {
            self.reports().await;
            let asked = self.asked_of(number);
            let key = asked.iter().find(|asked| asked.arrived())?.key();
            let list = self.site.get("channels").await;
            // Nothing of this trial is left for the next one.
            (self.reported.contains(key) && list["items"][0]["waiting"] == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn killed_at_every_point_a_page_of_the_worst_level_reaches_somebody_and_copies_are_marked() {
    let mut scene = Scene::set().await;
    for (trial, place) in TRIALS.iter().zip(1..) {
        scene.go(trial, place).await;
    }
    let mut arrived: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
    for asked in scene.provider.asked().into_iter().filter(Asked::arrived) {
        arrived.entry(asked.key().to_owned()).or_default().push(asked);
    }
    let tickets: HashSet<u64> = arrived
        .values()
        .filter_map(|copies| copies[0].page["ticket_number"].as_u64())
        .collect();
    assert_eq!(tickets.len(), TRIALS.len(), "every fault reached somebody");
    let copies: Vec<&Asked> = arrived.values().flat_map(|copies| &copies[1..]).collect();
    assert!(
        copies.len() <= scene.explained,
        "{} copies, {} explained",
        copies.len(),
        scene.explained
    );
    assert!(copies.iter().all(|copy| copy.is_marked()), "{copies:?}");
    // What is not known to have arrived would be seen.
    let list = scene.site.get("channels").await;
    let sms = list["items"]
        .as_array()
        .and_then(|items| items.first())
        .cloned()
        .unwrap_or_default();
    assert_eq!(
        (sms["waiting"].as_u64(), sms["failed"].as_u64()),
        (Some(0), Some(0)),
        "{sms}"
    );
}
