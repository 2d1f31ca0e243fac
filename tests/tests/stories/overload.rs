//! More than can be taken at once: everybody is told, live comes first, and all of it arrives in the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tocsin_proto::v1::{self, agent_message, collector_message::Body};
use tocsin_tests::{
    host::Host,
    site::Site,
    wire::{self, Talk},
};
use tocsin_vocabulary::Dictionary;
use tokio::task::JoinSet;

/// Hosts that come back together.
const HOSTS: usize = 60;
/// Chunks that all of them may have under way.
const CHUNKS: u32 = 4;
/// Ticks that each kept, and those of one chunk.
const KEPT: u64 = 100;
const CHUNK: u64 = 20;

/// What one host has heard.
struct Back {
    talk: Talk,
    credit: u32,
    sent: u64,
}

impl Back {
    /// Opens a stream, sends a live tick and hears until that is acknowledged.
    async fn come(site: &Site, dictionary: &Dictionary) -> Self {
        let own = wire::newcomer(site).await;
        let channel = wire::connect(site, &own, &own).await.expect("a connection");
        let mut talk = Talk::open_with(channel, KEPT).await.expect("a stream");
        match talk.hear().await.expect("a welcome") {
            Body::Welcome(welcome) => assert_eq!(welcome.backlog_credit, 0, "live comes first"),
            other => panic!("{other:?} instead of a welcome"),
        }
        talk.define(dictionary).await.expect("a small dictionary");
        talk.tick(dictionary).await;
        let mut back = Self {
            talk,
            credit: 0,
            sent: 0,
        };
        while !back.hears().await.iter().any(|range| range.last == KEPT + 1) {
            assert_eq!(back.credit, 0, "no credit before a live tick is safe");
        }
        back
    }

    /// The next word: ranges that are acknowledged, or credit.
    async fn hears(&mut self) -> Vec<v1::Range> {
        match self.talk.hear().await.expect("the stream goes on") {
            Body::Ack(ack) => ack.received,
            Body::Credit(credit) => {
                self.credit += credit.chunks;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Sends what it kept as it gets credit, and a live tick beside each chunk, until all of it is acknowledged.
    async fn catch_up(mut self, dictionary: Dictionary, held: Arc<AtomicU32>) {
        let mut newest = KEPT + 1;
        loop {
            while self.credit > 0 && self.sent < KEPT {
                let (first, last) = (self.sent + 1, self.sent + CHUNK);
                let age = Duration::from_secs(60 + KEPT - last);
                self.credit -= 1;
                held.fetch_sub(1, Ordering::SeqCst);
                self.talk.say(wire::chunk(&dictionary, first, last, age)).await;
                self.talk.tick(&dictionary).await;
                self.sent = last;
                newest += 1;
            }
            let before = self.credit;
            let received = self.hears().await;
            let now = held.fetch_add(self.credit - before, Ordering::SeqCst) + self.credit - before;
            assert!(now <= CHUNKS, "{now} chunks may be sent, the pool has {CHUNKS}");
            if matches!(received.as_slice(), [all] if all.first <= 1 && all.last == newest) && self.sent == KEPT {
                return;
            }
        }
    }
}

#[tokio::test]
async fn sixty_hosts_with_backlog_are_live_at_once_and_share_one_credit_until_all_is_there() {
    let site = Site::start(&format!("[limits]\nbacklog_chunks = {CHUNKS}\n")).await;
    let dictionary = wire::dictionary("back", 2, 20);
    let mut hosts = Vec::new();
    for _ in 0..HOSTS {
        // Whoever has credit does not use it yet: the pool is used up, and live ticks are acknowledged all the same.
        hosts.push(Back::come(&site, &dictionary).await);
    }
    let health = site.get("health").await;
    assert_eq!(health["status"], "ok", "{health}");
    let held: u32 = hosts.iter().map(|host| host.credit).sum();
    assert!(held <= CHUNKS, "{held}");
    let held = Arc::new(AtomicU32::new(held));
    let mut all = JoinSet::new();
    for host in hosts {
        all.spawn(host.catch_up(dictionary.clone(), held.clone()));
    }
    let done = tokio::time::timeout(Duration::from_secs(120), all.join_all()).await;
    assert_eq!(done.map(|done| done.len()), Ok(HOSTS));
}

#[tokio::test]
async fn a_stream_that_ends_leaves_its_credit_to_the_next() {
    let site = Site::start("[limits]\nbacklog_chunks = 1\n").await;
    let dictionary = wire::dictionary("back", 1, 10);
    let mut first = Back::come(&site, &dictionary).await;
    while first.credit == 0 {
        first.hears().await;
    }
    let mut second = Back::come(&site, &dictionary).await;
    drop(first);
    while second.credit == 0 {
        second.hears().await;
    }
}

#[tokio::test]
async fn backlog_without_credit_is_refused() {
    let site = Site::start("[limits]\nbacklog_chunks = 1\n").await;
    let dictionary = wire::dictionary("back", 1, 10);
    let holder = Back::come(&site, &dictionary).await;
    let mut greedy = Back::come(&site, &dictionary).await;
    let chunk = wire::chunk(&dictionary, 1, CHUNK, Duration::from_secs(60));
    greedy.talk.say(chunk).await;
    let (code, reason) = greedy.talk.is_refused().await;
    assert_eq!(code, "failed_precondition", "{reason}");
    drop(holder);
}

#[tokio::test]
async fn whoever_comes_too_early_is_told_when_to_come_again_and_agents_obey() {
    let site = Site::start("[limits]\nstreams_per_second = 1\nstreams_burst = 2\n").await;
    let own = wire::newcomer(&site).await;
    let mut welcomed = 0;
    let retry = loop {
        let channel = wire::connect(&site, &own, &own).await.expect("a connection");
        let mut talk = Talk::open(channel).await.expect("a stream");
        match talk.hear().await.expect("a word, not silence") {
            Body::Retry(retry) => break retry,
            Body::Welcome(_) => welcomed += 1,
            other => panic!("{other:?} instead of a welcome"),
        }
        talk.say(agent_message::Body::Facts(v1::HostFacts::default())).await;
    };
    assert!(welcomed >= 2, "the burst is let in");
    assert!((1_000..300_000).contains(&retry.delay_ms), "{retry:?}");
    assert!(retry.reason.contains("agents"), "{retry:?}");
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
}
