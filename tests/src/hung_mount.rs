//! A file system that never answers: FUSE whose other side reads no request, as a dead NFS server is.
//!
//! Needs root, and a mount namespace of its own unless every other program of the machine shall meet it too.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd as _,
    path::Path,
};
use tempfile::TempDir;

/// A mounted one; whoever hangs in it is freed when it is dropped.
#[derive(Debug)]
pub struct HungMount {
    folder: TempDir,
    /// Requests wait here, unread. Closing it ends them all with an error.
    device: Option<File>,
}

impl HungMount {
    /// Mounts one in a temporary folder.
    ///
    /// # Errors
    /// Without root, or without FUSE in the kernel.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hung-").tempdir()?;
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
        // The kernel's documentation `filesystems/fuse.rst`: descriptor, type of the root inode in octal, owner.
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let options = CString::new(options)?;
        mount("hung", folder.path(), "fuse", MountFlags::empty(), options.as_c_str())?;
        Ok(Self {
            folder,
            device: Some(device),
        })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for HungMount {
    fn drop(&mut self) {
        self.device = None;
        // The folder stays when this fails: nothing else can be done about it.
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}
