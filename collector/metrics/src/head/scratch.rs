//! Files for light blocks: written in order, never synced, gone when nothing refers to them and at each start.

use crate::{
    blocks::{DayFile, open_day},
    disk::Disk,
    retention::ClassDay,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Size at which a scratch file ends. Its space comes back when the last of its hours is sealed.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The folder of scratch files in a store.
pub(crate) fn folder(store: &Path) -> PathBuf {
    store.join("head")
}

/// Scratch files, the last one being written.
#[derive(Debug)]
pub(crate) struct Scratch {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    number: u32,
    files: Vec<Arc<DayFile>>,
}

impl Scratch {
    /// Begins with none: what an earlier run left is removed.
    pub(crate) fn begin(disk: Arc<dyn Disk>, store: &Path) -> io::Result<Self> {
        let dir = folder(store);
        disk.create_dir(&dir)?;
        for name in disk.list(&dir)? {
            disk.unlink(&dir.join(name))?;
        }
        Ok(Self {
            disk,
            dir,
            number: 0,
            files: Vec::new(),
        })
    }

    /// The file for the next light block.
    pub(crate) fn file(&mut self) -> io::Result<Arc<DayFile>> {
        if let Some(file) = self.files.last().filter(|file| file.end() < FILE_BYTES_MAX) {
            return Ok(file.clone());
        }
        let path = self.dir.join(format!("{:06}.blk", self.number));
        self.number += 1;
        let file = open_day(self.disk.as_ref(), ClassDay::first(0), path)?;
        self.files.push(file.clone());
        Ok(file)
    }

    /// Removes the files that nothing refers to any more.
    pub(crate) fn tidy(&mut self) -> io::Result<()> {
        let mut outcome = Ok(());
        let (disk, last) = (&self.disk, self.files.len().saturating_sub(1));
        let mut at = 0;
        self.files.retain(|file| {
            let unused = Arc::strong_count(file) == 1 && (at != last || file.end() >= FILE_BYTES_MAX);
            at += 1;
            if unused && let Err(error) = disk.unlink(&file.path) {
                outcome = Err(error);
            }
            !unused
        });
        outcome
    }
}
