//! One file of blocks, and finding the blocks in it by their headers.

use super::{
    BlockRef, DAY_MS, Found, OpenBlock,
    format::{BlockHeader, MAGIC, Version},
    index::{Entry, Index},
    open::Start,
};
use crate::{
    bytes::{length_u32, length_usize},
    disk::{Disk, DiskFile},
    retention::{ClassDay, RetentionClass},
};
use std::{
    collections::HashSet,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tocsin_vocabulary::HostId;

/// The blocks of one UTC day and retention class.
#[derive(Debug)]
pub(crate) struct DayFile {
    /// Start of the day, epoch milliseconds.
    pub(crate) day: i64,
    /// Of which retention class its hosts are.
    pub(crate) class: RetentionClass,
    /// Where it lies.
    pub(crate) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    length: AtomicU64,
    index: Mutex<Option<Arc<Index>>>,
}

/// Opens a file of blocks, made when missing.
pub(crate) fn open_day(disk: &dyn Disk, key: ClassDay, path: PathBuf) -> io::Result<Arc<DayFile>> {
    let file = disk.open(&path, true)?;
    let length = AtomicU64::new(file.len()?);
    Ok(Arc::new(DayFile {
        day: key.day,
        class: key.class,
        path,
        file,
        length,
        index: Mutex::default(),
    }))
}

impl DayFile {
    /// The first `length` bytes of a file that is only read.
    pub(crate) fn to_read(file: Arc<dyn DiskFile>, path: PathBuf, length: u64) -> Arc<Self> {
        Arc::new(Self {
            day: 0,
            class: RetentionClass::DEFAULT,
            path,
            file,
            length: AtomicU64::new(length),
            index: Mutex::default(),
        })
    }

    /// What it stands for.
    pub(crate) const fn key(&self) -> ClassDay {
        ClassDay {
            day: self.day,
            class: self.class,
        }
    }

    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    /// Where the next block will lie. One thread seals.
    pub(crate) fn end(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Appends a block that was encoded for [`Self::end`]. Not yet durable.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)?;
        self.length.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        Ok(())
    }

    /// Cuts off what was appended since the file had this length.
    pub(crate) fn undo(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)?;
        self.length.store(length, Ordering::Release);
        Ok(())
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Its index, if it has one.
    pub(super) fn index(&self) -> Option<Arc<Index>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_index(&self, index: Index) {
        *self.index.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
    }
}

impl BlockRef {
    /// The block of an entry.
    pub(super) fn of_entry(file: &Arc<DayFile>, entry: &Entry) -> Self {
        Self {
            file: file.clone(),
            offset: entry.offset,
            hour: file.day + i64::from(entry.hour),
            generation: entry.generation,
        }
    }

    /// Its entry. One whose header can't be read stays known, so that the damage is told to who asks for it.
    pub(super) fn entry(&self, segment: u32) -> io::Result<Entry> {
        let start = Start::read(&self.file, self.offset)?;
        let within = |time: i64| u32::try_from((time - self.file.day).clamp(0, DAY_MS)).unwrap_or(0);
        let span = start.map_or((0, 0, 0), |start| {
            let (first, last) = (start.header.first.as_millis(), start.header.last.as_millis());
            (
                length_u32(length_usize(start.total_bytes())),
                within(first),
                within(last),
            )
        });
        Ok(Entry {
            hour: within(self.hour),
            generation: self.generation,
            offset: self.offset,
            length: span.0,
            first: span.1,
            last: span.2,
            segment,
        })
    }
}

/// All blocks of a file that count, found by their headers: for when its index is damaged.
pub(super) fn scan_live(day: &Arc<DayFile>, end: u64) -> io::Result<Vec<(BlockHeader, BlockRef)>> {
    let mut found = Found::default();
    scan_blocks(day, 0, &|_| false, &mut found)?;
    let mut replaced = HashSet::new();
    for (header, _) in &found.blocks {
        let of = |generation: &u32| (header.host, header.hour, *generation);
        replaced.extend(header.replaces.iter().map(of));
    }
    let mut live = found.blocks;
    live.retain(|(header, place)| {
        place.offset < end && !replaced.contains(&(header.host, header.hour, header.generation))
    });
    Ok(live)
}

/// The blocks of one host as [`scan_live`] finds them.
pub(super) fn scan_host(day: &Arc<DayFile>, end: u64, host: HostId) -> io::Result<Vec<BlockRef>> {
    tracing::error!(path = %day.path.display(), %host, "the index of a day is damaged, reading its blocks instead");
    let live = scan_live(day, end)?;
    Ok(live
        .into_iter()
        .filter(|(header, _)| header.host == host)
        .map(|(_, place)| place)
        .collect())
}

