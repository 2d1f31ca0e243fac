//! Sealed blocks: one host, one hour, one dictionary, one generation, in the day file of that hour.
//!
//! A day file `blocks/YYYY-MM-DD.blk` only grows, block by block, and is removed as a whole when its time is over.
//! Late ticks of a sealed hour become one more generation; queries merge generations, the highest wins.

pub(crate) mod column;
pub(crate) mod format;

use crate::{
    bytes::length_usize,
    disk::{Disk, DiskFile},
    error::{OpenError, StoreError},
    intervals::Intervals,
};
use format::{BlockHeader, MAGIC, PREFIX_BYTES, Prefix};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tocsin_vocabulary::{Dictionary, HostId, SpoolId, Timestamp, batch::Cell};

/// A day in milliseconds.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// The blocks of one UTC day.
#[derive(Debug)]
pub(crate) struct DayFile {
    /// Start of the day, epoch milliseconds.
    pub(crate) day: i64,
    /// Where it lies.
    pub(crate) path: PathBuf,
    file: Arc<dyn DiskFile>,
    length: AtomicU64,
}

/// Where a block lies.
#[derive(Debug, Clone)]
pub(crate) struct BlockRef {
    pub(crate) file: Arc<DayFile>,
    pub(crate) offset: u64,
    pub(crate) hour: i64,
    pub(crate) generation: u32,
}

/// Ticks of one host, hour and dictionary, column by column: what becomes a block.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// What the columns mean.
    pub(crate) dictionary: Dictionary,
    /// Times of the ticks, epoch milliseconds, sorted.
    pub(crate) times: Vec<i64>,
    /// For each series of the dictionary its cells, one for each time.
    pub(crate) cells: Vec<Vec<Cell>>,
    /// Which sequence numbers these ticks bear.
    pub(crate) seqs: Vec<(SpoolId, Intervals)>,
}

/// Where the blocks of a host lie, as of one moment. Made under the host's lock; reading it needs none.
#[derive(Debug)]
pub(crate) struct Listing(Vec<BlockRef>);

impl Listing {
    /// The blocks, sorted by (hour, generation).
    pub(crate) fn read(self) -> io::Result<Vec<BlockRef>> {
        Ok(self.0)
    }
}

/// A block's header, ready to read columns.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    pub(crate) header: BlockHeader,
    file: Arc<DayFile>,
    body: u64,
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl BlockRef {
    /// Whether both are the same block.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.offset == other.offset
    }

    /// Reads the header.
    pub(crate) fn open(&self) -> io::Result<OpenBlock> {
        let (header, prefix) =
            read_header(self.file.file.as_ref(), self.offset)?.ok_or_else(|| invalid("block header is damaged"))?;
        let body = self.offset + PREFIX_BYTES as u64 + u64::from(prefix.header_bytes);
        Ok(OpenBlock {
            header,
            file: self.file.clone(),
            body,
        })
    }
}

impl OpenBlock {
    fn column_bytes(&self, index: usize) -> io::Result<Vec<u8>> {
        let column = self
            .header
            .columns
            .get(index)
            .ok_or_else(|| invalid("block has no such column"))?;
        let before: u64 = self.header.columns[..index]
            .iter()
            .map(|column| u64::from(column.bytes))
            .sum();
        let mut bytes = vec![0; column.bytes as usize];
        self.file.file.read_at(self.body + before, &mut bytes)?;
        if crc32c::crc32c(&bytes) == column.crc {
            Ok(bytes)
        } else {
            Err(invalid("block column is damaged"))
        }
    }

    /// The times of its ticks, epoch milliseconds, sorted.
    pub(crate) fn times(&self) -> io::Result<Vec<i64>> {
        column::decode_integers(&self.column_bytes(0)?, self.header.ticks)
            .ok_or_else(|| invalid("block time column is damaged"))
    }

    /// The cells of one series, counted as in its dictionary.
    pub(crate) fn cells(&self, series: usize) -> io::Result<Vec<Cell>> {
        column::decode(&self.column_bytes(series + 1)?, self.header.ticks)
            .ok_or_else(|| invalid("block column is damaged"))
    }

    /// Whether every column is whole.
    pub(crate) fn is_whole(&self) -> bool {
        (0..self.header.columns.len()).all(|index| self.column_bytes(index).is_ok())
    }
}

