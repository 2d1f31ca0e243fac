//! One downtime with all that was said of it, and the forms that add to it; and the form that claims a new one of a ticket.

use super::{
    accounts::{self, DowntimeRow},
    ticket::find as find_ticket,
};
use crate::{
    authority::Action,
    backend::Failure,
    duty::{self, field},
    guard::{Answer, Visit, nothing, see_other},
    shell::{Shell, page},
    upload,
};
use askama::Template;
use axum::{Form, extract::Path};
use std::collections::HashMap;
use tocsin_desk::{
    account::{
        AccountAct,
        downtime::{Cause, Claim, Downtime, DowntimeFilter, How, Line, Standing, Turn},
    },
    duty::DutyAct,
    model::Ticket,
};
use tocsin_vocabulary::{Code, Timestamp};

struct LineRow {
    at: String,
    by: String,
    what: String,
    words: String,
}

/// A claim as its form shows it: times of the site, as browsers want them.
struct ClaimForm {
    url: String,
    from: String,
    to: String,
    cause: String,
    words: String,
    button: String,
    causes: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "downtime.html")]
struct DowntimePage {
    shell: Shell,
    title: String,
    row: DowntimeRow,
    contract: String,
    words: String,
    id: u64,
    seen: u64,
    ticket: Option<u64>,
    lines: Vec<LineRow>,
    /// The customer's own account may answer.
    may_answer: bool,
    /// Somebody of the house may write the customer's word down.
    may_note: bool,
    may_work: bool,
    may_withdraw: bool,
    ended: bool,
    hows: Vec<(&'static str, String)>,
    form: ClaimForm,
    error: Vec<String>,
}

#[derive(Template)]
#[template(path = "ticket_downtime.html")]
struct NewPage {
    shell: Shell,
    number: u64,
    title: String,
    downtimes: Vec<DowntimeRow>,
    form: ClaimForm,
    may_work: bool,
    error: Vec<String>,
}

fn form(visit: &Visit, shell: &Shell, url: String, claim: Option<&Claim>, button: String) -> ClaimForm {
    let local = |at: Option<Timestamp>| at.map(|at| duty::local(visit, at)).unwrap_or_default();
    ClaimForm {
        url,
        from: local(claim.map(|claim| claim.from)),
        to: local(claim.and_then(|claim| claim.to)),
        cause: claim.map_or("", |claim| claim.cause.as_str()).to_owned(),
        words: claim.map(|claim| claim.words.clone()).unwrap_or_default(),
        button,
        causes: Cause::ALL
            .iter()
            .map(|cause| (cause.as_str(), shell.word("cause", cause.as_str())))
            .collect(),
    }
}

/// `GET /t/{number}/downtime`.
pub(crate) async fn of_ticket(visit: Visit, Path(number): Path<String>) -> Answer {
    let ticket = find_ticket(&visit, &number).await?;
    page(&new_view(&visit, &ticket, None, Vec::new()).await?)
}

async fn new_view(
    visit: &Visit,
    ticket: &Ticket,
    tried: Option<Claim>,
    error: Vec<String>,
) -> Result<NewPage, Failure> {
    let shell = Shell::new(visit, "tickets");
    let filter = DowntimeFilter {
        ticket: Some(ticket.number),
        ..DowntimeFilter::default()
    };
    let downtimes = visit.console.backend.downtimes(&filter).await?;
    let moments = &ticket.reckoning.moments;
    let likely = tried.unwrap_or(Claim {
        from: moments.occurred,
        to: moments.restored,
        cause: Cause::Ours,
        words: String::new(),
    });
    let url = format!("/t/{}/downtime", ticket.number);
    Ok(NewPage {
        number: ticket.number,
        title: shell.text(&ticket.title).to_owned(),
        downtimes: downtimes
            .iter()
            .map(|one| accounts::downtime_row(&shell, one))
            .collect(),
        form: form(visit, &shell, url, Some(&likely), shell.t("downtime-claim")),
        may_work: visit.may(Action::WorkTicket),
        error,
        shell,
    })
}

/// `POST /t/{number}/downtime`.
pub(crate) async fn claim(
    visit: Visit,
    Path(number): Path<String>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    visit.require(Action::WorkTicket)?;
    let ticket = find_ticket(&visit, &number).await?;
    let wanted = accounts::claim_of(&visit, &fields);
    let tried = wanted.as_ref().ok().cloned();
    let number = ticket.number;
    let done = match wanted {
        Ok(claim) => {
            let account = AccountAct::ClaimDowntime { ticket: number, claim };
            duty::act(&visit, DutyAct::Account { account }).await
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(done) => Ok(see_other(&format!("/downtimes/{}", done.id.unwrap_or_default()))),
        Err(failure) => {
            upload::refused(failure, async |lines| {
                page(&new_view(&visit, &ticket, tried, lines).await?)
            })
            .await
        }
    }
}

async fn find(visit: &Visit, id: &str) -> Result<Downtime, Failure> {
    let filter = DowntimeFilter {
        id: Some(id.parse().map_err(|_| nothing())?),
        ..DowntimeFilter::default()
    };
    let found = visit.console.backend.downtimes(&filter).await?;
    let found = found.into_iter().next().ok_or_else(nothing)?;
    visit.must_see(found.customer)?;
    Ok(found)
}

/// `GET /downtimes/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let downtime = find(&visit, &id).await?;
    page(&view(&visit, &downtime, Vec::new())?)
}

fn view(visit: &Visit, downtime: &Downtime, error: Vec<String>) -> Result<DowntimePage, Failure> {
    let shell = Shell::new(visit, "accounts");
    let lines = downtime.lines.iter().rev().map(|line| line_row(&shell, line));
    let open = matches!(downtime.standing(), Standing::Proposed | Standing::Disputed);
    let may_confirm = visit.may(Action::ConfirmTicket) && open;
    let of_customer = visit.scope()?.is_some();
    let may_work = visit.may(Action::WorkTicket);
    let url = format!("/downtimes/{}/correct", downtime.id);
    Ok(DowntimePage {
        title: shell.tell("downtime-number", &[("n", downtime.id.into())]),
        row: accounts::downtime_row(&shell, downtime),
        contract: downtime.contract_name.clone(),
        words: downtime.claim().map(|claim| claim.words.clone()).unwrap_or_default(),
        id: downtime.id,
        seen: downtime.lines.len() as u64,
        ticket: downtime.ticket,
        lines: lines.collect(),
        may_answer: may_confirm && of_customer,
        may_note: may_confirm && !of_customer,
        may_work,
        may_withdraw: may_work && open,
        ended: downtime.claim().is_some_and(|claim| claim.to.is_some()),
        hows: [How::Phone, How::Paper]
            .iter()
            .map(|how| (how.as_str(), shell.word("how", how.as_str())))
            .collect(),
        form: form(visit, &shell, url, downtime.claim(), shell.t("downtime-correct")),
        error,
        shell,
    })
}

fn line_row(shell: &Shell, line: &Line) -> LineRow {
    let whose = |who: &String, how: &How| format!("{who} ({})", shell.word("how", how.as_str()));
    let (what, words) = match &line.turn {
        Turn::Claim(claim) => {
            let to = claim.to.map_or_else(|| shell.t("downtime-lasts"), |to| shell.short(to));
            let cause = shell.word("cause", claim.cause.as_str());
            (
                shell.t("downtime-claimed"),
                format!("{} – {to} · {cause} · {}", shell.short(claim.from), claim.words),
            )
        }
        Turn::Agree { who, how, words } => (shell.word("standing", "agreed"), format!("{} {words}", whose(who, how))),
        Turn::Dispute { who, how, words } => (
            shell.word("standing", "disputed"),
            format!("{} {words}", whose(who, how)),
        ),
        Turn::Withdraw { words } => (shell.word("standing", "withdrawn"), words.clone()),
    };
    LineRow {
        at: shell.short(line.at),
        by: line.by.clone(),
        what,
        words,
    }
}

/// `POST /downtimes/{id}/{what}`: correct, agree, dispute, withdraw.
pub(crate) async fn act(
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let downtime = find(&visit, &id).await?;
    let done = match turn(&visit, &what, &fields) {
        Ok(turn) => {
            let account = AccountAct::TurnDowntime {
                id: downtime.id,
                seen: field(&fields, "seen").parse().ok(),
                turn,
            };
            duty::act(&visit, DutyAct::Account { account }).await
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(_) => Ok(see_other(&format!("/downtimes/{}", downtime.id))),
        Err(failure) if failure.code == Code::NotFound => Err(failure.into()),
        Err(failure) => {
            let downtime = find(&visit, &id).await?;
            upload::refused(failure, async |lines| page(&view(&visit, &downtime, lines)?)).await
        }
    }
}

/// The customer's own account speaks for itself; somebody of the house says whose word it was and how it came.
fn turn(visit: &Visit, what: &str, fields: &HashMap<String, String>) -> Result<Turn, Failure> {
    let words = field(fields, "words").to_owned();
    let (who, how) = if visit.scope()?.is_some() {
        (visit.person()?.name.clone(), How::Account)
    } else {
        let how = How::parse(field(fields, "how")).filter(|how| *how != How::Account);
        (field(fields, "who").to_owned(), how.unwrap_or(How::Phone))
    };
    Ok(match what {
        "correct" => Turn::Claim(accounts::claim_of(visit, fields)?),
        "agree" => Turn::Agree { who, how, words },
        "dispute" => Turn::Dispute { who, how, words },
        "withdraw" => Turn::Withdraw { words },
        _ => return Err(nothing()),
    })
}
