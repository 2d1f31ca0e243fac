//! What is accounted for: downtimes that people claim and customers agree to, and reports that are written and issued.

use super::{Room, done, failed, mistaken, wrong};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    account::{
        AccountAct, Refused,
        downtime::{Claim, Downtime, DowntimeFilter, Line, Turn, mistakes},
        report::{self, FACTS_MAX, Facts, Kind, Report, Stamp},
        sheet as downtime_sheet,
    },
    duty::{Doer, Done},
    model::Ticket,
    record::{PageFilter, Slice},
    register::{Book, Row, sheet::Sheet},
};
use tocsin_vocabulary::Code;

fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Wrong(mistakes) => mistaken(&mistakes),
        Refused::Standing(reason) => Failure::new(Code::Conflict, reason),
    }
}

impl Room {
    pub(super) async fn of_account(&self, by: &Doer, act: AccountAct) -> Result<Done, Failure> {
        let action = act.as_str();
        match act {
            AccountAct::ClaimDowntime { ticket, claim } => self.claim(by, action, ticket, claim).await,
            AccountAct::TurnDowntime { id, seen, turn } => self.turn(by, action, id, seen, turn).await,
            AccountAct::ImportDowntime { sheet } => self.import_downtimes(by, action, &sheet).await,
            AccountAct::WriteReport {
                ticket,
                kind,
                words,
                seen,
            } => self.write_report(by, action, ticket, kind, words, seen).await,
            AccountAct::StampReport {
                ticket,
                kind,
                stamp,
                words,
                seen,
            } => {
                let (report, _) = self.report_of(ticket, kind).await?;
                report.may_stamp(stamp, &by.login, &words, seen).map_err(refused)?;
                let turn = report::Turn::Stamped { stamp, words };
                self.add_to_report(by, action, &report, turn).await?;
                Ok(done(format!("{} report of #{ticket}: {}", kind.as_str(), said(stamp))))
            }
        }
    }

    /// One downtime.
    ///
    /// # Errors
    /// When there is none of this number, or the ledger can't be read.
    pub(crate) async fn downtime(&self, id: u64) -> Result<Downtime, Failure> {
        let filter = DowntimeFilter {
            id: Some(id),
            ..DowntimeFilter::default()
        };
        let found = self.ledger.downtimes(&filter).await.map_err(failed)?;
        let none = || Failure::new(Code::NotFound, format!("there is no downtime {id}"));
        found.into_iter().next().ok_or_else(none)
    }

    async fn claim(&self, by: &Doer, action: &str, number: u64, claim: Claim) -> Result<Done, Failure> {
        let ticket = self.ticket(number).await?;
        let turn = Turn::Claim(claim);
        let wrongs = mistakes(&turn, self.now());
        if !wrongs.is_empty() {
            return Err(mistaken(&wrongs));
        }
        let downtime = Downtime {
            id: 0,
            ticket: Some(number),
            customer: ticket.customer,
            contract: ticket.contract,
            contract_name: String::new(),
            asset: ticket.asset,
            asset_name: ticket.asset_name,
            lines: vec![self.said(by, 1, turn)],
        };
        let line = self.line(by, action, &format!("#{number}"), "");
        let ids = self
            .ledger
            .enter_downtimes(&[downtime], &by.name, self.now(), &[line])
            .await;
        let id = ids.map_err(failed)?.first().copied();
        Ok(Done {
            id,
            said: vec![format!(
                "downtime {} of #{number} waits for the customer's word",
                id.unwrap_or_default()
            )],
        })
    }

    fn said(&self, by: &Doer, seq: u64, turn: Turn) -> Line {
        Line {
            seq,
            at: self.now(),
            by: by.name.clone(),
            turn,
        }
    }

    async fn turn(&self, by: &Doer, action: &str, id: u64, seen: Option<u64>, turn: Turn) -> Result<Done, Failure> {
        let mut downtime = self.downtime(id).await?;
        let last = downtime.lines.len() as u64;
        if seen.is_some_and(|seen| seen != last) {
            let reason = format!("something was said of downtime {id} meanwhile: look at it first");
            return Err(Failure::new(Code::Conflict, reason));
        }
        downtime.may(&turn, self.now()).map_err(refused)?;
        let line = self.said(by, last + 1, turn);
        let audit = [self.line(by, action, &format!("downtime {id}"), "")];
        let before = self.ledger.contract_moves(downtime.contract).await.map_err(failed)?;
        let add = self.ledger.add_downtime_line(&downtime, &line, &audit);
        add.await.map_err(failed)?;
        downtime.lines.push(line);
        let mut told = vec![format!("downtime {id} is {}", downtime.standing().as_str())];
        let after = self.ledger.contract_moves(downtime.contract).await.map_err(failed)?;
        if let Some(moved) = after.last().filter(|_| after.len() > before.len()) {
            let end = moved
                .after
                .ends_on
                .map_or_else(|| "-".to_owned(), |day| day.to_string());
            told.push(format!(
                "maintenance of `{}` is extended by {} days, to {end}",
                downtime.contract_name, moved.after.days
            ));
        }
        Ok(Done {
            id: Some(id),
            said: told,
        })
    }

