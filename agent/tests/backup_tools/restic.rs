//! restic.

use super::*;

#[test]
fn restic() {
    if !has("restic") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("RESTIC_PASSWORD", "x");
    bench.set("RESTIC_REPOSITORY", &bench.text("repo"));
    bench.must(&["restic", "init"]);
    let backup = ["restic", "backup", "--json", "source"];
    let good = bench.run("restic", &backup);
    assert_eq!(
        (result(&good), good["bytes"].as_u64()),
        ("ok", Some(bench.bytes())),
        "{good}"
    );
    assert_eq!(good["files"], 20);
    let plain = bench.run("restic", &["restic", "backup", "source"]);
    assert_eq!((result(&plain), &plain["files"]), ("ok", &20.into()), "{plain}");
    let none = bench.run("restic", &["restic", "backup", "--json", "nowhere"]);
    assert_eq!(result(&none), "failed");
    assert!(none["error"].as_str().unwrap().contains("do not exist"), "{none}");
    bench.set("RESTIC_PASSWORD", "wrong");
    let wrong = bench.run("restic", &backup);
    assert!(
        result(&wrong) == "failed" && wrong["error"].as_str().unwrap().contains("wrong password"),
        "{wrong}"
    );
    bench.set("RESTIC_PASSWORD", "x");
    corrupt(&bench.path("repo/data"));
    let check = bench.run("restic", &["restic", "check", "--read-data"]);
    assert_eq!(result(&check), "failed", "{check}");
    fs::remove_dir_all(bench.path("repo")).unwrap();
    assert_eq!(result(&bench.run("restic", &backup)), "failed");
}

#[test]
fn restic_warns_of_what_it_can_not_read_and_fails_where_it_is_locked_or_full() {
    if !has("restic") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("RESTIC_PASSWORD", "x");
    bench.set("RESTIC_REPOSITORY", &bench.text("repo"));
    bench.must(&["restic", "init"]);
    bench.hide_a_file();
    let unreadable = bench.run("restic", &unprivileged(&["restic", "backup", "--json", "source"]));
    was(&unreadable, "warning", "permission denied");
    assert_eq!(unreadable["files"], 19, "{unreadable}");
    // A backup of what never ends holds the lock that a check asks for.
    let mut command = bench.command("restic");
    command
        .args(["backup", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null());
    let holder = Holder(command.spawn().unwrap());
    until("a lock", || {
        fs::read_dir(bench.path("repo/locks")).is_ok_and(|mut locks| locks.next().is_some())
    });
    was(&bench.run("restic", &["restic", "check"]), "failed", "locked");
    drop(holder);
    let Some(disk) = SmallDisk::mount(bench.path("small"), "4m") else {
        return;
    };
    bench.set("RESTIC_REPOSITORY", &format!("{}/repo", disk.text()));
    bench.must(&["restic", "init"]);
    bench.fill("big", 12_000_000);
    was(
        &bench.run("restic", &["restic", "backup", "--json", "source"]),
        "failed",
        "no space left",
    );
}
