//! What cases begin with: an empty ledger, and things to put into it.

use crate::postgres;
use tocsin_desk::{
    clocks::Reckoning,
    effect::Effects,
    model::{
        Actor, Alert, AlertState, Clock, ClockKind, Entry, Fault, Page, PageReason, PageState, Person, Response, Role,
        Ticket, TicketKind, TicketState, Via,
    },
    record::{AuditLine, HostFacts, HostRecord, NewEnrolToken},
};
use tocsin_ledger::{DEFAULT_CONTRACT, DEFAULT_CUSTOMER, Ledger, NewHost};
use tocsin_vocabulary::{
    AlertId, AssetId, ContractId, CustomerId, FaultId, HostId, IdSource, Language, Level, PageId, PersonId, Severity,
    SiteId, Text, TicketId, Timestamp, TokenId,
};

/// 2026-11-22T00:00:00Z, in milliseconds.
const START: i64 = 1_795_305_600_000;

/// `seconds` after the start of the story.
pub(crate) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000)
}

/// A ledger of one's own.
pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) address: String,
    pub(crate) ids: IdSource,
    pub(crate) _folder: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("ledger.db").display());
        Self::open(address, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self::open(postgres::database("").await?, None).await)
    }

    async fn open(address: String, folder: Option<tempfile::TempDir>) -> Self {
        let ledger = Ledger::open(&address, at(0)).await.unwrap();
        Self {
            ledger,
            address,
            ids: IdSource::new(42),
            _folder: folder,
        }
    }

    /// Speaks to the database past the ledger.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let pool = sqlx::AnyPool::connect(&self.address).await.unwrap();
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    pub(crate) async fn host(&mut self, name: &str) -> HostRecord {
        self.host_of(name, None).await
    }

    pub(crate) async fn host_of(&mut self, name: &str, customer: Option<CustomerId>) -> HostRecord {
        let new = NewHost {
            host: HostId::next(&mut self.ids, at(0)),
            asset: AssetId::next(&mut self.ids, at(0)),
            name: String::new(),
            customer,
            facts: facts(name),
            certificate_until: at(7 * 86_400),
        };
        self.ledger.enrol_host(&new, at(1), &[]).await.unwrap()
    }

    pub(crate) async fn customer(&mut self, name: &str) -> CustomerId {
        let customer = CustomerId::next(&mut self.ids, at(0));
        let site = SiteId::next(&mut self.ids, at(0));
        let contract = ContractId::next(&mut self.ids, at(0));
        self.ledger
            .create_customer((customer, site, contract), name, at(0), &[])
            .await
            .unwrap();
        customer
    }

    pub(crate) async fn person(&mut self, login: &str, role: Role) -> Person {
        let person = Person {
            id: PersonId::next(&mut self.ids, at(0)),
            login: login.to_owned(),
            name: format!("值班员 {login}"),
            role,
            customer: (role == Role::Customer).then_some(DEFAULT_CUSTOMER),
            language: Language::Chinese,
            email: format!("{login}@example.com"),
            phone: String::new(),
            on_duty: false,
        };
        self.ledger
            .create_person(&person, "$argon2id$v=19$…", &[])
            .await
            .unwrap();
        person
    }

    pub(crate) fn alert(&mut self, host: &HostRecord, rule: &str, fault: Option<FaultId>, raised: i64) -> Alert {
        Alert {
            id: AlertId::next(&mut self.ids, at(raised)),
            rule: rule.to_owned(),
            host: host.id,
            asset: host.asset,
            instance: "system.device=sda".to_owned(),
            severity: Severity::Major,
            response: Response::Ticket,
            title: Text::new("disk is full", "磁盘已满"),
            remedy: Text::new("delete old logs", "清理旧日志"),
            metric: "system.filesystem.utilization".to_owned(),
            value: Some(0.97),
            threshold: Some(0.9),
            state: AlertState::Raised,
            occurred_at: at(raised - 5),
            raised_at: at(raised),
            cleared_at: None,
            fault,
            ruling: tocsin_desk::model::Ruling::default(),
        }
    }

    pub(crate) fn fault(&mut self, host: &HostRecord, seconds: i64) -> Fault {
        Fault {
            id: FaultId::next(&mut self.ids, at(seconds)),
            asset: host.asset,
            customer: host.customer,
            severity: Severity::Major,
            level: Level::new(2),
            title: Text::new("disk is full", "磁盘已满"),
            occurred_at: at(seconds - 5),
            discovered_at: at(seconds),
            reported_at: at(seconds),
            accepted_at: None,
            cleared_at: None,
            ticket: None,
        }
    }

    pub(crate) fn ticket(&mut self, host: &HostRecord, number: u64) -> Ticket {
        Ticket {
            id: TicketId::next(&mut self.ids, at(10)),
            number,
            kind: TicketKind::Fault,
            state: TicketState::Open,
            prior_state: None,
            title: Text::new("disk is full", "磁盘已满"),
            remedy: Text::default(),
            level: Level::new(2),
            severity: Severity::Major,
            fault: None,
            asset: host.asset,
            asset_name: host.name.clone(),
            host: Some(host.id),
            customer: host.customer,
            contract: if host.customer == DEFAULT_CUSTOMER {
                DEFAULT_CONTRACT
            } else {
                host.contract
            },
            assignee: None,
            assignee_name: None,
            clocks: vec![clock(ClockKind::Respond, 600), clock(ClockKind::Restore, 7_200)],
            reckoning: Reckoning::default(),
            page_round: 1,
            page_due_at: Some(at(310)),
            opened_at: at(10),
            updated_at: at(10),
            revision: 1,
            entry_count: 0,
        }
    }

    pub(crate) fn page(&mut self, person: PersonId, destination: &str, ticket: Option<&Ticket>) -> Page {
        let id = PageId::next(&mut self.ids, at(10));
        Page {
            id,
            key: format!("1-opened-1-{id}"),
            ticket: ticket.map(|ticket| ticket.id),
            ticket_number: ticket.map(|ticket| ticket.number),
            person,
            destination: destination.to_owned(),
            reason: PageReason::Opened,
            title: Text::new("disk is full", "磁盘已满"),
            body: Text::new("97 %", "97 %"),
            level: Level::new(2),
            drill: false,
            created_at: at(10),
            state: PageState::Queued,
            attempts: 0,
            due_at: at(10),
            sent_at: None,
            error: String::new(),
        }
    }

    pub(crate) fn enrol_token(&mut self, secret_hash: &str) -> NewEnrolToken {
        NewEnrolToken {
            id: TokenId::next(&mut self.ids, at(0)),
            secret_hash: secret_hash.to_owned(),
            host_name: "web-01".to_owned(),
            customer: None,
            made_by: "admin".to_owned(),
            made_at: at(0),
            expires_at: at(3_600),
        }
    }
}

