//! SNMP v2c traps, encoded by hand: BER has six forms here.

use super::{asset, datagram};
use crate::{
    channel::{Channel, Envelope, Receipt, SendError},
    config::{Common, host_mistakes},
    guard::Guard,
    secret::{Secret, SecretText},
    wording::Style,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_desk::model::{PageReason, Person};
use tocsin_vocabulary::Timestamp;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const TIME_TICKS: u8 = 0x43;
/// SNMPv2-Trap-PDU (RFC 3416, 3).
const TRAP: u8 = 0xA7;

/// `sysUpTime.0` and `snmpTrapOID.0` (RFC 3418).
const SYS_UP_TIME: &str = "1.3.6.1.2.1.1.3.0";
const SNMP_TRAP_OID: &str = "1.3.6.1.6.3.1.1.4.1.0";

/// `kind = "snmp-trap"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnmpTrapConfig {
    /// Who takes traps.
    pub host: String,
    /// Their port.
    #[serde(default = "port")]
    pub port: u16,
    /// File with the community.
    pub community_file: PathBuf,
    /// Below which identifier our objects stand. Without a number of your own: Net-SNMP's playground.
    #[serde(default = "playground")]
    pub oid: String,
}

const fn port() -> u16 {
    162
}

fn playground() -> String {
    "1.3.6.1.4.1.8072.9999.9999".to_owned()
}

/// The numbers of an identifier; none where it is none.
fn numbers(oid: &str) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = oid
        .trim_start_matches('.')
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let good = numbers.len() >= 2 && numbers.len() <= 100 && numbers[0] <= 2 && numbers[1] < 40;
    good.then_some(numbers)
}

impl SnmpTrapConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        host_mistakes("host", &self.host, mistakes);
        if numbers(&self.oid).is_none() {
            mistakes.push("`oid` is numbers with dots, such as 1.3.6.1.4.1.8072.9999.9999".to_owned());
        }
    }
}

/// Sends traps.
pub struct SnmpTrap {
    config: SnmpTrapConfig,
    community: SecretText,
    guard: Guard,
    style: Style,
}

impl SnmpTrap {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &SnmpTrapConfig, common: &Common) -> Result<Self, String> {
        Ok(Self {
            config: config.clone(),
            community: Secret::read_text(&config.community_file)?,
            guard: common.guard(&config.host),
            style: Style::long(common),
        })
    }

    fn objects(&self, envelope: &Envelope, now: Timestamp) -> Vec<(String, Vec<u8>)> {
        let page = &envelope.page;
        let oid = &self.config.oid;
        let text = |text: &str| wrap(OCTET_STRING, text.as_bytes());
        let number = i64::try_from(page.ticket_number.unwrap_or(0)).unwrap_or(i64::MAX);
        let kind = if page.reason == PageReason::Restored { 2 } else { 1 };
        // Hundredths of a second, modulo 2^32: of the day, for the sender has no single start.
        let ticks = now.as_millis().div_euclid(10).rem_euclid(1 << 32);
        vec![
            (SYS_UP_TIME.to_owned(), wrap(TIME_TICKS, &integer_bytes(ticks))),
            (SNMP_TRAP_OID.to_owned(), identifier(&format!("{oid}.0.{kind}"))),
            (format!("{oid}.1"), text(&page.key)),
            (format!("{oid}.2"), wrap(INTEGER, &integer_bytes(number))),
            (
                format!("{oid}.3"),
                wrap(INTEGER, &integer_bytes(page.level.rank().into())),
            ),
            (format!("{oid}.4"), text(&self.style.message(envelope, now))),
            (format!("{oid}.5"), text(page.reason.as_str())),
            (format!("{oid}.6"), text(asset(envelope))),
        ]
    }

    fn encode(&self, envelope: &Envelope, now: Timestamp) -> Vec<u8> {
        let bindings: Vec<u8> = self
            .objects(envelope, now)
            .into_iter()
            .flat_map(|(oid, value)| wrap(SEQUENCE, &[identifier(&oid), value].concat()))
            .collect();
        let request =
            i64::from(u32::from_be_bytes(envelope.page.id.as_bytes()[12..].try_into().unwrap_or_default()) >> 1);
        let pdu = [
            wrap(INTEGER, &integer_bytes(request)),
            wrap(INTEGER, &[0]),
            wrap(INTEGER, &[0]),
            wrap(SEQUENCE, &bindings),
        ]
        .concat();
        let message = [
            wrap(INTEGER, &[1]),
            wrap(OCTET_STRING, self.community.as_str().as_bytes()),
            wrap(TRAP, &pdu),
        ]
        .concat();
        wrap(SEQUENCE, &message)
    }
}

