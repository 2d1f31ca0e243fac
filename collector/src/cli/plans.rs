//! `silence`, `window`, `guard` and `asset` on the command line.

use super::{duration, printable};
use crate::control::{Ask as Request, PlanAsk};
use crate::input_file;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::PathBuf;
use tocsin_console::backend::PlanRequest;
use tocsin_desk::planned::PlannedKind;

/// Longest file of parents, in bytes.
const IMPORT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Whom it concerns. Each may be given several times: one of each kind must fit.
#[derive(Debug, Args)]
pub struct Whom {
    /// Host or other asset, name or id
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Site, name or id
    #[arg(long = "site", value_name = "SITE")]
    sites: Vec<String>,
    /// Customer, name or id
    #[arg(long = "customer", value_name = "CUSTOMER")]
    customers: Vec<String>,
    /// Tag
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Rule; * stands for any characters
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<String>,
    /// Instance, such as *mountpoint=/data*
    #[arg(long = "instance", value_name = "PATTERN")]
    instances: Vec<String>,
}

/// Why and when.
#[derive(Debug, Args)]
pub struct When {
    /// Why
    #[arg(long)]
    reason: String,
    /// From: RFC 3339, 2026-11-22T02:00 in --zone, or +2h for in two hours; now without it
    #[arg(long)]
    from: Option<String>,
    /// Until: as --from
    #[arg(long)]
    until: Option<String>,
    /// For how long, such as 2h, in place of --until
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<String>,
    /// Zone of times and days; Asia/Shanghai without it
    #[arg(long)]
    zone: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// When a window comes again.
#[derive(Debug, Args)]
pub struct Again {
    /// daily, "weekly sat,sun", "monthly 15", "monthly 2nd tue" or "monthly last sun"
    #[arg(long)]
    every: Option<String>,
    /// Time of day at which it begins, HH:MM
    #[arg(long)]
    at: Option<String>,
}

/// Listing.
#[derive(Debug, Args)]
pub struct Listing {
    /// Also those that are over
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Silences: pages withheld for a time.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "it is read from the command line, once")]
pub enum Silence {
    /// Withhold the pages of what is named, until an end; what still holds then pages at once
    Add {
        /// Whom it concerns
        #[command(flatten)]
        whom: Whom,
        /// Why and when
        #[command(flatten)]
        when: When,
    },
    /// List silences
    List(Listing),
    /// End a silence: what still holds pages at once
    End {
        /// Its id
        id: String,
    },
}

/// Maintenance windows: planned work, once or again and again.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "it is read from the command line, once")]
pub enum Window {
    /// Plan work: alerts are recorded, nobody is paged; at its end whatever has not come back pages at once
    Add {
        /// Whom it concerns
        #[command(flatten)]
        whom: Whom,
        /// Why and when
        #[command(flatten)]
        when: When,
        /// When it comes again
        #[command(flatten)]
        again: Again,
        /// Login of who answers for it, and is told when it overruns
        #[arg(long)]
        owner: String,
    },
    /// List maintenance windows
    List(Listing),
    /// End a maintenance window for good
    End {
        /// Its id
        id: String,
    },
}

/// Guarded periods: stricter rules, pages sooner.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "it is read from the command line, once")]
pub enum Guard {
    /// Book a guarded period, three weeks ahead; three days before it people are told to check everything
    Add {
        /// Whom it concerns
        #[command(flatten)]
        whom: Whom,
        /// Why and when
        #[command(flatten)]
        when: When,
        /// Login of who keeps watch, and is paged beside those on duty
        #[arg(long)]
        owner: String,
    },
    /// List guarded periods
    List(Listing),
    /// End a guarded period
    End {
        /// Its id
        id: String,
    },
}

/// What assets hang on.
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// List assets with what they hang on
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what an asset hangs on: while that is down, its alerts are recorded and not paged
    Parent {
        /// The asset, name or id
        asset: String,
        /// What it hangs on, name or id: a switch, a hypervisor, …
        #[arg(required_unless_present = "none", conflicts_with = "none")]
        parent: Option<String>,
        /// It hangs on nothing
        #[arg(long)]
        none: bool,
    },
    /// Say it for many: lines of ASSET,PARENT; an empty parent means none
    #[command(after_help = "\
Example of a file; lines that begin with # say nothing:
  hypervisor-1,switch-a
  vm-1,hypervisor-1")]
    Import {
        /// File, or - for standard input
        file: PathBuf,
    },
    /// List alerts of which people are not told for now, and why
    Withheld,
}

fn plan(whom: Whom, when: When) -> Result<PlanRequest, String> {
    Ok(PlanRequest {
        hosts: whom.hosts,
        sites: whom.sites,
        customers: whom.customers,
        tags: whom.tags,
        rules: whom.rules,
        instances: whom.instances,
        reason: when.reason,
        owner: None,
        from: when.from,
        until: when.until,
        lasting: when.lasting.as_deref().map(duration).transpose()?,
        every: None,
        at: None,
        zone: when.zone,
    })
}

fn add(kind: PlannedKind, request: PlanRequest) -> Request {
    Request::Plan(PlanAsk::Add {
        kind,
        request: Box::new(request),
    })
}

fn end(kind: PlannedKind, id: &str) -> Result<Request, String> {
    let id = id
        .parse()
        .map_err(|error: tocsin_vocabulary::id::ParseIdError| error.to_string())?;
    Ok(Request::Plan(PlanAsk::End { kind, id }))
}

const fn list(kind: PlannedKind, all: bool) -> Request {
    Request::Plan(PlanAsk::List { kind, all })
}

