//! Reading one block: its header first, then the groups that are asked for.

use super::{
    BlockRef, DayFile,
    column::{self, Numbers},
    directory::{Directory, Entry, Group},
    first,
    format::{BlockHeader, PREFIX_BYTES, Prefix, Version},
};
use crate::bytes::length_usize;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tocsin_vocabulary::batch::Cell;

/// How much of a block is read at once: in most cases the whole header, of small blocks their body too. More would cost
/// more than the second read that it saves here and there.
const FIRST_READ_BYTES: u64 = 2_048;

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Most bytes that a thread keeps for the next block.
const SPARE_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static SPARE: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Bytes whose memory the next block takes over that this thread opens: a question opens thousands.
#[derive(Debug)]
struct Reused(Vec<u8>);

impl Reused {
    /// So many bytes, with whatever was in them.
    fn take(length: usize) -> Self {
        let mut bytes = SPARE.take();
        bytes.resize(length, 0);
        Self(bytes)
    }
}

impl Drop for Reused {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        if bytes.capacity() > SPARE_BYTES_MAX {
            return;
        }
        // When the thread ends there is no place for it any more.
        let _gone = SPARE.try_with(|spare| spare.set(bytes));
    }
}

/// A whole header, its directory not yet looked at.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) header: BlockHeader,
    prefix: Prefix,
    bytes: Reused,
    /// Where the directory begins among the bytes, and where the body would.
    directory: usize,
    body_at: usize,
    body: u64,
}

impl Start {
    /// Reads prefix and header at `offset`; `None` when there is no whole header.
    pub(crate) fn read(day: &DayFile, offset: u64) -> io::Result<Option<Self>> {
        let there = day.end().saturating_sub(offset);
        let mut bytes = Reused::take(length_usize(there.min(FIRST_READ_BYTES)));
        day.read_at(offset, &mut bytes.0)?;
        let Some((start, _)) = bytes.0.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let start = *start;
        let Some(prefix) = Prefix::decode(&start) else {
            return Ok(None);
        };
        let length = PREFIX_BYTES + prefix.header_bytes as usize;
        if length as u64 > there {
            return Ok(None);
        }
        let known = bytes.0.len();
        if known < length {
            bytes.0.resize(length, 0);
            day.read_at(offset + known as u64, &mut bytes.0[known..])?;
        }
        let decoded = BlockHeader::decode(&prefix, &start, &bytes.0[PREFIX_BYTES..length], offset);
        let Some((header, directory)) = decoded.map(|(header, directory)| (header, length - directory.len())) else {
            return Ok(None);
        };
        Ok(Some(Self {
            header,
            prefix,
            bytes,
            directory,
            body_at: length,
            body: offset + length as u64,
        }))
    }

    /// Bytes of the whole block.
    pub(crate) const fn total_bytes(&self) -> u64 {
        self.prefix.total_bytes()
    }

    /// Looks at the directory; `None` when it makes no sense. Of the columns only those of the `chosen` series, ascending,
    /// can be read then, or all.
    pub(crate) fn open(self, day: &Arc<DayFile>, chosen: Option<&[usize]>) -> Option<OpenBlock> {
        let body_bytes = self.prefix.body_bytes;
        let directory = self.bytes.0.get(self.directory..self.body_at)?;
        let layout = match self.prefix.version {
            Version::First => Layout::First(first::columns(directory, body_bytes)?),
            Version::Second => Layout::Second(Directory::decode(directory, self.header.ticks, body_bytes, chosen)?),
        };
        Some(OpenBlock {
            header: self.header,
            file: day.clone(),
            body: self.body,
            ahead: self.bytes,
            body_at: self.body_at,
            layout,
            unpacked: Mutex::default(),
        })
    }
}

#[derive(Debug)]
enum Layout {
    First(Vec<first::Column>),
    Second(Directory),
}

/// A block's header, ready to read columns.
#[derive(Debug)]
pub(crate) struct OpenBlock {
    pub(crate) header: BlockHeader,
    file: Arc<DayFile>,
    body: u64,
    /// What was read with the header, the start of the body among it.
    ahead: Reused,
    /// Where the body begins in it.
    body_at: usize,
    layout: Layout,
    /// The group that was read last, so that reading neighbours unpacks once.
    unpacked: Mutex<Option<(u32, Arc<Vec<u8>>)>>,
}

/// A part of a block that does not match its checksum.
#[derive(Debug)]
pub(crate) struct DamagedPart {
    /// Where it begins in its file.
    pub(crate) offset: u64,
    /// The series in it; none when it is the times of format 1, without which the block says nothing.
    pub(crate) series: Vec<usize>,
}

impl BlockRef {
    /// Reads the header.
    pub(crate) fn open(&self) -> io::Result<OpenBlock> {
        self.start()?
            .open(&self.file, None)
            .ok_or_else(|| invalid("block directory is damaged"))
    }

    /// Reads its header.
    pub(crate) fn start(&self) -> io::Result<Start> {
        Start::read(&self.file, self.offset)?.ok_or_else(|| invalid("block header is damaged"))
    }

    /// As [`Self::open`], of a header that was read, and for the chosen series alone.
    pub(crate) fn open_chosen(&self, start: Start, chosen: &[usize]) -> io::Result<OpenBlock> {
        start
            .open(&self.file, Some(chosen))
            .ok_or_else(|| invalid("block directory is damaged"))
    }
}

