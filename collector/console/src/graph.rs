//! Charts of a host: which metrics stand on which panel, and a panel as SVG.

use crate::{
    backend::{AnswerSeries, Failure, MetricAnswer, MetricQuery, RuleView},
    figures,
    guard::Visit,
    markup::Html,
    shell::Shell,
};
use std::time::Duration;
use tocsin_chart::{Chart, Line, Span, SpanKind, Threshold, Y};
use tocsin_desk::model::Alert;
use tocsin_vocabulary::{HostId, Timestamp, catalogue};

/// Points of one line: about one per two pixels of a panel.
const POINTS: u32 = 180;
/// Lines of one panel; more is a carpet.
const LINES_MAX: usize = 8;
/// Size of a panel in pixels, legend apart: what a phone of 390 pixels has room for, so that text keeps its size there;
/// a desktop shows three abreast, a little larger.
pub(crate) const SIZE: (u32, u32) = (352, 184);
/// Size of the one chart of a ticket where there is room for it.
pub(crate) const WIDE: (u32, u32) = (760, 220);
/// Finest step: what an agent samples at most.
const STEP_MIN: Duration = Duration::from_secs(1);

/// The ranges that a page offers: word, length.
pub(crate) const RANGES: [(&str, Duration); 4] = [
    ("1h", Duration::from_secs(3_600)),
    ("6h", Duration::from_secs(6 * 3_600)),
    ("24h", Duration::from_secs(24 * 3_600)),
    ("7d", Duration::from_secs(7 * 86_400)),
];

/// One panel: a metric, those of its series that are worth a line, and its axis.
pub(crate) struct Panel {
    /// The text key's last part.
    pub(crate) name: &'static str,
    pub(crate) metric: &'static str,
    worth: fn(&AnswerSeries) -> bool,
    y: Y,
}

fn whole_cpu(line: &AnswerSeries) -> bool {
    line.series.attribute("cpu.logical_number").is_none()
        && line
            .series
            .attribute("cpu.mode")
            .is_none_or(|mode| matches!(mode, "iowait" | "steal" | "system"))
}

fn used(line: &AnswerSeries) -> bool {
    ["system.memory.state", "system.paging.state", "system.filesystem.state"]
        .iter()
        .all(|key| line.series.attribute(key).is_none_or(|state| state == "used"))
}

fn short_window(line: &AnswerSeries) -> bool {
    line.series
        .attribute("tocsin.pressure.window")
        .is_none_or(|window| window == "10s")
        && line
            .series
            .attribute("tocsin.pressure.stall")
            .is_none_or(|stall| stall == "some")
}

fn not_loopback(line: &AnswerSeries) -> bool {
    line.series.attribute("network.interface.name") != Some("lo")
}

const fn any(_: &AnswerSeries) -> bool {
    true
}

/// The panels of a host's page, in order.
pub(crate) const PANELS: [Panel; 10] = [
    Panel {
        name: "cpu",
        metric: "system.cpu.utilization",
        worth: whole_cpu,
        y: Y::Range(0.0, 1.0),
    },
    Panel {
        name: "memory",
        metric: "system.memory.utilization",
        worth: used,
        y: Y::Range(0.0, 1.0),
    },
    Panel {
        name: "load",
        metric: "system.cpu.load_average.1m",
        worth: any,
        y: Y::Auto,
    },
    Panel {
        name: "pressure",
        metric: "tocsin.pressure.share",
        worth: short_window,
        y: Y::Auto,
    },
    Panel {
        name: "filesystems",
        metric: "system.filesystem.utilization",
        worth: used,
        y: Y::Range(0.0, 1.0),
    },
    Panel {
        name: "disk-io",
        metric: "system.disk.io",
        worth: any,
        y: Y::Auto,
    },
    Panel {
        name: "disk-busy",
        metric: "system.disk.io_time",
        worth: any,
        y: Y::Auto,
    },
    Panel {
        name: "network",
        metric: "system.network.io",
        worth: not_loopback,
        y: Y::Auto,
    },
    Panel {
        name: "swap",
        metric: "system.paging.utilization",
        worth: used,
        y: Y::Auto,
    },
    Panel {
        name: "processes",
        metric: "system.process.count",
        worth: any,
        y: Y::Auto,
    },
];

/// What surrounds the lines of a panel.
pub(crate) struct Around<'a> {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) rules: &'a [RuleView],
    pub(crate) alerts: &'a [Alert],
    /// Pixels, legend apart.
    pub(crate) size: (u32, u32),
}

/// A step that the store has rolled up where the chart is long enough for it: whole five minutes, or whole hours.
const fn rolled_up(seconds: u64) -> u64 {
    let unit = match seconds {
        0..150 => 1,
        150..1_800 => 300,
        _ => 3_600,
    };
    seconds.div_ceil(unit) * unit
}

