//! What rules decided, with which text, the samples around it, and events whose judgement is not written.

use crate::world::{World, alerts, at};
use std::time::Duration;
use tocsin_desk::{
    effect::Effects,
    model::{
        Alert, AlertState, Arrival, Decision, Judged, Phase, RuleVersion, Ruling, SampledSeries, Samples, Silence,
    },
    record::{AlertFilter, EventRecord},
};
use tocsin_vocabulary::{Severity, SpoolId};

on_both_engines! {
    what_a_rule_says_of_its_alert_reads_back,
    the_decisions_of_an_episode_are_told_apart_from_those_before_and_after,
    decisions_are_dropped_by_age_and_not_before,
    alerts_lack_samples_until_they_are_kept_as_a_whole,
    events_are_judged_with_the_commit_that_says_so,
    when_the_collector_last_watched_is_known,
}

fn decision(alert: &Alert, from: Phase, to: Phase, seconds: i64) -> Decision {
    Decision {
        host: alert.host,
        rule: alert.rule.clone(),
        instance: alert.instance.clone(),
        from,
        to,
        reason: "holds".to_owned(),
        since: at(seconds - 5),
        observed: at(seconds),
        decided: at(seconds),
        value: Some(0.97),
        threshold: Some(0.9),
        worst: None,
        ticks: 7,
        saw: "avg 10m of system.cpu.utilization = 0.97".to_owned(),
        version: "abc".to_owned(),
    }
}

async fn what_a_rule_says_of_its_alert_reads_back(mut world: World) {
    let host = world.host("web-01").await;
    let mut alert = world.alert(&host, "silent", None, 10);
    alert.ruling = Ruling {
        knowledge: Some("https://wiki/silent".to_owned()),
        auto_close: true,
        arrival: Arrival::Retrospective,
        version: "0123456789abcdef".to_owned(),
        silence: Some(Silence::HostUnreachable),
    };
    world.ledger.commit(&alerts(vec![alert.clone()]), &[]).await.unwrap();
    assert_eq!(world.ledger.alert(alert.id).await.unwrap().as_ref(), Some(&alert));
    let of = async |arrival| {
        let filter = AlertFilter {
            arrival: Some(arrival),
            ..AlertFilter::default()
        };
        world.ledger.alerts(&filter).await.unwrap().items
    };
    assert_eq!(of(Arrival::Retrospective).await, [alert]);
    assert_eq!(of(Arrival::Live).await, []);
}