impl OpenBlock {
    /// The times of its ticks, epoch milliseconds, sorted.
    pub(crate) fn times(&self) -> io::Result<Vec<i64>> {
        match &self.layout {
            Layout::Second(directory) => Ok(directory.times.clone()),
            Layout::First(_) => match self.first_column(0)? {
                Numbers::Each(times) => Ok(times),
                _ => Err(invalid("block time column is damaged")),
            },
        }
    }

    /// The cells of one series, counted as in its dictionary, one for each tick.
    pub(crate) fn cells(&self, series: usize) -> io::Result<Vec<Cell>> {
        Ok(self.numbers(series)?.into_cells(self.header.ticks))
    }

    /// As [`Self::cells`], without making cells of what are numbers alone.
    pub(crate) fn numbers(&self, series: usize) -> io::Result<Numbers> {
        let Layout::Second(directory) = &self.layout else {
            return self.first_column(series.saturating_add(1));
        };
        let entry = directory
            .entry(series)
            .ok_or_else(|| invalid("block has no such column"))?;
        let decoded = if entry.shape.has_bytes() {
            let (start, end) = (entry.start as usize, (entry.start + entry.bytes) as usize);
            let decode = |group: &[u8]| column::decode(entry.shape, group.get(start..end)?, self.header.ticks);
            match self.plain_ahead(directory, entry) {
                Some(group) => decode(group),
                None => decode(&self.group(directory, entry)?),
            }
        } else {
            column::decode(entry.shape, &[], self.header.ticks)
        };
        decoded.ok_or_else(|| invalid("block column is damaged"))
    }

    /// The group of an entry, when it lies plain and whole in what was read with the header.
    fn plain_ahead(&self, directory: &Directory, entry: &Entry) -> Option<&[u8]> {
        let group = directory.groups.get(entry.group as usize)?;
        self.ahead(group).filter(|stored| group.is_plain(stored))
    }

    /// The stored bytes of a group, when they were read with the header.
    fn ahead(&self, group: &Group) -> Option<&[u8]> {
        let from = self.body_at.checked_add(length_usize(group.start))?;
        self.ahead.0.get(from..from.checked_add(group.stored as usize)?)
    }

    fn group(&self, directory: &Directory, entry: &Entry) -> io::Result<Arc<Vec<u8>>> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((index, bytes)) = unpacked.as_ref()
            && *index == entry.group
        {
            return Ok(bytes.clone());
        }
        let bytes = Arc::new(self.read_group(directory, entry.group as usize)?);
        *unpacked = Some((entry.group, bytes.clone()));
        Ok(bytes)
    }

    fn read_group(&self, directory: &Directory, index: usize) -> io::Result<Vec<u8>> {
        let group = directory
            .groups
            .get(index)
            .ok_or_else(|| invalid("block has no such group"))?;
        let plain = match self.ahead(group) {
            Some(stored) => group.unpack(stored),
            None => {
                let mut stored = vec![0; group.stored as usize];
                self.file.read_at(self.body + group.start, &mut stored)?;
                group.unpack(&stored)
            }
        };
        plain.ok_or_else(|| invalid("block group is damaged"))
    }

    fn first_bytes(&self, index: usize) -> io::Result<Vec<u8>> {
        let Layout::First(columns) = &self.layout else {
            return Err(invalid("block has no columns of format 1"));
        };
        let column = columns.get(index).ok_or_else(|| invalid("block has no such column"))?;
        let mut bytes = vec![0; column.bytes as usize];
        self.file.read_at(self.body + column.start, &mut bytes)?;
        if crc32c::crc32c(&bytes) == column.crc {
            Ok(bytes)
        } else {
            Err(invalid("block column is damaged"))
        }
    }

    fn first_column(&self, index: usize) -> io::Result<Numbers> {
        first::decode(&self.first_bytes(index)?, self.header.ticks).ok_or_else(|| invalid("block column is damaged"))
    }

    /// Reads all of it: how many parts with a checksum it has, and those that don't match theirs.
    pub(crate) fn check(&self) -> io::Result<(u64, Vec<DamagedPart>)> {
        let unreadable = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
        let mut damaged = Vec::new();
        let parts = match &self.layout {
            Layout::First(columns) => {
                for (index, column) in columns.iter().enumerate() {
                    match self.first_bytes(index) {
                        Err(error) if unreadable(&error) => damaged.push(DamagedPart {
                            offset: self.body + column.start,
                            series: index.checked_sub(1).into_iter().collect(),
                        }),
                        other => drop(other?),
                    }
                }
                columns.len()
            }
            Layout::Second(directory) => {
                for (index, group) in directory.groups.iter().enumerate() {
                    let entries = directory.entries.iter().enumerate();
                    let inside = entries.filter(|(_, entry)| entry.shape.has_bytes() && entry.group as usize == index);
                    match self.read_group(directory, index) {
                        Err(error) if unreadable(&error) => damaged.push(DamagedPart {
                            offset: self.body + group.start,
                            series: inside.map(|(series, _)| series).collect(),
                        }),
                        other => drop(other?),
                    }
                }
                directory.groups.len()
            }
        };
        Ok((parts as u64, damaged))
    }

    /// Whether all of it is whole.
    pub(crate) fn is_whole(&self) -> bool {
        match &self.layout {
            Layout::First(columns) => (0..columns.len()).all(|index| self.first_bytes(index).is_ok()),
            Layout::Second(directory) => {
                (0..directory.groups.len()).all(|index| self.read_group(directory, index).is_ok())
            }
        }
    }

    /// How many groups it has.
    #[cfg(test)]
    pub(crate) const fn groups(&self) -> usize {
        match &self.layout {
            Layout::First(columns) => columns.len(),
            Layout::Second(directory) => directory.groups.len(),
        }
    }
}
