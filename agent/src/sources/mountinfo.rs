//! The mount table, `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): which mounted file systems are worth watching.

use super::bytes::{fields, fits, lines};
use std::collections::BTreeMap;

/// Most file systems that are reported; those mounted later are left out.
pub(crate) const MOUNTS_MAX: usize = 1_000;

/// File systems that hold no data of anybody, or are full by nature. Sorted.
const PSEUDO_TYPES: [&[u8]; 39] = [
    b"autofs",
    b"binder",
    b"binfmt_misc",
    b"bpf",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"cramfs",
    b"debugfs",
    b"devfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"erofs",
    b"fuse.gvfsd-fuse",
    b"fuse.lxcfs",
    b"fuse.portal",
    b"fusectl",
    b"hugetlbfs",
    b"iso9660",
    b"mqueue",
    b"nfsd",
    b"none",
    b"nsfs",
    b"pipefs",
    b"proc",
    b"pstore",
    b"ramfs",
    b"resctrl",
    b"rootfs",
    b"rpc_pipefs",
    b"securityfs",
    b"selinuxfs",
    b"sockfs",
    b"squashfs",
    b"sysfs",
    b"tracefs",
    b"udf",
    b"usbfs",
];

/// Types that ask another machine or another process, so that an answer may take long.
const REMOTE_TYPES: [&[u8]; 12] = [
    b"9p",
    b"afs",
    b"beegfs",
    b"ceph",
    b"cifs",
    b"glusterfs",
    b"gpfs",
    b"lustre",
    b"nfs",
    b"nfs4",
    b"smb3",
    b"smbfs",
];

/// Whose mount table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Of process 1: as the host sees it.
    Host,
    /// Of the agent: its service manager may have made mounts read-only for it alone, so only what the file system
    /// itself says counts.
    Own,
}

/// One line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mount {
    /// Where, as bytes of the path.
    pub(crate) point: Vec<u8>,
    /// From what: `/dev/sda1`, `server:/path`, or any word.
    pub(crate) source: Vec<u8>,
    /// Type of the file system.
    pub(crate) kind: Vec<u8>,
    /// `major:minor`; equal for all mounts of one file system.
    pub(crate) device: Vec<u8>,
    /// Whether nothing can be written through this mount.
    pub(crate) read_only: bool,
}

impl Mount {
    /// Whether an answer may take long.
    pub(crate) fn is_remote(&self) -> bool {
        REMOTE_TYPES.contains(&self.kind.as_slice()) || self.kind.starts_with(b"fuse")
    }

    fn is_pseudo(&self) -> bool {
        PSEUDO_TYPES.binary_search(&self.kind.as_slice()).is_ok()
            || is_below(&self.point, b"/proc")
            || is_below(&self.point, b"/sys")
            || (is_below(&self.point, b"/dev") && self.point != b"/dev/shm")
    }
}

fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// One line: `36 35 98:0 /root /point rw,noatime [optional fields] - type source rw,errors=continue`.
pub(crate) fn parse_line(line: &[u8], table: Table) -> Option<Mount> {
    let mut fields = fields(line);
    let device = fields.nth(2)?;
    let point = fields.nth(1)?;
    let options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?;
    // A source may be empty; then there is one field less.
    let (source, super_options) = match (fields.next()?, fields.next()) {
        (source, Some(options)) => (source, options),
        (options, None) => (&b"none"[..], options),
    };
    let read_only = |options: &[u8]| options.split(|byte| *byte == b',').any(|option| option == b"ro");
    Some(Mount {
        point: unescaped(point),
        source: unescaped(source),
        kind: kind.to_vec(),
        device: device.to_vec(),
        read_only: read_only(super_options) || (table == Table::Host && read_only(options)),
    })
}

/// Undoes the kernel's octal escapes: `\040` is a space, `\011` a tab, `\012` a newline, `\134` a backslash.
fn unescaped(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((&first, rest)) = bytes.split_first() {
        let octal = |at: usize| {
            rest.get(at)
                .filter(|digit| (b'0'..=b'7').contains(digit))
                .map(|digit| u32::from(digit - b'0'))
        };
        let decoded = (first == b'\\')
            .then(|| Some(octal(0)? * 64 + octal(1)? * 8 + octal(2)?))
            .flatten()
            .and_then(|code| u8::try_from(code).ok());
        out.push(decoded.unwrap_or(first));
        bytes = if decoded.is_some() { &rest[3..] } else { rest };
    }
    out
}

