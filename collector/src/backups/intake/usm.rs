//! SNMP version 3 by the user-based security model (RFC 3414): who sent a trap is proven with a password, and what it says may
//! be encrypted.
//!
//! ```text
//! version 3 ─ header (flags, model) ─ engine, boots, time, user, proof, salt ─ what is said, or that encrypted
//! ```
//!
//! * Proof: HMAC of SHA-1 (RFC 3414) or SHA-2 (RFC 7860) over the whole message with zeros in the proof's place. HMAC of MD5 is
//!   not among them.
//! * Encryption: AES-128 in cipher feedback mode (RFC 3826). DES is not among them.
//! * A password becomes a key of one sender's engine (RFC 3414, 2.6), so each sender has its own. Of a trap the sender's engine
//!   is the one that counts (RFC 3412, 6.1), so it is taken from the message.
//! * A message that is older than 150 s beside what its engine said before is taken for one that somebody replays (RFC 3414,
//!   3.2, 7b).
//!
//! Traps alone are read: an inform of version 3 asks us first who we are, and is not answered.

use super::trap::{Elements, INTEGER, OCTETS, SEQUENCE, number};
use aws_lc_rs::{
    cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    digest, hmac,
    iv::FixedLength,
};
use serde::Deserialize;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// A password becomes this many bytes before it is hashed (RFC 3414, A.2).
const EXPANDED_BYTES: usize = 1 << 20;
/// Shortest password (RFC 3414, 11.2), in bytes.
pub(super) const PASSWORD_BYTES_MIN: usize = 8;
/// An engine's id (RFC 3411, `SnmpEngineID`).
const ENGINE_BYTES: std::ops::RangeInclusive<usize> = 5..=32;
/// How much older than expected a message may be (RFC 3414, 2.2.3).
const WINDOW: Duration = Duration::from_secs(150);
/// Engines of which it is remembered how far they were; those heard longest ago are forgotten first.
const ENGINES_MAX: usize = 1_000;
/// Bits of the flags: proven, encrypted (RFC 3412, 6.4).
const PROVEN: u8 = 1;
const ENCRYPTED: u8 = 2;
/// The user-based security model.
const MODEL: i128 = 3;
/// Version 3 on the wire.
const VERSION: i128 = 3;

/// With what a sender proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Proof {
    /// HMAC-SHA-96.
    #[serde(rename = "SHA")]
    Sha1,
    /// HMAC-128-SHA-224.
    #[serde(rename = "SHA-224")]
    Sha224,
    /// HMAC-192-SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// HMAC-256-SHA-384.
    #[serde(rename = "SHA-384")]
    Sha384,
    /// HMAC-384-SHA-512.
    #[serde(rename = "SHA-512")]
    Sha512,
}

impl Proof {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => hmac::HMAC_SHA224,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// So many bytes of the HMAC are sent (RFC 3414, 6.3.1; RFC 7860, 4).
    const fn sent_bytes(self) -> usize {
        match self {
            Self::Sha1 => 12,
            Self::Sha224 => 16,
            Self::Sha256 => 24,
            Self::Sha384 => 32,
            Self::Sha512 => 48,
        }
    }
}

/// `snmp_v3` of a source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The user's name at the sender.
    pub user: String,
    /// With what it proves who it is.
    pub auth: Proof,
    /// The password of that.
    pub auth_password_file: PathBuf,
    /// The password of AES-128; without it what is said may be open.
    pub privacy_password_file: Option<PathBuf>,
}

/// A user whose messages are listened to.
pub(super) struct User {
    name: String,
    proof: Proof,
    /// The password, hashed as every engine's key begins.
    authentic: Vec<u8>,
    private: Option<Vec<u8>>,
    engines: Mutex<HashMap<Vec<u8>, Heard>>,
}

/// How far an engine was.
#[derive(Debug, Clone, Copy)]
struct Heard {
    boots: u32,
    seconds: u32,
    at: Timestamp,
}

