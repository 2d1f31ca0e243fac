//! Ticks of the past, read from the metric store and put together as the rules see ticks.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tocsin_metrics::{Aggregate, Query, QueryError, Store};
use tocsin_rules::RuleSet;
use tocsin_vocabulary::{
    Dictionary, HostId, Kind, Timestamp,
    batch::{Cell, Tick},
    catalogue,
};

/// Read in one go; bounds memory.
const SLICE: Duration = Duration::from_secs(900);
/// So far back every tick is read; what lies before is read in steps of [`COARSE`].
const EXACT: Duration = Duration::from_secs(2 * 3_600);
const COARSE: Duration = Duration::from_secs(300);
/// No rule is told more of the past than this.
pub(super) const REACH: Duration = Duration::from_secs(7 * 86_400);

/// Name of a series and its attributes, sorted by key.
type SeriesKey = (String, Vec<(String, String)>);

/// What is read: whose, and which cells.
pub(super) struct Reader<'a> {
    store: &'a Store,
    host: HostId,
    dictionary: &'a Dictionary,
    /// Metrics that rules look at and the host has.
    metrics: Vec<String>,
    /// Where each series has its cell, by name and attributes.
    places: HashMap<SeriesKey, (usize, u8)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(store: &'a Store, host: HostId, dictionary: &'a Dictionary, rules: &RuleSet) -> Self {
        let wanted = rules.metrics();
        let mut places = HashMap::new();
        let mut metrics: Vec<String> = Vec::new();
        for (cell, series) in dictionary.series().enumerate() {
            if wanted.binary_search(&series.name.as_str()).is_err() {
                continue;
            }
            if metrics.last().is_none_or(|last| last.as_str() != series.name.as_str()) {
                metrics.push(series.name.to_string());
            }
            let mut attributes: Vec<_> = series
                .attributes
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            attributes.sort_unstable();
            places.insert((series.name.to_string(), attributes), (cell, series.decimals));
        }
        metrics.sort_unstable();
        metrics.dedup();
        Self {
            store,
            host,
            dictionary,
            metrics,
            places,
        }
    }

    /// Hands over every tick of `from..=to` in order of time; those that lie far before `to` stand for five minutes each.
    /// Ends early when `each` says so.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(super) fn each(&self, from: Timestamp, to: Timestamp, mut each: impl FnMut(&Tick)) -> Result<(), QueryError> {
        if self.metrics.is_empty() {
            return Ok(());
        }
        let exact = from.max(to.minus(EXACT));
        let mut begin = from;
        while begin < exact {
            let end = begin.plus(SLICE * 24).min(exact);
            self.slice(begin, end.minus(Duration::from_millis(1)), Some(COARSE), &mut each)?;
            begin = end;
        }
        begin = exact;
        while begin <= to {
            let end = begin.plus(SLICE).min(to.plus(Duration::from_millis(1)));
            self.slice(begin, end.minus(Duration::from_millis(1)), None, &mut each)?;
            begin = end;
        }
        Ok(())
    }

    /// Every tick of a span, however long.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(super) fn each_exactly(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut each: impl FnMut(&Tick),
    ) -> Result<(), QueryError> {
        let mut begin = from;
        while begin <= to && !self.metrics.is_empty() {
            let end = begin.plus(SLICE).min(to.plus(Duration::from_millis(1)));
            self.slice(begin, end.minus(Duration::from_millis(1)), None, &mut each)?;
            begin = end;
        }
        Ok(())
    }

    fn slice(
        &self,
        from: Timestamp,
        to: Timestamp,
        step: Option<Duration>,
        each: &mut impl FnMut(&Tick),
    ) -> Result<(), QueryError> {
        let query = Query {
            hosts: vec![self.host],
            metrics: self.metrics.clone(),
            step,
            aggregate: Some(Aggregate::Last),
            ..Query::new(String::new(), from, to)
        };
        let mut ticks: BTreeMap<Timestamp, Vec<Cell>> = BTreeMap::new();
        let width = self.dictionary.series().count();
        for found in self.store.query(&query)?.series {
            let mut attributes: Vec<_> = found
                .attributes
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            attributes.sort_unstable();
            let Some((cell, decimals)) = self.places.get(&(found.name.to_string(), attributes)) else {
                continue;
            };
            for (time, value) in found.points {
                // A step's last value is of its end.
                let time = step.map_or(time, |step| time.plus(step).minus(Duration::from_millis(1)));
                let cells = ticks.entry(time).or_insert_with(|| vec![Cell::Absent; width]);
                if let Some(value) = value {
                    cells[*cell] = Cell::from_f64(value, *decimals);
                }
            }
        }
        for (time, cells) in ticks {
            each(&Tick { time, cells });
        }
        Ok(())
    }
}

/// The mean of each hour of a host's series of a metric, in the order of time; of a counter its increase per second.
pub(super) fn hours(
    store: &Store,
    host: HostId,
    metric: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<tocsin_metrics::SeriesData>, QueryError> {
    let counts = catalogue::metric(metric).is_some_and(|metric| metric.kind == Kind::Counter);
    let query = Query {
        hosts: vec![host],
        step: Some(Duration::from_secs(3_600)),
        aggregate: Some(if counts { Aggregate::Rate } else { Aggregate::Avg }),
        ..Query::new(metric, from, to)
    };
    Ok(store.query(&query)?.series)
}
