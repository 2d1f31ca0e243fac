//! Patterns for names: `*` stands for anything, a leading `!` excludes.

/// One pattern with any number of `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<String>,
}

impl Glob {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self {
            parts: pattern.split('*').map(str::to_owned).collect(),
        }
    }

    /// Whether `text` as a whole fits. Linear in the text for each part: hostile names can't make it slow.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text
            .strip_prefix(first.as_str())
            .and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

impl std::fmt::Display for Glob {
    /// As it was written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("*"))
    }
}

/// Several patterns: one that includes must fit (if there is any), and none that excludes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

impl Patterns {
    /// Reads patterns; a leading `!` makes one exclude.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut read = Self::default();
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(pattern) => read.exclude.push(Glob::new(pattern)),
                None => read.include.push(Glob::new(pattern)),
            }
        }
        read
    }

    /// Whether there is no pattern, so that everything fits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Those of which one must fit.
    #[must_use]
    pub fn included(&self) -> &[Glob] {
        &self.include
    }

    /// Those of which none may fit.
    #[must_use]
    pub fn excluded(&self) -> &[Glob] {
        &self.exclude
    }

    /// Whether only one text fits.
    pub(crate) fn is_single(&self) -> bool {
        matches!(&self.include[..], [Glob { parts }] if parts.len() == 1) && self.exclude.is_empty()
    }

    /// Whether `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.matches_any(std::iter::once(text))
    }

    /// Whether one of `texts` is included (if anything must be), and none excluded.
    pub fn matches_any<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let mut included = self.include.is_empty();
        for text in texts {
            if self.exclude.iter().any(|glob| glob.matches(text)) {
                return false;
            }
            included = included || self.include.iter().any(|glob| glob.matches(text));
        }
        included
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, fits) in [
            ("/", "/", true),
            ("/", "/var", false),
            ("/*", "/var", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_is_shown_as_it_was_written() {
        for pattern in ["", "/", "a*b**c", "*"] {
            assert_eq!(Glob::new(pattern).to_string(), pattern);
        }
    }

    #[test]
    fn exclusion_wins() {
        let patterns = Patterns::new(["eth*", "!eth9"]);
        assert!(patterns.matches("eth0") && !patterns.matches("eth9") && !patterns.matches("lo"));
        let only_exclude = Patterns::new(["!lo"]);
        assert!(only_exclude.matches("eth0") && !only_exclude.matches("lo"));
        assert!(Patterns::default().matches("anything"));
        assert!(!Patterns::new(["web"]).matches_any([]));
    }
}
