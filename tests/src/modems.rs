//! What sends SMS by modem or by message centre, as real as it can be had: gammu-smsd on its SQL backend with gammu's dummy
//! phone; smstools3's `smsd`, whose modem is none but a script behind a pseudo terminal; and the SMPP server of the package
//! `smpp34` from PyPI, around which a script plays the message centre's part.

use crate::{patience::until, peers, program};
use serde_json::Value;
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// The schema that Debian's gammu-smsd brings.
const SCHEMAS: &str = "/usr/share/doc/gammu-smsd/examples";

/// gammu-smsd on its SQL backend; killed when dropped.
pub struct GammuSql {
    folder: PathBuf,
    /// The address of the database in the channel's table.
    database: String,
    /// How to speak SQL to it.
    client: Vec<String>,
    _running: program::Running,
}

impl GammuSql {
    /// Starts one on a SQLite file in `folder`; none where it is not installed, which is said.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn on_sqlite(folder: &Path) -> Option<Self> {
        let story = "SMS through gammu-smsd's tables";
        peers::installed_at("/usr/share/doc/libdbd-sqlite3/copyright", "libdbd-sqlite3", story)?;
        peers::installed_at("/usr/bin/sqlite3", "sqlite3", story)?;
        let file = folder.join("smsd.db");
        let client = vec![
            "sqlite3".to_owned(),
            "-cmd".to_owned(),
            ".timeout 5000".to_owned(),
            file.display().to_string(),
        ];
        let driver = format!("driver = sqlite3\ndbdir = {}/\ndatabase = smsd.db\n", folder.display());
        Self::start(
            folder,
            format!("sqlite:{}", file.display()),
            client,
            "sqlite.sql",
            &driver,
        )
    }

    /// Starts one on a PostgreSQL server that listens on a socket in this folder.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn on_postgres(folder: &Path, server: &crate::postgres::Server) -> Option<Self> {
        let socket = server.socket().to_owned();
        let client = [
            "psql",
            "-X",
            "-q",
            "-t",
            "-A",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-h",
            socket.as_str(),
            "-d",
            "postgres",
            "-c",
        ];
        let client = client.map(str::to_owned).to_vec();
        let driver =
            format!("driver = native_pgsql\nhost = {socket}\nuser = postgres\npassword = none\ndatabase = postgres\n");
        Self::start(folder, server.url(), client, "pgsql.sql", &driver)
    }

    fn start(folder: &Path, database: String, client: Vec<String>, schema: &str, driver: &str) -> Option<Self> {
        let smsd = peers::installed_at("/usr/bin/gammu-smsd", "gammu-smsd", "SMS through gammu-smsd's tables")?;
        for number in 1..=5 {
            std::fs::create_dir_all(folder.join(format!("phone/sms/{number}"))).expect("a folder of the phone");
        }
        let Ok(schema) = std::fs::read_to_string(Path::new(SCHEMAS).join(schema)) else {
            program::skipped(
                "SMS through gammu-smsd's tables",
                "its schemas are not installed: documentation is left out here",
            );
            return None;
        };
        // The server has what the schema would add to it.
        let schema: Vec<&str> = schema
            .lines()
            .filter(|line| !line.starts_with("CREATE LANGUAGE"))
            .collect();
        ask(&client, &schema.join("\n"));
        let config = format!(
            "[gammu]\nmodel = dummy\nconnection = none\nport = {}\ngammuloc = /dev/null\n\
             [smsd]\nservice = sql\n{driver}logfile = {}\nloopsleep = 1\nreceivefrequency = 1\nstatusfrequency = 1\n\
             checksecurity = 0\nhangupcalls = 0\ncheckbattery = 0\ndeliveryreport = sms\n",
            folder.join("phone").display(),
            folder.join("smsd.log").display(),
        );
        let path = folder.join("smsdrc");
        std::fs::write(&path, config).expect("a configuration");
        let mut command = Command::new(smsd);
        command.arg("-c").arg(path);
        Some(Self {
            folder: folder.to_owned(),
            database,
            client,
            _running: program::Running::start(&mut command, &folder.join("log")),
        })
    }

    /// The channel's table in the collector's configuration.
    #[must_use]
    pub fn channel(&self) -> String {
        format!(
            "[[channel]]\nname = \"modem\"\nkind = \"gammu-sql\"\ndatabase = {:?}\n",
            self.database
        )
    }

    /// What a statement answers: a line for each row, `|` between columns.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn sql(&self, statement: &str) -> String {
        ask(&self.client, statement)
    }

    /// The phone receives a text.
    ///
    /// # Panics
    /// When its folder can't be written.
    pub fn receives(&self, from: &str, text: &str) {
        crate::gateways::dummy_phone_receives(&self.folder, from, text);
    }
}

fn ask(client: &[String], statement: &str) -> String {
    let (program, arguments) = client.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments).arg(statement);
    let answer = command.output().expect("it runs");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8_lossy(&answer.stdout).trim().to_owned()
}

/// A modem that is none: a pseudo terminal that answers AT commands.
const MODEM: &str = include_str!("modems/modem.py");

