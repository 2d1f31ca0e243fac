//! Units, process groups, the clock, and the agent itself.

use super::{Health, Known, Standing, worst_first};
use crate::parts::Part;

/// A unit of systemd that is watched or not well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit<'a> {
    pub(crate) part: &'a Part,
    /// Times that systemd started it again within the last hour.
    pub(crate) restarts: Option<f64>,
}

/// Units, those that failed first.
pub(crate) fn units<'a>(known: &Known<'a>) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'_>> = known
        .parts("unit")
        .map(|part| Unit {
            part,
            restarts: known.grown("tocsin.unit.restarts", &[("tocsin.unit", &part.id)]),
        })
        .collect();
    worst_first(&mut units, |unit| unit.part.health());
    units
}

/// A probe that the host asks of others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe<'a> {
    pub(crate) part: &'a Part,
    /// `ping`, `tcp`, `http`, `certificate`.
    pub(crate) kind: &'a str,
    pub(crate) target: &'a str,
    /// Seconds that the last answer took.
    pub(crate) took: Option<f64>,
    /// Share of a ping's requests that were lost.
    pub(crate) loss: Option<f64>,
    /// Seconds until the certificate that was shown expires.
    pub(crate) time_left: Option<f64>,
}

/// Probes, those that fail first.
pub(crate) fn probes<'a>(known: &Known<'a>) -> Vec<Probe<'a>> {
    let mut probes: Vec<Probe<'_>> = known
        .parts("probe")
        .map(|part| {
            let on = [("tocsin.probe", part.id.as_str())];
            let detail = |key: &str| part.details.get(key).map_or("", String::as_str);
            Probe {
                part,
                kind: detail("kind"),
                target: detail("target"),
                took: known.value("tocsin.probe.duration", &on),
                loss: known.value("tocsin.probe.loss", &on),
                time_left: known.value("tocsin.probe.certificate.time_left", &on),
            }
        })
        .collect();
    worst_first(&mut probes, |probe| probe.part.health());
    probes
}

/// A watched group of processes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Processes that are alive.
    pub(crate) count: f64,
    /// 1 is one core.
    pub(crate) cpu: Option<f64>,
    /// Bytes.
    pub(crate) memory: Option<f64>,
    pub(crate) threads: Option<f64>,
    pub(crate) files: Option<f64>,
    /// Within the last hour.
    pub(crate) restarts: Option<f64>,
    /// Seconds: age of the oldest process.
    pub(crate) oldest: Option<f64>,
}

/// Watched groups, those that do not run first.
pub(crate) fn groups(known: &Known<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = known
        .all("tocsin.process.group.count")
        .iter()
        .filter_map(|(series, count)| {
            let name = series.attribute("tocsin.process.group")?;
            let on = [("tocsin.process.group", name)];
            let of = |what: &str| known.value(&format!("tocsin.process.group.{what}"), &on);
            Some(Group {
                name: name.to_owned(),
                count: *count,
                cpu: known.rate("tocsin.process.group.cpu.time", &on),
                memory: of("memory.usage"),
                threads: of("thread.count"),
                files: of("fd.count"),
                restarts: known.grown("tocsin.process.group.restarts", &on),
                oldest: of("oldest"),
            })
        })
        .collect();
    groups.sort_by_key(|group| group.count > 0.0);
    groups
}

/// The clock of the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clock {
    pub(crate) standing: Standing,
    /// Seconds that it is ahead of its time source.
    pub(crate) offset: Option<f64>,
    pub(crate) synchronized: Option<bool>,
    /// Who keeps it right: `chrony`.
    pub(crate) service: String,
    /// From whom.
    pub(crate) source: String,
}

/// The clock; none where no time service tells of it.
pub(crate) fn clock(known: &Known<'_>) -> Option<Clock> {
    let part = known.parts("clock").next();
    let detail = |key: &str| part.and_then(|part| part.details.get(key)).cloned().unwrap_or_default();
    let clock = Clock {
        standing: Standing::of(part),
        offset: known.value("tocsin.clock.offset", &[]),
        synchronized: known.value("tocsin.clock.synchronized", &[]).map(|value| value > 0.0),
        service: detail("service"),
        source: detail("source"),
    };
    let told = clock.standing.health != Health::Unjudged || clock.offset.is_some() || clock.synchronized.is_some();
    told.then_some(clock)
}

/// Figures of the agent itself: key of its words, value, unit. Of what goes wrong, only what is.
pub(crate) fn agent(known: &Known<'_>) -> Vec<(&'static str, f64, &'static str)> {
    let of = |metric| known.value(metric, &[]);
    let troubles = [
        ("stuck", "tocsin.agent.surveys.stuck", ""),
        ("off", "tocsin.agent.surveys.off", ""),
        ("behind", "tocsin.agent.log.behind", "By"),
        ("spooled", "tocsin.agent.spool.usage", "By"),
    ];
    let cost = [
        ("cpu", known.rate("tocsin.agent.cpu.time", &[]), "1"),
        ("memory", of("tocsin.agent.memory.usage"), "By"),
    ];
    let cost = cost
        .into_iter()
        .filter_map(|(key, value, unit)| Some((key, value?, unit)));
    let troubles = troubles
        .into_iter()
        .filter_map(|(key, metric, unit)| Some((key, of(metric)?, unit)));
    cost.chain(troubles.filter(|(_, value, _)| *value > 0.0)).collect()
}
