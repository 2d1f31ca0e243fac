//! The metric catalogue: every metric that an agent may send, as data.
//!
//! Names, units and attributes follow the OpenTelemetry semantic conventions for systems (`system.*`). Where those have
//! nothing, the names that the OpenTelemetry Collector's host-metrics receiver made customary are used
//! (`system.cpu.load_average.*`, `system.disk.pending_operations`, `system.filesystem.inodes.usage`); hardware follows the conventions' `hw.*`; only what none of
//! them knows bears our prefix `tocsin.`. Three deliberate differences from the conventions:
//!
//! * `system.filesystem.mode` is not an attribute: a file system that turns read-only would become another series, and
//!   its history and alerts would break just when they matter. [`tocsin.filesystem.read_only`](METRICS) says it instead.
//! * `hw.status` tells a state by an attribute; `tocsin.part.status` by its value, for the same reason.
//! * everything about a network interface is keyed by `network.interface.name`, also packet counts.
//!
//! Rules, pages and documents take descriptions and units from here; nothing else defines a metric.

mod attributes;
mod metrics;

pub use attributes::ATTRIBUTES;
pub use metrics::METRICS;

use crate::{
    label::Label,
    series::{Kind, Series, TEXT_BYTES_MAX},
    text::Language,
};
use std::fmt::Write as _;

/// What a metric is, wherever it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Dotted name, unique.
    pub name: &'static str,
    /// Unit in UCUM: `By`, `s`, `bit/s`, `1` for ratios and flags, `{thing}` for counts.
    pub unit: &'static str,
    /// Gauge or counter.
    pub kind: Kind,
    /// Digits after the point that are kept.
    pub decimals: u8,
    /// Keys that its series may bear, sorted. A series may leave out those that make no sense for it.
    pub attributes: &'static [&'static str],
    /// One sentence, English.
    pub description: &'static str,
    /// The same in Chinese.
    pub description_zh: &'static str,
}

impl Metric {
    /// The series of this metric with these attributes. Keys are sorted; overlong values, which only a hostile
    /// name on the host can cause, are cut at [`TEXT_BYTES_MAX`] bytes.
    #[must_use]
    pub fn series(&self, attributes: &[(&str, &str)]) -> Series {
        let mut attributes: Vec<(Label, Label)> = attributes
            .iter()
            .map(|(key, value)| ((*key).into(), cut(value).into()))
            .collect();
        attributes.sort_unstable();
        Series {
            name: self.name.into(),
            attributes,
            kind: self.kind,
            unit: self.unit.into(),
            decimals: self.decimals,
        }
    }

    /// The description in `language`.
    #[must_use]
    pub const fn describe(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.description,
            Language::Chinese => self.description_zh,
        }
    }
}

/// A key that distinguishes the series of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Dotted key, unique.
    pub name: &'static str,
    /// What its values look like, such as `read`, `write`.
    pub values: &'static str,
    /// One phrase, English.
    pub description: &'static str,
    /// The same in Chinese.
    pub description_zh: &'static str,
}

/// The metric of this name.
#[must_use]
pub fn metric(name: &str) -> Option<&'static Metric> {
    METRICS
        .binary_search_by(|metric| metric.name.cmp(name))
        .ok()
        .map(|at| &METRICS[at])
}

/// The attribute of this name.
#[must_use]
pub fn attribute(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES
        .binary_search_by(|attribute| attribute.name.cmp(name))
        .ok()
        .map(|at| &ATTRIBUTES[at])
}

