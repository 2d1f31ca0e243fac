//! One alert: what its rule saw and decided, with which text, and the samples around it.

use super::ticket::{Sizes, chart_of_alert};
use crate::{
    backend::Failure,
    figures,
    guard::{Answer, Visit, nothing},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::extract::Path;
use tocsin_desk::model::{Alert, Arrival, Decision, Samples};
use tocsin_vocabulary::{AlertId, Timestamp};

/// Rows of samples that are shown; the API gives all.
const SAMPLES_SHOWN: usize = 60;

struct DecisionRow {
    at: Html,
    tick: Html,
    from: String,
    to: String,
    reason: String,
    value: String,
    threshold: String,
    worst: String,
    ticks: u32,
    saw: String,
}

struct SampleRow {
    at: Html,
    value: String,
}

struct SampleTable {
    title: String,
    rows: Vec<SampleRow>,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    shell: Shell,
    title: String,
    severity: String,
    severity_key: &'static str,
    state: String,
    arrival: String,
    rule: String,
    instance: String,
    host: String,
    host_url: String,
    ticket: Option<(u64, String)>,
    value: String,
    threshold: String,
    occurred: Html,
    raised: Html,
    cleared: Option<Html>,
    silence: String,
    remedy: String,
    /// A link of the rule: a name when it is no address of the web.
    knowledge: Option<String>,
    knowledge_url: Option<String>,
    chart: Option<Sizes>,
    decisions: Vec<DecisionRow>,
    version: String,
    text: String,
    samples: Vec<SampleTable>,
    api_url: String,
}

/// The alert that a path names, if the visitor may see it.
pub(crate) async fn find(visit: &Visit, id: &str) -> Result<Alert, Failure> {
    let id: AlertId = id.parse().map_err(|_| nothing())?;
    let alert = visit.console.backend.alert(id).await?.ok_or_else(nothing)?;
    let host = visit.console.backend.host(alert.host).await?.ok_or_else(nothing)?;
    visit.must_see(host.record.customer)?;
    Ok(alert)
}

/// Whether what a rule names may stand as a link: the web's addresses and pages of our own, and no script.
pub(crate) fn is_web(link: &str) -> bool {
    let own = link.starts_with('/') && !link.starts_with("//");
    own || link.starts_with("https://") || link.starts_with("http://")
}

/// `GET /alerts/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>) -> Answer {
    let alert = find(&visit, &id).await?;
    let backend = &visit.console.backend;
    let host = backend.host(alert.host).await?;
    let decisions = backend.decisions(&alert).await?;
    let text = match alert.ruling.version.as_str() {
        "" => None,
        version => backend.rule_version(version).await?,
    };
    let samples = backend.samples(alert.id).await?;
    let ticket = ticket(&visit, &alert).await?;
    let shell = Shell::new(&visit, "alerts").with_ticks(alert.host.to_string());
    let figure = |value| figures::measured(&shell, &alert.metric, value);
    let knowledge = alert.ruling.knowledge.clone();
    let view = AlertPage {
        title: shell.text(&alert.title).to_owned(),
        severity: shell.severity(alert.severity),
        severity_key: alert.severity.as_str(),
        state: shell.word("phase", if alert.cleared_at.is_some() { "clear" } else { "raised" }),
        arrival: if alert.ruling.arrival == Arrival::Live {
            String::new()
        } else {
            shell.word("arrival", alert.ruling.arrival.as_str())
        },
        rule: alert.rule.clone(),
        instance: alert.instance.clone(),
        host: host.map_or_else(|| alert.host.to_string(), |host| host.record.name),
        host_url: format!("/hosts/{}", alert.host),
        ticket,
        value: figure(alert.value),
        threshold: figure(alert.threshold),
        occurred: shell.exact(alert.occurred_at),
        raised: shell.exact(alert.raised_at),
        cleared: alert.cleared_at.map(|at| shell.exact(at)),
        silence: alert
            .ruling
            .silence
            .map(|silence| shell.text(&silence.words()).to_owned())
            .unwrap_or_default(),
        remedy: shell.text(&alert.remedy).to_owned(),
        knowledge_url: knowledge.clone().filter(|link| is_web(link)),
        knowledge,
        chart: chart_of_alert(&visit, &shell, &alert).await?,
        decisions: decisions.iter().map(|one| row(&shell, one, &alert.metric)).collect(),
        version: alert.ruling.version.clone(),
        text: text.map(|text| text.text).unwrap_or_default(),
        samples: samples.map(|samples| tables(&shell, &samples)).unwrap_or_default(),
        api_url: format!("/api/v1/alerts/{}", alert.id),
        shell,
    };
    page(&view)
}

/// Number and address of the ticket that the alert's fault opened.
async fn ticket(visit: &Visit, alert: &Alert) -> Result<Option<(u64, String)>, Failure> {
    let Some(fault) = alert.fault else {
        return Ok(None);
    };
    let found = visit.console.backend.ticket_of_fault(fault).await?;
    Ok(found.map(|ticket| (ticket.number, format!("/t/{}", ticket.number))))
}

fn row(shell: &Shell, one: &Decision, metric: &str) -> DecisionRow {
    let figure = |value| figures::measured(shell, metric, value);
    DecisionRow {
        at: shell.exact(one.decided),
        tick: shell.exact(one.observed),
        from: shell.word("phase", one.from.as_str()),
        to: shell.word("phase", one.to.as_str()),
        reason: shell.word("decision", &one.reason),
        value: figure(one.value),
        threshold: figure(one.threshold),
        worst: figure(one.worst),
        ticks: one.ticks,
        saw: one.saw.clone(),
    }
}

/// The samples nearest to the alert's end come last, as in the ledger; of many only some are shown.
fn tables(shell: &Shell, samples: &Samples) -> Vec<SampleTable> {
    let each = samples.series.iter();
    each.map(|series| {
        let attributes: Vec<String> = series
            .attributes
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let every = series.points.len().div_ceil(SAMPLES_SHOWN).max(1);
        let shown = series.points.iter().step_by(every);
        SampleTable {
            title: format!("{} {}", series.name, attributes.join(", ")).trim().to_owned(),
            rows: shown
                .map(|(at, value)| SampleRow {
                    at: shell.exact(Timestamp::from_millis(*at)),
                    value: value.map_or_else(|| "\u{2013}".to_owned(), |value| figures::figure(value, &series.unit)),
                })
                .collect(),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::is_web;

    #[test]
    fn a_rule_may_name_pages_and_no_scripts() {
        for link in ["https://wiki/x", "http://wiki/x", "/help/rules"] {
            assert!(is_web(link), "{link}");
        }
        for link in [
            "javascript:alert(1)",
            "//elsewhere/x",
            "data:text/html,x",
            "see the blue folder",
            "",
        ] {
            assert!(!is_web(link), "{link}");
        }
    }
}
