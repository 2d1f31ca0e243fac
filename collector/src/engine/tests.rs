//! The engine over a real ledger, under a clock that the test moves.

mod starts;

mod plans;

use super::{
    testing::{Place, clock_of},
    *,
};
use futures_util::FutureExt as _;
use std::sync::atomic::{AtomicI64, Ordering};
use tocsin_console::backend::Failure;
use tocsin_desk::{
    clocks::Moment,
    input::{Action, AlertChange, Amendment, Turn},
    model::{Actor, AlertState, Response, Via},
    record::AlertFilter,
};
use tocsin_ledger::{DEFAULT_CONTRACT, DEFAULT_CUSTOMER, DEFAULT_SITE};
use tocsin_vocabulary::{AssetId, Dictionary, Importance, Severity, Text};

fn asset() -> AssetFacts {
    AssetFacts {
        asset: AssetId::from_bytes([7; 16]),
        name: "db1".to_owned(),
        customer: DEFAULT_CUSTOMER,
        contract: DEFAULT_CONTRACT,
        site: DEFAULT_SITE,
        importance: Importance::default(),
    }
}

pub(super) fn change(rule: &str, turn: Turn, at: u32) -> AlertChange {
    AlertChange {
        turn,
        rule: rule.to_owned(),
        host: HostId::from_bytes([1; 16]),
        instance: String::new(),
        asset: asset(),
        severity: Severity::Critical,
        response: Response::Ticket,
        title: Text::plain("fault"),
        remedy: Text::default(),
        metric: String::new(),
        value: Some(f64::from(at)),
        threshold: None,
        occurred_at: Timestamp::from_millis(at.into()),
        drill: false,
        ruling: tocsin_desk::model::Ruling::default(),
    }
}

struct World {
    _folder: tempfile::TempDir,
    ledger: Arc<Ledger>,
    now: Arc<AtomicI64>,
    engine: Engine,
    host: HostId,
}

impl World {
    /// A collector with one host that ticks every 10 s.
    async fn new() -> Self {
        let Place {
            folder,
            ledger,
            host,
            now,
        } = Place::new().await;
        let engine = open(&ledger, &now).await;
        let mut world = Self {
            _folder: folder,
            ledger,
            now,
            engine,
            host,
        };
        world.stream().await;
        world
    }

