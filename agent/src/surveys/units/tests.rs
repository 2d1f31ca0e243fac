//! What units of systemd are told to be, by answers of old and new versions.

use super::*;
use crate::fuzzing::any_like;
use crate::surveys::tool::{ToolError, Tools};
use std::sync::{Arc, Mutex};
use tocsin_vocabulary::{Timestamp, batch::Cell};

/// A `systemctl` that answers from a table.
#[derive(Default)]
struct Answers {
    list: String,
    show: String,
    asked: Mutex<Vec<Vec<String>>>,
}

impl Tools for Answers {
    fn has(&self, name: &str) -> bool {
        name == "systemctl"
    }

    fn run(&self, name: &'static str, arguments: &[&str], _: Duration) -> Option<Result<Output, ToolError>> {
        assert_eq!(name, "systemctl");
        let owned = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.asked.lock().unwrap().push(owned);
        let out = if arguments[0] == "show" { &self.show } else { &self.list };
        Some(Ok(Output {
            status: 0,
            out: out.clone().into_bytes(),
            err: Vec::new(),
        }))
    }
}

fn look(units: &mut Units, list: &str, show: &str, seconds: u64) -> (Findings, Vec<Vec<String>>) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
    let answers = Arc::new(Answers {
        list: list.to_owned(),
        show: show.to_owned(),
        ..Answers::default()
    });
    let tools: Arc<dyn Tools> = Arc::clone(&answers) as Arc<dyn Tools>;
    let host = Host::new(
        root.path(),
        Timestamp::from_millis(0),
        Duration::from_secs(seconds),
        Some(tools),
    );
    let mut findings = Findings::default();
    units.look(&host, &mut findings);
    let asked = std::mem::take(&mut *answers.asked.lock().unwrap());
    (findings, asked)
}

fn verdicts(findings: &Findings) -> Vec<(&str, PartStatus, &str)> {
    let parts = findings.parts.iter();
    parts
        .map(|part| (part.id.as_str(), part.status, part.reason.as_str()))
        .collect()
}

const LIST: &str = "ssh.service loaded active running OpenBSD server\n\
    backup.service loaded failed failed Nightly backup\n\
    -.mount loaded active mounted Root\n\
    app.service loaded activating auto-restart An application\n";

#[test]
fn only_what_is_not_well_is_told_with_why() {
    let show = "Id=app.service\nActiveState=activating\nSubState=auto-restart\nNRestarts=4\nLoadState=loaded\n\n\
        Id=backup.service\nActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainStatus=3\nLoadState=loaded\n";
    let (findings, asked) = look(&mut Units::new(Vec::new()), LIST, show, 0);
    assert_eq!(
        verdicts(&findings),
        [
            ("app.service", PartStatus::Degraded, "waits to be started again"),
            ("backup.service", PartStatus::Failed, "failed: exit-code, status 3"),
        ]
    );
    assert_eq!(asked[1][2..], ["--", "app.service", "backup.service"]);
    let failed = &findings.values[0];
    assert_eq!(
        (failed.metric.name, failed.cell),
        ("tocsin.units.failed", Cell::Scaled(1))
    );
    assert_eq!(findings.values.len(), 1, "unwatched units are no series");
}

#[test]
fn old_versions_mark_what_failed() {
    let list =
        parse_list("● backup.service loaded failed failed Nightly\n* x.mount masked inactive dead x\n".as_bytes());
    assert_eq!(list[0].name, "backup.service");
    assert!(list[0].is_failed());
    assert_eq!((list[1].name, list[1].sub), ("x.mount", "dead"));
}

#[test]
fn a_watched_unit_that_does_not_run_failed_and_one_that_does_not_exist_is_unread() {
    let watch = ["a.service", "b.service", "once@*.service", "none.service"];
    let mut units = Units::new(watch.map(str::to_owned).to_vec());
    let list = "a.service loaded active running A\nb.service loaded inactive dead B\n\
        once@1.service loaded inactive dead O\n";
    let show = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\n\n\
        Id=b.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nType=simple\nResult=success\n\n\
        Id=once@1.service\nLoadState=loaded\nActiveState=inactive\nType=oneshot\nResult=success\n\n\
        Id=none.service\nLoadState=not-found\nActiveState=inactive\n";
    let (findings, asked) = look(&mut units, list, show, 0);
    assert_eq!(
        asked[1][2..],
        ["--", "a.service", "b.service", "none.service", "once@1.service"]
    );
    assert_eq!(
        verdicts(&findings),
        [
            ("a.service", PartStatus::Ok, ""),
            ("b.service", PartStatus::Failed, "is not running"),
            ("once@1.service", PartStatus::Ok, ""),
            ("none.service", PartStatus::Unread, "there is no such unit"),
        ]
    );
    let active: Vec<Cell> = findings
        .values
        .iter()
        .filter(|value| value.metric.name == "tocsin.unit.active")
        .map(|value| value.cell)
        .collect();
    assert_eq!(active, [1, 0, 0, 0].map(Cell::Scaled));
}

#[test]
fn a_unit_that_is_started_again_and_again_is_degraded_and_well_again_later() {
    let list = "app.service loaded active running An application\n";
    let mut units = Units::new(vec!["app.service".to_owned()]);
    let mut status = |restarts: u64, seconds| {
        let show = format!("Id=app.service\nLoadState=loaded\nActiveState=active\nNRestarts={restarts}\n");
        let (findings, _) = look(&mut units, list, &show, seconds);
        findings.parts[0].status
    };
    assert_eq!(status(40, 0), PartStatus::Ok, "what was before is not known");
    assert_eq!(status(42, 60), PartStatus::Ok);
    assert_eq!(status(43, 120), PartStatus::Degraded);
    assert_eq!(status(43, 2_000), PartStatus::Ok);
    assert_eq!(status(0, 2_060), PartStatus::Ok, "a counter that began anew");
}

#[test]
fn where_systemd_does_not_count_new_starts_are_counted() {
    let mut units = Units::new(vec!["app.service".to_owned()]);
    let mut restarts = |started: u64| {
        let show = format!(
            "Id=app.service\nLoadState=loaded\nActiveState=active\nExecMainStartTimestampMonotonic={started}\n"
        );
        let (findings, _) = look(&mut units, "app.service loaded active running A\n", &show, started);
        let found = findings
            .values
            .iter()
            .find(|value| value.metric.name == "tocsin.unit.restarts");
        found.unwrap().cell
    };
    assert_eq!(
        [10, 10, 20, 0, 30].map(&mut restarts),
        [0, 0, 1, 1, 2].map(Cell::Scaled)
    );
}

#[test]
fn a_unit_that_failed_once_is_told_until_it_is_forgotten() {
    let mut units = Units::new(Vec::new());
    let failed = "Id=backup.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code\n";
    look(&mut units, "backup.service loaded failed failed B\n", failed, 0);
    let well = "Id=backup.service\nLoadState=loaded\nActiveState=inactive\nResult=success\n";
    let (findings, _) = look(&mut units, "backup.service loaded inactive dead B\n", well, 60);
    assert_eq!(verdicts(&findings), [("backup.service", PartStatus::Ok, "")]);
    let (findings, asked) = look(&mut units, "", "", 120);
    assert_eq!((findings.parts.len(), asked.len()), (0, 1));
}

#[test]
fn any_bytes_are_read() {
    any_like(&[LIST], |bytes: &[u8]| {
        let _ = parse_show(bytes);
        assert!(parse_list(bytes).iter().all(|unit| is_unit(unit.name)));
    });
}
