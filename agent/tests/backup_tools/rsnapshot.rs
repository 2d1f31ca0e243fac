//! rsnapshot.

use super::*;

#[test]
fn rsnapshot() {
    if !has("rsnapshot") || !has("rsync") {
        return;
    }
    let bench = Bench::new();
    let config = |source: &str| {
        let lines = [
            "config_version\t1.2".to_owned(),
            format!("snapshot_root\t{}/", bench.text("snapshots")),
            "cmd_rsync\t/usr/bin/rsync".to_owned(),
            "retain\tdaily\t3".to_owned(),
            "verbose\t3".to_owned(),
            format!("logfile\t{}", bench.text("rsnapshot.log")),
            format!("backup\t{}/\tlocal/", bench.text(source)),
        ];
        fs::write(bench.path("rsnapshot.conf"), lines.join("\n") + "\n").unwrap();
    };
    config("source");
    let words = ["rsnapshot", "-c", "rsnapshot.conf", "daily"];
    let good = bench.run("rsnapshot", &words);
    assert_eq!(result(&good), "ok", "{good}");
    let judged = bench
        .command(AGENT)
        .args(["backup", "judge", "--adapter", "rsnapshot", "--stdout", "rsnapshot.log"])
        .output()
        .unwrap();
    let judged: Value = serde_json::from_slice(&judged.stdout).unwrap();
    assert_eq!((result(&judged), &judged["job"]), ("ok", &"daily".into()), "{judged}");
    config("nowhere");
    assert_eq!(result(&bench.run("rsnapshot", &words)), "failed");
}

#[test]
fn rsnapshot_warns_of_what_it_can_not_read_and_fails_where_it_is_locked_full_or_without_its_root() {
    if !has("rsnapshot") || !has("rsync") {
        return;
    }
    let bench = Bench::new();
    let config = |root: &str| {
        let lines = [
            "config_version\t1.2".to_owned(),
            format!("snapshot_root\t{root}/"),
            "no_create_root\t1".to_owned(),
            "cmd_rsync\t/usr/bin/rsync".to_owned(),
            "retain\tdaily\t3".to_owned(),
            format!("lockfile\t{}", bench.text("lock.pid")),
            format!("backup\t{}/\tlocal/", bench.text("source")),
        ];
        fs::write(bench.path("rsnapshot.conf"), lines.join("\n") + "\n").unwrap();
    };
    let words = ["rsnapshot", "-c", "rsnapshot.conf", "daily"];
    config(&bench.text("snapshots"));
    was(&bench.run("rsnapshot", &words), "failed", "snapshot_root");
    fs::create_dir(bench.path("snapshots")).unwrap();
    // The lock of a process that lives: ours.
    fs::write(bench.path("lock.pid"), std::process::id().to_string()).unwrap();
    was(&bench.run("rsnapshot", &words), "failed", "lock");
    fs::remove_file(bench.path("lock.pid")).unwrap();
    bench.hide_a_file();
    was(&bench.run("rsnapshot", &unprivileged(&words)), "warning", "");
    let Some(disk) = SmallDisk::mount(bench.path("small"), "2m") else {
        return;
    };
    bench.fill("big", 3_000_000);
    config(&disk.text());
    was(&bench.run("rsnapshot", &words), "failed", "rsync");
}
