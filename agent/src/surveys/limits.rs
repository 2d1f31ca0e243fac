//! Limits that hardware sets to its own sensors, and the verdict of a value beyond them.
//!
//! Chips leave limits unset, and firmware fills them with nonsense. A limit that is zero, out of a sensor's range, or at
//! odds with its counterpart is none; a verdict comes from limits that are left.

use super::{Findings, PartStatus};
use std::ops::RangeInclusive;

/// A value that was beyond a limit must come back by this share of the limit before the part is well again.
const MARGIN: f64 = 0.03;

/// The limits of one sensor, in its unit.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Below it something breaks.
    pub(crate) low_critical: Option<f64>,
    /// Below it something is wrong.
    pub(crate) low: Option<f64>,
    /// Above it something is wrong.
    pub(crate) high: Option<f64>,
    /// Above it something breaks.
    pub(crate) high_critical: Option<f64>,
}

impl Limits {
    /// The same without what can't be meant.
    pub(crate) fn sane(mut self, range: &RangeInclusive<f64>) -> Self {
        for limit in [
            &mut self.low_critical,
            &mut self.low,
            &mut self.high,
            &mut self.high_critical,
        ] {
            *limit = limit.filter(|limit| *limit != 0.0 && range.contains(limit));
        }
        if crossed(self.low, self.high) {
            (self.low, self.high) = (None, None);
        }
        if crossed(self.low_critical, self.high_critical) {
            (self.low_critical, self.high_critical) = (None, None);
        }
        self
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Tells each as a value of `metric`.
    pub(crate) fn tell(&self, findings: &mut Findings, metric: &'static str, attributes: &[(&'static str, &str)]) {
        for (kind, limit) in [
            ("low.critical", self.low_critical),
            ("low.degraded", self.low),
            ("high.degraded", self.high),
            ("high.critical", self.high_critical),
        ] {
            if let Some(limit) = limit {
                let attributes = [attributes, &[("hw.limit_type", kind)]].concat();
                findings.value(metric, &attributes, limit);
            }
        }
    }

    /// The verdict on `value`, and why; `before` is what it was, so that a value at its limit does not flap.
    pub(crate) fn verdict(&self, value: f64, unit: &str, before: PartStatus) -> Option<(PartStatus, String)> {
        let margin = |status: PartStatus, limit: f64| {
            let was = matches!(
                (before, status),
                (PartStatus::Failed, _) | (PartStatus::Degraded, PartStatus::Degraded)
            );
            if was { limit.abs() * MARGIN } else { 0.0 }
        };
        let checks = [
            (PartStatus::Failed, self.high_critical, true, "critical limit"),
            (PartStatus::Failed, self.low_critical, false, "critical limit"),
            (PartStatus::Degraded, self.high, true, "upper limit"),
            (PartStatus::Degraded, self.low, false, "lower limit"),
        ];
        checks.into_iter().find_map(|(status, limit, above, what)| {
            let limit = limit?;
            let beyond = if above {
                value >= limit - margin(status, limit)
            } else {
                value < limit + margin(status, limit)
            };
            let word = if above { "above" } else { "below" };
            beyond.then(|| (status, format!("{word} its {what} of {limit} {unit}")))
        })
    }
}

fn crossed(low: Option<f64>, high: Option<f64>) -> bool {
    low.zip(high).is_some_and(|(low, high)| low >= high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Limits = Limits {
        low_critical: None,
        low: None,
        high: Some(84.0),
        high_critical: Some(100.0),
    };

    fn status(limits: Limits, value: f64, before: PartStatus) -> PartStatus {
        limits
            .verdict(value, "degrees C", before)
            .map_or(PartStatus::Ok, |(status, _)| status)
    }

    #[test]
    fn a_value_beyond_a_limit_has_its_verdict_and_says_which() {
        assert_eq!(status(CPU, 83.9, PartStatus::Ok), PartStatus::Ok);
        assert_eq!(status(CPU, 84.0, PartStatus::Ok), PartStatus::Degraded);
        assert_eq!(
            CPU.verdict(100.0, "degrees C", PartStatus::Ok),
            Some((
                PartStatus::Failed,
                "above its critical limit of 100 degrees C".to_owned()
            ))
        );
        let fan = Limits {
            low_critical: Some(500.0),
            low: Some(1_000.0),
            ..Limits::default()
        };
        assert_eq!(status(fan, 999.0, PartStatus::Ok), PartStatus::Degraded);
        assert_eq!(status(fan, 0.0, PartStatus::Ok), PartStatus::Failed);
    }

    #[test]
    fn a_value_at_its_limit_does_not_flap() {
        assert_eq!(status(CPU, 82.0, PartStatus::Degraded), PartStatus::Degraded);
        assert_eq!(status(CPU, 81.0, PartStatus::Degraded), PartStatus::Ok);
        assert_eq!(status(CPU, 98.0, PartStatus::Degraded), PartStatus::Degraded);
        assert_eq!(status(CPU, 98.0, PartStatus::Failed), PartStatus::Failed);
    }

    #[test]
    fn limits_that_cannot_be_meant_are_none() {
        let range = -55.0..=126.0;
        let unset = Limits {
            low: Some(0.0),
            high: Some(0.0),
            high_critical: Some(65_261.8),
            low_critical: Some(-273.0),
        };
        assert!(unset.sane(&range).is_empty());
        let crossed = Limits {
            low: Some(90.0),
            high: Some(20.0),
            ..CPU
        };
        assert_eq!(crossed.sane(&range), Limits { high: None, ..CPU });
    }
}
