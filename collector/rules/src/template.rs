//! Titles and remedies: words with placeholders, and figures as people read them.

use std::time::Duration;
use tocsin_vocabulary::{Series, Text, catalogue::Metric, time::format_duration};

/// A sentence in both languages with `{host}`, `{value}`, `{threshold}`, `{for}` and `{attribute name}` in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    en: Vec<Piece>,
    zh: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Host,
    Value,
    Threshold,
    For,
    Attribute(String),
}

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) host: &'a str,
    pub(crate) series: Option<&'a Series>,
    pub(crate) value: &'a str,
    pub(crate) threshold: &'a str,
    pub(crate) hold: Duration,
}

impl Template {
    /// Reads one language's sentence; `attributes` are the names that may stand in braces beside the common ones.
    pub(crate) fn read(text: &str, attributes: &[&str]) -> Result<Words, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                pieces.push(Piece::Words(rest[..open].to_owned()));
            }
            let Some((name, after)) = rest[open + 1..].split_once('}') else {
                return Err("`{` without `}`".to_owned());
            };
            rest = after;
            pieces.push(match name {
                "host" => Piece::Host,
                "value" => Piece::Value,
                "threshold" => Piece::Threshold,
                "for" => Piece::For,
                _ if attributes.contains(&name) => Piece::Attribute(name.to_owned()),
                _ => {
                    let common = ["host", "value", "threshold", "for"];
                    let known: Vec<String> = common
                        .iter()
                        .chain(attributes)
                        .map(|name| format!("{{{name}}}"))
                        .collect();
                    return Err(format!(
                        "unknown placeholder `{{{name}}}`; known here: {}",
                        known.join(" ")
                    ));
                }
            });
        }
        if !rest.is_empty() {
            pieces.push(Piece::Words(rest.to_owned()));
        }
        Ok(Words(pieces))
    }

    pub(crate) fn new(en: Words, zh: Words) -> Self {
        Self { en: en.0, zh: zh.0 }
    }

    /// Fills the placeholders, once: braces in a host's names stay what they are.
    pub(crate) fn fill(&self, facts: Facts<'_>) -> Text {
        let hold = format_duration(facts.hold);
        let (value, threshold, zh_hold) = (chinese(facts.value), chinese(facts.threshold), chinese(&hold));
        let zh = Facts {
            value: &value,
            threshold: &threshold,
            ..facts
        };
        Text::new(fill(&self.en, facts, &hold), fill(&self.zh, zh, &zh_hold))
    }
}

/// One language of a template.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words(Vec<Piece>);

fn fill(pieces: &[Piece], facts: Facts<'_>, hold: &str) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Words(words) => out.push_str(words),
            Piece::Host => out.push_str(facts.host),
            Piece::Value => out.push_str(facts.value),
            Piece::Threshold => out.push_str(facts.threshold),
            Piece::For => out.push_str(hold),
            Piece::Attribute(name) => {
                out.push_str(facts.series.and_then(|series| series.attribute(name)).unwrap_or(""));
            }
        }
    }
    out
}

/// A span as Chinese readers have it: `7h 12m` becomes `7 小时 12 分钟`; whatever is no span stays as it is.
pub(crate) fn chinese(text: &str) -> String {
    let words: Option<Vec<String>> = text.split(' ').map(chinese_word).collect();
    words.map_or_else(|| text.to_owned(), |words| words.join(" "))
}

fn chinese_word(word: &str) -> Option<String> {
    let (number, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "d" => "天",
        "h" => "小时",
        "m" => "分钟",
        "s" => "秒",
        "ms" => "毫秒",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("{number} {unit}"))
}

const BYTES: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const BITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

/// A value of `metric` as people read it: ratios in per cent, bytes with a prefix, rates with their time.
pub(crate) fn figure(value: f64, metric: &Metric, per: Option<Duration>) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let figure = match metric.unit {
        "By" => prefixed(value, 1024.0, &BYTES),
        "bit/s" => prefixed(value, 1000.0, &BITS),
        "s" if per.is_none() => seconds(value),
        "1" if metric.decimals >= 4 => format!("{} %", number(value * 100.0)),
        _ => number(value),
    };
    match per {
        // Seconds per second are a plain number: a share, or the length of a queue.
        Some(_) if metric.unit == "s" => figure,
        Some(per) if per == Duration::from_secs(1) => format!("{figure}/s"),
        Some(per) => format!("{figure}/{}", format_duration(per)),
        None => figure,
    }
}

fn prefixed(value: f64, step: f64, units: &[&str]) -> String {
    let mut left = value;
    let mut at = 0;
    while left.abs() >= step && at + 1 < units.len() {
        left /= step;
        at += 1;
    }
    format!("{} {}", number(left), units[at])
}

