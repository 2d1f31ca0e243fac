//! The legend below a chart: swatch, name and newest value of each line, wrapped into rows.

use crate::{
    markup::{Escaped, Px, fitted, text_width},
    model::Line,
};
use std::fmt::Write;

/// Height of a row, in pixels.
const ROW: f64 = 20.0;
/// Font size, as in the style sheet.
const FONT: f64 = 12.0;
/// Swatch and the space after it.
const SWATCH: f64 = 20.0;
/// Space between two entries.
const BETWEEN: f64 = 18.0;

/// Where each entry stands.
pub(crate) struct Legend {
    entries: Vec<Entry>,
    rows: f64,
}

struct Entry {
    x: f64,
    row: f64,
    class: u8,
    label: String,
    full: String,
    value: String,
}

impl Legend {
    /// Places the lines of a chart within `left..right`; a single line needs no legend.
    pub(crate) fn of(lines: &[Line], values: Vec<String>, left: f64, right: f64) -> Self {
        let mut legend = Self {
            entries: Vec::new(),
            rows: 0.0,
        };
        if lines.len() < 2 {
            return legend;
        }
        let (mut x, mut row) = (left, 0.0);
        for (line, value) in lines.iter().zip(values) {
            let fixed = SWATCH + 6.0 + text_width(&value, FONT);
            let label = fitted(&line.label, FONT, (right - left - fixed).max(3.0 * FONT));
            let width = fixed + text_width(&label, FONT);
            if x > left && x + width > right {
                (x, row) = (left, row + 1.0);
            }
            let (class, full) = (line.class % 8, line.label.clone());
            legend.entries.push(Entry {
                x,
                row,
                class,
                label,
                full,
                value,
            });
            x += width + BETWEEN;
        }
        legend.rows = row + 1.0;
        legend
    }

    /// Pixels that it takes.
    pub(crate) fn height(&self) -> f64 {
        if self.rows > 0.0 { self.rows * ROW + 6.0 } else { 0.0 }
    }

    /// Draws it from `top` downwards.
    pub(crate) fn draw(&self, out: &mut String, top: f64) {
        for entry in &self.entries {
            let middle = top + 6.0 + entry.row * ROW + ROW / 2.0;
            let _ = write!(
                out,
                r#"<g class="tc-key tc-c{}"><title>{}</title><line class="tc-stroke" x1="{}" x2="{}" y1="{y}" y2="{y}"/>"#,
                entry.class,
                Escaped(&entry.full),
                Px(entry.x),
                Px(entry.x + 14.0),
                y = Px(middle),
            );
            let _ = write!(
                out,
                r#"<text class="tc-name" x="{}" y="{}">{}<tspan class="tc-value" dx="6">{}</tspan></text></g>"#,
                Px(entry.x + SWATCH),
                Px(middle + 4.0),
                Escaped(&entry.label),
                Escaped(&entry.value),
            );
        }
    }
}
