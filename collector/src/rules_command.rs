//! `tocsin-collector rules …`: the rule workbench on the command line. Only a replay needs data; the others read files alone
//! and work without a collector.

mod check;
mod explain;
mod files;
mod list;
mod replay;
mod test;

use crate::{cli, config::Config};
use clap::{Args, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode};
use tocsin_console::backend::Failure;
use tocsin_vocabulary::Language;

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List rules: those in force, and built-in ones that are not
    List {
        /// Which rules
        #[command(flatten)]
        which: Which,
        /// How it is told
        #[command(flatten)]
        out: Out,
    },
    /// Check rule files: every mistake of every file at once, with line and hint
    #[command(long_about = "\
Check rule files: every mistake of every file at once, with line and hint.

PATH is a folder of *.toml files, or one file; without it, the rules of the configuration. Files of tests are checked too, \
those in a folder `tests` below it among them.

Exit status: 0 no mistake; 2 mistakes; 3 nothing there.")]
    Check {
        /// Folder or file; several may be given
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// How it is told
        #[command(flatten)]
        out: Out,
    },
    /// Read a rule aloud: what it looks at, when it raises and clears, how bad, what it costs, what to do
    Explain {
        /// Name of the rule
        id: String,
        /// Which rules
        #[command(flatten)]
        which: Which,
        /// How it is told
        #[command(flatten)]
        out: Out,
    },
    /// Run tests of rules: made series in, alerts out; a difference is shown and fails
    #[command(long_about = "\
Run tests of rules: made series in, alerts out; a difference is shown and fails.

PATH is a file of tests, or a folder of rules whose tests lie in its folder `tests`. Tests run against the rules of --rules, \
else against those found in the given folders, else against those in force. Without PATH the tests beside the configured \
rules run, and those of the built-in pack against the built-in pack.

Exit status: 0 all passed; 1 some failed; 2 mistakes in a file; 3 no tests there.

Examples:
  tocsin-collector rules test
  tocsin-collector rules test ./changed")]
    Test {
        /// File of tests or folder; several may be given
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Which rules
        #[command(flatten)]
        which: Which,
        /// How it is told
        #[command(flatten)]
        out: Out,
    },
    /// Replay a past period through rules: what would have fired, how often, when, beside what did
    #[command(long_about = "\
Replay a past period through rules: what would have fired, how often, when, beside what did.

A running collector replays in the background; when none runs, this command reads the state itself. Nothing is changed, and \
nobody is paged. Rules are those of --rules, else those in force.

Exit status: 0 replayed; 2 mistakes in rules or times; 3 nothing there; 6 the collector or its state can't be read.

Examples:
  tocsin-collector rules replay --from -7d
  tocsin-collector rules replay --from -30d --rules ./changed --rule filesystem-full --host 'db-*'")]
    Replay {
        /// From: RFC 3339, epoch milliseconds, or -24h for a day ago
        #[arg(long, default_value = "-24h", allow_hyphen_values = true)]
        from: String,
        /// To: as --from; now without it
        #[arg(long, allow_hyphen_values = true)]
        to: Option<String>,
        /// Only hosts whose name fits, such as db-*; may be given several times
        #[arg(long, value_name = "PATTERN")]
        host: Vec<String>,
        /// Only this rule; may be given several times
        #[arg(long, value_name = "ID")]
        rule: Vec<String>,
        /// Which rules
        #[command(flatten)]
        which: Which,
        /// How it is told
        #[command(flatten)]
        out: Out,
    },
}

/// Which rules.
#[derive(Debug, Args)]
pub struct Which {
    /// Folder of rule files, or one file, in place of those in force
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
}

/// How it is told.
#[derive(Debug, Args)]
pub struct Out {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Language of what people read: en or zh; that of the environment without it
    #[arg(long, value_name = "LANG", value_parser = language)]
    lang: Option<Language>,
}

impl Out {
    /// The language asked for, or that of the environment.
    fn language(&self) -> Language {
        self.lang.unwrap_or_else(cli::language)
    }
}

fn language(text: &str) -> Result<Language, String> {
    Language::from_tag(text).ok_or_else(|| format!("`{text}` is no language of ours: en or zh"))
}

/// Does one of them.
pub async fn run(config: &Config, rules: Rules) -> ExitCode {
    let done = match rules {
        Rules::List { which, out } => list::run(config, &which, &out),
        Rules::Check { paths, out } => check::run(config, &paths, &out),
        Rules::Explain { id, which, out } => explain::run(config, &id, &which, &out),
        Rules::Test { paths, which, out } => test::run(config, &paths, &which, &out),
        Rules::Replay {
            from,
            to,
            host,
            rule,
            which,
            out,
        } => {
            let asked = replay::Asked { from, to, host, rule };
            replay::run(config, asked, &which, &out).await
        }
    };
    done.unwrap_or_else(|failure| {
        let _ = writeln!(std::io::stderr(), "tocsin-collector: {}", failure.reason);
        ExitCode::from(failure.code.exit_status())
    })
}

/// A JSON value, for people who read it too.
fn print_json(value: &serde_json::Value) -> ExitCode {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    crate::cli::print(&text)
}

/// `1 rule`, `2 rules`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How a command ended, or why not.
type Done = Result<ExitCode, Failure>;
