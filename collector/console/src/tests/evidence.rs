//! One alert with its evidence, on its page and by the API.

use super::Room;
use http::StatusCode;
use tocsin_vocabulary::AlertId;

/// The alert of the fake's ticket 1042, whose number gives its id.
fn of_1042() -> AlertId {
    AlertId::from_bytes([38; 16])
}

#[tokio::test]
async fn an_alert_shows_what_its_rule_saw_and_decided() {
    let room = Room::new();
    let alert = room
        .api("wang", "GET", &format!("/api/v1/alerts/{}", of_1042()), "")
        .await;
    let alert = alert.json();
    assert_eq!((&alert["arrival"], &alert["state"]), (&"live".into(), &"raised".into()));
    assert_eq!(alert["decisions"][0]["to"], "pending");
    assert_eq!(alert["decisions"][1]["reason"], "held");
    assert!(alert["rule_text"].as_str().unwrap().contains("above = 0.9"));
    assert_eq!(alert["samples"]["series"][0]["points"][0][1], 0.89);
    let page = room.get("wang", &format!("/alerts/{}", of_1042()), "en").await.body;
    for words in [
        "it held long enough",
        "above = 0.9",
        "/help/troubleshooting",
        "href=\"/t/1042\"",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let ticket = room.api("wang", "GET", "/api/v1/tickets/1042", "").await.json();
    assert_eq!(ticket["alerts"][0]["knowledge"], "/help/troubleshooting");
    let ticket = room.get("wang", "/t/1042", "zh-CN").await.body;
    assert!(ticket.contains(&format!("/alerts/{}", of_1042())));
    assert!(ticket.contains("/help/troubleshooting"), "where one can read more");
}

#[tokio::test]
async fn alerts_that_are_not_there_and_arrivals_that_are_none_are_told() {
    let room = Room::new();
    let by_api = room.api("wang", "GET", "/api/v1/alerts/nonsense", "").await;
    let page = room.get("wang", "/alerts/nonsense", "en").await;
    assert_eq!(
        (by_api.status, page.status),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    let none = room
        .api("wang", "GET", "/api/v1/alerts?arrival=retrospective", "")
        .await;
    assert_eq!(none.json()["items"].as_array().map(Vec::len), Some(0));
    let wrong = room.api("wang", "GET", "/api/v1/alerts?arrival=never", "").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}
