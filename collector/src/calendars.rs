//! Where service calendars come from: built in, `[calendar.NAME]` of `collector.toml`, and imported notices of holidays.
//!
//! An imported notice is a file of its own in the state folder, `holidays/2027.json`: the command line counts by it
//! whether or not a collector runs, and a running collector reads it at once (`keep`).

mod keep;

pub(crate) use keep::{Shared, keep as look_after};

use crate::{
    config::Config,
    input_file,
    toml_table::{Reader, Table},
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};
use tocsin_console::backend::HealthPart;
use tocsin_desk::calendar::{CalendarSpec, Calendars, HolidayError, Holidays, YearFile};
use tocsin_vocabulary::Timestamp;

/// Longest name of a configured calendar, in bytes.
const NAME_MAX: usize = 32;
/// Largest file of holidays, in bytes; a year takes about 4 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Takes `[calendar.NAME]` of the configuration; mistakes are noted.
pub(crate) fn take<'a>(top: &mut Table<'a>, reader: &mut Reader<'a>) -> BTreeMap<String, CalendarSpec> {
    let mut specs = BTreeMap::new();
    let table = top.table("calendar", reader);
    for (name, span, mut table) in table.tables(reader) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(good) {
            let message = format!("calendar `{name}`: a name has small letters, digits, - and _, at most {NAME_MAX}");
            reader.mistake(span.clone(), message);
        }
        let mut spec = CalendarSpec::workdays();
        macro_rules! take {
            ($($key:literal => $slot:ident),*) => { $(
                if let Some(given) = table.take($key, reader) { spec.$slot = given; }
            )* };
        }
        take!("zone" => zone, "days" => days, "hours" => hours, "holidays" => holidays, "on_holidays" => on_holidays,
              "make_up_days" => make_up_days, "closed" => closed, "open" => open);
        for mistake in spec.mistakes() {
            reader.mistake(span.clone(), format!("calendar.{name}: {mistake}"));
        }
        table.finish(reader);
        specs.insert(name, spec);
    }
    specs
}

/// A notice of holidays can't be imported or read.
#[derive(Debug, thiserror::Error)]
pub enum CalendarFileError {
    /// The file can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file can't be kept.
    #[error("cannot write {}: may you write to the state folder? run this as the collector's own user", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a notice.
    #[error("cannot import {}", path.display())]
    Notice {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: HolidayError,
    },
}

/// Where imported notices lie.
#[must_use]
pub fn folder(config: &Config) -> PathBuf {
    config.state_dir.join("holidays")
}

/// All calendars of a site, and what stands against some of the imported files, in words.
#[must_use]
pub fn load(config: &Config) -> (Calendars, Vec<String>) {
    let mut holidays = Holidays::built_in();
    let mut complaints = Vec::new();
    for path in imported(&folder(config), &mut complaints) {
        match read(&path) {
            Ok(file) => holidays.add(file),
            Err(error) => complaints.push(words(&error)),
        }
    }
    (Calendars::new(&config.calendars, holidays), complaints)
}

/// The imported files; a folder that is missing has none.
fn imported(folder: &Path, complaints: &mut Vec<String>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            complaints.push(format!(
                "imported holidays in {} are left out: {error}",
                folder.display()
            ));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
}

/// Reads a notice and checks it; `-` is standard input.
///
/// # Errors
/// When the file can't be read or is no notice.
pub fn read(path: &Path) -> Result<YearFile, CalendarFileError> {
    let failed = |source| CalendarFileError::Read {
        path: path.to_owned(),
        source,
    };
    let text = input_file::text(path, FILE_BYTES_MAX).map_err(failed)?;
    YearFile::parse(&text).map_err(|source| CalendarFileError::Notice {
        path: path.to_owned(),
        source,
    })
}

/// Keeps a notice for good; one of the same year is replaced.
///
/// # Errors
/// When the state folder can't be written.
pub fn keep(config: &Config, file: &YearFile) -> Result<PathBuf, CalendarFileError> {
    let folder = folder(config);
    let path = folder.join(format!("{}.json", file.year));
    match write_whole(&folder, &path, &file.to_json()) {
        Ok(()) => Ok(path),
        Err(source) => Err(CalendarFileError::Write { path, source }),
    }
}

/// Writes a file whole or not at all. Notices are public, and an administrator's import must be readable to the
/// collector's own user, so the file is not made private.
fn write_whole(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let temporary = path.with_extension("new");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(folder)?.sync_all()
}

/// What people must know about notices that are missing; none when nothing is.
#[must_use]
pub fn missing_words(years: &[i16]) -> Option<String> {
    let years: Vec<_> = years.iter().map(ToString::to_string).collect();
    (!years.is_empty()).then(|| {
        format!(
            "the public holidays of {} are not known, so plain weekdays are counted: import the year's notice with \
             `tocsin-collector calendar import FILE`",
            years.join(", ")
        )
    })
}

/// What System says of the calendars. A missing notice is a warning: nothing stands still because of it.
#[must_use]
pub fn health(calendars: &Calendars, now: Timestamp) -> HealthPart {
    let years: Vec<_> = calendars.holidays().years().iter().map(ToString::to_string).collect();
    let known = format!("holidays are known of {}", years.join(", "));
    let missing = missing_words(&calendars.missing_notices(now));
    HealthPart {
        name: "calendars".to_owned(),
        healthy: true,
        detail: missing.map_or(known, |missing| format!("warning: {missing}")),
    }
}

/// An error with its sources.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", words(source)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = r#"{"year": 2027, "days": [{"name": "元旦", "date": "2027-01-04", "isOffDay": true}]}"#;

    #[test]
    fn configured_calendars_stand_beside_the_built_in_ones_and_mistakes_are_told() {
        let text = "[calendar.plant]\ndays = [\"mon\", \"sat\"]\nhours = [\"08:00-12:00\", \"14:00-18:00\"]\n\
                    on_holidays = \"open\"\n";
        let config = Config::parse("c.toml", text).unwrap();
        let (calendars, complaints) = load(&config);
        assert_eq!(complaints, Vec::<String>::new());
        assert_eq!(calendars.get("plant").unwrap().working_day().as_secs(), 8 * 3600);
        assert!(calendars.get("5×8").is_ok());
        let text = "[calendar.plant]\ndays = [\"monday\"]\nhour = 3\nhours = [\"9-5\"]\n[calendar.\"A B\"]\n";
        let mistakes = Config::parse("c.toml", text).unwrap_err();
        assert_eq!(mistakes.mistakes.len(), 4, "{mistakes}");
    }

    #[test]
    fn an_imported_year_is_counted_by_and_a_damaged_file_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            state_dir: folder.path().to_owned(),
            ..Config::default()
        };
        assert!(!load(&config).0.holidays().knows(2027));
        let path = folder.path().join("notice.json");
        std::fs::write(&path, NEXT).unwrap();
        keep(&config, &read(&path).unwrap()).unwrap();
        let (calendars, complaints) = load(&config);
        assert!(calendars.holidays().knows(2027) && complaints.is_empty());
        std::fs::write(super::folder(&config).join("2028.json"), "{}").unwrap();
        let (_, complaints) = load(&config);
        assert!(complaints[0].contains("2028.json"), "{complaints:?}");
    }
}
