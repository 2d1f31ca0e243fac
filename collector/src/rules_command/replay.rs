//! `rules replay`.

use super::{Done, Out, Which, counted, files, print_json};
use crate::{
    cli,
    config::Config,
    control::{self, Answer, Ask},
    replaying::{Listener, Past, ReplayAsk, Replayed, closed},
};
use std::{fmt::Write as _, io::Write as _, time::Duration};
use tocsin_console::backend::Failure;
use tocsin_rules::testing::offset;
use tocsin_vocabulary::{Code, Language};

/// Alerts that are printed one by one; all of them are in the JSON.
const SHOWN: usize = 200;

/// What was typed.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) host: Vec<String>,
    pub(super) rule: Vec<String>,
}

pub(super) async fn run(config: &Config, asked: Asked, which: &Which, out: &Out) -> Done {
    let wrong = |reason: String| Failure::new(Code::InvalidInput, reason);
    let files = files::of(config, which)?;
    // Mistakes are told here, with the paths as they were typed.
    files::parse(&files)?;
    let ask = ReplayAsk {
        from: cli::instant(&asked.from).map_err(wrong)?,
        to: cli::instant(asked.to.as_deref().unwrap_or("-0s")).map_err(wrong)?,
        files,
        only: asked.rule,
        hosts: asked.host,
    };
    let replayed = ask_for(config, ask).await?;
    if out.json {
        let value = serde_json::to_value(&replayed).map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        return Ok(print_json(&value));
    }
    Ok(cli::print(&told(&replayed, out.language())))
}

async fn ask_for(config: &Config, ask: ReplayAsk) -> Result<Replayed, Failure> {
    let socket = cli::socket(config);
    if !control::is_answered(&socket).await {
        let listener = Listener::new(|line| tell(&line));
        return closed(config, ask, listener).await;
    }
    let request = Ask::ReplayRules(Box::new(ask));
    match control::ask_telling(&socket, &request, tell).await {
        Ok(Answer::Done(value)) => {
            serde_json::from_value(value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
        }
        Ok(Answer::Failed { code, reason }) => Err(Failure::new(code, reason)),
        Err(reason) => Err(Failure::new(Code::Unavailable, reason)),
    }
}

/// Progress goes to standard error, so that a script can use what is printed.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn told(replayed: &Replayed, language: Language) -> String {
    let mut text = format!(
        "{} … {}: {}, {} ticks, {}",
        replayed.from,
        replayed.to,
        counted(replayed.hosts, "host"),
        replayed.ticks,
        counted(replayed.rules, "rule")
    );
    for remark in &replayed.remarks {
        let _ = write!(text, "\nnote: {remark}");
    }
    if replayed.tallies.is_empty() {
        text.push_str("\nnothing would have fired, and nothing did");
        return text;
    }
    let widest = replayed
        .tallies
        .iter()
        .map(|tally| tally.rule.len())
        .max()
        .unwrap_or(0)
        .max(4);
    let _ = write!(
        text,
        "\n\n{:<widest$}  {:>6} {:>6} {:>6} {:>6}  HELD",
        "RULE", "WOULD", "DID", "BOTH", "HOSTS"
    );
    for tally in &replayed.tallies {
        let held = offset(Duration::from_secs(tally.held_ms / 1_000));
        let _ = write!(
            text,
            "\n{:<widest$}  {:>6} {:>6} {:>6} {:>6}  {held}",
            tally.rule, tally.would, tally.did, tally.both, tally.hosts
        );
    }
    let would = replayed
        .would
        .iter()
        .map(|past| (if past.both { "both " } else { "would" }, past));
    let did = replayed.did_only.iter().map(|past| ("did  ", past));
    let mut lines: Vec<(&str, &Past)> = would.chain(did).collect();
    lines.sort_by_key(|(_, past)| past.raised_at);
    let further = (lines.len() + replayed.further).saturating_sub(SHOWN);
    text.push('\n');
    for (which, past) in lines.into_iter().take(SHOWN) {
        let held = past
            .cleared_at
            .map_or_else(|| "still".to_owned(), |cleared| offset(cleared.since(past.raised_at)));
        let title = cli::printable(past.title.get(language));
        let _ = write!(
            text,
            "\n{which} {} {held:>10} {:<9}{} {}: {title}",
            past.raised_at,
            past.severity.as_str(),
            cli::printable(&past.host_name),
            past.rule
        );
    }
    if further > 0 {
        let _ = write!(
            text,
            "\n… and {further} more: --json has them, --rule and --host leave some out"
        );
    }
    text
}
