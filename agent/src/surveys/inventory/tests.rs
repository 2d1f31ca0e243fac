//! The inventory of made-up trees.

use super::{Inventory, Survey as _};
use crate::surveys::{
    Findings, Host,
    tool::{Output, ToolError, Tools},
};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn look(survey: &mut Inventory, root: &Path, tools: Option<Arc<dyn Tools>>) -> Findings {
    let mut findings = Findings::default();
    survey.look(&Host::new(root, NOW, Duration::ZERO, tools), &mut findings);
    findings
}

fn section(findings: &Findings, name: &str) -> Option<serde_json::Value> {
    let document = findings.documents.iter().find(|document| document.name == name)?;
    serde_json::from_slice(&document.bytes).ok()
}

#[test]
fn a_kunpeng_host_with_openeuler_tells_what_it_is() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    write(
        root,
        "etc/os-release",
        "NAME=\"openEuler\"\nVERSION=\"22.03 (LTS-SP3)\"\nID=\"openEuler\"\n",
    );
    write(root, "etc/openEuler-release", "openEuler release 22.03 (LTS-SP3)\n");
    write(
        root,
        "proc/cpuinfo",
        "processor\t: 0\nCPU implementer\t: 0x48\nCPU part\t: 0xd01\n",
    );
    write(root, "proc/meminfo", "MemTotal:       1024 kB\n");
    for cpu in 0..4 {
        let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
        write(
            root,
            &format!("{topology}/physical_package_id"),
            if cpu < 2 { "36" } else { "138" },
        );
        write(root, &format!("{topology}/core_id"), &cpu.to_string());
    }
    write(root, "sys/class/dmi/id/sys_vendor", "Huawei\n");
    write(root, "sys/class/dmi/id/product_serial", "To be filled by O.E.M.\n");
    write(root, "sys/block/sda/device/model", "ST4000NM\n");
    write(root, "sys/block/sda/device/vpd_pg80", "\0\u{1}\0\u{4}ZC1 ");
    write(root, "sys/block/sda/size", "7814037168\n");
    write(root, "sys/block/loop0/size", "8\n");
    write(
        root,
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1::/bin:/sbin/nologin\n",
    );
    let found = look(&mut Inventory::default(), root, None);
    let hardware = section(&found, "hardware").unwrap();
    assert_eq!(hardware["processor"]["model"], "HiSilicon TSV110 (Kunpeng 920)");
    assert_eq!(
        (&hardware["processor"]["sockets"], &hardware["processor"]["cores"]),
        (&"2".into(), &"4".into())
    );
    assert_eq!(
        (&hardware["machine"]["manufacturer"], hardware["machine"].get("serial")),
        (&"Huawei".into(), None)
    );
    assert_eq!(hardware["memory_bytes"], 1_048_576);
    let disks = section(&found, "disks").unwrap();
    assert_eq!(disks.as_array().unwrap().len(), 1);
    assert_eq!(
        (&disks[0]["serial"], &disks[0]["size_bytes"]),
        (&"ZC1".into(), &4_000_787_030_016_u64.into())
    );
    assert_eq!(
        section(&found, "system").unwrap()["release"],
        "openEuler release 22.03 (LTS-SP3)"
    );
    assert_eq!(section(&found, "users").unwrap().as_array().unwrap().len(), 1);
    // What nobody knows is absent, never zero.
    assert!(section(&found, "updates").is_none() && section(&found, "packages").is_none());
    assert_eq!(found.values, []);
}

/// Answers `rpm` and `dnf`, and counts.
#[derive(Default)]
struct Rpm {
    ran: AtomicUsize,
}

impl Tools for Rpm {
    fn has(&self, name: &str) -> bool {
        ["rpm", "dnf"].contains(&name)
    }

