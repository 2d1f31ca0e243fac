//! What is accounted for: contracts with their availability and moved ends, downtimes, reports that are owed.

mod rows;

pub(crate) use rows::{DowntimeRow, OwedRow, downtime_row, owed_row};

use super::ticket_report::reads_drafts;
use crate::{
    authority::Action,
    backend::{Failure, Host, MetricQuery},
    duty::{self, field},
    guard::{Answer, Refusal, Visit, nothing, see_other},
    shell::{Shell, page},
    upload::{self, Sent},
};
use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use jiff::civil::Date;
use rows::{MoveRow, Share, move_row, share, shown, waits};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tocsin_desk::{
    account::{
        AccountAct,
        downtime::{Cause, Claim, Downtime, DowntimeFilter},
        overview::{ContractLine, overview, unwatched},
        report::{Kind, Report, ReportFilter},
        sheet,
    },
    calendar::Span,
    duty::DutyAct,
    model::Ticket,
    register::{Book, Row},
};
use tocsin_sheets::Form;
use tocsin_vocabulary::{Code, ContractId, Timestamp};

/// Downtimes that a page lists; the rest is in the export.
const LISTED: usize = 100;

struct ContractRow {
    url: String,
    name: String,
    customer: String,
    share: Share,
    signed: String,
    end: String,
    days: u32,
}

struct AssetRow {
    name: String,
    share: Share,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    shell: Shell,
    from: String,
    to: String,
    contracts: Vec<ContractRow>,
    downtimes: Vec<DowntimeRow>,
    owed: Vec<OwedRow>,
    may_write: bool,
    error: Vec<String>,
}

#[derive(Template)]
#[template(path = "contract.html")]
struct ContractPage {
    shell: Shell,
    name: String,
    customer: String,
    from: String,
    to: String,
    share: Share,
    signed: String,
    end: String,
    days: u32,
    rounding: String,
    assets: Vec<AssetRow>,
    moves: Vec<MoveRow>,
    downtimes: Vec<DowntimeRow>,
}

/// What a ticket's page says of its accounts.
pub(crate) struct Account {
    pub(crate) owed: Vec<OwedRow>,
    pub(crate) downtimes: Vec<DowntimeRow>,
    pub(crate) may_work: bool,
    pub(crate) of_house: bool,
}

/// Downtimes of a ticket and its reports. A customer sees of a report that it was issued.
pub(crate) async fn of_ticket(visit: &Visit, shell: &Shell, ticket: &Ticket) -> Result<Account, Failure> {
    let backend = &visit.console.backend;
    let of_house = reads_drafts(visit);
    let filter = DowntimeFilter {
        ticket: Some(ticket.number),
        ..DowntimeFilter::default()
    };
    let downtimes = backend.downtimes(&filter).await?;
    let mut owed = Vec::new();
    for kind in Kind::ALL {
        let report = backend.report_of(ticket.id, kind).await?;
        let done = report.as_ref().is_some_and(|report| report.published().is_some());
        if !of_house && !done {
            continue;
        }
        let standing = report.as_ref().map(Report::standing);
        owed.push(OwedRow {
            url: format!("/t/{}/reports/{}", ticket.number, kind.as_str()),
            name: shell.word("owed", kind.as_str()),
            words: String::new(),
            due: report
                .as_ref()
                .map_or_else(String::new, |report| shell.short(report.due_at)),
            late: report.as_ref().is_some_and(|report| report.is_late(visit.now)),
            standing: standing.map_or_else(|| "\u{2013}".to_owned(), |one| shell.word("standing", one.as_str())),
        });
    }
    Ok(Account {
        owed,
        downtimes: downtimes.iter().map(|one| downtime_row(shell, one)).collect(),
        may_work: visit.may(Action::WorkTicket),
        of_house,
    })
}

/// The period that a page is asked for: two days, both of them in it; else this month.
struct Period {
    from: Date,
    to: Date,
    span: Span,
}

impl Period {
    fn of(visit: &Visit) -> Result<Self, Failure> {
        let zone = &visit.console.options.zone;
        let now = jiff::Timestamp::from_millisecond(visit.now.as_millis()).unwrap_or_default();
        let today = now.to_zoned(zone.clone()).date();
        let day = |name: &str, otherwise: Date| match visit.parameter(name) {
            Some(text) if !text.is_empty() => text.parse::<Date>().map_err(|_| {
                let reason = format!("parameter `{name}` is no day such as 2026-11-01");
                Failure::new(Code::InvalidInput, reason)
            }),
            _ => Ok(otherwise),
        };
        let from = day("from", today.first_of_month())?;
        let to = day("to", today)?.max(from);
        let begins = |day: Date| {
            let zoned = day.to_zoned(zone.clone()).ok()?;
            Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
        };
        let span = begins(from).zip(to.tomorrow().ok().and_then(begins));
        let (first, last) = span.ok_or_else(nothing)?;
        Ok(Self {
            from,
            to,
            span: Span { from: first, to: last },
        })
    }
}

