//! Updates that wait on Debian and its kin, from the lists that apt brought: read line by line, for a package manager as
//! a child would take more memory than a guest may.
//!
//! The newest version of each installed package counts, from every archive that upgrades by itself. Pins of an
//! administrator are not known here. Lists may lie as they came or, on small images, packed by LZ4.

use super::{
    Host, changed,
    packages::{Package, Pending, Waiting, pending},
};
use lz4_flex::frame::FrameDecoder;
use std::{
    cmp::Ordering,
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
    time::SystemTime,
};

const LISTS: &str = "var/lib/apt/lists";
/// Ends of the names of lists of packages.
const PLAIN: &str = "_Packages";
const PACKED: &str = "_Packages.lz4";
/// Most bytes of one list: the largest, of a whole Debian, has about 60 MB.
const LIST_BYTES_MAX: u64 = 256 << 20;

fn is_list(name: &str) -> bool {
    name.ends_with(PLAIN) || name.ends_with(PACKED)
}

/// When the lists were brought last; `None` when there are none.
pub(super) fn lists_at(host: &Host) -> Option<SystemTime> {
    let names = host.entries(LISTS);
    let lists = names.iter().filter(|name| is_list(name));
    lists.filter_map(|name| changed(host, format!("{LISTS}/{name}"))).max()
}

/// What waits for the `installed`; `None` when a list can't be read.
pub(super) fn waiting(host: &Host, installed: &[Package]) -> Option<Pending> {
    let installed: HashMap<(&str, &str), &str> = installed
        .iter()
        .map(|package| ((package.name.as_str(), package.arch.as_str()), package.version.as_str()))
        .collect();
    let mut newest: HashMap<(String, String), Waiting> = HashMap::new();
    for list in host.entries(LISTS) {
        if is_list(&list) && upgrades_by_itself(host, &list) {
            let security = list.contains("-security_") || list.contains("debian-security");
            read(open(&host.path(LISTS).join(&list))?, |name, version, arch| {
                let known = installed.get(&(name, arch));
                if known.is_none_or(|known| compare(version, known) != Ordering::Greater) {
                    return;
                }
                let key = (name.to_owned(), arch.to_owned());
                let entry = newest.entry(key).or_insert_with(|| Waiting {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    security: false,
                });
                if compare(version, &entry.version) == Ordering::Greater {
                    version.clone_into(&mut entry.version);
                }
                // Whatever is newer still, it holds this mending too.
                entry.security |= security;
            })?;
        }
    }
    let waiting: Vec<Waiting> = newest.into_values().collect();
    let security = waiting.iter().filter(|waiting| waiting.security).count() as u64;
    Some(pending(waiting, Some(security)))
}

/// Whether the archive that a list is of installs newer versions without being asked: backports do not.
fn upgrades_by_itself(host: &Host, list: &str) -> bool {
    // `mirror_dists_SUITE_component_binary-arch_Packages`
    let suite = list
        .split_once("_dists_")
        .and_then(|(mirror, rest)| Some(format!("{mirror}_dists_{}", rest.split('_').next()?)));
    let Some(suite) = suite else { return true };
    let release = ["InRelease", "Release"]
        .iter()
        .find_map(|file| host.text(format!("{LISTS}/{suite}_{file}")))
        .unwrap_or_default();
    !release.lines().take(40).any(|line| line.trim() == "NotAutomatic: yes")
}

/// A list's text.
fn open(path: &Path) -> Option<Box<dyn BufRead>> {
    let file = File::open(path).ok()?;
    Some(if path.extension().is_some_and(|end| end == "lz4") {
        Box::new(BufReader::new(FrameDecoder::new(file).take(LIST_BYTES_MAX)))
    } else {
        Box::new(BufReader::new(file.take(LIST_BYTES_MAX)))
    })
}

