//! Retention classes: how long what is kept, and of whom.
//!
//! A host belongs to one class, by what its customer's contract asks for; one that belongs to none is of the class
//! [`RetentionClass::DEFAULT`]. Each class has day files and rollups of its own, so that what is too old is removed file
//! by file. Which host is of which class is told by [`Store::set_classes`] and not stored: it decides where a day of a
//! host begins to be written, and what of that day comes later goes where its beginning is. So a change holds from the
//! next UTC day on, a day of a host lies in one file, and what was written before stays in the files of the old class
//! until those are removed.
//!
//! A class that has files and is no longer declared keeps them until it is declared again or space runs out: nobody said
//! how long they were meant to be kept.

use crate::{blocks::DAY_MS, config::StoreConfig, rollups::Tier, store::Store};
use std::{
    cmp::Ordering,
    collections::HashMap,
    fmt,
    ops::Range,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tocsin_vocabulary::{HostId, Timestamp};

/// Longest name of a class: it becomes part of file names.
pub const CLASS_NAME_MAX: usize = 32;

/// The name of a retention class: 1 to [`CLASS_NAME_MAX`] of `a`–`z`, `0`–`9` and `-`. The default class sorts first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetentionClass {
    /// Padded with zeros.
    name: [u8; CLASS_NAME_MAX],
}

/// A text is no name of a retention class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` names no retention class: 1 to {CLASS_NAME_MAX} small letters, digits and dashes")]
pub struct ClassNameError {
    /// The text.
    pub name: String,
}

impl RetentionClass {
    /// The class of all hosts that belong to no other.
    pub const DEFAULT: Self = {
        let mut name = [0; CLASS_NAME_MAX];
        let text = *b"default";
        let mut at = 0;
        while at < text.len() {
            name[at] = text[at];
            at += 1;
        }
        Self { name }
    };

    /// Whether it is [`Self::DEFAULT`].
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::DEFAULT
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.name.iter().position(|byte| *byte == 0).unwrap_or(CLASS_NAME_MAX);
        std::str::from_utf8(&self.name[..length]).unwrap_or_default()
    }
}

impl Default for RetentionClass {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for RetentionClass {
    type Err = ClassNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > CLASS_NAME_MAX || !text.bytes().all(allowed) {
            return Err(ClassNameError { name: text.to_owned() });
        }
        let mut name = [0; CLASS_NAME_MAX];
        name[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { name })
    }
}

impl Ord for RetentionClass {
    fn cmp(&self, other: &Self) -> Ordering {
        (!self.is_default(), self.name).cmp(&(!other.is_default(), other.name))
    }
}

impl PartialOrd for RetentionClass {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RetentionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RetentionClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetentionClass").field(&self.as_str()).finish()
    }
}

/// How long a class keeps what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Samples.
    pub raw: Duration,
    /// Rollups of five minutes.
    pub rollup_5m: Duration,
    /// Rollups of an hour.
    pub rollup_1h: Duration,
}

impl Retention {
    /// How long rollups of a tier are kept.
    pub(crate) const fn of(&self, tier: Tier) -> Duration {
        match tier {
            Tier::Minutes => self.rollup_5m,
            Tier::Hour => self.rollup_1h,
        }
    }
}

impl StoreConfig {
    /// How long a class keeps what; `None` when nobody declared it.
    #[must_use]
    pub fn retention_of(&self, class: RetentionClass) -> Option<Retention> {
        if !class.is_default() {
            return self.classes.get(&class).copied();
        }
        Some(Retention {
            raw: self.retention,
            rollup_5m: self.retention_5m,
            rollup_1h: self.retention_1h,
        })
    }
}

/// What one class has on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSize {
    /// Which.
    pub class: RetentionClass,
    /// Size of its blocks.
    pub block_bytes: u64,
    /// Size of its rollups.
    pub rollup_bytes: u64,
    /// Start of the oldest day of which it has samples.
    pub oldest_raw_day: Option<Timestamp>,
    /// Start of the oldest day of which it has samples or rollups.
    pub oldest_day: Option<Timestamp>,
    /// Whether it has keeping times. Without, its files stay until space runs out.
    pub declared: bool,
}

/// A UTC day of a class: what a day file stands for. Sorted by day, the default class first within a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClassDay {
    /// Its start, epoch milliseconds.
    pub(crate) day: i64,
    pub(crate) class: RetentionClass,
}

impl ClassDay {
    /// A day of the default class, which is the first of that day.
    pub(crate) const fn first(day: i64) -> Self {
        Self {
            day,
            class: RetentionClass::DEFAULT,
        }
    }

