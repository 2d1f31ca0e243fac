//! The install string: everything that a new host needs to enrol, in one word.
//!
//! `tocsin1@<host:port>[,<host:port>…]@<sha256 of the CA certificate, hex>@<token>` — the addresses are those of the
//! enrolment listeners. The pin is checked before the token leaves the host.

use std::{fmt, str::FromStr};
use tocsin_vocabulary::Hash;

const SCHEME: &str = "tocsin1";

/// Addresses of enrolment, the CA's pin, and a single-use token.
#[derive(Clone, PartialEq, Eq)]
pub struct InstallString {
    /// `host:port` of enrolment listeners, tried in order.
    pub addresses: Vec<String>,
    /// SHA-256 of the CA certificate in DER.
    pub ca_pin: Hash,
    /// The secret; never logged.
    pub token: String,
}

/// Why a word is not an install string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseInstallError {
    /// Not of this scheme.
    #[error("not an install string: expected tocsin1@ADDRESSES@PIN@TOKEN as `tocsin-collector token create` prints it")]
    Shape,
    /// An address lacks its port.
    #[error("address `{0}` in the install string lacks a port: expected host:port")]
    Address(String),
    /// The pin is not 64 hexadecimal digits.
    #[error("the CA pin in the install string is not 64 hexadecimal digits: copy the whole string again")]
    Pin,
}

impl fmt::Display for InstallString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{SCHEME}@{}@{}@{}",
            self.addresses.join(","),
            self.ca_pin,
            self.token
        )
    }
}

impl fmt::Debug for InstallString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}@{}@{}@[token]", self.addresses.join(","), self.ca_pin)
    }
}

impl FromStr for InstallString {
    type Err = ParseInstallError;
    fn from_str(text: &str) -> Result<Self, ParseInstallError> {
        let parts: Vec<&str> = text.trim().split('@').collect();
        let &[SCHEME, addresses, pin, token] = parts.as_slice() else {
            return Err(ParseInstallError::Shape);
        };
        if token.is_empty() || addresses.is_empty() {
            return Err(ParseInstallError::Shape);
        }
        let addresses: Vec<String> = addresses.split(',').map(str::to_owned).collect();
        for address in &addresses {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                return Err(ParseInstallError::Address(address.clone()));
            }
        }
        let ca_pin = parse_hex(pin).ok_or(ParseInstallError::Pin)?;
        Ok(Self {
            addresses,
            ca_pin,
            token: token.to_owned(),
        })
    }
}

fn parse_hex(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..32)
        .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect();
    Hash::from_slice(&bytes?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_string_reads_back_and_hides_its_token_from_logs() {
        let install = InstallString {
            addresses: vec!["10.0.0.1:7444".into(), "[fd00::1]:7444".into()],
            ca_pin: Hash::of(b"ca"),
            token: "s3cret".into(),
        };
        assert_eq!(install.to_string().parse(), Ok(install.clone()));
        assert!(!format!("{install:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_cut_off_is_refused_with_the_part_that_lacks() {
        assert_eq!("tocsin1@a:1".parse::<InstallString>(), Err(ParseInstallError::Shape));
        assert_eq!(
            "tocsin1@a:1@beef@t".parse::<InstallString>(),
            Err(ParseInstallError::Pin)
        );
        assert!(matches!(
            "tocsin1@a@beef@t".parse::<InstallString>(),
            Err(ParseInstallError::Address(_))
        ));
    }
}
