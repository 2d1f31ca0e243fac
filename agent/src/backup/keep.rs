//! Runs below the state directory: one file each, written whole or not at all, until the running agent has sent them.
//!
//! ```text
//! runs/ID.started   a run that goes on, or whose wrapper was killed
//! runs/ID.json      a run that ended and was not sent yet
//! runs/ID.sent      a run that the agent has handed to its spool; kept to be looked at
//! ```
//!
//! Identifiers begin with the time, so names sort by age.

use super::run::Run;
use crate::files::{self, FileError};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use tocsin_vocabulary::RunId;

/// The folder of runs below the state directory.
pub const RUNS_DIR: &str = "runs";
/// Runs that wait for an agent; the oldest goes first.
pub const WAITING_MAX: usize = 2_000;
/// Runs that were sent and are still shown.
pub const SENT_MAX: usize = 200;
/// A file of a run is smaller: its text, each byte of which JSON may write as six.
const FILE_BYTES_MAX: u64 = 8 * super::run::STDERR_KEPT_BYTES as u64;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It goes on, as far as its file tells.
    Started,
    /// It ended, and waits for an agent.
    Waiting,
    /// It was handed on.
    Sent,
}

impl Stage {
    const fn extension(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Waiting => "json",
            Self::Sent => "sent",
        }
    }
}

/// The runs of one state directory.
#[derive(Debug, Clone)]
pub struct Runs {
    dir: PathBuf,
}

