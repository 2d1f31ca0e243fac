//! What is wrong with a plan, and what people should be warned of.

use super::{Exchange, Post, Roster, duties, gaps, spans};
use jiff::tz::TimeZone;
use std::{collections::BTreeSet, time::Duration};
use tocsin_vocabulary::Timestamp;

/// Most warnings that are told at once.
const WARNINGS_MAX: usize = 50;
/// So far ahead a plan is reviewed.
const AHEAD: Duration = Duration::from_secs(30 * 86_400);
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 60;

/// What a review must know of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Login.
    pub login: String,
    /// Whether anything leads to their phone: a phone number or a mail address.
    pub reachable: bool,
}

/// Everything for which a plan is refused, as sentences; empty when it can be used.
#[must_use]
pub fn mistakes(roster: &Roster, people: &[Reach]) -> Vec<String> {
    let mut mistakes = Vec::new();
    if roster.name.trim().is_empty() || roster.name.chars().count() > NAME_CHARS_MAX {
        mistakes.push(format!("name: is empty or longer than {NAME_CHARS_MAX} characters"));
    }
    if TimeZone::get(&roster.zone).is_err() {
        mistakes.push(format!("zone: `{}` is no time zone such as Asia/Shanghai", roster.zone));
    }
    if roster.fallback.trim().is_empty() {
        mistakes
            .push("fallback: nobody is named; a roster needs somebody who is paged where it leaves nobody".to_owned());
    }
    if roster.shifts.is_empty() {
        mistakes.push("shifts: there is none".to_owned());
    }
    let mut names = BTreeSet::new();
    for shift in &roster.shifts {
        if shift.name.trim().is_empty() {
            mistakes.push("shifts: one has no name".to_owned());
        } else if !names.insert(&shift.name) {
            mistakes.push(format!("shifts: `{}` stands there twice", shift.name));
        }
    }
    if let Some(rotation) = &roster.rotation {
        mistakes.extend(rotation.mistakes(roster.shifts.len()));
    }
    for special in roster.special.iter().filter(|special| !names.contains(&special.shift)) {
        mistakes.push(format!("special: {} names no shift `{}`", special.date, special.shift));
    }
    for login in named(roster) {
        if people.iter().all(|person| person.login != login) {
            mistakes.push(format!("people: `{login}` is not in the register of people"));
        }
    }
    mistakes
}

/// Everybody whom a plan names.
fn named(roster: &Roster) -> BTreeSet<String> {
    let teams = roster.rotation.iter().flat_map(|rotation| &rotation.teams);
    let apart = roster.special.iter().map(|special| &special.staff);
    let mut all: BTreeSet<String> = teams.chain(apart).flat_map(super::Staff::everybody).collect();
    if !roster.fallback.trim().is_empty() {
        all.insert(roster.fallback.clone());
    }
    all
}

/// What people should know of a plan that is saved all the same: somebody who can't be reached, shifts with nobody or
/// too few, holidays that are not staffed apart; for the coming 30 days, at most 50 lines.
#[must_use]
pub fn warnings(roster: &Roster, exchanges: &[Exchange], people: &[Reach], now: Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    let zone = spans::zone(roster);
    for person in people.iter().filter(|person| !person.reachable) {
        if named(roster).contains(&person.login) {
            warnings.push(format!(
                "{}: has neither a phone number nor a mail address, so pages reach only the inbox",
                person.login
            ));
        }
    }
    let show = |at: Timestamp| {
        jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
            |_| at.to_string(),
            |instant| instant.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        )
    };
    let until = now.plus(AHEAD);
    let spans = duties(roster, exchanges, now, until);
    if roster.shifts.iter().all(|shift| shift.days.is_empty()) {
        for (from, to) in gaps(&spans, now, until) {
            warnings.push(format!(
                "nobody has the main post from {} to {}: {} is paged",
                show(from),
                show(to),
                roster.fallback
            ));
        }
    }
    for span in &spans {
        let (hands, minimum) = (span.staff.hands(), roster.minimum);
        if hands < minimum {
            let at = show(span.from);
            warnings.push(format!(
                "{at} {}: {hands} on duty, the minimum is {minimum}",
                span.shift
            ));
        }
        let everybody = Post::ALL.iter().map(|post| span.staff.of(*post).len()).sum::<usize>();
        if everybody > span.staff.everybody().len() {
            let at = show(span.from);
            warnings.push(format!("{at} {}: somebody has two posts at once", span.shift));
        }
    }
    for holiday in &roster.holidays {
        let begins = spans::instant(holiday.at(0, 0, 0, 0), &zone);
        let ahead = begins.is_some_and(|at| at >= now && at < until);
        for shift in roster.shifts.iter().filter(|_| ahead) {
            let apart = |special: &super::Special| special.date == *holiday && special.shift == shift.name;
            if !roster.special.iter().any(apart) {
                warnings.push(format!(
                    "{holiday} is a holiday and {} is not staffed for it",
                    shift.name
                ));
            }
        }
    }
    warnings.truncate(WARNINGS_MAX);
    warnings
}
