//! The past over a real store: what rules are told of it, and what is found in samples that came late.

use super::*;
use crate::engine::{
    command::TickSeen,
    testing::{Place, START, clock_of},
};
use crate::evidence::Evidence;
use std::sync::{
    atomic::{AtomicI64, Ordering},
    mpsc as channel,
};
use tocsin_desk::{
    effect::Effects,
    model::{Alert, AlertState, Response, Ruling},
};
use tocsin_metrics::{FaultDisk, StoreConfig, Stream};
use tocsin_rules::{Phase, RuleSet};
use tocsin_vocabulary::{
    AlertId, Dictionary, Section, Severity, SpoolId, Text,
    batch::{Cell, Encoder, Tick},
    catalogue::metric,
};
use tokio::sync::mpsc;

const RULES: &str = r#"
[[rule]]
name = "held"
metric = "system.cpu.load_average.1m"
above = 10
for = "1m"
severity = "major"
action = "ticket"
title = { en = "{host} {value}", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }

[[rule]]
name = "unusual"
metric = "system.cpu.load_average.1m"
baseline = "above"
least = 1
above = 4
severity = "warning"
action = "notify"
title = { en = "{host} {value}", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }
"#;

struct World {
    _folder: tempfile::TempDir,
    past: Past,
    commands: mpsc::Receiver<Command>,
    stream: Stream,
    dictionary: Dictionary,
    host: HostId,
    now: Arc<AtomicI64>,
    seq: u64,
}

impl World {
    async fn new() -> Self {
        let Place {
            folder,
            ledger,
            host,
            now,
        } = Place::new().await;
        let store = Arc::new(Store::open(StoreConfig::new("/store"), Arc::new(FaultDisk::new())).unwrap());
        let section = Section::new(vec![metric("system.cpu.load_average.1m").unwrap().series(&[])]);
        let (hash, bytes) = (section.hash(), section.bytes());
        store.put_sections(&[bytes]).unwrap();
        let dictionary = store.put_dictionary(&[hash]).unwrap();
        let stream = store.begin_stream(host, SpoolId::from_bytes([1; 16]), 1);
        let (engine, commands) = EngineHandle::queue();
        engine.watch.lock().rules = tocsin_rules::Engine::new(RuleSet::parse(&[("test.toml", RULES)]).unwrap());
        engine.watch.knows(host);
        let clock = clock_of(&now);
        let past = Past {
            store,
            ledger,
            engine,
            clock,
        };
        Self {
            _folder: folder,
            past,
            commands,
            stream,
            dictionary,
            host,
            now,
            seq: 0,
        }
    }

    fn payload(&self, seconds: i64, value: f64) -> Vec<u8> {
        Encoder::new().encode(&self.tick_of(seconds, value), &self.dictionary, true)
    }

    fn tick_of(&self, seconds: i64, value: f64) -> Tick {
        let decimals = self.dictionary.series().next().unwrap().decimals;
        Tick {
            time: START.plus(Duration::from_secs(seconds.unsigned_abs())),
            cells: vec![Cell::from_f64(value, decimals)],
        }
    }

    /// Stored, and not looked at.
    fn stored(&mut self, seconds: i64, value: f64) {
        self.seq += 1;
        let payload = self.payload(seconds, value);
        let at = START.plus(Duration::from_secs(seconds.unsigned_abs()));
        self.now.store(at.as_millis(), Ordering::Relaxed);
        let (told, durable) = channel::channel();
        let verdict = Box::new(move |outcome| told.send(outcome).unwrap());
        self.past
            .store
            .append_live(&self.stream, self.seq, &payload, at, verdict)
            .unwrap();
        durable.recv().unwrap().unwrap();
    }

    /// Stored, as backlog.
    fn late(&mut self, seqs: std::ops::Range<u64>, tick: impl Fn(u64) -> (i64, f64)) {
        let (told, durable) = channel::channel();
        let verdict = Box::new(move |outcome| told.send(outcome).unwrap());
        let batches: Vec<(u64, Vec<u8>)> = seqs
            .map(|seq| {
                let (seconds, value) = tick(seq);
                (seq, self.payload(seconds, value))
            })
            .collect();
        let now = (self.past.clock)();
        self.past
            .store
            .append_chunk(&self.stream, &batches, now, verdict)
            .unwrap();
        durable.recv().unwrap().unwrap();
    }

