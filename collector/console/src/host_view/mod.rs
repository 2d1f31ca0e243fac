//! What is known of one host, put together by subject: disks, arrays, file systems, interfaces, sensors, units, the clock.
//!
//! Pure: values and verdicts in, rows out, those that are not well first. A host that has nothing of a subject has no
//! rows of it; a value that is not known is `None`, never zero.

mod hardware;
mod network;
mod services;
mod storage;
#[cfg(test)]
mod tests;

pub(crate) use hardware::sensors;
pub(crate) use network::{adapters, gateways, interfaces, traffic};
pub(crate) use services::{agent, clock, groups, probes, units};
pub(crate) use storage::{disks, file_systems, volumes};

use crate::{
    backend::{AnswerSeries, LatestValue},
    parts::Part,
};
use std::collections::HashMap;
use tocsin_vocabulary::Series;

/// How well something is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// It does not work.
    Failed,
    /// It works, but something is wrong.
    Degraded,
    /// It is there and could not be read.
    Unread,
    /// It works, as far as it says.
    Well,
    /// Nothing gives a verdict on it.
    Unjudged,
}

impl Health {
    /// The word of the agent's document of parts; none for what has no verdict.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Unread => "unread",
            Self::Well => "ok",
            Self::Unjudged => "",
        }
    }

    /// Whether somebody should look at it.
    pub(crate) const fn is_ill(self) -> bool {
        matches!(self, Self::Failed | Self::Degraded | Self::Unread)
    }
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) health: Health,
    /// In the words of whoever judged; empty when it is well.
    pub(crate) reason: String,
}

impl Standing {
    /// The worst of the verdicts of these parts, with the reasons of all that are not well.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Self {
        let mut standing = Self {
            health: Health::Unjudged,
            reason: String::new(),
        };
        for part in parts {
            standing.health = standing.health.min(part.health());
            if !part.reason.is_empty() && !standing.reason.contains(&part.reason) {
                let gap = if standing.reason.is_empty() { "" } else { "; " };
                standing.reason = format!("{}{gap}{}", standing.reason, part.reason);
            }
        }
        standing
    }
}

/// Newest values by metric.
type Values<'a> = HashMap<&'a str, Vec<(&'a Series, f64)>>;

/// What is known of a host.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    values: Values<'a>,
    /// Of counters: increase per second, over some minutes.
    rates: Values<'a>,
    /// Of counters: increase per second, over the last hour.
    hourly: Values<'a>,
    parts: &'a [Part],
}

impl<'a> Known<'a> {
    /// Puts together the newest values, the rates of counters over some minutes and over the last hour, and the parts.
    pub(crate) fn new(
        latest: &'a [LatestValue],
        rates: &'a [AnswerSeries],
        hourly: &'a [AnswerSeries],
        parts: &'a [Part],
    ) -> Self {
        let mut values = Values::new();
        for latest in latest {
            let known = latest.value.filter(|value| value.is_finite());
            if let Some(value) = known {
                let of = values.entry(latest.series.name.as_str()).or_default();
                of.push((&latest.series, value));
            }
        }
        Self {
            values,
            rates: newest(rates),
            hourly: newest(hourly),
            parts,
        }
    }

    /// All values of a metric.
    pub(crate) fn all(&self, metric: &str) -> &[(&'a Series, f64)] {
        self.values.get(metric).map_or(&[], Vec::as_slice)
    }

    /// The value of the series of a metric that has these attributes.
    pub(crate) fn value(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        pick(&self.values, metric, attributes).next()
    }

    /// The rate, over some minutes, of the series of a metric that has these attributes.
    pub(crate) fn rate(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        pick(&self.rates, metric, attributes).next()
    }

    /// By how much the series of a metric with these attributes grew together within an hour.
    pub(crate) fn grown(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        let rates = pick(&self.hourly, metric, attributes);
        rates.map(|rate| (rate * 3_600.0).round()).reduce(|a, b| a + b)
    }

    /// Parts of a type.
    pub(crate) fn parts(&self, kind: &'static str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| part.kind == kind)
    }

    /// The part of this type and id.
    pub(crate) fn part(&self, kind: &'static str, id: &str) -> Option<&'a Part> {
        self.parts(kind).find(|part| part.id == id)
    }

    /// Parts of these types, in their order.
    fn parts_of(&self, kinds: &[&str]) -> impl Iterator<Item = &'a Part> {
        self.parts
            .iter()
            .filter(move |part| kinds.contains(&part.kind.as_str()))
    }

    /// The values that an attribute has among the series of some metrics, sorted, each once.
    fn names(&self, metrics: &[&str], attribute: &str) -> Vec<&'a str> {
        let series = metrics.iter().flat_map(|metric| self.all(metric));
        let mut names: Vec<&str> = series.filter_map(|(series, _)| series.attribute(attribute)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn newest(answers: &[AnswerSeries]) -> Values<'_> {
    let mut values = Values::new();
    for answer in answers {
        let last = answer.points.iter().rev().find_map(|(_, value)| *value);
        if let Some(value) = last.filter(|value| value.is_finite()) {
            let of = values.entry(answer.series.name.as_str()).or_default();
            of.push((&answer.series, value));
        }
    }
    values
}

fn pick<'v>(values: &'v Values<'_>, metric: &str, attributes: &'v [(&str, &str)]) -> impl Iterator<Item = f64> + 'v {
    let of = values.get(metric).map_or(&[][..], Vec::as_slice);
    let fits = |series: &Series| {
        attributes
            .iter()
            .all(|(key, value)| series.attribute(key) == Some(value))
    };
    of.iter()
        .filter(move |(series, _)| fits(series))
        .map(|(_, value)| *value)
}

/// The reason's first of what is worst, then names in their order: what is not well comes first.
fn worst_first<T>(rows: &mut [T], health: impl Fn(&T) -> Health) {
    // Well and without a verdict are one: neither needs a look.
    rows.sort_by_key(|row| health(row).min(Health::Well));
}
