//! Journal segments, the log of dictionaries and the format's number.

use super::{Look, Part, read_whole};
use crate::{
    backup::{BackupError, DICTIONARIES, segment_of},
    config::FORMAT_VERSION,
    dictionaries::Known,
    journal::{
        record::{HEADER_BYTES, MAGIC},
        scan::{Damage, scan},
    },
    recovery::format_text,
};
use std::ops::Range;
use tocsin_vocabulary::HostId;

pub(super) fn is_format(path: &str) -> bool {
    path == "FORMAT"
}

pub(super) fn read_format(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let bytes = read_whole(part)?;
    if bytes != format_text(FORMAT_VERSION).as_bytes() {
        let cost = format!("nothing, as long as a collector reads it as format {FORMAT_VERSION}");
        look.damage(&part.path, 0, "it does not name a format that is known here", cost);
    }
    look.meter.add(part.length)
}

pub(super) fn is_dictionaries(path: &str) -> bool {
    path == DICTIONARIES
}

pub(super) fn read_dictionaries(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let bytes = read_whole(part)?;
    let damage = scan(&bytes, 0, |_, _, _| look.found.records += 1);
    look.known = Known::read(&bytes).0;
    let cost = |_: &[u8]| "series of some hosts lose their names; their agents send these again".to_owned();
    note(part, look, &bytes, &damage, cost);
    look.meter.add(part.length)
}

pub(super) fn is_segment(path: &str) -> bool {
    segment_of(path).is_some()
}

pub(super) fn read_segment(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let segment = segment_of(&part.path).unwrap_or_default();
    let bytes = read_whole(part)?;
    let damage = scan(&bytes, segment, |_, _, _| look.found.records += 1);
    note(part, look, &bytes, &damage, cost_of_record);
    look.meter.add(part.length)
}

/// What is lost with a record that is not whole: whose it is can still be read more often than not.
fn cost_of_record(stretch: &[u8]) -> String {
    let whose = match (stretch.get(4), host_at(stretch)) {
        (Some(1 | 2 | 5), Some(host)) => format!("host {host}, most likely"),
        _ => "a host that can't be told".to_owned(),
    };
    format!(
        "ticks of {whose}, up to its next key-frame, unless a block has them; its agent sends again what it still holds"
    )
}

fn host_at(stretch: &[u8]) -> Option<HostId> {
    let id = stretch.get(HEADER_BYTES..HEADER_BYTES + 16)?;
    Some(HostId::from_bytes(id.try_into().ok()?))
}

fn note(part: &Part, look: &mut Look<'_>, bytes: &[u8], damage: &Damage, cost: impl Fn(&[u8]) -> String) {
    for Range { start, end } in damage.ranges.iter().cloned() {
        let what = format!("{} bytes are not as they were written", end - start);
        look.damage(&part.path, start as u64, what, cost(&bytes[start..end]));
    }
    let Some(tail) = damage.tail else { return };
    let stretch = &bytes[tail..damage.end];
    if part.ends_whole || stretch.len() > HEADER_BYTES && holds_whole_length(stretch) {
        let what = format!("the last {} bytes are not as they were written", stretch.len());
        look.damage(&part.path, tail as u64, what, cost(stretch));
    } else {
        let text = format!("{} from byte {tail}: an unfinished write", part.path);
        look.found.unfinished.push(text);
    }
}

/// Whether a record of just the length that it claims lies here: then it was written to its end and changed since, not
/// cut off. A write that the power cut may look so too; whoever reads the report can compare the times.
fn holds_whole_length(stretch: &[u8]) -> bool {
    let length = stretch.get(8..12).and_then(|bytes| bytes.try_into().ok());
    let length = length.map_or(0, u32::from_le_bytes) as usize;
    let zeroed = stretch.ends_with(&[0; 16]);
    stretch.starts_with(&MAGIC) && stretch.len() == HEADER_BYTES + length && !zeroed
}
