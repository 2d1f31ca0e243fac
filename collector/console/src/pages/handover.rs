//! Handovers: the register that one shift hands to the next, and both signatures.

use crate::{
    authority::{self, Action},
    backend::Failure,
    duty::{self, field, name_of, names_of},
    guard::{Answer, Visit, nothing, see_other},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use std::collections::HashMap;
use tocsin_desk::{
    duty::DutyAct,
    handover::{Handover, Quiet, Register, Side, Signature, Thing},
    model::Person,
};
use tocsin_vocabulary::Code;

/// Handovers in the list.
const LISTED: u32 = 50;

struct Row {
    id: u64,
    at: Html,
    roster: String,
    leaving: String,
    coming: String,
    left: String,
    came: String,
    closed: bool,
}

struct TicketRow {
    number: u64,
    title: String,
    level: Html,
    state: String,
    assignee: String,
    left: String,
}

struct Signing {
    side: &'static str,
    name: String,
    signed: String,
    people: Vec<(String, String)>,
    chosen: String,
}

#[derive(Template)]
#[template(path = "handovers.html")]
struct ListPage {
    shell: Shell,
    open: Vec<Row>,
    closed: Vec<Row>,
    rosters: Vec<String>,
    may: bool,
    has_pin: bool,
    error: String,
}

#[derive(Template)]
#[template(path = "handover.html")]
struct HandoverPage {
    shell: Shell,
    row: Row,
    tickets: Vec<TicketRow>,
    silences: Vec<String>,
    backups: Vec<String>,
    silent: Vec<String>,
    things: Vec<Thing>,
    things_text: String,
    room: String,
    notes: String,
    word: String,
    signing: Vec<Signing>,
    may: bool,
    may_word: bool,
    has_pin: bool,
    error: String,
}

/// `GET /handover`.
pub(crate) async fn list(visit: Visit) -> Answer {
    page(&list_view(&visit, String::new()).await?)
}

async fn list_view(visit: &Visit, error: String) -> Result<ListPage, Failure> {
    let shell = Shell::new(visit, "duty");
    let backend = &visit.console.backend;
    let people = backend.people().await?;
    let all = backend.handovers(LISTED).await?;
    let rows = all.iter().map(|one| row(&shell, &people, one));
    let (closed, open) = rows.partition(|row: &Row| row.closed);
    let rosters = backend.rosters().await?;
    Ok(ListPage {
        open,
        closed,
        rosters: rosters.into_iter().map(|roster| roster.name).collect(),
        may: visit.may(Action::HandOver),
        has_pin: backend.has_pin(visit.person()?.id).await?,
        error,
        shell,
    })
}

/// `POST /handover`: opens one now.
pub(crate) async fn open(visit: Visit, Form(fields): Form<HashMap<String, String>>) -> Answer {
    let act = DutyAct::OpenHandover {
        roster: field(&fields, "roster").to_owned(),
        coming: Vec::new(),
    };
    match duty::act(&visit, act).await {
        Ok(done) => Ok(see_other(&format!("/handover/{}", done.id.unwrap_or_default()))),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden) => Err(failure.into()),
        Err(failure) => {
            let mut response = page(&list_view(&visit, failure.reason).await?)?;
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

/// `GET /handover/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let one = find(&visit, &id).await?;
    page(&view(&visit, &one, String::new()).await?)
}

/// `POST /handover/{id}/{what}`: write, sign, word.
pub(crate) async fn act(
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let one = find(&visit, &id).await?;
    let wanted = match what.as_str() {
        "write" => DutyAct::WriteHandover {
            id: one.id,
            room: field(&fields, "room").to_owned(),
            notes: field(&fields, "notes").to_owned(),
            things: things(field(&fields, "things")),
        },
        "sign" => DutyAct::SignHandover {
            id: one.id,
            side: Side::parse(field(&fields, "side")).ok_or_else(nothing)?,
            login: field(&fields, "login").to_owned(),
            pin: field(&fields, "pin").to_owned(),
        },
        "word" => DutyAct::GiveWord {
            id: one.id,
            reason: field(&fields, "reason").to_owned(),
        },
        _ => return Err(nothing().into()),
    };
    visit.require(authority::needs(&wanted))?;
    match duty::act(&visit, wanted).await {
        Ok(_) => Ok(see_other(&format!("/handover/{}", one.id))),
        Err(failure) if failure.code == Code::Internal => Err(failure.into()),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            let one = find(&visit, &id).await?;
            let mut response = page(&view(&visit, &one, failure.reason).await?)?;
            *response.status_mut() = status;
            Ok(response)
        }
    }
}

/// One thing a line; `-` before what is missing.
fn things(text: &str) -> Vec<Thing> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.strip_prefix('-') {
            Some(name) => Thing {
                name: name.trim().to_owned(),
                there: false,
            },
            None => Thing {
                name: line.to_owned(),
                there: true,
            },
        })
        .collect()
}

