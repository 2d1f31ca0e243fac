//! The directory of a block: the times of its ticks, the shape of each column, and where its bytes lie.
//!
//! Columns with bytes lie in groups, in order of their series. A group is one zstd frame, or plain when that is shorter,
//! with one checksum. How large a group is decides between size and the time to read one series: see [`group_bytes`].

use super::{
    column::{self, Shape},
    format::Effort,
    pack::{pack, unpack},
};
use crate::{
    bytes::{Reader, length_u32, put_varint},
    config::SERIES_PER_HOST_MAX,
};
use tocsin_vocabulary::batch::Cell;

/// Most plain bytes of a group, as a reader believes them. One column of the longest hour has less.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Most plain bytes of a directory, as a reader believes them.
const DIRECTORY_BYTES_MAX: usize = 4 << 20;

/// How many plain bytes make a group, where one column alone has not more.
///
/// Full: about 30 columns of 360 ticks, unpacked in 10 µs. Measured against one frame for all columns, 16 KiB cost 2 %,
/// 4 KiB 5 %, a frame for each column 45 %. Light: groups are plain, and small so that reading one column reads little.
const fn group_bytes(effort: Effort) -> usize {
    match effort {
        Effort::Full => 16 << 10,
        Effort::Light => 1 << 10,
    }
}

/// A column as the directory knows it. Its bytes are `start..start + bytes` of its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) shape: Shape,
    pub(crate) group: u32,
    pub(crate) start: u32,
    pub(crate) bytes: u32,
}

/// Columns that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// Where it begins in the body.
    pub(crate) start: u64,
    /// Bytes on disk.
    pub(crate) stored: u32,
    /// Bytes once unpacked; when they are as many as on disk, it is plain.
    pub(crate) plain: u32,
    pub(crate) crc: u32,
}

impl Group {
    /// Whether these are its bytes, and plain.
    pub(crate) fn is_plain(&self, stored: &[u8]) -> bool {
        self.stored == self.plain && crc32c::crc32c(stored) == self.crc
    }

    /// The plain bytes, unless the stored ones are damaged.
    pub(crate) fn unpack(&self, stored: &[u8]) -> Option<Vec<u8>> {
        if crc32c::crc32c(stored) != self.crc {
            return None;
        }
        if self.stored == self.plain {
            return Some(stored.to_vec());
        }
        unpack(stored, self.plain as usize).filter(|plain| plain.len() == self.plain as usize)
    }
}

/// Where everything of a block lies.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) times: Vec<i64>,
    /// One for each series, or for each that was chosen.
    pub(crate) entries: Vec<Entry>,
    /// The series that were chosen, where not all were.
    chosen: Option<Vec<usize>>,
    pub(crate) groups: Vec<Group>,
}

/// Groups on their way to a body.
struct Groups {
    effort: Effort,
    body: Vec<u8>,
    open: Vec<u8>,
    columns: u64,
    count: u64,
    directory: Vec<u8>,
}

impl Groups {
    fn add(&mut self, bytes: &[u8]) {
        if self.columns > 0 && self.open.len() + bytes.len() > group_bytes(self.effort) {
            self.close();
        }
        self.open.extend_from_slice(bytes);
        self.columns += 1;
    }

    fn close(&mut self) {
        if self.columns == 0 {
            return;
        }
        let packed = (self.effort == Effort::Full).then(|| pack(&self.open)).flatten();
        let stored = packed.as_deref().unwrap_or(&self.open);
        put_varint(&mut self.directory, self.columns);
        put_varint(&mut self.directory, stored.len() as u64);
        self.directory.extend_from_slice(&crc32c::crc32c(stored).to_le_bytes());
        self.body.extend_from_slice(stored);
        self.count += 1;
        self.columns = 0;
        self.open.clear();
    }
}

/// The directory and the body of these columns.
pub(crate) fn encode(times: &[i64], columns: &[Vec<Cell>], effort: Effort) -> (Vec<u8>, Vec<u8>) {
    let mut plain = Vec::new();
    let mut bytes = Vec::new();
    let put = |shape: Shape, bytes: &[u8], plain: &mut Vec<u8>| {
        shape.put(plain);
        if shape.has_bytes() {
            put_varint(plain, bytes.len() as u64);
        }
    };
    let shape = column::encode_integers(times, &mut bytes);
    put(shape, &bytes, &mut plain);
    plain.extend_from_slice(&bytes);
    put_varint(&mut plain, columns.len() as u64);
    let mut groups = Groups {
        effort,
        body: Vec::new(),
        open: Vec::new(),
        columns: 0,
        count: 0,
        directory: Vec::new(),
    };
    for cells in columns {
        bytes.clear();
        let shape = column::encode(cells, &mut bytes);
        put(shape, &bytes, &mut plain);
        if shape.has_bytes() {
            groups.add(&bytes);
        }
    }
    groups.close();
    put_varint(&mut plain, groups.count);
    plain.extend_from_slice(&groups.directory);
    let packed = (effort == Effort::Full).then(|| pack(&plain)).flatten();
    let mut directory = Vec::with_capacity(plain.len() + 4);
    put_varint(&mut directory, packed.as_ref().map_or(0, |_| plain.len() as u64));
    directory.extend_from_slice(packed.as_deref().unwrap_or(&plain));
    (directory, groups.body)
}

