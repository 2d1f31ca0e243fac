//! `/federate`: the newest values of all hosts in Prometheus' text format, with their times, for a scrape.
//!
//! As there, only what is not older than five minutes is told. Lines of one metric stand together; the text is made
//! piece by piece while it is sent.

use crate::{
    fleet::Fleet,
    matchers::Matcher,
    series::{ShapeCache, Shapes, merged},
};
use std::{fmt::Write as _, time::Duration};
use tocsin_metrics::{Latest, Store};
use tocsin_vocabulary::{Kind, Language, Series, Timestamp, catalogue, prometheus::NAME_LABEL};

/// Older values are left out, as Prometheus does.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// Most values of one answer.
pub const VALUES_MAX: usize = 2_000_000;
/// Bytes of one piece of text.
const PIECE_BYTES: usize = 64 * 1024;

/// Too much matches.
#[derive(Debug, thiserror::Error)]
#[error("more than {VALUES_MAX} values match; name metrics or hosts in match[]")]
pub struct TooManyValues;

/// One host that is told of.
struct Told<'a> {
    latest: Latest,
    labels: &'a [(String, String)],
    shapes: Shapes,
}

/// What is to be told, in order, before any text of it is made.
pub struct Federation<'a> {
    hosts: Vec<Told<'a>>,
    /// Host and cell, sorted by metric name.
    values: Vec<(u32, u32)>,
}

impl std::fmt::Debug for Federation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Federation")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Federation<'a> {
    /// Everything that fits one of the selectors.
    ///
    /// # Errors
    /// When that is too much.
    pub fn gather(
        store: &Store,
        fleet: &'a Fleet,
        selectors: &[Vec<Matcher>],
        now: Timestamp,
    ) -> Result<Self, TooManyValues> {
        let mut shapes = ShapeCache::default();
        let mut hosts = Vec::new();
        let mut values = Vec::new();
        for (host, labels) in fleet.iter() {
            let Some(latest) = store
                .latest(host)
                .filter(|latest| now.since(latest.received_at) < AGE_MAX)
            else {
                continue;
            };
            let told = Told {
                shapes: shapes.get(&latest.dictionary, |_| true),
                latest,
                labels,
            };
            let at = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
            let fitting = (0_u32..).zip(told.shapes.iter()).filter(|(_, shape)| {
                shape
                    .as_ref()
                    .is_some_and(|shape| selectors.iter().any(|selector| fits(selector, &shape.labels, labels)))
            });
            values.extend(fitting.map(|(cell, _)| (at, cell)));
            if values.len() > VALUES_MAX {
                return Err(TooManyValues);
            }
            hosts.push(told);
        }
        let mut federation = Self { hosts, values };
        let mut values = std::mem::take(&mut federation.values);
        values.sort_by(|a, b| federation.name(*a).cmp(federation.name(*b)));
        federation.values = values;
        Ok(federation)
    }

    fn name(&self, (host, cell): (u32, u32)) -> &str {
        let told = self.hosts.get(host as usize);
        told.and_then(|told| told.shapes.get(cell as usize)?.as_ref())
            .and_then(|shape| shape.labels.iter().find(|(name, _)| name == NAME_LABEL))
            .map_or("", |(_, name)| name)
    }

    /// Makes the text; `piece` is given it bit by bit and answers whether to go on.
    pub fn write(&self, mut piece: impl FnMut(String) -> bool) {
        let (mut out, mut last) = (String::with_capacity(PIECE_BYTES * 2), "");
        for &value in &self.values {
            let name = self.name(value);
            self.line(&mut out, value, (name, name != last));
            last = name;
            if out.len() >= PIECE_BYTES && !piece(std::mem::replace(&mut out, String::with_capacity(PIECE_BYTES * 2))) {
                return;
            }
        }
        if !out.is_empty() {
            piece(out);
        }
    }

    fn line(&self, out: &mut String, (host, cell): (u32, u32), (name, first): (&str, bool)) {
        let Some(told) = self.hosts.get(host as usize) else {
            return;
        };
        let cell = cell as usize;
        let Some(Some(shape)) = told.shapes.get(cell) else {
            return;
        };
        if first && let Some(series) = told.latest.dictionary.series().nth(cell) {
            head(out, name, series);
        }
        let value = told
            .latest
            .tick
            .cells
            .get(cell)
            .and_then(|found| found.to_f64(shape.decimals));
        let Some(value) = value else { return };
        out.push_str(name);
        out.push('{');
        let mut comma = "";
        for label in merged(&shape.labels, told.labels)
            .iter()
            .filter(|label| label.name != NAME_LABEL)
        {
            let _ = write!(out, "{comma}{}=\"", label.name);
            escape(out, &label.value);
            out.push('"');
            comma = ",";
        }
        let _ = writeln!(out, "}} {} {}", number(value), told.latest.tick.time.as_millis());
    }
}

fn fits(selector: &[Matcher], own: &[(String, String)], host: &[(String, String)]) -> bool {
    let value = |name: &str| {
        own.iter()
            .chain(host)
            .find(|(label, _)| label == name)
            .map_or("", |(_, value)| value.as_str())
    };
    selector.iter().all(|matcher| matcher.fits(value(matcher.name())))
}

fn head(out: &mut String, name: &str, series: &Series) {
    let kind = if series.kind == Kind::Counter {
        "counter"
    } else {
        "gauge"
    };
    if let Some(metric) = catalogue::metric(&series.name) {
        let _ = writeln!(out, "# HELP {name} {}", metric.describe(Language::English));
    }
    let _ = writeln!(out, "# TYPE {name} {kind}");
}

fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// As Prometheus writes numbers.
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