/// The folders of smsd's spool.
const SPOOL: [&str; 6] = ["outgoing", "checked", "sent", "failed", "incoming", "stats"];

/// smstools3's `smsd`, whose modem is a script; killed when dropped.
pub struct Smsd {
    folder: PathBuf,
    _running: [program::Running; 2],
}

impl Smsd {
    /// Starts it in `folder`; none where it is not installed, which is said.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn start(folder: &Path) -> Option<Self> {
        let smsd = peers::installed_at("/usr/sbin/smsd", "smstools", "SMS through smstools3")?;
        for name in SPOOL {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        let mut modem = Command::new("python3");
        modem.arg("-c").arg(MODEM).arg(folder);
        let modem = program::Running::start(&mut modem, &folder.join("modem.log"));
        let device = until("the modem's terminal", async || {
            std::fs::read_to_string(folder.join("tty")).ok()
        })
        .await;
        let spool: String = SPOOL
            .iter()
            .map(|name| format!("{name} = {}\n", folder.join(name).display()))
            .collect();
        let file = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "devices = GSM1\n{spool}logfile = {}\ninfofile = {}\nloglevel = 7\ndelaytime = 1\nblocktime = 5\n\
             status_interval = 1\nautosplit = 3\n\
             [GSM1]\ndevice = {device}\nincoming = yes\nreport = no\nbaudrate = 9600\npinsleeptime = 0\n\
             memory_start = 1\ncheck_memory_method = 0\n",
            file("smsd.log"),
            file("smsd.working"),
        );
        let path = folder.join("smsd.conf");
        std::fs::write(&path, config).expect("a configuration");
        let mut command = Command::new(smsd);
        // In the foreground.
        command.arg("-t").arg(format!("-c{}", path.display()));
        let running = program::Running::start(&mut command, &folder.join("log"));
        Some(Self {
            folder: folder.to_owned(),
            _running: [running, modem],
        })
    }

    /// The channel's table in the collector's configuration.
    #[must_use]
    pub fn channel(&self) -> String {
        let folders: String = SPOOL[..5]
            .iter()
            .map(|name| format!("{name} = {:?}\n", self.folder.join(name)))
            .collect();
        let status = self.folder.join("stats/status");
        format!("[[channel]]\nname = \"modem\"\nkind = \"smstools\"\n{folders}status = {status:?}\n")
    }

    /// The PDUs that the modem was given, in hexadecimal.
    #[must_use]
    pub fn pdus(&self) -> Vec<String> {
        let sent = std::fs::read_to_string(self.folder.join("pdus")).unwrap_or_default();
        sent.lines().map(str::to_owned).collect()
    }

    /// The modem receives a text.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn receives(&self, from: &str, text: &str) {
        put(&self.folder, "receive", &format!("{from}\t{text}\n"));
    }

    /// What smsd wrote into its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("smsd.log")).unwrap_or_default()
    }
}

/// A file that is there as a whole, or not.
fn put(folder: &Path, name: &str, text: &str) {
    let aside = folder.join(format!(".{name}.new"));
    std::fs::write(&aside, text).expect("it is written");
    std::fs::rename(aside, folder.join(name)).expect("it is moved");
}

/// The message centre's part around the SMPP server.
const CENTRE: &str = include_str!("modems/centre.py");

/// A message centre; killed when dropped.
pub struct Centre {
    folder: PathBuf,
    port: u16,
    running: program::Running,
}

impl Centre {
    /// Starts it in `folder`; none where the package is not installed, which is said.
    ///
    /// # Panics
    /// When it can't be started or does not listen.
    pub async fn start(folder: &Path) -> Option<Self> {
        let story = "SMPP to a real server";
        let found = Command::new("python3").args(["-c", "import smpp34"]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            let message = "no package smpp34: python3 -m pip install smpp34";
            assert!(
                std::env::var("TOCSIN_REQUIRE_SMPP34").as_deref() != Ok("1"),
                "{message}"
            );
            program::skipped(story, message);
            return None;
        }
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("password"), "hush").expect("it is written");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let mut command = Command::new("python3");
        command.arg("-c").arg(CENTRE).arg(port.to_string()).arg(folder);
        let running = program::Running::start(&mut command, &folder.join("centre.log"));
        until("the message centre to listen", async || {
            running.printed().contains("listening").then_some(())
        })
        .await;
        Some(Self {
            folder: folder.to_owned(),
            port,
            running,
        })
    }

    /// The channel's table in the collector's configuration.
    #[must_use]
    pub fn channel(&self) -> String {
        format!(
            "[[channel]]\nname = \"sms\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"tocsin\"\n\
             password_file = {:?}\nsource = \"10690\"\n",
            self.port,
            self.folder.join("password"),
        )
    }

    /// Everything that it told, in order.
    #[must_use]
    pub fn told(&self) -> Vec<Value> {
        let printed = self.running.printed();
        printed
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// A phone sends this text.
    pub fn a_phone_says(&self, from: &str, text: &str) {
        put(&self.folder, "say", &format!("{from}\t{text}\n"));
    }

    /// All sessions are ended.
    pub fn hangs_up(&self) {
        put(&self.folder, "hang-up", "");
    }
}
