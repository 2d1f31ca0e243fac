//! How far a receiver has come: one line in a file of the state folder.
//!
//! `tocsin-cursor 1 SEGMENT:OFFSET:REBUILD_FROM DONE OF RECEIVED_MS`. A chunk of backlog may take several requests: DONE
//! counts those that were answered already, OF is the bytes of all of them, by which they are known again. RECEIVED_MS is
//! when the newest tick that was passed on had arrived. The file is replaced after every request, so that a killed process repeats at most the request that was on its way; it is synced now and
//! then only, so that the disk is left to the journal: a power cut may repeat the last [`SYNC_EVERY`].

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_metrics::Position;
use tocsin_vocabulary::Timestamp;

/// Longest time between two syncs.
const SYNC_EVERY: Duration = Duration::from_secs(10);

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Where the next batch begins.
    pub(crate) position: Position,
    /// Requests of it that were accepted or given up already.
    pub(crate) done: u32,
    /// Bytes of all its requests; when they come to something else, none of them counts as done.
    pub(crate) of: u64,
    /// When the newest tick before it arrived.
    pub(crate) received_at: Timestamp,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Cursor {
    path: PathBuf,
    written: Option<Place>,
    synced_at: Timestamp,
}

impl Cursor {
    /// The cursor of an export; its file is written by [`Self::write`].
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(format!("{name}.cursor")),
            written: None,
            synced_at: Timestamp::default(),
        }
    }

    /// What is written; none before anything was. A file that can't be understood means the journal's beginning: rather
    /// twice than never.
    pub(crate) fn read(&self) -> io::Result<Option<Place>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(parse(&text).unwrap_or_else(|| {
                tracing::error!(file = %self.path.display(), "the cursor is damaged: all that the journal holds is sent again");
                Place::default()
            }))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(Place::default())),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file; nothing when it says that already.
    pub(crate) fn write(&mut self, place: Place, now: Timestamp) -> io::Result<()> {
        if self.written == Some(place) {
            return Ok(());
        }
        let temporary = self.path.with_extension("cursor.new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        let Place {
            position,
            done,
            of,
            received_at,
        } = place;
        writeln!(
            file,
            "tocsin-cursor 1 {position} {done} {of} {}",
            received_at.as_millis()
        )?;
        if now.since(self.synced_at) >= SYNC_EVERY {
            file.sync_data()?;
            self.synced_at = now;
        }
        fs::rename(&temporary, &self.path)?;
        self.written = Some(place);
        Ok(())
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn parse(text: &str) -> Option<Place> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    if (words.next()?, words.next()?) != ("tocsin-cursor", "1") {
        return None;
    }
    let place = Place {
        position: words.next()?.parse().ok()?,
        done: words.next()?.parse().ok()?,
        of: words.next()?.parse().ok()?,
        received_at: Timestamp::from_millis(words.next()?.parse().ok()?),
    };
    words.next().is_none().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_a_damaged_one_means_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::new(folder.path(), "archive");
        assert_eq!(cursor.read().unwrap(), None);
        let place = Place {
            position: "7:1234:6".parse().unwrap(),
            done: 3,
            of: 8_000,
            received_at: Timestamp::from_millis(99),
        };
        cursor.write(place, Timestamp::from_millis(100)).unwrap();
        assert_eq!(cursor.read().unwrap(), Some(place));
        for damage in [
            &b"tocsin-cursor 1 7:1234:6 3 8000"[..],
            b"",
            b"tocsin-cursor 2 7:1:6 3 8 9\n",
            b"\xff\n",
        ] {
            fs::write(cursor.path(), damage).unwrap();
            assert_eq!(cursor.read().unwrap(), Some(Place::default()));
        }
    }

    #[test]
    fn any_text_is_a_place_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = parse(&String::from_utf8_lossy(bytes));
        });
    }
}
