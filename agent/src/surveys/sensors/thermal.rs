//! Thermal zones in `/sys/class/thermal` (kernel documentation `driver-api/thermal/sysfs-api`), as far as no chip in
//! `hwmon` shows the same.

use super::{Memory, Reading, TEMPERATURE};
use crate::surveys::{Findings, Host, limits::Limits};
use std::collections::{BTreeMap, BTreeSet};

const FOLDER: &str = "sys/class/thermal";

/// Most trip points that are searched for the critical one.
const TRIPS_MAX: u32 = 16;

/// Looks at the zones that are not among `chips`.
pub(super) fn look(host: &Host, chips: &BTreeSet<String>, memory: &mut Memory, findings: &mut Findings) {
    let mut ids = BTreeMap::<String, u32>::new();
    for entry in host.entries(FOLDER) {
        if !entry.starts_with("thermal_zone") {
            continue;
        }
        let folder = format!("{FOLDER}/{entry}");
        let kind = host.text(format!("{folder}/type")).unwrap_or_else(|| entry.clone());
        // The kernel shows most zones as a chip too, with its own spelling.
        let shown = chips.contains(&kind.replace('-', "_")) || (kind == "x86_pkg_temp" && chips.contains("coretemp"));
        if shown {
            continue;
        }
        let nth = ids.entry(kind.clone()).or_default();
        *nth += 1;
        let id = if *nth > 1 {
            format!("{kind}#{nth}")
        } else {
            kind.clone()
        };
        let limits = Limits {
            high_critical: critical(host, &folder),
            ..Limits::default()
        };
        let reading = Reading {
            id: &id,
            name: "",
            chip: &kind,
            value: degrees(host, &format!("{folder}/temp")),
            limits: limits.sane(&TEMPERATURE.range),
            flags: Vec::new(),
        };
        memory.tell(&TEMPERATURE, &reading, findings);
    }
}

fn critical(host: &Host, folder: &str) -> Option<f64> {
    for trip in 0..TRIPS_MAX {
        let kind = host.text(format!("{folder}/trip_point_{trip}_type"))?;
        if kind == "critical" {
            return degrees(host, &format!("{folder}/trip_point_{trip}_temp"));
        }
    }
    None
}

fn degrees(host: &Host, path: &str) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    host.signed(path).map(|value| value as f64 / 1e3)
}