    /// All classes of a day.
    pub(crate) const fn of(day: i64) -> Range<Self> {
        Self::first(day)..Self::first(day.saturating_add(DAY_MS))
    }

    /// `2026-11-22`, or `2026-11-22.bank` for another class than the default one: how names of files begin.
    pub(crate) fn stem(self) -> String {
        let date: String = Timestamp::from_millis(self.day).to_string().chars().take(10).collect();
        if self.class.is_default() {
            date
        } else {
            format!("{date}.{}", self.class)
        }
    }

    /// What a [`Self::stem`] stands for.
    pub(crate) fn parse(stem: &str) -> Option<Self> {
        let (date, class) = match stem.split_once('.') {
            // Its files bear no class: there must not be two names for one thing.
            Some((date, class)) => (
                date,
                class
                    .parse()
                    .ok()
                    .filter(|class: &RetentionClass| !class.is_default())?,
            ),
            None => (stem, RetentionClass::DEFAULT),
        };
        if date.len() != 10 {
            return None;
        }
        let day: Timestamp = format!("{date}T00:00:00Z").parse().ok()?;
        Some(Self {
            day: day.as_millis(),
            class,
        })
    }
}

impl fmt::Display for ClassDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stem())
    }
}

/// The classes of hosts at one moment; a host that is not in it is of the default class.
pub(crate) type ClassOf = Arc<HashMap<HostId, RetentionClass>>;

/// Which host is of which class.
#[derive(Debug, Default)]
pub(crate) struct Classes(RwLock<ClassOf>);

impl Classes {
    /// As of now.
    pub(crate) fn now(&self) -> ClassOf {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store {
    /// Says which hosts belong to which class, from the next day of each on; all others are of the default class. To be
    /// told after each start, before [`Store::maintain`], and whenever it changes. A class that is not declared in
    /// [`StoreConfig::classes`] counts as the default one.
    pub fn set_classes(&self, mut classes: HashMap<HostId, RetentionClass>) {
        let shared = self.shared();
        classes.retain(|_, class| shared.config.classes.contains_key(class));
        *shared.classes.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(classes);
    }

    /// The class of which new days of a host are.
    #[must_use]
    pub fn class_of(&self, host: HostId) -> RetentionClass {
        self.shared().classes.now().get(&host).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_classes_can_be_names_of_files_and_nothing_else_is_one() {
        for good in ["default", "a", "7-years", "-", "abcdefghijklmnopqrstuvwxyz-01234"] {
            let class: RetentionClass = good.parse().unwrap();
            assert_eq!((class.as_str(), class.is_default()), (good, good == "default"));
        }
        for bad in [
            "",
            "A",
            "a.b",
            "a/b",
            "..",
            "ä",
            "a b",
            "a\0",
            "abcdefghijklmnopqrstuvwxyz-012345",
        ] {
            assert!(
                bad.parse::<RetentionClass>()
                    .unwrap_err()
                    .to_string()
                    .contains("small letters"),
                "{bad}"
            );
        }
    }

    #[test]
    fn within_a_day_the_default_class_comes_first() {
        let of = |day: i64, class: &str| ClassDay {
            day: day * DAY_MS,
            class: class.parse().unwrap(),
        };
        let sorted = [
            of(1, "default"),
            of(1, "a"),
            of(1, "zebra"),
            of(2, "default"),
            of(2, "-"),
        ];
        let mut shuffled = [sorted[4], sorted[2], sorted[0], sorted[3], sorted[1]];
        shuffled.sort_unstable();
        assert_eq!(shuffled, sorted);
    }

    proptest! {
        #[test]
        fn stems_read_back(day in 0_i64..40_000, class in "[a-z0-9-]{1,32}") {
            let day = ClassDay { day: day * DAY_MS, class: class.parse().unwrap() };
            prop_assert_eq!(ClassDay::parse(&day.stem()), Some(day));
        }
    }

    #[test]
    fn there_is_one_name_for_one_thing() {
        let day = ClassDay::first(20_414 * DAY_MS);
        assert_eq!(day.stem(), "2025-11-22");
        for bad in [
            "2025-11-22.default",
            "2025-11-22.",
            "2025-11-22.A",
            "2025-11-22.a.b",
            "2025-11-2",
            "x",
        ] {
            assert_eq!(ClassDay::parse(bad), None, "{bad}");
        }
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            if let Some(day) = ClassDay::parse(&text) {
                assert_eq!(ClassDay::parse(&day.stem()), Some(day));
            }
        });
    }
}
