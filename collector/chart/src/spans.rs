//! Faults, maintenance and what was not observed: shading, hatching and their labels.

use crate::{
    frame::{FONT, Frame},
    markup::{Escaped, Px, text_width},
    model::{Chart, Span, SpanKind},
};
use std::fmt::Write;

/// Between two strokes of a hatching.
const HATCH: f64 = 7.0;
/// No more than this many spans are drawn; beyond it the pixels could not tell them apart.
const SPANS_MAX: usize = 1_000;

/// A span's edges in pixels, at least 1.5 apart so that none vanishes; `None` outside the chart.
fn edges(frame: &Frame, span: &Span) -> Option<(f64, f64)> {
    let (from, to) = (span.from.as_millis(), span.to.as_millis());
    if from > to || to < frame.from || from > frame.to {
        return None;
    }
    let (left, right) = (frame.x(span.from), frame.x(span.to));
    if right - left >= 1.5 {
        return Some((left, right));
    }
    let left = left.min(frame.right - 1.5);
    Some((left, left + 1.5))
}

pub(crate) fn draw_spans(out: &mut String, chart: &Chart, frame: &Frame) {
    let mut ordered: Vec<&Span> = chart.spans.iter().take(SPANS_MAX).collect();
    // What is not known lies below what is.
    ordered.sort_by_key(|span| (span.kind != SpanKind::NotObserved, span.from));
    for span in ordered {
        let Some((left, right)) = edges(frame, span) else {
            continue;
        };
        let (x, y, width) = (Px(left), Px(frame.top), Px(right - left));
        let height = Px(frame.bottom - frame.top);
        let _ = write!(
            out,
            r#"<g class="tc-span tc-{}"><title>{}</title><rect x="{x}" y="{y}" width="{width}" height="{height}"/>"#,
            span.kind.class(),
            Escaped(&span.label),
        );
        match span.kind {
            SpanKind::NotObserved => draw_hatching(out, frame, left, right),
            SpanKind::Fault | SpanKind::Maintenance => {
                let _ = write!(
                    out,
                    r#"<rect class="tc-cap" x="{x}" y="{y}" width="{width}" height="3"/>"#
                );
            }
        }
        out.push_str("</g>");
    }
}

/// Rising strokes, cut to the span by hand: a pattern would need an `id`, and ids collide when charts share a page.
/// All spans share one raster, so neighbours join without a seam.
fn draw_hatching(out: &mut String, frame: &Frame, left: f64, right: f64) {
    let height = frame.bottom - frame.top;
    out.push_str(r#"<path class="tc-hatch" d=""#);
    // A stroke is the set x + y = const, with y measured upwards from the bottom: x = foot + y.
    let mut foot = ((left - height) / HATCH).ceil() * HATCH;
    while foot < right {
        let (x0, x1) = (foot.max(left), (foot + height).min(right));
        if x1 > x0 {
            let (y0, y1) = (frame.bottom - (x0 - foot), frame.bottom - (x1 - foot));
            let _ = write!(out, "M{} {}L{} {}", Px(x0), Px(y0), Px(x1), Px(y1));
        }
        foot += HATCH;
    }
    out.push_str(r#""/>"#);
}

/// Labels stand at the foot of their spans: names of thresholds, which mark what is too much, crowd at the top.
pub(crate) fn draw_span_labels(out: &mut String, chart: &Chart, frame: &Frame) {
    let mut free_from = f64::NEG_INFINITY;
    let mut ordered: Vec<&Span> = chart
        .spans
        .iter()
        .take(SPANS_MAX)
        .filter(|span| !span.label.is_empty())
        .collect();
    ordered.sort_by_key(|span| span.from);
    for span in ordered {
        let Some((left, right)) = edges(frame, span) else {
            continue;
        };
        let width = text_width(&span.label, FONT);
        if left < free_from || width + 10.0 > right - left {
            continue;
        }
        free_from = left + width + 10.0;
        let _ = write!(
            out,
            r#"<text class="tc-span-label tc-{}" x="{}" y="{}">{}</text>"#,
            span.kind.class(),
            Px(left + 5.0),
            Px(frame.bottom - 7.0),
            Escaped(&span.label),
        );
    }
}
