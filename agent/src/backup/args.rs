//! What may be said after `tocsin-agent backup`.

use crate::cli::State;
use clap::{Args, Subcommand};
use std::{ffi::OsString, path::PathBuf};
use tocsin_adapters::Adapter;

/// About backup runs on this host.
#[derive(Debug, Subcommand)]
pub enum Backup {
    /// Run a command as a backup job, and keep what came of it.
    ///
    /// Input, output, signals and exit status pass through as if the command ran alone; a command that was not found ends
    /// with 127, one that can't be executed with 126, one that died of signal N with 128 + N. Needs neither a running
    /// agent nor a configuration: the run is kept below the state directory, and a running agent sends it on.
    #[command(
        after_help = "Examples:\n  tocsin-agent backup exec --job nightly -- restic backup --json /srv\n  \
                            tocsin-agent backup exec --job dump --pipefail -- 'pg_dump shop | gzip > /backup/shop.gz'\n  \
                            tocsin-agent backup exec --job mirror --adapter rsync -- rsync -a --stats /srv backup:/srv\n\n\
                            --pipefail makes a pipe fail when any of its commands does: one word is run by\n  \
                            bash -o pipefail -c WORD; sh -c and bash -c get the option; scripts of bash inherit it."
    )]
    Exec(ExecArgs),
    /// Show the runs that are kept on this host, newest first.
    Runs(RunsArgs),
    /// Tell what the output of a backup tool means, without running it.
    ///
    /// Exits with 0 when the run was good or a warning, with 1 when it was not; with 2 or 3 when it could not be judged.
    #[command(
        after_help = "Examples:\n  tocsin-agent backup judge --adapter pgbackrest --exit-code 50 --stdout log.txt\n  \
                            pgbackrest info --output=json | tocsin-agent backup judge --adapter pgbackrest --stdout -\n  \
                            tocsin-agent backup judge --definition anybackup --stdout /var/log/anybackup/tasks.csv"
    )]
    Judge(JudgeArgs),
    /// List the definitions for appliances that are built in, or print one to be copied and changed.
    Definitions {
        /// Which; all of them without it
        name: Option<String>,
    },
    /// Copy standard input to standard error until it ends; for what a wrapped command left running.
    #[command(hide = true)]
    Relay,
}

/// Of `backup exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The job whose run this is; any name that people recognise
    #[arg(long, value_name = "NAME")]
    pub job: String,
    /// Judge what the command says by this tool's rules, too; without it its exit status counts
    #[arg(long, value_name = "TOOL")]
    pub adapter: Option<Adapter>,
    /// Judge what the command says by the patterns of this file, or of the built-in definition of this name
    #[arg(long, value_name = "FILE", conflicts_with = "adapter")]
    pub definition: Option<PathBuf>,
    /// A pipe fails when any of its commands does
    #[arg(long)]
    pub pipefail: bool,
    /// Exit codes that are warnings, such as 24 or 1,3
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    pub warning_exit: Vec<u8>,
    /// A file or folder that must be there afterwards, written by this run
    #[arg(long, value_name = "PATH")]
    pub artefact: Option<PathBuf>,
    /// The artefact must have so many bytes at least
    #[arg(long, value_name = "BYTES", default_value_t = 1, requires = "artefact")]
    pub artefact_bytes_min: u64,
    /// A number of your own for this run
    #[arg(long, value_name = "ID", default_value = "")]
    pub rid: String,
    /// Where things are.
    #[command(flatten)]
    pub state: State,
    /// The command and its arguments
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
}

/// Of `backup runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// As JSON, with everything
    #[arg(long)]
    pub json: bool,
    /// Only those of this job
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: usize,
    /// Where things are.
    #[command(flatten)]
    pub state: State,
}

/// Of `backup judge`.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// Whose output it is
    #[arg(long, value_name = "TOOL", required_unless_present = "definition")]
    pub adapter: Option<Adapter>,
    /// A file with patterns, for what has no adapter of its own; or the name of a built-in one
    #[arg(long, value_name = "FILE", conflicts_with = "adapter")]
    pub definition: Option<PathBuf>,
    /// What the tool exited with; unknown without it
    #[arg(long, value_name = "CODE")]
    pub exit_code: Option<i32>,
    /// What it wrote to standard output, or its log; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub stdout: Option<PathBuf>,
    /// What it wrote to standard error; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub stderr: Option<PathBuf>,
    /// The zone of times that have none, such as Asia/Shanghai; the machine's own without it
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
}
