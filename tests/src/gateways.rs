//! Debian's own SMS programs: `gammu-smsd` with gammu's dummy phone, and Kannel with its `fakesmsc`.

use crate::{patience::until, peers, program};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// The spool folders of gammu-smsd.
const SPOOL: [&str; 4] = ["outbox", "sent", "error", "inbox"];

/// A gammu-smsd whose phone is a folder; killed when dropped.
pub struct GammuSmsd {
    folder: PathBuf,
    _running: program::Running,
}

impl GammuSmsd {
    /// Starts it in `folder`; none where it is not installed, which is said.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(folder: &Path) -> Option<Self> {
        let smsd = peers::installed_at("/usr/bin/gammu-smsd", "gammu-smsd", "SMS through gammu-smsd")?;
        for name in SPOOL {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        for number in 1..=5 {
            std::fs::create_dir_all(folder.join(format!("phone/sms/{number}"))).expect("a folder of the phone");
        }
        let spool: String = [
            ("outboxpath", "outbox"),
            ("sentsmspath", "sent"),
            ("errorsmspath", "error"),
            ("inboxpath", "inbox"),
        ]
        .iter()
        .map(|(key, name)| format!("{key} = {}/\n", folder.join(name).display()))
        .collect();
        let config = format!(
            "[gammu]\nmodel = dummy\nconnection = none\nport = {}\ngammuloc = /dev/null\n\
             [smsd]\nservice = files\nlogfile = {}\n{spool}\
             loopsleep = 1\nreceivefrequency = 1\nchecksecurity = 0\nhangupcalls = 0\ncheckbattery = 0\n",
            folder.join("phone").display(),
            folder.join("smsd.log").display(),
        );
        let path = folder.join("smsdrc");
        std::fs::write(&path, config).expect("a configuration");
        let mut command = Command::new(smsd);
        command.arg("-c").arg(path);
        Some(Self {
            folder: folder.to_owned(),
            _running: program::Running::start(&mut command, &folder.join("log")),
        })
    }

    /// The channel's table in the collector's configuration.
    #[must_use]
    pub fn channel(&self) -> String {
        let folders: String = SPOOL
            .iter()
            .map(|name| format!("{name} = {:?}\n", self.folder.join(name)))
            .collect();
        format!("[[channel]]\nname = \"modem\"\nkind = \"gammu\"\n{folders}")
    }

    /// Waits until the phone has sent a text with these words; answers it.
    ///
    /// # Panics
    /// When none is sent within a minute.
    pub async fn sends(&self, words: &str) -> String {
        until("the phone to send the message", async || {
            let entries = std::fs::read_dir(self.folder.join("sent")).ok()?;
            entries
                .flatten()
                .filter_map(|entry| std::fs::read(entry.path()).ok())
                .map(|bytes| utf16_be(bytes.get(2..).unwrap_or_default()))
                .find(|text| text.contains(words))
        })
        .await
    }

    /// What gammu-smsd wrote into its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("smsd.log")).unwrap_or_default()
    }

    /// The phone receives a text.
    ///
    /// # Panics
    /// When its folder can't be written.
    pub fn receives(&self, from: &str, text: &str) {
        dummy_phone_receives(&self.folder, from, text);
    }
}

/// gammu's dummy phone, which is a folder `phone` in this one, receives a text.
pub(crate) fn dummy_phone_receives(folder: &Path, from: &str, text: &str) {
    let units: Vec<u16> = text.encode_utf16().collect();
    let hex: String = units.iter().map(|unit| format!("{unit:04X}")).collect();
    let message = format!(
        "[SMSBackup000]\nPDU = Deliver\nSMSC = \"+8613800100500\"\nState = UnRead\nNumber = \"{from}\"\nDateTime = 20261122T110400\n\
         Coding = Unicode_No_Compression\nFolder = 1\nLength = {}\nClass = -1\nReplySMSC = False\n\
         RejectDuplicates = False\nReplaceMessage = 0\nMessageReference = 0\nText00 = {hex}\n",
        units.len()
    );
    let aside = folder.join("phone/message");
    std::fs::write(&aside, message).expect("it is written");
    std::fs::rename(aside, folder.join("phone/sms/1/1")).expect("it is moved");
}

