//! The register of hosts.

use crate::world::{World, at, facts, line};
use tocsin_desk::record::EventRecord;
use tocsin_ledger::{Chain, DEFAULT_CONTRACT, DEFAULT_CUSTOMER, DEFAULT_SITE, NewHost};
use tocsin_vocabulary::{AssetId, Code, CustomerId, HostId, Importance, Severity, SpoolId};

on_both_engines! {
    an_enrolled_host_reads_back,
    a_host_of_another_customer_is_covered_by_its_contract,
    a_host_is_enrolled_once,
    many_renewals_at_once_count_one_generation,
    a_certificate_that_never_arrived_does_not_shut_its_host_out,
    a_copied_key_is_noticed_once_both_were_used,
    a_ledger_from_an_older_copy_catches_up_with_its_hosts,
    a_revoked_host_stays_out,
    a_host_is_heard_only_forwards,
    an_event_is_kept_once,
}

async fn an_enrolled_host_reads_back(mut world: World) {
    let host = world.host("web-02").await;
    let other = world.host("web-01").await;
    assert_eq!(
        (host.customer, host.site, host.contract),
        (DEFAULT_CUSTOMER, DEFAULT_SITE, DEFAULT_CONTRACT)
    );
    assert_eq!(
        (host.name.as_str(), host.generation, host.interval_ms),
        ("web-02", 1, 0)
    );
    assert_eq!(
        (host.importance, host.last_seen_at, host.revoked_at),
        (Importance::Normal, None, None)
    );
    assert_eq!(host.enrolled_at, at(1));
    assert_eq!(world.ledger.hosts().await.unwrap(), [other, host.clone()]);

    let mut changed = facts("web-02.local");
    changed.kernel = "6.1.0".to_owned();
    world.ledger.update_facts(host.id, &changed, 10_000).await.unwrap();
    world
        .ledger
        .set_importance(host.id, Importance::Key, &[line("host.importance", 2)])
        .await
        .unwrap();
    let tags = ["数据库", "prod", "prod"].map(str::to_owned);
    world.ledger.set_host_tags(host.id, &tags, &[]).await.unwrap();
    let now = world.ledger.host(host.id).await.unwrap().unwrap();
    assert_eq!(
        (&now.facts, now.interval_ms, now.importance),
        (&changed, 10_000, Importance::Key)
    );
    assert_eq!(now.tags, ["prod", "数据库"]);
    assert_eq!(
        now.name, "web-02",
        "a name that people know does not follow the hostname"
    );
    assert!(world.ledger.hosts().await.unwrap().contains(&now));
    world.ledger.set_host_tags(host.id, &[], &[]).await.unwrap();
    assert!(world.ledger.host(host.id).await.unwrap().unwrap().tags.is_empty());

    let asset = world.ledger.asset_facts(host.id).await.unwrap().unwrap();
    assert_eq!(
        (asset.asset, asset.name.as_str(), asset.importance),
        (host.asset, "web-02", Importance::Key)
    );
    assert_eq!(
        (asset.customer, asset.site, asset.contract),
        (host.customer, host.site, host.contract)
    );
    let unknown = HostId::next(&mut world.ids, at(0));
    assert_eq!(world.ledger.host(unknown).await.unwrap(), None);
    assert_eq!(world.ledger.asset_facts(unknown).await.unwrap(), None);
    assert_eq!(
        world
            .ledger
            .update_facts(unknown, &changed, 1)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
}

async fn a_host_of_another_customer_is_covered_by_its_contract(mut world: World) {
    let customer = world.customer("某银行").await;
    let host = world.host_of("db-01", Some(customer)).await;
    assert_eq!((host.customer, host.customer_name.as_str()), (customer, "某银行"));
    assert_ne!(host.site, DEFAULT_SITE);
    assert_ne!(host.contract, DEFAULT_CONTRACT);
    assert_eq!(
        world.ledger.customer_names().await.unwrap(),
        ["某银行", "默认客户 Default"]
    );
}

async fn a_host_is_enrolled_once(mut world: World) {
    let host = world.host("web-01").await;
    let mut new = NewHost {
        host: host.id,
        asset: AssetId::next(&mut world.ids, at(0)),
        name: "again".to_owned(),
        customer: None,
        facts: facts("web-01"),
        certificate_until: at(1),
    };
    let error = world
        .ledger
        .enrol_host(&new, at(2), &[line("host.enrol", 2)])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    new.host = HostId::next(&mut world.ids, at(0));
    new.customer = Some(CustomerId::next(&mut world.ids, at(0)));
    assert_eq!(
        world.ledger.enrol_host(&new, at(2), &[]).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(world.ledger.hosts().await.unwrap(), [host]);
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 0 });
}

async fn many_renewals_at_once_count_one_generation(mut world: World) {
    let host = world.host("web-01").await.id;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let ledger = world.ledger.clone();
            tokio::spawn(async move { ledger.renewed(host, 1, at(50), at(99)).await })
        })
        .collect();
    for attempt in tries {
        assert_eq!(attempt.await.unwrap().unwrap(), 2);
    }
    assert_eq!(world.ledger.renewed(host, 2, at(99), at(100)).await.unwrap(), 3);
    assert_eq!(
        world.ledger.host(host).await.unwrap().unwrap().certificate_until,
        at(100)
    );
}

