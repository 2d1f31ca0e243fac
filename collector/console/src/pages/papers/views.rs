//! Papers as rows of a page.

use crate::{authority::Action, backend::Failure, guard::Visit, published, shell::Shell};
use tocsin_desk::{
    model::{Person, Ticket, TicketState},
    paper::{
        Papers,
        approval::{Approval, ApprovalState, Verdict},
    },
};
use tocsin_vocabulary::Timestamp;

/// A file.
pub(super) struct FileRow {
    pub(super) id: u64,
    pub(super) url: String,
    pub(super) name: String,
    pub(super) about: String,
    pub(super) picture: bool,
    pub(super) published: bool,
    /// Signatures are the customer's own.
    pub(super) changeable: bool,
}

/// An approval with what may be done about it.
pub(super) struct ApprovalRow {
    pub(super) id: u64,
    pub(super) what: String,
    pub(super) risk: String,
    pub(super) rollback: String,
    pub(super) window: String,
    pub(super) asked: String,
    pub(super) state: String,
    pub(super) tone: &'static str,
    pub(super) verdict: String,
    pub(super) words: String,
    pub(super) recorded: String,
    /// Login and name of who must sign.
    pub(super) unsigned: Option<(String, String)>,
    pub(super) may_answer: bool,
    /// Those who may have said it by phone: login and name.
    pub(super) by_phone: Vec<(String, String)>,
    pub(super) may_withdraw: bool,
}

/// A confirmation.
pub(super) struct ConfirmationRow {
    pub(super) way: String,
    pub(super) about: String,
    pub(super) text: String,
    pub(super) hash: String,
    /// Where the signature or the scanned paper is, and whether it is a picture.
    pub(super) file: Option<(String, bool)>,
}

/// A call-back.
pub(super) struct CallRow {
    pub(super) about: String,
    pub(super) answer: String,
    pub(super) content: bool,
}

/// What the ticket's page tells of papers.
pub(crate) struct Brief {
    pub(crate) url: String,
    pub(crate) files: Vec<(String, String)>,
    /// Words and tone.
    pub(crate) approvals: Vec<(String, &'static str)>,
    pub(crate) confirmations: Vec<String>,
    pub(crate) calls: usize,
    /// The customer can sign now, on the phone of whoever looks.
    pub(crate) sign_here: bool,
}

/// The papers that whoever asks may read.
pub(super) async fn readable(visit: &Visit, ticket: &Ticket) -> Result<Papers, Failure> {
    let papers = visit.console.backend.papers(ticket.id).await?;
    Ok(if published::is_bound(visit) {
        papers.published()
    } else {
        papers
    })
}

pub(crate) async fn brief(visit: &Visit, shell: &Shell, ticket: &Ticket) -> Result<Brief, Failure> {
    let papers = readable(visit, ticket).await?;
    let files = papers.attachments.iter();
    Ok(Brief {
        url: format!("/t/{}/paper", ticket.number),
        files: files.map(|one| (url_of(ticket, one.id), one.name.clone())).collect(),
        approvals: papers
            .approvals
            .iter()
            .map(|one| (format!("{} · {}", state(shell, one), one.what), tone(one)))
            .collect(),
        confirmations: confirmations(visit, shell, ticket, &papers)
            .into_iter()
            .map(|row| format!("{} · {}", row.way, row.about))
            .collect(),
        calls: papers.calls.len(),
        sign_here: ticket.state == TicketState::Resolved && visit.may(Action::WorkTicket),
    })
}

fn url_of(ticket: &Ticket, file: u64) -> String {
    format!("/t/{}/attachments/{file}", ticket.number)
}

/// `by · when`, with the names of the house left out for a customer.
fn who_when(visit: &Visit, shell: &Shell, by: &str, at: Timestamp) -> String {
    if published::is_bound(visit) {
        shell.short(at)
    } else {
        format!("{by} · {}", shell.short(at))
    }
}

pub(super) fn files(visit: &Visit, shell: &Shell, ticket: &Ticket, papers: &Papers) -> Vec<FileRow> {
    let row = |one: &tocsin_desk::paper::attachment::Attachment| FileRow {
        id: one.id,
        url: url_of(ticket, one.id),
        name: one.name.clone(),
        about: format!(
            "{} · {} · {}",
            shell.word("purpose", one.purpose.as_str()),
            size(one.bytes),
            who_when(visit, shell, &one.added.by, one.added.at)
        ),
        picture: one.media.is_picture(),
        published: one.published.is_some(),
        changeable: one.purpose != tocsin_desk::paper::attachment::Purpose::Signature,
    };
    papers.attachments.iter().map(row).collect()
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 {
        format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
    } else {
        format!("{} KiB", bytes.div_ceil(1024))
    }
}

fn state(shell: &Shell, one: &Approval) -> String {
    let word = shell.word("approval", one.state.as_str());
    if one.is_unsigned() {
        format!("{word} · {}", shell.t("approval-unsigned"))
    } else {
        word
    }
}

fn tone(one: &Approval) -> &'static str {
    match one.state {
        _ if one.is_unsigned() => "soon",
        ApprovalState::Asked => "soon",
        ApprovalState::Granted => "good",
        ApprovalState::Refused => "bad",
        ApprovalState::Withdrawn => "muted",
    }
}

