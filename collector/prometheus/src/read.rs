//! Remote-read: a stock Prometheus asks for series by labels and gets every tick as it was stored.
//!
//! Conditions on the metric's name choose metrics of ours ([`Names`], the catalogue and what the hosts measure now),
//! conditions on labels of hosts choose hosts; each pair is asked of the store, raw: counters as
//! they counted. All other conditions are then tested on what was found.

use crate::{
    fleet::Fleet,
    matchers::{Matcher, MatcherError, from_wire},
    series::{merged, plain},
    wire::{QueryResult, ReadRequest, ReadResponse, ResponseType, Sample, TimeSeries},
};
use std::collections::{BTreeMap, HashSet};
use tocsin_metrics::{Aggregate, Query, QueryError, SeriesData, Store};
use tocsin_vocabulary::{
    Dictionary, Hash, HostId, Series, Timestamp,
    prometheus::{HOST_LABELS, NAME_LABEL, Names, labels},
};

/// Most questions of one request.
pub const QUERIES_MAX: usize = 16;
/// Most series of one answer.
pub const SERIES_MAX: usize = 10_000;
/// Most samples of one answer: about 40 MB while it is made.
pub const SAMPLES_MAX: usize = 1_000_000;
/// A range is not divided below a minute.
const RANGE_LEAST_MS: i64 = 60_000;
/// Earliest and latest instants that are looked at: the range of the store.
const TIME_MAX_MS: i64 = 253_402_300_800_000;

/// Why a remote read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The asker wants another form of answer.
    #[error("only answers of type SAMPLES are given; ask for them too")]
    ResponseType,
    /// Too many questions.
    #[error("{0} queries in one request are too many, the limit is 16")]
    Queries(usize),
    /// A range that ends before it begins.
    #[error("the range ends before it begins")]
    Range,
    /// A condition can't be used.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// Too many series.
    #[error("more than {SERIES_MAX} series match; name a metric and a host")]
    Series,
    /// Too many samples.
    #[error("more than {SAMPLES_MAX} samples match; ask for a shorter range or fewer series")]
    Samples,
    /// The store has no answer.
    #[error(transparent)]
    Store(#[from] QueryError),
}

/// Answers a remote read. Blocks on the disk.
///
/// # Errors
/// When the request is not one, or its answer would be too large.
pub fn read(store: &Store, fleet: &Fleet, request: &ReadRequest) -> Result<ReadResponse, ReadError> {
    let accepted = &request.accepted_response_types;
    if !accepted.is_empty() && !accepted.contains(&(ResponseType::Samples as i32)) {
        return Err(ReadError::ResponseType);
    }
    if request.queries.len() > QUERIES_MAX {
        return Err(ReadError::Queries(request.queries.len()));
    }
    let names = names(store, fleet);
    let mut budget = Budget::default();
    let mut results = Vec::with_capacity(request.queries.len());
    for query in &request.queries {
        let (from, to) = (query.start_timestamp_ms, query.end_timestamp_ms);
        if to < from {
            return Err(ReadError::Range);
        }
        let question = Question {
            matchers: from_wire(&query.matchers)?,
            from: from.clamp(0, TIME_MAX_MS),
            to: to.clamp(0, TIME_MAX_MS),
        };
        let timeseries = question.answer(store, fleet, &names, &mut budget)?;
        results.push(QueryResult { timeseries });
    }
    Ok(ReadResponse { results })
}

/// The catalogue's names and those of whatever else the hosts measure now.
fn names(store: &Store, fleet: &Fleet) -> Names {
    let mut names = Names::new();
    let mut met: HashSet<Hash> = HashSet::new();
    let mut add = |dictionary: &Dictionary| {
        for section in dictionary.sections() {
            if met.insert(section.hash()) {
                section.series().iter().for_each(|series| names.add(series));
            }
        }
    };
    for (host, _) in fleet.iter() {
        if let Some(latest) = store.latest(host) {
            add(&latest.dictionary);
        }
    }
    names
}

/// What may still be answered.
#[derive(Debug, Default)]
struct Budget {
    series: usize,
    samples: usize,
}

impl Budget {
    const fn take_series(&mut self) -> Result<(), ReadError> {
        self.series += 1;
        if self.series > SERIES_MAX {
            Err(ReadError::Series)
        } else {
            Ok(())
        }
    }

