//! From samples to strokes: cuts a line where nothing was observed and thins it to the pixels, keeping every extreme.

use crate::{
    axis::drawable,
    model::{Point, Span, SpanKind},
};

/// One value at one place: pixels from the plot's left edge, value.
pub(crate) type Sample = (f64, f64);

/// The unbroken pieces of a line between `from` and `to` (epoch milliseconds) over `width` pixels.
///
/// A piece ends at a missing value, and where a [`SpanKind::NotObserved`] lies between two values; gaps narrower than
/// a pixel can't be seen and are closed. Per pixel column a piece keeps its least and greatest value and its two ends.
pub(crate) fn pieces(points: &[Point], spans: &[Span], from: i64, to: i64, width: f64) -> Vec<Vec<Sample>> {
    let scale = width / (to as f64 - from as f64).max(1.0);
    let place = |at: i64| (at as f64 - from as f64) * scale;
    let mut unseen: Vec<(f64, f64)> = spans
        .iter()
        .filter(|span| span.kind == SpanKind::NotObserved && span.from < span.to)
        .map(|span| (place(span.from.as_millis()), place(span.to.as_millis())))
        .collect();
    unseen.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut unseen = unseen.into_iter().peekable();

    let mut pieces: Vec<Vec<Sample>> = Vec::new();
    let mut piece: Vec<Sample> = Vec::new();
    let mut missing = false;
    for (at, value) in points.iter().filter(|(at, _)| (from..=to).contains(&at.as_millis())) {
        let x = place(at.as_millis());
        let Some(value) = drawable(*value) else {
            missing = true;
            continue;
        };
        if let Some((last, _)) = piece.last().copied() {
            if x < last {
                continue; // out of order: the caller promised time order, and a line never runs backwards
            }
            // Spans that end before the last value lie behind; what begins before this value lies between.
            while unseen.next_if(|span| span.1 <= last).is_some() {}
            let hidden = unseen.peek().is_some_and(|span| span.0 < x);
            if (missing || hidden) && x - last >= 1.0 {
                pieces.push(thin(&piece));
                piece.clear();
            }
        }
        missing = false;
        piece.push((x, value));
    }
    if !piece.is_empty() {
        pieces.push(thin(&piece));
    }
    pieces
}

/// At most two samples per pixel column — least and greatest, in order of time — and the first and last of all.
fn thin(piece: &[Sample]) -> Vec<Sample> {
    let mut kept = Vec::new();
    let mut start = 0;
    while let Some(first) = piece.get(start) {
        let column = first.0.floor();
        let length = piece[start..]
            .iter()
            .take_while(|sample| sample.0.floor() == column)
            .count()
            .max(1);
        let samples = &piece[start..start + length];
        start += length;
        if length <= 2 {
            kept.extend_from_slice(samples);
            continue;
        }
        let (mut least, mut greatest) = (0, 0);
        for (index, sample) in samples.iter().enumerate() {
            if sample.1 < samples[least].1 {
                least = index;
            }
            if sample.1 > samples[greatest].1 {
                greatest = index;
            }
        }
        kept.push(samples[least.min(greatest)]);
        if least != greatest {
            kept.push(samples[least.max(greatest)]);
        }
    }
    for (end, at) in [(piece.first(), 0), (piece.last(), kept.len())] {
        if let Some(end) = end.filter(|end| !kept.contains(end)) {
            kept.insert(if at == 0 { 0 } else { kept.len() }, *end);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::Timestamp;

    fn points(values: &[Option<f64>]) -> Vec<Point> {
        (0..)
            .zip(values)
            .map(|(at, value)| (Timestamp::from_millis(at * 1_000), *value))
            .collect()
    }

    fn unseen(from: i64, to: i64) -> Span {
        Span {
            from: Timestamp::from_millis(from),
            to: Timestamp::from_millis(to),
            kind: SpanKind::NotObserved,
            label: String::new(),
        }
    }

    #[test]
    fn a_missing_value_cuts_the_line_and_is_not_zero() {
        let line = points(&[Some(5.0), Some(6.0), None, Some(7.0), Some(8.0)]);
        let pieces = pieces(&line, &[], 0, 4_000, 400.0);
        assert_eq!(
            pieces,
            [vec![(0.0, 5.0), (100.0, 6.0)], vec![(300.0, 7.0), (400.0, 8.0)]]
        );
    }

    #[test]
    fn a_time_not_observed_cuts_the_line_even_between_two_values() {
        let line = points(&[Some(5.0), Some(6.0), Some(7.0)]);
        assert_eq!(pieces(&line, &[unseen(1_200, 1_900)], 0, 2_000, 200.0).len(), 2);
        assert_eq!(pieces(&line, &[unseen(-5_000, 0)], 0, 2_000, 200.0).len(), 1);
    }

    #[test]
    fn not_a_number_cuts_the_line() {
        let line = points(&[Some(5.0), Some(f64::NAN), Some(f64::INFINITY), Some(7.0)]);
        assert_eq!(pieces(&line, &[], 0, 3_000, 300.0).len(), 2);
    }

    #[test]
    fn thinning_keeps_the_single_spike_among_many() {
        let mut values = vec![Some(1.0); 100_000];
        values[54_321] = Some(99.0);
        values[54_322] = Some(-7.0);
        let pieces = pieces(&points(&values), &[], 0, 99_999_000, 300.0);
        let kept: Vec<f64> = pieces.iter().flatten().map(|sample| sample.1).collect();
        assert!(kept.contains(&99.0) && kept.contains(&-7.0));
        assert!(kept.len() <= 2 * 301 + 2, "{}", kept.len());
    }

    #[test]
    fn both_ends_stay_where_they_are() {
        let values: Vec<_> = (0..1_000).map(|i| Some(f64::from((i * 7) % 13) + 1.0)).collect();
        let pieces = pieces(&points(&values), &[], 0, 999_000, 50.0);
        assert_eq!(pieces[0].first(), Some(&(0.0, 1.0)));
        assert_eq!(pieces[0].last().map(|s| s.0), Some(50.0));
    }
}
