//! A collector killed in mid-stream: nothing acknowledged is missing, nothing is stored twice.

use tocsin_tests::{host::Host, patience::until, site::Site};

/// Sequence numbers count ticks without holes, so one point per tick of a gauge that is in every tick is the proof.
async fn ticks(site: &Site, host: &Host) -> Vec<i64> {
    let path = format!("query?host={}&metric=system.memory.utilization&from=0&to=4102444800000", host.id());
    let answer = site.get(&path).await;
    let points = answer["series"][0]["points"].as_array().cloned().unwrap_or_default();
    points.iter().filter_map(|point| point[0].as_i64()).collect()
}

#[tokio::test]
async fn a_collector_killed_in_mid_stream_loses_nothing_and_keeps_nothing_twice() {
    let mut site = Site::start("").await;
    let mut host = Host::start(&site, "host", "").await;
    host.is_live(&site).await;
    for round in 0..3_usize {
        until("some ticks more", async || (ticks(&site, &host).await.len() >= 3 * (round + 1)).then_some(())).await;
        let before = ticks(&site, &host).await;
        site.collector().kill();
        site.run().await;
        until("the backlog and a live tick after it", async || {
            let after = ticks(&site, &host).await;
            (after.len() > before.len() + 1).then_some(())
        })
        .await;
        let after = ticks(&site, &host).await;
        assert!(before.iter().all(|time| after.contains(time)), "what was readable before the kill is there after it");
    }
    let status = host.status();
    let sent = status["spool"]["last_seq"].as_u64().expect("the agent's last tick");
    let stored = until("every tick of the spool to be stored", async || {
        let stored = ticks(&site, &host).await;
        (stored.len() as u64 >= sent).then_some(stored)
    })
    .await;
    let mut unique = stored.clone();
    unique.dedup();
    assert_eq!(unique.len(), stored.len(), "no tick is stored twice");
    assert!(host.agent().is_running());
}
