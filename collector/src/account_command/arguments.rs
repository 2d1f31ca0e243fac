//! What can be asked of the accounts, as the command line takes it.

use crate::sheet_file;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::{path::PathBuf, time::Duration};
use tocsin_desk::account::{
    downtime::{Cause, How},
    extension::Rounding,
    report::{Kind, Stamp},
};
use tocsin_vocabulary::{Language, time::parse_duration};

/// What is accounted for.
#[derive(Debug, Subcommand)]
pub enum Account {
    /// Downtime: how long the service was down, whose cause it was, and what the customer says
    #[command(after_help = "\
Examples:
  tocsin-collector downtime claim 1042 --cause ours --words 'database stopped' --as wang
  tocsin-collector downtime agree 7 --who 'Mr Li' --how phone --as wang
  tocsin-collector downtime list --contract main
  tocsin-collector downtime export downtimes.xlsx")]
    #[command(subcommand)]
    Downtime(DowntimeCommand),
    /// How available contracts and their assets were, and where their maintenance ends now
    #[command(after_help = "\
Examples:
  tocsin-collector availability                                  this month
  tocsin-collector availability --from 2026-01-01 --to 2026-12-31 --contract main")]
    Availability {
        /// First day, or RFC 3339; without it the first of this month
        #[arg(long)]
        from: Option<String>,
        /// Last day, or RFC 3339; without it today
        #[arg(long)]
        to: Option<String>,
        /// Only the contract of this name
        #[arg(long)]
        contract: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The end of maintenance, moved by downtime of our cause (days of 24 hours, rounded as the contract says)
    #[command(after_help = "\
Examples:
  tocsin-collector maintenance end --ends 2026-12-31 --down 25h --down 3h     prints 2027-01-02
  tocsin-collector maintenance end --ends 2026-12-31 --down 25h --rounding down
  tocsin-collector maintenance show main                                     every move, and why")]
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    /// Tickets: sheets out and in, incident reports and service documents
    #[command(after_help = "\
Examples:
  tocsin-collector ticket export tickets.xlsx
  tocsin-collector ticket import hotline.xlsx --as wang             each row opens a ticket
  tocsin-collector ticket reports                                   which are owed, and until when
  tocsin-collector ticket report 1042 incident --lang zh > report.md
  tocsin-collector ticket write 1042 incident --section prevention='a second disk' --as wang
  tocsin-collector ticket stamp 1042 incident review --as li")]
    #[command(subcommand)]
    Ticket(TicketCommand),
}

/// Downtime.
#[derive(Debug, Subcommand)]
pub enum DowntimeCommand {
    /// List downtimes, newest first
    List {
        /// Of the contract of this name
        #[arg(long)]
        contract: Option<String>,
        /// Of the ticket with this number
        #[arg(long)]
        ticket: Option<u64>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Claim that the asset of a ticket was down; it counts as agreed once the customer says so
    #[command(after_help = "\
Exit status: 0 claimed; 2 wrong input; 3 no such ticket or person; 4 that person may not.")]
    Claim {
        /// Ticket number
        ticket: u64,
        /// What is claimed
        #[command(flatten)]
        claim: ClaimArgs,
    },
    /// Correct a downtime; it needs the customer's word anew, and what was agreed counts until then
    Correct {
        /// Number of the downtime
        id: u64,
        /// What is claimed
        #[command(flatten)]
        claim: ClaimArgs,
    },
    /// Write down that the customer agrees
    Agree {
        /// Number of the downtime
        id: u64,
        /// Whose word it was
        #[command(flatten)]
        word: WordArgs,
    },
    /// Write down that the customer does not agree
    Dispute {
        /// Number of the downtime
        id: u64,
        /// Whose word it was
        #[command(flatten)]
        word: WordArgs,
    },
    /// Take the last claim back
    Withdraw {
        /// Number of the downtime
        id: u64,
        /// Why
        #[arg(long)]
        words: String,
        /// Login of whoever does it
        #[arg(long = "as", value_name = "LOGIN")]
        login: String,
    },
    /// Write every downtime into a file
    Export {
        /// Where to and how
        #[command(flatten)]
        out: sheet_file::Out,
    },
    /// Enter downtimes from a CSV or XLSX file, all rows or none; tells all mistakes at once
    #[command(after_help = "\
The first line names the columns, at least customer, asset, from, to and cause (or their Chinese names, as `downtime export` \
has them). Times are RFC 3339, or such as 2026-03-02 10:05 in Asia/Shanghai.")]
    Import {
        /// File, or - for standard input
        file: PathBuf,
        /// Login of whoever does it
        #[arg(long = "as", value_name = "LOGIN")]
        login: String,
    },
}

/// What is claimed of a downtime.
#[derive(Debug, Args)]
pub struct ClaimArgs {
    /// ours, customer, third_party, planned or force_majeure
    #[arg(long, value_parser = cause)]
    pub(super) cause: Cause,
    /// Down since: RFC 3339; without it since the fault occurred
    #[arg(long)]
    pub(super) from: Option<String>,
    /// Down until: RFC 3339; without it until service was restored
    #[arg(long)]
    pub(super) to: Option<String>,
    /// What was down, and how the cause is known
    #[arg(long)]
    pub(super) words: String,
    /// Login of whoever claims it
    #[arg(long = "as", value_name = "LOGIN")]
    pub(super) login: String,
}

/// The customer's word.
#[derive(Debug, Args)]
pub struct WordArgs {
    /// Name of whoever gave the customer's word
    #[arg(long)]
    pub(super) who: String,
    /// phone or paper
    #[arg(long, default_value = "phone", value_parser = how)]
    pub(super) how: How,
    /// What they said
    #[arg(long, default_value = "")]
    pub(super) words: String,
    /// Login of whoever writes it down
    #[arg(long = "as", value_name = "LOGIN")]
    pub(super) login: String,
}

/// The end of maintenance.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Compute a moved end: prints one day; needs no running collector
    #[command(after_help = "\
Rounding, of days of 24 hours:
  up         all downtimes together, a begun day counts whole (what is meant without it)
  down       all downtimes together, only full days count
  nearest    all downtimes together, from half a day on it counts
  each_up    each downtime by itself, a begun day counts whole
  each_down  each downtime by itself, only full days count

Exit status: 0 printed; 2 something in the question is wrong.")]
    End {
        /// Last day of maintenance as it was signed, such as 2026-12-31
        #[arg(long)]
        ends: Date,
        /// A downtime of our cause, such as 25h or 90m; may be given several times
        #[arg(long, value_parser = length)]
        down: Vec<Duration>,
        /// How a begun day is counted
        #[arg(long, default_value = "up", value_parser = rounding)]
        rounding: Rounding,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The end of a contract's maintenance as it was signed and as it is now, with every move
    Show {
        /// Name of the contract
        contract: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Tickets.
#[derive(Debug, Subcommand)]
pub enum TicketCommand {
    /// Write every ticket with its times and targets into a file
    Export {
        /// Where to and how
        #[command(flatten)]
        out: sheet_file::Out,
    },
    /// Open a ticket for each row of a CSV or XLSX file, all or none; tells all mistakes at once
    #[command(after_help = "\
The first line names the columns, at least customer, asset and title; also kind, severity, occurred, caller, unit, phone, \
channel and symptom. At most 200 rows: each pages people.")]
    Import {
        /// File, or - for standard input
        file: PathBuf,
        /// Login of whoever takes the reports down
        #[arg(long = "as", value_name = "LOGIN")]
        login: String,
    },
    /// Reports that are owed, earliest due first
    Reports {
        /// Those that are done as well
        #[arg(long)]
        all: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a report as Markdown
    Report {
        /// Which report
        #[command(flatten)]
        which: WhichReport,
        /// Which version; the last without it
        #[arg(long)]
        version: Option<u64>,
        /// zh or en
        #[arg(long, default_value = "zh", value_parser = language)]
        lang: Language,
        /// As JSON, with where it stands
        #[arg(long)]
        json: bool,
    },
    /// Write a version of a report: the facts are taken from the ticket as it stands
    #[command(after_help = "\
Sections of the incident report: summary, effect, cause, handling, prevention. Of the service document: work, cause, result, \
remains. Those that are not given stay as the last version has them.")]
    Write {
        /// Which report
        #[command(flatten)]
        which: WhichReport,
        /// A section, as NAME=WORDS; may be given several times
        #[arg(long = "section", value_parser = section)]
        sections: Vec<(String, String)>,
        /// Login of whoever writes it
        #[arg(long = "as", value_name = "LOGIN")]
        login: String,
    },
    /// Review, return, issue or sign the last version
    Stamp {
        /// Which report
        #[command(flatten)]
        which: WhichReport,
        /// review, return, issue or sign
        #[arg(value_parser = stamp)]
        stamp: Stamp,
        /// A word about it; needed to return it
        #[arg(long, default_value = "")]
        words: String,
        /// Login of whoever does it
        #[arg(long = "as", value_name = "LOGIN")]
        login: String,
    },
}

/// A report.
#[derive(Debug, Args)]
pub struct WhichReport {
    /// Ticket number
    pub(super) ticket: u64,
    /// incident or service
    #[arg(value_parser = kind)]
    pub(super) kind: Kind,
}

fn one_of<T>(found: Option<T>, word: &str, known: &[&str]) -> Result<T, String> {
    found.ok_or_else(|| format!("`{word}` is none of {}", known.join(", ")))
}

fn cause(word: &str) -> Result<Cause, String> {
    one_of(Cause::parse(word), word, &Cause::ALL.map(Cause::as_str))
}

fn how(word: &str) -> Result<How, String> {
    let found = How::parse(word).filter(|how| *how != How::Account);
    one_of(found, word, &["phone", "paper"])
}

fn rounding(word: &str) -> Result<Rounding, String> {
    one_of(Rounding::parse(word), word, &Rounding::ALL.map(Rounding::as_str))
}

fn kind(word: &str) -> Result<Kind, String> {
    one_of(Kind::parse(word), word, &Kind::ALL.map(Kind::as_str))
}

fn stamp(word: &str) -> Result<Stamp, String> {
    one_of(Stamp::parse(word), word, &Stamp::ALL.map(Stamp::word))
}

fn language(word: &str) -> Result<Language, String> {
    one_of(Language::from_tag(word), word, &["zh", "en"])
}

fn length(word: &str) -> Result<Duration, String> {
    parse_duration(word).map_err(|error| error.to_string())
}

fn section(word: &str) -> Result<(String, String), String> {
    let found = word.split_once('=');
    let (name, words) = found.ok_or_else(|| format!("`{word}` is not NAME=WORDS"))?;
    Ok((name.to_owned(), words.to_owned()))
}
