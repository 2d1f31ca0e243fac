//! What is told about hosts: verdicts, events, the first steps, a person's report.

use super::{Fake, NOW, Room, host_id};
use http::StatusCode;
use tocsin_desk::model::TicketState;

fn host(n: u8) -> String {
    format!("/hosts/{}", host_id(n))
}

#[tokio::test]
async fn the_verdict_says_what_is_true() {
    let room = Room::new();
    let wrong = room.get("wang", &host(1), "en").await.body;
    assert!(
        wrong.contains("One problem: db-01"),
        "its ticket and its alert are one problem"
    );
    // It works again: the alert cleared, the ticket waits for a person.
    room.fake.restore(1042);
    for (language, sentence) in [
        (
            "en",
            "Well again since 03:04; ticket #1042 waits for cause and solution.",
        ),
        ("zh-CN", "03:04 起已恢复正常；工单 #1042 待填写原因和解决办法。"),
    ] {
        let well = room.get("wang", &host(1), language).await.body;
        assert!(
            well.contains(sentence) && well.contains("class=\"verdict well\""),
            "{well}"
        );
    }
    room.fake.put(1042, TicketState::Resolved);
    let resolved = room.get("wang", &host(1), "en").await.body;
    assert!(resolved.contains("ticket #1042 waits for the customer"), "{resolved}");
    room.fake.put(1042, TicketState::Closed);
    assert!(room.get("wang", &host(1), "en").await.body.contains("All is well."));
    assert!(
        room.get("wang", &host(5), "en")
            .await
            .body
            .contains("Silent for 17 min")
    );
}

#[tokio::test]
async fn events_of_a_day_are_told_in_the_readers_words_and_unknown_ones_by_name() {
    let room = Room::new();
    let english = room.get("wang", &host(1), "en").await.body;
    assert!(english.contains("process gone") && english.contains("link down") && english.contains("eth1"));
    let chinese = room.get("wang", &host(1), "zh-CN").await.body;
    assert!(chinese.contains("进程退出") && chinese.contains("链路断开"));
    assert!(
        chinese.contains("new&#60;/b&#62;.kind"),
        "an unknown name is shown as sent, as text"
    );
    assert!(!chinese.contains("<script>alert"));
    assert!(!english.contains("agent started"), "that was the day before");
    let path = format!("/api/v1{}/events", host(1));
    let listed = room.api("wang", "GET", &path, "").await.json();
    assert_eq!(listed["items"][0]["name"], "process.group.gone");
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    let all = room
        .api("wang", "GET", &format!("{path}?from=2026-11-20T00:00:00Z"), "")
        .await
        .json();
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    assert_eq!(
        room.api("sun", "GET", &format!("/api/v1{}/events", host(8)), "")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn before_the_first_host_the_next_step_is_told() {
    let room = Room::of(Fake::bare(NOW));
    for path in ["/", "/hosts"] {
        let body = room.get("wang", path, "en").await.body;
        assert!(body.contains("tocsin-collector token create"), "{path}");
        assert!(body.contains("href=\"/help/hosts-and-enrolment\""), "{path}");
        assert!(!body.contains("All calm"), "{path}: nothing watched is not calm");
        let customer = room.get("sun", path, "zh-CN").await.body;
        assert!(
            customer.contains("还没有任何主机") && !customer.contains("token create"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_person_reports_a_fault_and_a_wrong_form_comes_back_filled() {
    let room = Room::new();
    let form = room
        .get("wang", &format!("/report?host={}", host_id(2)), "zh-CN")
        .await
        .body;
    assert!(form.contains(&format!("value=\"{}\" selected", host_id(2))) && form.contains("致命"));
    let sent = |host: u8, rest: &str| format!("host={}&{rest}", host_id(host));
    let wrong = room
        .post(
            "wang",
            "/report",
            &sent(2, "title=nobody+can+print&severity=awful&began="),
        )
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains("`severity`") && wrong.body.contains("nobody can print"));
    let foreign = room.post("sun", "/report", &sent(8, "title=x&severity=major")).await;
    assert_eq!(
        foreign.status,
        StatusCode::BAD_REQUEST,
        "another customer's host is no host"
    );
    let refused = room.post("qian", "/report", &sent(2, "title=x&severity=major")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let good = room
        .post(
            "wang",
            "/report",
            &sent(2, "title=nobody+can+print&severity=minor&began=2026-11-22T02%3A30"),
        )
        .await;
    assert_eq!((good.status, good.place()), (StatusCode::SEE_OTHER, "/t/2000"));
    assert!(
        room.get("wang", "/t/2000", "en")
            .await
            .body
            .contains("nobody can print")
    );
    assert!(room.get("wang", &host(2), "en").await.body.contains("/t/2000"));
    for (login, offered) in [("wang", true), ("qian", false)] {
        let body = room.get(login, "/tickets", "en").await.body;
        assert_eq!(body.contains("href=\"/report\""), offered, "{login}");
    }
}

#[tokio::test]
async fn pages_with_charts_stay_small() {
    let room = Room::new();
    let size = room.get("wang", &host(1), "zh-CN").await.body.len();
    assert!(size <= 100 * 1024, "{size} bytes");
    let ticket = room.get("wang", "/t/1042", "zh-CN").await.body;
    assert!(ticket.contains("class=\"narrow\"") && ticket.contains("class=\"roomy\""));
}
