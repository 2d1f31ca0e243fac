//! The webhook against real servers on this machine.

use super::*;
use crate::{channel::SendErrorKind, worker::tests::envelope};
use axum::{
    Router,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use reqwest::StatusCode;
use std::path::PathBuf;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

/// A server that answers like this; the address of its only page.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

fn answers<A: IntoResponse + 'static>(answer: fn() -> A) -> Router {
    Router::new().route("/hook", post(move || async move { answer().into_response() }))
}

fn webhook(url: String, secret_file: Option<PathBuf>) -> Webhook {
    let config = WebhookConfig {
        url,
        format: Format::Tocsin,
        secret_file,
        ca_file: None,
        insecure: false,
    };
    Webhook::with_timeout(&config, &Common::default(), Duration::from_millis(300)).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_999)
}

#[test]
fn the_signature_is_the_documented_hmac() {
    // Checked with: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac SECtest
    let expected = "v1=fcb51ec4942f871bf6bb7039d37a5ac7dd46311afc0620d07c5c84f8958cb4d1";
    assert_eq!(sign(b"SECtest", "1700000000", b"{\"a\":1}"), expected);
}

#[tokio::test]
async fn a_page_arrives_signed_with_everything_that_is_documented() {
    let (tell, mut told) = mpsc::channel(1);
    let router = Router::new().route(
        "/hook",
        post(move |headers: HeaderMap, body: String| async move {
            tell.send((headers, body)).await.unwrap();
        }),
    );
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "hush\n").unwrap();
    let webhook = webhook(serve(router).await, Some(secret.path().to_owned()));
    let mut envelope = envelope(1042, "robot");
    envelope.page.attempts = 1;
    // The other side refused the first try: it has nothing to compare this one with.
    assert_eq!(webhook.document(&envelope)["resent"], false);
    envelope.facts.unknown = true;
    let receipt = webhook.send(&envelope, now()).await.unwrap();
    assert_eq!(receipt.answer, "200 OK");

    let (headers, body) = told.recv().await.unwrap();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["idempotency-key"], envelope.page.key.as_str());
    assert_eq!(headers["x-tocsin-timestamp"], "1700000000");
    assert_eq!(
        headers["x-tocsin-signature"],
        sign(b"hush", "1700000000", body.as_bytes()).as_str()
    );
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "key": "1042-opened-1-someone-robot",
        "ticket_number": 1042,
        "reason": "opened",
        "title": {"en": "disk full on web-1", "zh": "web-1 磁盘已满"},
        "body": {"en": "make room", "zh": "清理空间"},
        "level": 2,
        "drill": false,
        "link": "https://tocsin.example.com/p/abc",
        "asset": "",
        "customer": "",
        "site": "",
        "since": null,
        "due_at": null,
        "created_at": "1970-01-01T00:00:00.000Z",
        "person": "张三",
        "attempt": 2,
        "resent": true,
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn answers_say_whether_to_try_again() {
    fn busy() -> Response {
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "77")]).into_response()
    }
    let cases: [(Router, SendErrorKind, Option<u64>); 5] = [
        (answers(busy), SendErrorKind::Temporary, Some(77)),
        (
            answers(|| StatusCode::SERVICE_UNAVAILABLE),
            SendErrorKind::Temporary,
            None,
        ),
        // It may have been taken before something broke.
        (answers(|| StatusCode::BAD_GATEWAY), SendErrorKind::Unknown, None),
        (answers(|| StatusCode::FORBIDDEN), SendErrorKind::Permanent, None),
        (
            answers(|| Redirect::temporary("/elsewhere")),
            SendErrorKind::Permanent,
            None,
        ),
    ];
    for (router, kind, retry_after) in cases {
        let error = webhook(serve(router).await, None)
            .send(&envelope(1, "robot"), now())
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.retry_after),
            (kind, retry_after.map(Duration::from_secs)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn no_answer_in_time_means_that_nobody_knows() {
    async fn hang() {
        std::future::pending::<()>().await;
    }
    let url = serve(Router::new().route("/hook", post(hang))).await;
    let error = webhook(format!("{url}?token=hush"), None)
        .send(&envelope(1, "robot"), now())
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Unknown);
    assert!(error.reason.starts_with("no answer in time from 127.0.0.1:"), "{error}");
    assert!(!error.reason.contains("hush"), "an address may bear a token: {error}");
}

#[tokio::test]
async fn nobody_listening_is_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let error = webhook(url, None).send(&envelope(1, "robot"), now()).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Temporary);
    assert!(error.reason.starts_with("cannot reach 127.0.0.1:"), "{error}");
}

/// Answers every request with 200, over TLS, with a certificate of its own authority; address and authority.
async fn serve_tls() -> (String, String) {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (format!("https://localhost:{port}/hook"), identity.cert.pem())
}

#[tokio::test]
async fn only_the_configured_authority_is_trusted() {
    let (url, pem) = serve_tls().await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .unwrap()
        .cert
        .pem();
    for (pem, trusted) in [(pem, true), (other, false)] {
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), pem).unwrap();
        let config = WebhookConfig {
            format: Format::Tocsin,
            url: url.clone(),
            secret_file: None,
            ca_file: Some(ca.path().to_owned()),
            insecure: false,
        };
        let answer = Webhook::new(&config, &Common::default())
            .unwrap()
            .send(&envelope(1, "robot"), now())
            .await;
        assert_eq!(answer.is_ok(), trusted, "{answer:?}");
    }
}

#[test]
fn what_is_printed_of_a_webhook_shows_no_token() {
    let shown = format!(
        "{:?}",
        webhook("http://127.0.0.1:1/robot/t0ken?key=t0ken".to_owned(), None)
    );
    assert!(shown.contains("127.0.0.1:1") && !shown.contains("t0ken"), "{shown}");
}
