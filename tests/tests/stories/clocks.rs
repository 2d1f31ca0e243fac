//! Whoever must settle an argument with a customer: what is due when, and what counted for a real ticket.

use serde_json::{Value, json};
use std::process::{Command, Output};
use tocsin_tests::{fault::Scene, patience::until, program, site::Site};

/// The command as somebody runs it who has neither configuration nor state.
fn bare(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program::path("tocsin-collector"));
    command.env("TOCSIN_STATE_DIR", folder.path().join("nothing"));
    command.args(arguments).output().expect("the command runs")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_agreed_examples_hold_without_configuration_and_state() {
    for (start, target, due) in [
        ("2026-02-13T16:30:00+08:00", "8h", "2026-02-14T16:30:00+08:00"),
        ("2026-02-28T10:00:00+08:00", "4h", "2026-02-28T14:00:00+08:00"),
        ("2026-09-19T20:00:00+08:00", "4h", "2026-09-20T13:00:00+08:00"),
        ("2026-09-30T16:00:00+08:00", "4h", "2026-10-08T12:00:00+08:00"),
        // The same instant, written by somebody in another zone.
        ("2026-02-13T08:30:00Z", "480m", "2026-02-14T16:30:00+08:00"),
    ] {
        let output = bare(&[
            "clock",
            "due",
            "--calendar",
            "5x8",
            "--start",
            start,
            "--target",
            target,
        ]);
        assert_eq!(printed(&output), due, "{start} + {target}");
        let elapsed = bare(&["clock", "elapsed", "--calendar", "5x8", "--start", start, "--end", due]);
        let expected = if target == "480m" { "8h" } else { target };
        assert_eq!(printed(&elapsed), expected);
    }
    let natural = [
        "--basis",
        "natural",
        "--start",
        "2026-02-13T20:00:00+08:00",
        "--target",
        "72h",
    ];
    let due = |calendar| {
        printed(&bare(
            &[&["clock", "due", "--calendar", calendar], &natural[..]].concat(),
        ))
    };
    assert_eq!(due("5x8"), "2026-02-17T09:00:00+08:00");
    assert_eq!(due("7x24"), "2026-02-16T20:00:00+08:00");
}

