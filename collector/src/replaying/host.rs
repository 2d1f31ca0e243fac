//! One host's past on its way through the rules.

use super::{failed_query, feed::Feed, ticks::Chunk};
use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc, time::Duration};
use tocsin_console::backend::Failure;
use tocsin_desk::record::EventRecord;
use tocsin_metrics::{Aggregate, Hour, Query, QueryError, Store};
use tocsin_rules::{
    Event, Hourly, RuleSet, Wanted,
    replay::{self, Episode, Replay, Who},
};
use tocsin_vocabulary::{Code, Dictionary, Series, Timestamp, batch::Tick};

/// Least time that is asked for at once, of an hour that must be put together.
const PART_LEAST: Duration = Duration::from_secs(60);
/// Every host has it: it tells when ticks came, whatever rules look at.
const ALWAYS: &str = "system.uptime";
/// What a baseline remembers.
const WEEKS: Duration = Duration::from_secs(8 * 7 * 86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// From when to when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Where reading begins, so that windows know what came before.
    pub(super) begin: Timestamp,
    /// First instant of the period.
    pub(super) from: Timestamp,
    /// Its end, exclusive.
    pub(super) to: Timestamp,
}

/// What is known of a host beside its samples.
#[derive(Debug)]
pub(super) struct HostPast {
    pub(super) who: Who,
    /// Between ticks, in milliseconds; 0 when it never sent any.
    pub(super) interval_ms: u64,
    /// Before that nothing is silence.
    pub(super) enrolled_at: Timestamp,
    /// In the order of time.
    pub(super) events: Vec<EventRecord>,
}

impl HostPast {
    /// Replays it; `go_on` says whether anybody still waits.
    pub(super) fn replay(
        &self,
        store: &Store,
        rules: &RuleSet,
        span: Span,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(Vec<Episode>, u64), Failure> {
        let begin = span.begin.max(self.enrolled_at).min(span.to);
        let wanted = |series: &Series| series.name == ALWAYS || replay::looks_at(rules, series);
        let mut feed = Feed::new(&wanted);
        let mut way = Way::new(self, store, rules, begin, span.to);
        let mut trouble = None;
        let listed = store.each_hour(
            self.who.host,
            (begin, span.to),
            &mut |dictionary| wanted_places(dictionary, &wanted),
            &mut |hour| {
                if !go_on() {
                    trouble = Some(Failure::new(Code::Unavailable, "the replay was broken off"));
                    return ControlFlow::Break(());
                }
                match hour {
                    Hour::Whole(columns) => {
                        let take = |dictionary: &Dictionary, tick: &Tick, changed: &[u64]| {
                            way.tick(dictionary, tick, changed);
                        };
                        feed.hour(&columns, take);
                    }
                    Hour::Scattered(from, to) => {
                        if let Err(failure) = self.scattered(store, rules, &mut way, (from, to)) {
                            trouble = Some(failure);
                            return ControlFlow::Break(());
                        }
                        feed.forget();
                    }
                }
                ControlFlow::Continue(())
            },
        );
        listed.map_err(|error| failed_query(&error))?;
        match trouble {
            Some(failure) => Err(failure),
            None => Ok(way.finish(span)),
        }
    }

    /// An hour that the store must put together, in as many parts as its answers have room for.
    fn scattered(
        &self,
        store: &Store,
        rules: &RuleSet,
        way: &mut Way<'_>,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), Failure> {
        let mut metrics: BTreeSet<&str> = replay::metrics(rules);
        metrics.insert(ALWAYS);
        let wanted = |series: &Series| series.name == ALWAYS || replay::looks_at(rules, series);
        let (mut at, mut part) = (from, HOUR);
        while at < to {
            let end = at.plus(part).min(to);
            let query = Query {
                hosts: vec![self.who.host],
                metrics: metrics.iter().map(|name| (*name).to_owned()).collect(),
                aggregate: Some(Aggregate::Last),
                ..Query::new(String::new(), at, end.minus(Duration::from_millis(1)))
            };
            match store.query(&query) {
                Ok(answer) => {
                    Chunk::new(answer.series, &wanted)
                        .for_each(|dictionary, tick, changed| way.tick(dictionary, tick, changed));
                    at = end;
                }
                Err(QueryError::Points { .. } | QueryError::Samples { .. }) if part > PART_LEAST => part /= 2,
                Err(error) => return Err(failed_query(&error)),
            }
        }
        Ok(())
    }
}

fn wanted_places(dictionary: &Dictionary, wanted: &dyn Fn(&Series) -> bool) -> Arc<[usize]> {
    dictionary
        .series()
        .enumerate()
        .filter(|(_, series)| wanted(series))
        .map(|(place, _)| place)
        .collect()
}

/// Ticks and events on their way into a replay, in the order of time.
struct Way<'a> {
    host: &'a HostPast,
    store: &'a Store,
    replay: Replay,
    events: std::iter::Peekable<std::slice::Iter<'a, EventRecord>>,
    /// Ticks before it are not looked at, nor those at or after the end.
    begin: Timestamp,
    end: Timestamp,
    last: Option<Timestamp>,
}

