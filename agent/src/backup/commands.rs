//! The commands of `tocsin-agent backup`.

use super::{
    args::{Backup, ExecArgs, JudgeArgs, RunsArgs},
    courier,
    exec::{self, Order},
    keep::{Runs, Stage},
    run::Run,
};
use crate::clock::{Clock as _, SystemClock};
use anyhow::Context as _;
use jiff::tz::TimeZone;
use serde_json::json;
use std::{
    fs::File,
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tocsin_adapters::{Definition, DefinitionError, Judge, Output, examples};
use tocsin_vocabulary::{Code, RunResult, backup::job_name, time::format_duration};

/// A definition is shorter.
const DEFINITION_BYTES_MAX: u64 = 256 * 1024;
/// Of what a tool wrote, this much is read.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Does what the command line says; gives the exit status.
///
/// # Errors
/// When a command other than `exec` could not do its work, and not because of what was asked.
pub(crate) fn dispatch(command: Backup) -> anyhow::Result<ExitCode> {
    obey(command).or_else(|error| match status(&error) {
        Some(code) => {
            complain(format_args!("{error:#}"));
            Ok(ExitCode::from(code.exit_status()))
        }
        None => Err(error),
    })
}

/// What a mistake of whoever asked is told as; none when it is none of theirs.
fn status(error: &anyhow::Error) -> Option<Code> {
    let of_file = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Some(Code::NotFound),
        io::ErrorKind::PermissionDenied => Some(Code::Forbidden),
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => Some(Code::InvalidInput),
        _ => None,
    };
    error.chain().find_map(|cause| {
        let asked = cause.downcast_ref::<Asked>().map(|asked| asked.code);
        let wrong = || cause.is::<DefinitionError>().then_some(Code::InvalidInput);
        asked.or_else(wrong).or_else(|| cause.downcast_ref().and_then(of_file))
    })
}

/// Something was asked for that can't be had.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
struct Asked {
    code: Code,
    problem: String,
}

