//! The list of hosts: state, figures, when they were last heard.

use super::board::visible_hosts;
use crate::{
    backend::{Failure, Host, HostState, LatestTick, MetricQuery},
    figures::figure,
    guard::{Answer, Visit},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use futures_util::future::join_all;
use std::time::Duration;
use tocsin_chart::{Y, sparkline_within};
use tocsin_desk::{
    model::AlertState,
    record::{AlertFilter, Slice},
};

/// Hosts that get a sparkline: each costs a query.
const SPARKLINES_MAX: usize = 60;
/// What a sparkline covers, and its step.
const SPARKLINE: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_secs(120));
/// Raised alerts that are counted.
const ALERTS_MAX: u32 = 500;

struct Row {
    url: String,
    name: String,
    customer: String,
    site: String,
    state: String,
    state_key: &'static str,
    cpu: Gauge,
    memory: Gauge,
    disk: Gauge,
    disk_name: String,
    spark: Html,
    seen: Option<Html>,
    alerts: usize,
    os: String,
}

/// A share with its bar.
#[derive(Clone)]
pub(crate) struct Gauge {
    pub(crate) text: String,
    /// Per cent, 0 to 100.
    pub(crate) share: String,
    pub(crate) known: bool,
}

impl Gauge {
    pub(crate) fn new(value: Option<f64>) -> Self {
        let known = value.filter(|value| value.is_finite());
        Self {
            text: known.map_or_else(|| "–".to_owned(), |value| figure(value, "1")),
            share: format!("{:.0}", known.unwrap_or(0.0).clamp(0.0, 1.0) * 100.0),
            known: known.is_some(),
        }
    }
}

struct Choice {
    url: String,
    name: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "hosts.html")]
struct Hosts {
    shell: Shell,
    hosts: Vec<Row>,
    total: usize,
    wanted: String,
    state: String,
    choices: Vec<Choice>,
}

pub(crate) const fn state_key(state: HostState) -> &'static str {
    match state {
        HostState::Live => "live",
        HostState::Silent => "silent",
        HostState::Never => "never",
        HostState::Revoked => "revoked",
    }
}

/// `GET /hosts?q=&state=`.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "hosts").with_ticks("all");
    let wanted = visit.parameter("q").unwrap_or_default();
    let state = visit.parameter("state").unwrap_or_default();
    let mut hosts = visible_hosts(&visit).await?;
    let total = hosts.len();
    hosts.retain(|host| (state.is_empty() || state_key(host.state) == state) && fits(host, &wanted));
    hosts.sort_by(|a, b| {
        urgency(a)
            .cmp(&urgency(b))
            .then_with(|| a.record.name.cmp(&b.record.name))
    });
    let filter = AlertFilter {
        state: Some(AlertState::Raised),
        customer: visit.scope()?,
        slice: Slice {
            after: None,
            limit: ALERTS_MAX,
        },
        ..AlertFilter::default()
    };
    let alerts = visit.console.backend.alerts(&filter).await?.items;
    let rows = join_all(hosts.iter().enumerate().map(|(at, host)| {
        let raised = alerts.iter().filter(|alert| alert.host == host.record.id).count();
        row(&visit, &shell, host, raised, at < SPARKLINES_MAX)
    }))
    .await;
    let rows = rows.into_iter().collect::<Result<Vec<_>, Failure>>()?;
    let choice = |key: &str, name: String| Choice {
        url: format!("/hosts?state={key}&q={}", crate::markup::percent(&wanted)),
        name,
        chosen: state == key,
    };
    let mut choices = vec![choice("", shell.t("hosts-all"))];
    choices.extend(["live", "silent", "never", "revoked"].map(|key| choice(key, shell.word("host", key))));
    page(&Hosts {
        shell,
        hosts: rows,
        total,
        wanted,
        state,
        choices,
    })
}

/// Silent hosts first: what cannot be seen may be anything.
const fn urgency(host: &Host) -> u8 {
    match host.state {
        HostState::Silent => 0,
        HostState::Live => 1,
        HostState::Never => 2,
        HostState::Revoked => 3,
    }
}

fn fits(host: &Host, wanted: &str) -> bool {
    let wanted = wanted.to_lowercase();
    let record = &host.record;
    let words = [
        &record.name,
        &record.customer_name,
        &record.site_name,
        &record.facts.hostname,
        &record.facts.os,
    ];
    words
        .into_iter()
        .chain(&record.tags)
        .chain(&record.facts.addresses)
        .any(|word| word.to_lowercase().contains(&wanted))
}

async fn row(visit: &Visit, shell: &Shell, host: &Host, alerts: usize, spark: bool) -> Result<Row, Failure> {
    let id = host.record.id;
    // Old figures beside "silent" would look like knowledge.
    let known = host.state == HostState::Live;
    let latest = if known {
        visit.console.backend.latest(id).await?
    } else {
        None
    };
    let (cpu, memory, disk) = gauges(latest.as_ref());
    let spark = if spark && known {
        let query = MetricQuery {
            host: id,
            metric: "system.cpu.utilization".to_owned(),
            attributes: Vec::new(),
            from: visit.now.minus(SPARKLINE.0),
            to: visit.now,
            step: Some(SPARKLINE.1),
            aggregate: None,
        };
        let answer = visit.console.backend.query(&query).await?;
        let whole = answer.series.iter().find(|line| line.series.attributes.is_empty());
        whole
            .map(|line| Html(sparkline_within(&line.points, Y::Range(0.0, 1.0), 96, 22)))
            .unwrap_or_default()
    } else {
        Html::default()
    };
    Ok(Row {
        url: format!("/hosts/{id}"),
        name: host.record.name.clone(),
        customer: host.record.customer_name.clone(),
        site: host.record.site_name.clone(),
        state: shell.word("host", state_key(host.state)),
        state_key: state_key(host.state),
        cpu: Gauge::new(cpu),
        memory: Gauge::new(memory),
        disk_name: disk.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
        disk: Gauge::new(disk.map(|(_, value)| value)),
        spark,
        seen: host.last_seen_at.or(host.record.last_seen_at).map(|at| shell.ago(at)),
        alerts,
        os: host.record.facts.os.clone(),
    })
}

/// CPU, memory, and the fullest file system with its mount point, each a share.
pub(crate) fn gauges(latest: Option<&LatestTick>) -> (Option<f64>, Option<f64>, Option<(String, f64)>) {
    let Some(tick) = latest else { return (None, None, None) };
    let named = |name: &'static str| tick.values.iter().filter(move |latest| latest.series.name == name);
    let cpu = named("system.cpu.utilization").find(|latest| latest.series.attributes.is_empty());
    let memory = named("system.memory.utilization").find(|latest| {
        latest
            .series
            .attribute("system.memory.state")
            .is_none_or(|state| state == "used")
    });
    let disk = named("system.filesystem.utilization")
        .filter(|latest| {
            latest
                .series
                .attribute("system.filesystem.state")
                .is_none_or(|state| state == "used")
        })
        .filter_map(|latest| {
            let mount = latest
                .series
                .attribute("system.filesystem.mountpoint")
                .unwrap_or_default();
            latest.value.map(|value| (mount.to_owned(), value))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1));
    (
        cpu.and_then(|latest| latest.value),
        memory.and_then(|latest| latest.value),
        disk,
    )
}
