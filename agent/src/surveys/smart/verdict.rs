//! The verdict on a disk, from what it says now and from what it said before.
//!
//! Sectors that can't be read (197, 198), errors that were told to the host (187), errors that a SAS disk could not
//! correct: one is enough for a warning. Sectors replaced by spare ones (5, grown defects) and errors of NVMe media are
//! a warning when they grow. Growth within a day, more than 100 replaced sectors, or a disk that says so itself: it
//! fails. These are the attributes that Backblaze's field study found to foretell failure; "passed" alone does not.

use super::report::{Report, exit};
use crate::surveys::{Part, PartStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// More replaced sectors than this are a failure; on SAS disks, which ship with some, only growth counts.
const REALLOCATED_MAX: u64 = 100;
/// Growth within this time is a failure.
const RECENT: Duration = Duration::from_secs(24 * 3_600);
/// Share of its life from which an SSD is near its end.
const ENDURANCE_NEAR: f64 = 0.9;

/// Bits of NVMe's critical warning (NVM Express base specification, SMART log): what they mean, and whether the disk
/// can still be used.
const WARNINGS: [(u64, &str, PartStatus); 6] = [
    (1, "its spare is below the threshold", PartStatus::Degraded),
    (2, "its temperature is beyond the threshold", PartStatus::Degraded),
    (4, "its reliability is degraded", PartStatus::Failed),
    (8, "it is read-only", PartStatus::Failed),
    (16, "the backup of its volatile memory failed", PartStatus::Degraded),
    (
        32,
        "its persistent memory region is read-only or unreliable",
        PartStatus::Degraded,
    ),
];

/// A count that should not grow: first and last seen, and when it grew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    first: u64,
    last: u64,
    grew_at: Option<Timestamp>,
}

/// What a disk said since it was seen first, also by an agent before this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    counts: [Option<Count>; 5],
}

/// How much a count grew since it was seen first, and whether the last growth was within a day.
struct Growth {
    name: &'static str,
    by: u64,
    recent: bool,
    /// Having any is a warning, grown or not.
    any: Option<u64>,
}

impl History {
    /// Takes what a disk says now.
    fn take(&mut self, report: &Report, now: Timestamp) -> Vec<Growth> {
        let said = [
            ("reallocated sectors", report.reallocated, false),
            ("pending sectors", report.pending, true),
            ("uncorrectable errors", report.uncorrectable, true),
            ("reported uncorrectable errors", report.reported, true),
            ("media errors", report.media_errors, false),
        ];
        let counts = self.counts.iter_mut().zip(said);
        counts
            .filter_map(|(known, (name, value, any))| {
                let value = value?;
                let count = known.get_or_insert(Count {
                    first: value,
                    last: value,
                    grew_at: None,
                });
                if value > count.last {
                    count.grew_at = Some(now);
                }
                count.last = value;
                count.first = count.first.min(value);
                Some(Growth {
                    name,
                    by: value - count.first,
                    recent: count.grew_at.is_some_and(|at| now.since(at) < RECENT),
                    any: any.then_some(value),
                })
            })
            .collect()
    }
}

/// Judges a disk that was read.
pub(super) fn judge(report: &Report, history: &mut History, now: Timestamp, part: &mut Part) {
    if report.passed == Some(false) || report.exit & exit::FAILING != 0 {
        part.judge(PartStatus::Failed, "it says of itself that it fails");
    }
    let bits = report.warning.unwrap_or_default();
    for (bit, words, status) in WARNINGS {
        if bits & bit != 0 {
            // What it says of itself includes these; they are the reason.
            part.judge(status.max(part.status), words);
        }
    }
    if !report.failing_now.is_empty() {
        let names = report.failing_now.join(", ");
        part.judge(
            PartStatus::Degraded.max(part.status),
            format!("at its threshold: {names}"),
        );
    } else if report.exit & exit::PREFAIL != 0 {
        part.judge(PartStatus::Degraded, "an attribute is at its threshold");
    }
    if report.exit & exit::SELF_TEST != 0 {
        part.judge(PartStatus::Degraded, "a self-test found errors");
    }
    let sas = report.protocol == "SCSI";
    if let Some(sectors) = report.reallocated.filter(|sectors| *sectors > REALLOCATED_MAX && !sas) {
        part.judge(PartStatus::Failed, format!("{sectors} sectors are reallocated"));
    }
    for growth in history.take(report, now) {
        let name = growth.name;
        if growth.recent {
            part.judge(PartStatus::Failed, format!("{name} grew within a day"));
        } else if let Some(count) = growth.any.filter(|count| *count > 0) {
            part.judge(PartStatus::Degraded, format!("{count} {name}"));
        } else if growth.by > 0 {
            part.judge(PartStatus::Degraded, format!("{name} grew by {}", growth.by));
        }
    }
    judge_wear(report, part);
}

fn judge_wear(report: &Report, part: &mut Part) {
    if let Some((spare, threshold)) = report.spare.zip(report.spare_threshold)
        && spare < threshold
        && report.warning.unwrap_or_default() & 1 == 0
    {
        part.judge(PartStatus::Degraded, "its spare is below the threshold");
    }
    match report.endurance_used {
        Some(used) if used >= 1.0 => part.judge(PartStatus::Failed, "it is worn out"),
        Some(used) if used >= ENDURANCE_NEAR => part.judge(PartStatus::Degraded, "it is nearly worn out"),
        _ => {}
    }
}