    fn run(&self, name: &'static str, arguments: &[&str], _: Duration) -> Option<Result<Output, ToolError>> {
        let answer = |status, text: &str| {
            let (out, err) = (text.as_bytes().to_vec(), Vec::new());
            Some(Ok(Output { status, out, err }))
        };
        match (name, arguments.get(2).copied()) {
            ("rpm", _) => {
                self.ran.fetch_add(1, Ordering::SeqCst);
                answer(0, "bash\t0:5.1-2\tx86_64\nzlib\t0:1.2-1\tx86_64\n")
            }
            ("dnf", Some("check-update")) => answer(100, "bash.x86_64 5.1-3 update\n"),
            ("dnf", _) => answer(1, ""),
            _ => None,
        }
    }
}

#[test]
fn packages_of_rpm_are_asked_again_only_when_the_database_changed() {
    let tree = tempfile::tempdir().unwrap();
    write(tree.path(), "var/lib/rpm/rpmdb.sqlite", "x");
    let (tools, mut survey) = (Arc::new(Rpm::default()), Inventory::default());
    let first = look(&mut survey, tree.path(), Some(tools.clone()));
    let again = look(&mut survey, tree.path(), Some(tools.clone()));
    assert_eq!(section(&first, "packages"), section(&again, "packages"));
    assert_eq!(section(&first, "packages").unwrap()[0]["name"], "bash");
    assert_eq!(tools.ran.load(Ordering::SeqCst), 1);
    let names: Vec<&str> = first.values.iter().map(|value| value.metric.name).collect();
    assert_eq!(
        names,
        ["tocsin.updates.pending"],
        "security updates are not known, so not told"
    );
}

#[test]
fn packages_of_dpkg_are_those_that_are_installed() {
    let tree = tempfile::tempdir().unwrap();
    let status = "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2\n\n\
                  Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                  Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\n";
    write(tree.path(), "var/lib/dpkg/status", status);
    let found = look(&mut Inventory::default(), tree.path(), None);
    let packages = section(&found, "packages").unwrap();
    let names: Vec<&str> = packages
        .as_array()
        .unwrap()
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bash", "zlib1g"]);
    assert!(section(&found, "updates").is_none());
}

#[test]
fn updates_are_those_of_lists_that_upgrade_by_themselves() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    let status = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n\n\
                  Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88-10+deb12u2\n";
    write(root, "var/lib/dpkg/status", status);
    let lists = "var/lib/apt/lists/mirror_debian";
    let package = |name: &str, version: &str| format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n\n");
    let main = package("bash", "5.2-1") + &package("curl", "7.88-10+deb12u1") + &package("vim", "9");
    write(
        root,
        &format!("{lists}_dists_bookworm_main_binary-amd64_Packages"),
        &main,
    );
    let backports = format!("{lists}_dists_bookworm-backports");
    write(
        root,
        &format!("{backports}_InRelease"),
        "Origin: Debian\nNotAutomatic: yes\n",
    );
    write(
        root,
        &format!("{backports}_main_binary-amd64_Packages"),
        &package("bash", "9.9-1"),
    );
    let security = format!("{lists}-security_dists_bookworm-security_main_binary-amd64_Packages");
    write(root, &security, &package("curl", "7.88-10+deb12u10"));
    // The lists are of today, and so is the look.
    let at = fs::metadata(root.join(&security)).unwrap().modified().unwrap();
    let millis = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = Timestamp::from_millis(i64::try_from(millis).unwrap());
    let mut findings = Findings::default();
    let mut survey = Inventory::default();
    survey.look(&Host::new(root, now, Duration::ZERO, None), &mut findings);
    let updates = section(&findings, "updates").unwrap();
    assert_eq!(
        (&updates["pending"], &updates["security"]),
        (&1.into(), &1.into()),
        "{updates}"
    );
    assert_eq!(updates["packages"][0]["version"], "7.88-10+deb12u10");
    let later = now.plus(Duration::from_secs(30 * 86_400));
    let mut findings = Findings::default();
    survey.look(&Host::new(root, later, Duration::ZERO, None), &mut findings);
    assert!(
        section(&findings, "updates").is_none(),
        "lists of long ago tell nothing about today"
    );
}
