//! `tocsin-agent backup exec` beside the same command alone: output, exit code, signals, stops, and what is kept.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken assumption is a failed test, and a skipped one says so"
)]

use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead as _, Read as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

const AGENT: &str = env!("CARGO_BIN_EXE_tocsin-agent");

/// The wrapper around `words`, with its state in `state`.
fn wrapped(state: &Path, options: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new(AGENT);
    command
        .args(["backup", "exec", "--job", "nightly", "--state-dir"])
        .arg(state);
    command.args(options).arg("--").args(words);
    command.env_remove("TOCSIN_STATE_DIR");
    command
}

fn alone(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// The newest run that was kept.
fn newest(state: &Path) -> Value {
    let shown = Command::new(AGENT)
        .args(["backup", "runs", "--json", "--limit", "1", "--state-dir"])
        .arg(state)
        .output()
        .unwrap();
    let list: Value = serde_json::from_slice(&shown.stdout).unwrap();
    list["items"][0].clone()
}

/// What a shell would say of an end.
fn shells(output: &Output) -> i32 {
    output
        .status
        .code()
        .unwrap_or_else(|| 128 + output.status.signal().unwrap())
}

#[test]
fn a_wrapped_command_is_like_the_command_alone() {
    let state = tempfile::tempdir().unwrap();
    let script = state.path().join("no-shebang");
    std::fs::write(&script, "echo from a script; exit 7\n").unwrap();
    Command::new("chmod").arg("+x").arg(&script).status().unwrap();
    let script = script.to_str().unwrap().to_owned();
    let cases: Vec<Vec<&str>> = vec![
        vec!["true"],
        vec!["false"],
        vec!["sh", "-c", "echo out; echo err >&2; exit 3"],
        vec!["sh", "-c", "printf 'no line feed'; printf 'nor here' >&2"],
        vec!["sh", "-c", "head -c 3000000 /dev/zero | cksum; cat /dev/null"],
        vec!["sh", "-c", "printf '\\000\\377\\200binary\\n'; printf '\\377\\000' >&2"],
        vec!["sh", "-c", "seq 1 200000"],
        vec!["sh", "-c", "seq 1 200000 >&2"],
        vec!["head", "-c", "64000000", "/dev/zero"],
        vec!["sh", "-c", "head -c 16000000 /dev/zero >&2; exit 2"],
        vec!["sh", "-c", "kill -TERM $$"],
        vec!["sh", "-c", "kill -KILL $$"],
        vec!["sh", "-c", "kill -HUP $$"],
        vec!["sh", "-c", "kill -PIPE $$"],
        vec!["sh", "-c", "kill -SEGV $$"],
        vec!["sh", "-c", "kill -ABRT $$"],
        // The first and the last real-time signal.
        vec!["sh", "-c", "kill -34 $$"],
        vec!["sh", "-c", "kill -64 $$"],
        vec!["cat"],
        vec![
            "sh",
            "-c",
            "echo \"$0 $#\"; printf '<%s>' \"$@\"",
            "name",
            "a b",
            "",
            "$x",
            "*",
        ],
        vec!["--", "x"],
        vec!["sh", "-c", "ulimit -a; pwd; umask"],
        // But for 32 and 33, which are the C library's own: who started these tests decides about them.
        vec![
            "sh",
            "-c",
            "grep -E 'SigBlk|SigIgn' /proc/self/status | sed -E 's/^(SigIgn:.{8})../\\1/'",
        ],
    ];
    for words in cases {
        if words[0] == "--" {
            continue;
        }
        let run = |mut command: Command| command.stdin(Stdio::null()).output().unwrap();
        let (bare, ours) = (run(alone(&words)), run(wrapped(state.path(), &[], &words)));
        assert_eq!(shells(&bare), ours.status.code().unwrap(), "{words:?}");
        assert!(bare.stdout == ours.stdout, "{words:?}: other output");
        assert!(bare.stderr == ours.stderr, "{words:?}: other errors");
        assert_eq!(newest(state.path())["exit_code"], shells(&bare), "{words:?}");
    }
    let run = wrapped(state.path(), &[], &[&script]).output().unwrap();
    assert_eq!(
        (run.status.code(), run.stdout.as_slice()),
        (Some(7), &b"from a script\n"[..])
    );
}

/// The same command started by a shell that closes or opens descriptors first.
fn redirected(redirections: &str, command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec \"$@\" {redirections}"), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.env_remove("TOCSIN_STATE_DIR");
    shell
}

