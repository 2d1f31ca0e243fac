//! Backup jobs that this host has already and that nobody told of: timers of systemd and lines of crontabs that run a tool
//! we know, or a script that calls itself a backup.
//!
//! Only what is read here is told, and nothing is awaited of it until a person adopts it. What `backup exec` wraps tells of
//! itself.

use super::run::clipped;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};
use tocsin_vocabulary::backup::JOB_NAME_CHARS_MAX;

/// Most jobs that are told of one host.
const JOBS_MAX: usize = 50;
/// Most files of one folder that are looked at.
const FILES_MAX: usize = 500;
/// A crontab or unit is shorter.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Of a command, in characters.
const COMMAND_CHARS_MAX: usize = 200;

/// Where systemd finds units; the first that has one counts (`systemd.unit(5)`).
const UNITS: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// Timers that are enabled.
const ENABLED: &str = "etc/systemd/system/timers.target.wants";
/// Crontabs with a user in the sixth field.
const OF_SYSTEM: [&str; 2] = ["etc/crontab", "etc/cron.d"];
/// Crontabs of users, where we may read them.
const OF_USERS: [&str; 2] = ["var/spool/cron/crontabs", "var/spool/cron"];

/// Programs, and the tool that each belongs to.
const PROGRAMS: [(&str, &str); 20] = [
    ("restic", "restic"),
    ("borg", "borg"),
    ("borgmatic", "borg"),
    ("pgbackrest", "pgbackrest"),
    ("pg_basebackup", "pg_basebackup"),
    ("pg_dump", "pg_dump"),
    ("pg_dumpall", "pg_dump"),
    ("rsnapshot", "rsnapshot"),
    ("rsync", "rsync"),
    ("duplicity", "duplicity"),
    ("duply", "duplicity"),
    ("mysqldump", "mysqldump"),
    ("mariadb-dump", "mysqldump"),
    ("mydumper", "mydumper"),
    ("xtrabackup", "xtrabackup"),
    ("innobackupex", "xtrabackup"),
    ("mariabackup", "xtrabackup"),
    ("rman", "rman"),
    ("rclone", "rclone"),
    ("bconsole", "bacula"),
];
/// Copies of a distribution's own lists, on every host of it and no backup of anybody's data.
const OF_DISTRIBUTIONS: [&str; 1] = ["dpkg-db-backup"];

/// What is found below `root`, each as attributes of the event that tells it.
pub(super) fn found(root: &Path) -> Vec<BTreeMap<String, String>> {
    let mut jobs = Jobs::default();
    timers(root, &mut jobs);
    for (places, with_user) in [(OF_SYSTEM, true), (OF_USERS, false)] {
        for file in places.iter().flat_map(|place| files(&root.join(place))) {
            if let Some(text) = read(&file) {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                crontab(&name, &text, with_user, &mut jobs);
            }
        }
    }
    jobs.found
}

#[derive(Default)]
struct Jobs {
    found: Vec<BTreeMap<String, String>>,
    names: BTreeSet<String>,
}

impl Jobs {
    /// Keeps a command when it looks like a backup. Names are once per host.
    fn add(&mut self, name: impl Fn(&str) -> String, schedule: &str, command: &str) {
        let Some((program, tool)) = backup(command) else {
            return;
        };
        if self.found.len() == JOBS_MAX {
            return;
        }
        let first = clipped(&name(&program), JOB_NAME_CHARS_MAX - 4);
        let mut numbered = (2..).map(|number| format!("{first}-{number}"));
        let mut name = first.clone();
        while !self.names.insert(name.clone()) {
            name = numbered.next().unwrap_or_default();
        }
        let told = [
            ("job", name),
            ("schedule", schedule.to_owned()),
            ("tool", tool.to_owned()),
            ("content", clipped(&without_secrets(command), COMMAND_CHARS_MAX)),
        ];
        self.found.push(told.map(|(key, value)| (key.to_owned(), value)).into());
    }
}

/// The program of a command that looks like a backup, and its tool; the tool is empty where only the name says so.
fn backup(command: &str) -> Option<(String, &'static str)> {
    let words = command.split(|c: char| c.is_whitespace() || "|;&()'\"`$".contains(c));
    let programs = words.map(|word| word.rsplit('/').next().unwrap_or(word));
    let programs: Vec<&str> = programs.filter(|word| !word.is_empty()).collect();
    if programs.iter().any(|word| word.starts_with("tocsin-agent")) {
        return None;
    }
    let known = programs.iter().find_map(|word| {
        let (program, tool) = PROGRAMS.iter().find(|(program, _)| program == word)?;
        Some(((*program).to_owned(), *tool))
    });
    known.or_else(|| {
        // The program itself, and one that a shell or `nice` runs; not what is an argument.
        let named = programs.iter().take(4).find(|word| {
            word.to_ascii_lowercase().contains("backup") && !word.contains('=') && !word.starts_with('-')
        })?;
        let stem = named.rsplit_once('.').map_or(*named, |(stem, _)| stem);
        (!OF_DISTRIBUTIONS.contains(named)).then(|| (stem.to_owned(), ""))
    })
}

