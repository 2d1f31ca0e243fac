//! Sealed blocks: one host, one hour, one dictionary, one generation, in the day file of that hour.
//!
//! A day file `blocks/YYYY-MM-DD.blk`, or `blocks/YYYY-MM-DD.CLASS.blk` of a retention class other than the default one,
//! only grows, block by block, and is removed as a whole when its time is over. A day of a host lies in one of them.
//! Late ticks of a sealed hour become one more generation; queries merge generations, the highest wins.
//!
//! Beside it lies its index. Blocks that are not in it yet are kept in memory and, at a start, found by their headers.

pub(crate) mod column;
pub(crate) mod day;
mod directory;
mod first;
pub(crate) mod format;
pub(crate) mod index;
mod indexing;
pub(crate) mod open;
mod pack;

pub(crate) use day::{DayFile, open_day};
pub(crate) use open::OpenBlock;

use crate::{
    disk::Disk,
    error::{OpenError, StoreError},
    fold::Folding,
    intervals::Intervals,
    retention::{ClassDay, RetentionClass},
};
use day::{day_name, day_of_name, index_name, scan_day, scan_host};
use format::BlockHeader;
use index::Index;
use indexing::open_index;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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

impl BlockRef {
    /// Whether both are the same block.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.offset == other.offset
    }
}

/// Where the blocks of a host lie, as of one moment. Made under the host's lock; reading it needs none.
#[derive(Debug)]
pub(crate) struct Listing {
    host: HostId,
    hours: RangeInclusive<i64>,
    recent: Vec<BlockRef>,
    indexed: Vec<(Arc<DayFile>, Arc<Index>)>,
    replaced: Vec<Replaced>,
}

impl Listing {
    /// The blocks, sorted by (hour, generation).
    pub(crate) fn read(self) -> io::Result<Vec<BlockRef>> {
        let mut blocks = self.recent;
        for (file, index) in &self.indexed {
            let found = match index.read(self.host)? {
                Some(entries) => entries.iter().map(|entry| BlockRef::of_entry(file, entry)).collect(),
                None => scan_host(file, index.covered, self.host)?,
            };
            let wanted =
                |block: &BlockRef| self.hours.contains(&block.hour) && !self.replaced.iter().any(|gone| gone.is(block));
            blocks.extend(found.into_iter().filter(wanted));
        }
        blocks.sort_by_key(|block| (block.hour, block.generation));
        Ok(blocks)
    }
}

/// What was found in the day files at start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Every readable block that is in no index.
    pub(crate) blocks: Vec<(BlockHeader, BlockRef)>,
    /// The hosts of the indexes.
    pub(crate) hosts: BTreeSet<HostId>,
    /// Places that were not readable and have blocks behind them, blocks with damaged columns, damaged indexes.
    pub(crate) damaged: u64,
    /// Bytes cut off because no block could be read there.
    pub(crate) torn_bytes: u64,
}

/// An hour's generation that no longer counts, and whose index may still name it.
#[derive(Debug, Clone, Copy)]
struct Replaced {
    class: RetentionClass,
    hour: i64,
    generation: u32,
}

impl Replaced {
    fn is(&self, block: &BlockRef) -> bool {
        (self.class, self.hour, self.generation) == (block.file.class, block.hour, block.generation)
    }
}

/// Blocks that are in no index yet, and what they change in those that are.
#[derive(Debug, Default)]
struct Recent {
    blocks: HashMap<HostId, Vec<BlockRef>>,
    /// Indexed blocks that no longer count.
    replaced: HashMap<HostId, Vec<Replaced>>,
    /// For each day file how many, and since when some wait.
    waiting: BTreeMap<ClassDay, (usize, Option<Timestamp>)>,
}

/// All day files.
#[derive(Debug)]
pub(crate) struct Blocks {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    days: Mutex<BTreeMap<ClassDay, Arc<DayFile>>>,
    /// Locked before `days` where both are.
    recent: Mutex<Recent>,
    folding: Mutex<Folding>,
    damaged_indexes: Arc<AtomicU64>,
}