#[test]
fn every_interval_is_explained_and_a_wrong_question_is_refused() {
    let question = [
        "clock",
        "due",
        "--calendar",
        "5x8",
        "--start",
        "2026-02-13T16:30:00+08:00",
        "--target",
        "8h",
    ];
    let explained = printed(&bare(&[&question[..], &["--explain"]].concat()));
    let lines: Vec<&str> = explained.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "2026-02-14T16:30:00+08:00",
            "2026-02-13T16:30:00+08:00 .. 2026-02-13T17:00:00+08:00  30m",
            "2026-02-14T09:00:00+08:00 .. 2026-02-14T16:30:00+08:00  7h 30m"
        ]
    );
    let object: Value = serde_json::from_str(&printed(&bare(&[&question[..], &["--json"]].concat()))).expect("JSON");
    assert_eq!(object["due"], "2026-02-14T16:30:00+08:00");
    assert_eq!(object["intervals"].as_array().map(Vec::len), Some(2));
    for (wrong, hint) in [
        (
            [
                "--calendar",
                "9x9",
                "--start",
                "2026-02-13T16:30:00+08:00",
                "--target",
                "8h",
            ],
            "there is no calendar `9x9`",
        ),
        (
            ["--calendar", "5x8", "--start", "2026-02-13 16:30", "--target", "8h"],
            "RFC 3339",
        ),
        (
            [
                "--calendar",
                "5x8",
                "--start",
                "2026-02-13T16:30:00+08:00",
                "--target",
                "8",
            ],
            "8h",
        ),
        (
            [
                "--calendar",
                "5x8",
                "--start",
                "1926-02-13T16:30:00+08:00",
                "--target",
                "8h",
            ],
            "not within",
        ),
    ] {
        let output = bare(&[&["clock", "due"], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(hint), "{wrong:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn a_year_without_notice_is_warned_of_until_its_notice_is_imported() {
    let plant = "[calendar.plant]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\"]\n\
                 hours = [\"08:00-12:00\", \"14:00-18:00\"]\n";
    let site = Site::start(plant).await;
    let question = |calendar| {
        let output = site
            .command(&[
                "clock",
                "due",
                "--calendar",
                calendar,
                "--start",
                "2026-12-31T16:00:00+08:00",
                "--target",
                "4h",
            ])
            .output()
            .expect("the command runs");
        (printed(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (due, warning) = question("5x8");
    assert_eq!(due, "2027-01-01T12:00:00+08:00", "weekdays alone are counted");
    assert!(
        warning.contains("2027") && warning.contains("calendar import"),
        "{warning}"
    );
    let notice = site.path("notice.json");
    let days = json!({ "year": 2027, "papers": [], "days": [
        { "name": "元旦", "date": "2027-01-01", "isOffDay": true },
        { "name": "元旦", "date": "2027-01-02", "isOffDay": false },
    ] });
    std::fs::write(&notice, days.to_string()).expect("a file");
    let said = site.cli(&["calendar", "import", notice.to_str().expect("a path")]);
    assert!(said.contains("2 days of 2027"), "{said}");
    assert_eq!(question("5x8"), ("2027-01-02T12:00:00+08:00".to_owned(), String::new()));
    assert_eq!(question("plant").0, "2027-01-02T10:00:00+08:00");
    std::fs::write(&notice, "{}").expect("a file");
    let refused = site.try_cli(&["calendar", "import", notice.to_str().expect("a path")], "");
    assert!(refused.expect_err("it is no notice").contains("not a file of holidays"));
    until("the running collector to count by the notice", async || {
        let status = site.try_cli(&["status"], "").ok()?;
        status.contains("holidays are known of 2025, 2026, 2027").then_some(())
    })
    .await;
    let listed = |at: &str| site.cli(&["calendar", "list", "--at", at]);
    assert!(!listed("2027-11-30T12:00:00+08:00").contains("warning"));
    let december = listed("2027-12-01T12:00:00+08:00");
    assert!(
        december.contains("warning: the public holidays of 2028 are not known"),
        "{december}"
    );
}

#[tokio::test]
async fn a_real_ticket_shows_what_counted_also_after_a_kill_and_a_late_entry() {
    let mut scene = Scene::set("clocks", "").await;
    let (number, _) = scene.cause().await;
    let number = number.to_string();
    let show = |site: &Site| -> Value {
        serde_json::from_str(&site.cli(&["clock", "show", &number, "--json"])).expect("JSON")
    };
    let clock = |shown: &Value, kind: &str| -> Value {
        let clocks = shown["clocks"].as_array().expect("clocks");
        clocks
            .iter()
            .find(|clock| clock["clock"] == kind)
            .cloned()
            .unwrap_or_default()
    };
    let shown = show(&scene.site);
    let respond = clock(&shown, "respond");
    assert_eq!(
        (&respond["target"], &respond["basis"], &respond["calendar"]),
        (&json!("1h"), &json!("natural"), &json!("7x24"))
    );
    assert_eq!(respond["intervals"].as_array().map(Vec::len), Some(1));

    let (status, body) = scene.site.post(&format!("tickets/{number}/accept"), &json!({})).await;
    assert_eq!(status, 200, "{body}");
    let waits = json!({ "reason": "customer: may not be touched before noon" });
    let (status, body) = scene.site.post(&format!("tickets/{number}/wait"), &waits).await;
    assert_eq!(status, 200, "{body}");
    let shown = show(&scene.site);
    assert_eq!(clock(&shown, "resolve")["paused"], true, "{shown}");
    assert_eq!(shown["pauses"][0]["reason"], "customer");

    // Accepted by phone a moment after the report, entered now.
    let reported = shown["times"]["reported"].as_str().expect("a time").to_owned();
    let entered = scene.site.cli(&[
        "clock",
        "enter",
        &number,
        "accepted",
        "--at",
        &reported,
        "--reason",
        "taken by phone",
        "--as",
        "admin",
    ]);
    assert!(entered.contains("correct"), "{entered}");
    scene.site.collector().kill();
    scene.site.run().await;
    let after = show(&scene.site);
    assert_eq!(after["times"]["accepted"], json!(reported));
    assert_eq!(
        clock(&after, "resolve")["started_at"],
        clock(&after, "respond")["started_at"]
    );
    let seqs = after["log"].as_array().map(Vec::len);
    assert!(
        seqs > shown["log"].as_array().map(Vec::len),
        "the log only grows: {after}"
    );

    let refused = scene.site.try_cli(
        &[
            "clock", "enter", &number, "resolved", "--at", &reported, "--reason", "x", "--as", "admin",
        ],
        "",
    );
    assert!(refused.expect_err("it is not resolved").contains("not resolved yet"));
    let unknown = scene
        .site
        .command(&["clock", "show", "999999"])
        .output()
        .expect("the command runs");
    assert_eq!(
        unknown.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&unknown.stderr)
    );
}
