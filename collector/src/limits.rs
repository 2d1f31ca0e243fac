//! `[limits]` of `collector.toml`: how much ingest takes at once, and of one host.

use crate::toml_table::{Reader, Table};
use std::ops::RangeInclusive;
use tocsin_metrics::config::SERIES_PER_HOST_MAX;

/// What ingest takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams that may be opened in a second; whoever comes too early is told when to come again.
    pub streams_per_second: u32,
    /// Streams that may be opened at once after a quiet time.
    pub streams_burst: u32,
    /// Chunks of backlog that all agents together may have under way.
    pub backlog_chunks: u32,
    /// Series of one host.
    pub series_per_host: u32,
}

impl Default for Limits {
    /// 500 streams a second keep a core about half busy with handshakes; 256 chunks are the hour of 40 hosts.
    fn default() -> Self {
        Self {
            streams_per_second: 500,
            streams_burst: 1_000,
            backlog_chunks: 256,
            series_per_host: u32::try_from(SERIES_PER_HOST_MAX).unwrap_or(u32::MAX),
        }
    }
}

impl Limits {
    /// Takes the table `[limits]`; mistakes are noted.
    pub(crate) fn take<'a>(top: &mut Table<'a>, reader: &mut Reader<'a>) -> Self {
        let mut limits = Self::default();
        let series_max = limits.series_per_host;
        let mut table = top.table("limits", reader);
        let slots: [(&'static str, &mut u32, RangeInclusive<u32>); 4] = [
            ("streams_per_second", &mut limits.streams_per_second, 1..=100_000),
            ("streams_burst", &mut limits.streams_burst, 1..=100_000),
            ("backlog_chunks", &mut limits.backlog_chunks, 1..=4_096),
            ("series_per_host", &mut limits.series_per_host, 1..=series_max),
        ];
        for (key, slot, range) in slots {
            let Some((given, span)) = table.take_spanned::<u32>(key, reader) else {
                continue;
            };
            if !range.contains(&given) {
                let (least, most) = (range.start(), range.end());
                reader.mistake(span, format!("limits.{key} must be between {least} and {most}"));
            }
            *slot = given;
        }
        table.finish(reader);
        limits
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn limits_are_read_and_what_cannot_be_held_is_a_mistake() {
        let config = Config::parse("c.toml", "[limits]\nstreams_per_second = 7\nseries_per_host = 300\n").unwrap();
        assert_eq!(
            (config.limits.streams_per_second, config.limits.streams_burst),
            (7, 1_000)
        );
        assert_eq!(config.limits.series_per_host, 300);
        let text = "[limits]\nstreams_per_second = 0\nbacklog_chunks = -1\nseries_per_host = 20001\nchunks = 1\n";
        let mistakes = Config::parse("c.toml", text).unwrap_err();
        let lines: Vec<usize> = mistakes.mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [2, 3, 4, 5], "{mistakes}");
    }
}
