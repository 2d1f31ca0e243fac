//! `[[process]]`: sets of processes that must run.

use super::{read::Table, read_filled};
use crate::sources::{PROCESS_GROUPS_MAX, ProcessGroup};

pub(super) fn read_groups(table: &mut Table<'_, '_, '_>) -> Vec<ProcessGroup> {
    let mut names = Vec::new();
    table.tables("process", |group| {
        let span = group.span.clone();
        let before = group.mistakes.list.len();
        let name = group.parsed("name", "such as \"nginx\"", read_filled);
        let mut process = group.parsed("process", "such as \"nginx\"", read_filled);
        let command = group.parsed("command", "such as \"--config /etc/app.toml\"", read_filled);
        let user = group.parsed("user", "such as \"www-data\"", read_filled);
        let unit = group.parsed("unit", "such as \"nginx.service\"", read_filled);
        let cgroup = group.parsed("cgroup", "such as \"/kubepods*\"", read_filled);
        let Some(name) = name else {
            if group.mistakes.list.len() == before {
                group
                    .mistakes
                    .add(&span, "a [[process]] has no `name`", "every set of processes needs one");
            }
            return None;
        };
        if names.contains(&name) {
            group.mistakes.add(
                &span,
                format!("there are two [[process]] named `{name}`"),
                "give each its own name",
            );
        }
        names.push(name.clone());
        if names.len() == PROCESS_GROUPS_MAX + 1 {
            group.mistakes.add(
                &span,
                format!("there are more than {PROCESS_GROUPS_MAX} [[process]]"),
                "remove some",
            );
        }
        if process.is_none() && command.is_none() && user.is_none() && unit.is_none() && cgroup.is_none() {
            process = Some(name.clone());
        }
        Some(ProcessGroup {
            name,
            process,
            command,
            user,
            unit,
            cgroup,
        })
    })
}
