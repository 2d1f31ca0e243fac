//! As many rules as a busy site has: the built-in ones, one that a host which [fails](super::model::Failing) meets, and
//! more on what moves, none of which is ever met.

use super::model::PROBE;
use std::path::Path;
use tocsin_rules::{RuleSet, testing::never_met};

/// Built-in files about what each tick of a simulated host brings.
const OF_A_FLEET: [&str; 5] = ["agent.toml", "cpu.toml", "memory.toml", "network.toml", "process.toml"];

/// Rule files, as name and text, with `count` rules in all; at least the built-in ones about what each tick brings.
///
/// # Panics
/// When a built-in file has a mistake.
#[must_use]
pub fn files(count: usize) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = RuleSet::builtin_files()
        .iter()
        .filter(|(name, _)| OF_A_FLEET.contains(name))
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let builtin = RuleSet::parse(&files).expect("rules").rules().count();
    let failed = format!(
        "[[rule]]\nname = \"failed\"\nmetric = \"{PROBE}\"\nabove = 2\nseverity = \"critical\"\naction = \"ticket\"\n\
         title.en = \"{{host}}\"\ntitle.zh = \"{{host}}\"\nremedy.en = \"None is needed.\"\nremedy.zh = \"无需处理。\"\n\n"
    );
    let further = never_met(builtin + 1..count);
    files.push(("fleet.toml".to_owned(), [failed, further].concat()));
    files
}

/// Writes [`files`] into `folder`.
///
/// # Panics
/// When they can't be written.
pub fn write(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (name, text) in files(count) {
        std::fs::write(folder.join(name), text).expect("a file of rules");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_forty_rules_without_a_mistake() {
        let rules = RuleSet::parse(&files(40)).unwrap();
        assert_eq!(rules.rules().count(), 40);
    }
}
