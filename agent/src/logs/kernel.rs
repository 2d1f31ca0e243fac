//! What the kernel says when something is bad: patterns that are watched for unless the configuration switches them off.
//!
//! Each is written for kernels from 3.10 to today; where their words differ, both are here. Only messages of the kernel
//! itself are judged, for programs may write to the same log.

use super::{matcher::Storm, settings::LogMatch};
use std::time::Duration;
use tocsin_vocabulary::Severity::{self, Critical, Info, Major, Minor};

/// Resets of one link, and within which time, that are a storm.
const RESETS: Storm = Storm {
    count: 5,
    within: Duration::from_secs(600),
};

/// Pattern, what it must not hold, event, severity.
type BuiltIn = (&'static str, Option<&'static str>, &'static str, Severity);

/// In the order in which they are tried. `(?-u)`: the kernel's words are ASCII, and such patterns are smaller.
const BUILT_IN: &[BuiltIn] = &[
    // A name may hold brackets; what follows it is a comma, ` score` or ` total-vm`.
    (
        r"(?-u)[Oo]ut of memory: Kill(?:ed)? process (?<pid>\d+) \((?<process>.+)\)(?:,| score| total-vm)",
        None,
        "kernel.oom_kill",
        Major,
    ),
    (
        r"(?-u)(?:I/O|critical [a-z ]+) error(?:,| on) dev(?:ice)? (?<device>[^\s,]+)(?:, (?:sector|logical block) (?<sector>\d+))?",
        Some(r"(?-u)dev(?:ice)? (?:fd|sr)\d"),
        "kernel.io_error",
        Major,
    ),
    (
        r"(?-u)\[(?<device>sd[a-z]+)\].*Sense Key : (?<sense>Medium Error|Hardware Error)",
        None,
        "kernel.io_error",
        Major,
    ),
    (
        r"(?-u)nvme (?<device>nvme\d+): (?:I/O .*timeout|controller is down|Device not ready|Removing after probe failure)",
        None,
        "kernel.device_timeout",
        Major,
    ),
    (
        r"(?-u)md/raid[^:]*:(?<array>\w+): Disk failure on (?<device>[^,\s]+)",
        None,
        "kernel.raid_failure",
        Major,
    ),
    (
        r"(?-u)device-mapper: multipath:.*Failing path (?<device>[\d:]+)",
        None,
        "kernel.path_failed",
        Major,
    ),
    (
        r"(?-u)task (?<process>.+):(?<pid>\d+) blocked for more than (?<seconds>\d+) seconds",
        None,
        "kernel.hung_task",
        Major,
    ),
    (
        r"(?-u)soft lockup - CPU#(?<cpu>\d+) stuck for|detected hard LOCKUP|(?:detected stalls on CPUs|self-detected stall on CPU)",
        None,
        "kernel.lockup",
        Critical,
    ),
    (
        r"(?-u)BUG: unable to handle|kernel BUG at |Oops: |Kernel panic",
        None,
        "kernel.oops",
        Critical,
    ),
    (
        r"(?-u)EDAC (?<device>MC\d+): (?<count>\d+) UE ",
        None,
        "kernel.memory_error",
        Critical,
    ),
    (
        r"(?-u)EDAC (?<device>MC\d+): (?<count>\d+) CE ",
        None,
        "kernel.memory_corrected",
        Minor,
    ),
    (
        r"(?-u)PCIe Bus Error: severity=(?<kind>Uncorrected[^,]*)",
        None,
        "kernel.pcie_error",
        Major,
    ),
    (
        r"(?-u)\[Hardware Error\]: |Machine check events logged",
        Some(r"(?-u)event severity: (?:corrected|info)|Corrected error, no action required"),
        "kernel.mce",
        Major,
    ),
    (
        r"(?-u)temperature above threshold, cpu clock",
        None,
        "kernel.cpu_throttled",
        Minor,
    ),
    // Before errors of file systems: the worse consequence has the clearer name.
    (
        r"(?-u)(?:EXT[234]-fs|F2FS-fs) \((?<device>[^)\s]+)\): Remounting filesystem read-only",
        None,
        "kernel.remounted_read_only",
        Critical,
    ),
    (
        r"(?-u)BTRFS(?::| \w+).*\(device (?<device>[^)\s]+)[^)]*\).*forced readonly",
        None,
        "kernel.remounted_read_only",
        Critical,
    ),
    (
        r"(?-u)XFS \((?<device>[^)]+)\): .*[Ss]hutting down [Ff]ilesystem",
        None,
        "kernel.remounted_read_only",
        Critical,
    ),
    (
        r"(?-u)EXT[234]-fs (?:error|warning) \(device (?<device>[^)\s]+)\): .*(?:error|corrupt|checksum|invalid|bad )",
        None,
        "kernel.filesystem_error",
        Critical,
    ),
    (
        r"(?-u)EXT[234]-fs error \(device (?<device>[^)\s]+)\)",
        None,
        "kernel.filesystem_error",
        Critical,
    ),
    (
        r"(?-u)XFS \((?<device>[^)]+)\): (?:.*[Cc]orrupt|Internal error|[Mm]etadata (?:I/O|CRC) error|[Ll]og I/O [Ee]rror)",
        None,
        "kernel.filesystem_error",
        Critical,
    ),
    (
        r"(?-u)BTRFS:? (?:error|critical) \(device (?<device>[^)\s]+)",
        None,
        "kernel.filesystem_error",
        Critical,
    ),
    (
        r"(?-u)(?:Aborting journal on device |JBD2: Detected IO errors while flushing file data on )(?<device>\S+?)(?:-8)?\.?$",
        None,
        "kernel.filesystem_error",
        Critical,
    ),
    (
        r"(?-u)nfs: server (?<server>\S+) not responding",
        None,
        "kernel.nfs_unresponsive",
        Major,
    ),
    (
        r"(?-u)nf_conntrack: .*table full, dropping packet",
        None,
        "kernel.conntrack_full",
        Major,
    ),
    (
        r"(?-u)^(?:traps: )?(?<process>.+)\[(?<pid>\d+)\]:? (?:segfault at|general protection|trap )",
        None,
        "kernel.segfault",
        Info,
    ),
];

/// One reset of a link is nothing; a storm of them is.
const STORMS: &[BuiltIn] = &[
    (
        r"(?-u)(?<device>ata\d+)(?:\.\d+)?: (?:hard|soft) resetting link",
        None,
        "kernel.link_resets",
        Minor,
    ),
    (
        r"(?-u)(?<device>nvme\d+): (?:resetting controller|controller reset)",
        None,
        "kernel.link_resets",
        Minor,
    ),
    (
        r"(?-u)(?<device>(?:qla2xxx|lpfc|bfa|mpt3sas)\S* \S+).*(?i:loop down|link down)",
        None,
        "kernel.link_resets",
        Minor,
    ),
];

/// The patterns as a matcher takes them.
pub(super) fn built_in() -> Vec<(LogMatch, Option<Storm>)> {
    let one = |(pattern, exclude, event, severity): &BuiltIn| LogMatch {
        pattern: (*pattern).to_owned(),
        exclude: exclude.map(str::to_owned),
        event: (*event).to_owned(),
        severity: *severity,
    };
    let always = BUILT_IN.iter().map(|built_in| (one(built_in), None));
    always
        .chain(STORMS.iter().map(|built_in| (one(built_in), Some(RESETS))))
        .collect()
}

#[cfg(test)]
mod tests;