/// The file systems worth watching, sorted by mount point: no pseudo file systems, none whose mount point fits an
/// `excluded` pattern, only the uppermost of several mounts on one point, and of several mounts of one file system
/// (bind mounts) the one with the shortest path.
pub(crate) fn parse(bytes: &[u8], table: Table, excluded: &[String]) -> Vec<Mount> {
    let mut by_point: BTreeMap<Vec<u8>, Mount> = BTreeMap::new();
    for mount in lines(bytes).filter_map(|line| parse_line(line, table)) {
        by_point.insert(mount.point.clone(), mount);
    }
    let mut by_device: BTreeMap<Vec<u8>, Mount> = BTreeMap::new();
    for (point, mount) in by_point {
        let shown = String::from_utf8_lossy(&point);
        if mount.is_pseudo() || excluded.iter().any(|pattern| fits(pattern, &shown)) {
            continue;
        }
        let shorter = by_device
            .get(&mount.device)
            .is_none_or(|known| point.len() < known.point.len());
        if shorter {
            by_device.insert(mount.device.clone(), mount);
        }
    }
    let mut mounts: Vec<_> = by_device.into_values().collect();
    mounts.sort_unstable();
    mounts.truncate(MOUNTS_MAX);
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;

    fn points(text: &str, excluded: &[&str]) -> Vec<String> {
        let excluded: Vec<_> = excluded.iter().map(|pattern| (*pattern).to_owned()).collect();
        parse(text.as_bytes(), Table::Host, &excluded)
            .into_iter()
            .map(|mount| String::from_utf8(mount.point).unwrap())
            .collect()
    }

    #[test]
    fn a_line_is_read_with_and_without_optional_fields() {
        for optional in ["", "shared:1 ", "shared:1 master:2 propagate_from:3 "] {
            let line = format!(
                "36 35 8:1 / /mnt\\040point\\134x rw,noatime {optional}- ext4 /dev/sd\\011a rw,errors=remount-ro"
            );
            let mount = parse_line(line.as_bytes(), Table::Host).unwrap();
            assert_eq!(mount.point, b"/mnt point\\x");
            assert_eq!(mount.source, b"/dev/sd\ta");
            assert_eq!((mount.kind.as_slice(), mount.read_only), (&b"ext4"[..], false));
        }
    }

    #[test]
    fn read_only_is_seen_in_either_place() {
        for (mount, sup, expected) in [
            ("rw", "rw", false),
            ("ro,nosuid", "rw", true),
            ("rw", "ro,errors=x", true),
            ("rw,erro", "rw", false),
        ] {
            let line = format!("1 0 8:1 / / {mount} - ext4 /dev/sda1 {sup}");
            assert_eq!(parse_line(line.as_bytes(), Table::Host).unwrap().read_only, expected);
        }
    }

    #[test]
    fn an_empty_source_is_none() {
        let mount = parse_line(b"1 0 0:5 / /x rw - tmpfs  rw", Table::Host).unwrap();
        assert_eq!(mount.source, b"none");
    }

    #[test]
    fn pseudo_file_systems_and_excluded_points_are_left_out() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
            2 1 0:4 / /proc rw - proc proc rw\n\
            3 1 0:5 / /dev/shm rw - tmpfs tmpfs rw\n\
            4 1 0:6 / /dev rw - tmpfs tmpfs rw\n\
            5 1 0:7 / /run rw - tmpfs tmpfs rw\n\
            6 1 0:8 / /run/user/1000 rw - tmpfs tmpfs rw\n\
            7 1 0:9 / /developer rw - xfs /dev/sdb rw\n\
            8 1 7:0 / /snap/x/1 ro - squashfs /dev/loop0 ro\n";
        assert_eq!(points(text, &["/run/user/*"]), ["/", "/dev/shm", "/developer", "/run"]);
    }

    #[test]
    fn bind_mounts_count_once_with_their_shortest_path() {
        let text = "1 0 8:1 /a /srv/longer/path rw - ext4 /dev/sda1 rw\n\
            2 0 8:1 / /data rw - ext4 /dev/sda1 rw\n\
            3 0 8:1 /b /data/b rw - ext4 /dev/sda1 rw\n";
        assert_eq!(points(text, &[]), ["/data"]);
    }

    #[test]
    fn only_the_uppermost_mount_of_a_point_is_seen() {
        let text = "1 0 8:1 / /mnt rw - ext4 /dev/sda1 rw\n2 1 8:2 / /mnt rw - xfs /dev/sdb1 rw\n";
        let mounts = parse(text.as_bytes(), Table::Host, &[]);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].kind, b"xfs");
    }

    #[test]
    fn ten_thousand_mounts_are_bounded() {
        use std::fmt::Write as _;
        let mut text = String::new();
        for i in 0..10_000 {
            writeln!(text, "{i} 0 0:{i} / /m/{i:05} rw - tmpfs tmpfs rw").unwrap();
        }
        let mounts = parse(text.as_bytes(), Table::Host, &[]);
        assert_eq!(mounts.len(), MOUNTS_MAX);
        assert_eq!(mounts[MOUNTS_MAX - 1].point, b"/m/00999");
    }

    #[test]
    fn the_list_of_pseudo_types_can_be_searched() {
        assert!(PSEUDO_TYPES.is_sorted());
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[include_str!("../../fixtures/modern/proc/1/mountinfo")],
            |bytes: &[u8]| {
                let mounts = parse(bytes, Table::Host, &[]);
                assert!(mounts.is_sorted_by(|a, b| a.point < b.point));
            },
        );
    }
}
