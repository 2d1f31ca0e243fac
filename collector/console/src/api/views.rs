//! What the API shows of hosts and of the desk's work. Times are RFC 3339 in UTC.

use crate::backend::{Host, RuleView};
use serde::Serialize;
use tocsin_desk::{
    model::{Alert, AlertState, Clock, Entry, Fault, Ticket},
    withheld::Withheld,
};
use tocsin_vocabulary::{Text, Timestamp};
use utoipa::ToSchema;

fn time(at: Timestamp) -> String {
    at.to_string()
}

fn maybe(at: Option<Timestamp>) -> Option<String> {
    at.map(time)
}

/// The serde word of a member of a closed list.
fn word(member: impl Serialize) -> String {
    match serde_json::to_value(member) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A sentence in both languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sentence {
    en: String,
    #[serde(rename = "zh-CN")]
    zh: String,
}

impl From<&Text> for Sentence {
    fn from(text: &Text) -> Self {
        Self {
            en: text.en.clone(),
            zh: text.zh.clone(),
        }
    }
}

/// A host.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostView {
    id: String,
    name: String,
    /// `live`, `silent`, `never` or `revoked`.
    state: String,
    last_seen_at: Option<String>,
    /// The host's clock minus the collector's.
    clock_offset_ms: Option<i64>,
    asset: String,
    customer: String,
    customer_name: String,
    site_name: String,
    /// `key`, `normal` or `low`.
    importance: String,
    tags: Vec<String>,
    interval_ms: u64,
    enrolled_at: String,
    certificate_until: String,
    facts: Facts,
}

/// What a host said of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    hostname: String,
    os: String,
    kernel: String,
    architecture: String,
    cpu_model: String,
    cpu_count: u32,
    memory_bytes: u64,
    boot_time: String,
    agent_version: String,
    addresses: Vec<String>,
}

impl From<&Host> for HostView {
    fn from(host: &Host) -> Self {
        let record = &host.record;
        let facts = &record.facts;
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            state: word(host.state),
            last_seen_at: maybe(host.last_seen_at.or(record.last_seen_at)),
            clock_offset_ms: host.clock_offset_ms,
            asset: record.asset.to_string(),
            customer: record.customer.to_string(),
            customer_name: record.customer_name.clone(),
            site_name: record.site_name.clone(),
            importance: record.importance.to_string(),
            tags: record.tags.clone(),
            interval_ms: record.interval_ms,
            enrolled_at: time(record.enrolled_at),
            certificate_until: time(record.certificate_until),
            facts: Facts {
                hostname: facts.hostname.clone(),
                os: facts.os.clone(),
                kernel: facts.kernel.clone(),
                architecture: facts.architecture.clone(),
                cpu_model: facts.cpu_model.clone(),
                cpu_count: facts.cpu_count,
                memory_bytes: facts.memory_bytes,
                boot_time: time(facts.boot_time),
                agent_version: facts.agent_version.clone(),
                addresses: facts.addresses.clone(),
            },
        }
    }
}

/// An alert.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertView {
    id: String,
    rule: String,
    host: String,
    asset: String,
    /// Attributes as `key=value,…`; empty when there is only one.
    instance: String,
    severity: String,
    /// `record`, `notify` or `ticket`.
    response: String,
    title: Sentence,
    remedy: Sentence,
    metric: String,
    value: Option<f64>,
    threshold: Option<f64>,
    /// `raised` or `cleared`.
    state: String,
    occurred_at: String,
    raised_at: String,
    cleared_at: Option<String>,
    fault: Option<String>,
    /// `live`, `late` (an event that came late, and paged) or `retrospective` (found in samples that came late, over when
    /// it was found; it did not page).
    arrival: String,
    /// Where to read more: a link of the rule.
    knowledge: Option<String>,
    /// Whether the rule lets a minor ticket be closed by itself.
    auto_close: bool,
    /// Which text of the rule spoke: the beginning of its hash.
    rule_version: String,
    /// Of silence, why: `agent_silent`, `host_unreachable`, `collector_blind`, `never_heard`; null when not known.
    silence: Option<String>,
    /// Why people are not told of it for now: `silence`, `window`, `parent`, `part` or `storm`; null: they are.
    withheld: Option<&'static str>,
}

impl AlertView {
    /// The alert, and why it is withheld, if it is.
    pub(crate) fn new(alert: &Alert, withheld: &[Withheld]) -> Self {
        let held = withheld.iter().find(|held| held.alert == alert.id);
        Self {
            withheld: held.map(|held| held.cause.as_str()),
            ..Self::from(alert)
        }
    }
}

impl From<&Alert> for AlertView {
    fn from(alert: &Alert) -> Self {
        Self {
            id: alert.id.to_string(),
            rule: alert.rule.clone(),
            host: alert.host.to_string(),
            asset: alert.asset.to_string(),
            instance: alert.instance.clone(),
            severity: alert.severity.to_string(),
            response: word(alert.response),
            title: (&alert.title).into(),
            remedy: (&alert.remedy).into(),
            metric: alert.metric.clone(),
            value: alert.value.filter(|value| value.is_finite()),
            threshold: alert.threshold.filter(|value| value.is_finite()),
            state: if alert.state == AlertState::Raised {
                "raised"
            } else {
                "cleared"
            }
            .to_owned(),
            occurred_at: time(alert.occurred_at),
            raised_at: time(alert.raised_at),
            cleared_at: maybe(alert.cleared_at),
            fault: alert.fault.map(|id| id.to_string()),
            arrival: alert.ruling.arrival.as_str().to_owned(),
            knowledge: alert.ruling.knowledge.clone(),
            auto_close: alert.ruling.auto_close,
            rule_version: alert.ruling.version.clone(),
            silence: alert.ruling.silence.map(|silence| silence.as_str().to_owned()),
            withheld: None,
        }
    }
}

