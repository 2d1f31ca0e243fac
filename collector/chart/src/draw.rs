//! Draws a chart: the frame, then spans, grid, lines, thresholds, labels — back to front, each in its own function.

use crate::{
    Unit,
    axis::{self, drawable},
    frame::{BELOW, FONT, Frame},
    legend::Legend,
    markup::{Escaped, Px, fitted, text_width},
    model::{Chart, Line},
    spans::{draw_span_labels, draw_spans},
    sparkline::push_points,
    thin,
    thresholds::draw_thresholds,
};
use std::fmt::Write;
use tocsin_vocabulary::Timestamp;

/// Font size of the heading, as in the style sheet.
const HEADING: f64 = 13.0;

/// See [`Chart::svg`].
pub(crate) fn svg(chart: &Chart) -> String {
    let frame = Frame::of(chart);
    let values = chart.lines.iter().map(|line| newest(line, &chart.unit)).collect();
    let legend = Legend::of(&chart.lines, values, frame.left, frame.right);
    let mut out = String::with_capacity(8_192);
    open(&mut out, chart, &frame, legend.height());
    draw_heading(&mut out, chart, &frame);
    draw_spans(&mut out, chart, &frame);
    draw_grid(&mut out, chart, &frame);
    let mut drawn = false;
    for line in &chart.lines {
        drawn |= draw_line(&mut out, chart, &frame, line);
    }
    draw_thresholds(&mut out, chart, &frame);
    draw_span_labels(&mut out, chart, &frame);
    if !drawn && !chart.empty.is_empty() {
        let (x, y) = ((frame.left + frame.right) / 2.0, (frame.top + frame.bottom) / 2.0);
        let words = fitted(&chart.empty, HEADING, frame.width());
        let _ = write!(
            out,
            r#"<text class="tc-empty" x="{}" y="{}">{}</text>"#,
            Px(x),
            Px(y),
            Escaped(&words)
        );
    }
    legend.draw(&mut out, frame.bottom + BELOW);
    out.push_str("</svg>");
    out
}

/// The newest value of a line, written out.
fn newest(line: &Line, unit: &Unit) -> String {
    let value = line.points.iter().rev().find_map(|(_, value)| drawable(*value));
    value.map_or_else(String::new, |value| unit.format(value))
}

fn open(out: &mut String, chart: &Chart, frame: &Frame, below: f64) {
    let width = frame.right + 10.0;
    let height = frame.bottom + BELOW + below;
    let title = Escaped(&chart.title);
    let _ = write!(
        out,
        r#"<svg class="tc-chart" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" tabindex="0" aria-label="{title}""#,
        w = Px(width),
        h = Px(height),
    );
    let _ = write!(
        out,
        r#" data-from="{}" data-to="{}" data-zone="{}" data-suffix="{}""#,
        frame.from,
        frame.to,
        Escaped(chart.zone.iana_name().unwrap_or("")),
        Escaped(&frame.axis.scale.suffix),
    );
    let offset = jiff::Timestamp::from_millisecond(frame.to).map_or(0, |at| chart.zone.to_offset(at).seconds());
    let _ = write!(
        out,
        r#" data-offset="{offset}" data-left="{}" data-right="{}" data-top="{}" data-bottom="{}">"#,
        Px(frame.left),
        Px(frame.right),
        Px(frame.top),
        Px(frame.bottom),
    );
    // The newest values, for those who hear the page.
    let heard: Vec<String> = chart
        .lines
        .iter()
        .map(|line| {
            format!("{} {}", line.label, newest(line, &chart.unit))
                .trim()
                .to_owned()
        })
        .collect();
    let _ = write!(out, "<desc>{}</desc>", Escaped(&heard.join("; ")));
}