/// A message that is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is no SNMP trap")]
    Malformed,
    #[error("its community is another one")]
    Community,
    #[error("it is of SNMP version 1 or 2c, which proves nothing, and the source has `snmp_v3`")]
    Unproven,
    #[error("it is of SNMP version 3, and the source has no `snmp_v3`")]
    Third,
    #[error("its SNMP user is another one than `snmp_v3` names")]
    User,
    #[error("it is not proven: the sender has to use authentication")]
    Open,
    #[error("its proof is wrong: the sender has another authentication password or protocol")]
    Proof,
    #[error("it is not encrypted, and `snmp_v3` has a password of AES-128")]
    Plain,
    #[error("it is encrypted, and `snmp_v3` has no `privacy_password_file`")]
    Encrypted,
    #[error("it can't be decrypted: the sender has another privacy password, or another protocol than AES-128")]
    Privacy,
    #[error("it is older than what its sender said before: somebody replays it, or the sender's engine was set back")]
    Replayed,
}

/// Whether a message is of version 3.
pub(super) fn is_third(message: &[u8]) -> bool {
    let version = || number(Elements(Elements(message).of(SEQUENCE)?).of(INTEGER)?);
    version() == Some(VERSION)
}

/// A message, its parts told apart.
struct Parts<'a> {
    flags: u8,
    engine: &'a [u8],
    boots: u32,
    seconds: u32,
    user: &'a [u8],
    proof: &'a [u8],
    salt: &'a [u8],
    /// Behind all that: what is said, as it is.
    rest: Elements<'a>,
}

impl<'a> Parts<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let mut whole = Elements(Elements(message).of(SEQUENCE)?);
        whole.of(INTEGER)?;
        let mut header = Elements(whole.of(SEQUENCE)?);
        header.of(INTEGER)?;
        header.of(INTEGER)?;
        let &[flags] = header.of(OCTETS)? else { return None };
        if number(header.of(INTEGER)?)? != MODEL {
            return None;
        }
        let mut security = Elements(Elements(whole.of(OCTETS)?).of(SEQUENCE)?);
        let engine = security.of(OCTETS)?;
        let mut count = || u32::try_from(number(security.of(INTEGER)?)?).ok();
        let (boots, seconds) = (count()?, count()?);
        ENGINE_BYTES.contains(&engine.len()).then_some(())?;
        Some(Self {
            flags,
            engine,
            boots,
            seconds,
            user: security.of(OCTETS)?,
            proof: security.of(OCTETS)?,
            salt: security.of(OCTETS)?,
            rest: whole,
        })
    }
}

