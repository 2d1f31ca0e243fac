//! Numbers, sizes, times and error lines in what tools write for people.

use super::Output;
use jiff::{civil, tz::TimeZone};
use tocsin_vocabulary::Timestamp;

/// Error lines that are shown; the first tell the cause, the last the end.
const LINES_MAX: usize = 6;
/// Of one line, in characters.
const LINE_CHARS_MAX: usize = 400;

/// Words that make a line one about an error, in lower case.
const ERROR_WORDS: [&str; 12] = [
    "error",
    "fatal",
    "failed",
    "failure",
    "cannot",
    "can't",
    "unable",
    "denied",
    "no space",
    "refused",
    "abort",
    "timed out",
];

/// The lines of standard error that tell of errors, else its last lines, else the code.
pub(super) fn error_of(output: &Output<'_>, code: i32) -> String {
    let lines: Vec<&str> = output
        .stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let telling: Vec<&str> = lines.iter().copied().filter(|line| tells_of_error(line)).collect();
    let chosen = if telling.is_empty() { &lines } else { &telling };
    let chosen = joined(chosen.iter().rev().take(LINES_MAX).rev().copied());
    if chosen.is_empty() {
        format!("exit code {code}")
    } else {
        chosen
    }
}

fn tells_of_error(line: &str) -> bool {
    let lower = line.to_lowercase();
    ERROR_WORDS.iter().any(|word| lower.contains(word))
}

/// The first lines, each clipped, joined by line feeds.
pub(super) fn joined<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let clipped = lines.into_iter().take(LINES_MAX);
    let clipped: Vec<String> = clipped
        .map(|line| line.chars().take(LINE_CHARS_MAX).collect())
        .collect();
    clipped.join("\n")
}

/// A whole number with or without separators of thousands: `4,100,000`, `4 100 000`.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits: String = text
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '\'' | '_' | '\u{a0}'))
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// A size as people write it: `21.9MB`, `3.815 MiB`, `1,234 bytes`, `8.3KB`. `decimal`: whether `K` means 1000.
pub(super) fn size(text: &str, decimal: bool) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .unwrap_or(text.len());
    let (figure, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let unit: String = unit.chars().take_while(char::is_ascii_alphabetic).collect();
    let letter = unit.chars().next().map(|c| c.to_ascii_uppercase());
    let power = match letter {
        None | Some('B') => 0,
        Some('K') => 1,
        Some('M') => 2,
        Some('G') => 3,
        Some('T') => 4,
        Some('P') => 5,
        Some(_) => return None,
    };
    if power == 0 {
        return number(figure);
    }
    let base: f64 = if decimal && !unit.contains('i') { 1000.0 } else { 1024.0 };
    let figure: f64 = figure.replace(',', "").parse().ok()?;
    let bytes = figure * base.powi(power);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be positive and to fit"
    )]
    (bytes.is_finite() && (0.0..9e18).contains(&bytes)).then(|| bytes.round() as u64)
}

/// An instant with or without a zone: RFC 3339, `2026-11-21 23:08:02`, `2026-11-21T23:08:02.5`.
pub(super) fn time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    let civil: civil::DateTime = text.replace(' ', "T").parse().ok()?;
    in_zone(civil, zone)
}

/// An instant in a format of `strptime(3)`.
pub(super) fn time_as(format: &str, text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let broken = jiff::fmt::strtime::parse(format, text.trim()).ok()?;
    if let Ok(instant) = broken.to_timestamp() {
        return Some(Timestamp::from_millis(instant.as_millisecond()));
    }
    in_zone(broken.to_datetime().ok()?, zone)
}

/// A time of a wall clock; one that comes twice means the first, one that never comes the instant after the gap.
fn in_zone(civil: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// Seconds since the epoch, with or without a fraction.
pub(super) fn epoch(text: &str) -> Option<Timestamp> {
    seconds(text.trim().parse().ok()?).map(Timestamp::from_millis)
}

/// Seconds as milliseconds; none when they are none that a clock shows.
pub(super) fn seconds(seconds: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "checked to fit")]
    (0.0..1e13)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_read_as_people_write_them() {
        assert_eq!(number("4,100,000 bytes"), Some(4_100_000));
        assert_eq!(number("x"), None);
        assert_eq!(size("21.9MB", false), Some(22_963_814));
        assert_eq!(size("4.10 MB", true), Some(4_100_000));
        assert_eq!(size("3.815 MiB", true), Some(4_000_317));
        assert_eq!(size("201 B", true), Some(201));
        assert_eq!(size("1e400 GB", true), None);
        assert_eq!(size("12 apples", true), None);
    }

    #[test]
    fn times_without_a_zone_are_of_the_zone_that_is_given() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = Timestamp::from_millis(1_795_273_682_000);
        assert_eq!(time("2026-11-21 23:08:02", &zone), Some(at));
        assert_eq!(time("2026-11-21T23:08:02.000000", &zone), Some(at));
        assert_eq!(time("2026-11-21T15:08:02Z", &zone), Some(at));
        assert_eq!(time_as("%d-%b-%Y %H:%M:%S", "21-Nov-2026 23:08:02", &zone), Some(at));
        assert_eq!(time("soon", &zone), None);
        assert_eq!(epoch("1795273682.0"), Some(at));
        assert_eq!(epoch("-1"), None);
    }
}
