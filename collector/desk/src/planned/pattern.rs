//! Patterns of names: `*` stands for any characters, `?` for one.

/// Whether `text` is what `pattern` describes. Takes time linear in both for each star.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last star stands, and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((stands, reaches)) => {
                    star = Some((stands, reaches + 1));
                    at = stands + 1;
                    read = reaches + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&left| left == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, text, expected) in [
            ("disk-*", "disk-full", true),
            ("disk-*", "disk", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*mount=/data*", "device=sda1,mount=/data/db", true),
            ("web-?", "web-1", true),
            ("web-?", "web-12", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("\u{78c1}*", "\u{78c1}\u{76d8}", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