fn obey(command: Backup) -> anyhow::Result<ExitCode> {
    let environment = std::env::var_os("TOCSIN_STATE_DIR").map(PathBuf::from);
    match command {
        Backup::Exec(args) => exec_command(args, environment),
        Backup::Runs(args) => runs(&args, environment),
        Backup::Judge(args) => judge(&args),
        Backup::Definitions { name } => definitions(name.as_deref()),
        Backup::Relay => {
            exec::relay_on();
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn exec_command(args: ExecArgs, environment: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    if job_name(&args.job).is_empty() {
        complain("--job needs a name");
        return Ok(ExitCode::from(Code::InvalidInput.exit_status()));
    }
    let judge = match (args.adapter, &args.definition) {
        (Some(tool), _) => Some(Judge::Tool(tool)),
        (None, Some(file)) => match definition(file) {
            Ok(judge) => Some(judge),
            // A mistake in a pattern must not keep data from being saved.
            Err(error) => {
                complain(format_args!("the exit status alone is judged: {error:#}"));
                None
            }
        },
        (None, None) => None,
    };
    let order = Order {
        job: args.job,
        command: args.command,
        pipefail: args.pipefail,
        warning_exit: args.warning_exit,
        judge,
        artefact: args.artefact.map(|path| (path, args.artefact_bytes_min)),
        rid: args.rid,
        state_dir: args.state.resolve(environment),
    };
    Ok(exec::exec(&order, &SystemClock))
}

/// A definition from a file, or the worked example of that name.
fn definition(file: &Path) -> anyhow::Result<Judge> {
    let text = match file.to_str().and_then(examples::named) {
        Some(example) if !file.exists() => example.toml.to_owned(),
        None if !file.exists() => return Err(no_definition(&file.to_string_lossy())),
        _ => read(file, DEFINITION_BYTES_MAX)?,
    };
    let definition = Definition::parse(&text).with_context(|| format!("cannot use {}", file.display()))?;
    Ok(Judge::Defined(Arc::new(definition)))
}

fn no_definition(name: &str) -> anyhow::Error {
    let problem = format!(
        "there is no definition and no file `{name}`: `tocsin-agent backup definitions` lists those that are built in"
    );
    anyhow::Error::new(Asked {
        code: Code::NotFound,
        problem,
    })
}

fn read(file: &Path, bytes_max: u64) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin()
            .take(bytes_max)
            .read_to_end(&mut bytes)
            .context("cannot read stdin")?;
    } else {
        let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        let read = opened.take(bytes_max).read_to_end(&mut bytes);
        read.with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn judge(args: &JudgeArgs) -> anyhow::Result<ExitCode> {
    let judge = match (args.adapter, &args.definition) {
        (Some(tool), _) => Judge::Tool(tool),
        (None, Some(file)) => definition(file)?,
        (None, None) => anyhow::bail!("give --adapter or --definition"),
    };
    let text = |file: &Option<PathBuf>| file.as_deref().map(|file| read(file, OUTPUT_BYTES_MAX)).transpose();
    let (stdout, stderr) = (text(&args.stdout)?, text(&args.stderr)?);
    let zone = match &args.zone {
        Some(name) => TimeZone::get(name).map_err(|_| Asked {
            code: Code::InvalidInput,
            problem: format!("`{name}` is not a time zone: expected a name such as Asia/Shanghai"),
        })?,
        None => TimeZone::system(),
    };
    let reading = judge.read(&Output {
        exit_code: args.exit_code,
        stdout: stdout.as_deref(),
        stderr: stderr.as_deref().unwrap_or_default(),
        zone: &zone,
        now: SystemClock.wall(),
    });
    let shown = json!({
        "judged_by": judge.name(),
        "result": if reading.running { "running" } else { reading.result.as_str() },
        "job": reading.job,
        "started_at": reading.started_at.map(|at| at.to_string()),
        "ended_at": reading.ended_at.map(|at| at.to_string()),
        "duration_ms": reading.duration_ms,
        "bytes": reading.bytes,
        "bytes_added": reading.bytes_added,
        "files": reading.files,
        "artefact": reading.artefact,
        "error": reading.error,
    });
    say(format_args!("{shown:#}"));
    Ok(ExitCode::from(u8::from(
        !reading.running && reading.result > RunResult::Warning,
    )))
}

/// Lists the worked examples, or prints one.
fn definitions(name: Option<&str>) -> anyhow::Result<ExitCode> {
    let Some(name) = name else {
        for example in examples::EXAMPLES {
            say(format_args!("{:<12}{}", example.name, example.about));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let example = examples::named(name).ok_or_else(|| no_definition(name))?;
    say(format_args!("{}", example.toml.trim_end()));
    Ok(ExitCode::SUCCESS)
}

fn runs(args: &RunsArgs, environment: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let runs = Runs::of(&args.state.resolve(environment));
    let names = runs.names(&[Stage::Started, Stage::Waiting, Stage::Sent])?;
    let found = names
        .into_iter()
        .rev()
        .filter_map(|(id, stage)| Some((as_it_is(&runs, runs.read(id, stage)?, stage), stage)));
    let wanted = args.job.as_deref().map(job_name);
    let found = found.filter(|(run, _)| wanted.as_ref().is_none_or(|job| *job == run.job));
    let found: Vec<(Run, Stage)> = found.take(args.limit).collect();
    if args.json {
        let items: Vec<_> = found
            .iter()
            .map(|(run, stage)| run.shown(*stage == Stage::Sent))
            .collect();
        say(format_args!("{:#}", json!({ "items": items, "next": null })));
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "{:<25}{:<24}{:<10}{:<6}{:<12}{:<6}ERROR",
        "STARTED", "JOB", "RESULT", "EXIT", "DURATION", "SENT"
    ));
    for (run, stage) in &found {
        let exit = run.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
        let first = run.error.lines().next().unwrap_or_default();
        let plain: String = first
            .chars()
            .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
            .collect();
        say(format_args!(
            "{:<25}{:<24}{:<10}{exit:<6}{:<12}{:<6}{plain}",
            run.started_at.to_string(),
            run.job,
            run.result.map_or("running", RunResult::as_str),
            format_duration(std::time::Duration::from_millis(run.duration_ms)),
            if *stage == Stage::Sent { "yes" } else { "no" },
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A run whose wrapper is gone without a word does not go on: it is shown as a running agent will tell it.
fn as_it_is(runs: &Runs, run: Run, stage: Stage) -> Run {
    let wrapper = || courier::started_ticks(Path::new("/"), run.pid);
    if stage != Stage::Started || wrapper() == Some(run.pid_started) {
        return run;
    }
    // Looked at once more: it tells before it goes.
    match runs.names(&[Stage::Started]) {
        Ok(names) if names.contains(&(run.id, stage)) => run.unseen(),
        _ => [Stage::Waiting, Stage::Sent]
            .iter()
            .find_map(|stage| runs.read(run.id, *stage))
            .unwrap_or(run),
    }
}

/// Prints a line; a reader that went away is no error.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "tocsin-agent: {line}");
}
