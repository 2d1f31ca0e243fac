//! Ticks to the bodies of remote-write requests.
//!
//! Live ticks of one batch make one request, a chunk of backlog as many as it takes; the two are never mixed, because some
//! receivers refuse a whole request for one sample out of order. Within a request a host's ticks stand together by series,
//! sorted by time.

use super::config::RemoteWriteConfig;
use crate::{
    fleet::Fleet,
    series::{Shape, ShapeCache, merged, plain},
    wire::{Sample, TimeSeries, WireError, WriteRequest, pack},
};
use tocsin_metrics::TailTick;
use tocsin_vocabulary::HostId;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its body, packed.
    pub(crate) body: Vec<u8>,
    /// Samples in it.
    pub(crate) samples: usize,
}

/// Consecutive ticks of a host with one dictionary.
struct Run<'a> {
    host: HostId,
    ticks: Vec<&'a TailTick>,
}

/// The requests of a batch, in order. The same batch makes the same requests.
pub(crate) fn requests(
    ticks: &[TailTick],
    config: &RemoteWriteConfig,
    fleet: &Fleet,
    shapes: &mut ShapeCache,
) -> Result<Vec<Request>, WireError> {
    let mut done = Vec::new();
    for backlog in [false, true] {
        if backlog && !config.backlog {
            continue;
        }
        let limit = if backlog {
            config.samples_per_request
        } else {
            usize::MAX
        };
        let mut open = Open::default();
        for run in runs(ticks.iter().filter(|tick| tick.backlog == backlog)) {
            let Some(first) = run.ticks.first() else { continue };
            let foreign = foreign_labels(run.host, config, fleet);
            let shapes = shapes.get(&first.dictionary, |metric| config.wants(metric));
            for (cell, shape) in shapes.iter().enumerate() {
                let Some(shape) = shape else { continue };
                let samples = samples(&run, cell, shape);
                if samples.is_empty() {
                    continue;
                }
                open.samples += samples.len();
                open.series.push(TimeSeries {
                    labels: merged(&shape.labels, &foreign),
                    samples,
                });
                if open.samples >= limit {
                    done.extend(open.close()?);
                }
            }
        }
        done.extend(open.close()?);
    }
    Ok(done)
}

#[derive(Default)]
struct Open {
    series: Vec<TimeSeries>,
    samples: usize,
}

impl Open {
    fn close(&mut self) -> Result<Option<Request>, WireError> {
        let Self { series, samples } = std::mem::take(self);
        if series.is_empty() {
            return Ok(None);
        }
        let body = pack(&WriteRequest { timeseries: series })?;
        Ok(Some(Request { body, samples }))
    }
}

/// Groups ticks by host, and anew where a host's dictionary changes, in order of appearance.
fn runs<'a>(ticks: impl Iterator<Item = &'a TailTick>) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut newest = std::collections::HashMap::new();
    for tick in ticks {
        let key = (tick.dictionary.hash(), tick.dictionary.len());
        match newest.get(&tick.host) {
            Some((at, known)) if *known == key => {
                let at: usize = *at;
                runs[at].ticks.push(tick);
            }
            _ => {
                newest.insert(tick.host, (runs.len(), key));
                runs.push(Run {
                    host: tick.host,
                    ticks: vec![tick],
                });
            }
        }
    }
    runs
}

/// Sorted by time; of two at one instant the later one counts.
fn samples(run: &Run<'_>, cell: usize, shape: &Shape) -> Vec<Sample> {
    let sample = |tick: &&TailTick| {
        let value = tick.tick.cells.get(cell)?.to_f64(shape.decimals)?;
        Some(Sample {
            value: plain(value),
            timestamp: tick.tick.time.as_millis(),
        })
    };
    let mut samples: Vec<Sample> = run.ticks.iter().rev().filter_map(sample).collect();
    samples.sort_by_key(|sample| sample.timestamp);
    samples.dedup_by_key(|sample| sample.timestamp);
    samples
}

