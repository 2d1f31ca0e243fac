//! Which lines are events, and how many of them are told.

use super::{
    limit::Limit,
    lines::Line,
    settings::{LogMatch, SEARCH_BYTES_MAX, compile},
};
use crate::sources::{cut, text};
use regex::bytes::{Captures, Regex, RegexSet, RegexSetBuilder};
use std::{cell::OnceCell, collections::BTreeMap, time::Duration};
use tocsin_vocabulary::Severity;

/// What was held back is told this often.
const HELD_TOLD_EVERY: Duration = Duration::from_secs(30);
/// Most of a line that an event bears, in bytes.
const BODY_BYTES_MAX: usize = 2_048;
/// The patterns of one log together may take this much memory.
const SET_BYTES_MAX: usize = 8 << 20;
/// Most devices that are told apart when a pattern waits for a storm.
const STORM_KEYS_MAX: usize = 64;

/// How often something must happen, and within which time, before it is worth an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storm {
    pub(super) count: u32,
    pub(super) within: Duration,
}

/// Judges the lines of one log.
pub(super) struct Matcher {
    set: RegexSet,
    rules: Vec<Rule>,
}

struct Rule {
    wanted: LogMatch,
    /// Compiled when it is first needed: most patterns never are.
    pattern: OnceCell<Option<Regex>>,
    exclude: Option<Regex>,
    storm: Option<Storm>,
    /// Of each device: when the storm began, and how many lines there were since.
    storms: BTreeMap<String, (Duration, u32)>,
    limit: Limit,
    held: u64,
    told: Duration,
}

/// What a line comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Nothing,
    /// It would be an event, but there were too many.
    Held,
    /// An event.
    Event(Found),
}

/// What becomes an event once it is known when it happened and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Matcher {
    /// Patterns that can't be compiled match nothing: the configuration was checked before.
    pub(super) fn new(wanted: Vec<(LogMatch, Option<Storm>)>) -> Self {
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|(wanted, _)| compile(&wanted.pattern).is_ok())
            .collect();
        let set = RegexSetBuilder::new(wanted.iter().map(|(wanted, _)| &wanted.pattern))
            .size_limit(SET_BYTES_MAX)
            .dfa_size_limit(SEARCH_BYTES_MAX)
            .build()
            .inspect_err(|error| tracing::error!(%error, "the patterns of a log together take too much memory"))
            .unwrap_or_else(|_| RegexSet::empty());
        let rules = wanted.into_iter().map(|(wanted, storm)| Rule {
            exclude: wanted.exclude.as_deref().and_then(|exclude| compile(exclude).ok()),
            wanted,
            pattern: OnceCell::new(),
            storm,
            storms: BTreeMap::new(),
            limit: Limit::new(),
            held: 0,
            told: Duration::ZERO,
        });
        Self {
            set,
            rules: rules.collect(),
        }
    }

    /// Judges a line; the first pattern that it fits counts.
    pub(super) fn judge(&mut self, line: Line<'_>, mono: Duration) -> Verdict {
        let fits = self.set.matches(line.bytes);
        for at in fits.iter() {
            let Some(rule) = self.rules.get_mut(at) else { continue };
            let excluded = rule.exclude.as_ref();
            if excluded.is_some_and(|exclude| exclude.is_match(line.bytes)) {
                continue;
            }
            return rule.judge(line, mono);
        }
        Verdict::Nothing
    }

    /// Tells what was held back, of all patterns whose time has come, or of `all`.
    pub(super) fn held(&mut self, mono: Duration, all: bool, mut tell: impl FnMut(Found)) {
        for rule in &mut self.rules {
            let due = all || mono.saturating_sub(rule.told) >= HELD_TOLD_EVERY;
            if rule.held > 0 && due {
                tell(rule.tell_held(mono));
            }
        }
    }

    /// How many lines are held back and not told yet, by the name of their event.
    pub(super) fn untold(&self) -> impl Iterator<Item = (&str, u64)> {
        let held = self.rules.iter().filter(|rule| rule.held > 0);
        held.map(|rule| (rule.wanted.event.as_str(), rule.held))
    }

    /// Takes over what an earlier run held back and did not tell.
    pub(super) fn remember_held(&mut self, held: &mut BTreeMap<String, u64>) {
        for rule in &mut self.rules {
            rule.held += held.remove(&rule.wanted.event).unwrap_or(0);
        }
    }
}

