//! From a plan and its exchanges to spans of time with people.

use super::{Consent, Exchange, Move, Post, Roster, Shift, Staff};
use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::Timestamp;

/// A shift, or the part of one that an exchange changes, with its people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Of which roster.
    pub roster: String,
    /// The shift's name.
    pub shift: String,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Who.
    pub staff: Staff,
    /// Staffed apart from the rotation.
    pub special: bool,
    /// Changed by an override or a swap.
    pub changed: bool,
}

/// The zone of a roster; UTC when its name is not known, of which [`super::mistakes`] tells.
pub(super) fn zone(roster: &Roster) -> TimeZone {
    TimeZone::get(&roster.zone).unwrap_or(TimeZone::UTC)
}

/// A time of the wall clock. What clocks skip when they are set forward is as much later; of what comes twice the first.
pub(super) fn instant(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = zone.to_ambiguous_zoned(at).compatible().ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// The day that the wall clock shows.
pub(super) fn day(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    let instant = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    Some(instant.to_zoned(zone.clone()).date())
}

fn bounds(shift: &Shift, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let last = if shift.to > shift.from {
        date
    } else {
        date.tomorrow().ok()?
    };
    Some((
        instant(date.to_datetime(shift.from), zone)?,
        instant(last.to_datetime(shift.to), zone)?,
    ))
}

/// Who serves in a shift that begins on `date`, and whether it is staffed apart; none when there is no such shift then.
fn staff(roster: &Roster, date: Date, at: usize) -> Option<(Staff, bool)> {
    let shift = &roster.shifts[at];
    let apart = roster
        .special
        .iter()
        .rfind(|special| special.date == date && special.shift == shift.name);
    if let Some(special) = apart {
        return Some((special.staff.clone(), true));
    }
    if !shift.days.is_empty() && !shift.days.contains(&date.weekday()) {
        return None;
    }
    if roster.holidays.contains(&date) {
        return Some((Staff::default(), false));
    }
    let rotation = roster.rotation.as_ref()?;
    let team = rotation.team(date, at, roster.shifts.len());
    Some((team.map(|team| rotation.teams[team].clone()).unwrap_or_default(), false))
}

/// Everybody's duty that touches `from`–`to`, by time. Shifts keep their whole length.
#[must_use]
pub fn duties(roster: &Roster, exchanges: &[Exchange], from: Timestamp, to: Timestamp) -> Vec<Span> {
    let zone = zone(roster);
    let (Some(first), Some(last)) = (day(from, &zone), day(to, &zone)) else {
        return Vec::new();
    };
    // A shift of 24 hours that began the day before may still run.
    let first = first.yesterday().unwrap_or(first);
    let moves: Vec<&Move> = exchanges
        .iter()
        .filter(|exchange| exchange.roster == roster.name && exchange.consent == Consent::Agreed)
        .flat_map(|exchange| &exchange.moves)
        .collect();
    let mut spans = Vec::new();
    for date in first.series(jiff::Span::new().days(1)).take_while(|date| *date <= last) {
        for (at, shift) in roster.shifts.iter().enumerate() {
            let Some((begins, ends)) = bounds(shift, date, &zone).filter(|(begins, ends)| begins < ends) else {
                continue;
            };
            if ends <= from || begins >= to {
                continue;
            }
            if let Some((staff, special)) = staff(roster, date, at) {
                let whole = Span {
                    roster: roster.name.clone(),
                    shift: shift.name.clone(),
                    from: begins,
                    to: ends,
                    staff,
                    special,
                    changed: false,
                };
                spans.extend(
                    cut(&whole, &moves)
                        .into_iter()
                        .filter(|part| part.to > from && part.from < to),
                );
            }
        }
    }
    spans.sort_by(|a, b| (a.from, &a.shift).cmp(&(b.from, &b.shift)));
    spans
}

/// Cuts a shift where an exchange begins or ends, and replaces the people of each part.
fn cut(whole: &Span, moves: &[&Move]) -> Vec<Span> {
    let mut edges = vec![whole.from, whole.to];
    for edge in moves.iter().flat_map(|one| [one.from, one.to]) {
        if whole.from < edge && edge < whole.to {
            edges.push(edge);
        }
    }
    edges.sort_unstable();
    edges.dedup();
    let mut parts: Vec<Span> = Vec::new();
    for pair in edges.windows(2) {
        let mut part = Span {
            from: pair[0],
            to: pair[1],
            ..whole.clone()
        };
        for one in moves.iter().filter(|one| one.from <= part.from && part.to <= one.to) {
            for post in Post::ALL {
                for person in part.staff.of_mut(post).iter_mut().filter(|person| **person == one.out) {
                    person.clone_from(&one.into);
                    part.changed = true;
                }
            }
        }
        match parts.last_mut() {
            Some(before) if before.staff == part.staff => before.to = part.to,
            _ => parts.push(part),
        }
    }
    parts
}

/// Who serves at this moment: one span, or several where shifts overlap.
#[must_use]
pub fn now(roster: &Roster, exchanges: &[Exchange], now: Timestamp) -> Vec<Span> {
    let end = now.plus(std::time::Duration::from_millis(1));
    duties(roster, exchanges, now, end)
}

/// When the people change next within the coming week; none when they do not.
#[must_use]
pub fn next_change(roster: &Roster, exchanges: &[Exchange], now: Timestamp) -> Option<Timestamp> {
    let week = now.plus(std::time::Duration::from_secs(8 * 86_400));
    duties(roster, exchanges, now, week)
        .iter()
        .flat_map(|span| [span.from, span.to])
        .filter(|edge| *edge > now)
        .min()
}

/// Stretches of `from`–`to` in which nobody has the main post.
#[must_use]
pub fn gaps(spans: &[Span], from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut gaps = Vec::new();
    let mut covered = from;
    for span in spans.iter().filter(|span| !span.staff.main.is_empty()) {
        if span.from > covered {
            gaps.push((covered, span.from.min(to)));
        }
        covered = covered.max(span.to);
        if covered >= to {
            return gaps;
        }
    }
    gaps.push((covered, to));
    gaps
}
