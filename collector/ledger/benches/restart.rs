//! A hundred thousand open clocks: how long a collector that starts reads its open work, until its desk knows what is due
//! when.
//!
//! `cargo bench -p tocsin-ledger --bench restart [-- TICKETS]`, by default 50 000 with two clocks each that run and one that
//! was met. Without `--bench` (as in tests) a small run only shows that it works.
#![allow(clippy::print_stdout)] // this is a command
#![allow(clippy::disallowed_methods, reason = "a benchmark measures the time that passes")]

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, sqlite::SqliteConnectOptions};
use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};
use tocsin_desk::{
    effect::OpenWork,
    input::{Act, Action, Input, OnDuty, Report},
    model::{Actor, AssetFacts, Person, Role, TicketKind, Via},
    policy::Policy,
    step::Desk,
};
use tocsin_ledger::{Ledger, NewHost};
use tocsin_vocabulary::{AssetId, HostId, IdSource, Language, PersonId, Severity, Timestamp};

type Failing<T> = Result<T, Box<dyn Error>>;

/// 2026-11-22T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_795_305_600_000);
/// What is written of a ticket: the table, and its column that names whose row it is.
const TABLES: [(&str, &str); 7] = [
    ("fault", "id"),
    ("ticket", "id"),
    ("ticket_clock", "ticket"),
    ("ticket_reckoning", "ticket"),
    ("ticket_entry", "ticket"),
    ("ticket_mark", "ticket"),
    ("ticket_chain", "ticket"),
];
/// Starts that are measured; the slowest counts.
const TIMES: usize = 3;
/// The promise.
const MOST: Duration = Duration::from_secs(2);

/// One ticket that a person reported, accepted by that person; answers its id and its fault's.
async fn one_ticket(ledger: &Ledger) -> Failing<Vec<String>> {
    let mut ids = IdSource::new(1);
    let person = Person {
        id: PersonId::next(&mut ids, START),
        login: "wang".to_owned(),
        name: "wang".to_owned(),
        role: Role::Operator,
        customer: None,
        language: Language::default(),
        email: String::new(),
        phone: String::new(),
        on_duty: true,
    };
    ledger.create_person(&person, "", &[]).await?;
    let new = NewHost {
        host: HostId::next(&mut ids, START),
        asset: AssetId::next(&mut ids, START),
        name: "host".to_owned(),
        customer: None,
        facts: Default::default(),
        certificate_until: START,
    };
    let host = ledger.enrol_host(&new, START, &[]).await?;
    let asset = AssetFacts {
        asset: host.asset,
        name: host.name.clone(),
        customer: host.customer,
        contract: host.contract,
        site: host.site,
        importance: host.importance,
    };
    let actor = Actor::Person(person.id, person.name.clone());
    let mut desk = Desk::new(Policy::basic(), ids, OpenWork::default(), Vec::<OnDuty>::new());
    let report = Report {
        actor: actor.clone(),
        via: Via::Console,
        kind: TicketKind::Fault,
        asset,
        title: "/srv is full".to_owned(),
        severity: Severity::Major,
        occurred_at: None,
    };
    let opened = desk.step(Input::Report(report), START)?;
    ledger.commit(&opened, &[]).await?;
    let ticket = opened.tickets.first().ok_or("a report opens a ticket")?;
    let act = Act {
        ticket: ticket.id,
        actor,
        via: Via::Console,
        action: Action::Accept,
        revision: None,
    };
    let accepted = desk.step(Input::Act(act), START.plus(Duration::from_secs(60)))?;
    ledger.commit(&accepted, &[]).await?;
    let fault = ticket.fault.map(|fault| fault.to_string());
    Ok([ticket.id.to_string()].into_iter().chain(fault).collect())
}

/// Copies the one ticket with all its rows until there are so many: what the desk wrote for it, with other ids and
/// numbers, in one transaction. Written one by one they would take longer than all that is measured.
async fn multiply(path: &Path, ids: &[String], count: usize) -> Failing<()> {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(false);
    let mut connection = options.connect().await?;
    let mut tx = connection.begin().await?;
    let named = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    for (table, owner) in TABLES {
        let columns = sqlx::query(AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")));
        let columns = columns.fetch_all(&mut *tx).await?;
        let mut cells = Vec::new();
        for column in &columns {
            let column: String = column.try_get("name")?;
            cells.push(match column.as_str() {
                "number" => "n".to_owned(),
                // The last 48 bits of an id are random.
                column => format!(
                    "CASE WHEN {column} IN ({named}) THEN substr({column}, 1, 24) || printf('%012x', n) ELSE {column} END"
                ),
            });
        }
        let copy = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
             INSERT INTO {table} SELECT {} FROM {table}, numbers WHERE {owner} IN ({named})",
            cells.join(", ")
        );
        sqlx::query(AssertSqlSafe(copy)).execute(&mut *tx).await?;
    }
    sqlx::query(AssertSqlSafe(format!(
        "UPDATE counter SET value = {count} WHERE name = 'ticket'"
    )))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    connection.close().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Failing<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measured = arguments.iter().any(|argument| argument == "--bench");
    let given = arguments.iter().find_map(|argument| argument.parse::<usize>().ok());
    let count = given.unwrap_or(if measured { 50_000 } else { 40 });
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    let address = format!("sqlite:{}", path.display());
    let ledger = Ledger::open(&address, START).await?;
    let ids = one_ticket(&ledger).await?;
    ledger.close().await;
    drop(ledger);
    let began = Instant::now();
    multiply(&path, &ids, count).await?;
    println!("{count} tickets written in {:.2?}", began.elapsed());
    let ledger = Ledger::open(&address, START).await?;
    let mut slowest = Duration::ZERO;
    for _ in 0..TIMES {
        let began = Instant::now();
        let work = ledger.load_open_work().await?;
        let read = began.elapsed();
        let clocks = work.tickets.iter().flat_map(|ticket| &ticket.clocks);
        let running = clocks.filter(|clock| clock.stopped_at.is_none()).count();
        let desk = Desk::new(Policy::basic(), IdSource::new(3), work, Vec::new());
        let took = began.elapsed();
        println!("{count} tickets, {running} clocks run: read in {read:.2?}, the desk stands after {took:.2?}");
        if desk.next_due().is_none() || running < 2 * count {
            return Err(format!("{running} clocks run, next due {:?}", desk.next_due()).into());
        }
        slowest = slowest.max(took);
    }
    if measured && slowest > MOST {
        return Err(format!("{slowest:.2?} is more than {MOST:.0?}").into());
    }
    Ok(())
}
