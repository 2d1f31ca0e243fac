//! What the running collector answers to `tocsin-collector job …`.

use super::{Backups, JobAsk, ping::slug, register::Actor, reports};
use crate::control::Control;
use serde_json::{Value, json};
use std::sync::Arc;
use tocsin_console::backend::Failure;
use tocsin_desk::backup::{Job, JobRun, Schedule};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{Code, HostId, RunResult, Timestamp};

/// On the command line.
const CLI: Actor<'_> = Actor { who: "cli", via: "cli" };

fn failed(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

impl Control {
    /// Answers about backup jobs.
    pub(crate) async fn jobs(&self, ask: JobAsk) -> Result<Value, Failure> {
        let (ledger, backups): (&Arc<Ledger>, &Arc<Backups>) = (&self.ledger, &self.backups);
        match ask {
            JobAsk::Declare { host, plan, ping, .. } => {
                let host = self.host(&host).await?;
                let job = backups.declare(host, &plan, ping, CLI).await?;
                let name = self.host_name(host).await?;
                let mut value = shown(&job, &name, &self.console_url, (self.clock)());
                let zone = job.schedule.as_ref().and_then(Schedule::zone_name);
                value["schedule_zone"] = zone.unwrap_or(job.zone.as_str()).into();
                if let Some(Schedule::After(leader)) = &job.schedule {
                    let found = ledger.job_named(host, leader).await.map_err(|error| failed(&error))?;
                    value["leader_known"] = found.is_some().into();
                }
                Ok(value)
            }
            JobAsk::List { .. } => {
                let hosts = self.backend.hosts().await?;
                let name = |id: HostId| {
                    let host = hosts.iter().find(|host| host.record.id == id);
                    host.map_or_else(|| id.to_string(), |host| host.record.name.clone())
                };
                let jobs = ledger.jobs().await.map_err(|error| failed(&error))?;
                let now = (self.clock)();
                let items: Vec<Value> = jobs
                    .iter()
                    .map(|job| shown(job, &name(job.host), &self.console_url, now))
                    .collect();
                Ok(json!({ "items": items, "next": null }))
            }
            JobAsk::Runs { host, name, limit, .. } => {
                let job = self.job(&host, &name).await?;
                let runs = ledger.runs(job.id, None, limit).await.map_err(|error| failed(&error))?;
                let items: Vec<Value> = runs.iter().map(|run| shown_run(run, &job)).collect();
                Ok(json!({ "items": items, "next": null }))
            }
            JobAsk::Note { host, name, note } => {
                let job = self.job(&host, &name).await?;
                Ok(shown_run(&backups.note(job.id, &note, CLI).await?, &job))
            }
            JobAsk::Drill { host, name, at } => {
                let job = self.job(&host, &name).await?;
                let job = backups.drilled(job.id, at, CLI).await?;
                Ok(shown(
                    &job,
                    &self.host_name(job.host).await?,
                    &self.console_url,
                    (self.clock)(),
                ))
            }
            JobAsk::Forget { host, name } => {
                let job = self.job(&host, &name).await?;
                backups.forget(job.id, CLI).await?;
                Ok(json!({ "name": job.name }))
            }
            JobAsk::Uncovered { .. } => {
                let uncovered = ledger.uncovered_hosts(None).await.map_err(|error| failed(&error))?;
                let items: Vec<Value> = uncovered
                    .iter()
                    .map(|(id, name)| json!({ "host": id, "name": name }))
                    .collect();
                Ok(json!({ "items": items, "next": null }))
            }
            JobAsk::Coverage { .. } => reports::coverage(ledger, (self.clock)()).await,
            JobAsk::Summary { period, on, .. } => {
                let zone = jiff::tz::TimeZone::get(&backups.zone).unwrap_or(jiff::tz::TimeZone::UTC);
                reports::summary(ledger, period, on.as_deref(), &zone, (self.clock)()).await
            }
            JobAsk::Intake { .. } => Ok(backups.intake.shown()),
        }
    }

    async fn host_name(&self, id: HostId) -> Result<String, Failure> {
        let host = self.backend.host(id).await?;
        Ok(host.map_or_else(|| id.to_string(), |host| host.record.name))
    }

    async fn job(&self, host: &str, name: &str) -> Result<Job, Failure> {
        let id = self.host(host).await?;
        let found = self
            .ledger
            .job_named(id, name.trim())
            .await
            .map_err(|error| failed(&error))?;
        found.ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("host `{host}` has no backup job `{name}`: see `tocsin-collector job list`"),
            )
        })
    }
}

fn shown(job: &Job, host: &str, console_url: &str, now: Timestamp) -> Value {
    let mut value = serde_json::to_value(job).unwrap_or_default();
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    value["host_name"] = host.into();
    value["created_at"] = job.created_at.to_string().into();
    value["drilled_at"] = time(job.drilled_at).into();
    value["stand"] = json!({
        "expected_at": time(job.stand.expected_at),
        "last_at": time(job.stand.last_at),
        "last_result": job.stand.last_result,
        "good_at": time(job.stand.good_at),
        "rpo_now_ms": job.rpo_now(now).map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        "rpo_broken": job.breaks_rpo(now),
    });
    if let Some(fields) = value.as_object_mut() {
        fields.remove("ping_key");
        if !job.ping_key.is_empty() {
            let address = format!("{console_url}/ping/{}/{}", job.ping_key, slug(&job.name));
            // The key alone names the job, too: of a name without letters nothing follows it.
            fields.insert("ping_url".to_owned(), address.trim_end_matches('/').into());
        }
    }
    value
}

fn shown_run(run: &JobRun, job: &Job) -> Value {
    let mut value = serde_json::to_value(run).unwrap_or_default();
    value["job"] = job.name.clone().into();
    value["job_id"] = job.id.to_string().into();
    value["started_at"] = run.started_at.to_string().into();
    value["received_at"] = run.received_at.to_string().into();
    value["ended_at"] = run.ended_at.map(|at| at.to_string()).into();
    value["result"] = run.result.map_or("running", RunResult::as_str).into();
    value
}
