//! Units by their bytes, and a session with a message centre that throttles, tells and hangs up.

use super::*;
use crate::{
    channel::{Channel, Reached, SendErrorKind},
    worker::tests::envelope,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

fn smpp(port: u16) -> (SmppConfig, SecretText) {
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "hush").unwrap();
    let password = Secret::read_text(&password_file).unwrap();
    let config = SmppConfig {
        host: "127.0.0.1".to_owned(),
        port,
        system_id: "tocsin".to_owned(),
        password_file: folder.keep().join("password"),
        system_type: String::new(),
        source: "10690000".to_owned(),
    };
    (config, password)
}

fn dialect() -> Smpp {
    let (config, password) = smpp(1);
    Smpp { config, password }
}

#[test]
fn signing_in_is_as_specified() {
    let hello = dialect().hello(1, Timestamp::from_millis(0));
    let mut expected = vec![0, 0, 0, 33, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1];
    expected.extend(b"tocsin\0hush\0\0");
    expected.extend([0x34, 0, 0, 0]);
    assert_eq!(hello, expected);
}

#[test]
fn a_part_of_a_long_text_bears_a_header_and_asks_for_a_receipt() {
    let part = Part {
        number: "+8613800000001".to_owned(),
        text: "工单".encode_utf16().collect(),
        reference: 9,
        total: 2,
        index: 2,
    };
    let unit = dialect().submit(5, &part);
    let mut expected = vec![0, 0, 0, 64, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 1];
    expected.extend(b"10690000\0\x01\x018613800000001\0");
    expected.extend([
        0x40, 0, 0, 0, 0, 1, 0, 8, 0, 10, 5, 0, 3, 9, 2, 2, 0x5D, 0xE5, 0x53, 0x55,
    ]);
    assert_eq!(unit.len(), 64);
    assert_eq!(unit, expected);
}

#[test]
fn a_receipt_is_found_however_the_centre_counts() {
    let text =
        "id:0000001234 sub:001 dlvrd:001 submit date:2611221104 done date:2611221105 stat:DELIVRD err:000 text:x";
    let Some(Incoming::Report {
        references, outcome, ..
    }) = receipt(text)
    else {
        panic!("a receipt")
    };
    assert_eq!(outcome, Outcome::Delivered);
    for spelling in ["1234", "4d2", "000004D2", "0000001234"] {
        assert!(
            references.contains(&spelling.to_owned()),
            "{spelling} in {references:?}"
        );
    }
    assert_eq!(receipt("id:1 stat:ENROUTE"), None);
    assert!(matches!(
        receipt("id:a1 STAT:UNDELIV"),
        Some(Incoming::Report {
            outcome: Outcome::Failed,
            ..
        })
    ));
    assert_eq!(receipt("hello"), None);
}

#[test]
fn any_bytes_are_a_unit_or_refused() {
    let smpp = dialect();
    bolero::check!().for_each(|bytes: &[u8]| {
        let _ = smpp.read(bytes);
        for command in [DELIVER_SM, SUBMIT_SM | RESPONSE] {
            let _ = smpp.read(&unit(command, 0, 1, bytes));
        }
    });
}

/// What the fake centre reads: command, sequence, body.
async fn read(stream: &mut TcpStream) -> Option<(u32, u32, Vec<u8>)> {
    let length = stream.read_u32().await.ok()?;
    let (command, _status, seq) = (
        stream.read_u32().await.ok()?,
        stream.read_u32().await.ok()?,
        stream.read_u32().await.ok()?,
    );
    let mut body = vec![0; usize::try_from(length).unwrap() - 16];
    stream.read_exact(&mut body).await.ok()?;
    Some((command, seq, body))
}

/// A `deliver_sm` from a phone.
fn deliver(seq: u32, class: u8, coding: u8, text: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 1];
    body.extend(b"8613800000001\0\x00\x0110690000\0");
    body.extend([class, 0, 0, 0, 0, 0, 0, coding, 0, u8::try_from(text.len()).unwrap()]);
    body.extend(text);
    unit(DELIVER_SM, 0, seq, &body)
}

