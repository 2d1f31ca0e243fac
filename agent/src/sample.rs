//! The command `sample`: ticks of this machine, or of a recorded tree, printed at once, without any collector.

mod json;
mod parts;
mod prometheus;
#[cfg(test)]
mod recorded;
mod table;

pub use json::json_line;
pub use prometheus::exposition;
pub use table::table;

use crate::{
    clock::SharedClock,
    schedule::Schedule,
    sources::{OwnFigures, Sampled, Sampler, SamplerConfig, is_live},
    surveys::Mode,
};
use anyhow::{Context as _, bail};
use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};
use tocsin_vocabulary::time::parse_duration;

/// Shares need two readings; this is how far apart the first two are at most.
const FIRST_LOOK: Duration = Duration::from_millis(250);

/// How ticks are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people: grouped, with units.
    #[default]
    Table,
    /// One JSON object per tick and line.
    Json,
    /// The Prometheus text exposition format.
    Prometheus,
}

/// Print what is sampled on this machine, or in a recorded tree, without any collector
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct SampleArgs {
    /// How ticks are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Folder with the `proc` and `sys` to read: / is this machine
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// How many ticks to print; 0 goes on until interrupted
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u64,
    /// Time between ticks, such as 500ms, 1s, 1m
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub interval: Duration,
    /// Tell logical CPUs apart
    #[arg(long)]
    pub per_core: bool,
}

impl Default for SampleArgs {
    fn default() -> Self {
        Self {
            format: Format::Table,
            json: false,
            root: PathBuf::from("/"),
            count: 1,
            interval: Duration::from_secs(1),
            per_core: false,
        }
    }
}

/// Prints ticks to standard output. Blocks until all are printed or nobody reads any more.
///
/// # Errors
/// When the root holds no `proc`, or the output can't be written.
pub fn run(args: &SampleArgs, clock: &SharedClock) -> anyhow::Result<()> {
    print(args, clock, &mut io::stdout().lock())
}

/// Prints ticks to `out`; a reader that went away is no error.
///
/// # Errors
/// As for [`run`].
pub fn print(args: &SampleArgs, clock: &SharedClock, out: &mut dyn Write) -> anyhow::Result<()> {
    if !args.root.join("proc").is_dir() {
        bail!(
            "`{}` holds no folder `proc`: name the folder of a recorded tree, or leave out --root",
            args.root.display()
        );
    }
    match print_ticks(args, clock, out) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("can't write ticks to the output"),
    }
}

fn print_ticks(args: &SampleArgs, clock: &SharedClock, out: &mut dyn Write) -> io::Result<()> {
    let root = args.root.clone();
    let mut sampler = Sampler::new(SamplerConfig {
        root,
        per_core: args.per_core,
        ..SamplerConfig::default()
    })
    .surveyed(Mode::Inline, Arc::clone(clock));
    let first = sampler.sample(clock.wall(), clock.mono());
    let (mut processes, mut documents) = (first.processes, first.documents);
    if is_live(&args.root) {
        thread::sleep(args.interval.min(FIRST_LOOK));
    }
    let start = clock.mono();
    let mut schedule = Schedule::new(args.interval, start);
    let (mut figures, mut due) = (OwnFigures::default(), start);
    let (mut ticks, mut late, mut skipped) = (0_u64, 0_u64, 0_u64);
    let format = if args.json { Format::Json } else { args.format };
    while args.count == 0 || ticks < args.count {
        let begin = clock.mono();
        late += u64::from(schedule.is_late(due, begin));
        let mut sampled = sampler.sample(clock.wall(), begin);
        figures.tick_duration = Some(clock.mono().saturating_sub(begin));
        sampled.processes = sampled.processes.or_else(|| processes.take());
        // What was found stays true until it is found otherwise.
        if sampled.documents.is_empty() {
            sampled.documents = documents;
        }
        write_tick(format, &sampled, out)?;
        documents = sampled.documents;
        ticks += 1;
        if ticks == args.count {
            break;
        }
        let next = schedule.next(clock.mono());
        (due, skipped) = (next.at, skipped.saturating_add(next.skipped));
        (figures.ticks, figures.ticks_late, figures.ticks_skipped) = (Some(ticks), Some(late), Some(skipped));
        sampler.set_own_figures(figures);
        thread::sleep(due.saturating_sub(clock.mono()));
    }
    Ok(())
}

