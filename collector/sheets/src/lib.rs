//! Spreadsheets: XLSX and CSV in and out, for registers, rosters, tickets and downtimes.
//!
//! * [`read`] — bytes that somebody sent become one `Sheet`: CSV in UTF-8, or the first sheet of an XLSX workbook,
//! * [`write()`] — columns and rows become the bytes of a CSV or an XLSX file.
//!
//! Nothing is ever evaluated: of a cell with a formula only the value counts that the spreadsheet stored beside it, and what
//! is written are words, never formulas.

mod reader;

pub use reader::{FILE_BYTES_MAX, ReadError, read};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};
use tocsin_desk::register::sheet::{self, CELL_CHARS_MAX};
use tocsin_vocabulary::Timestamp;

/// Longest name of a sheet (ECMA-376 by way of every spreadsheet).
const NAME_CHARS_MAX: usize = 31;
/// Longest cell that spreadsheets take, in UTF-16 units.
const CELL_UNITS_MAX: usize = 32_767;
/// Widest column, in characters.
const WIDTH_MAX: usize = 48;

/// How a sheet is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// RFC 4180 in UTF-8 with a byte order mark.
    #[default]
    Csv,
    /// Office Open XML.
    Xlsx,
}

impl Form {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Csv, Self::Xlsx];

    /// How the names of such files end, and the word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// The form that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|form| form.as_str().eq_ignore_ascii_case(word))
    }

    /// Its media type.
    #[must_use]
    pub const fn media(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// A sheet could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write the sheet `{name}`")]
pub struct WriteError {
    /// Which.
    name: String,
    /// What the writer said.
    #[source]
    source: Box<XlsxError>,
}

/// The bytes of a file with one sheet. Every cell holds words; `now` stands in the workbook as the time of its making.
///
/// # Errors
/// When there are more rows than a workbook holds.
pub fn write(
    form: Form,
    name: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    now: Timestamp,
) -> Result<Vec<u8>, WriteError> {
    match form {
        Form::Csv => Ok(sheet::write(columns, rows).into_bytes()),
        Form::Xlsx => xlsx(name, columns, rows, now).map_err(|source| WriteError {
            name: name.to_owned(),
            source: Box::new(source),
        }),
    }
}

fn xlsx(
    name: &str,
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    now: Timestamp,
) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let made = ExcelDateTime::from_timestamp(now.as_millis().div_euclid(1_000))?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let sheet = workbook.add_worksheet();
    sheet.set_name(sheet_name(name))?;
    let bold = Format::new().set_bold();
    let mut widths: Vec<usize> = Vec::new();
    for (column, title) in (0..).zip(columns) {
        sheet.write_string_with_format(0, column, *title, &bold)?;
        widths.push(width(title));
    }
    for (row, cells) in (1..).zip(rows) {
        for ((column, cell), widest) in (0..).zip(&cells).zip(&mut widths) {
            if !cell.is_empty() {
                sheet.write_string(row, column, fitting(cell))?;
                *widest = (*widest).max(width(cell));
            }
        }
    }
    for (column, widest) in (0..).zip(widths) {
        let widest = u32::try_from(widest.min(WIDTH_MAX) + 2).unwrap_or(u32::MAX);
        sheet.set_column_width(column, widest)?;
    }
    sheet.set_freeze_panes(1, 0)?;
    workbook.save_to_buffer()
}

/// A name without what spreadsheets refuse in one.
fn sheet_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '[' | ']' | ':' | '*' | '?' | '/' | '\\' | '\'') && !c.is_control())
        .take(NAME_CHARS_MAX)
        .collect();
    if plain.is_empty() { "Sheet1".to_owned() } else { plain }
}

/// A cell as long as spreadsheets take it, without characters that XML can't hold.
fn fitting(cell: &str) -> String {
    let mut units = 0;
    cell.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .take(CELL_CHARS_MAX)
        .take_while(|c| {
            units += c.len_utf16();
            units <= CELL_UNITS_MAX
        })
        .collect()
}

/// How wide a cell looks: a Chinese character takes two places.
fn width(cell: &str) -> usize {
    let longest = cell
        .lines()
        .map(|line| line.chars().map(|c| 1 + usize::from(c as u32 > 0x2E7F)).sum::<usize>());
    longest.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_316_645_000);

    fn written(form: Form, rows: &[Vec<String>]) -> Vec<u8> {
        write(form, "资产: [1]", &["name", "note"], rows.to_vec(), NOW).unwrap()
    }

    #[test]
    fn both_forms_are_read_back_with_their_places() {
        let rows = [
            vec!["db1".to_owned(), "一号机房\nA03".to_owned()],
            vec!["=SUM(A1)".to_owned(), "@home".to_owned()],
        ];
        let csv = read(&written(Form::Csv, &rows)).unwrap();
        let xlsx = read(&written(Form::Xlsx, &rows)).unwrap();
        for sheet in [&csv, &xlsx] {
            assert_eq!(sheet.columns, ["name", "note"]);
            let cells: Vec<_> = sheet.rows.iter().map(|(_, cells)| cells.clone()).collect();
            assert_eq!(cells, rows, "words come back as they were, and nothing is a formula");
        }
        assert_eq!(csv.cell_place(2, 1), "line 2");
        assert_eq!(xlsx.cell_place(2, 1), "sheet `资产 1` row 2 column B");
    }

    #[test]
    fn a_workbook_made_twice_is_the_same_and_holds_no_formula() {
        let rows = [vec!["=1+1".to_owned(), "+cmd|' /C calc'!A0".to_owned()]];
        let bytes = written(Form::Xlsx, &rows);
        assert_eq!(bytes, written(Form::Xlsx, &rows));
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut archive.by_name("xl/worksheets/sheet1.xml").unwrap(), &mut text).unwrap();
        assert!(!text.contains("<f>"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(cells in prop::collection::vec("[a-z0-9=+@\u{4e00}-\u{4e10},\"<&]{0,9}x", 2..3)) {
            for form in Form::ALL {
                let sheet = read(&written(form, std::slice::from_ref(&cells))).unwrap();
                prop_assert_eq!(&sheet.rows[0].1, &cells);
            }
        }
    }
}
