//! Rules for measuring: on what moves on every host, with thresholds that no host comes near.

use std::ops::Range;

/// Metrics and conditions that are never met.
const NEVER_MET: [(&str, &str); 8] = [
    ("system.network.io", "above = 1e15\nrate = true"),
    ("system.disk.io", "above = 1e15\nrate = true"),
    ("system.cpu.time", "above = 1e9\nrate = true"),
    ("system.memory.linux.available", "below = 0"),
    ("system.filesystem.usage", "above = 1e18"),
    ("tocsin.agent.tick.duration", "above = 1e6"),
    ("system.cpu.load_average.1m", "above = 1e9"),
    ("system.network.packet.count", "above = 1e15\nrate = true"),
];

/// A file of rules that are looked at and never met, one for each number.
#[must_use]
pub fn never_met(numbers: Range<usize>) -> String {
    numbers
        .zip(NEVER_MET.iter().cycle())
        .map(|(number, (metric, condition))| {
            format!(
                "[[rule]]\nname = \"never-met-{number}\"\nmetric = \"{metric}\"\n{condition}\nfor = \"30s\"\n\
                 severity = \"warning\"\naction = \"record\"\ntitle = {{ en = \"{{host}}: {{value}}\", zh = \"{{host}}: {{value}}\" }}\n\
                 remedy = {{ en = \"None is needed.\", zh = \"None is needed.\" }}\n\n"
            )
        })
        .collect()
}
