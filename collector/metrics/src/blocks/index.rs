//! The index of a day: where the blocks of each host lie, so that a start need not read their headers and memory need not
//! hold their places. The bytes are drawn in `FORMAT.md`.
//!
//! Memory keeps the hosts (24 bytes for each host and day); their entries are read when they are asked for.

use crate::{
    bytes::{Reader, length_u32, length_usize},
    disk::DiskFile,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tocsin_vocabulary::HostId;

const MAGIC: [u8; 4] = *b"TIX1";
const PREFIX_BYTES: usize = 36;
const HOST_BYTES: usize = 24;
const ENTRY_BYTES: usize = 32;

/// Where a block lies and what it spans. Times are milliseconds from the day's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hour: u32,
    pub(crate) generation: u32,
    pub(crate) offset: u64,
    /// Zero when its header was not readable.
    pub(crate) length: u32,
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Journal segments greater than this one begin with watermarks that know of the block.
    pub(crate) segment: u32,
}

impl Entry {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        for number in [
            self.hour,
            self.generation,
            self.length,
            self.first,
            self.last,
            self.segment,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            offset: reader.u64()?,
            hour: reader.u32()?,
            generation: reader.u32()?,
            length: reader.u32()?,
            first: reader.u32()?,
            last: reader.u32()?,
            segment: reader.u32()?,
        })
    }
}

/// A host, the number of its first entry, the checksum of all its entries.
#[derive(Debug, Clone, Copy)]
struct Row {
    host: HostId,
    first: u32,
    crc: u32,
}

/// The index of one day, open.
#[derive(Debug)]
pub(crate) struct Index {
    file: Arc<dyn DiskFile>,
    /// The blocks before this offset of the day file are in it, as far as they count.
    pub(crate) covered: u64,
    /// The greatest segment of its entries.
    pub(crate) segment: u32,
    entries: u32,
    rows: Vec<Row>,
    damaged: AtomicBool,
    /// Counts the indexes of all days that were found damaged.
    alarm: Arc<AtomicU64>,
}

/// The bytes of the index of these blocks.
pub(crate) fn encode(day: i64, covered: u64, mut entries: Vec<(HostId, Entry)>) -> Vec<u8> {
    entries.sort_unstable_by_key(|(host, entry)| (*host, entry.hour, entry.generation));
    let mut rows = Vec::new();
    let mut table = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    let mut count = 0_usize;
    for run in entries.chunk_by(|(one, _), (other, _)| one == other) {
        let start = table.len();
        run.iter().for_each(|(_, entry)| entry.put(&mut table));
        rows.extend_from_slice(run[0].0.as_bytes());
        rows.extend_from_slice(&length_u32(count).to_le_bytes());
        rows.extend_from_slice(&crc32c::crc32c(&table[start..]).to_le_bytes());
        count += run.len();
    }
    let segment = entries.iter().map(|(_, entry)| entry.segment).max().unwrap_or(0);
    let mut out = MAGIC.to_vec();
    for number in [length_u32(rows.len() / HOST_BYTES), length_u32(count), segment] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&covered.to_le_bytes());
    out.extend_from_slice(&day.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out), &rows);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&rows);
    out.extend_from_slice(&table);
    out
}

