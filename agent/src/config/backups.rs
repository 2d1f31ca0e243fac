//! `[[backup]]`: backup jobs that this host declares to the collector. `[[backup_file]]`: files of results. `[[backup_service]]`:
//! what backups need beside.

use super::{check_address, read::Table, read_filled, read_size};
use crate::{
    backup::files::{self, BackupFile},
    surveys::BackupService,
};
use std::{collections::BTreeMap, path::PathBuf};
use tocsin_vocabulary::time::parse_duration;

/// What may be said of a job beside its name, as texts.
const TEXTS: [&str; 7] = ["schedule", "zone", "tool", "content", "target", "retention", "owner"];
/// And as durations.
const DURATIONS: [&str; 4] = ["grace", "duration_max", "rpo", "drill_every"];
/// And as sizes; the collector is told bytes.
const SIZES: [&str; 2] = ["bytes_min", "bytes_max"];
/// Most jobs of one host.
const JOBS_MAX: usize = 200;
/// Most services, and most files, of one host.
const SERVICES_MAX: usize = 32;

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
        for key in SIZES {
            let size = job.parsed(key, "such as 500MiB or 2GiB", read_size);
            attributes.extend(size.map(|bytes| (key.to_owned(), bytes.to_string())));
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

/// Files to which something else writes results.
pub(super) fn read_files(table: &mut Table<'_, '_, '_>) -> Vec<BackupFile> {
    let mut count = 0;
    table.tables("backup_file", |file| {
        let span = file.span.clone();
        let path = file.parsed("path", "such as \"/var/log/backup.csv\"", read_folder);
        let job = file.parsed("job", "such as \"nightly\"", read_filled);
        let definition = file.parsed("definition", "a built-in one, or the file of one", |text| {
            files::judge(text).map(|_| text.to_owned())
        });
        count += 1;
        match (job, path, definition) {
            (Some(job), Some(path), Some(definition)) if count <= SERVICES_MAX => {
                Some(BackupFile { job, path, definition })
            }
            _ => {
                let problem = format!(
                    "a [[backup_file]] needs `job`, `path` and `definition`, and there are at most {SERVICES_MAX}"
                );
                file.mistakes
                    .add(&span, problem, "see `tocsin-agent backup definitions`");
                None
            }
        }
    })
}

/// The services that backups of this host need.
pub(super) fn read_services(table: &mut Table<'_, '_, '_>) -> Vec<BackupService> {
    let mut names = Vec::new();
    table.tables("backup_service", |service| {
        let span = service.span.clone();
        let read = BackupService {
            name: service
                .parsed("name", "such as \"bareos\"", read_filled)
                .unwrap_or_default(),
            process: service.parsed("process", "such as \"bareos-fd\"", read_filled),
            unit: service.parsed("unit", "such as \"bareos-fd.service\"", read_filled),
            tcp: service.parsed("tcp", "such as \"10.0.0.5:9102\"", read_port),
            repository: service.parsed("repository", "such as \"/backup/restic\"", read_folder),
            tool: service.parsed("tool", "restic or borg", read_tool),
            lock: service.parsed("lock", "such as \"/run/rsnapshot.pid\"", read_folder),
        };
        let checks = [
            read.process.is_some(),
            read.unit.is_some(),
            read.tcp.is_some(),
            read.repository.is_some(),
            read.lock.is_some(),
        ];
        let problem = if read.name.is_empty() || !checks.contains(&true) {
            "a [[backup_service]] needs `name` and one of `process`, `unit`, `tcp`, `repository` and `lock`".to_owned()
        } else if read.tool.is_some() && read.repository.is_none() {
            "`tool` tells whose locks the `repository` has, which is not given".to_owned()
        } else if names.contains(&read.name) || names.len() == SERVICES_MAX {
            format!(
                "`{}` is named twice, or one of more than {SERVICES_MAX} services",
                read.name
            )
        } else {
            names.push(read.name.clone());
            return Some(read);
        };
        service
            .mistakes
            .add(&span, problem, "see `tocsin-agent run --print-config`");
        None
    })
}

fn read_port(text: &str) -> Result<String, String> {
    check_address(text)
        .map(|()| text.to_owned())
        .map_err(|(problem, _)| problem)
}

fn read_folder(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(read_filled(text)?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("it does not begin with /")
    }
}

fn read_tool(text: &str) -> Result<String, String> {
    match text {
        "restic" | "borg" => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` has no locks that are known: expected restic or borg, or give `lock`"
        )),
    }
}
