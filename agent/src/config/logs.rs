//! `[logs]`, `[[logs.watch]]` and `[[logs.watch.match]]`: which logs are watched, and for what.

use super::{
    read::{Mistakes, Table},
    read_filled,
};
use crate::logs::{LOGS_MAX, LogConfig, LogMatch, LogSource, LogsConfig, MATCHES_MAX, compile};
use std::{ops::Range, path::Path};
use tocsin_vocabulary::Severity;

/// Longest name of an event.
const EVENT_BYTES_MAX: usize = 64;
/// Longest pattern.
const PATTERN_BYTES_MAX: usize = 1_024;

pub(super) fn read_logs(table: &mut Table<'_, '_, '_>) -> LogsConfig {
    let default = LogsConfig::default();
    table.table("logs", |table| LogsConfig {
        kernel: table.boolean("kernel", default.kernel),
        logs: read_watches(table),
    })
}

fn read_watches(table: &mut Table<'_, '_, '_>) -> Vec<LogConfig> {
    let mut known: Vec<LogSource> = Vec::new();
    table.tables("watch", |log| {
        let span = log.span.clone();
        let before = log.mistakes.list.len();
        let sources = read_sources(log);
        let matches = read_matches(log);
        let fresh = log.mistakes.list.len() == before;
        let [source] = <[LogSource; 1]>::try_from(sources)
            .map_err(|sources| {
                if fresh {
                    count_mistake(log.mistakes, &span, sources.len());
                }
            })
            .ok()?;
        if matches.is_empty() && fresh {
            let problem = "a [[logs.watch]] has no [[logs.watch.match]]";
            log.mistakes.add(&span, problem, "say what makes a line an event");
        }
        if known.contains(&source) {
            let problem = "there are two [[logs.watch]] of the same log";
            log.mistakes
                .add(&span, problem, "put their [[logs.watch.match]] together");
        }
        known.push(source.clone());
        if known.len() == LOGS_MAX + 1 {
            let problem = format!("there are more than {LOGS_MAX} [[logs.watch]]");
            log.mistakes.add(&span, problem, "remove some");
        }
        Some(LogConfig { source, matches })
    })
}

fn count_mistake(mistakes: &mut Mistakes<'_>, span: &Range<usize>, count: usize) {
    let problem = if count == 0 {
        "a [[logs.watch]] names no log"
    } else {
        "a [[logs.watch]] names several logs"
    };
    let hint = "one of `path`, `unit`, `journal = true`, `kernel = true`";
    mistakes.add(span, problem, hint);
}

fn read_sources(log: &mut Table<'_, '_, '_>) -> Vec<LogSource> {
    let mut sources = Vec::new();
    sources.extend(log.parsed("path", "such as \"/var/log/app/*.log\"", read_path));
    sources.extend(
        log.parsed("unit", "such as \"nginx.service\"", read_unit)
            .map(LogSource::Unit),
    );
    if log.boolean("journal", false) {
        sources.push(LogSource::Journal);
    }
    if log.boolean("kernel", false) {
        sources.push(LogSource::Kernel);
    }
    sources
}

fn read_matches(log: &mut Table<'_, '_, '_>) -> Vec<LogMatch> {
    let mut count = 0;
    log.tables("match", |one| {
        let span = one.span.clone();
        let before = one.mistakes.list.len();
        let pattern = one.parsed(
            "pattern",
            "a regular expression such as 'error: (?<what>.*)'",
            read_pattern,
        );
        let exclude = one.parsed("exclude", "a regular expression", read_pattern);
        let event = one.parsed("event", "such as \"app.error\"", read_event);
        let hint = "critical, major, minor, warning or info";
        let severity = one.parsed("severity", hint, str::parse::<Severity>);
        count += 1;
        if count == MATCHES_MAX + 1 {
            let problem = format!("a [[logs.watch]] has more than {MATCHES_MAX} [[logs.watch.match]]");
            one.mistakes.add(&span, problem, "remove some");
        }
        if one.mistakes.list.len() == before {
            for (missing, key) in [(pattern.is_none(), "pattern"), (event.is_none(), "event")] {
                if missing {
                    let problem = format!("a [[logs.watch.match]] has no `{key}`");
                    one.mistakes
                        .add(&span, problem, "every match needs a pattern and an event");
                }
            }
        }
        Some(LogMatch {
            pattern: pattern?,
            exclude,
            event: event?,
            severity: severity.unwrap_or(Severity::Warning),
        })
    })
}

