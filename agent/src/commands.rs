//! The commands: each does its work by the library, prints, and gives the exit status.

use crate::{
    app::{self, Options},
    check,
    cli::{Command, EnrolArgs, ProbeArgs, RunArgs, StatusArgs},
    clock::{Clock, SharedClock, SystemClock},
    config::{self, Config},
    enrol, probes, sample,
    status::{ForPeople, Status},
    surveys::{Host, privileged, tool::SystemTools},
};
use anyhow::Context;
use std::{
    fmt::Display,
    io::{self, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::Code;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// Threads that look names up.
const BLOCKING_THREADS_MAX: usize = 4;
/// An idle one ends after this.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// An install string is shorter.
const INSTALL_BYTES_MAX: u64 = 16 * 1024;

/// Does what the command line says; gives the exit status.
///
/// # Errors
/// When the command could not do its work, with the reason and the remedy.
pub fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run(&args),
        Command::Enrol(args) => enrol(&args),
        Command::Check(args) => {
            let state_dir = args.place.state.resolve(environment());
            let findings = check::check(&args.place.config, &state_dir, &SystemClock);
            for finding in &findings {
                say(format_args!(
                    "{} {}",
                    if finding.good { "ok  " } else { "FAIL" },
                    finding.text
                ));
            }
            Ok(exit(
                findings.iter().all(|finding| finding.good),
                Code::FailedPrecondition,
            ))
        }
        Command::Probe(args) => probe(&args),
        Command::Sample(args) => {
            sample::run(&args, &(Arc::new(SystemClock) as SharedClock)).map(|()| ExitCode::SUCCESS)
        }
        Command::Backup(command) => crate::backup::dispatch(command),
        Command::Status(args) => status(&args),
        Command::Errand => errand(),
    }
}

/// Reads one request, answers it, and ends. Takes nothing from arguments or environment.
fn errand() -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock);
    let tools = Arc::new(SystemTools::new(Arc::clone(&clock)));
    let host = Host::new(Path::new("/"), clock.wall(), clock.mono(), Some(tools));
    privileged::serve(&host, &mut io::stdin().lock(), &mut io::stdout().lock()).context("cannot answer")?;
    Ok(ExitCode::SUCCESS)
}

fn environment() -> Option<PathBuf> {
    std::env::var_os("TOCSIN_STATE_DIR").map(PathBuf::from)
}

fn exit(good: bool, otherwise: Code) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(otherwise.exit_status())
    }
}

/// Does `work` on this thread. Names are looked up on others, few and not waited for at the end: a resolver may hang.
fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}

fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    if args.print_config {
        print(config::PRINTED);
        return Ok(ExitCode::SUCCESS);
    }
    let config = match Config::load_or_default(&args.place.config) {
        Ok(config) => config,
        Err(error) => {
            complain(format_args!("{error}"));
            return Ok(ExitCode::from(Code::InvalidInput.exit_status()));
        }
    };
    let (filter, level) = reload::Layer::new(config.log.filter());
    tracing_subscriber::registry()
        .with(filter)
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(false),
        )
        .init();
    let options = Options {
        config,
        config_file: Some(args.place.config.clone()),
        state_dir: args.place.state.resolve(environment()),
        root: PathBuf::from("/"),
        clock: Arc::new(SystemClock),
        service: true,
        log: Some(Box::new(move |wanted| {
            drop(level.modify(|filter: &mut LevelFilter| *filter = wanted.filter()));
        })),
    };
    let ended = block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(stop_on_signal(shutdown.clone()));
        app::run(options, shutdown).await
    })?;
    match ended {
        Err(error) if error.is::<app::Spent>() => Err(start_anew()),
        ended => ended.map(|()| ExitCode::SUCCESS),
    }
}

