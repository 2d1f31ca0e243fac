//! Conditions on events: what happened, how often, and what ends it.

use crate::glob::Patterns;
use std::time::Duration;

/// The longest program that a pattern for a body may become, in bytes: what a person writes takes a hundredth of it.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A regular expression for the body of an event. Matching takes time linear in the body.
#[derive(Debug, Clone)]
pub struct Body(regex::Regex);

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Body {
    pub(crate) fn new(pattern: &str) -> Result<Self, regex::Error> {
        let built = regex::RegexBuilder::new(pattern).size_limit(BODY_BYTES_MAX).build();
        built.map(Self)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Something that happened on a host.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The host's own number for it: the same number again is the same event again.
    pub number: u64,
    /// What it is, such as `process.exited`.
    pub name: &'a str,
    /// What it is about.
    pub attributes: &'a [(&'a str, &'a str)],
    /// What the host says of it.
    pub body: &'a str,
    /// When it happened, by the host's clock.
    pub time: tocsin_vocabulary::Timestamp,
}

impl<'a> Event<'a> {
    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }
}

/// Which events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPattern {
    /// Their names.
    pub names: Patterns,
    /// Attributes and patterns. An attribute that an event lacks counts as empty.
    pub filters: Vec<(String, Patterns)>,
    /// What their body must contain.
    pub body: Option<Body>,
}

impl EventPattern {
    /// Whether an event is one of them.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        let fits = |(key, patterns): &(String, Patterns)| patterns.matches(event.attribute(key).unwrap_or(""));
        self.names.matches(event.name)
            && self.filters.iter().all(fits)
            && self.body.as_ref().is_none_or(|body| body.0.is_match(event.body))
    }
}

/// A condition on events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventCondition {
    /// Which events.
    pub pattern: EventPattern,
    /// How many of them; at least one.
    pub count: u32,
    /// In how much time.
    pub within: Duration,
    /// The attributes whose values make an instance.
    pub by: Vec<String>,
    /// The event that ends it.
    pub cleared_by: Option<EventPattern>,
    /// It ends when none came for this long.
    pub clear_after: Option<Duration>,
}
