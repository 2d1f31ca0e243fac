//! Silences, windows and guarded periods; what is withheld; storms; budgets; what assets hang on.

use crate::world::{World, alerts, at, line};
use std::time::Duration;
use tocsin_desk::{
    digest::{Budget, HeldPage},
    effect::{Effects, QuietRows},
    model::{AssetFacts, PageReason, Role},
    planned::{Planned, PlannedKind, Repeat, Scope, Span},
    record::{PlannedFilter, Slice},
    storm::Storm,
    withheld::{Cause, Outcome, Withheld},
};
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{AssetId, Importance, Level, PersonId, PlannedId, Text, time::HumanDuration};

on_both_engines!(
    what_is_planned_is_kept_until_its_end_and_listed_after,
    what_is_withheld_stands_until_it_is_told,
    storms_come_back_with_their_tickets_and_budgets_always,
    assets_hang_on_each_other,
);

fn planned(world: &mut World, kind: PlannedKind, owner: Option<PersonId>, seconds: i64) -> Planned {
    Planned {
        id: PlannedId::next(&mut world.ids, at(seconds)),
        kind,
        scope: Scope {
            tags: vec!["数据库".to_owned()],
            ..Scope::default()
        },
        span: Span {
            from: at(seconds),
            to: None,
            repeats: Some(Repeat {
                every: "monthly last sun".parse().unwrap(),
                at: "02:30".to_owned(),
                lasting: HumanDuration(Duration::from_secs(3_600)),
                zone: "Asia/Shanghai".to_owned(),
            }),
        },
        reason: "更换控制器".to_owned(),
        owner,
        made_by: "wang".to_owned(),
        made_at: at(seconds),
        told_at: None,
        ended_at: None,
        ended_by: None,
    }
}

fn quiet(quiet: QuietRows) -> Effects {
    Effects {
        quiet,
        ..Effects::default()
    }
}

async fn what_is_planned_is_kept_until_its_end_and_listed_after(mut world: World) {
    let owner = world.person("wang", Role::Operator).await;
    let mut window = planned(&mut world, PlannedKind::Window, Some(owner.id), 1);
    let silence = planned(&mut world, PlannedKind::Silence, None, 2);
    let rows = QuietRows {
        planned: vec![window.clone(), silence.clone()],
        ..QuietRows::default()
    };
    world
        .ledger
        .commit(&quiet(rows), &[line("window.add", 1)])
        .await
        .unwrap();
    let loaded = world.ledger.load_open_work().await.unwrap().quiet.planned;
    assert_eq!(loaded, [window.clone(), silence.clone()]);

    window.ended_at = Some(at(9));
    window.ended_by = Some("system".to_owned());
    let rows = QuietRows {
        planned: vec![window.clone()],
        ..QuietRows::default()
    };
    world.ledger.commit(&quiet(rows), &[]).await.unwrap();
    assert_eq!(
        world.ledger.load_open_work().await.unwrap().quiet.planned,
        std::slice::from_ref(&silence)
    );
    let all = world.ledger.planned(&PlannedFilter::default()).await.unwrap();
    assert_eq!(all.items, [silence.clone(), window.clone()], "newest first");
    let mut filter = PlannedFilter {
        kind: Some(PlannedKind::Silence),
        open_only: true,
        ..PlannedFilter::default()
    };
    assert_eq!(
        world.ledger.planned(&filter).await.unwrap().items,
        std::slice::from_ref(&silence)
    );
    filter.kind = Some(PlannedKind::Window);
    assert!(world.ledger.planned(&filter).await.unwrap().items.is_empty());
    let mut slice = PlannedFilter {
        slice: Slice { after: None, limit: 1 },
        ..PlannedFilter::default()
    };
    slice.slice.after = world.ledger.planned(&slice).await.unwrap().next;
    assert_eq!(world.ledger.planned(&slice).await.unwrap().items, [window]);
}

