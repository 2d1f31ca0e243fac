//! Runs told over HTTP, as clients of healthchecks.io do it: a start, a success, a failure, an exit code, a line of log.

use super::{Backups, run_of_words};
use std::time::Duration;
use tocsin_console::backend::{Failure, Ping, PingKind};
use tocsin_desk::backup::{Job, JobRun};
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{Code, RunId, RunResult, Timestamp};

/// Of what pings bring of a run, so many characters from the end are kept.
const BODY_CHARS_MAX: usize = 4_096;
/// Runs among which the one is looked for that a ping ends.
const OPEN_RUNS: u32 = 20;
/// A start without a number that comes so soon after another one is the same start, which a client told again because our answer
/// was lost; one that comes later begins another run.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

fn failed(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// How a job's name stands in its address: small letters and digits, all else a hyphen.
pub(crate) fn slug(name: &str) -> String {
    let plain = name.to_lowercase();
    let words = plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

impl Backups {
    /// Takes a ping.
    ///
    /// # Errors
    /// When no job has this key and name, or the ledger refuses.
    pub(crate) async fn pinged(&self, ping: &Ping) -> Result<(), Failure> {
        let job = self.pinged_job(ping).await?;
        let turn = self.turns.of(job.host, &job.name).await;
        // Anew: somebody may have decided about it meanwhile.
        let job = self.pinged_job(ping).await?;
        let now = (self.clock)();
        let open = self.open_run(&job, ping, now).await?;
        let code = match ping.kind {
            PingKind::Log => return self.noted(&job, open, &ping.body).await,
            PingKind::Start => None,
            PingKind::Success => Some(0),
            PingKind::Fail => Some(1),
            PingKind::Exit(code) => Some(code),
        };
        let begun = open.unwrap_or_else(|| JobRun::begun(self.run_id(&job, &ping.rid), job.id, now, now));
        let run = match code {
            None => JobRun {
                tail: appended(&begun.tail, &ping.body),
                ..begun
            },
            Some(code) => JobRun {
                ended_at: Some(now),
                received_at: now,
                duration_ms: u64::try_from(now.since(begun.started_at).as_millis()).ok(),
                reported: Some(if code == 0 { RunResult::Ok } else { RunResult::Failed }),
                exit_code: Some(i32::from(code)),
                error: if code == 0 {
                    String::new()
                } else {
                    words(&ping.body, code)
                },
                judged_by: "ping".to_owned(),
                tail: appended(&begun.tail, &ping.body),
                ..begun
            },
        };
        self.take(job, run, &[], turn).await.map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn pinged_job(&self, ping: &Ping) -> Result<Job, Failure> {
        let found = self
            .ledger
            .job_of_key(&ping.key)
            .await
            .map_err(|error| failed(&error))?;
        let found = found.filter(|job| ping.slug.is_empty() || slug(&job.name) == slug(&ping.slug));
        found.ok_or_else(|| Failure::new(Code::NotFound, "not found"))
    }

    /// Keeps a line of log with the run that goes on. It judges nothing, and without such a run it is of nothing.
    async fn noted(&self, job: &Job, open: Option<JobRun>, line: &str) -> Result<(), Failure> {
        let Some(open) = open else { return Ok(()) };
        let run = JobRun {
            tail: appended(&open.tail, line),
            ..open
        };
        let kept = self.ledger.keep_run(&run, job.stand.expected_at, None, &[]).await;
        kept.map(drop).map_err(|error| failed(&error))
    }

    /// The run that this ping is about: of its number; without one the newest, while it goes on. One that was overtaken by a later
    /// one has lost its end on the way, and is not today's.
    async fn open_run(&self, job: &Job, ping: &Ping, now: Timestamp) -> Result<Option<JobRun>, Failure> {
        let mut runs = self
            .ledger
            .runs(job.id, None, OPEN_RUNS)
            .await
            .map_err(|error| failed(&error))?;
        runs.retain(|run| run.result != Some(RunResult::Missed));
        let newest = runs.first().map(|run| run.started_at);
        let mut open = runs.into_iter().filter(|run| run.ended_at.is_none());
        if !ping.rid.is_empty() {
            let wanted = self.run_id(job, &ping.rid);
            return Ok(open.find(|run| run.id == wanted));
        }
        let open = open.find(|run| Some(run.started_at) == newest);
        Ok(open.filter(|run| ping.kind != PingKind::Start || now.since(run.started_at) < TOLD_AGAIN))
    }

    /// A client's number names the same run again; without one every run is new.
    fn run_id(&self, job: &Job, rid: &str) -> RunId {
        if rid.is_empty() {
            return self.next_id(RunId::next);
        }
        run_of_words(&format!("{} {rid}", job.id))
    }
}

/// What was told of a run and what is told now, as far as it is kept.
fn appended(before: &str, now: &str) -> String {
    let between = if before.is_empty() || before.ends_with('\n') || now.is_empty() {
        ""
    } else {
        "\n"
    };
    let whole = [before, between, now].concat();
    let from = whole.char_indices().rev().nth(BODY_CHARS_MAX - 1);
    whole[from.map_or(0, |(at, _)| at)..].to_owned()
}

/// The last line that was told, else the code.
fn words(tail: &str, code: u8) -> String {
    let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.map_or_else(|| format!("exit code {code}"), |line| line.chars().take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::{BODY_CHARS_MAX, appended, slug};

    #[test]
    fn names_stand_in_addresses_as_slugs() {
        assert_eq!(slug("Nightly DB  Dump!"), "nightly-db-dump");
        assert_eq!(slug("数据库 备份"), "数据库-备份");
        assert_eq!(slug("--"), "");
    }

    #[test]
    fn the_end_of_what_was_told_is_kept() {
        assert_eq!(appended("", "one"), "one");
        assert_eq!(appended("one", "two"), "one\ntwo");
        assert_eq!(appended("one\n", "two"), "one\ntwo");
        assert_eq!(appended("one", ""), "one");
        let long = appended("first", &"\u{9519}".repeat(BODY_CHARS_MAX));
        assert_eq!(long, "\u{9519}".repeat(BODY_CHARS_MAX));
    }
}
