//! A throwaway PostgreSQL server: one per test process, one database per case.
//!
//! A shell keeps it: it makes the cluster in a folder of its own, starts it on a socket there and waits for the end of
//! its input. The pipe closes when the test process ends, however it ends; the shell then stops the server and removes
//! the folder.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Set to `1` where PostgreSQL must be there, so that its absence is a failure.
const REQUIRED: &str = "TOCSIN_REQUIRE_POSTGRES";

const KEEPER: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d /tmp/tocsin-ledger-XXXXXX)
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
"$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/log" 2>&1 \
    && "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w \
        -o "-k $dir -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=500" \
        start >>"$dir/log" 2>&1 </dev/null \
    || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
cat >/dev/null
"#;

struct Server {
    socket: String,
    /// Its input is the pipe that keeps the server.
    _keeper: Child,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The address of a new, empty database; none where PostgreSQL is not installed.
pub(crate) async fn database(parameters: &str) -> Option<String> {
    let server = SERVER.get_or_init(start).as_ref()?;
    let name = format!("case_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    sqlx::any::install_default_drivers();
    let admin = sqlx::AnyPool::connect(&server.address("postgres")).await.unwrap();
    let sql = format!("CREATE DATABASE {name} {parameters}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&admin).await.unwrap();
    admin.close().await;
    Some(server.address(&name))
}

impl Server {
    fn address(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.socket)
    }
}

fn start() -> Option<Server> {
    let Some(bin) = binaries() else {
        let message = "no PostgreSQL server found in /usr/lib/postgresql/*/bin: on Debian, apt-get install postgresql";
        assert!(std::env::var(REQUIRED).as_deref() != Ok("1"), "{message}");
        // Past the capture of test output, for a half that did not run must be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the PostgreSQL half of the ledger's suite; {message}"
        );
        return None;
    };
    let mut command = keeper(&bin);
    let mut keeper = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .current_dir("/")
        .spawn()
        .expect("start the keeper");
    let mut socket = String::new();
    BufReader::new(keeper.stdout.take().unwrap())
        .read_line(&mut socket)
        .unwrap();
    assert!(
        !socket.is_empty(),
        "the PostgreSQL server did not start; its log stands above"
    );
    Some(Server {
        socket: socket.trim().to_owned(),
        _keeper: keeper,
    })
}

/// PostgreSQL refuses to run as root, so root lends it the user that its package made.
fn keeper(bin: &std::path::Path) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let mut command = if root {
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
