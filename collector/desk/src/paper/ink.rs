//! A signature drawn by hand: strokes of points, read from a page and drawn again as a picture of ours.
//!
//! Points are whole numbers on a sheet of 1000 × 400. A page sends them as `x.y-x.y_x.y-x.y`: `.` within a point, `-`
//! between points, `_` between strokes, so that a form carries them as they are.

use std::fmt::Write as _;

/// Width of the sheet.
pub const WIDTH: u16 = 1_000;
/// Its height.
pub const HEIGHT: u16 = 400;
/// Most points; a long name has some hundreds.
const POINTS_MAX: usize = 5_000;
/// Shortest line altogether, in units of the sheet: a touch by mistake is no signature.
const LENGTH_MIN: f64 = 120.0;

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ink(Vec<Vec<(u16, u16)>>);

/// What was sent is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InkError {
    /// Not points on the sheet.
    #[error("the signature was not drawn on our sheet: draw it again")]
    Strange,
    /// Nothing, or nearly.
    #[error("nobody has signed yet: draw your signature into the field")]
    Empty,
}

impl Ink {
    /// Reads what a page sent.
    ///
    /// # Errors
    /// When these are no points on the sheet, or too few.
    pub fn parse(text: &str) -> Result<Self, InkError> {
        if text.is_empty() {
            return Err(InkError::Empty);
        }
        let mut strokes = Vec::new();
        let mut points = 0;
        for stroke in text.split('_') {
            let stroke: Vec<(u16, u16)> = stroke
                .split('-')
                .map(point)
                .collect::<Option<_>>()
                .ok_or(InkError::Strange)?;
            points += stroke.len();
            if points > POINTS_MAX {
                return Err(InkError::Strange);
            }
            strokes.push(stroke);
        }
        let ink = Self(strokes);
        if ink.length() < LENGTH_MIN {
            return Err(InkError::Empty);
        }
        Ok(ink)
    }

    fn length(&self) -> f64 {
        let between = |pair: &[(u16, u16)]| {
            let (x, y) = (
                f64::from(pair[1].0) - f64::from(pair[0].0),
                f64::from(pair[1].1) - f64::from(pair[0].1),
            );
            x.hypot(y)
        };
        self.0.iter().flat_map(|stroke| stroke.windows(2)).map(between).sum()
    }

    /// As a picture: black lines on white, nothing else in it.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut path = String::new();
        for stroke in &self.0 {
            for (at, (x, y)) in stroke.iter().enumerate() {
                let _ = write!(path, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
            }
            if let [(x, y)] = stroke[..] {
                // A dot is a line to where it began.
                let _ = write!(path, "L{x} {y}");
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\"><rect width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"none\" stroke=\"#000\" stroke-width=\"5\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\"/></svg>\n"
        )
    }
}

fn point(text: &str) -> Option<(u16, u16)> {
    let (x, y) = text.split_once('.')?;
    let whole = |digits: &str, most: u16| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain
            .then(|| digits.parse().ok())
            .flatten()
            .filter(|value| *value <= most)
    };
    Some((whole(x, WIDTH)?, whole(y, HEIGHT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_become_a_picture() {
        let ink = Ink::parse("10.20-200.50-30.300_500.10").unwrap();
        let svg = ink.svg();
        assert!(svg.contains("d=\"M10 20L200 50L30 300M500 10L500 10\""), "{svg}");
    }

    #[test]
    fn a_touch_by_mistake_is_no_signature() {
        assert_eq!(Ink::parse(""), Err(InkError::Empty));
        assert_eq!(Ink::parse("5.5"), Err(InkError::Empty));
        assert_eq!(Ink::parse("5.5-50.50"), Err(InkError::Empty));
    }

    #[test]
    fn what_is_off_the_sheet_or_no_point_is_refused() {
        for text in [
            "1001.5-1.1",
            "1.401-1.1",
            "+1.1-2.2",
            "1-2",
            "a.b",
            "1.1--2.2",
            "1.1_",
            "1.1.1",
        ] {
            assert_eq!(Ink::parse(text), Err(InkError::Strange), "{text}");
        }
        let long = vec!["1.1"; POINTS_MAX + 1].join("-");
        assert_eq!(Ink::parse(&long), Err(InkError::Strange));
    }

    #[test]
    fn any_text_is_ink_that_draws_numbers_or_nothing() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Ok(ink) = Ink::parse(&String::from_utf8_lossy(bytes)) {
                let svg = ink.svg();
                let path = svg
                    .split("d=\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next())
                    .unwrap();
                assert!(path.bytes().all(|byte| byte.is_ascii_digit() || b"ML ".contains(&byte)));
            }
        });
    }
}
