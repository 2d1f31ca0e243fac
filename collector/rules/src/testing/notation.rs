//! Samples in a compact notation, as tests of rules and their readers know it from Prometheus.

use std::time::Duration;
use tocsin_vocabulary::time::parse_duration;

/// Samples of one series: eight weeks of hours and more, and some MiB.
pub(super) const SAMPLES_MAX: usize = 200_000;

/// Reads samples, one for each tick of `interval`.
///
/// # Errors
/// In words for who wrote it: what is wrong, and what to do.
pub(super) fn read(text: &str, interval: Duration) -> Result<Vec<Option<f64>>, (String, String)> {
    let mut samples = Vec::new();
    for word in text.split_whitespace() {
        let room = SAMPLES_MAX - samples.len();
        let (first, step, count) = parts(word, interval).ok_or_else(|| wrong(word))?;
        if count > room {
            let hint = format!("at most {SAMPLES_MAX}: make the interval of the test longer");
            return Err(("too many samples".to_owned(), hint));
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        samples.extend((0..count).map(|at| first.map(|first| step.mul_add(at as f64, first))));
    }
    if samples.is_empty() {
        return Err(("no samples".to_owned(), hint()));
    }
    Ok(samples)
}

fn wrong(word: &str) -> (String, String) {
    let shown: String = word.chars().take(40).collect();
    (format!("`{}` is no sample", shown.escape_debug()), hint())
}

fn hint() -> String {
    "write 5, 5x3, 0+10x3, 100-5x2, 0.5x10m, _ or _x3, parted by blanks".to_owned()
}

/// First value, what is added from sample to sample, number of samples.
fn parts(word: &str, interval: Duration) -> Option<(Option<f64>, f64, usize)> {
    let (head, times) = match word.split_once('x') {
        Some((head, times)) => (head, Some(times)),
        None => (word, None),
    };
    let missing = head == "_";
    let count = match times {
        None => 1,
        Some(times) => count(times, interval, missing)?,
    };
    if missing {
        return Some((None, 0.0, count));
    }
    if let Ok(value) = head.parse() {
        return Some((Some(value), 0.0, count));
    }
    // The sign that parts the two: not the first one, nor that of an exponent.
    let signs = head
        .char_indices()
        .skip(1)
        .filter(|(at, sign)| matches!(sign, '+' | '-') && !head[..*at].ends_with(['e', 'E', '+', '-']));
    let (at, _) = signs.last()?;
    let (first, step) = (head[..at].parse().ok()?, head[at..].parse::<f64>().ok()?);
    (times.is_some() && step.is_finite()).then_some((Some(first), step, count))
}

/// How many samples `x…` stands for.
fn count(times: &str, interval: Duration, missing: bool) -> Option<usize> {
    if let Ok(more) = times.parse::<usize>() {
        // As in Prometheus: the value and so many more, but so many gaps.
        return more.checked_add(usize::from(!missing));
    }
    let span = parse_duration(times).ok()?;
    let count = span.as_millis().checked_div(interval.as_millis())?;
    usize::try_from(count).ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_secs(10);

    fn samples(text: &str) -> Vec<Option<f64>> {
        read(text, TICK).unwrap()
    }

    #[test]
    fn samples_are_written_as_in_prometheus() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(samples("-2+4x3"), some(&[-2.0, 2.0, 6.0, 10.0]));
        assert_eq!(samples("1-2x2"), some(&[1.0, -1.0, -3.0]));
        assert_eq!(samples("1x2 7"), some(&[1.0, 1.0, 1.0, 7.0]));
        assert_eq!(samples("1e-3+1e2x1"), some(&[0.001, 100.001]));
        assert_eq!(samples("1 _ _x2 2"), [Some(1.0), None, None, None, Some(2.0)]);
        assert!(samples("NaN")[0].unwrap().is_nan());
        assert_eq!(samples("inf"), some(&[f64::INFINITY]));
    }

    #[test]
    fn a_time_stands_for_as_many_samples_as_fit() {
        assert_eq!(samples("0.5x1m").len(), 6);
        assert_eq!(samples("_x1m").len(), 6);
        assert_eq!(samples("0+1x1m")[5], Some(5.0));
    }

    #[test]
    fn what_is_no_sample_is_named() {
        for text in ["", "abc", "1x", "1x-3", "1+x3", "1+2", "1x5s", "1x999999999", "_+1x3"] {
            assert!(read(text, TICK).is_err(), "{text}");
        }
        assert!(read("1 tow", TICK).unwrap_err().0.contains("`tow`"));
    }

    proptest! {
        #[test]
        fn any_text_is_samples_or_a_mistake(text in "[0-9x+_. emhs-]{0,30}") {
            if let Ok(samples) = read(&text, TICK) {
                prop_assert!(!samples.is_empty() && samples.len() <= SAMPLES_MAX);
            }
        }
    }
}