/// Points for a chart from `from` to `to`.
pub(crate) async fn points(
    visit: &Visit,
    host: HostId,
    metric: &str,
    attributes: Vec<(String, String)>,
    (from, to): (Timestamp, Timestamp),
) -> Result<MetricAnswer, Failure> {
    let step = (to.since(from) / POINTS).max(STEP_MIN);
    let step = Duration::from_secs(rolled_up(step.as_secs()));
    let query = MetricQuery {
        host,
        metric: metric.to_owned(),
        attributes,
        from,
        to,
        step: Some(step),
        aggregate: None,
    };
    visit.console.backend.query(&query).await
}

/// A panel of a host's page; none when the host never sent the metric.
pub(crate) fn panel(shell: &Shell, panel: &Panel, answer: MetricAnswer, around: &Around<'_>) -> Option<Html> {
    let mut answer = answer;
    answer.series.retain(panel.worth);
    if answer.series.is_empty() {
        return None;
    }
    Some(draw(
        shell,
        shell.word("panel", panel.name),
        panel.metric,
        panel.y,
        answer,
        around,
    ))
}

/// A chart of one metric under this title.
pub(crate) fn draw(
    shell: &Shell,
    title: String,
    metric: &str,
    y: Y,
    mut answer: MetricAnswer,
    around: &Around<'_>,
) -> Html {
    // The busiest lines are the ones that matter when there are too many.
    answer.series.sort_by(|a, b| peak(b).total_cmp(&peak(a)));
    answer.series.truncate(LINES_MAX);
    answer
        .series
        .sort_by(|a, b| a.series.attributes.cmp(&b.series.attributes));
    let unit = answer
        .series
        .first()
        .map(|line| figures::unit(&line.unit))
        .unwrap_or_default();
    let lines = answer.series.into_iter().zip(0u8..).map(|(line, class)| Line {
        label: label(shell, &line),
        points: line.points,
        class,
    });
    let thresholds = around
        .rules
        .iter()
        .filter(|rule| rule.metric == metric)
        .filter_map(|rule| {
            rule.threshold.map(|value| Threshold {
                value,
                label: rule.name.clone(),
                severity: rule.severity,
            })
        });
    let faults = around
        .alerts
        .iter()
        .filter(|alert| alert.metric == metric)
        .map(|alert| Span {
            from: alert.occurred_at,
            to: alert.cleared_at.unwrap_or(around.to),
            kind: SpanKind::Fault,
            label: shell.t("chart-fault"),
        });
    let unseen = answer.not_observed.into_iter().map(|(from, to)| Span {
        from,
        to,
        kind: SpanKind::NotObserved,
        label: shell.t("chart-not-observed"),
    });
    let chart = Chart {
        title,
        empty: shell.t("chart-empty"),
        zone: shell.zone().clone(),
        unit,
        y,
        lines: lines.collect(),
        thresholds: thresholds.collect(),
        spans: faults.chain(unseen).collect(),
        ..Chart::new(around.size.0, around.size.1, around.from, around.to)
    };
    Html(chart.svg())
}

fn peak(line: &AnswerSeries) -> f64 {
    line.points
        .iter()
        .filter_map(|(_, value)| *value)
        .fold(f64::NEG_INFINITY, f64::max)
}

/// What distinguishes a line from its neighbours: the values of its attributes, or the metric's own word.
fn label(shell: &Shell, line: &AnswerSeries) -> String {
    let telling: Vec<String> = line
        .series
        .attributes
        .iter()
        .filter(|(key, _)| {
            !matches!(
                key.as_str(),
                "system.filesystem.type"
                    | "system.filesystem.state"
                    | "tocsin.pressure.window"
                    | "tocsin.pressure.stall"
            )
        })
        .filter(|(key, _)| key != "system.device" || line.series.attribute("system.filesystem.mountpoint").is_none())
        .map(|(key, value)| match key.as_str() {
            "disk.io.direction" | "network.io.direction" => shell.word("direction", value),
            "system.memory.state" | "system.paging.state" => shell.word("memory", value),
            _ => value.to_string(),
        })
        .collect();
    if telling.is_empty() {
        shell.t("chart-whole")
    } else {
        telling.join(" ")
    }
}

/// A metric's meaning in the reader's language, for a heading or a hover.
pub(crate) fn meaning(shell: &Shell, metric: &str) -> String {
    catalogue::metric(metric).map_or_else(
        || metric.to_owned(),
        |metric| metric.describe(shell.language).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_charts_have_steps_that_are_rolled_up() {
        let hour = 3_600;
        let step = |hours: u64| rolled_up(hours * hour / u64::from(POINTS));
        assert_eq!(
            (step(1), step(6), step(24), step(168), step(720)),
            (20, 120, 600, hour, 4 * hour)
        );
    }
}
