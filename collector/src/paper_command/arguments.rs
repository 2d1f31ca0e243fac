//! What can be asked about papers, as the command line takes it.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Papers of tickets.
#[derive(Debug, Subcommand)]
pub enum Paper {
    /// What a ticket has: files, approvals, confirmations, call-backs
    Show {
        /// Ticket number
        ticket: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Attach a file: JPEG, PNG, WebP, PDF or UTF-8 text of at most 8 MiB; its content says what it is, not its name
    Attach {
        /// Ticket number
        ticket: u64,
        /// File
        file: PathBuf,
        /// It is a paper that the customer signed
        #[arg(long)]
        signed: bool,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Write a file of a ticket to disk, proved by its digest
    Get {
        /// Ticket number
        ticket: u64,
        /// Number of the file
        file: u64,
        /// Where to
        #[arg(long)]
        out: PathBuf,
    },
    /// Let the customer see a file
    Publish {
        /// Ticket number
        ticket: u64,
        /// Number of the file
        file: u64,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Take a file back from the customer
    Unpublish {
        /// Ticket number
        ticket: u64,
        /// Number of the file
        file: u64,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Ask for approval of risky work
    Ask {
        /// Ticket number
        ticket: u64,
        /// What shall be done
        #[arg(long)]
        what: String,
        /// What may go wrong
        #[arg(long)]
        risk: String,
        /// The way back
        #[arg(long)]
        rollback: String,
        /// Beginning of the window: RFC 3339
        #[arg(long)]
        from: String,
        /// End of the window: RFC 3339
        #[arg(long)]
        to: String,
        /// Who approves: lead or customer
        #[arg(long, default_value = "lead")]
        of: String,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Approvals that wait for an answer or a signature
    Open {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Answer an approval as its approver: grant or refuse
    Answer {
        /// Number of the approval
        id: u64,
        /// grant or refuse
        word: String,
        /// Conditions, or why not; a refusal needs them
        #[arg(long, default_value = "")]
        words: String,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Write down what the approver said by phone; it holds at once and is unsigned until the approver signs
    Phone {
        /// Number of the approval
        id: u64,
        /// grant or refuse
        word: String,
        /// Login of the approver
        #[arg(long)]
        approver: String,
        /// When they said it: RFC 3339, or -10m for ten minutes ago
        #[arg(long, default_value = "-0s", allow_hyphen_values = true)]
        at: String,
        /// Conditions, or why not; a refusal needs them
        #[arg(long, default_value = "")]
        words: String,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Sign what was said by phone, with the approver's PIN, read from standard input
    Sign {
        /// Number of the approval
        id: u64,
        /// Login of the approver
        login: String,
    },
    /// Withdraw a request that was not answered
    Withdraw {
        /// Number of the approval
        id: u64,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Print a one-time link behind which the customer signs on a phone; the ticket then closes
    SignLink {
        /// Ticket number
        ticket: u64,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// The customer signed a paper, which is attached: the ticket closes
    Confirm {
        /// Ticket number
        ticket: u64,
        /// Number of the file
        #[arg(long)]
        file: u64,
        /// Who signed
        #[arg(long)]
        name: String,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// Write down a call-back
    Call {
        /// Ticket number
        ticket: u64,
        /// Who was called
        #[arg(long)]
        whom: String,
        /// Under which number
        #[arg(long, default_value = "")]
        phone: String,
        /// When: RFC 3339, or -1h
        #[arg(long, default_value = "-0s", allow_hyphen_values = true)]
        at: String,
        /// What they said
        #[arg(long)]
        answer: String,
        /// They were not content
        #[arg(long)]
        complaint: bool,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
    /// What must be signed before which step
    #[command(subcommand)]
    Terms(TermsCommand),
}

/// Terms of signing.
#[derive(Debug, Subcommand)]
pub enum TermsCommand {
    /// Show them as TOML
    Show,
    /// Set them from a TOML file
    #[command(after_help = "\
Example of a file:
  hold = [\"restore\", \"resolve\"]       # wait while an approval is open or was refused
  signed_before_confirm = true        # what was granted by phone is signed before the ticket closes
  proof = true                        # only account, signature or paper close a ticket
  remind_every = \"4h\"
  [[required]]                        # level 1 needs a granted approval before restore
  level = 1
  steps = [\"restore\"]")]
    Set {
        /// File, or - for standard input
        file: PathBuf,
        /// Who answers for it
        #[command(flatten)]
        who: Who,
    },
}

/// Who answers for it.
#[derive(Debug, Args)]
pub struct Who {
    /// Login of whoever does it
    #[arg(long = "as", value_name = "LOGIN")]
    pub login: String,
}
