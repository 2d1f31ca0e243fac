//! What an agent says of the parts of its host, and a few things that the collector says in logs and pages, in the reader's language.
//!
//! Agents say it in English, as they write it to logs; a part has one phrase or several, separated by `; `. The phrase book
//! (`locales/phrases.zh-CN.txt`) has the Chinese for each, with holes for what differs. What is not in it is shown as it
//! came: a newer agent may say more than an older collector knows.

use std::sync::LazyLock;
use tocsin_vocabulary::Language;

/// Between the phrases of one part.
const BETWEEN: &str = "; ";

static CHINESE: LazyLock<Vec<Phrase>> = LazyLock::new(|| book(include_str!("../locales/phrases.zh-CN.txt")));

/// One line of the phrase book.
#[derive(Debug)]
struct Phrase {
    /// What stands between the holes of the original.
    between: Vec<&'static str>,
    /// Names of the holes, in the original's order.
    holes: Vec<&'static str>,
    /// The translation, with the names of the holes in braces.
    says: &'static str,
}

/// What an agent said, in this language.
pub(crate) fn in_language(language: Language, said: &str) -> String {
    match language {
        Language::English => said.to_owned(),
        Language::Chinese => {
            let phrases = said.split(BETWEEN);
            let chinese = phrases.map(|phrase| {
                CHINESE
                    .iter()
                    .find_map(|known| known.say(phrase))
                    .unwrap_or_else(|| phrase.to_owned())
            });
            chinese.collect::<Vec<_>>().join("\u{ff1b}")
        }
    }
}

fn book(text: &'static str) -> Vec<Phrase> {
    let mut book: Vec<Phrase> = lines(text).map(|(original, says)| Phrase::of(original, says)).collect();
    // What says more itself comes before what leaves more open.
    book.sort_by_key(|phrase| std::cmp::Reverse(phrase.between.iter().map(|text| text.len()).sum::<usize>()));
    book
}

/// Original and translation of each line.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = "))
}

impl Phrase {
    fn of(original: &'static str, says: &'static str) -> Self {
        let (mut between, mut holes, mut rest) = (Vec::new(), Vec::new(), original);
        while let Some((before, from)) = rest.split_once('{')
            && let Some((hole, after)) = from.split_once('}')
        {
            between.push(before);
            holes.push(hole);
            rest = after;
        }
        between.push(rest);
        Self { between, holes, says }
    }

    /// The translation, if this is what was said. A hole takes as little as it can, and never nothing.
    fn say(&self, said: &str) -> Option<String> {
        let (first, further) = self.between.split_first()?;
        let mut rest = said.strip_prefix(first)?;
        let mut spoken = self.says.to_owned();
        for (at, (hole, next)) in self.holes.iter().zip(further).enumerate() {
            let is_last = at + 1 == self.holes.len();
            let length = if is_last {
                rest.strip_suffix(next)?.len()
            } else {
                let first = rest.chars().next()?.len_utf8();
                first + rest[first..].find(next)?
            };
            let value = &rest[..length];
            if value.is_empty() {
                return None;
            }
            spoken = spoken.replace(&format!("{{{hole}}}"), value);
            rest = &rest[length + next.len()..];
        }
        rest.is_empty().then_some(spoken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chinese(said: &str) -> String {
        in_language(Language::Chinese, said)
    }

    #[test]
    fn what_is_known_is_said_in_chinese_with_what_differs_in_its_place() {
        assert_eq!(chinese("2 of 4 members are missing"), "4 个成员中缺少 2 个");
        assert_eq!(chinese("it is read-only"), "只读");
        assert_eq!(in_language(Language::English, "it is read-only"), "it is read-only");
    }

    #[test]
    fn each_phrase_is_translated_for_itself_and_an_unknown_one_stays() {
        assert_eq!(
            chinese("no mains; quite new; sdb failed"),
            "没有市电；quite new；sdb 已故障"
        );
        assert_eq!(chinese(""), "");
        assert_eq!(chinese(" failed"), " failed", "a hole is never empty");
    }

    #[test]
    fn the_collectors_own_health_is_said_in_chinese() {
        for said in [
            "all running",
            "hosts connected: 2; refused: 1",
            "default 12 MiB, samples since 2026-11-01, anything since 2025-11-01; brief 0 MiB",
            "holidays are known of 2025, 2026",
            "tickets and pages cannot be written, trying again: disk full; 3 changes of alerts wait",
        ] {
            for phrase in chinese(said).split('\u{ff1b}') {
                assert!(!said.contains(phrase) || phrase == "brief 0 MiB", "{phrase}");
            }
        }
    }

    #[test]
    fn both_sides_of_each_line_have_the_same_holes_and_no_line_hides_another() {
        let text = include_str!("../locales/phrases.zh-CN.txt");
        assert_eq!(
            lines(text).count(),
            text.lines().filter(|line| !line.starts_with('#')).count()
        );
        for (original, says) in lines(text) {
            let phrase = Phrase::of(original, says);
            for hole in &phrase.holes {
                assert!(says.contains(&format!("{{{hole}}}")), "{original}");
            }
            assert_eq!(says.matches('{').count(), phrase.holes.len(), "{original}");
            assert_eq!(chinese(original), says, "another line fits before");
        }
    }
}
