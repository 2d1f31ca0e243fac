//! A tick in the Prometheus text exposition format, version 0.0.4.

use super::digits;
use crate::sources::Sampled;
use std::{collections::BTreeMap, fmt::Write as _};
use tocsin_vocabulary::{
    Kind, Language, Series,
    batch::Cell,
    catalogue,
    prometheus::{labels, metric_name},
};

/// All values of a tick; those of one metric stand together, absent ones are left out.
#[must_use]
pub fn exposition(sampled: &Sampled) -> String {
    let mut metrics: BTreeMap<String, Vec<(&Series, Cell)>> = BTreeMap::new();
    for (series, cell) in sampled.dictionary.series().zip(&sampled.tick.cells) {
        if *cell != Cell::Absent {
            metrics.entry(metric_name(series)).or_default().push((series, *cell));
        }
    }
    let mut out = String::new();
    for (name, samples) in metrics {
        let (first, _) = samples[0];
        let help = catalogue::metric(&first.name).map_or("", |metric| metric.describe(Language::English));
        let kind = if first.kind == Kind::Counter {
            "counter"
        } else {
            "gauge"
        };
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (series, cell) in samples {
            push_sample(&mut out, &name, series, cell);
        }
    }
    out
}

fn push_sample(out: &mut String, name: &str, series: &Series, cell: Cell) {
    out.push_str(name);
    let labels = labels(series);
    for (at, (label, value)) in labels.iter().enumerate() {
        let _ = write!(out, "{}{label}=\"", if at == 0 { '{' } else { ',' });
        for character in value.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    if !labels.is_empty() {
        out.push('}');
    }
    let value = match cell {
        Cell::Absent => return,
        Cell::Scaled(value) => digits(value, series.decimals),
        Cell::Raw(value) if value.is_nan() => "NaN".to_owned(),
        Cell::Raw(value) if value.is_infinite() => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        Cell::Raw(value) => value.to_string(),
    };
    let _ = writeln!(out, " {value}");
}

#[cfg(test)]
mod tests {
    use super::{super::table::tests::sampled, *};

    #[test]
    fn metrics_stand_together_with_escaped_labels() {
        let expected = "\
# HELP system_cpu_time_seconds_total CPU time spent in each mode since boot, summed over all CPUs unless one is named.
# TYPE system_cpu_time_seconds_total counter
system_cpu_time_seconds_total{cpu_mode=\"user\"} 12.5
# HELP system_cpu_utilization_ratio Share of CPU time since the last tick, 0 to 1. Without cpu.mode: all that was neither idle nor iowait.
# TYPE system_cpu_utilization_ratio gauge
system_cpu_utilization_ratio 0.1234
# HELP system_disk_io_bytes_total Bytes transferred from and to a disk.
# TYPE system_disk_io_bytes_total counter
system_disk_io_bytes_total{disk_io_direction=\"read\",system_device=\"sda\"} NaN
# HELP system_filesystem_limit_bytes Size of a file system.
# TYPE system_filesystem_limit_bytes gauge
system_filesystem_limit_bytes{system_filesystem_mountpoint=\"/a \\\"b\\\"\\n\u{1b}[31m\\\\\"} 1610612736
# HELP system_uptime_seconds Time since boot.
# TYPE system_uptime_seconds gauge
system_uptime_seconds 93784
# HELP tocsin_network_speed_bits_per_second Negotiated speed; absent when unknown or down.
# TYPE tocsin_network_speed_bits_per_second gauge
tocsin_network_speed_bits_per_second{network_interface_name=\"eth0\"} 1000000000
";
        assert_eq!(exposition(&sampled()), expected);
    }
}
