//! Sparklines: a line the size of a word, for a cell of a table.

use crate::{
    axis::drawable,
    markup::Px,
    model::{Point, Y},
    thin,
};
use std::fmt::Write;

/// The points as a line of this many pixels, from the first point to the last; the axis includes zero.
/// Decoration beside a written value: hidden from screen readers.
#[must_use]
pub fn sparkline(points: &[Point], width: u32, height: u32) -> String {
    sparkline_within(points, Y::Auto, width, height)
}

/// As [`sparkline`], with the axis given: shares want `Y::Range(0.0, 1.0)`, or a calm host looks wild.
#[must_use]
pub fn sparkline_within(points: &[Point], y: Y, width: u32, height: u32) -> String {
    let (width, height) = (f64::from(width.clamp(8, 2_000)), f64::from(height.clamp(4, 500)));
    let mut out = format!(
        r#"<svg class="tc-spark" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false">"#
    );
    let (mut low, mut high) = match y {
        Y::Auto => (0.0, 0.0),
        Y::Range(a, b) => {
            let (a, b) = (drawable(Some(a)).unwrap_or(0.0), drawable(Some(b)).unwrap_or(0.0));
            (a.min(b), a.max(b))
        }
    };
    for value in points.iter().filter_map(|(_, value)| drawable(*value)) {
        low = low.min(value);
        high = high.max(value);
    }
    let reach = if high > low { high - low } else { 1.0 };
    let from = points.first().map_or(0, |point| point.0.as_millis());
    let to = points
        .last()
        .map_or(0, |point| point.0.as_millis())
        .max(from.saturating_add(1));
    // Half a stroke stays free on all sides.
    let top = |value: f64| height - 1.0 - (value - low) / reach * (height - 2.0);
    for piece in thin::pieces(points, &[], from, to, width - 2.0) {
        out.push_str(r#"<polyline class="tc-stroke" points=""#);
        push_points(&mut out, piece.iter().map(|(x, value)| (x + 1.0, top(*value))));
        out.push_str(r#""/>"#);
    }
    out.push_str("</svg>");
    out
}

/// `x,y x,y`; a single point is repeated, so that a round cap shows it.
pub(crate) fn push_points(out: &mut String, points: impl Iterator<Item = (f64, f64)>) {
    let mut last = None;
    let mut count = 0;
    for (x, y) in points {
        let gap = if count == 0 { "" } else { " " };
        let _ = write!(out, "{gap}{},{}", Px(x), Px(y));
        last = Some((x, y));
        count += 1;
    }
    if let (1, Some((x, y))) = (count, last) {
        let _ = write!(out, " {},{}", Px(x), Px(y));
    }
}
