//! What a process costs: CPU time, resident memory; and what a folder holds.

use std::{path::Path, time::Duration};

/// User and system time of a process so far, fields 14 and 15 of `/proc/PID/stat` (proc(5)), in hundredths of a second
/// on every Linux.
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let spent = fields.split(' ').skip(11).take(2);
    let spent: u64 = spent.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(spent * 10)
}

/// CPU time of this process so far, of all its threads, in nanoseconds.
#[must_use]
pub fn own_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// The most memory that a process has had resident, in bytes, since [`forget_peak`].
///
/// # Panics
/// When there is no such process.
#[must_use]
pub fn peak_resident_bytes(pid: u32) -> u64 {
    crate::program::memory_bytes(pid, "VmHWM:")
}

/// Begins the count of [`peak_resident_bytes`] anew (`/proc/PID/clear_refs`, proc(5)).
///
/// # Panics
/// When that is not allowed.
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of the same user");
}

/// Bytes of all files in a folder, as long as they are; a folder that is not there has none.
#[must_use]
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, about)| {
            if about.is_dir() {
                folder_bytes(&path)
            } else {
                about.len()
            }
        })
        .sum()
}

/// Nanoseconds of `time` for each of `count`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn nanos_per(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

/// `bytes` for each of `count`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn bytes_per(bytes: u64, count: u64) -> f64 {
    bytes as f64 / count.max(1) as f64
}

/// Bytes as MiB.
#[must_use]
pub fn mib(bytes: u64) -> f64 {
    bytes_per(bytes, 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_cpu_time_and_a_file_fills_its_folder() {
        let before = own_cpu_time();
        let busy: u64 = (0..2_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        assert!(own_cpu_time() > before, "{busy}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("in/a"), [0; 300]).unwrap();
        assert_eq!(folder_bytes(folder.path()), 300);
        assert_eq!(folder_bytes(&folder.path().join("none")), 0);
        assert!(peak_resident_bytes(std::process::id()) > 0);
    }
}
