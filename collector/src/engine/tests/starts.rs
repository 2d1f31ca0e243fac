//! Starts after a collector was killed: silence, events, a thousand alerts, and why nothing is heard.

use super::*;
use tocsin_desk::{
    model::{Arrival, Phase, Silence, TicketState},
    record::EventRecord,
};
use tocsin_vocabulary::{
    Section, SpoolId,
    batch::{Cell, Tick},
    catalogue::metric,
};

const RULES: &str = r#"
[[rule]]
name = "io-error"
event = "kernel.io_error"
clear_after = "1h"
severity = "major"
action = "ticket"
knowledge = "https://wiki/io"
title = { en = "{host}: I/O error", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }

[[rule]]
name = "full"
metric = "system.filesystem.utilization"
above = 0.9
severity = "major"
action = "ticket"
title = { en = "{host} full", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }

[[rule]]
name = "silent"
no_data = "60s"
severity = "major"
action = "ticket"
title = { en = "{host} silent", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }
"#;

fn rules() -> RuleSet {
    RuleSet::parse(&[("test.toml", RULES)]).unwrap()
}

impl World {
    async fn restart(&mut self) {
        self.engine = open_with(rules(), &self.ledger, &self.now).await;
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    async fn alerts(&self) -> Vec<tocsin_desk::model::Alert> {
        self.ledger.alerts(&AlertFilter::default()).await.unwrap().items
    }

    fn event(&self, seq: u64) -> EventRecord {
        EventRecord {
            seq,
            at: self.now(),
            received_at: self.now(),
            name: "kernel.io_error".to_owned(),
            severity: Severity::Major,
            attributes: std::collections::BTreeMap::new(),
            body: "sda".to_owned(),
        }
    }
}

const SPOOL: SpoolId = SpoolId::from_bytes([5; 16]);

#[tokio::test]
async fn an_event_that_was_acknowledged_before_the_collector_was_killed_pages_after_it() {
    let mut world = World::new().await;
    world.restart().await;
    let event = world.event(1);
    world.ledger.store_events(world.host, SPOOL, &[event]).await.unwrap();
    // Killed here: the rules never heard of it.
    world.pass(30);
    world.restart().await;
    world.engine.advance().await;
    let alerts = world.alerts().await;
    assert_eq!((alerts.len(), alerts[0].ruling.arrival), (1, Arrival::Late));
    assert_eq!(alerts[0].ruling.knowledge.as_deref(), Some("https://wiki/io"));
    let known = world.ledger.rule_version(&alerts[0].ruling.version).await.unwrap();
    assert!(known.unwrap().text.contains("kernel.io_error"));
    // And only once, however often it is killed.
    for _ in 0..3 {
        world.restart().await;
        world.engine.advance().await;
    }
    assert_eq!(world.alerts().await.len(), 1);
    // Counted on: it ends an hour after it came.
    world.stream().await;
    for _ in 0..370 {
        world.stream().await;
        watch(&mut world, 10).await;
    }
    assert_eq!(world.raised().await, 0);
}

#[tokio::test]
async fn events_that_raise_nothing_are_judged_all_the_same_and_not_told_again() {
    let mut world = World::new().await;
    world.restart().await;
    let mut event = world.event(1);
    event.name = "kernel.oops".to_owned();
    world
        .ledger
        .store_events(world.host, SPOOL, std::slice::from_ref(&event))
        .await
        .unwrap();
    let heard = vec![(event, None)];
    world.engine.handle(Command::Events(world.host, SPOOL, heard)).await;
    watch(&mut world, 5).await;
    let left = world.ledger.events_to_recall(world.now(), 10).await.unwrap();
    assert_eq!(left, []);
}

#[tokio::test]
async fn silence_is_counted_on_after_a_restart_and_frozen_while_the_collector_was_down() {
    let mut world = World::new().await;
    world.restart().await;
    let facts = tocsin_desk::record::HostFacts::default();
    world.ledger.update_facts(world.host, &facts, 10_000).await.unwrap();
    world.ledger.touch_hosts(&[(world.host, world.now())]).await.unwrap();
    world.pass(50);
    world.ledger.watched(world.now()).await.unwrap();
    // Down for a day: nobody watched, nobody's silence grew.
    world.pass(86_400);
    world.restart().await;
    watch(&mut world, 29).await;
    assert_eq!(world.raised().await, 0, "its agent may need a moment");
    watch(&mut world, 5).await;
    assert_eq!(world.raised().await, 1, "fifty seconds were counted before");
}

#[tokio::test]
async fn a_host_that_was_enrolled_and_never_heard_is_missed() {
    let mut world = World::new().await;
    world.restart().await;
    watch(&mut world, 590).await;
    assert_eq!(world.raised().await, 0);
    watch(&mut world, 20).await;
    let alerts = world.alerts().await;
    assert_eq!((alerts.len(), alerts[0].ruling.silence), (1, Some(Silence::NeverHeard)));
}

#[tokio::test]
async fn why_a_host_is_silent_is_added_when_its_machine_answered() {
    let mut world = World::new().await;
    world.restart().await;
    world.stream().await;
    watch(&mut world, 100).await;
    assert_eq!(world.alerts().await[0].ruling.silence, None);
    let answer = Command::Silence(world.host, Silence::AgentSilent);
    world.engine.handle(answer).await;
    world.engine.advance().await;
    let alerts = world.alerts().await;
    assert_eq!(
        (alerts.len(), alerts[0].ruling.silence),
        (1, Some(Silence::AgentSilent))
    );
}

#[tokio::test]
async fn a_rule_about_machines_that_answer_waits_for_the_answer() {
    let mut world = World::new().await;
    let text = RULES.replace("no_data = \"60s\"", "no_data = \"60s\"\nanswers = true");
    let rules = RuleSet::parse(&[("test.toml", text)]).unwrap();
    world.engine = open_with(rules, &world.ledger, &world.now).await;
    world.stream().await;
    watch(&mut world, 100).await;
    assert_eq!(
        world.raised().await,
        0,
        "it has no address to be asked at: it does not answer"
    );
    world
        .engine
        .handle(Command::Silence(world.host, Silence::AgentSilent))
        .await;
    world.engine.advance().await;
    assert_eq!(world.raised().await, 1);
}

fn tick(world: &World, mounts: &Dictionary, value: f64) -> TickSeen {
    let cells = mounts.series().map(|_| Cell::from_f64(value, 4)).collect();
    TickSeen {
        host: world.host,
        dictionary: mounts.clone(),
        tick: Arc::new(Tick {
            time: world.now(),
            cells,
        }),
        changed: vec![u64::MAX; 16],
    }
}

#[tokio::test]
async fn a_ticket_closes_by_itself_when_its_host_is_well_and_not_when_its_rule_is_gone() {
    let text = RULES.replace("severity = \"major\"", "severity = \"minor\"\nauto_close = true");
    let rules = RuleSet::parse(&[("test.toml", text)]).unwrap();
    let usage = metric("system.filesystem.utilization").unwrap();
    let mounts = vec![usage.series(&[("system.filesystem.mountpoint", "/")])];
    let mounts = Dictionary::new(vec![Arc::new(Section::new(mounts))]);
    let mut world = World::new().await;
    let reload = |rules: RuleSet| Command::Reload(Box::new(rules));
    let state = async |world: &World| {
        let tickets = world
            .ledger
            .tickets(&tocsin_desk::record::TicketFilter::default())
            .await
            .unwrap();
        tickets.items.iter().max_by_key(|ticket| ticket.number).unwrap().state
    };
    for (value, becomes) in [(Some(0.5), TicketState::Closed), (None, TicketState::Restored)] {
        world.engine.handle(reload(rules.clone())).await;
        for value in [Some(0.95), value].into_iter().flatten() {
            let seen = tick(&world, &mounts, value);
            let (handled, _) = tokio::sync::oneshot::channel();
            world.engine.handle(Command::Tick(Box::new(seen), handled)).await;
            watch(&mut world, 10).await;
        }
        if value.is_none() {
            world.engine.handle(reload(RuleSet::default())).await;
            watch(&mut world, 1).await;
        }
        assert_eq!(state(&world).await, becomes);
    }
}

#[tokio::test]
async fn a_restart_with_a_thousand_raised_alerts_pages_nobody_and_clears_none() {
    let mut world = World::new().await;
    world.restart().await;
    let usage = metric("system.filesystem.utilization").unwrap();
    let mounts = (0..1_000).map(|number| usage.series(&[("system.filesystem.mountpoint", &format!("/{number}"))]));
    let mounts = Dictionary::new(vec![Arc::new(Section::new(mounts.collect()))]);
    let (handled, _) = tokio::sync::oneshot::channel();
    let seen = tick(&world, &mounts, 0.95);
    world.engine.handle(Command::Tick(Box::new(seen), handled)).await;
    world.engine.advance().await;
    let raised = async |world: &World| {
        let work = world.ledger.load_open_work().await.unwrap();
        let ids: std::collections::BTreeSet<_> = work.alerts.iter().map(|alert| alert.id).collect();
        (ids, work.last_number)
    };
    let before = raised(&world).await;
    assert_eq!((before.0.len(), before.1), (1_000, 1_000));
    for _ in 0..2 {
        world.restart().await;
        for _ in 0..3 {
            let seen = tick(&world, &mounts, 0.96);
            let (handled, _) = tokio::sync::oneshot::channel();
            world.engine.handle(Command::Tick(Box::new(seen), handled)).await;
            watch(&mut world, 10).await;
        }
        assert_eq!(
            raised(&world).await,
            before,
            "the same alerts hold, and no ticket was opened"
        );
    }
    let first = world.alerts().await.remove(0);
    let decisions = world.ledger.decisions(&first).await.unwrap();
    assert_eq!(decisions.len(), 1);
    assert_eq!((decisions[0].from, decisions[0].to), (Phase::Clear, Phase::Raised));
}
