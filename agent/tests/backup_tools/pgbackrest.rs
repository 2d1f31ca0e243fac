//! pgBackRest with a PostgreSQL of its own.

use super::*;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

/// Keeps a server with page checksums in a folder of its own until its input ends, then removes both.
const KEEPER: &str = r#"
set -eu
bin=$1
dir=$2
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true' EXIT
trap 'exit 1' INT TERM HUP
"$bin/initdb" -k -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/log" 2>&1 \
    && "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w \
        -o "-k $dir -c listen_addresses= -c fsync=off" start >>"$dir/log" 2>&1 </dev/null \
    || { cat "$dir/log" >&2; exit 1; }
echo ready
cat >/dev/null
"#;

/// Where Debian puts a server's programs; none, and said so, without them.
fn server_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    found.retain(|bin| bin.join("initdb").is_file());
    found.sort();
    assert!(
        !found.is_empty() || std::env::var_os("TOCSIN_REQUIRE_BACKUP_TOOLS").is_none(),
        "no PostgreSQL server is installed"
    );
    if found.is_empty() {
        println!("skipped: no PostgreSQL server is installed");
    }
    found.pop()
}

/// A server, and a bench with configurations for it.
struct Lab {
    bench: Bench,
    keeper: Child,
    /// The server's folder: its data, and its socket.
    server: TempDir,
}

impl Lab {
    fn new(bin: &Path) -> Self {
        let server = tempfile::Builder::new().prefix("pg-").tempdir().unwrap();
        let is_root = rustix::process::geteuid().is_root();
        // PostgreSQL refuses to run as root, so root lends it the user that its package made.
        let lend: &[&str] = if is_root {
            &["runuser", "-u", "postgres", "--", "sh"]
        } else {
            &["sh"]
        };
        if is_root {
            let given = Command::new("chown")
                .arg("postgres")
                .arg(server.path())
                .status()
                .unwrap();
            assert!(given.success());
        }
        let mut command = Command::new(lend[0]);
        command
            .args(&lend[1..])
            .args(["-c", KEEPER, "keeper"])
            .arg(bin)
            .arg(server.path());
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n", "the server did not start; its log stands above");
        let lab = Self {
            bench: Bench::new(),
            keeper,
            server,
        };
        fs::create_dir(lab.bench.path("lock")).unwrap();
        lab
    }

    /// Writes a configuration; answers its path.
    fn config(&self, name: &str, repository: &str, data: &str, more: &str) -> String {
        let text = format!(
            "[global]\nrepo1-path={repository}\nrepo1-retention-full=9\nlock-path={}\nlog-level-file=off\nstart-fast=y\n\
             log-level-console=info\narchive-check=n\ncompress-type=none\njob-retry=0\n{more}\n[main]\npg1-path={data}\n\
             pg1-socket-path={}\npg1-user=postgres\n",
            self.bench.text("lock"),
            self.server.path().display()
        );
        let path = self.bench.text(&format!("{name}.conf"));
        fs::write(&path, text).unwrap();
        path
    }

    fn data(&self) -> String {
        self.server.path().join("data").display().to_string()
    }

