//! CMPP 2.0 and 3.0, China Mobile's protocol between a service provider and its gateway: `CONNECT` with an MD5 proof,
//! `SUBMIT` in UCS-2, `DELIVER` for reports and replies, `ACTIVE_TEST`.
//!
//! Every unit begins with 12 bytes: length, command, sequence number. Version 3.0 has wider fields for phone numbers
//! (32 bytes and a type) and for results (4 bytes instead of 1). No gateway is to be had for tests here: this is written and
//! tested by vectors and against a fake that follows the protocol.

use crate::{
    advice::Advice,
    channel::{Incoming, Outcome, SendError},
    config::{Common, host_mistakes},
    secret::{Secret, SecretText},
    session::{self, Cursor, Dialect, Part, Session, Unit},
    sms, wording,
};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use tocsin_vocabulary::Timestamp;

const CONNECT: u32 = 0x1;
const TERMINATE: u32 = 0x2;
const SUBMIT: u32 = 0x4;
const DELIVER: u32 = 0x5;
const ACTIVE_TEST: u32 = 0x8;
const RESPONSE: u32 = 0x8000_0000;

/// `Msg_Fmt` of UTF-16BE.
const UCS2: u8 = 8;
/// How long to rest when the gateway says that it was too fast (result 8).
const THROTTLED: Duration = Duration::from_secs(5);

/// `kind = "cmpp"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CmppConfig {
    /// The operator's gateway.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// `"2.0"` or `"3.0"`.
    #[serde(default = "version")]
    pub version: String,
    /// `Source_Addr`: the service provider's number, 6 digits.
    pub sp_id: String,
    /// File with the shared secret.
    pub secret_file: PathBuf,
    /// `Src_Id`: the number that is shown, as the operator gave it.
    pub source: String,
    /// `Service_Id`, at most 10 characters.
    #[serde(default)]
    pub service_id: String,
    /// Hours and minutes by which the gateway's clock is ahead of UTC, in minutes.
    #[serde(default = "beijing")]
    pub clock_offset_minutes: i32,
}

const fn port() -> u16 {
    7890
}

fn version() -> String {
    "2.0".to_owned()
}

const fn beijing() -> i32 {
    480
}

impl CmppConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        host_mistakes("host", &self.host, mistakes);
        if !["2.0", "3.0"].contains(&self.version.as_str()) {
            mistakes.push("`version` is \"2.0\" or \"3.0\"".to_owned());
        }
        if self.sp_id.is_empty() || self.sp_id.len() > 6 || !self.sp_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            mistakes.push("`sp_id`: up to 6 digits, as the operator gave them".to_owned());
        }
        if self.source.is_empty() || self.source.len() > 21 || !self.source.bytes().all(|byte| byte.is_ascii_digit()) {
            mistakes.push("`source`: up to 21 digits, the number that is shown".to_owned());
        }
        if self.service_id.len() > 10 || !self.service_id.is_ascii() {
            mistakes.push("`service_id`: at most 10 plain characters".to_owned());
        }
    }
}

/// A channel over CMPP. Connects with the first message.
///
/// # Errors
/// A sentence that names the channel's file or setting that cannot be used.
pub fn open(config: &CmppConfig, common: &Common) -> Result<Session, String> {
    let dialect = Cmpp {
        secret: Secret::read_text(&config.secret_file)?,
        three: config.version == "3.0",
        config: config.clone(),
    };
    Ok(Session::new(Box::new(dialect), &config.host, config.port, common))
}

struct Cmpp {
    config: CmppConfig,
    secret: SecretText,
    three: bool,
}

fn unit(command: u32, seq: u32, body: &[u8]) -> Vec<u8> {
    session::unit(&[command, seq], body)
}

/// Text in a field of fixed length, padded with zeros.
fn field(out: &mut Vec<u8>, text: &str, bytes: usize) {
    let text = &text.as_bytes()[..text.len().min(bytes)];
    out.extend_from_slice(text);
    out.resize(out.len() + bytes - text.len(), 0);
}

