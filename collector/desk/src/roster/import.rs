//! A sheet of duty — date, shift, people — becomes days that are staffed apart.

use super::{Post, Roster, Special, Staff};
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
    let column = |names: &[&str]| sheet.columns.iter().position(|column| names.contains(&column.as_str()));
    let date = column(&["日期", "date"]);
    let shift = column(&["班次", "shift"]);
    let posts: Vec<(Post, usize)> = (0..)
        .zip(&sheet.columns)
        .filter_map(|(at, name)| Post::parse(name).map(|post| (post, at)))
        .collect();
    if date.is_none() {
        mistakes.push("line 1: no column `日期` or `date`".to_owned());
    }
    if shift.is_none() && roster.shifts.len() != 1 {
        mistakes.push("line 1: no column `班次` or `shift`, and the roster has several shifts".to_owned());
    }
    if posts.is_empty() {
        mistakes.push(
            "line 1: no column for a post: 主班, 副班, 备班, 带班领导 or main, deputy, standby, leader".to_owned(),
        );
    }
    for name in &sheet.columns {
        if Post::parse(name).is_none() && !["日期", "date", "班次", "shift"].contains(&name.as_str()) {
            mistakes.push(format!("line 1: unknown column `{name}`"));
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
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).map_or("", String::as_str);
        let day = parse_date(cell(date));
        if day.is_none() {
            mistakes.push(format!("line {line}: `{}` is no date such as 2026-10-01", cell(date)));
        }
        let name = match (shift, roster.shifts.first()) {
            (None, Some(only)) => only.name.clone(),
            _ => cell(shift).to_owned(),
        };
        if roster.shifts.iter().all(|shift| shift.name != name) {
            mistakes.push(format!("line {line}: the roster has no shift `{name}`"));
        }
        let mut staff = Staff::default();
        for (post, at) in &posts {
            for word in people(cell(Some(*at))) {
                match login(word) {
                    Some(login) => staff.of_mut(*post).push(login),
                    None => mistakes.push(format!("line {line}: nobody is called `{word}`")),
                }
            }
        }
        if let Some(date) = day {
            let same = |known: &Special| known.date == date && known.shift == name;
            if days.iter().any(same) {
                mistakes.push(format!("line {line}: {date} {name} stands there twice"));
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
