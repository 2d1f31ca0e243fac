//! When a host ticked in one hour: enough to tell gaps without its ticks.

/// Longest time between two ticks that is not a gap while nothing is known of a host: two and a half minutes, the
/// slowest sampling. Also the longest that ever counts, because few ticks with a gap among them would pass it off as
/// their interval.
pub(crate) const LONGEST_DEFAULT_MS: i64 = 150_000;

/// The ticks of one host and hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Clock {
    /// The first one, epoch milliseconds.
    pub(crate) first: i64,
    /// The last one.
    pub(crate) last: i64,
    /// Longest time between two that is not a gap: two and a half of the usual intervals. Unknown after a single tick.
    pub(crate) longest: Option<i64>,
    /// Times between two ticks that were longer.
    pub(crate) gaps: Vec<(i64, i64)>,
}

impl Clock {
    /// The clock of these times, sorted and each once; `None` when there are none.
    pub(crate) fn of(times: &[i64]) -> Option<Self> {
        let (&first, &last) = (times.first()?, times.last()?);
        let mut intervals: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        if intervals.is_empty() {
            return Some(Self {
                first,
                last,
                longest: None,
                gaps: Vec::new(),
            });
        }
        let middle = intervals.len() / 2;
        let usual = *intervals.select_nth_unstable(middle).1;
        let longest = (usual.saturating_mul(5) / 2).min(LONGEST_DEFAULT_MS);
        let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] > longest);
        Some(Self {
            first,
            last,
            longest: Some(longest),
            gaps: gaps.map(|pair| (pair[0], pair[1])).collect(),
        })
    }
}
