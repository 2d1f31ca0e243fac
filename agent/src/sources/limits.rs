//! What a kernel gives only so many of: file handles (`/proc/sys/fs/file-nr`) and process numbers
//! (`/proc/sys/kernel/pid_max`), which threads take too.

use super::{
    bytes::{fields, number, trimmed},
    columns::Columns,
    cpu::{SHARE_DECIMALS, share},
    file::KeptFile,
};
use std::path::Path;

/// Reads how much of it is taken.
#[derive(Debug)]
pub(crate) struct Limits {
    file_handles: KeptFile,
    numbers_max: KeptFile,
    files: Option<u64>,
    tasks: Option<u64>,
}

impl Limits {
    pub(crate) fn new(root: &Path) -> Self {
        let file = |name: &str| KeptFile::new(root.join("proc/sys").join(name));
        Self {
            file_handles: file("fs/file-nr"),
            numbers_max: file("kernel/pid_max"),
            files: None,
            tasks: None,
        }
    }

    /// Reads the files; `tasks` is how many processes and threads there are.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, tasks: Option<u64>) {
        self.files = self.file_handles.read(buffer).and_then(parse_file_handles);
        let most = self.numbers_max.read(buffer).and_then(|bytes| number(trimmed(bytes)));
        self.tasks = tasks
            .zip(most)
            .and_then(|(tasks, most)| share(tasks, most, SHARE_DECIMALS));
    }

    pub(crate) fn put(&self, columns: &mut Columns<'_>) {
        columns.put("tocsin.files.utilization", &[], SHARE_DECIMALS, self.files);
        columns.put("tocsin.tasks.utilization", &[], SHARE_DECIMALS, self.tasks);
    }
}

/// The share of the file handles that is in use: allocated ones, free ones among them, and how many there may be.
fn parse_file_handles(bytes: &[u8]) -> Option<u64> {
    let mut fields = fields(bytes).map(number);
    let (allocated, free, most) = (fields.next()??, fields.next()??, fields.next()??);
    share(allocated.saturating_sub(free), most, SHARE_DECIMALS)
}

/// How many processes and threads there are: the second number of `running/all` in `/proc/loadavg`.
pub(crate) fn parse_tasks(bytes: &[u8]) -> Option<u64> {
    let pair = fields(bytes).nth(3)?;
    let at = pair.iter().position(|byte| *byte == b'/')?;
    number(&pair[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn shares_of_what_is_limited_are_read() {
        assert_eq!(parse_file_handles(b"903\t3\t2466170\n"), Some(4));
        assert_eq!(parse_file_handles(b"900 0 1000\n"), Some(9_000));
        assert_eq!(parse_file_handles(b"903\t0\t9223372036854775807\n"), Some(0));
        assert_eq!(parse_tasks(b"0.21 12.37 1000.39 1/719 19737\n"), Some(719));
        assert_eq!(parse_tasks(b"0.21 12.37\n"), None);
    }

    #[test]
    fn any_bytes_are_shares_or_nothing() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let _ = (parse_file_handles(bytes), parse_tasks(bytes));
        }));
    }
}
