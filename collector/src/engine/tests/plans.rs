//! Planned work at the engine: written with its audit line, kept through a restart, ended by the clock.

use super::*;
use tocsin_console::backend::Planner;
use tocsin_desk::{
    input::PlanChange,
    planned::{NewPlanned, PlannedKind, Scope, Span},
    record::Slice,
};

fn silence(world: &World, seconds: u64) -> PlanChange {
    let now = (world.engine.parts.clock)();
    PlanChange::Add(Box::new(NewPlanned {
        kind: PlannedKind::Silence,
        scope: Scope {
            rules: vec!["host-*".to_owned()],
            ..Scope::default()
        },
        span: Span::once(now, now.plus(Duration::from_secs(seconds))),
        reason: "new switch".to_owned(),
        owner: None,
        made_by: "wang".to_owned(),
    }))
}

fn planner() -> Planner {
    Planner {
        login: "wang".to_owned(),
        via: "api",
    }
}

impl World {
    async fn start_again(&mut self) {
        self.engine = open(&self.ledger, &self.now).await;
        self.stream().await;
    }

    async fn tickets(&self) -> usize {
        self.ledger.load_open_work().await.unwrap().tickets.len()
    }
}

#[tokio::test]
async fn a_silence_outlives_a_restart_and_what_it_covers_is_told_at_its_end() {
    let mut world = World::new().await;
    let (plan, now) = (silence(&world, 600), world.now());
    let planned = world.engine.plan(plan, planner(), now).await.unwrap();
    let audit = world.ledger.audit_lines(&Slice::default()).await.unwrap().items;
    let line = audit.iter().find(|line| line.action == "silence.add").unwrap();
    assert_eq!((line.actor.as_str(), line.via.as_str()), ("wang", "api"));
    assert_eq!(line.subject, planned.id.to_string());

    // The host is silent from its enrolment on.
    watch(&mut world, 120).await;
    assert_eq!((world.raised().await, world.tickets().await), (1, 0));
    world.start_again().await;
    watch(&mut world, 120).await;
    assert_eq!(
        (world.raised().await, world.tickets().await),
        (1, 0),
        "the silence is as it was"
    );
    watch(&mut world, 400).await;
    assert_eq!((world.raised().await, world.tickets().await), (1, 1), "its end tells");
    assert!(world.ledger.withheld().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_person_plans_wrongly_is_refused_and_leaves_nothing() {
    let mut world = World::new().await;
    let now = world.now();
    let mut plan = silence(&world, 600);
    if let PlanChange::Add(new) = &mut plan {
        new.reason.clear();
    }
    let refusal = world.engine.plan(plan, planner(), now).await.unwrap_err();
    assert_eq!(refusal.code, Code::InvalidInput);
    assert!(world.ledger.load_open_work().await.unwrap().quiet.planned.is_empty());
}
