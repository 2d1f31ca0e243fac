//! Answers a query for some hosts, day by day: rollups where they will do, blocks and head for the rest.

use super::{
    Aggregate, SeriesData,
    fold::Fold,
    hour::{Context, HostRun, Sources},
    wanted::{Found, Wanted},
};
use crate::{
    blocks::{BlockRef, DAY_MS},
    error::QueryError,
    head::{HOUR_MS, hour_of, view::View},
    host::Host,
    retention::ClassDay,
    rollups::{
        Runs, Tier,
        bucket::Need,
        covered,
        load::{Ask, HostDay, Opened, passes},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::RangeInclusive,
    sync::Arc,
};
use tocsin_vocabulary::{Hash, HostId, Kind, Timestamp};

/// Times that hosts are begun anew because files went away meanwhile.
const ATTEMPTS: usize = 8;

/// What one host answers.
pub(super) struct HostAnswer {
    pub(super) series: Vec<SeriesData>,
    pub(super) not_observed: Vec<(Timestamp, Timestamp)>,
}

/// How a day of a class is read that has rollups which will do, or of which another class has such.
struct DayPlan {
    tier: Tier,
    runs: Runs,
    /// Where the blocks begin that are not in the rollups.
    covered: u64,
    /// Where the day's blocks end; none are left when there is no such file.
    end: Option<u64>,
}

impl DayPlan {
    /// Whether it has blocks that are not in the rollups, so that all must be listed to find them.
    fn is_listed(&self) -> bool {
        self.end.is_some_and(|end| end > self.covered)
    }
}

type Plan = BTreeMap<ClassDay, DayPlan>;

/// Its days, each once.
fn planned(plan: &Plan) -> impl Iterator<Item = i64> {
    let mut last = None;
    let days = plan.keys().map(|key| key.day);
    days.filter(move |day| last.replace(*day) != Some(*day))
}

/// Whether a day, of whatever class, has blocks that must be listed.
fn is_listed(plan: &Plan, day: i64) -> bool {
    plan.range(ClassDay::of(day)).any(|(_, plan)| plan.is_listed())
}

/// Why a batch came to nothing.
enum Trouble {
    Query(QueryError),
    /// Files went away or turned out to be damaged.
    Again(io::Error),
    /// The rollups don't hold what was asked for.
    NotRolledUp,
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

/// Answers for one batch of hosts after the other.
pub(super) struct Worker<'a> {
    context: &'a Context<'a>,
    wanted: Wanted<'a>,
    opened: Opened,
    tier: Option<Tier>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            wanted: Wanted::new(context.query),
            opened: Opened::new(),
            tier: context.step.and_then(Tier::for_step),
        }
    }

    /// The answers of these hosts, which are sorted.
    pub(super) fn answer(&mut self, hosts: &[Arc<Host>]) -> Result<Vec<HostAnswer>, QueryError> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.attempt(hosts) {
                Ok(answers) => return Ok(answers),
                Err(Trouble::Query(error)) => return Err(error),
                Err(Trouble::NotRolledUp) => self.tier = None,
                Err(Trouble::Again(error)) => last = Some(error),
            }
            self.opened = Opened::new();
        }
        Err(QueryError::Io {
            path: self.context.shared.config.dir.join("rollups"),
            source: last.unwrap_or_else(|| io::Error::other("files went away again and again")),
        })
    }

    fn attempt(&mut self, hosts: &[Arc<Host>]) -> Result<Vec<HostAnswer>, Trouble> {
        let context = self.context;
        let plan = self.plan();
        let mut runs = Vec::with_capacity(hosts.len());
        let mut days: BTreeSet<i64> = planned(&plan).collect();
        for host in hosts {
            let (hours, head) = gather(context, &plan, host)?;
            days.extend(hours.keys().map(|hour| hour.div_euclid(DAY_MS) * DAY_MS));
            runs.push(HostRun::new(context, host.clone(), hours, head));
        }
        let ids: Vec<HostId> = hosts.iter().map(|host| host.id).collect();
        for day in days {
            let mut known: Vec<(Tier, Vec<HostDay>)> = Vec::new();
            for (_, plan) in plan.range(ClassDay::of(day)).filter(|(_, plan)| !plan.runs.is_empty()) {
                known.push((plan.tier, self.load(plan, &ids)?));
            }
            for (at, run) in runs.iter_mut().enumerate() {
                let of_host: Vec<_> = known.iter().map(|(tier, hosts)| (*tier, &hosts[at])).collect();
                self.add_day(run, day, &of_host)?;
            }
        }
        Ok(runs.into_iter().map(|run| finish(context, run)).collect())
    }

    /// The days for which rollups will do, or are all there is.
    fn plan(&self) -> Plan {
        let (shared, context) = (self.context.shared, self.context);
        let raw = shared.blocks.days();
        let (first, last) = (
            context.begin.div_euclid(DAY_MS) * DAY_MS,
            context.end.div_euclid(DAY_MS) * DAY_MS,
        );
        let mut plan = Plan::new();
        if context.step.is_none() {
            // Who asks for ticks gets ticks or nothing.
            return plan;
        }
        let choices = self.tier.into_iter().chain(Tier::ALL);
        for (choice, tier) in choices.enumerate() {
            for key in shared.rollups.days(tier) {
                let is_raw = raw.binary_search(&key).is_ok();
                // Other tiers than the one that fits serve only days of which nothing else is left.
                let fits = choice == 0 && self.tier.is_some();
                if !(first..=last).contains(&key.day) || plan.contains_key(&key) || (is_raw && !fits) {
                    continue;
                }
                let runs = shared.rollups.runs(tier, key);
                let runs: Runs = runs
                    .iter()
                    .filter(|run| !is_raw || !run.is_damaged())
                    .cloned()
                    .collect();
                let covered = covered(&runs);
                let end = shared.blocks.end_of(key);
                // A shorter file is another one than that which was rolled up.
                let covered = if end.is_some_and(|end| end < covered) {
                    0
                } else {
                    covered
                };
                let day_plan = DayPlan {
                    tier,
                    runs,
                    covered,
                    end,
                };
                plan.insert(key, day_plan);
            }
        }
        // Of a day that has a plan, all classes must have one, to tell whether it has blocks that must be listed.
        for key in raw {
            if plan.range(ClassDay::of(key.day)).next().is_some() {
                plan.entry(key).or_insert_with(|| DayPlan {
                    tier: Tier::Hour,
                    runs: Arc::new([]),
                    covered: 0,
                    end: shared.blocks.end_of(key),
                });
            }
        }
        plan
    }

    fn load(&mut self, plan: &DayPlan, hosts: &[HostId]) -> Result<Vec<HostDay>, Trouble> {
        let Self {
            context,
            wanted,
            opened,
            ..
        } = self;
        let (shared, query) = (context.shared, context.query);
        let ask = Ask {
            runs: &plan.runs,
            tier: plan.tier,
            hosts,
            need: match query.aggregate {
                None | Some(Aggregate::Rate) => Need::Increase,
                Some(Aggregate::Avg) => Need::Values,
                Some(_) => Need::Extremes,
            },
            lenient: plan.end.is_none(),
        };
        let mut not_there = false;
        // Neighbours mostly have one dictionary.
        let mut last: Option<(Hash, Found)> = None;
        let mut series = |hash, index| {
            if last.as_ref().is_none_or(|(known, _)| *known != hash) {
                last = shared
                    .dictionaries
                    .get(hash)
                    .map(|dictionary| (hash, wanted.of(&dictionary)));
            }
            let Some((_, found)) = &last else { return false };
            let Ok(at) = found.binary_search_by_key(&index, |(index, _)| *index) else {
                return false;
            };
            let kind = found[at].1.kind;
            let served = !matches!(
                (kind, query.aggregate_for(kind)),
                (Kind::Counter, Aggregate::Avg) | (Kind::Gauge, Aggregate::Rate)
            );
            not_there |= !served;
            served
        };
        let metric = |name: &str| Wanted::metric(query, name);
        let loaded = opened.load(shared.disk.as_ref(), &ask, &metric, &mut series);
        if not_there && plan.end.is_some() {
            return Err(Trouble::NotRolledUp);
        }
        loaded.map_err(|error| {
            if passes(&error) {
                Trouble::Again(error)
            } else {
                Trouble::Query(QueryError::Io {
                    path: shared.config.dir.join("rollups"),
                    source: error,
                })
            }
        })
    }

    /// `known`: what rollups say, by class.
    fn add_day(&mut self, run: &mut HostRun, day: i64, known: &[(Tier, &HostDay)]) -> Result<(), Trouble> {
        let context = self.context;
        let (first, last) = (context.begin.div_euclid(HOUR_MS) * HOUR_MS, context.end);
        // Each hour from blocks and head, or from the rollups of one class.
        let raw = run.hours.range(day..day + DAY_MS);
        let mut hours: Vec<(i64, Option<usize>)> = raw.map(|(hour, _)| (*hour, None)).collect();
        for (number, (_, known)) in known.iter().enumerate() {
            let within = known.hours(day).filter(|hour| (first..=last).contains(hour));
            hours.extend(within.map(|hour| (hour, Some(number))));
        }
        hours.sort_unstable();
        hours.dedup_by_key(|(hour, _)| *hour);
        // Hours that follow each other in the rollups go in together.
        for together in hours.chunk_by(|one, two| one.1.is_some() && one.1 == two.1) {
            let Some(&(hour, source)) = together.first() else {
                continue;
            };
            if let Some((tier, known)) = source.and_then(|number| known.get(number)) {
                let rolled_up: Vec<i64> = together.iter().map(|(hour, _)| *hour).collect();
                run.add_rollups(context, &mut self.wanted, known, (*tier, &rolled_up))?;
            } else if let Some(sources) = run.hours.remove(&hour) {
                run.add_raw(context, &mut self.wanted, (hour, &sources))?;
            }
        }
        let grid = run.folds.first().map_or(0, Fold::grid);
        Ok(super::limit_series(run.folds.len(), grid)?)
    }
}

