//! SMPP 3.4 as a transceiver: `bind_transceiver`, `submit_sm` in UCS-2, `deliver_sm` for receipts and replies,
//! `enquire_link`. Units are named as in the specification's chapter 4.
//!
//! Long texts go in parts of 67 units behind a user data header (`esm_class` 0x40). `ESME_RTHROTTLED`, `ESME_RMSGQFUL` and
//! `ESME_RSYSERR` are tried again, every other refusal is final. Message centres name a message in hexadecimal in their
//! answer and in decimal in their receipt, or the other way round: both are looked for.

use crate::{
    advice::Advice,
    channel::{Incoming, Outcome, SendError},
    config::{Common, host_mistakes},
    secret::{Secret, SecretText},
    session::{self, Cursor, Dialect, Part, Session, Unit},
    sms, wording,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use tocsin_vocabulary::Timestamp;

const BIND_TRANSCEIVER: u32 = 0x09;
const SUBMIT_SM: u32 = 0x04;
const DELIVER_SM: u32 = 0x05;
const UNBIND: u32 = 0x06;
const ENQUIRE_LINK: u32 = 0x15;
const GENERIC_NACK: u32 = 0x8000_0000;
const RESPONSE: u32 = 0x8000_0000;

/// `interface_version` 3.4.
const VERSION: u8 = 0x34;
/// `data_coding` of UTF-16BE.
const UCS2: u8 = 8;
/// `esm_class`: a user data header is there.
const UDHI: u8 = 0x40;
/// `esm_class` of a receipt.
const RECEIPT: u8 = 0x04;

const ESME_RSYSERR: u32 = 0x08;
const ESME_RINVPASWD: u32 = 0x0E;
const ESME_RBINDFAIL: u32 = 0x0D;
const ESME_RINVSYSID: u32 = 0x0F;
const ESME_RMSGQFUL: u32 = 0x14;
const ESME_RTHROTTLED: u32 = 0x58;

/// How long to rest when the message centre says that it was too fast.
const THROTTLED: Duration = Duration::from_secs(5);

/// `kind = "smpp"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmppConfig {
    /// The message centre.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// `system_id`.
    pub system_id: String,
    /// File with the password: at most 8 bytes.
    pub password_file: PathBuf,
    /// `system_type`, if the centre wants one.
    #[serde(default)]
    pub system_type: String,
    /// `source_addr`: the number that is shown.
    #[serde(default)]
    pub source: String,
}

const fn port() -> u16 {
    2775
}

impl SmppConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        host_mistakes("host", &self.host, mistakes);
        for (key, text, bytes_max) in [
            ("system_id", &self.system_id, 15),
            ("system_type", &self.system_type, 12),
            ("source", &self.source, 20),
        ] {
            if text.len() > bytes_max || !text.chars().all(|c| c.is_ascii_graphic()) {
                mistakes.push(format!("`{key}`: at most {bytes_max} plain characters"));
            }
        }
        if self.system_id.is_empty() {
            mistakes.push("`system_id` is empty: the message centre's operator gives one".to_owned());
        }
    }
}

/// A channel over SMPP. Connects with the first message.
///
/// # Errors
/// A sentence that names the channel's file or setting that cannot be used.
pub fn open(config: &SmppConfig, common: &Common) -> Result<Session, String> {
    let password = Secret::read_text(&config.password_file)?;
    if password.as_str().len() > 8 {
        let path = config.password_file.display();
        return Err(format!("{path}: SMPP's passwords have at most 8 bytes"));
    }
    let dialect = Smpp {
        config: config.clone(),
        password,
    };
    Ok(Session::new(Box::new(dialect), &config.host, config.port, common))
}

struct Smpp {
    config: SmppConfig,
    password: SecretText,
}

/// A whole unit.
fn unit(command: u32, status: u32, seq: u32, body: &[u8]) -> Vec<u8> {
    session::unit(&[command, status, seq], body)
}

fn c_string(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.push(0);
}

/// Type of number and numbering plan: international with `+`, alphanumeric with letters, unknown otherwise.
fn plan(number: &str) -> [u8; 2] {
    if number.starts_with('+') {
        [1, 1]
    } else if number.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        [5, 0]
    } else {
        [0, 1]
    }
}

impl Dialect for Smpp {
    fn hello(&self, seq: u32, _now: Timestamp) -> Vec<u8> {
        let mut body = Vec::new();
        c_string(&mut body, &self.config.system_id);
        c_string(&mut body, self.password.as_str());
        c_string(&mut body, &self.config.system_type);
        // addr_ton, addr_npi, address_range
        body.extend([VERSION, 0, 0, 0]);
        unit(BIND_TRANSCEIVER, 0, seq, &body)
    }

    fn keepalive(&self, seq: u32) -> Vec<u8> {
        unit(ENQUIRE_LINK, 0, seq, &[])
    }

    fn submit(&self, seq: u32, part: &Part) -> Vec<u8> {
        let mut body = vec![0]; // service_type
        body.extend(plan(&self.config.source));
        c_string(&mut body, self.config.source.trim_start_matches('+'));
        body.extend(plan(&part.number));
        c_string(&mut body, part.number.trim_start_matches('+'));
        body.push(if part.total > 1 { UDHI } else { 0 });
        // protocol_id, priority_flag, schedule_delivery_time, validity_period, registered_delivery,
        // replace_if_present_flag, data_coding, sm_default_msg_id
        body.extend([0, 0, 0, 0, 1, 0, UCS2, 0]);
        let text = part.user_data();
        body.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        body.extend(text);
        unit(SUBMIT_SM, 0, seq, &body)
    }

