//! Caches before disks: the ARC of ZFS (`/proc/spl/kstat/zfs/arcstats`) and bcache (kernel documentation
//! `admin-guide/bcache.rst`): hits, misses, size, mode, and whether a cached disk still has its cache.

use super::{Findings, Host, Part, PartStatus, Survey};
use crate::sources::{fields, lines, number};
use std::time::Duration;

/// Looks at caches.
pub(crate) struct Caches;

impl Survey for Caches {
    fn name(&self) -> &'static str {
        "caches"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        if let Some(table) = host.bytes("proc/spl/kstat/zfs/arcstats") {
            tell_arc(&table, findings);
        }
        for set in host.entries("sys/fs/bcache") {
            let id = [("hw.id", set.as_str())];
            for (name, file) in [
                ("tocsin.cache.hits", "cache_hits"),
                ("tocsin.cache.misses", "cache_misses"),
            ] {
                if let Some(count) = host.number(format!("sys/fs/bcache/{set}/stats_total/{file}")) {
                    findings.count(name, &id, count);
                }
            }
        }
        for disk in host.entries("sys/block") {
            if disk.starts_with("bcache") {
                tell_cached(host, &disk, findings);
            }
        }
    }
}

/// `name type data` in lines, after two lines of heading.
fn tell_arc(table: &[u8], findings: &mut Findings) {
    let id = [("hw.id", "zfs")];
    for line in lines(table) {
        let mut fields = fields(line);
        let metric = match fields.next() {
            Some(b"c_max") => "tocsin.cache.limit",
            Some(b"hits") => "tocsin.cache.hits",
            Some(b"misses") => "tocsin.cache.misses",
            Some(b"size") => "tocsin.cache.usage",
            _ => continue,
        };
        if let Some(value) = fields.nth(1).and_then(number) {
            findings.count(metric, &id, value);
        }
    }
}

/// A disk with a cache before it.
fn tell_cached(host: &Host, disk: &str, findings: &mut Findings) {
    let text = |file: &str| host.text(format!("sys/block/{disk}/bcache/{file}")).unwrap_or_default();
    let state = text("state");
    if state.is_empty() {
        return;
    }
    let mut part = Part::new("cached_disk", disk);
    match state.as_str() {
        "clean" | "dirty" => {}
        "no cache" => part.judge(PartStatus::Degraded, "it has no cache"),
        _ => part.judge(PartStatus::Failed, format!("its state is {state}")),
    }
    // `writethrough [writeback] writearound none`
    let modes = text("cache_mode");
    let mode = modes.split(['[', ']']).nth(1).unwrap_or_default();
    part.detail("mode", mode);
    findings.part(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use crate::surveys::stand::Stand;
    use PartStatus::{Degraded, Failed, Ok};

    #[test]
    fn hits_and_misses_are_told_of_each_cache() {
        let stand = Stand::new(&[
            (
                "proc/spl/kstat/zfs/arcstats",
                "6 1 0x01 3 816 1 2\nname type data\nhits 4 90\nmisses 4 10\nsize 4 1000\nc_max 4 4000\n",
            ),
            ("sys/fs/bcache/5a-6b/stats_total/cache_hits", "546"),
            ("sys/fs/bcache/5a-6b/stats_total/cache_misses", "7"),
            ("sys/fs/bcache/register", ""),
        ]);
        let seen = stand.look(&mut Caches);
        let told: Vec<_> = seen
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert_eq!(
            told,
            [
                ("tocsin.cache.hits{hw.id=5a-6b}", 546.0),
                ("tocsin.cache.hits{hw.id=zfs}", 90.0),
                ("tocsin.cache.limit{hw.id=zfs}", 4_000.0),
                ("tocsin.cache.misses{hw.id=5a-6b}", 7.0),
                ("tocsin.cache.misses{hw.id=zfs}", 10.0),
                ("tocsin.cache.usage{hw.id=zfs}", 1_000.0),
            ]
        );
    }

    #[test]
    fn a_disk_that_lost_its_cache_is_degraded() {
        for (state, verdict) in [
            ("clean", (Ok, "")),
            ("dirty", (Ok, "")),
            ("no cache", (Degraded, "it has no cache")),
            ("inconsistent", (Failed, "its state is inconsistent")),
        ] {
            let stand = Stand::new(&[
                ("sys/block/bcache0/bcache/state", state),
                (
                    "sys/block/bcache0/bcache/cache_mode",
                    "writethrough [writeback] writearound none\n",
                ),
            ]);
            let seen = stand.look(&mut Caches);
            assert_eq!(seen.verdict("cached_disk", "bcache0"), verdict, "{state}");
            assert_eq!(
                seen.parts[&("cached_disk", "bcache0".to_owned())].details["mode"],
                "writeback"
            );
        }
        assert!(
            Stand::new(&[("sys/block/bcache0/size", "1")])
                .look(&mut Caches)
                .parts
                .is_empty()
        );
    }

    #[test]
    fn any_table_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| tell_arc(bytes, &mut Findings::default())));
    }

    #[test]
    fn recorded_caches_are_read() {
        let Some(stand) = Stand::recorded() else { return };
        let seen = stand.look(&mut Caches);
        for (name, value) in [
            ("tocsin.cache.hits{hw.id=zfs}", 8_772_612.0),
            ("tocsin.cache.limit{hw.id=zfs}", 8_367_976_448.0),
            ("tocsin.cache.hits{hw.id=deaddd54-c735-46d5-868e-f331c5fd7c74}", 546.0),
        ] {
            assert_eq!(seen.values.get(name), Some(&value), "{name}");
        }
    }
}
