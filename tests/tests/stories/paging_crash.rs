//! The collector killed at each step between a page and its provider: every page arrives or is visibly undelivered, at most
//! one more copy for each crash, and a copy says that it is one exactly when nobody could know.

use serde_json::json;
use std::collections::BTreeMap;
use tocsin_tests::{
    patience::until,
    provider::{Asked, Mood, Provider},
    site::Site,
};

struct Scene {
    site: Site,
    provider: Provider,
    crashes: usize,
    faults: usize,
}

impl Scene {
    async fn set() -> Self {
        let provider = Provider::start().await;
        let paging = "[paging]\ndestinations = [\"robot\"]\nrepage_after = \"1h\"\npages_per_minute = 1000\n";
        let site = Site::start(&format!("{paging}{}", provider.channel("robot"))).await;
        Self {
            site,
            provider,
            crashes: 0,
            faults: 0,
        }
    }

    /// A fault; it is committed when this returns. Answers its ticket's number.
    async fn fault(&mut self) -> u64 {
        self.faults += 1;
        let event = json!({
            "source": "zabbix", "key": self.faults.to_string(), "host": format!("h{}", self.faults), "title": "down",
            "severity": "critical",
        });
        let (status, opened) = self.site.post("inbound/events", &event).await;
        assert_eq!(status, 200, "{opened}");
        opened["tickets"][0].as_u64().expect("a ticket's number")
    }

    async fn crash(&mut self) {
        self.site.collector().kill();
        self.crashes += 1;
        self.site.run().await;
    }

    fn asked_of(&self, ticket: u64) -> Vec<Asked> {
        let mut asked = self.provider.asked();
        asked.retain(|asked| asked.page["ticket_number"] == ticket);
        asked
    }

    /// Waits until the provider was asked so often about a ticket.
    async fn is_asked(&self, ticket: u64, times: usize) -> Vec<Asked> {
        until("the provider to be asked about a ticket", async || {
            let asked = self.asked_of(ticket);
            (asked.len() >= times).then_some(asked)
        })
        .await
    }

    /// Waits until the outbox counts so many as `what`.
    async fn counts(&self, what: &str, wanted: u64) {
        until(&format!("{wanted} to be {what}"), async || {
            let list = self.site.get("channels").await;
            let robot = list["items"].as_array()?.iter().find(|item| item["name"] == "robot")?;
            (robot[what] == wanted).then_some(())
        })
        .await;
    }
}

fn marks(asked: &[Asked]) -> Vec<bool> {
    asked.iter().map(Asked::is_marked).collect()
}

#[tokio::test]
async fn a_collector_killed_at_every_step_loses_no_page_and_marks_every_copy() {
    let mut scene = Scene::set().await;

    // Refused: the other side said that it has nothing, so the next try is no copy.
    scene.provider.next(&[Mood::Refuses(503)]);
    let refused = scene.fault().await;
    assert_eq!(marks(&scene.is_asked(refused, 2).await), [false, false]);
    scene.counts("accepted", 1).await;

    // Refused, written down, and killed while it waits for its next try.
    scene.provider.next(&[Mood::Refuses(503)]);
    let waiting = scene.fault().await;
    scene.is_asked(waiting, 1).await;
    until("the refusal to be written down", async || {
        let printed = scene.site.path("collector.log");
        let log = std::fs::read_to_string(printed).unwrap_or_default();
        (log.matches("page not sent, trying again").count() >= 2).then_some(())
    })
    .await;
    scene.crash().await;
    assert_eq!(marks(&scene.is_asked(waiting, 2).await), [false, false]);

    // Killed while the provider has it and says nothing, twice; it had arrived each time.
    scene.provider.next(&[Mood::TakesSilently, Mood::TakesSilently]);
    let silent = scene.fault().await;
    scene.is_asked(silent, 1).await;
    scene.crash().await;
    scene.is_asked(silent, 2).await;
    scene.crash().await;
    assert_eq!(marks(&scene.is_asked(silent, 3).await), [false, true, true]);

    // Killed while the provider loses it, then refused: still nobody knows of the first.
    scene.provider.next(&[Mood::Swallows, Mood::Refuses(503)]);
    let lost = scene.fault().await;
    scene.is_asked(lost, 1).await;
    scene.crash().await;
    assert_eq!(marks(&scene.is_asked(lost, 3).await), [false, true, true]);

    // Killed when it is committed, and when the provider has just answered: wherever that strikes.
    let mut anywhere = Vec::new();
    for _ in 0..3 {
        anywhere.push(scene.fault().await);
        scene.crash().await;
        let ticket = scene.fault().await;
        scene.is_asked(ticket, 1).await;
        scene.crash().await;
        anywhere.push(ticket);
    }
    for ticket in anywhere {
        until("the page to arrive", async || {
            scene.asked_of(ticket).iter().any(Asked::arrived).then_some(())
        })
        .await;
    }
    scene.counts("accepted", 10).await;

    // One that never arrives is seen to.
    scene.provider.always(Mood::Refuses(400));
    scene.fault().await;
    scene.counts("failed", 1).await;
    let (status, health) = scene.site.try_get("health").await;
    assert!(
        status == 503 && health.to_string().contains("pages could not be sent"),
        "{health}"
    );
    nobody_is_told_twice_for_nothing(&scene);
}

/// Each copy beyond the first has its crash, and its mark.
fn nobody_is_told_twice_for_nothing(scene: &Scene) {
    let mut arrived: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
    for asked in scene.provider.asked().into_iter().filter(Asked::arrived) {
        arrived.entry(asked.key().to_owned()).or_default().push(asked);
    }
    assert_eq!(arrived.len(), scene.faults - 1, "all but the last, which was refused");
    let copies: Vec<&Asked> = arrived.values().flat_map(|copies| &copies[1..]).collect();
    assert!(
        copies.len() <= scene.crashes,
        "{} copies, {} crashes",
        copies.len(),
        scene.crashes
    );
    assert!(copies.iter().all(|copy| copy.is_marked()), "{copies:?}");
}
