//! Real modem daemons and a real SMPP server between us and the people. What is no real part: the phone of gammu-smsd is
//! gammu's own dummy, which never reports a delivery, so that the daemon's note of one is written by hand; the modem of smsd
//! is a script on a pseudo terminal; the message centre around the SMPP server is a script.

use crate::channels::alert;
use serde_json::Value;
use std::path::Path;
use tocsin_tests::{
    modems::{Centre, GammuSql, Smsd},
    patience::until,
    postgres::Server,
    site::Site,
};

const PHONE: &str = "+8613800000001";
const PAGING: &str = "[paging]\nrepage_after = \"1h\"\n";

async fn an_alert(site: &Site) -> u64 {
    let (status, opened) = site.post("inbound/alertmanager", &alert("firing")).await;
    assert_eq!(status, 200, "{opened}");
    opened["tickets"][0].as_u64().expect("a ticket's number")
}

/// Waits until a channel's list shows what is wanted.
async fn shows(site: &Site, channel: &str, what: &str, is_it: impl Fn(&Value) -> bool) {
    until(what, async || {
        let list = site.get("channels").await;
        let found = list["items"].as_array()?.iter().find(|item| item["name"] == channel)?;
        is_it(found).then_some(())
    })
    .await;
}

async fn is_accepted_by_admin(site: &Site, number: u64) {
    let ticket = site.ticket_becomes(number, "accepted").await;
    assert_eq!(ticket["assignee_name"], "admin");
}

async fn a_site(channel: &str) -> Site {
    let site = Site::start(&format!("{channel}{PAGING}")).await;
    let _ = site.cli(&["user", "contact", "admin", "--phone", PHONE, "--staff", "07"]);
    site
}

