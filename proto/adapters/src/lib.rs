//! What the output of backup tools means: result, times, bytes, files, and the tool's own words for what went wrong.
//!
//! The agent judges with them what it wraps, the collector what appliances send it.
//!
//! Every adapter is a pure function of what a tool said and exited with. Some tools exit with 0 though the backup is
//! worth nothing (`pgbackrest info`, a dump behind a pipe), some with 1 though it is fine but for a file that vanished
//! (borg), so exit status, trailer and error lines are judged together. A tool that adds words later is still understood:
//! what is unknown is passed over, and what must be there is demanded.

mod bacula;
mod borg;
mod defined;
mod dumps;
mod duplicity;
pub mod examples;
mod netbackup;
mod pgbackrest;
mod restic;
mod rman;
mod rsnapshot;
mod rsync;
mod systemd;
mod text;
mod veeam;

#[cfg(test)]
mod tests;

pub use defined::{Definition, DefinitionError};

use clap::ValueEnum;
use jiff::tz::TimeZone;
use std::{path::Path, sync::Arc};
use tocsin_vocabulary::{RunResult, Timestamp};

/// Runs that one output may tell of; what follows is left out.
pub const RUNS_MAX: usize = 10_000;

/// What a tool said and exited with.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// None: not known, as of a log.
    pub exit_code: Option<i32>,
    /// Standard output, a log or a report; none: it was not read, and nothing in it is demanded.
    pub stdout: Option<&'a str>,
    /// Standard error, its end at least.
    pub stderr: &'a str,
    /// The zone of times that have none.
    pub zone: &'a TimeZone,
    /// When it was read.
    pub now: Timestamp,
}

impl<'a> Output<'a> {
    /// Lines of both, standard output first.
    fn lines(&self) -> impl Iterator<Item = &'a str> {
        self.stdout.unwrap_or_default().lines().chain(self.stderr.lines())
    }

    fn stdout(&self) -> &'a str {
        self.stdout.unwrap_or_default()
    }

    /// Whether it is known to have exited with something else than 0.
    fn exited_badly(&self) -> bool {
        self.exit_code.is_some_and(|code| code != 0)
    }
}

/// What a run was, as far as its output tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Ok, warning or failed.
    pub result: RunResult,
    /// It goes on: the result is of no account yet.
    pub running: bool,
    /// The job's or policy's own name.
    pub job: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took.
    pub duration_ms: Option<u64>,
    /// Bytes of the source.
    pub bytes: Option<u64>,
    /// Bytes that it added to the target.
    pub bytes_added: Option<u64>,
    /// Files of the source.
    pub files: Option<u64>,
    /// What was made: a snapshot, an archive, a label.
    pub artefact: String,
    /// What went wrong, in the tool's own words.
    pub error: String,
}

impl Reading {
    /// Nothing but a result.
    const fn of(result: RunResult) -> Self {
        Self {
            result,
            running: false,
            job: String::new(),
            started_at: None,
            ended_at: None,
            duration_ms: None,
            bytes: None,
            bytes_added: None,
            files: None,
            artefact: String::new(),
            error: String::new(),
        }
    }

    /// A run that did not do its work.
    #[must_use]
    pub fn failed(error: String) -> Self {
        Self {
            error,
            ..Self::of(RunResult::Failed)
        }
    }

    /// Of a command that nobody knows: its exit status counts.
    #[must_use]
    pub fn of_exit(output: &Output<'_>) -> Self {
        match output.exit_code {
            Some(0) => Self::of(RunResult::Ok),
            Some(code) => Self::failed(text::error_of(output, code)),
            None => Self::failed("how it ended is not known".to_owned()),
        }
    }

    /// Makes it at least so bad, and says why unless something was said already.
    fn at_least(&mut self, result: RunResult, why: impl Into<String>) {
        self.result = self.result.max(result);
        if self.error.is_empty() {
            self.error = why.into();
        }
    }
}

