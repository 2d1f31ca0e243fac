//! Where a ticket belongs: its contract with what was bought, the place, and whom to call there.

use crate::{
    authority::Action,
    backend::Failure,
    guard::Visit,
    markup::{Html, escape, percent},
    published,
    shell::Shell,
};
use tocsin_desk::{
    model::Ticket,
    register::{Book, Row},
};

/// Lines of names and values; a line of which nothing is known is left out.
pub(crate) struct Place {
    pub(crate) pairs: Vec<(String, Html)>,
}

/// What the registers say of a ticket's contract and asset.
pub(crate) async fn place(visit: &Visit, shell: &Shell, ticket: &Ticket) -> Result<Place, Failure> {
    let backend = &visit.console.backend;
    let contract = backend
        .register_row(Book::Contracts, &ticket.contract.to_string())
        .await?
        .unwrap_or_default();
    let asset = backend
        .register_row(Book::Assets, &ticket.asset.to_string())
        .await?
        .unwrap_or_default();
    let mut pairs = vec![
        ("contract", contract_line(visit, shell, ticket, &contract)),
        ("site", words(&asset, &["site", "room", "rack"])),
        ("model", words(&asset, &["kind", "model", "serial"])),
        ("contact", contact(&asset)),
    ];
    if !published::is_bound(visit) {
        pairs.push(("owner", words(&asset, &["owner"])));
        pairs.push(("manager", words(&contract, &["manager"])));
    }
    let customer = backend
        .register_row(Book::Customers, &ticket.customer.to_string())
        .await?
        .unwrap_or_default();
    // Whoever answers for the asset stands first; without them the customer's own contact.
    if pairs.iter().all(|(key, value)| *key != "contact" || value.0.is_empty()) {
        pairs.push(("contact", contact(&customer)));
    }
    pairs.retain(|(_, value)| !value.0.is_empty());
    let named = pairs.into_iter().map(|(key, value)| (shell.word("column", key), value));
    Ok(Place { pairs: named.collect() })
}

/// `main · graded A · 7x24`, with a way to the register for whoever may read it.
fn contract_line(visit: &Visit, shell: &Shell, ticket: &Ticket, contract: &Row) -> Html {
    if contract.id.is_empty() {
        return Html::default();
    }
    let reckoning = &ticket.reckoning;
    // What the ticket was counted by; before that what was bought.
    let or = |counted: &str, bought: &str| {
        if counted.is_empty() {
            bought.to_owned()
        } else {
            counted.to_owned()
        }
    };
    let policy = or(&reckoning.policy, contract.get("policy"));
    let bought = format!(
        "{} {}",
        shell.policy(&policy),
        or(&reckoning.grade, contract.get("grade"))
    );
    let name = escape(contract.get("name"));
    let name = if visit.may(Action::ReadRegisters) {
        format!("<a href=\"/registers/contracts/{}\">{name}</a>", percent(&contract.id))
    } else {
        name
    };
    let hours = escape(contract.get("service_hours"));
    Html([name, escape(bought.trim()), hours].join(" · "))
}

/// Values of a row, those that are not empty.
fn words(row: &Row, keys: &[&str]) -> Html {
    let known: Vec<String> = keys
        .iter()
        .map(|key| row.get(key))
        .filter(|value| !value.is_empty())
        .map(escape)
        .collect();
    Html(known.join(" · "))
}

/// Whom to call: a name, and a number that a phone dials.
fn contact(row: &Row) -> Html {
    let (name, phone) = (row.get("contact"), row.get("phone"));
    let digits: String = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let phone = match digits.as_str() {
        "" => escape(phone),
        digits => format!("<a href=\"tel:{digits}\">{}</a>", escape(phone)),
    };
    let known: Vec<String> = [escape(name), phone]
        .into_iter()
        .filter(|one| !one.is_empty())
        .collect();
    Html(known.join(" · "))
}