/// The request, and whether JSON is wanted.
pub(super) fn silence(silence: Silence) -> Result<(Request, bool), String> {
    let kind = PlannedKind::Silence;
    Ok(match silence {
        Silence::Add { whom, when } => {
            let json = when.json;
            (add(kind, plan(whom, when)?), json)
        }
        Silence::List(Listing { all, json }) => (list(kind, all), json),
        Silence::End { id } => (end(kind, &id)?, false),
    })
}

/// The request, and whether JSON is wanted.
pub(super) fn window(window: Window) -> Result<(Request, bool), String> {
    let kind = PlannedKind::Window;
    Ok(match window {
        Window::Add {
            whom,
            when,
            again,
            owner,
        } => {
            let json = when.json;
            let request = PlanRequest {
                owner: Some(owner),
                every: again.every,
                at: again.at,
                ..plan(whom, when)?
            };
            (add(kind, request), json)
        }
        Window::List(Listing { all, json }) => (list(kind, all), json),
        Window::End { id } => (end(kind, &id)?, false),
    })
}

/// The request, and whether JSON is wanted.
pub(super) fn guard(guard: Guard) -> Result<(Request, bool), String> {
    let kind = PlannedKind::Guard;
    Ok(match guard {
        Guard::Add { whom, when, owner } => {
            let json = when.json;
            let request = PlanRequest {
                owner: Some(owner),
                ..plan(whom, when)?
            };
            (add(kind, request), json)
        }
        Guard::List(Listing { all, json }) => (list(kind, all), json),
        Guard::End { id } => (end(kind, &id)?, false),
    })
}

/// The request, and whether JSON is wanted.
pub(super) fn topology(ask: Topology) -> Result<(Request, bool), String> {
    Ok(match ask {
        Topology::List { json } => (Request::Plan(PlanAsk::Assets), json),
        Topology::Parent { asset, parent, none: _ } => {
            let parents = vec![(asset, parent)];
            (Request::Plan(PlanAsk::Parents { parents }), false)
        }
        Topology::Import { file } => {
            let parents = read(&file)?;
            (Request::Plan(PlanAsk::Parents { parents }), false)
        }
        Topology::Withheld => (Request::Plan(PlanAsk::Withheld), true),
    })
}

/// Lines of `asset,parent`; empty lines and those that begin with `#` say nothing.
fn read(file: &std::path::Path) -> Result<Vec<(String, Option<String>)>, String> {
    let text = input_file::text(file, IMPORT_BYTES_MAX);
    parse(&text.map_err(|error| format!("cannot read {}: {error}", input_file::name(file)))?)
}

fn parse(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut parents = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (asset, parent) = line
            .split_once(',')
            .ok_or_else(|| format!("line {number} is not ASSET,PARENT"))?;
        let (asset, parent) = (asset.trim(), parent.trim());
        if asset.is_empty() || parent.contains(',') {
            return Err(format!("line {number} is not ASSET,PARENT"));
        }
        parents.push((
            asset.to_owned(),
            Some(parent.to_owned()).filter(|parent| !parent.is_empty()),
        ));
    }
    if parents.is_empty() {
        return Err("the file names no asset".to_owned());
    }
    Ok(parents)
}

/// What people read for an answer.
pub(super) fn render(ask: &PlanAsk, value: &Value) -> String {
    let text = |row: &Value, key: &str| match row.get(key) {
        Some(Value::String(text)) => printable(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let rows = || value.get("items").and_then(Value::as_array).into_iter().flatten();
    match ask {
        PlanAsk::Add { .. } => {
            let warning = value.get("warning").and_then(Value::as_str);
            let warning = warning
                .map(|warning| format!("\nwarning: {warning}"))
                .unwrap_or_default();
            format!("{}{warning}", text(value, "id"))
        }
        PlanAsk::List { .. } => {
            let mut lines = vec![format!(
                "{:<38}{:<8}{:<26}{:<26}{:<12}REASON",
                "ID", "ACTIVE", "FROM", "UNTIL", "BY"
            )];
            lines.extend(rows().map(|row| {
                let active = if row.get("active").and_then(Value::as_bool) == Some(true) {
                    "yes"
                } else {
                    "no"
                };
                format!(
                    "{:<38}{active:<8}{:<26}{:<26}{:<12}{}",
                    text(row, "id"),
                    text(row, "from"),
                    text(row, "until"),
                    text(row, "made_by"),
                    text(row, "reason"),
                )
            }));
            lines.join("\n")
        }
        PlanAsk::Assets => {
            let mut lines = vec![format!("{:<38}{:<24}{:<24}PARENT", "ID", "NAME", "SITE")];
            lines.extend(rows().map(|row| {
                let (id, name, site) = (text(row, "asset"), text(row, "name"), text(row, "site"));
                format!("{id:<38}{name:<24}{site:<24}{}", text(row, "parent_name"))
            }));
            lines.join("\n")
        }
        PlanAsk::End { .. } | PlanAsk::Parents { .. } => "done".to_owned(),
        PlanAsk::Withheld => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_parents_is_read_line_by_line_and_a_wrong_line_is_named() {
        let read = parse("# what hangs on what\nvm-1, hyper-1\n\nhyper-1,\n").unwrap();
        assert_eq!(
            read,
            [
                ("vm-1".to_owned(), Some("hyper-1".to_owned())),
                ("hyper-1".to_owned(), None)
            ]
        );
        assert!(parse("a,b\nc\n").unwrap_err().contains("line 2"));
        assert!(parse("a,b,c\n").is_err() && parse("#\n").is_err());
    }
}
