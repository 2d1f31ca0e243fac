//! Papers: files, approvals, signatures; and what of all of them a customer sees.

use super::{Room, fake::papers::SIGN_SECRET, request};
use crate::backend::Records as _;
use axum::body::Body;
use http::{StatusCode, header};
use tocsin_desk::record::Slice;

async fn last_audited(room: &Room) -> String {
    let lines = room.fake.audit_lines(&Slice::default()).await.unwrap();
    lines.items.first().map(|line| line.action.clone()).unwrap_or_default()
}

/// Sends a file as a browser's form does.
async fn upload(room: &Room, login: &str, content: &[u8]) -> super::Reply {
    let mut body = b"--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nevidence\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: text/html\r\n\r\n".to_vec();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let request = request("POST", "/t/1042/attachments", &room.cookies(login, "en"))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .header("sec-fetch-site", "same-origin");
    room.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_file_is_taken_by_its_content_and_leaves_as_a_download_that_does_nothing() {
    let room = Room::new();
    let sent = upload(&room, "wang", b"\xFF\xD8\xFF\xE0 photo").await;
    assert_eq!(sent.place(), "/t/1042/paper", "{}", sent.body);
    assert_eq!(last_audited(&room).await, "attachment.add");
    let refused = upload(&room, "wang", b"\x7fELF").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("the file is none of those"));
    let empty = upload(&room, "wang", b"").await;
    assert!(empty.body.contains("no file was chosen"), "{}", empty.body);
    assert_eq!(upload(&room, "qian", b"x").await.status, StatusCode::FORBIDDEN);
    let huge = vec![b'x'; tocsin_desk::paper::attachment::BYTES_MAX + 100_000];
    let huge = upload(&room, "wang", &huge).await;
    assert_eq!(huge.status, StatusCode::BAD_REQUEST);
    assert!(huge.body.contains("larger than 8 MiB"));

    let request = request("GET", "/t/1042/attachments/2", &room.cookies("wang", "en"));
    let response = tower::ServiceExt::oneshot(room.router.clone(), request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let told = |name: header::HeaderName| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(told(header::CONTENT_TYPE), "image/jpeg");
    assert_eq!(told(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert!(told(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; sandbox"));
    assert_eq!(
        told(header::CONTENT_DISPOSITION),
        "attachment; filename=\"____ 1.jpg\"; filename*=UTF-8''%E7%8E%B0%E5%9C%BA%E7%85%A7%E7%89%87%201.jpg"
    );
}

#[tokio::test]
async fn an_approval_is_asked_answered_recorded_and_signed_by_those_who_may() {
    let room = Room::new();
    let body = room.get("wang", "/t/1042/paper", "en").await.body;
    for expected in [
        "granted · unsigned",
        "waits for an answer",
        "&#60;b&#62;B",
        "PIN of",
        "Granted by phone",
    ] {
        assert!(body.contains(expected), "{expected}");
    }
    assert!(!body.contains("/paper/answer"), "an operator approves nothing");
    let body = room.get("chen", "/t/1042/paper", "zh-CN").await.body;
    assert!(body.contains("/paper/answer") && body.contains("未补签"));
    let ask = "what=x&risk=y&rollback=z&from=2026-11-22T05:00&to=2026-11-22T06:00&of=lead";
    for (login, what, form, status) in [
        ("wang", "ask", ask, StatusCode::SEE_OTHER),
        ("qian", "ask", ask, StatusCode::FORBIDDEN),
        ("wang", "ask", "what=x&from=soon", StatusCode::BAD_REQUEST),
        ("wang", "answer", "id=3&granted=yes", StatusCode::FORBIDDEN),
        ("chen", "answer", "id=3&granted=yes", StatusCode::SEE_OTHER),
        ("chen", "answer", "id=3&granted=perhaps", StatusCode::BAD_REQUEST),
        (
            "wang",
            "phone",
            "id=3&granted=yes&approver=chen&said_at=2026-11-22T03:00",
            StatusCode::SEE_OTHER,
        ),
        ("wang", "sign", "id=2&login=chen&pin=1", StatusCode::FORBIDDEN),
        ("wang", "sign", "id=2&login=chen&pin=2580", StatusCode::SEE_OTHER),
        ("wang", "withdraw", "id=3", StatusCode::SEE_OTHER),
        ("wang", "eat", "id=3", StatusCode::NOT_FOUND),
        (
            "wang",
            "call",
            "whom=x&answer=y&at=2026-11-22T03:00&content=yes",
            StatusCode::SEE_OTHER,
        ),
        (
            "sun",
            "call",
            "whom=x&answer=y&at=2026-11-22T03:00&content=yes",
            StatusCode::FORBIDDEN,
        ),
        ("sun", "show", "file=1&published=yes", StatusCode::FORBIDDEN),
    ] {
        let reply = room.post(login, &format!("/t/1042/paper/{what}"), form).await;
        assert_eq!(reply.status, status, "{login} {what} {form}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_customer_sees_what_was_published_and_nothing_else() {
    let room = Room::new();
    let note = room.post("wang", "/t/1042/note", "text=internal-words").await;
    assert_eq!(note.status, StatusCode::SEE_OTHER, "{}", note.body);
    for path in [
        "/t/1042",
        "/t/1042/paper",
        "/tickets",
        "/",
        "/api/v1/tickets/1042",
        "/api/v1/tickets",
    ] {
        let body = room.get("sun", path, "zh-CN").await.body;
        for secret in ["internal-", "王工", "陈班长", "赵工", "/replay", "/registers"] {
            assert!(!body.contains(secret), "{path} tells {secret}");
        }
    }
    let body = room.get("sun", "/t/1042/paper", "zh-CN").await.body;
    assert!(body.contains("现场照片 1.jpg"), "what was published is there");
    assert_eq!(
        room.get("sun", "/t/1042/attachments/1", "en").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        room.get("sun", "/t/1038/paper", "en").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        room.get("", "/t/1042/attachments/2", "en").await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_link_to_sign_is_its_own_key_and_what_is_signed_is_what_was_shown() {
    let room = Room::new();
    let offered = room.post("wang", "/t/1042/paper/offer", "").await;
    assert!(
        offered.body.contains(&format!("/sign/{SIGN_SECRET}")),
        "{}",
        offered.body
    );
    let path = format!("/sign/{SIGN_SECRET}");
    assert_eq!(room.get("", "/sign/another", "en").await.status, StatusCode::NOT_FOUND);
    let page = room.get("", &path, "en").await;
    assert_eq!(page.status, StatusCode::OK, "nobody need sign in");
    assert!(
        page.body.contains("Ticket #") && page.body.contains("Asset: "),
        "{}",
        page.body
    );
    let chinese = room.get("", &path, "zh-CN").await.body;
    assert!(
        chinese.contains("维保对象") && chinese.contains("特此确认"),
        "{chinese}"
    );
    assert!(
        !chinese.contains("王工") && !chinese.contains("internal-"),
        "of the house nothing but the work"
    );
    let form = |hash: &str, ink: &str| format!("name=Sun&hash={hash}&ink={ink}");
    let stale = room.post("", &path, &form(&"0".repeat(64), "1.1-300.300")).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let hash = page
        .body
        .split("name=\"hash\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let Some(hash) = hash else { panic!("{}", page.body) };
    let empty = room.post("", &path, &form(hash, "")).await;
    assert!(empty.body.contains("nobody has signed yet") && empty.body.contains("value=\"Sun\""));
    assert_eq!(room.post("", &path, &form(hash, "1.1-300.300")).await.place(), path);
    assert_eq!(last_audited(&room).await, "confirmation.signature");
}
