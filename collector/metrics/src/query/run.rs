//! Runs a query: limits, threads, and the way of its series to the caller.

use super::{
    LOOKBACK, POINTS_TOTAL_MAX, Query, QueryResult, SeriesData,
    batch::{HostAnswer, Worker},
    budget::Meter,
    group::{Best, Sink},
    hour::Context,
    limit_series,
    observed::merged,
};
use crate::{
    config::QUERY_SERIES_MAX,
    error::QueryError,
    head::{END_OF_TIME_MS, HOUR_MS},
    host::Host,
    store::Store,
};
use std::{
    ops::ControlFlow,
    sync::{Arc, mpsc},
};
use tocsin_vocabulary::Timestamp;

/// Most hosts answered for at a time; as many as lie in a chunk of rollups.
const BATCH_HOSTS: usize = 64;
/// Hours of hosts from which on a query is large.
const LARGE_HOURS: usize = 2_000;
/// Threads of a large query. It may have more processors than one to itself because the gate lets few such queries in at
/// a time (one, on a machine with two processors), and because its threads stand back: ingest, rules and pages go first.
const THREADS_MAX: usize = 2;
/// How much the threads of a large query stand back (`nice`).
const NICE: i32 = 10;

impl Store {
    /// Answers a question.
    ///
    /// # Errors
    /// When the question is not one, its answer would exceed a limit, or a block can't be read.
    pub fn query(&self, query: &Query) -> Result<QueryResult, QueryError> {
        let mut series = Vec::new();
        let not_observed = self.query_each(query, &mut |found| {
            series.push(found);
            ControlFlow::Continue(())
        })?;
        Ok(QueryResult { series, not_observed })
    }

    /// As [`Store::query`], but hands each series over as soon as it is complete, host by host: memory stays that of
    /// some hosts. Groups and choices come at the end. The caller may end it early. Returns the spans in which some of
    /// the hosts were not observed.
    ///
    /// # Errors
    /// As for [`Store::query`]; series may have been handed over before.
    pub fn query_each(
        &self,
        query: &Query,
        each: &mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    ) -> Result<Vec<(Timestamp, Timestamp)>, QueryError> {
        let inside = |time: Timestamp| Timestamp::from_millis(time.as_millis().clamp(0, END_OF_TIME_MS));
        let query = &Query {
            from: inside(query.from),
            to: inside(query.to),
            ..query.clone()
        };
        let meter = Meter::new(query.budget, self.shared().disk.monotonic());
        let context = Context {
            shared: self.shared(),
            query,
            step: query.check()?,
            begin: query.from.minus(LOOKBACK).as_millis(),
            end: query.to.as_millis(),
            meter: &meter,
        };
        let hosts = self.asked(query);
        let mut delivery = Delivery::new(query, each);
        if hosts.len() < query.hosts.len() {
            delivery.not_observed.push((query.from, query.to));
        }
        let hours = usize::try_from((context.end - context.begin) / HOUR_MS).unwrap_or(usize::MAX);
        if hosts.len().saturating_mul(hours.saturating_add(1)) < LARGE_HOURS {
            let mut worker = Worker::new(&context);
            for batch in hosts.chunks(BATCH_HOSTS) {
                if delivery.take(worker.answer(batch)?)?.is_break() {
                    break;
                }
            }
        } else {
            let _inside = context
                .shared
                .gate
                .enter(query.budget.time_max)
                .ok_or_else(|| meter.late())?;
            run_large(&context, &hosts, &mut delivery)?;
        }
        delivery.finish()
    }

    /// The hosts that are asked for and known, sorted, each once.
    fn asked(&self, query: &Query) -> Vec<Arc<Host>> {
        let hosts = &self.shared().hosts;
        if query.hosts.is_empty() {
            return hosts.all();
        }
        let mut ids = query.hosts.clone();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| hosts.find(id)).collect()
    }
}

type Answer = Result<Vec<HostAnswer>, QueryError>;

