//! Figures as people read them, from a value and its UCUM unit.

use crate::shell::Shell;
use tocsin_chart::Unit;
use tocsin_vocabulary::catalogue;

/// The status of a part, and the words that its numbers stand for.
const PART_STATUS: (&str, [&str; 3]) = ("tocsin.part.status", ["ok", "degraded", "failed"]);

/// The unit of a value. Rates are written `By/s`, `s/s`, `{operation}/s`.
pub(crate) fn unit(ucum: &str) -> Unit {
    match ucum.strip_suffix("/s") {
        Some(counted) => Unit::of(counted, true),
        None => Unit::of(ucum, false),
    }
}

/// A value with its unit, three significant digits: `93.1 %`, `1.5 GiB`.
pub(crate) fn figure(value: f64, ucum: &str) -> String {
    unit(ucum).format(value)
}

/// The unit in which people read a metric. Flags and states, which are whole numbers of nothing, have none: 1 is not 100 %.
fn unit_of(metric: &str) -> &'static str {
    let metric = catalogue::metric(metric);
    let measured = metric.filter(|metric| metric.unit != "1" || metric.decimals > 0);
    measured.map_or("", |metric| metric.unit)
}

/// What was measured of a metric, as people read it; nothing where nothing was measured.
pub(crate) fn measured(shell: &Shell, metric: &str, value: Option<f64>) -> String {
    let Some(value) = value else { return String::new() };
    let (status, words) = PART_STATUS;
    #[allow(clippy::float_cmp, reason = "whole numbers")]
    let word = [0.0, 1.0, 2.0].iter().zip(words).find(|(number, _)| **number == value);
    match word.filter(|_| metric == status) {
        Some((_, word)) => shell.word("part", word),
        None => figure(value, unit_of(metric)),
    }
}

/// The speed of a link as people say it, in bits per second with decimal prefixes: `10 Gbit/s`, `2.5 Gbit/s`.
pub(crate) fn speed(bits: f64) -> String {
    let prefixes = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")];
    let fits = prefixes.into_iter().find(|(factor, _)| bits >= *factor);
    let (factor, unit) = fits.unwrap_or((1.0, "bit/s"));
    format!("{} {unit}", (bits / factor * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_the_unit_that_people_use() {
        assert_eq!(figure(0.931, "1"), "93.1 %");
        assert_eq!(figure(1_610_612_736.0, "By"), "1.5 GiB");
        assert_eq!(figure(0.5, "s/s"), "50 %");
        assert_eq!(figure(12.5, "{operation}/s"), "12.5 /s");
        assert_eq!(figure(f64::NAN, "1"), "–");
        assert_eq!(figure(0.5, unit_of("system.memory.utilization")), "50 %");
        assert_eq!(figure(503.0, unit_of("tocsin.probe.http.status_code")), "503");
        assert_eq!(figure(1.0, unit_of("tocsin.filesystem.read_only")), "1");
        assert_eq!(
            (speed(1e10).as_str(), speed(2.5e9).as_str()),
            ("10 Gbit/s", "2.5 Gbit/s")
        );
        assert_eq!((speed(1e8).as_str(), speed(10.0).as_str()), ("100 Mbit/s", "10 bit/s"));
    }
}
