//! Which series a condition looks at.

use super::{HOLD_MAX, fields::Fields};
use crate::{glob::Patterns, nearest::nearest};
use std::time::Duration;
use tocsin_vocabulary::catalogue::{self, METRICS, Metric};

pub(super) fn read_metric_name(fields: &mut Fields<'_>) -> Option<&'static Metric> {
    let name = fields.required_text("metric")?;
    let found = catalogue::metric(name);
    if found.is_none() {
        let hint = match nearest(name, METRICS.iter().map(|metric| metric.name)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "the handbook lists all metrics".to_owned(),
        };
        fields.error("metric", &format!("unknown metric `{}`", name.escape_debug()), &hint);
    }
    found
}

pub(super) fn read_filters(fields: &mut Fields<'_>, metric: Option<&Metric>) -> Vec<(String, Patterns)> {
    let mut filters = Vec::new();
    for (key, at, patterns) in fields.table_of_texts("where") {
        if let Some(metric) = metric.filter(|metric| !metric.attributes.contains(&key)) {
            let hint = match (metric.attributes, nearest(key, metric.attributes.iter().copied())) {
                ([], _) => "it has none: delete `where`".to_owned(),
                (_, Some(nearest)) => format!("did you mean `{nearest}`?"),
                (all, None) => format!("it has {}", all.join(", ")),
            };
            let message = format!("`{}` has no attribute `{}`", metric.name, key.escape_debug());
            fields.error_at(at, &message, &hint);
        }
        filters.push((key.to_owned(), Patterns::new(patterns)));
    }
    filters
}

/// Over how much time a counter's increase is taken.
pub(super) fn read_per(fields: &mut Fields<'_>) -> Option<Duration> {
    match (fields.flag("rate"), fields.duration("per", HOLD_MAX)) {
        (_, Some(per)) if per.is_zero() => {
            fields.error("per", "`per` is zero", "such as \"1s\" or \"1m\"");
            None
        }
        (_, Some(per)) => Some(per),
        (Some(true), None) => Some(Duration::from_secs(1)),
        _ => None,
    }
}
