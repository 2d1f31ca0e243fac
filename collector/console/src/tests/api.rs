//! The HTTP API.

use super::{Room, host_id};
use crate::{api, routes::table};
use http::{StatusCode, header};

#[tokio::test]
async fn the_document_lists_every_route_of_the_api() {
    let document = serde_json::to_value(api::openapi()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for route in table() {
        if route.path.starts_with(api::ROOT) && !route.path.ends_with("openapi.json") {
            assert!(document["paths"].get(&route.path).is_some(), "{}", route.path);
        }
    }
    assert!(document["paths"]["/api/v1/tickets"].get("post").is_some());
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name} is not described"
        );
    }
    assert_eq!(
        Room::new().api("", "GET", "/api/v1/openapi.json", "").await.json(),
        document
    );
}

#[tokio::test]
async fn a_query_answers_in_the_agreed_shape() {
    let room = Room::new();
    let path = format!(
        "/api/v1/query?host={}&metric=system.filesystem.utilization&attributes=system.filesystem.mountpoint:/var&from=2026-11-22T02:04:05Z&to=1795316645000&step=10s",
        host_id(1)
    );
    let answer = room.api("wang", "GET", &path, "").await.json();
    let mut keys: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["not_observed", "series"]);
    let series = answer["series"].as_array().unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!(series[0]["attributes"]["system.filesystem.mountpoint"], "/var");
    assert_eq!(series[0]["unit"], "1");
    let points = series[0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 360);
    assert!(points[0][0].is_i64() && points[0][1].is_f64());
    assert!(points.iter().any(|point| point[1].is_null()), "a gap is null");
    assert!(answer["not_observed"][0][0].is_i64());
}

