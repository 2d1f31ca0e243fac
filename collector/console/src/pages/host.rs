//! One host: is it well, and if not, what is it?

pub(crate) mod part_words;
mod rows;
mod seen;
mod sheet;
mod sheets;

use self::{
    rows::{EventRow, LatestRow, ProcessRow},
    sheet::{Fact, Sheet},
};
use super::{
    board::{AlertRow, LIVE},
    diagnose::{self, DiagnosisRow},
    documents::{self, DocumentRow},
    hosts::{Gauge, gauges, state_key},
    tickets::{self, Row},
    verdict::verdict,
};
use crate::{
    backend::{AnswerSeries, Failure, Host, HostState, LatestTick, MetricQuery},
    figures::figure,
    graph::{self, Around, PANELS, RANGES},
    guard::{Answer, Visit, nothing},
    host_view::Known,
    markup::Html,
    parts::{self, Part},
    shell::{Shell, page},
};
use askama::Template;
use axum::extract::Path;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::time::Duration;
use tocsin_desk::{
    model::{Alert, AlertState},
    record::{AlertFilter, DocumentRecord, Slice, TicketFilter},
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
/// Events that stand open.
const EVENTS_OPEN: usize = 10;
/// Over how much time rates are: long enough to be calm, short enough to be now.
const RATE_SPAN: Duration = Duration::from_mins(5);
/// Counters whose rates are shown.
const RATES: [&str; 9] = [
    "hw.network.io",
    "system.disk.io_time",
    "system.disk.operation_time",
    "system.disk.operations",
    "system.network.io",
    "tocsin.agent.cpu.time",
    "tocsin.network.tcp.retransmits",
    "tocsin.network.tcp.segments.sent",
    "tocsin.process.group.cpu.time",
];
/// Over how much time errors and restarts are counted.
const HOUR: Duration = Duration::from_hours(1);
/// Counters whose growth within an hour is shown.
const HOURLY: [&str; 5] = [
    "hw.errors",
    "system.network.errors",
    "tocsin.network.tcp.listen.drops",
    "tocsin.process.group.restarts",
    "tocsin.unit.restarts",
];

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
    details: String,
}

