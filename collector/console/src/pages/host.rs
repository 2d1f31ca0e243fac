//! One host: is it well, and if not, what is it?

use super::{
    board::{AlertRow, LIVE},
    diagnose::{self, DiagnosisRow},
    documents::{self, DocumentRow},
    hosts::{Gauge, gauges, state_key},
    tickets::{Row, rows},
    verdict::verdict,
};
use crate::{
    backend::{Failure, Host, HostState, LatestTick, Process},
    figures::figure,
    graph::{self, Around, PANELS, RANGES},
    guard::{Answer, Visit, nothing},
    markup::Html,
    parts::{self, Part},
    shell::{Shell, page},
};
use askama::Template;
use axum::extract::Path;
use futures_util::future::join_all;
use std::time::Duration;
use tocsin_desk::{
    model::{Alert, AlertState},
    record::{AlertFilter, DocumentRecord, EventRecord, Slice, TicketFilter},
};
use tocsin_vocabulary::{HostId, Timestamp};

/// Alerts of the range that are shaded in charts.
const ALERTS_MAX: u32 = 200;
/// Open tickets of one customer that are looked through for those of the host.
const TICKETS_MAX: u32 = 500;
/// How far back events are shown.
const EVENTS_SPAN: Duration = Duration::from_hours(24);
/// Events that are shown; a flapping link must not bury the page.
const EVENTS_SHOWN: usize = 50;

/// Files that are shown, those that changed last first.
const FILES_SHOWN: usize = 10;
/// Parts that are not well and shown.
const PARTS_SHOWN: usize = 100;

struct PartRow {
    status: String,
    tone: &'static str,
    kind: String,
    id: String,
    reason: String,
}

struct RangeChoice {
    word: &'static str,
    url: String,
    chosen: bool,
}

struct ProcessRow {
    pid: u32,
    name: String,
    user: String,
    cpu: String,
    memory: String,
    state: String,
    command: String,
    zombies: u32,
}

struct LatestRow {
    name: String,
    meaning: String,
    attributes: String,
    value: String,
}

struct Fact {
    name: String,
    value: String,
}

struct EventRow {
    at: Html,
    /// What happened: our words for names that we know, else the name as sent.
    what: String,
    /// What it concerns.
    about: String,
    severity: String,
    severity_key: &'static str,
    /// The agent's own sentence.
    body: String,
}

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage {
    shell: Shell,
    name: String,
    report_url: String,
    state: String,
    state_key: &'static str,
    verdict: String,
    tone: &'static str,
    customer: String,
    site: String,
    seen: Option<Html>,
    cpu: Gauge,
    memory: Gauge,
    disk: Gauge,
    disk_name: String,
    tickets: Vec<Row>,
    alerts: Vec<AlertRow>,
    ranges: Vec<RangeChoice>,
    charts: Vec<Html>,
    processes: Vec<ProcessRow>,
    processes_total: u32,
    processes_at: Option<Html>,
    latest: Vec<LatestRow>,
    latest_at: Option<Html>,
    facts: Vec<Fact>,
    events: Vec<EventRow>,
    events_total: usize,
    tags: Vec<String>,
    /// Those that are not well.
    parts: Vec<PartRow>,
    parts_total: usize,
    parts_url: Option<String>,
    inventory: Vec<DocumentRow>,
    files: Vec<DocumentRow>,
    files_total: usize,
    documents_url: String,
    diagnose_url: String,
    diagnoses: Vec<DiagnosisRow>,
}

