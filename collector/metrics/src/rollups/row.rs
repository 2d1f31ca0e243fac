//! Rows and clocks as bytes. Drawn in `FORMAT.md`.

use super::{
    Tier,
    bucket::{self, Bucket, COUNT, COUNTER_FIELDS, Fields, Need},
    clock::Clock,
};
use crate::{
    blocks::column::{self, Numbers},
    bytes::{Reader, length_u32, put_varint},
    config::SERIES_PER_HOST_MAX,
};
use tocsin_vocabulary::{Hash, HostId, Kind, batch::Cell};

/// Hours of a day: a mask has one bit for each, the lowest for the first.
pub(crate) const HOURS: u32 = 24;
/// Most gaps that a clock can have: one tick in two seconds of ten times a second.
const GAPS_MAX: usize = 24 * 36_000;

/// One series of one host in some hours of a day.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) host: HostId,
    pub(super) dictionary: Hash,
    /// Number of the series in its dictionary.
    pub(super) series: u32,
    pub(super) kind: Kind,
    /// Its hours.
    pub(super) mask: u32,
    /// Samples of each bucket of its hours, one hour after the other.
    counts: Numbers,
    /// Where each bucket lies in the columns; none when all have samples, so that it is its own number.
    places: Option<Vec<u32>>,
    /// For each field a cell for each bucket that has samples. Absent when not read, as is the first one, the counts.
    columns: Vec<Numbers>,
}

/// Order of rows within a section.
pub(super) type RowKey = (HostId, Hash, u32);

/// A row whose columns are bytes already: many of them wait for their place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PackedRow {
    pub(super) host: HostId,
    pub(super) dictionary: Hash,
    pub(super) series: u32,
    pub(super) kind: Kind,
    pub(super) mask: u32,
    /// As [`Fields::pack`] makes them.
    pub(super) columns: Vec<u8>,
}

impl PackedRow {
    /// What rows are sorted by.
    pub(super) const fn key(&self) -> (RowKey, u32) {
        ((self.host, self.dictionary, self.series), self.mask)
    }

    /// The row's bytes, where its dictionary is number `dictionary` of its chunk.
    pub(super) fn encode(&self, dictionary: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.host.as_bytes());
        put_varint(out, dictionary as u64);
        put_varint(out, u64::from(self.series));
        out.push(u8::from(self.kind == Kind::Counter));
        put_varint(out, u64::from(self.mask));
        out.extend_from_slice(&self.columns);
    }
}

impl Row {
    pub(super) const fn key(&self) -> RowKey {
        (self.host, self.dictionary, self.series)
    }

    /// Whether it has this hour, and where its buckets begin in the columns.
    pub(super) const fn place(&self, tier: Tier, hour: u32) -> Option<usize> {
        let bit = 1_u32 << hour;
        if self.mask & bit == 0 {
            return None;
        }
        Some((self.mask & (bit - 1)).count_ones() as usize * tier.per_hour())
    }

    /// Samples of a bucket, and where it lies in the columns; none when there are none.
    #[inline]
    fn filled(&self, bucket: usize) -> Option<(usize, i64)> {
        let Cell::Scaled(count @ 1..) = self.counts.get(bucket) else {
            return None;
        };
        let place = match &self.places {
            None => bucket,
            Some(places) => *places.get(bucket)? as usize,
        };
        Some((place, count))
    }

    /// What is in a bucket that begins at `start`.
    #[inline]
    pub(super) fn bucket(&self, bucket: usize, start: i64, decimals: u8) -> Option<Bucket> {
        let filled = self.filled(bucket)?;
        Some(bucket::read(self.kind, &self.columns, filled, start, decimals))
    }

    /// Adds the cells of a bucket to the columns of another row.
    pub(super) fn copy(&self, bucket: usize, to: &mut Fields) {
        let filled = self.filled(bucket);
        for (field, column) in to.columns.iter_mut().enumerate().take(self.columns.len()) {
            match (field, filled) {
                (COUNT, _) => column.push(Cell::Scaled(filled.map_or(0, |(_, count)| count))),
                (_, Some((place, _))) => column.push(self.columns[field].get(place)),
                (_, None) => {}
            }
        }
    }
}

