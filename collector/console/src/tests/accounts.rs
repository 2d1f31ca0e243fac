//! Accounts through the router: who sees what, what a customer may say, sheets in and out, reports, times.

use super::Room;
use http::{Request, StatusCode, header};

#[tokio::test]
async fn contracts_show_how_available_they_were_and_where_maintenance_ends() {
    let room = Room::new();
    let reply = room.get("wang", "/accounts?from=2026-11-01&to=2026-11-30", "en").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    for expected in [
        "运维一期",
        "HIS 维保",
        "2027-01-02",
        "Service document",
        "waits for the customer",
    ] {
        assert!(reply.body.contains(expected), "{expected}");
    }
    assert!(
        !reply.body.contains("100.0000 %</b>"),
        "what was down is never shown as whole"
    );
    let contract = tocsin_vocabulary::ContractId::from_bytes([1; 16]);
    let reply = room
        .get("wang", &format!("/accounts/contracts/{contract}"), "zh-CN")
        .await;
    for expected in ["维保到期", "2027-01-02", "不足一天按一天", "db-01"] {
        assert!(reply.body.contains(expected), "{expected}: {}", reply.body);
    }
    let wrong = room.get("wang", "/accounts?from=yesterday", "en").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_customer_sees_their_own_downtimes_and_speaks_for_nobody_else() {
    let room = Room::new();
    let reply = room.get("sun", "/accounts", "en").await;
    assert!(
        reply.body.contains("运维一期") && !reply.body.contains("HIS"),
        "{}",
        reply.body
    );
    assert!(
        !reply.body.contains("Service document"),
        "what is owed is the house's own matter"
    );
    assert_eq!(
        room.get("sun", "/downtimes/3", "en").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        room.post("sun", "/downtimes/3/agree", "").await.status,
        StatusCode::NOT_FOUND
    );
    let export = room.get("sun", "/accounts/downtimes.csv", "en").await;
    assert!(export.body.contains("db-01") && !export.body.contains("his-app-01"));

    let own = room.get("sun", "/downtimes/1", "en").await;
    assert!(
        own.body.contains("&#60;i&#62;数据库"),
        "words are no markup: {}",
        own.body
    );
    assert!(own.body.contains("/downtimes/1/agree") && !own.body.contains("name=\"who\""));
    assert_eq!(
        room.post("sun", "/downtimes/1/agree", "seen=1").await.place(),
        "/downtimes/1"
    );
    assert_eq!(room.fake.audited().last().map(String::as_str), Some("downtime.agree"));
    // To correct is the house's to do.
    let correct = "from=2026-11-20T10:00&to=2026-11-20T11:00&cause=ours&words=x";
    let refused = room.post("sun", "/downtimes/1/correct", correct).await.status;
    assert_eq!(refused, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn somebody_of_the_house_says_whose_word_it_was() {
    let room = Room::new();
    let page = room.get("wang", "/downtimes/1", "en").await.body;
    assert!(page.contains("name=\"who\"") && page.contains("by phone"), "{page}");
    let agree = room
        .post("wang", "/downtimes/1/agree", "who=Li&how=account&seen=1")
        .await;
    assert_eq!(agree.place(), "/downtimes/1");
    assert_eq!(
        room.post("qian", "/downtimes/1/agree", "who=Li").await.status,
        StatusCode::FORBIDDEN
    );
    let claimed = room.post("wang", "/t/1042/downtime", "from=&cause=ours&words=x").await;
    assert_eq!(claimed.status, StatusCode::BAD_REQUEST);
    assert!(claimed.body.contains("field `from` is no time"), "{}", claimed.body);
    let form = "from=2026-11-20T10:00&to=&cause=ours&words=down";
    assert_eq!(
        room.post("wang", "/t/1042/downtime", form).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_customer_reads_the_issued_report_and_nothing_of_how_it_came_to_be() {
    let room = Room::new();
    let house = room.get("wang", "/t/1042/reports/incident", "en").await.body;
    assert!(
        house.contains("/t/1042/reports/incident/write") && house.contains("Version 1"),
        "{house}"
    );
    let theirs = room.get("sun", "/t/1042/reports/incident", "en").await;
    assert_eq!(theirs.status, StatusCode::OK);
    assert!(theirs.body.contains("prevention &#60;b&#62;日志"), "{}", theirs.body);
    assert!(!theirs.body.contains("/write\""), "{}", theirs.body);
    assert_eq!(
        room.get("sun", "/t/1042/reports/service", "en").await.status,
        StatusCode::NOT_FOUND
    );
    let markdown = room.get("sun", "/t/1042/reports/incident/markdown", "en").await;
    assert!(markdown.body.starts_with("# Incident report"), "{}", markdown.body);
    assert!(markdown.body.contains("\\<b\\>"), "{}", markdown.body);
    let disposition = markdown.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"incident-1042-v1.md\"");
    let gone = room.get("sun", "/t/1042/reports/incident/paper?version=9", "en").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let written = room
        .post("wang", "/t/1042/reports/service/write", "work=x&result=y&seen=0")
        .await;
    assert_eq!(written.place(), "/t/1042/reports/service");
    // To issue is a lead's to do.
    assert_eq!(
        room.post("wang", "/t/1042/reports/incident/issue", "").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        room.post("chen", "/t/1042/reports/incident/issue", "").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn times_are_entered_late_by_those_who_work_on_tickets() {
    let room = Room::new();
    let page = room.get("wang", "/t/1042/times", "zh-CN").await.body;
    for expected in ["补录时间", "实际时间", "录入时间", "响应 · 停止"] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let entered = "moment=accepted&at=2026-11-22T02:00&reason=by+phone";
    assert_eq!(
        room.post("wang", "/t/1042/times/enter", entered).await.place(),
        "/t/1042/times"
    );
    let wrong = room
        .post("wang", "/t/1042/times/enter", "moment=breakfast&at=&reason=x")
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        room.post("qian", "/t/1042/times/enter", entered).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        room.get("sun", "/t/1042/times", "en").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_workbook_is_taken_as_a_file_and_given_as_one() {
    let room = Room::new();
    let rows = vec![vec!["x".to_owned()]];
    let now = super::NOW;
    let book =
        |column: &str| tocsin_sheets::write(tocsin_sheets::Form::Xlsx, "资产", &[column], rows.clone(), now).unwrap();
    let send = async |bytes: Vec<u8>| {
        let mut body = b"--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.xlsx\"\r\n\r\n".to_vec();
        body.extend(bytes);
        body.extend(b"\r\n--cut--\r\n");
        let request = super::request("POST", "/registers/assets", &room.cookies("wang", "en"))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=cut")
            .header("sec-fetch-site", "same-origin");
        let request: Request<axum::body::Body> = request.body(body.into()).unwrap();
        room.send(request).await
    };
    assert_eq!(send(book("name")).await.place(), "/registers/assets");
    assert_eq!(send(book("colour")).await.status, StatusCode::BAD_REQUEST);
    let damaged = send(b"PK\x03\x04 nothing".to_vec()).await;
    assert!(damaged.body.contains("the workbook is damaged"), "{}", damaged.body);
    let none = send(Vec::new()).await;
    assert!(none.body.contains("choose a file"), "{}", none.body);
}
