//! borg.

use super::*;

#[test]
fn borg() {
    if !has("borg") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("BORG_PASSPHRASE", "x");
    bench.set("BORG_BASE_DIR", &bench.text("home"));
    bench.must(&["borg", "init", "-e", "repokey", "repo"]);
    let good = bench.run("borg", &["borg", "create", "--json", "--log-json", "repo::a", "source"]);
    assert_eq!(
        (result(&good), good["bytes"].as_u64().is_some()),
        ("ok", true),
        "{good}"
    );
    assert_eq!((&good["files"], &good["artefact"]), (&20.into(), &"a".into()));
    let plain = bench.run("borg", &["borg", "create", "--stats", "repo::b", "source"]);
    assert_eq!((result(&plain), &plain["files"]), ("ok", &20.into()), "{plain}");
    let missing = bench.run(
        "borg",
        &["borg", "create", "--json", "--log-json", "repo::c", "source", "nowhere"],
    );
    assert_eq!(result(&missing), "warning");
    assert!(missing["error"].as_str().unwrap().contains("nowhere"), "{missing}");
    let exists = bench.run("borg", &["borg", "create", "--log-json", "repo::a", "source"]);
    assert!(
        result(&exists) == "failed" && exists["error"].as_str().unwrap().contains("AlreadyExists"),
        "{exists}"
    );
    bench.set("BORG_PASSPHRASE", "wrong");
    assert_eq!(
        result(&bench.run("borg", &["borg", "create", "repo::d", "source"])),
        "failed"
    );
    bench.set("BORG_PASSPHRASE", "x");
    corrupt(&bench.path("repo/data"));
    let check = bench.run("borg", &["borg", "check", "--log-json", "repo"]);
    assert_eq!(result(&check), "failed", "{check}");
    let gone = bench.run("borg", &["borg", "create", "--log-json", "elsewhere::a", "source"]);
    assert!(
        result(&gone) == "failed" && gone["error"].as_str().unwrap().contains("DoesNotExist"),
        "{gone}"
    );
}

#[test]
fn borg_warns_of_what_it_can_not_read_and_fails_where_it_is_locked_or_full() {
    if !has("borg") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("BORG_BASE_DIR", &bench.text("home"));
    bench.set("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
    bench.set("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes");
    bench.must(&["borg", "init", "-e", "none", "repo"]);
    let mut command = bench.command("borg");
    command
        .args(["with-lock", "repo", "cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null());
    let mut holder = Holder(command.spawn().unwrap());
    until("a lock", || bench.path("repo/lock.exclusive").exists());
    let create = [
        "borg",
        "create",
        "--log-json",
        "--lock-wait",
        "1",
        "repo::locked",
        "source",
    ];
    was(&bench.run("borg", &create), "failed", "lock");
    // Its `cat` ends with its input, and then it gives the lock back.
    drop(holder.0.stdin.take());
    holder.0.wait().unwrap();
    bench.hide_a_file();
    let words = ["borg", "create", "--json", "--log-json", "repo::part", "source"];
    let unreadable = bench.run("borg", &unprivileged(&words));
    was(&unreadable, "warning", "permission denied");
    assert_eq!(unreadable["files"], 19, "{unreadable}");
    let Some(disk) = SmallDisk::mount(bench.path("small"), "4m") else {
        return;
    };
    let repository = format!("{}/repo", disk.text());
    bench.must(&["borg", "init", "-e", "none", &repository]);
    bench.fill("big", 12_000_000);
    let full = bench.run(
        "borg",
        &["borg", "create", "--log-json", &format!("{repository}::full"), "source"],
    );
    was(&full, "failed", "space");
}