fn utf16_be(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}

/// Kannel: its bearerbox and smsbox, with `fakesmsc` as the message centre; killed when dropped.
pub struct Kannel {
    folder: PathBuf,
    centre: PathBuf,
    sendsms: u16,
    smsc: u16,
    /// The later ones go first.
    running: Vec<program::Running>,
}

impl Kannel {
    /// Starts it in `folder`: what the message centre tells goes to `callback`. None where it is not installed, which is
    /// said.
    ///
    /// # Panics
    /// When it can't be started or does not answer.
    pub async fn start(folder: &Path, callback: &str) -> Option<Self> {
        let story = "SMS through Kannel";
        let bearerbox = peers::installed_at("/usr/sbin/bearerbox", "kannel", story)?;
        let smsbox = peers::installed_at("/usr/sbin/smsbox", "kannel", story)?;
        let centre = peers::installed_at("/usr/lib/kannel/test/fakesmsc", "kannel-extras", story)?;
        std::fs::create_dir_all(folder).expect("a folder");
        let [admin, boxes, smsc, sendsms] = free_ports();
        let config = format!(
            "group = core\nadmin-port = {admin}\nadmin-password = none\nsmsbox-port = {boxes}\n\
             box-allow-ip = 127.0.0.1\ndlr-storage = internal\n\n\
             group = smsc\nsmsc = fake\nsmsc-id = fake\nport = {smsc}\nconnect-allow-ip = 127.0.0.1\n\n\
             group = smsbox\nbearerbox-host = 127.0.0.1\nsendsms-port = {sendsms}\nsendsms-interface = 127.0.0.1\n\
             global-sender = 10690\n\n\
             group = sendsms-user\nusername = tocsin\npassword = hush\nconcatenation = true\nmax-messages = 5\n\n\
             group = sms-service\nkeyword = default\nget-url = \"{callback}?from=%p&text=%a\"\nmax-messages = 0\n"
        );
        let path = folder.join("kannel.conf");
        std::fs::write(&path, config).expect("a configuration");
        let mut kannel = Self {
            folder: folder.to_owned(),
            centre,
            sendsms,
            smsc,
            running: Vec::new(),
        };
        kannel.run(Command::new(bearerbox).arg(&path), "bearerbox");
        answers(boxes).await;
        answers(smsc).await;
        kannel.run(Command::new(smsbox).arg(&path), "smsbox");
        answers(sendsms).await;
        Some(kannel)
    }

    fn run(&mut self, command: &mut Command, name: &str) {
        let log = self.folder.join(format!("{name}.log"));
        self.running.insert(0, program::Running::start(command, &log));
    }

    /// The channel's table in the collector's configuration, whose secrets go into `folder`.
    ///
    /// # Panics
    /// When they can't be written.
    #[must_use]
    pub fn channel(&self, callback: &str) -> String {
        let file = |name: &str, text: &str| {
            let path = self.folder.join(name);
            std::fs::write(&path, text).expect("it is written");
            path
        };
        format!(
            "[[channel]]\nname = \"sms\"\nkind = \"kannel\"\nurl = \"http://127.0.0.1:{}/cgi-bin/sendsms\"\n\
             username = \"tocsin\"\npassword_file = {:?}\ncallback_file = {:?}\n",
            self.sendsms,
            file("password", "hush"),
            file("callback", callback),
        )
    }

    /// A phone is reached by the message centre, and sends this text first.
    pub fn a_phone_says(&mut self, from: &str, text: &str) {
        let mut command = Command::new(&self.centre);
        let port = self.smsc.to_string();
        let said = format!("{from} 10690 text {text}");
        command.args(["-H", "127.0.0.1", "-r", &port, "-m", "1", "-i", "1", &said]);
        self.running
            .retain(|running| !running.printed().contains("fakesmsc starting"));
        self.run(&mut command, "fakesmsc");
    }

    /// What the message centre was given: a line for each message, UCS-2 as Kannel writes it down.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.join("fakesmsc.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| line.split_once("Got message "))
            .map(|(_, message)| message.to_owned())
            .collect()
    }
}

async fn answers(port: u16) {
    until("a port of Kannel to answer", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
}

/// Ports that nobody listens on now, all different.
fn free_ports() -> [u16; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