async fn what_is_withheld_stands_until_it_is_told(mut world: World) {
    let host = world.host("web-1").await;
    let alert = world.alert(&host, "disk", None, 10);
    let mut withheld = Withheld {
        alert: alert.id,
        asset: AssetFacts {
            asset: host.asset,
            name: "web-1".to_owned(),
            customer: host.customer,
            contract: host.contract,
            site: host.site,
            importance: Importance::Key,
        },
        cause: Cause::Silence,
        by: PlannedId::next(&mut world.ids, at(1)).to_string(),
        fault: None,
        since: at(10),
        until: Some(at(100)),
        ended_at: None,
        outcome: None,
    };
    let mut effects = alerts(vec![alert.clone()]);
    effects.quiet.withheld.push(withheld.clone());
    world.ledger.commit(&effects, &[]).await.unwrap();
    assert_eq!(
        world.ledger.load_open_work().await.unwrap().quiet.withheld,
        [withheld.clone()]
    );
    assert_eq!(world.ledger.withheld().await.unwrap(), [withheld.clone()]);

    withheld.ended_at = Some(at(50));
    withheld.outcome = Some(Outcome::Told);
    let rows = QuietRows {
        withheld: vec![withheld.clone()],
        ..QuietRows::default()
    };
    world.ledger.commit(&quiet(rows), &[]).await.unwrap();
    assert!(world.ledger.withheld().await.unwrap().is_empty());
    assert_eq!(world.ledger.load_open_work().await.unwrap().quiet, QuietRows::default());
    assert_eq!(world.ledger.withheld_of(alert.id).await.unwrap(), Some(withheld));
}

async fn storms_come_back_with_their_tickets_and_budgets_always(mut world: World) {
    let person = world.person("wang", Role::Operator).await;
    let host = world.host("web-1").await;
    let mut fault = world.fault(&host, 10);
    let mut ticket = world.ticket(&host, 1);
    (fault.ticket, ticket.fault) = (Some(ticket.id), Some(fault.id));
    let storm = Storm {
        fault: fault.id,
        rule: "host-silent".to_owned(),
        site: host.site,
        site_name: host.site_name.clone(),
        begun_at: at(10),
    };
    let mut budget = Budget::new(person.id);
    let held = HeldPage {
        ticket: Some((ticket.id, 1)),
        reason: PageReason::Opened,
        title: Text::new("disk", "磁盘"),
        level: Level::new(3),
    };
    assert!(budget.admit(held.clone(), 1, at(10)) && !budget.admit(held, 1, at(10)));
    let effects = Effects {
        faults: vec![fault.clone()],
        tickets: vec![ticket.clone()],
        quiet: QuietRows {
            storms: vec![storm.clone()],
            budgets: vec![budget.clone()],
            ..QuietRows::default()
        },
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let loaded = world.ledger.load_open_work().await.unwrap().quiet;
    assert_eq!((loaded.storms, loaded.budgets), (vec![storm.clone()], vec![budget]));
    let recalled = world.ledger.load_work_of(ticket.id).await.unwrap().unwrap();
    assert_eq!(recalled.quiet.storms, [storm]);
}

async fn assets_hang_on_each_other(mut world: World) {
    let (vm, hypervisor) = (world.host("vm-1").await, world.host("hypervisor").await);
    world
        .ledger
        .set_parents(&[(vm.asset, Some(hypervisor.asset))], &[line("asset.parent", 1)])
        .await
        .unwrap();
    world
        .ledger
        .revoke_host(hypervisor.id, at(5), "cli", &[])
        .await
        .unwrap();
    let places = world.ledger.places().await.unwrap();
    assert_eq!(
        places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>(),
        ["hypervisor", "vm-1"]
    );
    assert_eq!((places[0].host, places[1].host), (None, Some(vm.id)));
    assert_eq!((places[0].parent, places[1].parent), (None, Some(hypervisor.asset)));
    world.ledger.set_parents(&[(vm.asset, None)], &[]).await.unwrap();
    assert_eq!(world.ledger.places().await.unwrap()[1].parent, None);
    let nobody = AssetId::from_bytes([7; 16]);
    let error = world
        .ledger
        .set_parents(&[(vm.asset, Some(hypervisor.asset)), (nobody, None)], &[])
        .await;
    assert!(matches!(error, Err(LedgerError::NotFound { .. })));
    assert_eq!(world.ledger.places().await.unwrap()[1].parent, None, "all or nothing");
    assert!(
        world
            .ledger
            .site_names()
            .await
            .unwrap()
            .iter()
            .any(|(site, _)| *site == vm.site)
    );
}
