//! `tocsin-collector`: the daemon and its command line.

use clap::{Args, Parser, Subcommand};
use std::io::Write as _;
use std::{path::PathBuf, process::ExitCode};
use tocsin_collector::{
    account_command, app, backup, channel_command, cli, clock_command, config, duty_command, paper_command,
    rules_command,
};

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
  tocsin-collector silence add --host db1 --for 2h --reason 'new controller'
  tocsin-collector window add --tag db --every 'weekly sun' --at 02:00 --for 3h --owner wang --reason backups
  tocsin-collector channel test robot             does this way to people work?
  tocsin-collector query db1 system.cpu.utilization --from -1h
  tocsin-collector rules check /etc/tocsin/rules.d
  tocsin-collector rules explain filesystem-full
  tocsin-collector rules replay --from -7d --rules ./changed
  tocsin-collector backup /var/lib/tocsin/collector/backups/monday
  tocsin-collector verify                         is everything as it was written?
  tocsin-collector roster now                     who is on duty
  tocsin-collector job list                       did the backups run?
  tocsin-collector clock show 1042                how a ticket's time was counted
  tocsin-collector asset export assets.xlsx
  tocsin-collector downtime claim 1042 --cause ours --words 'database stopped' --as wang
  tocsin-collector availability                   how available contracts were, and when maintenance ends
  tocsin-collector ticket reports                 which reports are owed, and until when
  tocsin-collector audit verify                   is the audit trail unbroken?
  tocsin-collector paper show 1042                what was handed in and signed"
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
#[allow(clippy::large_enum_variant, reason = "it is read from the command line, once")]
enum Command {
    /// Run the collector until SIGTERM or Ctrl-C
    Run,
    /// Check configuration, rules and state folder; tells all mistakes at once
    Check,
    /// Rules: list, check, explain, test, replay
    #[command(after_help = "\
Examples:
  tocsin-collector rules list
  tocsin-collector rules check /etc/tocsin/rules.d
  tocsin-collector rules explain filesystem-full --lang en
  tocsin-collector rules test /etc/tocsin/rules.d
  tocsin-collector rules replay --from -7d --rules ./changed --host 'db-*'")]
    #[command(subcommand)]
    Rules(rules_command::Rules),
    #[command(flatten)]
    Ask(cli::Ask),
    #[command(flatten)]
    Keep(backup::Keep),
    /// When targets are due, and how much of them has run
    #[command(after_help = "\
Examples:
  tocsin-collector clock due --calendar 5x8 --start 2026-02-13T16:30:00+08:00 --target 8h
  tocsin-collector clock elapsed --calendar 5x8 --start 2026-02-13T16:30:00+08:00 --end 2026-02-14T16:30:00+08:00
  tocsin-collector clock show 1042
  tocsin-collector clock enter 1042 accepted --at 2026-03-02T10:05:00+08:00 --reason 'by phone' --as wang")]
    #[command(subcommand)]
    Clock(clock_command::Clock),
    /// Service calendars and public holidays
    #[command(subcommand)]
    Calendar(clock_command::CalendarCommand),
    /// Channels: ways to people
    #[command(after_help = "\
Examples:
  tocsin-collector channel list
  tocsin-collector channel test robot
  tocsin-collector channel preview modem --language en
  tocsin-collector channel drill")]
    #[command(subcommand)]
    Channel(channel_command::Channel),
    #[command(flatten)]
    Duty(duty_command::Duty),
    /// Papers of tickets: attachments, approvals, confirmations, call-backs
    #[command(after_help = "\
Examples:
  tocsin-collector paper attach 1042 photo.jpg --as wang
  tocsin-collector paper ask 1042 --what 'change the controller' --risk 'degraded for 20 min' --rollback 'old one back' \
--from 2026-12-05T22:00:00+08:00 --to 2026-12-06T02:00:00+08:00 --as wang
  tocsin-collector paper phone 3 grant --approver chen --as wang
  tocsin-collector paper sign 3 chen < pin.txt
  tocsin-collector paper sign-link 1042 --as wang        the customer signs behind it on a phone
  tocsin-collector paper confirm 1042 --file 7 --name 'Mr Sun' --as wang
  tocsin-collector paper show 1042")]
    #[command(subcommand)]
    Paper(paper_command::Paper),
    #[command(flatten)]
    Account(account_command::Account),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("the TLS provider was installed twice");
    }
    let config = match load(
        &cli.place,
        matches!(
            cli.command,
            Command::Clock(_) | Command::Account(account_command::Account::Maintenance(_))
        ),
    ) {
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
        Command::Check => {
            // Channels that keep to a database make a pool of connections, which needs the runtime.
            let _inside = runtime.enter();
            match app::check(&config) {
                Ok(report) => cli::print(&report),
                Err(error) => fail(&format!("{error:#}")),
            }
        }
        Command::Rules(rules) => runtime.block_on(rules_command::run(&config, rules)),
        Command::Ask(ask) => runtime.block_on(cli::ask(&config, ask)),
        Command::Channel(command) => runtime.block_on(channel_command::run(&config, command)),
        Command::Paper(paper) => runtime.block_on(paper_command::run(&config, paper)),
        Command::Account(account) => runtime.block_on(account_command::run(&config, account)),
        Command::Duty(duty) => runtime.block_on(duty_command::run(&config, duty)),
        Command::Keep(keep) => runtime.block_on(backup::run(&config, keep)),
        Command::Clock(clock) => runtime.block_on(clock_command::clock(&config, clock)),
        Command::Calendar(command) => clock_command::calendar(&config, command),
    }
}

/// `anybody`: the command is for people who need not be able to read the installed file; the defaults hold for them.
fn load(place: &Place, anybody: bool) -> Result<config::Config, String> {
    let default = PathBuf::from(config::DEFAULT_PATH);
    let mut config = match &place.config {
        Some(path) => config::Config::load(path),
        None if anybody && std::fs::File::open(&default).is_err() => Ok(config::Config::default()),
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

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn no_command_or_option_is_there_twice() {
        Cli::command().debug_assert();
    }
}
