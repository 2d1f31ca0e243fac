//! Lines of `ipmitool sdr elist` (name, number, state, entity, text) and of `ipmitool sensor list` (name, value, unit,
//! state, six thresholds). The second is also read with blanks between its columns and underscores within.

use crate::surveys::limits::Limits;
use std::ops::RangeInclusive;

/// Most bytes of a name or of one state.
const TEXT_BYTES_MAX: usize = 120;

/// One sensor as a line shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sensor {
    /// As the firmware calls it.
    pub(super) name: String,
    /// Its number, such as `C8h`; empty where the listing has none.
    pub(super) number: String,
    /// `ok`, `nc`, `cr`, `nr`, `ns`, `na`, …
    pub(super) state: String,
    /// What it belongs to (IPMI 2.0, table 43-13); none where the listing has none.
    pub(super) entity: Option<u8>,
    /// Its value and unit.
    pub(super) reading: Option<(f64, Unit)>,
    /// What else it says: discrete states.
    pub(super) says: Vec<String>,
    /// Its thresholds, those that make sense; none when the listing does not show them.
    pub(super) limits: Option<Limits>,
}

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Celsius,
    Rpm,
    Volts,
    Amps,
    Watts,
    Percent,
    /// Firmware does not say, or something else.
    Other,
}

impl Unit {
    fn of(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "degrees c" => Self::Celsius,
            "rpm" => Self::Rpm,
            "volts" => Self::Volts,
            "amps" => Self::Amps,
            "watts" => Self::Watts,
            "percent" => Self::Percent,
            _ => Self::Other,
        }
    }

    /// As reasons name it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Celsius => "degrees C",
            Self::Rpm => "rpm",
            Self::Volts => "V",
            Self::Amps => "A",
            Self::Watts => "W",
            Self::Percent => "%",
            Self::Other => "",
        }
    }

    /// Values and limits outside are not meant.
    const fn range(self) -> RangeInclusive<f64> {
        match self {
            Self::Celsius => -55.0..=200.0,
            Self::Rpm => 0.0..=60_000.0,
            Self::Volts | Self::Amps => -1_000.0..=1_000.0,
            Self::Watts => 0.0..=100_000.0,
            Self::Percent => 0.0..=1_000.0,
            Self::Other => f64::MIN..=f64::MAX,
        }
    }
}

impl Sensor {
    /// Whether it says anything now.
    pub(super) fn reads(&self) -> bool {
        !matches!(self.state.as_str(), "ns" | "na" | "us" | "disabled" | "")
            || self.reading.is_some_and(|(_, unit)| unit != Unit::Other)
    }

    /// Whether the controller says that a value is beyond a threshold.
    pub(super) fn is_beyond(&self) -> bool {
        matches!(self.state.as_str(), "nc" | "cr" | "nr")
    }

    /// Its value as a metric, that of its limits, and the figure.
    pub(super) fn value(&self) -> Option<(&'static str, Option<&'static str>, f64)> {
        let (value, unit) = self.reading?;
        match unit {
            Unit::Celsius => Some(("hw.temperature", Some("hw.temperature.limit"), value)),
            Unit::Rpm => Some(("hw.fan.speed", Some("hw.fan.speed.limit"), value)),
            Unit::Volts => Some(("hw.voltage", Some("hw.voltage.limit"), value)),
            Unit::Amps => Some(("tocsin.sensor.current", None, value)),
            Unit::Watts => Some(("hw.power", None, value)),
            Unit::Percent if self.is_fan() => Some(("hw.fan.speed_ratio", None, value / 100.0)),
            Unit::Percent | Unit::Other => None,
        }
    }

    /// Whether it watches a fan.
    pub(super) fn is_fan(&self) -> bool {
        matches!(self.entity, Some(29 | 30)) || self.name.to_ascii_lowercase().contains("fan")
    }
}

/// The sensors of a listing; lines that are none are left out.
pub(super) fn parse(text: &str) -> Vec<Sensor> {
    text.lines().filter_map(parse_line).collect()
}

pub(super) fn parse_line(line: &str) -> Option<Sensor> {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    match columns.len() {
        5 => parse_elist(&columns),
        10 => parse_list(&columns),
        1 => {
            let columns: Vec<String> = line.split_whitespace().map(|word| word.replace('_', " ")).collect();
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            (columns.len() == 10).then(|| parse_list(&columns))?
        }
        _ => None,
    }
}

fn parse_elist(columns: &[&str]) -> Option<Sensor> {
    let [name, number, state, entity, text] = columns else {
        return None;
    };
    if name.is_empty() || !number.ends_with('h') {
        return None;
    }
    let mut sensor = Sensor {
        name: cut(name),
        number: cut(number),
        state: state_of(state),
        entity: entity.split('.').next().and_then(|id| id.parse().ok()),
        ..Sensor::default()
    };
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match parse_value(word) {
            Some(reading) if sensor.reading.is_none() => sensor.reading = Some(reading),
            _ => sensor.says.push(cut(word)),
        }
    }
    Some(sensor)
}

/// The extended listing says on which side a value is beyond a threshold: `ucr` is `cr`.
fn state_of(column: &str) -> String {
    let state = column.to_ascii_lowercase();
    match state.strip_prefix(['l', 'u']) {
        Some(beyond @ ("nc" | "cr" | "nr")) => beyond.to_owned(),
        _ => cut(&state),
    }
}

/// `95 Watts`, `21.56 percent`.
fn parse_value(text: &str) -> Option<(f64, Unit)> {
    let (figure, unit) = text.split_once(' ')?;
    let unit = Unit::of(unit.trim());
    if unit == Unit::Other {
        return None;
    }
    Some((finite(figure).filter(|value| unit.range().contains(value))?, unit))
}

fn parse_list(columns: &[&str]) -> Option<Sensor> {
    let [
        name,
        value,
        unit,
        state,
        low_dead,
        low_critical,
        low,
        high,
        high_critical,
        high_dead,
    ] = columns
    else {
        return None;
    };
    if name.is_empty() || unit.eq_ignore_ascii_case("discrete") {
        return None; // its state is a number here; the other listing has it in words
    }
    let unit = Unit::of(unit);
    let limits = Limits {
        low_critical: finite(low_critical).or_else(|| finite(low_dead)),
        low: finite(low),
        high: finite(high),
        high_critical: finite(high_critical).or_else(|| finite(high_dead)),
    };
    Some(Sensor {
        name: cut(name),
        state: state_of(state),
        reading: finite(value)
            .filter(|value| unit.range().contains(value))
            .map(|value| (value, unit)),
        limits: Some(limits.sane(&unit.range())),
        ..Sensor::default()
    })
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}