/// Where each bucket lies among those that have samples, and how many these are; no places when all have.
fn places(counts: &Numbers, buckets: usize) -> (Option<Vec<u32>>, usize) {
    let has = |bucket: usize| matches!(counts.get(bucket), Cell::Scaled(1..));
    if let Numbers::Constant(count) = counts {
        return (None, if *count > 0 { buckets } else { 0 });
    }
    if (0..buckets).all(has) {
        return (None, buckets);
    }
    let mut filled = 0;
    let place = |bucket| {
        let place = filled;
        filled += u32::from(has(bucket));
        place
    };
    let places = (0..buckets).map(place).collect();
    (Some(places), filled as usize)
}

/// A row whose columns are still bytes.
pub(super) struct RowBytes<'a> {
    pub(super) host: HostId,
    pub(super) dictionary: Hash,
    pub(super) series: u32,
    pub(super) kind: Kind,
    pub(super) mask: u32,
    columns: [&'a [u8]; COUNTER_FIELDS],
}

impl RowBytes<'_> {
    /// Reads the columns that are needed, or all of them.
    pub(super) fn read(&self, tier: Tier, need: Option<Need>) -> Option<Row> {
        let buckets = self.mask.count_ones() as usize * tier.per_hour();
        let counts = column::decode_alone(self.columns[COUNT], buckets)?;
        let (places, filled) = places(&counts, buckets);
        let wanted = |field: usize| field != COUNT && need.is_none_or(|need| need.wants(self.kind, field));
        let own = self.columns.iter().take(bucket::width(self.kind)).enumerate();
        let read = |(field, bytes): (usize, &&[u8])| {
            if wanted(field) {
                column::decode_alone(bytes, filled)
            } else {
                Some(Numbers::Absent)
            }
        };
        Some(Row {
            host: self.host,
            dictionary: self.dictionary,
            series: self.series,
            kind: self.kind,
            mask: self.mask,
            columns: own.map(read).collect::<Option<_>>()?,
            counts,
            places,
        })
    }
}

/// Calls `each` with the rows of a chunk; `None` when its bytes are not that.
pub(super) fn rows(plain: &[u8], mut each: impl FnMut(RowBytes<'_>) -> Option<()>) -> Option<()> {
    let mut reader = Reader::new(plain);
    let dictionaries = dictionaries(&mut reader)?;
    while !reader.is_empty() {
        let host = HostId::from_bytes(reader.array()?);
        let dictionary = *dictionaries.get(reader.count()?)?;
        let series = u32::try_from(reader.varint()?).ok()?;
        let kind = match reader.byte()? {
            0 => Kind::Gauge,
            1 => Kind::Counter,
            _ => return None,
        };
        let mask = mask(&mut reader)?;
        let mut columns = [&[][..]; COUNTER_FIELDS];
        for column in columns.iter_mut().take(bucket::width(kind)) {
            let length = reader.count()?;
            *column = reader.take(length)?;
        }
        each(RowBytes {
            host,
            dictionary,
            series,
            kind,
            mask,
            columns,
        })?;
    }
    Some(())
}

fn mask(reader: &mut Reader<'_>) -> Option<u32> {
    let mask = u32::try_from(reader.varint()?).ok()?;
    (mask >> HOURS == 0).then_some(mask)
}

fn dictionaries(reader: &mut Reader<'_>) -> Option<Vec<Hash>> {
    let count = reader.count().filter(|count| *count <= SERIES_PER_HOST_MAX)?;
    (0..count).map(|_| reader.take(32).and_then(Hash::from_slice)).collect()
}

/// What a chunk begins with.
pub(super) fn put_dictionaries(dictionaries: &[Hash], out: &mut Vec<u8>) {
    put_varint(out, dictionaries.len() as u64);
    for hash in dictionaries {
        out.extend_from_slice(hash.as_bytes());
    }
}

/// The hours of one host, and when it ticked in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clocks {
    pub(super) host: HostId,
    /// With the hour's number in its day, ascending.
    pub(super) hours: Vec<(u32, Clock)>,
}

impl Clocks {
    pub(super) fn mask(&self) -> u32 {
        self.hours.iter().fold(0, |mask, (hour, _)| mask | 1 << hour)
    }

