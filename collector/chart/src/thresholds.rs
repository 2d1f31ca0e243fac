//! Thresholds: a dashed line with its name. Names of neighbouring lines are placed so that they don't cover each other.

use crate::{
    axis::drawable,
    frame::{FONT, Frame},
    markup::{Escaped, Px, fitted, text_width},
    model::{Chart, Threshold},
};
use std::fmt::Write;

/// From the edge of the plot to a name.
const MARGIN: f64 = 4.0;
/// Height of the band at the top in which the labels of spans stand.
const SPAN_LABELS: f64 = 20.0;
/// What is worse than all else: a name on a name.
const COVERS_NAME: u32 = 1_000;
/// A name that sticks out of the plot is cut by the picture's edge, or stands on the heading.
const OUTSIDE: u32 = 500;
/// A name on a span's label.
const COVERS_SPAN: u32 = 20;
/// A name across another line is still read, for it has a rim.
const CROSSES_LINE: u32 = 10;

/// A threshold whose value can be drawn.
struct Drawn<'a> {
    threshold: &'a Threshold,
    /// Where the line is, or would be if it were not beyond the edge.
    y: f64,
    /// Whether the line itself is within the axis.
    inside: bool,
    /// Name and value in full.
    written: String,
    /// As much of it as fits.
    name: String,
}

/// Where a name stands.
#[derive(Clone, Copy)]
struct Place {
    left: f64,
    right: f64,
    baseline: f64,
    at_left: bool,
}

impl Place {
    const fn top(self) -> f64 {
        // Digits and capitals are about 0.8 of the font size high.
        self.baseline - FONT + 2.0
    }
    const fn bottom(self) -> f64 {
        self.baseline + 3.0
    }
    fn covers(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top() < other.bottom() && other.top() < self.bottom()
    }
}

pub(crate) fn draw_thresholds(out: &mut String, chart: &Chart, frame: &Frame) {
    let mut drawn: Vec<Drawn<'_>> = chart
        .thresholds
        .iter()
        .filter_map(|threshold| prepare(chart, frame, threshold))
        .collect();
    drawn.sort_by(|a, b| a.y.total_cmp(&b.y));
    let lines: Vec<f64> = drawn.iter().filter(|line| line.inside).map(|line| line.y).collect();
    let labelled = chart.spans.iter().any(|span| !span.label.is_empty());
    let mut taken: Vec<Place> = Vec::with_capacity(drawn.len());
    for line in &drawn {
        let place = place(frame, line, &lines, &taken, labelled);
        taken.push(place);
        draw(out, frame, line, place);
    }
}

fn prepare<'a>(chart: &Chart, frame: &Frame, threshold: &'a Threshold) -> Option<Drawn<'a>> {
    let value = drawable(Some(threshold.value))?;
    let arrow = if value > frame.axis.high {
        "↑ "
    } else if value < frame.axis.low {
        "↓ "
    } else {
        ""
    };
    let written = format!("{arrow}{} {}", threshold.label, chart.unit.format(value));
    let written = written.trim().to_owned();
    Some(Drawn {
        threshold,
        y: frame.y(value),
        inside: arrow.is_empty(),
        name: fitted(&written, FONT, frame.width() - 2.0 * MARGIN),
        written,
    })
}

/// The least bad of four places: right or left, above or below its line. Where all are equally good, right and above.
fn place(frame: &Frame, line: &Drawn<'_>, lines: &[f64], taken: &[Place], labelled: bool) -> Place {
    let width = text_width(&line.name, FONT);
    let (near_left, near_right) = (frame.left + MARGIN, frame.right - MARGIN);
    let (above, below) = (line.y - 5.0, line.y + FONT + 2.0);
    let candidates = [(false, above), (false, below), (true, above), (true, below)].map(|(at_left, baseline)| Place {
        left: if at_left { near_left } else { near_right - width },
        right: if at_left { near_left + width } else { near_right },
        baseline,
        at_left,
    });
    let cost = |place: &Place| {
        let names = taken.iter().filter(|other| place.covers(**other)).count();
        let crossed = lines
            .iter()
            .filter(|y| (**y - line.y).abs() > 0.5 && place.top() < **y && **y < place.bottom())
            .count();
        let outside = place.top() < frame.top || place.bottom() > frame.bottom;
        let spans = labelled && place.top() < frame.top + SPAN_LABELS;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        count(names)
            .saturating_mul(COVERS_NAME)
            .saturating_add(count(crossed).saturating_mul(CROSSES_LINE))
            .saturating_add(if outside { OUTSIDE } else { 0 })
            .saturating_add(if spans { COVERS_SPAN } else { 0 })
    };
    let [first, ..] = candidates;
    candidates.into_iter().min_by_key(cost).unwrap_or(first)
}

fn draw(out: &mut String, frame: &Frame, line: &Drawn<'_>, place: Place) {
    let _ = write!(
        out,
        r#"<g class="tc-threshold tc-{}"><title>{}</title>"#,
        line.threshold.severity.as_str(),
        Escaped(&line.written)
    );
    if line.inside {
        let _ = write!(
            out,
            r#"<path d="M{} {}H{}"/>"#,
            Px(frame.left),
            Px(line.y.round() + 0.5),
            Px(frame.right)
        );
    }
    let (class, x) = if place.at_left {
        (r#" class="tc-start""#, place.left)
    } else {
        ("", place.right)
    };
    let _ = write!(
        out,
        r#"<text{class} x="{}" y="{}">{}</text></g>"#,
        Px(x),
        Px(place.baseline),
        Escaped(&line.name)
    );
}
