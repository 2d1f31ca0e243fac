//! Recordings of real hardware, which are not part of this repository: the folder that `TOCSIN_FIELD_DATA` names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder; without the variable the test says that it is skipped.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = env::var_os("TOCSIN_FIELD_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TOCSIN_FIELD_DATA is not set");
    }
    folder
}

/// One recording.
pub(crate) fn file(path: &str) -> Option<Vec<u8>> {
    let path = folder()?.join(path);
    Some(fs::read(&path).unwrap_or_else(|error| panic!("can't read {}: {error}", path.display())))
}

/// One recording as text; other bytes than UTF-8 are replaced.
pub(crate) fn text(path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&file(path)?).into_owned())
}

/// The tree `linux/`, or `linux.tar.gz` unpacked into `scratch`.
pub(crate) fn tree(scratch: &Path) -> Option<PathBuf> {
    let folder = folder()?;
    if folder.join("linux/proc").is_dir() {
        return Some(folder.join("linux"));
    }
    let archive = folder.join("linux.tar.gz");
    let mut unpack = Command::new("tar");
    let unpacked = unpack
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(scratch)
        .status()
        .unwrap();
    assert!(unpacked.success(), "can't unpack {}", archive.display());
    Some(scratch.join("linux"))
}

/// Tests that hold recordings of disks and tools against the verdicts they deserve.
const ASSERTED_IN: [&str; 8] = [
    include_str!("surveys/ipmi/tests.rs"),
    include_str!("surveys/lvm.rs"),
    include_str!("surveys/md/tests.rs"),
    include_str!("surveys/multipath/tests.rs"),
    include_str!("surveys/raid/tests.rs"),
    include_str!("surveys/smart/tests.rs"),
    include_str!("surveys/ups/tests.rs"),
    include_str!("surveys/zfs.rs"),
];
/// What tests leave out of the names, where a family of recordings has it in common.
const FAMILIES: [&str; 4] = ["", "multipath-", "netdata-", "netdata-zfspool-"];
/// Recordings of nothing that an agent judges: a list of disks without their states, and the web answers of an array,
/// which is no host and is polled by SNMP.
const WITHOUT_VERDICT: [&str; 2] = ["netdata-nvme-v2.11-nvme-list.json", "powervault"];

fn is_asserted(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let short = FAMILIES
        .iter()
        .flat_map(|family| [name.strip_prefix(family), stem.strip_prefix(family)]);
    let quoted = short.flatten().map(|short| format!("{short}\""));
    let mut needles = quoted.flat_map(|short| [format!("\"{short}"), format!("/{short}")]);
    needles.any(|needle| ASSERTED_IN.iter().any(|test| test.contains(&needle)))
}

#[test]
fn every_recording_of_disks_and_tools_is_held_against_its_verdict() {
    let Some(folder) = folder() else { return };
    let files = ["smart", "hardware"].map(|part| fs::read_dir(folder.join(part)).unwrap());
    let names = files.into_iter().flatten().map(|file| file.unwrap().file_name());
    let forgotten: Vec<String> = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| !is_asserted(name) && !WITHOUT_VERDICT.contains(&name.as_str()))
        .collect();
    assert!(forgotten.is_empty(), "no test judges {forgotten:?}");
}
