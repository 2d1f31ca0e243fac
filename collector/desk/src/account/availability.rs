//! How much of a period something was up. What overlaps counts once; what was not observed is never counted as up.

use super::downtime::{Cause, Claim, merged};
use crate::calendar::Span;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::Timestamp;

/// What became of a period.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Availability {
    /// How long the period is, up to now.
    #[serde(rename = "period_ms", serialize_with = "millis", deserialize_with = "of_millis")]
    pub period: Duration,
    /// How long it was down, for whatever cause.
    #[serde(rename = "down_ms", serialize_with = "millis", deserialize_with = "of_millis")]
    pub down: Duration,
    /// How long it was down without having been planned (R60).
    #[serde(rename = "unplanned_ms", serialize_with = "millis", deserialize_with = "of_millis")]
    pub unplanned: Duration,
    /// How long it was down by our cause.
    #[serde(rename = "ours_ms", serialize_with = "millis", deserialize_with = "of_millis")]
    pub ours: Duration,
    /// How long nothing is known of it, beside what was down.
    #[serde(
        rename = "not_observed_ms",
        serialize_with = "millis",
        deserialize_with = "of_millis"
    )]
    pub not_observed: Duration,
    /// How many downtimes.
    pub times: usize,
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn of_millis<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// What became of the time from `from` to `to`, as far as it has passed. Spans of one cause that overlap count once, and
/// so do those of different causes in [`Availability::down`].
#[must_use]
pub fn of<'a>(
    period: Span,
    claims: impl IntoIterator<Item = &'a Claim>,
    not_observed: &[Span],
    now: Timestamp,
) -> Availability {
    let period = Span {
        from: period.from,
        to: period.to.min(now).max(period.from),
    };
    let within = |span: Span| Span {
        from: span.from.max(period.from),
        to: span.to.min(period.to),
    };
    let mut by_cause: BTreeMap<Cause, Vec<Span>> = BTreeMap::new();
    let mut times = 0;
    for claim in claims {
        let span = within(Span {
            from: claim.from,
            to: claim.to.unwrap_or(now),
        });
        if span.from < span.to {
            times += 1;
            by_cause.entry(claim.cause).or_default().push(span);
        }
    }
    let total = |wanted: &dyn Fn(Cause) -> bool| {
        let spans = by_cause.iter().filter(|(cause, _)| wanted(**cause));
        length(&merged(spans.flat_map(|(_, spans)| spans.iter().copied())))
    };
    let down = total(&|_| true);
    let all = by_cause.values().flatten().copied();
    let unknown = length(&merged(all.chain(not_observed.iter().copied().map(within))));
    Availability {
        period: period.length(),
        down,
        unplanned: total(&|cause| cause != Cause::Planned),
        ours: total(&|cause| cause == Cause::Ours),
        not_observed: unknown.saturating_sub(down),
        times,
    }
}

fn length(spans: &[Span]) -> Duration {
    spans.iter().map(|span| span.length()).sum()
}

impl Availability {
    /// The share of the period in which it was not known to be down; 1 for a period without length.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.share(self.down)
    }

    /// The share of the period in which it was known to be up: what was not observed may have been down.
    #[must_use]
    pub fn ratio_least(&self) -> f64 {
        self.share(self.down + self.not_observed)
    }

    /// Whether nothing at all is known of the period: nobody watched, and nobody said that it was down.
    #[must_use]
    pub fn is_unobserved(&self) -> bool {
        !self.period.is_zero() && self.not_observed >= self.period
    }

    /// The share of the period in which it was not down by our cause.
    #[must_use]
    pub fn ratio_ours(&self) -> f64 {
        self.share(self.ours)
    }

    fn share(&self, lost: Duration) -> f64 {
        if self.period.is_zero() {
            return 1.0;
        }
        1.0 - lost.as_secs_f64() / self.period.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn span(from: i64, to: i64) -> Span {
        Span {
            from: at(from),
            to: at(to),
        }
    }

    fn claim(from: i64, to: Option<i64>, cause: Cause) -> Claim {
        Claim {
            from: at(from),
            to: to.map(at),
            cause,
            words: "x".to_owned(),
        }
    }

    #[test]
    fn what_overlaps_counts_once_and_what_was_not_observed_is_not_up() {
        let claims = [
            claim(0, Some(100), Cause::Ours),
            claim(50, Some(150), Cause::ThirdParty),
            claim(400, Some(500), Cause::Planned),
            claim(2_000, Some(2_100), Cause::Ours),
        ];
        let found = of(span(10, 1_010), &claims, &[span(100, 200), span(900, 2_000)], at(5_000));
        let seconds = Duration::from_secs;
        assert_eq!(found.period, seconds(1_000));
        assert_eq!(found.down, seconds(140 + 100));
        assert_eq!(found.unplanned, seconds(140));
        assert_eq!(found.ours, seconds(90));
        assert_eq!(found.not_observed, seconds(50 + 110));
        assert_eq!(found.times, 3);
        assert!((found.ratio() - 0.76).abs() < 1e-9);
        assert!((found.ratio_least() - 0.6).abs() < 1e-9);
        assert!((found.ratio_ours() - 0.91).abs() < 1e-9);
    }

    #[test]
    fn what_is_still_down_counts_until_now_and_the_future_not_at_all() {
        let found = of(span(0, 1_000), &[claim(80, None, Cause::Ours)], &[], at(100));
        assert_eq!(found.period, Duration::from_secs(100));
        assert_eq!(found.ours, Duration::from_secs(20));
        let none = of(span(200, 300), &[], &[], at(100));
        assert_eq!((none.period, none.ratio()), (Duration::ZERO, 1.0));
    }

    proptest! {
        /// Second by second, which is slow and can't be wrong.
        #[test]
        fn it_agrees_with_counting_seconds(
            claims in prop::collection::vec((0i64..100, 1i64..40, 0usize..5), 0..8),
            unknown in prop::collection::vec((0i64..100, 1i64..40), 0..4),
        ) {
            let period = (10, 90);
            let claims: Vec<Claim> = claims
                .into_iter()
                .map(|(from, length, cause)| claim(from, Some(from + length), Cause::ALL[cause]))
                .collect();
            let gaps: Vec<Span> = unknown.iter().map(|(from, length)| span(*from, from + length)).collect();
            let found = of(span(period.0, period.1), &claims, &gaps, at(1_000));
            let (mut down, mut ours, mut unseen) = (0, 0, 0);
            for second in period.0..period.1 {
                let here = |claim: &&Claim| claim.from <= at(second) && claim.to.is_some_and(|to| at(second) < to);
                let is_down = claims.iter().any(|claim| here(&claim));
                down += u64::from(is_down);
                ours += u64::from(claims.iter().filter(here).any(|claim| claim.cause == Cause::Ours));
                let gap = gaps.iter().any(|gap| gap.from <= at(second) && at(second) < gap.to);
                unseen += u64::from(gap && !is_down);
            }
            prop_assert_eq!(found.down, Duration::from_secs(down));
            prop_assert_eq!(found.ours, Duration::from_secs(ours));
            prop_assert_eq!(found.not_observed, Duration::from_secs(unseen));
        }
    }
}