/// Contracts, assets and downtimes that this visit may see.
pub(crate) struct Books {
    pub(crate) contracts: Vec<Row>,
    pub(crate) assets: Vec<Row>,
    pub(crate) downtimes: Vec<Downtime>,
}

impl Books {
    /// By asset, when no host watched it.
    pub(crate) async fn unwatched(&self, visit: &Visit, span: Span) -> Result<BTreeMap<String, Vec<Span>>, Failure> {
        let hosts = visit.console.backend.hosts().await?;
        Ok(unwatched(span, &self.assets, hosts.iter().map(Host::watched)))
    }
}

/// Reads them.
pub(crate) async fn books(visit: &Visit) -> Result<Books, Failure> {
    let backend = &visit.console.backend;
    let scope = visit.scope()?;
    let mut contracts = backend.register(Book::Contracts).await?;
    let mut assets = backend.register(Book::Assets).await?;
    if let Some(customer) = scope {
        let id = customer.to_string();
        let customers = backend.register(Book::Customers).await?;
        let own = customers
            .iter()
            .find(|row| row.id == id)
            .map_or("", |row| row.get("name"));
        let theirs = |row: &Row| !own.is_empty() && row.get("customer") == own;
        contracts.retain(theirs);
        assets.retain(theirs);
    }
    let filter = DowntimeFilter {
        customer: scope,
        ..DowntimeFilter::default()
    };
    Ok(Books {
        contracts,
        assets,
        downtimes: backend.downtimes(&filter).await?,
    })
}

/// `GET /accounts?from=&to=`.
pub(crate) async fn show(visit: Visit) -> Answer {
    page(&view(&visit, Vec::new()).await?)
}

async fn view(visit: &Visit, error: Vec<String>) -> Result<AccountsPage, Failure> {
    let shell = Shell::new(visit, "accounts");
    let period = Period::of(visit)?;
    let books = books(visit).await?;
    let unseen = books.unwatched(visit, period.span).await?;
    let lines = overview(
        period.span,
        &books.contracts,
        &books.assets,
        &books.downtimes,
        &unseen,
        visit.now,
    );
    let query = format!("from={}&to={}", period.from, period.to);
    let owed = if reads_drafts(visit) {
        let filter = ReportFilter {
            done: Some(false),
            ..ReportFilter::default()
        };
        visit.console.backend.reports(&filter).await?
    } else {
        Vec::new()
    };
    let mut downtimes = books.downtimes;
    downtimes.sort_by_key(|one| !waits(one));
    Ok(AccountsPage {
        from: period.from.to_string(),
        to: period.to.to_string(),
        contracts: lines.iter().map(|line| contract_row(&shell, line, &query)).collect(),
        downtimes: downtimes
            .iter()
            .take(LISTED)
            .map(|one| downtime_row(&shell, one))
            .collect(),
        owed: owed.iter().map(|row| owed_row(&shell, row)).collect(),
        may_write: visit.may(Action::WorkTicket),
        error,
        shell,
    })
}

fn contract_row(shell: &Shell, line: &ContractLine, query: &str) -> ContractRow {
    ContractRow {
        url: format!("/accounts/contracts/{}?{query}", line.id),
        name: line.name.clone(),
        customer: line.customer.clone(),
        share: share(shell, &line.availability),
        signed: shown(line.maintenance.ends_on),
        end: shown(line.extension.ends_on),
        days: line.extension.days,
    }
}

