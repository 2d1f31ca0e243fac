//! Block devices from `/proc/diskstats` (kernel documentation `admin-guide/iostats.rst`): requests, bytes, time, queue.

use super::{
    bytes::{fields, fits, lines, number, text},
    columns::{CachedSection, Columns},
    file::KeptFile,
};
use std::path::Path;
use tocsin_vocabulary::batch::Cell;

/// Most block devices that are reported; those that come later in the kernel's list are left out.
pub(crate) const DISKS_MAX: usize = 1_000;

/// Sectors of `/proc/diskstats` are 512 bytes, whatever the device's own are.
const SECTOR_BYTES: u64 = 512;

/// What the kernel counts for one device since boot; times in milliseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    reads: Option<u64>,
    reads_merged: Option<u64>,
    sectors_read: Option<u64>,
    read_millis: Option<u64>,
    writes: Option<u64>,
    writes_merged: Option<u64>,
    sectors_written: Option<u64>,
    write_millis: Option<u64>,
    in_flight: Option<u64>,
    busy_millis: Option<u64>,
    weighted_millis: Option<u64>,
}

/// One line: the device's name and counters. Lines have 7 columns (partitions before 2.6.25), 14, since 4.18 with
/// discards 18, since 5.5 with flushes 20.
pub(crate) fn parse_line(line: &[u8]) -> Option<(&[u8], Counters)> {
    let mut fields = fields(line);
    let name = fields.nth(2)?;
    let mut columns = [0_u64; 11];
    let mut count = 0;
    for field in fields.take(columns.len()) {
        columns[count] = number(field)?;
        count += 1;
    }
    let [
        reads,
        merged_or_sectors,
        sectors_read,
        read_millis,
        writes,
        writes_merged,
        sectors_written,
        write_millis,
        in_flight,
        busy,
        weighted,
    ] = columns.map(Some);
    match count {
        11 => Some(Counters {
            reads,
            reads_merged: merged_or_sectors,
            sectors_read,
            read_millis,
            writes,
            writes_merged,
            sectors_written,
            write_millis,
            in_flight,
            busy_millis: busy,
            weighted_millis: weighted,
        }),
        4 => Some(Counters {
            reads,
            sectors_read: merged_or_sectors,
            writes: sectors_read,
            sectors_written: read_millis,
            ..Counters::default()
        }),
        _ => None,
    }
    .map(|counters| (name, counters))
}

/// Whether `name` is a partition of another listed device: `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`, but not `dm-10`
/// of `dm-1`. What a partition does is already counted for its disk.
fn is_partition<'a>(name: &[u8], mut all: impl Iterator<Item = &'a [u8]>) -> bool {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    let stem = &name[..name.len() - digits];
    let ends_in_digit = |disk: &[u8]| disk.last().is_some_and(u8::is_ascii_digit);
    all.any(|disk| {
        if ends_in_digit(disk) {
            stem.strip_suffix(b"p") == Some(disk)
        } else {
            !disk.is_empty() && stem == disk
        }
    })
}

/// One line of the kernel's list.
#[derive(Debug)]
struct Device {
    name: Vec<u8>,
    /// The name as attribute; `None` when the device is not reported.
    shown: Option<String>,
    counters: Counters,
}

/// Samples the block devices.
#[derive(Debug)]
pub(crate) struct Disks {
    file: KeptFile,
    excluded: Vec<String>,
    devices: Vec<Device>,
    section: CachedSection,
}

impl Disks {
    pub(crate) fn new(root: &Path, excluded: Vec<String>) -> Self {
        Self {
            file: KeptFile::new(root.join("proc/diskstats")),
            excluded,
            devices: Vec::new(),
            section: CachedSection::default(),
        }
    }

    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    /// Appends this tick's values; says whether the section changed.
    pub(crate) fn sample(&mut self, buffer: &mut Vec<u8>, cells: &mut Vec<Cell>) -> bool {
        let bytes = self.file.read(buffer).unwrap_or_default();
        if !self.update(bytes) {
            self.learn(bytes);
            self.section.mark_stale();
        }
        let devices = &self.devices;
        self.section.fill(cells, |columns| {
            for device in devices {
                if let Some(name) = &device.shown {
                    put(columns, name, &device.counters);
                }
            }
        })
    }

    /// Takes new counters for the same devices; `false` when the devices are others.
    fn update(&mut self, bytes: &[u8]) -> bool {
        let mut known = self.devices.iter_mut();
        for (name, counters) in lines(bytes).filter_map(parse_line) {
            match known.next() {
                Some(device) if device.name == name => device.counters = counters,
                _ => return false,
            }
        }
        known.next().is_none()
    }

