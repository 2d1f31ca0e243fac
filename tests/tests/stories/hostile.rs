//! Hostile clients: each gets a bounded refusal, and the others notice nothing.

use tocsin_proto::v1::{self, agent_message::Body};
use tocsin_tests::{
    host::Host,
    patience::until,
    program,
    site::Site,
    wire::{self, Talk},
};
use tocsin_vocabulary::series::{Dictionary, Kind, Section, Series};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// By how much a hostile client may make the collector grow.
const GROWTH_MAX: u64 = 64 << 20;

/// A site with a live host, and another that is enrolled but whose agent does not run.
async fn site_with_an_enemy() -> (Site, Host, Host) {
    let site = Site::start("").await;
    let good = Host::start(&site, "good", "");
    good.is_live(&site).await;
    let enemy = Host::prepare(&site, "enemy", "");
    enemy.enrol(&site.install_string()).expect("enrols");
    (site, good, enemy)
}

#[tokio::test]
async fn garbage_on_every_port_stops_nobody() {
    let mut site = Site::start("").await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    for listener in ["agents", "enrolment", "console"] {
        for garbage in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0; 4096],
            &[0x16, 3, 1, 0xFF, 0xFF, 1],
            b"\xFF\xFE\xFD",
        ] {
            let mut stream = TcpStream::connect(site.address(listener))
                .await
                .expect("the port is open");
            let _ = stream.write_all(garbage).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.len() < 1024, "a refusal is short");
        }
    }
    assert!(site.collector().is_running());
    host.goes_on(&site).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_no_stream() {
    let site = Site::start("").await;
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .build()
        .expect("a client");
    let answer = client.get(format!("https://{}/", site.address("agents"))).send().await;
    assert!(answer.is_err(), "the handshake is refused: {answer:?}");
}

