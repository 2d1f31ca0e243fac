//! Rows, states and replies over tables in memory; the real ones are tested with the real daemon.

use super::*;
use crate::worker::tests::envelope;
use std::time::Duration;

/// Tables in memory.
#[derive(Default)]
struct Fake {
    outbox: Lock<Vec<OutgoingSms>>,
    sent: Lock<Vec<SentPart>>,
    inbox: Lock<Vec<ReceivedSms>>,
}

#[async_trait]
impl SmsTables for Fake {
    async fn is_there(&self, creator: &str) -> Result<bool, String> {
        Ok(self.outbox.lock().unwrap().iter().any(|sms| sms.creator == creator))
    }
    async fn put(&self, sms: &OutgoingSms) -> Result<(), String> {
        self.outbox.lock().unwrap().push(sms.clone());
        Ok(())
    }
    async fn sent(&self, _prefix: &str) -> Result<Vec<SentPart>, String> {
        Ok(self.sent.lock().unwrap().clone())
    }
    async fn received(&self) -> Result<Vec<ReceivedSms>, String> {
        Ok(self.inbox.lock().unwrap().clone())
    }
    async fn processed(&self, id: i64) -> Result<(), String> {
        self.inbox.lock().unwrap().retain(|sms| sms.id != id);
        Ok(())
    }
    async fn modems(&self) -> Result<Modems, String> {
        Ok(Modems::default())
    }
}

fn config(database: &str) -> GammuSqlConfig {
    GammuSqlConfig {
        database: database.to_owned(),
        password_file: None,
        phone_id: None,
    }
}

fn channel() -> (GammuSql, Arc<Fake>) {
    let tables = Arc::<Fake>::default();
    // A template of one's own may be longer than one part.
    let common = Common {
        template_zh: Some("{title}".to_owned()),
        template_en: Some("{title}".to_owned()),
        ..Common::default()
    };
    let channel = GammuSql::over(Tables::Here(tables.clone()), &config("sqlite:/x"), &common);
    (channel, tables)
}

fn now() -> Timestamp {
    "2026-11-22T03:04:05.678Z".parse().unwrap()
}

#[tokio::test]
async fn a_long_text_has_parts_with_headers_and_is_not_put_there_twice() {
    let (channel, tables) = channel();
    let mut envelope = envelope(1042, "sms");
    envelope.person.phone = "+8613800000001".to_owned();
    envelope.page.title = tocsin_vocabulary::Text::plain("😀".repeat(60));
    let receipt = channel.send(&envelope, now()).await.unwrap();
    {
        let outbox = tables.outbox.lock().unwrap();
        let [sms] = &outbox[..] else { panic!("one message") };
        assert_eq!(sms.creator, receipt.reference);
        assert!(sms.parts.len() > 1);
        let total = sms.parts.len();
        for (part, place) in sms.parts.iter().zip(1..) {
            assert!(part.header.starts_with("050003") && part.header.ends_with(&format!("{total:02X}{place:02X}")));
            assert!(!part.text.contains('\u{FFFD}'), "no character is split: {}", part.text);
        }
    }
    envelope.facts.unknown = true;
    assert!(channel.send(&envelope, now()).await.unwrap().answer.contains("already"));
    assert_eq!(tables.outbox.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_has_arrived_when_all_its_parts_have_and_failed_with_the_first() {
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(outcome(&words(&["DeliveryOK", "DeliveryOK"])), Some(Outcome::Delivered));
    assert_eq!(outcome(&words(&["DeliveryOK", "SendingOK"])), None);
    assert_eq!(
        outcome(&words(&["DeliveryOK", "DeliveryFailed"])),
        Some(Outcome::Failed)
    );
    let (channel, tables) = channel();
    let part = |status: &str| SentPart {
        id: 7,
        creator: "tocsin1".to_owned(),
        status: status.to_owned(),
    };
    *tables.sent.lock().unwrap() = vec![part("DeliveryOK"), part("DeliveryOK")];
    let told = channel.incoming(now()).await;
    assert!(
        matches!(told, Incoming::Report { outcome: Outcome::Delivered, references, .. } if references == ["tocsin1"])
    );
}

#[tokio::test]
async fn a_reply_is_marked_only_after_it_was_dealt_with() {
    let (channel, tables) = channel();
    let reply = |id| ReceivedSms {
        id,
        from: "+8613800000001".to_owned(),
        text: format!("{id} 07"),
    };
    *tables.inbox.lock().unwrap() = vec![reply(1), reply(2)];
    assert!(matches!(channel.incoming(now()).await, Incoming::Reply { text, .. } if text == "1 07"));
    assert_eq!(tables.inbox.lock().unwrap().len(), 2);
    assert!(matches!(channel.incoming(now()).await, Incoming::Reply { text, .. } if text == "2 07"));
    assert_eq!(*tables.inbox.lock().unwrap(), [reply(2)]);
}

#[test]
fn a_daemon_that_falls_silent_or_stands_still_is_told() {
    let mut health = Health::default();
    let alive = |life: &str, oldest| Modems {
        signals: vec![Some(40), None, Some(70)],
        sign_of_life: life.to_owned(),
        waiting: 1,
        oldest,
    };
    let after = |minutes: u64| now().plus(Duration::from_secs(minutes * 60));
    assert!(!health.judge(&Modems::default(), now()).well);
    let good = health.judge(&alive("a", Some(1)), now());
    assert!(good.well && good.signal_percent == Some(70), "{good:?}");
    assert!(
        !health.judge(&alive("b", Some(1)), after(11)).well,
        "its outbox stands still"
    );
    assert!(health.judge(&alive("c", Some(2)), after(12)).well);
    assert!(!health.judge(&alive("c", None), after(23)).well, "no sign of life");
}

#[test]
fn addresses_are_judged_and_a_password_goes_into_them() {
    let mistakes = |database: &str| {
        let mut mistakes = Vec::new();
        config(database).mistakes(&mut mistakes);
        mistakes.len()
    };
    assert_eq!(mistakes("sqlite:/var/lib/gammu/smsd.db"), 0);
    assert_eq!(mistakes("postgres://gammu@db.example.com/smsd"), 0);
    for wrong in ["sqlite:smsd.db", "mysql://x/y", "postgres://u:p@h/d", ""] {
        assert_eq!(mistakes(wrong), 1, "{wrong}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "a b/c\n").unwrap();
    let config = GammuSqlConfig {
        password_file: Some(path),
        ..config("postgres://gammu@db.example.com/smsd")
    };
    assert_eq!(
        config.address().unwrap(),
        "postgres://gammu:a%20b%2Fc@db.example.com/smsd"
    );
    assert_eq!(config.goes_to(), "db.example.com");
}
