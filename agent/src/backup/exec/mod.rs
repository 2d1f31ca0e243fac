//! A command wrapped so that nobody notices, and what came of it.
//!
//! ```text
//!              stdin, stdout ───────────────────────────▶ the command's own, untouched
//! cron ─▶ tocsin-agent ─ starts ─▶ the command
//!              ▲  └── signals ───────▶ │
//!              └── end ────────────────┤
//!  stderr ◀── copying thread ◀── pipe ─┘   the last 64 KiB are kept
//! ```
//!
//! * The command stays in our process group, so a terminal's keys reach it as they would without us. Signals that others
//!   send to us are passed on; when the terminal stops the command, we stop too, so that the shell sees it.
//! * Standard output is the very descriptor that we were given, unless an adapter reads it: one that was asked for, or one of a
//!   program that is known to tell there what it did, while that is no terminal. Where both outputs are the
//!   same file or pipe, both go through one pipe, so that their order stays.
//! * What the command leaves running with our pipe in its hands goes on writing: another process relays it.
//! * Nothing that fails here fails the command: a run that can't be kept is a line on standard error.
//!
//! * A standard descriptor that was closed is closed for the command, too (see `tocsin_early`).
//!
//! What differs from running alone: standard error is a pipe, no terminal; `SIGSTOP` to us alone stops only us, for nobody
//! is told of it.

mod copy;
mod signals;
mod start;

