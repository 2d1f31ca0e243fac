//! Accounts in memory: a downtime that waits for the customer, one that moved the end of maintenance, an incident report.

use super::*;
use std::collections::BTreeMap;
use tocsin_console::backend::Accounts;
use tocsin_desk::{
    account::{
        downtime::{Cause, Claim, Downtime, DowntimeFilter, How, Line, Turn},
        extension::{Extension, Moved, Rounding},
        report::{self, Facts, Report, ReportFilter, ReportRow, Stamp, Standing},
    },
    clocks::{Mark, MarkKind},
    input::Amend,
};

impl Fake {
    fn downtimes_now(&self) -> Vec<Downtime> {
        let now = self.now();
        let line = |seq, turn| Line {
            seq,
            at: now.minus(minutes(60)),
            by: "王工".to_owned(),
            turn,
        };
        let claim = |from: u64, to: u64, cause| {
            Turn::Claim(Claim {
                from: now.minus(minutes(from)),
                to: Some(now.minus(minutes(to))),
                cause,
                words: "<i>数据库</i>无法写入".to_owned(),
            })
        };
        let one = |id: u8, customer, lines| Downtime {
            id: id.into(),
            ticket: Some(1042),
            customer,
            contract: ContractId::from_bytes([if customer == CUSTOMER { 1 } else { 2 }; 16]),
            contract_name: "运维一期".to_owned(),
            asset: AssetId::from_bytes([if customer == CUSTOMER { 1 } else { 8 }; 16]),
            asset_name: if customer == CUSTOMER { "db-01" } else { "his-app-01" }.to_owned(),
            lines,
        };
        let agreed = Turn::Agree {
            who: "孙主任".to_owned(),
            how: How::Paper,
            words: String::new(),
        };
        vec![
            one(1, CUSTOMER, vec![line(1, claim(50, 20, Cause::Ours))]),
            one(
                2,
                CUSTOMER,
                vec![line(1, claim(5_000, 3_000, Cause::Ours)), line(2, agreed)],
            ),
            one(3, OTHER_CUSTOMER, vec![line(1, claim(500, 400, Cause::ThirdParty))]),
        ]
    }

    fn facts_now(&self, ticket: Ticket) -> Facts {
        let work = lock(&self.desk);
        Facts {
            taken_at: self.now(),
            customer: "市民中心".to_owned(),
            contract: "运维一期".to_owned(),
            entries: work
                .entries
                .iter()
                .filter(|entry| entry.ticket == ticket.id)
                .cloned()
                .collect(),
            alerts: work
                .alerts
                .iter()
                .filter(|alert| alert.fault == ticket.fault)
                .cloned()
                .collect(),
            pages: Vec::new(),
            spares: Vec::new(),
            ticket,
        }
    }
}

#[async_trait]
impl Accounts for Fake {
    async fn amend(&self, amend: Amend) -> Result<Ticket, Failure> {
        let work = lock(&self.desk);
        let found = work.tickets.iter().find(|ticket| ticket.id == amend.ticket);
        found
            .cloned()
            .ok_or_else(|| Failure::new(Code::NotFound, "no such ticket"))
    }
    async fn marks(&self, ticket: TicketId) -> Result<Vec<Mark>, Failure> {
        let now = self.now();
        Ok(vec![Mark {
            ticket,
            seq: 1,
            clock: ClockKind::Respond,
            rung: 0,
            level: Level::new(1),
            kind: MarkKind::Stop,
            at: now.minus(minutes(30)),
            entered_at: now,
            due_at: now.plus(minutes(30)),
            policy_version: "p".to_owned(),
            calendar_version: "c".to_owned(),
        }])
    }
    async fn downtimes(&self, filter: &DowntimeFilter) -> Result<Vec<Downtime>, Failure> {
        let mut all = self.downtimes_now();
        all.retain(|one| {
            filter.customer.is_none_or(|customer| one.customer == customer)
                && filter.ticket.is_none_or(|ticket| one.ticket == Some(ticket))
                && filter.id.is_none_or(|id| one.id == id)
        });
        Ok(all)
    }
    async fn contract_moves(&self, contract: ContractId) -> Result<Vec<Moved>, Failure> {
        let end = |days, day: &str| Extension {
            stopped_ms: 120_000_000,
            days,
            ends_on: day.parse().ok(),
        };
        Ok(vec![Moved {
            seq: 1,
            at: self.now(),
            by: "王工".to_owned(),
            downtime: Some(2),
            rounding: Rounding::Up,
            before: end(0, "2026-12-31"),
            after: end(2, "2027-01-02"),
        }]
        .into_iter()
        .filter(|_| contract == ContractId::from_bytes([1; 16]))
        .collect())
    }
    async fn reports(&self, _filter: &ReportFilter) -> Result<Vec<ReportRow>, Failure> {
        Ok(vec![ReportRow {
            number: 1042,
            title: Text::new("db-01: disk full", "db-01 磁盘已满"),
            asset_name: "db-01".to_owned(),
            customer: CUSTOMER,
            kind: report::Kind::Service,
            due_at: self.now().minus(minutes(60)),
            standing: Standing::Owed,
            done: false,
        }])
    }
    async fn report_of(&self, ticket: TicketId, kind: report::Kind) -> Result<Option<Report>, Failure> {
        let found = lock(&self.desk).tickets.iter().find(|one| one.id == ticket).cloned();
        let Some(ticket) = found.filter(|ticket| ticket.number == 1042 && kind == report::Kind::Incident) else {
            return Ok(None);
        };
        let at = self.now();
        let line = |seq, login: &str, turn| report::Line {
            seq,
            at,
            login: login.to_owned(),
            by: login.to_owned(),
            turn,
        };
        let words = ["cause", "handling", "prevention"].map(|key| (key.to_owned(), format!("{key} <b>日志</b>")));
        let stamped = |stamp| report::Turn::Stamped {
            stamp,
            words: String::new(),
        };
        Ok(Some(Report {
            ticket: ticket.id,
            number: ticket.number,
            kind,
            due_at: at.plus(minutes(60)),
            lines: vec![
                line(
                    1,
                    "wang",
                    report::Turn::Version {
                        words: BTreeMap::from(words),
                        facts: Box::new(self.facts_now(ticket)),
                    },
                ),
                line(2, "li", stamped(Stamp::Review)),
                line(3, "chen", stamped(Stamp::Issue)),
            ],
        }))
    }
    async fn facts(&self, ticket: Ticket) -> Result<Facts, Failure> {
        Ok(self.facts_now(ticket))
    }
}