fn draw_heading(out: &mut String, chart: &Chart, frame: &Frame) {
    if chart.title.is_empty() {
        return;
    }
    let room = frame.right - 4.0 - text_width(&chart.title, HEADING) - 24.0;
    let title = fitted(&chart.title, HEADING, frame.right - 4.0);
    let _ = write!(out, r#"<text class="tc-title" x="4" y="18">{}</text>"#, Escaped(&title));
    let period = [false, true]
        .into_iter()
        .filter_map(|short| axis::period(frame.from, frame.to, &chart.zone, short))
        .find(|text| text_width(text, FONT) <= room);
    if let Some(period) = period {
        let _ = write!(
            out,
            r#"<text class="tc-period" x="{}" y="18">{}</text>"#,
            Px(frame.right),
            Escaped(&period)
        );
    }
}

fn draw_grid(out: &mut String, chart: &Chart, frame: &Frame) {
    out.push_str(r#"<path class="tc-grid" d=""#);
    for (value, _) in &frame.axis.ticks {
        let _ = write!(
            out,
            "M{} {}H{}",
            Px(frame.left),
            Px(frame.y(*value).round() + 0.5),
            Px(frame.right)
        );
    }
    out.push_str(r#""/><g class="tc-y">"#);
    for (value, label) in &frame.axis.ticks {
        let (x, y) = (Px(frame.left - 6.0), Px(frame.y(*value) + 4.0));
        let _ = write!(out, r#"<text x="{x}" y="{y}">{}</text>"#, Escaped(label));
    }
    out.push_str("</g>");
    let ticks = axis::time_ticks(frame.from, frame.to, &chart.zone, (frame.width() / 68.0).max(2.0));
    let _ = write!(
        out,
        r#"<path class="tc-axis" d="M{} {y}H{}"#,
        Px(frame.left),
        Px(frame.right),
        y = Px(frame.bottom.round() + 0.5)
    );
    for (at, _) in &ticks {
        let _ = write!(
            out,
            "M{} {}v4",
            Px(frame.x(Timestamp::from_millis(*at)).round() + 0.5),
            Px(frame.bottom)
        );
    }
    out.push_str(r#""/><g class="tc-x">"#);
    for (at, label) in &ticks {
        let half = text_width(label, FONT) / 2.0;
        let x = frame
            .x(Timestamp::from_millis(*at))
            .min(frame.right + 8.0 - half)
            .max(half);
        let _ = write!(
            out,
            r#"<text x="{}" y="{}">{}</text>"#,
            Px(x),
            Px(frame.bottom + 17.0),
            Escaped(label)
        );
    }
    out.push_str("</g>");
}

/// Answers whether there was anything to draw.
fn draw_line(out: &mut String, chart: &Chart, frame: &Frame, line: &Line) -> bool {
    let mut pieces = thin::pieces(&line.points, &chart.spans, frame.from, frame.to, frame.width());
    if chart.unit == Unit::Bool {
        pieces.iter_mut().for_each(|piece| *piece = stepped(piece));
    }
    let _ = write!(
        out,
        r#"<g class="tc-line tc-c{}" data-label="{label}"><title>{label}</title>"#,
        line.class % 8,
        label = Escaped(&line.label),
    );
    for piece in &pieces {
        let place = |(x, value): &thin::Sample| (frame.left + x, frame.y(*value));
        if let (true, Some(first), Some(last)) = (chart.area && piece.len() > 1, piece.first(), piece.last()) {
            let zero = frame.y(0.0);
            out.push_str(r#"<polygon class="tc-area" points=""#);
            let corners = [(frame.left + last.0, zero), (frame.left + first.0, zero)];
            push_points(out, piece.iter().map(place).chain(corners));
            out.push_str(r#""/>"#);
        }
        out.push_str(r#"<polyline class="tc-stroke" points=""#);
        push_points(out, piece.iter().map(place));
        out.push_str(r#"" data-v=""#);
        for (index, (_, value)) in piece.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            let _ = write!(out, "{gap}{}", frame.axis.scale.brief(*value));
        }
        out.push_str(r#""/>"#);
    }
    out.push_str("</g>");
    !pieces.is_empty()
}

/// A state holds until the next one.
fn stepped(piece: &[thin::Sample]) -> Vec<thin::Sample> {
    let mut steps: Vec<thin::Sample> = Vec::with_capacity(piece.len() * 2);
    for sample in piece {
        if let Some(last) = steps.last().copied().filter(|last| last.1 != sample.1) {
            steps.push((sample.0, last.1));
        }
        steps.push(*sample);
    }
    steps
}
