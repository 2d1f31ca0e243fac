//! `/alerts/{id}`: one alert with its evidence.

use super::{Parameters, views::AlertView};
use crate::{
    guard::{Answer, Visit},
    pages::alert::find,
};
use axum::{Json, extract::Path, response::IntoResponse as _};
use serde::Serialize;
use std::collections::BTreeMap;
use tocsin_desk::model::{Decision, Samples};
use utoipa::ToSchema;

/// One evaluation that changed where an alert stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionView {
    /// `clear`, `pending`, `raised` or `clearing`.
    from: String,
    /// As `from`.
    to: String,
    /// `holds`, `held` (long enough), `not_long_enough`, `healthy`, `holds_again`, `recovered`, `worsened`, `eased`,
    /// `vanished`, `rule_changed`, `not_applicable`, `forgotten`.
    reason: String,
    /// Since when the condition held, by the host's clock.
    since: String,
    /// The tick on which it was decided, by the host's clock.
    observed: String,
    /// When it was decided, by the collector's clock.
    decided: String,
    value: Option<f64>,
    threshold: Option<f64>,
    /// The worst value since.
    worst: Option<f64>,
    /// Ticks on which it held since.
    ticks: u32,
    /// What each comparison of a condition of several parts came to, in words; empty for a single value.
    saw: String,
    /// Which text of the rule decided.
    rule_version: String,
}

/// Samples as they are kept with an alert.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SamplesView {
    from: String,
    to: String,
    /// Whether what came after it cleared is in it.
    complete: bool,
    series: Vec<SampledView>,
}

/// One series of the samples.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SampledView {
    name: String,
    attributes: BTreeMap<String, String>,
    unit: String,
    /// Milliseconds since 1970, and the value or null.
    points: Vec<(i64, Option<f64>)>,
}

/// One alert with what its rule saw and decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertDetail {
    #[serde(flatten)]
    alert: AlertView,
    /// Oldest first.
    decisions: Vec<DecisionView>,
    /// The text of the rule that raised it, as it was then; null when it is not known.
    rule_text: Option<String>,
    /// Null until they were taken, about a minute after it was raised.
    samples: Option<SamplesView>,
}

/// One alert with its evidence.
#[utoipa::path(get, path = "/alerts/{alert}", params(("alert" = String, Path, description = "the alert's id")),
    responses((status = 200, description = "the alert", body = AlertDetail), (status = 404, description = "no such alert")))]
pub(crate) async fn alert(visit: Visit, Path(id): Path<String>) -> Answer {
    Parameters::of(&visit, &[])?;
    let alert = find(&visit, &id).await?;
    let backend = &visit.console.backend;
    let decisions = backend.decisions(&alert).await?;
    let text = backend.rule_version(&alert.ruling.version).await?;
    let samples = backend.samples(alert.id).await?;
    let detail = AlertDetail {
        alert: AlertView::from(&alert),
        decisions: decisions.iter().map(DecisionView::from).collect(),
        rule_text: text.map(|text| text.text),
        samples: samples.map(SamplesView::from),
    };
    Ok(Json(detail).into_response())
}

impl From<&Decision> for DecisionView {
    fn from(one: &Decision) -> Self {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        Self {
            from: one.from.as_str().to_owned(),
            to: one.to.as_str().to_owned(),
            reason: one.reason.clone(),
            since: one.since.to_string(),
            observed: one.observed.to_string(),
            decided: one.decided.to_string(),
            value: finite(one.value),
            threshold: finite(one.threshold),
            worst: finite(one.worst),
            ticks: one.ticks,
            saw: one.saw.clone(),
            rule_version: one.version.clone(),
        }
    }
}

impl From<Samples> for SamplesView {
    fn from(samples: Samples) -> Self {
        let series = samples.series.into_iter();
        Self {
            from: samples.from.to_string(),
            to: samples.to.to_string(),
            complete: samples.complete,
            series: series
                .map(|one| SampledView {
                    name: one.name,
                    attributes: one.attributes.into_iter().collect(),
                    unit: one.unit,
                    points: one.points,
                })
                .collect(),
        }
    }
}
