//! Every route × every role, generated from the table of routes.

use super::{Room, host_id};
use crate::{
    authority::{Action, allows},
    guard::{Kind, Need},
    routes::table,
    steps,
};
use http::StatusCode;
use tocsin_desk::{life::ActionKind, model::Role};
use tocsin_vocabulary::{AlertId, DocumentId};

const PEOPLE: [(&str, Role); 7] = [
    ("wang", Role::Operator),
    ("zhao", Role::Administrator),
    ("qian", Role::Supervisor),
    ("sun", Role::Customer),
    ("chen", Role::TeamLead),
    ("zhou", Role::Auditor),
    ("screen", Role::Kiosk),
];

pub(super) fn filled(path: &str) -> String {
    path.replace("{number}", "1042")
        .replace("{id}", &host_id(1))
        .replace("{document}", &DocumentId::from_bytes([1; 16]).to_string())
        .replace("{alert}", &AlertId::from_bytes([38; 16]).to_string())
        .replace("{job}", &tocsin_vocabulary::JobId::from_bytes([1; 16]).to_string())
        .replace("{topic}", "start")
        .replace("{action}", "accept")
        .replace("{rule}", "filesystem-full")
        .replace("{handover}", "7")
        .replace("{book}", "assets")
        .replace("{row}", "new")
        .replace(
            "/roster/{roster}/{sheet}",
            "/roster/%E5%80%BC%E7%8F%AD%E5%AE%A4/export.xlsx",
        )
        .replace("/accounts/{sheet}", "/accounts/downtimes.xlsx")
        .replace("/tickets/{sheet}", "/tickets/export.csv")
        .replace(
            "{contract}",
            &tocsin_vocabulary::ContractId::from_bytes([1; 16]).to_string(),
        )
        .replace("{downtime}", "1")
        .replace("{report}", "incident")
        .replace("{file}", "2")
}

#[tokio::test]
async fn each_role_may_read_what_the_table_says_and_a_stranger_nothing() {
    let room = Room::new();
    for route in table() {
        let Need::To(action) = route.need else { continue };
        // Those only take what is sent.
        let is_act = [
            "/{action}",
            "/{what}",
            "/attachments",
            "/done",
            "/drill",
            "/plan",
            "/spares/answer",
            "/spares/count",
            "/roster/sheet",
            "/v1/replay",
        ]
        .iter()
        .any(|end| route.path.ends_with(end));
        if is_act {
            continue;
        }
        let path = filled(&route.path);
        let stranger = room.get("", &path, "en").await;
        let expected = if route.kind == Kind::Api {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::SEE_OTHER
        };
        assert_eq!(stranger.status, expected, "{path}");
        for (login, role) in PEOPLE {
            let status = room.get(login, &path, "en").await.status;
            if allows(role, action) {
                assert!(
                    matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST),
                    "{path} × {role:?}: {status}"
                );
            } else {
                assert_eq!(status, StatusCode::FORBIDDEN, "{path} × {role:?}");
            }
        }
    }
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_by_page_and_by_api() {
    for kind in ActionKind::ALL {
        for (login, role) in PEOPLE {
            let room = Room::new();
            let word = kind.as_str();
            let form = "revision=99&reason=x&cause=x&solution=x&text=x&person=li&into=1041";
            let page = room.post(login, &format!("/t/1042/{word}"), form).await.status;
            let api = room
                .api(
                    login,
                    "POST",
                    &format!("/api/v1/tickets/1042/{word}"),
                    "{\"revision\": 99}",
                )
                .await
                .status;
            let allowed = allows(role, steps::needs(kind));
            assert_eq!(
                page != StatusCode::FORBIDDEN,
                allowed,
                "{word} × {role:?} by page: {page}"
            );
            assert_eq!(api != StatusCode::FORBIDDEN, allowed, "{word} × {role:?} by API: {api}");
        }
    }
    for (login, role) in PEOPLE {
        let reply = Room::new().api(login, "POST", "/api/v1/tickets", "{}").await.status;
        assert_eq!(
            reply != StatusCode::FORBIDDEN,
            allows(role, Action::ReportFault),
            "report × {role:?}"
        );
    }
}

#[tokio::test]
async fn only_doors_links_and_assets_stand_open() {
    let open: Vec<String> = table()
        .into_iter()
        .filter(|route| route.need == Need::Nobody)
        .map(|route| route.path)
        .collect();
    assert_eq!(
        open,
        [
            "/ping/{key}",
            "/ping/{key}/{slug}",
            "/ping/{key}/{slug}/{signal}",
            "/sign-in",
            "/sign-in/once/{secret}",
            "/sign-out",
            "/language",
            "/p/{token}",
            "/assets/{hash}/{name}",
            "/calendar/{roster}/{tag}",
            "/sign/{secret}",
            "/sign/{secret}/rate",
            "/api/v1/health",
            "/api/v1/openapi.json",
        ]
    );
}

#[tokio::test]
async fn a_customer_sees_their_own_and_of_others_not_even_that_they_exist() {
    let room = Room::new();
    for path in [
        "/",
        "/tickets?state=all",
        "/alerts",
        "/hosts",
        "/api/v1/hosts",
        "/api/v1/tickets",
        "/api/v1/alerts",
        "/api/v1/faults",
    ] {
        let body = room.get("sun", path, "en").await.body;
        assert!(body.contains("db-01") || path.ends_with("faults"), "{path}");
        assert!(!body.contains("his-app-01"), "{path}");
    }
    let other = host_id(8);
    for path in [
        "/t/1038".to_owned(),
        format!("/hosts/{other}"),
        format!("/events?ticks={other}"),
        format!("/api/v1/hosts/{other}"),
        format!("/api/v1/hosts/{other}/series"),
        format!("/api/v1/query?host={other}&metric=system.cpu.utilization"),
        "/api/v1/tickets/1038".to_owned(),
    ] {
        let (theirs, none) = (
            room.get("sun", &path, "en").await,
            room.get("sun", &path.replace("08", "ff").replace("1038", "9999"), "en")
                .await,
        );
        assert_eq!(
            (theirs.status, none.status),
            (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
            "{path}"
        );
    }
    assert_eq!(
        room.api("sun", "POST", "/api/v1/tickets/1038/confirm", "").await.status,
        StatusCode::NOT_FOUND
    );
}