/// MD5(`Source_Addr`, nine zeros, secret, `MMDDHHMMSS`).
fn authenticator(sp_id: &str, secret: &str, stamp: u32) -> [u8; 16] {
    let mut md5 = Md5::new();
    md5.update(sp_id);
    md5.update([0; 9]);
    md5.update(secret);
    md5.update(format!("{stamp:010}"));
    md5.finalize().into()
}

/// `MMDDHHMMSS` as a number.
fn stamp(now: Timestamp, offset_minutes: i32) -> u32 {
    let local = Timestamp::from_millis(now.as_millis() + i64::from(offset_minutes) * 60_000).to_string();
    // `2026-11-22T03:04:05.678Z`
    let digits: String = local.chars().skip(5).take(14).filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

impl Cmpp {
    const fn number_bytes(&self) -> usize {
        if self.three { 32 } else { 21 }
    }

    fn result(&self, cursor: &mut Cursor<'_>) -> Result<u32, String> {
        if self.three {
            cursor.number()
        } else {
            cursor.byte().map(u32::from)
        }
    }

    /// A report or a reply.
    fn delivered(&self, seq: u32, cursor: &mut Cursor<'_>) -> Result<Unit, String> {
        let id = cursor.take(8)?.to_vec();
        cursor.field(21)?; // Dest_Id
        cursor.field(10)?; // Service_Id
        cursor.take(1)?; // TP_pid
        let has_header = cursor.byte()? != 0;
        let format = cursor.byte()?;
        let from = cursor.field(self.number_bytes())?;
        if self.three {
            cursor.byte()?; // Src_terminal_type
        }
        let is_report = cursor.byte()? != 0;
        let length = usize::from(cursor.byte()?);
        let mut content = cursor.take(length)?;
        let mut reply = id;
        reply.extend(if self.three { vec![0; 4] } else { vec![0] });
        let incoming = if is_report {
            report(content)?
        } else {
            if has_header {
                let header = usize::from(*content.first().unwrap_or(&0)) + 1;
                content = content.get(header..).unwrap_or_default();
            }
            let text = match format {
                UCS2 => sms::from_utf16_be(content),
                // Of GB 18030 only what is ASCII is read: numbers, by which people answer.
                _ => content
                    .iter()
                    .map(|byte| if byte.is_ascii() { char::from(*byte) } else { ' ' })
                    .collect(),
            };
            Some(Incoming::Reply { from, text })
        };
        Ok(Unit::Arrived {
            reply: unit(DELIVER | RESPONSE, seq, &reply),
            incoming,
        })
    }
}

impl Dialect for Cmpp {
    fn hello(&self, seq: u32, now: Timestamp) -> Vec<u8> {
        let stamp = stamp(now, self.config.clock_offset_minutes);
        let mut body = Vec::new();
        field(&mut body, &self.config.sp_id, 6);
        body.extend(authenticator(&self.config.sp_id, self.secret.as_str(), stamp));
        body.push(if self.three { 0x30 } else { 0x20 });
        body.extend(stamp.to_be_bytes());
        unit(CONNECT, seq, &body)
    }

    fn keepalive(&self, seq: u32) -> Vec<u8> {
        unit(ACTIVE_TEST, seq, &[])
    }

    fn submit(&self, seq: u32, part: &Part) -> Vec<u8> {
        let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
        let mut body = vec![0; 8]; // Msg_Id
        // Pk_total, Pk_number, Registered_Delivery, Msg_level
        body.extend([byte(part.total), byte(part.index), 1, 0]);
        field(&mut body, &self.config.service_id, 10);
        body.push(2); // Fee_UserType: the service provider pays
        field(&mut body, "", self.number_bytes()); // Fee_terminal_Id
        if self.three {
            body.push(0); // Fee_terminal_type
        }
        // TP_pId, TP_udhi, Msg_Fmt
        body.extend([0, u8::from(part.total > 1), UCS2]);
        field(&mut body, &self.config.sp_id, 6); // Msg_src
        field(&mut body, "01", 2); // FeeType: free
        field(&mut body, "000000", 6); // FeeCode
        field(&mut body, "", 17); // ValId_Time
        field(&mut body, "", 17); // At_Time
        field(&mut body, &self.config.source, 21); // Src_Id
        body.push(1); // DestUsr_tl
        field(&mut body, part.number.trim_start_matches('+'), self.number_bytes());
        if self.three {
            body.push(0); // Dest_terminal_type
        }
        let text = part.user_data();
        body.push(byte(text.len()));
        body.extend(text);
        field(&mut body, "", if self.three { 20 } else { 8 }); // LinkID, Reserve
        unit(SUBMIT, seq, &body)
    }

    fn read(&self, whole: &[u8]) -> Result<Unit, String> {
        let mut cursor = Cursor(whole);
        let (_length, command, seq) = (cursor.number()?, cursor.number()?, cursor.number()?);
        Ok(match command {
            command if command == CONNECT | RESPONSE => match self.result(&mut cursor)? {
                0 => Unit::Welcome,
                status => Unit::Unwelcome(unwelcome(status)),
            },
            command if command == SUBMIT | RESPONSE => {
                let id = hex(cursor.take(8)?);
                let answer = match self.result(&mut cursor)? {
                    0 => Ok(id),
                    result => Err(refused(result)),
                };
                Unit::Submitted { seq, answer }
            }
            DELIVER => self.delivered(seq, &mut cursor)?,
            ACTIVE_TEST => Unit::Ping {
                reply: unit(ACTIVE_TEST | RESPONSE, seq, &[0]),
            },
            TERMINATE => Unit::Bye {
                reply: unit(TERMINATE | RESPONSE, seq, &[]),
            },
            _ => Unit::Nothing,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unwelcome(status: u32) -> SendError {
    let reason = format!("the gateway refused to sign us in (status {status})");
    match status {
        1 | 2 => SendError::permanent(format!(
            "{reason}: check `sp_id`, and that this machine's address is registered"
        ))
        .meaning(Advice::Registered),
        3 => SendError::permanent(format!(
            "{reason}: check `sp_id`, the secret's file and this machine's clock"
        ))
        .meaning(Advice::SecretOrClock),
        4 => SendError::permanent(format!("{reason}: it speaks another version, change `version`")),
        _ => SendError::temporary(reason),
    }
}

fn refused(result: u32) -> SendError {
    let reason = format!("the gateway refused (result {result})");
    let error = match result {
        8 => SendError::temporary(format!("{reason}: too fast")).after(THROTTLED),
        _ => SendError::permanent(reason),
    };
    error.meaning(meaning(result))
}

/// What a result means (CMPP 2.0, 7.4.3.2).
const fn meaning(result: u32) -> Option<Advice> {
    Some(match result {
        4 | 6 => Advice::TooLong,
        8 => Advice::Pace,
        10 | 11 => Advice::Sender,
        12 | 13 => Advice::Receiver,
        _ => return None,
    })
}

/// Content of a report: `Msg_Id` 8, `Stat` 7, two times of 10, number, sequence.
fn report(content: &[u8]) -> Result<Option<Incoming>, String> {
    let mut cursor = Cursor(content);
    let id = hex(cursor.take(8)?);
    let stat = cursor.field(7)?;
    let outcome = match stat.as_str() {
        "DELIVRD" => Outcome::Delivered,
        "ACCEPTD" | "ENROUTE" => return Ok(None),
        _ => Outcome::Failed,
    };
    Ok(Some(Incoming::Report {
        references: vec![id],
        outcome,
        detail: wording::one_line(&format!("stat {stat}")),
    }))
}

#[cfg(test)]
mod tests;
