//! Writing the indexes, and what is read from all of them.

use super::{
    Blocks, DAY_MS, Found, Replaced,
    day::{DayFile, index_name, scan_live},
    format::BlockHeader,
    index::{Entry, Index, encode},
    open::Start,
};
use crate::{
    disk::{Disk, replace},
    error::StoreError,
    retention::ClassDay,
};
use std::{collections::BTreeSet, io, path::Path, sync::Arc, time::Duration};
use tocsin_vocabulary::{HostId, Timestamp};

/// So many blocks that are in no index are the reason to write one.
const UNINDEXED_MAX: usize = 4_096;
/// A block waits no longer for being in an index.
const UNINDEXED_AGE_MAX: Duration = Duration::from_secs(3_600);

impl Blocks {
    /// Calls `each` with the headers of the indexed blocks that the watermarks of journal segment `segment` may not know.
    pub(crate) fn headers_since(&self, segment: u32, mut each: impl FnMut(BlockHeader)) -> io::Result<()> {
        let files: Vec<Arc<DayFile>> = self.lock().values().cloned().collect();
        for file in files {
            let Some(index) = file.index().filter(|index| index.segment >= segment) else {
                continue;
            };
            let Some(entries) = index.all()? else {
                let live = scan_live(&file, index.covered)?;
                live.into_iter().for_each(|(header, _)| each(header));
                continue;
            };
            for (_, entry) in entries.iter().filter(|(_, entry)| entry.segment >= segment) {
                let start = Start::read(&file, entry.offset)?;
                start.into_iter().for_each(|start| each(start.header));
            }
        }
        Ok(())
    }

    /// Writes the indexes that are due. `segment` is the journal's active one. Of a day whose index can't be written the
    /// blocks stay in memory.
    ///
    /// # Errors
    /// The first that could not be written.
    pub(crate) fn write_indexes(&self, now: Timestamp, segment: u32) -> Result<(), StoreError> {
        let files: Vec<Arc<DayFile>> = self.lock().values().cloned().collect();
        let due = files.iter().filter(|file| self.index_is_due(file, now));
        let written = due.map(|file| {
            let written = self.write_index(file, segment.saturating_add(1));
            written.map_err(StoreError::write("write the index of", &file.path))
        });
        written.fold(Ok(()), Result::and)
    }

    fn index_is_due(&self, file: &DayFile, now: Timestamp) -> bool {
        if file.index().is_some_and(|index| index.is_damaged()) {
            return true;
        }
        let mut recent = self.recent();
        let Some((count, since)) = recent.waiting.get_mut(&file.key()) else {
            return false;
        };
        let since = *since.get_or_insert(now);
        *count >= UNINDEXED_MAX || now.since(since) >= UNINDEXED_AGE_MAX
    }

    /// Writes the index of a day. `segment`: later ones begin with watermarks that know all blocks there are now.
    fn write_index(&self, file: &Arc<DayFile>, segment: u32) -> io::Result<()> {
        let covered = file.end();
        let mut entries = self.indexed(file, segment)?;
        let mut fresh = Vec::new();
        {
            let recent = self.recent();
            let gone = |host: &HostId, entry: &Entry| {
                let hour = file.day + i64::from(entry.hour);
                let same =
                    |one: &Replaced| (one.class, one.hour, one.generation) == (file.class, hour, entry.generation);
                recent
                    .replaced
                    .get(host)
                    .is_some_and(|replaced| replaced.iter().any(same))
            };
            entries.retain(|(host, entry)| !gone(host, entry));
            for (host, blocks) in &recent.blocks {
                let of_day = blocks.iter().filter(|block| block.file.key() == file.key());
                fresh.extend(of_day.map(|block| (*host, block.clone())));
            }
        }
        for (host, block) in fresh {
            entries.push((host, block.entry(segment)?));
        }
        let name = index_name(file.key());
        let bytes = encode(file.day, covered, entries);
        replace(self.disk.as_ref(), &self.dir, &name, &bytes)?;
        let index = Index::open(self.disk.open(&self.dir.join(&name), false)?, file.day)?;
        let index = index.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        // Who lists has either the old index and these blocks, or the new one without them.
        let mut recent = self.recent();
        recent.forget(file.key(), |block| block.offset < covered);
        file.set_index(index.with_alarm(&self.damaged_indexes));
        Ok(())
    }

    /// The entries of a day's index; when they are damaged, as its blocks say.
    fn indexed(&self, file: &Arc<DayFile>, segment: u32) -> io::Result<Vec<(HostId, Entry)>> {
        let Some(index) = file.index() else {
            return Ok(Vec::new());
        };
        if let Some(entries) = index.all()? {
            return Ok(entries);
        }
        tracing::error!(path = %file.path.display(), "the index of a day is damaged, making it anew from its blocks");
        let live = scan_live(file, index.covered)?;
        live.into_iter()
            .map(|(header, place)| Ok((header.host, place.entry(segment)?)))
            .collect()
    }

    /// The hours of a day file of which a host has more than one block, all of them in it, by host.
    pub(crate) fn layered(&self, key: ClassDay) -> io::Result<Vec<(HostId, i64)>> {
        let Some(file) = self.find(key) else {
            return Ok(Vec::new());
        };
        let mut hosts: BTreeSet<HostId> = file
            .index()
            .iter()
            .flat_map(|index| index.hosts().collect::<Vec<_>>())
            .collect();
        hosts.extend(self.recent().blocks.keys().copied());
        let mut layered = Vec::new();
        for host in hosts {
            let blocks = self.list(host, key.day..=key.day + DAY_MS - 1).read()?;
            let hours = blocks.chunk_by(|one, other| one.hour == other.hour);
            layered.extend(
                hours
                    .filter(|of_hour| of_hour.len() > 1 && of_hour.iter().all(|block| block.file.key() == key))
                    .map(|of_hour| (host, of_hour[0].hour)),
            );
        }
        Ok(layered)
    }
}

/// The index of a day file; `None` when there is none or it can't be used.
pub(super) fn open_index(disk: &dyn Disk, dir: &Path, file: &DayFile, found: &mut Found) -> io::Result<Option<Index>> {
    let path = dir.join(index_name(file.key()));
    let bytes = match disk.open(&path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let index = Index::open(bytes, file.day)?.filter(|index| index.covered <= file.end());
    if index.is_none() {
        tracing::error!(path = %path.display(), "the index of a day is damaged, reading its blocks instead");
        found.damaged += 1;
    }
    Ok(index)
}
