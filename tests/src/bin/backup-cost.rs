//! Measures what wrapping a backup costs, and how soon a collector knows what became of it.
//!
//! * *Wrapper*: `true` alone and wrapped, in turns; what more the wrapped one takes. Then what the wrapper holds in memory while
//!   a command runs, and how fast output passes.
//! * *Failure → page*: from the end of a command that fails, at random phases of the second, to its page at a local HTTP server;
//!   and to the moment at which the collector had the run.
//! * *Missed → page*: from the instant at which a run counts as missed (when it was due, and its grace) to its page, and to the
//!   collector's record of it. Each job is due at a phase of its own.
//!
//! Collector, agent and wrapper are real and on this machine, so one clock tells all times.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measuring program: prints, and ends when something is missing"
)]

use clap::Parser;
use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};
use tocsin_tests::{
    figures::{Figures, millis_of, next},
    host::Host,
    patience::until,
    phone::Phone,
    program,
    site::Site,
};
use tocsin_vocabulary::Timestamp;

/// Bytes that pass for the figure of throughput.
const PASSED_BYTES: u64 = 4 << 30;
/// Read at once of what passes.
const CHUNK_BYTES: usize = 1 << 20;
/// How late a run may be whose absence is measured.
const GRACE: Duration = Duration::from_secs(1);

/// What wrapping a backup costs, and how soon a collector knows what became of it.
#[derive(Debug, Parser)]
struct Options {
    /// Runs of a command for the wrapper's own time
    #[arg(long, default_value_t = 100)]
    runs: usize,
    /// Failed runs, and missed ones
    #[arg(long, default_value_t = 30)]
    tries: usize,
    /// Start of the random phases, to repeat a measurement
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for what the wrapper keeps, on the disk to measure
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Agent to measure, if not the one built beside this program
    #[arg(long)]
    agent: Option<PathBuf>,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let agent = options.agent.clone().unwrap_or_else(|| program::path("tocsin-agent"));
    let folder = match &options.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder");
    wrapper(&agent, folder.path(), options.runs);
    notices(&agent, &options).await;
}

/// The wrapper around `words`, with its state in `state`.
fn wrapped(agent: &Path, state: &Path, job: &str, words: &[&str]) -> Command {
    let mut command = Command::new(agent);
    command.args(["backup", "exec", "--job", job, "--state-dir"]).arg(state);
    command.arg("--").args(words);
    command.env_remove("TOCSIN_STATE_DIR");
    command
}

