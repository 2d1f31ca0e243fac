//! Memory and swap from `/proc/meminfo`, paging and kills from `/proc/vmstat` (proc_meminfo(5), proc_vmstat(5)).

use super::bytes::{fields, lines, number};

/// What `/proc/meminfo` says, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) total: Option<u64>,
    pub(crate) free: Option<u64>,
    /// What could be used without swapping. Kernels before 3.14 do not say.
    pub(crate) available: Option<u64>,
    pub(crate) buffers: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) slab: Option<u64>,
    pub(crate) slab_reclaimable: Option<u64>,
    pub(crate) slab_unreclaimable: Option<u64>,
    pub(crate) shared: Option<u64>,
    pub(crate) anonymous: Option<u64>,
    pub(crate) dirty: Option<u64>,
    pub(crate) writeback: Option<u64>,
    pub(crate) page_tables: Option<u64>,
    pub(crate) kernel_stacks: Option<u64>,
    pub(crate) committed: Option<u64>,
    pub(crate) commit_limit: Option<u64>,
    /// Pages, not bytes.
    pub(crate) hugepages: Option<u64>,
    pub(crate) hugepages_free: Option<u64>,
    pub(crate) swap_total: Option<u64>,
    pub(crate) swap_free: Option<u64>,
}

impl Memory {
    /// Reads the file; what it does not say is absent.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut memory = Self::default();
        for line in lines(bytes) {
            let mut fields = fields(line);
            let Some(slot) = fields.next().and_then(|key| memory.slot(key)) else {
                continue;
            };
            let value = fields.next().and_then(number);
            let factor = if fields.next() == Some(b"kB") { 1_024 } else { 1 };
            *slot = value.and_then(|value| value.checked_mul(factor));
        }
        memory
    }

    fn slot(&mut self, key: &[u8]) -> Option<&mut Option<u64>> {
        Some(match key {
            b"MemTotal:" => &mut self.total,
            b"MemFree:" => &mut self.free,
            b"MemAvailable:" => &mut self.available,
            b"Buffers:" => &mut self.buffers,
            b"Cached:" => &mut self.cached,
            b"Slab:" => &mut self.slab,
            b"SReclaimable:" => &mut self.slab_reclaimable,
            b"SUnreclaim:" => &mut self.slab_unreclaimable,
            b"Shmem:" => &mut self.shared,
            b"AnonPages:" => &mut self.anonymous,
            b"Dirty:" => &mut self.dirty,
            b"Writeback:" => &mut self.writeback,
            b"PageTables:" => &mut self.page_tables,
            b"KernelStack:" => &mut self.kernel_stacks,
            b"Committed_AS:" => &mut self.committed,
            b"CommitLimit:" => &mut self.commit_limit,
            b"HugePages_Total:" => &mut self.hugepages,
            b"HugePages_Free:" => &mut self.hugepages_free,
            b"SwapTotal:" => &mut self.swap_total,
            b"SwapFree:" => &mut self.swap_free,
            _ => return None,
        })
    }

    /// Bytes that can't be had without swapping. A kernel that does not say what is available (before 3.14) is
    /// answered with what is neither free nor cache.
    pub(crate) fn used(&self) -> Option<u64> {
        let caches = [self.free, self.buffers, self.cached, self.slab_reclaimable];
        let spare = || {
            Some(
                caches
                    .iter()
                    .flatten()
                    .fold(self.free.map(|_| 0_u64)?, |sum, some| sum.saturating_add(*some)),
            )
        };
        Some(self.total?.saturating_sub(self.available.or_else(spare)?))
    }

    /// Bytes of swap in use.
    pub(crate) fn swap_used(&self) -> Option<u64> {
        Some(self.swap_total?.saturating_sub(self.swap_free?))
    }
}