impl User {
    /// A user with these passwords.
    pub(super) fn new(name: &str, proof: Proof, password: &str, privacy: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            proof,
            authentic: expanded(proof, password),
            private: privacy.map(|password| expanded(proof, password)),
            engines: Mutex::default(),
        }
    }

    /// What a message says, when it is proven to be of this user: the scoped PDU (RFC 3412, 6.8), as bytes.
    pub(super) fn open(&self, message: &[u8], now: Timestamp) -> Result<Vec<u8>, Refused> {
        let mut parts = Parts::read(message).ok_or(Refused::Malformed)?;
        if parts.user != self.name.as_bytes() {
            return Err(Refused::User);
        }
        if parts.flags & PROVEN == 0 {
            return Err(Refused::Open);
        }
        self.prove(message, &parts)?;
        let encrypted = parts.flags & ENCRYPTED != 0;
        let said = match &self.private {
            Some(_) if !encrypted => return Err(Refused::Plain),
            None if encrypted => return Err(Refused::Encrypted),
            None => parts.rest.0.to_vec(),
            Some(private) => {
                let hidden = parts.rest.of(OCTETS).ok_or(Refused::Malformed)?;
                self.decrypt(private, &parts, hidden).ok_or(Refused::Privacy)?
            }
        };
        // What a wrong key makes of it is no sequence, but for one time in 256.
        if said.first() != Some(&SEQUENCE) {
            return Err(if encrypted {
                Refused::Privacy
            } else {
                Refused::Malformed
            });
        }
        self.in_time(&parts, now)?;
        Ok(said)
    }

    fn prove(&self, message: &[u8], parts: &Parts<'_>) -> Result<(), Refused> {
        if parts.proof.len() != self.proof.sent_bytes() {
            return Err(Refused::Proof);
        }
        let at = parts.proof.as_ptr().addr() - message.as_ptr().addr();
        let mut blank = message.to_vec();
        blank[at..at + parts.proof.len()].fill(0);
        let key = hmac::Key::new(self.proof.hmac(), &self.localized(&self.authentic, parts.engine));
        let tag = hmac::sign(&key, &blank);
        verify_slices_are_equal(&tag.as_ref()[..parts.proof.len()], parts.proof).map_err(|_| Refused::Proof)
    }

    fn decrypt(&self, private: &[u8], parts: &Parts<'_>, hidden: &[u8]) -> Option<Vec<u8>> {
        let key = self.localized(private, parts.engine);
        let key = UnboundCipherKey::new(&AES_128, key.get(..16)?).ok()?;
        let mut vector = [0; 16];
        vector[..4].copy_from_slice(&parts.boots.to_be_bytes());
        vector[4..8].copy_from_slice(&parts.seconds.to_be_bytes());
        vector[8..].copy_from_slice(parts.salt.first_chunk::<8>().filter(|_| parts.salt.len() == 8)?);
        let mut said = hidden.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(vector));
        DecryptingKey::cfb128(key).ok()?.decrypt(&mut said, context).ok()?;
        Some(said)
    }

    /// The key of one engine (RFC 3414, 2.6).
    fn localized(&self, begun: &[u8], engine: &[u8]) -> Vec<u8> {
        digest::digest(self.proof.digest(), &[begun, engine, begun].concat())
            .as_ref()
            .to_vec()
    }

    /// Whether a message is as new as one can be after what its engine said before; remembers it then.
    fn in_time(&self, parts: &Parts<'_>, now: Timestamp) -> Result<(), Refused> {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = engines.get(parts.engine) {
            let passed = now.since(before.at).as_secs();
            let expected = u64::from(before.seconds).saturating_add(passed);
            let oldest = expected.saturating_sub(WINDOW.as_secs());
            if (parts.boots, u64::from(parts.seconds)) < (before.boots, oldest) {
                return Err(Refused::Replayed);
            }
            if (parts.boots, parts.seconds) <= (before.boots, before.seconds) {
                return Ok(());
            }
        }
        if engines.len() >= ENGINES_MAX
            && !engines.contains_key(parts.engine)
            && let Some(oldest) = engines
                .iter()
                .min_by_key(|(_, heard)| heard.at)
                .map(|(engine, _)| engine.clone())
        {
            engines.remove(&oldest);
        }
        let heard = Heard {
            boots: parts.boots,
            seconds: parts.seconds,
            at: now,
        };
        engines.insert(parts.engine.to_vec(), heard);
        Ok(())
    }
}

