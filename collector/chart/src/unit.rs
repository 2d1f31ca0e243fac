//! Units: how a value is written for people, and the scale that a whole axis shares.

/// What the values of a chart are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unit {
    /// Bytes, written with IEC prefixes (1 KiB = 1024 B).
    Bytes,
    /// Bytes per second, IEC prefixes.
    BytesPerSecond,
    /// A share from 0 to 1, written as per cent.
    Ratio,
    /// Seconds, written as µs, ms, s, min, h or d.
    Seconds,
    /// A plain number, written with SI prefixes from 10 000 on.
    #[default]
    Count,
    /// Something per second.
    PerSecond,
    /// 0 or 1, drawn in steps.
    Bool,
    /// Anything else: the number and this sign, such as `°C` or `rpm`.
    Other(String),
}

/// How all labels of one axis are written: the same prefix everywhere, so that they can be compared at a glance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    /// Values are divided by this.
    pub(crate) divisor: f64,
    /// Follows the number.
    pub(crate) suffix: String,
}

const IEC: [&str; 9] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
const SI: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
/// Seconds from which a unit of time is used, its length in seconds, its sign.
const TIME: [(f64, f64, &str); 6] = [
    (172_800.0, 86_400.0, "d"),
    (7_200.0, 3_600.0, "h"),
    (120.0, 60.0, "min"),
    (1.0, 1.0, "s"),
    (1e-3, 1e-3, "ms"),
    (0.0, 1e-6, "µs"),
];

impl Unit {
    /// The unit that fits a metric of the catalogue: `unit` in UCUM (`By`, `s`, `1`, `{thread}` …), and whether the
    /// values are rates per second of that metric.
    #[must_use]
    pub fn of(unit: &str, rate: bool) -> Self {
        match (unit, rate) {
            ("By", false) => Self::Bytes,
            ("By", true) | ("By/s", false) => Self::BytesPerSecond,
            ("1", false) | ("s", true) => Self::Ratio,
            ("s", false) => Self::Seconds,
            ("", true) | ("1", true) => Self::PerSecond,
            ("", false) => Self::Count,
            ("Cel", false) => Self::Other("°C".to_owned()),
            (other, true) if other.starts_with('{') => Self::PerSecond,
            (other, false) if other.starts_with('{') => Self::Count,
            (other, true) => Self::Other(format!("{other}/s")),
            (other, false) => Self::Other(other.to_owned()),
        }
    }

    /// The value as people write it, with three significant digits: `12.4 GiB`, `97 %`, `3.2 ms`. `–` for what is no number.
    #[must_use]
    pub fn format(&self, value: f64) -> String {
        let Some(value) = crate::axis::drawable(Some(value)) else {
            return "–".to_owned();
        };
        let scale = self.scale(value.abs());
        // Rounding may reach the next prefix: 1023.9 KiB is 1 MiB.
        let rounded = significant(value / scale.divisor) * scale.divisor;
        let scale = self.scale(rounded.abs());
        scale.write(value, decimals_of(value / scale.divisor))
    }

    /// The scale for an axis whose largest magnitude is this.
    pub(crate) fn scale(&self, magnitude: f64) -> Scale {
        let of = |divisor: f64, suffix: String| Scale { divisor, suffix };
        match self {
            Self::Bytes | Self::BytesPerSecond => {
                let (divisor, prefix) = prefixed(magnitude, 1024.0, 1.0, &IEC);
                of(
                    divisor,
                    format!(" {prefix}{}", if *self == Self::Bytes { "" } else { "/s" }),
                )
            }
            Self::Ratio => of(0.01, " %".to_owned()),
            Self::Seconds => {
                let found = TIME.iter().find(|(from, ..)| magnitude >= *from);
                let (divisor, sign) = found.map_or((1.0, "s"), |(_, length, sign)| (*length, *sign));
                if magnitude == 0.0 {
                    of(1.0, " s".to_owned())
                } else {
                    of(divisor, format!(" {sign}"))
                }
            }
            Self::Count | Self::PerSecond => {
                let (divisor, prefix) = prefixed(magnitude, 1000.0, 10.0, &SI);
                let per = if *self == Self::Count { "" } else { "/s" };
                let space = if prefix.is_empty() && per.is_empty() { "" } else { " " };
                of(divisor, format!("{space}{prefix}{per}"))
            }
            Self::Bool => of(1.0, String::new()),
            Self::Other(sign) => of(1.0, format!(" {sign}")),
        }
    }
}