/// A value in a unit of the language: `By`, `bit/s`, `s`, `1`, or `%` for a share of 1.
pub(crate) fn in_unit(value: f64, unit: &str) -> String {
    match unit {
        _ if !value.is_finite() => value.to_string(),
        "By" => prefixed(value, 1024.0, &BYTES),
        "bit/s" => prefixed(value, 1000.0, &BITS),
        "s" => seconds(value),
        "%" => format!("{} %", number(value * 100.0)),
        _ => number(value),
    }
}

/// Seconds as people read them: `15 ms`, `2.5 s`, `7h 12m`.
fn seconds(value: f64) -> String {
    match value.abs() {
        size if size >= 120.0 => format!("{}{}", if value < 0.0 { "-" } else { "" }, span(size)),
        size if size >= 1.0 || size == 0.0 => format!("{} s", number(value)),
        _ => format!("{} ms", number(value * 1e3)),
    }
}

/// Seconds in the two greatest units, for hours are not told by the second.
pub(crate) fn span(seconds: f64) -> String {
    let Ok(whole) = Duration::try_from_secs_f64(seconds.round()) else {
        return String::new();
    };
    let mut left = whole.as_secs();
    let mut words: Vec<String> = Vec::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = left / length;
        left %= length;
        if count > 0 {
            words.push(format!("{count}{unit}"));
        }
        if words.len() == 2 || (!words.is_empty() && count == 0) {
            break;
        }
    }
    if words.is_empty() {
        "0s".to_owned()
    } else {
        words.join(" ")
    }
}

/// Two digits after the point, or the first two that count, none of them a last zero.
pub(crate) fn number(value: f64) -> String {
    let (mut digits, mut size) = (2, value.abs());
    while size > 0.0 && size < 0.1 && digits < 6 {
        size *= 10.0;
        digits += 1;
    }
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::catalogue::metric;

    #[test]
    fn figures_read_like_prose() {
        let figure = |name: &str, value, per| super::figure(value, metric(name).unwrap(), per);
        assert_eq!(figure("system.cpu.utilization", 0.934_56, None), "93.46 %");
        assert_eq!(figure("system.memory.limit", 8_589_934_592.0, None), "8 GiB");
        assert_eq!(figure("tocsin.network.speed", 1e9, None), "1 Gbit/s");
        assert_eq!(
            figure("system.network.errors", 2.5, Some(Duration::from_secs(1))),
            "2.5/s"
        );
        assert_eq!(
            figure("system.network.errors", 3.0, Some(Duration::from_secs(60))),
            "3/1m"
        );
        assert_eq!(figure("tocsin.cpu.load_per_cpu", 2.1, None), "2.1");
        assert_eq!(figure("system.uptime", 90.0, None), "90 s");
        assert_eq!(figure("tocsin.backup.lock.age", 25_930.0, None), "7h 12m");
        assert_eq!(figure("tocsin.clock.offset", -3_700.0, None), "-1h 1m");
        assert_eq!(figure("tocsin.probe.duration", 0.015, None), "15 ms");
        assert_eq!(figure("tocsin.cpu.load_per_cpu", 0.015, None), "0.015");
        assert_eq!(figure("tocsin.cpu.load_per_cpu", 0.0, None), "0");
        assert_eq!(figure("system.uptime", f64::NAN, None), "NaN");
    }

    #[test]
    fn a_name_from_a_host_is_not_read_as_a_placeholder() {
        let words = Template::read("{host}: {system.device}", &["system.device"]).unwrap();
        let series = metric("system.disk.io")
            .unwrap()
            .series(&[("system.device", "{value}")]);
        let facts = Facts {
            host: "{host}",
            series: Some(&series),
            value: "1",
            threshold: "2",
            hold: Duration::ZERO,
        };
        assert_eq!(
            Template::new(words.clone(), words).fill(facts),
            Text::plain("{host}: {value}")
        );
    }

    #[test]
    fn spans_are_told_in_each_language() {
        let words = Template::read("{value} ({threshold}, {for})", &[]).unwrap();
        let facts = Facts {
            host: "h",
            series: None,
            value: "7h 12m",
            threshold: "15 ms",
            hold: Duration::from_secs(600),
        };
        assert_eq!(
            Template::new(words.clone(), words).fill(facts),
            Text::new("7h 12m (15 ms, 10m)", "7 小时 12 分钟 (15 ms, 10 分钟)")
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            Template::read("{hots}", &["system.device"])
                .unwrap_err()
                .contains("{system.device}")
        );
        assert!(Template::read("{host", &[]).is_err());
    }
}
