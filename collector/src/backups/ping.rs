//! Runs told over HTTP, as clients of healthchecks.io do it: a start, a success, a failure, an exit code, a line of log.

use super::{Backups, run_of_words};
use tocsin_console::backend::{Failure, Ping, PingKind};
use tocsin_desk::backup::{Job, JobRun};
use tocsin_ledger::LedgerError;
use tocsin_vocabulary::{Code, RunId, RunResult};

/// Of what a ping brings, so many characters from its end are kept.
const BODY_CHARS_MAX: usize = 4_096;
/// Runs among which the one is looked for that a ping ends.
const OPEN_RUNS: u32 = 20;

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
        let open = self.open_run(&job, &ping.rid).await?;
        let tail: String = {
            let from = ping
                .body
                .char_indices()
                .rev()
                .nth(BODY_CHARS_MAX - 1)
                .map_or(0, |(at, _)| at);
            ping.body[from..].to_owned()
        };
        let begun = open.unwrap_or_else(|| JobRun::begun(self.run_id(&job, &ping.rid), job.id, now, now));
        let code = match ping.kind {
            // A line of log changes nothing, but a run that goes on has it.
            PingKind::Log => return Ok(()),
            PingKind::Start => None,
            PingKind::Success => Some(0),
            PingKind::Fail => Some(1),
            PingKind::Exit(code) => Some(code),
        };
        let run = match code {
            None => begun,
            Some(code) => JobRun {
                ended_at: Some(now),
                received_at: now,
                duration_ms: u64::try_from(now.since(begun.started_at).as_millis()).ok(),
                reported: Some(if code == 0 { RunResult::Ok } else { RunResult::Failed }),
                exit_code: Some(i32::from(code)),
                error: if code == 0 { String::new() } else { words(&tail, code) },
                judged_by: "ping".to_owned(),
                tail,
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

    /// The run that this ping is about: of its number, or the newest that goes on.
    async fn open_run(&self, job: &Job, rid: &str) -> Result<Option<JobRun>, Failure> {
        let runs = self
            .ledger
            .runs(job.id, None, OPEN_RUNS)
            .await
            .map_err(|error| failed(&error))?;
        let wanted = (!rid.is_empty()).then(|| self.run_id(job, rid));
        Ok(runs
            .into_iter()
            .find(|run| run.ended_at.is_none() && wanted.is_none_or(|wanted| wanted == run.id)))
    }

    /// A client's number names the same run again; without one every run is new.
    fn run_id(&self, job: &Job, rid: &str) -> RunId {
        if rid.is_empty() {
            return self.next_id(RunId::next);
        }
        run_of_words(&format!("{} {rid}", job.id))
    }
}

/// The last line that was told, else the code.
fn words(tail: &str, code: u8) -> String {
    let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.map_or_else(|| format!("exit code {code}"), |line| line.chars().take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn names_stand_in_addresses_as_slugs() {
        assert_eq!(slug("Nightly DB  Dump!"), "nightly-db-dump");
        assert_eq!(slug("数据库 备份"), "数据库-备份");
        assert_eq!(slug("--"), "");
    }
}
