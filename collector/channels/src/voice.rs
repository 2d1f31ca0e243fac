//! A call through Asterisk: its Manager Interface (AMI) is asked to ring a phone and to run our dialplan, which reads the text
//! and takes a digit; 1 accepts.
//!
//! The dialplan stands in Asterisk's `extensions.conf` and uses whatever speaks there; it gets `TOCSIN_TEXT` (what to read)
//! and `TOCSIN_PAGE` (which page), for example:
//!
//! ```text
//! [tocsin]
//! exten => s,1,Answer()
//!  same => n,Festival(${TOCSIN_TEXT})
//!  same => n,Read(DIGIT,beep,1,,2,10)
//!  same => n,UserEvent(Tocsin,Page: ${TOCSIN_PAGE},Digit: ${DIGIT})
//! ```
//!
//! Signing in is `Action: Login`; the call is `Action: Originate` with `Async: true`; `OriginateResponse` says whether
//! somebody picked up; `DTMFEnd` or the `UserEvent` brings the digit, until the call hangs up. Every value is one line
//! without commas, so that nothing a host is called can become a header or a variable. Asterisk itself is not packaged for
//! the tests: they speak to a fake that follows the documented protocol.

use crate::{
    advice::Advice,
    channel::{Channel, Envelope, Incoming, Reached, Receipt, SendError},
    config::{Common, host_mistakes},
    guard::Guard,
    secret::{Secret, SecretText},
    sms,
    wording::{self, Style},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, path::PathBuf, time::Duration};
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Mutex, mpsc},
};

/// How long a phone rings, in milliseconds: another way is tried after half a minute.
const RING_MILLIS: u32 = 20_000;
/// How long until Asterisk says what became of the call.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(23);
/// How long a call may take after somebody picked up.
const CALL_TIMEOUT: Duration = Duration::from_secs(180);
/// Digits that wait for the collector.
const DIGITS_MAX: usize = 64;
/// Longest line that is read, in bytes, and lines of one message.
const LINE_BYTES_MAX: u64 = 8 * 1024;
const LINES_MAX: usize = 200;

/// `kind = "asterisk"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsteriskConfig {
    /// Asterisk's host.
    #[serde(default = "localhost")]
    pub host: String,
    /// AMI's port.
    #[serde(default = "port")]
    pub port: u16,
    /// AMI's user.
    pub username: String,
    /// File with its secret.
    pub secret_file: PathBuf,
    /// How a number is dialled: `PJSIP/{phone}@trunk`.
    pub dial: String,
    /// The dialplan's context.
    #[serde(default = "context")]
    pub context: String,
    /// What the phone shows.
    #[serde(default)]
    pub caller_id: String,
}

fn localhost() -> String {
    "127.0.0.1".to_owned()
}
const fn port() -> u16 {
    5038
}
fn context() -> String {
    "tocsin".to_owned()
}

impl AsteriskConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        host_mistakes("host", &self.host, mistakes);
        if !self.dial.contains("{phone}") {
            mistakes.push("`dial` says how a number is dialled, such as PJSIP/{phone}@trunk".to_owned());
        }
        for (key, text) in [
            ("username", &self.username),
            ("dial", &self.dial),
            ("context", &self.context),
            ("caller_id", &self.caller_id),
        ] {
            if text.chars().any(char::is_control) {
                mistakes.push(format!("`{key}` is one line"));
            }
        }
    }
}

/// Calls through Asterisk.
pub struct Asterisk {
    config: AsteriskConfig,
    secret: SecretText,
    guard: Guard,
    style: Style,
    told: mpsc::Sender<Incoming>,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
}

/// One message of AMI: headers until an empty line.
type Message = HashMap<String, String>;

/// A connection to AMI.
struct Manager {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Manager {
    async fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX);
        let read = limited
            .read_until(b'\n', &mut line)
            .await
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("it hung up".to_owned());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn message(&mut self) -> Result<Message, String> {
        let mut message = Message::new();
        for _ in 0..LINES_MAX {
            let line = self.line().await?;
            if line.is_empty() && !message.is_empty() {
                return Ok(message);
            }
            if let Some((name, value)) = line.split_once(':') {
                message.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        Err("its message has no end".to_owned())
    }

    async fn say(&mut self, headers: &[(&str, &str)]) -> Result<(), String> {
        let mut text = String::new();
        for (name, value) in headers {
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.writer
            .write_all(text.as_bytes())
            .await
            .map_err(|error| error.to_string())
    }
}

fn get<'a>(message: &'a Message, name: &str) -> &'a str {
    message.get(name).map_or("", String::as_str)
}

/// A variable's value: one line, no comma that would begin another one.
fn variable(text: &str) -> String {
    wording::one_line(text).replace([',', '|', '"', '\\', '$', '`'], " ")
}

impl Asterisk {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &AsteriskConfig, common: &Common) -> Result<Self, String> {
        let (told, incoming) = mpsc::channel(DIGITS_MAX);
        Ok(Self {
            config: config.clone(),
            secret: Secret::read_text(&config.secret_file)?,
            guard: common.guard(&config.host),
            style: Style::long(common),
            told,
            incoming: Mutex::new(incoming),
        })
    }

