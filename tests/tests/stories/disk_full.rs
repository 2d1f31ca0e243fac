//! A full disk under the collector: it says so, loses nothing that it acknowledged, and goes on when there is room.

use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};
use tocsin_tests::{
    host::Host,
    patience::until,
    program,
    site::{Plan, Site},
};

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this may not be mounted.
    fn mount(folder: &Path) -> Option<Self> {
        let place = folder.join("disk");
        std::fs::create_dir(&place).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&place)
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(place))
    }

    /// Writes until nothing more fits; answers the file.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = if program::is_root() {
        SmallDisk::mount(folder.path())
    } else {
        None
    };
    let Some(disk) = disk else {
        program::skipped(
            "a_full_disk_is_told_and_nothing_acknowledged_is_lost",
            "a small file system can't be mounted",
        );
        return;
    };
    let plan = Plan {
        state_dir: Some(disk.0.join("collector")),
        ..Plan::default()
    };
    let mut site = Site::start_as(plan).await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    host.goes_on(&site).await;

    let filler = disk.fill();
    let problem = |status: &Value| status["link"]["problem"].as_str().map(str::to_owned);
    let told = host.says("what is wrong with the collector's disk", problem).await;
    assert!(told.contains("free space") || told.contains("later"), "{told}");
    let (status, health) = site.try_get("health").await;
    assert_eq!((status, health["status"].as_str()), (503, Some("failing")), "{health}");
    let acknowledged = host.status()["link"]["acked_seq"]
        .as_u64()
        .expect("ticks were acknowledged");
    let stored = host.ticks(&site).await;
    assert!(
        stored.len() as u64 >= acknowledged,
        "{acknowledged} acknowledged, {} stored",
        stored.len()
    );
    assert!(site.collector().is_running());

    std::fs::remove_file(filler).expect("room again");
    host.goes_on(&site).await;
    let taken = host.status()["tick_seq"].as_u64().expect("ticks");
    let after = until("every tick to be stored", async || {
        let after = host.ticks(&site).await;
        (after.len() as u64 >= taken).then_some(after)
    })
    .await;
    assert!(stored.iter().all(|time| after.contains(time)));
    site.collector().kill();
    site.run().await;
    let recovered = host.ticks(&site).await;
    assert!(
        after.iter().all(|time| recovered.contains(time)),
        "what was stored is there after a restart"
    );
}