fn alone(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

fn wrapper(agent: &Path, folder: &Path, runs: usize) {
    let (mut bare, mut ours) = (Figures::default(), Figures::default());
    for _ in 0..runs {
        bare.add(timed(&mut alone(&["true"])));
        ours.add(timed(&mut wrapped(agent, folder, "cost", &["true"])));
    }
    let more = |percent| ours.percentile(percent).saturating_sub(bare.percentile(percent));
    println!("{runs} runs of `true`, milliseconds");
    println!("{:<24}{}", "", Figures::HEAD);
    println!("{:<24}{bare}", "alone");
    println!("{:<24}{ours}", "wrapped");
    let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    println!(
        "{:<24}{:>8.1} (aim 5), best {:.1}",
        "more, p50",
        millis(more(50)),
        millis(more(0))
    );

    let small = agent.with_file_name("tocsin-agent-exec");
    let without = folder.join("tocsin-agent");
    fs::copy(agent, &without).expect("the agent can be copied");
    println!("\nresident while a command runs, MiB (aim 4)");
    if small.is_file() {
        println!("{:<24}{:>8.1}", "with tocsin-agent-exec", resident(agent, folder));
    }
    println!("{:<24}{:>8.1}", "without", resident(&without, folder));

    println!("\n{} GiB through a pipe, GB/s (aim 1)", PASSED_BYTES >> 30);
    for (name, redirection) in [("standard output", ""), ("standard error", " >&2")] {
        let script = format!("exec head -c {PASSED_BYTES} /dev/zero{redirection}");
        let words = ["sh", "-c", script.as_str()];
        let bare = passed(alone(&words), !redirection.is_empty());
        let ours = passed(wrapped(agent, folder, "cost", &words), !redirection.is_empty());
        println!("{name:<24}{ours:>8.2}, alone {bare:.2}");
    }
}

fn timed(command: &mut Command) -> Duration {
    let begun = mono();
    let status = command.status().expect("a command");
    assert!(status.success(), "{command:?}: {status}");
    mono().duration_since(begun)
}

/// What the wrapper holds in memory once it only waits, in MiB.
fn resident(agent: &Path, state: &Path) -> f64 {
    let mut child = wrapped(agent, state, "cost", &["sleep", "2"])
        .spawn()
        .expect("a wrapper");
    std::thread::sleep(Duration::from_secs(1));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a status");
    child.wait().expect("an end");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.expect("a size") / 1_024.0
}

/// How fast output comes, in GB/s.
fn passed(mut command: Command, is_stderr: bool) -> f64 {
    if is_stderr {
        command.stderr(Stdio::piped());
    } else {
        command.stdout(Stdio::piped());
    }
    let begun = mono();
    let mut child = command.spawn().expect("a command");
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut read = |from: &mut dyn std::io::Read| {
        let mut bytes = 0_u64;
        while let Ok(more @ 1..) = from.read(&mut chunk) {
            bytes += more as u64;
        }
        bytes
    };
    let bytes = match (child.stdout.take(), child.stderr.take()) {
        (Some(mut stdout), _) => read(&mut stdout.by_ref()),
        (None, Some(mut stderr)) => read(&mut stderr.by_ref()),
        (None, None) => 0,
    };
    assert!(child.wait().expect("an end").success() && bytes == PASSED_BYTES);
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let gigabytes = bytes as f64 / 1e9;
    gigabytes / mono().duration_since(begun).as_secs_f64()
}

/// A kind of notice: from its cause to the collector's record and to the page.
#[derive(Default)]
struct Notices {
    recorded: Figures,
    paged: Figures,
}

async fn notices(agent: &Path, options: &Options) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut phone = Phone::start(folder.path()).await;
    // Every try is to be paged at once, however many there are in a minute.
    let site = Site::start(&format!("[paging]\npages_per_minute = 1000000\n{}", phone.channel())).await;
    let mut host = Host::prepare(&site, "host", "").with_program(agent.to_owned());
    host.enrol(&site.install_string()).expect("enrols");
    host.run();
    let mut random = options.seed.max(1);
    let mut failed = Notices::default();
    for number in 0..options.tries {
        tokio::time::sleep(Duration::from_millis(next(&mut random) % 1_000)).await;
        let job = format!("fails-{number:03}");
        let status = wrapped(agent, &host.state_dir(), &job, &["false"]).status();
        assert_eq!(status.expect("a wrapper").code(), Some(1));
        let paged_at = pages(&mut phone, std::slice::from_ref(&job)).await[&job];
        let run = newest_run(&site, &job).await;
        failed.add(time(&run, "ended_at"), time(&run, "received_at"), paged_at);
    }
    let names: Vec<String> = (0..options.tries).map(|number| format!("misses-{number:03}")).collect();
    for name in &names {
        tokio::time::sleep(Duration::from_millis(next(&mut random) % 500)).await;
        let id = host.id();
        let _ = site.cli(&[
            "job",
            "add",
            "--host",
            &id,
            name,
            "--schedule",
            "every 20s",
            "--grace",
            "1s",
        ]);
    }
    let mut missed = Notices::default();
    let arrivals = pages(&mut phone, &names).await;
    for name in &names {
        let run = oldest_run(&site, name).await;
        let due = time(&run, "started_at").plus(GRACE);
        missed.add(due, time(&run, "received_at"), arrivals[name]);
    }
    println!("\n{} tries each, milliseconds", options.tries);
    println!("{:<24}{}", "", Figures::HEAD);
    println!("{:<24}{}", "failure → recorded", failed.recorded);
    println!("{:<24}{} (aim 2000)", "failure → page", failed.paged);
    println!("{:<24}{}", "missed → recorded", missed.recorded);
    println!("{:<24}{} (aim 5000)", "missed → page", missed.paged);
}

impl Notices {
    fn add(&mut self, cause: Timestamp, recorded: Timestamp, paged: SystemTime) {
        self.recorded.add(recorded.since(cause));
        self.paged.add(Timestamp::from_millis(millis_of(paged)).since(cause));
    }
}

/// When each of these jobs was paged first.
async fn pages(phone: &mut Phone, jobs: &[String]) -> HashMap<String, SystemTime> {
    let mut arrivals = HashMap::new();
    while arrivals.len() < jobs.len() {
        let received = phone.rings_for("opened").await;
        let title = received.page["title"]["en"].as_str().unwrap_or_default().to_owned();
        if let Some(job) = jobs.iter().find(|job| title.contains(job.as_str())) {
            arrivals.entry(job.clone()).or_insert(received.at);
        }
    }
    arrivals
}

/// The runs of a job, newest first.
async fn runs(site: &Site, job: &str) -> Vec<Value> {
    until("a run to be on record", async || {
        let jobs = site.get("backups/jobs?limit=500").await;
        let jobs = jobs["items"].as_array().cloned().unwrap_or_default();
        let id = jobs.iter().find(|found| found["name"] == job)?["id"]
            .as_str()?
            .to_owned();
        let runs = site.get(&format!("backups/jobs/{id}/runs")).await;
        runs["items"].as_array().filter(|runs| !runs.is_empty()).cloned()
    })
    .await
}

async fn newest_run(site: &Site, job: &str) -> Value {
    runs(site, job).await.remove(0)
}

async fn oldest_run(site: &Site, job: &str) -> Value {
    runs(site, job).await.pop().unwrap_or_default()
}

fn time(run: &Value, key: &str) -> Timestamp {
    run[key].as_str().and_then(|text| text.parse().ok()).expect("a time")
}

#[allow(clippy::disallowed_methods, reason = "measures by the machine's clock")]
fn mono() -> Instant {
    Instant::now()
}
