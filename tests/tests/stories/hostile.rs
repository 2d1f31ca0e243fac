//! Hostile clients: each gets a bounded refusal, and the others notice nothing.

use tocsin_tests::{host::Host, site::Site};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn garbage_on_every_port_stops_nobody() {
    let mut site = Site::start("").await;
    let host = Host::start(&site, "host", "").await;
    host.is_live(&site).await;
    for listener in ["agents", "enrolment", "console"] {
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], &[0x16, 3, 1, 0xFF, 0xFF, 1], b"\xFF\xFE\xFD"] {
            let mut stream = TcpStream::connect(site.address(listener)).await.expect("the port is open");
            stream.write_all(garbage).await.expect("garbage can be sent");
            stream.shutdown().await.expect("and ended");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        }
    }
    assert!(site.collector().is_running());
    host.is_live(&site).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_no_stream() {
    let site = Site::start("").await;
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().expect("a client");
    let answer = client.get(format!("https://{}/", site.address("agents"))).send().await;
    assert!(answer.is_err(), "the handshake is refused: {answer:?}");
}

#[tokio::test]
async fn a_stranger_reads_and_writes_nothing() {
    let site = Site::start("").await;
    for path in ["hosts", "tickets", "alerts", "faults", "rules", "query?host=x&metric=y&from=0&to=1"] {
        let answer = site.http().get(format!("{}/api/v1/{path}", site.console())).send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{path}");
    }
    let answer = site.http().get(format!("{}/metrics", site.console())).send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    let accept = site.http().post(format!("{}/api/v1/tickets/1/accept", site.console())).send().await.expect("an answer");
    assert!(accept.status().is_client_error());
}
