//! `/query`: points of metrics, of one host or of many.

mod body;

use super::{Parameters, fleet::find, wrong};
use crate::{
    backend::{Across, Aggregate, AnswerSeries, Failure, FleetQuery, FleetSeries, MetricAnswer, Rank, Top},
    guard::{Answer, Visit},
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{HostId, Timestamp, time::parse_duration};
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
    /// Whose; left out for a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// Metric name.
    name: String,
    /// Attributes of the series.
    attributes: BTreeMap<String, String>,
    /// Unit of the points; `…/s` for a rate.
    unit: String,
    /// Epoch milliseconds and value; null where nothing is known or the value is no number.
    #[schema(value_type = Vec<Vec<Option<f64>>>)]
    points: Vec<(i64, Option<f64>)>,
    /// With steps: the least value of each point; of a group, of its members' points.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    min: Vec<Option<f64>>,
    /// With steps: the greatest value of each point, as above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    max: Vec<Option<f64>>,
}

/// Points of metrics of hosts, in groups if asked for, or the greatest of them. A long answer is sent while it is found;
/// when that fails, or the client takes longer than the query may, the body breaks off before its end.
#[utoipa::path(get, path = "/query", params(
    ("host" = String, Query, description = "a host's id, several with commas between, or `*` for all hosts"),
    ("metric" = String, Query, description = "metric name, several with commas between; `*` in one stands for any characters"),
    ("attributes" = Option<String>, Query, description = "`key:value,…` that must match"),
    ("from" = Option<String>, Query, description = "RFC 3339 or epoch milliseconds, inclusive; an hour ago if left out"),
    ("to" = Option<String>, Query, description = "RFC 3339 or epoch milliseconds, exclusive; now if left out"),
    ("step" = Option<String>, Query, description = "`10s` or milliseconds; left out: the samples themselves"),
    ("aggregate" = Option<String>, Query, description = "avg, min, max, last or rate; left out: rate for counters, avg for gauges"),
    ("group_by" = Option<String>, Query, description = "attributes with commas between, `host` among them: one series for each set of their values; empty: one of all. Needs `step`"),
    ("op" = Option<String>, Query, description = "how a group becomes one: sum (if left out), avg, min, max, count or quantile"),
    ("q" = Option<String>, Query, description = "0 to 1, for `op=quantile`: the value below which this share of a group lies"),
    ("top" = Option<String>, Query, description = "`10` or `10:max`: only the ten series with the greatest max, avg (if left out), last or min; `-10` the least"),
), responses((status = 200, description = "series and gaps", body = QueryAnswer),
    (status = 400, description = "a parameter is wrong or unknown", body = super::problem::Problem)))]
pub(crate) async fn query(visit: Visit) -> Answer {
    let known = [
        "host",
        "metric",
        "attributes",
        "from",
        "to",
        "step",
        "aggregate",
        "group_by",
        "op",
        "q",
        "top",
    ];
    let parameters = Parameters::of(&visit, &known)?;
    let hosts = hosts(&visit, &parameters).await?;
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
    let group_by = parameters.given("group_by").map(names);
    if group_by.is_some() && step.is_none() {
        return Err(wrong("parameter `group_by` needs a `step`").into());
    }
    let query = FleetQuery {
        hosts,
        metrics: names(metric),
        attributes: parameters
            .get("attributes")
            .map(attributes)
            .transpose()?
            .unwrap_or_default(),
        from,
        to,
        step,
        aggregate: parameters.get("aggregate").map(aggregate).transpose()?,
        group_by,
        across: across(parameters.get("op"), parameters.get("q"))?,
        top: parameters.get("top").map(top).transpose()?,
    };
    if query.hosts.is_empty() {
        // To the store, no host means all.
        return Ok(body::nothing());
    }
    body::respond(visit.console.backend.fleet_query(&query).await?).await
}

