//! The inbox: what my phone would show.

use crate::{
    backend::Failure,
    guard::{Answer, Visit},
    link,
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use std::collections::{BTreeMap, BTreeSet};
use tocsin_desk::{
    model::{Page, PageState},
    record::{PageFilter, PageRecord, Slice},
};

/// Pages of one slice.
const ROWS: u32 = 50;

/// A page as the inbox shows it.
struct Message {
    url: String,
    title: String,
    body: String,
    reason: String,
    level: Html,
    number: Option<u64>,
    at: Html,
    state: String,
    failed: bool,
    error: String,
    drill: bool,
    destination: String,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct Inbox {
    shell: Shell,
    messages: Vec<Message>,
    next: Option<String>,
}

impl Message {
    fn new(shell: &Shell, page: &Page, key: &[u8; 32], policy: &str) -> Self {
        Self {
            url: link::path(key, page.id),
            title: shell.text(&page.title).to_owned(),
            body: shell.text(&page.body).to_owned(),
            reason: shell.word("reason", page.reason.as_str()),
            level: shell.level(page.level, policy),
            number: page.ticket_number,
            at: shell.ago(page.created_at),
            state: shell.word("page", page.state.as_str()),
            failed: page.state == PageState::Failed,
            error: page.error.clone(),
            drill: page.drill,
            destination: page.destination.clone(),
        }
    }
}

/// The policies of the tickets that pages are about, by number: what a level is called is the contract's matter.
async fn policies(visit: &Visit, pages: &[PageRecord]) -> Result<BTreeMap<u64, String>, Failure> {
    let numbers: BTreeSet<u64> = pages.iter().filter_map(|record| record.page.ticket_number).collect();
    let mut policies = BTreeMap::new();
    for number in numbers {
        if let Some(ticket) = visit.console.backend.ticket(number).await? {
            policies.insert(number, ticket.reckoning.policy);
        }
    }
    Ok(policies)
}

/// `GET /inbox`.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "inbox");
    let filter = PageFilter {
        person: Some(visit.person()?.id),
        slice: Slice {
            after: visit.parameter("after"),
            limit: ROWS,
        },
        ..PageFilter::default()
    };
    let list = visit.console.backend.pages(&filter).await?;
    let key = visit.console.backend.link_key();
    let policies = policies(&visit, &list.items).await?;
    let messages = list
        .items
        .iter()
        .map(|record| {
            let policy = record.page.ticket_number.and_then(|number| policies.get(&number));
            Message::new(&shell, &record.page, &key, policy.map_or("", String::as_str))
        })
        .collect();
    let next = list
        .next
        .map(|after| format!("/inbox?after={}", crate::markup::percent(&after)));
    page(&Inbox { shell, messages, next })
}
