//! Figures as people read them, from a value and its UCUM unit.

use tocsin_chart::Unit;

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
    }
}
