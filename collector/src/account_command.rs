//! The commands of the accounts: `downtime`, `availability`, `maintenance`, `ticket`. All of them ask the running collector
//! over its socket, but for the arithmetic of `maintenance end`, which needs none.

mod arguments;
mod words;

pub use arguments::{Account, ClaimArgs, DowntimeCommand, MaintenanceCommand, TicketCommand, WhichReport, WordArgs};

use crate::{
    cli,
    config::Config,
    control::{self, AccountAsk, Answer, Ask},
    sheet_file,
};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};
use tocsin_desk::account::{
    AccountAct,
    downtime::{Claim, Turn},
    extension::later,
    sheet,
};
use tocsin_vocabulary::{Language, Timestamp};

/// Exit status of wrong input.
const WRONG: u8 = 2;
/// The zone in which days are counted.
const ZONE: &str = "Asia/Shanghai";

/// Does what was asked and prints what came of it.
pub async fn run(config: &Config, account: Account) -> ExitCode {
    let done = match account {
        Account::Downtime(command) => downtime(config, command).await,
        Account::Availability {
            from,
            to,
            contract,
            json,
        } => availability(config, from, to, contract, json).await,
        Account::Maintenance(command) => maintenance(config, command).await,
        Account::Ticket(command) => ticket(config, command).await,
    };
    match done {
        Ok(text) if text.is_empty() => ExitCode::SUCCESS,
        Ok(text) => cli::print(text.trim_end_matches('\n')),
        Err((message, status)) => cli::fail(&message, status),
    }
}

/// What to print, or why not and with which exit status.
type Told = Result<String, (String, u8)>;

fn wrong(message: impl Into<String>) -> (String, u8) {
    (message.into(), WRONG)
}

async fn ask(config: &Config, ask: AccountAsk) -> Result<Value, (String, u8)> {
    match control::ask(&cli::socket(config), &Ask::Account { ask }).await {
        Ok(Answer::Done(value)) => Ok(value),
        Ok(Answer::Failed { code, reason }) => Err((reason, code.exit_status())),
        Err(message) => Err((message, 6)),
    }
}

async fn act(config: &Config, login: String, act: AccountAct) -> Told {
    let value = ask(config, AccountAsk::Act { login, act }).await?;
    let said = value.get("said").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<String> = said.filter_map(Value::as_str).map(cli::printable).collect();
    Ok(said.join("\n"))
}

async fn downtime(config: &Config, command: DowntimeCommand) -> Told {
    match command {
        DowntimeCommand::List { contract, ticket, json } => {
            let value = ask(config, AccountAsk::Downtimes { contract, ticket }).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::downtimes(&value)
            })
        }
        DowntimeCommand::Claim { ticket, claim } => {
            let (login, claim) = claimed(config, ticket, claim).await?;
            act(config, login, AccountAct::ClaimDowntime { ticket, claim }).await
        }
        DowntimeCommand::Correct { id, claim } => {
            let (Some(from), to) = (claim.from, claim.to) else {
                return Err(wrong("a correction needs --from, and --to once it is over"));
            };
            let claim_of = Claim {
                from: cli::instant(&from).map_err(wrong)?,
                to: to.as_deref().map(cli::instant).transpose().map_err(wrong)?,
                cause: claim.cause,
                words: claim.words,
            };
            turn(config, claim.login, id, Turn::Claim(claim_of)).await
        }
        DowntimeCommand::Agree { id, word } => {
            let (who, how, words) = (word.who, word.how, word.words);
            turn(config, word.login, id, Turn::Agree { who, how, words }).await
        }
        DowntimeCommand::Dispute { id, word } => {
            let (who, how, words) = (word.who, word.how, word.words);
            turn(config, word.login, id, Turn::Dispute { who, how, words }).await
        }
        DowntimeCommand::Withdraw { id, words, login } => turn(config, login, id, Turn::Withdraw { words }).await,
        DowntimeCommand::Export { out } => {
            let value = ask(config, AccountAsk::DowntimeSheet).await?;
            out.put("downtimes", &value).map_err(wrong)
        }
        DowntimeCommand::Import { file, login } => {
            let sheet = sheet_file::read(&file).map_err(wrong)?;
            act(config, login, AccountAct::ImportDowntime { sheet }).await
        }
    }
}

async fn turn(config: &Config, login: String, id: u64, turn: Turn) -> Told {
    let seen = None;
    act(config, login, AccountAct::TurnDowntime { id, seen, turn }).await
}

/// A claim with the times of the ticket where none are given.
async fn claimed(config: &Config, ticket: u64, claim: ClaimArgs) -> Result<(String, Claim), (String, u8)> {
    let times = match control::ask(&cli::socket(config), &Ask::Clocks { ticket }).await {
        Ok(Answer::Done(value)) => value,
        Ok(Answer::Failed { code, reason }) => return Err((reason, code.exit_status())),
        Err(message) => return Err((message, 6)),
    };
    let known = |name: &str| {
        let text = times
            .get("times")
            .and_then(|times| times.get(name))
            .and_then(Value::as_str);
        text.and_then(|text| text.parse::<Timestamp>().ok())
    };
    let given = |text: Option<String>| text.as_deref().map(cli::instant).transpose().map_err(wrong);
    let from = given(claim.from)?.or(known("occurred"));
    let to = given(claim.to)?.or(known("restored"));
    let from = from.ok_or_else(|| wrong("the ticket does not say when it began: give --from"))?;
    let made = Claim {
        from,
        to,
        cause: claim.cause,
        words: claim.words,
    };
    Ok((claim.login, made))
}