pub(super) fn approvals(
    visit: &Visit,
    shell: &Shell,
    ticket: &Ticket,
    papers: &Papers,
    people: &[Person],
) -> Result<Vec<ApprovalRow>, Failure> {
    let viewer = visit.person()?;
    let (may_work, may_approve) = (visit.may(Action::WorkTicket), visit.may(Action::ApproveWork));
    let bound = published::is_bound(visit);
    let row = |one: &Approval| {
        let waits = one.state == ApprovalState::Asked;
        let fits = |person: &&Person| one.of.includes(person, ticket.customer) && person.login != one.asker;
        let pair = |person: &Person| (person.login.clone(), person.name.clone());
        let verdict = one.verdict.as_ref();
        let unsigned = |verdict: &Verdict| {
            let own = !bound || verdict.login == viewer.login;
            (verdict.signed_at.is_none() && own).then(|| (verdict.login.clone(), verdict.name.clone()))
        };
        ApprovalRow {
            id: one.id,
            what: one.what.clone(),
            risk: one.risk.clone(),
            rollback: one.rollback.clone(),
            window: format!("{} – {}", shell.short(one.from), shell.short(one.to)),
            asked: format!(
                "{} · {}",
                who_when(visit, shell, &one.asked.by, one.asked.at),
                shell.word("approver", one.of.as_str())
            ),
            state: state(shell, one),
            tone: tone(one),
            verdict: verdict.map_or_else(String::new, |verdict| {
                format!("{} · {}", verdict.name, shell.short(verdict.at))
            }),
            words: verdict.map(|verdict| verdict.words.clone()).unwrap_or_default(),
            recorded: verdict
                .and_then(|verdict| verdict.recorded.as_ref())
                .map_or_else(String::new, |done| who_when(visit, shell, &done.by, done.at)),
            unsigned: verdict.and_then(unsigned),
            may_answer: waits && may_approve && fits(&viewer),
            by_phone: if waits && may_work {
                people.iter().filter(fits).map(pair).collect()
            } else {
                Vec::new()
            },
            may_withdraw: waits && may_work,
        }
    };
    Ok(papers.approvals.iter().rev().map(row).collect())
}

pub(super) fn confirmations(visit: &Visit, shell: &Shell, ticket: &Ticket, papers: &Papers) -> Vec<ConfirmationRow> {
    let rows = papers.confirmations.iter().rev();
    rows.map(|one| {
        let file = one.file.and_then(|id| papers.attachment(id));
        let name = if !one.name.is_empty() {
            one.name.clone()
        } else if published::is_bound(visit) {
            shell.t("service-desk")
        } else {
            one.by.by.clone()
        };
        ConfirmationRow {
            way: shell.word("confirmed", one.way.as_str()),
            about: format!("{name} · {}", shell.short(one.by.at)),
            text: one.text.clone(),
            hash: one.text_hash.clone(),
            file: file.map(|file| (url_of(ticket, file.id), file.media.is_picture())),
        }
    })
    .collect()
}

pub(super) fn calls(shell: &Shell, papers: &Papers) -> Vec<CallRow> {
    let rows = papers.calls.iter().rev();
    rows.map(|one| CallRow {
        about: format!("{} {} · {} · {}", one.whom, one.phone, shell.short(one.at), one.by.by),
        answer: one.answer.clone(),
        content: one.content,
    })
    .collect()
}

/// A time as a field of a form takes it.
pub(super) fn local(visit: &Visit, at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|instant| {
            let zoned = instant.to_zoned(visit.console.options.zone.clone());
            zoned.strftime("%Y-%m-%dT%H:%M").to_string()
        })
        .unwrap_or_default()
}
