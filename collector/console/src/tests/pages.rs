//! Every page, in both languages, for a tired reader and a hostile host.

use super::{Fake, HOSTILE, NOW, Room, host_id};
use crate::{backend::Access as _, link};
use http::{StatusCode, header};
use tocsin_desk::model::TicketState;
use tocsin_vocabulary::AlertId;

fn pages() -> Vec<String> {
    let mut pages: Vec<String> = [
        "/",
        "/tickets",
        "/tickets?state=all",
        "/report",
        "/t/1042",
        "/t/1041",
        "/t/1039",
        "/hosts",
        "/hosts?q=db&state=live",
        "/alerts",
        "/alerts?state=all",
        "/alerts?state=retrospective",
        "/inbox",
        "/rules",
        "/rules/filesystem-full",
        "/replay",
        "/system",
        "/channels",
        "/help",
        "/help/metrics",
        "/help/api",
    ]
    .map(str::to_owned)
    .to_vec();
    pages.push(format!("/alerts/{}", AlertId::from_bytes([38; 16])));
    pages.push(format!("/hosts/{}", host_id(1)));
    pages.push(format!("/hosts/{}?range=7d", host_id(4)));
    pages
}

#[tokio::test]
async fn every_page_speaks_both_languages_and_reaches_nowhere() {
    let room = Room::new();
    for language in ["en", "zh-CN"] {
        for path in pages() {
            let reply = room.get("zhao", &path, language).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}");
            assert!(reply.body.contains(&format!("<html lang=\"{language}\">")), "{path}");
            for outside in [
                "src=\"http",
                "href=\"http",
                "src=\"//",
                "href=\"//",
                " style=\"",
                "<style",
                "onclick",
                "javascript:",
            ] {
                assert!(!reply.body.contains(outside), "{path} contains {outside}");
            }
            assert_eq!(reply.body.matches("<script").count(), 1, "{path}: only our own file");
            let policy = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
            assert!(!policy.contains("unsafe"));
            assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
            assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }
}

#[tokio::test]
async fn names_from_hosts_are_text_everywhere() {
    let room = Room::new();
    for path in pages() {
        let body = room.get("zhao", &path, "en").await.body;
        for markup in ["<script>alert", "<img src=x"] {
            assert!(!body.contains(markup), "{path}");
        }
    }
    let hosts = room.get("zhao", "/hosts", "en").await.body;
    assert!(
        hosts.contains("alert(&#39;host&#39;)") || hosts.contains("alert(&#x27;host") || hosts.contains("&#60;script"),
        "shown"
    );
    let host = room.get("zhao", &format!("/hosts/{}", host_id(4)), "en").await.body;
    assert!(host.contains("alert(") && !host.contains(HOSTILE));
}

#[tokio::test]
async fn the_board_puts_the_worst_and_unowned_first() {
    let room = Room::new();
    let body = room.get("wang", "/", "zh-CN").await.body;
    let at = |number: &str| {
        body.find(&format!("href=\"/t/{number}\""))
            .unwrap_or_else(|| panic!("{number} is missing"))
    };
    assert!(at("1042") < at("1038") && at("1038") < at("1041") && at("1041") < at("1040") && at("1040") < at("1039"));
    assert!(body.contains("剩余 12 分钟 · 03:16 前响应"), "{body}");
    assert!(body.contains("backup-01") && body.contains("李工"));
    let calm = Room::of(Fake::calm(NOW)).get("wang", "/", "zh-CN").await.body;
    assert!(calm.contains("一切正常，已持续 3 小时 20 分钟"), "{calm}");
}

#[tokio::test]
async fn a_ticket_says_whose_it_is_and_under_which_contract() {
    let room = Room::new();
    let ticket = room.get("wang", "/t/1042", "zh-CN").await.body;
    for expected in ["市民中心", "运维一期", "/registers/contracts/"] {
        assert!(ticket.contains(expected), "{expected}");
    }
    let theirs = room.get("sun", "/t/1042", "zh-CN").await.body;
    assert!(theirs.contains("运维一期") && !theirs.contains("/registers/"));
}

#[tokio::test]
async fn an_address_typed_from_memory_leads_where_it_was_meant_to() {
    let room = Room::new();
    for (typed, meant) in [
        ("/tickets/1042", "/t/1042"),
        ("/ticket/1042", "/t/1042"),
        ("/registers", "/registers/customers"),
        ("/host", "/hosts"),
    ] {
        let reply = room.get("wang", typed, "en").await;
        assert_eq!((reply.status, reply.place()), (StatusCode::SEE_OTHER, meant), "{typed}");
    }
    let lost = room.get("wang", "/nonsense", "zh-CN").await;
    assert_eq!(lost.status, StatusCode::NOT_FOUND);
    assert!(
        !lost.body.contains("there is no such thing"),
        "it is said in the reader's language"
    );
}

