//! A sheet: named columns and rows, wherever it came from; and CSV as spreadsheets write and read it (RFC 4180): quotes,
//! line breaks within them, a byte order mark.

use serde::{Deserialize, Serialize};

/// Most rows that are read.
pub const ROWS_MAX: usize = 20_000;
/// Most columns.
pub const COLUMNS_MAX: usize = 64;
/// Longest cell, in characters.
pub const CELL_CHARS_MAX: usize = 20_000;

/// A sheet: names of columns, and rows with the line on which each begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name within its workbook; empty for CSV.
    #[serde(default)]
    pub name: String,
    /// The line that names the columns, from 1.
    pub head: usize,
    /// Names of columns, trimmed.
    pub columns: Vec<String>,
    /// Line from 1, and the row's cells, trimmed.
    pub rows: Vec<(usize, Vec<String>)>,
}

impl Sheet {
    /// Where a line stands, for whoever must mend it: `line 3`, or ``sheet `Assets` row 3`` of a workbook.
    #[must_use]
    pub fn place(&self, line: usize) -> String {
        if self.name.is_empty() {
            format!("line {line}")
        } else {
            format!("sheet `{}` row {line}", self.name)
        }
    }

    /// Where a cell stands, by its column from 0: as [`Sheet::place`], with the column's letter in a workbook.
    #[must_use]
    pub fn cell_place(&self, line: usize, column: usize) -> String {
        if self.name.is_empty() {
            self.place(line)
        } else {
            format!("{} column {}", self.place(line), letters(column))
        }
    }

    /// Where the names of the columns stand.
    #[must_use]
    pub fn head_place(&self) -> String {
        self.place(self.head)
    }
}

/// What spreadsheets call a column, by its number from 0: `A`, `Z`, `AA`.
#[must_use]
pub fn letters(column: usize) -> String {
    let mut name = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        left -= 1;
        name.push(char::from(b'A' + u8::try_from(left % 26).unwrap_or_default()));
        left /= 26;
    }
    name.iter().rev().collect()
}

/// Why a text is no sheet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// Nothing is in it.
    #[error("the sheet is empty: its first line names the columns")]
    Empty,
    /// A quote has no end.
    #[error("line {line}: a quoted cell has no end")]
    Unclosed {
        /// Where it begins.
        line: usize,
    },
    /// It is larger than what is read.
    #[error(
        "line {line}: the sheet has more than {ROWS_MAX} rows, {COLUMNS_MAX} columns or {CELL_CHARS_MAX} characters in a cell"
    )]
    TooLarge {
        /// Where the limit is passed.
        line: usize,
    },
}

/// Reads CSV. Cells stand apart by commas, or by semicolons or tabs where the first line has those and no comma.
///
/// # Errors
/// When it is empty, too large, or a quote has no end.
pub fn read(text: &str) -> Result<Sheet, SheetError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    let apart = [',', '\t', ';'].into_iter().find(|c| first.contains(*c)).unwrap_or(',');
    let mut reader = Reader {
        rows: Vec::new(),
        row: Vec::new(),
        cell: String::new(),
        begins: 1,
    };
    let (mut line, mut quoted, mut opened) = (1, false, 1);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                reader.cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if reader.cell.trim().is_empty() => {
                reader.cell.clear();
                quoted = true;
                opened = line;
            }
            '\n' if quoted => {
                reader.cell.push(c);
                line += 1;
            }
            '\n' => {
                line += 1;
                reader.end_row(line)?;
            }
            c if c == apart && !quoted => reader.end_cell(line)?,
            '\r' => {}
            c => reader.cell.push(c),
        }
    }
    if quoted {
        return Err(SheetError::Unclosed { line: opened });
    }
    reader.end_row(line + 1)?;
    let mut rows = reader.rows.into_iter();
    let (head, columns) = rows.next().ok_or(SheetError::Empty)?;
    Ok(Sheet {
        name: String::new(),
        head,
        columns,
        rows: rows.collect(),
    })
}

struct Reader {
    rows: Vec<(usize, Vec<String>)>,
    row: Vec<String>,
    cell: String,
    begins: usize,
}