/// A password, repeated to a mebibyte and hashed (RFC 3414, A.2).
fn expanded(proof: Proof, password: &str) -> Vec<u8> {
    let mut context = digest::Context::new(proof.digest());
    let bytes: Vec<u8> = password.bytes().cycle().take(EXPANDED_BYTES).collect();
    context.update(&bytes);
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{super::trap, *};

    /// Traps as `snmptrap` of net-snmp 5.9 sends them: proof, level, the message in hexadecimal. The user is `tocsin`, the
    /// passwords are below.
    const RECORDED: &str = include_str!("usm.recorded");
    const PASSWORD: &str = "maple syrup";
    const PRIVACY: &str = "pancakes!";

    fn proof(name: &str) -> Proof {
        match name {
            "SHA" => Proof::Sha1,
            "SHA-224" => Proof::Sha224,
            "SHA-256" => Proof::Sha256,
            "SHA-384" => Proof::Sha384,
            _ => Proof::Sha512,
        }
    }

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let pairs = hexadecimal.as_bytes().chunks(2);
        let read = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.map(read).collect()
    }

    fn recorded(wanted: &str) -> Vec<(&'static str, Vec<u8>)> {
        let lines = RECORDED.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[0], words[1], bytes(words[2]))
        });
        let wanted = lines.filter(|(_, level, _)| *level == wanted);
        wanted.map(|(proof, _, message)| (proof, message)).collect()
    }

    fn user(name: &str) -> User {
        User::new("tocsin", proof(name), PASSWORD, Some(PRIVACY))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn keys_are_those_of_the_rfc() {
        // RFC 3414, A.3.2.
        let user = User::new("u", Proof::Sha1, "maplesyrup", None);
        let engine = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(user.authentic, bytes("9fb5cc0381497b3793528939ff788d5d79145211"));
        let key = user.localized(&user.authentic, &engine);
        assert_eq!(key, bytes("6695febc9288e36282235fc7151f128497b38f3f"));
    }

    #[test]
    fn traps_of_every_proof_are_opened_and_read() {
        let messages = recorded("authPriv");
        assert_eq!(messages.len(), 5);
        for (name, message) in messages {
            assert!(is_third(&message));
            let said = user(name).open(&message, at(0)).unwrap();
            let line = trap::of_scoped(&said)
                .unwrap()
                .line(|bytes| String::from_utf8_lossy(bytes).into_owned());
            assert_eq!(
                line,
                "trap 1.3.6.1.4.1.31023.1.1.1.0.1 1.3.6.1.4.1.31023.1.1.102=\"nightly\" 1.3.6.1.4.1.31023.1.1.103=\"Failed\"",
                "{name}"
            );
        }
    }

    #[test]
    fn whoever_does_not_know_the_passwords_is_turned_away_and_told_why() {
        let (_, secret) = recorded("authPriv").remove(2);
        let (_, open) = recorded("authNoPriv").remove(0);
        let (_, bare) = recorded("noAuthNoPriv").remove(0);
        let with = |name, password, privacy| User::new(name, Proof::Sha256, password, privacy);
        let right = with("tocsin", PASSWORD, Some(PRIVACY));
        let refused = |user: &User, message: &[u8]| user.open(message, at(0)).unwrap_err();
        assert_eq!(refused(&with("root", PASSWORD, None), &open), Refused::User);
        assert_eq!(refused(&with("tocsin", "maple sirup", None), &open), Refused::Proof);
        assert_eq!(refused(&user("SHA"), &open), Refused::Proof);
        assert_eq!(refused(&right, &bare), Refused::Open);
        assert_eq!(refused(&right, &open), Refused::Plain);
        assert_eq!(refused(&with("tocsin", PASSWORD, None), &secret), Refused::Encrypted);
        assert_eq!(
            refused(&with("tocsin", PASSWORD, Some("waffles!!")), &secret),
            Refused::Privacy
        );
        assert!(with("tocsin", PASSWORD, None).open(&open, at(0)).is_ok());
        for at_byte in 0..secret.len() {
            let mut changed = secret.clone();
            changed[at_byte] ^= 1;
            assert!(right.open(&changed, at(0)).is_err(), "byte {at_byte}");
        }
    }

    #[test]
    fn what_is_replayed_is_turned_away() {
        let messages = recorded("authPriv");
        let (_, message) = &messages[2];
        let user = user("SHA-256");
        assert!(user.open(message, at(0)).is_ok());
        assert!(user.open(message, at(149)).is_ok(), "messages may overtake each other");
        assert_eq!(user.open(message, at(152)), Err(Refused::Replayed));
        // An engine that began anew counts from zero again, with one more start.
        let parts = Parts::read(message).unwrap();
        let later = Parts {
            boots: parts.boots + 1,
            seconds: 3,
            ..Parts::read(message).unwrap()
        };
        assert_eq!(user.in_time(&later, at(200)), Ok(()));
        assert_eq!(user.in_time(&parts, at(200)), Err(Refused::Replayed));
    }

    #[test]
    fn engines_beyond_the_most_are_forgotten() {
        let user = user("SHA-256");
        let (_, message) = recorded("authPriv").remove(2);
        for number in 0..ENGINES_MAX + 10 {
            let engine = number.to_be_bytes();
            let parts = Parts {
                engine: &engine,
                ..Parts::read(&message).unwrap()
            };
            user.in_time(&parts, at(i64::try_from(number).unwrap())).unwrap();
        }
        assert_eq!(user.engines.lock().unwrap().len(), ENGINES_MAX);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let user = user("SHA");
        let (_, message) = recorded("authPriv").remove(0);
        for end in 0..message.len() {
            assert!(user.open(&message[..end], at(0)).is_err());
        }
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = is_third(bytes);
            assert!(user.open(bytes, at(0)).is_err());
            let _ = trap::of_scoped(bytes);
        });
    }
}