/// A centre that throttles the first message, takes the second, tells of it, brings a reply, and hangs up at the third.
async fn centre(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut submitted = 0;
    while let Some((command, seq, body)) = read(&mut stream).await {
        let answers = match command {
            BIND_TRANSCEIVER => {
                assert!(body.starts_with(b"tocsin\0hush\0"));
                vec![
                    unit(command | RESPONSE, 0, seq, b"fake\0"),
                    unit(ENQUIRE_LINK, 0, 77, &[]),
                ]
            }
            SUBMIT_SM => {
                submitted += 1;
                match submitted {
                    1 => vec![unit(command | RESPONSE, ESME_RTHROTTLED, seq, &[])],
                    2 => {
                        let told = b"id:171 sub:001 dlvrd:001 stat:DELIVRD err:000 text:";
                        let reply = sms::utf16_be(&"接1042 07".encode_utf16().collect::<Vec<_>>());
                        vec![
                            unit(command | RESPONSE, 0, seq, b"ab\0"),
                            deliver(1, RECEIPT, 0, told),
                            deliver(2, 0, UCS2, &reply),
                        ]
                    }
                    _ => return,
                }
            }
            _ => continue,
        };
        for answer in answers {
            stream.write_all(&answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_obeys_the_throttle_and_brings_receipts_and_replies() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (config, _) = smpp(listener.local_addr().unwrap().port());
    tokio::spawn(centre(listener));
    let session = open(&config, &Common::default()).unwrap();
    let mut envelope = envelope(1042, "sms");
    envelope.person.phone = "+8613800000001".to_owned();
    let now = Timestamp::from_millis(0);

    let throttled = session.send(&envelope, now).await.unwrap_err();
    assert_eq!(
        (throttled.kind, throttled.retry_after),
        (SendErrorKind::Temporary, Some(THROTTLED))
    );
    let receipt = session.send(&envelope, now).await.unwrap();
    assert_eq!((receipt.reference.as_str(), receipt.reached), ("ab", Reached::Accepted));
    // 0xab is 171.
    assert!(
        matches!(session.incoming(now).await, Incoming::Report { references, .. } if references.contains(&"ab".to_owned()))
    );
    let reply = Incoming::Reply {
        from: "8613800000001".to_owned(),
        text: "接1042 07".to_owned(),
    };
    assert_eq!(session.incoming(now).await, reply);
    let lost = session.send(&envelope, now).await.unwrap_err();
    assert_eq!(lost.kind, SendErrorKind::Unknown, "{lost}");
}

#[tokio::test]
async fn a_centre_that_refuses_us_is_told_with_the_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (config, _) = smpp(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (command, seq, _) = read(&mut stream).await.unwrap();
        stream
            .write_all(&unit(command | RESPONSE, ESME_RINVPASWD, seq, &[]))
            .await
            .unwrap();
        let _ = read(&mut stream).await;
    });
    let session = open(&config, &Common::default()).unwrap();
    let mut envelope = envelope(1, "sms");
    envelope.person.phone = "13800000001".to_owned();
    let error = session.send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Permanent);
    assert!(error.reason.contains("password"), "{error}");
    assert!(!session.condition().unwrap().well);
}

#[tokio::test]
async fn a_reply_is_answered_only_after_it_was_dealt_with() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (config, _) = smpp(listener.local_addr().unwrap().port());
    let (tell, mut told) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some((command, seq, _)) = read(&mut stream).await {
            let reply = sms::utf16_be(&"1042 07".encode_utf16().collect::<Vec<_>>());
            let answers = match command {
                BIND_TRANSCEIVER => vec![unit(command | RESPONSE, 0, seq, b"fake\0"), deliver(1, 0, UCS2, &reply)],
                SUBMIT_SM => vec![unit(command | RESPONSE, 0, seq, b"ab\0")],
                _ => Vec::new(),
            };
            for answer in answers {
                stream.write_all(&answer).await.unwrap();
            }
            tell.send(command).await.unwrap();
        }
    });
    let session = open(&config, &Common::default()).unwrap();
    let mut envelope = envelope(1042, "sms");
    envelope.person.phone = "13800000001".to_owned();
    let now = Timestamp::from_millis(0);
    assert!(matches!(session.incoming(now).await, Incoming::Reply { .. }));
    session.send(&envelope, now).await.unwrap();
    let mut heard = Vec::new();
    tokio::select! {
        _ = session.incoming(now) => panic!("nothing more comes in"),
        () = async {
            while heard.last() != Some(&(DELIVER_SM | RESPONSE)) {
                heard.push(told.recv().await.unwrap());
            }
        } => {}
    }
    assert_eq!(heard, [BIND_TRANSCEIVER, SUBMIT_SM, DELIVER_SM | RESPONSE]);
}
