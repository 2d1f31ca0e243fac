//! Where everything of a chart stands: the plot's edges, and the way from an instant or a value to a pixel.

use crate::{axis::ValueAxis, markup::text_width, model::Chart};
use tocsin_vocabulary::Timestamp;

/// Font size of axis labels, as in the style sheet.
pub(crate) const FONT: f64 = 11.0;
/// Space for the labels below the plot.
pub(crate) const BELOW: f64 = 22.0;
/// Times that the calendar can name: years -9999 to 9999, in epoch milliseconds, with some days of margin.
const TIME_MAX: i64 = 253_000_000_000_000;

/// Where everything stands, in pixels.
pub(crate) struct Frame {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) axis: ValueAxis,
}

impl Frame {
    pub(crate) fn of(chart: &Chart) -> Self {
        let (from, to) = bounds(chart);
        let width = f64::from(chart.width.clamp(120, 4_000));
        let height = f64::from(chart.height.clamp(80, 2_000));
        let top = if chart.title.is_empty() { 10.0 } else { 32.0 };
        let bottom = height - BELOW;
        let axis = ValueAxis::of(chart, bottom - top);
        let labels = axis
            .ticks
            .iter()
            .map(|(_, label)| text_width(label, FONT))
            .fold(0.0, f64::max);
        let left = (labels + 10.0).clamp(24.0, width / 2.5).ceil();
        Self {
            from,
            to,
            left,
            right: width - 10.0,
            top,
            bottom,
            axis,
        }
    }

    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Instant to pixel, kept within the plot.
    pub(crate) fn x(&self, at: Timestamp) -> f64 {
        let share = (at.as_millis() as f64 - self.from as f64) / (self.to as f64 - self.from as f64);
        self.left + share.clamp(0.0, 1.0) * self.width()
    }

    /// Value to pixel, kept within the plot.
    pub(crate) fn y(&self, value: f64) -> f64 {
        let share = (value - self.axis.low) / (self.axis.high - self.axis.low);
        self.bottom - share.clamp(0.0, 1.0) * (self.bottom - self.top)
    }
}

/// The chart's edges: in order, at least a millisecond apart, within the calendar.
fn bounds(chart: &Chart) -> (i64, i64) {
    let from = chart.from.as_millis().clamp(-TIME_MAX, TIME_MAX);
    let to = chart.to.as_millis().clamp(-TIME_MAX, TIME_MAX);
    (from.min(to), from.max(to).max(from.min(to) + 1))
}
