//! The reports that are owed about a ticket: written from a draft, reviewed, issued or signed, printed and fetched.

use super::ticket::find;
use crate::{
    authority::{self, Action},
    backend::Failure,
    duty::{self, field},
    guard::{Answer, Visit, nothing, see_other},
    report_view::{self, Block, ReportView},
    shell::{Shell, page},
    upload,
};
use askama::Template;
use axum::{Form, extract::Path};
use std::collections::{BTreeMap, HashMap};
use tocsin_desk::{
    account::{
        AccountAct,
        report::{self, Kind, Line, Report, Stamp, Turn, Version},
    },
    duty::DutyAct,
    model::Ticket,
};

struct SectionField {
    key: &'static str,
    name: String,
    text: String,
    needed: bool,
}

struct LineRow {
    at: String,
    by: String,
    what: String,
    words: String,
    /// Where this version is read; empty for what was done to one.
    url: String,
}

#[derive(Template)]
#[template(path = "ticket_report.html")]
struct ReportPage {
    shell: Shell,
    number: u64,
    title: String,
    kind: &'static str,
    name: String,
    standing: String,
    due: String,
    late: bool,
    seen: usize,
    sections: Vec<SectionField>,
    stamps: Vec<(&'static str, String)>,
    lines: Vec<LineRow>,
    blocks: Vec<Block>,
    may_write: bool,
    /// A version is there to be read and fetched.
    paper: Option<u64>,
    error: Vec<String>,
}

#[derive(Template)]
#[template(path = "report_paper.html")]
struct PaperPage {
    shell: Shell,
    back: String,
    view: ReportView,
    draft: bool,
}

/// `GET /t/{number}/reports/{report}`.
pub(crate) async fn show(visit: Visit, Path((number, word)): Path<(String, String)>) -> Answer {
    let ticket = find(&visit, &number).await?;
    let kind = Kind::parse(&word).ok_or_else(nothing)?;
    if !reads_drafts(&visit) {
        // A customer reads what was issued, and nothing of how it came to be.
        return paper_of(&visit, &ticket, kind, None).await;
    }
    page(&view(&visit, &ticket, kind, None, Vec::new()).await?)
}

/// Drafts are for those of the house who read its registers too.
pub(super) fn reads_drafts(visit: &Visit) -> bool {
    visit.may(Action::ReadRegisters)
}

/// A report that is owed or written, or an empty one that has no term yet.
async fn report_of(visit: &Visit, ticket: &Ticket, kind: Kind) -> Result<Report, Failure> {
    let found = visit.console.backend.report_of(ticket.id, kind).await?;
    Ok(found.unwrap_or_else(|| unowed(visit, ticket, kind)))
}

fn unowed(visit: &Visit, ticket: &Ticket, kind: Kind) -> Report {
    Report {
        ticket: ticket.id,
        number: ticket.number,
        kind,
        due_at: visit.now,
        lines: Vec::new(),
    }
}

async fn view(
    visit: &Visit,
    ticket: &Ticket,
    kind: Kind,
    tried: Option<BTreeMap<String, String>>,
    error: Vec<String>,
) -> Result<ReportPage, Failure> {
    let shell = Shell::new(visit, "tickets");
    let found = visit.console.backend.report_of(ticket.id, kind).await?;
    let is_owed = found.is_some();
    let report = found.unwrap_or_else(|| unowed(visit, ticket, kind));
    let facts = visit.console.backend.facts(ticket.clone()).await?;
    let versions = report.versions();
    let written = versions.last().map(|last| last.words.clone());
    let words = tried.or(written).unwrap_or_else(|| report::drafted(kind, &facts));
    let standing = report.standing();
    let mut preview = report.clone();
    preview.lines.push(Line::preview(facts, words.clone()));
    let preview_versions = preview.versions();
    let last = preview_versions.last().ok_or_else(nothing)?;
    let blocks = report_view::view(&preview, last, &shell.speech()).blocks;
    let stamps = Stamp::ALL.iter().filter(|stamp| {
        let act = AccountAct::StampReport {
            ticket: ticket.number,
            kind,
            stamp: **stamp,
            words: String::new(),
            seen: None,
        };
        standing.after(kind, **stamp).is_some() && visit.may(authority::needs(&DutyAct::Account { account: act }))
    });
    Ok(ReportPage {
        number: ticket.number,
        title: shell.text(&ticket.title).to_owned(),
        kind: kind.as_str(),
        name: shell.word("owed", kind.as_str()),
        standing: shell.word("standing", standing.as_str()),
        due: if is_owed {
            shell.short(report.due_at)
        } else {
            String::new()
        },
        late: report.is_late(visit.now),
        seen: versions.len(),
        sections: kind
            .sections()
            .iter()
            .map(|(key, needed)| SectionField {
                key,
                name: shell.word("section", key),
                text: words.get(*key).cloned().unwrap_or_default(),
                needed: *needed,
            })
            .collect(),
        stamps: stamps
            .map(|stamp| (stamp.word(), shell.word("stamp", stamp.word())))
            .collect(),
        lines: lines(&shell, ticket, &report),
        blocks,
        may_write: visit.may(Action::WorkTicket),
        paper: versions.last().map(|last| last.number),
        error,
        shell,
    })
}

fn lines(shell: &Shell, ticket: &Ticket, report: &Report) -> Vec<LineRow> {
    let mut version = 0_u64;
    let mut rows: Vec<LineRow> = report
        .lines
        .iter()
        .map(|line| {
            let (what, words, url) = match &line.turn {
                Turn::Version { .. } => {
                    version += 1;
                    let url = format!(
                        "/t/{}/reports/{}/paper?version={version}",
                        ticket.number,
                        report.kind.as_str()
                    );
                    (
                        shell.tell("report-version-number", &[("n", version.into())]),
                        String::new(),
                        url,
                    )
                }
                Turn::Stamped { stamp, words } => (shell.word("stamp", stamp.word()), words.clone(), String::new()),
            };
            LineRow {
                at: shell.short(line.at),
                by: line.by.clone(),
                what,
                words,
                url,
            }
        })
        .collect();
    rows.reverse();
    rows
}

/// `POST /t/{number}/reports/{report}/{what}`: write, or a stamp.
pub(crate) async fn act(
    visit: Visit,
    Path((number, word, what)): Path<(String, String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let ticket = find(&visit, &number).await?;
    let kind = Kind::parse(&word).ok_or_else(nothing)?;
    let seen = field(&fields, "seen").parse().ok();
    let mut tried = None;
    let account = if what == "write" {
        let sections = kind.sections().iter();
        let words: BTreeMap<String, String> = sections
            .map(|(key, _)| ((*key).to_owned(), field(&fields, key).replace("\r\n", "\n")))
            .collect();
        tried = Some(words.clone());
        AccountAct::WriteReport {
            ticket: ticket.number,
            kind,
            words,
            seen,
        }
    } else {
        AccountAct::StampReport {
            ticket: ticket.number,
            kind,
            stamp: Stamp::parse(&what).ok_or_else(nothing)?,
            words: field(&fields, "words").to_owned(),
            seen,
        }
    };
    match duty::act(&visit, DutyAct::Account { account }).await {
        Ok(_) => Ok(see_other(&format!("/t/{}/reports/{}", ticket.number, kind.as_str()))),
        Err(failure) => {
            upload::refused(failure, async |lines| {
                page(&view(&visit, &ticket, kind, tried, lines).await?)
            })
            .await
        }
    }
}

/// The version that is asked for; a customer reads only what was issued or signed.
fn version_of<'a>(visit: &Visit, report: &'a Report, wanted: Option<u64>) -> Result<Version<'a>, Failure> {
    let drafts = reads_drafts(visit);
    let versions = report.versions().into_iter();
    let mut readable = versions.filter(|version| drafts || version.standing.is_done());
    let found = match wanted {
        Some(number) => readable.find(|version| version.number == number),
        None => readable.next_back(),
    };
    found.ok_or_else(nothing)
}

