//! Instants and spans as a page shows them: words first, the absolute time with its zone beside them.

use crate::{markup::Html, words::say};
use jiff::{Zoned, tz::TimeZone};
use std::time::Duration;
use tocsin_vocabulary::{Language, Timestamp};

fn zoned(at: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .ok()
        .map(|instant| instant.to_zoned(zone.clone()))
}

/// `2026-11-22 14:05:09 +08:00`, for whoever must be sure.
pub(crate) fn absolute(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(
        || at.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
    )
}

/// `14:05` today, `11-21 14:05` this year, else with the year.
pub(crate) fn short(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (Some(time), Some(today)) = (zoned(at, zone), zoned(now, zone)) else {
        return at.to_string();
    };
    let form = if time.date() == today.date() {
        "%H:%M"
    } else if time.year() == today.year() {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d %H:%M"
    };
    time.strftime(form).to_string()
}

/// `08:00`.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).map_or_else(|| at.to_string(), |time| time.strftime("%H:%M").to_string())
}

/// As [`short`], with seconds.
pub(crate) fn exact(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let text = short(at, now, zone);
    zoned(at, zone).map_or(text.clone(), |time| format!("{text}:{:02}", time.second()))
}

/// A `<time>` element with `text` inside and the absolute time on hover.
pub(crate) fn element(at: Timestamp, text: &str, zone: &TimeZone) -> Html {
    Html(format!(
        r#"<time datetime="{at}" title="{}">{}</time>"#,
        absolute(at, zone),
        crate::markup::escape(text)
    ))
}

/// `45 s`, `12 min`, `3 h 20 min`, `5 d`: two steps at most, rounded down.
pub(crate) fn span(duration: Duration, language: Language) -> String {
    let seconds = duration.as_secs();
    let n = |value: u64| fluent_bundle::FluentValue::from(value);
    match seconds {
        0..60 => say(language, "time-seconds", &[("n", n(seconds))]),
        60..3_600 => say(language, "time-minutes", &[("n", n(seconds / 60))]),
        3_600..86_400 if seconds % 3_600 < 60 => say(language, "time-hours", &[("n", n(seconds / 3_600))]),
        3_600..86_400 => say(
            language,
            "time-hours-minutes",
            &[("h", n(seconds / 3_600)), ("m", n(seconds % 3_600 / 60))],
        ),
        _ => say(language, "time-days", &[("n", n(seconds / 86_400))]),
    }
}

/// As [`span`], but hours never turn into days: what is settled with a customer must not be rounded to a day.
pub(crate) fn lasted(duration: Duration, language: Language) -> String {
    let (hours, minutes) = (duration.as_secs() / 3_600, duration.as_secs() % 3_600 / 60);
    if hours < 24 {
        return span(duration, language);
    }
    say(
        language,
        "time-hours-minutes",
        &[("h", hours.into()), ("m", minutes.into())],
    )
}

/// `3 min ago`, or `just now`.
pub(crate) fn ago(at: Timestamp, now: Timestamp, language: Language) -> String {
    let passed = now.since(at);
    if passed < Duration::from_secs(5) {
        return say(language, "time-now", &[]);
    }
    say(language, "time-ago", &[("span", span(passed, language).into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_words() {
        for (seconds, english, chinese) in [
            (45, "45 s", "45 秒"),
            (720, "12 min", "12 分钟"),
            (3_600, "1 h", "1 小时"),
            (12_000, "3 h 20 min", "3 小时 20 分钟"),
            (450_000, "5 d", "5 天"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds), Language::English), english);
            assert_eq!(span(Duration::from_secs(seconds), Language::Chinese), chinese);
        }
    }

    #[test]
    fn what_is_settled_is_not_rounded_to_a_day() {
        let span = |minutes: u64| lasted(Duration::from_secs(minutes * 60), Language::English);
        assert_eq!([span(30), span(2_000)], ["30 min", "33 h 20 min"]);
    }

    #[test]
    fn the_absolute_time_says_its_zone() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let at = Timestamp::from_millis(1_763_780_645_678);
        assert_eq!(absolute(at, &zone), "2025-11-22 11:04:05 +08:00");
        assert_eq!(short(at, at, &zone), "11:04");
        assert!(element(at, "<x>", &zone).0.contains("&lt;x&gt;"));
    }
}