/// The text of a message of several parts, as the daemon's table has it.
fn text_of(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .filter_map(|i| u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}

async fn gammu_s_tables_carry_pages_and_replies(smsd: &GammuSql) {
    // Long enough for several parts.
    let long = format!("#{{number}} {{title}} {}", "\u{8bf7}".repeat(80));
    let long = format!("{}template_zh = {long:?}\ntemplate_en = {long:?}\n", smsd.channel());
    let site = a_site(&long).await;
    let number = an_alert(&site).await;
    let sent = until("the daemon to send both parts", async || {
        let rows = smsd.sql(r#"SELECT "Text" FROM sentitems ORDER BY "ID", "SequencePosition""#);
        (rows.lines().count() >= 2).then_some(rows)
    })
    .await;
    let text: String = sent.lines().map(text_of).collect();
    assert!(
        text.contains(&format!("#{number} ")) && text.contains("PortDown"),
        "{text}"
    );
    let parts = smsd.sql(r#"SELECT "DestinationNumber", "UDH", "Status" FROM sentitems ORDER BY "SequencePosition""#);
    let parts: Vec<&str> = parts.lines().collect();
    assert!(
        parts
            .iter()
            .all(|part| part.starts_with(PHONE) && part.contains("|050003")),
        "{parts:?}"
    );
    shows(&site, "modem", "the modem's signal", |channel| {
        channel["signal_percent"] == 42
    })
    .await;
    shows(&site, "modem", "the page as taken", |channel| {
        channel["accepted"] == 1 && channel["delivered"] == 0
    })
    .await;
    let _ = smsd.sql(r#"UPDATE sentitems SET "Status" = 'DeliveryOK'"#);
    shows(&site, "modem", "the page as arrived", |channel| {
        channel["delivered"] == 1
    })
    .await;
    smsd.receives(PHONE, &format!("{number} 07"));
    is_accepted_by_admin(&site, number).await;
    until("the reply to be marked", async || {
        (smsd.sql(r#"SELECT COUNT(*) FROM inbox WHERE "Processed" = 'true'"#) == "1").then_some(())
    })
    .await;
    let told = site.cli(&["channel", "test", "modem", "--phone", PHONE]);
    assert!(told.contains("in gammu-smsd's outbox"), "{told}");
}

#[tokio::test]
async fn gammu_smsd_on_sqlite_sends_a_page_in_parts_and_brings_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(smsd) = GammuSql::on_sqlite(folder.path()) {
        gammu_s_tables_carry_pages_and_replies(&smsd).await;
    }
}

#[tokio::test]
async fn gammu_smsd_on_postgresql_sends_a_page_in_parts_and_brings_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(server) = Server::start() else { return };
    if let Some(smsd) = GammuSql::on_postgres(folder.path(), &server) {
        gammu_s_tables_carry_pages_and_replies(&smsd).await;
    }
}

#[tokio::test]
async fn smsd_sends_a_page_by_its_modem_and_brings_the_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(smsd) = Smsd::start(folder.path()).await else {
        return;
    };
    let site = a_site(&smsd.channel()).await;
    let number = an_alert(&site).await;
    let pdus = until("the modem to be given the message", async || {
        let pdus = smsd.pdus();
        (!pdus.is_empty()).then_some(pdus)
    })
    .await;
    // SMS-SUBMIT to 8613800000001 in UCS-2 (3GPP TS 23.040, 9.2.2.2): the number in swapped digits, then `#1`.
    assert!(pdus[0].contains("683108000000F1"), "{pdus:?} {}", smsd.log());
    let hex: String = format!("#{number} ")
        .encode_utf16()
        .map(|unit| format!("{unit:04X}"))
        .collect();
    assert!(pdus.concat().contains(&hex), "{pdus:?}");
    shows(&site, "modem", "the page as sent", |channel| channel["delivered"] == 1).await;
    shows(&site, "modem", "the modem's signal", |channel| {
        channel["signal_percent"] == 64
    })
    .await;
    smsd.receives("8613800000001", &format!("{number} 07"));
    is_accepted_by_admin(&site, number).await;
}

/// The parts that a message centre was given, in order.
fn submitted(centre: &Centre) -> Vec<Value> {
    let mut told = centre.told();
    told.retain(|told| told["hex"].is_string());
    told
}

async fn is_given(centre: &Centre, parts: usize) -> Vec<Value> {
    until("the message centre to be given the parts", async || {
        let given = submitted(centre);
        (given.len() >= parts).then_some(given)
    })
    .await
}

#[tokio::test]
async fn a_real_smpp_server_throttles_takes_parts_reports_them_brings_a_reply_and_hangs_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(centre) = Centre::start(&folder.path().join("centre")).await else {
        return;
    };
    // Nearly every character is a surrogate pair, so that parts could easily be split wrongly.
    let long = format!("#{{number}} {}", "\u{1f600}".repeat(60));
    let long = format!("{}template_zh = {long:?}\ntemplate_en = {long:?}\n", centre.channel());
    let site = a_site(&long).await;
    let number = an_alert(&site).await;
    // One part is refused as too fast, the message goes again as a whole; a plain refusal is no copy.
    let given = is_given(&centre, 4).await;
    assert!(
        given
            .iter()
            .all(|part| part["coding"] == 8 && part["report"] == 1 && part["header"] == true),
        "{given:?}"
    );
    let texts: Vec<String> = given
        .iter()
        .map(|part| text_of(part["hex"].as_str().expect("hex").get(12..).unwrap_or_default()))
        .collect();
    assert!(
        texts.iter().all(|text| !text.contains('\u{FFFD}')),
        "a character was split: {texts:?}"
    );
    assert!(texts.concat().contains(&format!("#{number} ")), "{texts:?}");
    // Its receipts write the number in decimal that its answers wrote in hexadecimal, and come twice.
    shows(&site, "sms", "the page as arrived", |channel| channel["delivered"] == 1).await;
    centre.a_phone_says("8613800000001", &format!("{number} 07"));
    is_accepted_by_admin(&site, number).await;
    centre.hangs_up();
    until("the session to be opened again", async || {
        (centre.told().iter().filter(|told| told["bound"] == "tocsin").count() >= 2).then_some(())
    })
    .await;
    let told = site.cli(&["channel", "test", "sms", "--phone", PHONE]);
    assert!(told.contains("the message was taken"), "{told}");
}

/// What `channel test` says on its own of a channel in this configuration, in a language.
fn tested(folder: &Path, config: &str, language: &str) -> String {
    let path = folder.join("collector.toml");
    let state = format!("state_dir = {:?}\n{config}", folder.join("state"));
    std::fs::write(&path, state).expect("a configuration");
    let mut command = std::process::Command::new(tocsin_tests::program::path("tocsin-collector"));
    command
        .arg("--config")
        .arg(&path)
        .args(["channel", "test", "one", "--phone", PHONE]);
    let answer = command.env("LC_ALL", language).output().expect("it runs");
    String::from_utf8_lossy(&answer.stderr).into_owned()
}

#[tokio::test]
async fn a_test_of_a_channel_says_in_plain_words_why_it_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path
    };
    let secret = file("secret", "hush");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let webhook = |url: &str| format!("[[channel]]\nname = \"one\"\nkind = \"webhook\"\nurl = {url:?}\n");
    let refused = tested(folder.path(), &webhook(&format!("http://{address}/")), "C");
    assert!(refused.contains("nobody listens on that port"), "{refused}");
    let refused = tested(folder.path(), &webhook(&format!("http://{address}/")), "zh_CN.UTF-8");
    assert!(
        refused.contains("无人监听") && refused.contains("未被接收"),
        "{refused}"
    );

    let smpp = format!(
        "[[channel]]\nname = \"one\"\nkind = \"smpp\"\nhost = \"nowhere.invalid\"\nsystem_id = \"x\"\npassword_file = {secret:?}\n"
    );
    let unknown = tested(folder.path(), &smpp, "C");
    assert!(unknown.contains("name could not be resolved"), "{unknown}");

    // A site's console has a certificate of its own authority; another one is trusted here.
    let site = Site::start("").await;
    let other = another_authority(&site, folder.path());
    let tls = format!("{}ca_file = {other:?}\n", webhook(&format!("{}/", site.console())));
    let strange = tested(folder.path(), &tls, "C");
    assert!(
        strange.contains("authority that is not trusted") && strange.contains("`ca_file`"),
        "{strange}"
    );

    let missing =
        webhook("http://127.0.0.1:9/") + "secret_file = \"/nonexistent/secret\"\nca_file = \"/nonexistent/ca\"\n";
    let mistakes = tested(folder.path(), &missing, "C");
    assert!(
        mistakes.contains("collector.toml:7: channel `one`: `ca_file`")
            && mistakes.contains("collector.toml:6: channel `one`: `secret_file`"),
        "{mistakes}"
    );
}

/// The authority of agents, which has not signed the console's certificate.
fn another_authority(site: &Site, folder: &Path) -> std::path::PathBuf {
    let pem = std::fs::read_to_string(site.state("pki/agents.pem")).expect("the agents' authority");
    let start = pem
        .find("-----BEGIN CERTIFICATE")
        .expect("a certificate beside its key");
    let path = folder.join("other.pem");
    std::fs::write(&path, &pem[start..]).expect("it is written");
    path
}