/// `GET /accounts/contracts/{contract}?from=&to=`.
pub(crate) async fn contract(visit: Visit, Path(contract): Path<String>) -> Answer {
    let shell = Shell::new(&visit, "accounts");
    let period = Period::of(&visit)?;
    let mut books = books(&visit).await?;
    books.contracts.retain(|row| row.id == contract);
    let id: ContractId = contract.parse().map_err(|_| nothing())?;
    books.downtimes.retain(|downtime| downtime.contract == id);
    let not_observed = not_observed(&visit, &books, period.span).await?;
    let lines = overview(
        period.span,
        &books.contracts,
        &books.assets,
        &books.downtimes,
        &not_observed,
        visit.now,
    );
    let line = lines.first().ok_or_else(nothing)?;
    let moves = visit.console.backend.contract_moves(id).await?;
    page(&ContractPage {
        name: line.name.clone(),
        customer: line.customer.clone(),
        from: period.from.to_string(),
        to: period.to.to_string(),
        share: share(&shell, &line.availability),
        signed: shown(line.maintenance.ends_on),
        end: shown(line.extension.ends_on),
        days: line.extension.days,
        rounding: shell.word("choice", line.maintenance.rounding.as_str()),
        assets: line
            .assets
            .iter()
            .map(|asset| AssetRow {
                name: asset.name.clone(),
                share: share(&shell, &asset.availability),
            })
            .collect(),
        moves: moves.iter().rev().map(|moved| move_row(&shell, moved)).collect(),
        downtimes: books
            .downtimes
            .iter()
            .take(LISTED)
            .map(|one| downtime_row(&shell, one))
            .collect(),
        shell,
    })
}

/// Assets whose silence is looked up, at most.
const LOOKED_UP: usize = 50;

/// Spans of which nothing is known, by asset: when nobody watched, and the gaps that hosts tell of.
async fn not_observed(visit: &Visit, books: &Books, span: Span) -> Result<BTreeMap<String, Vec<Span>>, Failure> {
    let backend = &visit.console.backend;
    let mut found = books.unwatched(visit, span).await?;
    let hosts = backend.hosts().await?;
    let covered = |id: &str| {
        books.assets.iter().any(|asset| {
            let of = books.contracts.iter().any(|contract| {
                contract.get("name") == asset.get("contract") && contract.get("customer") == asset.get("customer")
            });
            of && asset.id == id
        })
    };
    let own = hosts.iter().filter(|host| covered(&host.record.asset.to_string()));
    for host in own.take(LOOKED_UP) {
        // Before it was enrolled there is nothing to ask for.
        let from = span.from.max(host.record.enrolled_at);
        let to = span.to.min(visit.now);
        if from >= to {
            continue;
        }
        let query = MetricQuery {
            host: host.record.id,
            metric: "system.uptime".to_owned(),
            attributes: Vec::new(),
            from,
            to,
            step: Some(Duration::from_secs(3_600)),
            aggregate: None,
        };
        let answer = backend.query(&query).await?;
        let spans = answer.not_observed.into_iter().map(|(from, to)| Span { from, to });
        found.entry(host.record.asset.to_string()).or_default().extend(spans);
    }
    Ok(found)
}

/// `GET /accounts/downtimes.csv` or `.xlsx`: every downtime as a sheet.
pub(crate) async fn export(visit: Visit, Path(file): Path<String>) -> Result<Response, Refusal> {
    let form = file
        .strip_prefix("downtimes.")
        .and_then(Form::parse)
        .ok_or_else(nothing)?;
    let books = books(&visit).await?;
    let customers = visit.console.backend.register(Book::Customers).await?;
    let name = |downtime: &Downtime| {
        let id = downtime.customer.to_string();
        let found = customers.iter().find(|row| row.id == id);
        found.map(|row| row.get("name").to_owned()).unwrap_or_default()
    };
    let columns: Vec<&str> = sheet::COLUMNS.iter().map(|(key, _)| *key).collect();
    let rows = sheet::rows(&books.downtimes, name);
    upload::download(&visit, form, "downtimes", &columns, rows)
}

/// `POST /accounts`: downtimes of a sheet.
pub(crate) async fn import(visit: Visit, request: Request) -> Answer {
    visit.require(Action::WorkTicket)?;
    let done = match Sent::of(request).await?.sheet() {
        Ok(sheet) => {
            let account = AccountAct::ImportDowntime { sheet };
            duty::act(&visit, DutyAct::Account { account }).await
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(_) => Ok(see_other("/accounts")),
        Err(failure) => upload::refused(failure, async |lines| page(&view(&visit, lines).await?)).await,
    }
}

/// A downtime of a form: times of the site, whose cause, why.
pub(super) fn claim_of(visit: &Visit, fields: &HashMap<String, String>) -> Result<Claim, Failure> {
    let to = if field(fields, "to").is_empty() {
        None
    } else {
        Some(duty::moment(visit, fields, "to")?)
    };
    let cause = Cause::parse(field(fields, "cause"));
    let wrong = || Failure::new(Code::InvalidInput, "field `cause`: say whose cause it was");
    Ok(Claim {
        from: duty::moment(visit, fields, "from")?,
        to,
        cause: cause.ok_or_else(wrong)?,
        words: field(fields, "words").to_owned(),
    })
}
