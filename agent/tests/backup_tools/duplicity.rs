//! duplicity.

use super::*;

#[test]
fn duplicity() {
    if !has("duplicity") {
        return;
    }
    let bench = Bench::new();
    let target = format!("file://{}", bench.text("target"));
    let words = ["duplicity", "full", "--no-encryption", "source", &target];
    let good = bench.run("duplicity", &words);
    assert_eq!(
        (result(&good), good["bytes"].as_u64().is_some()),
        ("ok", true),
        "{good}"
    );
    let none = bench.run(
        "duplicity",
        &["duplicity", "full", "--no-encryption", "nowhere", &target],
    );
    assert_eq!(result(&none), "failed", "{none}");
    assert!(none["error"].as_str().unwrap().contains("nowhere"), "{none}");
}

#[test]
fn duplicity_fails_where_it_is_locked_full_damaged_or_has_another_passphrase() {
    if !has("duplicity") {
        return;
    }
    let mut bench = Bench::new();
    bench.set("PASSPHRASE", "x");
    // For the keys of gpg.
    fs::create_dir(bench.path("home")).unwrap();
    let (archive, target) = (bench.text("archive"), format!("file://{}", bench.text("target")));
    let options = ["--archive-dir", &archive, "--name", "n", "--log-fd", "2"];
    let words = |first: &[&'static str], rest: &[&str]| -> Vec<String> {
        first
            .iter()
            .chain(&options)
            .chain(rest)
            .map(|word| (*word).to_owned())
            .collect()
    };
    let run = |bench: &Bench, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        bench.run("duplicity", &words)
    };
    let full = words(&["duplicity", "full"], &["source", &target]);
    let good = run(&bench, &full);
    was(&good, "ok", "");
    let holder = "import fcntl,sys,time; f=open(sys.argv[1],'a'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); time.sleep(60)";
    let lock = bench.text("archive/n/lockfile");
    let mut command = bench.command("python3");
    command.args(["-c", holder, &lock]).stdout(std::process::Stdio::piped());
    let mut holder = Holder(command.spawn().unwrap());
    let mut held = [0; 4];
    std::io::Read::read_exact(holder.0.stdout.as_mut().unwrap(), &mut held).unwrap();
    was(&run(&bench, &full), "failed", "another duplicity instance");
    drop(holder);
    let _ = fs::remove_file(&lock);
    let verify = words(&["duplicity", "verify"], &[&target, "source"]);
    was(&run(&bench, &verify), "ok", "");
    bench.set("PASSPHRASE", "wrong");
    fs::remove_dir_all(&archive).unwrap();
    was(&run(&bench, &verify), "failed", "gpg");
    bench.set("PASSPHRASE", "x");
    corrupt(&bench.path("target"));
    was(&run(&bench, &verify), "failed", "");
    fs::remove_dir_all(bench.path("target")).unwrap();
    let _ = fs::remove_dir_all(&archive);
    was(&run(&bench, &verify), "failed", "");
    let Some(disk) = SmallDisk::mount(bench.path("small"), "2m") else {
        return;
    };
    bench.fill("big", 6_000_000);
    let small = format!("file://{}/copy", disk.text());
    let words = words(&["duplicity", "full", "--num-retries", "1"], &["source", &small]);
    was(&run(&bench, &words), "failed", "no space left");
}

#[test]
fn duplicity_warns_of_what_it_can_not_read() {
    if !has("duplicity") {
        return;
    }
    let bench = Bench::new();
    let target = format!("file://{}", bench.text("target"));
    fs::create_dir_all(bench.path("home")).unwrap();
    bench.hide_a_file();
    let words = ["duplicity", "full", "--no-encryption", "source", &target];
    was(
        &bench.run("duplicity", &unprivileged(&words)),
        "warning",
        "1 files could not be read",
    );
}