impl Scale {
    /// The number alone.
    pub(crate) fn number(&self, value: f64, decimals: usize) -> String {
        let scaled = value / self.divisor;
        // Beyond the last prefix only an exponent keeps the label short.
        if scaled.abs() >= 1e6 || (scaled != 0.0 && scaled.abs() < 1e-6) {
            return format!("{scaled:.1e}");
        }
        let text = format!("{scaled:.decimals$}");
        // No "-0".
        if text.starts_with('-') && text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.')) {
            return text.trim_start_matches('-').to_owned();
        }
        text
    }

    /// Number and suffix.
    pub(crate) fn write(&self, value: f64, decimals: usize) -> String {
        format!("{}{}", self.number(value, decimals), self.suffix)
    }

    /// Number with three significant digits and at most three decimals, no trailing zeros.
    pub(crate) fn brief(&self, value: f64) -> String {
        self.number(value, decimals_of(value / self.divisor))
    }
}

/// The largest power of `base` that leaves at least `least` in front of the prefix.
fn prefixed(magnitude: f64, base: f64, least: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut divisor = 1.0;
    let mut chosen = prefixes.first().copied().unwrap_or("");
    for prefix in prefixes.iter().skip(1) {
        // `least` keeps 1 500 readable as it is; once a prefix is needed, one digit before the point is enough.
        let needed = if divisor == 1.0 { base * least } else { base };
        if magnitude / divisor < needed {
            break;
        }
        divisor *= base;
        chosen = prefix;
    }
    (divisor, chosen)
}

fn significant(value: f64) -> f64 {
    let decimals = decimals_of(value);
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

/// Decimals that show three significant digits without trailing zeros.
fn decimals_of(value: f64) -> usize {
    let magnitude = value.abs();
    let most = match magnitude {
        m if m >= 100.0 => 0,
        m if m >= 10.0 => 1,
        m if m >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.most$}");
    let zeros = if text.contains('.') {
        text.len() - text.trim_end_matches('0').len()
    } else {
        0
    };
    most.saturating_sub(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        for (unit, value, text) in [
            (Unit::Bytes, 0.0, "0 B"),
            (Unit::Bytes, 1536.0, "1.5 KiB"),
            (Unit::Bytes, 1024.0 * 1024.0 - 1.0, "1 MiB"),
            (Unit::BytesPerSecond, 13_314_398_617.6, "12.4 GiB/s"),
            (Unit::Ratio, 0.973, "97.3 %"),
            (Unit::Ratio, 1.0, "100 %"),
            (Unit::Seconds, 0.0032, "3.2 ms"),
            (Unit::Seconds, 5_400.0, "90 min"),
            (Unit::Seconds, 864_000.0, "10 d"),
            (Unit::Count, 1_500.0, "1500"),
            (Unit::Count, 15_000.0, "15 k"),
            (Unit::Count, -0.0001, "0"),
            (Unit::PerSecond, 12.0, "12 /s"),
            (Unit::Other("°C".into()), 41.25, "41.2 °C"),
            (Unit::Count, f64::NAN, "–"),
            (Unit::Bytes, 5e-324, "0 B"),
            (Unit::Ratio, f64::MIN, "-1.0e292 %"),
        ] {
            assert_eq!(unit.format(value), text, "{unit:?} {value}");
        }
    }

    #[test]
    fn a_rate_of_seconds_is_a_share_and_a_rate_of_bytes_is_a_throughput() {
        assert_eq!(Unit::of("s", true), Unit::Ratio);
        assert_eq!(Unit::of("By", true), Unit::BytesPerSecond);
        assert_eq!(Unit::of("{thread}", false), Unit::Count);
        assert_eq!(Unit::of("Cel", false), Unit::Other("°C".into()));
    }
}
