//! The command line: what may be said, and what each command explains about itself.

use crate::{
    config::{CONFIG_FILE, STATE_DIR},
    sample::SampleArgs,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Watches this host and tells the collectors.
#[derive(Debug, Parser)]
#[command(
    name = "tocsin-agent",
    version,
    after_help = "First look, without a collector:   tocsin-agent sample\n\
                  Join a site:                       tocsin-agent enrol 'tocsin1@…'   (from `tocsin-collector token create`)\n\
                  Is it well?                        tocsin-agent status\n\
                  Watch a backup:                    tocsin-agent backup exec --job nightly -- restic backup --json /srv"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run until stopped: sample, store, send.
    ///
    /// Runs in the foreground and logs to stderr; systemd starts it as tocsin-agent.service. Edits of the
    /// configuration take effect while it runs.
    #[command(
        after_help = "Examples:\n  tocsin-agent run\n  tocsin-agent run --print-config > /etc/tocsin/agent.toml\n  \
                            tocsin-agent run --config ./agent.toml --state-dir ./state"
    )]
    Run(RunArgs),
    /// Get this host an identity from a collector.
    ///
    /// The install string holds addresses, the fingerprint of the site's CA and a token that works once. The token is
    /// sent only to a collector that proves to hold that CA. The private key is made here and never leaves the host.
    #[command(after_help = "Examples:\n  tocsin-agent enrol 'tocsin1@10.0.0.5:7444@…@…'\n  \
                            tocsin-agent enrol --install-file /root/install.txt\n  \
                            ssh duty tocsin-collector token create | tocsin-agent enrol --install-file -\n\n\
                            With --install-file the token does not show in the list of processes.")]
    Enrol(EnrolArgs),
    /// Tell whether configuration, state directory and identity are in order.
    ///
    /// Changes nothing. Exits with 0 when all is well, else with 5.
    #[command(after_help = "Example:\n  tocsin-agent check --config ./agent.toml")]
    Check(CheckArgs),
    /// Ask every probe of the configuration once, now, and tell what came of it.
    ///
    /// Exits with 0 when all are well, with 6 when one is not, with 3 when there is no such probe, with 2 when the
    /// configuration has mistakes.
    #[command(
        after_help = "Examples:\n  tocsin-agent probe\n  tocsin-agent probe --config ./agent.toml intranet --json"
    )]
    Probe(ProbeArgs),
    /// Print ticks of this machine, without a collector.
    Sample(SampleArgs),
    /// Backup runs on this host: wrap a command, show what was kept
    #[command(
        after_help = "Examples:\n  tocsin-agent backup exec --job nightly -- restic backup --json /srv\n  \
                            tocsin-agent backup runs --job nightly\n  \
                            tocsin-agent backup judge --adapter rsync --exit-code 24 --stdout rsync.log\n  \
                            tocsin-agent backup definitions"
    )]
    #[command(subcommand)]
    Backup(crate::backup::args::Backup),
    /// Tell how the running agent is.
    ///
    /// Exits with 0 when it is healthy, with 6 when something is wrong, with 5 when none has run here.
    #[command(after_help = "Examples:\n  tocsin-agent status\n  tocsin-agent status --json")]
    Status(StatusArgs),
    /// Answer one question about the hardware on standard input; started by tocsin-errand.socket as root.
    #[command(hide = true)]
    Errand,
}

/// Where the configuration and the state are.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The configuration file; when it does not exist, the defaults hold.
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// The state directory.
    #[command(flatten)]
    pub state: State,
}

/// Where the state is.
#[derive(Debug, Clone, Args)]
pub struct State {
    /// Where identity, spool and status are kept [default: TOCSIN_STATE_DIR, else /var/lib/tocsin/agent]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl State {
    /// The option, else the environment (`environment`), else the default.
    #[must_use]
    pub fn resolve(&self, environment: Option<PathBuf>) -> PathBuf {
        let from_environment = environment.filter(|path| !path.as_os_str().is_empty());
        self.state_dir
            .clone()
            .or(from_environment)
            .unwrap_or_else(|| PathBuf::from(STATE_DIR))
    }
}

/// Of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
    /// Print a configuration with every setting and its default, and end
    #[arg(long)]
    pub print_config: bool,
}

/// Of `enrol`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// The install string, as `tocsin-collector token create` prints it
    #[arg(value_name = "INSTALL_STRING", required_unless_present = "install_file")]
    pub install: Option<String>,
    /// Read the install string from this file; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "install")]
    pub install_file: Option<PathBuf>,
    /// Replace the identity of a host that is already enrolled
    #[arg(long)]
    pub again: bool,
    /// Where things are.
    #[command(flatten)]
    pub state: State,
}

/// Of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where things are.
    #[command(flatten)]
    pub place: Place,
}

/// Of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Names of probes; all without one
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// As JSON, with everything
    #[arg(long)]
    pub json: bool,
}

/// Of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// As JSON, with everything
    #[arg(long)]
    pub json: bool,
    /// Where things are.
    #[command(flatten)]
    pub state: State,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_state_directory_comes_from_the_option_then_the_environment_then_the_default() {
        let state = |arguments: &[&str]| match Cli::try_parse_from(arguments).unwrap().command {
            Command::Status(status) => status.state,
            other => panic!("{other:?}"),
        };
        let option = state(&["tocsin-agent", "status", "--state-dir", "/a"]);
        assert_eq!(option.resolve(Some("/b".into())), PathBuf::from("/a"));
        let none = state(&["tocsin-agent", "status"]);
        assert_eq!(none.resolve(Some("/b".into())), PathBuf::from("/b"));
        assert_eq!(none.resolve(Some("".into())), PathBuf::from(STATE_DIR));
    }

    #[test]
    fn enrolment_takes_the_string_from_one_place() {
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["tocsin-agent", "enrol"], arguments].concat());
        assert!(parse(&[]).is_err());
        assert!(parse(&["x", "--install-file", "y"]).is_err());
        assert!(parse(&["--install-file", "-", "--again"]).is_ok());
    }
}
