//! A host for tests of surveys: a tree of files made on the spot, or recorded of real hardware, and tools that print what
//! the test says.

use super::{
    Findings, Host, Part, PartStatus, Survey,
    memory::Memory,
    tool::{Output, ToolError, Tools},
};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
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
        let known = answers.keys().filter(fits).max_by_key(|known| known.len())?;
        Some(answers[known].clone().ok_or(ToolError::Late(name, deadline)))
    }
}

/// A tree and tools.
pub(crate) struct Stand {
    folder: TempDir,
    root: PathBuf,
    /// A recorded tree has none.
    tools: Option<Arc<FakeTools>>,
    memory: Option<Arc<Memory>>,
    mono: Duration,
}

impl Stand {
    /// A host with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stand = Self {
            root: folder.path().join("root"),
            folder,
            tools: Some(Arc::default()),
            memory: None,
            mono: Duration::from_secs(1_000),
        };
        fs::create_dir(&stand.root).unwrap();
        for (path, text) in files {
            stand.write(path, text);
        }
        stand
    }

    /// The recorded tree of real hardware, without tools; `None`, and said so, without recordings.
    pub(crate) fn recorded() -> Option<Self> {
        let mut stand = Self::new(&[]);
        stand.root = crate::field_data::tree(stand.folder.path())?;
        stand.tools = None;
        Some(stand)
    }

    /// From now on surveys remember beyond a restart.
    pub(crate) fn remembering(mut self) -> Self {
        self.memory = Some(Arc::new(Memory::below(self.folder.path())));
        self
    }

    fn tools(&self) -> &FakeTools {
        self.tools.as_ref().expect("a recorded tree has no tools")
    }

    /// Writes a file with what it needs above it.
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

    /// What a tool prints from now on when its command line begins so. A line that begins like none of those put in is
    /// as if the tool were not installed.
    pub(crate) fn prints(&self, line: &str, status: i32, out: impl AsRef<[u8]>) {
        let output = Output {
            status,
            out: out.as_ref().to_vec(),
            err: Vec::new(),
        };
        self.answer(line, Some(output));
    }

    /// The same of one that ends well.
    pub(crate) fn says(&self, line: &str, out: &str) {
        self.prints(line, 0, out);
    }

    /// The same with what it prints as errors.
    pub(crate) fn answers(&self, line: &str, status: i32, out: &str, err: &str) {
        let (out, err) = (out.into(), err.into());
        self.answer(line, Some(Output { status, out, err }));
    }

    /// From now on the tool does not end when its command line begins so.
    pub(crate) fn hangs(&self, line: &str) {
        self.answer(line, None);
    }

    fn answer(&self, line: &str, output: Option<Output>) {
        self.tools().answers.lock().unwrap().insert(line.to_owned(), output);
    }

    /// The command lines since this was asked last.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.tools().asked.lock().unwrap())
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.mono += time;
    }

    /// The host with its tools.
    pub(crate) fn host(&self) -> Host {
        self.host_at(self.mono)
    }

    fn host_at(&self, mono: Duration) -> Host {
        let now = Timestamp::from_millis(i64::try_from(mono.as_millis()).unwrap());
        let tools = self.tools.clone().map(|tools| tools as Arc<dyn Tools>);
        Host::new(&self.root, now, mono, tools).remembering(self.memory.clone())
    }

    /// One look.
    pub(crate) fn look(&self, survey: &mut dyn Survey) -> Seen {
        let mut findings = Findings::default();
        survey.look(&self.host(), &mut findings);
        seen(findings)
    }

    /// One look at this second: what was found, in its order.
    pub(crate) fn look_at(&self, survey: &mut dyn Survey, second: u64) -> Findings {
        let mut findings = Findings::default();
        survey.look(&self.host_at(Duration::from_secs(second)), &mut findings);
        values(&findings);
        findings
    }
}

/// What was found, by type and id.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) parts: BTreeMap<(&'static str, String), Part>,
    pub(crate) values: BTreeMap<String, f64>,
}

/// Orders findings; asserts that every part comes once.
pub(crate) fn seen(findings: Findings) -> Seen {
    let values = values(&findings);
    let mut parts = BTreeMap::new();
    for part in findings.parts {
        let key = (part.kind, part.id.clone());
        assert!(parts.insert(key, part.clone()).is_none(), "twice: {part:?}");
    }
    Seen { parts, values }
}

/// The values as `name{key=value,...}` with figures in their units, without those that are absent; asserts that every
/// series comes once and bears the catalogue's attributes.
pub(crate) fn values(findings: &Findings) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for value in &findings.values {
        let mut texts = Vec::new();
        for (key, text) in &value.attributes {
            assert!(value.metric.attributes.contains(key), "{} has {key}", value.metric.name);
            texts.push(format!("{key}={text}"));
        }
        let name = format!("{}{{{}}}", value.metric.name, texts.join(","));
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