/// A command without what follows words that announce a secret: it leaves the host.
fn without_secrets(command: &str) -> String {
    let secret = |word: &str| {
        let word = word.to_ascii_lowercase();
        ["pass", "secret", "token", "key"]
            .iter()
            .any(|hint| word.contains(hint))
    };
    let mut hide_next = false;
    let words = command.split_whitespace().map(|word| {
        let hidden = std::mem::take(&mut hide_next);
        match word.split_once('=') {
            Some((name, _)) if secret(name) => format!("{name}=***"),
            _ if hidden => "***".to_owned(),
            // `-pWORD` of MySQL's programs, and addresses with a password.
            _ if word.starts_with("-p") && word.len() > 2 && !word.starts_with("--") => "-p***".to_owned(),
            _ if word.contains("://") && word.contains('@') => "***".to_owned(),
            _ => {
                hide_next = word.starts_with('-') && secret(word);
                word.to_owned()
            }
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Lines of a crontab: five fields or `@daily`, the user where the system's have one, then the command.
fn crontab(file: &str, text: &str, with_user: bool, jobs: &mut Jobs) {
    for line in text.lines().map(str::trim) {
        let fields = if line.starts_with('@') { 1 } else { 5 };
        let Some((schedule, rest)) = fields_of(line, fields) else {
            continue;
        };
        let is_time = |field: &str| {
            field
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "*/,-?#@".contains(c))
        };
        if line.starts_with('#') || schedule == "@reboot" || !schedule.split(' ').all(is_time) {
            continue;
        }
        let command = if with_user {
            fields_of(rest, 1).map_or("", |(_, rest)| rest)
        } else {
            rest
        };
        jobs.add(|program| format!("{file}-{program}"), &schedule, command);
    }
}

/// The first `count` fields joined by blanks, and what follows them.
fn fields_of(line: &str, count: usize) -> Option<(String, &str)> {
    let mut rest = line;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let (field, after) = rest.trim_start().split_once(char::is_whitespace)?;
        fields.push(field);
        rest = after;
    }
    Some((fields.join(" "), rest.trim()))
}

/// Enabled timers with a calendar, and what their services run.
fn timers(root: &Path, jobs: &mut Jobs) {
    for timer in files(&root.join(ENABLED)) {
        let Some(name) = timer.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(stem) = name.strip_suffix(".timer") else {
            continue;
        };
        let Some(text) = unit(root, name) else {
            continue;
        };
        let Some(calendar) = values(&text, "OnCalendar").into_iter().next() else {
            continue;
        };
        let service = values(&text, "Unit").pop().unwrap_or_else(|| format!("{stem}.service"));
        let runs = unit(root, &service)
            .map(|text| values(&text, "ExecStart"))
            .unwrap_or_default();
        // Prefixes of systemd's are no part of a command (`systemd.service(5)`).
        let commands = runs.iter().map(|run| run.trim_start_matches(['-', '@', ':', '+', '!']));
        if let Some(command) = commands.into_iter().find(|command| backup(command).is_some()) {
            jobs.add(|_| stem.to_owned(), &format!("calendar {calendar}"), command);
        }
    }
}

/// A unit's text; one of a template is its template's.
fn unit(root: &Path, name: &str) -> Option<String> {
    if name.contains('/') {
        return None;
    }
    let template = name.split_once('@').and_then(|(stem, rest)| {
        let (_, kind) = rest.rsplit_once('.')?;
        Some(format!("{stem}@.{kind}"))
    });
    let names = [Some(name.to_owned()), template];
    let places = names
        .iter()
        .flatten()
        .flat_map(|name| UNITS.map(|folder| root.join(folder).join(name)));
    places.into_iter().find_map(|file| read(&file))
}

/// The values of a key, those before an empty one left out, as systemd reads them.
fn values(text: &str, key: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let mut values = Vec::new();
    for line in text.lines() {
        if let Some((found, value)) = line.split_once('=')
            && found.trim() == key
        {
            match value.trim() {
                "" => values.clear(),
                value => values.push(value.to_owned()),
            }
        }
    }
    values
}

/// The file itself, or those of a folder by name; hidden ones and copies of editors are none of cron's.
fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let Ok(folder) = fs::read_dir(place) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = folder
        .take(FILES_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.ends_with('~')
    });
    files.sort_unstable();
    files
}

