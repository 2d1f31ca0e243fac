//! What people answer by SMS: `接1042 07` or `1042 07` accepts ticket 1042 as whoever has staff number 07.
//!
//! Phones on duty are shared, so the number of a phone proves nobody, and a bare `1` or a bare ticket number is refused.

/// An answer that can be acted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The ticket's number.
    pub ticket: u64,
    /// The staff number of who accepts.
    pub staff: String,
}

/// Longest answer that is looked at, in characters.
const TEXT_CHARS_MAX: usize = 40;
/// Longest staff number, in characters.
const STAFF_CHARS_MAX: usize = 16;

/// Reads an answer; none when it accepts nothing or proves nobody.
#[must_use]
pub fn accept(text: &str) -> Option<Accept> {
    if text.chars().count() > TEXT_CHARS_MAX {
        return None;
    }
    // Phones write full-width digits and spaces.
    let plain: String = text
        .chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            '\u{3000}' | ',' | '+' | '#' | '\u{3001}' | '\u{3002}' => ' ',
            other => other,
        })
        .collect();
    let plain = plain.trim();
    let rest = ["接单", "接", "受理", "accept", "ack", "a"]
        .iter()
        .find_map(|word| {
            let head = plain.get(..word.len())?;
            let rest = plain.get(word.len()..)?;
            // A word of letters ends where the number begins.
            let ends = !rest.starts_with(|c: char| c.is_ascii_alphabetic());
            (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
        })
        .unwrap_or(plain);
    let mut words = rest
        .split(|c: char| c.is_whitespace() || matches!(c, '#' | ','))
        .filter(|word| !word.is_empty());
    let (ticket, staff) = (words.next()?, words.next()?);
    if words.next().is_some() || staff.len() > STAFF_CHARS_MAX || !staff.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    if !ticket.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ticket = ticket.parse().ok().filter(|ticket| *ticket > 0)?;
    Some(Accept {
        ticket,
        staff: staff.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_ticket_and_person() {
        for text in [
            "接1042 07",
            "1042 07",
            " 接 1042  07 ",
            "\u{63a5}\u{ff11}\u{ff10}\u{ff14}\u{ff12}\u{3000}\u{ff10}\u{ff17}",
            "接单#1042 07",
            "ACK 1042 07",
            "a1042,07",
            "接1042\u{ff0c}07",
        ] {
            let accepted = accept(text);
            let expected = Accept {
                ticket: 1_042,
                staff: "07".to_owned(),
            };
            assert_eq!(accepted, Some(expected), "{text}");
        }
    }

    #[test]
    fn what_proves_nobody_accepts_nothing() {
        for text in [
            "1",
            "1042",
            "接1042",
            "",
            "好的",
            "1042 07 x",
            "0 07",
            "-5 07",
            "1042 07;drop",
            "abc 07",
            "about 1042 07",
        ] {
            assert_eq!(accept(text), None, "{text}");
        }
    }

    #[test]
    fn any_text_is_an_answer_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Some(accepted) = accept(&String::from_utf8_lossy(bytes)) {
                assert!(accepted.ticket > 0 && !accepted.staff.is_empty());
            }
        });
    }
}
