//! Links of physical network interfaces, bonds and teams of them: `/sys/class/net`, `/proc/net/bonding`.
//!
//! Counters, speed and state are told on every tick by others; here is the verdict. A port whose link was there and is
//! gone failed; one that never had a link, or that somebody switched off, has no fault. A link slower than it was, in
//! half duplex, or going up and down is degraded. The best speed is remembered, over restarts
//! too.

mod bonds;
mod teams;

use super::{Findings, Host, Part, PartStatus, Survey, growth::Growth, memory::Bests};
use crate::sources::fits;
use std::{collections::BTreeMap, time::Duration};

const NAME: &str = "links";
const FOLDER: &str = "sys/class/net";

/// Most ports that are told.
const PORTS_MAX: usize = 512;

/// So many changes of the carrier within [`WINDOW`] are flapping: two losses and returns are a cable that was moved.
const CHANGES_MAX: u64 = 5;
/// How long changes of the carrier and failures of slaves are held against a link.
const WINDOW: Duration = Duration::from_secs(3_600);

/// `IFF_UP` of `netdevice(7)`.
const FLAG_UP: u64 = 1;

/// Looks at links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    excluded: Vec<String>,
    /// Of each port the best speed ever seen, in Mbit/s; `None` before the first look.
    best: Option<Bests>,
    ports: BTreeMap<String, Known>,
    bonds: BTreeMap<String, bonds::Known>,
}

/// What earlier looks saw of a port.
#[derive(Debug, Default)]
struct Known {
    was_up: bool,
    changes: Growth,
}

/// What the kernel says of a port now.
#[derive(Debug, Default)]
struct Port {
    switched_on: bool,
    up: bool,
    /// Whether it had a link since boot, as far as the kernel counts that.
    had_link: bool,
    changes: Option<u64>,
    /// Mbit/s; none when down or unknown.
    speed: Option<u64>,
    half_duplex: bool,
}

impl Links {
    /// Links whose names fit none of these patterns.
    pub(crate) fn new(excluded: Vec<String>) -> Self {
        Self {
            excluded,
            ..Self::default()
        }
    }
}

impl Survey for Links {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let mut best = self.best.take().or_else(|| host.recall(NAME)).unwrap_or_default();
        let names = host.entries(FOLDER);
        let watched = names
            .iter()
            .filter(|name| !self.excluded.iter().any(|pattern| fits(pattern, name)));
        for name in watched.clone().filter(|name| is_physical(host, name)).take(PORTS_MAX) {
            let known = self.ports.entry(name.clone()).or_default();
            findings.part(known.judge(host, name, &Port::read(host, name), &mut best));
        }
        self.ports.retain(|name, _| names.contains(name));
        for name in watched {
            let bond = bonds::Bond::read(host, name).or_else(|| teams::read(host, name, &names));
            if let Some(bond) = bond {
                let known = self.bonds.entry(name.clone()).or_default();
                known.tell(host, name, &bond, findings);
            }
        }
        self.bonds.retain(|name, _| names.contains(name));
        host.remember(NAME, &best);
        self.best = Some(best);
    }
}

/// Whether there is a device behind, and not one that another port only lends (`physfn`).
fn is_physical(host: &Host, name: &str) -> bool {
    let folder = host.path(format!("{FOLDER}/{name}"));
    folder.join("device").exists() && !folder.join("device/physfn").exists()
}

fn is_switched_on(host: &Host, name: &str) -> bool {
    let flags = host.text(format!("{FOLDER}/{name}/flags"));
    let flags = flags.and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    flags.is_none_or(|flags| flags & FLAG_UP != 0)
}

impl Port {
    fn read(host: &Host, name: &str) -> Self {
        let text = |file: &str| host.text(format!("{FOLDER}/{name}/{file}"));
        let number = |file: &str| host.number(format!("{FOLDER}/{name}/{file}"));
        let switched_on = is_switched_on(host, name);
        let up = match text("operstate").as_deref() {
            Some("up" | "dormant") => true,
            Some("unknown") | None => number("carrier") == Some(1),
            Some(_) => false,
        };
        let changes = number("carrier_changes");
        // Counted from kernel 4.16; older ones count both directions together.
        let had_link = match number("carrier_up_count") {
            Some(count) => count > 0,
            None => changes.is_some_and(|changes| changes > 1),
        };
        Self {
            switched_on,
            up: switched_on && up,
            had_link,
            changes,
            speed: number("speed").filter(|speed| up && *speed > 0 && *speed < u64::from(u32::MAX)),
            half_duplex: up && text("duplex").as_deref() == Some("half"),
        }
    }
}

impl Known {
    fn judge(&mut self, host: &Host, name: &str, port: &Port, best: &mut Bests) -> Part {
        let mut part = Part::new("port", name);
        let state = match (port.switched_on, port.up) {
            (false, _) => "switched off",
            (true, true) => "up",
            (true, false) => "down",
        };
        part.detail("state", state);
        part.detail("speed", port.speed.map(speed_text).unwrap_or_default());
        for (key, file) in [("driver", "device/driver"), ("bus", "device"), ("master", "master")] {
            part.detail(
                key,
                host.link_name(format!("{FOLDER}/{name}/{file}")).unwrap_or_default(),
            );
        }
        let address = host.text(format!("{FOLDER}/{name}/address"));
        part.detail("address", address.unwrap_or_default());

        let changes = port
            .changes
            .map_or(0, |count| self.changes.note(count, host.mono, WINDOW));
        if !port.switched_on {
            self.was_up = false;
            return part;
        }
        if !port.up && (self.was_up || port.had_link) {
            part.judge(PartStatus::Failed, "its link is gone");
        }
        self.was_up |= port.up;
        if port.half_duplex {
            part.judge(PartStatus::Degraded, "it runs in half duplex");
        }
        if let Some(speed) = port.speed {
            let best = best.note(name, speed, host.now);
            if speed < best {
                let (now, best) = (speed_text(speed), speed_text(best));
                part.judge(
                    PartStatus::Degraded,
                    format!("it runs at {now} and ran at {best} before"),
                );
            }
        }
        if changes >= CHANGES_MAX {
            part.judge(PartStatus::Degraded, "its link went up and down within the last hour");
        }
        part
    }
}

fn speed_text(megabits: u64) -> String {
    if megabits >= 1_000 && megabits.is_multiple_of(500) {
        let half = if megabits.is_multiple_of(1_000) { "" } else { ".5" };
        format!("{}{half} Gbit/s", megabits / 1_000)
    } else {
        format!("{megabits} Mbit/s")
    }
}

#[cfg(test)]
mod tests;
