//! One file of rollups and how it is read: a section of it, a chunk of that. Drawn in `FORMAT.md`.

mod write;

pub(super) use write::Writer;

use super::{
    Tier,
    row::{self, Clocks, RowBytes},
};
use crate::{
    bytes::{Reader, put_varint},
    disk::{Disk, DiskFile},
    retention::ClassDay,
};
use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tocsin_vocabulary::HostId;

/// First and last bytes of every file; the last one is the version.
const MAGIC: [u8; 4] = *b"TRU1";
/// Bytes at the end: place, length and checksum of the table, magic.
const FOOTER_BYTES: usize = 20;
/// Most hosts of a chunk.
pub(crate) const CHUNK_HOSTS: usize = 64;
/// Bytes that a chunk may claim unpacked: nothing honest is longer.
const CHUNK_BYTES_MAX: u32 = 64 << 20;
/// The section of clocks; no metric has an empty name here.
pub(super) const CLOCKS: &str = "";

/// What a file's name says: its tier, its day and class, and which bytes of that day's blocks it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunName {
    pub(crate) tier: Tier,
    pub(crate) day: ClassDay,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl RunName {
    /// `2026-11-22.5m.0-1048576.run`, `2026-11-22.bank.5m.0-1048576.run`.
    pub(super) fn file_name(&self) -> String {
        let (day, tier) = (self.day, self.tier.suffix());
        format!("{day}.{tier}.{}-{}.run", self.from, self.to)
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (rest, range) = name.strip_suffix(".run")?.rsplit_once('.')?;
        let (day, tier) = rest.rsplit_once('.')?;
        let (from, to) = range.split_once('-')?;
        let name = Self {
            tier: Tier::ALL.into_iter().find(|known| known.suffix() == tier)?,
            day: ClassDay::parse(day)?,
            from: from.parse().ok()?,
            to: to.parse().ok()?,
        };
        (name.from < name.to).then_some(name)
    }
}

/// A file that is whole as far as its table says.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: RunName,
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Hours of hosts in it.
    pub(crate) hours: u64,
    /// Found damaged by a reader: to be made again.
    pub(crate) damaged: AtomicBool,
}

impl Run {
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

/// Where a chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) first: HostId,
    pub(super) last: HostId,
    offset: u64,
    bytes: u32,
    plain: u32,
    crc: u32,
}

impl Chunk {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.first.as_bytes());
        out.extend_from_slice(self.last.as_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        for number in [self.bytes, self.plain, self.crc] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let chunk = Self {
            first: HostId::from_bytes(reader.array()?),
            last: HostId::from_bytes(reader.array()?),
            offset: reader.u64()?,
            bytes: reader.u32()?,
            plain: reader.u32()?,
            crc: reader.u32()?,
        };
        (chunk.plain <= CHUNK_BYTES_MAX).then_some(chunk)
    }
}

/// Where the list of a section's chunks lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// The metric, or [`CLOCKS`].
    pub(super) metric: String,
    offset: u64,
    bytes: u32,
    crc: u32,
}

/// The list of sections at the end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    hours: u64,
    sections: Vec<Section>,
}

