//! Network interfaces: counters from `/proc/net/dev` (one read for all), state from `/sys/class/net/NAME`.
//!
//! Where `/proc/net/dev` is missing, interfaces are taken from `/sys/class/net` and their counters are absent.

use super::{
    HostEvent,
    bytes::{fields, fits, lines, number, text, trimmed},
    columns::{CachedSection, Columns},
    file::{KeptFile, read_at},
};
use rustix::fs::CWD;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tocsin_vocabulary::{Severity, batch::Cell};

/// Most interfaces that are reported; those that come later in the kernel's list are left out.
pub(crate) const INTERFACES_MAX: usize = 1_000;

/// Speed and duplex take the kernel's network lock, so they are asked when the link changed and else this seldom.
const SPEED_PERIOD: Duration = Duration::from_secs(60);

/// `speed` is in Mbit/s (kernel documentation `ABI/testing/sysfs-class-net`).
const BITS_PER_MEGABIT: u64 = 1_000_000;

/// What the kernel counts for one interface since it was created.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    received: Direction,
    transmitted: Direction,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Direction {
    bytes: Option<u64>,
    packets: Option<u64>,
    errors: Option<u64>,
    dropped: Option<u64>,
    overruns: Option<u64>,
    /// Of what was received: frames that can't be. Of what was to be sent: packets for which there was no carrier.
    of_the_line: Option<u64>,
}

/// One line of `/proc/net/dev`: the interface's name and counters. Old kernels leave no space after the colon.
pub(crate) fn parse_line(line: &[u8]) -> Option<(&[u8], Counters)> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let name = trimmed(&line[..colon]);
    let mut columns = [0_u64; 15];
    let mut count = 0;
    for field in fields(&line[colon + 1..]).take(columns.len()) {
        columns[count] = number(field)?;
        count += 1;
    }
    // receive: bytes packets errs drop fifo frame compressed multicast
    // transmit: bytes packets errs drop fifo colls carrier compressed
    (count == columns.len() && !name.is_empty()).then(|| {
        let direction = |first: usize, of_the_line: usize| Direction {
            bytes: Some(columns[first]),
            packets: Some(columns[first + 1]),
            errors: Some(columns[first + 2]),
            dropped: Some(columns[first + 3]),
            overruns: Some(columns[first + 4]),
            of_the_line: Some(columns[of_the_line]),
        };
        (
            name,
            Counters {
                received: direction(0, 5),
                transmitted: direction(8, 14),
            },
        )
    })
}

/// What `/sys/class/net/NAME` says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Link {
    up: Option<bool>,
    carrier_changes: Option<u64>,
    speed_bits: Option<u64>,
    full_duplex: Option<bool>,
    /// When speed and duplex were asked.
    asked: Option<Duration>,
}

/// `operstate` (RFC 2863). An interface whose driver doesn't say (`unknown`) is judged by its carrier.
fn parse_operstate(bytes: &[u8]) -> Option<Option<bool>> {
    match bytes {
        b"up" => Some(Some(true)),
        b"unknown" => Some(None),
        b"down" | b"lowerlayerdown" | b"dormant" | b"notpresent" | b"testing" => Some(Some(false)),
        _ => None,
    }
}

/// `speed`: -1 or an unreadable file mean unknown.
fn parse_speed(bytes: &[u8]) -> Option<u64> {
    number(bytes)
        .filter(|megabits| *megabits > 0 && *megabits < u64::from(u32::MAX))?
        .checked_mul(BITS_PER_MEGABIT)
}

fn parse_duplex(bytes: &[u8]) -> Option<bool> {
    match bytes {
        b"full" => Some(true),
        b"half" => Some(false),
        _ => None,
    }
}

/// One interface of the kernel's list.
#[derive(Debug)]
struct Interface {
    name: Vec<u8>,
    /// Name as attribute and folder in `/sys`; `None` when the interface is not reported.
    shown: Option<(String, PathBuf)>,
    counters: Counters,
    link: Link,
}

impl Interface {
    /// Reads the state of the link; tells when it went up or down since the last tick.
    fn refresh(&mut self, buffer: &mut Vec<u8>, mono: Duration) -> Option<HostEvent> {
        let (shown, folder) = self.shown.as_mut()?;
        let before = self.link;
        let link = &mut self.link;
        link.up = read(folder, "operstate", buffer, parse_operstate)
            .map(|up| up.unwrap_or_else(|| read(folder, "carrier", buffer, number) == Some(1)));
        link.carrier_changes = read(folder, "carrier_changes", buffer, number);
        let changed = (link.up, link.carrier_changes) != (before.up, before.carrier_changes);
        let due = before
            .asked
            .is_none_or(|asked| mono.saturating_sub(asked) >= SPEED_PERIOD);
        if changed || due {
            link.speed_bits = read(folder, "speed", buffer, parse_speed);
            link.full_duplex = read(folder, "duplex", buffer, parse_duplex);
            link.asked = Some(mono);
        }
        match (before.up, link.up) {
            (Some(true), Some(false)) => Some(link_event(shown, "network.link.down", Severity::Major)),
            (Some(false), Some(true)) => Some(link_event(shown, "network.link.up", Severity::Info)),
            _ => None,
        }
    }
}