/// Splits the batches over threads that stand back behind everything else, and takes their answers in order.
fn run_large(context: &Context<'_>, hosts: &[Arc<Host>], delivery: &mut Delivery<'_>) -> Result<(), QueryError> {
    let batches: Vec<&[Arc<Host>]> = hosts.chunks(BATCH_HOSTS).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(THREADS_MAX).min(batches.len()).max(1);
    std::thread::scope(|scope| {
        let mut answers: Vec<mpsc::Receiver<Answer>> = Vec::new();
        for thread in 0..threads {
            let (sender, receiver) = mpsc::sync_channel::<Answer>(1);
            let own = batches.iter().skip(thread).step_by(threads);
            let work = move || {
                stand_back();
                let mut worker = Worker::new(context);
                for batch in own {
                    let answer = worker.answer(batch);
                    let failed = answer.is_err();
                    if sender.send(answer).is_err() || failed {
                        break;
                    }
                }
            };
            let name = "query".to_owned();
            let spawned = std::thread::Builder::new().name(name).spawn_scoped(scope, work);
            spawned.map_err(|source| QueryError::Io {
                path: context.shared.config.dir.clone(),
                source,
            })?;
            answers.push(receiver);
        }
        let mut taken = Ok(());
        for batch in 0..batches.len() {
            // A thread that is gone without an answer has panicked, which the scope will tell.
            let Ok(answer) = answers[batch % threads].recv() else {
                break;
            };
            match answer.and_then(|answer| delivery.take(answer)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) => {
                    taken = Err(error);
                    break;
                }
            }
        }
        context.meter.stop();
        drop(answers);
        taken
    })
}

/// Lowers the priority of this thread. Where that is not allowed it runs as any other.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the priority of a query could not be lowered");
    }
}

/// Hands series over, within the limits.
struct Delivery<'a> {
    each: &'a mut dyn FnMut(SeriesData) -> ControlFlow<()>,
    query: &'a Query,
    sink: Sink<'a>,
    series: usize,
    points: usize,
    not_observed: Vec<(Timestamp, Timestamp)>,
}

impl<'a> Delivery<'a> {
    fn new(query: &'a Query, each: &'a mut dyn FnMut(SeriesData) -> ControlFlow<()>) -> Self {
        Self {
            each,
            query,
            sink: Sink::new(query),
            series: 0,
            points: 0,
            not_observed: Vec::new(),
        }
    }

    fn take(&mut self, answers: Vec<HostAnswer>) -> Result<ControlFlow<()>, QueryError> {
        for answer in answers {
            self.not_observed.extend(answer.not_observed);
            for series in answer.series {
                match &mut self.sink {
                    Sink::Each => {
                        if self.hand_over(series)?.is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    Sink::Groups(groups) => groups.add(&series)?,
                    Sink::Best(best) => best.add(series),
                }
            }
        }
        // Thousands of hosts that are each silent now and then: spans overlap.
        if self.not_observed.len() > QUERY_SERIES_MAX {
            self.not_observed = merged(std::mem::take(&mut self.not_observed));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn hand_over(&mut self, series: SeriesData) -> Result<ControlFlow<()>, QueryError> {
        self.series += 1;
        self.points += series.points.len();
        limit_series(self.series, 0)?;
        if self.points > POINTS_TOTAL_MAX {
            return Err(QueryError::Points {
                found: series.points.len() as u64,
                max: POINTS_TOTAL_MAX / self.series,
            });
        }
        Ok((self.each)(series))
    }

    fn finish(mut self) -> Result<Vec<(Timestamp, Timestamp)>, QueryError> {
        let sink = std::mem::replace(&mut self.sink, Sink::Each);
        let chosen: Vec<SeriesData> = match sink {
            Sink::Each => Vec::new(),
            Sink::Best(best) => best.finish().collect(),
            Sink::Groups(groups) => match self.query.top {
                None => groups.finish().collect(),
                Some(top) => {
                    let mut best = Best::new(top);
                    groups.finish().for_each(|series| best.add(series));
                    best.finish().collect()
                }
            },
        };
        for series in chosen {
            if self.hand_over(series)?.is_break() {
                break;
            }
        }
        Ok(merged(self.not_observed))
    }
}
