//! ZFS: pools and the devices that they are made of, by `zpool list -p -v` and `zpool status`; the state of the pools
//! alone by `/proc/spl/kstat/zfs` where those are not to be had.

use super::{
    Findings, Host, Part, PartStatus, Survey,
    privileged::{Answer, Way},
};
use std::{collections::BTreeSet, time::Duration};

/// Looks at pools.
pub(crate) struct Zfs {
    way: Way,
}

impl Zfs {
    /// Asks by `way`.
    pub(crate) const fn new(way: Way) -> Self {
        Self { way }
    }
}

impl Survey for Zfs {
    fn name(&self) -> &'static str {
        "zfs"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(45)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let mut rows = Vec::new();
        let mut errors = BTreeSet::new();
        let (errands, allowed) = self.way.list(host, "zpool");
        for errand in errands.iter().filter(|_| allowed.is_ok()) {
            if let Answer::Said(output) = self.way.ask(host, errand) {
                let text = String::from_utf8_lossy(&output.out);
                if errand.1.label == "zpool list" {
                    rows = table(&text);
                } else {
                    errors = damaged(&text);
                }
            }
        }
        if rows.is_empty() {
            rows = by_kernel(host);
        }
        tell(&rows, &errors, findings);
    }
}

/// A line of the table: a pool, or a device of the pool above.
#[derive(Debug, Clone, Default, PartialEq)]
struct Row {
    name: String,
    is_pool: bool,
    health: String,
    size: Option<f64>,
    allocated: Option<f64>,
    /// Share of it that is scattered.
    fragmentation: Option<f64>,
}

/// Reads the table by its heading: versions differ in their columns.
fn table(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let column = |name: &str| heading.iter().position(|word| *word == name);
    let (Some(0), Some(health)) = (column("NAME"), column("HEALTH")) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for line in lines {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        // A pool's name may hold spaces, which make more words than there are columns.
        let extra = words.len().saturating_sub(heading.len());
        let name = words.drain(..=extra).collect::<Vec<_>>().join(" ");
        let word = |column: Option<usize>| words.get(column?.checked_sub(1)?).copied();
        let number = |name: &str| word(column(name))?.trim_end_matches('%').parse::<f64>().ok();
        let health = word(Some(health)).or_else(|| words.last().copied()).unwrap_or_default();
        if name.is_empty() || health == "-" || health.is_empty() {
            continue; // a heading within the table, such as `logs`
        }
        rows.push(Row {
            name,
            is_pool: !indented,
            health: health.to_owned(),
            size: number("SIZE"),
            allocated: number("ALLOC"),
            fragmentation: number("FRAG").map(|percent| percent / 100.0),
        });
    }
    rows
}

/// The pools that hold damaged files, which no column tells.
fn damaged(text: &str) -> BTreeSet<String> {
    let (mut pools, mut pool) = (BTreeSet::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("pool: ") {
            name.clone_into(&mut pool);
        } else if let Some(errors) = line.strip_prefix("errors: ")
            && errors != "No known data errors"
            && !pool.is_empty()
        {
            pools.insert(pool.clone());
        }
    }
    pools
}

fn by_kernel(host: &Host) -> Vec<Row> {
    let mut pools = host.entries("proc/spl/kstat/zfs");
    // What else is there are files. Versions before 0.8 do not tell the state.
    pools.retain(|name| host.path(format!("proc/spl/kstat/zfs/{name}")).is_dir());
    let pools = pools.into_iter().map(|name| Row {
        health: host
            .text(format!("proc/spl/kstat/zfs/{name}/state"))
            .unwrap_or_default(),
        name,
        is_pool: true,
        ..Row::default()
    });
    pools.collect()
}

fn tell(rows: &[Row], damaged: &BTreeSet<String>, findings: &mut Findings) {
    let mut pool = "";
    let mut told = BTreeSet::new();
    for row in rows {
        let (kind, id) = if row.is_pool {
            pool = &row.name;
            ("pool", row.name.clone())
        } else {
            ("pool_device", format!("{pool}/{}", row.name))
        };
        if !told.insert(id.clone()) {
            continue;
        }
        let mut part = Part::new(kind, id);
        match row.health.as_str() {
            "ONLINE" | "AVAIL" | "INUSE" => {}
            "" => part.judge(PartStatus::Unread, "neither `zpool` nor the kernel tells its state"),
            "DEGRADED" | "OFFLINE" => part.judge(PartStatus::Degraded, format!("it is {}", row.health)),
            _ => part.judge(PartStatus::Failed, format!("it is {}", row.health)),
        }
        if row.is_pool && damaged.contains(&row.name) {
            part.judge(PartStatus::Degraded, "it holds damaged data");
        }
        if let Some(size) = row.size {
            part.detail("size", format!("{size} B"));
        }
        findings.part(part);
        if row.is_pool {
            tell_use(row, findings);
        }
    }
}

