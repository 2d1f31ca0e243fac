//! Reports that are owed about a ticket: the incident report of a worst-level fault (R30) and the service document that
//! follows each job within five days (R29).
//!
//! A report is a list of lines that is only ever added to. A *version* holds the facts as the ticket had them then, and
//! what people wrote; it is reviewed and issued (incident report), or signed (service document). Another version puts it
//! back to a draft; the one that was issued or signed before stays what the customer reads until then.

use super::Refused;
use crate::{
    model::{Alert, Entry, Ticket, TicketKind, TicketState},
    record::PageRecord,
    register::spare::Use,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{CustomerId, Text, TicketId, Timestamp};

/// A service document is due so long after the job (R29: 5 日内提供现场服务文档).
const SERVICE_WITHIN: Duration = Duration::from_secs(5 * 86_400);
/// An incident report is due so long after the service was back: contracts name no term of their own, so it has that of
/// the service document.
const INCIDENT_WITHIN: Duration = SERVICE_WITHIN;
/// Longest section, in characters.
const SECTION_CHARS_MAX: usize = 8_000;
/// Lines of the timeline, alerts and pages that a version holds, newest kept.
pub const FACTS_MAX: usize = 500;

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 重大故障报告.
    Incident,
    /// 服务单.
    Service,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Incident, Self::Service];

    /// The word in paths, API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Service => "service",
        }
    }

    /// The report that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Its sections in order; those that must be written are marked.
    #[must_use]
    pub const fn sections(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Incident => &[
                ("summary", false),
                ("effect", false),
                ("cause", true),
                ("handling", true),
                ("prevention", true),
            ],
            Self::Service => &[("work", true), ("cause", false), ("result", true), ("remains", false)],
        }
    }
}

/// What is done to the last version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// Somebody else than its writer has read it and found it right.
    Review,
    /// It goes back to its writer.
    Return,
    /// It goes out to the customer.
    Issue,
    /// The engineer signs the service document.
    Sign,
}

impl Stamp {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Review, Self::Return, Self::Issue, Self::Sign];

    /// What the audit trail calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Review => "report.review",
            Self::Return => "report.return",
            Self::Issue => "report.issue",
            Self::Sign => "report.sign",
        }
    }

    /// The word in paths and on the command line, and the text key's last part.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.as_str().trim_start_matches("report.")
    }

    /// The stamp that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stamp| stamp.word() == word)
    }
}

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is owed, and nobody has written anything.
    Owed,
    /// It is being written.
    Draft,
    /// It was read by somebody else.
    Reviewed,
    /// It is out.
    Issued,
    /// The engineer signed it.
    Signed,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Owed, Self::Draft, Self::Reviewed, Self::Issued, Self::Signed];

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Draft => "draft",
            Self::Reviewed => "reviewed",
            Self::Issued => "issued",
            Self::Signed => "signed",
        }
    }

    /// Whether nothing is owed any more.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Issued | Self::Signed)
    }

    /// What a stamp leads to.
    #[must_use]
    pub const fn after(self, kind: Kind, stamp: Stamp) -> Option<Self> {
        match (kind, self, stamp) {
            (Kind::Incident, Self::Draft, Stamp::Review) => Some(Self::Reviewed),
            (Kind::Incident, Self::Reviewed, Stamp::Return) => Some(Self::Draft),
            (Kind::Incident, Self::Reviewed, Stamp::Issue) => Some(Self::Issued),
            (Kind::Service, Self::Draft, Stamp::Sign) => Some(Self::Signed),
            _ => None,
        }
    }
}

/// The ticket and what belongs to it, as they were when a version was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// When they were taken.
    pub taken_at: Timestamp,
    /// The ticket with its clocks.
    pub ticket: Ticket,
    /// The customer's name.
    pub customer: String,
    /// The contract's name.
    pub contract: String,
    /// Its timeline, oldest first.
    pub entries: Vec<Entry>,
    /// Its alerts: the evidence.
    pub alerts: Vec<Alert>,
    /// Who was paged, and what became of it.
    pub pages: Vec<PageRecord>,
    /// Spare parts that were asked for.
    pub spares: Vec<Use>,
}

/// What a line of a report is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Turn {
    /// A version.
    Version {
        /// The facts.
        facts: Box<Facts>,
        /// What was written, by section.
        words: BTreeMap<String, String>,
    },
    /// Something was done to the last version.
    Stamped {
        /// What.
        stamp: Stamp,
        /// A word about it.
        words: String,
    },
}

