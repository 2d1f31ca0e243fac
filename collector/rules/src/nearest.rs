//! The word that somebody who mistyped probably meant.

/// The candidate with the fewest edits from `word`, when that is close enough to be worth saying.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.chars().count() / 3 + 2;
    candidates
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance. Words longer than any of ours are not worth the time.
fn edits(a: &str, b: &str) -> usize {
    const CHARS_MAX: usize = 128;
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(CHARS_MAX).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_suggested_and_a_strange_one_is_not() {
        let words = ["above", "below", "equals"];
        assert_eq!(nearest("abvoe", words), Some("above"));
        assert_eq!(nearest("equal", words), Some("equals"));
        assert_eq!(nearest("temperature_celsius", words), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