pub(crate) const fn clock(kind: ClockKind, due: i64) -> Clock {
    Clock {
        kind,
        started_at: at(10),
        due_at: at(due),
        stopped_at: None,
        breached_at: None,
    }
}

pub(crate) fn entry(ticket: &Ticket, seq: u64, actor: Actor) -> Entry {
    Entry {
        ticket: ticket.id,
        seq,
        at: at(10 + i64::try_from(seq).unwrap()),
        actor,
        via: Via::Console,
        action: "accept".to_owned(),
        from: Some(TicketState::Open),
        to: Some(TicketState::Accepted),
        note: Text::plain("收到"),
    }
}

pub(crate) fn facts(hostname: &str) -> HostFacts {
    HostFacts {
        hostname: hostname.to_owned(),
        os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        memory_bytes: u64::MAX,
        addresses: vec!["10.0.0.7".to_owned(), "fe80::1".to_owned()],
        ..HostFacts::default()
    }
}

pub(crate) fn line(action: &str, seconds: i64) -> AuditLine {
    AuditLine {
        at: at(seconds),
        actor: "admin".to_owned(),
        via: "console".to_owned(),
        action: action.to_owned(),
        subject: "#1".to_owned(),
        detail: "值班".to_owned(),
    }
}

pub(crate) fn tickets(tickets: Vec<Ticket>) -> Effects {
    Effects {
        tickets,
        ..Effects::default()
    }
}

pub(crate) fn alerts(alerts: Vec<Alert>) -> Effects {
    Effects {
        alerts,
        ..Effects::default()
    }
}