async fn the_decisions_of_an_episode_are_told_apart_from_those_before_and_after(mut world: World) {
    let host = world.host("web-01").await;
    let mut alert = world.alert(&host, "disk_full", None, 1_000);
    alert.occurred_at = at(990);
    (alert.state, alert.cleared_at) = (AlertState::Cleared, Some(at(1_100)));
    use Phase::{Clear, Clearing, Pending, Raised};
    let turns = [
        (Clear, Raised, 900),
        (Raised, Clear, 950),
        (Clear, Pending, 990),
        (Pending, Raised, 1_000),
        (Raised, Clearing, 1_090),
        (Clearing, Clear, 1_100),
        (Clear, Pending, 1_110),
    ];
    let mut decisions: Vec<Decision> = turns.map(|(from, to, at)| decision(&alert, from, to, at)).into();
    let version = RuleVersion {
        version: "abc".to_owned(),
        rule: alert.rule.clone(),
        text: "[[rule]]".to_owned(),
        since: at(1),
    };
    let effects = Effects {
        alerts: vec![alert.clone()],
        decisions: decisions.clone(),
        versions: vec![version.clone()],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    assert_eq!(
        world.ledger.decisions(&alert).await.unwrap(),
        decisions.drain(2..6).collect::<Vec<_>>()
    );
    assert_eq!(world.ledger.rule_version("abc").await.unwrap(), Some(version));
    assert_eq!(world.ledger.rule_version("unknown").await.unwrap(), None);
    // The first episode, found only after the second one.
    let mut found = world.alert(&host, "disk_full", None, 2_000);
    (found.occurred_at, found.state, found.cleared_at) = (at(895), AlertState::Cleared, Some(at(950)));
    let of_found = world.ledger.decisions(&found).await.unwrap();
    assert_eq!(
        of_found.iter().map(|one| one.decided).collect::<Vec<_>>(),
        [at(900), at(950)]
    );
}

async fn decisions_are_dropped_by_age_and_not_before(mut world: World) {
    let host = world.host("web-01").await;
    let alert = world.alert(&host, "disk_full", None, 1_000);
    let decisions: Vec<Decision> = (0..250)
        .map(|number| decision(&alert, Phase::Clear, Phase::Raised, 1_000 + number % 2))
        .collect();
    let effects = Effects {
        decisions,
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let year = at(1_001).plus(Duration::from_secs(400 * 86_400));
    assert_eq!(world.ledger.trim_decisions(at(2_000)).await.unwrap(), 0);
    assert_eq!(world.ledger.trim_decisions(year).await.unwrap(), 125);
    assert_eq!(world.ledger.trim_decisions(year).await.unwrap(), 0);
}

async fn alerts_lack_samples_until_they_are_kept_as_a_whole(mut world: World) {
    let host = world.host("web-01").await;
    let mut alert = world.alert(&host, "disk_full", None, 100);
    let mut silent = world.alert(&host, "silent", None, 100);
    silent.metric = String::new();
    world
        .ledger
        .commit(&alerts(vec![alert.clone(), silent]), &[])
        .await
        .unwrap();
    let lacking = async |until: i64| {
        let found = world.ledger.alerts_without_samples(at(0), at(until), 10).await.unwrap();
        found.into_iter().map(|alert| alert.rule).collect::<String>()
    };
    assert_eq!(lacking(99).await, "");
    assert_eq!(lacking(100).await, "disk_full");
    let mut samples = Samples {
        alert: alert.id,
        from: at(50),
        to: at(110),
        complete: false,
        series: vec![SampledSeries {
            name: "system.filesystem.utilization".to_owned(),
            attributes: vec![("system.device".to_owned(), "sda".to_owned())],
            unit: "1".to_owned(),
            points: vec![(1, Some(0.5)), (2, None)],
        }],
    };
    world.ledger.keep_samples(&samples).await.unwrap();
    assert_eq!(lacking(100).await, "");
    (alert.state, alert.cleared_at) = (AlertState::Cleared, Some(at(200)));
    world.ledger.commit(&alerts(vec![alert.clone()]), &[]).await.unwrap();
    assert_eq!(lacking(199).await, "");
    assert_eq!(lacking(200).await, "disk_full");
    samples.complete = true;
    world.ledger.keep_samples(&samples).await.unwrap();
    assert_eq!(lacking(900).await, "");
    assert_eq!(world.ledger.samples(alert.id).await.unwrap(), Some(samples));
}

async fn events_are_judged_with_the_commit_that_says_so(mut world: World) {
    let host = world.host("web-01").await;
    let spool = SpoolId::from_bytes([7; 16]);
    let event = |seq: u64| EventRecord {
        seq,
        at: at(i64::try_from(seq).unwrap()),
        received_at: at(i64::try_from(seq).unwrap()),
        name: "log.match".to_owned(),
        severity: Severity::Warning,
        attributes: std::iter::once(("unit".to_owned(), "sshd".to_owned())).collect(),
        body: "failed".to_owned(),
    };
    let events: Vec<EventRecord> = (1..=5).map(event).collect();
    world.ledger.store_events(host.id, spool, &events).await.unwrap();
    let effects = Effects {
        judged: vec![Judged {
            host: host.id,
            spool,
            seq: 3,
        }],
        ..Effects::default()
    };
    world.ledger.commit(&effects, &[]).await.unwrap();
    let told = async |from: i64, limit| {
        let found = world.ledger.events_to_recall(at(from), limit).await.unwrap();
        assert!(found.iter().all(|one| (one.host, one.spool) == (host.id, spool)));
        found
            .into_iter()
            .map(|one| (one.event.seq, one.judged))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(100, 10).await, [(4, false), (5, false)]);
    assert_eq!(told(2, 10).await, [(2, true), (3, true), (4, false), (5, false)]);
    assert_eq!(told(0, 1).await, [(3, true), (4, false), (5, false)]);
    let found = world.ledger.events_to_recall(at(0), 10).await.unwrap();
    assert_eq!(found[0].event, events[0]);
}

async fn when_the_collector_last_watched_is_known(world: World) {
    assert_eq!(world.ledger.watched_until().await.unwrap(), None);
    world.ledger.watched(at(5)).await.unwrap();
    world.ledger.watched(at(7)).await.unwrap();
    assert_eq!(world.ledger.watched_until().await.unwrap(), Some(at(7)));
}
