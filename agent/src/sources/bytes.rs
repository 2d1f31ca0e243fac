//! The small parts that all parsers of `/proc` and `/sys` are made of: lines, fields and numbers out of bytes.
//!
//! Names on a host are bytes, not text, and a number may be anything; so nothing here assumes UTF-8 and nothing panics.

use tocsin_vocabulary::series::TEXT_BYTES_MAX;

/// The lines of a file, without their newline. A last line without a newline counts.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The fields of a line, separated by any number of spaces and tabs.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\n'))
        .filter(|field| !field.is_empty())
}

/// The bytes without white space at either end.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// A whole number of digits alone; `None` when there is anything else, nothing, or more than 64 bits.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A decimal number times 10^`decimals`, further digits cut off: `12.345` with 2 decimals is 1234.
pub(crate) fn decimal(text: &[u8], decimals: usize) -> Option<u64> {
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let mut value = number(whole)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    for place in 0..decimals {
        let digit = fraction.get(place).map_or(0, |digit| digit - b'0');
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Text for people out of bytes of a host: invalid UTF-8 replaced, cut at what an attribute may hold.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    cut(&mut text, TEXT_BYTES_MAX);
    text
}

/// Cuts `text` to at most `bytes_max` bytes, never inside a character.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

/// Whether `name` fits `pattern`, in which each `*` stands for any bytes, `/` included.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, mut pattern)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(head) else {
        return false;
    };
    while let Some((part, after)) = pattern.split_once('*') {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        pattern = after;
    }
    rest.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back_up_to_64_bits(value: u64) {
            prop_assert_eq!(number(value.to_string().as_bytes()), Some(value));
        }

        #[test]
        fn decimals_are_scaled(whole in 0..1_000_000_u64, cents in 0..100_u64) {
            let text = format!("{whole}.{cents:02}");
            prop_assert_eq!(decimal(text.as_bytes(), 2), Some(whole * 100 + cents));
            prop_assert_eq!(decimal(text.as_bytes(), 0), Some(whole));
            prop_assert_eq!(decimal(text.as_bytes(), 3), Some((whole * 100 + cents) * 10));
        }
    }

    #[test]
    fn what_is_not_a_number_is_none() {
        for text in ["", "-1", "1x", " 1", "18446744073709551616", "1.5"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
        for text in ["", ".", ".5", "1.x", "-0.1", "nan"] {
            assert_eq!(decimal(text.as_bytes(), 2), None, "{text}");
        }
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn names_of_a_host_become_bounded_text() {
        assert_eq!(text(b"a\xFFb"), "a\u{FFFD}b");
        let long = "警".repeat(1_000);
        let cut = text(long.as_bytes());
        assert!(cut.len() <= TEXT_BYTES_MAX && cut.len() > TEXT_BYTES_MAX - 3);
    }

    #[test]
    fn patterns_fit_with_stars_anywhere() {
        for (pattern, name, expected) in [
            ("lo", "lo", true),
            ("lo", "loop0", false),
            ("veth*", "veth12ab", true),
            ("*.mount", "a.mount", true),
            ("/var/lib/docker/*", "/var/lib/docker/overlay2/x/merged", true),
            ("/var/*/pods/*", "/var/lib/kubelet/pods/1", true),
            ("/var/*/pods/*", "/var/lib/pods", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn any_bytes_are_a_number_or_none() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let _ = (number(bytes), decimal(bytes, 9), text(bytes));
            lines(bytes)
                .flat_map(fields)
                .for_each(|field| assert!(!field.is_empty()));
        }));
    }
}