/// Tools whose output is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Adapter {
    /// restic 0.14 and newer, with or without --json
    Restic,
    /// borg 1.2 and newer, best with --json and --log-json
    Borg,
    /// pgbackrest: its log, or `info --output=json`
    PgBackRest,
    /// rsnapshot and its log
    Rsnapshot,
    /// rsync, best with --stats
    Rsync,
    /// mysqldump and mariadb-dump: the dump's trailer
    Mysqldump,
    /// xtrabackup and mariabackup
    Xtrabackup,
    /// duplicity, best with --log-fd 2
    Duplicity,
    /// Bacula: a job's report, or its row of the catalogue
    Bacula,
    /// Bareos: a job's report, or its row of the catalogue
    Bareos,
    /// systemctl show of a unit
    Systemd,
    /// Veeam's messages over syslog
    Veeam,
    /// Oracle RMAN: its log, or rows of V$RMAN_BACKUP_JOB_DETAILS
    Rman,
    /// NetBackup: bpdbjobs -report -most_columns, or bperror -backstat
    NetBackup,
}

impl Adapter {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restic => "restic",
            Self::Borg => "borg",
            Self::PgBackRest => "pgbackrest",
            Self::Rsnapshot => "rsnapshot",
            Self::Rsync => "rsync",
            Self::Mysqldump => "mysqldump",
            Self::Xtrabackup => "xtrabackup",
            Self::Duplicity => "duplicity",
            Self::Bacula => "bacula",
            Self::Bareos => "bareos",
            Self::Systemd => "systemd",
            Self::Veeam => "veeam",
            Self::Rman => "rman",
            Self::NetBackup => "netbackup",
        }
    }

    /// What it says the output means.
    #[must_use]
    pub fn read(self, output: &Output<'_>) -> Reading {
        match self {
            Self::Restic => restic::read(output),
            Self::Borg => borg::read(output),
            Self::PgBackRest => pgbackrest::read(output),
            Self::Rsnapshot => rsnapshot::read(output),
            Self::Rsync => rsync::read(output),
            Self::Mysqldump => dumps::mysqldump(output),
            Self::Xtrabackup => dumps::xtrabackup(output),
            Self::Duplicity => duplicity::read(output),
            Self::Bacula | Self::Bareos => bacula::read(output),
            Self::Systemd => systemd::read(output),
            Self::Veeam => veeam::read(output),
            Self::Rman => rman::read(output),
            Self::NetBackup => netbackup::read(output),
        }
    }
}

/// Who judges.
#[derive(Debug, Clone)]
pub enum Judge {
    /// One of ours.
    Tool(Adapter),
    /// Patterns that an administrator wrote.
    Defined(Arc<Definition>),
}

impl Judge {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(tool) => tool.as_str(),
            Self::Defined(definition) => &definition.name,
        }
    }

    /// Who knows the exit codes of this program.
    #[must_use]
    pub fn of_program(command: &str) -> Option<Self> {
        let tool = match Path::new(command).file_name()?.to_str()? {
            "restic" => Adapter::Restic,
            "borg" => Adapter::Borg,
            "pgbackrest" => Adapter::PgBackRest,
            "rsnapshot" => Adapter::Rsnapshot,
            "rsync" => Adapter::Rsync,
            "mysqldump" | "mariadb-dump" => Adapter::Mysqldump,
            "xtrabackup" | "mariabackup" | "mariadb-backup" => Adapter::Xtrabackup,
            "duplicity" => Adapter::Duplicity,
            _ => return None,
        };
        Some(Self::Tool(tool))
    }

    /// Whether what a run came to stands on standard output, beside nothing that is data: dumps write their data there.
    #[must_use]
    pub const fn is_told_on_stdout(&self) -> bool {
        match self {
            Self::Tool(tool) => !matches!(tool, Adapter::Mysqldump | Adapter::Xtrabackup),
            Self::Defined(_) => true,
        }
    }

    /// Whether it finds runs among lines that are about something else: what may be sent one message at a time.
    #[must_use]
    pub fn finds_runs(&self) -> bool {
        match self {
            Self::Tool(tool) => *tool == Adapter::Veeam,
            Self::Defined(definition) => definition.finds_runs(),
        }
    }

    /// Every run that the output tells of, at most [`RUNS_MAX`], in its order; of one that only judges a whole output, that.
    #[must_use]
    pub fn runs(&self, output: &Output<'_>) -> Vec<Reading> {
        match self {
            Self::Tool(Adapter::Veeam) => veeam::runs(output),
            Self::Defined(definition) if definition.finds_runs() => definition.runs(output),
            _ => vec![self.read(output)],
        }
    }

    /// What it says the output means.
    #[must_use]
    pub fn read(&self, output: &Output<'_>) -> Reading {
        match self {
            Self::Tool(tool) => tool.read(output),
            Self::Defined(definition) => definition.read(output),
        }
    }
}