/// What file `name` of an interface's folder says, without white space at its ends.
fn read<T>(
    folder: &mut PathBuf,
    name: &str,
    buffer: &mut Vec<u8>,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Option<T> {
    folder.push(name);
    let value = read_at(CWD, folder.as_path(), buffer).and_then(|bytes| parse(trimmed(bytes)));
    folder.pop();
    value
}

fn link_event(interface: &str, name: &'static str, severity: Severity) -> HostEvent {
    let word = if severity == Severity::Info { "up" } else { "down" };
    HostEvent {
        name,
        severity,
        attributes: vec![("network.interface.name", interface.to_owned())],
        body: format!("link of interface {interface} went {word}"),
    }
}

/// Samples the network interfaces.
#[derive(Debug)]
pub(crate) struct Network {
    file: KeptFile,
    sys: PathBuf,
    excluded: Vec<String>,
    interfaces: Vec<Interface>,
    section: CachedSection,
}

impl Network {
    pub(crate) fn new(root: &Path, excluded: Vec<String>) -> Self {
        Self {
            file: KeptFile::new(root.join("proc/net/dev")),
            sys: root.join("sys/class/net"),
            excluded,
            interfaces: Vec::new(),
            section: CachedSection::default(),
        }
    }

    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    /// Appends this tick's values; says whether the section changed.
    pub(crate) fn sample(
        &mut self,
        buffer: &mut Vec<u8>,
        cells: &mut Vec<Cell>,
        events: &mut Vec<HostEvent>,
        mono: Duration,
    ) -> bool {
        if let Some(bytes) = self.file.read(buffer) {
            if !self.update(lines(bytes).filter_map(parse_line)) {
                let listed: Vec<_> = lines(bytes).filter_map(parse_line).collect();
                self.learn(&listed);
            }
        } else {
            let names = self.names_in_sys();
            let listed: Vec<_> = names
                .iter()
                .map(|name| (name.as_slice(), Counters::default()))
                .collect();
            if !self.update(listed.iter().copied()) {
                self.learn(&listed);
            }
        }
        events.extend(
            self.interfaces
                .iter_mut()
                .filter_map(|interface| interface.refresh(buffer, mono)),
        );
        let interfaces = &self.interfaces;
        self.section.fill(cells, |columns| {
            for interface in interfaces {
                if let Some((name, _)) = &interface.shown {
                    put(columns, name, interface);
                }
            }
        })
    }

    fn names_in_sys(&self) -> Vec<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt as _;
        let Ok(entries) = fs::read_dir(&self.sys) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir()))
            .map(|entry| entry.file_name().into_vec())
            .collect();
        names.sort_unstable();
        names
    }

    /// Takes new counters for the same interfaces; `false` when the interfaces are others.
    fn update<'a>(&mut self, listed: impl Iterator<Item = (&'a [u8], Counters)>) -> bool {
        let mut known = self.interfaces.iter_mut();
        for (name, counters) in listed {
            match known.next() {
                Some(interface) if interface.name == name => interface.counters = counters,
                _ => return false,
            }
        }
        known.next().is_none()
    }

    fn learn(&mut self, listed: &[(&[u8], Counters)]) {
        let before = std::mem::take(&mut self.interfaces);
        let mut room = INTERFACES_MAX;
        for (name, counters) in listed {
            let shown = Some(text(name)).filter(|shown| {
                room > 0 && !self.excluded.iter().any(|pattern| fits(pattern, shown)) && is_file_name(shown)
            });
            room -= usize::from(shown.is_some());
            let link = before
                .iter()
                .find(|known| known.name == *name)
                .map_or_else(Link::default, |known| known.link);
            let shown = shown.map(|shown| {
                let folder = self.sys.join(&shown);
                (shown, folder)
            });
            self.interfaces.push(Interface {
                name: name.to_vec(),
                shown,
                counters: *counters,
                link,
            });
        }
        self.section.mark_stale();
    }
}

/// The kernel allows no other names (`dev_valid_name`); a recorded tree might hold them.
fn is_file_name(name: &str) -> bool {
    !name.contains('/') && name != "." && name != ".."
}

fn put(columns: &mut Columns<'_>, name: &str, interface: &Interface) {
    let directions = [
        ("receive", &interface.counters.received),
        ("transmit", &interface.counters.transmitted),
    ];
    for (direction, counters) in directions {
        let attributes = &[("network.interface.name", name), ("network.io.direction", direction)];
        columns.put("system.network.io", attributes, 0, counters.bytes);
        columns.put("system.network.packet.count", attributes, 0, counters.packets);
        columns.put("system.network.errors", attributes, 0, counters.errors);
        columns.put("system.network.packet.dropped", attributes, 0, counters.dropped);
        columns.put("tocsin.network.overruns", attributes, 0, counters.overruns);
    }
    let attributes = &[("network.interface.name", name)];
    let (received, transmitted) = (&interface.counters.received, &interface.counters.transmitted);
    columns.put("tocsin.network.frame_errors", attributes, 0, received.of_the_line);
    columns.put("tocsin.network.carrier.errors", attributes, 0, transmitted.of_the_line);
    let link = &interface.link;
    columns.put("tocsin.network.up", attributes, 0, link.up.map(u64::from));
    columns.put("tocsin.network.carrier.changes", attributes, 0, link.carrier_changes);
    columns.put("tocsin.network.speed", attributes, 0, link.speed_bits);
    columns.put(
        "tocsin.network.full_duplex",
        attributes,
        0,
        link.full_duplex.map(u64::from),
    );
}

#[cfg(test)]
mod tests;
