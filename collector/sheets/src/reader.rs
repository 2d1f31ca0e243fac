//! What somebody sent becomes a sheet. The bytes come from outside: a workbook is an archive, and an archive can be far
//! larger than it looks, so everything is counted before it is read, and cells are taken one by one.

use calamine::{DataRef, Reader as _, Xlsx, XlsxError};
use std::{
    collections::BTreeMap,
    io::{Cursor, Read as _},
};
use tocsin_desk::register::sheet::{self, CELL_CHARS_MAX, COLUMNS_MAX, ROWS_MAX, Sheet, SheetError};
use zip::{ZipArchive, result::ZipError};

/// Largest file, in bytes: some ten thousand assets.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most that a workbook may unfold to, in bytes.
const UNFOLDED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most parts of a workbook.
const PARTS_MAX: usize = 256;
/// How an archive begins, and an empty one.
const ARCHIVE: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// How the workbooks of before 2007 begin.
const OLD: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];
/// Cells that spreadsheets call an error, told at most.
const ERRORS_MAX: usize = 200;

/// Why bytes are no sheet.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Too much.
    #[error("the file has more than {} MiB: split it", FILE_BYTES_MAX / (1024 * 1024))]
    TooLarge,
    /// A workbook that unfolds to too much.
    #[error("the workbook unfolds to more than {} MiB: split it, or save it as CSV", UNFOLDED_BYTES_MAX / (1024 * 1024))]
    TooMuch,
    /// Neither text nor a workbook.
    #[error("the file is neither CSV in UTF-8 nor an XLSX workbook: save it as one of these")]
    Unknown,
    /// A workbook of before 2007, or one with a password.
    #[error("the file is an old or encrypted workbook: save it as XLSX without a password, or as CSV UTF-8")]
    Old,
    /// The archive is damaged.
    #[error("the workbook is damaged")]
    Archive(#[source] Box<ZipError>),
    /// What is in the archive is no workbook.
    #[error("the workbook can't be read")]
    Workbook(#[source] Box<XlsxError>),
    /// More rows, columns or characters than are read.
    #[error(
        "sheet `{name}` row {row}: the sheet has more than {ROWS_MAX} rows, {COLUMNS_MAX} columns or {CELL_CHARS_MAX} characters in a cell"
    )]
    Bounds {
        /// Which sheet.
        name: String,
        /// Where the limit is passed.
        row: usize,
    },
    /// Nothing is in it.
    #[error("the workbook has no sheet with words in it")]
    Empty,
    /// Cells hold errors in place of values.
    #[error("{}", .0.join("\n"))]
    Cells(Vec<String>),
    /// It is no CSV.
    #[error(transparent)]
    Csv(#[from] SheetError),
}

/// Reads CSV in UTF-8, or the first sheet of an XLSX workbook that has words in it; which of them it is the bytes say, not a
/// name.
///
/// # Errors
/// When it is neither, or larger than what is read, or damaged.
pub fn read(bytes: &[u8]) -> Result<Sheet, ReadError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(ReadError::TooLarge);
    }
    if ARCHIVE.iter().any(|head| bytes.starts_with(head)) {
        return workbook(bytes);
    }
    if bytes.starts_with(OLD) {
        return Err(ReadError::Old);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Unknown)?;
    if text.contains('\0') {
        return Err(ReadError::Unknown);
    }
    Ok(sheet::read(text)?)
}

fn workbook(bytes: &[u8]) -> Result<Sheet, ReadError> {
    unfolds(bytes)?;
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes)).map_err(broken)?;
    for name in book.sheet_names() {
        let sheet = first_of(&mut book, name)?;
        if !sheet.columns.is_empty() {
            return Ok(sheet);
        }
    }
    Err(ReadError::Empty)
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: XlsxError) -> ReadError {
    ReadError::Workbook(Box::new(error))
}

/// Unfolds every part once and counts: what an archive says of the sizes of its parts need not be so.
fn unfolds(bytes: &[u8]) -> Result<(), ReadError> {
    let damaged = |error: ZipError| ReadError::Archive(Box::new(error));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > PARTS_MAX {
        return Err(ReadError::TooMuch);
    }
    let mut left = UNFOLDED_BYTES_MAX;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(damaged)?;
        let read = std::io::copy(&mut part.take(left + 1), &mut std::io::sink());
        let read = read.map_err(|error| damaged(ZipError::Io(error)))?;
        left = left.checked_sub(read).ok_or(ReadError::TooMuch)?;
    }
    Ok(())
}

/// A sheet's rows, without those that hold no word. Its first row names the columns.
fn first_of(book: &mut Xlsx<Cursor<&[u8]>>, name: String) -> Result<Sheet, ReadError> {
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut errors = Vec::new();
    let mut cells = match book.worksheet_cells_reader(&name) {
        Ok(cells) => cells,
        // A sheet that holds a chart and no cells.
        Err(XlsxError::WorksheetNotFound(_)) => return Ok(Sheet::default()),
        Err(error) => return Err(broken(error)),
    };
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        let (row, column) = (row as usize + 1, column as usize);
        let words = match words(cell.get_value()) {
            Ok(words) if words.is_empty() => continue,
            Ok(words) => words,
            Err(what) => {
                let column = sheet::letters(column);
                errors.push(format!(
                    "sheet `{name}` row {row} column {column}: holds the error {what}"
                ));
                continue;
            }
        };
        let cells = rows.entry(row).or_default();
        if column >= COLUMNS_MAX || words.chars().count() > CELL_CHARS_MAX {
            return Err(ReadError::Bounds { name, row });
        }
        if cells.len() <= column {
            cells.resize(column + 1, String::new());
        }
        cells[column] = words;
        if rows.len() > ROWS_MAX + 1 {
            return Err(ReadError::Bounds { name, row });
        }
    }
    if !errors.is_empty() {
        errors.truncate(ERRORS_MAX);
        return Err(ReadError::Cells(errors));
    }
    let mut rows = rows.into_iter();
    let (head, columns) = rows.next().unwrap_or_default();
    Ok(Sheet {
        name,
        head,
        columns,
        rows: rows.collect(),
    })
}

