//! How bad: the rule's own word, the contract's ladder, and how much the asset matters.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Text that names no member of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}: expected one of {expected}")]
pub struct ParseWordError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

macro_rules! words {
    ($what:literal, $expected:literal, $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in configuration, API and ledger.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ParseWordError;
            fn from_str(text: &str) -> Result<Self, ParseWordError> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(ParseWordError { what: $what, expected: $expected, text: text.chars().take(64).collect() }),
                }
            }
        }
    };
}

/// The rule's own word for how bad its condition is. Ordered: `Critical` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will become a problem.
    Warning,
    /// A small thing is broken.
    Minor,
    /// Something important is broken.
    Major,
    /// The service is down or about to be.
    Critical,
}
words!("severity", "critical, major, minor, warning, info", Severity {
    Info = "info", Warning = "warning", Minor = "minor", Major = "major", Critical = "critical",
});

/// How much an asset matters to its contract. Ordered: `Key` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// A terminal, a spare, a test machine.
    Low,
    /// One of several.
    #[default]
    Normal,
    /// The customer's business stops without it.
    Key,
}
words!("importance", "key, normal, low", Importance { Low = "low", Normal = "normal", Key = "key" });

/// A step of a policy's ladder; rank 1 is the worst. Ordered by rank, so the *least* level is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(u8);

impl Level {
    /// The worst level of every ladder.
    pub const WORST: Self = Self(1);

    /// The level of this rank; rank 0 is read as 1.
    #[must_use]
    pub const fn new(rank: u8) -> Self {
        Self(if rank == 0 { 1 } else { rank })
    }

    /// 1 is the worst.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for &severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(severity));
        }
        for &importance in Importance::ALL {
            assert_eq!(importance.as_str().parse(), Ok(importance));
        }
        assert!(Severity::Critical > Severity::Info);
        assert!(Level::WORST < Level::new(4));
        assert!("fatal".parse::<Severity>().is_err());
    }
}