impl Directory {
    /// Reads the directory of a block of `ticks` with a body of `body_bytes`; `None` when it is not that. Keeps the entries
    /// of the `chosen` series, ascending, or of all.
    pub(crate) fn decode(bytes: &[u8], ticks: usize, body_bytes: u32, chosen: Option<&[usize]>) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let unpacked;
        match reader.count().filter(|length| *length <= DIRECTORY_BYTES_MAX)? {
            0 => {}
            length => {
                unpacked = unpack(reader.rest(), length)?;
                reader = Reader::new(&unpacked);
            }
        }
        let (shape, length) = Shape::take_with_length(&mut reader)?;
        let times = column::decode_integers(shape, reader.take(length)?, ticks)?;
        let count = reader.count().filter(|count| *count <= SERIES_PER_HOST_MAX)?;
        let most = count.min(reader.remaining());
        let most_bytes = column::bytes_max(ticks);
        let mut entries = Entries {
            kept: Vec::with_capacity(chosen.map_or(most, <[usize]>::len)),
            homeless: Vec::new(),
            ends: Vec::with_capacity(most),
        };
        let mut left = chosen;
        for series in 0..count {
            let (shape, bytes) = Shape::take_with_length(&mut reader)?;
            if bytes > most_bytes {
                return None;
            }
            let kept = match &mut left {
                None => true,
                Some([next, rest @ ..]) if *next == series => {
                    left = Some(rest);
                    true
                }
                Some(_) => false,
            };
            entries.add(shape, bytes, kept)?;
        }
        let groups = entries.settle(&mut reader, body_bytes)?;
        reader.is_empty().then_some(Self {
            times,
            entries: entries.kept,
            chosen: chosen.map(<[usize]>::to_vec),
            groups,
        })
    }

    /// Where the column of a series lies; `None` when there is none, or it was not chosen.
    pub(crate) fn entry(&self, series: usize) -> Option<&Entry> {
        match &self.chosen {
            None => self.entries.get(series),
            Some(chosen) => self.entries.get(chosen.binary_search(&series).ok()?),
        }
    }
}

/// Entries on their way out of a directory.
struct Entries {
    kept: Vec<Entry>,
    /// Those of the kept that have bytes, with the number of their column among all that have.
    homeless: Vec<(usize, usize)>,
    /// Where each column with bytes ends when all lie one after the other. Nothing honest reaches 4 GiB.
    ends: Vec<u32>,
}

impl Entries {
    #[inline]
    fn add(&mut self, shape: Shape, bytes: usize, keep: bool) -> Option<()> {
        let bytes = u32::try_from(bytes).ok()?;
        if keep {
            if shape.has_bytes() {
                self.homeless.push((self.kept.len(), self.ends.len()));
            }
            self.kept.push(Entry {
                shape,
                group: 0,
                start: 0,
                bytes,
            });
        }
        if shape.has_bytes() {
            self.ends.push(self.end_of(self.ends.len()).checked_add(bytes)?);
        }
        Some(())
    }

    /// Where the first so many columns end.
    fn end_of(&self, columns: usize) -> u32 {
        columns.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    /// Reads the groups and tells the entries which is theirs.
    fn settle(&mut self, reader: &mut Reader<'_>, body_bytes: u32) -> Option<Vec<Group>> {
        let homeless = std::mem::take(&mut self.homeless);
        let mut homeless = homeless.into_iter().peekable();
        let count = reader.count()?;
        let mut groups = Vec::with_capacity(count.min(reader.remaining()));
        let (mut start, mut column) = (0_u64, 0_usize);
        for index in 0..count {
            let columns = reader.count()?;
            let stored = u32::try_from(reader.varint()?).ok()?;
            let crc = reader.u32()?;
            let after = column.checked_add(columns).filter(|after| *after <= self.ends.len())?;
            let before = self.end_of(column);
            let plain = self.end_of(after) - before;
            if plain as usize > GROUP_BYTES_MAX {
                return None;
            }
            while let Some((entry, own)) = homeless.next_if(|(_, own)| *own < after) {
                let entry = &mut self.kept[entry];
                entry.group = length_u32(index);
                entry.start = self.ends[own] - before - entry.bytes;
            }
            groups.push(Group {
                start,
                stored,
                plain,
                crc,
            });
            start += u64::from(stored);
            column = after;
        }
        (column == self.ends.len() && start == u64::from(body_bytes)).then_some(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_a_directory_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = Directory::decode(bytes, 300, 100, None);
            let _ = Directory::decode(bytes, 300, 100, Some(&[0, 3]));
        });
    }

    #[test]
    fn an_even_clock_and_still_columns_take_a_few_bytes() {
        let times: Vec<i64> = (0..360).map(|tick| 1_763_780_640_000 + tick * 10_000).collect();
        let columns = vec![vec![Cell::Scaled(7); 360]; 200];
        let (directory, body) = encode(&times, &columns, Effort::Full);
        assert!(directory.len() < 50, "{}", directory.len());
        assert!(body.is_empty());
        let directory = Directory::decode(&directory, 360, 0, None).unwrap();
        assert_eq!(directory.times, times);
        assert_eq!(directory.entries.len(), 200);
    }

    #[test]
    fn groups_of_a_light_block_are_plain_and_small() {
        let times: Vec<i64> = (0..60).map(|tick| tick * 10_000).collect();
        let columns: Vec<Vec<Cell>> = (0..100)
            .map(|series| (0..60).map(|tick| Cell::Scaled(tick * series % 17)).collect())
            .collect();
        let (bytes, body) = encode(&times, &columns, Effort::Light);
        let directory = Directory::decode(&bytes, 60, length_u32(body.len()), None).unwrap();
        assert!(directory.groups.len() > 4);
        for group in &directory.groups {
            assert!(group.plain == group.stored && group.plain <= 1_024, "{group:?}");
        }
    }
}
