//! Vectors, lengths of units in both versions, and a session with a gateway that follows the protocol.

use super::*;
use crate::{
    channel::{Channel, SendErrorKind},
    worker::tests::envelope,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

fn config(port: u16, version: &str) -> CmppConfig {
    let folder = tempfile::tempdir().unwrap().keep();
    let secret_file = folder.join("secret");
    std::fs::write(&secret_file, "1234").unwrap();
    CmppConfig {
        host: "127.0.0.1".to_owned(),
        port,
        version: version.to_owned(),
        sp_id: "901234".to_owned(),
        secret_file,
        source: "10690000".to_owned(),
        service_id: "DUTY".to_owned(),
        clock_offset_minutes: 480,
    }
}

fn cmpp(version: &str) -> Cmpp {
    let config = config(1, version);
    Cmpp {
        secret: Secret::read_text(&config.secret_file).unwrap(),
        three: version == "3.0",
        config,
    }
}

#[test]
fn the_proof_is_the_vectors() {
    assert_eq!(
        hex(&authenticator("901234", "1234", 1_021_080_510)),
        "079dd235c30e065ccbbfd14ba18e7da1"
    );
}

#[test]
fn signing_in_has_39_bytes_with_the_local_time() {
    // 2026-10-21 08:05:10 in Beijing.
    let now: Timestamp = "2026-10-21T00:05:10Z".parse().unwrap();
    let hello = cmpp("2.0").hello(1, now);
    assert_eq!(hello.len(), 39);
    assert_eq!(&hello[..18], b"\0\0\0\x27\0\0\0\x01\0\0\0\x01901234");
    assert_eq!(hex(&hello[18..34]), "079dd235c30e065ccbbfd14ba18e7da1");
    assert_eq!((hello[34], &hello[35..]), (0x20, &1_021_080_510_u32.to_be_bytes()[..]));
    assert_eq!(cmpp("3.0").hello(1, now)[34], 0x30);
    // January begins with a zero.
    assert_eq!(stamp("2026-01-01T16:00:00Z".parse().unwrap(), 480), 102_000_000);
}

#[test]
fn a_message_has_the_fields_of_its_version() {
    let part = Part {
        number: "13800000001".to_owned(),
        text: "工单".encode_utf16().collect(),
        reference: 9,
        total: 1,
        index: 1,
    };
    let two = cmpp("2.0").submit(7, &part);
    assert_eq!(two.len(), 12 + 147 + 4);
    assert_eq!(&two[20..24], [1, 1, 1, 0]);
    assert_eq!(&two[24..28], b"DUTY");
    let three = cmpp("3.0").submit(7, &part);
    // Two numbers of 32 and a type instead of 21, LinkID of 20 instead of 8.
    assert_eq!(three.len(), two.len() + 12 + 12 + 12);
    let content = [0x5D, 0xE5, 0x53, 0x55];
    assert_eq!(two[two.len() - 13..two.len() - 8], [&[4], &content[..]].concat());
    assert_eq!(three[three.len() - 25..three.len() - 20], [&[4], &content[..]].concat());
}

#[test]
fn any_bytes_are_a_unit_or_refused() {
    let (two, three) = (cmpp("2.0"), cmpp("3.0"));
    bolero::check!().for_each(|bytes: &[u8]| {
        for cmpp in [&two, &three] {
            let _ = cmpp.read(bytes);
            for command in [DELIVER, SUBMIT | RESPONSE, CONNECT | RESPONSE] {
                let _ = cmpp.read(&unit(command, 1, bytes));
            }
        }
    });
}

async fn read(stream: &mut TcpStream) -> Option<(u32, u32, Vec<u8>)> {
    let length = stream.read_u32().await.ok()?;
    let (command, seq) = (stream.read_u32().await.ok()?, stream.read_u32().await.ok()?);
    let mut body = vec![0; usize::try_from(length).unwrap() - 12];
    stream.read_exact(&mut body).await.ok()?;
    Some((command, seq, body))
}

/// A `DELIVER` of version 2.0.
fn deliver(is_report: bool, format: u8, content: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 8];
    field(&mut body, "10690000", 21);
    field(&mut body, "", 10);
    body.extend([0, 0, format]);
    field(&mut body, "13800000001", 21);
    body.extend([u8::from(is_report), u8::try_from(content.len()).unwrap()]);
    body.extend_from_slice(content);
    field(&mut body, "", 8);
    unit(DELIVER, 3, &body)
}

async fn gateway(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut submitted = 0;
    while let Some((command, seq, body)) = read(&mut stream).await {
        let answers = match command {
            CONNECT => {
                let stamp = u32::from_be_bytes(body[23..27].try_into().unwrap());
                let good = body[6..22] == authenticator("901234", "1234", stamp);
                let mut answer = vec![if good { 0 } else { 3 }];
                field(&mut answer, "", 16);
                answer.push(0x20);
                vec![unit(command | RESPONSE, seq, &answer), unit(ACTIVE_TEST, 9, &[])]
            }
            SUBMIT => {
                submitted += 1;
                let id = [1, 2, 3, 4, 5, 6, 7, submitted];
                let result = if submitted == 1 { 8 } else { 0 };
                let mut told = id.to_vec();
                field(&mut told, "DELIVRD", 7);
                field(&mut told, "2611221104", 10);
                field(&mut told, "2611221105", 10);
                field(&mut told, "13800000001", 21);
                told.extend([0; 4]);
                assert_eq!(told.len(), 60);
                let mut answers = vec![unit(command | RESPONSE, seq, &[&id[..], &[result]].concat())];
                if result == 0 {
                    answers.push(deliver(true, 0, &told));
                    answers.push(deliver(false, 15, b"\xbd\xd31042 07"));
                }
                answers
            }
            _ => continue,
        };
        for answer in answers {
            stream.write_all(&answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_proves_itself_obeys_flow_control_and_brings_reports() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap().port(), "2.0");
    tokio::spawn(gateway(listener));
    let session = open(&config, &Common::default()).unwrap();
    let mut envelope = envelope(1042, "sms");
    envelope.person.phone = "13800000001".to_owned();
    let now = Timestamp::from_millis(1_700_000_000_000);
    let busy = session.send(&envelope, now).await.unwrap_err();
    assert_eq!(
        (busy.kind, busy.retry_after),
        (SendErrorKind::Temporary, Some(THROTTLED))
    );
    let receipt = session.send(&envelope, now).await.unwrap();
    assert_eq!(receipt.reference, "0102030405060702");
    assert!(
        matches!(session.incoming(now).await, Incoming::Report { references, outcome: Outcome::Delivered, .. } if references == [receipt.reference])
    );
    assert!(matches!(session.incoming(now).await, Incoming::Reply { text, .. } if text.contains("1042 07")));
}

#[tokio::test]
async fn a_wrong_secret_is_told_with_the_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(listener.local_addr().unwrap().port(), "2.0");
    std::fs::write(&config.secret_file, "wrong").unwrap();
    tokio::spawn(gateway(listener));
    let session = open(&config, &Common::default()).unwrap();
    let mut envelope = envelope(1, "sms");
    envelope.person.phone = "13800000001".to_owned();
    let error = session.send(&envelope, Timestamp::from_millis(0)).await.unwrap_err();
    assert!(
        error.reason.contains("status 3") && !error.reason.contains("wrong"),
        "{error}"
    );
}
