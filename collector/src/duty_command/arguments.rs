//! What can be asked of the duty room, as the command line takes it.

use crate::sheet_file::Out;
use clap::Subcommand;
use std::path::PathBuf;

/// What the duty team asks.
#[derive(Debug, Subcommand)]
pub enum Duty {
    /// Rosters: who is on duty when
    #[command(after_help = "\
Examples:
  tocsin-collector roster set room.toml
  tocsin-collector roster now
  tocsin-collector roster show --days 14
  tocsin-collector roster import room october.xlsx
  tocsin-collector roster export room november.xlsx
  tocsin-collector roster override room --out li --in wang --from 2026-12-01T08:00:00+08:00 --to 2026-12-02T08:00:00+08:00 --reason ill")]
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Handovers from one shift to the next
    #[command(after_help = "\
Examples:
  tocsin-collector handover list
  tocsin-collector handover note 7 --notes 'db1 waits for a disk' --thing 'key of hall 1'
  tocsin-collector handover sign 7 leaving wang < pin.txt")]
    #[command(subcommand)]
    Handover(HandoverCommand),
    /// The escalation chain: who is paged about a ticket that nobody takes, and when
    #[command(after_help = "\
Examples:
  tocsin-collector chain show > chain.toml
  tocsin-collector chain set chain.toml             for tickets to come; open ones keep theirs")]
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Assets: import, export, history
    #[command(after_help = "\
Examples:
  tocsin-collector asset export > assets.csv
  tocsin-collector asset export assets.xlsx
  tocsin-collector asset import assets.xlsx         all rows or none; every mistake with sheet, row and column
  tocsin-collector asset history db1")]
    #[command(subcommand)]
    Asset(AssetCommand),
    /// Registers: customers, sites, contracts, assets, spares, knowledge
    #[command(after_help = "\
Examples:
  tocsin-collector register export contracts contracts.xlsx
  tocsin-collector register import contracts contracts.xlsx
  tocsin-collector register history customers 'First Bank'")]
    #[command(subcommand)]
    Register(RegisterCommand),
    /// Spare parts: what is held, what is missing, what was used
    #[command(after_help = "\
Examples:
  tocsin-collector spare stock
  tocsin-collector spare ask 'disk 4T' 1042         on ticket 1042
  tocsin-collector spare answer 3 allow
  tocsin-collector spare count 'disk 4T' 5")]
    #[command(subcommand)]
    Spare(SpareCommand),
    /// The audit trail
    #[command(after_help = "\
Examples:
  tocsin-collector audit verify
  tocsin-collector audit export --out audit.jsonl
  tocsin-collector audit verify audit.jsonl         proves the copy, without a collector")]
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// Rosters.
#[derive(Debug, Subcommand)]
pub enum RosterCommand {
    /// Enter a roster from a TOML file, or replace the one of that name; warnings don't hinder it
    #[command(after_help = "\
Example of a file:
  name = \"room\"
  fallback = \"wang\"              # paged where the plan leaves nobody; mandatory
  minimum = 1
  [[shifts]]
  name = \"day\"
  from = \"08:00\"
  to = \"08:00\"                   # the next day: 24 hours
  [rotation]
  pattern = \"24-48\"              # or turns, three-shifts, weekly, cycle
  starts_on = \"2026-11-01\"
  teams = [{ main = [\"wang\"], deputy = [\"sun\"] }, { main = [\"li\"] }, { main = [\"zhao\"] }]

Exit status: 0 saved, perhaps with warnings; 2 mistakes in the file.")]
    Set {
        /// File, or - for standard input
        file: PathBuf,
    },
    /// Who is on duty now
    Now {
        /// Only this roster
        name: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shifts of the coming days, with what is wrong with them
    Show {
        /// Only this roster
        name: Option<String>,
        /// So many days ahead
        #[arg(long, default_value_t = 30)]
        days: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Staff days from a CSV or XLSX sheet: date, shift, main, deputy, standby, leader (or 日期, 班次, 主班, 副班, 备班, 带班领导)
    #[command(after_help = "\
Example of a sheet:
  date,shift,main,deputy
  2026-12-06,day,li,wang

  tocsin-collector roster import room december.csv")]
    Import {
        /// Roster
        name: String,
        /// File, or - for standard input
        file: PathBuf,
    },
    /// Print the coming shifts as CSV, or write them into a CSV or XLSX file; `roster import` reads it again
    Export {
        /// Roster
        name: String,
        /// So many days ahead
        #[arg(long, default_value_t = 30)]
        days: u64,
        /// Where to and how
        #[command(flatten)]
        out: Out,
    },
    /// Put somebody in another's place
    Override {
        /// Roster
        name: String,
        /// Login of who does not serve
        #[arg(long)]
        out: String,
        /// Login of who serves instead
        #[arg(long = "in")]
        into: String,
        /// From: RFC 3339
        #[arg(long)]
        from: String,
        /// To: RFC 3339
        #[arg(long)]
        to: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Ask for a swap; it holds when the other consents
    Swap {
        /// Roster
        name: String,
        /// Login of who gives a shift away
        #[arg(long)]
        out: String,
        /// Login of who takes it
        #[arg(long = "in")]
        into: String,
        /// From: RFC 3339
        #[arg(long)]
        from: String,
        /// To: RFC 3339
        #[arg(long)]
        to: String,
        /// In return the first takes the other's shift from here
        #[arg(long, requires = "back_to")]
        back_from: Option<String>,
        /// To here
        #[arg(long, requires = "back_from")]
        back_to: Option<String>,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Consent to a swap, or refuse it
    Consent {
        /// Number of the swap
        id: u64,
        /// Login of who consents
        login: String,
        /// Refuse it
        #[arg(long)]
        refuse: bool,
    },
    /// Print the coming 90 days as iCalendar
    Ical {
        /// Roster
        name: String,
        /// Only the shifts of this login
        #[arg(long)]
        only: Option<String>,
    },
}

/// Handovers.
#[derive(Debug, Subcommand)]
pub enum HandoverCommand {
    /// List handovers, newest first
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one with all that is handed over
    Show {
        /// Its number
        id: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Open one now; they open by themselves when a shift changes
    Open {
        /// Roster
        roster: String,
        /// Login of who comes; may be given several times; without it those whom the roster names next
        #[arg(long)]
        coming: Vec<String>,
    },
    /// Write notes, the state of the room, and keys and phones into it
    Note {
        /// Its number
        id: u64,
        /// What the next shift must know
        #[arg(long, default_value = "")]
        notes: String,
        /// Power, air conditioning, fire protection
        #[arg(long, default_value = "")]
        room: String,
        /// A key or phone that is there; may be given several times
        #[arg(long)]
        thing: Vec<String>,
        /// A key or phone that is missing; may be given several times
        #[arg(long)]
        missing: Vec<String>,
    },
    /// Sign it with a PIN, read from standard input
    #[command(after_help = "\
Example:
  tocsin-collector handover sign 7 leaving wang < pin.txt")]
    Sign {
        /// Its number
        id: u64,
        /// leaving or coming
        side: String,
        /// Login
        login: String,
    },
    /// Allow it although a fault of the worst level is open
    Word {
        /// Its number
        id: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// The escalation chain.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Show it as TOML
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set it from a TOML file
    Set {
        /// File, or - for standard input
        file: PathBuf,
    },
}

/// Assets.
#[derive(Debug, Subcommand)]
pub enum AssetCommand {
    /// Enter assets from a CSV or XLSX file, all or none; tells all mistakes at once
    #[command(after_help = "\
The first line names the columns, as `asset export` prints them; those that are left out stay as they are. A row is known by \
its name and customer.

Example:
  tocsin-collector asset export > assets.csv
  tocsin-collector asset import assets.csv")]
    Import {
        /// File, or - for standard input
        file: PathBuf,
    },
    /// Print all assets as CSV, or write them into a CSV or XLSX file
    Export {
        /// Where to and how
        #[command(flatten)]
        out: Out,
    },
    /// What was changed about an asset, when and by whom
    History {
        /// Its name
        name: String,
    },
}

/// Registers.
#[derive(Debug, Subcommand)]
pub enum RegisterCommand {
    /// Enter rows from a CSV or XLSX file, all or none; tells all mistakes at once
    #[command(after_help = "\
The first line names the columns, as `register export BOOK` prints them; those that are left out stay as they are.

Example:
  printf 'name,contact\\nFirst Bank,Mr Li\\n' | tocsin-collector register import customers -")]
    Import {
        /// customers, sites, contracts, assets, spares or knowledge
        book: String,
        /// File, or - for standard input
        file: PathBuf,
    },
    /// Print a register as CSV, or write it into a CSV or XLSX file
    Export {
        /// customers, sites, contracts, assets, spares or knowledge
        book: String,
        /// Where to and how
        #[command(flatten)]
        out: Out,
    },
    /// What was changed about a row, when and by whom
    History {
        /// customers, sites, contracts, assets, spares or knowledge
        book: String,
        /// The row's name
        name: String,
    },
}

/// Spare parts.
#[derive(Debug, Subcommand)]
pub enum SpareCommand {
    /// What is held of each model and what the 5 % rule wants, what is missing first
    Stock {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask to use a spare on a ticket
    Ask {
        /// Its name
        name: String,
        /// Ticket number
        ticket: u64,
        /// How many
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
    /// Say what is on the shelf today: each spare is counted once a month
    Count {
        /// Its name
        name: String,
        /// How many are there
        count: u32,
    },
    /// Allow or refuse the use
    Answer {
        /// Number of the question
        id: u64,
        /// allow or refuse
        word: String,
    },
}

/// The audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Follow the chain of hashes: is every line as it was written, and none missing?
    #[command(long_about = "\
Follow the chain of hashes: is every line as it was written, and none missing?

Without a file it is the running collector's own trail; with a file it is an export, for which no collector is needed.

Exit status: 0 unbroken; 5 broken, with the number of the first line that is not as it was written.")]
    Verify {
        /// An export
        file: Option<PathBuf>,
    },
    /// Print the audit trail, one JSON object a line, with the hashes that prove it
    Export {
        /// Only lines after this number
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// File to write; standard output without it
        #[arg(long)]
        out: Option<PathBuf>,
    },
}
