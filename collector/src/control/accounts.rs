//! What the command line asks of the accounts: downtimes, availability, the end of maintenance, reports, sheets.

use super::Control;
use crate::duty::failed;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tocsin_console::{
    Speech, authority,
    backend::{Failure, Host},
    report_markdown,
};
use tocsin_desk::{
    account::{
        AccountAct,
        downtime::{Downtime, DowntimeFilter},
        overview::{overview, unwatched},
        report::{self, Kind, ReportFilter},
        sheet as downtime_sheet, ticket_sheet,
    },
    calendar::Span,
    duty::{Doer, DutyAct},
    input::Report as Reporting,
    model::{Actor, AssetFacts, Person, Ticket, Via},
    policy::Policy,
    record::{Slice, TicketFilter},
    register::{Book, Row, sheet::Sheet},
};
use tocsin_vocabulary::{Code, Importance, Language, SiteId, Timestamp};

/// Most tickets of one sheet.
const SHEET_ROWS_MAX: usize = 20_000;
/// The zone of registers and their sheets.
const ZONE: &str = "Asia/Shanghai";

/// A question about the accounts, or something to do in them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum AccountAsk {
    /// Does one thing.
    Act {
        /// Login of whoever does it.
        login: String,
        /// What.
        act: AccountAct,
    },
    /// Downtimes, newest first.
    Downtimes {
        /// Of the contract of this name.
        contract: Option<String>,
        /// Of the ticket with this number.
        ticket: Option<u64>,
    },
    /// Contracts over a period.
    Overview {
        /// First instant.
        from: Timestamp,
        /// The instant after the last.
        to: Timestamp,
        /// Only the contract of this name.
        contract: Option<String>,
    },
    /// Every downtime as a sheet.
    DowntimeSheet,
    /// Every ticket as a sheet.
    TicketSheet,
    /// Opens a ticket for each row of a sheet, all or none.
    ImportTickets {
        /// Login of whoever takes the reports down.
        login: String,
        /// The sheet.
        sheet: Sheet,
    },
    /// Reports, what is owed first.
    Reports {
        /// Only what is owed.
        owed: bool,
    },
    /// One report of a ticket.
    Report {
        /// The ticket's number.
        ticket: u64,
        /// Which report.
        kind: Kind,
        /// Which version; none: the last.
        version: Option<u64>,
        /// In which language.
        language: Language,
    },
}

fn told(value: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
}

/// A sheet as the command line turns it into a file.
pub(super) fn cells(columns: &[&str], rows: &[Vec<String>]) -> Value {
    json!({ "columns": columns, "rows": rows })
}

fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)
}

impl Control {
    pub(super) async fn answer_account(&self, ask: AccountAsk) -> Result<Value, Failure> {
        match ask {
            AccountAsk::Act { login, act } => {
                let person = self.may(&login, &act).await?;
                let by = Doer {
                    login: person.login,
                    name: person.name,
                    via: "cli".to_owned(),
                };
                told(self.room.act(&by, DutyAct::Account { account: act }).await?)
            }
            AccountAsk::Downtimes { contract, ticket } => told(self.downtimes(contract.as_deref(), ticket).await?),
            AccountAsk::Overview { from, to, contract } => self.overview(Span { from, to }, contract.as_deref()).await,
            AccountAsk::DowntimeSheet => {
                let downtimes = self.downtimes(None, None).await?;
                let customers = self.ledger.register(Book::Customers).await.map_err(failed)?;
                let name = |downtime: &Downtime| name_of(&customers, &downtime.customer.to_string());
                let columns: Vec<&str> = downtime_sheet::COLUMNS.iter().map(|(key, _)| *key).collect();
                Ok(cells(&columns, &downtime_sheet::rows(&downtimes, name)))
            }
            AccountAsk::TicketSheet => self.ticket_sheet().await,
            AccountAsk::ImportTickets { login, sheet } => self.import_tickets(&login, &sheet).await,
            AccountAsk::Reports { owed } => {
                let filter = ReportFilter {
                    done: owed.then_some(false),
                    ..ReportFilter::default()
                };
                told(self.ledger.reports(&filter).await.map_err(failed)?)
            }
            AccountAsk::Report {
                ticket,
                kind,
                version,
                language,
            } => self.report(ticket, kind, version, language).await,
        }
    }

