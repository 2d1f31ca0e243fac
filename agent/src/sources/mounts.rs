//! Mounted file systems: which there are ([`mountinfo`]) and how full they are ([`space`]).
//!
//! The table is that of process 1 where it may be read, for a hardened service sees its own mounts as read-only; else
//! the agent's own, of which only the file systems' own options count. In a recorded tree nobody can be asked for
//! space: it is absent.

use super::{
    bytes::{text, trimmed},
    columns::{CachedSection, Columns},
    cpu::share,
    file::KeptFile,
    mountinfo::{self, Mount, Table},
    space::{Ask, Known, Spaces},
};
use std::{path::Path, time::Duration};
use tocsin_vocabulary::batch::Cell;

/// Digits after the point of utilizations.
const SHARE_DECIMALS: u8 = 4;

/// One file system that is reported.
#[derive(Debug)]
struct Watched {
    mount: Mount,
    device: String,
    point: String,
    kind: String,
    number: Option<u64>,
    known: Known,
}

/// Samples the mounted file systems.
#[derive(Debug)]
pub(crate) struct Mounts {
    host_table: KeptFile,
    own_table: KeptFile,
    excluded: Vec<String>,
    /// The table as last read: most ticks bring the same bytes.
    table: Vec<u8>,
    /// Which of the tables that was; `None` when it is to be learned anew.
    learned: Option<Table>,
    watched: Vec<Watched>,
    spaces: Option<Spaces>,
    section: CachedSection,
}

impl Mounts {
    /// `ask` is how file systems are asked for their space; `None` in a recorded tree.
    pub(crate) fn new(root: &Path, excluded: Vec<String>, ask: Option<Ask>) -> Self {
        Self {
            host_table: KeptFile::new(root.join("proc/1/mountinfo")),
            own_table: KeptFile::new(root.join("proc/self/mountinfo")),
            excluded,
            table: Vec::new(),
            learned: None,
            watched: Vec::new(),
            spaces: ask.map(Spaces::new),
            section: CachedSection::default(),
        }
    }

    pub(crate) const fn section(&self) -> &CachedSection {
        &self.section
    }

    /// Leaves out other mount points from the next tick on; what is known of the rest stays.
    pub(crate) fn exclude(&mut self, excluded: Vec<String>) {
        self.excluded = excluded;
        self.learned = None;
    }

    /// Appends this tick's values; says whether the section changed.
    pub(crate) fn sample(&mut self, buffer: &mut Vec<u8>, cells: &mut Vec<Cell>, mono: Duration) -> bool {
        let host = self
            .host_table
            .read(buffer)
            .is_some_and(|table| !trimmed(table).is_empty());
        let kind = if host { Table::Host } else { Table::Own };
        if !host && self.own_table.read(buffer).is_none() {
            buffer.clear();
        }
        if self.learned != Some(kind) || *buffer != self.table {
            self.learn(buffer, kind);
            self.table.clone_from(buffer);
            self.learned = Some(kind);
        }
        if let Some(spaces) = &mut self.spaces {
            spaces.refresh(mono);
            for watched in &mut self.watched {
                watched.known = watched
                    .number
                    .map_or_else(Known::default, |number| spaces.known(number, mono));
            }
        }
        let (watched, asked) = (&self.watched, self.spaces.is_some());
        self.section.fill(cells, |columns| {
            watched.iter().for_each(|watched| put(columns, watched, asked));
        })
    }

    fn learn(&mut self, table: &[u8], kind: Table) {
        let mounts = mountinfo::parse(table, kind, &self.excluded);
        let mut before = std::mem::take(&mut self.watched);
        let same = |a: &Mount, b: &Mount| {
            (&a.point, &a.source, &a.kind, &a.device) == (&b.point, &b.source, &b.kind, &b.device)
        };
        let described = |watched: &Watched| (watched.device.clone(), watched.point.clone(), watched.kind.clone());
        let names: Vec<_> = before.iter().map(described).collect();
        for mount in mounts {
            if let Some(at) = before.iter().position(|watched| same(&watched.mount, &mount)) {
                let known = before.swap_remove(at);
                self.watched.push(Watched { mount, ..known });
                continue;
            }
            self.watched.push(Watched {
                device: text(&mount.source),
                point: text(&mount.point),
                kind: text(&mount.kind),
                number: self.spaces.as_mut().map(|spaces| spaces.add(&mount)),
                known: Known::default(),
                mount,
            });
        }
        if let Some(spaces) = &mut self.spaces {
            before
                .iter()
                .filter_map(|watched| watched.number)
                .for_each(|number| spaces.remove(number));
        }
        if names != self.watched.iter().map(described).collect::<Vec<_>>() {
            self.section.mark_stale();
        }
    }
}

