//! What a ticket's page shows beside its state: who called, signed steps, links, rating, knowledge and similar tickets.

use super::ticket::find;
use crate::{
    authority::Action,
    backend::Failure,
    duty::{self, field, number},
    guard::{Answer, Visit, nothing, see_other},
    markup::percent,
    phrases::in_language,
    shell::{Shell, page},
};
use askama::Template;
use axum::{Form, extract::Path};
use http::StatusCode;
use std::collections::HashMap;
use tocsin_desk::{
    defect,
    duty::DutyAct,
    input::Report,
    model::{Actor, Alert, AssetFacts, Ticket, TicketKind, TicketState, Via},
    record::{Slice, TicketFilter},
    register::{
        Book,
        knowledge::{self, Candidate},
    },
    sheet::{Relation, TicketSheet},
};
use tocsin_vocabulary::{Code, Language};

/// Articles and tickets that are suggested.
const SUGGESTED: usize = 5;
/// Past tickets that are looked through.
const LOOKED_THROUGH: u32 = 500;

/// One step of a flow.
pub(crate) struct StepRow {
    pub(crate) key: &'static str,
    pub(crate) name: String,
    pub(crate) done: String,
    pub(crate) words: String,
    pub(crate) due: String,
    pub(crate) late: bool,
    /// It is the next one.
    pub(crate) next: bool,
}

/// Another ticket, with its number and why it stands here.
pub(crate) struct LinkRow {
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) why: String,
}

/// An article that may help.
pub(crate) struct ArticleRow {
    pub(crate) url: String,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// All of it, as the ticket's page shows it.
pub(crate) struct Beside {
    pub(crate) url: String,
    pub(crate) kind: String,
    pub(crate) intake: Vec<(String, String)>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) links: Vec<LinkRow>,
    pub(crate) articles: Vec<ArticleRow>,
    /// Where an article is written about it.
    pub(crate) write_url: String,
    pub(crate) similar: Vec<LinkRow>,
    pub(crate) rating: String,
    pub(crate) may_rate: bool,
    pub(crate) may_write: bool,
    pub(crate) spares: Vec<(String, String)>,
}

/// What stands beside a ticket. Of what is not published a customer sees nothing.
pub(crate) async fn beside(
    visit: &Visit,
    shell: &Shell,
    ticket: &Ticket,
    alerts: &[Alert],
    sheet: &TicketSheet,
) -> Result<Beside, Failure> {
    let of_house = visit.scope()?.is_none();
    let (mut articles, mut similar, mut spares) = (Vec::new(), Vec::new(), Vec::new());
    if of_house {
        let rules: Vec<&str> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
        similar = resembling(visit, shell, ticket).await?;
        articles = suggested(visit, ticket, &rules, &similar).await?;
        let rows = visit.console.backend.register(Book::Spares).await?;
        let held = rows.iter().filter(|row| row.get("count") != "0");
        spares = held
            .map(|row| (row.id.clone(), format!("{} ({})", row.get("name"), row.get("count"))))
            .collect();
    }
    let done = matches!(ticket.state, TicketState::Resolved | TicketState::Closed);
    Ok(Beside {
        url: format!("/t/{}/sheet", ticket.number),
        kind: shell.word("kind", ticket.kind.as_str()),
        intake: intake(shell, sheet),
        steps: if of_house {
            steps(shell, ticket, sheet)
        } else {
            Vec::new()
        },
        links: sheet
            .links
            .iter()
            .filter(|_| of_house)
            .map(|link| LinkRow {
                number: link.number,
                title: shell.text(&link.title).to_owned(),
                why: shell.word("relation", link.relation.as_str()),
            })
            .collect(),
        articles,
        write_url: write_url(visit, shell, ticket, alerts),
        similar,
        rating: sheet.rating.as_ref().map_or_else(String::new, |rating| {
            let stars: String = (1..=5)
                .map(|star| if star <= rating.stars { '★' } else { '☆' })
                .collect();
            format!("{stars} {} · {} · {}", rating.words, rating.by, shell.short(rating.at))
        }),
        may_rate: done && visit.may(Action::ConfirmTicket),
        may_write: visit.may(Action::WriteRegisters),
        spares,
    })
}

