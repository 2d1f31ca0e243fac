//! What the console asks of the rest of the collector. The wiring implements these traits over ledger, metric store,
//! desk engine and ingest; tests implement them over a few values.

mod accounts;
mod backup_coverage;
mod backups;
mod channels;
mod documents;
mod duty;
mod evidence;
mod papers;
mod plans;
mod rulebook;

pub use accounts::Accounts;
pub use backup_coverage::BackupCoverage;
pub use backups::{Backups, Ping, PingKind};
pub use channels::{ChannelView, Channels, LineView, PreviewView};
pub use documents::Documents;
pub use duty::DutyRoom;
pub use evidence::Evidence;
pub use papers::Paperwork;
pub use plans::{PlanRequest, Planner, Plans};
pub use rulebook::{
    ReplayAlert, ReplayAnswer, ReplayQuestion, ReplayTally, RuleReading, RuleState, RuleTrial, Rulebook,
};

use async_trait::async_trait;
use serde::Serialize;
use std::time::Duration;
use tocsin_desk::{
    calendar::Span,
    input::{Act, Report},
    model::{Actor, Alert, Entry, Fault, Person, Ticket},
    record::{
        AlertFilter, AuditLine, Credentials, EventRecord, FaultFilter, HostRecord, List, PageFilter, PageRecord, Slice,
        Speaker, TicketFilter,
    },
};
use tocsin_vocabulary::{AssetId, Code, HostId, PageId, PersonId, Series, Severity, Text, TicketId, Timestamp};
use tokio::sync::{broadcast, mpsc};

/// Why something was not done, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// Which kind.
    pub code: Code,
    /// What and what to do; English, no secrets.
    pub reason: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }
}

/// Reads of the registers and the desk's work.
#[async_trait]
pub trait Records: Send + Sync {
    /// Tickets, most urgent first: worst level, then earliest due.
    async fn tickets(&self, filter: &TicketFilter) -> Result<List<Ticket>, Failure>;
    /// One ticket by its number.
    async fn ticket(&self, number: u64) -> Result<Option<Ticket>, Failure>;
    /// One ticket by its id.
    async fn ticket_by_id(&self, id: TicketId) -> Result<Option<Ticket>, Failure>;
    /// A ticket's timeline, oldest first.
    async fn entries(&self, ticket: TicketId) -> Result<Vec<Entry>, Failure>;
    /// The last line that a person wrote into each of these timelines, in no order.
    async fn last_acts(&self, tickets: &[TicketId]) -> Result<Vec<Entry>, Failure> {
        let mut last = Vec::new();
        for ticket in tickets {
            let entries = self.entries(*ticket).await?;
            last.extend(
                entries
                    .into_iter()
                    .rfind(|entry| matches!(entry.actor, Actor::Person(..))),
            );
        }
        Ok(last)
    }
    /// Alerts, newest first.
    async fn alerts(&self, filter: &AlertFilter) -> Result<List<Alert>, Failure>;
    /// The alerts of one fault's ticket, newest first.
    async fn alerts_of_ticket(&self, ticket: TicketId) -> Result<Vec<Alert>, Failure>;
    /// Faults, newest first.
    async fn faults(&self, filter: &FaultFilter) -> Result<List<Fault>, Failure>;
    /// Pages, newest first.
    async fn pages(&self, filter: &PageFilter) -> Result<List<PageRecord>, Failure>;
    /// One page.
    async fn page(&self, id: PageId) -> Result<Option<PageRecord>, Failure>;
    /// What happened on a host since `from`, newest first, at most the ledger's own limit.
    async fn events(&self, host: HostId, from: Timestamp) -> Result<Vec<EventRecord>, Failure>;
    /// Everybody in the register.
    async fn people(&self) -> Result<Vec<Person>, Failure>;
    /// The audit trail, newest first.
    async fn audit_lines(&self, slice: &Slice) -> Result<List<AuditLine>, Failure>;
}

