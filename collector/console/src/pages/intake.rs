//! The hotline's form: who calls, from where, about what; it opens a ticket of any kind (R34).

use crate::{
    backend::Failure,
    duty::{self, field},
    guard::{Answer, Visit, see_other},
    shell::{Shell, page},
    steps::TEXT_CHARS_MAX,
};
use askama::Template;
use axum::Form;
use http::StatusCode;
use std::collections::HashMap;
use tocsin_desk::{
    duty::DutyAct,
    input::Report,
    model::{Actor, AssetFacts, TicketKind, Via},
    record::HostRecord,
    register::{Book, Row},
    sheet::Intake,
};
use tocsin_vocabulary::{AssetId, Code, Severity};

/// One choice of a list.
struct Choice {
    value: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "intake.html")]
struct IntakePage {
    shell: Shell,
    kinds: Vec<Choice>,
    channels: Vec<Choice>,
    assets: Vec<Choice>,
    severities: Vec<Choice>,
    fields: HashMap<String, String>,
    error: Vec<String>,
}

impl IntakePage {
    /// What a field held when it was sent.
    fn value(&self, name: &str) -> &str {
        field(&self.fields, name)
    }
}

/// `GET /intake`.
pub(crate) async fn form(visit: Visit) -> Answer {
    page(&view(&visit, HashMap::new(), Vec::new()).await?)
}

/// `POST /intake`.
pub(crate) async fn send(visit: Visit, Form(fields): Form<HashMap<String, String>>) -> Answer {
    let failure = match open(&visit, &fields).await {
        Ok(number) => return Ok(see_other(&format!("/t/{number}"))),
        Err(failure) if failure.code == Code::Internal => return Err(failure.into()),
        Err(failure) => failure,
    };
    let lines = failure.reason.lines().map(str::to_owned).collect();
    let mut response = page(&view(&visit, fields, lines).await?)?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    Ok(response)
}

/// Checks everything before anything is opened; then the ticket, then who called.
async fn open(visit: &Visit, fields: &HashMap<String, String>) -> Result<u64, Failure> {
    let text = |name: &str| field(fields, name).to_owned();
    let intake = Intake {
        caller: text("caller"),
        unit: text("unit"),
        phone: text("phone"),
        channel: text("channel"),
        symptom: text("symptom"),
    };
    let mut mistakes = intake.mistakes();
    let title = text("title");
    if title.is_empty() || title.chars().count() > TEXT_CHARS_MAX {
        mistakes.push(format!("field `title` must have 1 to {TEXT_CHARS_MAX} characters"));
    }
    let kind = TicketKind::parse(&text("kind")).filter(|kind| TicketKind::REPORTED.contains(kind));
    if kind.is_none() {
        mistakes.push("field `kind` names no kind of ticket".to_owned());
    }
    let severity = text("severity").parse::<Severity>().ok();
    if severity.is_none() {
        mistakes.push("field `severity` is none of critical, major, minor, warning, info".to_owned());
    }
    let asset = facts(visit, &text("asset")).await?;
    if asset.is_none() {
        mistakes.push("field `asset` names no asset: choose one".to_owned());
    }
    let (Some(kind), Some(severity), Some(asset), true) = (kind, severity, asset, mistakes.is_empty()) else {
        return Err(Failure::new(Code::InvalidInput, mistakes.join("\n")));
    };
    let person = visit.person()?;
    let report = Report {
        kind,
        actor: Actor::Person(person.id, person.name.clone()),
        via: Via::Console,
        asset,
        title,
        severity,
        occurred_at: None,
    };
    let ticket = visit.console.backend.report(report).await?.number;
    duty::act(visit, DutyAct::PutIntake { ticket, intake }).await?;
    if kind == TicketKind::Defect {
        // Taking it down is the first step of a defect's flow.
        let (step, words) = ("submit".to_owned(), text("title"));
        duty::act(visit, DutyAct::SignStep { ticket, step, words }).await?;
    }
    Ok(ticket)
}

/// What the desk must know of an asset. Those without a host stand under their customer's contract.
async fn facts(visit: &Visit, id: &str) -> Result<Option<AssetFacts>, Failure> {
    let Ok(asset) = id.parse::<AssetId>() else {
        return Ok(None);
    };
    let hosts = visit.console.backend.hosts().await?;
    let of_host = |record: &HostRecord| AssetFacts {
        asset: record.asset,
        name: record.name.clone(),
        customer: record.customer,
        contract: record.contract,
        site: record.site,
        importance: record.importance,
    };
    if let Some(host) = hosts.iter().find(|host| host.record.asset == asset) {
        return Ok(Some(of_host(&host.record)));
    }
    let backend = &visit.console.backend;
    let assets = backend.register(Book::Assets).await?;
    let Some(row) = assets.iter().find(|row| row.id == id) else {
        return Ok(None);
    };
    let named = |rows: &[Row], name: &str, customer: &str| {
        let fits =
            |other: &&Row| other.get("name") == name && (customer.is_empty() || other.get("customer") == customer);
        rows.iter().find(fits).map(|row| row.id.clone())
    };
    let whose = row.get("customer");
    let customer = named(&backend.register(Book::Customers).await?, whose, "");
    let contract = named(&backend.register(Book::Contracts).await?, row.get("contract"), whose);
    let site = named(&backend.register(Book::Sites).await?, row.get("site"), whose);
    let facts = (|| {
        Some(AssetFacts {
            asset,
            name: row.get("name").to_owned(),
            customer: customer?.parse().ok()?,
            contract: contract?.parse().ok()?,
            site: site?.parse().ok()?,
            importance: row.get("importance").parse().ok()?,
        })
    })();
    Ok(facts)
}

async fn view(visit: &Visit, fields: HashMap<String, String>, error: Vec<String>) -> Result<IntakePage, Failure> {
    let shell = Shell::new(visit, "tickets");
    let choice = |list: &str, word: &str, chosen: &str| Choice {
        value: word.to_owned(),
        name: shell.word(list, word),
        chosen: word == chosen,
    };
    let or = |name: &str, otherwise: &'static str| {
        let value = field(&fields, name).to_owned();
        if value.is_empty() { otherwise.to_owned() } else { value }
    };
    let (kind, channel, severity) = (or("kind", "fault"), or("channel", "phone"), or("severity", "major"));
    let mut assets: Vec<Choice> = visit
        .console
        .backend
        .register(Book::Assets)
        .await?
        .into_iter()
        .map(|row| Choice {
            name: format!("{} · {}", row.get("name"), row.get("customer")),
            chosen: row.id == field(&fields, "asset"),
            value: row.id,
        })
        .collect();
    assets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(IntakePage {
        kinds: TicketKind::REPORTED
            .map(|one| choice("kind", one.as_str(), &kind))
            .into(),
        channels: Intake::CHANNELS.map(|one| choice("channel", one, &channel)).into(),
        severities: Severity::ALL
            .iter()
            .map(|one| choice("severity", one.as_str(), &severity))
            .collect(),
        assets,
        fields,
        error,
        shell,
    })
}
