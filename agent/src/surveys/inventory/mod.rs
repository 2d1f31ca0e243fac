//! The inventory: what a host is made of and what is installed on it, as documents, one for each section, so that one
//! package that changed doesn't send the rest again.
//!
//! What needs another program is asked for again only when the files behind it changed. What can't be known is left out:
//! no count of pending updates is told where nobody knows it.
//!
//! * `hardware` — maker, processors, memory modules, disks, network interfaces,
//! * `system` — operating system, users, mounts,
//! * `packages`, `apt` — what is installed, and what waits to be,
//! * `ports` — who listens.

mod apt;
mod hardware;
mod packages;
mod ports;
mod system;

#[cfg(test)]
mod tests;

use super::{Document, Findings, Host, Survey};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};
use tocsin_proto::DOCUMENT_BYTES_MAX;

/// Looks at the inventory.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    packages: packages::Packages,
    updates: packages::Updates,
    modules: Option<Vec<hardware::Module>>,
}

impl Survey for Inventory {
    fn name(&self) -> &'static str {
        "inventory"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    /// The package managers of a slow disk.
    fn budget(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        tell(findings, "hardware", &hardware::machine(host));
        // What is plugged in does not change while the agent runs.
        let modules = self.modules.get_or_insert_with(|| hardware::modules(host));
        tell_list(findings, "memory", modules);
        tell_list(findings, "disks", &hardware::disks(host));
        tell_list(findings, "network", &hardware::interfaces(host));
        tell(findings, "system", &system::system(host));
        tell_list(findings, "users", &system::users(host));
        tell_list(findings, "mounts", &system::mounts(host));
        let installed = self.packages.look(host);
        tell_list(findings, "packages", installed);
        if let Some(ports) = ports::listening(host) {
            findings.count("tocsin.ports.listening", &[], ports.len() as u64);
            tell_list(findings, "ports", &ports);
        }
        if let Some(updates) = self.updates.look(host, installed) {
            findings.count("tocsin.updates.pending", &[], updates.pending);
            if let Some(security) = updates.security {
                findings.count("tocsin.updates.security", &[], security);
            }
            tell(findings, "updates", updates);
        }
    }
}

/// A section that has something to say.
fn tell<T: Serialize>(findings: &mut Findings, name: &'static str, section: &T) {
    let bytes = serde_json::to_vec(section).unwrap_or_default();
    // `{}`: nothing of it is known.
    if bytes.len() > 2 && bytes.len() <= DOCUMENT_BYTES_MAX {
        findings.documents.push(Document {
            kind: "inventory",
            name: name.to_owned(),
            media: "application/json",
            bytes,
            attributes: BTreeMap::new(),
        });
    }
}

/// A section that is a list; of one that is too long the beginning.
fn tell_list<T: Serialize>(findings: &mut Findings, name: &'static str, mut items: &[T]) {
    while serde_json::to_vec(items).is_ok_and(|bytes| bytes.len() > DOCUMENT_BYTES_MAX) {
        findings.left_out += items.len() - items.len() / 2;
        items = &items[..items.len() / 2];
    }
    tell(findings, name, &items);
}

/// When a file or folder was changed last.
fn changed(host: &Host, path: impl AsRef<Path>) -> Option<SystemTime> {
    std::fs::metadata(host.path(path)).ok()?.modified().ok()
}

/// A text that says something: makers write all sorts of nothing into theirs.
fn said(text: Option<String>) -> Option<String> {
    const NOTHING: [&str; 9] = [
        "to be filled by o.e.m.",
        "default string",
        "not specified",
        "system serial number",
        "system product name",
        "system manufacturer",
        "none",
        "unknown",
        "0",
    ];
    text.filter(|text| !text.is_empty() && !NOTHING.contains(&text.to_ascii_lowercase().as_str()))
}