/// Tells name, version and architecture of each paragraph of a list.
fn read(mut reader: impl BufRead, mut tell: impl FnMut(&str, &str, &str)) -> Option<()> {
    let (mut name, mut version, mut arch) = (String::new(), String::new(), String::new());
    let mut line = Vec::new();
    loop {
        line.clear();
        let ended = reader.read_until(b'\n', &mut line).ok()? == 0;
        let bytes = line.trim_ascii_end();
        if ended || bytes.is_empty() {
            if !name.is_empty() && !version.is_empty() {
                tell(&name, &version, &arch);
            }
            for value in [&mut name, &mut version, &mut arch] {
                value.clear();
            }
            if ended {
                return Some(());
            }
            continue;
        }
        for (key, value) in [
            (&b"Package: "[..], &mut name),
            (b"Version: ", &mut version),
            (b"Architecture: ", &mut arch),
        ] {
            if let Some(rest) = bytes.strip_prefix(key) {
                value.clear();
                value.push_str(&String::from_utf8_lossy(rest));
            }
        }
    }
}

/// Orders versions as Debian's policy does (5.6.12): epoch, upstream version, revision.
fn compare(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (
            epoch.parse::<u64>().unwrap_or(0),
            upstream.to_owned(),
            revision.to_owned(),
        )
    };
    let (one, other) = (parts(one), parts(other));
    one.0
        .cmp(&other.0)
        .then_with(|| compare_part(one.1.as_bytes(), other.1.as_bytes()))
        .then_with(|| compare_part(one.2.as_bytes(), other.2.as_bytes()))
}

/// Letters before other signs, `~` before the end, numbers by their value.
fn compare_part(mut one: &[u8], mut other: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let is_word = |rest: &[u8]| rest.first().is_some_and(|byte| !byte.is_ascii_digit());
    while !one.is_empty() || !other.is_empty() {
        while is_word(one) || is_word(other) {
            let order = rank(one.first()).cmp(&rank(other.first()));
            if order != Ordering::Equal {
                return order;
            }
            one = one.get(1..).unwrap_or_default();
            other = other.get(1..).unwrap_or_default();
        }
        let (a, b) = (number(&mut one), number(&mut other));
        let order = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes the digits at the beginning; answers them without leading zeros.
fn number<'r>(rest: &mut &'r [u8]) -> &'r [u8] {
    let end = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn versions_are_ordered_as_debian_orders_them() {
        let rising = [
            "1.0~rc1-1",
            "1.0-1~bpo1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u2",
            "1.0-1+deb12u10",
            "1.0a-1",
            "1.0.1-1",
            "1.00.2-1",
            "1:0.1-1",
            "2:0.1-1",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        for same in [("1.0-0", "1.0"), ("0:1.0-1", "1.0-1"), ("1.01-1", "1.1-1")] {
            assert_eq!(compare(same.0, same.1), Ordering::Equal, "{same:?}");
        }
    }

    #[test]
    fn a_packed_list_is_read_like_a_plain_one() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let text = "Package: bash\nVersion: 5.2\nArchitecture: amd64\n\nPackage: dash\nVersion: 1\nArchitecture: all\n";
        let mut packer = lz4_flex::frame::FrameEncoder::new(Vec::new());
        packer.write_all(text.as_bytes()).unwrap();
        let packed = packer.finish().unwrap();
        for (name, bytes) in [("a_Packages", text.as_bytes()), ("a_Packages.lz4", &packed)] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert!(is_list(name));
            let mut told = Vec::new();
            read(open(&path).unwrap(), |name, version, arch| {
                told.push(format!("{name} {version} {arch}"));
            })
            .unwrap();
            assert_eq!(told, ["bash 5.2 amd64", "dash 1 all"], "{name}");
        }
        let broken = folder.path().join("b_Packages.lz4");
        std::fs::write(&broken, &packed[..packed.len() / 2]).unwrap();
        assert_eq!(read(open(&broken).unwrap(), |_, _, _| {}), None);
    }

    #[test]
    fn any_packed_list_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let packed = BufReader::new(FrameDecoder::new(bytes).take(LIST_BYTES_MAX));
            let _ = read(packed, |_, _, _| {});
            let _ = read(bytes, |_, _, _| {});
        }));
    }

    #[test]
    fn any_two_versions_are_ordered_the_same_from_both_sides() {
        bolero::check!()
            .with_type::<(String, String)>()
            .for_each(timed(|(one, other): &(String, String)| {
                assert_eq!(compare(one, other), compare(other, one).reverse());
                assert_eq!(compare(one, one), Ordering::Equal);
            }));
    }
}