/// Who may come in.
#[async_trait]
pub trait Access: Send + Sync {
    /// What is needed to check a password.
    async fn credentials(&self, login: &str) -> Result<Option<Credentials>, Failure>;
    /// Counts a wrong password in one atomic step; the fifth locks for 15 minutes. Answers whether it is locked now.
    async fn sign_in_failed(&self, person: PersonId, now: Timestamp) -> Result<bool, Failure>;
    /// Forgets wrong passwords, begins a session known by the SHA-256 (hex) of its secret.
    async fn begin_session(&self, secret_hash: &str, person: PersonId, now: Timestamp) -> Result<(), Failure>;
    /// Who a session speaks for; moves its idle deadline (15 min idle, 12 h in all).
    async fn session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure>;
    /// Who a session speaks for within its 12 hours, idle or not; moves nothing. For reads that a page makes by itself,
    /// so that they neither keep an unattended session alive nor go blind in the middle of a shift.
    async fn peek_session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure>;
    /// Ends a session.
    async fn end_session(&self, secret_hash: &str) -> Result<(), Failure>;
    /// Who an API token speaks for.
    async fn api_token(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure>;
    /// Uses up a one-time sign-in link.
    async fn redeem_sign_in_link(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Person>, Failure>;
    /// Writes an audit line.
    async fn audit(&self, line: AuditLine) -> Result<(), Failure>;
    /// The key that signs the links of pages.
    fn link_key(&self) -> [u8; 32];
}

/// The desk's engine.
#[async_trait]
pub trait Desk: Send + Sync {
    /// A person acts on a ticket; answers the ticket as it is afterwards.
    async fn act(&self, act: Act) -> Result<Ticket, Failure>;
    /// A person reports a fault; answers the new ticket.
    async fn report(&self, report: Report) -> Result<Ticket, Failure>;
}

/// How a host is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Its ticks arrive.
    Live,
    /// Nothing was heard for longer than its silence deadline.
    Silent,
    /// Enrolled, and never heard.
    Never,
    /// Shut out.
    Revoked,
}

/// A host with what is known right now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    /// The register's row.
    pub record: HostRecord,
    /// How it is doing.
    pub state: HostState,
    /// When its last tick arrived.
    pub last_seen_at: Option<Timestamp>,
    /// Its clock minus ours, in milliseconds.
    pub clock_offset_ms: Option<i64>,
}

impl Host {
    /// Its asset with the time in which it was watched: from enrolment to its last tick, or for good while it streams.
    #[must_use]
    pub fn watched(&self) -> (AssetId, Span) {
        let from = self.record.enrolled_at;
        let to = match self.state {
            HostState::Live => Timestamp::from_millis(i64::MAX),
            _ => self.last_seen_at.or(self.record.last_seen_at).unwrap_or(from),
        };
        (self.record.asset, Span { from, to })
    }
}

/// How the points of a step are made of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Mean of the samples.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// Newest.
    Last,
    /// Per second, across counter resets.
    Rate,
}

/// What a chart or an API client asks.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricQuery {
    /// Of this host.
    pub host: HostId,
    /// Metric name.
    pub metric: String,
    /// Attributes that must match.
    pub attributes: Vec<(String, String)>,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// One point per step; none: the samples themselves.
    pub step: Option<Duration>,
    /// How; none: `Rate` for counters and `Avg` for gauges when stepped, the samples when not.
    pub aggregate: Option<Aggregate>,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerSeries {
    /// What it is.
    pub series: Series,
    /// Unit of the points: the series', or per second for a rate.
    pub unit: String,
    /// Points; none where a step has no data.
    pub points: Vec<(Timestamp, Option<f64>)>,
}

/// The answer to a [`MetricQuery`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricAnswer {
    /// One for each matching series.
    pub series: Vec<AnswerSeries>,
    /// Spans for which nothing is known.
    pub not_observed: Vec<(Timestamp, Timestamp)>,
}

/// How the values that several series have at one step become one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Across {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Avg,
    /// Least.
    Min,
    /// Greatest.
    Max,
    /// How many there are.
    Count,
    /// The value below which this share of them lies, 0 to 1.
    Quantile(f64),
}

/// What series are compared by when only some are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Their greatest point.
    Max,
    /// Their least point.
    Min,
    /// The mean of their points.
    Avg,
    /// Their last point.
    Last,
}

/// A choice of few series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    /// How many.
    pub k: usize,
    /// By what.
    pub by: Rank,
    /// The least instead of the greatest.
    pub lowest: bool,
}

/// A question about many hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetQuery {
    /// Of these hosts.
    pub hosts: Vec<HostId>,
    /// Metric names; a `*` in one stands for any characters.
    pub metrics: Vec<String>,
    /// Attributes that must match.
    pub attributes: Vec<(String, String)>,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
    /// One point per step; none: the samples themselves.
    pub step: Option<Duration>,
    /// As for [`MetricQuery`].
    pub aggregate: Option<Aggregate>,
    /// One series for each set of values of these attributes, `host` among them.
    pub group_by: Option<Vec<String>>,
    /// How the members of a group become one.
    pub across: Across,
    /// Only some of them.
    pub top: Option<Top>,
}

/// One series of a [`FleetAnswer`].
#[derive(Debug, Clone, PartialEq)]
pub struct FleetSeries {
    /// Whose; none for a group.
    pub host: Option<HostId>,
    /// Its points.
    pub line: AnswerSeries,
    /// Least value of each point, when stepped.
    pub min: Vec<Option<f64>>,
    /// Greatest value of each point, when stepped.
    pub max: Vec<Option<f64>>,
}

