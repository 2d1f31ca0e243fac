//! Day files of sealed blocks: header, columns, and whether each block's dictionary is known.

use super::{Look, Part, read_at};
use crate::{
    backup::BackupError,
    blocks::{
        format::{BlockHeader, MAGIC, PREFIX_BYTES, Prefix},
        read_header,
    },
    bytes::length_usize,
};
use tocsin_vocabulary::{HostId, Timestamp};

/// Bytes searched at once for the next block.
const WINDOW_BYTES: u64 = 1 << 20;

pub(super) fn is_day(path: &str) -> bool {
    path.starts_with("blocks/") && path.ends_with(".blk")
}

pub(super) fn read_day(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let mut at = 0;
    let mut bad_since = None;
    while at < part.length {
        let next = match block_at(part, at)? {
            Some((header, body, end)) => {
                if let Some(start) = bad_since.take() {
                    lost_block(part, look, start, at)?;
                }
                read_columns(part, look, at, &header, body)?;
                end
            }
            None => {
                bad_since.get_or_insert(at);
                next_magic(part, at + 1)?
            }
        };
        look.meter.add(next - at)?;
        at = next;
    }
    match bad_since {
        Some(start) if !part.ends_whole && is_cut_off(part, start)? => {
            let text = format!("{} from byte {start}: an unfinished write", part.path);
            look.found.unfinished.push(text);
            Ok(())
        }
        Some(start) => lost_block(part, look, start, part.length),
        None => Ok(()),
    }
}

/// The header of the block at `at`, where its columns begin, and where it ends; none when it is not whole.
fn block_at(part: &Part, at: u64) -> Result<Option<(BlockHeader, u64, u64)>, BackupError> {
    let found = read_header(part.file.as_ref(), at).map_err(BackupError::io("read", &part.path))?;
    Ok(found.and_then(|(header, prefix)| {
        let end = at.checked_add(prefix.total_bytes())?;
        let body = at + PREFIX_BYTES as u64 + u64::from(prefix.header_bytes);
        (end <= part.length).then_some((header, body, end))
    }))
}

/// Whether the end from `start` on looks like a block that was not written to its end: too short for what it says of
/// itself, or never filled.
fn is_cut_off(part: &Part, start: u64) -> Result<bool, BackupError> {
    let rest = part.length - start;
    let mut prefix = [0; PREFIX_BYTES];
    let there = length_usize(rest.min(PREFIX_BYTES as u64));
    read_at(part, start, &mut prefix[..there])?;
    let claims = Prefix::decode(&prefix).map(|prefix| prefix.total_bytes());
    Ok(there < PREFIX_BYTES || claims.is_some_and(|claims| claims > rest) || prefix == [0; PREFIX_BYTES])
}

fn read_columns(part: &Part, look: &mut Look<'_>, at: u64, header: &BlockHeader, body: u64) -> Result<(), BackupError> {
    look.found.blocks += 1;
    let hour = Timestamp::from_millis(header.hour);
    let place = format!("host {}, the hour from {hour}", header.host);
    let mut offset = body;
    for (index, column) in header.columns.iter().enumerate() {
        let mut bytes = vec![0; column.bytes as usize];
        read_at(part, offset, &mut bytes)?;
        if crc32c::crc32c(&bytes) == column.crc {
            look.found.columns += 1;
        } else {
            let cost = match index.checked_sub(1) {
                None => format!("{place}: all of it, for these are its times"),
                Some(series) => format!("{place}: {}", series_name(look, header, series)),
            };
            look.damage(&part.path, offset, "a column does not match its checksum", cost);
        }
        offset += u64::from(column.bytes);
    }
    if look.known.dictionary(header.dictionary).is_none() {
        let what = "the dictionary of this block is not known";
        let cost = format!("{place}: not readable until its agent has sent that dictionary again");
        look.damage(&part.path, at, what, cost);
    }
    Ok(())
}

fn series_name(look: &Look<'_>, header: &BlockHeader, index: usize) -> String {
    let dictionary = look.known.dictionary(header.dictionary);
    let Some(series) = dictionary.and_then(|known| known.series().nth(index)) else {
        return format!("series number {index}");
    };
    let attributes: Vec<String> = series
        .attributes
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if attributes.is_empty() {
        series.name.clone()
    } else {
        format!("{} ({})", series.name, attributes.join(", "))
    }
}

/// Notes that nothing readable lies from `start` to `end`.
fn lost_block(part: &Part, look: &mut Look<'_>, start: u64, end: u64) -> Result<(), BackupError> {
    // Magic, lengths, checksum; then offset, host and hour.
    let mut bytes = [0; PREFIX_BYTES + 32];
    let is_there = end - start >= bytes.len() as u64;
    if is_there {
        read_at(part, start, &mut bytes)?;
    }
    let whose = if is_there && bytes.starts_with(&MAGIC) {
        let (host, hour) = bytes[PREFIX_BYTES + 8..].split_at(16);
        let host = host.try_into().map(HostId::from_bytes);
        let hour = hour.try_into().map(i64::from_le_bytes);
        match (host, hour) {
            (Ok(host), Ok(hour)) => format!(
                "host {host}, the hour from {}, most likely",
                Timestamp::from_millis(hour)
            ),
            _ => "a host's hour".to_owned(),
        }
    } else {
        "a host's hour that can't be told".to_owned()
    };
    let what = format!("{} bytes hold no whole block", end - start);
    look.damage(&part.path, start, what, whose);
    Ok(())
}

/// Where a block may begin next, or the end.
fn next_magic(part: &Part, mut from: u64) -> Result<u64, BackupError> {
    while from < part.length {
        let mut window = vec![0; length_usize((part.length - from).min(WINDOW_BYTES))];
        read_at(part, from, &mut window)?;
        if let Some(place) = window.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
            return Ok(from + place as u64);
        }
        if part.length - from <= WINDOW_BYTES {
            break;
        }
        from += WINDOW_BYTES - (MAGIC.len() as u64 - 1);
    }
    Ok(part.length)
}