/// Reads prefix and header at `offset`; `None` when there is no whole header.
pub(crate) fn read_header(file: &dyn DiskFile, offset: u64) -> io::Result<Option<(BlockHeader, Prefix)>> {
    let mut start = [0; PREFIX_BYTES];
    match file.read_at(offset, &mut start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let Some(prefix) = Prefix::decode(&start) else {
        return Ok(None);
    };
    let mut header = vec![0; prefix.header_bytes as usize];
    match file.read_at(offset + PREFIX_BYTES as u64, &mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    Ok(BlockHeader::decode(&prefix, &start, &header, offset).map(|header| (header, prefix)))
}

/// What was found in the day files at start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Every readable block.
    pub(crate) blocks: Vec<(BlockHeader, BlockRef)>,
    /// Places that were not readable and have blocks behind them, or blocks with damaged columns.
    pub(crate) damaged: u64,
    /// Bytes cut off because no block could be read there.
    pub(crate) torn_bytes: u64,
}

/// All day files.
#[derive(Debug)]
pub(crate) struct Blocks {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    days: Mutex<BTreeMap<i64, Arc<DayFile>>>,
    places: Mutex<HashMap<HostId, Vec<BlockRef>>>,
}

impl Blocks {
    /// Opens the day files and reads all headers. A block for which `suspect` says that the journal still has its
    /// ticks is believed only when all its columns are whole: it may have been cut short by a power cut.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        suspect: impl Fn(&BlockHeader) -> bool,
    ) -> Result<(Self, Found), OpenError> {
        let names = disk.list(&dir).map_err(OpenError::io("list", &dir))?;
        let mut found = Found::default();
        let mut days = BTreeMap::new();
        for name in names {
            let Some(day) = day_of_name(&name) else {
                continue;
            };
            let path = dir.join(&name);
            let day_file = open_day(disk.as_ref(), day, path.clone()).map_err(OpenError::io("open", &path))?;
            scan_day(&day_file, &suspect, &mut found).map_err(OpenError::io("read", &path))?;
            days.insert(day, day_file);
        }
        Ok((
            Self {
                disk,
                dir,
                days: Mutex::new(days),
                places: Mutex::default(),
            },
            found,
        ))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Arc<DayFile>>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> MutexGuard<'_, HashMap<HostId, Vec<BlockRef>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on readers find this block, which is synced.
    pub(crate) fn publish(&self, host: HostId, block: BlockRef) {
        let mut places = self.places();
        let blocks = places.entry(host).or_default();
        let key = (block.hour, block.generation);
        let at = blocks.partition_point(|known| (known.hour, known.generation) <= key);
        blocks.insert(at, block);
    }

    /// The blocks of a host in these hours.
    pub(crate) fn list(&self, host: HostId, hours: RangeInclusive<i64>) -> Listing {
        let places = self.places();
        let blocks = places.get(&host).map_or(&[][..], Vec::as_slice);
        let from = blocks.partition_point(|block| block.hour < *hours.start());
        let to = blocks.partition_point(|block| block.hour <= *hours.end());
        Listing(blocks[from..to.max(from)].to_vec())
    }

    /// The newest block of a host.
    pub(crate) fn newest(&self, host: HostId) -> io::Result<Option<BlockRef>> {
        Ok(self.places().get(&host).and_then(|blocks| blocks.last().cloned()))
    }

    /// The generation that a new block of this hour gets.
    pub(crate) fn next_generation(&self, host: HostId, hour: i64) -> io::Result<u32> {
        let blocks = self.list(host, hour..=hour).read()?;
        let next = blocks.iter().map(|block| block.generation.saturating_add(1)).max();
        Ok(next.unwrap_or(0))
    }

    /// The file for blocks of this hour, made when missing.
    pub(crate) fn day_file(&self, hour: i64) -> Result<Arc<DayFile>, StoreError> {
        let day = hour.div_euclid(DAY_MS) * DAY_MS;
        let mut days = self.lock();
        if let Some(file) = days.get(&day) {
            return Ok(file.clone());
        }
        let path = self.dir.join(day_name(day));
        let open = || {
            let file = open_day(self.disk.as_ref(), day, path.clone())?;
            self.disk.sync_dir(&self.dir)?;
            Ok(file)
        };
        let file = open().map_err(StoreError::write("create", &path))?;
        days.insert(day, file.clone());
        Ok(file)
    }

    /// Removes a day. Blocks that are being read stay readable until their reader is done.
    pub(crate) fn drop_day(&self, day: i64) -> Result<(), StoreError> {
        let Some(file) = self.lock().remove(&day) else {
            return Ok(());
        };
        for blocks in self.places().values_mut() {
            blocks.retain(|block| block.file.day != day);
        }
        self.disk
            .unlink(&file.path)
            .map_err(StoreError::write("remove", &file.path))?;
        self.disk
            .sync_dir(&self.dir)
            .map_err(StoreError::write("sync", &self.dir))
    }

    /// Starts of all days that have a file, oldest first.
    pub(crate) fn days(&self) -> Vec<i64> {
        self.lock().keys().copied().collect()
    }

    /// Bytes of all day files.
    pub(crate) fn size(&self) -> u64 {
        self.lock()
            .values()
            .map(|file| file.length.load(Ordering::Relaxed))
            .sum()
    }
}

impl DayFile {
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
}

/// Opens a file of blocks, made when missing.
pub(crate) fn open_day(disk: &dyn Disk, day: i64, path: PathBuf) -> io::Result<Arc<DayFile>> {
    let file = disk.open(&path, true)?;
    let length = AtomicU64::new(file.len()?);
    Ok(Arc::new(DayFile {
        day,
        path,
        file,
        length,
    }))
}

/// `2026-11-22.blk`.
fn day_name(day: i64) -> String {
    let date: String = Timestamp::from_millis(day).to_string().chars().take(10).collect();
    format!("{date}.blk")
}

fn day_of_name(name: &str) -> Option<i64> {
    let date = name.strip_suffix(".blk").filter(|date| date.len() == 10)?;
    format!("{date}T00:00:00Z")
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millis)
}

