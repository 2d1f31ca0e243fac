//! Files that are renamed, copied and emptied, deleted, made anew and half written, with restarts between.

use super::*;
use std::{collections::BTreeSet, fs::OpenOptions, io::Write};

/// A folder with a log, and whoever reads it.
struct Logs {
    folder: tempfile::TempDir,
    name: &'static str,
    tail: Tail,
    troubles: Vec<Trouble>,
    second: u64,
}

impl Logs {
    fn new(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tail = Tail::new(folder.path().to_owned(), name.to_owned(), None);
        Self {
            folder,
            name,
            tail,
            troubles: Vec::new(),
            second: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// What comes with the next look; a second passes.
    fn lines(&mut self) -> Vec<String> {
        self.second += 1;
        let mono = Duration::from_secs(self.second);
        self.tail.scan(mono, &mut self.troubles);
        let mut lines = Vec::new();
        let mut buffer = vec![0; 64];
        loop {
            let mut each = |line: Line<'_>| lines.push(String::from_utf8_lossy(line.bytes).into_owned());
            if !self.tail.read(&mut buffer, mono, &mut self.troubles, &mut each) {
                return lines;
            }
        }
    }

    /// Another run of the agent, that knows what this one kept.
    fn restart(&mut self) {
        let kept = self.tail.positions();
        self.tail = Tail::new(self.folder.path().to_owned(), self.name.to_owned(), kept);
    }
}

#[test]
fn the_first_start_begins_at_the_end_and_what_appears_later_is_read_whole() {
    let mut logs = Logs::new("*.log");
    logs.write("a.log", "old\n");
    assert_eq!(logs.lines(), [] as [&str; 0]);
    logs.write("a.log", "new\n");
    logs.write("b.log", "first\nsecond\nhal");
    assert_eq!(logs.lines(), ["new", "first", "second"]);
    logs.write("b.log", "f\n");
    logs.write("c.log", "first\nsecond\n");
    assert_eq!(logs.lines(), ["half", "first", "second"], "files may begin alike");
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_its_successor_from_its_beginning() {
    let mut logs = Logs::new("app.log");
    logs.write("app.log", "");
    logs.lines();
    logs.write("app.log", "1\n");
    assert_eq!(logs.lines(), ["1"]);
    logs.write("app.log", "2\n");
    logs.rename("app.log", "app.log.1");
    logs.write("app.log.1", "3\n");
    logs.write("app.log", "4\n");
    assert_eq!(logs.lines(), ["2", "3", "4"]);
    logs.write("app.log.1", "5\nlast without newline");
    assert_eq!(logs.lines(), ["5"]);
    logs.second += RETIRE_AFTER.as_secs();
    assert_eq!(logs.lines(), ["last without newline"]);
    assert_eq!(logs.tail.followers().len(), 1, "the old file is closed");
}

#[test]
fn a_deleted_file_is_not_held() {
    let mut logs = Logs::new("app.log");
    logs.write("app.log", "");
    logs.lines();
    logs.write("app.log", "1\n");
    fs::remove_file(logs.path("app.log")).unwrap();
    assert_eq!(logs.lines(), ["1"]);
    assert_eq!(logs.tail.followers().len(), 0);
}

#[test]
fn a_file_that_is_copied_and_emptied_is_read_to_its_end_from_the_copy() {
    for name in ["app.log", "app.log*"] {
        let mut logs = Logs::new(name);
        logs.write("app.log", "");
        logs.lines();
        logs.write("app.log", "1\n2\nhal");
        assert_eq!(logs.lines(), ["1", "2"]);
        logs.write("app.log", "f\n3\n");
        fs::copy(logs.path("app.log"), logs.path("app.log.1")).unwrap();
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(logs.path("app.log"))
            .unwrap();
        logs.write("app.log", "after, and longer than it was before\n");
        let mut lines = logs.lines();
        lines.sort_unstable();
        assert_eq!(lines, ["3", "after, and longer than it was before", "half"], "{name}");
        assert_eq!(logs.lines(), [] as [&str; 0]);
    }
}

#[test]
fn a_restart_goes_on_where_it_was_left_whatever_became_of_the_file() {
    let mut logs = Logs::new("app.log");
    logs.write("app.log", "old\n");
    logs.lines();
    logs.write("app.log", "1\n");
    assert_eq!(logs.lines(), ["1"]);
    logs.restart();
    logs.write("app.log", "2\nhal");
    assert_eq!(logs.lines(), ["2"]);

    // Renamed while nobody looked.
    logs.restart();
    logs.write("app.log", "f\n");
    logs.rename("app.log", "app.log.1");
    logs.write("app.log", "3\n");
    assert_eq!(logs.lines(), ["half", "3"]);

    // Renamed, and not read to its end.
    logs.write("app.log", "4\n");
    logs.rename("app.log.1", "app.log.2");
    logs.rename("app.log", "app.log.1");
    logs.restart();
    logs.write("app.log", "5\n");
    assert_eq!(logs.lines(), ["4", "5"]);
    assert_eq!(logs.troubles, []);

    // Renamed before anything was read of it.
    logs.write("new.log", "");
    logs.rename("app.log", "app.log.3");
    logs.rename("new.log", "app.log");
    logs.second += RETIRE_AFTER.as_secs();
    assert_eq!(logs.lines(), [] as [&str; 0]);
    logs.restart();
    logs.write("app.log", "6\n");
    logs.rename("app.log", "app.log.4");
    logs.write("app.log", "7\n");
    assert_eq!(logs.lines(), ["6", "7"]);

    // Two that were renamed are still held: neither is new.
    logs.write("app.log", "77\n");
    logs.rename("app.log", "app.log.7");
    logs.write("app.log", "78\n");
    assert_eq!(logs.lines(), ["77", "78"]);
    logs.restart();
    assert_eq!(logs.lines(), [] as [&str; 0]);

    // Renamed twice: the file between was never seen.
    logs.restart();
    logs.write("app.log", "8\n");
    logs.rename("app.log", "app.log.5");
    logs.write("app.log", "9\n");
    let later = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let between = OpenOptions::new().append(true).open(logs.path("app.log")).unwrap();
    between.set_modified(later).unwrap();
    logs.rename("app.log", "app.log.6");
    logs.write("app.log", "10\n");
    assert_eq!(logs.lines(), ["8", "9", "10"]);

    // Deleted.
    logs.second += RETIRE_AFTER.as_secs();
    assert_eq!(logs.lines(), [] as [&str; 0]);
    logs.restart();
    fs::remove_file(logs.path("app.log")).unwrap();
    logs.write("app.log", "a new beginning\n");
    assert_eq!(logs.lines(), ["a new beginning"]);
    assert!(
        matches!(logs.troubles[..], [Trouble::Gone(_, 3)]),
        "{:?}",
        logs.troubles
    );
}

#[test]
fn an_inode_that_is_used_again_is_another_file() {
    let mut logs = Logs::new("app.log");
    logs.write("app.log", "");
    logs.lines();
    logs.write("app.log", "one\ntwo\n");
    assert_eq!(logs.lines(), ["one", "two"]);
    // The same inode with other bytes, as after deletion and creation while nobody looked.
    let mut kept = logs.tail.positions().unwrap();
    fs::remove_file(logs.path("app.log")).unwrap();
    logs.write("app.log", "three\nfour\nfive\n");
    kept[0].identity = Identity::of(&fs::metadata(logs.path("app.log")).unwrap());
    logs.tail = Tail::new(logs.folder.path().to_owned(), "app.log".to_owned(), Some(kept));
    assert_eq!(logs.lines(), ["three", "four", "five"]);
}

#[test]
fn what_is_no_file_or_packed_or_unreadable_harms_nothing() {
    let mut logs = Logs::new("app*");
    fs::create_dir(logs.path("app.d")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        logs.path("app.pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink("/dev/zero", logs.path("app.zero")).unwrap();
    std::os::unix::fs::symlink(logs.path("app.loop"), logs.path("app.loop")).unwrap();
    logs.lines();
    logs.write("app.log.gz", "packed\n");
    logs.write("app.log", "good\n");
    assert_eq!(logs.lines(), ["good"]);
    assert_eq!(logs.troubles, []);
}

/// A writer that renames under load, as fast as it can: every line comes once, in order for each file.
#[test]
fn nothing_is_lost_or_doubled_while_a_writer_rotates_under_load() {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };
    const FILES: u64 = 40;
    const LINES: u64 = 200;
    let mut logs = Logs::new("app.log");
    logs.write("app.log", "");
    logs.lines();
    let folder = logs.folder.path().to_owned();
    // The writer does not rotate a second time before the first was noticed.
    let noticed = Arc::new(AtomicU64::new(0));
    let seen_by_writer = Arc::clone(&noticed);
    let writer = std::thread::spawn(move || {
        let path = folder.join("app.log");
        for file in 0..FILES {
            let mut out = OpenOptions::new().create(true).append(true).open(&path).unwrap();
            for line in 0..LINES {
                out.write_all(format!("{} {}\n", file, file * LINES + line).as_bytes())
                    .unwrap();
            }
            while seen_by_writer.load(Ordering::Acquire) < file {
                std::thread::yield_now();
            }
            fs::rename(&path, folder.join(format!("app.log.{file}"))).unwrap();
        }
    });
    let mut seen = Vec::new();
    let mut idle = 0;
    while (seen.len() as u64) < FILES * LINES && idle < 3 {
        if seen.len() % 7 == 0 {
            logs.restart();
        }
        let lines = logs.lines();
        if let Some(last) = lines.last() {
            let file = last.split(' ').next().unwrap().parse().unwrap();
            noticed.fetch_max(file, Ordering::AcqRel);
        }
        idle = if lines.is_empty() && writer.is_finished() {
            idle + 1
        } else {
            0
        };
        seen.extend(lines);
    }
    writer.join().unwrap();
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!((unique.len(), seen.len() as u64), (seen.len(), FILES * LINES));
    assert_eq!(logs.troubles, []);
}