use super::{
    keep::Runs,
    run::{self, Run},
};
use crate::{clock::Clock, facts};
pub(super) use copy::relay_on;
use copy::{Copied, Copier};
use jiff::tz::TimeZone;
use signals::{End, Notes, Watch};
pub(super) use start::leave_closed;
use start::{Started, Way};
use std::{
    ffi::OsString,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tocsin_adapters::{Judge, Output, Reading};
use tocsin_vocabulary::{IdSource, RunId, RunResult, Timestamp, backup::job_name};

/// Once in so many runs the folder is looked at for what is too much.
const PRUNE_ONE_IN: u8 = 32;

/// What is to be run, and how it is judged.
#[derive(Debug)]
pub struct Order {
    /// The job whose run this is.
    pub job: String,
    /// The command and its arguments; never empty.
    pub command: Vec<OsString>,
    /// A pipe fails when any of its commands does.
    pub pipefail: bool,
    /// Exit codes that are warnings.
    pub warning_exit: Vec<u8>,
    /// Who judges what the command says.
    pub judge: Option<Judge>,
    /// What must be there afterwards, and with how many bytes at least.
    pub artefact: Option<(PathBuf, u64)>,
    /// A number of the caller's own.
    pub rid: String,
    /// Where runs are kept.
    pub state_dir: PathBuf,
}

/// Runs the command; gives its exit status as a shell does.
pub fn exec(order: &Order, clock: &dyn Clock) -> ExitCode {
    let runs = Runs::of(&order.state_dir);
    let mut run = begun(order, clock);
    let started = clock.mono();
    let kept = runs.begin(&run);
    let judge = order.judge.clone().or_else(|| Judge::of_program(&run.command));
    let (end, said) = wrap(order, judge.as_ref());
    let took = clock.mono().saturating_sub(started);
    ended(&mut run, order, judge.as_ref(), &end, said, clock.wall(), took);
    let kept = kept.and_then(|()| runs.finish(&run));
    if let Err(error) = kept {
        let error = anyhow::Error::from(error);
        complain(format_args!(
            "the run of job {} is not kept, nobody will be told of it: {error:#}",
            run.job
        ));
    }
    if run.id.as_bytes()[15].is_multiple_of(PRUNE_ONE_IN) {
        // What could not be read was told above.
        let _ = runs.prune();
    }
    ExitCode::from(end.code())
}

/// A run that begins.
fn begun(order: &Order, clock: &dyn Clock) -> Run {
    let mut seed = [0; 8];
    // Without randomness the time must do: names need only differ on this host.
    if getrandom::fill(&mut seed).is_err() {
        let nanos = clock.mono().subsec_nanos();
        seed = (u64::from(nanos) << 32 | u64::from(std::process::id())).to_le_bytes();
    }
    let now = clock.wall();
    let program = order.command.first().map(|word| word.to_string_lossy().into_owned());
    Run {
        id: RunId::next(&mut IdSource::new(u64::from_le_bytes(seed)), now),
        job: job_name(&order.job),
        host: facts::hostname(Path::new("/")),
        command: run::clipped(
            &program.unwrap_or_default(),
            tocsin_vocabulary::backup::JOB_NAME_CHARS_MAX,
        ),
        rid: order.rid.clone(),
        started_at: now,
        ended_at: None,
        duration_ms: 0,
        result: None,
        exit_code: None,
        signal: None,
        bytes: None,
        bytes_added: None,
        files: None,
        artefact: String::new(),
        judged_by: String::new(),
        error: String::new(),
        stderr_tail: String::new(),
        stderr_bytes: 0,
        pid: std::process::id(),
        pid_started: super::courier::started_ticks(Path::new("/"), std::process::id()).unwrap_or(0),
    }
}

/// What the command wrote, as far as it was kept.
#[derive(Debug, Default)]
struct Said {
    stdout: Option<Copied>,
    stderr: Option<Copied>,
}

/// Starts the command, and comes back when it has ended.
fn wrap(order: &Order, judge: Option<&Judge>) -> (End, Said) {
    let notes = Notes::begin();
    start::leave_closed();
    // A program's progress on a terminal is for people; and whoever asked for an adapter wants it read in any case.
    let is_told = || judge.is_some_and(Judge::is_told_on_stdout) && !std::io::stdout().is_terminal();
    let way = Way::choose(order.judge.is_some() || is_told());
    let Started { pid, stdout, stderr } = match start::start(&order.command, order.pipefail, way) {
        Ok(started) => started,
        Err(refused) => {
            complain(&refused);
            return (End::NotStarted(refused), Said::default());
        }
    };
    let watch = Watch::begin(&notes, pid);
    if let Err(error) = &watch {
        complain(format_args!("signals are not passed on: {error}"));
    }
    let watch = watch.ok();
    let mut copiers: Vec<Copier> = [stdout, stderr].into_iter().flatten().collect();
    let end = signals::wait(watch.as_ref(), pid, &mut copiers);
    let mut said = Said::default();
    for copier in copiers {
        let is_stdout = copier.is_stdout();
        let copied = copier.finish();
        if is_stdout {
            said.stdout = Some(copied);
        } else {
            said.stderr = Some(copied);
        }
    }
    (end, said)
}

/// Fills in what became of a run.
fn ended(run: &mut Run, order: &Order, judge: Option<&Judge>, end: &End, said: Said, now: Timestamp, took: Duration) {
    run.ended_at = Some(now);
    run.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    run.exit_code = Some(end.code().into());
    run.signal = end.signal();
    let stderr = said.stderr.unwrap_or_default();
    let stdout = said.stdout;
    run.stderr_bytes = stderr.bytes;
    run.stderr_tail = stderr.text();
    let mut reading = match end {
        End::NotStarted(refused) => Reading::failed(refused.to_string()),
        End::Signal(signal) => Reading::failed(format!("ended by signal {signal}")),
        End::Lost => Reading::failed("what became of the command is not known".to_owned()),
        End::Exit(code) => {
            let stdout = stdout.map(|stdout| stdout.text());
            let stderr = run.stderr_tail.clone();
            let output = Output {
                exit_code: Some(i32::from(*code)),
                stdout: stdout.as_deref(),
                stderr: &stderr,
                zone: &zone(judge),
                now,
            };
            read(run, order, judge, *code, &output)
        }
    };
    if reading.result <= RunResult::Warning
        && let Some((path, least)) = &order.artefact
    {
        match artefact(path, *least, run.started_at) {
            Ok(()) => reading.artefact = path.display().to_string(),
            Err(why) => reading = Reading::failed(why),
        }
    }
    run.result = Some(reading.result);
    run.error = run::clipped(&reading.error, run::ERROR_CHARS_MAX);
    run.bytes = reading.bytes;
    run.bytes_added = reading.bytes_added;
    run.files = reading.files;
    run.artefact = reading.artefact;
}

/// The zone of times that a tool writes without one; looked up only where somebody reads them.
fn zone(judge: Option<&Judge>) -> TimeZone {
    if judge.is_some() {
        TimeZone::system()
    } else {
        TimeZone::UTC
    }
}

/// Judges a command that exited.
fn read(run: &mut Run, order: &Order, judge: Option<&Judge>, code: u8, output: &Output<'_>) -> Reading {
    let reading = judge.map_or_else(|| Reading::of_exit(output), |judge| judge.read(output));
    run.judged_by = judge.map_or_else(|| "exit".to_owned(), |judge| judge.name().to_owned());
    if code != 0 && order.warning_exit.contains(&code) {
        return Reading {
            result: RunResult::Warning,
            ..reading
        };
    }
    reading
}

/// Whether what should have been made is there, new and large enough.
fn artefact(path: &Path, bytes_min: u64, since: Timestamp) -> Result<(), String> {
    let shown = path.display();
    let found = std::fs::metadata(path).map_err(|error| format!("the artefact {shown} is not there: {error}"))?;
    let modified = found.modified().ok();
    let modified = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    // File systems round times down, by two seconds at most (FAT).
    let since = since.minus(Duration::from_secs(2)).as_millis();
    if modified.is_none_or(|at| i64::try_from(at.as_millis()).unwrap_or(i64::MAX) < since) {
        return Err(format!("the artefact {shown} was not written by this run"));
    }
    if found.is_file() && found.len() < bytes_min {
        return Err(format!(
            "the artefact {shown} has {} bytes, expected at least {bytes_min}",
            found.len()
        ));
    }
    Ok(())
}

/// A line on standard error; nobody may be there to read it.
fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "tocsin-agent: {line}");
}