/// One line. Never changed, never erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// 1, 2, 3 … within the report.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Login of whoever did it.
    pub login: String,
    /// Their name.
    pub by: String,
    /// What.
    pub turn: Turn,
}

impl Line {
    /// The version that nobody has written: what the facts say by themselves.
    #[must_use]
    pub fn draft(kind: Kind, facts: Facts) -> Self {
        let words = drafted(kind, &facts);
        Self::preview(facts, words)
    }

    /// The version that would be written now.
    #[must_use]
    pub fn preview(facts: Facts, words: BTreeMap<String, String>) -> Self {
        Self {
            seq: 0,
            at: facts.taken_at,
            login: String::new(),
            by: String::new(),
            turn: Turn::Version {
                facts: Box::new(facts),
                words,
            },
        }
    }
}

/// A report with all its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The ticket.
    pub ticket: TicketId,
    /// Its number.
    pub number: u64,
    /// Which report.
    pub kind: Kind,
    /// When it is due.
    pub due_at: Timestamp,
    /// Everything that was done, oldest first.
    pub lines: Vec<Line>,
}

/// A version with its number and who wrote it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Version<'a> {
    /// 1, 2, 3 …
    pub number: u64,
    /// The line that holds it.
    pub line: &'a Line,
    /// The facts.
    pub facts: &'a Facts,
    /// What was written.
    pub words: &'a BTreeMap<String, String>,
    /// Where it stands, or stood before the next version came.
    pub standing: Standing,
}

impl Report {
    /// All versions, oldest first.
    #[must_use]
    pub fn versions(&self) -> Vec<Version<'_>> {
        let mut versions: Vec<Version<'_>> = Vec::new();
        for line in &self.lines {
            match &line.turn {
                Turn::Version { facts, words } => versions.push(Version {
                    number: versions.len() as u64 + 1,
                    line,
                    facts,
                    words,
                    standing: Standing::Draft,
                }),
                Turn::Stamped { stamp, .. } => {
                    if let Some(last) = versions.last_mut() {
                        last.standing = last.standing.after(self.kind, *stamp).unwrap_or(last.standing);
                    }
                }
            }
        }
        versions
    }

    /// Where it stands: as its last version does.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.versions().last().map_or(Standing::Owed, |last| last.standing)
    }

    /// The newest version that the customer may read.
    #[must_use]
    pub fn published(&self) -> Option<Version<'_>> {
        self.versions().into_iter().rfind(|version| version.standing.is_done())
    }

    /// Whether it is overdue: nothing was ever issued or signed by its time.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.published().is_none() && now > self.due_at
    }

    /// Checks that another version may be written.
    ///
    /// # Errors
    /// With every mistake, or when somebody else wrote one meanwhile.
    pub fn may_write(&self, words: &BTreeMap<String, String>, seen: Option<u64>) -> Result<(), Refused> {
        self.is_last(seen)?;
        let known: Vec<&str> = self.kind.sections().iter().map(|(key, _)| *key).collect();
        let mut mistakes = Vec::new();
        for (key, text) in words {
            if !known.contains(&key.as_str()) {
                mistakes.push(format!("unknown section `{key}`: known are {}", known.join(", ")));
            } else if text.chars().count() > SECTION_CHARS_MAX {
                mistakes.push(format!("section `{key}` is longer than {SECTION_CHARS_MAX} characters"));
            }
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(Refused::Wrong(mistakes))
        }
    }

    /// Checks that the last version may be stamped by this login.
    ///
    /// # Errors
    /// When it does not stand so, when sections are empty that must be written, when its writer would review it.
    pub fn may_stamp(&self, stamp: Stamp, login: &str, words: &str, seen: Option<u64>) -> Result<(), Refused> {
        self.is_last(seen)?;
        let versions = self.versions();
        let Some(last) = versions.last() else {
            return Err(Refused::Standing(format!(
                "nothing is written yet about #{}: write it first",
                self.number
            )));
        };
        if last.standing.after(self.kind, stamp).is_none() {
            return Err(Refused::Standing(format!(
                "the {} report of #{} is {}: it takes no `{}`",
                self.kind.as_str(),
                self.number,
                last.standing.as_str(),
                stamp.word()
            )));
        }
        if stamp == Stamp::Review && last.line.login == login {
            return Err(Refused::Standing(
                "whoever wrote a report does not review it: ask somebody else".to_owned(),
            ));
        }
        if stamp == Stamp::Return && words.trim().is_empty() {
            return Err(Refused::Wrong(vec!["field `words`: say why it goes back".to_owned()]));
        }
        let missing: Vec<String> = self
            .kind
            .sections()
            .iter()
            .filter(|(key, needed)| *needed && last.words.get(*key).is_none_or(|text| text.trim().is_empty()))
            .map(|(key, _)| format!("section `{key}` is empty: write it first"))
            .collect();
        if missing.is_empty() || stamp == Stamp::Return {
            Ok(())
        } else {
            Err(Refused::Wrong(missing))
        }
    }

    fn is_last(&self, seen: Option<u64>) -> Result<(), Refused> {
        let last = self.versions().len() as u64;
        match seen {
            Some(seen) if seen != last => Err(Refused::Standing(format!(
                "version {last} was written meanwhile: look at it first"
            ))),
            _ => Ok(()),
        }
    }
}