fn intake(shell: &Shell, sheet: &TicketSheet) -> Vec<(String, String)> {
    let Some(intake) = &sheet.intake else {
        return Vec::new();
    };
    let channel = shell.word("channel", &intake.channel);
    [
        ("caller", &intake.caller),
        ("unit", &intake.unit),
        ("phone", &intake.phone),
        ("channel", &channel),
        ("symptom", &intake.symptom),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (shell.word("field", name), value.clone()))
    .collect()
}

fn steps(shell: &Shell, ticket: &Ticket, sheet: &TicketSheet) -> Vec<StepRow> {
    let progress = defect::progress(ticket.kind, ticket.opened_at, &sheet.steps);
    let next = progress.iter().position(|one| one.done.is_none());
    progress
        .iter()
        .enumerate()
        .map(|(at, one)| StepRow {
            key: one.step.key,
            name: shell.word("flow", one.step.key),
            done: one.done.as_ref().map_or_else(String::new, |signed| {
                format!("{} {}", signed.by, shell.short(signed.at))
            }),
            words: one.done.as_ref().map(|signed| signed.words.clone()).unwrap_or_default(),
            due: one.due_at.map(|due| shell.short(due)).unwrap_or_default(),
            late: one.is_late(shell.now),
            next: next == Some(at),
        })
        .collect()
}

