//! A file system that fills, runs out of inodes and becomes read-only: its series say so, and say when it is over.

use serde_json::Value;
use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use tocsin_tests::{host::Host, patience::until, program, site::Site};

const STORY: &str = "a_file_system_that_fills_or_turns_read_only_is_seen_in_its_series";

const SPACE: &str = "system.filesystem.utilization";
const INODES: &str = "tocsin.filesystem.inodes.utilization";
const READ_ONLY: &str = "tocsin.filesystem.read_only";

/// A small ext4 in a file with few inodes, mounted where only the agent sees it: in a mount namespace of its own, where
/// the agent is process 1, for it reads the mounts of that.
struct Disk {
    point: PathBuf,
    /// What runs as an agent: mounts, then becomes the agent.
    program: PathBuf,
}

impl Disk {
    /// None where this can't be made.
    fn new(folder: &Path) -> Option<Self> {
        let (image, point) = (folder.join("image"), folder.join("disk"));
        std::fs::create_dir(&point).expect("a folder");
        let file = std::fs::File::create(&image).expect("a file");
        file.set_len(16 << 20).expect("room for 16 MiB");
        let quiet = ["-q", "-F", "-N", "64", "-m", "0"];
        let made = Command::new("mkfs.ext4").args(quiet).arg(&image).status();
        if !made.is_ok_and(|status| status.success()) {
            return None;
        }
        let apart = "unshare --mount --propagation private --pid --fork --kill-child --mount-proc --";
        let mount = format!("mount -o loop {} {}", image.display(), point.display());
        let tried = Command::new("sh").args(["-c", &format!("{apart} {mount}")]).status();
        if !tried.is_ok_and(|status| status.success()) {
            return None;
        }
        let agent = program::path("tocsin-agent");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*run*) exec {apart} sh -c '{mount} && exec {0} \"$@\"' {0} \"$@\" ;;\n*) exec {0} \"$@\" ;;\nesac\n",
            agent.display()
        );
        let program = folder.join("agent");
        std::fs::write(&program, script).expect("a script");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a program");
        Some(Self { point, program })
    }
}

/// The process that unshare started in the new namespaces.
fn child_of(pid: u32) -> Option<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    std::fs::read_to_string(path)
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The newest value of a series of the file system at `point`.
async fn figure(site: &Site, host: &Host, metric: &str, point: &Path) -> Option<f64> {
    let series = site.get(&format!("hosts/{}/series", host.id())).await;
    let state = |one: &Value| {
        let state = &one["attributes"]["system.filesystem.state"];
        state.is_null() || state == "used"
    };
    let items = series["items"].as_array()?.clone();
    let found = items.iter().find(|one| {
        one["name"] == metric
            && one["attributes"]["system.filesystem.mountpoint"] == point.to_string_lossy().as_ref()
            && state(one)
    })?;
    found["value"].as_f64()
}

async fn becomes(site: &Site, host: &Host, metric: &str, point: &Path, wanted: impl Fn(f64) -> bool) {
    until(metric, async || {
        figure(site, host, metric, point).await.filter(|value| wanted(*value))
    })
    .await;
}

#[tokio::test]
async fn a_file_system_that_fills_or_turns_read_only_is_seen_in_its_series() {
    if !program::is_root() {
        return program::skipped(STORY, "only root may mount");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = Disk::new(folder.path()) else {
        return program::skipped(STORY, "an ext4 in a file can't be made or mounted");
    };
    let site = Site::start("").await;
    let mut host = Host::prepare(&site, "host", "").with_program(disk.program.clone());
    host.enrol(&site.install_string()).expect("a fresh token enrols");
    host.run();
    let point = disk.point.as_path();
    becomes(&site, &host, SPACE, point, |share| share < 0.2).await;
    becomes(&site, &host, INODES, point, |share| share < 0.5).await;
    becomes(&site, &host, READ_ONLY, point, |flag| flag < 0.5).await;

    // Only through the agent's own view is the disk there.
    let inside = child_of(host.agent().pid()).expect("the agent, within its namespaces");
    let below = point.strip_prefix("/").expect("an absolute path");
    let seen = PathBuf::from(format!("/proc/{inside}/root")).join(below);
    assert!(!point.join("lost+found").exists() && seen.join("lost+found").exists());

    let filler = seen.join("filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    for size in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    drop(file);
    becomes(&site, &host, SPACE, point, |share| share >= 0.99).await;
    std::fs::remove_file(&filler).expect("room again");
    becomes(&site, &host, SPACE, point, |share| share < 0.2).await;

    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::create(seen.join(files.len().to_string())) {
        files.push(file);
    }
    becomes(&site, &host, INODES, point, |share| share >= 0.99).await;
    becomes(&site, &host, SPACE, point, |share| share < 0.2).await;
    drop(files);

    let remount = |how: &str| {
        let mut command = Command::new("nsenter");
        command.args(["--mount", &format!("--target={inside}"), "mount", "-o", how]);
        let status = command.arg(point).status().expect("nsenter of util-linux");
        assert!(status.success(), "cannot {how}");
    };
    remount("remount,ro");
    becomes(&site, &host, READ_ONLY, point, |flag| flag > 0.5).await;
    remount("remount,rw");
    becomes(&site, &host, READ_ONLY, point, |flag| flag < 0.5).await;
}