/// Puts this program with the same arguments in this process's place; comes back only when that failed.
fn start_anew() -> anyhow::Error {
    let mut arguments = std::env::args_os();
    let mut own = std::process::Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        own.arg0(name);
    }
    anyhow::Error::new(own.args(arguments).exec())
        .context("cannot start anew after using too much memory: start the agent by hand")
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let terminated = async {
        match terminate {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    shutdown.cancel();
}

fn enrol(args: &EnrolArgs) -> anyhow::Result<ExitCode> {
    let text = match (&args.install, &args.install_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => read_install(file)?,
        (None, None) => String::new(),
    };
    let install = match text.parse() {
        Ok(install) => install,
        Err(error) => {
            complain(format_args!("tocsin-agent: {error}"));
            return Ok(ExitCode::from(Code::InvalidInput.exit_status()));
        }
    };
    let state_dir = args.state.resolve(environment());
    let facts = app::wire_facts(Path::new("/"));
    let enrolled = enrol::enrol(&install, &state_dir, args.again, facts, &SystemClock);
    let identity = match block_on(enrolled)? {
        Ok(identity) => identity,
        Err(error) => {
            let code = error.code();
            complain(format_args!("tocsin-agent: {:#}", anyhow::Error::from(error)));
            return Ok(ExitCode::from(code.exit_status()));
        }
    };
    say(format_args!(
        "enrolled as {} until {}",
        identity.host, identity.not_after
    ));
    say(format_args!("collectors: {}", identity.collectors.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn read_install(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .take(INSTALL_BYTES_MAX)
            .read_to_string(&mut text)
            .context("cannot read stdin")?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        opened
            .take(INSTALL_BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(text)
}

fn probe(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let mut probes = match Config::load_or_default(&args.config) {
        Ok(config) => config.probes,
        Err(error) => {
            complain(format_args!("{error}"));
            return Ok(ExitCode::from(Code::InvalidInput.exit_status()));
        }
    };
    let unknown = args
        .names
        .iter()
        .find(|name| probes.iter().all(|probe| probe.name != **name));
    if unknown.is_some() || probes.is_empty() {
        let which = unknown.map_or_else(|| "are no probes".to_owned(), |name| format!("is no probe `{name}`"));
        complain(format_args!(
            "tocsin-agent: there {which} in {}: `tocsin-agent run --print-config` shows examples",
            args.config.display()
        ));
        return Ok(ExitCode::from(Code::NotFound.exit_status()));
    }
    probes.retain(|probe| args.names.is_empty() || args.names.contains(&probe.name));
    let answers = block_on(probes::command::ask_all(&probes, Arc::new(SystemClock)))?;
    if args.json {
        say(format_args!("{:#}", probes::command::json(&answers)));
    } else {
        print(probes::command::lines(&answers));
    }
    let good = answers.iter().all(|(_, answer)| answer.up == Some(true));
    Ok(exit(good, Code::Unavailable))
}

fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let now = SystemClock.wall();
    let status = match Status::read(&args.state.resolve(environment())) {
        Ok(status) => status,
        Err(error) => {
            complain(format_args!("tocsin-agent: {:#}", anyhow::Error::from(error)));
            return Ok(ExitCode::from(Code::FailedPrecondition.exit_status()));
        }
    };
    let problems = status.problems(now);
    if args.json {
        let mut json = serde_json::to_value(&status)?;
        json["healthy"] = problems.is_empty().into();
        json["problems"] = problems.clone().into();
        say(format_args!("{json:#}"));
    } else {
        print(ForPeople(&status, now));
    }
    Ok(exit(problems.is_empty(), Code::Unavailable))
}

/// Prints as it is. A reader that went away, as `head` does, is no error.
fn print(text: impl Display) {
    let _ = write!(io::stdout(), "{text}");
}

/// Prints a line.
fn say(line: impl Display) {
    print(format_args!("{line}\n"));
}

/// Prints a line on standard error.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_starts_anew_is_the_same_process_with_the_same_arguments() {
        const NOTES: &str = "TOCSIN_TEST_NOTES";
        let note = || format!("{} {:?}\n", std::process::id(), std::env::args_os());
        // This test, run once more by itself: the first time it starts anew.
        if let Some(notes) = std::env::var_os(NOTES) {
            let before = std::fs::read_to_string(&notes).unwrap_or_default();
            std::fs::write(&notes, format!("{before}{}", note())).unwrap();
            assert!(!before.is_empty(), "{:#}", start_anew());
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes");
        let name = "commands::tests::an_agent_that_starts_anew_is_the_same_process_with_the_same_arguments";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--quiet"])
            .env(NOTES, &notes)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        let notes = std::fs::read_to_string(&notes).unwrap();
        let lines: Vec<&str> = notes.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], lines[1]);
    }
}