    fn sql(&self, sql: &str) -> String {
        let socket = self.server.path().display().to_string();
        let mut command = self.bench.command("psql");
        let output = command
            .args(["-h", &socket, "-U", "postgres", "-Atqc", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn backup(&self, config: &str) -> Value {
        let config = format!("--config={config}");
        self.bench.run(
            "pgbackrest",
            &["pgbackrest", "--stanza=main", &config, "--type=full", "backup"],
        )
    }

    fn stop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lab() -> Option<Lab> {
    if !has("pgbackrest") || !has("psql") {
        return None;
    }
    Some(Lab::new(&server_programs()?))
}

/// What `info` says of the newest backup.
fn newest(lab: &Lab, config: &str) -> Value {
    let words = [
        "pgbackrest",
        "--stanza=main",
        &format!("--config={config}"),
        "info",
        "--output=json",
    ];
    let output = lab.bench.command(words[0]).args(&words[1..]).output().unwrap();
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    info[0]["backup"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn pgbackrest_tells_bytes_and_times_and_warns_of_a_torn_page() {
    let Some(lab) = lab() else { return };
    let config = lab.config("good", &lab.bench.text("repo"), &lab.data(), "");
    lab.bench.must(&[
        "pgbackrest",
        "--stanza=main",
        &format!("--config={config}"),
        "stanza-create",
    ]);
    let good = lab.backup(&config);
    was(&good, "ok", "");
    let info = newest(&lab, &config);
    assert_eq!(good["artefact"], info["label"]);
    let (told, known) = (good["bytes"].as_u64().unwrap(), info["info"]["size"].as_u64().unwrap());
    // The log rounds to a tenth of a unit.
    assert!(told.abs_diff(known) <= known / 100, "{told} of {known}");
    assert!(good["files"].as_u64().unwrap() > 100, "{good}");
    // A page that the disk has torn: the backup is made, and says so.
    lab.sql("CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 20000) g");
    lab.sql("CHECKPOINT");
    let page = Path::new(&lab.data()).join(lab.sql("SELECT pg_relation_filepath('t')"));
    let mut bytes = fs::read(&page).unwrap();
    bytes[12_000..12_016].fill(b'X');
    fs::write(&page, bytes).unwrap();
    was(&lab.backup(&config), "warning", "invalid page checksum");
    // The repository itself: what `verify` finds it tells without an exit code.
    let config_option = format!("--config={config}");
    let verify = ["pgbackrest", "--stanza=main", &config_option, "verify"];
    was(&lab.bench.run("pgbackrest", &verify), "ok", "");
    let label = good["artefact"].as_str().unwrap();
    corrupt(&lab.bench.path(&format!("repo/backup/main/{label}/pg_data/base")));
    let damaged = lab.bench.run("pgbackrest", &verify);
    was(&damaged, "failed", "invalid checksum");
    assert_eq!(damaged["exit_code"], 0);
}

#[test]
fn pgbackrest_fails_with_its_own_words() {
    let Some(mut lab) = lab() else { return };
    let config = lab.config("good", &lab.bench.text("repo"), &lab.data(), "");
    let create = |config: &str| {
        lab.bench.must(&[
            "pgbackrest",
            "--stanza=main",
            &format!("--config={config}"),
            "stanza-create",
        ]);
    };
    was(&lab.backup(&config), "failed", "unable to load info file");
    create(&config);
    let elsewhere = lab.config("elsewhere", &lab.bench.text("repo"), "/nowhere", "");
    was(&lab.backup(&elsewhere), "failed", "unable to find primary cluster");
    let cipher = |pass: &str| format!("repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={pass}");
    let secret = lab.config("secret", &lab.bench.text("secret"), &lab.data(), &cipher("right"));
    create(&secret);
    let wrong = lab.config("wrong", &lab.bench.text("secret"), &lab.data(), &cipher("wrong"));
    // What a wrong passphrase makes of the file reads as anything.
    was(&lab.backup(&wrong), "failed", "unable to load info file");
    let mut command = lab.bench.command("flock");
    // Without a fork: who holds the lock is who is killed.
    command.args([
        "--no-fork",
        &lab.bench.text("lock/main-backup.lock"),
        "sh",
        "-c",
        "echo held; exec sleep 60",
    ]);
    let mut holder = Holder(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut held = [0; 4];
    std::io::Read::read_exact(holder.0.stdout.as_mut().unwrap(), &mut held).unwrap();
    was(&lab.backup(&config), "failed", "unable to acquire lock");
    drop(holder);
    if let Some(disk) = SmallDisk::mount(lab.bench.path("small"), "6m") {
        let small = lab.config("small", &disk.text(), &lab.data(), "");
        create(&small);
        was(&lab.backup(&small), "failed", "unable to write");
    }
    fs::remove_dir_all(lab.bench.path("repo")).unwrap();
    was(&lab.backup(&config), "failed", "unable to load info file");
    lab.stop();
    was(&lab.backup(&secret), "failed", "unable to find primary cluster");
}
