//! The two axes: "nice" steps of 1, 2 or 5 for values, and whole seconds, minutes, hours, days, months in the site's
//! zone for time.

use crate::{
    model::{Chart, Y},
    unit::Scale,
};
use jiff::{ToSpan, civil, tz::TimeZone};

/// Values are kept within this, so that no sum or difference of two overflows.
const VALUE_MAX: f64 = 1e290;
/// Anything smaller is zero, so that no tenth of a value underflows.
const VALUE_MIN: f64 = 1e-150;
/// No axis has more ticks than this, whatever its size.
const TICKS_MAX: u32 = 64;

/// A drawable value: finite, and of a magnitude to calculate with.
pub(crate) fn drawable(value: Option<f64>) -> Option<f64> {
    let value = value.filter(|v| v.is_finite())?;
    Some(if value.abs() < VALUE_MIN {
        0.0
    } else {
        value.clamp(-VALUE_MAX, VALUE_MAX)
    })
}

/// The vertical axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValueAxis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) scale: Scale,
    /// Value and label, upwards.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl ValueAxis {
    /// The axis of a chart whose plot is this many pixels high.
    pub(crate) fn of(chart: &Chart, plot_height: f64) -> Self {
        let (low, high) = extent(chart);
        if chart.unit == crate::Unit::Bool && low >= 0.0 && high <= 1.0 {
            let ticks = vec![(0.0, "0".to_owned()), (1.0, "1".to_owned())];
            return Self {
                low: -0.05,
                high: 1.1,
                scale: chart.unit.scale(1.0),
                ticks,
            };
        }
        let scale = chart.unit.scale(low.abs().max(high.abs()));
        let intervals = (plot_height / 34.0).floor().clamp(2.0, 10.0);
        let step = nice_step((high - low) / scale.divisor / intervals) * scale.divisor;
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let decimals = decimals_for(step / scale.divisor);
        let mut ticks = Vec::new();
        let mut index = first;
        while index <= last && ticks.len() < TICKS_MAX as usize {
            ticks.push((index * step, scale.write(index * step, decimals)));
            index += 1.0;
        }
        Self {
            low: first * step,
            high: last * step,
            scale,
            ticks,
        }
    }
}

/// The least and greatest value that the axis must show; always at least a little apart.
fn extent(chart: &Chart) -> (f64, f64) {
    let mut low = f64::INFINITY;
    let mut high = f64::NEG_INFINITY;
    let values = chart.lines.iter().flat_map(|line| &line.points);
    for value in values
        .filter(|(at, _)| *at >= chart.from && *at <= chart.to)
        .filter_map(|(_, v)| drawable(*v))
    {
        low = low.min(value);
        high = high.max(value);
    }
    match chart.y {
        Y::Range(a, b) => {
            for value in [drawable(Some(a)), drawable(Some(b))].into_iter().flatten() {
                low = low.min(value);
                high = high.max(value);
            }
        }
        Y::Auto if low > high => (low, high) = (0.0, 0.0),
        Y::Auto => {}
    }
    if low > high {
        (low, high) = (0.0, 0.0);
    }
    include_zero(&mut low, &mut high, chart.area);
    let reach = 3.0 * (high - low).max(high.abs() * 0.1);
    for value in chart.thresholds.iter().filter_map(|t| drawable(Some(t.value))) {
        // A threshold far away would press the line flat; it is named at the edge instead.
        if chart.y == Y::Auto && (value > high + reach || value < low - reach) && high > low {
            continue;
        }
        low = low.min(value);
        high = high.max(value);
    }
    let least = (low.abs().max(high.abs()) * 1e-9).max(1e-200);
    if high - low < least {
        let pad = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        if low >= 0.0 && low - pad < 0.0 || low == 0.0 {
            return (0.0, high + pad);
        }
        return (low - pad, high + pad);
    }
    (low, high)
}

/// Starts at zero unless all values are far from it.
fn include_zero(low: &mut f64, high: &mut f64, always: bool) {
    if *low > 0.0 && (always || *low < *high * 0.6) {
        *low = 0.0;
    }
    if *high < 0.0 && (always || *high > *low * 0.6) {
        *high = 0.0;
    }
}

/// The next 1, 2 or 5 × 10ⁿ that is not below this.
fn nice_step(rough: f64) -> f64 {
    if !rough.is_finite() || rough <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|step| *step >= rough * (1.0 - 1e-9))
        .unwrap_or(rough)
}

/// Decimals in which two neighbouring ticks differ.
fn decimals_for(step: f64) -> usize {
    let mut decimals = 0;
    let mut scaled = step;
    while decimals < 9 && scaled < 1.0 - 1e-9 {
        scaled *= 10.0;
        decimals += 1;
    }
    decimals
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Steps of fixed length, in milliseconds.
#[rustfmt::skip]
const STEPS: [i64; 24] = [
    SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 3 * DAY, 4 * DAY, 7 * DAY, 14 * DAY,
];
/// Steps of whole months.
const MONTHS: [i32; 13] = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 6_000, 24_000];
/// Whole weeks begin on Monday; the epoch was a Thursday.
const FIRST_MONDAY: i64 = 4 * DAY;

