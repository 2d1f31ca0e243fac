//! The chart model: what is to be drawn, in the words of the domain. Owns [`Chart`], [`Line`], [`Threshold`], [`Span`].

use crate::Unit;
use jiff::tz::TimeZone;
use tocsin_vocabulary::{Severity, Timestamp};

/// One value at one instant; `None` where nothing was observed. Non-finite values count as `None`.
pub type Point = (Timestamp, Option<f64>);

/// A chart of values over time.
///
/// Fields that are not interesting come from [`Chart::new`]:
/// `Chart { title, lines, ..Chart::new(900, 260, from, to) }`.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Pixels wide, 120 to 4000; other values are brought into that range.
    pub width: u32,
    /// Pixels high without the legend, which is added below; 80 to 2000.
    pub height: u32,
    /// Heading and accessible name, in the reader's language. Empty: no heading.
    pub title: String,
    /// What to say in place of lines when there is not one value, in the reader's language.
    pub empty: String,
    /// Left edge.
    pub from: Timestamp,
    /// Right edge.
    pub to: Timestamp,
    /// The zone in which times are labelled.
    pub zone: TimeZone,
    /// What the values are.
    pub unit: Unit,
    /// Which values the vertical axis covers.
    pub y: Y,
    /// The lines, first one lowest.
    pub lines: Vec<Line>,
    /// Horizontal lines with a label.
    pub thresholds: Vec<Threshold>,
    /// Shaded or hatched times.
    pub spans: Vec<Span>,
    /// Fill lightly below each line; the axis then always includes zero.
    pub area: bool,
}

impl Chart {
    /// An empty chart of counts from `from` to `to`, labelled in UTC.
    #[must_use]
    pub fn new(width: u32, height: u32, from: Timestamp, to: Timestamp) -> Self {
        Self {
            width,
            height,
            title: String::new(),
            empty: String::new(),
            from,
            to,
            zone: TimeZone::UTC,
            unit: Unit::Count,
            y: Y::Auto,
            lines: Vec::new(),
            thresholds: Vec::new(),
            spans: Vec::new(),
            area: false,
        }
    }

    /// The chart as one `<svg>` element, ready to stand in a page that embeds [`CHART_CSS`](crate::CHART_CSS).
    ///
    /// It has classes and no `style`, no `id` and no script, so it satisfies a strict content security policy and
    /// many may stand on one page. All text is escaped. Never panics, whatever the values.
    #[must_use]
    pub fn svg(&self) -> String {
        crate::draw::svg(self)
    }
}

/// Which values the vertical axis covers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Y {
    /// What the values need; includes zero unless all of them are far from it.
    #[default]
    Auto,
    /// At least from the first to the second. A value beyond widens the axis: nothing is ever cut off.
    Range(f64, f64),
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// In order of time. Any number: they are thinned to the pixels with every extreme kept; fewer points make a
    /// smaller page, so ask for about one per two pixels.
    pub points: Vec<Point>,
    /// Colour 0 to 7 (taken modulo 8); 4 to 7 are dashed, so that colour never stands alone.
    pub class: u8,
}

/// A value at which a rule speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// In the chart's unit.
    pub value: f64,
    /// Written at the line, in the reader's language; the value is added to it.
    pub label: String,
    /// Decides the colour.
    pub severity: Severity,
}

/// A stretch of time that is shaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its begin.
    pub from: Timestamp,
    /// Its end; now, or [`Chart::to`], when it still lasts.
    pub to: Timestamp,
    /// What it means.
    pub kind: SpanKind,
    /// Written at its top where it fits, and shown on hover; in the reader's language.
    pub label: String,
}

/// What a span means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Something was wrong.
    Fault,
    /// Planned work.
    Maintenance,
    /// Nothing is known; hatched, and no line is drawn across it.
    NotObserved,
}

impl SpanKind {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Maintenance => "maintenance",
            Self::NotObserved => "not-observed",
        }
    }
}
