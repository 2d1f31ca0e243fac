//! A sheet of duty — date, shift, people — becomes days that are staffed apart.

use super::{Post, Roster, Span, Special, Staff, spans};
use crate::register::sheet::Sheet;
use jiff::civil::Date;

/// Most rows of one sheet: three shifts a day for three years.
const ROWS_MAX: usize = 3_300;

/// Reads a sheet with the columns 日期, 班次, 主班, 副班, 备班, 带班领导 (or date, shift, main, deputy, standby, leader). Several
/// people in a cell stand apart by 、 or ; or /. `login` finds a person by login or name. A roster with one shift needs
/// no column for it.
///
/// # Errors
/// Every mistake of the sheet, each with its line.
pub fn read(
    sheet: &Sheet,
    roster: &Roster,
    login: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Special>, Vec<String>> {
    let mut mistakes = Vec::new();
    let head = sheet.head_place();
    let column = |names: &[&str]| sheet.columns.iter().position(|column| names.contains(&column.as_str()));
    let date = column(&["日期", "date"]);
    let shift = column(&["班次", "shift"]);
    let posts: Vec<(Post, usize)> = (0..)
        .zip(&sheet.columns)
        .filter_map(|(at, name)| Post::parse(name).map(|post| (post, at)))
        .collect();
    if date.is_none() {
        mistakes.push(format!("{head}: no column `日期` or `date`"));
    }
    if shift.is_none() && roster.shifts.len() != 1 {
        mistakes.push(format!(
            "{head}: no column `班次` or `shift`, and the roster has several shifts"
        ));
    }
    if posts.is_empty() {
        mistakes.push(format!(
            "{head}: no column for a post: 主班, 副班, 备班, 带班领导 or main, deputy, standby, leader"
        ));
    }
    for name in &sheet.columns {
        if Post::parse(name).is_none() && !["日期", "date", "班次", "shift"].contains(&name.as_str()) {
            mistakes.push(format!("{head}: unknown column `{name}`"));
        }
    }
    if sheet.rows.len() > ROWS_MAX {
        mistakes.push(format!("more than {ROWS_MAX} rows: import year by year"));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut days = Vec::new();
    for (line, cells) in &sheet.rows {
        let here = |column: Option<usize>| match column {
            Some(column) => sheet.cell_place(*line, column),
            None => sheet.place(*line),
        };
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map_or("", String::as_str);
        let day = parse_date(cell(date));
        if day.is_none() {
            mistakes.push(format!(
                "{}: `{}` is no date such as 2026-10-01",
                here(date),
                cell(date)
            ));
        }
        let name = match (shift, roster.shifts.first()) {
            (None, Some(only)) => only.name.clone(),
            _ => cell(shift).to_owned(),
        };
        if roster.shifts.iter().all(|shift| shift.name != name) {
            mistakes.push(format!("{}: the roster has no shift `{name}`", here(shift)));
        }
        let mut staff = Staff::default();
        for (post, at) in &posts {
            for word in people(cell(Some(*at))) {
                match login(word) {
                    Some(login) => staff.of_mut(*post).push(login),
                    None => mistakes.push(format!("{}: nobody is called `{word}`", here(Some(*at)))),
                }
            }
        }
        if let Some(date) = day {
            let same = |known: &Special| known.date == date && known.shift == name;
            if days.iter().any(same) {
                mistakes.push(format!("{}: {date} {name} stands there twice", here(None)));
            }
            days.push(Special {
                date,
                shift: name,
                staff,
            });
        }
    }
    if mistakes.is_empty() { Ok(days) } else { Err(mistakes) }
}

/// Shifts as a sheet that [`read`] reads again: the day on which each begins, by the roster's own clock, and logins.
#[must_use]
pub fn cells(roster: &Roster, spans: &[Span]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let zone = spans::zone(roster);
    let row = |span: &Span| {
        let begins = jiff::Timestamp::from_millisecond(span.from.as_millis()).unwrap_or_default();
        let mut cells = vec![begins.to_zoned(zone.clone()).date().to_string(), span.shift.clone()];
        cells.extend(Post::ALL.iter().map(|post| span.staff.of(*post).join(";")));
        cells
    };
    let mut columns = vec!["date", "shift"];
    columns.extend(Post::ALL.iter().map(|post| post.as_str()));
    (columns, spans.iter().map(row).collect())
}

/// Puts days into a plan in place of what it had for them.
pub fn put(roster: &mut Roster, days: Vec<Special>) {
    roster
        .special
        .retain(|old| !days.iter().any(|new| new.date == old.date && new.shift == old.shift));
    roster.special.extend(days);
    roster
        .special
        .sort_by(|a, b| (a.date, &a.shift).cmp(&(b.date, &b.shift)));
}

fn people(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(['\u{3001}', ';', '\u{FF1B}', '/', ',', '\u{FF0C}'])
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// `2026-10-01`, `2026/10/1` or `20261001`.
fn parse_date(text: &str) -> Option<Date> {
    let text = text.trim();
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    match parts.as_slice() {
        [year, month, day] => Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok(),
        _ => text.parse().ok(),
    }
}
