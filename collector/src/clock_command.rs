//! The commands `clock` and `calendar`: for whoever must settle an argument with a customer about a target.
//!
//! `due` and `elapsed` are pure arithmetic: they need no running collector, no state and no configuration, and use
//! what of it they find.

use crate::{
    calendars, cli,
    config::Config,
    control::{self, Answer, Ask},
    ticket_clocks,
};
use clap::{Args, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use tocsin_desk::{
    calendar::{Calendar, CalendarSpec, Calendars, OnHolidays, Span, TimeBase},
    clocks::Moment,
    input::Amendment,
    policy::Impact,
};
use tocsin_vocabulary::{Timestamp, time::parse_duration};

/// The contract's clocks.
#[derive(Debug, Subcommand)]
pub enum Clock {
    /// When a target is due: prints one RFC 3339 instant in the calendar's zone
    #[command(after_help = "\
Exit status: 0 printed; 2 something in the question is wrong.

Example: a target of 8 open hours, from a Friday afternoon before a make-up Saturday
  tocsin-collector clock due --calendar 5x8 --start 2026-02-13T16:30:00+08:00 --target 8h
  2026-02-14T16:30:00+08:00")]
    Due {
        /// From when, and how it is counted.
        #[command(flatten)]
        how: How,
        /// How long it may take: 8h, 90m, 1h30m; 2wd are two working days of the calendar
        #[arg(long, value_parser = target)]
        target: Target,
    },
    /// How much of a target has run between two instants: prints hours, minutes and seconds, such as `8h` or `8h 30m`
    #[command(after_help = "\
What is printed: hours, minutes and seconds that counted, each only where it is not zero, and `0m` for none at all. Hours \
are never turned into days, for a day of 24 hours and a working day of 8 would read the same.

Exit status: 0 printed; 2 something in the question is wrong.

Example:
  tocsin-collector clock elapsed --calendar 5x8 --start 2026-02-13T16:30:00+08:00 --end 2026-02-14T16:30:00+08:00
  8h")]
    Elapsed {
        /// From when, and how it is counted.
        #[command(flatten)]
        how: How,
        /// Until when: RFC 3339 with its offset
        #[arg(long, value_parser = instant)]
        end: Timestamp,
    },
    /// The clocks of a ticket: every interval that counted, pauses, and the interval log
    Show {
        /// Its number, such as 1042
        #[arg(value_parser = number)]
        ticket: u64,
        /// Print everything as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Enter late when something was; both times are kept, and the clocks are counted anew
    #[command(after_help = "\
Example:
  tocsin-collector clock enter 1042 accepted --at 2026-03-02T10:05:00+08:00 --reason 'by phone' --as wang

Exit status: 0 entered; 2 wrong input; 3 no such ticket or person; 4 that person may not; 5 it does not fit the ticket.")]
    Enter {
        /// The ticket
        #[command(flatten)]
        which: Which,
        /// occurred, discovered, reported, accepted, on_site, planned, restored or resolved
        #[arg(value_parser = moment)]
        moment: Moment,
        /// When it was: RFC 3339 with its offset
        #[arg(long, value_parser = instant)]
        at: Timestamp,
        /// Why it is entered only now
        #[arg(long)]
        reason: String,
    },
    /// Enter the repair plan
    Plan {
        /// The ticket
        #[command(flatten)]
        which: Which,
        /// What it says
        #[arg(long)]
        text: String,
    },
    /// The duty engineer gives up and calls for a specialist
    GiveUp {
        /// The ticket
        #[command(flatten)]
        which: Which,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Record that both sides agreed not to raise the level
    #[command(after_help = "\
Example, before the target is missed:
  tocsin-collector clock waive 1042 --reason 'agreed with Mr Li by phone' --as wang")]
    Waive {
        /// The ticket
        #[command(flatten)]
        which: Which,
        /// What was agreed, and with whom
        #[arg(long)]
        reason: String,
    },
    /// Say what the fault does to the customer: the level follows
    Impact {
        /// The ticket
        #[command(flatten)]
        which: Which,
        /// outage, business_down, data_lost, danger, partial, function, minor or none
        #[arg(value_parser = impact)]
        impact: Impact,
    },
}

/// A ticket, and who speaks of it.
#[derive(Debug, Args)]
pub struct Which {
    /// Its number, such as 1042
    #[arg(value_parser = number)]
    ticket: u64,
    /// Login of the person who says so; it stands in the timeline and in the audit trail
    #[arg(long = "as", value_name = "LOGIN")]
    login: String,
}

/// What both questions have in common.
#[derive(Debug, Args)]
pub struct How {
    /// 7x24, 7x8, 5x8, or one of [calendar.NAME] in the configuration
    #[arg(long)]
    calendar: String,
    /// From when: RFC 3339 with its offset, such as 2026-02-13T16:30:00+08:00
    #[arg(long, value_parser = instant)]
    start: Timestamp,
    /// business counts open hours only; natural is the wall clock, from the moment the calendar is open
    #[arg(long, default_value = "business", value_parser = basis)]
    basis: TimeBase,
    /// Whether the calendar is open on public holidays; as the calendar says without it (7x8: open, 5x8: closed)
    #[arg(long, value_name = "open|closed", value_parser = on_holidays)]
    holidays: Option<OnHolidays>,
    /// Print every interval that was counted as well
    #[arg(long)]
    explain: bool,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// Service calendars.
#[derive(Debug, Subcommand)]
pub enum CalendarCommand {
    /// List the calendars, the years whose holidays are known, and from 1 December on whether the next one's are missing
    List {
        /// As of this instant, RFC 3339 with its offset; now without it
        #[arg(long, value_parser = instant)]
        at: Option<Timestamp>,
    },
    /// Import a year's notice of holidays and make-up workdays
    #[command(after_help = "\
FILE is JSON: {\"year\": 2027, \"papers\": [], \"days\": [{\"name\": \"…\", \"date\": \"2027-01-01\", \"isOffDay\": true}]}
It is checked, kept in the state folder, and replaces what was known of that year. A running collector counts open tickets \
by it at once; tickets that are closed keep what they were counted by. Where several collectors share a ledger, import it \
on each.

Exit status: 0 imported; 2 the file is wrong or the state folder can't be written.")]
    Import {
        /// File, or - for standard input
        file: PathBuf,
    },
}

/// A target as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    time: Duration,
    working_days: u32,
}

/// Answers a question about clocks.
pub async fn clock(config: &Config, clock: Clock) -> ExitCode {
    let (which, amendment) = match clock {
        Clock::Due { how, target } => return answer(due(config, &how, target)),
        Clock::Elapsed { how, end } => return answer(elapsed(config, &how, end)),
        Clock::Show { ticket, json } => return ask(config, Ask::Clocks { ticket }, json).await,
        Clock::Enter {
            which,
            moment,
            at,
            reason,
        } => (which, Amendment::Enter { moment, at, reason }),
        Clock::Plan { which, text } => (which, Amendment::Plan { text }),
        Clock::GiveUp { which, reason } => (which, Amendment::GiveUp { reason }),
        Clock::Waive { which, reason } => (which, Amendment::Waive { reason }),
        Clock::Impact { which, impact } => (which, Amendment::Impact(impact)),
    };
    let request = Ask::Amend {
        ticket: which.ticket,
        login: which.login,
        amendment,
    };
    ask(config, request, false).await
}

fn answer(answer: Result<String, String>) -> ExitCode {
    match answer {
        Ok(text) => cli::print(&text),
        Err(message) => fail(&message),
    }
}

/// Asks the running collector about a ticket.
async fn ask(config: &Config, request: Ask, json: bool) -> ExitCode {
    match control::ask(&cli::socket(config), &request).await {
        Ok(Answer::Done(value)) if json => cli::print(&value.to_string()),
        Ok(Answer::Done(value)) => cli::print(&ticket_clocks::render(&value)),
        Ok(Answer::Failed { code, reason }) => cli::fail(&reason, code.exit_status()),
        Err(message) => cli::fail(&message, 6),
    }
}

/// Does something with calendars.
pub fn calendar(config: &Config, command: CalendarCommand) -> ExitCode {
    match command {
        CalendarCommand::List { at } => {
            let now = at.unwrap_or_else(|| (crate::clock::system())());
            cli::print(&list(&load(config), now))
        }
        CalendarCommand::Import { file } => {
            let imported = calendars::read(&file).and_then(|year| Ok((calendars::keep(config, &year)?, year)));
            match imported {
                Ok((path, year)) => {
                    let (year, days) = (year.year, year.days.len());
                    cli::print(&format!("imported {days} days of {year} as {}", path.display()))
                }
                Err(error) => fail(&calendars::words(&error)),
            }
        }
    }
}

fn due(config: &Config, how: &How, target: Target) -> Result<String, String> {
    let calendar = how.calendar(config)?;
    let length = target.time + calendar.working_day() * target.working_days;
    let due = calendar.due(how.basis, how.start, length);
    if !calendar.covers(due) {
        return Err(format!(
            "the target ends after {}, further than calendars are known",
            tocsin_desk::calendar::LAST_YEAR
        ));
    }
    let spans = calendar.spans(how.basis, how.start, due);
    let warning = calendars::missing_words(&calendar.unknown_years(how.start, due));
    if how.json {
        let mut answer = how.json(&calendar, &spans, warning.as_deref());
        answer["target"] = lasting(length).into();
        answer["target_ms"] = millis(length).into();
        answer["due"] = calendar.show(due).into();
        return Ok(answer.to_string());
    }
    warn(warning);
    Ok(how.told(calendar.show(due), &calendar, &spans))
}

fn elapsed(config: &Config, how: &How, end: Timestamp) -> Result<String, String> {
    let calendar = how.calendar(config)?;
    if end < how.start {
        return Err("--end is before --start".to_owned());
    }
    if !calendar.covers(end) {
        return Err(outside("--end"));
    }
    let elapsed = calendar.elapsed(how.basis, how.start, end);
    let spans = calendar.spans(how.basis, how.start, end);
    let warning = calendars::missing_words(&calendar.unknown_years(how.start, end));
    if how.json {
        let mut answer = how.json(&calendar, &spans, warning.as_deref());
        answer["end"] = calendar.show(end).into();
        answer["elapsed"] = lasting(elapsed).into();
        answer["elapsed_ms"] = millis(elapsed).into();
        return Ok(answer.to_string());
    }
    warn(warning);
    Ok(how.told(lasting(elapsed), &calendar, &spans))
}

impl How {
    fn calendar(&self, config: &Config) -> Result<Arc<Calendar>, String> {
        let calendars = load(config);
        let calendar = calendars.get(&self.calendar).map_err(|error| error.to_string())?;
        if !calendar.covers(self.start) {
            return Err(outside("--start"));
        }
        Ok(match self.holidays {
            Some(on_holidays) if on_holidays != calendar.spec().on_holidays => {
                let spec = CalendarSpec {
                    on_holidays,
                    ..calendar.spec().clone()
                };
                let holidays = Arc::new(calendars.holidays().clone());
                Arc::new(Calendar::new(calendar.name(), spec, holidays))
            }
            _ => calendar.clone(),
        })
    }

    /// The answer, and below it what was counted when that was asked for.
    fn told(&self, answer: String, calendar: &Calendar, spans: &[Span]) -> String {
        let mut lines = vec![answer];
        if self.explain {
            lines.extend(spans.iter().map(|span| explained(calendar, *span)));
        }
        lines.join("\n")
    }

    fn json(&self, calendar: &Calendar, spans: &[Span], warning: Option<&str>) -> serde_json::Value {
        let intervals: Vec<_> = spans.iter().map(|span| interval(calendar, *span)).collect();
        serde_json::json!({
            "calendar": calendar.name(),
            "basis": self.basis.as_str(),
            "start": calendar.show(self.start),
            "intervals": intervals,
            "warnings": warning.into_iter().collect::<Vec<_>>(),
        })
    }
}

/// One line of `--explain`: from, to, how long.
fn explained(calendar: &Calendar, span: Span) -> String {
    format!(
        "  {} .. {}  {}",
        calendar.show(span.from),
        calendar.show(span.to),
        lasting(span.length())
    )
}

fn interval(calendar: &Calendar, span: Span) -> serde_json::Value {
    serde_json::json!({
        "from": calendar.show(span.from),
        "to": calendar.show(span.to),
        "counted": lasting(span.length()),
        "counted_ms": millis(span.length()),
    })
}

fn list(calendars: &Calendars, now: Timestamp) -> String {
    let mut lines = vec![format!(
        "{:<16}{:<20}{:<32}{:<24}{:<10}VERSION",
        "NAME", "ZONE", "DAYS", "HOURS", "HOLIDAYS"
    )];
    for calendar in calendars.iter() {
        let spec = calendar.spec();
        let hours: Vec<String> = spec.hours.iter().map(|hours| String::from(*hours)).collect();
        let holidays = match (spec.needs_holidays(), spec.on_holidays) {
            (false, _) | (_, OnHolidays::Open) => "open",
            (true, OnHolidays::Closed) => "closed",
        };
        lines.push(format!(
            "{:<16}{:<20}{:<32}{:<24}{holidays:<10}{}",
            calendar.name(),
            spec.zone,
            spec.days.join(","),
            hours.join(","),
            calendar.version()
        ));
    }
    let years: Vec<_> = calendars.holidays().years().iter().map(ToString::to_string).collect();
    lines.push(format!("holidays are known of {}", years.join(", ")));
    let missing = calendars::missing_words(&calendars.missing_notices(now));
    lines.extend(missing.map(|missing| format!("warning: {missing}")));
    lines.join("\n")
}

/// All calendars; what stands against an imported file is said.
fn load(config: &Config) -> Calendars {
    let (calendars, complaints) = calendars::load(config);
    for complaint in complaints {
        warn(Some(complaint));
    }
    calendars
}

/// Hours, minutes and seconds, each where it is not zero: `8h`, `8h 30m`, `45s`; `0m` for nothing.
pub(crate) fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (u128::from(seconds / 3600), "h"),
        (u128::from(seconds % 3600 / 60), "m"),
        (u128::from(seconds % 60), "s"),
        (duration.as_millis() % 1000, "ms"),
    ];
    let words: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if words.is_empty() {
        "0m".to_owned()
    } else {
        words.join(" ")
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `8h`, `1h30m`, `1h 30m`, `2wd`, and sums of them.
fn target(text: &str) -> Result<Target, String> {
    let wrong =
        || format!("`{text}` is not a length of time: expected such as 8h, 90m, 1h30m, or 2wd for working days");
    let mut target = Target {
        time: Duration::ZERO,
        working_days: 0,
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let unit_end = rest[digits..]
            .find(|c: char| !c.is_ascii_alphabetic())
            .map_or(rest.len(), |end| digits + end);
        let (part, after) = rest.split_at(unit_end);
        if let Some(days) = part.strip_suffix("wd") {
            let days: u32 = days.parse().map_err(|_| wrong())?;
            target.working_days = target.working_days.checked_add(days).ok_or_else(wrong)?;
        } else {
            let time = parse_duration(part).map_err(|_| wrong())?;
            target.time = target.time.checked_add(time).ok_or_else(wrong)?;
        }
        rest = after.trim_start();
    }
    if target.time > TARGET_MAX || target.working_days > WORKING_DAYS_MAX {
        return Err(format!("`{text}` is longer than calendars are known"));
    }
    Ok(target)
}

/// Sixty years: longer than calendars reach.
const TARGET_MAX: Duration = Duration::from_secs(60 * 366 * 86_400);
/// As [`TARGET_MAX`], in working days.
const WORKING_DAYS_MAX: u32 = 60 * 366;

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse::<jiff::Timestamp>()
        .map(|instant| Timestamp::from_millis(instant.as_millisecond()))
        .map_err(|_| {
            format!("`{text}` is not a time: expected RFC 3339 with its offset, such as 2026-02-13T16:30:00+08:00")
        })
}

fn basis(text: &str) -> Result<TimeBase, String> {
    TimeBase::parse(text).ok_or_else(|| format!("`{text}` is not a basis: expected business or natural"))
}

fn on_holidays(text: &str) -> Result<OnHolidays, String> {
    match text {
        "open" => Ok(OnHolidays::Open),
        "closed" => Ok(OnHolidays::Closed),
        _ => Err(format!("`{text}` is neither open nor closed")),
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits
        .parse()
        .map_err(|_| format!("`{text}` is not the number of a ticket: expected such as 1042"))
}

fn moment(text: &str) -> Result<Moment, String> {
    let words: Vec<_> = Moment::ALL.iter().map(|moment| moment.as_str()).collect();
    Moment::parse(text).ok_or_else(|| format!("`{text}` is none of {}", words.join(", ")))
}

fn impact(text: &str) -> Result<Impact, String> {
    let words: Vec<_> = Impact::ALL.iter().map(|impact| impact.as_str()).collect();
    Impact::parse(text).ok_or_else(|| format!("`{text}` is none of {}", words.join(", ")))
}

fn outside(what: &str) -> String {
    use tocsin_desk::calendar::{FIRST_YEAR, LAST_YEAR};
    format!("{what} is not within {FIRST_YEAR} to {LAST_YEAR}, the years that calendars know")
}

fn warn(warning: Option<String>) {
    if let Some(warning) = warning {
        let _ = writeln!(std::io::stderr(), "tocsin-collector: warning: {warning}");
    }
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tocsin-collector: {message}");
    ExitCode::from(2)
}
