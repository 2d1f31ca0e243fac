//! A host for tests of surveys: a tree of files and tools that print what the test says.

use super::{
    Findings, Host, Part, PartStatus, Survey,
    tool::{Output, ToolError, Tools},
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tocsin_vocabulary::{Timestamp, batch::Cell};

/// Tools that print what was put in: by their command lines.
#[derive(Default)]
pub(crate) struct FakeTools {
    answers: Mutex<BTreeMap<String, Option<Output>>>,
    asked: Mutex<Vec<String>>,
}

impl Tools for FakeTools {
    fn has(&self, name: &str) -> bool {
        let answers = self.answers.lock().unwrap();
        answers.keys().any(|line| line.split(' ').next() == Some(name))
    }

    fn run(&self, name: &'static str, arguments: &[&str], deadline: Duration) -> Option<Result<Output, ToolError>> {
        if !self.has(name) {
            return None;
        }
        let line = format!("{name} {}", arguments.join(" "));
        self.asked.lock().unwrap().push(line.clone());
        let answers = self.answers.lock().unwrap();
        let fits = |known: &&String| line.starts_with(known.as_str());
        let known = answers.keys().filter(fits).max_by_key(|known| known.len());
        Some(match known.and_then(|known| answers[known].clone()) {
            Some(output) => Ok(output),
            None => Err(ToolError::Late(name, deadline)),
        })
    }
}

/// A tree and tools.
pub(crate) struct Stand {
    root: TempDir,
    tools: Arc<FakeTools>,
    mono: Duration,
}

impl Stand {
    /// A host with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let stand = Self {
            root: tempfile::tempdir().unwrap(),
            tools: Arc::default(),
            mono: Duration::from_secs(1_000),
        };
        for (path, text) in files {
            stand.write(path, text);
        }
        stand
    }

    /// Writes a file with what it needs above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Removes a file or folder.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.root.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// What a tool prints from now on when its command line begins so.
    pub(crate) fn prints(&self, line: &str, status: i32, out: impl AsRef<[u8]>) {
        let output = Output {
            status,
            out: out.as_ref().to_vec(),
            err: Vec::new(),
        };
        self.tools.answers.lock().unwrap().insert(line.to_owned(), Some(output));
    }

    /// From now on the tool does not end when its command line begins so.
    pub(crate) fn hangs(&self, line: &str) {
        self.tools.answers.lock().unwrap().insert(line.to_owned(), None);
    }

    /// The command lines since this was asked last.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.tools.asked.lock().unwrap())
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.mono += time;
    }

    /// The host with its tools.
    pub(crate) fn host(&self) -> Host {
        let tools = Arc::clone(&self.tools) as Arc<dyn Tools>;
        Host::new(self.root.path(), Timestamp::from_millis(0), self.mono, Some(tools))
    }

    /// One look.
    pub(crate) fn look(&self, survey: &mut dyn Survey) -> Seen {
        look(survey, &self.host())
    }
}

/// A recorded tree without tools.
pub(crate) fn recorded(root: &Path) -> Host {
    Host::new(root, Timestamp::from_millis(0), Duration::ZERO, None)
}

/// One look at `host`.
pub(crate) fn look(survey: &mut dyn Survey, host: &Host) -> Seen {
    let mut findings = Findings::default();
    survey.look(host, &mut findings);
    seen(findings)
}

/// What was found, by type and id.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) parts: BTreeMap<(&'static str, String), Part>,
    pub(crate) values: BTreeMap<String, f64>,
}

/// Orders findings; asserts that every part and series comes once, and that series bear the catalogue's attributes.
pub(crate) fn seen(findings: Findings) -> Seen {
    let mut seen = Seen {
        parts: BTreeMap::new(),
        values: BTreeMap::new(),
    };
    for part in findings.parts {
        let key = (part.kind, part.id.clone());
        assert!(seen.parts.insert(key, part.clone()).is_none(), "twice: {part:?}");
    }
    for value in findings.values {
        let texts: Vec<String> = value
            .attributes
            .iter()
            .map(|(key, text)| format!("{key}={text}"))
            .collect();
        let known = |key: &&str| value.metric.attributes.contains(key);
        assert!(
            value.attributes.iter().all(|(key, _)| known(key)),
            "{texts:?} of {}",
            value.metric.name
        );
        let name = format!("{}{{{}}}", value.metric.name, texts.join(","));
        #[allow(clippy::cast_precision_loss)]
        let number = match value.cell {
            Cell::Scaled(scaled) => scaled as f64 / 10_f64.powi(i32::from(value.metric.decimals)),
            Cell::Raw(raw) => raw,
            Cell::Absent => f64::NAN,
        };
        assert!(seen.values.insert(name.clone(), number).is_none(), "twice: {name}");
    }
    seen
}

impl Seen {
    /// Verdict and reason of a part.
    #[track_caller]
    pub(crate) fn verdict(&self, kind: &'static str, id: &str) -> (PartStatus, &str) {
        let Some(part) = self.parts.get(&(kind, id.to_owned())) else {
            panic!("no {kind} {id} in {:?}", self.parts.keys());
        };
        (part.status, &part.reason)
    }

    /// Ids of the parts of a type that are not well.
    pub(crate) fn ill(&self, kind: &str) -> Vec<&str> {
        let of_kind = self.parts.values().filter(|part| part.kind == kind);
        of_kind
            .filter(|part| part.status != PartStatus::Ok)
            .map(|part| part.id.as_str())
            .collect()
    }

    /// How many parts of a type there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.parts.values().filter(|part| part.kind == kind).count()
    }
}
