//! `/query`: points of a metric.

use super::{Parameters, fleet::find, wrong};
use crate::{
    backend::{Aggregate, Failure, MetricAnswer, MetricQuery},
    guard::{Answer, Visit},
};
use axum::{Json, response::IntoResponse as _};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{Timestamp, time::parse_duration};
use utoipa::ToSchema;

/// What is asked when `from` is not given.
const DEFAULT_SPAN: Duration = Duration::from_secs(3_600);
/// Most points of one series in one answer.
const POINTS_MAX: u128 = 11_000;

/// The answer of a query.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueryAnswer {
    /// One for each matching series.
    series: Vec<QuerySeries>,
    /// Spans for which nothing is known: from and to, epoch milliseconds.
    #[schema(value_type = Vec<Vec<i64>>)]
    not_observed: Vec<(i64, i64)>,
}

/// One series of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuerySeries {
    /// Metric name.
    name: String,
    /// Attributes of the series.
    attributes: BTreeMap<String, String>,
    /// Unit of the points; `…/s` for a rate.
    unit: String,
    /// Epoch milliseconds and value; null where nothing is known or the value is no number.
    #[schema(value_type = Vec<Vec<Option<f64>>>)]
    points: Vec<(i64, Option<f64>)>,
}

/// Points of a metric of one host.
#[utoipa::path(get, path = "/query", params(
    ("host" = String, Query, description = "the host's id"),
    ("metric" = String, Query, description = "metric name"),
    ("attributes" = Option<String>, Query, description = "`key:value,…` that must match"),
    ("from" = Option<String>, Query, description = "RFC 3339 or epoch milliseconds, inclusive; an hour ago if left out"),
    ("to" = Option<String>, Query, description = "RFC 3339 or epoch milliseconds, exclusive; now if left out"),
    ("step" = Option<String>, Query, description = "`10s` or milliseconds; left out: the samples themselves"),
    ("aggregate" = Option<String>, Query, description = "avg, min, max, last or rate; left out: rate for counters, avg for gauges"),
), responses((status = 200, description = "series and gaps", body = QueryAnswer),
    (status = 400, description = "a parameter is wrong or unknown", body = super::problem::Problem)))]
pub(crate) async fn query(visit: Visit) -> Answer {
    let known = ["host", "metric", "attributes", "from", "to", "step", "aggregate"];
    let parameters = Parameters::of(&visit, &known)?;
    let host = find(
        &visit,
        parameters
            .get("host")
            .ok_or_else(|| wrong("parameter `host` is missing: a host's id"))?,
    )
    .await?;
    let metric = parameters
        .get("metric")
        .ok_or_else(|| wrong("parameter `metric` is missing: a metric's name"))?;
    let to: Timestamp = parameters.parse("to")?.unwrap_or(visit.now);
    let from: Timestamp = parameters.parse("from")?.unwrap_or(to.minus(DEFAULT_SPAN));
    if from >= to {
        return Err(wrong("parameter `from` must be before `to`").into());
    }
    let step = parameters.get("step").map(step).transpose()?;
    if let Some(step) = step
        && to.since(from).as_millis() / step.as_millis() > POINTS_MAX
    {
        return Err(wrong(format!(
            "more than {POINTS_MAX} points: ask for a larger `step` or a shorter time"
        ))
        .into());
    }
    let query = MetricQuery {
        host: host.record.id,
        metric: metric.to_owned(),
        attributes: parameters
            .get("attributes")
            .map(attributes)
            .transpose()?
            .unwrap_or_default(),
        from,
        to,
        step,
        aggregate: parameters.get("aggregate").map(aggregate).transpose()?,
    };
    let answer = visit.console.backend.query(&query).await?;
    Ok(Json(QueryAnswer::from(answer)).into_response())
}

impl From<MetricAnswer> for QueryAnswer {
    fn from(answer: MetricAnswer) -> Self {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let series = answer.series.into_iter().map(|line| QuerySeries {
            name: line.series.name,
            attributes: line.series.attributes.into_iter().collect(),
            unit: line.unit,
            points: line
                .points
                .into_iter()
                .map(|(at, value)| (at.as_millis(), finite(value)))
                .collect(),
        });
        let spans = answer
            .not_observed
            .into_iter()
            .map(|(from, to)| (from.as_millis(), to.as_millis()));
        Self {
            series: series.collect(),
            not_observed: spans.collect(),
        }
    }
}

fn step(text: &str) -> Result<Duration, Failure> {
    let step = match text.parse() {
        Ok(millis) => Duration::from_millis(millis),
        Err(_) => parse_duration(text).map_err(|error| wrong(format!("parameter `step`: {error}")))?,
    };
    if step.is_zero() {
        Err(wrong("parameter `step` must be longer than nothing"))
    } else {
        Ok(step)
    }
}

/// `key:value,key:value`; a value may itself hold colons.
fn attributes(text: &str) -> Result<Vec<(String, String)>, Failure> {
    text.split(',')
        .map(|pair| match pair.split_once(':') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(wrong("parameter `attributes` must be `key:value,…`")),
        })
        .collect()
}

fn aggregate(text: &str) -> Result<Aggregate, Failure> {
    Ok(match text {
        "avg" => Aggregate::Avg,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "last" => Aggregate::Last,
        "rate" => Aggregate::Rate,
        _ => return Err(wrong("parameter `aggregate` must be avg, min, max, last or rate")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_attributes_are_read_or_refused_by_name() {
        assert_eq!(step("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(step("2500"), Ok(Duration::from_millis(2_500)));
        for bad in ["0", "0s", "-1", "soon"] {
            assert!(step(bad).unwrap_err().reason.contains("`step`"), "{bad}");
        }
        let read = attributes("system.device:/dev/sda1,url:http://x").unwrap();
        assert_eq!(read[1], ("url".to_owned(), "http://x".to_owned()));
        assert!(attributes("nonsense").is_err());
    }
}