impl Blocks {
    /// Opens the day files and reads the headers that no index covers. A block for which `suspect` says that the journal
    /// still has its ticks is believed only when all of it is whole: it may have been cut short by a power cut.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        suspect: impl Fn(&BlockHeader) -> bool,
    ) -> Result<(Self, Found), OpenError> {
        let names = disk.list(&dir).map_err(OpenError::io("list", &dir))?;
        let mut found = Found::default();
        let mut days = BTreeMap::new();
        let damaged_indexes = Arc::default();
        for day in names.iter().filter_map(|name| day_of_name(name, ".blk")) {
            let path = dir.join(day_name(day));
            let file = open_day(disk.as_ref(), day, path.clone()).map_err(OpenError::io("open", &path))?;
            let index = open_index(disk.as_ref(), &dir, &file, &mut found)
                .map_err(OpenError::io("read", dir.join(index_name(day))))?;
            let covered = index.as_ref().map_or(0, |index| index.covered);
            scan_day(&file, covered, &suspect, &mut found).map_err(OpenError::io("read", &path))?;
            if let Some(index) = index {
                found.hosts.extend(index.hosts());
                file.set_index(index.with_alarm(&damaged_indexes));
            }
            days.insert(day, file);
        }
        for name in &names {
            // Its day is gone; the next file of that day must not be taken for it.
            if day_of_name(name, ".index").is_some_and(|day| !days.contains_key(&day)) {
                let path = dir.join(name);
                disk.unlink(&path).map_err(OpenError::io("remove", &path))?;
            }
        }
        let blocks = Self {
            disk,
            dir,
            days: Mutex::new(days),
            recent: Mutex::default(),
            folding: Mutex::default(),
            damaged_indexes,
        };
        Ok((blocks, found))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClassDay, Arc<DayFile>>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on readers find this block, which is synced.
    pub(crate) fn publish(&self, host: HostId, block: BlockRef) {
        self.publish_replacing(host, block, &[]);
    }

    /// From here on readers find this block, which is synced, and no longer those generations of its hour.
    pub(crate) fn publish_replacing(&self, host: HostId, block: BlockRef, replaces: &[u32]) {
        let mut recent = self.recent();
        recent.waiting.entry(block.file.key()).or_default().0 += 1;
        let (hour, generation, class) = (block.hour, block.generation, block.file.class);
        let of_hour = |&generation| Replaced {
            class,
            hour,
            generation,
        };
        let replaced: Vec<Replaced> = replaces.iter().map(of_hour).collect();
        let blocks = recent.blocks.entry(host).or_default();
        blocks.retain(|known| !replaced.iter().any(|gone| gone.is(known)));
        let at = blocks.partition_point(|known| (known.hour, known.generation) <= (hour, generation));
        blocks.insert(at, block);
        if !replaced.is_empty() {
            recent.replaced.entry(host).or_default().extend(replaced);
        }
    }

    /// The blocks of a host in these hours.
    pub(crate) fn list(&self, host: HostId, hours: RangeInclusive<i64>) -> Listing {
        let recent = self.recent();
        let known = recent.blocks.get(&host).map_or(&[][..], Vec::as_slice);
        let from = known.partition_point(|block| block.hour < *hours.start());
        let to = known.partition_point(|block| block.hour <= *hours.end()).max(from);
        let (first, last) = (day_of(*hours.start()), day_of(*hours.end()));
        let mut indexed = Vec::new();
        if first <= last {
            let keys = ClassDay::first(first)..ClassDay::of(last).end;
            for file in self.lock().range(keys).map(|(_, file)| file) {
                let index = file.index().filter(|index| index.has(host));
                indexed.extend(index.map(|index| (file.clone(), index)));
            }
        }
        Listing {
            host,
            recent: known[from..to].to_vec(),
            indexed,
            replaced: recent.replaced.get(&host).cloned().unwrap_or_default(),
            hours,
        }
    }

    /// The newest block of a host.
    pub(crate) fn newest(&self, host: HostId) -> io::Result<Option<BlockRef>> {
        let recent = self
            .recent()
            .blocks
            .get(&host)
            .and_then(|blocks| blocks.last().cloned());
        let mut days: Vec<i64> = self.days().into_iter().map(|key| key.day).collect();
        days.dedup();
        days.retain(|day| recent.as_ref().is_none_or(|block| block.hour < day + DAY_MS));
        for day in days.into_iter().rev() {
            let newest = self.list(host, day..=day + DAY_MS - 1).read()?.pop();
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(recent)
    }

    /// The generation that a new block of this hour gets.
    pub(crate) fn next_generation(&self, host: HostId, hour: i64) -> io::Result<u32> {
        let blocks = self.list(host, hour..=hour).read()?;
        let next = blocks.iter().map(|block| block.generation.saturating_add(1)).max();
        Ok(next.unwrap_or(0))
    }

    /// The file for blocks of this hour of a host: the one that has others of its day, or that of its class, made when
    /// missing.
    pub(crate) fn file_for(&self, host: HostId, hour: i64, class: RetentionClass) -> Result<Arc<DayFile>, StoreError> {
        let key = ClassDay {
            day: day_of(hour),
            class,
        };
        let begun = self.begun(host, key.day);
        begun.map_or_else(|| self.day_file(key), Ok)
    }

    /// The file that has blocks of this day of a host.
    fn begun(&self, host: HostId, day: i64) -> Option<Arc<DayFile>> {
        let recent = self.recent();
        let known = recent.blocks.get(&host).map_or(&[][..], Vec::as_slice);
        let at = known.partition_point(|block| block.hour < day);
        if let Some(block) = known.get(at).filter(|block| block.file.day == day) {
            return Some(block.file.clone());
        }
        let files = self.lock();
        let mut of_day = files.range(ClassDay::of(day)).map(|(_, file)| file);
        of_day
            .find(|file| file.index().is_some_and(|index| index.has(host)))
            .cloned()
    }

    /// The file of this day, made when missing.
    fn day_file(&self, key: ClassDay) -> Result<Arc<DayFile>, StoreError> {
        let mut days = self.lock();
        if let Some(file) = days.get(&key) {
            return Ok(file.clone());
        }
        let path = self.dir.join(day_name(key));
        let open = || {
            let file = open_day(self.disk.as_ref(), key, path.clone())?;
            self.disk.sync_dir(&self.dir)?;
            Ok(file)
        };
        let file = open().map_err(StoreError::write("create", &path))?;
        days.insert(key, file.clone());
        Ok(file)
    }

    /// The file of this day, if it is there.
    pub(crate) fn find(&self, key: ClassDay) -> Option<Arc<DayFile>> {
        self.lock().get(&key).cloned()
    }

    /// Removes a day of a class. Blocks that are being read stay readable until their reader is done.
    pub(crate) fn drop_day(&self, key: ClassDay) -> Result<(), StoreError> {
        let Some(file) = self.lock().remove(&key) else {
            return Ok(());
        };
        let mut recent = self.recent();
        recent.forget(key, |_| true);
        drop(recent);
        // First the index: without it a day file is only slower to open.
        if file.index().is_some() {
            let path = self.dir.join(index_name(key));
            self.disk.unlink(&path).map_err(StoreError::write("remove", &path))?;
        }
        self.disk
            .unlink(&file.path)
            .map_err(StoreError::write("remove", &file.path))?;
        self.disk
            .sync_dir(&self.dir)
            .map_err(StoreError::write("sync", &self.dir))
    }

    /// All that have a file, the oldest day first, and within it the default class.
    pub(crate) fn days(&self) -> Vec<ClassDay> {
        self.lock().keys().copied().collect()
    }

    /// What housekeeping knows about folding.
    pub(crate) fn folding(&self) -> MutexGuard<'_, Folding> {
        self.folding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The days and the lengths of their files.
    pub(crate) fn lengths(&self) -> Vec<(ClassDay, u64)> {
        self.lock().iter().map(|(day, file)| (*day, file.end())).collect()
    }

    /// Indexes found damaged since they were opened.
    pub(crate) fn damaged_indexes(&self) -> u64 {
        self.damaged_indexes.load(Ordering::Relaxed)
    }

    /// Where the next block of a day will lie; `None` when the day has no file.
    pub(crate) fn end_of(&self, key: ClassDay) -> Option<u64> {
        self.lock().get(&key).map(|file| file.end())
    }

    /// Whether the files of a day are these, and end there: nothing was added to them, and none was made or removed.
    pub(crate) fn end_at(&self, day: i64, mut ends: impl Iterator<Item = (RetentionClass, u64)>) -> bool {
        let files = self.lock();
        let mut now = files
            .range(ClassDay::of(day))
            .map(|(key, file)| (key.class, file.end()));
        now.by_ref().all(|one| ends.next() == Some(one)) && ends.next().is_none()
    }

    /// Bytes of all day files.
    #[cfg(test)]
    pub(crate) fn size(&self) -> u64 {
        self.lock().values().map(|file| file.end()).sum()
    }
}

impl Recent {
    /// Forgets the blocks of a file for which `gone` holds, and all that waits or is replaced there.
    fn forget(&mut self, key: ClassDay, gone: impl Fn(&BlockRef) -> bool) {
        self.blocks.retain(|_, blocks| {
            blocks.retain(|block| block.file.key() != key || !gone(block));
            !blocks.is_empty()
        });
        self.replaced.retain(|_, replaced| {
            replaced.retain(|one| day_of(one.hour) != key.day || one.class != key.class);
            !replaced.is_empty()
        });
        self.waiting.remove(&key);
    }
}

/// The start of the day of an instant.
fn day_of(time: i64) -> i64 {
    time.div_euclid(DAY_MS).saturating_mul(DAY_MS)
}

/// The folder of day files in a store.
pub(crate) fn folder(store: &Path) -> PathBuf {
    store.join("blocks")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::disk::FaultDisk;
    use tocsin_vocabulary::{Kind, Section, Series};

    /// An empty day file on a disk of its own.
    pub(crate) fn day_file() -> Arc<DayFile> {
        open_day(&FaultDisk::new(), ClassDay::first(0), "/a.blk".into()).unwrap()
    }

    /// The block of generation 2 that lies there.
    pub(crate) fn place(day: &Arc<DayFile>, offset: u64) -> BlockRef {
        BlockRef {
            file: day.clone(),
            offset,
            hour: 0,
            generation: 2,
        }
    }

    /// Columns of these series, a tick each second, numbered from 1.
    pub(crate) fn columns(cells: &[Vec<Cell>]) -> Columns {
        let ticks = cells.first().map_or(0, Vec::len);
        let one = |index| Series {
            name: format!("m{index}").into(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 0,
        };
        let mut seqs = Intervals::default();
        seqs.insert_range(1, ticks as u64);
        Columns {
            dictionary: Dictionary::new(vec![Arc::new(Section::new((0..cells.len()).map(one).collect()))]),
            times: (0..ticks).map(|tick| 1_000 * i64::try_from(tick).unwrap()).collect(),
            cells: cells.to_vec(),
            seqs: vec![(SpoolId::from_bytes([3; 16]), seqs)],
        }
    }
}
