//! SNMP traps of versions 1 and 2c (RFC 1157, RFC 3416) as one line of text, so that the patterns of a definition can read
//! them: the trap's number, then each variable. What is said in version 3 is read here, too, when `usm` has opened it.
//!
//! ```text
//! trap 1.3.6.1.4.1.31023.1.2.3 1.3.6.1.4.1.31023.1.1.2="nightly" 1.3.6.1.4.1.31023.1.1.3="Success"
//! ```

use std::fmt::Write as _;

/// Variables of one trap; what follows is left out.
const VARIABLES_MAX: usize = 100;
/// Parts of an object's number (RFC 2578).
const PARTS_MAX: usize = 128;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
const ADDRESS: u8 = 0x40;
const COUNTER: u8 = 0x41;
const GAUGE: u8 = 0x42;
const TICKS: u8 = 0x43;
const COUNTER64: u8 = 0x46;
const RESPONSE: u8 = 0xA2;
const TRAP_V1: u8 = 0xA4;
const INFORM: u8 = 0xA6;
const TRAP_V2: u8 = 0xA7;

/// `snmpTraps` of SNMPv2-MIB: what the six generic traps of version 1 became (RFC 3584, 3.1).
const GENERIC: &str = "1.3.6.1.6.3.1.1.5";
/// `snmpTrapOID.0`.
const TRAP_OID: &str = "1.3.6.1.6.3.1.1.4.1.0";
/// `sysUpTime.0`.
const UPTIME: &str = "1.3.6.1.2.1.1.3.0";

/// A trap.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trap<'a> {
    /// What it bears in the place of a password.
    pub(super) community: &'a [u8],
    /// Its number.
    object: String,
    variables: Vec<(String, Content<'a>)>,
    /// An answer that the sender waits for: of an inform.
    pub(super) answer: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Content<'a> {
    Text(&'a [u8]),
    Word(String),
}

impl Trap<'_> {
    /// As one line; `decode` reads its texts.
    pub(super) fn line(&self, decode: impl Fn(&[u8]) -> String) -> String {
        let mut line = format!("trap {}", self.object);
        for (object, content) in &self.variables {
            let text = match content {
                Content::Text(bytes) => decode(bytes),
                Content::Word(word) => word.clone(),
            };
            let plain = text.chars().map(|c| match c {
                '"' => '\'',
                c if c.is_control() => ' ',
                c => c,
            });
            let plain: String = plain.collect();
            let _ = write!(line, " {object}=\"{}\"", plain.trim());
        }
        line
    }
}

/// Reads a message; none when it is no trap of these versions.
pub(super) fn read(message: &[u8]) -> Option<Trap<'_>> {
    let mut outer = Elements(message);
    let mut inner = Elements(outer.of(SEQUENCE)?);
    let version = number(inner.of(INTEGER)?)?;
    let community = inner.of(OCTETS)?;
    let at = message.len() - outer.0.len() - inner.0.len();
    let (tag, body) = inner.next()?;
    let body = Elements(body);
    let (object, variables) = match (version, tag) {
        (0, TRAP_V1) => first(body)?,
        (1, TRAP_V2 | INFORM) => second(body)?,
        _ => return None,
    };
    Some(Trap {
        community,
        object,
        variables,
        answer: (tag == INFORM).then(|| answer(message, at)).flatten(),
    })
}

/// Reads what a message of version 3 said (RFC 3412, 6.8); none when it is no trap.
pub(super) fn of_scoped(said: &[u8]) -> Option<Trap<'_>> {
    let mut scoped = Elements(Elements(said).of(SEQUENCE)?);
    // The engine and the name of what is spoken of: another than the sender itself would be behind a proxy.
    scoped.of(OCTETS)?;
    scoped.of(OCTETS)?;
    let (object, variables) = second(Elements(scoped.of(TRAP_V2)?))?;
    Some(Trap {
        community: b"",
        object,
        variables,
        answer: None,
    })
}