impl Rule {
    fn judge(&mut self, line: Line<'_>, mono: Duration) -> Verdict {
        let compiled = self.pattern.get_or_init(|| compile(&self.wanted.pattern).ok());
        let Some((pattern, captures)) = compiled
            .as_ref()
            .and_then(|pattern| Some((pattern, pattern.captures(line.bytes)?)))
        else {
            return Verdict::Nothing;
        };
        let mut attributes = attributes(pattern, &captures);
        if let Some(storm) = self.storm {
            let key = attributes.get("device").map_or("", String::as_str);
            let Some(count) = storm.count(&mut self.storms, key, mono) else {
                return Verdict::Nothing;
            };
            attributes.insert("count".to_owned(), count.to_string());
        }
        if !self.limit.allows(mono) {
            if self.held == 0 {
                self.told = mono;
            }
            self.held += 1;
            return Verdict::Held;
        }
        if line.is_cut() {
            attributes.insert("log.line.length".to_owned(), line.whole.to_string());
        }
        Verdict::Event(Found {
            name: self.wanted.event.clone(),
            severity: self.wanted.severity,
            attributes,
            body: body(line),
        })
    }

    fn tell_held(&mut self, mono: Duration) -> Found {
        let held = std::mem::take(&mut self.held);
        self.told = mono;
        let event = &self.wanted.event;
        Found {
            name: "log.suppressed".to_owned(),
            severity: Severity::Info,
            attributes: BTreeMap::from([
                ("count".to_owned(), held.to_string()),
                ("event".to_owned(), event.clone()),
            ]),
            body: format!("{held} more lines were {event}: they were counted, not sent"),
        }
    }
}

impl Storm {
    /// Counts another; says how many there were when that is enough, and begins anew.
    fn count(self, storms: &mut BTreeMap<String, (Duration, u32)>, key: &str, mono: Duration) -> Option<u32> {
        storms.retain(|_, (began, _)| mono.saturating_sub(*began) <= self.within);
        if storms.len() >= STORM_KEYS_MAX && !storms.contains_key(key) {
            return None;
        }
        let (_, count) = storms.entry(key.to_owned()).or_insert((mono, 0));
        *count += 1;
        let count = *count;
        (count >= self.count).then(|| {
            storms.remove(key);
            count
        })
    }
}

fn attributes(pattern: &Regex, captures: &Captures<'_>) -> BTreeMap<String, String> {
    let named = pattern.capture_names().flatten();
    named
        .filter_map(|name| Some((name.to_owned(), plain(text(captures.name(name)?.as_bytes())))))
        .collect()
}

/// A line as text: what is not UTF-8 and what a terminal would obey is replaced, the end is cut off.
fn body(line: Line<'_>) -> String {
    let bytes = &line.bytes[..line.bytes.len().min(2 * BODY_BYTES_MAX)];
    let mut body = plain(String::from_utf8_lossy(bytes).into_owned());
    let short = body.len() > BODY_BYTES_MAX || line.is_cut() || bytes.len() < line.bytes.len();
    cut(&mut body, BODY_BYTES_MAX);
    if short {
        body.push('…');
    }
    body
}

