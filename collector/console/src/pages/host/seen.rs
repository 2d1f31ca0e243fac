//! What is watched on a host, and what is not observed: a verdict of "well" says no more than is known.

use crate::{
    backend::{Host, HostState},
    host_view::{self as view, Health, Known},
    parts::Part,
    shell::Shell,
};
use std::time::Duration;
use tocsin_vocabulary::Timestamp;

/// What is watched, in one line; empty for a host that never told anything.
pub(crate) fn watched(shell: &Shell, known: &Known<'_>, parts: &[Part], processes: u32) -> String {
    let n = |n: usize| [("n", n.into())];
    let counts = [
        (view::disks(known).len(), "disks"),
        (view::file_systems(known).len(), "filesystems"),
        (view::interfaces(known).len(), "interfaces"),
        (parts.len(), "parts"),
        (view::groups(known).len(), "groups"),
        (processes as usize, "processes"),
    ];
    let told = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| match what {
            "disks" => shell.tell("watched-disks", &n(count)),
            "filesystems" => shell.tell("watched-filesystems", &n(count)),
            "interfaces" => shell.tell("watched-interfaces", &n(count)),
            "parts" => shell.tell("watched-parts", &n(count)),
            "groups" => shell.tell("watched-groups", &n(count)),
            _ => shell.tell("watched-processes", &n(count)),
        });
    told.collect::<Vec<_>>().join(" · ")
}

/// What is not observed although it is there, one phrase each. `gaps` are spans of the chosen range without ticks.
pub(crate) fn not_observed(
    shell: &Shell,
    host: &Host,
    known: &Known<'_>,
    parts: &[Part],
    gaps: &[(Timestamp, Timestamp)],
) -> Vec<String> {
    let mut unseen = Vec::new();
    if host.state != HostState::Live {
        return unseen; // the verdict says it of the whole host
    }
    let unread: Vec<&Part> = parts.iter().filter(|part| part.health() == Health::Unread).collect();
    if let Some(first) = unread.first() {
        let example = format!("{} {}", shell.word("part-type", &first.kind), first.id);
        let blanks = [("n", unread.len().into()), ("example", example.into())];
        unseen.push(shell.tell("unseen-parts", &blanks));
    }
    let hung = view::file_systems(known).into_iter().filter(|system| system.hung);
    unseen.extend(hung.map(|system| shell.tell("unseen-mount", &[("mount", system.mount.into())])));
    for (key, value, _) in view::agent(known) {
        match key {
            "stuck" => unseen.push(shell.tell("unseen-stuck", &[("n", value.into())])),
            "off" => unseen.push(shell.tell("unseen-off", &[("n", value.into())])),
            _ => {}
        }
    }
    let gone: Duration = gaps.iter().map(|(from, to)| to.since(*from)).sum();
    if gone >= Duration::from_secs(60) {
        unseen.push(shell.tell("unseen-gap", &[("span", shell.span(gone).into())]));
    }
    unseen
}
