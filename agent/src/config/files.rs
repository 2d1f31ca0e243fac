//! `[files]`, `[[file]]`: configuration files that are watched.

use super::{check_filled, read::Table, read_filled};
use crate::watched::{FilesConfig, Pattern};

pub(super) fn read_files(table: &mut Table<'_, '_, '_>) -> FilesConfig {
    let default = FilesConfig::default();
    let mut files = table.table("files", |files| FilesConfig {
        default: files.boolean("default", default.default),
        bytes_max: files
            .parsed("size", "from 1KiB to 1024KiB, such as 256KiB", read_kibibytes)
            .unwrap_or(default.bytes_max),
        mask: files.texts("mask", check_filled).unwrap_or(default.mask),
        paths: Vec::new(),
    });
    files.paths = table.tables("file", |file| {
        let (span, before) = (file.span.clone(), file.mistakes.list.len());
        let path = file.parsed("path", "such as \"/etc/nginx/**/*.conf\"", |text| {
            let text = read_filled(text).map_err(str::to_owned)?;
            Pattern::new(&text)
                .map(|_| text.clone())
                .map_err(|error| error.to_string())
        });
        if path.is_none() && file.mistakes.list.len() == before {
            file.mistakes
                .add(&span, "a [[file]] has no `path`", "such as \"/etc/nginx/**/*.conf\"");
        }
        path
    });
    files
}

/// Reads `256KiB`: what a document may have at most is 1 MiB.
fn read_kibibytes(text: &str) -> Result<usize, String> {
    let number = text
        .strip_suffix("KiB")
        .and_then(|number| number.trim().parse::<usize>().ok());
    match number {
        Some(number @ 1..=1024) => Ok(number << 10),
        _ => Err(format!("`{text}` is not a size from 1KiB to 1024KiB")),
    }
}
