//! Day files of sealed blocks: header, columns, and whether each block's dictionary is known.

use super::{Look, Part, read_at};
use crate::{
    backup::BackupError,
    blocks::{
        DayFile,
        day::{self, next_magic},
        format::{BlockHeader, MAGIC, PREFIX_BYTES, Prefix},
        index::Index,
        open::Start,
    },
    bytes::length_usize,
};
use std::{path::PathBuf, sync::Arc};
use tocsin_vocabulary::{HostId, Timestamp};

/// Most series of a damaged part that are named.
const SERIES_NAMED_MAX: usize = 8;

pub(super) fn is_day(path: &str) -> bool {
    path.starts_with("blocks/") && path.ends_with(".blk")
}

pub(super) fn read_day(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let day = DayFile::to_read(part.file.clone(), PathBuf::from(&part.path), part.length);
    let mut at = 0;
    let mut bad_since = None;
    while at < part.length {
        let start = Start::read(&day, at).map_err(BackupError::io("read", &part.path))?;
        let next = match start.filter(|start| at.saturating_add(start.total_bytes()) <= part.length) {
            Some(start) => {
                if let Some(start) = bad_since.take() {
                    lost_block(part, look, start, at)?;
                }
                let end = at + start.total_bytes();
                read_parts(part, look, at, start, &day)?;
                end
            }
            None => {
                bad_since.get_or_insert(at);
                next_magic(&day, at + 1).map_err(BackupError::io("read", &part.path))?
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

pub(super) fn is_index(path: &str) -> bool {
    path.starts_with("blocks/") && path.ends_with(".index")
}

pub(super) fn read_index(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let name = part.path.rsplit('/').next().unwrap_or_default();
    let read = || match day::day_of_name(name, ".index") {
        Some(day) => match Index::open(part.file.clone(), day.day)? {
            Some(index) => index.all(),
            None => Ok(None),
        },
        None => Ok(None),
    };
    if read().map_err(BackupError::io("read", &part.path))?.is_none() {
        let cost = "nothing but time: the blocks of that day are read instead, and the index is made again";
        look.damage(&part.path, 0, "it does not match its checksums", cost);
    }
    look.meter.add(part.length)
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

fn read_parts(part: &Part, look: &mut Look<'_>, at: u64, start: Start, day: &Arc<DayFile>) -> Result<(), BackupError> {
    look.found.blocks += 1;
    let hour = Timestamp::from_millis(start.header.hour);
    let place = format!("host {}, the hour from {hour}", start.header.host);
    let Some(block) = start.open(day, None) else {
        look.damage(&part.path, at, "a block's directory makes no sense", place);
        return Ok(());
    };
    let (parts, damaged) = block.check().map_err(BackupError::io("read", &part.path))?;
    look.found.columns += parts - damaged.len() as u64;
    for piece in damaged {
        let cost = if piece.series.is_empty() {
            format!("{place}: all of it, for these are its times")
        } else {
            let named = piece.series.iter().take(SERIES_NAMED_MAX);
            let names: Vec<String> = named.map(|series| series_name(look, &block.header, *series)).collect();
            let more = piece.series.len().saturating_sub(SERIES_NAMED_MAX);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!("{place}: {}{more}", names.join(", "))
        };
        look.damage(&part.path, piece.offset, "columns don't match their checksum", cost);
    }
    if look.known.dictionary(block.header.dictionary).is_none() {
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
        series.name.to_string()
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
