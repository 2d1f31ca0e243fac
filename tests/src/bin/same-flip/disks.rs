//! Small file systems that can be filled at once.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

/// A small ext4 in a file.
#[derive(Debug)]
pub(super) struct Disk {
    point: PathBuf,
    full_at: Option<SystemTime>,
}

impl Disk {
    /// Makes and mounts one.
    pub(super) fn mount(folder: &Path, number: usize) -> Self {
        let (image, point) = (
            folder.join(format!("image-{number}")),
            folder.join(format!("disk-{number}-")),
        );
        std::fs::create_dir(&point).expect("a folder");
        File::create(&image)
            .and_then(|file| file.set_len(8 << 20))
            .expect("room for 8 MiB");
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&point));
        Self { point, full_at: None }
    }

    /// Where it is mounted.
    pub(super) fn point(&self) -> &Path {
        &self.point
    }

    /// Whether a text names it.
    pub(super) fn is_at(&self, point: &str) -> bool {
        Path::new(point) == self.point
    }

    /// Fills it.
    pub(super) fn fill(&mut self) {
        let mut file = File::create(self.point.join("filler")).expect("a file");
        while file.write_all(&[0; 64 << 10]).is_ok() {}
        self.full_at = Some(now());
    }

    /// How long after it was full this is.
    pub(super) fn since(&self, at: SystemTime) -> Duration {
        let full_at = self.full_at.expect("it was filled before");
        at.duration_since(full_at).unwrap_or_default()
    }
}

fn run(command: &mut Command) {
    let status = command.status().expect("a program of e2fsprogs or mount");
    assert!(
        status.success(),
        "{command:?} ended with {status}; this needs root and loop devices"
    );
}

#[allow(
    clippy::disallowed_methods,
    reason = "measures by the machine's clock, as agent and collector do"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