/// What `/proc/vmstat` says, counted since boot.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Pages swapped in.
    pub(crate) swapped_in: Option<u64>,
    /// Pages swapped out.
    pub(crate) swapped_out: Option<u64>,
    /// Faults of any kind.
    pub(crate) faults: Option<u64>,
    /// Faults that needed a disk.
    pub(crate) major_faults: Option<u64>,
    /// Processes that the kernel killed for want of memory. Kernels before 4.13 do not say.
    pub(crate) oom_kills: Option<u64>,
    /// Pages that a process had to look through itself to get memory.
    pub(crate) direct_scans: Option<u64>,
    /// How often a process waited for memory to be freed.
    pub(crate) stalls: Option<u64>,
}

impl Paging {
    /// Reads the file; what it does not say is absent.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut paging = Self::default();
        for line in lines(bytes) {
            let mut fields = fields(line);
            let slot = match fields.next() {
                Some(b"pswpin") => &mut paging.swapped_in,
                Some(b"pswpout") => &mut paging.swapped_out,
                Some(b"pgfault") => &mut paging.faults,
                Some(b"pgmajfault") => &mut paging.major_faults,
                Some(b"oom_kill") => &mut paging.oom_kills,
                // Some kernels count them for each zone of memory.
                Some(key) if is_counter(key, b"pgscan_direct") => &mut paging.direct_scans,
                Some(key) if is_counter(key, b"allocstall") => &mut paging.stalls,
                _ => continue,
            };
            let value = fields.next().and_then(number);
            *slot = value.map(|value| slot.unwrap_or(0).saturating_add(value)).or(*slot);
        }
        paging
    }
}

/// Whether `key` is the counter `name`, or the one of a zone: `allocstall_normal`.
fn is_counter(key: &[u8], name: &[u8]) -> bool {
    let zone = key.strip_prefix(name);
    zone.is_some_and(|zone| zone.is_empty() || (zone[0] == b'_' && zone != b"_throttle"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;

    #[test]
    fn meminfo_is_read_in_bytes() {
        let memory = Memory::parse(b"MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\nCached: 250 kB\nSReclaimable: 20 kB\nSwapTotal: 80 kB\nSwapFree: 30 kB\nHugePages_Total: 4\n");
        assert_eq!(memory.total, Some(1_024_000));
        assert_eq!(memory.used(), Some(400 * 1_024));
        assert_eq!(memory.swap_used(), Some(50 * 1_024));
        assert_eq!(memory.slab, None);
    }

    #[test]
    fn kernel_3_10_does_not_say_what_is_available() {
        let memory = Memory::parse(b"MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 250 kB\nSlab: 30 kB\nSReclaimable: 20 kB\nSUnreclaim: 10 kB\n");
        assert_eq!(memory.available, None);
        assert_eq!(memory.used(), Some(580 * 1_024));
        assert_eq!(memory.swap_used(), None);
    }

    #[test]
    fn vmstat_gives_paging() {
        let paging =
            Paging::parse(b"nr_free_pages 1\npswpin 2\npswpout 18446744073709551615\npgfault 10\npgmajfault 4\n");
        assert_eq!(paging.swapped_in, Some(2));
        assert_eq!(paging.swapped_out, Some(u64::MAX));
        assert_eq!((paging.major_faults, paging.oom_kills), (Some(4), None));
    }

    #[test]
    fn counters_of_zones_are_summed() {
        let paging = Paging::parse(
            b"allocstall_dma 1\nallocstall_normal 4\npgscan_direct_normal 7\npgscan_direct_throttle 9\npgscan_directs 3\n",
        );
        assert_eq!((paging.stalls, paging.direct_scans), (Some(5), Some(7)));
        let paging = Paging::parse(b"allocstall 2\npgscan_direct 6\npgscan_direct_throttle 9\n");
        assert_eq!((paging.stalls, paging.direct_scans), (Some(2), Some(6)));
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[
                include_str!("../../fixtures/modern/proc/meminfo"),
                include_str!("../../fixtures/modern/proc/vmstat"),
            ],
            |bytes: &[u8]| {
                let memory = Memory::parse(bytes);
                let _ = (memory.used(), memory.swap_used(), Paging::parse(bytes));
            },
        );
    }
}