async fn a_certificate_that_never_arrived_does_not_shut_its_host_out(mut world: World) {
    let host = world.host("web-01").await.id;
    world.ledger.presented(host, at(50)).await.unwrap();
    assert_eq!(world.ledger.renewed(host, 1, at(50), at(99)).await.unwrap(), 2);
    // The answer was lost, twice; each time the host asks again with what it has.
    assert_eq!(world.ledger.renewed(host, 1, at(50), at(110)).await.unwrap(), 2);
    assert_eq!(world.ledger.renewed(host, 1, at(50), at(120)).await.unwrap(), 2);
    world.ledger.presented(host, at(120)).await.unwrap();
    assert_eq!(world.ledger.renewed(host, 2, at(120), at(130)).await.unwrap(), 3);
}

async fn a_copied_key_is_noticed_once_both_were_used(mut world: World) {
    let host = world.host("web-01").await.id;
    assert_eq!(world.ledger.renewed(host, 1, at(50), at(99)).await.unwrap(), 2);
    world.ledger.presented(host, at(99)).await.unwrap();
    world.ledger.presented(host, at(50)).await.unwrap();
    let error = world.ledger.renewed(host, 1, at(50), at(100)).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
    let error = world.ledger.renewed(host, 3, at(99), at(100)).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict, "{error}");
}

async fn a_ledger_from_an_older_copy_catches_up_with_its_hosts(mut world: World) {
    let host = world.host("web-01").await;
    let later = host.certificate_until.plus(std::time::Duration::from_secs(60));
    let latest = later.plus(std::time::Duration::from_secs(60));
    assert_eq!(world.ledger.renewed(host.id, 7, later, latest).await.unwrap(), 8);
}

async fn a_revoked_host_stays_out(mut world: World) {
    let host = world.host("web-01").await.id;
    world
        .ledger
        .revoke_host(host, at(50), "admin", &[line("host.revoke", 50)])
        .await
        .unwrap();
    world.ledger.revoke_host(host, at(60), "other", &[]).await.unwrap();
    assert_eq!(world.ledger.host(host).await.unwrap().unwrap().revoked_at, Some(at(50)));
    let error = world.ledger.renewed(host, 1, at(50), at(99)).await.unwrap_err();
    assert!(error.to_string().contains("revoked"), "{error}");
    let unknown = HostId::next(&mut world.ids, at(0));
    let error = world
        .ledger
        .revoke_host(unknown, at(1), "admin", &[line("host.revoke", 1)])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(world.ledger.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
}

async fn a_host_is_heard_only_forwards(mut world: World) {
    let (host, other) = (world.host("web-01").await.id, world.host("web-02").await.id);
    world.ledger.touch_host(host, at(10)).await.unwrap();
    world
        .ledger
        .touch_hosts(&[(host, at(5)), (other, at(7))])
        .await
        .unwrap();
    assert_eq!(
        world.ledger.host(host).await.unwrap().unwrap().last_seen_at,
        Some(at(10))
    );
    assert_eq!(
        world.ledger.host(other).await.unwrap().unwrap().last_seen_at,
        Some(at(7))
    );

    let mut many: Vec<_> = (0..1_200)
        .map(|n| (HostId::next(&mut world.ids, at(n)), at(20)))
        .collect();
    many.extend([(other, at(20)), (other, at(30)), (host, at(40))]);
    world.ledger.touch_hosts(&many).await.unwrap();
    assert_eq!(
        world.ledger.host(host).await.unwrap().unwrap().last_seen_at,
        Some(at(40)),
        "far behind in a long list"
    );
    assert_eq!(
        world.ledger.host(other).await.unwrap().unwrap().last_seen_at,
        Some(at(30)),
        "the later of two"
    );
}

async fn an_event_is_kept_once(mut world: World) {
    let host = world.host("web-01").await.id;
    let (spool, lost) = (
        SpoolId::next(&mut world.ids, at(0)),
        SpoolId::next(&mut world.ids, at(0)),
    );
    let event = |seq: u32| EventRecord {
        seq: seq.into(),
        at: at(seq.into()),
        received_at: at(100),
        name: "process.group.gone".to_owned(),
        severity: Severity::Major,
        attributes: [("process.name".to_owned(), "nginx\0".to_owned())].into(),
        body: "0 of 4".to_owned(),
    };
    assert_eq!(world.ledger.event_seq(host, spool).await.unwrap(), 0);
    assert_eq!(
        world
            .ledger
            .store_events(host, spool, &[event(1), event(2)])
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        world
            .ledger
            .store_events(host, spool, &[event(2), event(3)])
            .await
            .unwrap(),
        3
    );
    assert_eq!(world.ledger.event_seq(host, spool).await.unwrap(), 3);
    assert_eq!(
        world.ledger.event_seq(host, lost).await.unwrap(),
        0,
        "a new spool counts anew"
    );
    assert_eq!(world.ledger.events(host, at(2)).await.unwrap(), [event(3), event(2)]);
}
