//! The span of a summary of backups: the last whole week or month, the one that holds a day, or so many days back from now.

use crate::{backend::Failure, guard::Visit};
use jiff::civil::Date;
use std::time::Duration;
use tocsin_desk::backup::coverage::{Period, midnight};
use tocsin_vocabulary::{Code, Timestamp};

/// The longest span.
const DAYS_MAX: u64 = 400;

/// A span, and what it is.
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// First and last day; none of a span that counts back from now.
    pub(crate) days: Option<(Date, Date)>,
    pub(crate) period: Option<Period>,
}

fn wrong(reason: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidInput, reason)
}

/// Reads `period` and `on`, or `days`; the last whole week without any.
pub(crate) fn read(visit: &Visit) -> Result<Span, Failure> {
    if let Some(days) = visit.parameter("days") {
        let days: Option<u64> = days.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
        let days = days.ok_or_else(|| wrong(format!("parameter `days` must be 1 to {DAYS_MAX}")))?;
        return Ok(Span {
            from: visit.now.minus(Duration::from_secs(days * 86_400)),
            to: visit.now,
            days: None,
            period: None,
        });
    }
    let period = visit.parameter("period").unwrap_or_else(|| "week".to_owned());
    let period = Period::parse(&period).ok_or_else(|| wrong("parameter `period` is week or month"))?;
    let zone = &visit.console.options.zone;
    let days = match visit.parameter("on") {
        Some(on) => {
            let day = on.parse::<Date>();
            let day = day.map_err(|_| wrong("parameter `on` must be a day such as 2026-11-22"))?;
            period.around(day)
        }
        None => period.last_over(zone, visit.now),
    };
    let ends = days.and_then(|(first, next)| {
        let last = next.yesterday().ok()?;
        Some((midnight(first, zone)?, midnight(next, zone)?, (first, last)))
    });
    let (from, to, days) = ends.ok_or_else(|| wrong("parameter `on` is beyond what calendars hold"))?;
    Ok(Span {
        from,
        to,
        days: Some(days),
        period: Some(period),
    })
}
