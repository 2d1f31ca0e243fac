//! Planned work by page and by API.

use super::{HOSTILE, Room};
use crate::authority::{Action, allows};
use http::StatusCode;
use tocsin_desk::model::Role;

const SILENCE: &str = "kind=silence&hosts=db-01&lasting=2h&reason=new+controller";

#[tokio::test]
async fn what_is_planned_by_form_is_shown_on_page_and_board_until_it_is_ended() {
    let room = Room::new();
    let reply = room.post("wang", "/planned", SILENCE).await;
    assert_eq!((reply.status, reply.place()), (StatusCode::SEE_OTHER, "/planned"));
    for path in ["/", "/planned"] {
        let body = room.get("wang", path, "en").await.body;
        assert!(body.contains("new controller") && body.contains("Silence"), "{path}");
    }
    assert!(
        room.fake.audited().iter().any(|line| line.contains("silence.add")),
        "{:?}",
        room.fake.audited()
    );
    let body = room.get("wang", "/planned", "zh-CN").await.body;
    let url = body
        .split("action=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|url| url.ends_with("/end"));
    let ended = room.post("wang", url.unwrap(), "").await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    assert!(!room.get("wang", "/planned", "en").await.body.contains("new controller"));
    assert_eq!(
        room.post("wang", url.unwrap(), "").await.status,
        StatusCode::NOT_FOUND,
        "it is over"
    );
}

#[tokio::test]
async fn a_form_with_mistakes_comes_back_with_what_was_written() {
    let room = Room::new();
    let reply = room
        .post("wang", "/planned", "kind=window&tags=db%2Cweb&reason=x&lasting=soon")
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(
        reply.body.contains("value=\"db,web\"") && reply.body.contains("is not a duration"),
        "{}",
        reply.body
    );
    let reply = room
        .post("wang", "/planned", "kind=silence&hosts=nobody&reason=x&lasting=1h")
        .await;
    assert!(
        reply.status == StatusCode::BAD_REQUEST && reply.body.contains("no host"),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn the_api_plans_lists_and_ends() {
    let room = Room::new();
    let body = r#"{"hosts": ["db-01"], "for": "2h", "reason": "new controller"}"#;
    let made = room.api("wang", "POST", "/api/v1/silences", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let made = made.json();
    assert_eq!((&made["kind"], &made["active"]), (&"silence".into(), &true.into()));
    let id = made["id"].as_str().unwrap();
    let open = room.api("wang", "GET", "/api/v1/silences?open=true", "").await.json();
    assert_eq!(open["items"][0]["id"], made["id"]);
    assert!(
        room.api("wang", "GET", "/api/v1/windows", "").await.json()["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let other = room.api("wang", "POST", &format!("/api/v1/windows/{id}/end"), "").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "it is no window");
    let ended = room
        .api("wang", "POST", &format!("/api/v1/silences/{id}/end"), "")
        .await;
    assert_eq!(ended.status, StatusCode::OK);
    assert_eq!(ended.json()["ended_by"], "wang");
    let wrong = room
        .api("wang", "POST", "/api/v1/silences", r#"{"hosts": ["db-01"]}"#)
        .await;
    assert!(
        wrong.status == StatusCode::BAD_REQUEST && wrong.body.contains("needs a reason"),
        "{}",
        wrong.body
    );
    let unknown = room
        .api("wang", "POST", "/api/v1/silences", r#"{"host": "db-01"}"#)
        .await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let hang = r#"[{"asset": "db-01", "parent": null}]"#;
    assert_eq!(
        room.api("wang", "POST", "/api/v1/topology", hang).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn only_those_who_may_plan_do() {
    for (login, role) in [
        ("wang", Role::Operator),
        ("zhao", Role::Administrator),
        ("qian", Role::Supervisor),
        ("sun", Role::Customer),
    ] {
        let room = Room::new();
        let allowed = allows(role, Action::PlanWork);
        let end = format!(
            "/planned/silence/{}/end",
            tocsin_vocabulary::PlannedId::from_bytes([9; 16])
        );
        for (path, form) in [("/planned", SILENCE), (end.as_str(), "")] {
            let status = room.post(login, path, form).await.status;
            assert_eq!(status != StatusCode::FORBIDDEN, allowed, "{path} × {role:?}: {status}");
        }
        for path in ["silences", "windows", "guards", "topology"] {
            let status = room.api(login, "POST", &format!("/api/v1/{path}"), "[]").await.status;
            assert_eq!(status != StatusCode::FORBIDDEN, allowed, "{path} × {role:?}: {status}");
        }
        let shown = room.get(login, "/", "en").await.body;
        assert_eq!(shown.contains("href=\"/planned\""), role != Role::Customer, "{role:?}");
    }
}

#[tokio::test]
async fn names_of_hosts_are_data_on_this_page_too() {
    let room = Room::new();
    let body = room.get("wang", "/planned", "en").await.body;
    assert!(
        !body.contains(HOSTILE) && body.contains("&#60;script&#62;") || body.contains("&lt;script&gt;"),
        "{body}"
    );
}