#[tokio::test]
async fn a_fleet_is_asked_in_one_go_by_whoever_may_see_it() {
    let room = Room::new();
    let path = "/api/v1/query?host=*&metric=system.cpu.utilization,system.memory.*&step=60s";
    let answer = room.api("wang", "GET", path, "").await.json();
    let series = answer["series"].as_array().unwrap();
    let hosts: std::collections::BTreeSet<_> = series.iter().map(|series| series["host"].as_str().unwrap()).collect();
    assert!(hosts.len() > 1, "{hosts:?}");
    assert_eq!(
        series[0]["min"].as_array().unwrap().len(),
        series[0]["points"].as_array().unwrap().len()
    );
    let path = format!("{path}&group_by=&op=quantile&q=0.9");
    let answer = room.api("wang", "GET", &path, "").await.json();
    assert_eq!(answer["series"].as_array().unwrap().len(), 1);
    assert!(answer["series"][0].get("host").is_none());
    let path = "/api/v1/query?host=*&metric=system.cpu.utilization&step=60s&top=2:max";
    let answer = room.api("wang", "GET", path, "").await.json();
    assert_eq!(answer["series"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn mistakes_are_problem_documents_that_name_the_mistake() {
    let room = Room::new();
    let host = host_id(1);
    for (path, status, code, word) in [
        ("/api/v1/hosts?nmae=x".to_owned(), 400, "invalid_input", "`nmae`"),
        ("/api/v1/query?metric=x".to_owned(), 400, "invalid_input", "`host`"),
        (
            format!("/api/v1/query?host={host}&metric=x&step=0"),
            400,
            "invalid_input",
            "`step`",
        ),
        (
            format!("/api/v1/query?host={host}&metric=x&from=1&to=1795316645000&step=1s"),
            400,
            "invalid_input",
            "points",
        ),
        (
            format!("/api/v1/query?host={host}&metric=x&aggregate=sum"),
            400,
            "invalid_input",
            "`aggregate`",
        ),
        (
            format!("/api/v1/query?host={host}&metric=x&group_by=host"),
            400,
            "invalid_input",
            "`step`",
        ),
        ("/api/v1/tickets?state=lost".to_owned(), 400, "invalid_input", "`state`"),
        ("/api/v1/tickets?limit=0".to_owned(), 400, "invalid_input", "`limit`"),
        ("/api/v1/tickets/9999".to_owned(), 404, "not_found", "no such"),
        ("/api/v1/hosts/db-01".to_owned(), 404, "not_found", "no such"),
        ("/api/v1/nothing".to_owned(), 404, "not_found", "no such"),
    ] {
        let reply = room.api("wang", "GET", &path, "").await;
        assert_eq!(
            reply.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{path}"
        );
        let problem = reply.json();
        assert_eq!(
            (reply.status.as_u16(), problem["status"].as_u64()),
            (status, Some(u64::from(status))),
            "{path}"
        );
        assert_eq!(problem["code"], code, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{path}: {problem}");
    }
    let wrong = room.api("wang", "DELETE", "/api/v1/hosts", "").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong.headers[header::CONTENT_TYPE], "application/problem+json");
    let large = room.api("wang", "POST", "/api/v1/tickets", &"x".repeat(70_000)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(large.json()["code"], "resource_exhausted");
}

#[tokio::test]
async fn a_session_reads_and_only_a_token_writes() {
    let room = Room::new();
    assert_eq!(room.get("wang", "/api/v1/tickets", "en").await.status, StatusCode::OK);
    assert_eq!(
        room.post("wang", "/api/v1/tickets/1042/accept", "").await.status,
        StatusCode::UNAUTHORIZED
    );
    let accepted = room
        .api("wang", "POST", "/api/v1/tickets/1042/accept", "{\"revision\": 1}")
        .await
        .json();
    assert_eq!(
        (accepted["state"].as_str(), accepted["assignee_name"].as_str()),
        (Some("accepted"), Some("王工"))
    );
    let late = room
        .api("li", "POST", "/api/v1/tickets/1042/arrive", "{\"revision\": 1}")
        .await;
    assert_eq!(
        (late.status, late.json()["code"].as_str()),
        (StatusCode::CONFLICT, Some("conflict"))
    );
    let unknown = room
        .api("li", "POST", "/api/v1/tickets/1042/arrive", "{\"revison\": 1}")
        .await;
    assert!(unknown.json()["detail"].as_str().unwrap().contains("revison"));
}

#[tokio::test]
async fn a_report_opens_a_ticket() {
    let room = Room::new();
    let body = format!(
        "{{\"host\": \"{}\", \"title\": \"printer on fire\", \"severity\": \"major\"}}",
        host_id(2)
    );
    let reply = room.api("wang", "POST", "/api/v1/tickets", &body).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.json()["title"]["en"], "printer on fire");
    let theirs = format!(
        "{{\"host\": \"{}\", \"title\": \"x\", \"severity\": \"major\"}}",
        host_id(8)
    );
    assert_eq!(
        room.api("sun", "POST", "/api/v1/tickets", &theirs).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn health_says_one_word_to_strangers_and_all_to_the_duty_room() {
    let room = Room::new();
    assert_eq!(
        room.api("", "GET", "/api/v1/health", "").await.json(),
        serde_json::json!({"status": "ok"})
    );
    let full = room.api("wang", "GET", "/api/v1/health", "").await.json();
    assert_eq!(full["parts"].as_array().unwrap().len(), 5);
    let metrics = room.api("wang", "GET", "/metrics", "").await;
    assert!(metrics.body.contains("tocsin_ticks_total 42"));
    assert_eq!(
        room.api("", "GET", "/metrics", "").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn series_are_the_newest_values() {
    let reply = Room::new()
        .api("wang", "GET", &format!("/api/v1/hosts/{}/series", host_id(1)), "")
        .await
        .json();
    let items = reply["items"].as_array().unwrap();
    assert!(
        items
            .iter()
            .any(|item| item["name"] == "system.cpu.utilization" && item["value"].is_f64())
    );
    assert!(reply["next"].is_null());
}