    const fn take_samples(&mut self, samples: usize) -> Result<(), ReadError> {
        self.samples += samples;
        if self.samples > SAMPLES_MAX {
            Err(ReadError::Samples)
        } else {
            Ok(())
        }
    }
}

/// Samples by labels, without those of the host.
type Found = BTreeMap<Vec<(String, String)>, Vec<Sample>>;

struct Question {
    matchers: Vec<Matcher>,
    from: i64,
    to: i64,
}

impl Question {
    fn answer(
        &self,
        store: &Store,
        fleet: &Fleet,
        names: &Names,
        budget: &mut Budget,
    ) -> Result<Vec<TimeSeries>, ReadError> {
        let of_name = |name: &str| {
            self.matchers
                .iter()
                .filter(|m| m.name() == NAME_LABEL)
                .all(|m| m.fits(name))
        };
        let metrics: Vec<&str> = {
            let mut metrics: Vec<&str> = names
                .pairs()
                .filter(|(name, _)| of_name(name))
                .map(|(_, metric)| metric)
                .collect();
            metrics.sort_unstable();
            metrics.dedup();
            metrics
        };
        let is_host_label = |matcher: &&Matcher| HOST_LABELS.contains(&matcher.name());
        let mut answer = Vec::new();
        for (host, host_labels) in fleet.iter() {
            if !self
                .matchers
                .iter()
                .filter(is_host_label)
                .all(|m| m.fits_labels(host_labels))
            {
                continue;
            }
            let mut found = Found::new();
            for metric in &metrics {
                self.read_metric(store, names, (host, metric), &mut found, budget)?;
            }
            answer.extend(found.into_iter().map(|(own, samples)| TimeSeries {
                labels: merged(&own, host_labels),
                samples,
            }));
        }
        answer.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(answer)
    }

    /// Adds what one host has of one metric. Where that is more than the store answers at once, half by half.
    fn read_metric(
        &self,
        store: &Store,
        names: &Names,
        (host, metric): (HostId, &str),
        found: &mut Found,
        budget: &mut Budget,
    ) -> Result<(), ReadError> {
        let mut ranges = vec![(self.from, self.to)];
        while let Some((from, to)) = ranges.pop() {
            let result = store.query(&Query {
                hosts: vec![host],
                aggregate: Some(Aggregate::Last),
                ..Query::new(metric, Timestamp::from_millis(from), Timestamp::from_millis(to))
            });
            match result {
                Ok(result) => {
                    for series in result.series {
                        self.add(names, series, found, budget)?;
                    }
                }
                Err(QueryError::Points { .. }) if to - from > RANGE_LEAST_MS => {
                    let middle = from + (to - from) / 2;
                    // The earlier half is looked at first.
                    ranges.extend([(middle + 1, to), (from, middle)]);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Keeps a series' samples if it fits.
    fn add(&self, names: &Names, data: SeriesData, found: &mut Found, budget: &mut Budget) -> Result<(), ReadError> {
        let Some(name) = names.name(&data.name, &data.unit, data.kind) else {
            return Ok(());
        };
        let name = name.to_owned();
        let series = Series {
            name: data.name,
            attributes: data.attributes,
            kind: data.kind,
            unit: data.unit,
            decimals: 0,
        };
        let mut own = labels(&series);
        own.push((NAME_LABEL.to_owned(), name));
        own.sort_unstable();
        let of_series = |matcher: &&Matcher| !HOST_LABELS.contains(&matcher.name());
        if !self.matchers.iter().filter(of_series).all(|m| m.fits_labels(&own)) {
            return Ok(());
        }
        let points = data.points.into_iter().filter_map(|(time, value)| {
            Some(Sample {
                value: plain(value?),
                timestamp: time.as_millis(),
            })
        });
        let samples: Vec<Sample> = points.collect();
        if samples.is_empty() {
            return Ok(());
        }
        budget.take_samples(samples.len())?;
        if !found.contains_key(&own) {
            budget.take_series()?;
        }
        let held = found.entry(own).or_default();
        // Two series that would meet, of a host that names them so, must not yield one instant twice.
        let newest = held.last().map_or(i64::MIN, |sample| sample.timestamp);
        held.extend(samples.into_iter().filter(|sample| sample.timestamp > newest));
        Ok(())
    }
}