/// The message with another tag `at` where its body begins: the answer to an inform says the same as a response.
fn answer(message: &[u8], at: usize) -> Option<Vec<u8>> {
    let mut answer = message.to_vec();
    *answer.get_mut(at)? = RESPONSE;
    Some(answer)
}

type Parts<'a> = (String, Vec<(String, Content<'a>)>);

fn first(mut body: Elements<'_>) -> Option<Parts<'_>> {
    let enterprise = object(body.of(OBJECT)?)?;
    body.of(ADDRESS)?;
    let generic = number(body.of(INTEGER)?)?;
    let specific = number(body.of(INTEGER)?)?;
    body.of(TICKS)?;
    let name = match generic {
        0..=5 => format!("{GENERIC}.{}", generic + 1),
        _ => format!("{enterprise}.0.{specific}"),
    };
    Some((name, variables(Elements(body.of(SEQUENCE)?))?))
}

fn second(mut body: Elements<'_>) -> Option<Parts<'_>> {
    for _ in 0..3 {
        body.of(INTEGER)?;
    }
    let mut variables = variables(Elements(body.of(SEQUENCE)?))?;
    let at = variables.iter().position(|(object, _)| object == TRAP_OID)?;
    let (_, Content::Word(name)) = variables.remove(at) else {
        return None;
    };
    variables.retain(|(object, _)| object != UPTIME);
    Some((name, variables))
}

fn variables(mut list: Elements<'_>) -> Option<Vec<(String, Content<'_>)>> {
    let mut found = Vec::new();
    while !list.0.is_empty() && found.len() < VARIABLES_MAX {
        let mut pair = Elements(list.of(SEQUENCE)?);
        let name = object(pair.of(OBJECT)?)?;
        let (tag, bytes) = pair.next()?;
        let content = match tag {
            OCTETS => Content::Text(bytes),
            OBJECT => Content::Word(object(bytes)?),
            ADDRESS if bytes.len() == 4 => {
                let parts: Vec<String> = bytes.iter().map(u8::to_string).collect();
                Content::Word(parts.join("."))
            }
            INTEGER | COUNTER | GAUGE | TICKS | COUNTER64 => Content::Word(number(bytes)?.to_string()),
            _ => Content::Word(String::new()),
        };
        found.push((name, content));
    }
    Some(found)
}

/// Elements of BER (X.690) one after another: tag, length, content.
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match length {
            0..=0x7F => (usize::from(length), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            // Of unknown length, or longer than a datagram.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    pub(super) fn of(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(tag, _)| *tag == wanted)
            .map(|(_, content)| content)
    }
}

/// A whole number, with its sign; of `Counter64` the largest have one byte more.
pub(super) fn number(bytes: &[u8]) -> Option<i128> {
    if bytes.is_empty() || bytes.len() > 9 {
        return None;
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    Some(bytes.iter().fold(start, |sum: i128, byte| sum << 8 | i128::from(*byte)))
}

/// An object's number, dotted.
fn object(bytes: &[u8]) -> Option<String> {
    let mut parts: Vec<u64> = Vec::new();
    let mut part: u64 = 0;
    for byte in bytes {
        part = part.checked_mul(128)?.checked_add(u64::from(byte & 0x7F))?;
        if byte & 0x80 == 0 {
            if parts.is_empty() {
                // The first two are one (X.690, 8.19.4).
                let first = (part / 40).min(2);
                parts.extend([first, part - first * 40]);
            } else {
                parts.push(part);
            }
            part = 0;
        }
        if parts.len() > PARTS_MAX {
            return None;
        }
    }
    let parts: Vec<String> = parts.iter().map(u64::to_string).collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut bytes = match u8::try_from(length) {
            Ok(short @ 0..=0x7F) => vec![tag, short],
            _ => {
                let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
                vec![tag, 0x82, high, low]
            }
        };
        bytes.extend(content);
        bytes
    }

    fn list(parts: &[Vec<u8>]) -> Vec<u8> {
        element(SEQUENCE, &parts.concat())
    }

    /// 1.3.6.1.4.1.31023 and what follows.
    fn veeam(rest: &[u8]) -> Vec<u8> {
        element(OBJECT, &[&[0x2B, 6, 1, 4, 1, 0x81, 0xF2, 0x2F], rest].concat())
    }

    pub(crate) fn of_second_version(tag: u8, job: &[u8]) -> Vec<u8> {
        let trap_oid = element(OBJECT, &[0x2B, 6, 1, 6, 3, 1, 1, 4, 1, 0]);
        let variables = list(&[
            list(&[element(OBJECT, &[0x2B, 6, 1, 2, 1, 1, 3, 0]), element(TICKS, &[1])]),
            list(&[trap_oid, veeam(&[1, 2])]),
            list(&[veeam(&[9]), element(OCTETS, job)]),
            list(&[veeam(&[10]), element(INTEGER, &[0xFF])]),
        ]);
        let body = [
            element(INTEGER, &[7]),
            element(INTEGER, &[0]),
            element(INTEGER, &[0]),
            variables,
        ]
        .concat();
        list(&[element(INTEGER, &[1]), element(OCTETS, b"public"), element(tag, &body)])
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn a_trap_of_the_second_version_is_a_line() {
        let message = of_second_version(TRAP_V2, "夜间\n\"full\"".as_bytes());
        let trap = read(&message).unwrap();
        assert_eq!((trap.community, &trap.answer), (&b"public"[..], &None));
        assert_eq!(
            trap.line(text),
            "trap 1.3.6.1.4.1.31023.1.2 1.3.6.1.4.1.31023.9=\"夜间 'full'\" 1.3.6.1.4.1.31023.10=\"-1\""
        );
    }

    #[test]
    fn an_inform_is_answered_with_its_own_words() {
        let message = of_second_version(INFORM, b"x");
        let answer = read(&message).unwrap().answer.unwrap();
        let changed: Vec<(u8, u8)> = message
            .iter()
            .zip(&answer)
            .filter(|(one, other)| one != other)
            .map(|(one, other)| (*one, *other))
            .collect();
        assert_eq!((message.len(), changed), (answer.len(), vec![(INFORM, RESPONSE)]));
    }

    #[test]
    fn a_trap_of_the_first_version_gets_its_number_from_the_enterprise() {
        let message = |generic: u8| {
            let body = [
                veeam(&[]),
                element(ADDRESS, &[10, 0, 0, 5]),
                element(INTEGER, &[generic]),
                element(INTEGER, &[12]),
                element(TICKS, &[0]),
                list(&[list(&[veeam(&[1]), element(ADDRESS, &[10, 0, 0, 6])])]),
            ];
            list(&[
                element(INTEGER, &[0]),
                element(OCTETS, b"c"),
                element(TRAP_V1, &body.concat()),
            ])
        };
        assert_eq!(
            read(&message(6)).unwrap().line(text),
            "trap 1.3.6.1.4.1.31023.0.12 1.3.6.1.4.1.31023.1=\"10.0.0.6\""
        );
        assert!(
            read(&message(0))
                .unwrap()
                .line(text)
                .starts_with("trap 1.3.6.1.6.3.1.1.5.1 ")
        );
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_is_cut_is_no_trap() {
        let message = of_second_version(TRAP_V2, &[b'x'; 300]);
        assert!(read(&message).is_some());
        for end in 0..message.len() {
            assert_eq!(read(&message[..end]), None);
        }
        bolero::check!().for_each(|bytes| {
            if let Some(trap) = read(bytes) {
                let _ = trap.line(text);
            }
        });
        bolero::check!().with_type::<(u16, u8)>().for_each(|(at, byte)| {
            let mut message = of_second_version(INFORM, b"job");
            let at = usize::from(*at) % message.len();
            message[at] = *byte;
            let _ = read(&message);
        });
    }
}