#[tokio::test]
async fn the_script_gets_the_inner_part_alone() {
    let room = Room::new();
    let part = room.get("wang", "/?part=1", "en").await.body;
    assert!(
        !part.contains("<html") && part.trim_start().starts_with("<main"),
        "{part}"
    );
    assert_eq!(room.get("", "/?part=1", "en").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_step_is_taken_and_a_late_one_is_explained_with_its_input_kept() {
    let room = Room::new();
    let taken = room.post("wang", "/t/1042/accept", "revision=1").await;
    assert_eq!((taken.status, taken.place()), (StatusCode::SEE_OTHER, "/t/1042"));
    let late = room
        .post("li", "/t/1042/cancel", "revision=1&reason=my+%3Creason%3E")
        .await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(
        late.body.contains("moved on") && late.body.contains("my &#60;reason&#62;"),
        "{}",
        late.body
    );
    let empty = room.post("wang", "/t/1042/note", "text=").await;
    assert_eq!(empty.status, StatusCode::BAD_REQUEST);
    assert!(empty.body.contains("`text`"));
    let noted = room
        .post("wang", "/t/1042/note", "text=called+the+customer&revision=1")
        .await;
    assert_eq!(noted.status, StatusCode::SEE_OTHER);
    assert!(
        room.get("wang", "/t/1042", "en")
            .await
            .body
            .contains("called the customer")
    );
}

#[tokio::test]
async fn a_page_link_shows_on_get_and_accepts_on_post() {
    let room = Room::new();
    let path = link::path(&room.fake.link_key(), room.fake.page_of(1042));
    for _ in 0..3 {
        let shown = room.get("", &path, "zh-CN").await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(shown.body.contains("接单") && shown.body.contains("待受理"));
        assert!(!shown.body.contains("<script") && shown.body.len() <= 50 * 1024);
    }
    let accepted = room.post("", &path, "").await;
    assert_eq!(
        (accepted.status, accepted.place()),
        (StatusCode::SEE_OTHER, path.as_str())
    );
    let shown = room.get("", &path, "zh-CN").await.body;
    assert!(shown.contains("已由您接单") && !shown.contains("<form"), "{shown}");
    assert_eq!(
        room.post("", &path, "").await.status,
        StatusCode::SEE_OTHER,
        "pressed twice"
    );
    let timeline = room.get("wang", "/t/1042", "zh-CN").await.body;
    assert!(timeline.contains("通知链接") && timeline.contains("王工"));
}

#[tokio::test]
async fn a_page_link_of_a_restored_or_taken_ticket_says_so() {
    let room = Room::new();
    room.fake.put(1042, TicketState::Restored);
    let path = link::path(&room.fake.link_key(), room.fake.page_of(1042));
    assert!(room.get("", &path, "zh-CN").await.body.contains("业务已恢复，不必接单"));
    let refused = room.post("", &path, "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("restored") || refused.body.contains("Restored"));
    let taken = link::path(&room.fake.link_key(), room.fake.page_of(1041));
    assert!(room.get("", &taken, "en").await.body.contains("李工 has accepted it"));
}

#[tokio::test]
async fn a_page_link_that_is_too_old_shows_nothing_and_accepts_nothing() {
    let room = Room::new();
    let path = link::path(&room.fake.link_key(), room.fake.page_of(1042));
    room.fake.pass(std::time::Duration::from_secs(8 * 86_400));
    let shown = room.get("", &path, "zh-CN").await;
    assert_eq!(shown.status, StatusCode::GONE);
    assert!(
        shown.body.contains("链接已过期") && !shown.body.contains("1042"),
        "{}",
        shown.body
    );
    assert_eq!(room.post("", &path, "").await.status, StatusCode::GONE);
}

#[tokio::test]
async fn every_wrong_page_link_gets_one_answer() {
    let room = Room::new();
    let foreign = link::path(&[1; 32], room.fake.page_of(1042));
    let unknown = link::path(&room.fake.link_key(), tocsin_vocabulary::PageId::from_bytes([0; 16]));
    let mut bodies = Vec::new();
    for path in [foreign.as_str(), unknown.as_str(), "/p/nonsense", "/p/%00"] {
        let reply = room.get("", path, "en").await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        bodies.push(reply.body.replace(&crate::markup::escape(path), ""));
        assert_eq!(room.post("", path, "").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn phone_pages_are_small() {
    let room = Room::new();
    for path in ["/", "/t/1042", "/inbox"] {
        let reply = room.get("wang", path, "zh-CN").await;
        assert!(reply.body.len() <= 50 * 1024, "{path}: {} bytes", reply.body.len());
    }
}

#[tokio::test]
async fn assets_are_kept_by_their_hash() {
    let room = Room::new();
    let url = crate::assets::url("console.css");
    let reply = room.get("", &url, "en").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(
        reply.headers[header::CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let tag = reply.headers[header::ETAG].clone();
    let again = super::request("GET", &url, "")
        .header(header::IF_NONE_MATCH, tag)
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(room.send(again).await.status, StatusCode::NOT_MODIFIED);
    let old = room.get("", "/assets/0000000000000000/console.css", "en").await;
    assert_eq!(old.headers[header::CACHE_CONTROL], "no-cache");
    assert_eq!(
        room.get("", "/assets/0/nothing.css", "en").await.status,
        StatusCode::NOT_FOUND
    );
}
