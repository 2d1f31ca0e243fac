//! Mail against a small SMTP server on this machine.

use super::*;
use crate::worker::tests::envelope;
use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::oneshot,
};

/// Takes one mail, answering its end with `verdict`; gives the envelope's addresses and the message.
async fn server(verdict: &'static str) -> (u16, oneshot::Receiver<(Vec<String>, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(b"220 mail.example.com ESMTP\r\n").await.unwrap();
        let mut addresses = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let answer: &[u8] = match line.split([' ', ':']).next().unwrap() {
                "EHLO" => b"250-mail.example.com\r\n250 8BITMIME\r\n",
                "MAIL" | "RCPT" => {
                    addresses.push(line.clone());
                    b"250 ok\r\n"
                }
                "DATA" => b"354 go on\r\n",
                _ => b"250 ok\r\n",
            };
            write.write_all(answer).await.unwrap();
            if line == "DATA" {
                break;
            }
        }
        let mut message = String::new();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| line != ".") {
            message.push_str(&line);
            message.push('\n');
        }
        write.write_all(verdict.as_bytes()).await.unwrap();
        let _ = tell.send((addresses, message));
        while let Ok(Some(_)) = lines.next_line().await {
            let _ = write.write_all(b"221 bye\r\n").await;
        }
    });
    (port, told)
}

fn mail(port: u16) -> Mail {
    let config: MailConfig = toml::from_str(&format!(
        "host = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\nfrom = \"Tocsin <tocsin@example.com>\""
    ))
    .unwrap();
    Mail::new(&config, &Common::default()).unwrap()
}

/// Undoes header folding and RFC 2047 encoded words.
fn header(message: &str, name: &str) -> String {
    let (head, _) = message.split_once("\n\n").unwrap();
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    let line = unfolded
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
        .unwrap();
    let mut bytes = Vec::new();
    let mut after_encoded = false;
    for word in line.split(' ') {
        let encoded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        if !(bytes.is_empty() || after_encoded && encoded.is_some()) {
            bytes.push(b' ');
        }
        after_encoded = encoded.is_some();
        match encoded {
            Some(encoded) => bytes.extend(STANDARD.decode(encoded).unwrap()),
            None => bytes.extend(word.as_bytes()),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn text(message: &str) -> String {
    let (_, body) = message.split_once("\n\n").unwrap();
    match header(message, "Content-Transfer-Encoding").as_str() {
        "base64" => String::from_utf8(STANDARD.decode(body.replace('\n', "")).unwrap()).unwrap(),
        _ => body.to_owned(),
    }
}

#[tokio::test]
async fn a_mail_arrives_in_the_persons_language() {
    let (port, told) = server("250 queued as 7\r\n").await;
    let receipt = mail(port)
        .send(&envelope(1042, "mail"), Timestamp::from_millis(0))
        .await
        .unwrap();
    assert_eq!(receipt.answer, "250 queued as 7");
    let (addresses, message) = told.await.unwrap();
    assert!(
        addresses[0].starts_with("MAIL FROM:<tocsin@example.com>"),
        "{addresses:?}"
    );
    assert!(addresses[1].starts_with("RCPT TO:<zhang@example.com>"), "{addresses:?}");
    assert!(message.is_ascii(), "what is not ASCII is encoded");
    assert_eq!(header(&message, "Subject"), "[警钟] #1042 新工单：web-1 磁盘已满");
    assert_eq!(header(&message, "To"), "张三 <zhang@example.com>");
    assert_eq!(
        header(&message, "Message-ID"),
        "<1042-opened-1-someone-mail@example.com>"
    );
    assert_eq!(header(&message, "Date"), "Thu, 01 Jan 1970 00:00:00 +0000");
    let text = text(&message);
    for part in [
        "清理空间",
        "https://tocsin.example.com/p/abc",
        "1042-opened-1-someone-mail",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_hostile_title_stays_in_the_subject() {
    let (port, told) = server("250 ok\r\n").await;
    let mut envelope = envelope(1, "mail");
    envelope.page.title = tocsin_vocabulary::Text::plain("x\r\nBcc: everybody@example.org\r\n\r\nhello");
    envelope.person.name = "Zhang\r\nX-Evil: 1".to_owned();
    mail(port).send(&envelope, Timestamp::from_millis(0)).await.unwrap();
    let (addresses, message) = told.await.unwrap();
    assert_eq!(addresses.len(), 2);
    let (head, _) = message.split_once("\n\n").unwrap();
    assert!(
        head.lines()
            .all(|line| !line.starts_with("Bcc") && !line.starts_with("X-Evil")),
        "{head}"
    );
}

#[tokio::test]
async fn the_servers_verdict_says_whether_to_try_again() {
    for (verdict, kind) in [
        ("451 try later\r\n", SendErrorKind::Temporary),
        ("554 no\r\nBcc: nobody\r\n", SendErrorKind::Permanent),
    ] {
        let (port, _told) = server(verdict).await;
        let error = mail(port)
            .send(&envelope(1, "mail"), Timestamp::from_millis(0))
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(
            error
                .reason
                .starts_with(&format!("127.0.0.1:{port} did not take the mail: ")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_person_without_a_good_address_is_told_of_and_not_tried_again() {
    for (email, expected) in [
        ("", "张三 has no mail address: add one"),
        ("zhang", "`zhang` is not a mail address"),
    ] {
        let mut envelope = envelope(1, "mail");
        envelope.person.email = email.to_owned();
        let error = mail(1).send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Permanent);
        assert!(error.reason.starts_with(expected), "{error}");
    }
}