fn write_tick(format: Format, sampled: &Sampled, out: &mut dyn Write) -> io::Result<()> {
    let text = match format {
        Format::Table => table(sampled),
        Format::Json => json_line(sampled),
        Format::Prometheus => exposition(sampled),
    };
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A whole number of 10^-`decimals` in digits, exactly, without idle zeros: 1230 with 3 decimals is `1.23`.
fn digits(value: i64, decimals: u8) -> String {
    let places = usize::from(decimals);
    let sign = if value < 0 { "-" } else { "" };
    let all = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = all.split_at(all.len() - places);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{fs, sync::Mutex};
    use tocsin_vocabulary::Timestamp;

    /// A clock that goes on a little whenever it is read.
    struct Steps(Mutex<u64>);

    impl crate::clock::Clock for Steps {
        fn wall(&self) -> Timestamp {
            Timestamp::from_millis(1_700_000_000_000).plus(self.mono())
        }

        fn mono(&self) -> Duration {
            let mut steps = self.0.lock().unwrap();
            *steps += 1;
            Duration::from_millis(*steps)
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn recorded() -> (tempfile::TempDir, SampleArgs) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/loadavg"), "0.50 0.25 0.10 1/2 3\n").unwrap();
        let args = SampleArgs {
            format: Format::Json,
            root: root.path().to_owned(),
            count: 3,
            interval: Duration::from_millis(1),
            ..SampleArgs::default()
        };
        (root, args)
    }

    #[test]
    fn as_many_lines_are_printed_as_were_asked_for() {
        let (_root, args) = recorded();
        let mut out = Vec::new();
        print(&args, &(Arc::new(Steps(Mutex::new(0))) as SharedClock), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let load = line["series"]
                .as_array()
                .unwrap()
                .iter()
                .find(|series| series["name"] == "system.cpu.load_average.1m");
            assert_eq!(load.unwrap()["value"], 0.5);
        }
    }

    #[test]
    fn a_reader_that_went_away_ends_it_quietly() {
        let (_root, args) = recorded();
        print(
            &SampleArgs { count: 0, ..args },
            &(Arc::new(Steps(Mutex::new(0))) as SharedClock),
            &mut Gone,
        )
        .unwrap();
    }

    #[test]
    fn a_root_without_proc_is_refused_with_a_remedy() {
        let root = tempfile::tempdir().unwrap();
        let args = SampleArgs {
            root: root.path().to_owned(),
            ..SampleArgs::default()
        };
        let error = print(&args, &(Arc::new(Steps(Mutex::new(0))) as SharedClock), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("leave out --root"));
    }

    #[test]
    fn arguments_are_read_from_the_command_line() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: SampleArgs,
        }
        let parse = |line: &[&str]| <Line as clap::Parser>::try_parse_from(line).map(|line| line.args);
        assert_eq!(parse(&["x"]).unwrap(), SampleArgs::default());
        let args = parse(&[
            "x",
            "--format",
            "prometheus",
            "--root",
            "/r",
            "--count",
            "5",
            "--interval",
            "500ms",
            "--per-core",
        ])
        .unwrap();
        assert_eq!(
            (args.format, args.count, args.interval),
            (Format::Prometheus, 5, Duration::from_millis(500))
        );
        assert!(parse(&["x", "--interval", "5"]).is_err());
        assert!(parse(&["x", "--json"]).unwrap().json);
        assert!(parse(&["x", "--json", "--format", "table"]).is_err());
    }

    #[test]
    fn digits_are_exact() {
        for (value, decimals, text) in [
            (0, 2, "0"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (1_230, 3, "1.23"),
            (100, 0, "100"),
            (i64::MAX, 0, "9223372036854775807"),
            (i64::MIN, 4, "-922337203685477.5808"),
        ] {
            assert_eq!(digits(value, decimals), text);
        }
    }

    proptest! {
        #[test]
        fn digits_read_back(value in -(1_i64 << 52)..1_i64 << 52, decimals in 0..5_u8) {
            let read: f64 = digits(value, decimals).parse().unwrap();
            #[allow(clippy::cast_precision_loss)]
            let expected = value as f64 / 10_f64.powi(i32::from(decimals));
            prop_assert!((read - expected).abs() <= expected.abs() * 1e-15);
        }
    }
}