    fn text(&self, envelope: &Envelope, now: Timestamp) -> String {
        // Nobody can listen to a link.
        let mut spoken = envelope.clone();
        spoken.link.clear();
        self.style.message(&spoken, now)
    }

    async fn sign_in(&self) -> Result<Manager, SendError> {
        let (host, port) = (&self.config.host, self.config.port);
        let stream = self.guard.connect(host, port).await?;
        let (read, writer) = stream.into_split();
        let mut manager = Manager {
            reader: BufReader::new(read),
            writer,
        };
        let lost = |error: String| SendError::temporary(format!("asterisk at {host}:{port}: {error}"));
        let banner = manager.line().await.map_err(lost)?;
        if !banner.starts_with("Asterisk Call Manager") {
            let reason = format!("{host}:{port} is no Asterisk manager: check `port`");
            return Err(SendError::permanent(reason).meaning(Advice::Elsewhere));
        }
        let login = [
            ("Action", "Login"),
            ("Username", self.config.username.as_str()),
            ("Secret", self.secret.as_str()),
            ("ActionID", "login"),
        ];
        manager.say(&login).await.map_err(lost)?;
        loop {
            let message = manager.message().await.map_err(lost)?;
            match get(&message, "response") {
                "Success" => return Ok(manager),
                "" => {}
                _ => {
                    let said = wording::one_line(get(&message, "message"));
                    let reason =
                        format!("asterisk refused to sign us in ({said}): check `username` and the secret's file");
                    return Err(SendError::permanent(self.secret.hide(&reason)).meaning(Advice::Secret));
                }
            }
        }
    }

    /// Rings; answers the connection and the call's channel once somebody picked up.
    async fn ring(&self, envelope: &Envelope, now: Timestamp) -> Result<(Manager, String, String), SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::no_contact)?;
        let mut manager = self.sign_in().await?;
        let page = envelope.page.id.to_string();
        let timeout = RING_MILLIS.to_string();
        let dial = self.config.dial.replace("{phone}", &number);
        let text = format!("TOCSIN_TEXT={}", variable(&self.text(envelope, now)));
        let id = format!("TOCSIN_PAGE={page}");
        let mut call = vec![
            ("Action", "Originate"),
            ("ActionID", page.as_str()),
            ("Channel", dial.as_str()),
            ("Context", self.config.context.as_str()),
            ("Exten", "s"),
            ("Priority", "1"),
            ("Timeout", timeout.as_str()),
            ("Async", "true"),
            ("Variable", text.as_str()),
            ("Variable", id.as_str()),
        ];
        if !self.config.caller_id.is_empty() {
            call.push(("CallerID", self.config.caller_id.as_str()));
        }
        let lost = |error: String| SendError::unknown(format!("asterisk: {error} while it rang"));
        manager.say(&call).await.map_err(lost)?;
        loop {
            let message = manager.message().await.map_err(lost)?;
            if get(&message, "response") == "Error" && get(&message, "actionid") == page {
                let said = wording::one_line(get(&message, "message"));
                return Err(SendError::permanent(format!(
                    "asterisk does not call: {said}; check `dial` and `context`"
                )));
            }
            if get(&message, "event") != "OriginateResponse" || get(&message, "actionid") != page {
                continue;
            }
            if get(&message, "response") == "Success" {
                return Ok((manager, page, get(&message, "channel").to_owned()));
            }
            return Err(not_picked_up(get(&message, "reason")));
        }
    }
}

/// What Asterisk's reason for a failed call means.
fn not_picked_up(reason: &str) -> SendError {
    let what = match reason {
        "3" => "nobody picked up",
        "5" => "the line is busy",
        "1" => "no such number or it hung up",
        "8" => "no line is free",
        _ => "the call failed",
    };
    SendError::temporary(format!("{what} (reason {})", wording::one_line(reason))).meaning(Advice::Receiver)
}

/// Listens to a call until it ends; 1 accepts.
async fn listen(mut manager: Manager, page: String, call: String, told: mpsc::Sender<Incoming>) {
    let accepts = |message: &Message| -> bool {
        let ours = match get(message, "event") {
            "DTMFEnd" => get(message, "channel") == call && get(message, "direction") != "Sent",
            "UserEvent" => get(message, "userevent") == "Tocsin" && get(message, "page") == page,
            _ => false,
        };
        ours && get(message, "digit") == "1"
    };
    let listening = async {
        while let Ok(message) = manager.message().await {
            if accepts(&message) {
                let accept = Incoming::Accept {
                    reference: page.clone(),
                };
                let _ = told.send(accept).await;
                return;
            }
            if get(&message, "event") == "Hangup" && get(&message, "channel") == call {
                return;
            }
        }
    };
    if tokio::time::timeout(CALL_TIMEOUT, listening).await.is_err() {
        tracing::warn!(page, "a call took too long: its digits are no longer heard");
    }
    let _ = manager.say(&[("Action", "Logoff")]).await;
}