/// A report in a list, without its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// The ticket's number.
    pub number: u64,
    /// The ticket's title.
    pub title: Text,
    /// What it is about.
    pub asset_name: String,
    /// Whose.
    pub customer: CustomerId,
    /// Which report.
    pub kind: Kind,
    /// When it is due.
    pub due_at: Timestamp,
    /// Where its last version stands.
    pub standing: Standing,
    /// Whether a version was ever issued or signed.
    pub done: bool,
}

/// Which reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Those of which a version was issued or signed, or the others.
    pub done: Option<bool>,
    /// Due before this time.
    pub due_before: Option<Timestamp>,
}

/// When this report of a ticket is due; none: it is not owed. `levels` is how many levels the ticket's policy has.
///
/// Incident reports are owed for faults that ever stood in the upper half of the ladder (of four levels 特大 and 重大, of
/// three the first), once service is back. Service documents are owed for every fault, request, defect and planned work
/// that a person resolved.
#[must_use]
pub fn due(kind: Kind, ticket: &Ticket, levels: usize) -> Option<Timestamp> {
    if matches!(ticket.state, TicketState::Merged | TicketState::Cancelled) {
        return None;
    }
    let moments = &ticket.reckoning.moments;
    match kind {
        Kind::Incident => {
            let worst = ticket.reckoning.rungs.iter().map(|rung| rung.level.rank()).min();
            let rank = usize::from(worst.unwrap_or(u8::MAX).min(ticket.level.rank()));
            let owed = ticket.kind == TicketKind::Fault && rank <= (levels / 2).max(1);
            let back = moments.restored.or(moments.resolved).filter(|_| owed)?;
            Some(back.plus(INCIDENT_WITHIN))
        }
        Kind::Service => {
            let owed = matches!(
                ticket.kind,
                TicketKind::Fault | TicketKind::Request | TicketKind::Defect | TicketKind::Planning
            );
            let done = moments.resolved.filter(|_| owed)?;
            Some(done.plus(SERVICE_WITHIN))
        }
    }
}

/// What a first version says already: cause and handling as they were given when the ticket was resolved, in the words of
/// whoever resolved it.
#[must_use]
pub fn drafted(kind: Kind, facts: &Facts) -> BTreeMap<String, String> {
    let resolved = facts.entries.iter().rev().find(|entry| entry.action == "resolve");
    let (cause, done) = resolved.map_or_else(Default::default, |entry| resolution(&entry.note.en));
    let plan = facts.entries.iter().rev().find(|entry| entry.action == "plan");
    let mut words = BTreeMap::new();
    let mut put = |key: &str, text: String| drop(words.insert(key.to_owned(), text));
    match kind {
        Kind::Incident => {
            put("cause", cause);
            put("handling", done);
        }
        Kind::Service => {
            put("work", done);
            put("cause", cause);
            put("remains", plan.map(|entry| entry.note.zh.clone()).unwrap_or_default());
        }
    }
    words.retain(|_, text| !text.is_empty());
    words
}

/// Cause and solution of a line `resolve`, as the desk writes it.
fn resolution(note: &str) -> (String, String) {
    let told = note.strip_prefix("Cause: ").unwrap_or(note);
    let (cause, solution) = told.split_once("\nSolution: ").unwrap_or((told, ""));
    (cause.to_owned(), solution.to_owned())
}

#[cfg(test)]
mod tests;
