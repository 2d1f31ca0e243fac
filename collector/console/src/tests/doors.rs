//! Coming in: password, lockout, one-time link, sign-out, cross-site requests.

use super::{Room, fake::PASSWORD, request};
use axum::body::Body;
use http::{StatusCode, header};

fn form(login: &str, password: &str) -> String {
    format!("login={login}&password={}&next=%2Ft%2F1042", password.replace(' ', "+"))
}

#[tokio::test]
async fn a_person_signs_in_goes_where_they_wanted_and_out() {
    let room = Room::new();
    let turned_away = room.get("", "/t/1042", "en").await;
    assert_eq!(
        (turned_away.status, turned_away.place()),
        (StatusCode::SEE_OTHER, "/sign-in?next=%2Ft%2F1042")
    );
    let reply = room.post("", "/sign-in", &form("wang", PASSWORD)).await;
    assert_eq!((reply.status, reply.place()), (StatusCode::SEE_OTHER, "/t/1042"));
    let cookie = reply.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-tocsin="), "{cookie}");
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let session = cookie.split(';').next().unwrap().to_owned();
    let inside = room
        .send(request("GET", "/", &session).body(Body::empty()).unwrap())
        .await;
    assert_eq!(inside.status, StatusCode::OK);
    room.send(request("POST", "/sign-out", &session).body(Body::empty()).unwrap())
        .await;
    let outside = room
        .send(request("GET", "/", &session).body(Body::empty()).unwrap())
        .await;
    assert_eq!(outside.place(), "/sign-in");
    assert_eq!(room.fake.audited(), ["session.begin", "session.end"]);
}

#[tokio::test]
async fn unknown_wrong_and_locked_get_the_same_answer() {
    let room = Room::new();
    let unknown = room.post("", "/sign-in", &form("nobody", "some password")).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    let mut wrong = String::new();
    for _ in 0..5 {
        wrong = room.post("", "/sign-in", &form("wang", "some password")).await.body;
    }
    let locked = room.post("", "/sign-in", &form("wang", PASSWORD)).await;
    assert_eq!(locked.status, StatusCode::UNAUTHORIZED);
    assert_eq!(locked.body, wrong);
    assert_eq!(unknown.body.replace("nobody", "wang"), wrong);
    assert_eq!(room.fake.audited(), ["session.lock"]);
}

#[tokio::test]
async fn a_one_time_link_is_not_burnt_by_looking() {
    let room = Room::new();
    let path = format!("/sign-in/once/{}", room.fake.link_of("wang"));
    for _ in 0..3 {
        assert_eq!(room.get("", &path, "en").await.status, StatusCode::OK);
    }
    let reply = room.post("", &path, "").await;
    assert_eq!((reply.status, reply.place()), (StatusCode::SEE_OTHER, "/"));
    assert!(reply.headers.contains_key(header::SET_COOKIE));
    let used = room.post("", &path, "").await;
    assert_eq!(used.status, StatusCode::NOT_FOUND);
    assert!(used.body.contains("This link no longer works") && used.body.contains("sign-in-link"));
}

#[tokio::test]
async fn requests_from_other_sites_are_refused() {
    let room = Room::new();
    let cookies = room.cookies("wang", "en");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
    ] {
        let request = request("POST", "/t/1042/accept", &cookies)
            .header(name, value)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert_eq!(
            room.send(request.body(Body::from("revision=1")).unwrap()).await.status,
            StatusCode::FORBIDDEN
        );
    }
    let ours = request("POST", "/t/1042/accept", &cookies)
        .header(header::ORIGIN, "https://collector:8443")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(
        room.send(ours.body(Body::from("revision=1")).unwrap()).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn the_language_is_chosen_in_the_header_and_comes_back_to_the_page() {
    let room = Room::new();
    let reply = room.post("wang", "/language", "language=en&back=%2Fhosts").await;
    assert_eq!((reply.status, reply.place()), (StatusCode::SEE_OTHER, "/hosts"));
    assert!(
        reply.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .starts_with("tocsin-language=en;")
    );
    assert_eq!(
        room.post("wang", "/language", "language=en&back=%2F%2Fevil.example")
            .await
            .place(),
        "/"
    );
}

#[tokio::test]
async fn routes_of_other_parts_stand_behind_the_same_gate() {
    use crate::{ConsoleOptions, authority::Action, guarded};
    use axum::{Extension, Router, routing::post};
    let fake = std::sync::Arc::new(super::Fake::new(super::NOW, super::HOSTILE));
    let who =
        |Extension(speaker): Extension<tocsin_desk::record::Speaker>| async move { format!("{:?}", speaker.role) };
    let other = Router::new().route("/other", post(who));
    let room = Room {
        router: guarded(other, fake.clone(), ConsoleOptions::default(), Action::ReadSystem),
        fake,
    };
    assert_eq!(
        room.api("", "POST", "/other", "").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        room.api("sun", "POST", "/other", "").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(room.api("zhao", "POST", "/other", "").await.body, "Administrator");
    let by_session = room.post("zhao", "/other", "").await.status;
    assert_eq!(by_session, StatusCode::UNAUTHORIZED, "a session is for reading only");
}