/// Reads the headers from `from` on and cuts off what is unfinished at the end.
pub(super) fn scan_day(
    day: &Arc<DayFile>,
    from: u64,
    suspect: &impl Fn(&BlockHeader) -> bool,
    found: &mut Found,
) -> io::Result<()> {
    let end_of_good = scan_blocks(day, from, suspect, found)?;
    if end_of_good < day.end() {
        found.torn_bytes += day.end() - end_of_good;
        tracing::warn!(path = %day.path.display(), from = end_of_good, to = day.end(), "cut off an unfinished block");
        day.undo(end_of_good)?;
        day.sync()?;
    }
    Ok(())
}

/// Reads the headers from `from` on. Answers where the last good block ends.
fn scan_blocks(
    day: &Arc<DayFile>,
    from: u64,
    suspect: &impl Fn(&BlockHeader) -> bool,
    found: &mut Found,
) -> io::Result<u64> {
    let (mut at, mut end_of_good) = (from, from);
    let mut unreadable = 0;
    while at < day.end() {
        if let Some((header, length)) = read_block(day, at, suspect)? {
            found.damaged += std::mem::take(&mut unreadable);
            let place = BlockRef {
                file: day.clone(),
                offset: at,
                hour: header.hour,
                generation: header.generation,
            };
            found.blocks.push((header, place));
            at += length;
            end_of_good = at;
        } else {
            unreadable = 1;
            at = next_magic(day, at + 1)?;
        }
    }
    Ok(end_of_good)
}

/// The header of the block at `offset` and the block's length, unless it is cut short or not to be believed.
fn read_block(
    day: &Arc<DayFile>,
    offset: u64,
    suspect: &impl Fn(&BlockHeader) -> bool,
) -> io::Result<Option<(BlockHeader, u64)>> {
    let Some(start) = Start::read(day, offset)? else {
        return Ok(None);
    };
    let length = start.total_bytes();
    if offset + length > day.end() {
        return Ok(None);
    }
    // What takes the place of other blocks must be whole: they would be left out for it.
    if suspect(&start.header) || !start.header.replaces.is_empty() {
        let block = start.open(day, None);
        return Ok(block.filter(OpenBlock::is_whole).map(|block| (block.header, length)));
    }
    Ok(Some((start.header, length)))
}

/// Where the magic occurs next, or the end of the file.
pub(crate) fn next_magic(day: &DayFile, mut from: u64) -> io::Result<u64> {
    const WINDOW: u64 = 1 << 20;
    let end = day.end();
    while from < end {
        let mut window = vec![0; length_usize((end - from).min(WINDOW))];
        day.read_at(from, &mut window)?;
        let magic = |bytes: &[u8]| bytes[..3] == MAGIC && Version::from_byte(bytes[3]).is_some();
        if let Some(place) = window.windows(4).position(magic) {
            return Ok(from + place as u64);
        }
        if end - from <= WINDOW {
            break;
        }
        from += WINDOW - 3;
    }
    Ok(end)
}

/// `2026-11-22.blk`, `2026-11-22.bank.blk`.
pub(super) fn day_name(key: ClassDay) -> String {
    format!("{}.blk", key.stem())
}

/// `2026-11-22.index`, `2026-11-22.bank.index`.
pub(super) fn index_name(key: ClassDay) -> String {
    format!("{}.index", key.stem())
}

/// The day and class of a name with this ending.
pub(crate) fn day_of_name(name: &str, ending: &str) -> Option<ClassDay> {
    name.strip_suffix(ending).and_then(ClassDay::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_names_read_back() {
        let day = ClassDay::first(20_414 * DAY_MS);
        assert_eq!(day_name(day), "2025-11-22.blk");
        let bank = ClassDay {
            class: "bank".parse().unwrap(),
            ..day
        };
        assert_eq!(index_name(bank), "2025-11-22.bank.index");
        assert_eq!(day_of_name("2025-11-22.bank.index", ".index"), Some(bank));
        assert_eq!(day_of_name("2025-11-22.blk", ".blk"), Some(day));
        assert_eq!(day_of_name(&index_name(day), ".index"), Some(day));
        assert_eq!(day_of_name("2025-11-22.index", ".blk"), None);
        assert_eq!(day_of_name("../../etc/pw.blk", ".blk"), None);
    }
}
