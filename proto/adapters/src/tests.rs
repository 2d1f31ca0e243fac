//! Recorded and written outputs of every tool, and what they mean.

use super::*;

/// A recording of a real tool; without the folder that `TOCSIN_FIELD_DATA` names, none, and the test says so.
fn recording(path: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("TOCSIN_FIELD_DATA") else {
        println!("skipped: TOCSIN_FIELD_DATA is not set");
        return None;
    };
    let bytes = std::fs::read(std::path::Path::new(&folder).join(path)).unwrap();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

/// What an adapter says of this output.
fn read(adapter: Adapter, exit_code: Option<i32>, stdout: &str, stderr: &str) -> Reading {
    read_in(&shanghai(), adapter, exit_code, stdout, stderr)
}

fn read_in(zone: &TimeZone, adapter: Adapter, exit_code: Option<i32>, stdout: &str, stderr: &str) -> Reading {
    adapter.read(&Output {
        exit_code,
        stdout: Some(stdout),
        stderr,
        zone,
        now: Timestamp::from_millis(1_795_400_000_000),
    })
}

fn at(text: &str) -> Option<Timestamp> {
    Some(format!("{text}Z").parse().unwrap())
}

/// A recorded run with the code that stands beside it.
fn recorded(adapter: Adapter, name: &str) -> Option<Reading> {
    let codes = recording("backup/EXIT_CODES.txt")?;
    let line = codes
        .lines()
        .find(|line| line.starts_with(&format!("{name} rc=")))
        .unwrap();
    let code = line
        .split("rc=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let stdout = recording(&format!("backup/{name}.stdout"))?;
    let stderr = recording(&format!("backup/{name}.stderr"))?;
    Some(read_in(&TimeZone::UTC, adapter, Some(code), &stdout, &stderr))
}

#[test]
fn recorded_runs_mean_what_happened() {
    use Adapter::{Borg, PgBackRest, Restic};
    use RunResult::{Failed, Ok, Warning};
    for (adapter, name, result, bytes, words) in [
        (Restic, "restic-01-success", Ok, Some(4_000_000), ""),
        (Restic, "restic-02-success-incremental", Ok, Some(4_100_000), ""),
        (
            Restic,
            "restic-03-warning-unreadable",
            Warning,
            Some(4_080_000),
            "src/d/f7: cannot open",
        ),
        (Restic, "restic-04-fail-nosource", Failed, None, "do not exist"),
        (Restic, "restic-05-fail-password", Failed, None, "wrong password"),
        (
            Restic,
            "restic-06-fail-norepo",
            Failed,
            None,
            "unable to open config file",
        ),
        (Restic, "restic-08-check-ok", Ok, None, ""),
        (
            Restic,
            "restic-11-check-corrupt",
            Failed,
            None,
            "repository contains errors",
        ),
        (
            Restic,
            "restic-13-forget-with-stale-lock",
            Failed,
            None,
            "already locked",
        ),
        (Borg, "borg-01-success", Ok, Some(4_100_502), ""),
        (
            Borg,
            "borg-03-warning-missing",
            Warning,
            Some(4_150_513),
            "not-there-xyz",
        ),
        (Borg, "borg-04-fail-exists", Failed, None, "Archive.AlreadyExists"),
        (Borg, "borg-05-fail-norepo", Failed, None, "Repository.DoesNotExist"),
        (Borg, "borg-06-fail-passphrase", Failed, None, "PassphraseWrong"),
        (Borg, "borg-10-check", Ok, None, ""),
        (Borg, "borg-11-fail-locked", Failed, None, "LockTimeout"),
        (Borg, "borg-12-check-corrupt", Failed, None, "Data integrity error"),
        (
            PgBackRest,
            "pgbackrest-00-info-nostanza",
            Failed,
            None,
            "missing stanza path",
        ),
        (PgBackRest, "pgbackrest-03-backup-full", Ok, Some(22_963_814), ""),
        (PgBackRest, "pgbackrest-04-backup-incr", Ok, Some(8_499), ""),
        (PgBackRest, "pgbackrest-05-info-ok", Ok, Some(22_992_610), ""),
        (
            PgBackRest,
            "pgbackrest-07-fail-locked",
            Failed,
            None,
            "unable to acquire lock",
        ),
        (
            PgBackRest,
            "pgbackrest-08-fail-dbdown",
            Failed,
            None,
            "unable to find primary cluster",
        ),
    ] {
        let Some(reading) = recorded(adapter, name) else { return };
        assert_eq!(reading.result, result, "{name}: {reading:?}");
        if bytes.is_some() {
            assert_eq!(reading.bytes, bytes, "{name}");
        }
        assert!(reading.error.contains(words), "{name}: {}", reading.error);
        assert_eq!(reading.error.is_empty(), result == Ok, "{name}: {}", reading.error);
    }
}

#[test]
fn recorded_times_and_figures_are_right() {
    let Some(restic) = recorded(Adapter::Restic, "restic-01-success") else {
        return;
    };
    assert_eq!(
        (restic.files, restic.bytes_added, restic.duration_ms),
        (Some(200), Some(4_069_709), Some(398))
    );
    assert_eq!(restic.artefact, "8db2c5b9");
    let borg = recorded(Adapter::Borg, "borg-01-success").unwrap();
    assert_eq!(
        (borg.files, borg.bytes_added, borg.duration_ms),
        (Some(201), Some(4_109_152), Some(375))
    );
    assert_eq!(
        (borg.artefact.as_str(), borg.started_at),
        ("a1", at("2026-11-21T23:08:02"))
    );
    let log = recorded(Adapter::PgBackRest, "pgbackrest-03-backup-full").unwrap();
    assert_eq!((log.files, log.duration_ms), (Some(964), Some(16_627)));
    assert_eq!(
        (log.artefact.as_str(), log.started_at),
        ("20261121-231113F", at("2026-11-21T23:11:12.390"))
    );
    assert_eq!(log.ended_at, at("2026-11-21T23:11:28.993"));
    let info = recorded(Adapter::PgBackRest, "pgbackrest-05-info-ok").unwrap();
    assert_eq!(
        (info.artefact.as_str(), info.ended_at),
        ("20261121-231113F_20261121-231129I", at("2026-11-21T23:11:31"))
    );
    assert!(
        recorded(Adapter::PgBackRest, "pgbackrest-06-info-during-backup")
            .unwrap()
            .running
    );
}

#[test]
fn borgs_check_in_plain_words_tells_of_damage_though_it_exits_like_a_warning() {
    for (words, result) in [
        (
            "Data integrity error: Invalid segment entry size 0\nFinished full repository check, errors found.\n",
            RunResult::Failed,
        ),
        (
            "Archive consistency check complete, problems found.\n",
            RunResult::Failed,
        ),
        (
            "/srv/x: stat: [Errno 2] No such file or directory\n",
            RunResult::Warning,
        ),
    ] {
        let reading = read(Adapter::Borg, Some(1), "", words);
        assert_eq!(reading.result, result, "{words}");
        assert!(
            reading.error.starts_with(words.lines().next().unwrap()),
            "{}",
            reading.error
        );
    }
}

#[test]
fn newer_restic_tells_times_and_errors_in_json() {
    let summary = r#"{"message_type":"summary","backup_start":"2026-11-22T02:30:00.5+08:00","backup_end":"2026-11-22T02:31:00+08:00","data_added":10,"total_bytes_processed":99,"total_files_processed":3,"total_duration":59.5,"snapshot_id":"abc"}"#;
    let good = read(Adapter::Restic, Some(0), summary, "");
    assert_eq!(
        (good.result, good.started_at),
        (RunResult::Ok, at("2026-11-21T18:30:00.5"))
    );
    let error = r#"{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}"#;
    let failed = read(Adapter::Restic, Some(12), "", error);
    assert_eq!(
        (failed.result, failed.error.as_str()),
        (RunResult::Failed, "Fatal: wrong password or no key found")
    );
    assert!(read(Adapter::Restic, Some(11), "", "").error.contains("locked"));
    let plain = "Files: 3 new\nAdded to the repository: 3.881 MiB (3.9 MiB stored)\n\nprocessed 200 files, 3.815 MiB in 0:00\nsnapshot 8db2c5b9 saved\n";
    let plain = read(Adapter::Restic, None, plain, "");
    assert_eq!(
        (plain.result, plain.files, plain.artefact.as_str()),
        (RunResult::Ok, Some(200), "8db2c5b9")
    );
    assert_eq!(read(Adapter::Restic, None, "nothing", "").result, RunResult::Failed);
}

#[test]
fn rsync_is_judged_by_its_code() {
    let stats = "Number of files: 1,234 (reg: 1,200, dir: 34)\nTotal file size: 4,100,000 bytes\nTotal transferred file size: 1,000 bytes\n";
    let good = read(Adapter::Rsync, Some(0), stats, "");
    assert_eq!(
        (good.result, good.files, good.bytes, good.bytes_added),
        (RunResult::Ok, Some(1_200), Some(4_100_000), Some(1_000))
    );
    let vanished = read(
        Adapter::Rsync,
        Some(24),
        "",
        "file has vanished: \"/srv/x\"\nrsync warning: some files vanished before they could be transferred (code 24)",
    );
    assert_eq!(vanished.result, RunResult::Warning);
    assert!(vanished.error.starts_with("file has vanished"));
    let missing = read(
        Adapter::Rsync,
        Some(23),
        "",
        "rsync: [sender] link_stat \"/nope\" failed: No such file or directory (2)\nrsync error: some files/attrs were not transferred (code 23)",
    );
    assert_eq!(missing.result, RunResult::Failed);
    assert!(missing.error.contains("link_stat"));
}

#[test]
fn rsnapshots_log_tells_of_the_last_run() {
    let log = "[2026-11-20T23:08:02] /usr/bin/rsnapshot daily: started\n[2026-11-20T23:08:09] /usr/bin/rsnapshot daily: ERROR: rsync returned 12\n\
               [2026-11-21T23:08:02] /usr/bin/rsnapshot daily: started\n[2026-11-21T23:08:09] /usr/bin/rsnapshot daily: completed successfully\n";
    let good = read(Adapter::Rsnapshot, None, log, "");
    assert_eq!((good.result, good.job.as_str()), (RunResult::Ok, "daily"), "{good:?}");
    assert_eq!(good.ended_at, at("2026-11-21T15:08:09"));
    let broken = log.replace(
        "[2026-11-21T23:08:09] /usr/bin/rsnapshot daily: completed successfully\n",
        "",
    );
    assert_eq!(read(Adapter::Rsnapshot, None, &broken, "").result, RunResult::Failed);
    let failed = read(
        Adapter::Rsnapshot,
        Some(1),
        "",
        "ERROR: Source directory /nope doesn't exist",
    );
    assert_eq!(failed.result, RunResult::Failed);
    assert!(failed.error.contains("/nope"));
    assert_eq!(
        read(Adapter::Rsnapshot, Some(2), "", "WARNING: Some files vanished").result,
        RunResult::Warning
    );
}

#[test]
fn dumps_need_their_trailer() {
    let dump = "-- MariaDB dump\nCREATE TABLE t;\n-- Dump completed on 2026-11-22  2:30:00\n\n";
    let good = read(
        Adapter::Mysqldump,
        Some(0),
        dump,
        "mysqldump: [Warning] Using a password",
    );
    assert_eq!((good.result, good.ended_at), (RunResult::Ok, at("2026-11-21T18:30:00")));
    let cut = read(Adapter::Mysqldump, Some(0), "CREATE TABLE t;", "");
    assert!(cut.result == RunResult::Failed && cut.error.contains("broke off"));
    let error = "mysqldump: Error 2013: Lost connection to MySQL server during query";
    assert_eq!(read(Adapter::Mysqldump, Some(0), dump, error).error, error);
    let good = read(
        Adapter::Xtrabackup,
        Some(0),
        "",
        "start_time = 2026-11-22 02:30:00\n250101 xtrabackup: completed OK!\n",
    );
    assert_eq!(
        (good.result, good.started_at),
        (RunResult::Ok, at("2026-11-21T18:30:00"))
    );
    let bad = read(
        Adapter::Xtrabackup,
        Some(0),
        "",
        "xtrabackup: Error: failed to connect\n",
    );
    assert!(bad.result == RunResult::Failed && bad.error.contains("failed to connect"));
}

#[test]
fn duplicity_tells_by_stanzas_and_statistics() {
    let stats = "StartTime 1795302487.35 (Sat)\nEndTime 1795302489.35 (Sat)\nSourceFiles 3\nSourceFileSize 4100502 (3.91 MB)\nTotalDestinationSizeChange 1234 (1.2 KB)\nErrors 0\n";
    let good = read(Adapter::Duplicity, Some(0), stats, "");
    assert_eq!(
        (good.result, good.bytes, good.duration_ms),
        (RunResult::Ok, Some(4_100_502), Some(2_000))
    );
    let some = read(Adapter::Duplicity, Some(0), &stats.replace("Errors 0", "Errors 2"), "");
    assert!(some.result == RunResult::Warning && some.error.contains("2 files"));
    let failed = read(
        Adapter::Duplicity,
        Some(53),
        "",
        "ERROR 53 put\n. No space left on device\n",
    );
    assert_eq!(
        (failed.result, failed.error.as_str()),
        (RunResult::Failed, "error 53 put: No space left on device")
    );
}

#[test]
fn bacula_tells_by_its_report_or_its_catalogue() {
    let report = "  Job:                    nightly.2026-11-21\n  Start time:             21-Nov-2026 23:08:02\n  SD Bytes Written:       4,100,502 (4.100 MB)\n  FD Files Written:       201\n  Termination:            Backup OK -- with warnings\n";
    let warned = read(Adapter::Bacula, None, report, "");
    assert_eq!(
        (warned.result, warned.bytes, warned.started_at),
        (RunResult::Warning, Some(4_100_502), at("2026-11-21T15:08:02"))
    );
    for (letter, result) in [
        ("T", RunResult::Ok),
        ("W", RunResult::Warning),
        ("e", RunResult::Warning),
        ("E", RunResult::Failed),
        ("f", RunResult::Failed),
        ("A", RunResult::Failed),
    ] {
        let row = format!("  jobid: 7\n  name: nightly\n  jobstatus: {letter}\n  jobbytes: 99\n");
        assert_eq!(read(Adapter::Bareos, None, &row, "").result, result, "{letter}");
    }
    assert!(read(Adapter::Bareos, None, "jobstatus: R\n", "").running);
    let failed = read(
        Adapter::Bacula,
        None,
        "Fatal error: no volume\n Termination: *** Backup Error ***\n",
        "",
    );
    assert!(failed.result == RunResult::Failed && failed.error.contains("no volume"));
    assert_eq!(read(Adapter::Bacula, None, "", "").result, RunResult::Failed);
}

#[test]
fn a_units_result_is_read_from_its_properties() {
    let show = "Id=backup.service\nResult=success\nExecMainStatus=0\nExecMainStartTimestamp=Sat 2026-11-21 23:08:02 CST\nExecMainExitTimestamp=Sat 2026-11-21 23:08:12 CST\nInvocationID=abc\nActiveState=inactive\nSubState=dead\n";
    let good = read(Adapter::Systemd, None, show, "");
    assert_eq!(
        (good.result, good.duration_ms, good.job.as_str()),
        (RunResult::Ok, Some(10_000), "backup.service")
    );
    let failed = read(
        Adapter::Systemd,
        None,
        &show.replace("=success", "=exit-code").replace("Status=0", "Status=12"),
        "",
    );
    assert_eq!(
        (failed.result, failed.error.as_str()),
        (RunResult::Failed, "the unit's result is exit-code, status 12")
    );
    assert!(read(Adapter::Systemd, None, &show.replace("inactive", "activating"), "").running);
    assert_eq!(read(Adapter::Systemd, None, "", "").result, RunResult::Failed);
}

#[test]
fn veeams_messages_are_read_and_a_retry_is_no_failure() {
    let line = |result: &str, retry: &str| {
        format!(
            "<14>1 2026-11-21T23:08:02+08:00 veeam Veeam_MP - - [origin enterpriseId=\"31023\"] [categoryId=0 instanceId=190 JobID=\"1\" JobSessionID=\"s1\" JobName=\"Nightly VMs\" JobResult=\"{result}\" WillBeRetried=\"{retry}\" Reason=\"Out of space\"] Job ended"
        )
    };
    let task = "<14>1 2026-11-21T23:07:02+08:00 veeam Veeam_MP - - [categoryId=0 instanceId=150 JobSessionID=\"s1\" Status=\"2\" TransferredGb=\"1.5\"] task";
    let good = read(Adapter::Veeam, None, &format!("{task}\n{}", line("0", "False")), "");
    assert_eq!(
        (good.result, good.job.as_str(), good.bytes_added),
        (RunResult::Ok, "Nightly VMs", Some(1_610_612_736))
    );
    assert_eq!(good.ended_at, at("2026-11-21T15:08:02"));
    assert_eq!(
        read(Adapter::Veeam, None, &line("1", "False"), "").result,
        RunResult::Warning
    );
    let failed = read(Adapter::Veeam, None, &line("2", "False"), "");
    assert_eq!(
        (failed.result, failed.error.as_str()),
        (RunResult::Failed, "Out of space")
    );
    assert!(read(Adapter::Veeam, None, &line("2", "True"), "").running);
    assert_eq!(read(Adapter::Veeam, None, "", "").result, RunResult::Failed);
}

#[test]
fn rman_fails_by_its_log_whatever_it_exits_with() {
    let log = "Recovery Manager: Release 19.0.0.0.0\nStarting backup at 21-NOV-26\npiece handle=/b/0a.bkp tag=T\nFinished backup at 21-NOV-26\n\nRecovery Manager complete.\n";
    let good = read(Adapter::Rman, Some(0), log, "");
    assert_eq!((good.result, good.artefact.as_str()), (RunResult::Ok, "/b/0a.bkp"));
    let bad = log.replace(
        "Finished backup",
        "RMAN-00571: ====\nRMAN-03009: failure of backup command\nORA-19502: write error\nFinished backup",
    );
    let bad = read(Adapter::Rman, Some(0), &bad, "");
    assert_eq!(
        bad.error,
        "RMAN-03009: failure of backup command\nORA-19502: write error"
    );
    assert_eq!(
        read(Adapter::Rman, Some(0), "Recovery Manager: Release\n", "").result,
        RunResult::Failed
    );
    let rows = "12 DB FULL COMPLETED 2026-11-21 23:08:02 2026-11-21 23:18:02 4000 1000\n13 DB INCR COMPLETED WITH ERRORS 2026-11-22 23:08:02 2026-11-22 23:18:02 1 2\n";
    let view = read(Adapter::Rman, None, rows, "");
    assert_eq!(
        (view.result, view.bytes, view.bytes_added),
        (RunResult::Failed, Some(1), Some(2))
    );
}

#[test]
fn netbackups_reports_are_read() {
    let row = |id: u32, state: u32, status: u32, ended: u32| {
        format!("{id},0,{state},{status},Daily,Full,db1,master,1795302487,60,{ended},stu,1,0,4004,201,path,100\n")
    };
    let jobs = row(7, 3, 0, 1_795_302_547) + &row(8, 3, 1, 1_795_402_547);
    let newest = read(Adapter::NetBackup, None, &jobs, "");
    assert_eq!(
        (newest.result, newest.job.as_str(), newest.bytes),
        (RunResult::Warning, "Daily/Full/db1", Some(4_100_096))
    );
    assert!(read(Adapter::NetBackup, None, &row(9, 1, 0, 0), "").running);
    let errors = "STATUS CLIENT POLICY SCHED SERVER TIME COMPLETED\n  58  db1  Daily  Full  master  11/21/2026 23:08:02\n  (can't connect to client)\n";
    let failed = read(Adapter::NetBackup, None, errors, "");
    assert_eq!(
        (failed.result, failed.error.as_str()),
        (RunResult::Failed, "status 58: can't connect to client")
    );
    assert_eq!(failed.ended_at, at("2026-11-21T15:08:02"));
}

#[test]
fn patterns_of_an_administrator_judge_too() {
    let definition = Definition::parse(
        "name = \"anybackup\"\nrecord = '^(?<job>[^,]*),(?<started>[^,]*),(?<ended>[^,]*),(?<result>[^,]*),(?<bytes>[^,]*)$'\nok = [\"成功\"]\nwarning = [\"部分成功\"]\nrunning = [\"执行中\"]\n",
    )
    .unwrap();
    let judge = |text: &str| {
        definition.read(&Output {
            exit_code: None,
            stdout: Some(text),
            stderr: "",
            zone: &shanghai(),
            now: Timestamp::default(),
        })
    };
    let row =
        |word: &str| format!("任务,开始,结束,结果,大小\nOA,2026-11-21 23:08:02,2026-11-21 23:18:02,{word},1.5 GB\n");
    let good = judge(&row("成功"));
    assert_eq!(
        (good.result, good.bytes, good.started_at),
        (RunResult::Ok, Some(1_610_612_736), at("2026-11-21T15:08:02"))
    );
    assert_eq!(judge(&row("部分成功")).result, RunResult::Warning);
    assert!(judge(&row("执行中")).running);
    assert_eq!(
        (judge(&row("介质错误")).result, judge(&row("介质错误")).error.as_str()),
        (RunResult::Failed, "介质错误")
    );
    assert_eq!(judge("nothing").result, RunResult::Failed);
    assert!(matches!(Definition::parse("ok = ['x']"), Err(DefinitionError::Empty)));
    assert!(matches!(
        Definition::parse("record = '('"),
        Err(DefinitionError::Pattern { key: "record", .. })
    ));
    assert!(matches!(
        Definition::parse("colour = 'red'"),
        Err(DefinitionError::Toml(_))
    ));
}

#[test]
fn no_output_makes_an_adapter_panic() {
    let definition = Definition::parse("record = '(?<result>\\w+) (?<bytes>.*) (?<started>.*)'").unwrap();
    bolero::check!()
        .with_type::<(String, String, Option<i32>)>()
        .for_each(|(stdout, stderr, exit_code)| {
            let zone = TimeZone::UTC;
            let output = Output {
                exit_code: *exit_code,
                stdout: Some(stdout),
                stderr,
                zone: &zone,
                now: Timestamp::default(),
            };
            for adapter in Adapter::value_variants() {
                let _ = adapter.read(&output);
            }
            let _ = definition.read(&output);
        });
}

#[test]
fn words_of_tools_that_are_cut_anywhere_are_no_trouble() {
    let texts = [
        "[{\"name\":\"main\",\"backup\":[{\"label\":\"x\",\"timestamp\":{\"start\":1,\"stop\":9223372036854775807}}]}]",
        "2026-11-21 23:11:12.390 P00   INFO: backup command end: completed successfully (16627ms)",
        "processed 200 files, 3.815 MiB in 0:00\n错误 WARN: 错误",
        "This archive: 4.10 MB 4.11 MB 4.11 MB\nTime (start): Sat, 2026-11-21 23:08:02 +0800",
        "instanceId=190 JobResult=\"错误\" x=\"",
    ];
    for text in texts {
        for (end, _) in text.char_indices() {
            for adapter in Adapter::value_variants() {
                let _ = read(*adapter, None, &text[..end], &text[..end]);
            }
        }
    }
}