/// The hours of a host that must be read from blocks and head. Its lock is held while they are listed.
fn gather(context: &Context<'_>, plan: &Plan, host: &Host) -> Result<(BTreeMap<i64, Sources>, View), Trouble> {
    let shared = context.shared;
    let edges = edges(context);
    let hours = first_hour(context)..=hour_of(context.query.to);
    let mut found: BTreeMap<i64, Sources> = BTreeMap::new();
    let state = host.lock();
    let head = state.head.view_open(hours.clone(), &shared.segments());
    for light in state.head.light(hours.clone()) {
        let block = light.block.clone();
        found.entry(block.hour).or_default().light.push(block);
    }
    for hour in head.open_hours() {
        found.entry(hour).or_default().open = true;
    }
    let mut singly: Vec<i64> = found.keys().copied().chain(edges).collect();
    singly.sort_unstable();
    singly.dedup();
    let spans = spans(plan, &hours, &singly);
    let listings: Vec<_> = spans
        .into_iter()
        .map(|span| shared.blocks.list(host.id, span))
        .collect();
    drop(state);
    for listing in listings {
        let blocks = listing.read().map_err(|source| QueryError::Io {
            path: shared.config.dir.clone(),
            source,
        })?;
        for of_hour in blocks.chunk_by(|one, two| one.hour == two.hour) {
            let Some(hour) = of_hour.first().map(|block| block.hour) else {
                continue;
            };
            let covered = |block: &BlockRef| {
                plan.get(&block.file.key())
                    .is_some_and(|day| block.offset < day.covered)
            };
            if !of_hour.iter().all(covered) || singly.binary_search(&hour).is_ok() {
                found.entry(hour).or_default().blocks.extend(of_hour.iter().cloned());
            }
        }
    }
    // A block that was sealed since the plan was made, of a day that was not listed, may be missing in both.
    let ends = |day| {
        let of_day = plan.range(ClassDay::of(day));
        of_day.filter_map(|(key, plan)| Some((key.class, plan.end?)))
    };
    let grown = |day: i64| !is_listed(plan, day) && !shared.blocks.end_at(day, ends(day));
    if planned(plan).any(grown) {
        return Err(Trouble::Again(io::Error::other("blocks were sealed meanwhile")));
    }
    Ok((found, head))
}

