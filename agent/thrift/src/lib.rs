//! Gives memory that the agent does not need now back to its host.
//!
//! Most of an idle agent's resident memory is its own program: pages that starting up needed once, and their neighbours,
//! which the kernel maps along. They stay until the host runs short, and count until then. So now and then the agent lets
//! go of them; what is needed again comes from the page cache, without reading the disk. The same goes for what the
//! allocator keeps of memory that was freed.
//!
//! With `agent/early`, which has one attribute and two calls, this is the only crate that may call what Rust can't check: `mallopt(3)`,
//! `malloc_trim(3)`, `madvise(2)`.

use std::{fs, io, ops::Range};

/// From now on all threads share one heap, and large pieces of memory go back when they are freed.
///
/// glibc gives each thread a heap of its own, of which every one keeps free pages; an agent's threads hardly ever want memory
/// at the same time. And it takes ever larger pieces from the heap once one was freed, so that a table that is read now and
/// then would stay. Without glibc nothing is done.
#[allow(unsafe_code, reason = "std has no such call")]
pub fn share_one_heap() {
    /// What glibc begins with (mallopt(3)); set, it stays.
    #[cfg(target_env = "gnu")]
    const LARGE_BYTES: libc::c_int = 128 << 10;
    // SAFETY: sets numbers of the allocator, as MALLOC_ARENA_MAX and the like in the environment would.
    #[cfg(target_env = "gnu")]
    let _ = unsafe {
        (
            libc::mallopt(libc::M_ARENA_MAX, 1),
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES),
        )
    };
}

/// Lets go of all pages that can be had again, and of free pages of the heap.
///
/// # Errors
/// When the kernel does not tell the mappings of this process.
#[allow(unsafe_code, reason = "std has no such calls")]
pub fn give_back() -> io::Result<()> {
    for pages in unmodified(&fs::read_to_string("/proc/self/smaps")?) {
        let (address, length) = (pages.start as *mut libc::c_void, pages.end - pages.start);
        // SAFETY: the mapping is of a file, private, not writable, and has no page of its own: what is let go is what
        // the next access finds in the file. A mapping that is gone meanwhile is an error, which is as good.
        let _ = unsafe { libc::madvise(address, length, libc::MADV_DONTNEED) };
    }
    // SAFETY: gives back pages that hold nothing.
    #[cfg(target_env = "gnu")]
    let _ = unsafe { libc::malloc_trim(0) };
    Ok(())
}

/// Mappings in `/proc/PID/smaps` (proc_pid_smaps(5)) that are nothing but what is in a file: private, not writable, and
/// without pages that were changed since, as relocations do before they make their pages read-only.
fn unmodified(smaps: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current: Option<Range<usize>> = None;
    let mut unchanged = 0;
    for line in smaps.lines() {
        match line.split_once(':') {
            Some((key @ ("Anonymous" | "Swap"), value)) => {
                unchanged += usize::from(value.trim() == "0 kB");
                if key == "Swap" && unchanged == 2 {
                    found.extend(current.take());
                }
            }
            Some((key, _)) if !key.contains(' ') => {}
            _ => (current, unchanged) = (of_file(line), 0),
        }
    }
    found
}

/// The first line of a mapping: `7f00-7f10 r-xp 00000000 fe:00 1234 /usr/lib/x`.
fn of_file(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?.as_bytes();
    let inode = fields.nth(2)?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let pages = address(start)?..address(end)?;
    (rights.len() == 4 && rights[1] == b'-' && rights[3] == b'p' && inode != "0" && !pages.is_empty()).then_some(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(head: &str, anonymous: &str, swap: &str) -> String {
        format!(
            "{head}\nSize:                  4 kB\nRss:                   4 kB\nAnonymous:        {anonymous} kB\n\
             AnonHugePages:         0 kB\nSwap:             {swap} kB\nSwapPss:               0 kB\nVmFlags: rd ex mr\n"
        )
    }

    #[test]
    fn only_what_can_be_read_again_from_a_file_is_let_go() {
        let program = "1000-3000 r-xp 00000000 fe:00 12 /usr/bin/a: b (deleted)";
        for (head, anonymous, swap, let_go) in [
            (program, "0", "0", true),
            (program, "4", "0", false),
            (program, "0", "4", false),
            ("1000-3000 rw-p 00000000 fe:00 12 /usr/bin/a", "0", "0", false),
            ("1000-3000 r--s 00000000 fe:00 12 /usr/bin/a", "0", "0", false),
            ("1000-3000 r-xp 00000000 00:00 0 [vdso]", "0", "0", false),
            ("1000-3000 ---p 00000000 00:00 0", "0", "0", false),
        ] {
            let expected: Vec<_> = let_go.then_some(0x1000..0x3000).into_iter().collect();
            assert_eq!(
                unmodified(&mapping(head, anonymous, swap)),
                expected,
                "{head} {anonymous} {swap}"
            );
        }
        let two = mapping(program, "0", "0") + &mapping("5000-6000 r--p 00002000 fe:00 12 /usr/bin/a", "0", "0");
        assert_eq!(unmodified(&two), [0x1000..0x3000, 0x5000..0x6000]);
    }

    #[test]
    fn a_kernel_that_does_not_tell_of_changed_pages_keeps_all() {
        let text = mapping("1000-3000 r-xp 00000000 fe:00 12 /usr/bin/a", "0", "0");
        let old: String = text
            .lines()
            .filter(|line| !line.starts_with("Anonymous"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(unmodified(&old).is_empty());
    }

    #[test]
    fn a_process_goes_on_as_it_was() {
        share_one_heap();
        let kept = vec![7_u8; 3 << 20];
        let before = unmodified(&fs::read_to_string("/proc/self/smaps").unwrap());
        assert!(!before.is_empty());
        let others = std::thread::spawn(|| (0..1_000).map(|n| format!("{n}")).collect::<String>());
        for _ in 0..10 {
            give_back().unwrap();
        }
        assert_eq!(others.join().unwrap().len(), 2_890);
        assert!(kept.iter().all(|byte| *byte == 7));
        assert_eq!(format!("{:.3}", 0.1_f64 + 0.2), "0.300");
    }

    #[test]
    fn any_table_is_read() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for pages in unmodified(&text) {
                assert!(pages.start < pages.end);
            }
            let _ = of_file(&text);
        });
    }
}