/// `GET /hosts/{id}?range=1h|6h|24h|7d`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let id: HostId = id.parse().map_err(|_| nothing())?;
    let backend = &visit.console.backend;
    let host = backend.host(id).await?.ok_or_else(nothing)?;
    visit.must_see(host.record.customer)?;
    let shell = Shell::new(&visit, "hosts").with_ticks(id.to_string());
    let wanted = visit.parameter("range").unwrap_or_default();
    let (word, length) = RANGES
        .into_iter()
        .find(|(word, _)| *word == wanted)
        .unwrap_or(RANGES[0]);
    let (from, to) = (visit.now.minus(length), visit.now);

    let slice = Slice {
        after: None,
        limit: ALERTS_MAX,
    };
    let filter = TicketFilter {
        states: LIVE.to_vec(),
        customer: Some(host.record.customer),
        slice: Slice {
            after: None,
            limit: TICKETS_MAX,
        },
        ..TicketFilter::default()
    };
    // What a person reported is about the asset; only what rules found names the host.
    let mut tickets = backend.tickets(&filter).await?.items;
    tickets.retain(|ticket| ticket.asset == host.record.asset);
    let filter = AlertFilter {
        host: Some(id),
        from: Some(from),
        to: Some(to),
        slice,
        ..AlertFilter::default()
    };
    let alerts = backend.alerts(&filter).await?.items;
    let raised: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Raised)
        .collect();

    let charts = charts(&visit, &shell, id, &alerts, (from, to)).await?;
    let latest = backend.latest(id).await?;
    let known = latest.as_ref().filter(|_| host.state == HostState::Live);
    let (cpu, memory, disk) = gauges(known);
    let processes = backend.processes(id).await?;
    let (tone, verdict) = verdict(&shell, &host, &tickets, &alerts);
    let events = backend.events(id, visit.now.minus(EVENTS_SPAN)).await?;
    let records = backend.documents(id).await?;
    let all_parts = parts::of(&visit, id, &records).await?;
    let diagnoses = backend.diagnoses(id).await?;
    let hosts = [host.clone()];
    let template = HostPage {
        name: host.record.name.clone(),
        report_url: format!("/report?host={id}"),
        state: shell.word("host", state_key(host.state)),
        state_key: state_key(host.state),
        verdict,
        tone,
        customer: host.record.customer_name.clone(),
        site: host.record.site_name.clone(),
        seen: host.last_seen_at.or(host.record.last_seen_at).map(|at| shell.ago(at)),
        cpu: Gauge::new(cpu),
        memory: Gauge::new(memory),
        disk_name: disk.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
        disk: Gauge::new(disk.map(|(_, value)| value)),
        tickets: rows(&shell, &tickets, &hosts),
        alerts: raised
            .into_iter()
            .map(|alert| AlertRow::new(&shell, alert, &hosts))
            .collect(),
        ranges: RANGES.iter().map(|(name, _)| range_choice(id, name, word)).collect(),
        charts,
        processes_total: processes.as_ref().map_or(0, |snapshot| snapshot.total),
        processes_at: processes.as_ref().map(|snapshot| shell.exact(snapshot.time)),
        processes: processes
            .map(|snapshot| snapshot.processes.into_iter().map(process).collect())
            .unwrap_or_default(),
        latest_at: latest.as_ref().map(|tick| shell.exact(tick.time)),
        latest: latest.map(|tick| latest_rows(&shell, tick)).unwrap_or_default(),
        facts: facts(&shell, &host),
        events_total: events.len(),
        events: events
            .iter()
            .take(EVENTS_SHOWN)
            .map(|event| event_row(&shell, event))
            .collect(),
        tags: host.record.tags,
        parts: ill(&shell, &all_parts),
        parts_total: all_parts.len(),
        parts_url: records
            .iter()
            .find(|record| record.kind == "parts")
            .map(|record| documents::url(id, &record.id)),
        inventory: documents::rows(&shell, &records, "inventory"),
        files: newest_files(&shell, &records),
        files_total: records.iter().filter(|record| record.kind == "file").count(),
        documents_url: format!("/hosts/{id}/documents"),
        diagnose_url: format!("/hosts/{id}/diagnose"),
        diagnoses: diagnose::rows(&shell, &diagnoses),
        shell,
    };
    page(&template)
}

/// Parts that are not well, the worst first.
fn ill(shell: &Shell, parts: &[Part]) -> Vec<PartRow> {
    let ill = parts.iter().filter(|part| !part.is_well()).take(PARTS_SHOWN);
    ill.map(|part| PartRow {
        status: shell.word("part", &part.status),
        tone: match part.status.as_str() {
            "failed" => "failed",
            "degraded" => "degraded",
            _ => "unread",
        },
        kind: shell.word("part-type", &part.kind),
        id: part.id.clone(),
        reason: part.reason.clone(),
    })
    .collect()
}

/// Files that changed last.
fn newest_files(shell: &Shell, records: &[DocumentRecord]) -> Vec<DocumentRow> {
    let mut files: Vec<&DocumentRecord> = records.iter().filter(|record| record.kind == "file").collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.id));
    files
        .into_iter()
        .take(FILES_SHOWN)
        .map(|record| DocumentRow::new(shell, record))
        .collect()
}