    async fn stream(&mut self) {
        let interval = Duration::from_secs(10);
        let host = self.host;
        self.engine.handle(Command::Streaming { host, interval }).await;
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    async fn raised(&self) -> usize {
        let alerts = self.ledger.alerts(&AlertFilter::default()).await.unwrap().items;
        alerts.iter().filter(|alert| alert.state == AlertState::Raised).count()
    }
}

async fn open(ledger: &Arc<Ledger>, now: &Arc<AtomicI64>) -> Engine {
    open_with(RuleSet::builtin(), ledger, now).await
}

async fn open_with(rules: RuleSet, ledger: &Arc<Ledger>, now: &Arc<AtomicI64>) -> Engine {
    let (handle, _) = EngineHandle::queue();
    let parts = Parts {
        ledger: ledger.clone(),
        rules,
        book: tocsin_desk::policy::Policy::basic().into(),
        destinations: vec!["inbox".to_owned()],
        clock: clock_of(now),
        live: Arc::new(Live::default()),
        outbox: Arc::new(Notify::new()),
        diagnoses: None,
        limits: tocsin_desk::step::Limits::default(),
    };
    Engine::open(parts, &handle).await.unwrap()
}

/// Lets time pass second by second, as the engine's loop would see it.
async fn watch(world: &mut World, seconds: i64) {
    for _ in 0..seconds {
        world.pass(1);
        world.engine.look_up(Duration::from_secs(1));
        world.engine.advance().await;
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_is_silent_and_back_again() {
    let mut world = World::new().await;
    watch(&mut world, 400).await;
    assert_eq!(world.raised().await, 1);
    world.stream().await;
    watch(&mut world, 30).await;
    assert_eq!(world.raised().await, 0);
}

#[tokio::test]
async fn time_that_the_engine_did_not_see_is_no_silence_of_hosts() {
    let mut world = World::new().await;
    watch(&mut world, 5).await;
    world.pass(3_600);
    world.engine.advance().await;
    assert_eq!(world.raised().await, 0);
    watch(&mut world, 400).await;
    assert_eq!(world.raised().await, 1, "from then on it counts");
}

#[tokio::test]
async fn while_agents_cannot_be_heard_nobody_is_silent() {
    let mut world = World::new().await;
    let live = world.engine.parts.live.clone();
    let beat = |world: &World| live.ears.beat((world.engine.parts.clock)());
    beat(&world);
    watch(&mut world, 400).await;
    assert_eq!(world.raised().await, 0, "the thread that serves agents does not run");
    for _ in 0..40 {
        beat(&world);
        watch(&mut world, 1).await;
    }
    assert_eq!(world.raised().await, 0, "agents had no time yet");
    for _ in 0..400 {
        beat(&world);
        watch(&mut world, 1).await;
    }
    assert_eq!(world.raised().await, 1, "from then on it counts");
    live.ears.refuses();
    beat(&world);
    assert!(live.ears.deaf((world.engine.parts.clock)()).is_some());
    watch(&mut world, 1).await;
    assert_eq!(world.raised().await, 1, "what is known stays known");
}

#[tokio::test]
async fn what_is_under_way_from_a_host_that_was_shut_out_is_not_heard() {
    let mut world = World::new().await;
    let record = world.ledger.host(world.host).await.unwrap().unwrap();
    world.engine.handle(Command::HostGone(world.host)).await;
    world.stream().await;
    world.engine.handle(Command::HostChanged(Box::new(record))).await;
    watch(&mut world, 1_000).await;
    assert_eq!(world.raised().await, 0);
}

#[tokio::test]
async fn ticks_are_looked_at_where_they_arrive_and_what_the_rules_say_of_them_is_written() {
    let mut world = World::new().await;
    watch(&mut world, 400).await;
    assert_eq!(world.raised().await, 1);
    let empty = TickSeen {
        host: world.host,
        dictionary: Dictionary::new(Vec::new()),
        tick: Arc::default(),
        changed: Vec::new(),
    };
    let looks = world.engine.watch.clone();
    let spoke = |looks: &Watch| looks.spoke.notified().now_or_never().is_some();
    let _ = spoke(&looks);
    for _ in 0..30 {
        assert!(looks.look(&empty, (world.engine.parts.clock)()));
        watch(&mut world, 1).await;
    }
    assert_eq!(world.raised().await, 0);
    assert!(spoke(&looks), "the engine was woken");
    world.engine.handle(Command::HostGone(world.host)).await;
    assert!(
        !looks.look(&empty, (world.engine.parts.clock)()),
        "it goes through the queue, and is not heard there"
    );
    let stranger = TickSeen {
        host: HostId::from_bytes([9; 16]),
        ..empty
    };
    assert!(!looks.look(&stranger, (world.engine.parts.clock)()));
    let (handled, mut told) = tokio::sync::oneshot::channel();
    world.engine.handle(Command::Tick(Box::new(stranger), handled)).await;
    assert!(told.try_recv().is_ok());
}

#[tokio::test]
async fn an_alert_of_a_host_that_was_shut_out_clears_at_the_next_start() {
    let mut world = World::new().await;
    watch(&mut world, 400).await;
    assert_eq!(world.raised().await, 1);
    let now = (world.engine.parts.clock)();
    world.ledger.revoke_host(world.host, now, "admin", &[]).await.unwrap();
    world.engine = open(&world.ledger, &world.now).await;
    world.engine.advance().await;
    assert_eq!(world.raised().await, 0);
}

#[tokio::test]
async fn a_restart_neither_raises_again_nor_forgets() {
    let mut world = World::new().await;
    watch(&mut world, 400).await;
    world.engine = open(&world.ledger, &world.now).await;
    watch(&mut world, 400).await;
    assert_eq!(world.raised().await, 1);
    let all = world.ledger.alerts(&AlertFilter::default()).await.unwrap().items;
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn without_a_ledger_alerts_are_kept_people_are_told_and_tries_grow_rare() {
    let mut world = World::new().await;
    world.ledger.close().await;
    watch(&mut world, 400).await;
    assert_eq!(world.engine.unwritten.len(), 1);
    let health = world.engine.condition.health();
    assert!(!health.healthy && health.detail.contains("1 changes"), "{health:?}");
    assert!(world.engine.failures < 45, "{} tries", world.engine.failures);
    let before = world.engine.failures;
    let act = report();
    let refused: Failure = world
        .engine
        .report(act, (world.engine.parts.clock)())
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(world.engine.failures <= before + 1);
}

fn report() -> Report {
    Report {
        kind: tocsin_desk::model::TicketKind::Fault,
        actor: Actor::System,
        via: Via::Console,
        asset: asset(),
        title: "no light".to_owned(),
        severity: Severity::Critical,
        occurred_at: None,
    }
}

#[tokio::test]
async fn what_counted_for_a_ticket_is_shown_also_after_a_late_entry_and_a_restart() {
    let mut world = World::new().await;
    watch(&mut world, 400).await;
    let person = tocsin_desk::model::Person {
        id: tocsin_vocabulary::PersonId::from_bytes([9; 16]),
        login: "wang".to_owned(),
        name: "Wang".to_owned(),
        role: tocsin_desk::model::Role::Operator,
        customer: None,
        language: tocsin_vocabulary::Language::default(),
        email: String::new(),
        phone: String::new(),
        on_duty: false,
    };
    world.ledger.create_person(&person, "", &[]).await.unwrap();
    let ticket = world.ledger.ticket(1).await.unwrap().unwrap();
    let actor = Actor::Person(person.id, person.name.clone());
    let act = |action| Act {
        ticket: ticket.id,
        actor: actor.clone(),
        via: Via::Api,
        action,
        revision: None,
    };
    let now = |world: &World| Timestamp::from_millis(world.now.load(Ordering::Relaxed));
    let wait = Action::Wait {
        reason: "customer: not before noon".to_owned(),
        until: None,
    };
    for action in [Action::Accept, wait] {
        world.pass(600);
        let at = now(&world);
        world.engine.act(act(action), at).await.unwrap();
    }
    world.pass(600);
    let amend = Amend {
        ticket: ticket.id,
        actor: actor.clone(),
        via: Via::Api,
        amendment: Amendment::Enter {
            moment: Moment::Accepted,
            at: ticket.opened_at,
            reason: "taken by phone".to_owned(),
        },
        revision: None,
    };
    let at = now(&world);
    world.engine.amend(amend, at).await.unwrap();
    world.engine = open(&world.ledger, &world.now).await;
    world.pass(600);

    let shown = crate::ticket_clocks::of(&world.ledger, 1, now(&world)).await.unwrap();
    let accepted: Timestamp = shown["times"]["accepted"].as_str().unwrap().parse().unwrap();
    assert_eq!(accepted, ticket.opened_at, "in the calendar's zone");
    assert_eq!(shown["pauses"][0]["reason"], "customer");
    let clocks = shown["clocks"].as_array().unwrap();
    let resolve = clocks.iter().find(|clock| clock["clock"] == "resolve").unwrap();
    let (paused, elapsed) = (&resolve["paused"], &resolve["elapsed_ms"]);
    let waited_at = ticket.opened_at.as_millis();
    let until_wait = now(&world).as_millis() - 1_200_000 - waited_at;
    assert_eq!(
        (paused, elapsed.as_i64()),
        (&true.into(), Some(until_wait)),
        "{shown:#}"
    );
    let log = shown["log"].as_array().unwrap();
    assert!(log.iter().any(|line| line["what"] == "correct") && log.iter().any(|line| line["what"] == "pause"));
    let text = crate::ticket_clocks::render(&shown);
    assert!(
        text.contains("resolve (level") && text.contains("paused") && text.contains("log:"),
        "{text}"
    );
}