fn scan_day(day: &Arc<DayFile>, suspect: &impl Fn(&BlockHeader) -> bool, found: &mut Found) -> io::Result<()> {
    let (mut at, mut end_of_good) = (0, 0);
    let mut unreadable = 0;
    while at < day.end() {
        if let Some((block, length)) = read_block(day, at, suspect)? {
            found.damaged += std::mem::take(&mut unreadable);
            let place = BlockRef {
                file: day.clone(),
                offset: at,
                hour: block.header.hour,
                generation: block.header.generation,
            };
            found.blocks.push((block.header, place));
            at += length;
            end_of_good = at;
        } else {
            unreadable = 1;
            at = next_magic(day, at + 1)?;
        }
    }
    if end_of_good < day.end() {
        found.torn_bytes += day.end() - end_of_good;
        tracing::warn!(path = %day.path.display(), from = end_of_good, to = day.end(), "cut off an unfinished block");
        day.undo(end_of_good)?;
        day.sync()?;
    }
    Ok(())
}

/// The block at `offset` and its length, unless it is cut short or not to be believed.
fn read_block(
    day: &Arc<DayFile>,
    offset: u64,
    suspect: &impl Fn(&BlockHeader) -> bool,
) -> io::Result<Option<(OpenBlock, u64)>> {
    let Some((header, prefix)) = read_header(day.file.as_ref(), offset)? else {
        return Ok(None);
    };
    let length = prefix.total_bytes();
    if offset + length > day.end() {
        return Ok(None);
    }
    let body = offset + PREFIX_BYTES as u64 + u64::from(prefix.header_bytes);
    let block = OpenBlock {
        header,
        file: day.clone(),
        body,
    };
    let believed = !suspect(&block.header) || block.is_whole();
    Ok(believed.then_some((block, length)))
}

/// Where the magic occurs next, or the end of the file.
fn next_magic(day: &DayFile, mut from: u64) -> io::Result<u64> {
    const WINDOW: u64 = 1 << 20;
    let end = day.end();
    while from < end {
        let mut window = vec![0; length_usize((end - from).min(WINDOW))];
        day.file.read_at(from, &mut window)?;
        if let Some(place) = window.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
            return Ok(from + place as u64);
        }
        if end - from <= WINDOW {
            break;
        }
        from += WINDOW - (MAGIC.len() as u64 - 1);
    }
    Ok(end)
}

/// The folder of day files in a store.
pub(crate) fn folder(store: &Path) -> PathBuf {
    store.join("blocks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_names_read_back() {
        let day = 20_414 * DAY_MS;
        assert_eq!(day_name(day), "2025-11-22.blk");
        assert_eq!(day_of_name("2025-11-22.blk"), Some(day));
        assert_eq!(day_of_name("../../etc/pw.blk"), None);
    }
}
