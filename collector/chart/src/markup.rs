//! Writing SVG: escaping, short numbers, how wide a text will be.

use std::fmt::{self, Write};

/// Text for element content and attribute values; what XML 1.0 forbids becomes U+FFFD.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Pixels with one decimal, as short as possible.
#[derive(Clone, Copy)]
pub(crate) struct Px(pub(crate) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.1}", self.0);
        let text = text.strip_suffix(".0").unwrap_or(&text);
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

/// Ems that a text takes, a little generously: an ideograph is one em wide, a Latin letter about half of one.
fn ems(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 0.32,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
        'A'..='Z' => 0.68,
        c if c < '\u{1100}' => 0.58,
        _ => 1.0,
    }
}

/// How wide a text of this font size will be, in pixels.
pub(crate) fn text_width(text: &str, font: f64) -> f64 {
    text.chars().map(ems).sum::<f64>() * font
}

/// The text, cut with an ellipsis so that it is no wider than this.
pub(crate) fn fitted(text: &str, font: f64, width: f64) -> String {
    if text_width(text, font) <= width {
        return text.to_owned();
    }
    let mut left = width - font;
    let mut cut: String = text
        .chars()
        .take_while(|c| {
            left -= ems(*c) * font;
            left >= 0.0
        })
        .collect();
    cut.push('…');
    cut
}
