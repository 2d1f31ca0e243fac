//! `tocsin-collector`: the daemon and its command line.

use clap::{Args, Parser, Subcommand};
use std::io::Write as _;
use std::{path::PathBuf, process::ExitCode};
use tocsin_collector::{app, backup, cli, config};

/// The collector: takes the agents' ticks, opens tickets, pages people until somebody answers.
#[derive(Debug, Parser)]
#[command(
    name = "tocsin-collector",
    version,
    after_help = "\
Examples:
  tocsin-collector check                          is the configuration right?
  tocsin-collector run                            what systemd runs
  tocsin-collector token create --host-name db1   an install string for one new host
  tocsin-collector user add wang --role operator  prints a one-time sign-in link
  tocsin-collector agent list                     who streams, who is silent
  tocsin-collector query db1 system.cpu.utilization --from -1h
  tocsin-collector backup /var/lib/tocsin/collector/backups/monday
  tocsin-collector verify                         is everything as it was written?"
)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration, the state and the socket are.
#[derive(Debug, Args)]
struct Place {
    /// Configuration file; without it the defaults hold if the default file is missing
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of all state; overrides the file and TOCSIN_STATE_DIR
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the collector until SIGTERM or Ctrl-C
    Run,
    /// Check configuration, rules and state folder; tells all mistakes at once
    Check,
    #[command(flatten)]
    Ask(cli::Ask),
    #[command(flatten)]
    Keep(backup::Keep),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("the TLS provider was installed twice");
    }
    let config = match load(&cli.place) {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    match cli.command {
        Command::Run => {
            app::init_logs();
            match runtime.block_on(app::run_until_signal(config)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("{error:#}")),
            }
        }
        Command::Check => match app::check(&config) {
            Ok(report) => cli::print(&report),
            Err(error) => fail(&format!("{error:#}")),
        },
        Command::Ask(ask) => runtime.block_on(cli::ask(&config, ask)),
        Command::Keep(keep) => runtime.block_on(backup::run(&config, keep)),
    }
}

fn load(place: &Place) -> Result<config::Config, String> {
    let default = PathBuf::from(config::DEFAULT_PATH);
    let mut config = match &place.config {
        Some(path) => config::Config::load(path),
        None if default.is_file() => config::Config::load(&default),
        None => Ok(config::Config::default()),
    }
    .map_err(|error| chain(&error))?;
    let environment = std::env::var_os("TOCSIN_STATE_DIR").map(PathBuf::from);
    if let Some(folder) = place.state_dir.clone().or(environment) {
        config.state_dir = folder;
    }
    Ok(config)
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tocsin-collector: {message}");
    ExitCode::from(2)
}