    async fn import_downtimes(&self, by: &Doer, action: &str, sheet: &Sheet) -> Result<Done, Failure> {
        let assets = self.ledger.register(Book::Assets).await.map_err(failed)?;
        let contracts = self.ledger.register(Book::Contracts).await.map_err(failed)?;
        let customers = self.ledger.register(Book::Customers).await.map_err(failed)?;
        let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
        let found = downtime_sheet::read(sheet, &assets, &zone, self.now()).map_err(|wrongs| mistaken(&wrongs))?;
        let id_of =
            |rows: &[Row], fits: &dyn Fn(&Row) -> bool| rows.iter().find(|row| fits(row)).map(|row| row.id.clone());
        let present = self
            .ledger
            .downtimes(&DowntimeFilter::default())
            .await
            .map_err(failed)?;
        let rows = found.len();
        let mut downtimes: Vec<Downtime> = Vec::new();
        for one in found {
            // Read again, a sheet enters nothing twice.
            if one.is_among(&present) || one.is_among(&downtimes) {
                continue;
            }
            let (name, whose) = (
                one.asset.get("contract").to_owned(),
                one.asset.get("customer").to_owned(),
            );
            let contract = id_of(&contracts, &|row| {
                row.get("name") == name && row.get("customer") == whose
            });
            let customer = id_of(&customers, &|row| row.get("name") == whose);
            let (Some(contract), Some(customer)) = (
                contract.and_then(|id| id.parse().ok()),
                customer.and_then(|id| id.parse().ok()),
            ) else {
                return Err(wrong(format!("asset `{}` is under no contract", one.asset.get("name"))));
            };
            downtimes.push(Downtime {
                id: 0,
                ticket: one.ticket,
                customer,
                contract,
                contract_name: name,
                asset: one.asset.id.parse().map_err(|_| wrong("the asset's id is unusable"))?,
                asset_name: one.asset.get("name").to_owned(),
                lines: vec![self.said(by, 1, Turn::Claim(one.claim))],
            });
        }
        let audit = [self.line(by, action, "downtimes", &format!("{} rows", downtimes.len()))];
        let enter = self.ledger.enter_downtimes(&downtimes, &by.name, self.now(), &audit);
        let ids = enter.await.map_err(failed)?;
        let known = match rows - ids.len() {
            0 => String::new(),
            known => format!(", {known} are on record already"),
        };
        Ok(done(format!(
            "{} downtimes wait for the customer's word{known}",
            ids.len()
        )))
    }

    /// A report of a ticket as it stands; empty and due now when none is owed.
    ///
    /// # Errors
    /// When there is no such ticket, or the ledger can't be read.
    pub(crate) async fn report_of(&self, number: u64, kind: Kind) -> Result<(Report, Ticket), Failure> {
        let ticket = self.ticket(number).await?;
        let found = self.ledger.report(ticket.id, kind).await.map_err(failed)?;
        let report = found.unwrap_or_else(|| Report {
            ticket: ticket.id,
            number,
            kind,
            due_at: self.now(),
            lines: Vec::new(),
        });
        Ok((report, ticket))
    }

    async fn write_report(
        &self,
        by: &Doer,
        action: &str,
        number: u64,
        kind: Kind,
        mut words: BTreeMap<String, String>,
        seen: Option<u64>,
    ) -> Result<Done, Failure> {
        let (report, ticket) = self.report_of(number, kind).await?;
        for text in words.values_mut() {
            *text = text.trim().to_owned();
        }
        report.may_write(&words, seen).map_err(refused)?;
        let facts = Box::new(self.facts(ticket).await?);
        let turn = report::Turn::Version { facts, words };
        self.add_to_report(by, action, &report, turn).await?;
        let version = report.versions().len() + 1;
        Ok(done(format!(
            "version {version} of the {} report of #{number} is written",
            kind.as_str()
        )))
    }

    async fn add_to_report(&self, by: &Doer, action: &str, report: &Report, turn: report::Turn) -> Result<(), Failure> {
        let line = report::Line {
            seq: report.lines.len() as u64 + 1,
            at: self.now(),
            login: by.login.clone(),
            by: by.name.clone(),
            turn,
        };
        let audit = [self.line(by, action, &format!("#{}", report.number), report.kind.as_str())];
        let add = self.ledger.add_report_line(report, &line, &audit);
        add.await.map_err(failed)
    }

    /// All that a report of this ticket can be drafted from, as it is now.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(crate) async fn facts(&self, ticket: Ticket) -> Result<Facts, Failure> {
        let limit = u32::try_from(FACTS_MAX).unwrap_or(u32::MAX);
        let filter = PageFilter {
            ticket: Some(ticket.id),
            slice: Slice { after: None, limit },
            ..PageFilter::default()
        };
        let mut pages = self.ledger.pages(&filter).await.map_err(failed)?.items;
        pages.reverse();
        let mut entries = self.ledger.entries(ticket.id).await.map_err(failed)?;
        entries.drain(..entries.len().saturating_sub(FACTS_MAX));
        let mut alerts = match ticket.fault {
            Some(_) => self.ledger.alerts_of_ticket(ticket.id).await.map_err(failed)?,
            None => Vec::new(),
        };
        alerts.truncate(FACTS_MAX);
        let mut spares = self.ledger.spare_uses().await.map_err(failed)?;
        spares.retain(|one| one.ticket == ticket.number);
        let name = |rows: Vec<Row>, id: String| {
            let found = rows.into_iter().find(|row| row.id == id);
            found.map(|row| row.get("name").to_owned()).unwrap_or_default()
        };
        let customers = self.ledger.register(Book::Customers).await.map_err(failed)?;
        let contracts = self.ledger.register(Book::Contracts).await.map_err(failed)?;
        Ok(Facts {
            taken_at: self.now(),
            customer: name(customers, ticket.customer.to_string()),
            contract: name(contracts, ticket.contract.to_string()),
            entries,
            alerts,
            pages,
            spares,
            ticket,
        })
    }
}

const fn said(stamp: Stamp) -> &'static str {
    match stamp {
        Stamp::Review => "reviewed",
        Stamp::Return => "returned to its writer",
        Stamp::Issue => "issued",
        Stamp::Sign => "signed",
    }
}
