//! Files of rollups: table, clocks, and every row of every metric.

use super::{Look, Part};
use crate::{backup::BackupError, rollups::run};

pub(super) fn is_run(path: &str) -> bool {
    path.starts_with("rollups/") && path.ends_with(".run")
}

pub(super) fn read_run(part: &Part, look: &mut Look<'_>) -> Result<(), BackupError> {
    let name = part.path.rsplit('/').next().unwrap_or_default();
    let damaged = run::check(&part.file, name).map_err(BackupError::io("read", &part.path))?;
    for metric in damaged {
        let what = if metric.is_empty() {
            "it does not match its checksums".to_owned()
        } else {
            format!("the rollups of {metric} don't match their checksums")
        };
        let cost = "long charts of that day, unless its blocks are still there to make the rollups again";
        look.damage(&part.path, 0, what, cost);
    }
    look.meter.add(part.length)
}