/// Labels that are not the series' own. A host that is in no register bears its id alone.
fn foreign_labels(host: HostId, config: &RemoteWriteConfig, fleet: &Fleet) -> Vec<(String, String)> {
    let mut labels = match fleet.labels(host) {
        Some(labels) => labels.to_vec(),
        None => vec![("host_id".to_owned(), host.to_string())],
    };
    labels.extend(config.labels.iter().map(|(name, value)| (name.clone(), value.clone())));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::HostNames, wire::unpack};
    use std::sync::Arc;
    use tocsin_vocabulary::{
        Dictionary, Section, Timestamp,
        batch::{Cell, Tick},
        catalogue::metric,
    };

    fn config(text: &str) -> RemoteWriteConfig {
        serde_json::from_str(&format!(r#"{{"name": "a", "url": "https://x/"{text}}}"#)).unwrap()
    }

    fn dictionary(names: &[&str]) -> Dictionary {
        let series = names.iter().map(|name| metric(name).unwrap().series(&[])).collect();
        Dictionary::new(vec![Arc::new(Section::new(series))])
    }

    fn tick(host: u8, time: i64, backlog: bool, dictionary: &Dictionary, cells: &[Cell]) -> TailTick {
        TailTick {
            host: HostId::from_bytes([host; 16]),
            received_at: Timestamp::from_millis(time),
            backlog,
            tick: Tick {
                time: Timestamp::from_millis(time),
                cells: cells.to_vec(),
            },
            dictionary: dictionary.clone(),
        }
    }

    /// Each request as lines `name{host}: time=value …`.
    fn lines(requests: &[Request]) -> Vec<Vec<String>> {
        let line = |series: &TimeSeries| {
            let label = |name: &str| {
                series
                    .labels
                    .iter()
                    .find(|label| label.name == name)
                    .map_or("", |label| &label.value)
            };
            let samples: Vec<String> = series
                .samples
                .iter()
                .map(|sample| format!("{}={}", sample.timestamp, sample.value))
                .collect();
            format!(
                "{} {}{}: {}",
                label("__name__"),
                label("host"),
                label("zone"),
                samples.join(" ")
            )
        };
        requests
            .iter()
            .map(|request| {
                unpack::<WriteRequest>(&request.body, 1 << 20)
                    .unwrap()
                    .timeseries
                    .iter()
                    .map(line)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn ticks_become_series_with_exact_values_and_absent_ones_are_left_out() {
        let dictionary = dictionary(&["system.cpu.time", "system.uptime", "system.memory.utilization"]);
        let fleet = Fleet::new([HostNames {
            id: HostId::from_bytes([1; 16]),
            host: "db1".into(),
            customer: String::new(),
            site: "HQ".into(),
        }]);
        let ticks = [
            tick(
                1,
                1_000,
                false,
                &dictionary,
                &[Cell::Scaled(1_234), Cell::Absent, Cell::Scaled(1)],
            ),
            tick(
                2,
                1_500,
                false,
                &dictionary,
                &[Cell::Absent, Cell::Scaled(5), Cell::Absent],
            ),
            tick(
                1,
                2_000,
                false,
                &dictionary,
                &[Cell::Scaled(1_240), Cell::Raw(f64::NAN), Cell::Scaled(2)],
            ),
        ];
        let config = config(r#", "exclude": ["*utilization"], "labels": {"zone": "-z"}"#);
        let requests = requests(&ticks, &config, &fleet, &mut ShapeCache::default()).unwrap();
        assert_eq!(requests[0].samples, 4);
        assert_eq!(
            lines(&requests),
            [[
                "system_cpu_time_seconds_total db1-z: 1000=12.34 2000=12.4",
                "system_uptime_seconds db1-z: 2000=NaN",
                "system_uptime_seconds -z: 1500=5"
            ]]
        );
    }

    #[test]
    fn backlog_goes_in_requests_of_its_own_that_are_not_longer_than_asked() {
        let dictionary = dictionary(&["system.uptime", "system.memory.limit"]);
        let cells = [Cell::Scaled(1), Cell::Scaled(2)];
        let mut ticks: Vec<TailTick> = (1..=3)
            .map(|at| tick(1, at * 1_000, true, &dictionary, &cells))
            .collect();
        ticks.push(tick(1, 9_000, false, &dictionary, &cells));
        let of = |text: &str| {
            lines(&requests(&ticks, &config(text), &Fleet::default(), &mut ShapeCache::default()).unwrap())
        };
        let found = of(r#", "samples_per_request": 3"#);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert!(found[0][0].ends_with(": 9000=1") && found[1][0].ends_with(": 1000=1 2000=1 3000=1"));
        assert_eq!(of(r#", "backlog": false"#).len(), 1);
    }

    #[test]
    fn a_dictionary_that_changes_and_a_clock_that_is_set_back_keep_samples_in_order() {
        let (one, two) = (
            dictionary(&["system.uptime"]),
            dictionary(&["system.uptime", "system.memory.limit"]),
        );
        let ticks = [
            tick(1, 2_000, false, &one, &[Cell::Scaled(1)]),
            tick(1, 1_000, false, &one, &[Cell::Scaled(2)]),
            tick(1, 2_000, false, &one, &[Cell::Scaled(3)]),
            tick(1, 3_000, false, &two, &[Cell::Scaled(4), Cell::Absent]),
            tick(1, 4_000, false, &one, &[Cell::Scaled(5)]),
        ];
        let found = requests(&ticks, &config(""), &Fleet::default(), &mut ShapeCache::default()).unwrap();
        let found: Vec<String> = lines(&found)
            .concat()
            .iter()
            .map(|line| line.split(": ").last().unwrap().to_owned())
            .collect();
        assert_eq!(found, ["1000=2 2000=3", "3000=4", "4000=5"]);
    }
}
