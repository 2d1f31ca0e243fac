//! rsync.

use super::*;

#[test]
fn rsync() {
    if !has("rsync") {
        return;
    }
    let bench = Bench::new();
    let good = bench.run("rsync", &["rsync", "-a", "--stats", "source/", "copy/"]);
    assert_eq!(
        (result(&good), good["bytes"].as_u64()),
        ("ok", Some(bench.bytes())),
        "{good}"
    );
    assert_eq!(good["files"], 20);
    let none = bench.run("rsync", &["rsync", "-a", "nowhere/", "copy/"]);
    assert_eq!((result(&none), &none["exit_code"]), ("failed", &23.into()), "{none}");
    assert!(none["error"].as_str().unwrap().contains("nowhere"));
    fs::write(bench.path("full"), "a file").unwrap();
    let target = bench.run("rsync", &["rsync", "-a", "source/", "full/copy/"]);
    assert_eq!(result(&target), "failed", "{target}");
}

#[test]
fn rsync_warns_of_a_file_that_vanishes_and_fails_where_the_disk_is_full() {
    if !has("rsync") {
        return;
    }
    let bench = Bench::new();
    bench.fill("a-first", 3_000_000);
    let gone = bench.path("source/z-last");
    fs::write(&gone, "gone soon").unwrap();
    let copy = bench.path("copy");
    let watcher = std::thread::spawn(move || {
        // The list is made before the first file is copied.
        until("a copy", || {
            fs::read_dir(&copy).is_ok_and(|mut files| files.next().is_some())
        });
        fs::remove_file(gone).unwrap();
    });
    let run = bench.run(
        "rsync",
        &["rsync", "-a", "--stats", "--bwlimit=2000", "source/", "copy/"],
    );
    watcher.join().unwrap();
    was(&run, "warning", "vanished");
    assert_eq!(run["exit_code"], 24);
    let Some(disk) = SmallDisk::mount(bench.path("small"), "2m") else {
        return;
    };
    let full = bench.run("rsync", &["rsync", "-a", "source/", &format!("{}/copy/", disk.text())]);
    was(&full, "failed", "no space left");
}
