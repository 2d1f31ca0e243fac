//! The duty room: rosters, handovers, registers, what tickets bear.

use super::Room;
use crate::{backend::Records as _, link};
use http::StatusCode;
use tocsin_desk::record::Slice;

/// What the audit trail says was done, newest first.
async fn audit_of(room: &Room) -> Vec<String> {
    let lines = room.fake.audit_lines(&Slice::default()).await.unwrap();
    lines.items.into_iter().map(|line| line.action).collect()
}

#[tokio::test]
async fn the_roster_says_who_is_on_duty_and_hides_no_markup() {
    let room = Room::new();
    let body = room.get("zhao", "/roster", "zh-CN").await.body;
    for expected in ["王工", "当前值班", "考试 &#60;i&#62;"] {
        assert!(body.contains(expected), "{expected}");
    }
    assert!(body.contains("name=\"agree\""), "zhao is asked for consent");
    let body = room.get("wang", "/roster", "en").await.body;
    assert!(!body.contains("name=\"agree\"") && !body.contains("/roster/override"));
    let board = room.get("wang", "/", "en").await.body;
    assert!(board.contains("(Standby)") && board.contains("href=\"/handover/7\""));
    assert!(
        !room.get("sun", "/", "en").await.body.contains("/handover/7"),
        "no matter of a customer"
    );
}

#[tokio::test]
async fn a_swap_is_asked_for_oneself_and_an_override_takes_a_lead() {
    let room = Room::new();
    let form = "roster=x&into=li&from=2026-11-23T08:00&to=2026-11-23T20:00&reason=exam&out=zhao";
    assert_eq!(
        room.post("wang", "/roster/swap", form).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(audit_of(&room).await[0], "roster.swap");
    assert_eq!(
        room.post("wang", "/roster/override", form).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        room.post("chen", "/roster/override", form).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        room.post("zhou", "/roster/swap", form).await.status,
        StatusCode::FORBIDDEN
    );
    let wrong = room.post("wang", "/roster/swap", "roster=x&into=li&from=soon").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains("field `from` is no time"), "{}", wrong.body);
}

#[tokio::test]
async fn a_calendars_link_is_its_own_key() {
    let room = Room::new();
    let key = crate::backend::Access::link_key(&*room.fake);
    let tag = link::calendar_tag(&key, "值班室");
    let name = crate::markup::percent("值班室");
    let good = room.get("", &format!("/calendar/{name}/{tag}"), "zh-CN").await;
    assert_eq!(good.status, StatusCode::OK);
    assert!(
        good.body.starts_with("BEGIN:VCALENDAR\r\n") && good.body.contains("王工"),
        "{}",
        good.body
    );
    let wrong = room.get("", &format!("/calendar/{name}/AAAA"), "zh-CN").await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_handover_is_signed_with_a_pin_and_a_wrong_one_is_told_in_place() {
    let room = Room::new();
    let body = room.get("zhao", "/handover/7", "en").await.body;
    assert!(body.contains("Maintenance window web-02"), "what withholds pages");
    assert!(
        body.contains("db-01 nightly") && body.contains("failed"),
        "backups that failed"
    );
    for expected in ["#1042", "32 min left", "&#60;b&#62;db-01", "Not signed by both yet"] {
        assert!(body.contains(expected), "{expected}");
    }
    let wrong = room
        .post("zhao", "/handover/7/sign", "side=coming&login=zhao&pin=1")
        .await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.body.contains("the PIN is wrong") && wrong.body.contains("/handover/7/sign"));
    let good = room
        .post("zhao", "/handover/7/sign", "side=coming&login=zhao&pin=2580")
        .await;
    assert_eq!(good.place(), "/handover/7");
    assert_eq!(
        room.post("qian", "/handover/7/sign", "side=coming").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        room.post("wang", "/handover/7/word", "reason=x").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        room.post("chen", "/handover/7/word", "reason=x").await.place(),
        "/handover/7"
    );
    assert_eq!(
        room.get("zhao", "/handover/8", "en").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn two_pins_that_differ_are_refused() {
    let room = Room::new();
    let wrong = room.post("wang", "/pin", "pin=2580&again=2581").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(!wrong.body.contains("2580"), "a PIN is not shown");
    assert_eq!(
        room.post("wang", "/pin", "pin=2580&again=2580").await.place(),
        "/handover"
    );
}

#[tokio::test]
async fn a_sheet_with_mistakes_is_kept_and_all_of_them_are_told() {
    let room = Room::new();
    let wrong = room.post("wang", "/registers/assets", "csv=colour%0Ared").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    for expected in ["line 1: unknown column", "line 2: name is empty", "colour\nred"] {
        assert!(wrong.body.contains(expected), "{expected}");
    }
    assert!(!wrong.body.contains("`<x>`"), "mistakes are words");
    assert_eq!(
        room.post("wang", "/registers/assets", "csv=name").await.place(),
        "/registers/assets"
    );
    assert_eq!(
        room.post("qian", "/registers/assets", "csv=name").await.status,
        StatusCode::FORBIDDEN
    );
    let export = room.get("qian", "/registers/assets/export.csv", "en").await;
    assert!(
        export.body.contains("name,kind,customer") && export.body.contains("db-01"),
        "{}",
        export.body
    );
    assert_eq!(
        room.get("sun", "/registers/assets", "en").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn the_hotline_opens_a_ticket_and_tells_all_that_is_missing() {
    let room = Room::new();
    let wrong = room
        .post("wang", "/intake", "kind=fault&channel=phone&severity=major")
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    for expected in ["field `caller` is empty", "field `title`", "field `asset`"] {
        assert!(wrong.body.contains(expected), "{expected}");
    }
    let asset = tocsin_vocabulary::AssetId::from_bytes([1; 16]);
    let form = format!("kind=defect&channel=phone&severity=major&caller=sun&title=broken&asset={asset}");
    let good = room.post("wang", "/intake", &form).await;
    assert!(good.place().starts_with("/t/"), "{} {}", good.status, good.body);
    assert_eq!(audit_of(&room).await[..2], ["ticket.step", "ticket.intake"]);
}

#[tokio::test]
async fn a_ticket_shows_who_called_and_what_may_help_and_a_customer_no_internal_note() {
    let room = Room::new();
    let ours = room.get("wang", "/t/1042", "zh-CN").await.body;
    for expected in ["孙主任", "&#60;script&#62;打不开", "★★★★☆"] {
        assert!(ours.contains(expected), "{expected}");
    }
    room.post("wang", "/t/1042/note", "text=internal-words").await;
    assert!(room.get("wang", "/t/1042", "en").await.body.contains("internal-words"));
    assert!(!room.get("sun", "/t/1042", "en").await.body.contains("internal-words"));
    assert_eq!(
        room.post("wang", "/t/1042/sheet/link", "other=1041").await.place(),
        "/t/1042"
    );
    assert_eq!(
        room.post("sun", "/t/1042/sheet/link", "other=1041").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        room.post("sun", "/t/1038/sheet/rate", "stars=5").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn many_tickets_are_accepted_at_once_and_each_says_what_came_of_it() {
    let room = Room::new();
    let reply = room
        .post("wang", "/batch", "action=accept&number=1042&number=9999")
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(
        reply.body.contains("href=\"/t/1042\"") && reply.body.contains("✕ #9999"),
        "{}",
        reply.body
    );
    assert_eq!(
        room.post("wang", "/batch", "action=cancel&number=1042").await.status,
        StatusCode::BAD_REQUEST
    );
}
