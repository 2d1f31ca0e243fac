//! One process as `/proc/PID/{stat,status,cmdline}` tells it (proc_pid_stat(5)).
//!
//! A process names itself, with any bytes: brackets, spaces and newlines included. So the name ends at the *last*
//! closing bracket of `stat`.

use super::bytes::{cut, fields, lines, number, text};

/// Longest command line that is shown, in bytes.
pub(crate) const COMMAND_BYTES_MAX: usize = 256;

/// Longest name that the kernel keeps (`TASK_COMM_LEN` without the final zero).
pub(crate) const NAME_BYTES_MAX: usize = 15;

/// Bytes of a page of this kernel: 4 KiB on x86, on ARM often 64 KiB. It is asked, never assumed.
pub(crate) fn page_bytes() -> u64 {
    // No page is as large as that; a product with it overflows, and what overflows is absent.
    u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX)
}

/// `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessStat<'a> {
    /// What it calls itself.
    pub(crate) name: &'a [u8],
    /// `R`, `S`, `D`, …
    pub(crate) state: u8,
    /// Who started it, or took it over.
    pub(crate) parent: u32,
    /// Time on a processor, user and system, in kernel ticks.
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u64,
    /// When it started, in kernel ticks since boot; with the number it identifies the process.
    pub(crate) started_ticks: u64,
    /// Resident memory in pages.
    pub(crate) resident_pages: u64,
}

/// Reads `/proc/PID/stat`.
pub(crate) fn parse_stat(bytes: &[u8]) -> Option<ProcessStat<'_>> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let name = bytes.get(open + 1..close)?;
    // Columns count from `state`, the third of the file.
    let mut columns = fields(&bytes[close + 1..]);
    let &[state] = columns.next()? else {
        return None;
    };
    let parent = columns
        .next()
        .and_then(number)
        .and_then(|parent| u32::try_from(parent).ok())
        .unwrap_or(0);
    let user = columns.nth(9).and_then(number)?;
    let system = columns.next().and_then(number)?;
    let threads = columns.nth(4).and_then(number)?;
    let started_ticks = columns.nth(1).and_then(number)?;
    let resident_pages = columns.nth(1).and_then(number).unwrap_or(0);
    Some(ProcessStat {
        name,
        state,
        parent,
        cpu_ticks: user.saturating_add(system),
        threads,
        started_ticks,
        resident_pages,
    })
}

/// The real user of `/proc/PID/status`.
pub(crate) fn parse_status_user(bytes: &[u8]) -> Option<u32> {
    let ids = lines(bytes).find_map(|line| line.strip_prefix(b"Uid:"))?;
    fields(ids)
        .next()
        .and_then(number)
        .and_then(|user| u32::try_from(user).ok())
}

/// The name of user `wanted` in `/etc/passwd`.
pub(crate) fn user_name(passwd: &[u8], wanted: u32) -> Option<String> {
    lines(passwd).find_map(|line| {
        let mut columns = line.split(|byte| *byte == b':');
        let name = columns.next()?;
        let user = columns.nth(1).and_then(number)?;
        (user == u64::from(wanted) && !name.is_empty()).then(|| text(name))
    })
}

/// `/proc/PID/cmdline` as one line: arguments joined by spaces, secrets hidden, cut at [`COMMAND_BYTES_MAX`].
/// Empty for threads of the kernel.
pub(crate) fn command_line(bytes: &[u8]) -> String {
    let mut command = String::new();
    let mut hide_next = false;
    for argument in bytes.split(|byte| *byte == 0).filter(|argument| !argument.is_empty()) {
        if !command.is_empty() {
            command.push(' ');
        }
        let argument = text(argument);
        if std::mem::take(&mut hide_next) && !argument.starts_with('-') {
            command.push_str(HIDDEN);
        } else if let Some(keep) = secret_after(&argument) {
            command.push_str(&argument[..keep]);
            if keep < argument.len() {
                command.push_str(HIDDEN);
            } else {
                hide_next = argument.starts_with('-');
            }
        } else {
            command.push_str(&argument);
        }
        if command.len() > COMMAND_BYTES_MAX {
            break;
        }
    }
    cut(&mut command, COMMAND_BYTES_MAX);
    command
}

