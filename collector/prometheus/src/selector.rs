//! A series selector as it stands in `match[]=`: `name{label="value",other=~"pattern"}`.
//!
//! Strings are quoted by `"` or `'` with Go's escapes, or by `` ` `` with none. At least one condition must not fit the empty
//! value, as Prometheus has it, so that nobody asks for everything by mistake.

use crate::{
    matchers::{MATCHERS_MAX, Matcher, MatcherError},
    wire::MatcherType,
};
use tocsin_vocabulary::prometheus::NAME_LABEL;

/// Longest selector, in bytes.
const SELECTOR_BYTES_MAX: usize = 4_096;

/// Text that is not a selector.
#[derive(Debug, thiserror::Error)]
pub enum SelectorError {
    /// It breaks the grammar.
    #[error("selector can't be read at byte {at}: expected {expected}, such as name{{label=\"value\"}}")]
    Syntax {
        /// Where.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A condition that can't be used.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// It would match everything.
    #[error("selector matches everything; name a metric, or a label with a value")]
    Everything,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Steps over `token` and space before it.
    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    const fn expected<T>(&self, expected: &'static str) -> Result<T, SelectorError> {
        Err(SelectorError::Syntax { at: self.at, expected })
    }

    fn word(&mut self, colons: bool) -> &'a str {
        self.space();
        let rest = self.rest();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
        let end = rest.find(|c| !good(c)).unwrap_or(rest.len());
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        self.at += end;
        &rest[..end]
    }

    fn operator(&mut self) -> Result<MatcherType, SelectorError> {
        let operators = [
            ("=~", MatcherType::Re),
            ("!~", MatcherType::Nre),
            ("!=", MatcherType::Neq),
            ("=", MatcherType::Eq),
        ];
        let found = operators.into_iter().find(|(token, _)| self.take(token));
        found.map_or_else(|| self.expected("=, !=, =~ or !~"), |(_, kind)| Ok(kind))
    }

    fn string(&mut self) -> Result<String, SelectorError> {
        self.space();
        let Some(quote) = self.rest().chars().next().filter(|c| ['"', '\'', '`'].contains(c)) else {
            return self.expected("a quoted value");
        };
        self.at += 1;
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return self.expected("the end of the quoted value");
            };
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(value),
                '\\' if quote != '`' => value.push(self.escape(quote)?),
                c => value.push(c),
            }
        }
    }

    /// What stands after a backslash: Go's escapes but those of single bytes, which no label holds.
    fn escape(&mut self, quote: char) -> Result<char, SelectorError> {
        let Some(c) = self.rest().chars().next() else {
            return self.expected("an escaped character");
        };
        self.at += c.len_utf8();
        let digits = match c {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' => return Ok('\\'),
            c if c == quote => return Ok(c),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return self.expected("a known escape"),
        };
        let code = self
            .rest()
            .get(..digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let Some(c) = code.and_then(char::from_u32) else {
            return self.expected("hexadecimal digits of a character");
        };
        self.at += digits;
        Ok(c)
    }
}

/// The conditions of a selector.
///
/// # Errors
/// When it is not one, or would match everything.
pub fn parse(text: &str) -> Result<Vec<Matcher>, SelectorError> {
    let mut parser = Parser { text, at: 0 };
    if text.len() > SELECTOR_BYTES_MAX {
        return parser.expected("at most 4096 bytes");
    }
    let mut matchers = Vec::new();
    let name = parser.word(true);
    if !name.is_empty() {
        matchers.push(Matcher::new(MatcherType::Eq, NAME_LABEL, name)?);
    }
    if parser.take("{") {
        while !parser.take("}") {
            let label = parser.word(false);
            if label.is_empty() {
                return parser.expected("a label or }");
            }
            let kind = parser.operator()?;
            let value = parser.string()?;
            matchers.push(Matcher::new(kind, label, &value)?);
            if matchers.len() > MATCHERS_MAX {
                return Err(MatcherError::Count(matchers.len()).into());
            }
            if !parser.take(",") {
                if parser.take("}") {
                    break;
                }
                return parser.expected(", or }");
            }
        }
    }
    parser.space();
    if !parser.rest().is_empty() {
        return parser.expected("the end");
    }
    if matchers.iter().all(|matcher| matcher.fits("")) {
        return Err(SelectorError::Everything);
    }
    Ok(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(text: &str, labels: &[(&str, &str)]) -> bool {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        parse(text).unwrap().iter().all(|matcher| matcher.fits_labels(&labels))
    }

    #[test]
    fn selectors_mean_what_they_mean_in_prometheus() {
        let labels = [
            ("__name__", "up"),
            ("job", "a\"b\n"),
            ("host", "db1"),
            ("site", "\u{4e2d}"),
        ];
        for good in [
            "up",
            " up { } ",
            "up{host=\"db1\"}",
            "{__name__=~'u.',host!=`x`,}",
            "up{job=\"a\\\"b\\n\"}",
            "up{job='a\"b\\n'}",
            "{host=~\"db[0-9]\\x2b\"}",
            "up{site='\\u4e2d'}",
            "up{none=\"\"}",
        ] {
            assert!(fits(good, &labels), "{good}");
        }
        for other in ["down", "up{host=\"\"}", "up{host=~\"db\"}", "up{job=`a\\\"b`}"] {
            assert!(!fits(other, &labels), "{other}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, at) in [
            ("up{", 3),
            ("up{a}", 4),
            ("up{a=b}", 5),
            ("up{a=\"b\"", 8),
            ("up x", 3),
            ("up{a=\"\\q\"}", 8),
            ("up{a=\"b", 7),
            ("1", 0),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, SelectorError::Syntax { at: found, .. } if found == at),
                "{text}: {error}"
            );
        }
        for everything in ["", "{}", "{a=~\".*\"}", "{a!=\"b\"}"] {
            assert!(
                matches!(parse(everything), Err(SelectorError::Everything)),
                "{everything}"
            );
        }
    }

    #[test]
    fn any_text_is_a_selector_or_an_error() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let _ = parse(&String::from_utf8_lossy(bytes));
        });
    }
}