fn read(file: &Path) -> Option<String> {
    // A pipe would hang.
    if !fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(file)
        .ok()?
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn told(root: &Path) -> Vec<[String; 4]> {
        let of = |job: &BTreeMap<String, String>| ["job", "schedule", "tool", "content"].map(|key| job[key].clone());
        found(root).iter().map(of).collect()
    }

    #[test]
    fn crontabs_tell_of_backups_and_of_nothing_else() {
        let root = tree(&[
            (
                "etc/crontab",
                "SHELL=/bin/sh\nMAILTO=root\n17 * * * * root cd / && run-parts --report /etc/cron.hourly\n\
                 30 2 * * * root /usr/bin/restic backup /srv\n# 1 1 * * * root restic backup /old\n",
            ),
            (
                "etc/cron.d/dumps",
                "@daily postgres pg_dump shop | gzip > /b/shop.gz\n@reboot root restic backup /srv\n\
                 0 3 * * 0 root mysqldump -psecret --password=x --all-databases\n\
                 5 3 * * 0 root mysqldump shop\n\
                 0 4 * * * root tocsin-agent backup exec --job files -- restic backup /home\n",
            ),
            ("etc/cron.d/.placeholder", "0 3 * * 0 root restic backup /x\n"),
            (
                "var/spool/cron/crontabs/oracle",
                "15 1 * * 1-5 nice /home/oracle/full_backup.sh\n",
            ),
        ]);
        assert_eq!(
            told(root.path()),
            [
                ["crontab-restic", "30 2 * * *", "restic", "/usr/bin/restic backup /srv"],
                ["dumps-pg_dump", "@daily", "pg_dump", "pg_dump shop | gzip > /b/shop.gz"],
                [
                    "dumps-mysqldump",
                    "0 3 * * 0",
                    "mysqldump",
                    "mysqldump -p*** --password=*** --all-databases"
                ],
                ["dumps-mysqldump-2", "5 3 * * 0", "mysqldump", "mysqldump shop"],
                [
                    "oracle-full_backup",
                    "15 1 * * 1-5",
                    "",
                    "nice /home/oracle/full_backup.sh"
                ],
            ]
        );
    }

    #[test]
    fn enabled_timers_tell_of_what_their_service_runs() {
        let calendar = "[Timer]\nOnCalendar=*-*-* 02:30\nPersistent=true\n";
        let root = tree(&[
            ("etc/systemd/system/timers.target.wants/files.timer", ""),
            ("etc/systemd/system/files.timer", calendar),
            (
                "etc/systemd/system/files.service",
                "[Service]\nExecStart=/bin/echo begin\nExecStart=-/usr/bin/borg create \\\n  /repo::x /home\n",
            ),
            ("etc/systemd/system/timers.target.wants/dump@shop.timer", ""),
            (
                "usr/lib/systemd/system/dump@.timer",
                "[Timer]\nOnCalendar=daily\nUnit=other.service\n",
            ),
            (
                "usr/lib/systemd/system/other.service",
                "[Service]\nExecStart=/opt/db-backup.sh shop\n",
            ),
            ("etc/systemd/system/timers.target.wants/dpkg-db-backup.timer", ""),
            ("lib/systemd/system/dpkg-db-backup.timer", calendar),
            (
                "lib/systemd/system/dpkg-db-backup.service",
                "[Service]\nExecStart=/usr/libexec/dpkg/dpkg-db-backup\n",
            ),
            // Not enabled.
            ("etc/systemd/system/off.timer", calendar),
            (
                "etc/systemd/system/off.service",
                "[Service]\nExecStart=restic backup /\n",
            ),
        ]);
        assert_eq!(
            told(root.path()),
            [
                ["dump@shop", "calendar daily", "", "/opt/db-backup.sh shop"],
                [
                    "files",
                    "calendar *-*-* 02:30",
                    "borg",
                    "/usr/bin/borg create /repo::x /home"
                ],
            ]
        );
    }

    #[test]
    fn secrets_stay_on_the_host() {
        for (command, shown) in [
            (
                "RESTIC_PASSWORD=x restic backup /",
                "RESTIC_PASSWORD=*** restic backup /",
            ),
            ("mysqldump --password x db", "mysqldump --password *** db"),
            ("borg create ssh://u:p@h/repo::a /", "borg create *** /"),
        ] {
            assert_eq!(without_secrets(command), shown);
        }
    }

    #[test]
    fn whatever_is_in_a_crontab_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let mut jobs = Jobs::default();
            crontab("x", &text, true, &mut jobs);
            let _ = values(&text, "ExecStart");
            assert!(jobs.found.len() <= JOBS_MAX);
        }));
    }
}
