//! A throwaway PostgreSQL server.
//!
//! A shell keeps it: it makes the cluster in a folder of its own, starts it on a socket there and waits for the end of
//! its input. The pipe closes when the test ends, however it ends; the shell then stops the server and removes the
//! folder.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Set to `1` where PostgreSQL must be there, so that its absence is a failure.
const REQUIRED: &str = "TOCSIN_REQUIRE_POSTGRES";

const KEEPER: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d /tmp/tocsin-story-XXXXXX)
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/log" 2>&1 \
    && "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w \
        -o "-k $dir -c listen_addresses= -c fsync=off -c full_page_writes=off" start >>"$dir/log" 2>&1 </dev/null \
    || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
cat >/dev/null
"#;

/// The server; stopped and removed when dropped.
pub struct Server {
    socket: String,
    keeper: Child,
}

impl Server {
    /// Starts a server; none where PostgreSQL is not installed, which is said.
    ///
    /// # Panics
    /// When it does not start, or is not installed where it is required.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(bin) = binaries() else {
            let message = "no PostgreSQL server in /usr/lib/postgresql/*/bin: on Debian, apt-get install postgresql";
            assert!(std::env::var(REQUIRED).as_deref() != Ok("1"), "{message}");
            crate::program::skipped("stories on PostgreSQL", message);
            return None;
        };
        let mut keeper = keeper(&bin)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            .spawn()
            .expect("the keeper starts");
        let mut socket = String::new();
        let output = keeper.stdout.take().expect("the keeper's output");
        BufReader::new(output)
            .read_line(&mut socket)
            .expect("the keeper's word");
        assert!(
            !socket.is_empty(),
            "the PostgreSQL server did not start; its log stands above"
        );
        Some(Self {
            socket: socket.trim().to_owned(),
            keeper,
        })
    }

    /// The folder of its socket.
    #[must_use]
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// The address of its database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.socket)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// PostgreSQL refuses to run as root, so root lends it the user that its package made.
fn keeper(bin: &Path) -> Command {
    let mut command = if crate::program::is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", KEEPER, "keeper"]).arg(bin);
    command
}

/// The newest installed server's binaries.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb")
                .exists()
                .then_some((entry.file_name().to_str()?.parse().ok()?, bin))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}
