//! Many tickets at once: accept them, merge them into one, or close what the customer confirmed.

use crate::{
    backend::Failure,
    guard::{Answer, Visit},
    pages::tickets::{Row, customers, rows},
    shell::{Shell, page},
    steps,
};
use askama::Template;
use axum::Form;
use tocsin_desk::{
    input::{Act, Action},
    life::ActionKind,
    model::{Actor, TicketState, Via},
    record::{Slice, TicketFilter},
};
use tocsin_vocabulary::Code;

/// Tickets of one batch.
const BATCH_MAX: u32 = 200;

/// What came of one of them.
struct Outcome {
    number: u64,
    done: bool,
    words: String,
}

#[derive(Template)]
#[template(path = "batch.html")]
struct BatchPage {
    shell: Shell,
    open: Vec<Row>,
    resolved: Vec<Row>,
    outcomes: Vec<Outcome>,
}

/// `GET /batch`.
pub(crate) async fn form(visit: Visit) -> Answer {
    page(&view(&visit, Vec::new()).await?)
}

/// `POST /batch`: `action`, as many `number` as are marked, and `into` for merging.
pub(crate) async fn send(visit: Visit, Form(pairs): Form<Vec<(String, String)>>) -> Answer {
    let action = pairs
        .iter()
        .find(|(key, _)| key == "action")
        .map(|(_, value)| value.as_str());
    let (action, kind) = match action {
        Some("accept") => (Action::Accept, ActionKind::Accept),
        Some("confirm") => (Action::Confirm, ActionKind::Confirm),
        Some("merge") => {
            let into = pairs
                .iter()
                .find(|(key, _)| key == "into")
                .map(|(_, value)| value.trim());
            let into = into.and_then(|text| text.trim_start_matches('#').parse().ok());
            let wrong = || Failure::new(Code::InvalidInput, "field `into` is no ticket's number");
            (
                Action::Merge {
                    into: into.ok_or_else(wrong)?,
                },
                ActionKind::Merge,
            )
        }
        _ => return Err(Failure::new(Code::InvalidInput, "field `action` is none of accept, merge, confirm").into()),
    };
    visit.require(steps::needs(kind))?;
    let numbers = pairs.iter().filter(|(key, _)| key == "number");
    let numbers: Vec<u64> = numbers.filter_map(|(_, value)| value.parse().ok()).collect();
    let limit = usize::try_from(BATCH_MAX).unwrap_or(usize::MAX);
    let mut outcomes = Vec::new();
    for number in numbers.into_iter().take(limit) {
        let done = one(&visit, number, action.clone()).await;
        outcomes.push(Outcome {
            number,
            done: done.is_ok(),
            words: done.err().map(|failure| failure.reason).unwrap_or_default(),
        });
    }
    page(&view(&visit, outcomes).await?)
}

async fn one(visit: &Visit, number: u64, action: Action) -> Result<(), Failure> {
    let backend = &visit.console.backend;
    let ticket = backend.ticket(number).await?;
    let ticket = ticket.ok_or_else(crate::guard::nothing)?;
    visit.must_see(ticket.customer)?;
    let person = visit.person()?;
    let act = Act {
        ticket: ticket.id,
        actor: Actor::Person(person.id, person.name.clone()),
        via: Via::Console,
        action,
        revision: None,
    };
    backend.act(act).await.map(|_| ())
}

async fn view(visit: &Visit, outcomes: Vec<Outcome>) -> Result<BatchPage, Failure> {
    let shell = Shell::new(visit, "tickets");
    let names = customers(visit).await?;
    let of = async |state: TicketState| -> Result<Vec<Row>, Failure> {
        let filter = TicketFilter {
            states: vec![state],
            customer: visit.scope()?,
            slice: Slice {
                after: None,
                limit: BATCH_MAX,
            },
            ..TicketFilter::default()
        };
        let list = visit.console.backend.tickets(&filter).await?;
        Ok(rows(&shell, &list.items, &names))
    };
    let (open, resolved) = (of(TicketState::Open).await?, of(TicketState::Resolved).await?);
    Ok(BatchPage {
        shell,
        open,
        resolved,
        outcomes,
    })
}