/// `GET /t/{number}/reports/{report}/paper?version=`: to be printed.
pub(crate) async fn paper(visit: Visit, Path((number, word)): Path<(String, String)>) -> Answer {
    let ticket = find(&visit, &number).await?;
    let kind = Kind::parse(&word).ok_or_else(nothing)?;
    let wanted = visit.parameter("version").and_then(|text| text.parse().ok());
    paper_of(&visit, &ticket, kind, wanted).await
}

async fn paper_of(visit: &Visit, ticket: &Ticket, kind: Kind, wanted: Option<u64>) -> Answer {
    let shell = Shell::new(visit, "tickets");
    let report = report_of(visit, ticket, kind).await?;
    let version = version_of(visit, &report, wanted)?;
    page(&PaperPage {
        back: format!("/t/{}", ticket.number),
        view: report_view::view(&report, &version, &shell.speech()),
        draft: !version.standing.is_done(),
        shell,
    })
}

/// `GET /t/{number}/reports/{report}/markdown?version=`: to be kept.
pub(crate) async fn markdown(visit: Visit, Path((number, word)): Path<(String, String)>) -> Answer {
    let ticket = find(&visit, &number).await?;
    let kind = Kind::parse(&word).ok_or_else(nothing)?;
    let shell = Shell::new(&visit, "tickets");
    let report = report_of(&visit, &ticket, kind).await?;
    let wanted = visit.parameter("version").and_then(|text| text.parse().ok());
    let version = version_of(&visit, &report, wanted)?;
    let text = report_view::markdown(&report, &version, &shell.speech());
    let name = format!("{}-{}-v{}.md", kind.as_str(), ticket.number, version.number);
    Ok(upload::attachment(
        "text/markdown; charset=utf-8",
        &name,
        text.into_bytes(),
    ))
}
