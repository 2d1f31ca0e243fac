//! Which articles and past tickets resemble what is in hand (R46).
//!
//! Words are compared as pairs of characters, which serves Chinese and English alike: `磁盘已满` has 磁盘, 盘已, 已满. The
//! likeness of two titles is what they share over what either has (Jaccard). A rule that an article names counts more.

use super::Row;
use std::collections::BTreeSet;

/// Likeness below this is chance.
const LEAST: f64 = 0.2;
/// What the same rule is worth.
const SAME_RULE: f64 = 1.0;
/// What it is worth to name a ticket.
const NAMED: f64 = 0.5;
/// What the same asset is worth, for tickets.
const SAME_ASSET: f64 = 0.15;

/// Something that may resemble the ticket in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Title in all languages.
    pub title: &'a str,
    /// Rules that it is about.
    pub rules: Vec<&'a str>,
    /// About the same asset.
    pub same_asset: bool,
    /// It names this ticket, or one like it.
    pub named: bool,
}

/// Indices of the candidates that resemble `title` and `rules`, most alike first, at most `limit`.
#[must_use]
pub fn alike(title: &str, rules: &[&str], candidates: &[Candidate<'_>], limit: usize) -> Vec<usize> {
    let words = pairs(title);
    let mut scored: Vec<(f64, usize)> = candidates
        .iter()
        .enumerate()
        .map(|(at, candidate)| {
            let same_rule = candidate.rules.iter().any(|rule| rules.contains(rule));
            let mut score = jaccard(&words, &pairs(candidate.title));
            if same_rule {
                score += SAME_RULE;
            }
            if candidate.named {
                score += NAMED;
            }
            if candidate.same_asset && score >= LEAST {
                score += SAME_ASSET;
            }
            (score, at)
        })
        .filter(|(score, _)| *score >= LEAST)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().take(limit).map(|(_, at)| at).collect()
}

/// The rules that an article names, apart by commas or blanks.
#[must_use]
pub fn rules(article: &Row) -> Vec<&str> {
    article
        .get("rules")
        .split([',', ' ', ';', '\u{3001}', '\u{FF0C}'])
        .filter(|rule| !rule.is_empty())
        .collect()
}

/// The tickets that an article names by number.
#[must_use]
pub fn tickets(article: &Row) -> Vec<u64> {
    let words = article.get("tickets").split(|c: char| !c.is_ascii_digit());
    words.filter_map(|digits| digits.parse().ok()).collect()
}

/// Pairs of neighbouring letters, in lower case; digits and marks part words and count for nothing.
fn pairs(text: &str) -> BTreeSet<(char, char)> {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| !c.is_alphabetic())
        .flat_map(|word| {
            let letters: Vec<char> = word.chars().collect();
            letters.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
        })
        .collect()
}

fn jaccard(a: &BTreeSet<(char, char)>, b: &BTreeSet<(char, char)>) -> f64 {
    let shared = a.intersection(b).count();
    let all = a.len() + b.len() - shared;
    if all == 0 {
        return 0.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of letters")]
    {
        shared as f64 / all as f64
    }
}