#[test]
fn descriptors_that_were_closed_are_closed_for_the_command_and_no_others() {
    let state = tempfile::tempdir().unwrap();
    let open = state.path().join("open");
    let look = format!(
        "a=; for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && a=$a$n; done; echo \"$a.\" > {}",
        open.display()
    );
    let commands: [&[&str]; 6] = [
        &["cat"],
        &["sh", "-c", "echo out"],
        &["sh", "-c", "echo err >&2"],
        &["sh", "-c", "read line; echo $?; exit 3"],
        &["ls", "/no/such/folder"],
        &["sh", "-c", &look],
    ];
    let redirections = [
        "<&-",
        ">&-",
        "2>&-",
        "<&- >&-",
        "<&- 2>&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        // As daemons and Python give it: open, though the runtime opens closed ones just so.
        "<>/dev/null",
        "<>/dev/null >&0 2>&0",
        "</dev/null >/dev/null",
    ];
    for redirection in redirections {
        for words in commands {
            let run = |command: Command| {
                let _ = std::fs::remove_file(&open);
                let output = redirected(redirection, &command).stdin(Stdio::null()).output().unwrap();
                let open = std::fs::read_to_string(&open).unwrap_or_default();
                (shells(&output), output.stdout, output.stderr, open)
            };
            let (bare, ours) = (run(alone(words)), run(wrapped(state.path(), &[], words)));
            assert_eq!(bare, ours, "{words:?} {redirection}");
            let kept = newest(state.path());
            assert_eq!(kept["exit_code"], bare.0, "{words:?} {redirection}");
        }
        // An adapter that reads what is not there reads nothing.
        let judged = wrapped(state.path(), &["--adapter", "rsync"], &["sh", "-c", "exit 24"]);
        let output = redirected(redirection, &judged).output().unwrap();
        assert_eq!(output.status.code(), Some(24), "{redirection}");
        assert_eq!(newest(state.path())["result"], "warning", "{redirection}");
    }
}

#[test]
fn every_exit_code_passes_through() {
    let state = tempfile::tempdir().unwrap();
    for code in 0..=255 {
        let words = ["sh", "-c", &format!("exit {code}")];
        let status = wrapped(state.path(), &[], &words).status().unwrap();
        assert_eq!(status.code(), Some(code));
    }
    let shown = newest(state.path());
    assert_eq!((&shown["result"], &shown["exit_code"]), (&"failed".into(), &255.into()));
}

#[test]
fn what_cannot_run_is_told_as_a_shell_tells_it() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("plain");
    std::fs::write(&file, "text").unwrap();
    for (word, code) in [
        ("no-such-command-here", 127),
        ("/no/such/path", 127),
        (file.to_str().unwrap(), 126),
        ("/", 126),
    ] {
        let run = wrapped(state.path(), &[], &[word]).output().unwrap();
        assert_eq!(run.status.code(), Some(code), "{word}");
        assert!(String::from_utf8_lossy(&run.stderr).contains(word));
        let kept = newest(state.path());
        assert_eq!((&kept["result"], &kept["exit_code"]), (&"failed".into(), &code.into()));
    }
}