impl Runs {
    /// Those below `state_dir`; nothing is made yet.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join(RUNS_DIR),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes the folder, so that it can be watched.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_dir(&self) -> Result<(), FileError> {
        if self.dir.is_dir() {
            return Ok(());
        }
        // As who owns what is there: a run of root must be readable for the agent.
        let there = self.dir.ancestors().skip(1).find_map(|above| fs::metadata(above).ok());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|error| FileError::new("create directory", &self.dir, error))?;
        if let Some(owner) = there.filter(|owner| owner.uid() != 0) {
            // Only root may, and only root needs to.
            let _ = std::os::unix::fs::chown(&self.dir, Some(owner.uid()), Some(owner.gid()));
        }
        Ok(())
    }

    fn path(&self, id: RunId, stage: Stage) -> PathBuf {
        self.dir.join(format!("{id}.{}", stage.extension()))
    }

    /// Notes that a run began. Not synced: what the power takes now, it takes from the backup too.
    ///
    /// # Errors
    /// When the state directory can't be written.
    pub fn begin(&self, run: &Run) -> Result<(), FileError> {
        self.make_dir()?;
        self.write(run, Stage::Started, false)
    }

    /// Keeps a run that ended.
    ///
    /// # Errors
    /// When the state directory can't be written.
    pub fn finish(&self, run: &Run) -> Result<(), FileError> {
        self.make_dir()?;
        self.write(run, Stage::Waiting, true)?;
        // Left over, it is passed over.
        let _ = fs::remove_file(self.path(run.id, Stage::Started));
        Ok(())
    }

    fn write(&self, run: &Run, stage: Stage, synced: bool) -> Result<(), FileError> {
        let path = self.path(run.id, stage);
        let beside = self.dir.join(format!(".{}.tmp", run.id));
        let json = serde_json::to_vec(run).unwrap_or_default();
        let written = Self::create(&beside).and_then(|mut file| {
            file.write_all(&json)?;
            if synced { file.sync_data() } else { Ok(()) }
        });
        written.map_err(|error| FileError::new("write", &beside, error))?;
        fs::rename(&beside, &path).map_err(|error| FileError::new("rename over", &path, error))
    }

    /// A new file for nobody but the folder's owner.
    fn create(path: &Path) -> std::io::Result<File> {
        let _ = fs::remove_file(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let dir = path.parent().map(fs::metadata).transpose()?;
        if let Some(dir) = dir
            && dir.uid() != file.metadata()?.uid()
        {
            // Root writes for the agent; others can't give files away, and the agent says so.
            let _ = std::os::unix::fs::fchown(&file, Some(dir.uid()), Some(dir.gid()));
        }
        Ok(file)
    }

    /// The runs of these stages, oldest first. A run that has ended is not among those that go on.
    ///
    /// # Errors
    /// When the folder can't be read; a folder that is not there has none.
    pub fn names(&self, stages: &[Stage]) -> Result<Vec<(RunId, Stage)>, FileError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::new("read", &self.dir, error)),
        };
        let mut all: Vec<(RunId, Stage)> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                let (id, extension) = name.to_str()?.rsplit_once('.')?;
                let stages = [Stage::Waiting, Stage::Sent, Stage::Started];
                let stage = stages.into_iter().find(|stage| stage.extension() == extension)?;
                Some((id.parse().ok()?, stage))
            })
            .collect();
        // Of one run the furthest stage counts.
        all.sort_by_key(|(id, stage)| (*id, *stage == Stage::Started));
        all.dedup_by_key(|(id, _)| *id);
        all.retain(|(_, stage)| stages.contains(stage));
        Ok(all)
    }

    /// Reads one; none when its file went meanwhile or is no run.
    #[must_use]
    pub fn read(&self, id: RunId, stage: Stage) -> Option<Run> {
        let mut text = String::new();
        let file = File::open(self.path(id, stage)).ok()?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Notes that a run was handed on.
    ///
    /// # Errors
    /// When the file can't be renamed; the run is then handed on again, which changes nothing.
    pub fn sent(&self, id: RunId) -> Result<(), FileError> {
        let (from, to) = (self.path(id, Stage::Waiting), self.path(id, Stage::Sent));
        fs::rename(&from, &to).map_err(|error| FileError::new("rename", &from, error))?;
        files::sync_dir(&self.dir)
    }

    /// Removes the oldest beyond what may be kept; answers how many of them nobody was told of.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn prune(&self) -> Result<usize, FileError> {
        let mut lost = 0;
        for (stage, most) in [
            (Stage::Sent, SENT_MAX),
            (Stage::Waiting, WAITING_MAX),
            (Stage::Started, WAITING_MAX),
        ] {
            let names = self.names(&[stage])?;
            for (id, stage) in names.iter().take(names.len().saturating_sub(most)) {
                let removed = fs::remove_file(self.path(*id, *stage)).is_ok();
                lost += usize::from(removed && *stage == Stage::Waiting);
            }
        }
        Ok(lost)
    }

    /// Removes the note that a run goes on.
    pub fn forget_start(&self, id: RunId) {
        let _ = fs::remove_file(self.path(id, Stage::Started));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::run::tests::failed, *};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_run_goes_through_its_stages_and_is_one_run_in_each() {
        let state = tempfile::tempdir().unwrap();
        let runs = Runs::of(&state.path().join("deep/state"));
        assert_eq!(runs.names(&[Stage::Waiting]).unwrap(), []);
        let run = failed(1);
        let every = [Stage::Started, Stage::Waiting, Stage::Sent];
        runs.begin(&run).unwrap();
        assert_eq!(runs.names(&every).unwrap(), [(run.id, Stage::Started)]);
        runs.finish(&run).unwrap();
        assert_eq!(runs.names(&every).unwrap(), [(run.id, Stage::Waiting)]);
        assert_eq!(runs.read(run.id, Stage::Waiting), Some(run.clone()));
        let file = fs::metadata(runs.path(run.id, Stage::Waiting)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        runs.sent(run.id).unwrap();
        assert_eq!(runs.names(&every).unwrap(), [(run.id, Stage::Sent)]);
        assert!(runs.sent(run.id).is_err());
    }

    #[test]
    fn a_start_that_was_left_over_does_not_hide_the_end() {
        let state = tempfile::tempdir().unwrap();
        let runs = Runs::of(state.path());
        let run = failed(1);
        runs.finish(&run).unwrap();
        runs.begin(&run).unwrap();
        let names = runs.names(&[Stage::Started, Stage::Waiting]).unwrap();
        assert_eq!(names, [(run.id, Stage::Waiting)]);
    }

    #[test]
    fn what_is_no_run_is_passed_over_and_the_oldest_go_first() {
        let state = tempfile::tempdir().unwrap();
        let runs = Runs::of(state.path());
        for seed in 0..u64::try_from(SENT_MAX).unwrap() + 2 {
            runs.finish(&failed(seed)).unwrap();
            runs.sent(failed(seed).id).unwrap();
        }
        fs::write(runs.dir().join("notes.json"), "x").unwrap();
        fs::write(runs.dir().join(format!("{}.json", failed(5_000).id)), "{torn").unwrap();
        assert_eq!(runs.prune().unwrap(), 0);
        let sent = runs.names(&[Stage::Sent]).unwrap();
        assert_eq!((sent.len(), sent[0].0), (SENT_MAX, failed(2).id));
        assert_eq!(runs.read(failed(5_000).id, Stage::Waiting), None);
    }
}