    /// The person who does it, if their role allows it.
    async fn may(&self, login: &str, act: &AccountAct) -> Result<Person, Failure> {
        let person = self.person(login).await?;
        let needed = authority::needs(&DutyAct::Account { account: act.clone() });
        if authority::allows(person.role, needed) {
            return Ok(person);
        }
        let reason = format!("`{login}` is {} and may not do that", person.role.as_str());
        Err(Failure::new(Code::Forbidden, reason))
    }

    async fn downtimes(&self, contract: Option<&str>, ticket: Option<u64>) -> Result<Vec<Downtime>, Failure> {
        let filter = DowntimeFilter {
            ticket,
            ..DowntimeFilter::default()
        };
        let mut found = self.ledger.downtimes(&filter).await.map_err(failed)?;
        found.retain(|downtime| contract.is_none_or(|name| downtime.contract_name == name));
        Ok(found)
    }

    async fn overview(&self, period: Span, contract: Option<&str>) -> Result<Value, Failure> {
        let mut contracts = self.ledger.register(Book::Contracts).await.map_err(failed)?;
        contracts.retain(|row| contract.is_none_or(|name| row.get("name") == name));
        if contracts.is_empty() {
            let name = contract.unwrap_or_default();
            return Err(Failure::new(Code::NotFound, format!("there is no contract `{name}`")));
        }
        let assets = self.ledger.register(Book::Assets).await.map_err(failed)?;
        let downtimes = self.downtimes(None, None).await?;
        let hosts = self.backend.hosts().await?;
        let unknown = unwatched(period, &assets, hosts.iter().map(Host::watched));
        let lines = overview(period, &contracts, &assets, &downtimes, &unknown, (self.clock)());
        let mut shown = Vec::new();
        for line in lines {
            let moves = match line.id.parse() {
                Ok(id) => self.ledger.contract_moves(id).await.map_err(failed)?,
                Err(_) => Vec::new(),
            };
            let (ratio, ours) = (line.availability.ratio(), line.availability.ratio_ours());
            let mut value = told(line)?;
            if let Value::Object(fields) = &mut value {
                fields.insert("ratio".to_owned(), json!(ratio));
                fields.insert("ratio_ours".to_owned(), json!(ours));
                fields.insert("moves".to_owned(), told(moves)?);
            }
            shown.push(value);
        }
        Ok(json!({ "from": period.from.to_string(), "to": period.to.to_string(), "contracts": shown }))
    }

    async fn ticket_sheet(&self) -> Result<Value, Failure> {
        let mut filter = TicketFilter {
            slice: Slice {
                after: None,
                limit: 500,
            },
            ..TicketFilter::default()
        };
        let mut tickets: Vec<Ticket> = Vec::new();
        loop {
            let list = self.ledger.tickets(&filter).await.map_err(failed)?;
            tickets.extend(list.items);
            filter.slice.after = list.next;
            if filter.slice.after.is_none() || tickets.len() >= SHEET_ROWS_MAX {
                break;
            }
        }
        tickets.sort_by_key(|ticket| std::cmp::Reverse(ticket.number));
        let customers = self.ledger.register(Book::Customers).await.map_err(failed)?;
        let (columns, rows) = ticket_sheet::cells(&tickets, &customers);
        Ok(cells(&columns, &rows))
    }

    async fn import_tickets(&self, login: &str, sheet: &Sheet) -> Result<Value, Failure> {
        let person = self.person(login).await?;
        if !authority::allows(person.role, authority::Action::WorkTicket) {
            let reason = format!("`{login}` may look at tickets, not report for others");
            return Err(Failure::new(Code::Forbidden, reason));
        }
        let assets = self.ledger.register(Book::Assets).await.map_err(failed)?;
        let found = ticket_sheet::read(sheet, &assets, &zone(), (self.clock)());
        let found = found.map_err(|mistakes| Failure::new(Code::InvalidInput, mistakes.join("\n")))?;
        let places = self.places().await?;
        let mut reports = Vec::new();
        for one in found {
            let asset = places.facts(&one.asset)?;
            let report = Reporting {
                actor: Actor::Person(person.id, person.name.clone()),
                via: Via::Api,
                kind: one.kind,
                asset,
                title: one.title,
                severity: one.severity,
                occurred_at: one.occurred,
            };
            reports.push((report, one.intake));
        }
        let mut numbers = Vec::new();
        for (report, intake) in reports {
            let ticket = self.engine.report(report).await?;
            numbers.push(ticket.number);
            if let Some(intake) = intake {
                let by = Doer {
                    login: person.login.clone(),
                    name: person.name.clone(),
                    via: "cli".to_owned(),
                };
                let ticket = ticket.number;
                self.room.act(&by, DutyAct::PutIntake { ticket, intake }).await?;
            }
        }
        Ok(json!({ "tickets": numbers }))
    }