impl Reader {
    fn end_cell(&mut self, line: usize) -> Result<(), SheetError> {
        let cell = std::mem::take(&mut self.cell);
        if self.row.len() >= COLUMNS_MAX || cell.chars().count() > CELL_CHARS_MAX {
            return Err(SheetError::TooLarge { line });
        }
        self.row.push(unguarded(cell.trim()).to_owned());
        Ok(())
    }

    /// Rows without a word in them are passed over.
    fn end_row(&mut self, next: usize) -> Result<(), SheetError> {
        self.end_cell(self.begins)?;
        let row = std::mem::take(&mut self.row);
        if row.iter().any(|cell| !cell.is_empty()) {
            if self.rows.len() > ROWS_MAX {
                return Err(SheetError::TooLarge { line: self.begins });
            }
            self.rows.push((self.begins, row));
        }
        self.begins = next;
        Ok(())
    }
}

/// Writes CSV with a byte order mark, so that spreadsheets read it as UTF-8. A cell that a spreadsheet would take for a
/// formula is kept from being one by an apostrophe.
#[must_use]
pub fn write(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = String::from("\u{FEFF}");
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.map(quote).collect();
        cells.join(",") + "\r\n"
    };
    out.push_str(&line(&mut columns.iter().copied()));
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

/// Whether a spreadsheet would take a cell for a formula. Numbers are none, and phone numbers are told apart.
fn is_formula(cell: &str) -> bool {
    let phone = cell.strip_prefix('+');
    let is_phone = phone.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-'));
    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err() && !is_phone
}

/// A cell without the apostrophe that [`write`] put before it.
fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(cell)
}

fn quote(cell: &str) -> String {
    let cell = if is_formula(cell) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r', ';', '\t']) || cell.trim() != cell {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spreadsheets_sheet_is_read_with_its_lines() {
        let sheet = read("\u{FEFF}名称,备注\r\n\r\n\"db, 1\",\"two\nlines \"\"x\"\"\"\r\nweb, y \n").unwrap();
        assert_eq!(sheet.columns, ["名称", "备注"]);
        assert_eq!(
            sheet.rows[0],
            (3, vec!["db, 1".to_owned(), "two\nlines \"x\"".to_owned()])
        );
        assert_eq!(sheet.rows[1], (5, vec!["web".to_owned(), "y".to_owned()]));
        assert_eq!(read("a;b\n1;2").unwrap().rows[0].1, ["1", "2"]);
    }

    #[test]
    fn what_is_no_sheet_is_refused_with_its_line() {
        assert_eq!(read(" \n"), Err(SheetError::Empty));
        assert_eq!(read("a\n\n\"b"), Err(SheetError::Unclosed { line: 3 }));
        assert!(matches!(read(&",".repeat(100)), Err(SheetError::TooLarge { line: 1 })));
    }

    #[test]
    fn a_cell_is_no_formula() {
        let text = write(
            &["name"],
            [
                vec!["=cmd()".to_owned()],
                vec!["-5".to_owned()],
                vec!["+86 10".to_owned()],
            ],
        );
        assert_eq!(text, "\u{FEFF}name\r\n'=cmd()\r\n-5\r\n+86 10\r\n");
        assert_eq!(read(&text).unwrap().rows[0].1, ["=cmd()"], "it is read back as it was");
    }

    #[test]
    fn columns_have_the_letters_of_spreadsheets() {
        let named = [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (51, "AZ"),
            (52, "BA"),
            (701, "ZZ"),
            (702, "AAA"),
        ];
        for (column, name) in named {
            assert_eq!(letters(column), name);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(cells in prop::collection::vec("[a-z\u{4e00}-\u{4e10},\";\n=+@ -]{0,9}x", 2..5)) {
            let columns = ["a", "b", "c", "d", "e"];
            let text = write(&columns[..cells.len()], [cells.clone()]);
            let sheet = read(&text).unwrap();
            let trimmed: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
            prop_assert_eq!(&sheet.rows[0].1, &trimmed);
        }
    }

    #[test]
    fn no_text_is_too_much() {
        bolero::check!().with_type::<String>().for_each(|text| {
            let _ = read(text);
        });
    }
}