/// The whole catalogue as two Markdown tables.
#[must_use]
pub fn markdown(language: Language) -> String {
    let english = language == Language::English;
    let mut out = String::from(if english {
        "| metric | unit | kind | decimals | attributes | meaning |\n|---|---|---|---|---|---|\n"
    } else {
        "| 指标 | 单位 | 类型 | 小数位 | 属性 | 含义 |\n|---|---|---|---|---|---|\n"
    });
    for metric in METRICS {
        let kind = match (metric.kind, english) {
            (Kind::Gauge, true) => "gauge",
            (Kind::Counter, true) => "counter",
            (Kind::Gauge, false) => "瞬时值",
            (Kind::Counter, false) => "累计值",
        };
        let attributes: Vec<String> = metric.attributes.iter().map(|name| format!("`{name}`")).collect();
        let (name, unit, decimals) = (metric.name, metric.unit, metric.decimals);
        let (attributes, meaning) = (attributes.join(" "), metric.describe(language));
        let _ = writeln!(
            out,
            "| `{name}` | `{unit}` | {kind} | {decimals} | {attributes} | {meaning} |"
        );
    }
    out.push_str(if english {
        "\n| attribute | values | meaning |\n|---|---|---|\n"
    } else {
        "\n| 属性 | 取值 | 含义 |\n|---|---|---|\n"
    });
    for attribute in ATTRIBUTES {
        let meaning = if english {
            attribute.description
        } else {
            attribute.description_zh
        };
        let _ = writeln!(out, "| `{}` | {} | {meaning} |", attribute.name, attribute.values);
    }
    out
}

fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{DECIMALS_MAX, Section};

    /// A sample of UCUM: what we use, and `{…}` annotations.
    fn is_ucum(unit: &str) -> bool {
        matches!(
            unit,
            "1" | "By" | "s" | "bit/s" | "Cel" | "Hz" | "V" | "A" | "W" | "J" | "rpm"
        ) || unit
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    }

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(METRICS.is_sorted_by(|a, b| a.name < b.name));
        assert!(ATTRIBUTES.is_sorted_by(|a, b| a.name < b.name));
        for metric in METRICS {
            assert_eq!(super::metric(metric.name), Some(metric));
            assert!(metric.attributes.is_sorted_by(|a, b| a < b), "{}", metric.name);
        }
        assert_eq!(metric("system.cpu"), None);
    }

    #[test]
    fn every_metric_is_described_in_both_languages_with_a_unit_and_sane_decimals() {
        for metric in METRICS {
            assert!(is_ucum(metric.unit), "{}: {}", metric.name, metric.unit);
            assert!(metric.decimals <= DECIMALS_MAX, "{}", metric.name);
            assert!(
                metric.description.ends_with('.') && metric.description.is_ascii(),
                "{}",
                metric.name
            );
            assert!(metric.description_zh.ends_with('。'), "{}", metric.name);
            for text in [metric.description, metric.description_zh] {
                assert!(!text.contains(['|', '\n']), "{} would break a table", metric.name);
            }
            let prefix = metric.name.split('.').next().unwrap_or_default();
            assert!(["hw", "system", "tocsin"].contains(&prefix), "{}", metric.name);
        }
    }

    #[test]
    fn attributes_of_metrics_are_described_and_all_are_used() {
        for name in METRICS.iter().flat_map(|metric| metric.attributes) {
            assert!(attribute(name).is_some(), "{name}");
        }
        for attribute in ATTRIBUTES {
            assert!(
                METRICS.iter().any(|metric| metric.attributes.contains(&attribute.name)),
                "{}",
                attribute.name
            );
        }
    }

    #[test]
    fn a_series_is_accepted_by_every_collector_even_with_a_hostile_name() {
        let metric = metric("system.filesystem.utilization").unwrap();
        let hostile = "挂".repeat(TEXT_BYTES_MAX);
        let series = metric.series(&[
            ("system.filesystem.mountpoint", &hostile),
            ("system.device", "/dev/sda1"),
        ]);
        assert_eq!(series.attributes[0].0, "system.device");
        let section = Section::new(vec![series]);
        assert_eq!(Section::decode(&section.bytes()), Ok(section));
    }

    #[test]
    fn the_tables_list_everything() {
        for language in [Language::English, Language::Chinese] {
            let text = markdown(language);
            assert!(METRICS.iter().all(|metric| text.contains(metric.describe(language))));
            assert!(ATTRIBUTES.iter().all(|attribute| text.contains(attribute.name)));
        }
    }
}
