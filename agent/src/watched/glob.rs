//! Patterns of paths: `*` and `?` stand for characters within a name, `**` for any number of folders.

use std::path::{Path, PathBuf};

/// Folders below each other that a walk goes down.
const DEPTH_MAX: usize = 16;
/// Entries of folders that one scan looks at.
pub(super) const ENTRIES_MAX: usize = 20_000;

/// One pattern, an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<String>,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// It does not begin at the root.
    #[error("it does not begin with /")]
    Relative,
    /// It names a parent.
    #[error("it has a part `.` or `..`")]
    Dots,
    /// It would walk the whole machine.
    #[error("its first folder is a pattern")]
    Wide,
    /// `**` beside other characters.
    #[error("`**` must stand alone between two slashes, and not at the end")]
    Stars,
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn new(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::Relative)?;
        let parts: Vec<String> = rest
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        if parts.iter().any(|part| part == "." || part == "..") {
            return Err(PatternError::Dots);
        }
        if parts.first().is_none_or(|first| is_wild(first)) {
            return Err(PatternError::Wide);
        }
        let alone = |part: &String| part == "**" || !part.contains("**");
        if !parts.iter().all(alone) || parts.last().is_some_and(|last| last == "**") {
            return Err(PatternError::Stars);
        }
        Ok(Self { parts })
    }

    /// Whether `path`, absolute, is meant.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        let names: Option<Vec<&str>> = path
            .iter()
            .skip(1) // the root
            .map(|name| name.to_str())
            .collect();
        names.is_some_and(|names| fits(&self.parts, &names))
    }

    /// The folder below which everything lies that this can mean, and whether deeper folders may matter.
    fn base(&self) -> (PathBuf, bool) {
        let last = self.parts.len().saturating_sub(1);
        let fixed = self.parts[..last].iter().take_while(|part| !is_wild(part)).count();
        let base = std::iter::once("/").chain(self.parts[..fixed].iter().map(String::as_str));
        (base.collect(), fixed < last)
    }
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?'])
}

fn fits(parts: &[String], names: &[&str]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((part, rest)), _) if part == "**" => {
            // Zero folders, or one more.
            fits(rest, names) || (!names.is_empty() && fits(parts, &names[1..]))
        }
        (Some((part, rest)), Some((name, others))) => like(part.as_bytes(), name.as_bytes()) && fits(rest, others),
        _ => false,
    }
}

/// Whether `name` is like `part`, in linear space and at most quadratic time.
fn like(part: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match part.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    part[p..].iter().all(|byte| *byte == b'*')
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Paths that are meant, sorted. Absolute, as on the host.
    pub(super) files: Vec<PathBuf>,
    /// Folders in which such files may come to be.
    pub(super) folders: Vec<PathBuf>,
    /// There was more than is looked at.
    pub(super) cut: bool,
}

/// Walks the host below `root` for everything that `patterns` mean.
pub(super) fn walk(root: &Path, patterns: &[Pattern], files_max: usize) -> Found {
    let mut found = Found::default();
    let mut left = ENTRIES_MAX;
    let mut bases: Vec<(PathBuf, bool)> = patterns.iter().map(Pattern::base).collect();
    bases.sort_unstable();
    bases.dedup();
    for (base, deep) in bases {
        descend(
            root,
            &base,
            if deep { DEPTH_MAX } else { 0 },
            patterns,
            &mut left,
            &mut found,
        );
    }
    found.files.sort_unstable();
    found.files.dedup();
    found.folders.sort_unstable();
    found.folders.dedup();
    found.cut |= left == 0 || found.files.len() > files_max;
    found.files.truncate(files_max);
    found
}

fn descend(root: &Path, folder: &Path, depth: usize, patterns: &[Pattern], left: &mut usize, found: &mut Found) {
    let Ok(entries) = std::fs::read_dir(below(root, folder)) else {
        return;
    };
    found.folders.push(folder.to_owned());
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = folder.join(entry.file_name());
        // Links to folders are not followed: they may lead anywhere, and around in circles.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            if depth > 0 {
                descend(root, &path, depth - 1, patterns, left, found);
            }
        } else if patterns.iter().any(|pattern| pattern.matches(&path)) {
            found.files.push(path);
        }
    }
}

/// Where the host's absolute `path` lies below `root`.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use std::fs;

    #[test]
    fn stars_stay_within_a_name_and_double_stars_do_not() {
        let cases = [
            ("/etc/hosts", "/etc/hosts", true),
            ("/etc/hosts", "/etc/hosts.allow", false),
            ("/etc/*.conf", "/etc/a.conf", true),
            ("/etc/*.conf", "/etc/a/b.conf", false),
            ("/etc/nginx/**/*.conf", "/etc/nginx/nginx.conf", true),
            ("/etc/nginx/**/*.conf", "/etc/nginx/a/b/c.conf", true),
            ("/etc/nginx/**/*.conf", "/etc/nginx/a/b/c.txt", false),
            ("/etc/?b", "/etc/ab", true),
            ("/etc/a*b*c", "/etc/aXbXbXc", true),
            ("/etc/a*b*c", "/etc/aXbXbX", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches(Path::new(path)),
                expected,
                "{pattern} {path}"
            );
        }
        for (pattern, error) in [
            ("etc/hosts", PatternError::Relative),
            ("/", PatternError::Wide),
            ("/*/x", PatternError::Wide),
            ("/etc/../root", PatternError::Dots),
            ("/etc/a**/x", PatternError::Stars),
            ("/etc/**", PatternError::Stars),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap_err(), error, "{pattern}");
        }
    }

    #[test]
    fn a_walk_finds_files_at_every_depth_and_follows_no_link_to_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("etc/nginx/sites/inner");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a.conf"), "").unwrap();
        fs::write(dir.path().join("etc/nginx/nginx.conf"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("etc/nginx/round")).unwrap();
        let patterns = [Pattern::new("/etc/nginx/**/*.conf").unwrap()];
        let found = walk(dir.path(), &patterns, 10);
        let files: Vec<&str> = found.files.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(files, ["/etc/nginx/nginx.conf", "/etc/nginx/sites/inner/a.conf"]);
        assert_eq!(found.folders.len(), 3);
        assert!(!found.cut);
        assert!(walk(dir.path(), &patterns, 1).cut);
    }

    #[test]
    fn any_pattern_and_any_name_are_survived() {
        bolero::check!()
            .with_type::<(String, String)>()
            .for_each(timed(|(pattern, name): &(String, String)| {
                let pattern = format!("/a/{pattern}");
                if let Ok(pattern) = Pattern::new(&pattern) {
                    let _ = pattern.matches(&Path::new("/a").join(name.trim_start_matches('/')));
                }
            }));
    }
}
