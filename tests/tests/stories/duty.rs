//! A duty team's day on the command line: roster, swap, handover, registers, audit.

use serde_json::Value;
use tocsin_tests::site::Site;

/// 24 on 48 off, from a day long ago; with a fallback, and somebody who can't be reached.
const ROSTER: &str = r#"
name = "room"
zone = "Asia/Shanghai"
fallback = "chen"

[[shifts]]
name = "day"
from = "08:00"
to = "08:00"

[rotation]
pattern = "24-48"
starts_on = "2026-01-01"
teams = [{ main = ["wang"] }, { main = ["wang"] }, { main = ["wang"] }]
"#;

const CHAIN: &str = r#"
name = "short"
stalled_after = "30m"
rungs = [{ to = ["main"] }, { to = ["leader", "person:chen"], after = "10m" }]
"#;

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duty_team_keeps_its_roster_hands_over_and_proves_what_it_did() {
    let site = Site::start("").await;
    for (login, role) in [
        ("wang", "operator"),
        ("li", "operator"),
        ("chen", "team_lead"),
        ("zhou", "auditor"),
    ] {
        let _ = site.cli(&["user", "add", login, "--role", role]);
    }

    // A roster with mistakes is refused with all of them, one with somebody unreachable is saved with a warning.
    let file = site.path("roster.toml");
    let file = file.to_str().expect("text");
    std::fs::write(file, ROSTER.replace("chen", "nobody").replace("24-48", "three-shifts")).expect("written");
    let refused = site.try_cli(&["roster", "set", file], "").expect_err("refused");
    assert!(
        refused.contains("`nobody` is not in the register of people"),
        "{refused}"
    );
    assert!(refused.contains("three-shifts needs three shifts"), "{refused}");
    std::fs::write(file, ROSTER).expect("written");
    let saved = site.cli(&["roster", "set", file]);
    assert!(
        saved.contains("roster `room` is saved") && saved.contains("warning: wang: has neither a phone"),
        "{saved}"
    );
    let now = site.cli(&["roster", "now"]);
    assert!(now.contains("now") && now.contains("main wang"), "{now}");

    // A swap holds once the other consents.
    let (from, to) = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    let swap = [
        "roster", "swap", "room", "--out", "wang", "--in", "li", "--from", from, "--to", to, "--reason", "exam",
    ];
    assert!(site.cli(&swap).contains("swap 1 waits for `li`"));
    assert!(site.cli(&["roster", "now"]).contains("main wang"));
    assert!(site.try_cli(&["roster", "consent", "1", "wang"], "").is_err());
    let _ = site.cli(&["roster", "consent", "1", "li"]);
    assert!(site.cli(&["roster", "now"]).contains("main li"));
    let shown = json(&site.cli(&["roster", "show", "--json"]));
    assert!(shown[0]["shifts"].as_array().expect("shifts").len() >= 30, "{shown}");
    let calendar = site.cli(&["roster", "ical", "room"]);
    assert!(calendar.starts_with("BEGIN:VCALENDAR"), "{calendar}");

    // The chain.
    let chain = site.path("chain.toml");
    std::fs::write(&chain, CHAIN).expect("written");
    let _ = site.cli(&["chain", "set", chain.to_str().expect("text")]);
    assert!(site.cli(&["chain", "show"]).contains("stalled_after = \"30m\""));

    // A handover is signed by both, with their PINs.
    for (login, pin) in [("wang", "2580"), ("li", "1379")] {
        let _ = site.cli_with_input(&["user", "pin", login], pin);
    }
    let _ = site.cli(&["handover", "open", "room", "--coming", "wang"]);
    let id = json(&site.cli(&["handover", "list", "--json"]))[0]["id"].to_string();
    let _ = site.cli(&["handover", "note", &id, "--notes", "watch db-01", "--thing", "key"]);
    let sign = |side, login, pin| site.try_cli(&["handover", "sign", &id, side, login], pin);
    let wrong = sign("leaving", "li", "0000").expect_err("a wrong PIN");
    assert!(wrong.contains("the PIN is wrong"), "{wrong}");
    sign("leaving", "li", "1379").expect("signed");
    let both = sign("coming", "wang", "2580").expect("signed");
    assert!(both.contains("signed by both"), "{both}");
    assert!(site.cli(&["handover", "show", &id]).contains("watch db-01"));

    registers(&site);
    audit(&site);
}

fn registers(site: &Site) {
    let customers = "名称,电话\n市民中心,010-1\n";
    assert!(
        site.cli_with_input(&["register", "import", "customers", "-"], customers)
            .contains("1 new")
    );
    let wrong = "name,customer,importance\n,nobody,huge\n";
    let refused = site.try_cli(&["asset", "import", "-"], wrong).expect_err("refused");
    for expected in [
        "line 2: name is empty",
        "`nobody` is not in the register",
        "`huge` is none of",
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
    let assets = "name,customer,serial,model\nswitch-1,市民中心,S1,X\n";
    let _ = site.cli_with_input(&["asset", "import", "-"], assets);
    let exported = site.cli(&["asset", "export"]);
    assert!(exported.contains("switch-1,,市民中心,市民中心,市民中心"), "{exported}");
    let again = site.cli_with_input(&["asset", "import", "-"], &exported.replace("S1", "S2"));
    assert!(again.contains("0 new, 1 changed"), "{again}");
    assert!(
        site.cli(&["asset", "history", "switch-1"])
            .contains("serial: `S1` → `S2`")
    );
    assert!(site.cli(&["spare", "stock"]).contains('X'));
}

fn audit(site: &Site) {
    assert!(site.cli(&["audit", "verify"]).contains("unbroken"));
    let file = site.path("audit.jsonl");
    let name = file.to_str().expect("text");
    let _ = site.cli(&["audit", "export", "--out", name]);
    assert!(site.cli(&["audit", "verify", name]).contains("unbroken"));
    let text = std::fs::read_to_string(&file).expect("an export");
    assert!(text.contains("handover.sign") && text.contains("roster.swap"), "{text}");
    std::fs::write(&file, text.replace("\"actor\":\"li\"", "\"actor\":\"he\"")).expect("tampered");
    let broken = site.command(&["audit", "verify", name]).output().expect("run");
    assert_eq!(broken.status.code(), Some(5));
}
