//! Results that something else writes to a file of this host: a status file that is replaced, a log that grows. Every line that
//! a definition finds to be a run becomes one.
//!
//! A file is read when it looked the same twice, a second apart, so that one which is being written is not read half. Whether
//! it was replaced or written in place makes no difference. A run has the same number whenever it is read: after a restart of
//! ours it is no second one.

use super::run::{self, Run};
use jiff::tz::TimeZone;
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tocsin_adapters::{Adapter, Definition, Judge, Output, Reading, examples};
use tocsin_vocabulary::{Hash, IdSource, RunId, Timestamp};

/// Of a longer file the end is read, from the beginning of a line on.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// A definition is shorter.
const DEFINITION_BYTES_MAX: u64 = 256 * 1024;
/// Numbers of runs that are remembered of one file; beyond, the collector knows them.
const KNOWN_MAX: usize = 10_000;

/// A file of results, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFile {
    /// The job where the file names none.
    pub job: String,
    /// Where it is.
    pub path: PathBuf,
    /// The built-in definition, or the file of one, that judges it.
    pub definition: String,
}

/// By which a file that changed is told from one that did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

struct Watched {
    file: BackupFile,
    judge: Judge,
    /// How it looked last, and when it was read.
    look: Option<Look>,
    taken: Option<Look>,
    /// What was told of it; none before the first reading.
    known: Option<HashSet<RunId>>,
}

/// All files that are watched.
#[derive(Default)]
pub(super) struct Files {
    configured: Vec<BackupFile>,
    watched: Vec<Watched>,
}

/// Who judges by this name or file.
///
/// # Errors
/// With what is wrong with it, for people.
pub(crate) fn judge(definition: &str) -> Result<Judge, String> {
    if definition == Adapter::Veeam.as_str() {
        return Ok(Judge::Tool(Adapter::Veeam));
    }
    let text = match examples::named(definition) {
        Some(example) => example.toml.to_owned(),
        None => {
            read_end(Path::new(definition), DEFINITION_BYTES_MAX).map_err(|error| format!("{definition}: {error}"))?
        }
    };
    let judge = Definition::parse(&text).map_err(|error| format!("{definition}: {error}"))?;
    let judge = Judge::Defined(Arc::new(judge));
    if judge.finds_runs() {
        Ok(judge)
    } else {
        Err(format!(
            "{definition}: a file is read line by line, so its definition needs `record`"
        ))
    }
}

impl Files {
    /// Looks at the files that are configured now; answers the runs that nobody was told of. Of a file that is seen for the
    /// first time that is its newest run.
    pub(super) fn look(&mut self, configured: &[BackupFile], host: &str, now: Timestamp) -> Vec<Run> {
        if self.configured != configured {
            self.configure(configured);
        }
        let mut runs = Vec::new();
        for watched in &mut self.watched {
            if let Some(text) = watched.changed() {
                runs.extend(watched.runs(&text, host, now));
            }
        }
        runs
    }

    fn configure(&mut self, configured: &[BackupFile]) {
        self.configured = configured.to_vec();
        self.watched.retain(|watched| configured.contains(&watched.file));
        for file in configured {
            if self.watched.iter().any(|watched| watched.file == *file) {
                continue;
            }
            match judge(&file.definition) {
                Ok(judge) => self.watched.push(Watched {
                    file: file.clone(),
                    judge,
                    look: None,
                    taken: None,
                    known: None,
                }),
                Err(error) => tracing::warn!(job = file.job, error, "a file of backup results can't be watched"),
            }
        }
    }
}

impl Watched {
    /// The file's text, when it changed and is written.
    fn changed(&mut self) -> Option<String> {
        let found = fs::metadata(&self.file.path).ok().filter(fs::Metadata::is_file)?;
        let look = Some(Look {
            inode: found.ino(),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
        });
        let before = std::mem::replace(&mut self.look, look);
        if before != look || self.taken == look {
            return None;
        }
        self.taken = look;
        // One that can't be read is looked at again when it changes.
        read_end(&self.file.path, FILE_BYTES_MAX).ok()
    }

    fn runs(&mut self, text: &str, host: &str, now: Timestamp) -> Vec<Run> {
        let zone = TimeZone::system();
        let modified = self.taken.map_or(now, |look| {
            Timestamp::from_millis(look.modified.0.saturating_mul(1_000))
        });
        let readings = self.judge.runs(&Output {
            exit_code: None,
            stdout: Some(text),
            stderr: "",
            zone: &zone,
            now,
        });
        let ended = readings.into_iter().filter(|reading| !reading.running);
        let mut runs: Vec<Run> = ended.map(|reading| self.run(reading, host, modified)).collect();
        let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        match &mut self.known {
            Some(known) => {
                runs.retain(|run| !known.contains(&run.id));
                if known.len() > KNOWN_MAX {
                    known.clear();
                }
                known.extend(ids);
            }
            None => {
                runs.drain(..runs.len().saturating_sub(1));
                self.known = Some(ids.into_iter().collect());
            }
        }
        runs
    }

