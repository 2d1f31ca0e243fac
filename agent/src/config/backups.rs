//! `[[backup]]`: backup jobs that this host declares to the collector.

use super::{read::Table, read_filled};
use std::collections::BTreeMap;
use tocsin_vocabulary::time::parse_duration;

/// What may be said of a job beside its name, as texts.
const TEXTS: [&str; 7] = ["schedule", "zone", "tool", "content", "target", "retention", "owner"];
/// And as durations.
const DURATIONS: [&str; 4] = ["grace", "duration_max", "rpo", "drill_every"];
/// Most jobs of one host.
const JOBS_MAX: usize = 200;

/// Each job as attributes of the event that declares it; its name is `job`.
pub(super) fn read_jobs(table: &mut Table<'_, '_, '_>) -> Vec<BTreeMap<String, String>> {
    let mut names = Vec::new();
    table.tables("backup", |job| {
        let (span, before) = (job.span.clone(), job.mistakes.list.len());
        let name = job.parsed("name", "such as \"nightly\"", read_filled);
        let mut attributes = BTreeMap::new();
        for key in TEXTS {
            attributes.extend(job.parsed(key, "", read_filled).map(|text| (key.to_owned(), text)));
        }
        for key in DURATIONS {
            let read = |text: &str| parse_duration(text).map(|_| text.to_owned());
            attributes.extend(
                job.parsed(key, "such as 30m or 26h", read)
                    .map(|text| (key.to_owned(), text)),
            );
        }
        let Some(name) = name else {
            if job.mistakes.list.len() == before {
                job.mistakes.add(
                    &span,
                    "a [[backup]] has no `name`",
                    "the name that `backup exec --job` gives",
                );
            }
            return None;
        };
        if names.contains(&name) || names.len() == JOBS_MAX {
            let problem = format!("`{name}` is named twice, or one of more than {JOBS_MAX} jobs");
            job.mistakes.add(&span, problem, "give each its own name");
        }
        names.push(name.clone());
        attributes.insert("job".to_owned(), name);
        Some(attributes)
    })
}