/// Tag, length, content.
fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if let Ok(short) = u8::try_from(length)
        && short < 0x80
    {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

/// Two's complement in as few bytes as can be.
fn integer_bytes(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let mut start = 0;
    while start < 7 {
        let (now, next) = (bytes[start], bytes[start + 1] & 0x80);
        if (now == 0 && next == 0) || (now == 0xFF && next != 0) {
            start += 1;
        } else {
            break;
        }
    }
    bytes[start..].to_vec()
}

/// An identifier in base 128.
fn identifier(oid: &str) -> Vec<u8> {
    let numbers = numbers(oid).unwrap_or_default();
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = numbers.as_slice() {
        for number in std::iter::once(first * 40 + second).chain(rest.iter().copied()) {
            let mut digits = vec![number & 0x7F];
            let mut left = number >> 7;
            while left > 0 {
                digits.push(left & 0x7F | 0x80);
                left >>= 7;
            }
            content.extend(digits.into_iter().rev().map(|digit| u8::try_from(digit).unwrap_or(0)));
        }
    }
    wrap(OBJECT_IDENTIFIER, &content)
}

#[async_trait]
impl Channel for SnmpTrap {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let bytes = self.encode(envelope, now);
        datagram(&self.guard, &self.config.host, self.config.port, &bytes).await
    }

    fn address(&self, _person: &Person) -> Option<String> {
        Some(String::new())
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::envelope;

    #[test]
    fn forms_are_those_of_ber() {
        assert_eq!(identifier("1.3.6.1.4.1.8072"), [6, 7, 0x2B, 6, 1, 4, 1, 0xBF, 8]);
        assert_eq!(integer_bytes(0), [0]);
        assert_eq!(integer_bytes(127), [127]);
        assert_eq!(integer_bytes(128), [0, 128]);
        assert_eq!(integer_bytes(-129), [0xFF, 0x7F]);
        assert_eq!(wrap(OCTET_STRING, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(wrap(OCTET_STRING, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn a_trap_names_the_ticket_and_is_one_whole_message() {
        let folder = tempfile::tempdir().unwrap();
        let community_file = folder.path().join("community");
        std::fs::write(&community_file, "public").unwrap();
        let config = SnmpTrapConfig {
            host: "127.0.0.1".to_owned(),
            port: 162,
            community_file,
            oid: playground(),
        };
        let trap = SnmpTrap::new(&config, &Common::default()).unwrap();
        let bytes = trap.encode(&envelope(1042, "console"), Timestamp::from_millis(0));
        // A sequence that is as long as it says, version 1 (v2c), the community.
        assert_eq!(bytes[..2], [SEQUENCE, 0x82]);
        assert_eq!(usize::from(bytes[2]) * 256 + usize::from(bytes[3]), bytes.len() - 4);
        assert_eq!(
            bytes[4..15],
            [INTEGER, 1, 1, OCTET_STRING, 6, b'p', b'u', b'b', b'l', b'i', b'c']
        );
        let number = wrap(INTEGER, &integer_bytes(1042));
        assert!(bytes.windows(number.len()).any(|window| window == number));
        assert!(numbers("1.x").is_none() && numbers("9.9.9").is_none());
    }
}
