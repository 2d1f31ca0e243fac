//! A backend over a few values: a small duty room with a fault or two. Serves the preview and the crate's tests.

mod accounts;
mod backup_coverage;
mod backups;
mod channels;
mod documents;
mod duty;
mod evidence;
mod measurements;
pub(crate) mod papers;
mod plans;
mod records;
mod rich;
mod rulebook;

use async_trait::async_trait;
use std::{
    collections::HashMap,
    f64::consts::TAU,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_console::{
    backend::{
        Access, AnswerSeries, Change, Desk, Failure, FleetAnswer, FleetPart, FleetQuery, FleetSeries, HealthPart, Host,
        HostState, LatestTick, LatestValue, Measurements, MetricAnswer, MetricQuery, Process, Processes, Records,
        RuleView, System,
    },
    password::hash_password,
    session::secret_hash,
};
use tocsin_desk::{
    input::{Act, Action, Report},
    life,
    model::{
        Actor, Alert, AlertState, Clock, ClockKind, Entry, Fault, Page, PageReason, PageState, Person, Response, Role,
        Ticket, TicketKind, TicketState, Via,
    },
    record::{
        AlertFilter, AuditLine, Credentials, EventRecord, FaultFilter, HostFacts, HostRecord, List, PageFilter,
        PageRecord, Slice, Speaker, TicketFilter,
    },
};
use tocsin_vocabulary::{
    AlertId, AssetId, Code, ContractId, CustomerId, FaultId, HostId, Importance, Kind, Language, Level, PageId,
    PersonId, Series, Severity, SiteId, Text, TicketId, Timestamp, catalogue,
};
use tokio::sync::{broadcast, mpsc};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The customer whose people see only their own.
pub(crate) const CUSTOMER: CustomerId = CustomerId::from_bytes([0xC1; 16]);
/// Somebody else's.
pub(crate) const OTHER_CUSTOMER: CustomerId = CustomerId::from_bytes([0xC2; 16]);

/// Everything, in memory.
pub(crate) struct Fake {
    now: AtomicI64,
    random: AtomicU64,
    people: Vec<Person>,
    password_hash: String,
    hosts: Vec<Host>,
    desk: Mutex<Work>,
    doors: Mutex<Doors>,
    plans: Mutex<Vec<tocsin_desk::planned::Planned>>,
    changes: broadcast::Sender<Change>,
    /// The parts of the first host work again.
    mended: AtomicBool,
}

#[derive(Default)]
struct Work {
    tickets: Vec<Ticket>,
    entries: Vec<Entry>,
    alerts: Vec<Alert>,
    pages: Vec<Page>,
}

#[derive(Default)]
struct Doors {
    sessions: HashMap<String, Session>,
    tokens: HashMap<String, Speaker>,
    links: HashMap<String, PersonId>,
    wrong: HashMap<PersonId, u32>,
    audit: Vec<AuditLine>,
}

/// A session: whose, since when, last used by hand.
struct Session {
    person: PersonId,
    begun_at: Timestamp,
    seen_at: Timestamp,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

fn person(id: u8, login: &str, name: &str, role: Role) -> Person {
    Person {
        id: PersonId::from_bytes([id; 16]),
        login: login.to_owned(),
        name: name.to_owned(),
        role,
        customer: (role == Role::Customer).then_some(CUSTOMER),
        language: Language::Chinese,
        email: format!("{login}@example.com"),
        phone: "13800000000".to_owned(),
        on_duty: role == Role::Operator,
    }
}

fn host(id: u8, name: &str, state: HostState, now: Timestamp) -> Host {
    let customer = if id < 8 { CUSTOMER } else { OTHER_CUSTOMER };
    let seen = match state {
        HostState::Live => Some(now.minus(Duration::from_secs(3))),
        HostState::Silent => Some(now.minus(minutes(17))),
        HostState::Never | HostState::Revoked => None,
    };
    let record = HostRecord {
        id: HostId::from_bytes([id; 16]),
        asset: AssetId::from_bytes([id; 16]),
        name: name.to_owned(),
        customer,
        customer_name: if id < 8 { "市民中心" } else { "第二医院" }.to_owned(),
        contract: ContractId::from_bytes([1; 16]),
        site: SiteId::from_bytes([1; 16]),
        site_name: if id < 8 { "一号机房" } else { "门诊楼机房" }.to_owned(),
        importance: Importance::Key,
        facts: HostFacts {
            hostname: name.to_owned(),
            os: "Debian GNU/Linux 13 (trixie)".to_owned(),
            kernel: "6.12.48".to_owned(),
            architecture: "x86_64".to_owned(),
            cpu_model: "Intel(R) Xeon(R) Gold 6338".to_owned(),
            cpu_count: 16,
            memory_bytes: 64 << 30,
            machine_id: "0".repeat(64),
            boot_time: now.minus(minutes(60 * 24 * 41)),
            agent_version: "0.1.0".to_owned(),
            addresses: vec![format!("10.20.0.{id}")],
        },
        tags: vec!["生产".to_owned()],
        enrolled_at: now.minus(minutes(60 * 24 * 90)),
        certificate_until: now.plus(minutes(60 * 24 * 5)),
        generation: 12,
        revoked_at: None,
        interval_ms: 10_000,
        last_seen_at: seen,
    };
    Host {
        record,
        state,
        last_seen_at: seen,
        clock_offset_ms: Some(12),
    }
}

struct Opening<'a> {
    number: u64,
    host: &'a Host,
    title: Text,
    level: u8,
    severity: Severity,
    metric: &'a str,
    instance: &'a str,
    value: Option<f64>,
    threshold: Option<f64>,
    ago: Duration,
    respond: Duration,
}

impl Fake {
    /// A duty room at this instant; `extra` is one more host's name, as a hostile agent would send it.
    pub(crate) fn new(now: Timestamp, extra: &str) -> Self {
        let hosts = vec![
            host(1, "db-01", HostState::Live, now),
            host(2, "web-01", HostState::Live, now),
            host(3, "web-02", HostState::Live, now),
            host(4, extra, HostState::Live, now),
            host(5, "backup-01", HostState::Silent, now),
            host(6, "gateway-02", HostState::Never, now),
            host(8, "his-app-01", HostState::Live, now),
        ];
        let people = vec![
            person(0x11, "wang", "王工", Role::Operator),
            person(0x12, "li", "李工", Role::Operator),
            person(0x13, "zhao", "赵主管", Role::Administrator),
            person(0x14, "qian", "钱监督", Role::Supervisor),
            person(0x15, "sun", "孙主任", Role::Customer),
            person(0x16, "chen", "陈值班长", Role::TeamLead),
            person(0x17, "zhou", "周审计", Role::Auditor),
            person(0x18, "screen", "大屏", Role::Kiosk),
        ];
        let fake = Self {
            now: AtomicI64::new(now.as_millis()),
            random: AtomicU64::new(0),
            people,
            password_hash: hash_password(PASSWORD, &[7; 16]).unwrap_or_default(),
            hosts,
            desk: Mutex::default(),
            doors: Mutex::default(),
            plans: Mutex::default(),
            changes: broadcast::channel(64).0,
            mended: AtomicBool::new(false),
        };
        fake.open_tickets();
        fake
    }

    /// A room where nothing is wrong.
    pub(crate) fn calm(now: Timestamp) -> Self {
        let mut fake = Self::new(now, "mail-01");
        fake.hosts.retain(|host| host.state == HostState::Live);
        let mut work = lock(&fake.desk);
        work.tickets.clear();
        work.pages.clear();
        for alert in &mut work.alerts {
            alert.state = AlertState::Cleared;
            alert.cleared_at = Some(now.minus(minutes(200)));
        }
        drop(work);
        fake
    }

    /// A collector that nobody has given a host.
    pub(crate) fn bare(now: Timestamp) -> Self {
        let mut fake = Self::calm(now);
        fake.hosts.clear();
        lock(&fake.desk).alerts.clear();
        fake
    }

    fn open_tickets(&self) {
        let percent = |value: f64| Some(value);
        let (db, web, own) = (&self.hosts[0], &self.hosts[1], &self.hosts[3]);
        let silent = &self.hosts[4];
        let other = &self.hosts[6];
        let name = &own.record.name;
        self.open(Opening {
            number: 1042,
            host: db,
            title: Text::new(
                "db-01: file system /var is 97 % full",
                "db-01：文件系统 /var 使用率 97 %",
            ),
            level: 1,
            severity: Severity::Critical,
            metric: "system.filesystem.utilization",
            instance: "system.filesystem.mountpoint=/var",
            value: percent(0.97),
            threshold: percent(0.95),
            ago: minutes(18),
            respond: minutes(30),
        });
        self.open(Opening {
            number: 1041,
            host: web,
            title: Text::new("web-01: process nginx is gone", "web-01：进程 nginx 不在运行"),
            level: 2,
            severity: Severity::Major,
            metric: "tocsin.process.group.count",
            instance: "tocsin.process.group=nginx",
            value: Some(0.0),
            threshold: Some(1.0),
            ago: minutes(68),
            respond: minutes(60),
        });
        self.open(Opening {
            number: 1040,
            host: silent,
            title: Text::new("backup-01 is silent", "backup-01 失联"),
            level: 3,
            severity: Severity::Major,
            metric: "",
            instance: "",
            value: None,
            threshold: None,
            ago: minutes(15),
            respond: minutes(60),
        });
        self.open(Opening {
            number: 1039,
            host: own,
            title: Text::new(format!("{name}: CPU 93 %"), format!("{name}：CPU 使用率 93 %")),
            level: 4,
            severity: Severity::Warning,
            metric: "system.cpu.utilization",
            instance: "",
            value: percent(0.93),
            threshold: percent(0.9),
            ago: minutes(40),
            respond: minutes(60),
        });
        self.open(Opening {
            number: 1038,
            host: other,
            title: Text::new("his-app-01: memory 98 %", "his-app-01：内存使用率 98 %"),
            level: 2,
            severity: Severity::Major,
            metric: "system.memory.utilization",
            instance: "",
            value: percent(0.98),
            threshold: percent(0.95),
            ago: minutes(55),
            respond: minutes(60),
        });
        let mut work = lock(&self.desk);
        let li = self.people[1].clone();
        if let Some(ticket) = work.tickets.iter_mut().find(|ticket| ticket.number == 1041) {
            ticket.state = TicketState::Accepted;
            ticket.assignee = Some(li.id);
            ticket.assignee_name = Some(li.name.clone());
            ticket.revision = 3;
            let at = Timestamp::from_millis(self.now.load(Ordering::Relaxed)).minus(minutes(30));
            ticket.clocks[0].stopped_at = Some(at);
            ticket.clocks[0].breached_at = None;
            ticket.clocks.push(Clock {
                kind: ClockKind::Arrive,
                started_at: at,
                due_at: at.plus(minutes(120)),
                stopped_at: None,
                breached_at: None,
            });
            ticket.clocks.push(Clock {
                kind: ClockKind::Resolve,
                started_at: at,
                due_at: at.plus(minutes(240)),
                stopped_at: None,
                breached_at: None,
            });
            let id = ticket.id;
            work.entries.push(Entry {
                ticket: id,
                seq: 3,
                at,
                actor: Actor::Person(li.id, li.name),
                via: Via::Link,
                action: "accept".to_owned(),
                from: Some(TicketState::Open),
                to: Some(TicketState::Accepted),
                note: Text::default(),
            });
        }
        let (alert, host) = (work.alerts[3].clone(), self.hosts[2].record.id);
        work.alerts.push(Alert {
            id: AlertId::from_bytes([0xEE; 16]),
            host,
            title: Text::new("web-02: clock off by 3 s", "web-02：时钟偏差 3 s"),
            severity: Severity::Warning,
            rule: "clock-offset".to_owned(),
            response: Response::Notify,
            fault: None,
            ..alert
        });
    }

    fn open(&self, opening: Opening<'_>) {
        let now = Timestamp::from_millis(self.now.load(Ordering::Relaxed));
        let at = now.minus(opening.ago);
        let tag = u8::try_from(opening.number % 251).unwrap_or(0);
        let (fault, id) = (FaultId::from_bytes([tag; 16]), TicketId::from_bytes([tag; 16]));
        let record = &opening.host.record;
        let due = at.plus(opening.respond);
        let remedy = Text::new(
            "Look for large logs in /var/log, then widen the volume.",
            "先清理 /var/log 下的大日志，再扩容。",
        );
        let mut work = lock(&self.desk);
        work.alerts.push(Alert {
            id: AlertId::from_bytes([tag; 16]),
            rule: "filesystem-full".to_owned(),
            host: record.id,
            asset: record.asset,
            instance: opening.instance.to_owned(),
            severity: opening.severity,
            response: Response::Ticket,
            title: opening.title.clone(),
            remedy: remedy.clone(),
            metric: opening.metric.to_owned(),
            value: opening.value,
            threshold: opening.threshold,
            state: AlertState::Raised,
            occurred_at: at.minus(Duration::from_secs(12)),
            raised_at: at,
            cleared_at: None,
            fault: Some(fault),
            ruling: tocsin_desk::model::Ruling {
                knowledge: Some("/help/troubleshooting".to_owned()),
                version: "0123456789abcdef".to_owned(),
                ..Default::default()
            },
        });
        work.tickets.push(Ticket {
            id,
            number: opening.number,
            kind: TicketKind::Fault,
            state: TicketState::Open,
            prior_state: None,
            title: opening.title.clone(),
            remedy: remedy.clone(),
            level: Level::new(opening.level),
            severity: opening.severity,
            fault: Some(fault),
            asset: record.asset,
            asset_name: record.name.clone(),
            host: Some(record.id),
            customer: record.customer,
            contract: record.contract,
            assignee: None,
            assignee_name: None,
            clocks: vec![Clock {
                kind: ClockKind::Respond,
                started_at: at,
                due_at: due,
                stopped_at: None,
                breached_at: (due < now).then_some(due),
            }],
            reckoning: tocsin_desk::clocks::Reckoning::default(),
            page_round: 1,
            page_due_at: Some(at.plus(minutes(5))),
            opened_at: at,
            updated_at: at,
            entry_count: 1,
            revision: 1,
        });
        work.entries.push(Entry {
            ticket: id,
            seq: 1,
            at,
            actor: Actor::System,
            via: Via::System,
            action: "open".to_owned(),
            from: None,
            to: Some(TicketState::Open),
            note: opening.title.clone(),
        });
        let to = &self.people[0];
        work.pages.push(Page {
            id: PageId::from_bytes([tag; 16]),
            key: format!("{}-opened-1", opening.number),
            ticket: Some(id),
            ticket_number: Some(opening.number),
            person: to.id,
            destination: "inbox".to_owned(),
            reason: PageReason::Opened,
            title: opening.title,
            body: remedy,
            level: Level::new(opening.level),
            drill: false,
            created_at: at,
            state: PageState::Sent,
            attempts: 1,
            due_at: at,
            sent_at: Some(at),
            error: String::new(),
        });
    }

    /// Signs a person in: the secret of the session.
    pub(crate) fn signed_in(&self, login: &str) -> String {
        let secret = format!("session-of-{login}");
        if let Some(person) = self.people.iter().find(|person| person.login == login) {
            self.begin(&secret_hash(&secret), person.id);
        }
        secret
    }

    fn begin(&self, hash: &str, person: PersonId) {
        let now = self.now();
        let session = Session {
            person,
            begun_at: now,
            seen_at: now,
        };
        lock(&self.doors).sessions.insert(hash.to_owned(), session);
    }

    /// An API token of a person: its secret.
    pub(crate) fn token_of(&self, login: &str) -> String {
        let secret = format!("token-of-{login}");
        if let Some(person) = self.people.iter().find(|person| person.login == login) {
            let speaker = Speaker {
                person: person.clone(),
                role: person.role,
            };
            lock(&self.doors).tokens.insert(secret_hash(&secret), speaker);
        }
        secret
    }

    /// A one-time sign-in link of a person: its secret.
    pub(crate) fn link_of(&self, login: &str) -> String {
        let secret = format!("link-of-{login}");
        if let Some(person) = self.people.iter().find(|person| person.login == login) {
            lock(&self.doors).links.insert(secret_hash(&secret), person.id);
        }
        secret
    }

    /// The page about a ticket.
    pub(crate) fn page_of(&self, number: u64) -> PageId {
        PageId::from_bytes([u8::try_from(number % 251).unwrap_or(0); 16])
    }

    /// Puts a ticket in a state, as if long worked on.
    pub(crate) fn put(&self, number: u64, state: TicketState) {
        if let Some(ticket) = lock(&self.desk)
            .tickets
            .iter_mut()
            .find(|ticket| ticket.number == number)
        {
            ticket.state = state;
        }
    }

    /// A ticket's alerts clear now, and the desk restores it.
    pub(crate) fn restore(&self, number: u64) {
        self.mended.store(true, Ordering::Relaxed);
        self.put(number, TicketState::Restored);
        let now = self.now();
        let mut work = lock(&self.desk);
        let fault = work
            .tickets
            .iter()
            .find(|ticket| ticket.number == number)
            .and_then(|ticket| ticket.fault);
        for alert in work.alerts.iter_mut().filter(|alert| alert.fault == fault) {
            alert.state = AlertState::Cleared;
            alert.cleared_at = Some(now);
        }
    }

    /// Actions of the audit trail so far.
    pub(crate) fn audited(&self) -> Vec<String> {
        lock(&self.doors).audit.iter().map(|line| line.action.clone()).collect()
    }

    /// Time passes.
    pub(crate) fn pass(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    fn speaker(&self, id: PersonId) -> Option<Speaker> {
        let person = self.people.iter().find(|person| person.id == id)?.clone();
        Some(Speaker {
            role: person.role,
            person,
        })
    }
}

fn all<T>(items: Vec<T>) -> List<T> {
    List { items, next: None }
}
