//! Named steps on the way from an alert to its page and to its answer, at which a test has the process killed: nothing may
//! be lost there.
//!
//! `TOCSIN_KILL_AT` names a file. While that file holds the name of a step, and optionally after a space how often it is
//! passed, the process that reaches it dies by SIGKILL at once, as in a power cut; the file stays. `TOCSIN_PAGES_APART=1`
//! breaks the promise on purpose: the outbox's rows are written by a transaction of their own, after that of the desk's
//! step, so that one can see the test fail. Both are read once, by debug builds alone; a release build has neither.

use rustix::process::{Signal, getpid, kill_process};
use std::{
    path::PathBuf,
    sync::{Mutex, OnceLock, PoisonError},
};

/// A step, in the order in which an alert comes past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A rule spoke; the desk has not heard of it.
    RuleSpoke,
    /// The desk decided; nothing is written.
    DeskStepped,
    /// The transaction is open and empty.
    CommitBegun,
    /// Alert, fault, ticket and timeline are written, the pages are not.
    WorkWritten,
    /// The pages are written too.
    PagesWritten,
    /// The transaction is committed; nobody was told.
    Committed,
    /// The delivery worker is awake.
    OutboxRung,
    /// The worker has read which pages are due.
    PagesRead,
    /// A page is about to be sent, and that is not written down.
    SendingMeant,
    /// That it is being sent is written down; the other side has not heard of it.
    SendingBegun,
    /// The other side has answered, and that is not written down.
    Answered,
    /// What became of the page is written down.
    OutcomeWritten,
    /// The other side refused it, or nobody knows; that is not written down.
    Refused,
    /// That it refused is written down.
    RefusalWritten,
    /// A report of delivery came and is not written down.
    ReportCame,
    /// The report is written down.
    ReportWritten,
    /// A person's reply came; nothing was done with it.
    ReplyCame,
    /// What the reply wants is done.
    ReplyHeard,
}

impl Step {
    /// The way of every page, in order; the others are passed by some.
    pub const ALL: [Self; 12] = [
        Self::RuleSpoke,
        Self::DeskStepped,
        Self::CommitBegun,
        Self::WorkWritten,
        Self::PagesWritten,
        Self::Committed,
        Self::OutboxRung,
        Self::PagesRead,
        Self::SendingMeant,
        Self::SendingBegun,
        Self::Answered,
        Self::OutcomeWritten,
    ];

    /// Its name in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RuleSpoke => "rule-spoke",
            Self::DeskStepped => "desk-stepped",
            Self::CommitBegun => "commit-begun",
            Self::WorkWritten => "work-written",
            Self::PagesWritten => "pages-written",
            Self::Committed => "committed",
            Self::OutboxRung => "outbox-rung",
            Self::PagesRead => "pages-read",
            Self::SendingMeant => "sending-meant",
            Self::SendingBegun => "sending-begun",
            Self::Answered => "answered",
            Self::OutcomeWritten => "outcome-written",
            Self::Refused => "refused",
            Self::RefusalWritten => "refusal-written",
            Self::ReportCame => "report-came",
            Self::ReportWritten => "report-written",
            Self::ReplyCame => "reply-came",
            Self::ReplyHeard => "reply-heard",
        }
    }
}

/// The process comes past a step; it does not return where it is to be killed.
pub fn reached(step: Step) {
    if cfg!(debug_assertions)
        && let Some(file) = file()
    {
        pass(file, step);
    }
}

/// Whether the outbox is written apart from the desk's step.
pub(crate) fn pages_apart() -> bool {
    static APART: OnceLock<bool> = OnceLock::new();
    cfg!(debug_assertions) && *APART.get_or_init(|| std::env::var_os("TOCSIN_PAGES_APART").is_some_and(|it| it == "1"))
}

fn file() -> Option<&'static PathBuf> {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    FILE.get_or_init(|| std::env::var_os("TOCSIN_KILL_AT").map(PathBuf::from))
        .as_ref()
}

fn pass(file: &PathBuf, step: Step) {
    /// Two pages on their way at once count as two passes: one at a time reads the count and writes it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    let mut words = text.split_whitespace();
    if words.next() != Some(step.as_str()) {
        return;
    }
    let left: u32 = words.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    if left > 0 {
        // A file that can't be written means that the next pass is this one.
        let _ = std::fs::write(file, format!("{} {}", step.as_str(), left - 1));
        return;
    }
    tracing::warn!(step = step.as_str(), "killed here, as TOCSIN_KILL_AT wants it");
    let _ = kill_process(getpid(), Signal::KILL);
    // Other threads may run on for a moment; this one goes no step further.
    loop {
        std::thread::park();
    }
}
