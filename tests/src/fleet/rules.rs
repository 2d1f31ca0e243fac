//! As many rules as a busy site has: the built-in ones, one that a host which [fails](super::model::Failing) meets, and
//! more on what moves, none of which is ever met.

use super::model::PROBE;
use std::path::Path;
use tocsin_rules::RuleSet;

/// Metrics for further rules, with a threshold that a simulated host does not come near.
const FURTHER: [(&str, &str); 8] = [
    ("system.network.io", "above = 1e15\nrate = true"),
    ("system.disk.io", "above = 1e15\nrate = true"),
    ("system.cpu.time", "above = 1e9\nrate = true"),
    ("system.memory.linux.available", "below = 0"),
    ("system.filesystem.usage", "above = 1e18"),
    ("tocsin.agent.tick.duration", "above = 1e6"),
    ("system.cpu.load_average.1m", "above = 1e9"),
    ("system.network.packet.count", "above = 1e15\nrate = true"),
];

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
    let further: String = (builtin + 1..count)
        .zip(FURTHER.iter().cycle())
        .map(|(number, (metric, condition))| {
            format!(
                "[[rule]]\nname = \"fleet-{number}\"\nmetric = \"{metric}\"\n{condition}\nfor = \"30s\"\n\
                 severity = \"warning\"\naction = \"record\"\ntitle.en = \"{{host}}: {{value}}\"\n\
                 title.zh = \"{{host}}：{{value}}\"\nremedy.en = \"None is needed.\"\nremedy.zh = \"无需处理。\"\n\n"
            )
        })
        .collect();
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