    fn learn(&mut self, bytes: &[u8]) {
        let listed: Vec<_> = lines(bytes).filter_map(parse_line).collect();
        let mut room = DISKS_MAX;
        self.devices.clear();
        for (name, counters) in &listed {
            let shown = Some(text(name)).filter(|shown| {
                room > 0
                    && !self.excluded.iter().any(|pattern| fits(pattern, shown))
                    && !is_partition(name, listed.iter().map(|(name, _)| *name))
            });
            room -= usize::from(shown.is_some());
            self.devices.push(Device {
                name: name.to_vec(),
                shown,
                counters: *counters,
            });
        }
    }
}

fn put(columns: &mut Columns<'_>, device: &str, counters: &Counters) {
    let read = &[("system.device", device), ("disk.io.direction", "read")];
    let write = &[("system.device", device), ("disk.io.direction", "write")];
    let bytes = |sectors: Option<u64>| sectors.and_then(|sectors| sectors.checked_mul(SECTOR_BYTES));
    columns.put("system.disk.io", read, 0, bytes(counters.sectors_read));
    columns.put("system.disk.io", write, 0, bytes(counters.sectors_written));
    columns.put("system.disk.operations", read, 0, counters.reads);
    columns.put("system.disk.operations", write, 0, counters.writes);
    columns.put("system.disk.merged", read, 0, counters.reads_merged);
    columns.put("system.disk.merged", write, 0, counters.writes_merged);
    columns.put("system.disk.operation_time", read, 3, counters.read_millis);
    columns.put("system.disk.operation_time", write, 3, counters.write_millis);
    let device = &[("system.device", device)];
    columns.put("system.disk.io_time", device, 3, counters.busy_millis);
    columns.put("system.disk.weighted_io_time", device, 3, counters.weighted_millis);
    columns.put("system.disk.pending_operations", device, 0, counters.in_flight);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;
    use std::fs;

    #[test]
    fn lines_of_all_kernels_are_read() {
        let full = Counters {
            reads: Some(1),
            reads_merged: Some(2),
            sectors_read: Some(3),
            read_millis: Some(4),
            writes: Some(5),
            writes_merged: Some(6),
            sectors_written: Some(7),
            write_millis: Some(8),
            in_flight: Some(9),
            busy_millis: Some(10),
            weighted_millis: Some(11),
        };
        for tail in ["", " 12 13 14 15", " 12 13 14 15 16 17"] {
            let line = format!("   8       0 sda 1 2 3 4 5 6 7 8 9 10 11{tail}");
            assert_eq!(parse_line(line.as_bytes()), Some((&b"sda"[..], full)));
        }
        let old = Counters {
            reads: Some(1),
            sectors_read: Some(2),
            writes: Some(3),
            sectors_written: Some(4),
            ..Counters::default()
        };
        assert_eq!(parse_line(b"8 1 sda1 1 2 3 4"), Some((&b"sda1"[..], old)));
        for line in ["8 0 sda", "8 0 sda 1 2 3", "8 0 sda 1 2 3 4 x 6 7 8 9 10 11", ""] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn partitions_are_told_from_disks_by_their_names() {
        let all: Vec<&[u8]> = vec![
            b"sda",
            b"sda1",
            b"nvme0n1",
            b"nvme0n1p1",
            b"dm-1",
            b"dm-10",
            b"md127",
            b"md127p2",
            b"xvda1",
            b"cciss/c0d0",
            b"cciss/c0d0p1",
        ];
        let disks: Vec<&[u8]> = all
            .iter()
            .copied()
            .filter(|name| !is_partition(name, all.iter().copied()))
            .collect();
        assert_eq!(
            disks,
            [
                &b"sda"[..],
                b"nvme0n1",
                b"dm-1",
                b"dm-10",
                b"md127",
                b"xvda1",
                b"cciss/c0d0"
            ]
        );
    }

    #[test]
    fn the_section_changes_only_with_the_devices() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        let write = |text: &str| fs::write(root.path().join("proc/diskstats"), text).unwrap();
        let (mut buffer, mut cells) = (Vec::new(), Vec::new());
        let mut disks = Disks::new(root.path(), vec!["loop*".to_owned()]);
        write("7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
        assert!(disks.sample(&mut buffer, &mut cells));
        assert_eq!(cells.len(), 11);
        assert_eq!(cells[0], Cell::Scaled(3 * 512));
        cells.clear();
        write("7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n8 0 sda 1 2 4 4 5 6 7 8 9 10 11\n");
        assert!(!disks.sample(&mut buffer, &mut cells));
        assert_eq!(cells[0], Cell::Scaled(4 * 512));
        cells.clear();
        write("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n");
        assert!(disks.sample(&mut buffer, &mut cells));
        assert_eq!(cells.len(), 22);
        cells.clear();
        fs::remove_file(root.path().join("proc/diskstats")).unwrap();
        write("");
        assert!(disks.sample(&mut buffer, &mut cells));
        assert!(cells.is_empty());
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[include_str!("../../fixtures/modern/proc/diskstats")],
            |bytes: &[u8]| {
                let mut disks = Disks::new(Path::new("/nonexistent"), Vec::new());
                disks.learn(bytes);
                assert!(disks.update(bytes));
            },
        );
    }
}