/// A path whose file name may hold `*`; the folder may not.
fn read_path(text: &str) -> Result<LogSource, String> {
    let text = read_filled(text)?;
    let path = Path::new(&text);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(format!("`{text}` names no file"));
    };
    if !path.is_absolute() || path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(format!("`{text}` must begin with / and hold no `..`"));
    }
    if text.ends_with('/') {
        return Err(format!("`{text}` is a folder"));
    }
    if folder.to_string_lossy().contains('*') {
        return Err(format!("`{text}`: only the file's name may hold `*`"));
    }
    Ok(LogSource::Files {
        folder: folder.to_owned(),
        name: name.to_owned(),
    })
}

/// Units of systemd bear these characters only; `*` makes it a pattern.
fn read_unit(text: &str) -> Result<String, String> {
    let text = read_filled(text)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@*".contains(c);
    if text.starts_with('-') || !text.chars().all(allowed) || !text.contains(['.', '*']) {
        return Err(format!("`{text}` is not the name of a unit"));
    }
    Ok(text)
}

pub(super) fn check_unit(text: &str) -> Result<(), (String, String)> {
    read_unit(text)
        .map(drop)
        .map_err(|problem| (problem, "such as \"nginx.service\"".to_owned()))
}

fn read_pattern(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    compile(text).map(|_| text.to_owned())
}

fn read_event(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let shaped = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed);
    if text.len() > EVENT_BYTES_MAX || !shaped {
        return Err(format!(
            "`{text}` is not a name of small letters, digits, `.`, `_` and `-`"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::PathBuf;

    #[test]
    fn logs_are_read() {
        let text = "[logs]\nkernel = false\n\
            [[logs.watch]]\npath = \"/var/log/app/*.log\"\n\
            [[logs.watch.match]]\npattern = 'error: (?<what>.*)'\nexclude = \"timeout\"\nevent = \"app.error\"\nseverity = \"major\"\n\
            [[logs.watch.match]]\npattern = \"warn\"\nevent = \"app.warning\"\n\
            [[logs.watch]]\nunit = \"postgresql@*.service\"\n[[logs.watch.match]]\npattern = \"FATAL\"\nevent = \"db.fatal\"\n\
            [[logs.watch]]\njournal = true\n[[logs.watch.match]]\npattern = \"x\"\nevent = \"x\"\n";
        let logs = Config::parse(text).unwrap().logs;
        assert!(!logs.kernel);
        assert_eq!(
            logs.logs[0].source,
            LogSource::Files {
                folder: PathBuf::from("/var/log/app"),
                name: "*.log".to_owned()
            }
        );
        assert_eq!(logs.logs[0].matches[0].severity, Severity::Major);
        assert_eq!(logs.logs[0].matches[1].severity, Severity::Warning);
        assert_eq!(logs.logs[1].source, LogSource::Unit("postgresql@*.service".to_owned()));
        assert_eq!(logs.logs[2].source, LogSource::Journal);
    }

    #[test]
    fn all_mistakes_about_logs_are_told_at_once() {
        let text = "[[logs.watch]]\npath = \"var/*/x\"\n[[logs.watch.match]]\npattern = \"(\"\nevent = \"Bad Name\"\nseverity = \"bad\"\n\
            [[logs.watch]]\n[[logs.watch.match]]\npattern = \"x\"\nevent = \"x\"\n\
            [[logs.watch]]\nkernel = true\njournal = true\n[[logs.watch.match]]\nevent = \"x\"\n\
            [[logs.watch]]\npath = \"/a/*/b\"\n\
            [[logs.watch]]\nunit = \"--root=/\"\n\
            [[logs.watch]]\nkernel = true\n\
            [[logs.watch]]\nkernel = true\n[[logs.watch.match]]\npattern = \"x\"\nevent = \"x\"\n";
        let told: Vec<String> = Config::parse(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "line 2: `logs.watch.path`: `var/*/x` must begin with / and hold no `..` (such as \"/var/log/app/*.log\")",
                "line 4: `logs.watch.match.pattern`: unclosed group (a regular expression such as 'error: (?<what>.*)')",
                "line 5: `logs.watch.match.event`: `Bad Name` is not a name of small letters, digits, `.`, `_` and `-` (such as \"app.error\")",
                "line 6: `logs.watch.match.severity`: `bad` is not a severity: expected one of critical, major, minor, warning, info (critical, major, minor, warning or info)",
                "line 7: a [[logs.watch]] names no log (one of `path`, `unit`, `journal = true`, `kernel = true`)",
                "line 14: a [[logs.watch.match]] has no `pattern` (every match needs a pattern and an event)",
                "line 17: `logs.watch.path`: `/a/*/b`: only the file's name may hold `*` (such as \"/var/log/app/*.log\")",
                "line 19: `logs.watch.unit`: `--root=/` is not the name of a unit (such as \"nginx.service\")",
                "line 20: a [[logs.watch]] has no [[logs.watch.match]] (say what makes a line an event)",
                "line 22: there are two [[logs.watch]] of the same log (put their [[logs.watch.match]] together)",
            ]
        );
    }
}
