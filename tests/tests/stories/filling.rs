//! A file system that fills, runs out of inodes and becomes read-only: its series say so, and say when it is over. One that
//! fills steadily is foretold before it is full.

use serde_json::Value;
use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tocsin_tests::{
    host::Host,
    patience::until,
    program,
    site::{Site, rules_dir},
};
use tocsin_vocabulary::Timestamp;

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

/// A host with an agent that alone sees a small disk; none where that can't be made, which is told.
fn host_with_disk(story: &str, site: &Site, folder: &Path) -> Option<(Host, Disk)> {
    if !program::is_root() {
        program::skipped(story, "only root may mount");
        return None;
    }
    let Some(disk) = Disk::new(folder) else {
        program::skipped(story, "an ext4 in a file can't be made or mounted");
        return None;
    };
    let mut host = Host::prepare(site, "host", "").with_program(disk.program.clone());
    host.enrol(&site.install_string()).expect("a fresh token enrols");
    host.run();
    Some((host, disk))
}

/// The disk's mount point as others reach it, and the agent's own process.
fn seen_from_outside(host: &mut Host, point: &Path) -> (PathBuf, u32) {
    let inside = child_of(host.agent().pid()).expect("the agent, within its namespaces");
    let below = point.strip_prefix("/").expect("an absolute path");
    (PathBuf::from(format!("/proc/{inside}/root")).join(below), inside)
}

#[tokio::test]
async fn a_file_system_that_fills_or_turns_read_only_is_seen_in_its_series() {
    let story = "a_file_system_that_fills_or_turns_read_only_is_seen_in_its_series";
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::start("").await;
    let Some((mut host, disk)) = host_with_disk(story, &site, folder.path()) else {
        return;
    };
    let point = disk.point.as_path();
    becomes(&site, &host, SPACE, point, |share| share < 0.2).await;
    becomes(&site, &host, INODES, point, |share| share < 0.5).await;
    becomes(&site, &host, READ_ONLY, point, |flag| flag < 0.5).await;

    // Only through the agent's own view is the disk there.
    let (seen, inside) = seen_from_outside(&mut host, point);
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

/// The threshold, and the forecast of it by the trend of one minute. On the story's own disk alone.
fn rules(point: &Path) -> String {
    let of = |name: &str, lines: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\nmetric = \"{SPACE}\"\nwhere = {{ \"system.filesystem.state\" = \"used\", \
             \"system.filesystem.mountpoint\" = {point:?} }}\n{lines}\nseverity = \"major\"\naction = \"ticket\"\n\
             title.en = \"{name}: {{value}}\"\ntitle.zh = \"{name}: {{value}}\"\nremedy.en = \"Make room.\"\n\
             remedy.zh = \"Make room.\"\n"
        )
    };
    let threshold = of("full", "above = 0.8\nclear_below = 0.7");
    let forecast = "forecast = 0.8\nover = \"1m\"\nbelow = \"5m\"\nclear_above = \"10m\"";
    format!("{threshold}{}", of("foretold", forecast))
}

/// Writes at a steady pace until it is told to stop or the disk is full.
async fn fill(filler: PathBuf) {
    const PIECE: usize = 26 << 10;
    let mut file = std::fs::File::create(&filler).expect("a file");
    let mut pace = tokio::time::interval(Duration::from_millis(250));
    loop {
        pace.tick().await;
        // What is written counts at once, not when the kernel comes to it.
        let written = file.write_all(&vec![7; PIECE]).and_then(|()| file.sync_data());
        if written.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_disk_that_fills_steadily_is_foretold_before_its_threshold() {
    let story = "a_disk_that_fills_steadily_is_foretold_before_its_threshold";
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::start(&rules_dir(folder.path(), &rules(&folder.path().join("disk")))).await;
    let Some((mut host, disk)) = host_with_disk(story, &site, folder.path()) else {
        return;
    };
    let point = disk.point.as_path();
    becomes(&site, &host, SPACE, point, |share| share < 0.2).await;
    let (seen, _) = seen_from_outside(&mut host, point);
    let filling = tokio::spawn(fill(seen.join("filler")));

    let raised = async |rule: &str| -> Option<Value> {
        let alerts = site.get("alerts?state=raised").await;
        let found = alerts["items"].as_array()?.iter().find(|alert| alert["rule"] == rule);
        found.cloned()
    };
    becomes(&site, &host, SPACE, point, |share| share > 0.25).await;
    let foretold = until("the forecast", async || raised("foretold").await).await;
    assert_eq!(raised("full").await, None, "the threshold is not reached yet");
    let share = figure(&site, &host, SPACE, point).await.expect("its share");
    assert!(share < 0.75, "there is time left to do something: {share}");
    let full = until("the threshold", async || raised("full").await).await;

    let at = |alert: &Value| -> Timestamp { alert["raised_at"].as_str().expect("a time").parse().expect("a time") };
    let left = at(&full).since(at(&foretold)).as_secs_f64();
    let said = foretold["value"].as_f64().expect("seconds");
    assert!((0.5..2.0).contains(&(said / left)), "said {said} s, had {left} s");

    filling.abort();
    let _ = filling.await;
    std::fs::remove_file(seen.join("filler")).expect("room again");
    until("both to be over", async || {
        let left = site.get("alerts?state=raised").await;
        left["items"].as_array()?.is_empty().then_some(())
    })
    .await;
}
