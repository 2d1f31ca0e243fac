//! Conditions on labels: `=`, `!=`, `=~`, `!~`, with Prometheus' meaning. A missing label counts as an empty one, and a
//! pattern must fit the whole value.

use crate::wire::{LabelMatcher, MatcherType};
use regex::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4_096;
/// Most memory of one compiled pattern, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;
/// Most conditions of one question.
pub(crate) const MATCHERS_MAX: usize = 64;

/// A condition that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MatcherError {
    /// Not one of the four.
    #[error("matcher type {0} is not known: use =, !=, =~ or !~")]
    Type(i32),
    /// Too many.
    #[error("{0} matchers are too many, the limit is 64")]
    Count(usize),
    /// Not a pattern, or too large a one.
    #[error("the pattern for label `{label}` can't be used: {reason}")]
    Pattern {
        /// Of which label.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Debug, Clone)]
enum Test {
    Equal(String),
    Pattern(Regex),
}

/// One condition.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    test: Test,
    negated: bool,
}

impl Matcher {
    /// A condition on label `name`.
    ///
    /// # Errors
    /// When `value` is not a usable pattern.
    pub fn new(kind: MatcherType, name: &str, value: &str) -> Result<Self, MatcherError> {
        let test = match kind {
            MatcherType::Eq | MatcherType::Neq => Test::Equal(value.to_owned()),
            MatcherType::Re | MatcherType::Nre => Test::Pattern(pattern(name, value)?),
        };
        Ok(Self {
            name: name.to_owned(),
            test,
            negated: matches!(kind, MatcherType::Neq | MatcherType::Nre),
        })
    }

    /// Which label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a label's value fits; that of a missing label is empty.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        let fits = match &self.test {
            Test::Equal(wanted) => wanted == value,
            Test::Pattern(pattern) => pattern.is_match(value),
        };
        fits != self.negated
    }

    /// Whether the labels fit, sorted or not.
    #[must_use]
    pub fn fits_labels(&self, labels: &[(String, String)]) -> bool {
        let value = labels.iter().find(|(name, _)| *name == self.name);
        self.fits(value.map_or("", |(_, value)| value))
    }
}

/// The conditions of a remote-read question.
///
/// # Errors
/// When there are too many or one can't be used.
pub fn from_wire(matchers: &[LabelMatcher]) -> Result<Vec<Matcher>, MatcherError> {
    if matchers.len() > MATCHERS_MAX {
        return Err(MatcherError::Count(matchers.len()));
    }
    let one = |matcher: &LabelMatcher| {
        let kind = MatcherType::try_from(matcher.r#type).map_err(|_| MatcherError::Type(matcher.r#type))?;
        Matcher::new(kind, &matcher.name, &matcher.value)
    };
    matchers.iter().map(one).collect()
}

fn pattern(label: &str, text: &str) -> Result<Regex, MatcherError> {
    let failed = |reason: String| MatcherError::Pattern {
        label: label.chars().take(64).collect(),
        reason,
    };
    if text.len() > PATTERN_BYTES_MAX {
        return Err(failed(format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    // By itself first, so that `a)|(b` does not slip out of the group.
    let build = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).build();
    build(text)
        .and_then(|_| build(&format!("^(?:{text})$")))
        .map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(kind: MatcherType, wanted: &str, value: &str) -> bool {
        Matcher::new(kind, "l", wanted).unwrap().fits(value)
    }

    #[test]
    fn patterns_fit_whole_values_and_missing_labels_are_empty() {
        use MatcherType::{Eq, Neq, Nre, Re};
        assert!(fits(Eq, "a", "a") && !fits(Eq, "a", "ab") && fits(Neq, "a", "ab"));
        assert!(fits(Re, "a|b", "b") && !fits(Re, "a|b", "ab") && fits(Re, "a.*", "ab"));
        assert!(fits(Nre, "a.+", "a") && !fits(Nre, "a.+", "ab"));
        assert!(!fits(Re, "a.b", "a\nb"), "a dot is no line end, as in Prometheus");
        let missing = |kind, wanted: &str| {
            Matcher::new(kind, "l", wanted)
                .unwrap()
                .fits_labels(&[("m".into(), "x".into())])
        };
        assert!(missing(Eq, "") && missing(Neq, "x") && missing(Re, ".*") && !missing(Re, ".+") && missing(Nre, ".+"));
    }

    #[test]
    fn a_pattern_that_is_none_or_too_much_is_refused_with_its_label() {
        for text in ["(", "a)|(b", "(?:a{1000}){1000}"] {
            let error = Matcher::new(MatcherType::Re, "job", text).unwrap_err().to_string();
            assert!(error.contains("label `job`"), "{error}");
        }
        assert!(Matcher::new(MatcherType::Re, "job", &"a".repeat(5_000)).is_err());
        let strange = LabelMatcher {
            r#type: 9,
            name: "a".into(),
            value: String::new(),
        };
        assert!(from_wire(std::slice::from_ref(&strange)).is_err());
        assert!(from_wire(&vec![LabelMatcher { r#type: 0, ..strange }; 65]).is_err());
    }

    proptest! {
        #[test]
        fn a_negated_condition_is_the_opposite(wanted in "[a-c.*+|]{0,5}", value in "[a-d]{0,4}") {
            prop_assert_ne!(fits(MatcherType::Eq, &wanted, &value), fits(MatcherType::Neq, &wanted, &value));
            let pair = (Matcher::new(MatcherType::Re, "l", &wanted), Matcher::new(MatcherType::Nre, "l", &wanted));
            if let (Ok(re), Ok(nre)) = pair {
                prop_assert_ne!(re.fits(&value), nre.fits(&value));
            }
        }
    }
}