impl Table {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.hours);
        put_varint(&mut out, self.sections.len() as u64);
        for section in &self.sections {
            put_varint(&mut out, section.metric.len() as u64);
            out.extend_from_slice(section.metric.as_bytes());
            out.extend_from_slice(&section.offset.to_le_bytes());
            out.extend_from_slice(&section.bytes.to_le_bytes());
            out.extend_from_slice(&section.crc.to_le_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let hours = reader.varint()?;
        let count = reader.count()?;
        let mut sections = Vec::with_capacity(count.min(reader.remaining()));
        for _ in 0..count {
            let length = reader.count()?;
            sections.push(Section {
                metric: String::from_utf8(reader.take(length)?.to_vec()).ok()?,
                offset: reader.u64()?,
                bytes: reader.u32()?,
                crc: reader.u32()?,
            });
        }
        reader.is_empty().then_some(Self { hours, sections })
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Unpacks chunks; making one costs more than unpacking with it.
pub(super) struct Unpacker(Option<zstd::bulk::Decompressor<'static>>);

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

impl Unpacker {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    fn unpack(&mut self, packed: &[u8], plain: usize) -> io::Result<Vec<u8>> {
        let unpacker = match &mut self.0 {
            Some(unpacker) => unpacker,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        unpacker
            .decompress(packed, plain)
            .map_err(|_| invalid("rollups are not readable"))
    }
}

/// A file open for reading.
#[derive(Debug)]
pub(super) struct OpenRun {
    pub(super) run: Arc<Run>,
    file: Arc<dyn DiskFile>,
    table: Table,
    chunks: HashMap<usize, Arc<[Chunk]>>,
}

/// Reads the end of a file.
fn read_table(file: &dyn DiskFile) -> io::Result<(Table, u64)> {
    let length = file.len()?;
    let at = length
        .checked_sub(FOOTER_BYTES as u64)
        .ok_or_else(|| invalid("rollups end early"))?;
    let mut footer = [0; FOOTER_BYTES];
    file.read_at(at, &mut footer)?;
    let mut reader = Reader::new(&footer);
    let parts = (reader.u64(), reader.u32(), reader.u32(), reader.array());
    let (Some(offset), Some(bytes), Some(crc), Some(MAGIC)) = parts else {
        return Err(invalid("rollups have no end"));
    };
    if offset.checked_add(u64::from(bytes)) != Some(at) {
        return Err(invalid("rollups have a damaged end"));
    }
    let mut table = vec![0; bytes as usize];
    file.read_at(offset, &mut table)?;
    if crc32c::crc32c_append(crc32c::crc32c(&footer[..12]), &table) != crc {
        return Err(invalid("the table of rollups is damaged"));
    }
    let table = Table::decode(&table).ok_or_else(|| invalid("the table of rollups is malformed"))?;
    Ok((table, length))
}

/// Looks whether a file is whole as far as its table says.
pub(super) fn inspect(disk: &dyn Disk, path: PathBuf, name: RunName) -> io::Result<Run> {
    let file = disk.open(&path, false)?;
    let (table, bytes) = read_table(file.as_ref())?;
    Ok(Run {
        name,
        path,
        bytes,
        hours: table.hours,
        damaged: AtomicBool::new(false),
    })
}

/// Reads a whole file: the metrics of which something is damaged; an empty name means the clocks, or all of it.
pub(crate) fn check(file: &Arc<dyn DiskFile>, name: &str) -> io::Result<Vec<String>> {
    let damaged = |outcome: io::Result<()>| match outcome {
        Err(error) if super::is_damage(&error) => Ok(true),
        other => other.map(|()| false),
    };
    let (Some(name), Ok((table, bytes))) = (RunName::parse(name), read_table(file.as_ref())) else {
        return Ok(vec![String::new()]);
    };
    let run = Run {
        name,
        path: PathBuf::new(),
        bytes,
        hours: table.hours,
        damaged: AtomicBool::new(false),
    };
    let mut open = OpenRun {
        run: Arc::new(run),
        file: file.clone(),
        table,
        chunks: HashMap::new(),
    };
    let mut unpacker = Unpacker::new();
    let all = (HostId::from_bytes([0; 16]), HostId::from_bytes([0xFF; 16]));
    let mut found = Vec::new();
    if damaged(open.all_clocks(&mut unpacker, |_| ()))? {
        found.push(String::new());
    }
    for section in open.sections(|_| true) {
        let tier = open.run.name.tier;
        let read = open.rows(&mut unpacker, section, all, |row| row.read(tier, None).map(drop));
        if damaged(read)? {
            found.extend(open.table.sections.get(section).map(|section| section.metric.clone()));
        }
    }
    Ok(found)
}

impl OpenRun {
    pub(super) fn open(disk: &dyn Disk, run: Arc<Run>) -> io::Result<Self> {
        let file = disk.open(&run.path, false)?;
        let (table, _) = read_table(file.as_ref())?;
        Ok(Self {
            run,
            file,
            table,
            chunks: HashMap::new(),
        })
    }

    /// The metrics of this file that `wanted` says, by number.
    pub(super) fn sections(&self, wanted: impl Fn(&str) -> bool) -> Vec<usize> {
        let sections = self.table.sections.iter().enumerate();
        sections
            .filter(|(_, section)| section.metric != CLOCKS && wanted(&section.metric))
            .map(|(number, _)| number)
            .collect()
    }

    pub(super) fn metrics(&self) -> impl Iterator<Item = &str> {
        let names = self.table.sections.iter().map(|section| section.metric.as_str());
        names.filter(|name| *name != CLOCKS)
    }

    pub(super) fn chunks(&mut self, section: usize) -> io::Result<Arc<[Chunk]>> {
        if let Some(chunks) = self.chunks.get(&section) {
            return Ok(chunks.clone());
        }
        let place = self
            .table
            .sections
            .get(section)
            .ok_or_else(|| invalid("rollups have no such section"))?;
        let mut bytes = vec![0; place.bytes as usize];
        self.file.read_at(place.offset, &mut bytes)?;
        if crc32c::crc32c(&bytes) != place.crc {
            return Err(invalid("a list of rollups is damaged"));
        }
        let mut reader = Reader::new(&bytes);
        let mut chunks = Vec::new();
        while !reader.is_empty() {
            chunks.push(Chunk::decode(&mut reader).ok_or_else(|| invalid("a list of rollups is malformed"))?);
        }
        let chunks: Arc<[Chunk]> = chunks.into();
        self.chunks.insert(section, chunks.clone());
        Ok(chunks)
    }

    fn plain(&self, chunk: &Chunk, unpacker: &mut Unpacker) -> io::Result<Vec<u8>> {
        let mut packed = vec![0; chunk.bytes as usize];
        self.file.read_at(chunk.offset, &mut packed)?;
        if crc32c::crc32c(&packed) != chunk.crc {
            return Err(invalid("rollups are damaged"));
        }
        unpacker.unpack(&packed, chunk.plain as usize)
    }

    /// Calls `each` with the clocks of the hosts from `first` to `last`, and perhaps of some beside them.
    pub(super) fn clocks(
        &mut self,
        unpacker: &mut Unpacker,
        (first, last): (HostId, HostId),
        mut each: impl FnMut(Clocks),
    ) -> io::Result<()> {
        let Some(section) = self.table.sections.iter().position(|section| section.metric == CLOCKS) else {
            return Ok(());
        };
        let chunks = self.chunks(section)?;
        for chunk in between(&chunks, first, last) {
            row::clocks(&self.plain(chunk, unpacker)?, self.run.name.day.day, &mut each)
                .ok_or_else(|| invalid("rollups have malformed clocks"))?;
        }
        Ok(())
    }

    /// Calls `each` with the rows of a section for the hosts from `first` to `last`, and perhaps of some beside them.
    pub(super) fn rows(
        &mut self,
        unpacker: &mut Unpacker,
        section: usize,
        (first, last): (HostId, HostId),
        mut each: impl FnMut(RowBytes<'_>) -> Option<()>,
    ) -> io::Result<()> {
        let chunks = self.chunks(section)?;
        for chunk in between(&chunks, first, last) {
            row::rows(&self.plain(chunk, unpacker)?, &mut each)
                .ok_or_else(|| invalid("rollups have malformed rows"))?;
        }
        Ok(())
    }

    /// All hosts of the file with their hours.
    pub(super) fn all_clocks(&mut self, unpacker: &mut Unpacker, each: impl FnMut(Clocks)) -> io::Result<()> {
        let all = (HostId::from_bytes([0; 16]), HostId::from_bytes([0xFF; 16]));
        self.clocks(unpacker, all, each)
    }
}

/// The chunks that may hold one of these hosts.
fn between(chunks: &[Chunk], first: HostId, last: HostId) -> &[Chunk] {
    let from = chunks.partition_point(|chunk| chunk.last < first);
    let to = chunks.partition_point(|chunk| chunk.first <= last);
    &chunks[from..to.max(from)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{blocks::DAY_MS, bytes::length_u32, disk::FaultDisk};

    #[test]
    fn file_names_read_back_and_others_are_none() {
        let name = RunName {
            tier: Tier::Hour,
            day: ClassDay::first(20_414 * DAY_MS),
            from: 0,
            to: 1 << 40,
        };
        assert_eq!(name.file_name(), "2025-11-22.1h.0-1099511627776.run");
        assert_eq!(RunName::parse(&name.file_name()), Some(name));
        let bank = RunName {
            day: ClassDay::parse("2025-11-22.5m").unwrap(),
            ..name
        };
        assert_eq!(bank.file_name(), "2025-11-22.5m.1h.0-1099511627776.run");
        assert_eq!(RunName::parse(&bank.file_name()), Some(bank));
        for bad in [
            "2025-11-22.1h.5-5.run",
            "2025-11-22.default.1h.0-5.run",
            "2025-11-22.2h.0-5.run",
            "x.run",
            "2025-11-22.1h.0-5.y.run",
        ] {
            assert_eq!(RunName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn any_bytes_are_a_file_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = Table::decode(bytes);
            let mut reader = Reader::new(bytes);
            while Chunk::decode(&mut reader).is_some() {}
            // A file whose table holds, and points wherever these bytes say.
            let mut footer = 4_u64.to_le_bytes().to_vec();
            footer.extend_from_slice(&length_u32(bytes.len()).to_le_bytes());
            footer.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&footer), bytes).to_le_bytes());
            footer.extend_from_slice(&MAGIC);
            let disk = FaultDisk::new();
            let path = PathBuf::from("/a.run");
            let file = disk.open(&path, true).unwrap();
            file.append(&[&MAGIC, bytes, &footer].concat()).unwrap();
            let name = RunName {
                tier: Tier::Hour,
                day: ClassDay::first(0),
                from: 0,
                to: 1,
            };
            let Ok(run) = inspect(&disk, path, name) else { return };
            let mut open = OpenRun::open(&disk, Arc::new(run)).unwrap();
            for section in open.sections(|_| true) {
                let _ = open.chunks(section);
            }
        });
    }
}
