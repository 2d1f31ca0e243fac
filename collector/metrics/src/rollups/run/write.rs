//! Writes a file of rollups chunk by chunk.

use super::{CHUNK_HOSTS, Chunk, FOOTER_BYTES, MAGIC, Run, RunName, Section, Table};
use crate::{
    bytes::length_u32,
    disk::{Disk, DiskFile},
    rollups::row::{self, Clocks, PackedRow},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};
use tocsin_vocabulary::{Hash, HostId};

/// Bytes after which a chunk ends; a host with very many series goes on in the next one.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;
/// zstd's own default, as for blocks.
const ZSTD_LEVEL: i32 = 3;

/// Packs chunks; making one costs more than packing a small chunk with it.
struct Packer(zstd::bulk::Compressor<'static>);

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

/// A file being written. Clocks come first, then metrics by name; hosts ascend within each.
#[derive(Debug)]
pub(in crate::rollups) struct Writer {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    dir: PathBuf,
    name: RunName,
    written: u64,
    buffer: Vec<u8>,
    table: Table,
    section: Vec<Chunk>,
    dictionaries: Vec<Hash>,
    rows: Vec<u8>,
    hosts: Vec<HostId>,
    packer: Packer,
}

impl Writer {
    pub(in crate::rollups) fn create(disk: Arc<dyn Disk>, dir: &Path, name: RunName) -> io::Result<Self> {
        let file = disk.open(&dir.join(format!("{}.new", name.file_name())), true)?;
        file.truncate(0)?;
        Ok(Self {
            disk,
            file,
            dir: dir.to_owned(),
            name,
            written: 0,
            buffer: MAGIC.to_vec(),
            table: Table {
                hours: 0,
                sections: Vec::new(),
            },
            section: Vec::new(),
            dictionaries: Vec::new(),
            rows: Vec::new(),
            hosts: Vec::new(),
            packer: Packer(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
        })
    }

    /// Adds one host's clocks to the section of clocks.
    pub(in crate::rollups) fn clocks(&mut self, clocks: &Clocks) -> io::Result<()> {
        self.host(clocks.host)?;
        self.table.hours += u64::from(clocks.mask().count_ones());
        clocks.encode(self.name.day.day, &mut self.rows);
        Ok(())
    }

    /// Adds a row to the section that is being written.
    pub(in crate::rollups) fn row(&mut self, row: &PackedRow) -> io::Result<()> {
        self.host(row.host)?;
        let known = self.dictionaries.iter().position(|hash| *hash == row.dictionary);
        let dictionary = known.unwrap_or_else(|| {
            self.dictionaries.push(row.dictionary);
            self.dictionaries.len() - 1
        });
        row.encode(dictionary, &mut self.rows);
        Ok(())
    }

    fn host(&mut self, host: HostId) -> io::Result<()> {
        let same = self.hosts.last() == Some(&host);
        if self.rows.len() >= CHUNK_BYTES || (self.hosts.len() >= CHUNK_HOSTS && !same) {
            self.end_chunk()?;
        }
        if self.hosts.last() != Some(&host) {
            self.hosts.push(host);
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        let Some((&first, &last)) = self.hosts.first().zip(self.hosts.last()) else {
            return Ok(());
        };
        let mut plain = Vec::with_capacity(self.rows.len() + 40);
        row::put_dictionaries(&self.dictionaries, &mut plain);
        plain.append(&mut self.rows);
        let packed = self.packer.0.compress(&plain)?;
        self.section.push(Chunk {
            first,
            last,
            offset: self.at(),
            bytes: length_u32(packed.len()),
            plain: length_u32(plain.len()),
            crc: crc32c::crc32c(&packed),
        });
        self.hosts.clear();
        self.dictionaries.clear();
        self.put(&packed)
    }

    /// Ends the section that is being written, if it has any rows.
    pub(in crate::rollups) fn end_section(&mut self, metric: &str) -> io::Result<()> {
        self.end_chunk()?;
        if self.section.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.section.len() * 52);
        for chunk in self.section.drain(..) {
            chunk.encode(&mut bytes);
        }
        self.table.sections.push(Section {
            metric: metric.to_owned(),
            offset: self.at(),
            bytes: length_u32(bytes.len()),
            crc: crc32c::crc32c(&bytes),
        });
        self.put(&bytes)
    }

    const fn at(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.append(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the table, syncs, and gives the file its name.
    pub(in crate::rollups) fn finish(mut self) -> io::Result<Run> {
        let table = self.table.encode();
        let offset = self.at();
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend_from_slice(&offset.to_le_bytes());
        footer.extend_from_slice(&length_u32(table.len()).to_le_bytes());
        footer.extend_from_slice(&crc32c::crc32c_append(crc32c::crc32c(&footer), &table).to_le_bytes());
        footer.extend_from_slice(&MAGIC);
        self.put(&table)?;
        self.put(&footer)?;
        self.flush()?;
        self.file.sync_data()?;
        let name = self.name.file_name();
        let path = self.dir.join(&name);
        self.disk.rename(&self.dir.join(format!("{name}.new")), &path)?;
        self.disk.sync_dir(&self.dir)?;
        Ok(Run {
            name: self.name,
            path,
            bytes: self.written,
            hours: self.table.hours,
            damaged: AtomicBool::new(false),
        })
    }
}
