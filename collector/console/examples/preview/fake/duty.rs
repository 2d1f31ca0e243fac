//! A duty room in memory: one roster, a swap that waits, a handover to be signed, a few rows of the registers.

use super::*;
use std::collections::BTreeMap;
use tocsin_console::backend::DutyRoom;
use tocsin_desk::{
    duty::{Doer, Done, DutyAct},
    escalation::Chain,
    handover::{BadJob, Carried, Handover, Quiet, Register, Thing},
    planned::PlannedKind,
    register::{Book, Revision, Row, spare::Use},
    roster::{Consent, Exchange, Move, Roster},
    sheet::{Intake, Rating, TicketSheet},
};
use tocsin_vocabulary::RunResult;

/// 24 on 48 off, with three teams.
const PLAN: &str = r#"{"name": "值班室", "fallback": "zhao", "minimum": 2,
    "shifts": [{"name": "白班", "from": "08:00", "to": "20:00"}, {"name": "夜班", "from": "20:00", "to": "08:00"}],
    "rotation": {"pattern": "turns", "starts_on": "2026-01-01", "teams": [
        {"main": ["wang"], "deputy": ["li"], "leader": ["chen"]},
        {"main": ["li"], "deputy": ["wang"], "leader": ["chen"]},
        {"main": ["wang"], "standby": ["li"]}]}}"#;

fn row(id: &str, pairs: &[(&str, &str)]) -> Row {
    let values = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Row {
        id: id.to_owned(),
        values: values.collect::<BTreeMap<_, _>>(),
        changed_at: None,
    }
}

fn asset(n: u8, name: &str, customer: &str) -> Row {
    row(
        &AssetId::from_bytes([n; 16]).to_string(),
        &[
            ("name", name),
            ("kind", "服务器"),
            ("customer", customer),
            ("contract", if n < 8 { "运维一期" } else { "HIS 维保" }),
            ("site", "一号机房"),
            ("rack", "A03"),
            ("model", "R740"),
            ("serial", "7XK1<2>"),
            ("owner", "王工"),
            ("importance", "key"),
            ("warranty_until", "2027-06-30"),
        ],
    )
}

fn contract(n: u8, name: &str, customer: &str) -> Row {
    row(
        &ContractId::from_bytes([n; 16]).to_string(),
        &[
            ("name", name),
            ("customer", customer),
            ("starts_on", "2026-01-01"),
            ("ends_on", "2026-12-31"),
            ("rounding", "up"),
        ],
    )
}

impl Fake {
    fn handover_now(&self) -> Handover {
        let now = self.now();
        Handover {
            id: 7,
            roster: "值班室".to_owned(),
            at: now.minus(minutes(20)),
            leaving: vec!["wang".to_owned(), "li".to_owned()],
            coming: vec!["zhao".to_owned(), "li".to_owned()],
            register: Register {
                tickets: vec![Carried {
                    number: 1042,
                    title: Text::new("db-01: disk full", "db-01 磁盘已满"),
                    level: Level::new(1),
                    policy: "basic".to_owned(),
                    state: TicketState::Open,
                    assignee: None,
                    due_at: Some(now.plus(minutes(12))),
                }],
                silences: vec![Quiet {
                    kind: PlannedKind::Window,
                    what: "web-02".to_owned(),
                    until: now.plus(minutes(90)),
                    reason: "升级".to_owned(),
                }],
                jobs: vec![BadJob {
                    host: "db-01".to_owned(),
                    name: "nightly".to_owned(),
                    result: Some(RunResult::Failed),
                    good_at: Some(now.minus(minutes(2 * 24 * 60))),
                }],
                backups: Vec::new(),
                silent: Vec::new(),
                things: vec![
                    Thing {
                        name: "一号机房钥匙".to_owned(),
                        there: true,
                    },
                    Thing {
                        name: "值班手机".to_owned(),
                        there: false,
                    },
                ],
                room: "UPS 正常，空调 23 ℃".to_owned(),
                notes: "<b>db-01</b> 夜间扩容".to_owned(),
            },
            left: None,
            came: None,
            word: None,
            nags: 0,
        }
    }
}

