//! A ticket's times (补录): when things really were, both times kept, every clock with the intervals that counted, and what
//! else can be said of a ticket after the fact.

use super::ticket::find;
use crate::{
    authority::Action,
    backend::Failure,
    clocks::ClockView,
    duty::{self, field},
    guard::{Answer, Visit, nothing, see_other},
    shell::{Shell, page},
    upload,
};
use askama::Template;
use axum::{Form, extract::Path};
use std::collections::HashMap;
use tocsin_desk::{
    clocks::{Mark, Moment},
    input::{Amend, Amendment},
    model::{Actor, Entry, Ticket, Via},
    policy::Impact,
};
use tocsin_vocabulary::Code;

struct MomentRow {
    key: &'static str,
    name: String,
    at: String,
}

struct MarkRow {
    at: String,
    entered: String,
    what: String,
    due: String,
    /// It was entered later than it was.
    late: bool,
}

struct SaidRow {
    at: String,
    who: String,
    what: String,
    note: String,
}

#[derive(Template)]
#[template(path = "times.html")]
struct TimesPage {
    shell: Shell,
    number: u64,
    title: String,
    revision: u64,
    clocks: Vec<ClockView>,
    moments: Vec<MomentRow>,
    marks: Vec<MarkRow>,
    said: Vec<SaidRow>,
    impacts: Vec<(&'static str, String)>,
    impact: String,
    may_amend: bool,
    waived: bool,
    error: Vec<String>,
}

/// What of the timeline belongs here.
const SAID: [&str; 6] = ["enter", "plan", "give_up", "waive", "impact", "raise"];

/// `GET /t/{number}/times`.
pub(crate) async fn show(visit: Visit, Path(number): Path<String>) -> Answer {
    let ticket = find(&visit, &number).await?;
    page(&view(&visit, &ticket, Vec::new()).await?)
}

async fn view(visit: &Visit, ticket: &Ticket, error: Vec<String>) -> Result<TimesPage, Failure> {
    let shell = Shell::new(visit, "tickets");
    let backend = &visit.console.backend;
    let marks = backend.marks(ticket.id).await?;
    let entries = backend.entries(ticket.id).await?;
    let reckoning = &ticket.reckoning;
    let moments = Moment::ALL.iter().map(|moment| {
        let at = reckoning.moments.get(*moment);
        MomentRow {
            key: moment.as_str(),
            name: shell.word("moment", moment.as_str()),
            at: at.map_or_else(|| "–".to_owned(), |at| shell.short(at)),
        }
    });
    Ok(TimesPage {
        number: ticket.number,
        title: shell.text(&ticket.title).to_owned(),
        revision: ticket.revision,
        clocks: shell.clocks(ticket),
        moments: moments.collect(),
        marks: marks.iter().rev().map(|mark| mark_row(&shell, mark)).collect(),
        said: entries
            .iter()
            .rev()
            .filter(|entry| SAID.contains(&entry.action.as_str()))
            .map(|entry| said_row(&shell, entry))
            .collect(),
        impacts: Impact::ALL
            .iter()
            .map(|impact| (impact.as_str(), shell.word("impact", impact.as_str())))
            .collect(),
        impact: reckoning.impact.map_or("", Impact::as_str).to_owned(),
        may_amend: visit.may(Action::WorkTicket) && ticket.state.is_live(),
        waived: reckoning.waiver.is_some(),
        error,
        shell,
    })
}

fn mark_row(shell: &Shell, mark: &Mark) -> MarkRow {
    let clock = shell.word("clock", mark.clock.as_str());
    MarkRow {
        at: shell.short(mark.at),
        entered: shell.short(mark.entered_at),
        what: format!("{clock} · {}", shell.word("mark", mark.kind.as_str())),
        due: shell.short(mark.due_at),
        late: mark.entered_at > mark.at,
    }
}

fn said_row(shell: &Shell, entry: &Entry) -> SaidRow {
    SaidRow {
        at: shell.short(entry.at),
        who: match &entry.actor {
            Actor::System => shell.t("product"),
            Actor::Person(_, name) => name.clone(),
        },
        what: shell.word("did", &entry.action),
        note: shell.text(&entry.note).to_owned(),
    }
}

/// `POST /t/{number}/times/{what}`: enter, plan, give_up, waive, impact.
pub(crate) async fn amend(
    visit: Visit,
    Path((number, what)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    visit.require(Action::WorkTicket)?;
    let ticket = find(&visit, &number).await?;
    let person = visit.person()?;
    let amended = match amendment(&visit, &what, &fields) {
        Ok(amendment) => {
            let amend = Amend {
                ticket: ticket.id,
                actor: Actor::Person(person.id, person.name.clone()),
                via: Via::Console,
                amendment,
                revision: field(&fields, "revision").parse().ok(),
            };
            visit.console.backend.amend(amend).await
        }
        Err(failure) => Err(failure),
    };
    match amended {
        Ok(ticket) => Ok(see_other(&format!("/t/{}/times", ticket.number))),
        Err(failure) if failure.code == Code::NotFound && field(&fields, "revision").is_empty() => Err(failure.into()),
        Err(failure) => {
            let ticket = find(&visit, &number).await?;
            upload::refused(failure, async |lines| page(&view(&visit, &ticket, lines).await?)).await
        }
    }
}

fn amendment(visit: &Visit, what: &str, fields: &HashMap<String, String>) -> Result<Amendment, Failure> {
    let reason = field(fields, "reason").to_owned();
    let wrong = |name: &str| Failure::new(Code::InvalidInput, format!("field `{name}` is none of those offered"));
    Ok(match what {
        "enter" => Amendment::Enter {
            moment: Moment::parse(field(fields, "moment")).ok_or_else(|| wrong("moment"))?,
            at: duty::moment(visit, fields, "at")?,
            reason,
        },
        "plan" => Amendment::Plan { text: reason },
        "give_up" => Amendment::GiveUp { reason },
        "waive" => Amendment::Waive { reason },
        "impact" => Amendment::Impact(Impact::parse(field(fields, "impact")).ok_or_else(|| wrong("impact"))?),
        _ => return Err(nothing()),
    })
}