fn range_choice(id: HostId, word: &'static str, chosen: &str) -> RangeChoice {
    RangeChoice {
        word,
        url: format!("/hosts/{id}?range={word}"),
        chosen: word == chosen,
    }
}

async fn charts(
    visit: &Visit,
    shell: &Shell,
    id: HostId,
    alerts: &[Alert],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<Html>, Failure> {
    let rules = visit.console.backend.rules().await?;
    let around = Around {
        from,
        to,
        rules: &rules,
        alerts,
        size: graph::SIZE,
    };
    let answers = PANELS
        .iter()
        .map(|panel| graph::points(visit, id, panel.metric, Vec::new(), (from, to)));
    let mut charts = Vec::with_capacity(PANELS.len());
    for (panel, answer) in PANELS.iter().zip(join_all(answers).await) {
        charts.extend(graph::panel(shell, panel, answer?, &around));
    }
    Ok(charts)
}

fn process(process: Process) -> ProcessRow {
    ProcessRow {
        pid: process.pid,
        name: process.name,
        user: process.user,
        cpu: figure(process.cpu_ratio, "1"),
        // Beyond 2^53 bytes the last digits no longer matter.
        memory: figure(process.memory_bytes as f64, "By"),
        state: process.state,
        command: process.command,
        zombies: process.zombies,
    }
}

fn latest_rows(shell: &Shell, tick: LatestTick) -> Vec<LatestRow> {
    tick.values
        .into_iter()
        .map(|latest| {
            let pairs: Vec<String> = latest
                .series
                .attributes
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            LatestRow {
                meaning: graph::meaning(shell, &latest.series.name),
                attributes: pairs.join(" "),
                value: latest
                    .value
                    .map_or_else(|| "–".to_owned(), |value| figure(value, &latest.series.unit)),
                name: latest.series.name.into(),
            }
        })
        .collect()
}

fn event_row(shell: &Shell, event: &EventRecord) -> EventRow {
    EventRow {
        at: shell.exact(event.at),
        what: shell.event(&event.name),
        about: event.attributes.values().cloned().collect::<Vec<_>>().join(" "),
        severity: shell.severity(event.severity),
        severity_key: event.severity.as_str(),
        body: event.body.clone(),
    }
}

fn facts(shell: &Shell, host: &Host) -> Vec<Fact> {
    let record = &host.record;
    let facts = &record.facts;
    let offset = host
        .clock_offset_ms
        .map(|offset| format!("{offset} ms"))
        .unwrap_or_default();
    let processors = if facts.cpu_count == 0 {
        String::new()
    } else {
        format!("{} × {}", facts.cpu_count, facts.cpu_model)
    };
    let memory = if facts.memory_bytes == 0 {
        String::new()
    } else {
        figure(facts.memory_bytes as f64, "By")
    };
    let interval = Duration::from_millis(record.interval_ms);
    let interval = if record.interval_ms == 0 {
        String::new()
    } else {
        tocsin_vocabulary::time::format_duration(interval)
    };
    [
        ("fact-hostname", facts.hostname.clone()),
        ("fact-os", facts.os.clone()),
        ("fact-kernel", format!("{} {}", facts.kernel, facts.architecture)),
        ("fact-cpu", processors),
        ("fact-memory", memory),
        ("fact-addresses", facts.addresses.join(", ")),
        (
            "fact-boot",
            if facts.boot_time.as_millis() == 0 {
                String::new()
            } else {
                crate::moments::absolute(facts.boot_time, shell.zone())
            },
        ),
        ("fact-agent", facts.agent_version.clone()),
        ("fact-interval", interval),
        ("fact-offset", offset),
        (
            "fact-enrolled",
            crate::moments::absolute(record.enrolled_at, shell.zone()),
        ),
        (
            "fact-certificate",
            crate::moments::absolute(record.certificate_until, shell.zone()),
        ),
        ("fact-importance", shell.word("importance", record.importance.as_str())),
        ("fact-id", record.id.to_string()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.trim().is_empty())
    .map(|(key, value)| Fact {
        name: shell.word("fact", key.trim_start_matches("fact-")),
        value,
    })
    .collect()
}
