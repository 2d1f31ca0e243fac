//! `/rules/{rule}`: one rule read aloud. `/replay`: a past period through rules, in force or changed.

use super::{
    Parameters, body,
    views::{RuleItem, Sentence},
    wrong,
};
use crate::{
    backend::{Failure, ReplayAlert, ReplayAnswer, ReplayQuestion, ReplayTally, RuleState, RuleTrial},
    guard::{Answer, Visit, nothing},
};
use axum::{Json, body::Bytes, extract::Path, response::IntoResponse as _};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{Code, Timestamp};
use utoipa::ToSchema;

/// What one sentence is about, and its words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Said {
    title: Sentence,
    words: Sentence,
}

/// Where one alert of a rule stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    host: String,
    /// Attributes as `key=value,…`; empty if there are none.
    instance: String,
    /// `clear`, `pending`, `raised` or `clearing`.
    state: String,
    /// When its condition began to hold; null while clear.
    since: Option<String>,
    value: Option<f64>,
}

/// One rule read aloud.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleDetail {
    #[serde(flatten)]
    rule: RuleItem,
    /// The line of its file where it begins, from 1.
    line: usize,
    remedy: Sentence,
    sentences: Vec<Said>,
    /// The worst first; those that are clear at the end, as far as there is room.
    states: Vec<Standing>,
    /// Clear ones beyond those.
    further_clear: usize,
    /// What came of its tests.
    tests: Vec<Trial>,
}

/// What came of a test of a rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trial {
    name: String,
    /// File and line.
    place: String,
    passed: bool,
    /// What differs, as lines; null when it passed.
    failure: Option<String>,
}

/// What shall be replayed: either `text` or `rules`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// First instant: RFC 3339, or epoch milliseconds as a text.
    from: String,
    /// Last instant, exclusive; now without it.
    to: Option<String>,
    /// Text of rules, TOML, as in a file.
    text: Option<String>,
    /// Names of rules in force, which are replayed as they are.
    #[serde(default)]
    rules: Vec<String>,
    /// Patterns of names of hosts, such as `db-*`; all without any.
    #[serde(default)]
    hosts: Vec<String>,
}

/// How much one rule would have said, and said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TallyView {
    rule: String,
    /// Alerts that would have been.
    would: usize,
    /// Alerts that there were.
    did: usize,
    /// Both.
    both: usize,
    /// Hosts with alerts that would have been.
    hosts: usize,
    /// For how long these would have held in all, in milliseconds.
    held_ms: u64,
}

/// An alert that would have been, was, or both.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayedView {
    rule: String,
    host: String,
    host_name: String,
    instance: String,
    severity: String,
    raised_at: String,
    /// Null while it holds.
    cleared_at: Option<String>,
    title: Sentence,
    /// Whether it would have been.
    would: bool,
    /// Whether it was.
    did: bool,
}

/// What came of a replay.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayView {
    hosts: usize,
    /// Ticks that were looked at.
    ticks: u64,
    /// By rule.
    tallies: Vec<TallyView>,
    /// In the order of time.
    alerts: Vec<ReplayedView>,
    /// Alerts beyond those.
    further: usize,
    /// What a reader should know.
    remarks: Vec<String>,
}

/// One rule: its text, read aloud, and where its alerts stand.
#[utoipa::path(get, path = "/rules/{rule}", params(("rule" = String, Path, description = "the rule's name")),
    responses((status = 200, description = "the rule", body = RuleDetail), (status = 404, description = "no such rule")))]
pub(crate) async fn rule(visit: Visit, Path(name): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let reading = visit.console.backend.rule(&name).await?.ok_or_else(nothing)?;
    let said = |(title, words): &(_, _)| Said {
        title: Sentence::from(title),
        words: Sentence::from(words),
    };
    let detail = RuleDetail {
        line: reading.line,
        remedy: (&reading.remedy).into(),
        sentences: reading.sentences.iter().map(said).collect(),
        states: reading.states.into_iter().map(Standing::from).collect(),
        further_clear: reading.further_clear,
        tests: reading.tests.into_iter().map(Trial::from).collect(),
        rule: reading.view.into(),
    };
    Ok(Json(detail).into_response())
}