    fn read(&self, whole: &[u8]) -> Result<Unit, String> {
        let mut cursor = Cursor(whole);
        let (_length, command, status, seq) = (cursor.number()?, cursor.number()?, cursor.number()?, cursor.number()?);
        Ok(match command {
            command if command == BIND_TRANSCEIVER | RESPONSE => match status {
                0 => Unit::Welcome,
                status => Unit::Unwelcome(unwelcome(status)),
            },
            command if command == SUBMIT_SM | RESPONSE => Unit::Submitted {
                seq,
                answer: match status {
                    0 => Ok(cursor.c_string()?),
                    status => Err(refused(status)),
                },
            },
            GENERIC_NACK => Unit::Submitted {
                seq,
                answer: Err(refused(status)),
            },
            DELIVER_SM => Unit::Arrived {
                reply: unit(DELIVER_SM | RESPONSE, 0, seq, &[0]),
                incoming: delivered(&mut cursor)?,
            },
            ENQUIRE_LINK => Unit::Ping {
                reply: unit(ENQUIRE_LINK | RESPONSE, 0, seq, &[]),
            },
            UNBIND => Unit::Bye {
                reply: unit(UNBIND | RESPONSE, 0, seq, &[]),
            },
            command if command & RESPONSE != 0 => Unit::Nothing,
            _ => Unit::Ping {
                // ESME_RINVCMDID
                reply: unit(GENERIC_NACK, 3, seq, &[]),
            },
        })
    }
}

fn unwelcome(status: u32) -> SendError {
    match status {
        ESME_RBINDFAIL | ESME_RINVPASWD | ESME_RINVSYSID => SendError::permanent(format!(
            "the message centre refused to sign us in (status {status:#x}): check `system_id` and the password's file"
        ))
        .meaning(Advice::Secret),
        _ => SendError::temporary(format!("the message centre refused to sign us in (status {status:#x})")),
    }
}

fn refused(status: u32) -> SendError {
    let reason = format!("the message centre refused (status {status:#x})");
    let error = match status {
        ESME_RTHROTTLED => SendError::temporary(format!("{reason}: too fast")).after(THROTTLED),
        ESME_RMSGQFUL => SendError::temporary(format!("{reason}: its queue is full")).after(THROTTLED),
        ESME_RSYSERR => SendError::temporary(reason),
        _ => SendError::permanent(reason),
    };
    error.meaning(meaning(status))
}

/// What a status means (SMPP 3.4, 5.1.3).
const fn meaning(status: u32) -> Option<Advice> {
    Some(match status {
        ESME_RTHROTTLED | ESME_RMSGQFUL => Advice::Pace,
        ESME_RSYSERR => Advice::Trouble,
        // ESME_RINVMSGLEN
        0x01 => Advice::TooLong,
        // ESME_RINVSRCADR, ESME_RINVSRCTON, ESME_RINVSRCNPI
        0x0A | 0x48 | 0x49 => Advice::Sender,
        // ESME_RINVDSTADR, ESME_RINVDSTTON, ESME_RINVDSTNPI
        0x0B | 0x50 | 0x51 => Advice::Receiver,
        _ => return None,
    })
}

/// A receipt or a reply.
fn delivered(cursor: &mut Cursor<'_>) -> Result<Option<Incoming>, String> {
    cursor.c_string()?; // service_type
    cursor.take(2)?;
    let from = cursor.c_string()?;
    cursor.take(2)?;
    cursor.c_string()?; // destination_addr
    let class = cursor.byte()?;
    cursor.take(2)?; // protocol_id, priority_flag
    cursor.c_string()?; // schedule_delivery_time
    cursor.c_string()?; // validity_period
    cursor.take(2)?; // registered_delivery, replace_if_present_flag
    let coding = cursor.byte()?;
    cursor.byte()?; // sm_default_msg_id
    let length = usize::from(cursor.byte()?);
    let mut text = cursor.take(length)?;
    if class & UDHI != 0 {
        let header = usize::from(*text.first().unwrap_or(&0)) + 1;
        text = text.get(header..).unwrap_or_default();
    }
    if class & 0x3C == RECEIPT {
        return Ok(receipt(&String::from_utf8_lossy(text)));
    }
    let text = match coding {
        UCS2 => sms::from_utf16_be(text),
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    Ok(Some(Incoming::Reply { from, text }))
}

/// `id:IIII sub:001 dlvrd:001 submit date:… done date:… stat:DELIVRD err:000 text:…`; centres differ in case and spacing.
pub(crate) fn receipt(text: &str) -> Option<Incoming> {
    let word = |key: &str| -> Option<String> {
        let at = text.to_ascii_lowercase().find(key)? + key.len();
        let rest = text.get(at..)?.trim_start();
        Some(rest.split_whitespace().next()?.to_owned())
    };
    let outcome = match word("stat:")?.to_ascii_uppercase().as_str() {
        "DELIVRD" => Outcome::Delivered,
        "UNDELIV" | "EXPIRED" | "DELETED" | "REJECTD" | "UNKNOWN" => Outcome::Failed,
        // ACCEPTD, ENROUTE: on its way.
        _ => return None,
    };
    Some(Incoming::Report {
        references: spellings(&word("id:")?),
        outcome,
        detail: wording::one_line(text),
    })
}

/// The ways in which one number is written: as it is, decimal as hexadecimal and the other way round, without zeros ahead.
fn spellings(id: &str) -> Vec<String> {
    let mut all = vec![id.to_owned(), id.trim_start_matches('0').to_owned()];
    if let Ok(number) = id.parse::<u64>() {
        all.extend([
            format!("{number:x}"),
            format!("{number:X}"),
            format!("{number:08x}"),
            format!("{number:08X}"),
        ]);
    }
    if let Ok(number) = u64::from_str_radix(id, 16) {
        all.push(number.to_string());
    }
    all.retain(|id| !id.is_empty());
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
