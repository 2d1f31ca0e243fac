//! Charts: one model, drawn as SVG. Pure.
//!
//! * [`Chart`] — lines over time with thresholds and spans; [`Chart::svg`] draws it,
//! * [`Unit`] — how values are written for people,
//! * [`sparkline`] — a line the size of a word, for tables,
//! * [`CHART_CSS`] — the colours of both themes, for the page to embed,
//! * [`CHART_JS`] — hover and tap, for the page to serve from its own origin.
//!
//! A drawing is honest before it is pretty: a gap is a gap, what was not observed is hatched, no value is cut off,
//! thinning keeps every extreme.
//!
//! # Why not a library
//!
//! Tried with one line of 2 000 points and one gap at 900 × 260, before this crate was written:
//!
//! | | charts-rs 2.3 | plotters 0.3 | here |
//! |---|---|---|---|
//! | crates beside ours | 15 | 4 | 0 |
//! | SVG | 95 KB, every point kept | 37 KB, every point kept | 24 KB, thinned to the pixels, values included |
//! | gap | drawn as a gap | one series per piece, cut by the caller | drawn as a gap |
//! | light and dark | colours fixed in attributes, no class | colours fixed in attributes, no class | classes and custom properties |
//! | hatched spans, shaded spans, labelled thresholds | mark lines only | by hand, from shapes | yes |
//! | time axis in a site's zone | labels made by the caller | chrono only | jiff, through changes of clocks |
//! | values for hover, accessible name | no | no | yes |
//!
//! Neither can be themed by a style sheet, which a page without inline styles needs, and what is ours to draw by hand
//! with either of them is most of this crate.
//!
//! # What a script finds
//!
//! The `<svg class="tc-chart">` bears `data-from`, `data-to` (epoch milliseconds), `data-zone`, `data-suffix` and the
//! plot's edges in its own pixels (`data-left`, `data-right`, `data-top`, `data-bottom`). Each
//! `<g class="tc-line" data-label>` holds one `<polyline>` per unbroken piece; its `data-v` has one value, already in
//! the axis' scale, per point.

mod axis;
mod draw;
mod frame;
mod legend;
mod markup;
mod model;
mod spans;
mod sparkline;
mod thin;
mod thresholds;
mod unit;

pub use model::{Chart, Line, Point, Span, SpanKind, Threshold, Y};
pub use sparkline::{sparkline, sparkline_within};
pub use unit::Unit;

/// Colours, fonts and strokes of all charts, light and dark. Every colour is a custom property (`--chart-…`) that a
/// page may set again.
pub const CHART_CSS: &str = include_str!("chart.css");

/// Crosshair and values under the pointer, the finger or the arrow keys. No dependency, no inline style; listens on
/// the document, so charts that arrive later work too.
pub const CHART_JS: &str = include_str!("chart.js");

#[cfg(test)]
mod tests;