const fn first_hour(context: &Context<'_>) -> i64 {
    context.begin.div_euclid(HOUR_MS) * HOUR_MS
}

/// Hours of which only a part is asked for.
fn edges(context: &Context<'_>) -> impl Iterator<Item = i64> {
    let (from, to) = (context.query.from.as_millis(), context.end);
    let partial = [(from, from % HOUR_MS != 0), (to, (to + 1) % HOUR_MS != 0)];
    partial
        .into_iter()
        .filter(|(_, partial)| *partial)
        .map(|(time, _)| time.div_euclid(HOUR_MS) * HOUR_MS)
}

/// Which hours to list: all but those of days that lie in the rollups as a whole, and of those the ones named `singly`.
fn spans(plan: &Plan, hours: &RangeInclusive<i64>, singly: &[i64]) -> Vec<RangeInclusive<i64>> {
    let mut spans = Vec::new();
    let mut next = *hours.start();
    for day in planned(plan) {
        if is_listed(plan, day) {
            continue;
        }
        if next < day {
            spans.push(next..=day - 1);
        }
        spans.extend(
            singly
                .iter()
                .filter(|hour| (day..day + DAY_MS).contains(hour))
                .map(|hour| *hour..=*hour),
        );
        next = next.max(day + DAY_MS);
    }
    if next <= *hours.end() {
        spans.push(next..=*hours.end());
    }
    spans
}

fn finish(context: &Context<'_>, run: HostRun) -> HostAnswer {
    let host = run.host.id;
    let mut series = Vec::with_capacity(run.folds.len());
    for (named, fold) in run.series.into_iter().zip(run.folds) {
        let rate = context.query.aggregate_for(named.kind) == Aggregate::Rate;
        let (points, min, max) = fold.finish();
        series.push(SeriesData {
            host: Some(host),
            name: named.name.clone(),
            attributes: named.attributes.clone(),
            unit: if rate {
                format!("{}/s", named.unit).into()
            } else {
                named.unit.clone()
            },
            kind: named.kind,
            points,
            min,
            max,
        });
    }
    HostAnswer {
        series,
        not_observed: run.observed.finish(&run.host.lock().gaps),
    }
}