fn plain(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let plain = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pattern: &str, exclude: Option<&str>, event: &str) -> (LogMatch, Option<Storm>) {
        let wanted = LogMatch {
            pattern: pattern.to_owned(),
            exclude: exclude.map(str::to_owned),
            event: event.to_owned(),
            severity: Severity::Major,
        };
        (wanted, None)
    }

    fn judge(matcher: &mut Matcher, bytes: &[u8]) -> Option<Found> {
        let whole = bytes.len() as u64;
        match matcher.judge(Line { bytes, whole }, Duration::from_secs(1_000)) {
            Verdict::Event(found) => Some(found),
            _ => None,
        }
    }

    #[test]
    fn the_first_pattern_that_fits_names_the_event_and_its_captures_are_attributes() {
        let mut matcher = Matcher::new(vec![
            wanted(r"disk (?<disk>\S+) failed", Some("test"), "disk.failed"),
            wanted("failed", None, "other"),
        ]);
        let found = judge(&mut matcher, b"disk sda failed").unwrap();
        assert_eq!(
            (found.name.as_str(), found.attributes["disk"].as_str()),
            ("disk.failed", "sda")
        );
        assert_eq!(judge(&mut matcher, b"disk sda failed in a test").unwrap().name, "other");
        assert_eq!(judge(&mut matcher, b"all is well"), None);
    }

    #[test]
    fn garbage_is_told_without_control_characters() {
        let mut matcher = Matcher::new(vec![wanted("error (?<what>.*)", None, "e")]);
        let found = judge(&mut matcher, b"error \xff\x00\x1b[31mred\ttab").unwrap();
        assert_eq!(found.body, "error \u{fffd}\u{fffd}\u{fffd}[31mred tab");
        assert!(!found.attributes["what"].contains(char::is_control));
    }

    #[test]
    fn a_cut_line_says_how_long_it_was() {
        let mut matcher = Matcher::new(vec![wanted("error", None, "e")]);
        let line = Line {
            bytes: b"error at the beginning",
            whole: 10_000_000,
        };
        let Verdict::Event(found) = matcher.judge(line, Duration::ZERO) else {
            panic!("an event");
        };
        assert_eq!(found.attributes["log.line.length"], "10000000");
        assert!(found.body.ends_with('…'));
        let long = "error ".repeat(3_000);
        assert!(judge(&mut matcher, long.as_bytes()).unwrap().body.len() <= BODY_BYTES_MAX + 3);
    }

    #[test]
    fn what_is_too_much_is_counted_and_told() {
        let mut matcher = Matcher::new(vec![wanted("error", None, "app.error")]);
        let at = Duration::from_secs(5_000);
        let line = Line {
            bytes: b"error",
            whole: 5,
        };
        let events = (0..100)
            .filter(|_| matches!(matcher.judge(line, at), Verdict::Event(_)))
            .count();
        assert_eq!(events, 10);
        assert_eq!(matcher.untold().collect::<Vec<_>>(), [("app.error", 90)]);
        let told = |matcher: &mut Matcher, seconds| {
            let mut told = Vec::new();
            matcher.held(Duration::from_secs(seconds), false, |found| told.push(found));
            told
        };
        assert_eq!(told(&mut matcher, 5_020), []);
        let found = told(&mut matcher, 5_060);
        assert_eq!(found[0].attributes["count"], "90");
        assert_eq!(told(&mut matcher, 5_200), [], "once");
    }

    #[test]
    fn a_storm_is_one_event_for_each_device() {
        let storm = Storm {
            count: 3,
            within: Duration::from_secs(60),
        };
        let (reset, _) = wanted(r"(?<device>ata\d+): reset", None, "resets");
        let mut matcher = Matcher::new(vec![(reset, Some(storm))]);
        let mut events = |bytes: &[u8], seconds| {
            let line = Line {
                bytes,
                whole: bytes.len() as u64,
            };
            matches!(matcher.judge(line, Duration::from_secs(seconds)), Verdict::Event(_))
        };
        assert!(!events(b"ata1: reset", 100));
        assert!(!events(b"ata2: reset", 100));
        assert!(!events(b"ata1: reset", 110));
        assert!(events(b"ata1: reset", 120));
        assert!(!events(b"ata2: reset", 200), "the first was too long ago");
    }
}
