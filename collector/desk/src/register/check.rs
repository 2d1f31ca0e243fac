//! A sheet becomes rows of a register, or a list of all its mistakes.

use super::{Book, Column, Kind, Row, ZONE, promise::Promises, sheet::Sheet};
use jiff::{civil::Date, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Most mistakes that are told at once: those of a sheet on which nothing fits would fill the screen.
const MISTAKES_MAX: usize = 200;

/// What a check must know of the other registers: the rows of each by key.
pub type Known = BTreeMap<Book, Vec<Row>>;

/// Rows of a sheet. Columns bear the English or the Chinese name, in any order; those that are missing keep what the
/// register has. A row whose name (and customer) the register knows replaces it, and takes over its id. What a contract
/// names must be among the promises.
///
/// # Errors
/// Every mistake, each with its line and what was expected.
pub fn rows(book: Book, sheet: &Sheet, known: &Known, promises: Promises<'_>) -> Result<Vec<Row>, Vec<String>> {
    let mut mistakes = Vec::new();
    let columns = columns(book, sheet, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut rows = Vec::new();
    let none = Vec::new();
    let present = known.get(&book).unwrap_or(&none);
    for (line, cells) in &sheet.rows {
        if cells.len() > sheet.columns.len() {
            mistakes.push(format!(
                "{}: {} cells under {} columns",
                sheet.place(*line),
                cells.len(),
                sheet.columns.len()
            ));
            continue;
        }
        let mut row = Row::default();
        // A site or contract belongs to a customer, so that comes first.
        let (whose, rest): (Vec<_>, Vec<_>) = columns
            .iter()
            .enumerate()
            .partition(|(_, column)| column.key == "customer");
        for (at, column) in whose.into_iter().chain(rest) {
            let cell = cells.get(at).map_or("", String::as_str);
            match value(column, cell, &row, known) {
                Ok(value) => drop(row.values.insert(column.key.to_owned(), value)),
                Err(why) => mistakes.push(format!("{}: {} {why}", sheet.cell_place(*line, at), column.key)),
            }
        }
        let key = row.key(book);
        if let Some(before) = seen.insert(key.clone(), *line) {
            let (here, there) = (sheet.place(*line), sheet.place(before));
            mistakes.push(format!("{here}: `{}` stands in {there} already", key.1));
        }
        let old = present.iter().find(|old| old.key(book) == key);
        if let Some(old) = old {
            row.id.clone_from(&old.id);
            for (key, value) in &old.values {
                row.values.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        fill(book, &mut row);
        if book == Book::Contracts {
            let column = |key: &str| columns.iter().position(|column| column.key == key);
            for (key, why) in promises.settle(&mut row, old) {
                let place = column(key).map_or_else(|| sheet.place(*line), |at| sheet.cell_place(*line, at));
                mistakes.push(format!("{place}: {key} {why}"));
            }
        }
        rows.push(row);
    }
    serials(book, &rows, present, &mut mistakes);
    if mistakes.is_empty() {
        return Ok(rows);
    }
    let more = mistakes.len().saturating_sub(MISTAKES_MAX);
    mistakes.truncate(MISTAKES_MAX);
    if more > 0 {
        mistakes.push(format!("… and {more} more"));
    }
    Err(mistakes)
}

/// One row as a form gives it.
///
/// # Errors
/// Every mistake.
pub fn row(
    book: Book,
    values: &BTreeMap<String, String>,
    known: &Known,
    promises: Promises<'_>,
) -> Result<Row, Vec<String>> {
    let given = book.columns().iter().filter(|column| values.contains_key(column.key));
    let (columns, cells): (Vec<String>, Vec<String>) = given
        .map(|column| (column.key.to_owned(), values[column.key].trim().to_owned()))
        .unzip();
    let sheet = Sheet {
        name: String::new(),
        head: 1,
        columns,
        rows: vec![(1, cells)],
    };
    let rows = rows(book, &sheet, known, promises).map_err(|mistakes| {
        let plain = |mistake: String| mistake.strip_prefix("line 1: ").map(str::to_owned).unwrap_or(mistake);
        mistakes.into_iter().map(plain).collect::<Vec<_>>()
    })?;
    rows.into_iter()
        .next()
        .ok_or_else(|| vec!["the row is empty".to_owned()])
}

/// The sheet's columns.
fn columns(book: Book, sheet: &Sheet, mistakes: &mut Vec<String>) -> Vec<Column> {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    let head = sheet.head_place();
    for name in &sheet.columns {
        let lower = name.to_lowercase();
        match book
            .columns()
            .iter()
            .find(|column| column.key == lower || column.zh == name)
        {
            Some(column) if names.insert(column.key) => found.push(*column),
            Some(column) => mistakes.push(format!("{head}: column `{}` stands there twice", column.key)),
            None => {
                let known: Vec<&str> = book.columns().iter().map(|column| column.key).collect();
                mistakes.push(format!(
                    "{head}: unknown column `{name}`: known are {}",
                    known.join(", ")
                ));
            }
        }
    }
    for column in book.columns() {
        if matches!(column.kind, Kind::Name | Kind::Of(_)) && !names.contains(column.key) {
            mistakes.push(format!("{head}: no column `{}` ({})", column.key, column.zh));
        }
    }
    found
}

fn value(column: &Column, cell: &str, row: &Row, known: &Known) -> Result<String, String> {
    let cell = cell.trim();
    match column.kind {
        Kind::Words => Ok(cell.to_owned()),
        Kind::Name if cell.is_empty() => Err("is empty".to_owned()),
        Kind::Name => Ok(cell.to_owned()),
        Kind::MaybeOf(_) if cell.is_empty() => Ok(String::new()),
        Kind::Of(book) | Kind::MaybeOf(book) => {
            let customer = row.get("customer");
            let fits = |other: &Row| {
                other.get("name") == cell
                    && (book.within().is_none() || customer.is_empty() || other.get("customer") == customer)
            };
            if known.get(&book).is_some_and(|rows| rows.iter().any(fits)) {
                Ok(cell.to_owned())
            } else if cell.is_empty() {
                Err("is empty".to_owned())
            } else {
                Err(format!(
                    "`{cell}` is not in the register of {}: enter it there first",
                    book.as_str()
                ))
            }
        }
        Kind::Day if cell.is_empty() => Ok(String::new()),
        Kind::Day => cell
            .replace('/', "-")
            .parse::<Date>()
            .map(|date| date.to_string())
            .map_err(|_| format!("`{cell}` is no date such as 2026-10-01")),
        Kind::Count if cell.is_empty() => Ok("0".to_owned()),
        Kind::Count => cell
            .parse::<u32>()
            .map(|count| count.to_string())
            .map_err(|_| format!("`{cell}` is no whole number")),
        Kind::OneOf(words) => one_of(words, cell),
        Kind::Zone if cell.is_empty() => Ok(ZONE.to_owned()),
        Kind::Zone if TimeZone::get(cell).is_ok() => Ok(cell.to_owned()),
        Kind::Zone => Err(format!("`{cell}` is no time zone such as {ZONE}")),
    }
}

/// The words of closed lists as Chinese sheets write them.
const CHINESE: &[(&str, &str)] = &[
    ("重要", "key"),
    ("一般", "normal"),
    ("次要", "low"),
    ("备件", "part"),
    ("备机", "standby"),
    ("质保期内", "within"),
    ("进位", "up"),
    ("舍去", "down"),
    ("四舍五入", "nearest"),
    ("逐次进位", "each_up"),
    ("逐次舍去", "each_down"),
    ("质保期外", "after"),
];

fn one_of(words: &[&str], cell: &str) -> Result<String, String> {
    if cell.is_empty() {
        return Ok(words.first().copied().unwrap_or_default().to_owned());
    }
    let chinese = CHINESE.iter().find(|(zh, _)| *zh == cell).map(|(_, word)| *word);
    let lower = cell.to_lowercase();
    let word = chinese.unwrap_or(&lower);
    if words.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(format!("`{cell}` is none of {}", words.join(", ")))
    }
}

/// What a row that is new has where the sheet says nothing.
fn fill(book: Book, row: &mut Row) {
    for column in book.columns() {
        let value = row.values.entry(column.key.to_owned()).or_default();
        if value.is_empty() {
            column.kind.meant().clone_into(value);
        }
    }
}

/// Two assets never bear one serial number.
fn serials(book: Book, rows: &[Row], present: &[Row], mistakes: &mut Vec<String>) {
    if book != Book::Assets {
        return;
    }
    let mut taken: BTreeMap<&str, (String, String)> = BTreeMap::new();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let untouched = present.iter().filter(|row| !ids.contains(row.id.as_str()));
    for row in untouched.chain(rows) {
        let serial = row.get("serial");
        if serial.is_empty() {
            continue;
        }
        if let Some(other) = taken.insert(serial, row.key(book)) {
            mistakes.push(format!(
                "serial `{serial}`: both `{}` and `{}` bear it",
                other.1,
                row.get("name")
            ));
        }
    }
}
