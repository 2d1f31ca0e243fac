//! Every route that writes, found by asking the table of routes: whoever only watches is turned away at each of them.

use super::{Reply, Room, matrix::filled};
use crate::{
    authority::{Action, allows},
    guard::{Kind, Need},
    routes::table,
};
use http::StatusCode;
use tocsin_desk::model::Role;

/// Who never changes anything.
const WATCHERS: [(&str, Role); 3] = [
    ("qian", Role::Supervisor),
    ("zhou", Role::Auditor),
    ("screen", Role::Kiosk),
];
/// Questions that are asked by POST; they change nothing.
const QUESTIONS: [&str; 2] = ["/replay", "/api/v1/replay"];
/// What a customer may do about their own things.
const OF_CUSTOMERS: [&str; 9] = [
    "/report",
    "/pin",
    "/t/{number}/attachments",
    "/api/v1/tickets",
    // The role is looked at for each action by itself: see `matrix`.
    "/t/{number}/{action}",
    "/t/{number}/sheet/{what}",
    "/t/{number}/paper/{what}",
    "/t/{number}/reports/{report}/{what}",
    "/downtimes/{downtime}/{what}",
];

/// A path with something in each place.
fn place(path: &str) -> String {
    filled(&path.replace("/sheet/{what}", "/sheet/step"))
}

async fn ask(room: &Room, login: &str, kind: Kind, method: &str, path: &str) -> Reply {
    match kind {
        Kind::Page => room.post(login, path, "").await,
        Kind::Api => room.api(login, method, path, "{}").await,
    }
}

/// Kind, method and path of every route that writes behind the gate.
async fn writes() -> Vec<(Kind, &'static str, String)> {
    let room = Room::new();
    let mut writes = Vec::new();
    for route in table() {
        if route.need == Need::Nobody || QUESTIONS.contains(&route.path.as_str()) {
            continue;
        }
        let methods: &[&'static str] = match route.kind {
            Kind::Page => &["POST"],
            Kind::Api => &["POST", "PUT", "PATCH", "DELETE"],
        };
        for method in methods {
            // An administrator may do everything: what is not there for them is not there.
            let reply = ask(&room, "zhao", route.kind, method, &place(&route.path)).await;
            assert_ne!(reply.status, StatusCode::FORBIDDEN, "{method} {}", route.path);
            if reply.status != StatusCode::METHOD_NOT_ALLOWED {
                writes.push((route.kind, *method, route.path.clone()));
            }
        }
    }
    writes
}

#[tokio::test]
async fn whoever_only_watches_is_turned_away_wherever_something_is_written() {
    let writes = writes().await;
    assert!(writes.len() >= 25, "the table of routes has more: {writes:?}");
    let room = Room::new();
    let mut open = Vec::new();
    for (kind, method, path) in writes {
        let filled = place(&path);
        let stranger = ask(&room, "", kind, method, &filled).await.status;
        if !matches!(stranger, StatusCode::UNAUTHORIZED | StatusCode::SEE_OTHER) {
            open.push(format!("{method} {path} × a stranger: {stranger}"));
        }
        let customer = (!OF_CUSTOMERS.contains(&path.as_str())).then_some(("sun", Role::Customer));
        for (login, role) in WATCHERS.into_iter().chain(customer) {
            let status = ask(&room, login, kind, method, &filled).await.status;
            if status != StatusCode::FORBIDDEN {
                open.push(format!("{method} {path} × {role:?}: {status}"));
            }
        }
    }
    assert!(open.is_empty(), "{open:#?}");
}

#[test]
fn watchers_may_do_nothing_that_writes() {
    let writing = [
        Action::WorkTicket,
        Action::ConfirmTicket,
        Action::ReportFault,
        Action::Diagnose,
        Action::PlanWork,
        Action::HandOver,
        Action::ManageDuty,
        Action::WriteRegisters,
    ];
    for (_, role) in WATCHERS {
        for action in writing {
            assert!(!allows(role, action), "{action:?} × {role:?}");
        }
    }
}
