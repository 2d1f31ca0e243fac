//! The journal: what was received, as it was received, before anybody is told that it is safe.
//!
//! Segments `journal/NNNNNNNNNN.seg` hold [`record`]s. One [`writer`] appends them in groups, one sync per group;
//! [`queue`] is the bounded way to it; [`scan`] reads a segment back and steps over damage.

pub(crate) mod queue;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod writer;

use std::path::{Path, PathBuf};

/// `dir/0000000007.seg`.
pub(crate) fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:010}.seg"))
}

/// The segment number in a file name.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() == 10 { digits.parse().ok() } else { None }
}
