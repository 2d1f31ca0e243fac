//! Open pages that refresh by themselves: what they keep alive, and what they don't.

use super::{Reply, Room, request};
use axum::body::Body;
use http::StatusCode;
use std::time::Duration;

async fn by_itself(room: &Room, cookies: &str, path: &str) -> Reply {
    let request = request("GET", path, cookies).header("x-tocsin-live", "1");
    room.send(request.body(Body::empty()).unwrap()).await
}

async fn by_hand(room: &Room, cookies: &str, path: &str) -> Reply {
    room.send(request("GET", path, cookies).body(Body::empty()).unwrap())
        .await
}

#[tokio::test]
async fn an_idle_page_stays_true_and_a_hand_signs_in_again() {
    let room = Room::new();
    let cookies = room.cookies("wang", "en");
    room.fake.pass(Duration::from_mins(10));
    assert_eq!(by_itself(&room, &cookies, "/?part=1").await.status, StatusCode::OK);
    room.fake.pass(Duration::from_mins(10));
    assert_eq!(
        by_itself(&room, &cookies, "/?part=1").await.status,
        StatusCode::OK,
        "the wall goes on"
    );
    assert_eq!(
        by_hand(&room, &cookies, "/t/1042").await.place(),
        "/sign-in?next=%2Ft%2F1042",
        "what the script fetched did not keep it alive"
    );
    let accept = request("POST", "/t/1042/accept", &cookies)
        .header("x-tocsin-live", "1")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded");
    let reply = room.send(accept.body(Body::from("revision=1")).unwrap()).await;
    assert_eq!(reply.place(), "/sign-in", "the header opens no door");
    room.fake.pass(Duration::from_hours(12));
    assert_eq!(
        by_itself(&room, &cookies, "/?part=1").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_hand_keeps_its_session() {
    let room = Room::new();
    let cookies = room.cookies("wang", "en");
    for _ in 0..4 {
        room.fake.pass(Duration::from_mins(10));
        assert_eq!(by_hand(&room, &cookies, "/").await.status, StatusCode::OK);
    }
}