/// Replays a past period: what would have fired, beside what did. Nothing is changed, and nobody is paged.
#[utoipa::path(post, path = "/replay", request_body = ReplayRequest, responses(
    (status = 200, description = "what would have fired", body = ReplayView),
    (status = 400, description = "mistakes of rules or times, one a line in `detail`"),
    (status = 404, description = "no such rule or host"),
    (status = 429, description = "it would take longer than a request may")))]
pub(crate) async fn replay(visit: Visit, bytes: Bytes) -> Answer {
    Parameters::of(&visit, &[])?;
    let request: ReplayRequest = body(&bytes)?;
    let instant = |field: &str, text: &str| {
        text.parse::<Timestamp>()
            .map_err(|error| wrong(format!("field `{field}`: {error}")))
    };
    let question = ReplayQuestion {
        from: instant("from", &request.from)?,
        to: request.to.as_ref().map_or(Ok(visit.now), |to| instant("to", to))?,
        text: text_of(&visit, &request).await?,
        hosts: request.hosts,
    };
    match visit.console.backend.replay_rules(question).await? {
        ReplayAnswer::Mistakes(mistakes) => Err(Failure::new(Code::InvalidInput, mistakes.join("\n")).into()),
        ReplayAnswer::Done {
            hosts,
            ticks,
            tallies,
            alerts,
            further,
            remarks,
        } => Ok(Json(ReplayView {
            hosts,
            ticks,
            tallies: tallies.into_iter().map(TallyView::from).collect(),
            alerts: alerts.into_iter().map(ReplayedView::from).collect(),
            further,
            remarks,
        })
        .into_response()),
    }
}

async fn text_of(visit: &Visit, request: &ReplayRequest) -> Result<String, Failure> {
    match (&request.text, request.rules.as_slice()) {
        (Some(text), []) => Ok(text.clone()),
        (None, [_, ..]) => {
            let mut text = String::new();
            for name in &request.rules {
                let reading = visit.console.backend.rule(name).await?;
                let reading = reading.ok_or_else(|| {
                    let shown: String = name.chars().take(64).collect();
                    Failure::new(Code::NotFound, format!("there is no rule `{shown}` in force"))
                })?;
                text.push_str(&reading.view.text);
                text.push('\n');
            }
            Ok(text)
        }
        _ => Err(wrong(
            "give either `text` (rules as in a file) or `rules` (names of rules in force)",
        )),
    }
}

impl From<RuleTrial> for Trial {
    fn from(trial: RuleTrial) -> Self {
        Self {
            name: trial.name,
            place: trial.place,
            passed: trial.failure.is_none(),
            failure: trial.failure,
        }
    }
}

impl From<RuleState> for Standing {
    fn from(state: RuleState) -> Self {
        Self {
            host: state.host.to_string(),
            instance: state.instance,
            state: state.phase,
            since: state.since.map(|at| at.to_string()),
            value: state.value,
        }
    }
}

impl From<ReplayTally> for TallyView {
    fn from(tally: ReplayTally) -> Self {
        Self {
            rule: tally.rule,
            would: tally.would,
            did: tally.did,
            both: tally.both,
            hosts: tally.hosts,
            held_ms: tally.held_ms,
        }
    }
}

impl From<ReplayAlert> for ReplayedView {
    fn from(alert: ReplayAlert) -> Self {
        Self {
            rule: alert.rule,
            host: alert.host.to_string(),
            host_name: alert.host_name,
            instance: alert.instance,
            severity: alert.severity.to_string(),
            raised_at: alert.raised_at.to_string(),
            cleared_at: alert.cleared_at.map(|at| at.to_string()),
            title: (&alert.title).into(),
            would: alert.would,
            did: alert.did,
        }
    }
}
