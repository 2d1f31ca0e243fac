//! What the console asks, answered by ledger, metric store, desk engine and ingest.

mod accounts;
mod backup_coverage;
mod backups;
mod channels;
mod duty;
mod evidence;
mod papers;
mod plans;
mod rulebook;
mod trials;

use crate::{
    backups::Backups as BackupJobs,
    calendars,
    channel_watch::ChannelWatch,
    clock::{self, Clock},
    diagnoses::{Asker, Diagnoses},
    duty::Room,
    engine::EngineHandle,
    ingest::Capacity,
    live::{Live, Refusal},
    outbox::Failing,
    retention,
    rules_files::RulesFolder,
    supervise::Tasks,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use std::{collections::HashMap, fmt::Write as _, ops::ControlFlow, sync::Arc, time::Duration};
use tocsin_console::backend::{
    Access, Across, Aggregate, AnswerSeries, Change, Desk, Documents, FLEET_PARTS, Failure, FleetAnswer, FleetPart,
    FleetQuery, FleetSeries, HealthPart, Host, HostState, LatestTick, LatestValue, Measurements, MetricAnswer,
    MetricQuery, Processes, Rank, Records, RuleView, System,
};
use tocsin_desk::{
    calendar::Calendars,
    input::{Act, Report},
    model::{Alert, Entry, Fault, Person, Ticket},
    record::{
        AlertFilter, AuditLine, Credentials, DiagnosisRecord, DocumentRecord, EventRecord, FaultFilter, HostRecord,
        List, PageFilter, PageRecord, Slice, Speaker, TicketFilter,
    },
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_metrics::{QueryError, SeriesData, Store};
use tocsin_prometheus::Exports;
use tocsin_vocabulary::{
    Code, DiagnosisId, DocumentId, HostId, PageId, PersonId, Series, TicketId, Timestamp, catalogue,
};
use tokio::sync::{broadcast, mpsc};

/// A host whose ticks have been away for this many intervals is silent, and at least this long.
const SILENT_INTERVALS: u32 = 3;
const SILENT_LEAST: Duration = Duration::from_secs(10);

/// Everything that pages and API ask.
pub struct Wired {
    /// Registers and work.
    pub ledger: Arc<Ledger>,
    /// Samples.
    pub store: Arc<Store>,
    /// Desk and rules.
    pub engine: EngineHandle,
    /// Presence.
    pub live: Arc<Live>,
    /// The shell's clock.
    pub clock: Clock,
    /// Signs the links of pages.
    pub link_key: [u8; 32],
    /// Health of the tasks.
    pub tasks: Tasks,
    /// Pages that could not be sent.
    pub failing: Arc<Failing>,
    /// Whether the ledger takes what is written every minute.
    pub ledger_writes: LedgerWrites,
    /// What ingest can take now.
    pub capacity: Arc<Capacity>,
    /// What is passed on to other stores of metrics.
    pub exports: Exports,
    /// Asks agents for diagnostic snapshots.
    pub diagnoses: Arc<Diagnoses>,
    /// The calendars that count.
    pub calendars: Arc<ArcSwap<Calendars>>,
    /// The folder of rules.
    pub rules: RulesFolder,
    /// How the channels do.
    pub channels: Arc<ChannelWatch>,
    /// Backup jobs.
    pub backups: Arc<BackupJobs>,
    /// What people do in the duty room.
    pub room: Arc<Room>,
}

/// Whether the ledger took the last thing that is written regularly.
#[derive(Debug, Clone, Default)]
pub struct LedgerWrites(Arc<ArcSwapOption<String>>);

impl LedgerWrites {
    /// It did.
    pub fn well(&self) {
        self.0.store(None);
    }

    /// It did not.
    pub fn failed(&self, error: &LedgerError) {
        self.0.store(Some(Arc::new(error.to_string())));
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

#[async_trait]
impl Records for Wired {
    async fn tickets(&self, filter: &TicketFilter) -> Result<List<Ticket>, Failure> {
        self.ledger.tickets(filter).await.map_err(failed)
    }
    async fn ticket(&self, number: u64) -> Result<Option<Ticket>, Failure> {
        self.ledger.ticket(number).await.map_err(failed)
    }
    async fn ticket_by_id(&self, id: TicketId) -> Result<Option<Ticket>, Failure> {
        self.ledger.ticket_by_id(id).await.map_err(failed)
    }
    async fn entries(&self, ticket: TicketId) -> Result<Vec<Entry>, Failure> {
        self.ledger.entries(ticket).await.map_err(failed)
    }
    async fn last_acts(&self, tickets: &[TicketId]) -> Result<Vec<Entry>, Failure> {
        self.ledger.last_acts(tickets).await.map_err(failed)
    }
    async fn alerts(&self, filter: &AlertFilter) -> Result<List<Alert>, Failure> {
        self.ledger.alerts(filter).await.map_err(failed)
    }
    async fn alerts_of_ticket(&self, ticket: TicketId) -> Result<Vec<Alert>, Failure> {
        self.ledger.alerts_of_ticket(ticket).await.map_err(failed)
    }
    async fn faults(&self, filter: &FaultFilter) -> Result<List<Fault>, Failure> {
        self.ledger.faults(filter).await.map_err(failed)
    }
    async fn pages(&self, filter: &PageFilter) -> Result<List<PageRecord>, Failure> {
        self.ledger.pages(filter).await.map_err(failed)
    }
    async fn page(&self, id: PageId) -> Result<Option<PageRecord>, Failure> {
        self.ledger.page(id).await.map_err(failed)
    }
    async fn events(&self, host: HostId, from: Timestamp) -> Result<Vec<EventRecord>, Failure> {
        self.ledger.events(host, from).await.map_err(failed)
    }
    async fn people(&self) -> Result<Vec<Person>, Failure> {
        self.ledger.people().await.map_err(failed)
    }
    async fn audit_lines(&self, slice: &Slice) -> Result<List<AuditLine>, Failure> {
        self.ledger.audit_lines(slice).await.map_err(failed)
    }
}

#[async_trait]
impl Access for Wired {
    async fn credentials(&self, login: &str) -> Result<Option<Credentials>, Failure> {
        self.ledger.credentials(login).await.map_err(failed)
    }
    async fn sign_in_failed(&self, person: PersonId, now: Timestamp) -> Result<bool, Failure> {
        self.ledger.sign_in_failed(person, now).await.map_err(failed)
    }
    async fn begin_session(&self, secret_hash: &str, person: PersonId, now: Timestamp) -> Result<(), Failure> {
        self.ledger
            .begin_session(secret_hash, person, now)
            .await
            .map_err(failed)
    }
    async fn session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        self.ledger.session(secret_hash, now).await.map_err(failed)
    }
    async fn peek_session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        self.ledger.peek_session(secret_hash, now).await.map_err(failed)
    }
    async fn end_session(&self, secret_hash: &str) -> Result<(), Failure> {
        self.ledger.end_session(secret_hash).await.map_err(failed)
    }
    async fn api_token(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        self.ledger.api_token(secret_hash, now).await.map_err(failed)
    }
    async fn redeem_sign_in_link(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Person>, Failure> {
        self.ledger.redeem_sign_in_link(secret_hash, now).await.map_err(failed)
    }
    async fn audit(&self, line: AuditLine) -> Result<(), Failure> {
        self.ledger.audit(line).await.map_err(failed)
    }
    fn link_key(&self) -> [u8; 32] {
        self.link_key
    }
}

#[async_trait]
impl Documents for Wired {
    async fn documents(&self, host: HostId) -> Result<Vec<DocumentRecord>, Failure> {
        self.ledger.documents(host).await.map_err(failed)
    }
    async fn document_versions(&self, host: HostId, kind: &str, name: &str) -> Result<Vec<DocumentRecord>, Failure> {
        self.ledger.document_versions(host, kind, name).await.map_err(failed)
    }
    async fn document(&self, host: HostId, id: DocumentId) -> Result<Option<(DocumentRecord, Vec<u8>)>, Failure> {
        self.ledger.document(host, id).await.map_err(failed)
    }
    async fn diagnoses(&self, host: HostId) -> Result<Vec<DiagnosisRecord>, Failure> {
        self.ledger.diagnoses(host).await.map_err(failed)
    }
    async fn diagnoses_of_ticket(&self, ticket: TicketId) -> Result<Vec<DiagnosisRecord>, Failure> {
        self.ledger.diagnoses_of_ticket(ticket).await.map_err(failed)
    }
    async fn ask_diagnosis(
        &self,
        host: HostId,
        ticket: Option<TicketId>,
        person: &Person,
        via: &'static str,
    ) -> Result<DiagnosisId, Failure> {
        let who = person.login.as_str();
        self.diagnoses.ask(host, ticket, Asker { who, via }).await
    }
}

#[async_trait]
impl Desk for Wired {
    async fn act(&self, act: Act) -> Result<Ticket, Failure> {
        self.room.work(act).await
    }
    async fn report(&self, report: Report) -> Result<Ticket, Failure> {
        self.engine.report(report).await
    }
}

impl Wired {
    fn present(&self, record: HostRecord, now: Timestamp) -> Host {
        let presence = self.live.presence(record.id);
        let last_seen_at = presence.last_seen_at.or(record.last_seen_at);
        let interval = Duration::from_millis(presence.interval_ms.max(record.interval_ms).max(1));
        let deadline = (interval * SILENT_INTERVALS).max(SILENT_LEAST);
        let state = match last_seen_at {
            _ if record.revoked_at.is_some() => HostState::Revoked,
            None => HostState::Never,
            Some(seen) if now.since(seen) > deadline => HostState::Silent,
            Some(_) => HostState::Live,
        };
        Host {
            record,
            state,
            last_seen_at,
            clock_offset_ms: presence.clock_offset_ms,
        }
    }

    /// Runs a read of the store off the runtime's threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || read(&store))
            .await
            .map_err(|error| Failure::new(Code::Internal, error.to_string()))?
    }
}

fn refused(error: &QueryError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn told(found: SeriesData) -> FleetSeries {
    FleetSeries {
        host: found.host,
        min: found.min,
        max: found.max,
        line: AnswerSeries {
            unit: found.unit.to_string(),
            points: found.points,
            series: Series {
                decimals: catalogue::metric(&found.name).map_or(0, |metric| metric.decimals),
                name: found.name,
                attributes: found.attributes,
                kind: found.kind,
                unit: found.unit,
            },
        },
    }
}

#[async_trait]
impl Measurements for Wired {
    async fn hosts(&self) -> Result<Vec<Host>, Failure> {
        let now = (self.clock)();
        let records = self.ledger.hosts().await.map_err(failed)?;
        Ok(records.into_iter().map(|record| self.present(record, now)).collect())
    }

    async fn host(&self, id: HostId) -> Result<Option<Host>, Failure> {
        let now = (self.clock)();
        let record = self.ledger.host(id).await.map_err(failed)?;
        Ok(record.map(|record| self.present(record, now)))
    }

    async fn query(&self, query: &MetricQuery) -> Result<MetricAnswer, Failure> {
        let asked = tocsin_metrics::Query {
            hosts: vec![query.host],
            attributes: query.attributes.clone(),
            step: query.step,
            aggregate: query.aggregate.map(aggregate),
            ..tocsin_metrics::Query::new(query.metric.clone(), query.from, before(query.to))
        };
        self.read(move |store| {
            let answer = store.query(&asked).map_err(|error| refused(&error))?;
            Ok(MetricAnswer {
                series: answer.series.into_iter().map(|found| told(found).line).collect(),
                not_observed: answer.not_observed,
            })
        })
        .await
    }

    async fn fleet_query(&self, query: &FleetQuery) -> Result<FleetAnswer, Failure> {
        let asked = tocsin_metrics::Query {
            hosts: query.hosts.clone(),
            metrics: query.metrics.clone(),
            attributes: query.attributes.clone(),
            step: query.step,
            aggregate: query.aggregate.map(aggregate),
            group_by: query.group_by.clone(),
            across: match query.across {
                Across::Sum => tocsin_metrics::Across::Sum,
                Across::Avg => tocsin_metrics::Across::Avg,
                Across::Min => tocsin_metrics::Across::Min,
                Across::Max => tocsin_metrics::Across::Max,
                Across::Count => tocsin_metrics::Across::Count,
                Across::Quantile(q) => tocsin_metrics::Across::Quantile(q),
            },
            top: query.top.map(|top| tocsin_metrics::Top {
                k: top.k,
                by: match top.by {
                    Rank::Max => tocsin_metrics::Rank::Max,
                    Rank::Min => tocsin_metrics::Rank::Min,
                    Rank::Avg => tocsin_metrics::Rank::Avg,
                    Rank::Last => tocsin_metrics::Rank::Last,
                },
                lowest: top.lowest,
            }),
            ..tocsin_metrics::Query::new(String::new(), query.from, before(query.to))
        };
        let (sender, receiver) = mpsc::channel(FLEET_PARTS);
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let answered = store.query_each(&asked, &mut |found| {
                // Nobody waits for it any more when this fails.
                match sender.blocking_send(FleetPart::Series(told(found))) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            });
            let last = match answered {
                Ok(not_observed) => FleetPart::End { not_observed },
                Err(error) => FleetPart::Failed(refused(&error)),
            };
            // As above.
            let _gone = sender.blocking_send(last);
        });
        Ok(receiver)
    }

    async fn latest(&self, host: HostId) -> Result<Option<LatestTick>, Failure> {
        let Some(latest) = self.store.latest(host) else {
            return Ok(None);
        };
        let values = latest
            .dictionary
            .series()
            .zip(&latest.tick.cells)
            .map(|(series, cell)| LatestValue {
                series: series.clone(),
                value: cell.to_f64(series.decimals),
            });
        Ok(Some(LatestTick {
            time: latest.tick.time,
            values: values.collect(),
        }))
    }

    async fn processes(&self, host: HostId) -> Result<Option<Processes>, Failure> {
        Ok(self.live.presence(host).processes.map(|processes| (*processes).clone()))
    }
}

/// The last instant before an end that does not belong to a range.
fn before(to: Timestamp) -> Timestamp {
    to.minus(Duration::from_millis(1))
}

const fn aggregate(aggregate: Aggregate) -> tocsin_metrics::Aggregate {
    match aggregate {
        Aggregate::Avg => tocsin_metrics::Aggregate::Avg,
        Aggregate::Min => tocsin_metrics::Aggregate::Min,
        Aggregate::Max => tocsin_metrics::Aggregate::Max,
        Aggregate::Last => tocsin_metrics::Aggregate::Last,
        Aggregate::Rate => tocsin_metrics::Aggregate::Rate,
    }
}

/// What the journal's health means, in words.
fn journal_words(health: &tocsin_metrics::Health) -> String {
    if health.poisoned {
        return "a sync to disk failed: nothing more is taken; check the disk, then restart the collector".to_owned();
    }
    if health.space_low {
        return format!(
            "the disk is nearly full: {} old days were dropped to go on",
            health.days_dropped_for_space
        );
    }
    if health.is_good() {
        return "writes are safe".to_owned();
    }
    format!(
        "{} damaged records were set aside at the last start, {} blocks are damaged; agents send again what they still have",
        health.quarantined_records, health.damaged_blocks
    )
}

/// How ingest is doing, in words: at most three of the hosts that are refused by name.
fn ingest_words(streams: usize, refusals: &[Refusal]) -> String {
    let mut words = format!("hosts connected: {streams}");
    if !refusals.is_empty() {
        let _ = write!(words, "; refused: {}", refusals.len());
    }
    for Refusal { name, reason } in refusals.iter().take(3) {
        let _ = write!(words, "; {name}: {reason}");
    }
    words
}

#[async_trait]
impl System for Wired {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn random(&self, bytes: &mut [u8]) {
        // Without randomness no session may begin: all-zero bytes would be a known secret, so this must not go on.
        #[allow(
            clippy::expect_used,
            reason = "the operating system's randomness is there once the collector has started"
        )]
        clock::random(bytes).expect("the operating system gives randomness");
    }

    async fn rules(&self) -> Result<Vec<RuleView>, Failure> {
        self.engine.rules().await
    }

    async fn health(&self) -> Vec<HealthPart> {
        let store = self.store.health();
        let unreadable = self.ledger.people().await.err().map(|error| error.to_string());
        let trouble = unreadable.or_else(|| self.ledger_writes.0.load().as_deref().cloned());
        let export = self.exports.health((self.clock)()).map(|(healthy, detail)| HealthPart {
            name: "export".to_owned(),
            healthy,
            detail,
        });
        let mut parts = vec![
            self.tasks.health(),
            self.engine.health(),
            self.failing.health((self.clock)()),
            // A host's own trouble, shown here and on its page as silence; the others go on.
            HealthPart {
                name: "ingest".to_owned(),
                healthy: true,
                detail: ingest_words(self.live.connected(), &self.live.refusals()),
            },
            self.live.ears.health((self.clock)()),
            HealthPart {
                name: "journal".to_owned(),
                healthy: store.is_good(),
                detail: journal_words(&store),
            },
            HealthPart {
                name: "ledger".to_owned(),
                healthy: trouble.is_none(),
                detail: trouble.unwrap_or_else(|| "reads and writes".to_owned()),
            },
        ];
        parts.push(HealthPart {
            name: "samples".to_owned(),
            healthy: true,
            detail: retention::words_of(&store.classes),
        });
        parts.push(self.rules.health());
        parts.push(calendars::health(&self.calendars.load(), (self.clock)()));
        parts.extend(export);
        parts.extend(self.channels.health());
        parts
    }

    async fn prometheus(&self) -> String {
        let mut out = String::new();
        let mut gauge = |name: &str, help: &str, value: f64| {
            let _ = writeln!(
                out,
                "# HELP tocsin_{name} {help}\n# TYPE tocsin_{name} gauge\ntocsin_{name} {value}"
            );
        };
        // Without the ledger the hosts are left out: none would be a lie.
        let hosts = self.hosts().await.ok();
        let mut states: HashMap<&str, usize> =
            HashMap::from([("live", 0), ("silent", 0), ("never", 0), ("revoked", 0)]);
        for host in hosts.iter().flatten() {
            let word = match host.state {
                HostState::Live => "live",
                HostState::Silent => "silent",
                HostState::Never => "never",
                HostState::Revoked => "revoked",
            };
            *states.entry(word).or_default() += 1;
        }
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        for (state, count) in states.into_iter().filter(|_| hosts.is_some()) {
            gauge(
                &format!("hosts_{state}"),
                &format!("Hosts in state {state}."),
                count as f64,
            );
        }
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        gauge(
            "streams_open",
            "Agents' streams that are open.",
            self.live.connected() as f64,
        );
        let (used, waiting) = self.capacity.backlog.load();
        #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        for (name, help, value) in [
            (
                "streams_sent_away",
                "Agents that came too early and were told when to come again, since the start.",
                self.capacity.gate.sent_away() as f64,
            ),
            (
                "backlog_chunks",
                "Chunks of backlog for which agents have credit or that are under way.",
                used.chunks as f64,
            ),
            ("backlog_bytes", "What these chunks have, in bytes.", used.bytes as f64),
            (
                "backlog_streams_waiting",
                "Streams that wait for their turn to send backlog.",
                waiting as f64,
            ),
        ] {
            gauge(name, help, value);
        }
        let health = self.health().await;
        let healthy = health.iter().all(|part| part.healthy);
        gauge(
            "healthy",
            "1 when every part does its work.",
            f64::from(u8::from(healthy)),
        );
        let _ = writeln!(
            out,
            "# HELP tocsin_part_healthy 1 when this part does its work.\n# TYPE tocsin_part_healthy gauge"
        );
        for part in &health {
            let value = u8::from(part.healthy);
            let _ = writeln!(out, "tocsin_part_healthy{{part=\"{}\"}} {value}", part.name);
        }
        for counter in self.store.counters() {
            let tocsin_metrics::Counter {
                name,
                help,
                monotonic,
                value,
            } = counter;
            let kind = if monotonic { "counter" } else { "gauge" };
            let _ = writeln!(
                out,
                "# HELP tocsin_{name} {help}\n# TYPE tocsin_{name} {kind}\ntocsin_{name} {value}"
            );
        }
        out.push_str(&retention::exposition(&self.store.health().classes));
        out.push_str(&self.exports.exposition());
        out
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.live.changes()
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
