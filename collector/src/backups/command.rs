//! `tocsin-collector job …`: what can be said, and asked of the running collector. `answers` answers, `lines` is what people read
//! of that.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use tocsin_desk::backup::{Note, Period, Plan};
use tocsin_vocabulary::{
    RunResult, Timestamp,
    time::{HumanDuration, parse_duration},
};

/// Backup jobs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Declare a job of a host, or change it; what is left out stays as it is
    #[command(
        after_help = "Examples:\n  tocsin-collector job add --host db1 nightly --schedule '30 2 * * *' --zone Asia/Shanghai --grace 30m\n  \
                            tocsin-collector job add --host db1 copy --schedule 'after nightly' --rpo 26h\n  \
                            tocsin-collector job add --host nas1 export --schedule daily --ping\n\n\
                            Schedules: five fields of cron, `calendar Mon..Fri 02:30` of systemd, `every 6h`, `after JOB`."
    )]
    Add(Box<AddArgs>),
    /// List all jobs and how they stand
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The newest runs of a job
    Runs {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Note a run that was made by hand
    Done {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Why by hand, and what was done
        #[arg(long)]
        reason: String,
        /// ok, warning or failed
        #[arg(long, default_value = "ok")]
        result: String,
        /// When it began, as RFC 3339; now without it
        #[arg(long)]
        at: Option<String>,
    },
    /// Note that a restore was tried and worked
    Drill {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// When, as RFC 3339; now without it
        #[arg(long)]
        at: Option<String>,
    },
    /// Expect nothing of a job for the time being
    Pause(Which),
    /// Expect its runs again
    Resume(Which),
    /// Forget a job and its runs
    Remove(Which),
    /// Hosts that no job covers
    Uncovered {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// How the hosts of each contract are covered, and whether copies are as new as promised
    Coverage {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What runs came to in a week or month: the last whole one, or the one that holds a day
    #[command(
        after_help = "Examples:\n  tocsin-collector job summary --period month\n  tocsin-collector job summary --period week --on 2026-11-18"
    )]
    Summary {
        /// week or month
        #[arg(long, default_value = "week")]
        period: String,
        /// A day of it, such as 2026-11-18
        #[arg(long)]
        on: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What appliances sent, source by source
    Intake {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// One job.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Host name or id
    #[arg(long)]
    pub host: String,
    /// The job's name
    pub name: String,
}

/// Of `job add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Which.
    #[command(flatten)]
    pub which: Which,
    /// When it should run; empty: whenever it does
    #[arg(long)]
    pub schedule: Option<String>,
    /// IANA name of the schedule's time zone; that of the collector's machine without it
    #[arg(long)]
    pub zone: Option<String>,
    /// How late it may begin, such as 30m; 10m without it
    #[arg(long)]
    pub grace: Option<String>,
    /// Longer is overran, such as 4h
    #[arg(long)]
    pub duration_max: Option<String>,
    /// Fewer bytes are shrunk; its own history tells without it
    #[arg(long)]
    pub bytes_min: Option<u64>,
    /// More bytes are a warning; its own history tells without it
    #[arg(long)]
    pub bytes_max: Option<u64>,
    /// How old the newest good run may be, such as 26h
    #[arg(long)]
    pub rpo: Option<String>,
    /// How often a restore is to be tried, such as 90d
    #[arg(long)]
    pub drill_every: Option<String>,
    /// With what
    #[arg(long)]
    pub tool: Option<String>,
    /// What is saved
    #[arg(long)]
    pub content: Option<String>,
    /// Where to
    #[arg(long)]
    pub target: Option<String>,
    /// How long copies are kept
    #[arg(long)]
    pub retention: Option<String>,
    /// Who answers for it
    #[arg(long)]
    pub owner: Option<String>,
    /// Give it an address for pings
    #[arg(long)]
    pub ping: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What is asked of the collector.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum JobAsk {
    /// Declares.
    Declare {
        /// Host name or id.
        host: String,
        /// What.
        plan: Box<Plan>,
        /// With an address for pings.
        ping: bool,
        /// For a program.
        json: bool,
    },
    /// Lists jobs.
    List {
        /// For a program.
        json: bool,
    },
    /// Lists runs.
    Runs {
        /// Host name or id.
        host: String,
        /// The job's name.
        name: String,
        /// At most so many.
        limit: u32,
        /// For a program.
        json: bool,
    },
    /// Notes a run.
    Note {
        /// Host name or id.
        host: String,
        /// The job's name.
        name: String,
        /// What.
        note: Note,
    },
    /// Notes a restore.
    Drill {
        /// Host name or id.
        host: String,
        /// The job's name.
        name: String,
        /// When.
        at: Option<Timestamp>,
    },
    /// Forgets.
    Forget {
        /// Host name or id.
        host: String,
        /// The job's name.
        name: String,
    },
    /// Hosts without jobs.
    Uncovered {
        /// For a program.
        json: bool,
    },
    /// Contracts.
    Coverage {
        /// For a program.
        json: bool,
    },
    /// A week or month.
    Summary {
        /// Which.
        period: Period,
        /// A day of it; the last whole one without it.
        on: Option<String>,
        /// For a program.
        json: bool,
    },
    /// What appliances sent.
    Intake {
        /// For a program.
        json: bool,
    },
}

impl JobCommand {
    /// What it asks.
    ///
    /// # Errors
    /// When a word of it makes no sense, in words for whoever typed it.
    pub fn ask(self) -> Result<JobAsk, String> {
        Ok(match self {
            Self::Add(args) => declare(*args)?,
            Self::List { json } => JobAsk::List { json },
            Self::Runs { which, limit, json } => JobAsk::Runs {
                host: which.host,
                name: which.name,
                limit,
                json,
            },
            Self::Done {
                which,
                reason,
                result,
                at,
            } => JobAsk::Note {
                host: which.host,
                name: which.name,
                note: Note {
                    result: result.parse::<RunResult>().map_err(|error| error.to_string())?,
                    reason,
                    started_at: instant(at)?,
                },
            },
            Self::Drill { which, at } => JobAsk::Drill {
                host: which.host,
                name: which.name,
                at: instant(at)?,
            },
            Self::Pause(which) => paused(which, true),
            Self::Resume(which) => paused(which, false),
            Self::Remove(which) => JobAsk::Forget {
                host: which.host,
                name: which.name,
            },
            Self::Uncovered { json } => JobAsk::Uncovered { json },
            Self::Coverage { json } => JobAsk::Coverage { json },
            Self::Summary { period, on, json } => JobAsk::Summary {
                period: Period::parse(&period)
                    .ok_or_else(|| format!("`{period}` is no period: expected week or month"))?,
                on,
                json,
            },
            Self::Intake { json } => JobAsk::Intake { json },
        })
    }
}

fn declare(args: AddArgs) -> Result<JobAsk, String> {
    let duration = |text: Option<String>| {
        let parsed = text.map(|text| parse_duration(&text).map(HumanDuration)).transpose();
        parsed.map_err(|error| error.to_string())
    };
    Ok(JobAsk::Declare {
        host: args.which.host,
        ping: args.ping,
        json: args.json,
        plan: Box::new(Plan {
            name: args.which.name,
            schedule: args.schedule,
            zone: args.zone,
            grace: duration(args.grace)?,
            duration_max: duration(args.duration_max)?,
            bytes_min: args.bytes_min,
            bytes_max: args.bytes_max,
            rpo: duration(args.rpo)?,
            drill_every: duration(args.drill_every)?,
            tool: args.tool,
            content: args.content,
            target: args.target,
            retention: args.retention,
            owner: args.owner,
            paused: None,
        }),
    })
}

fn paused(which: Which, paused: bool) -> JobAsk {
    JobAsk::Declare {
        host: which.host,
        ping: false,
        json: false,
        plan: Box::new(Plan {
            name: which.name,
            paused: Some(paused),
            ..Plan::default()
        }),
    }
}

fn instant(text: Option<String>) -> Result<Option<Timestamp>, String> {
    text.map(|text| text.parse::<Timestamp>().map_err(|error| error.to_string()))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_plan() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(subcommand)]
            job: JobCommand,
        }
        let parse = |words: &[&str]| {
            <Cli as clap::Parser>::try_parse_from([&["job"], words].concat())
                .unwrap()
                .job
                .ask()
        };
        let ask = parse(&[
            "add",
            "--host",
            "db1",
            "nightly",
            "--schedule",
            "30 2 * * *",
            "--grace",
            "30m",
            "--ping",
        ]);
        let Ok(JobAsk::Declare { host, plan, ping, .. }) = ask else {
            panic!("{ask:?}");
        };
        assert_eq!((host.as_str(), plan.name.as_str(), ping), ("db1", "nightly", true));
        assert_eq!(plan.grace.map(|grace| grace.0.as_secs()), Some(1_800));
        assert!(parse(&["add", "--host", "db1", "x", "--grace", "soon"]).is_err());
        assert!(parse(&["done", "--host", "db1", "x", "--reason", "r", "--result", "fine"]).is_err());
    }
}
