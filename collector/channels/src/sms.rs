//! What fits into an SMS: texts counted in UCS-2, parts that split no character.
//!
//! A single message has 140 bytes: 70 UTF-16 units. A longer text becomes parts of 134 bytes, 67 units, each behind a user
//! data header `05 00 03 reference total number` (3GPP TS 23.040, 9.2.3.24.1). A surrogate pair is never split.

use crate::config::Common;
use tocsin_desk::model::Person;

/// UTF-16 units of a message in one part.
pub const SINGLE_UNITS: usize = 70;
/// UTF-16 units of each part of a longer one.
pub const PART_UNITS: usize = 67;
/// Parts of one message at most: a page is no letter, and every part costs.
pub const PARTS_MAX: usize = 8;

/// UTF-16 units of a text.
#[must_use]
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The parts of a text, each as UTF-16 units; at least one. What would need more than [`PARTS_MAX`] is cut.
#[must_use]
pub fn parts(text: &str) -> Vec<Vec<u16>> {
    let all: Vec<u16> = text.encode_utf16().collect();
    if all.len() <= SINGLE_UNITS {
        return vec![all];
    }
    let mut parts = Vec::new();
    let mut rest = all.as_slice();
    while !rest.is_empty() && parts.len() < PARTS_MAX {
        let mut end = rest.len().min(PART_UNITS);
        // A high surrogate belongs to the unit after it.
        if end < rest.len() && (0xD800..0xDC00).contains(&rest[end - 1]) {
            end -= 1;
        }
        parts.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    parts
}

/// UTF-16BE, as `data_coding` 8 and CMPP's format 8 have it.
#[must_use]
pub fn utf16_be(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_be_bytes()).collect()
}

/// Text from UTF-16BE; what is no character becomes U+FFFD.
#[must_use]
pub fn from_utf16_be(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}

/// The header of one part; none for a message in one part.
#[must_use]
pub fn header(reference: u8, total: usize, number: usize) -> Vec<u8> {
    if total <= 1 {
        return Vec::new();
    }
    let byte = |n: usize| u8::try_from(n).unwrap_or(u8::MAX);
    vec![5, 0, 3, reference, byte(total), byte(number)]
}

/// `text` cut to so many UTF-16 units, with `…` where something is missing.
#[must_use]
pub fn cut(text: &str, units_max: usize) -> String {
    if units(text) <= units_max {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut left = units_max.saturating_sub(1);
    for c in text.chars() {
        if c.len_utf16() > left {
            break;
        }
        left -= c.len_utf16();
        cut.push(c);
    }
    if units_max > 0 {
        cut.push('…');
    }
    cut
}

/// The digits of a person's phone number, with a `+` where it has one.
pub(crate) fn number(person: &Person) -> Result<String, String> {
    let number: String = person
        .phone
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')'))
        .collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if digits.is_empty() {
        let name = crate::wording::one_line(&person.name);
        return Err(format!(
            "{name} has no phone number: set one with `tocsin-collector user contact {} --phone NUMBER`",
            person.login
        ));
    }
    if digits.len() < 3 || digits.len() > 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let phone = crate::wording::one_line(&person.phone);
        return Err(format!(
            "`{phone}` is no phone number: use digits, with + and country code if needed"
        ));
    }
    Ok(number)
}

/// Whether two ways of writing a number mean one phone: the shorter one, at least 7 digits, ends the longer one.
#[must_use]
pub fn same_phone(one: &str, other: &str) -> bool {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (one, other) = (digits(one), digits(other));
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    short.len() >= 7 && long.ends_with(&short) || !short.is_empty() && short == long
}

/// Whether a channel's texts have the link; SMS has none unless it is asked for: operators block links, and private
/// addresses do not open on a mobile network.
pub(crate) fn has_link(common: &Common, is_sms: bool) -> bool {
    common.link.unwrap_or(!is_sms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_make_the_text_again_and_split_no_character(text in "\\PC{0,400}") {
            let parts = parts(&text);
            let limit = if parts.len() == 1 { SINGLE_UNITS } else { PART_UNITS };
            for part in &parts {
                prop_assert!(part.len() <= limit);
                prop_assert!(String::from_utf16(part).is_ok());
            }
            let whole: Vec<u16> = parts.concat();
            if units(&text) <= PARTS_MAX * (PART_UNITS - 1) {
                prop_assert_eq!(String::from_utf16(&whole).unwrap(), text);
            }
        }

        #[test]
        fn what_is_cut_fits_and_begins_the_same(text in "\\PC{0,120}", room in 0usize..100) {
            let short = cut(&text, room);
            prop_assert!(units(&short) <= room);
            prop_assert!(text.starts_with(short.trim_end_matches('…')) || short.is_empty());
        }

        #[test]
        fn utf_16_reads_back(text in "\\PC{0,100}") {
            let units: Vec<u16> = text.encode_utf16().collect();
            prop_assert_eq!(from_utf16_be(&utf16_be(&units)), text);
        }
    }

    #[test]
    fn seventy_characters_are_one_message_and_seventy_one_are_two() {
        assert_eq!(parts(&"工".repeat(70)).len(), 1);
        let two = parts(&"工".repeat(71));
        assert_eq!(two.iter().map(Vec::len).collect::<Vec<_>>(), [67, 4]);
        // The pair at 67 and 68 moves into the second part as a whole.
        let pair = parts(&format!("{}😀{}", "工".repeat(66), "工".repeat(10)));
        assert_eq!(pair.iter().map(Vec::len).collect::<Vec<_>>(), [66, 12]);
        assert_eq!(header(7, 2, 1), [5, 0, 3, 7, 2, 1]);
        assert!(header(7, 1, 1).is_empty());
    }

    #[test]
    fn one_phone_is_written_in_many_ways() {
        assert!(same_phone("+8613800000001", "13800000001"));
        assert!(same_phone("8613800000001", "+86 138-0000-0001"));
        assert!(!same_phone("13800000001", "13800000002"));
        assert!(!same_phone("", "13800000001"));
        assert!(!same_phone("001", "13800000001"));
        assert!(same_phone("10086", "10086"));
    }
}