/// A cell as words; the name of the error that it holds instead.
fn words(value: &DataRef<'_>) -> Result<String, String> {
    Ok(match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(yes) => yes.to_string(),
        DataRef::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            match (at.is_duration(), hour, minute, second) {
                (true, ..) => format!("{hour:02}:{minute:02}"),
                (_, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                (_, _, _, 0) => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        DataRef::Error(error) => return Err(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
    use std::io::Write as _;
    use zip::{ZipWriter, write::SimpleFileOptions};

    #[test]
    fn what_a_spreadsheet_shows_is_what_is_read() {
        let mut book = Workbook::new();
        book.add_worksheet().set_name("空").unwrap();
        let sheet = book.add_worksheet().set_name("台账").unwrap();
        for (column, title) in (0..).zip(["name", "count", "warranty_until", "at", "sum", "on"]) {
            sheet.write_string(2, column, title).unwrap();
        }
        let day = Format::new().set_num_format("yyyy-mm-dd");
        let date = |text: &str| ExcelDateTime::parse_from_str(text).unwrap();
        sheet.write_string(4, 0, " db1 ").unwrap();
        sheet.write_number(4, 1, 5).unwrap();
        sheet
            .write_datetime_with_format(4, 2, date("2027-06-30"), &day)
            .unwrap();
        sheet
            .write_datetime_with_format(4, 3, date("2027-06-30T08:30:00"), &day)
            .unwrap();
        // A spreadsheet stores what it made of a formula beside it; that is all that counts.
        sheet.write_formula(4, 4, Formula::new("=1+1").set_result("7")).unwrap();
        sheet.write_boolean(4, 5, true).unwrap();
        let found = read(&book.save_to_buffer().unwrap()).unwrap();
        assert_eq!((found.name.as_str(), found.head), ("台账", 3));
        let expected = ["db1", "5", "2027-06-30", "2027-06-30 08:30", "7", "true"].map(str::to_owned);
        assert_eq!(found.rows, [(5, expected.to_vec())]);
    }

    #[test]
    fn a_cell_that_is_far_away_costs_nothing() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write_string(0, 0, "name").unwrap();
        sheet.write_string(1_048_575, 0, "x").unwrap();
        let found = read(&book.save_to_buffer().unwrap()).unwrap();
        assert_eq!(found.rows, [(1_048_576, vec!["x".to_owned()])]);
        let mut book = Workbook::new();
        book.add_worksheet().write_string(0, 16_383, "x").unwrap();
        let refused = read(&book.save_to_buffer().unwrap()).unwrap_err();
        assert!(matches!(refused, ReadError::Bounds { row: 1, .. }), "{refused}");
    }

    #[test]
    fn an_archive_that_unfolds_without_end_is_refused() {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        archive
            .start_file("xl/sharedStrings.xml", SimpleFileOptions::default())
            .unwrap();
        let piece = vec![b' '; 1024 * 1024];
        for _ in 0..66 {
            archive.write_all(&piece).unwrap();
        }
        let bytes = archive.finish().unwrap().into_inner();
        assert!(bytes.len() < FILE_BYTES_MAX / 8);
        assert!(matches!(read(&bytes), Err(ReadError::TooMuch)));
    }

    #[test]
    fn what_is_no_sheet_is_refused_in_words() {
        assert!(matches!(
            read(&vec![b'x'; FILE_BYTES_MAX + 1]),
            Err(ReadError::TooLarge)
        ));
        assert!(matches!(read(OLD), Err(ReadError::Old)));
        assert!(matches!(read(&[0xFF, 0xFE, 0x41, 0x00]), Err(ReadError::Unknown)));
        assert!(matches!(
            read(b"PK\x03\x04 and nothing more"),
            Err(ReadError::Archive(_))
        ));
        assert!(matches!(read(b""), Err(ReadError::Csv(SheetError::Empty))));
        let empty = Workbook::new().save_to_buffer().unwrap();
        assert!(matches!(read(&empty), Err(ReadError::Empty)));
    }

    #[test]
    fn no_bytes_are_too_much() {
        let mut book = Workbook::new();
        book.add_worksheet().write_string(0, 0, "name").unwrap();
        let whole = book.save_to_buffer().unwrap();
        bolero::check!()
            .with_type::<(Vec<u8>, Vec<(u16, u8)>)>()
            .for_each(|(bytes, changes)| {
                let _ = read(bytes);
                // A workbook with some of its bytes changed.
                let mut damaged = whole.clone();
                for (at, byte) in changes {
                    let at = usize::from(*at) % damaged.len();
                    damaged[at] = *byte;
                }
                let _ = read(&damaged);
            });
    }
}
