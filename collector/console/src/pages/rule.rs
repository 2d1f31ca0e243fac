//! One rule: read aloud, where its alerts stand, what it lately said.

use super::board::{AlertRow, visible_hosts};
use crate::{
    backend::{Failure, Host, RuleReading, RuleState, RuleTrial},
    guard::{Answer, Visit, nothing},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::extract::Path;
use tocsin_desk::{
    model::Alert,
    record::{AlertFilter, Slice},
};

/// Alerts that are shown.
const ALERTS: usize = 30;
/// Lists of alerts that are looked through for them: the ledger sorts by time, not by rule.
const LISTS: usize = 4;
const ROWS: u32 = 500;

/// A sentence; its topic is empty when it is that of the one before.
struct Sentence {
    topic: String,
    words: String,
}

struct StateRow {
    host: String,
    host_url: String,
    instance: String,
    phase: String,
    tone: &'static str,
    since: Option<Html>,
    value: String,
}

#[derive(Template)]
#[template(path = "rule.html")]
struct RulePage {
    shell: Shell,
    name: String,
    severity: String,
    severity_key: &'static str,
    action: String,
    place: String,
    sentences: Vec<Sentence>,
    states: Vec<StateRow>,
    further_clear: usize,
    alerts: Vec<AlertRow>,
    tests: Vec<RuleTrial>,
    text: String,
    replay_url: String,
}

/// `GET /rules/{rule}`.
pub(crate) async fn show(visit: Visit, Path(name): Path<String>) -> Answer {
    let reading = visit.console.backend.rule(&name).await?.ok_or_else(nothing)?;
    let shell = Shell::new(&visit, "rules");
    let hosts = visible_hosts(&visit).await?;
    let alerts = recent(&visit, &name).await?;
    let alerts = alerts
        .iter()
        .map(|alert| AlertRow::new(&shell, alert, &hosts))
        .collect();
    page(&RulePage {
        name: reading.view.name.clone(),
        severity: shell.severity(reading.view.severity),
        severity_key: reading.view.severity.as_str(),
        action: shell.word("response", &reading.view.action),
        place: format!("{}:{}", reading.view.file, reading.line),
        sentences: sentences(&shell, &reading),
        states: reading
            .states
            .iter()
            .map(|state| row(&shell, &reading, state, &hosts))
            .collect(),
        further_clear: reading.further_clear,
        alerts,
        tests: reading.tests,
        replay_url: format!("/replay?rule={}", crate::markup::percent(&reading.view.name)),
        text: reading.view.text,
        shell,
    })
}

fn sentences(shell: &Shell, reading: &RuleReading) -> Vec<Sentence> {
    let mut last = "";
    let mut told = Vec::new();
    for (topic, words) in &reading.sentences {
        let topic = shell.text(topic);
        told.push(Sentence {
            topic: if topic == last { String::new() } else { topic.to_owned() },
            words: shell.text(words).to_owned(),
        });
        last = topic;
    }
    told
}

fn row(shell: &Shell, reading: &RuleReading, state: &RuleState, hosts: &[Host]) -> StateRow {
    let host = hosts.iter().find(|host| host.record.id == state.host);
    StateRow {
        host: host.map_or_else(|| state.host.to_string(), |host| host.record.name.clone()),
        host_url: format!("/hosts/{}", state.host),
        instance: state.instance.clone(),
        phase: shell.word("phase", &state.phase),
        tone: if matches!(state.phase.as_str(), "raised" | "clearing") {
            "bad"
        } else {
            ""
        },
        since: state.since.map(|at| shell.ago(at)),
        value: crate::figures::measured(shell, &reading.view.metric, state.value),
    }
}

/// What the rule lately said, newest first.
async fn recent(visit: &Visit, rule: &str) -> Result<Vec<Alert>, Failure> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..LISTS {
        let filter = AlertFilter {
            customer: visit.scope()?,
            slice: Slice { after, limit: ROWS },
            ..AlertFilter::default()
        };
        let list = visit.console.backend.alerts(&filter).await?;
        found.extend(list.items.into_iter().filter(|alert| alert.rule == rule));
        after = list.next;
        if found.len() >= ALERTS || after.is_none() {
            break;
        }
    }
    found.truncate(ALERTS);
    Ok(found)
}