    /// Live: stored, and looked at.
    fn live(&mut self, seconds: i64, value: f64) {
        self.stored(seconds, value);
        let seen = TickSeen {
            host: self.host,
            dictionary: self.dictionary.clone(),
            tick: Arc::new(self.tick_of(seconds, value)),
            changed: vec![u64::MAX],
        };
        self.past.engine.look(seen, (self.past.clock)()).unwrap();
    }

    fn state(&self, rule: &str) -> (Phase, Option<Timestamp>) {
        let states = self.past.engine.watch.lock().rules.states(self.host);
        let state = states.iter().find(|state| state.rule == rule).unwrap();
        (state.state, state.since)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pending_before_a_start_goes_on_whether_ticks_came_meanwhile_or_not() {
    let mut world = World::new().await;
    for number in 0..4 {
        world.stored(number * 10, 20.0);
    }
    world.past.recall(world.host).await;
    assert_eq!(world.state("held"), (Phase::Pending, Some(START)));
    // Another collector, whose agents are back before the past is read.
    let mut world = World::new().await;
    for number in 0..4 {
        world.stored(number * 10, 20.0);
    }
    world.live(40, 20.0);
    assert_ne!(world.state("held").1, Some(START));
    world.past.recall(world.host).await;
    assert_eq!(world.state("held"), (Phase::Pending, Some(START)));
    world.live(60, 20.0);
    assert_eq!(world.state("held").0, Phase::Raised);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_usual_is_learnt_from_the_hours_that_are_stored() {
    let mut world = World::new().await;
    let hour = 3_600;
    for number in 0..(15 * 24 * 2) {
        world.stored(number * hour / 2, 5.0 + (number % 7) as f64 / 10.0);
        if number % 24 == 0 {
            world.past.store.maintain((world.past.clock)()).unwrap();
        }
    }
    world.past.recall(world.host).await;
    let last = 15 * 24 * hour;
    for minute in 0..40 {
        world.live(last + minute * 60, 9.5);
    }
    assert_eq!(world.state("unusual").0, Phase::Raised);
    // Without the past nothing is unusual.
    let mut world = World::new().await;
    for minute in 0..40 {
        world.live(last + minute * 60, 9.5);
    }
    assert_eq!(world.state("unusual").0, Phase::Clear);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_around_an_alert_are_kept_and_completed_when_it_has_cleared() {
    let mut world = World::new().await;
    for number in 0..100 {
        world.stored(number * 10, if number == 60 { 20.0 } else { 1.0 });
    }
    let at = |seconds| START.plus(Duration::from_secs(seconds));
    let record = world.past.ledger.host(world.host).await.unwrap().unwrap();
    let mut alert = Alert {
        id: AlertId::from_bytes([1; 16]),
        rule: "held".to_owned(),
        host: world.host,
        asset: record.asset,
        instance: String::new(),
        severity: Severity::Major,
        response: Response::Record,
        title: Text::default(),
        remedy: Text::default(),
        metric: "system.cpu.load_average.1m".to_owned(),
        value: Some(20.0),
        threshold: Some(10.0),
        state: AlertState::Raised,
        occurred_at: at(600),
        raised_at: at(600),
        cleared_at: None,
        fault: None,
        ruling: Ruling::default(),
    };
    let commit = async |alert: &Alert| {
        let effects = Effects {
            alerts: vec![alert.clone()],
            ..Effects::default()
        };
        world.past.ledger.commit(&effects, &[]).await.unwrap();
    };
    let (ledger, store, clock) = (&world.past.ledger, &world.past.store, &world.past.clock);
    let evidence = Evidence::new(ledger.clone(), store.clone(), clock.clone());
    commit(&alert).await;
    evidence.keep().await.unwrap();
    let kept = ledger.samples(alert.id).await.unwrap().unwrap();
    assert!(!kept.complete);
    assert_eq!(kept.series[0].points.len(), 100);
    assert_eq!(kept.series[0].points[60], (at(600).as_millis(), Some(20.0)));
    (alert.state, alert.cleared_at) = (AlertState::Cleared, Some(at(700)));
    commit(&alert).await;
    evidence.keep().await.unwrap();
    let kept = ledger.samples(alert.id).await.unwrap().unwrap();
    assert!(kept.complete);
    assert_eq!((kept.from, kept.to), (START, at(760)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_in_samples_that_came_late_is_found_once_and_moves_nothing_that_holds_now() {
    let mut world = World::new().await;
    for number in 0..6 {
        world.live(number * 10, 1.0);
    }
    // Away for an hour; then the live tick comes first.
    world.seq = 100;
    world.live(3_600, 1.0);
    // From 70 s on: too much for two minutes, beginning at 120 s.
    let value = |seconds: i64| if (120..240).contains(&seconds) { 20.0 } else { 1.0 };
    world.late(8..48, |seq| {
        let seconds = i64::try_from(seq).unwrap() * 10;
        (seconds, value(seconds))
    });
    let at = |seconds| START.plus(Duration::from_secs(seconds));
    let asked = world.past.engine.past.clone();
    asked.late(world.host, at(80), at(470), (world.past.clock)());
    world.now.fetch_add(20_000, Ordering::Relaxed);
    world.past.step().await;
    let Ok(Command::Found(found)) = world.commands.try_recv() else {
        panic!("nothing was found");
    };
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].raised.rule.as_str(), found[0].raised.at), ("held", at(120)));
    assert_eq!(found[0].ended, at(240));
    assert_eq!(found[0].decisions.len(), 2);
    assert_eq!(world.state("held").0, Phase::Clear);
    // Nor does it when the past is told anew, as after rules were edited, although it holds now.
    world.late(350..359, |seq| (i64::try_from(seq).unwrap() * 10, 20.0));
    asked.late(world.host, at(3_500), at(3_580), (world.past.clock)());
    world.seq = 400;
    world.live(3_700, 20.0);
    world.past.recall(world.host).await;
    assert_eq!(world.state("held"), (Phase::Pending, Some(at(3_700))));
    assert!(world.past.engine.watch.tell(|_| Vec::new()).said.is_empty());
}

#[test]
fn late_samples_are_judged_once_they_stop_coming_and_not_piece_by_piece() {
    let asked = Asked::default();
    let host = HostId::from_bytes([1; 16]);
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    for second in 0..20 {
        asked.late(
            host,
            at(1_000 - 60 * second),
            at(1_060 - 60 * second),
            at(5_000 + second),
        );
    }
    assert!(matches!(asked.next(at(5_025)), Next::After(_)));
    let Next::Late(found, late) = asked.next(at(5_029)) else {
        panic!("it is time");
    };
    assert_eq!((found, late.from, late.to), (host, at(-140), at(1_060)));
    assert!(matches!(asked.next(at(5_029)), Next::Nothing));
}

#[test]
fn stretches_that_came_late_are_told_apart_and_are_a_bounded_number() {
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    let mut spans = Vec::new();
    for (from, to) in [(5_000, 5_600), (4_400, 4_990), (9_000, 9_100), (5_500, 5_700)] {
        add_span(&mut spans, at(from), at(to));
    }
    assert_eq!(spans, [(at(4_400), at(5_700)), (at(9_000), at(9_100))]);
    for hour in 3..1_000 {
        add_span(&mut spans, at(hour * 3_600), at(hour * 3_600 + 60));
    }
    assert_eq!(spans.len(), SPANS_MAX);
    assert_eq!(spans[0].0, at(4_400));
}

#[test]
fn late_samples_that_never_stop_coming_are_judged_all_the_same() {
    let asked = Asked::default();
    let host = HostId::from_bytes([1; 16]);
    let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
    for second in 0..=600 {
        asked.late(host, at(second), at(second), at(second));
    }
    assert!(matches!(asked.next(at(600)), Next::Late(..)));
}
