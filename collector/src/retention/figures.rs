//! What the classes have on the disk: words for people, gauges for `/metrics`.

use std::fmt::Write as _;
use tocsin_metrics::ClassSize;
use tocsin_vocabulary::Timestamp;

/// What each class has, in words.
pub(crate) fn words_of(classes: &[ClassSize]) -> String {
    let one = |size: &ClassSize| {
        let mut words = format!("{} {} MiB", size.class, (size.block_bytes + size.rollup_bytes) >> 20);
        for (what, day) in [("samples", size.oldest_raw_day), ("anything", size.oldest_day)] {
            if let Some(day) = day {
                let _ = write!(words, ", {what} since {}", date(day));
            }
        }
        if !size.declared {
            words.push_str(", not declared: kept until it is");
        }
        words
    };
    classes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn date(day: Timestamp) -> String {
    day.to_string().chars().take(10).collect()
}

/// What one gauge shows of a class; nothing when it has no such day.
type Shows = fn(&ClassSize) -> Option<i128>;

/// The same for `/metrics`.
pub(crate) fn exposition(classes: &[ClassSize]) -> String {
    let gauges: [(&str, &str, Shows); 4] = [
        ("block_bytes", "size of the blocks of a retention class", |size| {
            Some(size.block_bytes.into())
        }),
        ("rollup_bytes", "size of the rollups of a retention class", |size| {
            Some(size.rollup_bytes.into())
        }),
        (
            "oldest_raw_timestamp_seconds",
            "start of the oldest day of which a retention class has samples",
            |size| seconds(size.oldest_raw_day),
        ),
        (
            "oldest_timestamp_seconds",
            "start of the oldest day of which a retention class has samples or rollups",
            |size| seconds(size.oldest_day),
        ),
    ];
    let mut out = String::new();
    for (name, help, shows) in gauges {
        let _ = writeln!(
            out,
            "# HELP tocsin_store_class_{name} {help}\n# TYPE tocsin_store_class_{name} gauge"
        );
        for size in classes {
            if let Some(value) = shows(size) {
                let _ = writeln!(out, "tocsin_store_class_{name}{{class=\"{}\"}} {value}", size.class);
            }
        }
    }
    out
}

fn seconds(day: Option<Timestamp>) -> Option<i128> {
    day.map(|day| i128::from(day.as_millis().div_euclid(1_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_words_and_as_gauges() {
        let size = |class: &str, day: Option<i64>| ClassSize {
            class: class.parse().unwrap(),
            block_bytes: 5 << 20,
            rollup_bytes: 1 << 20,
            oldest_raw_day: day.map(Timestamp::from_millis),
            oldest_day: day.map(Timestamp::from_millis),
            declared: class != "gone",
        };
        let sizes = [size("default", None), size("gone", Some(1_763_769_600_000))];
        assert_eq!(
            words_of(&sizes),
            "default 6 MiB; gone 6 MiB, samples since 2025-11-22, anything since 2025-11-22, not declared: kept until it is"
        );
        let text = exposition(&sizes);
        assert!(
            text.contains("tocsin_store_class_block_bytes{class=\"default\"} 5242880\n"),
            "{text}"
        );
        assert!(
            text.contains("tocsin_store_class_oldest_raw_timestamp_seconds{class=\"gone\"} 1763769600\n"),
            "{text}"
        );
        assert!(
            !text.contains("oldest_raw_timestamp_seconds{class=\"default\"}"),
            "{text}"
        );
    }
}