fn tell_use(row: &Row, findings: &mut Findings) {
    let id = [("hw.id", row.name.as_str())];
    if let Some(size) = row.size {
        findings.value("tocsin.pool.limit", &id, size);
    }
    if let Some(allocated) = row.allocated {
        findings.value("tocsin.pool.usage", &id, allocated);
    }
    if let Some((size, allocated)) = row.size.zip(row.allocated)
        && size > 0.0
    {
        findings.value("tocsin.pool.utilization", &id, allocated / size);
    }
    if let Some(share) = row.fragmentation {
        findings.value("tocsin.pool.fragmentation", &id, share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;
    use crate::{
        field_data,
        surveys::stand::{Stand, seen},
    };
    use PartStatus::{Degraded, Failed, Ok};

    const LIST: &str = "NAME        SIZE  ALLOC   FREE  CKPOINT  EXPANDSZ   FRAG    CAP  DEDUP    HEALTH  ALTROOT
tank        1000    250    750        -         -      5     25   1.00  DEGRADED  -
  mirror-0  1000    250    750        -         -      5     25      -  DEGRADED
    sda        -      -      -        -         -      -      -      -    ONLINE
    sdb        -      -      -        -         -      -      -      -   FAULTED
spare          -      -      -        -         -      -      -      -         -
  sdc          -      -      -        -         -      -      -      -     AVAIL
my data      400    100    300        -         -      0     25   1.00    ONLINE  -
lost           -      -      -        -         -      -      -      -   UNAVAIL  -
";

    #[test]
    fn pools_and_their_devices_are_as_well_as_they_say() {
        let stand = Stand::new(&[("proc/spl/kstat/zfs/tank/state", "DEGRADED")]);
        stand.prints("zpool list", 0, LIST);
        stand.prints(
            "zpool status",
            1,
            "  pool: my data\n state: ONLINE\nerrors: 3 data errors, use '-v' for a list\n\n  pool: tank\nerrors: No known data errors\n",
        );
        let seen = stand.look(&mut Zfs::new(Way::Direct));
        for (kind, id, verdict) in [
            ("pool", "tank", (Degraded, "it is DEGRADED")),
            ("pool_device", "tank/mirror-0", (Degraded, "it is DEGRADED")),
            ("pool_device", "tank/sda", (Ok, "")),
            ("pool_device", "tank/sdb", (Failed, "it is FAULTED")),
            ("pool_device", "tank/sdc", (Ok, "")),
            ("pool", "my data", (Degraded, "it holds damaged data")),
            ("pool", "lost", (Failed, "it is UNAVAIL")),
        ] {
            assert_eq!(seen.verdict(kind, id), verdict, "{id}");
        }
        assert_eq!(seen.parts.len(), 7);
        assert_eq!(seen.values["tocsin.pool.utilization{hw.id=tank}"], 0.25);
        assert_eq!(seen.values["tocsin.pool.limit{hw.id=my data}"], 400.0);
        assert_eq!(seen.values["tocsin.pool.fragmentation{hw.id=tank}"], 0.05);
    }

    #[test]
    fn without_the_tool_the_kernel_tells_the_state() {
        let stand = Stand::new(&[
            ("proc/spl/kstat/zfs/tank/state", "SUSPENDED\n"),
            ("proc/spl/kstat/zfs/arcstats", "x"),
        ]);
        stand.hangs("zpool");
        let seen = stand.look(&mut Zfs::new(Way::Direct));
        assert_eq!(seen.verdict("pool", "tank"), (Failed, "it is SUSPENDED"));
        assert_eq!(seen.parts.len(), 1);
        stand.write("proc/spl/kstat/zfs/old/io", "");
        let why = "neither `zpool` nor the kernel tells its state";
        let seen = stand.look(&mut Zfs::new(Way::Direct));
        assert_eq!(seen.verdict("pool", "old"), (PartStatus::Unread, why));
        assert!(Stand::new(&[]).look(&mut Zfs::new(Way::Direct)).parts.is_empty());
    }

    #[test]
    fn any_text_is_survived() {
        any_like(&[LIST], |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let whole = format!("{LIST}{text}");
            for text in [&text[..], &whole] {
                tell(&table(text), &damaged(text), &mut Findings::default());
            }
        });
    }

    #[test]
    fn recorded_tables_have_the_verdicts_that_they_print() {
        for (file, ill) in [
            ("zpool-list.txt", &["zion"][..]),
            ("zpool-list-vdev-logs-cache.txt", &["rpool"]),
        ] {
            let Some(bytes) = field_data::file(&format!("hardware/netdata-zfspool-{file}")) else {
                return;
            };
            let mut findings = Findings::default();
            tell(
                &table(&String::from_utf8_lossy(&bytes)),
                &BTreeSet::new(),
                &mut findings,
            );
            let seen = seen(findings);
            assert_eq!(seen.ill("pool"), ill, "{file}");
            if file.contains("vdev") {
                let device = |name| seen.verdict("pool_device", name).0;
                assert_eq!(device("rpool/14807975228228307538"), Failed);
                assert_eq!(device("rpool/wwn-0x500151795954c095-part2"), Failed);
                assert_eq!((device("rpool/mirror-1"), device("rpool/sdc2")), (Degraded, Ok));
                let used = seen.values["tocsin.pool.utilization{hw.id=rpool}"];
                assert!((0.30..0.31).contains(&used));
            } else {
                assert_eq!(seen.verdict("pool", "zion").0, Failed);
            }
        }
    }

    #[test]
    fn a_recorded_kernel_tells_the_state_of_its_pools() {
        let Some(stand) = Stand::recorded() else { return };
        let seen = stand.look(&mut Zfs::new(Way::Direct));
        let state = |pool| seen.verdict("pool", pool).0;
        assert_eq!(
            (state("pool1"), state("pool2"), state("poolz1")),
            (Ok, Failed, Degraded)
        );
    }
}
