//! What the command line asks of the duty room.

use super::{Control, accounts::cells};
use crate::duty::failed;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    duty::{Doer, DutyAct},
    escalation::Chain,
    register::{self, Book, spare},
    roster::{self, Roster, Span, ical},
};
use tocsin_ledger::Chain as AuditChain;
use tocsin_vocabulary::{Code, Language};

/// Lines of the audit trail in one answer.
pub const AUDIT_LINES: u32 = 1_000;
/// Most days that are shown ahead.
const DAYS_MAX: u64 = 400;

/// A question about the duty room, or something to do in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum RoomAsk {
    /// Does one thing.
    Act {
        /// What.
        act: DutyAct,
    },
    /// Rosters with the shifts of the coming days.
    Rosters {
        /// Only this one.
        name: Option<String>,
        /// So many days ahead.
        days: u64,
    },
    /// A roster as iCalendar.
    Calendar {
        /// Which.
        name: String,
        /// Only the shifts of this login.
        only: Option<String>,
    },
    /// Handovers, newest first.
    Handovers {
        /// Only this one.
        id: Option<u64>,
    },
    /// The chain of tickets to come.
    Chain,
    /// A register as columns and rows.
    Export {
        /// Which.
        book: Book,
    },
    /// The coming shifts of a roster as columns and rows.
    RosterSheet {
        /// Which.
        name: String,
        /// So many days ahead.
        days: u64,
    },
    /// The history of rows of this name.
    History {
        /// Of which register.
        book: Book,
        /// Name of the row.
        name: String,
    },
    /// What spares are held and missing.
    Stock,
    /// Follows the chain of audit lines.
    AuditVerify,
    /// Lines of the audit trail after this number.
    AuditExport {
        /// 0 for the first.
        after: u64,
    },
}

fn told(value: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
}

impl Control {
    pub(super) async fn answer_room(&self, ask: RoomAsk) -> Result<Value, Failure> {
        match ask {
            RoomAsk::Act { act } => {
                let by = Doer {
                    login: "system".to_owned(),
                    name: "command line".to_owned(),
                    via: "cli".to_owned(),
                };
                told(self.room.act(&by, act).await?)
            }
            RoomAsk::Rosters { name, days } => self.rosters(name, days).await,
            RoomAsk::Calendar { name, only } => {
                let plan = self.room.roster(&name).await?;
                let spans = self.spans(&plan, 90).await?;
                let people = self.ledger.people().await.map_err(failed)?;
                let called = |login: &str| {
                    let found = people.iter().find(|person| person.login == login);
                    found.map_or_else(|| login.to_owned(), |person| person.name.clone())
                };
                let now = (self.clock)();
                Ok(json!(ical::calendar(
                    &name,
                    &spans,
                    only.as_deref(),
                    now,
                    Language::Chinese,
                    called
                )))
            }
            RoomAsk::Handovers { id: None } => told(self.ledger.handovers(50).await.map_err(failed)?),
            RoomAsk::Handovers { id: Some(id) } => {
                let found = self.ledger.handover(id).await.map_err(failed)?;
                let found = found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no handover {id}")))?;
                told(vec![found])
            }
            RoomAsk::Chain => {
                let chain = self.ledger.escalation_chain().await.map_err(failed)?;
                told(chain.unwrap_or_else(Chain::shipped))
            }
            RoomAsk::Export { book } => self.export(book).await,
            RoomAsk::RosterSheet { name, days } => {
                let plan = self.room.roster(&name).await?;
                let (columns, rows) = roster::import::cells(&plan, &self.spans(&plan, days).await?);
                Ok(cells(&columns, &rows))
            }
            RoomAsk::History { book, name } => self.history(book, &name).await,
            RoomAsk::Stock => {
                let assets = self.ledger.register(Book::Assets).await.map_err(failed)?;
                let spares = self.ledger.register(Book::Spares).await.map_err(failed)?;
                let uses = self.ledger.spare_uses().await.map_err(failed)?;
                Ok(json!({
                    "stock": spare::stock(&assets, &spares),
                    "months": spare::monthly(&uses),
                    "uncounted": spare::uncounted(&spares, (self.clock)()),
                    "uses": uses,
                }))
            }
            RoomAsk::AuditVerify => Ok(match self.ledger.verify_audit().await.map_err(failed)? {
                AuditChain::Whole { lines } => json!({ "whole": true, "lines": lines }),
                AuditChain::Broken { at } => json!({ "whole": false, "broken_at": at }),
            }),
            RoomAsk::AuditExport { after } => told(self.ledger.audit_links(after, AUDIT_LINES).await.map_err(failed)?),
        }
    }

    async fn spans(&self, plan: &Roster, days: u64) -> Result<Vec<Span>, Failure> {
        let now = (self.clock)();
        let exchanges = self.ledger.exchanges(now).await.map_err(failed)?;
        let to = now.plus(Duration::from_secs(days.min(DAYS_MAX) * 86_400));
        Ok(roster::duties(plan, &exchanges, now, to))
    }

    async fn rosters(&self, name: Option<String>, days: u64) -> Result<Value, Failure> {
        let plans = match name {
            Some(name) => vec![self.room.roster(&name).await?],
            None => self.ledger.rosters().await.map_err(failed)?,
        };
        let now = (self.clock)();
        let exchanges = self.ledger.exchanges(now).await.map_err(failed)?;
        let mut rosters = Vec::new();
        for plan in plans {
            rosters.push(json!({
                "name": plan.name,
                "now": roster::now(&plan, &exchanges, now),
                "shifts": self.spans(&plan, days).await?,
                "exchanges": exchanges.iter().filter(|one| one.roster == plan.name).collect::<Vec<_>>(),
                "warnings": self.room.roster_warnings(&plan).await?,
                "zone": plan.zone,
                "fallback": plan.fallback,
            }));
        }
        Ok(json!(rosters))
    }

    async fn export(&self, book: Book) -> Result<Value, Failure> {
        let rows = self.ledger.register(book).await.map_err(failed)?;
        let (columns, rows) = register::cells(book, &rows);
        Ok(cells(&columns, &rows))
    }

    async fn history(&self, book: Book, name: &str) -> Result<Value, Failure> {
        let rows = self.ledger.register(book).await.map_err(failed)?;
        let mut changes = Vec::new();
        for row in rows.iter().filter(|row| row.get("name") == name) {
            changes.extend(self.ledger.register_changes(book, &row.id).await.map_err(failed)?);
        }
        if changes.is_empty() {
            let reason = format!("nothing is known of `{name}` in the register of {}", book.as_str());
            return Err(Failure::new(Code::NotFound, reason));
        }
        told(changes)
    }
}