#[test]
fn both_outputs_in_one_place_keep_their_order() {
    let state = tempfile::tempdir().unwrap();
    let words = [
        "sh",
        "-c",
        "for i in $(seq 1 200); do echo out $i; echo err $i >&2; done",
    ];
    let into = |mut command: Command, name: &str| {
        let file = File::create(state.path().join(name)).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        std::fs::read(state.path().join(name)).unwrap()
    };
    assert_eq!(
        into(alone(&words), "alone"),
        into(wrapped(&state.path().join("state"), &[], &words), "wrapped")
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_it_would_alone() {
    let state = tempfile::tempdir().unwrap();
    for stream in ["yes", "yes >&2"] {
        let words = ["sh", "-c", &format!("exec {stream}")];
        let mut child = wrapped(state.path(), &[], &words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut some = [0; 10];
        if stream == "yes" {
            child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        } else {
            child.stderr.take().unwrap().read_exact(&mut some).unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(128 + 13), "{stream}");
        assert_eq!(newest(state.path())["signal"], 13);
    }
}

#[test]
fn standard_input_is_the_commands_own() {
    let state = tempfile::tempdir().unwrap();
    let mut child = wrapped(state.path(), &[], &["cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input: Vec<u8> = (0..=255).cycle().take(500_000).collect();
    let (mut to, sent) = (child.stdin.take().unwrap(), input.clone());
    let writer = std::thread::spawn(move || to.write_all(&sent).unwrap());
    let mut read = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut read).unwrap();
    writer.join().unwrap();
    assert!(read == input && child.wait().unwrap().success());
}

/// The same command with every signal as it is at first, whatever runs these tests ignores (as `nohup` does).
fn unshielded(command: &Command) -> Command {
    let mut shell = Command::new("env");
    shell
        .arg("--default-signal")
        .arg(command.get_program())
        .args(command.get_args());
    shell.env_remove("TOCSIN_STATE_DIR");
    shell
}

/// Whether a process has signals blocked, as one has that reads them.
fn reads_signals(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    blocked.is_some_and(|bits| bits.trim().contains(|digit| digit != '0'))
}

/// Sends a signal to the wrapper once the command is ready.
fn signalled(state: &Path, script: &str, signal: &str) -> Output {
    let mut child = unshielded(&wrapped(state, &[], &["bash", "-c", script]))
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its first line tells that its handlers are there.
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    // Real-time signals are passed on as soon as the wrapper reads signals, and not before.
    for _ in 0..3_000 {
        if signal.parse::<u8>().is_err() || reads_signals(child.id()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .unwrap()
            .success()
    );
    child.wait_with_output().unwrap()
}

#[test]
fn signals_reach_the_command_once() {
    let state = tempfile::tempdir().unwrap();
    for signal in [
        "HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "ALRM", "WINCH", "CONT", "PWR", "URG", "IO", "34", "64",
    ] {
        let script = format!(
            "trap 'n=$((n+1))' {signal}; echo ready; while [ -z \"$n\" ]; do sleep 0.01; done; sleep 0.1; echo got $n; exit 9"
        );
        let output = signalled(state.path(), &script, signal);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "got 1\n", "{signal}");
        assert_eq!(output.status.code(), Some(9), "{signal}");
    }
    for (signal, code) in [
        ("HUP", 129),
        ("INT", 130),
        ("QUIT", 131),
        ("USR1", 138),
        ("TERM", 143),
        ("34", 162),
    ] {
        let output = signalled(state.path(), "ulimit -c 0; echo ready; exec sleep 600", signal);
        assert_eq!(output.status.code(), Some(code), "{signal}");
    }
}

/// The third word of `/proc/PID/stat`.
fn state_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn until(pid: u32, state: &str) {
    for _ in 0..3_000 {
        if state_of(pid) == state {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} is {} and not {state}", state_of(pid));
}

#[test]
fn a_stop_stops_both_and_both_go_on() {
    let state = tempfile::tempdir().unwrap();
    let mut child = wrapped(state.path(), &[], &["bash", "-c", "echo $$; exec sleep 600"])
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let command: u32 = String::from_utf8(line).unwrap().trim().parse().unwrap();
    let send = |signal: &str| {
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    };
    send("-TSTP");
    until(command, "T");
    until(child.id(), "T");
    send("-CONT");
    until(command, "S");
    until(child.id(), "S");
    send("-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_run_whose_wrapper_was_killed_does_not_go_on_for_ever() {
    let state = tempfile::tempdir().unwrap();
    let mut child = wrapped(state.path(), &[], &["sh", "-c", "echo $$; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(newest(state.path())["result"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    let run = newest(state.path());
    assert_eq!((&run["result"], &run["sent"]), (&"failed".into(), &false.into()));
    assert!(run["error"].as_str().unwrap().contains("killed"), "{run}");
    assert!(Command::new("kill").arg(line.trim()).status().unwrap().success());
}

#[test]
fn what_was_ignored_stays_ignored_in_the_command() {
    let state = tempfile::tempdir().unwrap();
    let line = format!(
        "trap '' HUP; exec {AGENT} backup exec --job n --state-dir {} -- sh -c 'kill -HUP $$; echo alive'",
        state.path().display()
    );
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "alive\n");
}

#[test]
fn a_pipe_fails_where_that_is_asked() {
    let state = tempfile::tempdir().unwrap();
    for words in [
        &["false | true"][..],
        &["sh", "-c", "false | true"],
        &["bash", "-c", "(exit 1) | cat"],
    ] {
        let strict = wrapped(state.path(), &["--pipefail"], words).output().unwrap();
        assert_eq!(strict.status.code(), Some(1), "{words:?}");
        assert_eq!(newest(state.path())["result"], "failed");
    }
    let lax = wrapped(state.path(), &[], &["sh", "-c", "false | true"])
        .output()
        .unwrap();
    assert_eq!(lax.status.code(), Some(0));
    let good = wrapped(state.path(), &["--pipefail"], &["echo fine | cat"])
        .output()
        .unwrap();
    assert_eq!((good.status.code(), good.stdout.as_slice()), (Some(0), &b"fine\n"[..]));
}

#[test]
fn the_end_of_standard_error_is_kept_and_the_rest_passes() {
    let state = tempfile::tempdir().unwrap();
    let words = ["sh", "-c", "seq 1 1000000 >&2; echo the last words >&2; exit 4"];
    let output = wrapped(state.path(), &[], &words).output().unwrap();
    let kept = newest(state.path());
    let tail = kept["stderr_tail"].as_str().unwrap();
    assert_eq!(tail.len(), 64 * 1024);
    assert!(String::from_utf8_lossy(&output.stderr).ends_with(tail));
    assert_eq!(kept["stderr_bytes"], output.stderr.len());
    assert!(tail.ends_with("the last words\n"));
}

#[test]
fn a_command_runs_where_nothing_can_be_kept_and_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = wrapped(file.path(), &[], &["sh", "-c", "echo done; exit 5"])
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(5), &b"done\n"[..])
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not kept"));
}

#[test]
fn the_state_directory_comes_from_the_environment_too() {
    let state = tempfile::tempdir().unwrap();
    let status = Command::new(AGENT)
        .args(["backup", "exec", "--job", "x", "--", "true"])
        .env("TOCSIN_STATE_DIR", state.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(newest(state.path())["job"], "x");
}

#[test]
fn what_a_command_leaves_running_may_still_write() {
    let state = tempfile::tempdir().unwrap();
    let words = ["sh", "-c", "(sleep 0.5; echo later >&2) & exit 6"];
    let output = wrapped(state.path(), &[], &words).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "later\n");
}

#[test]
fn an_artefact_that_is_missing_old_or_too_small_fails_the_run() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("dump");
    let artefact = path.to_str().unwrap();
    let judged = |script: &str, options: &[&str]| {
        let status = wrapped(state.path(), options, &["sh", "-c", script]).status().unwrap();
        assert!(status.success(), "the command's own code passes");
        newest(state.path())["result"].as_str().unwrap().to_owned()
    };
    assert_eq!(judged("true", &["--artefact", artefact]), "failed");
    assert_eq!(
        judged(&format!("echo data > {artefact}"), &["--artefact", artefact]),
        "ok"
    );
    let least = ["--artefact", artefact, "--artefact-bytes-min", "6"];
    assert_eq!(judged(&format!("echo data > {artefact}"), &least), "failed");
    Command::new("touch")
        .args(["-d", "2020-01-01", artefact])
        .status()
        .unwrap();
    assert_eq!(judged("true", &["--artefact", artefact]), "failed");
}

#[test]
fn an_adapter_reads_what_passes_and_exit_codes_can_be_warnings() {
    let state = tempfile::tempdir().unwrap();
    let dump = "echo 'CREATE TABLE x;'; echo '-- Dump completed on 2026-11-22  2:30:00'";
    let run = |options: &[&str], script: &str| {
        let output = wrapped(state.path(), options, &["sh", "-c", script]).output().unwrap();
        (newest(state.path())["result"].as_str().unwrap().to_owned(), output)
    };
    let (result, output) = run(&["--adapter", "mysqldump"], dump);
    assert_eq!(result, "ok");
    assert!(output.stdout.starts_with(b"CREATE TABLE x;\n"));
    assert_eq!(run(&["--adapter", "mysqldump"], "echo 'CREATE TABLE x;'").0, "failed");
    assert_eq!(run(&["--warning-exit", "24,3"], "exit 3").0, "warning");
}

#[test]
fn what_a_known_program_tells_on_standard_output_is_read_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, script: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        Command::new("chmod").arg("+x").arg(&path).status().unwrap();
        path.to_str().unwrap().to_owned()
    };
    let summary =
        r#"{"message_type":"summary","snapshot_id":"ab12","total_bytes_processed":4096,"total_files_processed":3}"#;
    let restic = program("restic", &format!("echo '{summary}'"));
    let output = wrapped(folder.path(), &[], &[&restic]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), summary);
    let run = newest(folder.path());
    assert_eq!((&run["bytes"], &run["files"]), (&4096.into(), &3.into()));
    // A dump's output is the data itself: it is handed on as it is, and not looked at.
    let same = "a=$(readlink /proc/$$/fd/1); echo $a >&2";
    for (name, looked_at) in [("mysqldump", false), ("restic", true)] {
        let path = program(name, same);
        let out = File::create(folder.path().join("out")).unwrap();
        let output = wrapped(folder.path(), &[], &[&path])
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = output.wait_with_output().unwrap().stderr;
        assert_eq!(String::from_utf8_lossy(&told).starts_with("pipe:"), looked_at, "{name}");
    }
}

#[test]
fn what_is_not_there_is_told_apart_from_what_is_wrong_and_from_a_bad_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("broken.toml"), "record = '('").unwrap();
    std::fs::write(path("log"), "ERROR: no").unwrap();
    std::fs::write(path("good.toml"), "failed_line = ['ERROR']").unwrap();
    let cases: [(&[&str], i32); 8] = [
        (&["definitions"], 0),
        (&["definitions", "nope"], 3),
        (&["judge", "--definition", "nope"], 3),
        (&["judge", "--adapter", "rsync", "--stdout", "/no/such/log"], 3),
        (&["judge", "--adapter", "rsync", "--zone", "Mars/Olympus"], 2),
        (&["judge", "--definition", &path("broken.toml")], 2),
        (
            &["judge", "--definition", &path("good.toml"), "--stdout", &path("log")],
            1,
        ),
        (&["runs", "--state-dir", &path("log")], 2),
    ];
    for (words, code) in cases {
        let output = Command::new(AGENT).arg("backup").args(words).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        assert_eq!(told.is_empty(), code < 2, "{words:?}: {told}");
    }
}