/// A fault with its four times.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaultView {
    id: String,
    asset: String,
    customer: String,
    severity: String,
    /// Rank of the level; 1 is the worst.
    level: u8,
    title: Sentence,
    occurred_at: String,
    discovered_at: String,
    reported_at: String,
    accepted_at: Option<String>,
    cleared_at: Option<String>,
    ticket: Option<String>,
}

impl From<&Fault> for FaultView {
    fn from(fault: &Fault) -> Self {
        Self {
            id: fault.id.to_string(),
            asset: fault.asset.to_string(),
            customer: fault.customer.to_string(),
            severity: fault.severity.to_string(),
            level: fault.level.rank(),
            title: (&fault.title).into(),
            occurred_at: time(fault.occurred_at),
            discovered_at: time(fault.discovered_at),
            reported_at: time(fault.reported_at),
            accepted_at: maybe(fault.accepted_at),
            cleared_at: maybe(fault.cleared_at),
            ticket: fault.ticket.map(|id| id.to_string()),
        }
    }
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketView {
    id: String,
    number: u64,
    /// `fault`, `request`, `consultation`, `defect`, `complaint`, `planning` or `drill`.
    kind: String,
    /// `open`, `accepted`, `on_site`, `waiting`, `restored`, `resolved`, `closed`, `merged` or `cancelled`.
    state: String,
    title: Sentence,
    remedy: Sentence,
    level: u8,
    severity: String,
    fault: Option<String>,
    asset: String,
    asset_name: String,
    host: Option<String>,
    customer: String,
    assignee: Option<String>,
    assignee_name: Option<String>,
    clocks: Vec<ClockView>,
    page_round: u32,
    opened_at: String,
    updated_at: String,
    /// Send it with an action; the action is refused as a conflict when the ticket has moved on.
    revision: u64,
    /// What can be done to it now.
    actions: Vec<&'static str>,
}

/// A clock of a ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClockView {
    /// `respond`, `arrive`, `restore` or `resolve`.
    kind: &'static str,
    started_at: String,
    due_at: String,
    stopped_at: Option<String>,
    breached_at: Option<String>,
}

impl From<&Clock> for ClockView {
    fn from(clock: &Clock) -> Self {
        Self {
            kind: clock.kind.as_str(),
            started_at: time(clock.started_at),
            due_at: time(clock.due_at),
            stopped_at: maybe(clock.stopped_at),
            breached_at: maybe(clock.breached_at),
        }
    }
}

impl From<&Ticket> for TicketView {
    fn from(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id.to_string(),
            number: ticket.number,
            kind: word(ticket.kind),
            state: ticket.state.as_str().to_owned(),
            title: (&ticket.title).into(),
            remedy: (&ticket.remedy).into(),
            level: ticket.level.rank(),
            severity: ticket.severity.to_string(),
            fault: ticket.fault.map(|id| id.to_string()),
            asset: ticket.asset.to_string(),
            asset_name: ticket.asset_name.clone(),
            host: ticket.host.map(|id| id.to_string()),
            customer: ticket.customer.to_string(),
            assignee: ticket.assignee.map(|id| id.to_string()),
            assignee_name: ticket.assignee_name.clone(),
            clocks: ticket.clocks.iter().map(Into::into).collect(),
            page_round: ticket.page_round,
            opened_at: time(ticket.opened_at),
            updated_at: time(ticket.updated_at),
            revision: ticket.revision,
            actions: tocsin_desk::life::actions(ticket.state)
                .iter()
                .map(|kind| kind.as_str())
                .collect(),
        }
    }
}

/// A ticket with its timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketDetail {
    #[serde(flatten)]
    ticket: TicketView,
    /// Oldest first.
    entries: Vec<EntryView>,
    /// The alerts of its fault, newest first; their evidence is at `/alerts/{alert}`.
    alerts: Vec<AlertView>,
}

/// One line of a timeline.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryView {
    seq: u64,
    at: String,
    /// Null: the system.
    actor: Option<String>,
    via: &'static str,
    action: String,
    from: Option<&'static str>,
    to: Option<&'static str>,
    note: Sentence,
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        let actor = match &entry.actor {
            tocsin_desk::model::Actor::System => None,
            tocsin_desk::model::Actor::Person(_, name) => Some(name.clone()),
        };
        Self {
            seq: entry.seq,
            at: time(entry.at),
            actor,
            via: entry.via.as_str(),
            action: entry.action.clone(),
            from: entry.from.map(tocsin_desk::model::TicketState::as_str),
            to: entry.to.map(tocsin_desk::model::TicketState::as_str),
            note: (&entry.note).into(),
        }
    }
}

impl TicketDetail {
    pub(crate) fn new(ticket: &Ticket, entries: &[Entry], alerts: &[Alert]) -> Self {
        Self {
            ticket: ticket.into(),
            entries: entries.iter().map(Into::into).collect(),
            alerts: alerts.iter().map(Into::into).collect(),
        }
    }
}

/// A rule as loaded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleItem {
    name: String,
    file: String,
    /// The rule's own text, TOML.
    text: String,
    severity: String,
    action: String,
    title: Sentence,
    metric: String,
    threshold: Option<f64>,
    /// How many alerts of it hold now.
    raised: usize,
    /// How many are pending now.
    pending: usize,
}

impl From<RuleView> for RuleItem {
    fn from(rule: RuleView) -> Self {
        Self {
            title: (&rule.title).into(),
            severity: rule.severity.to_string(),
            name: rule.name,
            file: rule.file,
            text: rule.text,
            action: rule.action,
            metric: rule.metric,
            threshold: rule.threshold,
            raised: rule.raised,
            pending: rule.pending,
        }
    }
}
