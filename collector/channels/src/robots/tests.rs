//! The signatures against their vectors; the robots against fakes that enforce signature, rate and ban.

use super::*;
use crate::{channel::SendErrorKind, worker::tests::envelope};
use axum::{Json, Router, extract::Query, extract::State, routing::post};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

#[test]
fn signatures_are_as_the_providers_compute_them() {
    assert_eq!(
        dingtalk_sign(1_700_000_000_000, b"SECtest"),
        "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g="
    );
    assert_eq!(
        feishu_sign(1_700_000_000, b"demo"),
        "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo="
    );
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    let text = "警".repeat(1_000);
    let cut = cut_bytes(&text, 2_048);
    assert!(cut.len() <= 2_048 && cut.ends_with('…'));
    assert_eq!(cut_bytes("short", 5), "short");
}

/// A provider: refuses wrong tokens and signatures, bans who sends more than `limit`.
#[derive(Clone, Default)]
struct Provider {
    got: Arc<Mutex<Vec<Value>>>,
    limit: usize,
}

async fn dingtalk(
    State(provider): State<Provider>,
    query: Query<HashMap<String, String>>,
    body: Json<Value>,
) -> Json<Value> {
    let stamp: i64 = query["timestamp"].parse().unwrap();
    if query["access_token"] != "T" || query["sign"] != dingtalk_sign(stamp, b"SECtest") {
        return Json(json!({"errcode": 310_000, "errmsg": "sign not match"}));
    }
    let mut got = provider.got.lock().unwrap();
    if got.len() >= provider.limit {
        return Json(json!({"errcode": 130_101, "errmsg": "send too fast, exceed 20 times per minute"}));
    }
    got.push(body.0);
    Json(json!({"errcode": 0, "errmsg": "ok"}))
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

fn robot(brand: Brand, url: String, secret: Option<&str>) -> Robot {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "T\n").unwrap();
    let secret_file = secret.map(|secret| {
        let path = folder.path().join("secret");
        std::fs::write(&path, secret).unwrap();
        path
    });
    let config = RobotConfig {
        token_file,
        secret_file,
        url: Some(url),
        mention: true,
        ca_file: None,
        insecure: false,
    };
    Robot::new(brand, &config, &Common::default()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

#[tokio::test]
async fn dingtalk_takes_what_is_signed_and_bans_who_is_too_fast() {
    let provider = Provider {
        limit: 2,
        ..Provider::default()
    };
    let router = Router::new()
        .route("/robot/send", post(dingtalk))
        .with_state(provider.clone());
    let url = format!("{}/robot/send", serve(router).await);
    let good = robot(Brand::Dingtalk, url.clone(), Some("SECtest"));
    let mut envelope = envelope(1042, "robot");
    envelope.person.phone = "13800000001".to_owned();
    for _ in 0..2 {
        good.send(&envelope, now()).await.unwrap();
    }
    let got = provider.got.lock().unwrap()[0].clone();
    assert_eq!(got["at"]["atMobiles"], json!(["13800000001"]));
    assert!(got["text"]["content"].as_str().unwrap().contains("#1042"), "{got}");

    let banned = good.send(&envelope, now()).await.unwrap_err();
    assert_eq!(
        (banned.kind, banned.retry_after),
        (SendErrorKind::Temporary, Some(DINGTALK_BAN))
    );
    let wrong = robot(Brand::Dingtalk, url, Some("other"))
        .send(&envelope, now())
        .await
        .unwrap_err();
    assert_eq!(wrong.kind, SendErrorKind::Permanent);
    assert!(
        wrong.reason.contains("310000") && wrong.reason.contains("secret_file"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_refusal_that_comes_with_200_is_no_success() {
    for (brand, answer, kind) in [
        (
            Brand::Wecom,
            json!({"errcode": 45_009, "errmsg": "api freq out of limit"}),
            SendErrorKind::Temporary,
        ),
        (
            Brand::Wecom,
            json!({"errcode": 93_000, "errmsg": "invalid webhook url"}),
            SendErrorKind::Permanent,
        ),
        (
            Brand::Feishu,
            json!({"code": 11_232, "msg": "frequency limited"}),
            SendErrorKind::Temporary,
        ),
        (
            Brand::Feishu,
            json!({"code": 9_499, "msg": "too many request"}),
            SendErrorKind::Temporary,
        ),
        (
            Brand::Feishu,
            json!({"code": 19_021, "msg": "sign match fail"}),
            SendErrorKind::Permanent,
        ),
        (Brand::Dingtalk, json!({"hello": "world"}), SendErrorKind::Permanent),
    ] {
        let answered = answer.clone();
        let answering = post(move || async move { Json(answered) });
        let router = Router::new()
            .route("/send", answering.clone())
            .route("/send/T", answering);
        let robot = robot(brand, format!("{}/send", serve(router).await), None);
        let error = robot.send(&envelope(1, "robot"), now()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{answer}: {error}");
        assert!(!error.reason.contains("/send"), "{error}");
    }
}

#[tokio::test]
async fn feishu_is_signed_in_the_body_by_the_second() {
    let seen: Arc<Mutex<Option<Value>>> = Arc::default();
    let see = seen.clone();
    let router = Router::new().route(
        "/hook/T",
        post(move |body: Json<Value>| async move {
            *see.lock().unwrap() = Some(body.0);
            Json(json!({"code": 0, "msg": "success"}))
        }),
    );
    let robot = robot(Brand::Feishu, format!("{}/hook", serve(router).await), Some("demo"));
    robot.send(&envelope(7, "robot"), now()).await.unwrap();
    let body = seen.lock().unwrap().take().unwrap();
    assert_eq!(body["timestamp"], "1700000000");
    assert_eq!(body["sign"], "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=");
    assert_eq!(body["msg_type"], "text");
}