#[tokio::test]
async fn a_stranger_reads_and_writes_nothing() {
    let site = Site::start("").await;
    for path in [
        "hosts",
        "tickets",
        "alerts",
        "faults",
        "rules",
        "query?host=x&metric=y&from=0&to=1",
    ] {
        let answer = site
            .http()
            .get(format!("{}/api/v1/{path}", site.console()))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 401, "{path}");
    }
    let answer = site
        .http()
        .get(format!("{}/metrics", site.console()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 401);
    let accept = site
        .http()
        .post(format!("{}/api/v1/tickets/1/accept", site.console()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(accept.status(), 401);
}

#[tokio::test]
async fn an_oversized_message_is_refused_in_words() {
    let (mut site, good, enemy) = site_with_an_enemy().await;
    let mut talk = Talk::of(&site, &enemy).await;
    let sections = vec![vec![1; 5 << 20].into()];
    talk.say(Body::Sections(v1::Sections { sections })).await;
    let (code, reason) = talk.is_refused().await;
    assert_eq!(code, "resource_exhausted", "{reason}");
    assert!(site.collector().is_running());
    good.goes_on(&site).await;
}

#[tokio::test]
async fn endless_offers_of_dictionaries_are_refused() {
    let (mut site, good, enemy) = site_with_an_enemy().await;
    let mut talk = Talk::of(&site, &enemy).await;
    for i in 0_u32..1_000 {
        let hash: Vec<u8> = i.to_le_bytes().repeat(8);
        let offer = v1::DictionaryOffer {
            hash: hash.clone().into(),
            sections: vec![hash.into()],
        };
        if !talk.say(Body::Offer(offer)).await {
            break;
        }
    }
    let (code, reason) = talk.is_refused().await;
    assert_eq!(code, "resource_exhausted", "{reason}");
    assert!(site.collector().is_running());
    good.goes_on(&site).await;
}

#[tokio::test]
async fn a_million_series_are_refused_to_whoever_sends_them() {
    let (mut site, good, enemy) = site_with_an_enemy().await;
    let before = program::resident_bytes(site.collector().pid());
    let mut talk = Talk::of(&site, &enemy).await;
    let million = wire::dictionary("m", 40, 25_000);
    let (code, reason) = match talk.define(&million).await {
        Ok(()) => {
            talk.tick(&million).await;
            talk.is_refused().await
        }
        Err(refused) => refused,
    };
    assert_eq!(code, "resource_exhausted", "{reason}");
    assert!(reason.contains("20000"), "{reason}");
    let after = program::resident_bytes(site.collector().pid());
    assert!(after < before + GROWTH_MAX, "{before} bytes before, {after} after");
    good.goes_on(&site).await;
    let records = site.get(&format!("hosts/{}/series", enemy.id())).await;
    assert_eq!(records["items"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn more_series_than_the_site_allows_are_refused_with_the_remedy_and_logged_once() {
    let site = Site::start("[limits]\nseries_per_host = 2000\n").await;
    let good = Host::start(&site, "good", "");
    good.is_live(&site).await;
    let enemy = Host::prepare(&site, "enemy", "");
    enemy.enrol(&site.install_string()).expect("enrols");
    let many = wire::dictionary("many", 5, 500);
    for _ in 0..3 {
        let mut talk = Talk::of(&site, &enemy).await;
        let (code, reason) = talk.define(&many).await.expect_err("a refusal");
        assert_eq!(code, "resource_exhausted", "{reason}");
        for word in ["2500 series", "limit is 2000", "agent.toml", "limits.series_per_host"] {
            assert!(reason.contains(word), "{reason}");
        }
    }
    let log = std::fs::read_to_string(site.path("collector.log")).expect("a log");
    assert_eq!(log.matches("stream refused").count(), 1, "{log}");
    let ingest = |health: &serde_json::Value| {
        let parts = health["parts"].as_array().expect("parts").clone();
        let part = parts.into_iter().find(|part| part["name"] == "ingest");
        part.expect("ingest's health")["detail"].to_string()
    };
    let detail = ingest(&site.get("health").await);
    assert!(
        detail.contains("refused: 1; ") && detail.contains("2500 series"),
        "{detail}"
    );

    let few = wire::dictionary("few", 4, 500);
    let mut talk = Talk::of(&site, &enemy).await;
    talk.define(&few).await.expect("as many as are allowed");
    talk.tick(&few).await;
    until("the refusal to be over", async || {
        (!ingest(&site.get("health").await).contains("refused")).then_some(())
    })
    .await;
    good.goes_on(&site).await;
}

#[tokio::test]
async fn labels_beyond_the_limits_are_refused_in_words() {
    let (_site, mut talk) = {
        let site = Site::start("").await;
        let enemy = wire::newcomer(&site).await;
        let channel = wire::connect(&site, &enemy, &enemy).await.expect("a connection");
        (site, Talk::open(channel).await.expect("a stream"))
    };
    let series = Series {
        name: "system.cpu.utilization".into(),
        attributes: (0..33).map(|at| (format!("{at:02}").into(), "".into())).collect(),
        kind: Kind::Gauge,
        unit: "1".into(),
        decimals: 0,
    };
    let many = Dictionary::new(vec![Section::new(vec![series]).into()]);
    let (code, reason) = talk.define(&many).await.expect_err("a refusal");
    assert_eq!(code, "resource_exhausted", "{reason}");
    assert!(
        reason.contains("32 attributes") && reason.contains("agent.toml"),
        "{reason}"
    );
}

#[tokio::test]
async fn what_is_no_batch_ends_that_stream_alone() {
    let (mut site, good, enemy) = site_with_an_enemy().await;
    for payload in [&b""[..], &[0xFF; 64], &[0x10, 1, 1, 1], &[0x11; 40]] {
        let mut talk = Talk::of(&site, &enemy).await;
        talk.say(Body::Live(v1::Batch {
            seq: 1,
            payload: payload.to_vec().into(),
        }))
        .await;
        let (code, reason) = talk.is_refused().await;
        assert_eq!(code, "invalid_input", "{reason}");
    }
    assert!(site.collector().is_running());
    good.goes_on(&site).await;
}
