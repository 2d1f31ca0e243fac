//! The texts of series, each kept once however many series of however many hosts bear it.
//!
//! Names, units and attribute keys are the same few hundred on every host, and most attribute values (`sda`, `/var`,
//! `read`) are too. [`Label`] is such a text: one word wide, cheaply cloned, shared through a table of the process.
//!
//! The texts come from agents, so the table must not outgrow what is in use: only texts up to
//! [`SHARED_BYTES_MAX`] enter it, and after as many look-ups as it had texts it forgets those that nobody else holds.
//! So it never has more than twice the texts that were in use at the last look back, and a small constant.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// Longest text that is looked up in the table, in bytes; longer ones are rarely met twice and stay on their own.
pub const SHARED_BYTES_MAX: usize = 64;

/// Parts of the table, each with a lock of its own, so that readers of sections seldom wait for each other.
const SHARDS: usize = 16;
/// Look-ups in one shard before it first looks for texts to forget.
const LOOKUPS_MIN: usize = 64;

static TABLE: LazyLock<[Mutex<Shard>; SHARDS]> = LazyLock::new(Default::default);

/// A name, unit, attribute key or attribute value. Equals, orders, hashes, prints and serializes as its text.
// The box inside makes the label one word wide; shared texts pay the second allocation once, series would pay the
// second word for each of their texts.
#[derive(Clone)]
pub struct Label(Arc<Box<str>>);

impl Label {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the very same allocation.
    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One part of the table.
#[derive(Debug)]
struct Shard {
    texts: HashSet<Label>,
    /// Look-ups until texts are forgotten again.
    left: usize,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            texts: HashSet::new(),
            left: LOOKUPS_MIN,
        }
    }
}

impl Shard {
    /// The label of this text: the known one where there is one.
    fn label(&mut self, text: &str) -> Label {
        if self.left == 0 {
            self.forget();
        }
        self.left -= 1;
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let label = Label(Arc::new(text.into()));
        self.texts.insert(label.clone());
        label
    }

    /// Drops the texts that only this table holds. Nobody can take one up meanwhile: that needs this shard's lock.
    fn forget(&mut self) {
        self.texts.retain(|label| Arc::strong_count(&label.0) > 1);
        self.left = self.texts.len().max(LOOKUPS_MIN);
        if self.texts.capacity() / 4 > self.left {
            self.texts.shrink_to(self.left * 2);
        }
    }
}

/// The shard of a text: by cheap marks that differ between `sda` and `sdb`; a bad spread costs waiting alone.
fn shard(text: &str) -> &'static Mutex<Shard> {
    let bytes = text.as_bytes();
    let ends = bytes.last().copied().unwrap_or_default() ^ bytes.get(bytes.len() / 2).copied().unwrap_or_default();
    &TABLE[(usize::from(ends) ^ bytes.len()) % SHARDS]
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        if text.len() > SHARED_BYTES_MAX {
            return Self(Arc::new(text.into()));
        }
        shard(text).lock().unwrap_or_else(PoisonError::into_inner).label(text)
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Label {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.as_str().to_owned()
    }
}

impl From<&Label> for String {
    fn from(label: &Label) -> Self {
        label.as_str().to_owned()
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for Label {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Label {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.as_str() == other.as_str()
    }
}

impl Eq for Label {}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.same(other) {
            return Ordering::Equal;
        }
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Label {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Label {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Label {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Label> for str {
    fn eq(&self, other: &Label) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Label> for &str {
    fn eq(&self, other: &Label) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Label> for String {
    fn eq(&self, other: &Label) -> bool {
        self == other.as_str()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::BuildHasher;

    proptest! {
        #[test]
        fn equal_texts_share_one_allocation_up_to_the_limit(text in ".{0,40}") {
            let (one, two) = (Label::from(text.as_str()), Label::from(text.clone()));
            prop_assert_eq!(&one, &two);
            prop_assert_eq!(one.same(&two), text.len() <= SHARED_BYTES_MAX);
            prop_assert_eq!(one.as_str(), text);
        }

        #[test]
        fn labels_compare_and_hash_as_their_texts(one in "[ab]{0,70}", two in "[ab]{0,70}") {
            let (first, second) = (Label::from(one.as_str()), Label::from(two.as_str()));
            prop_assert_eq!(first.cmp(&second), one.cmp(&two));
            prop_assert_eq!(first == second, one == two);
            prop_assert_eq!(first == two, one == second);
            let state = std::hash::RandomState::new();
            prop_assert_eq!(state.hash_one(&first), state.hash_one(one.as_str()));
        }

        #[test]
        fn a_shard_has_at_most_twice_the_texts_in_use(kept in 0_usize..200, passing in 0_usize..2_000) {
            let mut shard = Shard::default();
            let held: Vec<Label> = (0..kept).map(|at| shard.label(&format!("kept {at}"))).collect();
            for at in 0..passing {
                shard.label(&format!("passing {at}"));
                prop_assert!(shard.texts.len() <= 2 * kept.max(LOOKUPS_MIN), "{}", shard.texts.len());
            }
            for label in &held {
                prop_assert!(shard.label(label).same(label));
            }
        }
    }

    #[test]
    fn a_shard_shrinks_when_its_texts_go() {
        let mut shard = Shard::default();
        let held: Vec<Label> = (0..10_000).map(|at| shard.label(&format!("text {at}"))).collect();
        let before = shard.texts.capacity();
        drop(held);
        for _ in 0..before {
            shard.label("the only one");
        }
        assert!(shard.texts.len() <= LOOKUPS_MIN, "{}", shard.texts.len());
        assert!(
            shard.texts.capacity() * 8 < before,
            "{} of {before}",
            shard.texts.capacity()
        );
    }

    #[test]
    fn a_label_is_one_word_wide() {
        assert_eq!(size_of::<Label>(), size_of::<usize>());
    }
}
