//! What a diagnostic snapshot holds, section by section. Each has a deadline and a bound; so has the whole.

use crate::{
    surveys::{Host, tool::ToolError},
    watched::mask::Mask,
};
use std::{fmt::Write as _, time::Duration};

/// When this has passed, what was not looked at yet is left out and named. One tool may take a little longer.
pub(super) const WHOLE_DEADLINE: Duration = Duration::from_secs(25);
/// What one tool may take.
const TOOL_DEADLINE: Duration = Duration::from_secs(4);
/// Most bytes of one section.
const SECTION_BYTES_MAX: usize = 72 << 10;
/// Most bytes of all of them: what fits into one document.
const WHOLE_BYTES_MAX: usize = 1_000 << 10;
const _: () = assert!(
    WHOLE_BYTES_MAX + 1_024 <= tocsin_proto::DOCUMENT_BYTES_MAX,
    "with the last title and a word about what is left out"
);

/// Which end of a long text is worth more.
#[derive(Clone, Copy)]
enum Keep {
    Head,
    Tail,
}

enum Source {
    /// Files below the root, one after the other.
    Files(&'static [&'static str]),
    /// The first of these tools that is installed.
    Tools(&'static [(&'static str, &'static [&'static str])]),
}

struct Section {
    title: &'static str,
    keep: Keep,
    source: Source,
}

const fn files(title: &'static str, paths: &'static [&'static str]) -> Section {
    Section {
        title,
        keep: Keep::Head,
        source: Source::Files(paths),
    }
}

const fn tool(title: &'static str, keep: Keep, tools: &'static [(&'static str, &'static [&'static str])]) -> Section {
    Section {
        title,
        keep,
        source: Source::Tools(tools),
    }
}

/// In the order in which one reads them.
const SECTIONS: [Section; 18] = [
    files("uptime, load", &["proc/uptime", "proc/loadavg"]),
    files(
        "pressure",
        &["proc/pressure/cpu", "proc/pressure/memory", "proc/pressure/io"],
    ),
    tool("who is signed in", Keep::Head, &[("who", &["-H"])]),
    tool(
        "processes by CPU",
        Keep::Head,
        &[(
            "ps",
            &[
                "-eo",
                "pid,ppid,user,stat,pcpu,pmem,rss,nlwp,etime,wchan:20,args",
                "--sort=-pcpu",
                "ww",
            ],
        )],
    ),
    tool(
        "processes by memory",
        Keep::Head,
        &[("ps", &["-eo", "rss,vsz,pid,user,comm", "--sort=-rss"])],
    ),
    files("memory", &["proc/meminfo", "proc/swaps"]),
    files("memory by zone", &["proc/buddyinfo", "proc/vmstat"]),
    tool(
        "failed units",
        Keep::Head,
        &[("systemctl", &["--failed", "--no-pager", "--plain", "--full"])],
    ),
    tool(
        "kernel messages",
        Keep::Tail,
        &[
            ("journalctl", &["-k", "-n", "400", "--no-pager", "-o", "short-iso"]),
            ("dmesg", &["-T"]),
        ],
    ),
    tool(
        "journal",
        Keep::Tail,
        &[(
            "journalctl",
            &["-n", "400", "-p", "notice", "--no-pager", "-o", "short-iso"],
        )],
    ),
    tool(
        "space of local file systems",
        Keep::Head,
        &[("df", &["-l", "-P", "-T"])],
    ),
    tool(
        "inodes of local file systems",
        Keep::Head,
        &[("df", &["-l", "-P", "-i"])],
    ),
    files("mounts", &["proc/self/mounts"]),
    files("block devices", &["proc/diskstats", "proc/mdstat"]),
    tool("addresses", Keep::Head, &[("ip", &["-s", "address"])]),
    tool("routes", Keep::Head, &[("ip", &["route", "show", "table", "all"])]),
    tool("sockets", Keep::Head, &[("ss", &["-s"])]),
    tool("listening and connected", Keep::Head, &[("ss", &["-tuan"])]),
];

/// Looks at everything; `passed` tells how long it has taken. What a host lacks is named as absent.
pub(super) fn take(host: &Host, passed: &dyn Fn() -> Duration) -> String {
    let mask = Mask::new(&[]);
    let mut out = String::new();
    for section in &SECTIONS {
        let text = if passed() >= WHOLE_DEADLINE {
            "(left out: the time was over)\n".to_owned()
        } else {
            read(host, &section.source)
        };
        let text = cut(&mask.apply(&text).0, section.keep);
        if out.len() + text.len() > WHOLE_BYTES_MAX {
            out.push_str("(the rest is left out: it is too much)\n");
            break;
        }
        let _ = writeln!(out, "== {} ==\n{text}", section.title);
    }
    out
}

fn read(host: &Host, source: &Source) -> String {
    match source {
        Source::Files(paths) => {
            let texts = paths.iter().filter_map(|path| host.text(path).map(|text| (path, text)));
            let mut out = String::new();
            for (path, text) in texts {
                let _ = writeln!(out, "-- /{path}\n{text}");
            }
            if out.is_empty() { "(absent)\n".to_owned() } else { out }
        }
        Source::Tools(tools) => {
            let answer = tools
                .iter()
                .find_map(|(name, arguments)| host.tool(name, arguments, TOOL_DEADLINE));
            match answer {
                None => "(absent)\n".to_owned(),
                Some(Ok(output)) => {
                    let mut out = String::from_utf8_lossy(&output.out).into_owned();
                    if output.status != 0 {
                        let said = String::from_utf8_lossy(&output.err);
                        let _ = writeln!(out, "(ended with status {}) {}", output.status, said.trim());
                    }
                    out
                }
                Some(Err(error)) => format!("({})\n", why(&error)),
            }
        }
    }
}

fn why(error: &ToolError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// At most [`SECTION_BYTES_MAX`], whole lines where there are any, without control characters.
fn cut(text: &str, keep: Keep) -> String {
    let plain = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            '\u{FFFD}'
        } else {
            c
        }
    };
    let text: String = text.chars().map(plain).collect();
    if text.len() <= SECTION_BYTES_MAX {
        return text;
    }
    match keep {
        Keep::Head => {
            let head = &text[..text.floor_char_boundary(SECTION_BYTES_MAX)];
            let end = head.rfind('\n').map_or(head.len(), |at| at + 1);
            format!("{}(cut)\n", &head[..end])
        }
        Keep::Tail => {
            let tail = &text[text.ceil_char_boundary(text.len() - SECTION_BYTES_MAX)..];
            let from = tail.find('\n').map_or(0, |at| at + 1);
            format!("(cut)\n{}", &tail[from..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_section_keeps_the_end_that_is_worth_more_in_whole_lines() {
        let text: String = (0..20_000).map(|i| format!("line {i}\n")).collect();
        let head = cut(&text, Keep::Head);
        assert!(head.starts_with("line 0\n") && head.ends_with("\n(cut)\n"));
        let tail = cut(&text, Keep::Tail);
        assert!(tail.starts_with("(cut)\nline ") && tail.ends_with("line 19999\n"));
        assert!(head.len().max(tail.len()) <= SECTION_BYTES_MAX + 8);
        assert_eq!(cut("a\u{1b}[2Jb\0", Keep::Head), "a\u{FFFD}[2Jb\u{FFFD}");
    }
}