const HIDDEN: &str = "***";
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "passphrase", "secret", "token", "apikey"];

/// Where the secret of an argument such as `--password=x` begins; its end for `--password`, whose secret comes next.
fn secret_after(argument: &str) -> Option<usize> {
    let key_end = argument.find('=').unwrap_or(argument.len());
    let key: String = argument[..key_end]
        .to_ascii_lowercase()
        .chars()
        .filter(|c| *c != '-' && *c != '_')
        .collect();
    let told = SECRET_WORDS.iter().any(|word| key.ends_with(word));
    told.then(|| (key_end + 1).min(argument.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::any_like;

    fn line(name: &str, state: char) -> Vec<u8> {
        format!("42 ({name}) {state} 1 42 42 0 -1 4194560 100 0 5 0 700 77 0 0 20 0 3 0 12345 1000000 250 18446744073709551615 1 1 0\n").into_bytes()
    }

    #[test]
    fn the_columns_are_read() {
        let bytes = line("nginx", 'S');
        let expected = ProcessStat {
            name: b"nginx",
            state: b'S',
            parent: 1,
            cpu_ticks: 777,
            threads: 3,
            started_ticks: 12_345,
            resident_pages: 250,
        };
        assert_eq!(parse_stat(&bytes), Some(expected));
    }

    #[test]
    fn a_name_may_hold_anything() {
        for name in [")", "a) R 1 (", "a) R 1 (\n b", "((", "", "警钟", "x (y) z"] {
            let bytes = line(name, 'D');
            let stat = parse_stat(&bytes).unwrap();
            assert_eq!(
                (stat.name, stat.state, stat.threads),
                (name.as_bytes(), b'D', 3),
                "{name}"
            );
        }
    }

    #[test]
    fn a_short_file_is_no_process() {
        for bytes in [
            &b""[..],
            b"1",
            b"1 (a",
            b"1 )a( S",
            b"1 (a) S 1 2 3",
            b"1 (a) SS 1 42 42 0 -1 4 1 0 5 0 7 7 0 0 20 0 3 0 1 1 2",
        ] {
            assert_eq!(parse_stat(bytes), None);
        }
    }

    #[test]
    fn users_are_named() {
        assert_eq!(
            parse_status_user(b"Name:\tx\nUid:\t33\t34\t33\t33\nGid:\t0\n"),
            Some(33)
        );
        assert_eq!(parse_status_user(b"Name:\tx\n"), None);
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n# odd line\nwww-data:x:33:33::/:/bin/false\n";
        assert_eq!(user_name(passwd, 33).as_deref(), Some("www-data"));
        assert_eq!(user_name(passwd, 1), None);
    }

    #[test]
    fn secrets_of_command_lines_are_hidden() {
        for (raw, shown) in [
            ("mysql\0--password=hunter2\0db\0", "mysql --password=*** db"),
            ("app\0--api-token\0abc\0run\0", "app --api-token *** run"),
            ("app\0--client_secret\0--verbose\0", "app --client_secret --verbose"),
            ("app\0DB_PASSWORD=x\0", "app DB_PASSWORD=***"),
            ("token\0run\0", "token run"),
            ("nginx: master process\0\0\0", "nginx: master process"),
            ("", ""),
        ] {
            assert_eq!(command_line(raw.as_bytes()), shown);
        }
        assert!(command_line(&[b'x'; 5_000]).len() <= COMMAND_BYTES_MAX);
    }

    #[test]
    fn any_bytes_are_read() {
        any_like(
            &[include_str!("../../fixtures/modern/proc/901/stat")],
            |bytes: &[u8]| {
                let _ = (parse_stat(bytes), parse_status_user(bytes), user_name(bytes, 0));
                assert!(command_line(bytes).len() <= COMMAND_BYTES_MAX);
            },
        );
    }
}