#[async_trait]
impl DutyRoom for Fake {
    async fn duty_act(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        if let DutyAct::SignHandover { pin, .. } = &act
            && pin != "2580"
        {
            return Err(Failure::new(Code::Forbidden, "the PIN is wrong"));
        }
        if let DutyAct::ImportRegister { sheet, .. } = &act
            && sheet.columns.first().is_none_or(|column| column != "name")
        {
            return Err(Failure::new(
                Code::InvalidInput,
                "line 1: unknown column `<x>`\nline 2: name is empty",
            ));
        }
        lock(&self.doors).audit.push(AuditLine {
            at: self.now(),
            actor: by.login.clone(),
            via: by.via.clone(),
            action: act.as_str().to_owned(),
            subject: String::new(),
            detail: String::new(),
        });
        Ok(Done::default())
    }
    async fn rosters(&self) -> Result<Vec<Roster>, Failure> {
        serde_json::from_str(PLAN)
            .map(|roster| vec![roster])
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))
    }
    async fn exchanges(&self, _from: Timestamp) -> Result<Vec<Exchange>, Failure> {
        let now = self.now();
        Ok(vec![Exchange {
            id: 3,
            roster: "值班室".to_owned(),
            moves: vec![Move {
                from: now.plus(minutes(60 * 24)),
                to: now.plus(minutes(60 * 36)),
                out: "wang".to_owned(),
                into: "zhao".to_owned(),
            }],
            reason: "考试 <i>".to_owned(),
            asked_by: "wang".to_owned(),
            asked_at: now,
            needs: Some("zhao".to_owned()),
            consent: Consent::Asked,
            answered_at: None,
        }])
    }
    async fn roster_warnings(&self, _roster: &Roster) -> Result<Vec<String>, Failure> {
        Ok(vec![
            "li: has neither a phone number nor a mail address, so pages reach only the inbox".to_owned(),
        ])
    }
    async fn chain(&self) -> Result<Chain, Failure> {
        Ok(Chain::shipped())
    }
    async fn handovers(&self, _limit: u32) -> Result<Vec<Handover>, Failure> {
        Ok(vec![self.handover_now()])
    }
    async fn handover(&self, id: u64) -> Result<Option<Handover>, Failure> {
        Ok(Some(self.handover_now()).filter(|one| one.id == id))
    }
    async fn has_pin(&self, person: PersonId) -> Result<bool, Failure> {
        Ok(person == PersonId::from_bytes([0x11; 16]))
    }
    async fn ticket_sheet(&self, ticket: TicketId) -> Result<TicketSheet, Failure> {
        let known = lock(&self.desk)
            .tickets
            .iter()
            .any(|one| one.id == ticket && one.number == 1042);
        if !known {
            return Ok(TicketSheet::default());
        }
        Ok(TicketSheet {
            intake: Some(Intake {
                caller: "孙主任".to_owned(),
                unit: "信息科".to_owned(),
                phone: "010-8888".to_owned(),
                channel: "phone".to_owned(),
                symptom: "<script>打不开".to_owned(),
            }),
            rating: Some(Rating {
                stars: 4,
                words: "及时".to_owned(),
                by: "孙主任".to_owned(),
                at: self.now(),
            }),
            ..TicketSheet::default()
        })
    }
    async fn register(&self, book: Book) -> Result<Vec<Row>, Failure> {
        Ok(match book {
            Book::Customers => vec![
                row(&CUSTOMER.to_string(), &[("name", "市民中心")]),
                row(&OTHER_CUSTOMER.to_string(), &[("name", "第二医院")]),
            ],
            Book::Assets => vec![asset(1, "db-01", "市民中心"), asset(8, "his-app-01", "第二医院")],
            Book::Spares => vec![row(
                "s1",
                &[
                    ("name", "4T 硬盘"),
                    ("kind", "part"),
                    ("model", "R740"),
                    ("count", "0"),
                    ("minimum", "1"),
                ],
            )],
            Book::Knowledge => vec![row(
                "k1",
                &[
                    ("name", "磁盘已满的处理"),
                    ("rules", "disk-full"),
                    ("text", "清理 /var/log"),
                ],
            )],
            Book::Contracts => vec![contract(1, "运维一期", "市民中心"), contract(2, "HIS 维保", "第二医院")],
            Book::Sites => Vec::new(),
        })
    }
    async fn register_row(&self, book: Book, id: &str) -> Result<Option<Row>, Failure> {
        Ok(self.register(book).await?.into_iter().find(|row| row.id == id))
    }
    async fn customers(&self) -> Result<Vec<(CustomerId, String)>, Failure> {
        let hosts = self.hosts.iter();
        Ok(hosts
            .map(|host| (host.record.customer, host.record.customer_name.clone()))
            .collect())
    }
    async fn register_changes(&self, _book: Book, _id: &str) -> Result<Vec<Revision>, Failure> {
        Ok(vec![Revision {
            at: self.now(),
            by: "li".to_owned(),
            column: "serial".to_owned(),
            before: String::new(),
            after: "7XK1<2>".to_owned(),
        }])
    }
    async fn spare_uses(&self) -> Result<Vec<Use>, Failure> {
        Ok(vec![Use {
            id: 1,
            spare: "s1".to_owned(),
            name: "4T 硬盘".to_owned(),
            count: 1,
            ticket: 1042,
            asked_by: "wang".to_owned(),
            asked_at: self.now(),
            answered_by: None,
            allowed: None,
        }])
    }
}
