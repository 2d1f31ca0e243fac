//! Sheets as files of the command line: CSV or XLSX, read and written beside the collector, which sees rows only.

use crate::input_file;
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
};
use tocsin_desk::register::sheet::Sheet;
use tocsin_sheets::{FILE_BYTES_MAX, Form};

/// Where a sheet goes.
#[derive(Debug, Args)]
pub struct Out {
    /// File to write; standard output without it
    file: Option<PathBuf>,
    /// csv or xlsx; without it as the file's name ends, else csv
    #[arg(long, value_parser = form)]
    format: Option<Form>,
}

fn form(word: &str) -> Result<Form, String> {
    Form::parse(word).ok_or_else(|| format!("`{word}` is neither csv nor xlsx"))
}

#[derive(Deserialize)]
struct Cells {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Out {
    /// Writes columns and rows; answers what there is to print.
    ///
    /// # Errors
    /// When the file can't be written, in words.
    pub(crate) fn put(&self, name: &str, cells: &Value) -> Result<String, String> {
        let cells: Cells = serde_json::from_value(cells.clone()).map_err(|error| error.to_string())?;
        let ending = self
            .file
            .as_deref()
            .and_then(Path::extension)
            .and_then(|ending| ending.to_str());
        let form = self.format.or_else(|| ending.and_then(Form::parse)).unwrap_or_default();
        let columns: Vec<&str> = cells.columns.iter().map(String::as_str).collect();
        let count = cells.rows.len();
        let now = (crate::clock::system())();
        let bytes = tocsin_sheets::write(form, name, &columns, cells.rows, now).map_err(|error| error.to_string())?;
        match &self.file {
            Some(file) => {
                std::fs::write(file, bytes).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
                Ok(format!("{count} rows in {}", file.display()))
            }
            None => {
                let mut out = std::io::stdout();
                // A reader that goes away has seen what it wanted.
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
                Ok(String::new())
            }
        }
    }
}

/// The sheet in a file, or on standard input for `-`.
///
/// # Errors
/// When it can't be read or is no sheet, in words.
pub(crate) fn read(file: &Path) -> Result<Sheet, String> {
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let name = input_file::name(file);
    let bytes = input_file::bytes(file, most).map_err(|error| format!("cannot read {name}: {error}"))?;
    tocsin_sheets::read(&bytes).map_err(|error| format!("{name}: {error}"))
}