struct RangeChoice {
    word: &'static str,
    url: String,
    chosen: bool,
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
    /// What is watched.
    watched: String,
    /// What is there and not observed.
    unseen: Vec<String>,
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
    /// Old figures are no knowledge of now.
    stale: bool,
    sheets: Vec<Sheet>,
    closing: Vec<Sheet>,
    processes: Vec<ProcessRow>,
    processes_total: u32,
    processes_at: Option<Html>,
    latest: Vec<LatestRow>,
    latest_total: usize,
    latest_at: Option<Html>,
    facts: Vec<Fact>,
    events: Vec<EventRow>,
    events_folded: Vec<EventRow>,
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
    let mut raised: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| alert.state == AlertState::Raised)
        .collect();
    raised.sort_by_key(|alert| std::cmp::Reverse(alert.severity));

    let (charts, gaps) = charts(&visit, &shell, id, &alerts, (from, to)).await?;
    let latest = backend.latest(id).await?;
    let (rates, hourly) = rates(&visit, id, latest.as_ref()).await?;
    let known = latest.as_ref().filter(|_| host.state == HostState::Live);
    let (cpu, memory, disk) = gauges(known);
    let processes = backend.processes(id).await?;
    let events = backend.events(id, visit.now.minus(EVENTS_SPAN)).await?;
    let records = backend.documents(id).await?;
    let all_parts = parts::of(&visit, id, &records).await?;
    let (tone, verdict) = verdict(&shell, &host, &tickets, &alerts, &all_parts);
    let values = latest.as_ref().map_or(&[][..], |tick| &tick.values);
    let known = Known::new(values, &rates, &hourly, &all_parts);
    let running = processes.as_ref().map_or(0, |snapshot| snapshot.total);
    let diagnoses = backend.diagnoses(id).await?;
    let hosts = [host.clone()];
    let customers = HashMap::from([(host.record.customer, host.record.customer_name.clone())]);
    let template = HostPage {
        name: host.record.name.clone(),
        report_url: format!("/report?host={id}"),
        state: shell.word("host", state_key(host.state)),
        state_key: state_key(host.state),
        verdict,
        tone,
        watched: seen::watched(&shell, &known, &all_parts, running),
        unseen: seen::not_observed(&shell, &host, &known, &all_parts, &gaps),
        customer: host.record.customer_name.clone(),
        site: host.record.site_name.clone(),
        seen: host.last_seen_at.or(host.record.last_seen_at).map(|at| shell.ago(at)),
        cpu: Gauge::new(cpu),
        memory: Gauge::new(memory),
        disk_name: disk.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
        disk: Gauge::new(disk.map(|(_, value)| value)),
        tickets: tickets::rows(&shell, &tickets, &customers),
        alerts: raised
            .into_iter()
            .map(|alert| AlertRow::new(&shell, alert, &hosts))
            .collect(),
        ranges: RANGES.iter().map(|(name, _)| range_choice(id, name, word)).collect(),
        charts,
        stale: host.state != HostState::Live,
        sheets: sheets::main(&shell, &known),
        closing: sheets::closing(&shell, &known, host.clock_offset_ms),
        processes_total: running,
        processes_at: processes.as_ref().map(|snapshot| shell.exact(snapshot.time)),
        processes: processes
            .map(|snapshot| snapshot.processes.into_iter().map(ProcessRow::new).collect())
            .unwrap_or_default(),
        latest_at: latest.as_ref().map(|tick| shell.exact(tick.time)),
        latest_total: values.len(),
        latest: latest.map(|tick| rows::latest(&shell, tick)).unwrap_or_default(),
        facts: facts(&shell, &host),
        events_total: events.len(),
        events: events
            .iter()
            .take(EVENTS_OPEN)
            .map(|event| EventRow::new(&shell, event))
            .collect(),
        events_folded: events
            .iter()
            .take(EVENTS_SHOWN)
            .skip(EVENTS_OPEN)
            .map(|event| EventRow::new(&shell, event))
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
        status: part_words::status(shell, part),
        tone: part_words::tone(part.health()),
        kind: part_words::kind(shell, &part.kind),
        id: part.id.clone(),
        reason: part_words::reason(shell, &part.reason),
        details: part_words::details(shell, part, &["uuid", "wwid"]),
    })
    .collect()
}

/// Rates of counters that the host has, over some minutes and over an hour, up to its newest tick.
async fn rates(
    visit: &Visit,
    host: HostId,
    latest: Option<&LatestTick>,
) -> Result<(Vec<AnswerSeries>, Vec<AnswerSeries>), Failure> {
    let Some(tick) = latest else {
        return Ok((Vec::new(), Vec::new()));
    };
    let has = |metric: &&&str| tick.values.iter().any(|latest| latest.series.name == **metric);
    let ask = async |metrics: &[&str], span: Duration| {
        let answers = metrics.iter().filter(has).map(|metric| {
            let query = MetricQuery {
                host,
                metric: (*metric).to_owned(),
                attributes: Vec::new(),
                from: tick.time.minus(span),
                to: tick.time,
                step: Some(span),
                aggregate: None,
            };
            async move { visit.console.backend.query(&query).await }
        });
        let mut series = Vec::new();
        for answer in join_all(answers).await {
            series.extend(answer?.series);
        }
        Ok::<_, Failure>(series)
    };
    Ok((ask(&RATES, RATE_SPAN).await?, ask(&HOURLY, HOUR).await?))
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
) -> Result<(Vec<Html>, Vec<(Timestamp, Timestamp)>), Failure> {
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
    let mut gaps = Vec::new();
    for (panel, answer) in PANELS.iter().zip(join_all(answers).await) {
        let answer = answer?;
        if gaps.is_empty() {
            gaps.clone_from(&answer.not_observed);
        }
        charts.extend(graph::panel(shell, panel, answer, &around));
    }
    Ok((charts, gaps))
}

fn facts(shell: &Shell, host: &Host) -> Vec<Fact> {
    let record = &host.record;
    let facts = &record.facts;
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
    .map(|(key, value)| Fact::new(shell.word("fact", key.trim_start_matches("fact-")), value))
    .collect()
}