    fn run(&self, reading: Reading, host: &str, modified: Timestamp) -> Run {
        let job = if reading.job.is_empty() {
            &self.file.job
        } else {
            &reading.job
        };
        let ended = reading.ended_at.or(reading.started_at).unwrap_or(modified);
        let started = reading.started_at.unwrap_or(ended).min(ended);
        let words = format!("{job}\0{}\0{}", started.as_millis(), reading.artefact);
        let mut seed = [0; 8];
        for (to, from) in seed.iter_mut().zip(Hash::of(words.as_bytes()).as_bytes()) {
            *to = *from;
        }
        let took = u64::try_from(ended.since(started).as_millis()).unwrap_or(u64::MAX);
        Run {
            id: RunId::next(&mut IdSource::new(u64::from_le_bytes(seed)), started),
            job: tocsin_vocabulary::backup::job_name(job),
            host: host.to_owned(),
            command: String::new(),
            rid: String::new(),
            started_at: started,
            ended_at: Some(ended),
            duration_ms: reading.duration_ms.unwrap_or(took),
            result: Some(reading.result),
            exit_code: None,
            signal: None,
            bytes: reading.bytes,
            bytes_added: reading.bytes_added,
            files: reading.files,
            artefact: reading.artefact,
            judged_by: self.judge.name().to_owned(),
            error: run::clipped(&reading.error, run::ERROR_CHARS_MAX),
            stderr_tail: String::new(),
            stderr_bytes: 0,
            pid: 0,
            pid_started: 0,
        }
    }
}

fn read_end(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(bytes_max);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        Some((_, whole)) if from > 0 => whole.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::RunResult;

    const NOW: Timestamp = Timestamp::from_millis(1_795_400_000_000);

    fn line(day: u8, result: &str) -> String {
        format!("OA,h,full,2026-11-{day} 01:00:00,2026-11-{day} 01:10:00,{result},1 GB,\n")
    }

    fn results(runs: &[Run]) -> Vec<(RunResult, u64)> {
        runs.iter().map(|run| (run.result.unwrap(), run.duration_ms)).collect()
    }

    #[test]
    fn new_lines_of_a_log_and_replaced_status_files_are_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.csv");
        let configured = [BackupFile {
            job: "exports".to_owned(),
            path: path.clone(),
            definition: "anybackup".to_owned(),
        }];
        let mut files = Files::default();
        let look = |files: &mut Files| files.look(&configured, "db1", NOW);
        assert!(look(&mut files).is_empty(), "there is no file yet");
        let mut text = line(18, "失败") + &line(19, "成功");
        fs::write(&path, &text).unwrap();
        assert!(look(&mut files).is_empty(), "it may be half written");
        let first = look(&mut files);
        assert_eq!(results(&first), [(RunResult::Ok, 600_000)], "its newest run");
        assert_eq!((first[0].job.as_str(), first[0].bytes), ("OA", Some(1 << 30)));
        assert!(look(&mut files).is_empty());
        text += &(line(20, "失败") + &line(21, "成功"));
        fs::write(&path, &text).unwrap();
        look(&mut files);
        let two = look(&mut files);
        assert_eq!(results(&two), [(RunResult::Failed, 600_000), (RunResult::Ok, 600_000)]);
        // Replaced by one that has the newest line alone, as status files do.
        let beside = folder.path().join("beside");
        fs::write(&beside, line(22, "失败")).unwrap();
        fs::rename(beside, &path).unwrap();
        look(&mut files);
        let third = look(&mut files);
        assert_eq!(results(&third), [(RunResult::Failed, 600_000)]);
        // An agent that starts again tells the newest once more, under the same number.
        let mut again = Files::default();
        look(&mut again);
        assert_eq!(look(&mut again)[0].id, third[0].id);
    }

    #[test]
    fn only_definitions_that_find_runs_judge_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "trailer = 'done'\n").unwrap();
        let path = file.path().display().to_string();
        assert!(judge(&path).unwrap_err().contains("needs `record`"));
        assert!(judge("/no/such/file").is_err());
        assert_eq!(judge("veeam").unwrap().name(), "veeam");
    }
}
