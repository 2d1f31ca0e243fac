//! A backend over a few values: a small duty room with a fault or two. Serves the preview and the crate's tests.

use async_trait::async_trait;
use std::{
    collections::HashMap,
    f64::consts::TAU,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_console::{
    backend::{
        Access, AnswerSeries, Change, Desk, Failure, HealthPart, Host, HostState, LatestTick, LatestValue,
        Measurements, MetricAnswer, MetricQuery, Process, Processes, Records, RuleView, System,
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
use tokio::sync::broadcast;

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
    changes: broadcast::Sender<Change>,
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
        ];
        let fake = Self {
            now: AtomicI64::new(now.as_millis()),
            random: AtomicU64::new(0),
            people,
            password_hash: hash_password(PASSWORD, &[7; 16]).unwrap_or_default(),
            hosts,
            desk: Mutex::default(),
            doors: Mutex::default(),
            changes: broadcast::channel(64).0,
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

#[async_trait]
impl Records for Fake {
    async fn tickets(&self, filter: &TicketFilter) -> Result<List<Ticket>, Failure> {
        let work = lock(&self.desk);
        let fits = |ticket: &&Ticket| {
            (filter.states.is_empty() || filter.states.contains(&ticket.state))
                && filter.host.is_none_or(|host| ticket.host == Some(host))
                && filter.customer.is_none_or(|customer| ticket.customer == customer)
        };
        Ok(all(work.tickets.iter().filter(fits).cloned().collect()))
    }
    async fn ticket(&self, number: u64) -> Result<Option<Ticket>, Failure> {
        Ok(lock(&self.desk)
            .tickets
            .iter()
            .find(|ticket| ticket.number == number)
            .cloned())
    }
    async fn ticket_by_id(&self, id: TicketId) -> Result<Option<Ticket>, Failure> {
        Ok(lock(&self.desk).tickets.iter().find(|ticket| ticket.id == id).cloned())
    }
    async fn entries(&self, ticket: TicketId) -> Result<Vec<Entry>, Failure> {
        Ok(lock(&self.desk)
            .entries
            .iter()
            .filter(|entry| entry.ticket == ticket)
            .cloned()
            .collect())
    }
    async fn alerts(&self, filter: &AlertFilter) -> Result<List<Alert>, Failure> {
        let customer = |alert: &Alert| {
            self.hosts
                .iter()
                .find(|host| host.record.id == alert.host)
                .map(|host| host.record.customer)
        };
        let fits = |alert: &&Alert| {
            filter.state.is_none_or(|state| alert.state == state)
                && filter.host.is_none_or(|host| alert.host == host)
                && (filter.customer.is_none() || customer(alert) == filter.customer)
        };
        Ok(all(lock(&self.desk).alerts.iter().filter(fits).cloned().collect()))
    }
    async fn alerts_of_ticket(&self, ticket: TicketId) -> Result<Vec<Alert>, Failure> {
        let work = lock(&self.desk);
        let fault = work
            .tickets
            .iter()
            .find(|row| row.id == ticket)
            .and_then(|row| row.fault);
        Ok(work
            .alerts
            .iter()
            .filter(|alert| fault.is_some() && alert.fault == fault)
            .cloned()
            .collect())
    }
    async fn faults(&self, filter: &FaultFilter) -> Result<List<Fault>, Failure> {
        let work = lock(&self.desk);
        let of = |ticket: &Ticket| Fault {
            id: ticket.fault.unwrap_or(FaultId::from_bytes([0; 16])),
            asset: ticket.asset,
            customer: ticket.customer,
            severity: ticket.severity,
            level: ticket.level,
            title: ticket.title.clone(),
            occurred_at: ticket.opened_at,
            discovered_at: ticket.opened_at,
            reported_at: ticket.opened_at,
            accepted_at: None,
            cleared_at: None,
            ticket: Some(ticket.id),
        };
        let fits = |ticket: &&Ticket| filter.customer.is_none_or(|customer| ticket.customer == customer);
        Ok(all(work.tickets.iter().filter(fits).map(of).collect()))
    }
    async fn pages(&self, filter: &PageFilter) -> Result<List<PageRecord>, Failure> {
        let fits = |page: &&Page| {
            filter.person.is_none_or(|person| page.person == person)
                && filter.ticket.is_none_or(|ticket| page.ticket == Some(ticket))
        };
        let work = lock(&self.desk);
        let record = |page: &Page| PageRecord {
            page: page.clone(),
            person_name: "王工".to_owned(),
        };
        Ok(all(work.pages.iter().filter(fits).map(record).collect()))
    }
    async fn page(&self, id: PageId) -> Result<Option<PageRecord>, Failure> {
        let work = lock(&self.desk);
        let page = work.pages.iter().find(|page| page.id == id);
        Ok(page.map(|page| PageRecord {
            page: page.clone(),
            person_name: "王工".to_owned(),
        }))
    }
    async fn events(&self, _: HostId, from: Timestamp) -> Result<Vec<EventRecord>, Failure> {
        let event = |seq, name: &str, key: &str, about: &str, ago, severity| EventRecord {
            seq,
            at: self.now().minus(minutes(ago)),
            received_at: self.now().minus(minutes(ago)),
            name: name.to_owned(),
            severity,
            attributes: [(key.to_owned(), about.to_owned())].into(),
            body: format!("{name} {about}"),
        };
        let mut events = vec![
            event(
                4,
                "process.group.gone",
                "tocsin.process.group",
                "nginx",
                20,
                Severity::Major,
            ),
            event(
                3,
                "<b>new</b>.kind",
                "x",
                "<script>alert('event')</script>",
                60,
                Severity::Info,
            ),
            event(
                2,
                "network.link.down",
                "network.interface.name",
                "eth1",
                90,
                Severity::Major,
            ),
            event(1, "agent.started", "version", "0.1.0", 60 * 30, Severity::Info),
        ];
        events.retain(|event| event.at >= from);
        Ok(events)
    }
    async fn people(&self) -> Result<Vec<Person>, Failure> {
        Ok(self.people.clone())
    }
    async fn audit_lines(&self, _: &Slice) -> Result<List<AuditLine>, Failure> {
        Ok(all(lock(&self.doors).audit.iter().rev().cloned().collect()))
    }
}

#[async_trait]
impl Access for Fake {
    async fn credentials(&self, login: &str) -> Result<Option<Credentials>, Failure> {
        let person = self.people.iter().find(|person| person.login == login).cloned();
        let doors = lock(&self.doors);
        Ok(person.map(|person| {
            let locked = doors.wrong.get(&person.id).is_some_and(|wrong| *wrong >= 5);
            let locked_until = locked.then(|| self.now().plus(minutes(15)));
            Credentials {
                person,
                password_hash: self.password_hash.clone(),
                locked_until,
            }
        }))
    }
    async fn sign_in_failed(&self, person: PersonId, _: Timestamp) -> Result<bool, Failure> {
        let mut doors = lock(&self.doors);
        let wrong = doors.wrong.entry(person).or_default();
        *wrong += 1;
        Ok(*wrong >= 5)
    }
    async fn begin_session(&self, secret_hash: &str, person: PersonId, _: Timestamp) -> Result<(), Failure> {
        self.begin(secret_hash, person);
        Ok(())
    }
    async fn session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        let mut doors = lock(&self.doors);
        let session = doors.sessions.get_mut(secret_hash);
        let session = session.filter(|session| now.since(session.seen_at) < minutes(15));
        Ok(session.and_then(|session| {
            session.seen_at = now;
            self.speaker(session.person)
        }))
    }
    async fn peek_session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        let doors = lock(&self.doors);
        let session = doors.sessions.get(secret_hash);
        let session = session.filter(|session| now.since(session.begun_at) < minutes(12 * 60));
        Ok(session.and_then(|session| self.speaker(session.person)))
    }
    async fn end_session(&self, secret_hash: &str) -> Result<(), Failure> {
        lock(&self.doors).sessions.remove(secret_hash);
        Ok(())
    }
    async fn api_token(&self, secret_hash: &str, _: Timestamp) -> Result<Option<Speaker>, Failure> {
        Ok(lock(&self.doors).tokens.get(secret_hash).cloned())
    }
    async fn redeem_sign_in_link(&self, secret_hash: &str, _: Timestamp) -> Result<Option<Person>, Failure> {
        let person = lock(&self.doors).links.remove(secret_hash);
        Ok(person
            .and_then(|person| self.speaker(person))
            .map(|speaker| speaker.person))
    }
    async fn audit(&self, line: AuditLine) -> Result<(), Failure> {
        lock(&self.doors).audit.push(line);
        Ok(())
    }
    fn link_key(&self) -> [u8; 32] {
        [9; 32]
    }
}

#[async_trait]
impl Desk for Fake {
    async fn act(&self, act: Act) -> Result<Ticket, Failure> {
        let now = self.now();
        let mut work = lock(&self.desk);
        let missing = || Failure::new(Code::NotFound, "no such ticket");
        let ticket = work
            .tickets
            .iter_mut()
            .find(|ticket| ticket.id == act.ticket)
            .ok_or_else(missing)?;
        if act.revision.is_some_and(|revision| revision != ticket.revision) {
            return Err(Failure::new(
                Code::Conflict,
                "the ticket has moved on: look at it again",
            ));
        }
        let from = ticket.state;
        let (to, prior) = life::next(from, ticket.prior_state, act.action.kind())
            .map_err(|illegal| Failure::new(Code::Conflict, illegal.to_string()))?;
        (ticket.state, ticket.prior_state) = (to, prior);
        ticket.revision += 1;
        if let (Action::Accept, Actor::Person(id, name)) = (&act.action, &act.actor) {
            ticket.assignee = Some(*id);
            ticket.assignee_name = Some(name.clone());
            ticket.clocks[0].stopped_at = Some(now);
        }
        let note = match &act.action {
            Action::Note { text } => text.clone(),
            Action::Wait { reason, .. } | Action::Cancel { reason } | Action::Reopen { reason } => reason.clone(),
            Action::Resolve { cause, solution } => format!("{cause} / {solution}"),
            _ => String::new(),
        };
        let ticket = ticket.clone();
        work.entries.push(Entry {
            ticket: ticket.id,
            seq: ticket.revision,
            at: now,
            actor: act.actor,
            via: act.via,
            action: act.action.kind().as_str().to_owned(),
            from: Some(from),
            to: Some(to),
            note: Text::plain(note),
        });
        let _ = self.changes.send(Change::Desk);
        Ok(ticket)
    }
    async fn report(&self, report: Report) -> Result<Ticket, Failure> {
        let missing = || Failure::new(Code::NotFound, "no such host");
        let host = self
            .hosts
            .iter()
            .find(|host| host.record.asset == report.asset.asset)
            .ok_or_else(missing)?;
        let number = 2000;
        let title = Text::plain(report.title);
        self.open(Opening {
            number,
            host,
            title,
            level: 3,
            severity: report.severity,
            metric: "",
            instance: "",
            value: None,
            threshold: None,
            ago: Duration::ZERO,
            respond: minutes(60),
        });
        self.ticket(number).await?.ok_or_else(missing)
    }
}

/// Attributes that a fake host has for a metric: one list per series.
fn shapes(metric: &str) -> Vec<Vec<(&'static str, &'static str)>> {
    match metric {
        "system.cpu.utilization" => vec![vec![], vec![("cpu.mode", "iowait")], vec![("cpu.mode", "system")]],
        "system.memory.utilization" => vec![vec![("system.memory.state", "used")]],
        "system.cpu.load_average.1m" | "system.cpu.load_average.5m" => vec![vec![]],
        "tocsin.pressure.share" => ["cpu", "memory", "io"]
            .map(|resource| {
                vec![
                    ("tocsin.pressure.resource", resource),
                    ("tocsin.pressure.stall", "some"),
                    ("tocsin.pressure.window", "10s"),
                ]
            })
            .to_vec(),
        "system.filesystem.utilization" => ["/", "/var", "/<script>alert('mount')</script>"]
            .map(|mount| {
                vec![
                    ("system.filesystem.mountpoint", mount),
                    ("system.filesystem.state", "used"),
                ]
            })
            .to_vec(),
        "system.disk.io" => ["read", "write"]
            .map(|way| vec![("disk.io.direction", way), ("system.device", "sda")])
            .to_vec(),
        "system.disk.io_time" => vec![vec![("system.device", "sda")]],
        "system.network.io" => ["receive", "transmit"]
            .map(|way| vec![("network.interface.name", "eth0"), ("network.io.direction", way)])
            .to_vec(),
        "tocsin.process.group.count" => vec![vec![("tocsin.process.group", "nginx")]],
        _ => Vec::new(),
    }
}

/// A plausible value: a daily swing, a ripple, and trouble near the end for what has trouble.
fn value(metric: &str, line: usize, host: HostId, at: Timestamp, now: Timestamp) -> f64 {
    let seed = f64::from(host.as_bytes()[0]) + line as f64 * 1.7;
    let hours = at.as_millis() as f64 / 3_600_000.0;
    let noise = ((hours * 977.0 + seed * 31.0).sin() * 43_758.545_3).fract().abs();
    let swing = 0.5 + 0.35 * (hours * TAU / 6.0 + seed).sin() + 0.15 * noise;
    let late = (20.0 * 60_000.0 - (now.as_millis() - at.as_millis()) as f64).max(0.0) / (20.0 * 60_000.0);
    match metric {
        "system.cpu.utilization" => [0.18 + 0.25 * swing + 0.4 * late, 0.02 * swing, 0.06 * swing][line.min(2)],
        "system.memory.utilization" => 0.61 + 0.04 * swing,
        "system.filesystem.utilization" => [0.42, 0.9 + 0.07 * late.sqrt(), 0.18][line.min(2)],
        "system.disk.io" => 4e6 * swing * (1.0 + line as f64 + 4.0 * late),
        "system.network.io" => 2e6 * swing * (1.0 + line as f64),
        "tocsin.pressure.share" => 0.03 * swing * (1.0 + line as f64 + 6.0 * late),
        "tocsin.process.group.count" => {
            if late > 0.1 {
                0.0
            } else {
                4.0
            }
        }
        "system.disk.io_time" => 0.2 * swing + 0.6 * late,
        _ => 1.0 + 2.0 * swing + 6.0 * late,
    }
}

fn series(metric: &str, attributes: &[(&str, &str)]) -> Series {
    match catalogue::metric(metric) {
        Some(metric) => metric.series(attributes),
        None => Series {
            name: metric.to_owned(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".to_owned(),
            decimals: 2,
        },
    }
}

#[async_trait]
impl Measurements for Fake {
    async fn hosts(&self) -> Result<Vec<Host>, Failure> {
        Ok(self.hosts.clone())
    }
    async fn host(&self, id: HostId) -> Result<Option<Host>, Failure> {
        Ok(self.hosts.iter().find(|host| host.record.id == id).cloned())
    }
    async fn query(&self, query: &MetricQuery) -> Result<MetricAnswer, Failure> {
        let now = self.now();
        let step = query
            .step
            .unwrap_or(Duration::from_secs(10))
            .max(Duration::from_secs(1));
        let span = query.to.since(query.from);
        // A quarter-way in, the host was not heard for a while.
        let gap = (query.from.plus(span / 4), query.from.plus(span / 4 + span / 16));
        let mut answer = MetricAnswer {
            series: Vec::new(),
            not_observed: vec![gap],
        };
        for (line, attributes) in shapes(&query.metric).into_iter().enumerate() {
            let series = series(&query.metric, &attributes);
            if !query
                .attributes
                .iter()
                .all(|(key, wanted)| series.attribute(key) == Some(wanted))
            {
                continue;
            }
            let mut points = Vec::new();
            let mut at = query.from;
            while at < query.to {
                let known = at < gap.0 || at >= gap.1;
                points.push((at, known.then(|| value(&query.metric, line, query.host, at, now))));
                at = at.plus(step);
            }
            let unit = if series.kind == Kind::Counter {
                format!("{}/s", series.unit)
            } else {
                series.unit.clone()
            };
            answer.series.push(AnswerSeries { series, unit, points });
        }
        Ok(answer)
    }
    async fn latest(&self, host: HostId) -> Result<Option<LatestTick>, Failure> {
        let now = self.now();
        let metrics = [
            "system.cpu.utilization",
            "system.memory.utilization",
            "system.filesystem.utilization",
            "system.cpu.load_average.1m",
        ];
        let values = metrics.iter().flat_map(|metric| {
            shapes(metric)
                .into_iter()
                .enumerate()
                .map(move |(line, attributes)| LatestValue {
                    series: series(metric, &attributes),
                    value: Some(value(metric, line, host, now, now)),
                })
        });
        Ok(Some(LatestTick {
            time: now,
            values: values.collect(),
        }))
    }
    async fn processes(&self, _: HostId) -> Result<Option<Processes>, Failure> {
        let process = |pid: u32, name: &str, user: &str, cpu_ratio: f64, memory: u64, command: &str| Process {
            pid,
            name: name.to_owned(),
            user: user.to_owned(),
            cpu_ratio,
            memory_bytes: memory << 20,
            state: "S".to_owned(),
            command: command.to_owned(),
        };
        Ok(Some(Processes {
            time: self.now(),
            total: 214,
            processes: vec![
                process(
                    1823,
                    "postgres",
                    "postgres",
                    1.42,
                    8_420,
                    "/usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/17/main",
                ),
                process(
                    2210,
                    "<script>alert('process')</script>",
                    "root",
                    0.31,
                    64,
                    "<img src=x onerror=alert(1)>",
                ),
                process(911, "rsyslogd", "root", 0.04, 12, "/usr/sbin/rsyslogd -n -iNONE"),
                process(1, "systemd", "root", 0.001, 14, "/sbin/init"),
            ],
        }))
    }
}

#[async_trait]
impl System for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }
    fn random(&self, bytes: &mut [u8]) {
        let n = self
            .random
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(self.now().as_millis().unsigned_abs());
        for (byte, from) in bytes.iter_mut().zip(n.to_le_bytes().into_iter().cycle()) {
            *byte = from;
        }
    }
    async fn rules(&self) -> Result<Vec<RuleView>, Failure> {
        let rule = |name: &str, metric: &str, threshold: f64, severity, title: Text, raised| RuleView {
            name: name.to_owned(),
            file: "hosts.toml".to_owned(),
            text: format!("[[rule]]\nname = \"{name}\"\nmetric = \"{metric}\"\nabove = {threshold}\nfor = \"1m\"\n"),
            severity,
            action: "ticket".to_owned(),
            title,
            metric: metric.to_owned(),
            threshold: Some(threshold),
            raised,
            pending: 0,
        };
        Ok(vec![
            rule(
                "filesystem-full",
                "system.filesystem.utilization",
                0.95,
                Severity::Critical,
                Text::new("A file system is nearly full", "文件系统将满"),
                1,
            ),
            rule(
                "cpu-busy",
                "system.cpu.utilization",
                0.9,
                Severity::Warning,
                Text::new("CPU is busy for long", "CPU 持续繁忙"),
                1,
            ),
            rule(
                "memory-full",
                "system.memory.utilization",
                0.95,
                Severity::Major,
                Text::new("Memory is nearly used up", "内存将耗尽"),
                1,
            ),
        ])
    }
    async fn health(&self) -> Vec<HealthPart> {
        ["journal", "ledger", "desk", "channels", "ingest"]
            .map(|name| HealthPart {
                name: name.to_owned(),
                healthy: true,
                detail: "ok".to_owned(),
            })
            .to_vec()
    }
    async fn prometheus(&self) -> String {
        "# TYPE tocsin_ticks_total counter\ntocsin_ticks_total 42\n".to_owned()
    }
    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
