//! Programs killed in mid-stream: nothing acknowledged is missing, nothing is stored twice.

use serde_json::Value;
use std::collections::BTreeSet;
use tocsin_tests::{host::Host, patience::until, site::Site};

/// Waits until the site stores every tick that the agent has taken so far, each once.
///
/// Sequence numbers count ticks from 1, so the newest is the number of ticks; an agent that was killed leaves out some
/// numbers when it starts again, lest it give out one twice, and says which.
async fn nothing_is_missing_or_double(site: &Site, host: &Host) {
    let taken = host
        .says("the agent's count of ticks", |status| {
            let gaps = status["spool"]["gaps"].as_array()?;
            let left_out = |gap: &Value| {
                assert_eq!(gap["reason"], "restart", "no tick was lost: {gap}");
                gap["last"].as_u64().unwrap_or(0) + 1 - gap["first"].as_u64().unwrap_or(0)
            };
            status["tick_seq"]
                .as_u64()?
                .checked_sub(gaps.iter().map(left_out).sum())
        })
        .await;
    let stored = until("every tick to be stored", async || {
        let stored = host.ticks(site).await;
        (stored.len() as u64 >= taken).then_some(stored)
    })
    .await;
    let unique: BTreeSet<i64> = stored.iter().copied().collect();
    assert_eq!(unique.len(), stored.len(), "no tick is stored twice");
}

#[tokio::test]
async fn a_collector_killed_in_mid_stream_loses_nothing_and_keeps_nothing_twice() {
    let mut site = Site::start("").await;
    let mut host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    for _ in 0..3 {
        host.goes_on(&site).await;
        let before = host.ticks(&site).await;
        site.collector().kill();
        site.run().await;
        let after = until("the host to be back", async || {
            let after = host.ticks(&site).await;
            (after.len() > before.len()).then_some(after)
        })
        .await;
        assert!(
            before.iter().all(|time| after.contains(time)),
            "what was readable before the kill is there after it"
        );
    }
    nothing_is_missing_or_double(&site, &host).await;
    assert!(host.agent().is_running());
}

#[tokio::test]
async fn an_agent_killed_while_the_collector_is_away_sends_its_backlog_once() {
    let mut site = Site::start("").await;
    let mut host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    site.collector().kill();
    let count = |status: &Value| status["tick_seq"].as_u64();
    let before = host.says("the agent's count of ticks", count).await;
    let kept = host
        .says("ticks that nobody takes", |status| {
            count(status).filter(|seq| *seq > before)
        })
        .await;
    host.agent().kill();
    host.run();
    site.run().await;
    host.goes_on(&site).await;
    let first = |status: &Value| status["spool"]["gaps"][0]["first"].as_u64();
    let gap = host.says("which numbers were left out", first).await;
    assert!(
        gap > kept,
        "what the killed agent had taken was kept: {kept} ticks, numbers are left out from {gap}"
    );
    nothing_is_missing_or_double(&site, &host).await;
}

#[tokio::test]
async fn both_end_well_when_asked_and_go_on_where_they_were() {
    let mut site = Site::start("").await;
    let mut host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    let before = host.ticks(&site).await;
    assert!(host.agent().stop().await, "the agent ends well after SIGTERM");
    assert!(site.collector().stop().await, "the collector ends well after SIGTERM");
    site.run().await;
    host.run();
    host.goes_on(&site).await;
    let after = host.ticks(&site).await;
    assert!(before.iter().all(|time| after.contains(time)));
    nothing_is_missing_or_double(&site, &host).await;
}