impl Index {
    /// Reads prefix and hosts; `None` when they are damaged or of another day.
    pub(crate) fn open(file: Arc<dyn DiskFile>, day: i64) -> io::Result<Option<Self>> {
        let length = file.len()?;
        let mut prefix = [0; PREFIX_BYTES];
        if length < PREFIX_BYTES as u64 {
            return Ok(None);
        }
        file.read_at(0, &mut prefix)?;
        let hosts = u64::from(u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]));
        let hosts_bytes = hosts * HOST_BYTES as u64;
        if PREFIX_BYTES as u64 + hosts_bytes > length {
            return Ok(None);
        }
        let mut rows = vec![0; length_usize(hosts_bytes)];
        file.read_at(PREFIX_BYTES as u64, &mut rows)?;
        Ok(Self::decode(file, day, length, &prefix, &rows))
    }

    fn decode(file: Arc<dyn DiskFile>, day: i64, length: u64, prefix: &[u8], rows: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(prefix);
        if reader.take(4)? != MAGIC {
            return None;
        }
        let (_, entries, segment) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let covered = reader.u64()?;
        let same_day = reader.i64()? == day;
        let right = crc32c::crc32c_append(crc32c::crc32c(&prefix[..PREFIX_BYTES - 4]), rows) == reader.u32()?;
        let expected = (PREFIX_BYTES + rows.len()) as u64 + u64::from(entries) * ENTRY_BYTES as u64;
        if !same_day || !right || length != expected {
            return None;
        }
        let mut reader = Reader::new(rows);
        let mut table = Vec::with_capacity(rows.len() / HOST_BYTES);
        while !reader.is_empty() {
            let row = Row {
                host: HostId::from_bytes(reader.array()?),
                first: reader.u32().filter(|first| *first <= entries)?,
                crc: reader.u32()?,
            };
            let in_order = table
                .last()
                .is_none_or(|last: &Row| last.host < row.host && last.first <= row.first);
            if !in_order {
                return None;
            }
            table.push(row);
        }
        Some(Self {
            file,
            covered,
            segment,
            entries,
            rows: table,
            damaged: AtomicBool::new(false),
            alarm: Arc::default(),
        })
    }

    /// Whether entries were found damaged: it must be written anew.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Counts damage that is found later on in `alarm`.
    pub(crate) fn with_alarm(mut self, alarm: &Arc<AtomicU64>) -> Self {
        self.alarm = alarm.clone();
        self
    }

    /// Its hosts, sorted.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = HostId> {
        self.rows.iter().map(|row| row.host)
    }

    /// Whether it has blocks of this host.
    pub(crate) fn has(&self, host: HostId) -> bool {
        self.row(host).is_some()
    }

    fn row(&self, host: HostId) -> Option<usize> {
        self.rows.binary_search_by_key(&host, |row| row.host).ok()
    }

    /// The blocks of a host, sorted by (hour, generation); `None` when they are damaged.
    pub(crate) fn read(&self, host: HostId) -> io::Result<Option<Vec<Entry>>> {
        self.row(host).map_or_else(|| Ok(Some(Vec::new())), |at| self.run(at))
    }

    /// All blocks; `None` when some are damaged.
    pub(crate) fn all(&self) -> io::Result<Option<Vec<(HostId, Entry)>>> {
        let mut all = Vec::with_capacity(self.entries as usize);
        for (at, row) in self.rows.iter().enumerate() {
            let Some(run) = self.run(at)? else { return Ok(None) };
            all.extend(run.into_iter().map(|entry| (row.host, entry)));
        }
        Ok(Some(all))
    }

    fn run(&self, at: usize) -> io::Result<Option<Vec<Entry>>> {
        let row = self.rows[at];
        let end = self.rows.get(at + 1).map_or(self.entries, |next| next.first);
        let count = end.saturating_sub(row.first) as usize;
        let mut bytes = vec![0; count * ENTRY_BYTES];
        let table = PREFIX_BYTES + self.rows.len() * HOST_BYTES;
        self.file
            .read_at(table as u64 + u64::from(row.first) * ENTRY_BYTES as u64, &mut bytes)?;
        let mut reader = Reader::new(&bytes);
        let entries = (crc32c::crc32c(&bytes) == row.crc)
            .then(|| (0..count).map(|_| Entry::take(&mut reader)).collect())
            .flatten();
        if entries.is_none() && !self.damaged.swap(true, Ordering::Relaxed) {
            self.alarm.fetch_add(1, Ordering::Relaxed);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, FaultDisk};
    use proptest::prelude::*;
    use std::path::Path;

    fn file(bytes: &[u8]) -> Arc<dyn DiskFile> {
        let file = FaultDisk::new().open(Path::new("/i"), true).unwrap();
        file.append(bytes).unwrap();
        file
    }

    fn entry(number: u32) -> Entry {
        Entry {
            hour: number % 24 * 3_600_000,
            generation: number,
            offset: u64::from(number) * 1_000,
            length: number,
            first: number + 1,
            last: number + 2,
            segment: number % 7,
        }
    }

    proptest! {
        #[test]
        fn an_index_reads_back(hosts in prop::collection::vec(0_u8..9, 0..60)) {
            let entries: Vec<_> = (0_u32..).zip(&hosts).map(|(number, host)| (HostId::from_bytes([*host; 16]), entry(number))).collect();
            let index = Index::open(file(&encode(5, 77, entries.clone())), 5).unwrap().unwrap();
            prop_assert_eq!(index.covered, 77);
            prop_assert_eq!(index.segment, entries.iter().map(|(_, entry)| entry.segment).max().unwrap_or(0));
            let mut expected = entries;
            expected.sort_by_key(|(host, entry)| (*host, entry.hour, entry.generation));
            prop_assert_eq!(&index.all().unwrap().unwrap(), &expected);
            for host in (0..10).map(|number| HostId::from_bytes([number; 16])) {
                let of_host: Vec<_> = expected.iter().filter(|(of, _)| *of == host).map(|(_, entry)| *entry).collect();
                prop_assert_eq!(index.has(host), !of_host.is_empty());
                prop_assert_eq!(index.read(host).unwrap().unwrap(), of_host);
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_noticed_and_costs_no_other_host() {
        let entries: Vec<_> = (0..40)
            .map(|number| (HostId::from_bytes([number % 4; 16]), entry(u32::from(number))))
            .collect();
        let whole = encode(5, 77, entries);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let Some(index) = Index::open(file(&bytes), 5).unwrap() else {
                continue;
            };
            let hosts: Vec<HostId> = index.hosts().collect();
            let damaged = hosts.iter().filter(|host| index.read(**host).unwrap().is_none());
            assert_eq!(damaged.count(), 1, "byte {at}");
            assert!(index.is_damaged());
        }
    }

    #[test]
    fn any_bytes_are_an_index_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Some(index) = Index::open(file(bytes), 5).unwrap() {
                let _ = index.all();
            }
            // The same with a right checksum.
            let Some((prefix, rows)) = bytes.split_at_checked(PREFIX_BYTES) else {
                return;
            };
            let mut whole = [&MAGIC, &prefix[4..PREFIX_BYTES - 4]].concat();
            let crc = crc32c::crc32c_append(crc32c::crc32c(&whole), rows);
            whole.extend_from_slice(&crc.to_le_bytes());
            let _ = Index::decode(file(&[]), 5, bytes.len() as u64, &whole, rows);
        });
    }
}
