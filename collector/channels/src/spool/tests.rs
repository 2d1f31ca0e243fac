//! The spools' formats, and what their daemons do played by hand.

use super::{
    gammu::file_name,
    smstools::{Message, file, signal},
    *,
};
use crate::{
    channel::{Channel, Outcome},
    config::Common,
    worker::tests::envelope,
};
use tocsin_vocabulary::Timestamp;

fn folders() -> (tempfile::TempDir, [PathBuf; 4]) {
    let root = tempfile::tempdir().unwrap();
    let folders = ["out", "sent", "bad", "in"].map(|name| {
        let folder = root.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    });
    (root, folders)
}

fn to_phone() -> crate::Envelope {
    let mut envelope = envelope(1042, "sms");
    envelope.person.phone = "+8613800000001".to_owned();
    envelope
}

fn now() -> Timestamp {
    "2026-11-22T03:04:05.678Z".parse().unwrap()
}

#[tokio::test]
async fn gammu_finds_a_file_in_its_own_manner_and_what_it_moves_is_told() {
    let (_root, [outbox, sent, error, inbox]) = folders();
    let config = GammuConfig {
        outbox: outbox.clone(),
        sent: sent.clone(),
        error,
        inbox: inbox.clone(),
    };
    let gammu = Gammu::new(&config, &Common::default());
    let envelope = to_phone();
    let receipt = gammu.send(&envelope, now()).await.unwrap();
    let files = names(&outbox);
    assert_eq!(files, [file_name(&envelope, "+8613800000001", now())]);
    assert!(
        files[0].starts_with("OUTB20261122_030405_00_+8613800000001_tocsin"),
        "{files:?}"
    );
    let content = std::fs::read(outbox.join(&files[0])).unwrap();
    assert_eq!(&content[..2], [0xFE, 0xFF]);
    assert!(sms_text(&content).contains("#1042"));

    // After a crash that left the outcome unknown it is not written a second time.
    let mut again = envelope.clone();
    again.facts.unknown = true;
    assert_eq!(gammu.send(&again, now()).await.unwrap().reference, receipt.reference);
    assert_eq!(names(&outbox).len(), 1);

    std::fs::rename(outbox.join(&files[0]), sent.join(&files[0])).unwrap();
    assert!(
        matches!(gammu.incoming(now()).await, Incoming::Report { references, outcome: Outcome::Delivered, .. } if references == [receipt.reference])
    );
    std::fs::write(inbox.join("IN20261122_031000_00_+8613800000001_00.txt"), "接1042 07").unwrap();
    let reply = Incoming::Reply {
        from: "+8613800000001".to_owned(),
        text: "接1042 07".to_owned(),
    };
    assert_eq!(gammu.incoming(now()).await, reply);
    assert_eq!(
        names(&inbox).len(),
        1,
        "a crash before it was dealt with brings it again"
    );
    std::fs::write(inbox.join("IN20261122_031100_00_+8613800000002_00.txt"), "2").unwrap();
    assert!(matches!(gammu.incoming(now()).await, Incoming::Reply { text, .. } if text == "2"));
    assert_eq!((names(&inbox).len(), names(&inbox.join(TAKEN)).len()), (1, 1));
}

fn sms_text(content: &[u8]) -> String {
    gammu::text_of(content)
}

#[tokio::test]
async fn smstools_gets_headers_and_ucs_2_and_tells_what_failed() {
    let (_root, [outgoing, sent, failed, incoming]) = folders();
    let config = SmstoolsConfig {
        outgoing: outgoing.clone(),
        checked: outgoing.clone(),
        status: None,
        sent,
        failed: failed.clone(),
        incoming: incoming.clone(),
    };
    let smstools = Smstools::new(&config, &Common::default());
    let receipt = smstools.send(&to_phone(), now()).await.unwrap();
    let [name] = &names(&outgoing)[..] else {
        panic!("one file")
    };
    let message = Message::read(&std::fs::read(outgoing.join(name)).unwrap()).unwrap();
    assert_eq!(
        (message.get("To"), message.get("Alphabet"), message.get("Report")),
        (Some("8613800000001"), Some("UCS2"), Some("yes"))
    );
    assert!(message.text().contains("磁盘已满"));
    std::fs::rename(outgoing.join(name), failed.join(name)).unwrap();
    assert!(
        matches!(smstools.incoming(now()).await, Incoming::Report { references, outcome: Outcome::Failed, .. } if references == [receipt.reference])
    );
    let mut reply = b"From: 8613800000001\nAlphabet: UCS2\nLength: 8\n\n".to_vec();
    reply.extend(crate::sms::utf16_be(&"1042 07".encode_utf16().collect::<Vec<_>>()));
    std::fs::write(incoming.join("GSM1.abc"), reply).unwrap();
    assert!(matches!(smstools.incoming(now()).await, Incoming::Reply { text, .. } if text == "1042 07"));
}

#[tokio::test]
async fn a_spool_that_is_not_there_is_told_with_the_remedy() {
    let config = SmstoolsConfig {
        outgoing: "/nonexistent/outgoing".into(),
        checked: "/nonexistent/checked".into(),
        status: None,
        sent: "/nonexistent".into(),
        failed: "/nonexistent".into(),
        incoming: "/nonexistent".into(),
    };
    let smstools = Smstools::new(&config, &Common::default());
    let error = smstools.send(&to_phone(), now()).await.unwrap_err();
    assert!(error.reason.contains("/nonexistent/outgoing"), "{error}");
    assert!(!smstools.condition().unwrap().well);
}

#[test]
fn any_file_is_a_message_or_none() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Some(message) = Message::read(bytes) {
            let _ = message.text();
        }
        let _ = gammu::text_of(bytes);
    });
}

#[test]
fn the_best_modem_s_signal_is_told_in_percent() {
    let line = |ssi: &str| format!("GSM1: 26-11-22 11:04:00, Idle, 1, 0, 0, ssi: {ssi}, ber: < 0.2 %\n");
    assert_eq!(signal(&line("-71 dBm (Good)")), Some(67));
    assert_eq!(signal(&format!("{}{}", line("-113 dBm"), line("-51 dBm"))), Some(100));
    assert_eq!(signal("Status: 26-11-22 11:04:00, i----\n"), None);
}

#[test]
fn the_worst_level_goes_first() {
    let mut envelope = to_phone();
    envelope.page.level = tocsin_vocabulary::Level::WORST;
    assert!(file_name(&envelope, "1", now()).starts_with("OUTA"));
    assert!(String::from_utf8_lossy(&file(&envelope, "1", "x")).contains("Priority: High\n\n"));
}