impl<'a> Way<'a> {
    fn new(host: &'a HostPast, store: &'a Store, rules: &RuleSet, begin: Timestamp, end: Timestamp) -> Self {
        let interval = Duration::from_millis(host.interval_ms);
        let expected = (!interval.is_zero()).then_some(interval);
        let first = host.events.partition_point(|event| event.at < begin);
        Self {
            host,
            store,
            replay: Replay::new(rules, &host.who, expected, begin),
            events: host.events[first..].iter().peekable(),
            begin,
            end,
            last: None,
        }
    }

    fn tick(&mut self, dictionary: &Dictionary, tick: &Tick, changed: &[u64]) {
        if tick.time < self.begin || tick.time >= self.end || self.last.is_some_and(|last| tick.time <= last) {
            return;
        }
        while let Some(event) = self.events.next_if(|event| event.at <= tick.time) {
            tell(&mut self.replay, event);
        }
        self.replay.tick(dictionary, tick, changed);
        if self.last.replace(tick.time).is_none() {
            self.learn(tick.time);
        }
    }

    fn finish(mut self, span: Span) -> (Vec<Episode>, u64) {
        for event in self.events.by_ref() {
            tell(&mut self.replay, event);
        }
        self.replay.finish(span.from, span.to)
    }

    /// Tells past hours of what is compared with them. A store that can't be read tells of nothing usual.
    fn learn(&mut self, now: Timestamp) {
        for wanted in self.replay.wanted() {
            let hours = self.hours(&wanted, now);
            self.replay.learn(&wanted, &hours);
        }
    }

    fn hours(&self, wanted: &Wanted, now: Timestamp) -> Vec<Hourly> {
        let series = &wanted.series;
        let pairs = series.attributes.iter();
        let query = Query {
            hosts: vec![self.host.who.host],
            attributes: pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            step: Some(HOUR),
            ..Query::new(series.name.to_string(), now.minus(WEEKS), now)
        };
        let found = self.store.query(&query).map(|answer| answer.series).unwrap_or_default();
        let same = found.into_iter().find(|one| one.attributes == series.attributes);
        let points = same.map(|one| one.points).unwrap_or_default();
        let whole = points.into_iter().filter(|(hour, _)| hour.plus(HOUR) <= now);
        whole
            .filter_map(|(hour, mean)| Some(Hourly { hour, mean: mean? }))
            .collect()
    }
}

fn tell(replay: &mut Replay, event: &EventRecord) {
    let attributes = event.attributes.iter();
    let attributes: Vec<(&str, &str)> = attributes.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    replay.event(&Event {
        number: event.seq,
        name: &event.name,
        attributes: &attributes,
        body: &event.body,
        time: event.at,
    });
}
