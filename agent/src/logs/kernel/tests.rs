//! What kernels of all ages say, and what of it is an event.

use super::*;
use crate::logs::{
    lines::Line,
    matcher::{Matcher, Verdict},
    settings::compile,
};

fn judge(matcher: &mut Matcher, message: &str, seconds: u64) -> Option<(String, String)> {
    let line = Line {
        bytes: message.as_bytes(),
        whole: message.len() as u64,
    };
    match matcher.judge(line, Duration::from_secs(seconds)) {
        Verdict::Event(found) => {
            let named = ["device", "process", "server"]
                .iter()
                .find_map(|key| found.attributes.get(*key));
            Some((found.name, named.cloned().unwrap_or_default()))
        }
        _ => None,
    }
}

#[test]
fn every_pattern_is_one() {
    for (wanted, _) in built_in() {
        compile(&wanted.pattern).unwrap();
        wanted
            .exclude
            .iter()
            .for_each(|exclude| drop(compile(exclude).unwrap()));
    }
}

#[test]
fn the_kernels_words_of_all_ages_are_understood() {
    for (message, event, named) in [
        (
            "Out of memory: Kill process 1234 (java) score 812 or sacrifice child",
            "kernel.oom_kill",
            "java",
        ),
        (
            "Out of memory: Killed process 99 (a) b) total-vm:1kB, anon-rss:0kB, UID:0",
            "kernel.oom_kill",
            "a) b",
        ),
        (
            "Memory cgroup out of memory: Killed process 5 (stress-ng), UID 0, total-vm:9kB",
            "kernel.oom_kill",
            "stress-ng",
        ),
        ("end_request: I/O error, dev sdb, sector 2048", "kernel.io_error", "sdb"),
        (
            "blk_update_request: I/O error, dev nvme0n1, sector 8 op 0x1:(WRITE) flags 0x0",
            "kernel.io_error",
            "nvme0n1",
        ),
        (
            "blk_update_request: critical medium error, dev sdc, sector 5",
            "kernel.io_error",
            "sdc",
        ),
        (
            "Buffer I/O error on dev dm-3, logical block 0, async page read",
            "kernel.io_error",
            "dm-3",
        ),
        (
            "Buffer I/O error on device sda1, logical block 7",
            "kernel.io_error",
            "sda1",
        ),
        (
            "sd 0:0:1:0: [sdb] tag#7 Sense Key : Medium Error [current]",
            "kernel.io_error",
            "sdb",
        ),
        (
            "nvme nvme1: I/O 7 QID 2 timeout, aborting",
            "kernel.device_timeout",
            "nvme1",
        ),
        (
            "md/raid1:md0: Disk failure on sda1, disabling device.",
            "kernel.raid_failure",
            "sda1",
        ),
        (
            "device-mapper: multipath: 253:0: Failing path 8:32.",
            "kernel.path_failed",
            "8:32",
        ),
        (
            "INFO: task jbd2/sda1-8:311 blocked for more than 120 seconds.",
            "kernel.hung_task",
            "jbd2/sda1-8",
        ),
        (
            "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [swapper/3:0]",
            "kernel.lockup",
            "",
        ),
        (
            "BUG: unable to handle kernel NULL pointer dereference at 0",
            "kernel.oops",
            "",
        ),
        (
            "EDAC MC0: 1 UE memory read error on CPU_SrcID#0",
            "kernel.memory_error",
            "MC0",
        ),
        (
            "EDAC MC1: 3 CE memory scrubbing error on CPU_SrcID#1",
            "kernel.memory_corrected",
            "MC1",
        ),
        (
            "mce: [Hardware Error]: CPU 2: Machine Check: 0 Bank 5: be00000000800400",
            "kernel.mce",
            "",
        ),
        (
            "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls",
            "kernel.filesystem_error",
            "sda1",
        ),
        (
            "EXT4-fs (sda1): Remounting filesystem read-only",
            "kernel.remounted_read_only",
            "sda1",
        ),
        ("Aborting journal on device dm-0-8.", "kernel.filesystem_error", "dm-0"),
        (
            "XFS (dm-2): Metadata corruption detected at xfs_agf_read_verify",
            "kernel.filesystem_error",
            "dm-2",
        ),
        (
            "XFS (sdb1): Log I/O Error Detected.  Shutting down filesystem",
            "kernel.remounted_read_only",
            "sdb1",
        ),
        (
            "XFS (sdb1): metadata I/O error: block 0x7 (\"xlog_iodone\") error 5",
            "kernel.filesystem_error",
            "sdb1",
        ),
        (
            "BTRFS critical (device sdc): corrupt leaf: root=2",
            "kernel.filesystem_error",
            "sdc",
        ),
        (
            "BTRFS: error (device sdc) in btrfs_commit_transaction:2233: errno=-5 IO failure",
            "kernel.filesystem_error",
            "sdc",
        ),
        (
            "BTRFS info (device sdc state E): forced readonly",
            "kernel.remounted_read_only",
            "sdc",
        ),
        (
            "nfs: server 10.0.0.9 not responding, still trying",
            "kernel.nfs_unresponsive",
            "10.0.0.9",
        ),
        (
            "app[42]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so[7f]",
            "kernel.segfault",
            "app",
        ),
        (
            "traps: my app[42] general protection fault ip:7f sp:7f error:0",
            "kernel.segfault",
            "my app",
        ),
    ] {
        let judged = judge(&mut Matcher::new(built_in()), message, 1);
        assert_eq!(judged, Some((event.to_owned(), named.to_owned())), "{message}");
    }
}

#[test]
fn what_is_no_fault_is_no_event() {
    let mut matcher = Matcher::new(built_in());
    for message in [
        "blk_update_request: I/O error, dev fd0, sector 0",
        "Buffer I/O error on dev sr0, logical block 0, async page read",
        "EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: errors=remount-ro",
        "EXT4-fs (sda1): re-mounted. Opts: ro",
        "XFS (sda1): Unmounting Filesystem",
        "BTRFS info (device sda1): using crc32c checksum algorithm",
        "ata1: SATA link up 6.0 Gbps (SStatus 133 SControl 300)",
        "nfs: server 10.0.0.9 OK",
        "{1}[Hardware Error]: event severity: corrected",
        "sda: sda1 sda2",
        "",
    ] {
        assert_eq!(judge(&mut matcher, message, 1), None, "{message}");
    }
}

#[test]
fn one_reset_of_a_link_is_nothing_and_five_are_a_storm() {
    let mut matcher = Matcher::new(built_in());
    let mut told = Vec::new();
    for seconds in 1..=5 {
        told.extend(judge(&mut matcher, "ata3.00: hard resetting link", seconds));
        told.extend(judge(&mut matcher, "ata4: COMRESET failed (errno=-16)", seconds));
    }
    assert_eq!(told, [("kernel.link_resets".to_owned(), "ata3".to_owned())]);
}