/// The form of a new article with what the ticket says of itself; empty for whoever may write none.
fn write_url(visit: &Visit, shell: &Shell, ticket: &Ticket, alerts: &[Alert]) -> String {
    if !visit.may(Action::WriteRegisters) {
        return String::new();
    }
    let mut rules: Vec<&str> = alerts.iter().map(|alert| alert.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    format!(
        "/registers/knowledge/new?name={}&rules={}&tickets={}",
        percent(shell.text(&ticket.title)),
        percent(&rules.join(" ")),
        ticket.number
    )
}

/// Articles about this ticket's rules, those that name it or a ticket like it, and those whose title resembles its own.
async fn suggested(
    visit: &Visit,
    ticket: &Ticket,
    rules: &[&str],
    similar: &[LinkRow],
) -> Result<Vec<ArticleRow>, Failure> {
    let articles = visit.console.backend.register(Book::Knowledge).await?;
    let near: Vec<u64> = similar.iter().map(|row| row.number).chain([ticket.number]).collect();
    let titles: Vec<String> = articles
        .iter()
        .map(|row| format!("{} {}", row.get("name"), row.get("tags")))
        .collect();
    let candidates: Vec<Candidate<'_>> = articles
        .iter()
        .zip(&titles)
        .map(|(row, title)| Candidate {
            title,
            rules: knowledge::rules(row),
            same_asset: false,
            named: knowledge::tickets(row).iter().any(|number| near.contains(number)),
        })
        .collect();
    let title = format!("{} {}", ticket.title.en, ticket.title.zh);
    let found = knowledge::alike(&title, rules, &candidates, SUGGESTED);
    let row = |at: usize| ArticleRow {
        url: format!("/registers/knowledge/{}", articles[at].id),
        title: articles[at].get("name").to_owned(),
        text: articles[at].get("text").to_owned(),
    };
    Ok(found.into_iter().map(row).collect())
}

/// Past tickets of this customer that were resolved, most alike first.
async fn resembling(visit: &Visit, shell: &Shell, ticket: &Ticket) -> Result<Vec<LinkRow>, Failure> {
    let filter = TicketFilter {
        states: vec![TicketState::Closed, TicketState::Resolved],
        customer: Some(ticket.customer),
        slice: Slice {
            after: None,
            limit: LOOKED_THROUGH,
        },
        ..TicketFilter::default()
    };
    let mut past = visit.console.backend.tickets(&filter).await?.items;
    past.retain(|other| other.id != ticket.id);
    let title = |one: &Ticket| match visit.language {
        Language::Chinese => one.title.zh.clone(),
        Language::English => one.title.en.clone(),
    };
    let titles: Vec<String> = past.iter().map(title).collect();
    let candidates: Vec<Candidate<'_>> = past
        .iter()
        .zip(&titles)
        .map(|(other, title)| Candidate {
            title,
            rules: Vec::new(),
            same_asset: other.asset == ticket.asset,
            named: false,
        })
        .collect();
    let found = knowledge::alike(&title(ticket), &[], &candidates, SUGGESTED);
    let row = |at: usize| LinkRow {
        number: past[at].number,
        title: titles[at].clone(),
        why: format!("{} · {}", past[at].asset_name, shell.short(past[at].opened_at)),
    };
    Ok(found.into_iter().map(row).collect())
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    shell: Shell,
    back: String,
    reason: String,
}

/// `POST /t/{number}/sheet/{what}`: step, publish, unpublish, link, split, rate, spare.
pub(crate) async fn act(
    visit: Visit,
    Path((id, what)): Path<(String, String)>,
    Form(fields): Form<HashMap<String, String>>,
) -> Answer {
    let ticket = find(&visit, &id).await?;
    let back = format!("/t/{}", ticket.number);
    match change(&visit, &ticket, &what, &fields).await {
        Ok(()) => Ok(see_other(&back)),
        Err(failure) if matches!(failure.code, Code::Internal | Code::Forbidden | Code::NotFound) => {
            Err(failure.into())
        }
        Err(failure) => {
            let shell = Shell::new(&visit, "tickets").with_here(&back);
            let status = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            let reason = in_language(visit.language, &failure.reason);
            let mut response = page(&RefusedPage { shell, back, reason })?;
            *response.status_mut() = status;
            Ok(response)
        }
    }
}

async fn change(visit: &Visit, ticket: &Ticket, what: &str, fields: &HashMap<String, String>) -> Result<(), Failure> {
    let text = |name: &str| field(fields, name).to_owned();
    let act = match what {
        "step" => DutyAct::SignStep {
            ticket: ticket.number,
            step: text("step"),
            words: text("words"),
        },
        "publish" => DutyAct::Publish {
            ticket: ticket.number,
            seq: number(fields, "seq")?,
        },
        "unpublish" => DutyAct::Unpublish {
            ticket: ticket.number,
            seq: number(fields, "seq")?,
        },
        "link" => DutyAct::Link {
            ticket: ticket.number,
            other: number(fields, "other")?,
            relation: Relation::Related,
        },
        "split" => DutyAct::Link {
            ticket: ticket.number,
            other: split(visit, ticket, field(fields, "title")).await?,
            relation: Relation::Split,
        },
        "rate" => DutyAct::Rate {
            ticket: ticket.number,
            stars: number(fields, "stars")?,
            words: text("words"),
        },
        "spare" => DutyAct::AskSpare {
            spare: text("spare"),
            count: number(fields, "count")?,
            ticket: ticket.number,
        },
        _ => return Err(nothing()),
    };
    duty::act(visit, act).await.map(|_| ())
}

/// Opens another ticket about the same asset; answers its number.
async fn split(visit: &Visit, ticket: &Ticket, title: &str) -> Result<u64, Failure> {
    visit.require(Action::WriteRegisters)?;
    let person = visit.person()?;
    let hosts = visit.console.backend.hosts().await?;
    let host = hosts.iter().find(|host| host.record.asset == ticket.asset);
    let report = Report {
        kind: if ticket.kind == TicketKind::Drill {
            TicketKind::Fault
        } else {
            ticket.kind
        },
        actor: Actor::Person(person.id, person.name.clone()),
        via: Via::Console,
        asset: AssetFacts {
            asset: ticket.asset,
            name: ticket.asset_name.clone(),
            customer: ticket.customer,
            contract: ticket.contract,
            site: host.map_or(tocsin_vocabulary::SiteId::from_bytes([0; 16]), |host| host.record.site),
            importance: host.map_or(tocsin_vocabulary::Importance::Normal, |host| host.record.importance),
        },
        title: title.to_owned(),
        severity: ticket.severity,
        occurred_at: None,
    };
    Ok(visit.console.backend.report(report).await?.number)
}