async fn availability(
    config: &Config,
    from: Option<String>,
    to: Option<String>,
    contract: Option<String>,
    json: bool,
) -> Told {
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    let now = (crate::clock::system())();
    let instant = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    let today = instant.to_zoned(zone.clone()).date();
    let begins = |text: String| {
        let found = sheet::instant(&text, &zone);
        found.ok_or_else(|| wrong(format!("`{text}` is no day such as 2026-11-01 and no RFC 3339 time")))
    };
    let from = begins(from.unwrap_or_else(|| today.first_of_month().to_string()))?;
    let to = to.unwrap_or_else(|| today.to_string());
    // A day is meant whole.
    let to = match to.parse::<Date>().ok().and_then(|day| day.tomorrow().ok()) {
        Some(next) if to.len() == 10 => begins(next.to_string())?,
        _ => begins(to)?,
    };
    if from >= to {
        return Err(wrong(format!("{from} is not before {to}")));
    }
    let value = ask(config, AccountAsk::Overview { from, to, contract }).await?;
    Ok(if json {
        value.to_string()
    } else {
        words::availability(&value)
    })
}

async fn maintenance(config: &Config, command: MaintenanceCommand) -> Told {
    match command {
        MaintenanceCommand::End {
            ends,
            down,
            rounding,
            json,
        } => {
            let days = rounding.days(&down);
            let moved = later(ends, days).ok_or_else(|| wrong("that is beyond the calendar"))?;
            let stopped: Duration = down.iter().sum();
            Ok(if json {
                serde_json::json!({
                    "ends_on": moved, "days": days, "signed": ends, "rounding": rounding.as_str(),
                    "stopped_ms": u64::try_from(stopped.as_millis()).unwrap_or(u64::MAX),
                })
                .to_string()
            } else {
                moved.to_string()
            })
        }
        MaintenanceCommand::Show { contract, json } => {
            let now = (crate::clock::system())();
            let wanted = AccountAsk::Overview {
                from: now.minus(Duration::from_secs(86_400)),
                to: now,
                contract: Some(contract),
            };
            let value = ask(config, wanted).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::maintenance(&value)
            })
        }
    }
}

async fn ticket(config: &Config, command: TicketCommand) -> Told {
    match command {
        TicketCommand::Export { out } => {
            let value = ask(config, AccountAsk::TicketSheet).await?;
            out.put("tickets", &value).map_err(wrong)
        }
        TicketCommand::Import { file, login } => import(config, &file, login).await,
        TicketCommand::Reports { all, json } => {
            let value = ask(config, AccountAsk::Reports { owed: !all }).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::reports(&value)
            })
        }
        TicketCommand::Report {
            which,
            version,
            lang,
            json,
        } => {
            let value = report(config, &which, version, lang).await?;
            let markdown = value.get("markdown").and_then(Value::as_str).unwrap_or_default();
            Ok(if json { value.to_string() } else { markdown.to_owned() })
        }
        TicketCommand::Write { which, sections, login } => {
            let mut words: BTreeMap<String, String> = match report(config, &which, None, Language::Chinese).await {
                Ok(value) => {
                    serde_json::from_value(value.get("words").cloned().unwrap_or_default()).unwrap_or_default()
                }
                // Nothing is written yet.
                Err((_, 3)) => BTreeMap::new(),
                Err(failed) => return Err(failed),
            };
            words.extend(sections);
            let write = AccountAct::WriteReport {
                ticket: which.ticket,
                kind: which.kind,
                words,
                seen: None,
            };
            act(config, login, write).await
        }
        TicketCommand::Stamp {
            which,
            stamp,
            words,
            login,
        } => {
            let stamp = AccountAct::StampReport {
                ticket: which.ticket,
                kind: which.kind,
                stamp,
                words,
                seen: None,
            };
            act(config, login, stamp).await
        }
    }
}

async fn report(
    config: &Config,
    which: &WhichReport,
    version: Option<u64>,
    language: Language,
) -> Result<Value, (String, u8)> {
    let wanted = AccountAsk::Report {
        ticket: which.ticket,
        kind: which.kind,
        version,
        language,
    };
    ask(config, wanted).await
}

async fn import(config: &Config, file: &Path, login: String) -> Told {
    let sheet = sheet_file::read(file).map_err(wrong)?;
    let value = ask(config, AccountAsk::ImportTickets { login, sheet }).await?;
    let numbers = value.get("tickets").and_then(Value::as_array).into_iter().flatten();
    let numbers: Vec<String> = numbers.map(|number| format!("#{number}")).collect();
    Ok(format!("{} tickets: {}", numbers.len(), numbers.join(" ")))
}
