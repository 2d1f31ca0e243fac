//! Identifiers: UUIDv7 newtypes, so that one kind of id can't stand for another and rows sort by birth.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::{Builder, Uuid};

/// Text that is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an identifier: expected a UUID such as 0192f0c1-2345-7abc-8def-0123456789ab")]
pub struct ParseIdError {
    text: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The next identifier of `source`, stamped with `now`.
            #[must_use]
            pub fn next(source: &mut IdSource, now: Timestamp) -> Self {
                Self(source.next(now))
            }

            /// From the sixteen bytes of a UUID.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes of the UUID.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError { text: text.chars().take(64).collect() })
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// A rule that holds for one asset and instance.
    AlertId;
    /// Anything covered by a contract.
    AssetId;
    /// A customer's contract.
    ContractId;
    /// An organisation under contract.
    CustomerId;
    /// One diagnostic snapshot that was asked for.
    DiagnosisId;
    /// One version of a document.
    DocumentId;
    /// What is wrong as the contract sees it.
    FaultId;
    /// An asset on which an agent runs; what its certificate says it is.
    HostId;
    /// A backup job: the plan.
    JobId;
    /// One message to one person about one ticket.
    PageId;
    /// A person: engineer, operator, supervisor or customer.
    PersonId;
    /// A silence, a maintenance window or a guarded period.
    PlannedId;
    /// One execution of a backup job.
    RunId;
    /// Where an asset stands.
    SiteId;
    /// One life of an agent's spool; new when the spool is lost.
    SpoolId;
    /// The unit of work.
    TicketId;
    /// An enrolment token or API token.
    TokenId;
}

/// Makes identifiers from a seed, so that pure code can name new things and a test can foresee the names.
///
/// The shell seeds it from the operating system's randomness. Identifiers are names, not secrets.
#[derive(Debug, Clone)]
pub struct IdSource {
    state: u64,
}

impl IdSource {
    /// A source whose every identifier follows from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn next(&mut self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.random().to_le_bytes());
        random[8..].copy_from_slice(&self.random().to_le_bytes()[..2]);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_birth_and_read_back() {
        let mut source = IdSource::new(7);
        let early = TicketId::next(&mut source, Timestamp::from_millis(1_000));
        let late = TicketId::next(&mut source, Timestamp::from_millis(2_000));
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(late.to_string().as_bytes()[14], b'7');
    }

    #[test]
    fn a_word_is_not_an_id() {
        assert!("web-01".parse::<HostId>().is_err());
    }
}
