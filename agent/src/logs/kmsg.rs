//! The kernel's messages from `/dev/kmsg`: records, each with a sequence number that begins anew at boot
//! (Documentation/ABI/testing/dev-kmsg).

use crate::sources::number;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    time::Duration,
};

/// The kernel makes no record longer than this (`PRINTK_MESSAGE_MAX`, earlier `CONSOLE_EXT_LOG_MAX`).
const RECORD_BYTES_MAX: usize = 8 << 10;
/// Most records of one pass.
const RECORDS_MAX: usize = 10_000;
/// `EPIPE`: records were overwritten before they were read.
const OVERWRITTEN: i32 = 32;

/// How far the kernel's messages were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KernelPosition {
    /// In which boot.
    pub(super) boot: String,
    /// The number of the last record that was read.
    pub(super) sequence: u64,
}

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// 0 when the kernel itself said it.
    pub(super) facility: u64,
    pub(super) sequence: u64,
    /// After boot, by the kernel's own clock.
    pub(super) at: Duration,
    pub(super) message: &'a [u8],
}

/// What reading came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// There may be more.
    pub(super) more: bool,
    /// Records were lost.
    pub(super) lost: bool,
}

/// Follows the kernel's messages.
pub(super) struct Kmsg {
    file: File,
    boot: String,
    /// The last record that was read, or that is to be passed over.
    sequence: Option<u64>,
    /// At the very first start what was said before is passed over.
    passing: bool,
}

impl Kmsg {
    /// Goes on behind `position`; without one begins at the end, and after a boot at the boot's beginning.
    ///
    /// # Errors
    /// When there is no such device, or it may not be read.
    pub(super) fn open(path: &Path, boot: &str, position: Option<&KernelPosition>) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).unwrap_or(0);
        let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        // Opening is allowed where reading is not.
        let mut first = [0; RECORD_BYTES_MAX];
        match file.read(&mut first) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && error.raw_os_error() != Some(OVERWRITTEN) => {
                return Err(error);
            }
            _ => {}
        }
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let here = position.filter(|position| position.boot == boot);
        Ok(Self {
            file,
            boot: boot.to_owned(),
            sequence: here.map(|position| position.sequence),
            passing: position.is_none(),
        })
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, each: &mut dyn FnMut(&Record<'_>)) -> Heard {
        let (mut buffer, mut heard) = ([0; RECORD_BYTES_MAX], Heard::default());
        for _ in 0..RECORDS_MAX {
            match self.file.read(&mut buffer) {
                Ok(0) => return self.caught_up(heard),
                Ok(length) => {
                    let Some(record) = parse(&buffer[..length]) else {
                        continue;
                    };
                    let known = self.sequence.is_some_and(|last| record.sequence <= last);
                    if !known {
                        self.sequence = Some(record.sequence);
                        if !self.passing {
                            each(&record);
                        }
                    }
                }
                Err(error) if error.raw_os_error() == Some(OVERWRITTEN) => heard.lost = !self.passing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.caught_up(heard),
            }
        }
        heard.more = true;
        heard
    }

    const fn caught_up(&mut self, heard: Heard) -> Heard {
        self.passing = false;
        heard
    }

    /// How far it was read.
    pub(super) fn position(&self) -> Option<KernelPosition> {
        // Before the first record: nothing below this number is wanted.
        (!self.passing).then(|| KernelPosition {
            boot: self.boot.clone(),
            sequence: self.sequence.unwrap_or(0),
        })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// `6,339,5140900,-;NET: Registered protocol family 10`, then lines of `KEY=value` that begin with a space.
pub(super) fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let semicolon = bytes.iter().position(|byte| *byte == b';')?;
    let mut fields = bytes[..semicolon].split(|byte| *byte == b',');
    let priority = fields.next().and_then(number)?;
    let sequence = fields.next().and_then(number)?;
    let micros = fields.next().and_then(number)?;
    let message = &bytes[semicolon + 1..];
    let end = message.iter().position(|byte| *byte == b'\n').unwrap_or(message.len());
    Some(Record {
        facility: priority >> 3,
        sequence,
        at: Duration::from_micros(micros),
        message: &message[..end],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn a_record_is_read() {
        let record = parse(b"6,339,5140900,-,caller=T1;I/O error; dev sda\n SUBSYSTEM=block\n DEVICE=b8:0\n").unwrap();
        let expected = Record {
            facility: 0,
            sequence: 339,
            at: Duration::from_micros(5_140_900),
            message: b"I/O error; dev sda",
        };
        assert_eq!(record, expected);
        assert_eq!(parse(b"30,1,2,-;systemd[1]: hello\n").unwrap().facility, 3);
        for bytes in [&b""[..], b"6,1;", b"x,1,2;y", b"6,1,2"] {
            assert_eq!(parse(bytes), None);
        }
    }

    #[test]
    fn any_bytes_are_a_record_or_none() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            if let Some(record) = parse(bytes) {
                assert!(!record.message.contains(&b'\n'));
            }
        }));
    }

    #[test]
    fn what_was_said_before_the_first_start_is_passed_over_and_a_restart_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        // A plain file gives no records but all at once: one is enough here.
        std::fs::write(&path, "6,7,100,-;before\n").unwrap();
        let mut first = Kmsg::open(&path, "boot-1", None).unwrap();
        assert_eq!(
            first.position(),
            None,
            "nothing is known before all of it was passed over"
        );
        let read = |kmsg: &mut Kmsg| {
            let mut seen = Vec::new();
            kmsg.read(&mut |record| seen.push(record.sequence));
            seen
        };
        assert_eq!(read(&mut first), [] as [u64; 0]);
        let position = first.position().unwrap();
        assert_eq!(position.sequence, 7);
        let mut same_boot = Kmsg::open(&path, "boot-1", Some(&position)).unwrap();
        assert_eq!(read(&mut same_boot), [] as [u64; 0]);
        let mut next_boot = Kmsg::open(&path, "boot-2", Some(&position)).unwrap();
        assert_eq!(read(&mut next_boot), [7]);
    }
}