async fn find(visit: &Visit, id: &str) -> Result<Handover, Failure> {
    let id = id.parse().map_err(|_| nothing())?;
    visit.console.backend.handover(id).await?.ok_or_else(nothing)
}

fn signed(shell: &Shell, people: &[Person], signature: Option<&Signature>) -> String {
    signature.map_or_else(String::new, |one| {
        format!("{} {}", name_of(people, &one.by), shell.short(one.at))
    })
}

fn row(shell: &Shell, people: &[Person], one: &Handover) -> Row {
    Row {
        id: one.id,
        at: shell.exact(one.at),
        roster: one.roster.clone(),
        leaving: names_of(people, &one.leaving),
        coming: names_of(people, &one.coming),
        left: signed(shell, people, one.left.as_ref()),
        came: signed(shell, people, one.came.as_ref()),
        closed: one.is_closed(),
    }
}

/// A silence, window or guarded period in a line.
fn quiet(shell: &Shell, one: &Quiet) -> String {
    let kind = shell.word("planned", one.kind.as_str());
    let until = format!("{} {}", shell.t("planned-until"), shell.short(one.until));
    format!("{kind} {} \u{b7} {until} \u{b7} {}", one.what, one.reason)
}

/// Jobs that stand badly, then alerts about backups.
fn backups(shell: &Shell, register: &Register) -> Vec<String> {
    let jobs = register.jobs.iter().map(|one| {
        let result = match one.result {
            Some(result) => shell.word("backup-result", result.as_str()),
            None => shell.t("backup-never"),
        };
        let age = one
            .good_at
            .map_or_else(|| shell.t("backup-never"), |at| shell.ago_words(at));
        let good = shell.tell("handover-good", &[("age", age.into())]);
        format!("{} {} \u{b7} {result} \u{b7} {good}", one.host, one.name)
    });
    let alerts = register.backups.iter().map(|one| shell.text(one).to_owned());
    jobs.chain(alerts).collect()
}

async fn view(visit: &Visit, one: &Handover, error: String) -> Result<HandoverPage, Failure> {
    let shell = Shell::new(visit, "duty");
    let backend = &visit.console.backend;
    let people = backend.people().await?;
    let me = visit.person()?;
    let register = &one.register;
    let tickets = register.tickets.iter().map(|ticket| TicketRow {
        number: ticket.number,
        title: shell.text(&ticket.title).to_owned(),
        level: shell.level(ticket.level, &ticket.policy),
        state: shell.word("state", ticket.state.as_str()),
        assignee: ticket.assignee.clone().unwrap_or_default(),
        left: match ticket.due_at {
            Some(due) if due >= one.at => {
                shell.tell("handover-left", &[("span", shell.span(due.since(one.at)).into())])
            }
            Some(due) => shell.tell("handover-late", &[("span", shell.span(one.at.since(due)).into())]),
            None => String::new(),
        },
    });
    let sides = [
        (Side::Leaving, &one.leaving, one.left.as_ref()),
        (Side::Coming, &one.coming, one.came.as_ref()),
    ];
    let signing = sides.map(|(side, logins, signature)| Signing {
        side: side.as_str(),
        name: shell.word("side", side.as_str()),
        signed: signed(&shell, &people, signature),
        people: logins
            .iter()
            .map(|login| (login.clone(), name_of(&people, login)))
            .collect(),
        chosen: me.login.clone(),
    });
    let word = one.word.as_ref().map_or_else(String::new, |word| {
        format!(
            "{} · {} · {}",
            name_of(&people, &word.by),
            shell.short(word.at),
            word.reason
        )
    });
    let text = register.things.iter().map(|thing| {
        let mark = if thing.there { "" } else { "- " };
        format!("{mark}{}", thing.name)
    });
    Ok(HandoverPage {
        row: row(&shell, &people, one),
        tickets: tickets.collect(),
        silences: register.silences.iter().map(|one| quiet(&shell, one)).collect(),
        backups: backups(&shell, register),
        silent: register.silent.iter().map(|one| shell.text(one).to_owned()).collect(),
        things_text: text.collect::<Vec<_>>().join("\n"),
        things: register.things.clone(),
        room: register.room.clone(),
        notes: register.notes.clone(),
        word,
        signing: signing.into_iter().collect(),
        may: visit.may(Action::HandOver) && !one.is_closed(),
        may_word: visit.may(Action::ManageDuty) && !one.is_closed() && one.word.is_none(),
        has_pin: backend.has_pin(me.id).await?,
        error,
        shell,
    })
}