/// The hosts that are asked for, all of which the visitor may see.
async fn hosts(visit: &Visit, parameters: &Parameters) -> Result<Vec<HostId>, Failure> {
    let given = parameters
        .get("host")
        .ok_or_else(|| wrong("parameter `host` is missing: hosts' ids, or `*` for all"))?;
    let mut ids = Vec::new();
    if given == "*" {
        for host in visit.console.backend.hosts().await? {
            if visit.must_see(host.record.customer).is_ok() {
                ids.push(host.record.id);
            }
        }
        return Ok(ids);
    }
    for id in given.split(',') {
        ids.push(find(visit, id).await?.record.id);
    }
    Ok(ids)
}

/// `a,b`
fn names(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn across(op: Option<&str>, q: Option<&str>) -> Result<Across, Failure> {
    Ok(match op {
        None | Some("sum") => Across::Sum,
        Some("avg") => Across::Avg,
        Some("min") => Across::Min,
        Some("max") => Across::Max,
        Some("count") => Across::Count,
        Some("quantile") => {
            let share = q.and_then(|q| q.parse::<f64>().ok());
            let share = share.filter(|share| (0.0..=1.0).contains(share));
            Across::Quantile(share.ok_or_else(|| wrong("parameter `q` must be 0 to 1"))?)
        }
        Some(_) => return Err(wrong("parameter `op` must be sum, avg, min, max, count or quantile")),
    })
}

/// `10`, `-10`, `10:max`
fn top(text: &str) -> Result<Top, Failure> {
    let mistake = || wrong("parameter `top` must be a number, perhaps with `:max`, `:avg`, `:last` or `:min`");
    let (number, by) = text.split_once(':').unwrap_or((text, "avg"));
    let number: i64 = number.parse().map_err(|_| mistake())?;
    let k = usize::try_from(number.unsigned_abs()).map_err(|_| mistake())?;
    let by = match by {
        "max" => Rank::Max,
        "avg" => Rank::Avg,
        "last" => Rank::Last,
        "min" => Rank::Min,
        _ => return Err(mistake()),
    };
    if k == 0 {
        return Err(mistake());
    }
    Ok(Top {
        k,
        by,
        lowest: number < 0,
    })
}

fn finite(values: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    values.into_iter().map(finite).collect()
}

impl From<AnswerSeries> for QuerySeries {
    fn from(line: AnswerSeries) -> Self {
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let points = line.points.into_iter();
        Self {
            host: None,
            name: line.series.name.into(),
            attributes: super::texts(line.series.attributes),
            unit: line.unit,
            points: points.map(|(at, value)| (at.as_millis(), finite(value))).collect(),
            min: Vec::new(),
            max: Vec::new(),
        }
    }
}

impl From<FleetSeries> for QuerySeries {
    fn from(series: FleetSeries) -> Self {
        Self {
            host: series.host.map(|host| host.to_string()),
            min: finite(series.min),
            max: finite(series.max),
            ..Self::from(series.line)
        }
    }
}

impl From<MetricAnswer> for QueryAnswer {
    fn from(answer: MetricAnswer) -> Self {
        Self {
            series: answer.series.into_iter().map(QuerySeries::from).collect(),
            not_observed: spans(answer.not_observed),
        }
    }
}

fn spans(not_observed: Vec<(Timestamp, Timestamp)>) -> Vec<(i64, i64)> {
    let spans = not_observed.into_iter();
    spans.map(|(from, to)| (from.as_millis(), to.as_millis())).collect()
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
    fn groups_and_choices_are_read_or_refused_by_name() {
        assert_eq!(across(None, None), Ok(Across::Sum));
        assert_eq!(across(Some("quantile"), Some("0.95")), Ok(Across::Quantile(0.95)));
        for q in [None, Some("2"), Some("nan")] {
            assert!(across(Some("quantile"), q).unwrap_err().reason.contains("`q`"));
        }
        assert!(across(Some("median"), None).unwrap_err().reason.contains("`op`"));
        let read = |k, by, lowest| Ok(Top { k, by, lowest });
        assert_eq!(top("10"), read(10, Rank::Avg, false));
        assert_eq!(top("-3:last"), read(3, Rank::Last, true));
        for bad in ["0", "ten", "5:sum", ""] {
            assert!(top(bad).unwrap_err().reason.contains("`top`"), "{bad}");
        }
        assert_eq!(names("a,,b*"), ["a", "b*"]);
    }

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