    /// The row's bytes; times are written from the start of their hour.
    pub(super) fn encode(&self, day: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.host.as_bytes());
        put_varint(out, u64::from(self.mask()));
        let start = |hour: u32| day + i64::from(hour) * crate::head::HOUR_MS;
        let column = |of: &dyn Fn(u32, &Clock) -> i64| -> Vec<i64> {
            self.hours.iter().map(|(hour, clock)| of(*hour, clock)).collect()
        };
        let gaps = self.hours.iter().flat_map(|(hour, clock)| {
            let start = start(*hour);
            clock.gaps.iter().flat_map(move |(from, to)| [from - start, to - from])
        });
        let columns = [
            column(&|hour, clock| clock.first - start(hour)),
            column(&|hour, clock| clock.last - start(hour)),
            column(&|_, clock| clock.longest.unwrap_or(0)),
            column(&|_, clock| i64::from(length_u32(clock.gaps.len()))),
            gaps.collect(),
        ];
        let mut scratch = Vec::new();
        for column in &columns {
            column::put_integers_alone(column, &mut scratch, out);
        }
    }

    fn decode(reader: &mut Reader<'_>, day: i64) -> Option<Self> {
        let host = HostId::from_bytes(reader.array()?);
        let mask = mask(reader)?;
        let count = mask.count_ones() as usize;
        let mut column = |count: usize| {
            let length = reader.count()?;
            // Most hosts tick alike in every hour: a constant needs no memory.
            column::decode_alone(reader.take(length)?, count)
        };
        let (first, last, longest, gaps) = (column(count)?, column(count)?, column(count)?, column(count)?);
        let mut total = 0_usize;
        for at in 0..count {
            total = total.checked_add(usize::try_from(whole(&gaps, at)?).ok()?)?;
        }
        let edges = column(total.checked_mul(2).filter(|total| *total <= 2 * GAPS_MAX)?)?;
        let mut edge = 0;
        let mut clocks = Vec::with_capacity(count);
        for (at, hour) in (0..HOURS).filter(|hour| mask & (1 << hour) != 0).enumerate() {
            let start = day + i64::from(hour) * crate::head::HOUR_MS;
            let mut own = Vec::new();
            for _ in 0..whole(&gaps, at)? {
                let from = start.saturating_add(whole(&edges, edge)?);
                own.push((from, from.saturating_add(whole(&edges, edge + 1)?)));
                edge += 2;
            }
            let clock = Clock {
                first: start.saturating_add(whole(&first, at)?),
                last: start.saturating_add(whole(&last, at)?),
                longest: Some(whole(&longest, at)?).filter(|longest| *longest > 0),
                gaps: own,
            };
            clocks.push((hour, clock));
        }
        Some(Self { host, hours: clocks })
    }
}

/// The whole number at this place; `None` when there is another cell.
fn whole(numbers: &Numbers, at: usize) -> Option<i64> {
    match numbers.get(at) {
        Cell::Scaled(number) => Some(number),
        Cell::Absent | Cell::Raw(_) => None,
    }
}

/// Calls `each` with the clocks of a chunk; `None` when its bytes are not that.
pub(super) fn clocks(plain: &[u8], day: i64, mut each: impl FnMut(Clocks)) -> Option<()> {
    let mut reader = Reader::new(plain);
    dictionaries(&mut reader)?;
    while !reader.is_empty() {
        each(Clocks::decode(&mut reader, day)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_rows_and_clocks_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = clocks(bytes, 0, |_| {});
            let _ = rows(bytes, |row| {
                let row = row.read(Tier::Minutes, None)?;
                for hour in 0..HOURS {
                    if let Some(at) = row.place(Tier::Minutes, hour) {
                        let _ = row.bucket(at, 0, 3);
                    }
                }
                Some(())
            });
        });
    }

    #[test]
    fn clocks_read_back() {
        let one = Clocks {
            host: HostId::from_bytes([7; 16]),
            hours: vec![
                (
                    0,
                    Clock {
                        first: 5,
                        last: 900_000,
                        longest: Some(25_000),
                        gaps: vec![(100_000, 200_000), (300_000, 400_000)],
                    },
                ),
                (
                    23,
                    Clock {
                        first: 23 * 3_600_000 + 7,
                        last: 23 * 3_600_000 + 7,
                        longest: None,
                        gaps: Vec::new(),
                    },
                ),
            ],
        };
        let mut bytes = Vec::new();
        put_dictionaries(&[], &mut bytes);
        one.encode(0, &mut bytes);
        let mut read = Vec::new();
        clocks(&bytes, 0, |own| read.push(own)).unwrap();
        assert_eq!(read, [one]);
    }
}