/// A piece of the answer to a [`FleetQuery`]. The last one is an end or a failure.
#[derive(Debug, Clone, PartialEq)]
pub enum FleetPart {
    /// The next series: by host, by group, or by rank.
    Series(FleetSeries),
    /// There are no more.
    End {
        /// Spans for which nothing is known of some of the hosts.
        not_observed: Vec<(Timestamp, Timestamp)>,
    },
    /// It could not be answered to its end.
    Failed(Failure),
}

/// The answer to a [`FleetQuery`] while it is found. Who drops it ends the query.
pub type FleetAnswer = mpsc::Receiver<FleetPart>;

/// Parts that wait for a slow reader: what a batch of hosts finds.
pub const FLEET_PARTS: usize = 64;

/// One series with its newest value.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestValue {
    /// What it is.
    pub series: Series,
    /// The value; none when absent.
    pub value: Option<f64>,
}

/// The newest tick of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestTick {
    /// When it was taken, by the host's clock.
    pub time: Timestamp,
    /// Its values in dictionary order.
    pub values: Vec<LatestValue>,
}

/// A process of the newest snapshot. Data from a monitored host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// 1 = one core.
    pub cpu_ratio: f64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// R, S, D, Z, …
    pub state: String,
    /// Command line, shortened.
    pub command: String,
    /// Children that ended and that it does not reap.
    pub zombies: u32,
}

/// The newest process snapshot of a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Processes {
    /// When it was taken.
    pub time: Timestamp,
    /// How many there were in all.
    pub total: u32,
    /// Top N by CPU and memory.
    pub processes: Vec<Process>,
}

/// What was measured.
#[async_trait]
pub trait Measurements: Send + Sync {
    /// Hosts in the register with their live state.
    async fn hosts(&self) -> Result<Vec<Host>, Failure>;
    /// One host.
    async fn host(&self, id: HostId) -> Result<Option<Host>, Failure>;
    /// Points of a metric.
    async fn query(&self, query: &MetricQuery) -> Result<MetricAnswer, Failure>;
    /// Points of metrics of many hosts, in groups or the greatest of them. Fails at once when the question is wrong.
    async fn fleet_query(&self, query: &FleetQuery) -> Result<FleetAnswer, Failure>;
    /// The newest tick.
    async fn latest(&self, host: HostId) -> Result<Option<LatestTick>, Failure>;
    /// The newest process snapshot.
    async fn processes(&self, host: HostId) -> Result<Option<Processes>, Failure>;
}

/// A rule as the rules page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// The file it stands in, without folders.
    pub file: String,
    /// Its own text.
    pub text: String,
    /// How bad.
    pub severity: Severity,
    /// `record`, `notify` or `ticket`.
    pub action: String,
    /// What it would say.
    pub title: Text,
    /// The metric; empty for silence.
    pub metric: String,
    /// The line to draw in charts.
    pub threshold: Option<f64>,
    /// How many alerts of it hold now.
    pub raised: usize,
    /// How many are pending now.
    pub pending: usize,
}

/// One part of the collector's own health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthPart {
    /// Which part: `journal`, `ledger`, `desk`, `channels`, `ingest`, …
    pub name: String,
    /// Whether it does its work.
    pub healthy: bool,
    /// What it says.
    pub detail: String,
}

/// Something changed; pages refresh the parts that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// A tick of this host arrived.
    Tick(HostId),
    /// A host came, went silent or came back.
    Hosts,
    /// Tickets, faults or alerts.
    Desk,
    /// Pages.
    Pages,
    /// A document of this host arrived.
    Documents(HostId),
}

/// The collector itself.
#[async_trait]
pub trait System: Send + Sync {
    /// The shell's clock.
    fn now(&self) -> Timestamp;
    /// Fills `bytes` with the operating system's randomness.
    fn random(&self, bytes: &mut [u8]);
    /// Rules as loaded.
    async fn rules(&self) -> Result<Vec<RuleView>, Failure>;
    /// Health, part by part.
    async fn health(&self) -> Vec<HealthPart>;
    /// The collector's own metrics in Prometheus text.
    async fn prometheus(&self) -> String;
    /// What changes from now on.
    fn changes(&self) -> broadcast::Receiver<Change>;
    /// Version of this build.
    fn version(&self) -> &'static str;
}

/// Everything the console needs, in one object.
pub trait Backend:
    Records
    + Access
    + Desk
    + Measurements
    + Documents
    + Evidence
    + System
    + Rulebook
    + Plans
    + Backups
    + BackupCoverage
    + DutyRoom
    + Paperwork
    + Channels
    + Accounts
    + 'static
{
}
impl<
    T: Records
        + Access
        + Desk
        + Measurements
        + Documents
        + Evidence
        + System
        + Rulebook
        + Plans
        + Backups
        + BackupCoverage
        + DutyRoom
        + Paperwork
        + Channels
        + Accounts
        + 'static,
> Backend for T
{
}