    async fn places(&self) -> Result<Places, Failure> {
        Ok(Places {
            customers: self.ledger.register(Book::Customers).await.map_err(failed)?,
            contracts: self.ledger.register(Book::Contracts).await.map_err(failed)?,
            sites: self.ledger.register(Book::Sites).await.map_err(failed)?,
        })
    }

    async fn report(
        &self,
        number: u64,
        kind: Kind,
        version: Option<u64>,
        language: Language,
    ) -> Result<Value, Failure> {
        let (mut report, ticket) = self.room.report_of(number, kind).await?;
        let (written, standing) = (report.versions().len(), report.standing());
        if written == 0 {
            // What a first version would say by itself.
            let facts = self.room.facts(ticket).await?;
            report.lines.push(report::Line::draft(kind, facts));
        }
        let versions = report.versions();
        let wanted = version.unwrap_or(versions.len() as u64);
        let found = versions.iter().find(|version| version.number == wanted);
        let found = found.ok_or_else(|| {
            let reason = format!("the {} report of #{number} has no version {wanted}", kind.as_str());
            Failure::new(Code::NotFound, reason)
        })?;
        let zone = zone();
        let policies: Vec<Policy> = self.room.book.policies().map(|(policy, _)| policy.clone()).collect();
        let speech = Speech {
            language,
            zone: &zone,
            policies: &policies,
        };
        Ok(json!({
            "ticket": number,
            "report": kind.as_str(),
            "standing": standing.as_str(),
            "due_at": report.due_at.to_string(),
            "version": found.number,
            "versions": written,
            "words": found.words,
            "markdown": report_markdown(&report, found, &speech),
        }))
    }
}

fn name_of(rows: &[Row], id: &str) -> String {
    let found = rows.iter().find(|row| row.id == id);
    found.map(|row| row.get("name").to_owned()).unwrap_or_default()
}

/// The registers that say where an asset belongs.
struct Places {
    customers: Vec<Row>,
    contracts: Vec<Row>,
    sites: Vec<Row>,
}

impl Places {
    /// What the desk must know of an asset that the register has.
    fn facts(&self, asset: &Row) -> Result<AssetFacts, Failure> {
        let name = asset.get("name");
        let lacks = |what: &str| {
            let reason = format!("asset `{name}` has no {what} in the register: enter it there first");
            Failure::new(Code::InvalidInput, reason)
        };
        let of = |rows: &[Row], word: &str, whose: bool| {
            let fits = |row: &&Row| {
                row.get("name") == asset.get(word) && (!whose || row.get("customer") == asset.get("customer"))
            };
            rows.iter().find(fits).map(|row| row.id.clone())
        };
        let customer = of(&self.customers, "customer", false).and_then(|id| id.parse().ok());
        let contract = of(&self.contracts, "contract", true).and_then(|id| id.parse().ok());
        let site = of(&self.sites, "site", true).and_then(|id| id.parse().ok());
        let importance = Importance::ALL
            .iter()
            .copied()
            .find(|one| one.as_str() == asset.get("importance"));
        Ok(AssetFacts {
            asset: asset.id.parse().map_err(|_| lacks("usable id"))?,
            name: name.to_owned(),
            customer: customer.ok_or_else(|| lacks("customer"))?,
            contract: contract.ok_or_else(|| lacks("contract"))?,
            site: site.unwrap_or(SiteId::from_bytes([0; 16])),
            importance: importance.unwrap_or(Importance::Normal),
        })
    }
}