#[async_trait]
impl Channel for Asterisk {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let ringing = tokio::time::timeout(ANSWER_TIMEOUT, self.ring(envelope, now));
        let (manager, page, call) = ringing
            .await
            .unwrap_or_else(|_| Err(SendError::unknown("asterisk did not say what became of the call")))?;
        tokio::spawn(listen(manager, page.clone(), call, self.told.clone()));
        Ok(Receipt {
            answer: "somebody picked up".to_owned(),
            reference: page,
            reached: Reached::Delivered,
        })
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    async fn incoming(&self, _now: Timestamp) -> Incoming {
        match self.incoming.lock().await.recv().await {
            Some(incoming) => incoming,
            None => std::future::pending().await,
        }
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.text(envelope, envelope.page.created_at)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::SendErrorKind, worker::tests::envelope};
    use tocsin_vocabulary::Text;
    use tokio::net::TcpListener;

    /// Follows AMI's documents: a banner, a login, a call, then `after` it.
    async fn fake(reason: &'static str, after: &'static str) -> (Asterisk, mpsc::Receiver<Message>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, told) = mpsc::channel(4);
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, writer) = stream.into_split();
            let mut fake = Manager {
                reader: BufReader::new(read),
                writer,
            };
            fake.writer.write_all(b"Asterisk Call Manager/8.0.2\r\n").await.unwrap();
            let login = fake.message().await.unwrap();
            if get(&login, "secret") != "hush" {
                let no = [
                    ("Response", "Error"),
                    ("ActionID", "login"),
                    ("Message", "Authentication failed"),
                ];
                return fake.say(&no).await.unwrap();
            }
            fake.say(&[("Response", "Success"), ("Message", "Authentication accepted")])
                .await
                .unwrap();
            fake.say(&[("Event", "FullyBooted")]).await.unwrap();
            let call = fake.message().await.unwrap();
            let id = get(&call, "actionid").to_owned();
            tell.send(call).await.unwrap();
            fake.say(&[("Response", "Success"), ("ActionID", &id)]).await.unwrap();
            let response = if reason == "4" { "Success" } else { "Failure" };
            let done = [
                ("Event", "OriginateResponse"),
                ("ActionID", id.as_str()),
                ("Response", response),
                ("Channel", "PJSIP/trunk-1"),
                ("Reason", reason),
            ];
            fake.say(&done).await.unwrap();
            fake.writer.write_all(after.as_bytes()).await.unwrap();
            let _ = fake.message().await;
        });
        let folder = tempfile::tempdir().unwrap();
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, "hush").unwrap();
        let config = AsteriskConfig {
            host: localhost(),
            port,
            username: "tocsin".to_owned(),
            secret_file,
            dial: "PJSIP/{phone}@trunk".to_owned(),
            context: context(),
            caller_id: String::new(),
        };
        (Asterisk::new(&config, &Common::default()).unwrap(), told)
    }

    fn called() -> Envelope {
        let mut envelope = envelope(1042, "voice");
        envelope.person.phone = "13800000001".to_owned();
        envelope.page.title = Text::plain("web-1\r\nAction: Command, x=$(rm)");
        envelope
    }

    #[tokio::test]
    async fn a_digit_accepts_and_a_hosts_name_stays_one_value() {
        let after = "Event: DTMFEnd\r\nChannel: PJSIP/trunk-1\r\nDigit: 1\r\nDirection: Received\r\n\r\n";
        let (asterisk, mut calls) = fake("4", after).await;
        let receipt = asterisk.send(&called(), Timestamp::from_millis(0)).await.unwrap();
        assert_eq!(receipt.reached, Reached::Delivered);
        let call = calls.recv().await.unwrap();
        assert_eq!(get(&call, "channel"), "PJSIP/13800000001@trunk");
        assert_eq!(get(&call, "action"), "Originate");
        let accept = Incoming::Accept {
            reference: receipt.reference,
        };
        assert_eq!(asterisk.incoming(Timestamp::from_millis(0)).await, accept);
        assert_eq!(variable("a\r\nb, c=$(x)|`y`"), "a  b  c= (x)  y ");
    }

    #[tokio::test]
    async fn a_phone_that_nobody_answers_is_tried_again() {
        let (asterisk, _calls) = fake("3", "").await;
        let error = asterisk.send(&called(), Timestamp::from_millis(0)).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Temporary);
        assert!(error.reason.contains("nobody picked up"), "{error}");
    }
}
