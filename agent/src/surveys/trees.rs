//! For tests of surveys: trees made on the spot, recorded trees of real hardware, tools that answer as they are told.

use super::{
    Findings, Host, PartStatus, Survey,
    tool::{Output, ToolError, Tools},
};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tocsin_vocabulary::{Timestamp, batch::Cell};

/// Tools by their command line.
#[derive(Default)]
struct Answers(Mutex<BTreeMap<String, Result<Output, Duration>>>);

impl Tools for Answers {
    fn has(&self, name: &str) -> bool {
        self.0
            .lock()
            .unwrap()
            .keys()
            .any(|line| line.split(' ').next() == Some(name))
    }

    fn run(&self, name: &'static str, arguments: &[&str], deadline: Duration) -> Option<Result<Output, ToolError>> {
        let line = [&[name], arguments].concat().join(" ");
        let answers = self.0.lock().unwrap();
        match answers.get(&line) {
            Some(Ok(output)) => Some(Ok(output.clone())),
            Some(Err(_)) => Some(Err(ToolError::Late(name, deadline))),
            None => None,
        }
    }
}

/// A host made of a folder and of answers.
pub(crate) struct Tree {
    folder: tempfile::TempDir,
    root: PathBuf,
    tools: Arc<Answers>,
}

impl Tree {
    /// An empty host.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            root: folder.path().to_owned(),
            folder,
            tools: Arc::default(),
        }
    }

    /// The recorded tree of real hardware; `None`, and said so, without recordings.
    pub(crate) fn recorded() -> Option<Self> {
        let mut tree = Self::new();
        tree.root = crate::field_data::tree(tree.folder.path())?;
        Some(tree)
    }

    /// Files and their texts.
    pub(crate) fn with(self, files: &[(&str, &str)]) -> Self {
        for (path, text) in files {
            self.write(path, text);
        }
        self
    }

    /// Writes one file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Removes a file or folder.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.root.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// Makes a symbolic link; what it points to is made too.
    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.root.join(path);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::create_dir_all(parent.join(target)).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    /// What a command line prints.
    pub(crate) fn answer(&self, line: &str, out: &str) {
        self.answer_with(line, 0, out, "");
    }

    /// What a command line prints, and how it ends.
    pub(crate) fn answer_with(&self, line: &str, status: i32, out: &str, err: &str) {
        let output = Output {
            status,
            out: out.into(),
            err: err.into(),
        };
        self.tools.0.lock().unwrap().insert(line.to_owned(), Ok(output));
    }

    /// A command line that does not end in time.
    pub(crate) fn hang(&self, line: &str) {
        let mut answers = self.tools.0.lock().unwrap();
        answers.insert(line.to_owned(), Err(Duration::ZERO));
    }

    /// What a survey finds here at this second.
    pub(crate) fn look(&self, survey: &mut dyn Survey, second: u64) -> Findings {
        let tools = Arc::clone(&self.tools) as Arc<dyn Tools>;
        let now = Timestamp::from_millis(i64::try_from(second).unwrap() * 1_000);
        let host = Host::new(&self.root, now, Duration::from_secs(second), Some(tools));
        let mut findings = Findings::default();
        survey.look(&host, &mut findings);
        for value in &findings.values {
            for (key, _) in &value.attributes {
                assert!(value.metric.attributes.contains(key), "{} has {key}", value.metric.name);
            }
        }
        findings
    }
}

/// A text out of the recordings; `None`, and said so, without them.
pub(crate) fn recording(path: &str) -> Option<String> {
    let bytes = crate::field_data::file(path)?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The values as `name{key=value,…}` with figures in their units; absent ones are left out.
pub(crate) fn values(findings: &Findings) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for value in &findings.values {
        let attributes: Vec<_> = value
            .attributes
            .iter()
            .map(|(key, text)| format!("{key}={text}"))
            .collect();
        let name = format!("{}{{{}}}", value.metric.name, attributes.join(","));
        let figure = match value.cell {
            #[allow(clippy::cast_precision_loss)]
            Cell::Scaled(scaled) => scaled as f64 / 10_f64.powi(value.metric.decimals.into()),
            Cell::Raw(raw) => raw,
            Cell::Absent => continue,
        };
        assert!(values.insert(name.clone(), figure).is_none(), "{name} comes twice");
    }
    values
}

/// Asserts that these values are among those found.
pub(crate) fn assert_values(findings: &Findings, expected: &[(&str, f64)]) {
    let values = values(findings);
    for (name, figure) in expected {
        let found = values.get(*name);
        assert!(
            found.is_some_and(|found| (found - figure).abs() < 1e-9),
            "{name} is {found:?}, expected {figure}; there are {:#?}",
            values.keys()
        );
    }
}

/// Verdict and reason of one part.
pub(crate) fn verdict(findings: &Findings, kind: &str, id: &str) -> Option<(PartStatus, String)> {
    let mut parts = findings.parts.iter().filter(|part| part.kind == kind && part.id == id);
    let part = parts.next()?;
    assert!(parts.next().is_none(), "{kind} {id} comes twice");
    Some((part.status, part.reason.clone()))
}

/// The status of one part.
pub(crate) fn status(findings: &Findings, kind: &str, id: &str) -> Option<PartStatus> {
    verdict(findings, kind, id).map(|(status, _)| status)
}