/// Ticks from `from` to `to` (epoch milliseconds), at most `most` of them: instant and label in the zone. Midnights
/// show the date, months and years themselves.
pub(crate) fn time_ticks(from: i64, to: i64, zone: &TimeZone, most: f64) -> Vec<(i64, String)> {
    let span = i128::from(to) - i128::from(from);
    let fits = |step: i64| span as f64 / step as f64 <= most;
    let Some(start) = civil_of(from, zone) else {
        return Vec::new();
    };
    let mut ticks = Vec::new();
    let mut push = |local: civil::DateTime, format: &str| -> bool {
        let Some(at) = local
            .to_zoned(zone.clone())
            .ok()
            .map(|z| z.timestamp().as_millisecond())
        else {
            return false;
        };
        // A local time that a change of clocks skips lands on its neighbour; ticks stay in order.
        if at >= from && at <= to && ticks.last().is_none_or(|(last, _)| *last < at) {
            ticks.push((at, local.strftime(format).to_string()));
        }
        at <= to
    };
    if let Some(step) = STEPS.into_iter().find(|step| fits(*step)) {
        let origin = if step % (7 * DAY) == 0 { FIRST_MONDAY } else { 0 };
        let local = civil_millis(start);
        let mut next = (local - origin).div_euclid(step) * step + origin;
        for _ in 0..=TICKS_MAX {
            let Some(at) = civil_from_millis(next) else {
                break;
            };
            let midnight = at.time() == civil::Time::midnight();
            let format = match (midnight, step < MINUTE) {
                (true, _) => "%m-%d",
                (false, true) => "%H:%M:%S",
                (false, false) => "%H:%M",
            };
            if !push(at, format) {
                break;
            }
            next += step;
        }
    } else if let Some(step) = MONTHS.into_iter().find(|step| fits(i64::from(*step) * 30 * DAY)) {
        let months = i32::from(start.year()) * 12 + i32::from(start.month()) - 1;
        let mut next = months.div_euclid(step) * step;
        for _ in 0..=TICKS_MAX {
            let Some(at) = civil_of_month(next) else {
                next += step;
                continue;
            };
            if !push(at, if step < 12 { "%Y-%m" } else { "%Y" }) {
                break;
            }
            next += step;
        }
    }
    ticks
}

/// The edges of the chart for people, with zone: `2026-11-22 14:00 – 15:00 +08:00`; the short form leaves out the times.
pub(crate) fn period(from: i64, to: i64, zone: &TimeZone, short: bool) -> Option<String> {
    let zoned = |at| {
        jiff::Timestamp::from_millisecond(at)
            .ok()
            .map(|t| t.to_zoned(zone.clone()))
    };
    let (begin, end) = (zoned(from)?, zoned(to)?);
    let offset = end.strftime("%:z");
    Some(match (begin.date() == end.date(), short) {
        (true, false) => format!(
            "{} – {} {offset}",
            begin.strftime("%Y-%m-%d %H:%M"),
            end.strftime("%H:%M")
        ),
        (true, true) => format!("{} {offset}", begin.strftime("%Y-%m-%d")),
        (false, false) => {
            format!(
                "{} – {} {offset}",
                begin.strftime("%Y-%m-%d %H:%M"),
                end.strftime("%m-%d %H:%M")
            )
        }
        (false, true) => format!("{} – {} {offset}", begin.strftime("%Y-%m-%d"), end.strftime("%m-%d")),
    })
}

fn civil_of(at: i64, zone: &TimeZone) -> Option<civil::DateTime> {
    jiff::Timestamp::from_millisecond(at)
        .ok()
        .map(|at| zone.to_datetime(at))
}

/// Local time as milliseconds since 1970-01-01T00:00 local.
fn civil_millis(at: civil::DateTime) -> i64 {
    at.to_zoned(TimeZone::UTC).map_or(0, |z| z.timestamp().as_millisecond())
}

fn civil_from_millis(millis: i64) -> Option<civil::DateTime> {
    jiff::Timestamp::from_millisecond(millis)
        .ok()
        .map(|at| TimeZone::UTC.to_datetime(at))
}

/// The first of a month counted from year 0.
fn civil_of_month(months: i32) -> Option<civil::DateTime> {
    let year = i16::try_from(months.div_euclid(12)).ok()?;
    let january = civil::Date::new(year, 1, 1).ok()?;
    january
        .checked_add(months.rem_euclid(12).months())
        .ok()
        .map(|date| date.at(0, 0, 0, 0))
}
