//! Errors that memory controllers corrected, or could not: `/sys/devices/system/edac/mc` (kernel documentation
//! `driver-api/edac`). An uncorrected error is lost data; corrected ones that keep coming tell of a module that fails.

use super::{Findings, Host, Part, PartStatus, Survey, growth::Growth};
use std::{collections::BTreeMap, time::Duration};

const FOLDER: &str = "sys/devices/system/edac/mc";

/// A module whose corrected errors grew within this time is degraded.
const WINDOW: Duration = Duration::from_secs(86_400);

/// Looks at error counts of memory.
#[derive(Debug, Default)]
pub(crate) struct Edac {
    corrected: BTreeMap<String, Growth>,
}

/// What is counted for one controller or module.
#[derive(Debug, Default)]
struct Counts {
    corrected: Option<u64>,
    uncorrected: Option<u64>,
}

impl Survey for Edac {
    fn name(&self) -> &'static str {
        "edac"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        for controller in host.entries(FOLDER) {
            if !is_numbered(&controller, "mc") {
                continue;
            }
            let folder = format!("{FOLDER}/{controller}");
            let counts = Counts {
                corrected: host.number(format!("{folder}/ce_count")),
                uncorrected: host.number(format!("{folder}/ue_count")),
            };
            let mut part = Part::new("memory", &controller);
            part.detail("name", host.text(format!("{folder}/mc_name")).unwrap_or_default());
            self.tell(part, &counts, host.mono, findings);
            if !self.modules(host, &controller, findings) {
                self.rows(host, &controller, findings);
            }
        }
    }
}

impl Edac {
    /// Modules as kernels from 4.11 count them; `false` when this one does not.
    fn modules(&mut self, host: &Host, controller: &str, findings: &mut Findings) -> bool {
        let mut any = false;
        for module in host.entries(format!("{FOLDER}/{controller}")) {
            if !is_numbered(&module, "dimm") && !is_numbered(&module, "rank") {
                continue;
            }
            let folder = format!("{FOLDER}/{controller}/{module}");
            let counts = Counts {
                corrected: host.number(format!("{folder}/dimm_ce_count")),
                uncorrected: host.number(format!("{folder}/dimm_ue_count")),
            };
            if counts.corrected.is_none() {
                continue;
            }
            any = true;
            let text = |file: &str| host.text(format!("{folder}/{file}")).unwrap_or_default();
            let mut part = Part::new("memory", format!("{controller}/{module}"));
            part.detail("label", text("dimm_label"));
            part.detail("location", text("dimm_location"));
            part.detail("size_mib", text("size"));
            self.tell(part, &counts, host.mono, findings);
        }
        any
    }

    /// Rows and channels as older kernels count them.
    fn rows(&mut self, host: &Host, controller: &str, findings: &mut Findings) {
        for row in host.entries(format!("{FOLDER}/{controller}")) {
            if !is_numbered(&row, "csrow") {
                continue;
            }
            let folder = format!("{FOLDER}/{controller}/{row}");
            let lost = host.number(format!("{folder}/ue_count")).is_some_and(|count| count > 0);
            for file in host.entries(&folder) {
                let Some(channel) = file.strip_suffix("_ce_count").filter(|name| is_numbered(name, "ch")) else {
                    continue;
                };
                let counts = Counts {
                    corrected: host.number(format!("{folder}/{file}")),
                    uncorrected: host.number(format!("{folder}/{channel}_ue_count")),
                };
                let mut part = Part::new("memory", format!("{controller}/{row}/{channel}"));
                let label = host.text(format!("{folder}/{channel}_dimm_label"));
                part.detail("label", label.unwrap_or_default());
                if lost && counts.uncorrected.is_none() {
                    part.judge(PartStatus::Failed, "its row had errors that could not be corrected");
                }
                self.tell(part, &counts, host.mono, findings);
            }
        }
    }

    fn tell(&mut self, mut part: Part, counts: &Counts, mono: Duration, findings: &mut Findings) {
        for (error, count) in [("corrected", counts.corrected), ("uncorrected", counts.uncorrected)] {
            if let Some(count) = count {
                let attributes = [
                    ("error.type", error),
                    ("hw.id", part.id.as_str()),
                    ("hw.type", "memory"),
                ];
                findings.count("hw.errors", &attributes, count);
            }
        }
        if counts.uncorrected.is_some_and(|count| count > 0) {
            part.judge(PartStatus::Failed, "it had errors that could not be corrected");
        }
        if let Some(corrected) = counts.corrected {
            let growth = self.corrected.entry(part.id.clone()).or_default();
            if growth.note(corrected, mono, WINDOW) > 0 {
                part.judge(PartStatus::Degraded, "it had to correct errors within the last day");
            }
        } else if counts.uncorrected.is_none() {
            part.judge(PartStatus::Unread, "its error counts can't be read");
        }
        findings.part(part);
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