fn put(columns: &mut Columns<'_>, watched: &Watched, asked: bool) {
    let (device, point, kind) = (watched.device.as_str(), watched.point.as_str(), watched.kind.as_str());
    let plain = &[
        ("system.device", device),
        ("system.filesystem.mountpoint", point),
        ("system.filesystem.type", kind),
    ];
    let state = |state: &'static str| {
        [
            ("system.device", device),
            ("system.filesystem.mountpoint", point),
            ("system.filesystem.state", state),
            ("system.filesystem.type", kind),
        ]
    };
    let space = watched.known.space;
    let used = space.map(|space| space.size.saturating_sub(space.free));
    let free = space.map(|space| space.available);
    let reserved = space.map(|space| space.free.saturating_sub(space.available));
    let utilization = used
        .zip(free)
        .and_then(|(used, free)| share(used, used.saturating_add(free), SHARE_DECIMALS));
    columns.put("system.filesystem.limit", plain, 0, space.map(|space| space.size));
    columns.put("system.filesystem.usage", &state("used"), 0, used);
    columns.put("system.filesystem.usage", &state("free"), 0, free);
    columns.put("system.filesystem.usage", &state("reserved"), 0, reserved);
    columns.put(
        "system.filesystem.utilization",
        &state("used"),
        SHARE_DECIMALS,
        utilization,
    );

    let inodes = space.filter(|space| space.inodes > 0);
    let inodes_used = inodes.map(|space| space.inodes.saturating_sub(space.inodes_free));
    let inodes_share = inodes
        .zip(inodes_used)
        .and_then(|(space, used)| share(used, space.inodes, SHARE_DECIMALS));
    columns.put("system.filesystem.inodes.usage", &state("used"), 0, inodes_used);
    columns.put(
        "system.filesystem.inodes.usage",
        &state("free"),
        0,
        inodes.map(|space| space.inodes_free),
    );
    columns.put(
        "tocsin.filesystem.inodes.utilization",
        plain,
        SHARE_DECIMALS,
        inodes_share,
    );
    columns.put(
        "tocsin.filesystem.read_only",
        plain,
        0,
        Some(u64::from(watched.mount.read_only)),
    );
    columns.put(
        "tocsin.filesystem.hung",
        plain,
        0,
        asked.then(|| u64::from(watched.known.hung)),
    );
}

#[cfg(test)]
mod tests {
    use super::{super::space::Space, *};
    use std::{fs, sync::Arc};

    const COLUMNS: usize = 10;

    fn table(root: &Path, process: &str, text: &str) {
        let folder = root.join("proc").join(process);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("mountinfo"), text).unwrap();
    }

    #[test]
    fn turning_read_only_changes_a_value_and_no_series() {
        let root = tempfile::tempdir().unwrap();
        let mut mounts = Mounts::new(root.path(), Vec::new(), None);
        let mut sample = || {
            let mut cells = Vec::new();
            let changed = mounts.sample(&mut Vec::new(), &mut cells, Duration::ZERO);
            (changed, cells)
        };
        table(root.path(), "self", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        let (changed, cells) = sample();
        assert!(changed);
        assert_eq!(cells.len(), COLUMNS);
        assert_eq!(cells[8..], [Cell::Scaled(0), Cell::Absent]);
        table(root.path(), "self", "1 0 8:1 / / rw - ext4 /dev/sda1 ro\n");
        let (changed, cells) = sample();
        assert!(!changed);
        assert_eq!(cells[8], Cell::Scaled(1));
        table(
            root.path(),
            "self",
            "1 0 8:1 / / rw - ext4 /dev/sda1 ro\n2 1 8:2 / /b rw - ext4 /dev/sdb rw\n",
        );
        assert_eq!(sample().1.len(), 2 * COLUMNS);
    }

    #[test]
    fn the_table_of_process_1_is_preferred() {
        let root = tempfile::tempdir().unwrap();
        table(root.path(), "1", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        table(root.path(), "self", "1 0 8:1 / / ro - ext4 /dev/sda1 rw\n");
        let (mut mounts, mut cells) = (Mounts::new(root.path(), Vec::new(), None), Vec::new());
        mounts.sample(&mut Vec::new(), &mut cells, Duration::ZERO);
        assert_eq!(cells[8], Cell::Scaled(0));
    }

    #[test]
    fn in_the_agents_own_table_a_mount_that_hardening_made_read_only_is_not() {
        let root = tempfile::tempdir().unwrap();
        table(root.path(), "self", "1 0 8:1 / / ro - ext4 /dev/sda1 rw\n");
        let mut mounts = Mounts::new(root.path(), Vec::new(), None);
        let mut sample = || {
            let mut cells = Vec::new();
            mounts.sample(&mut Vec::new(), &mut cells, Duration::ZERO);
            cells[8]
        };
        assert_eq!(sample(), Cell::Scaled(0));
        table(root.path(), "1", "1 0 8:1 / / ro - ext4 /dev/sda1 rw\n");
        assert_eq!(sample(), Cell::Scaled(1), "the same bytes from process 1 mean it");
    }

    #[test]
    fn another_selection_of_mounts_asks_none_anew() {
        let root = tempfile::tempdir().unwrap();
        table(
            root.path(),
            "1",
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /b rw - ext4 /dev/sdb rw\n",
        );
        let mut mounts = Mounts::new(root.path(), Vec::new(), Some(Arc::new(|_: &Path| None)));
        let sample = |mounts: &mut Mounts| {
            mounts.sample(&mut Vec::new(), &mut Vec::new(), Duration::ZERO);
            let number = |watched: &Watched| (watched.point.clone(), watched.number.unwrap());
            mounts.watched.iter().map(number).collect::<Vec<_>>()
        };
        let before = sample(&mut mounts);
        mounts.exclude(vec!["/b".to_owned()]);
        assert_eq!(sample(&mut mounts), before[..1]);
    }

    #[test]
    fn space_is_split_as_df_shows_it() {
        let root = tempfile::tempdir().unwrap();
        table(root.path(), "1", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        let space = Space {
            size: 1_000,
            free: 400,
            available: 300,
            inodes: 0,
            inodes_free: 0,
        };
        let mut mounts = Mounts::new(root.path(), Vec::new(), Some(Arc::new(move |_: &Path| Some(space))));
        let cells = (0..10_000)
            .map(|second| {
                let mut cells = Vec::new();
                mounts.sample(&mut Vec::new(), &mut cells, Duration::from_secs(second));
                cells
            })
            .find(|cells| cells[0] != Cell::Absent)
            .unwrap();
        let expected = [1_000, 600, 300, 100, 6_667].map(Cell::Scaled);
        assert_eq!(cells[..5], expected);
        assert_eq!(cells[5..8], [Cell::Absent; 3]);
    }
}
