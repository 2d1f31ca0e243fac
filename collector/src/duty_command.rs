//! The commands of the duty room: `roster`, `handover`, `chain`, `asset`, `register`, `spare`, `audit`. All of them ask the
//! running collector over its socket.

mod arguments;
mod audit;
mod words;

pub use arguments::{
    AssetCommand, AuditCommand, ChainCommand, Duty, HandoverCommand, RegisterCommand, RosterCommand, SpareCommand,
};

use crate::{
    cli,
    config::Config,
    control::{self, Answer, Ask, room::RoomAsk},
    input_file,
    sheet_file::{self, Out},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{path::Path, process::ExitCode};
use tocsin_desk::{
    duty::DutyAct,
    escalation::Chain,
    handover::{Side, Thing},
    register::Book,
    roster::{Move, Roster},
};

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Exit status of wrong input.
const WRONG: u8 = 2;

/// Does what was asked and prints what came of it.
pub async fn run(config: &Config, duty: Duty) -> ExitCode {
    let done = match duty {
        Duty::Roster(command) => roster(config, command).await,
        Duty::Handover(command) => handover(config, command).await,
        Duty::Chain(command) => chain(config, command).await,
        Duty::Asset(AssetCommand::Import { file }) => import(config, Book::Assets, &file).await,
        Duty::Asset(AssetCommand::Export { out }) => export(config, Book::Assets, &out).await,
        Duty::Asset(AssetCommand::History { name }) => history(config, Book::Assets, name).await,
        Duty::Register(command) => register(config, command).await,
        Duty::Spare(command) => spare(config, command).await,
        Duty::Audit(command) => audit::run(config, command).await,
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

/// Asks the running collector.
async fn ask(config: &Config, ask: RoomAsk) -> Result<Value, (String, u8)> {
    match control::ask(&cli::socket(config), &Ask::Room { ask }).await {
        Ok(Answer::Done(value)) => Ok(value),
        Ok(Answer::Failed { code, reason }) => Err((reason, code.exit_status())),
        Err(message) => Err((message, 6)),
    }
}

async fn act(config: &Config, act: DutyAct) -> Told {
    let value = ask(config, RoomAsk::Act { act }).await?;
    let said = value.get("said").and_then(Value::as_array).into_iter().flatten();
    Ok(said
        .filter_map(Value::as_str)
        .map(cli::printable)
        .collect::<Vec<_>>()
        .join("\n"))
}

async fn roster(config: &Config, command: RosterCommand) -> Told {
    match command {
        RosterCommand::Set { file } => {
            let roster = Box::new(toml_of::<Roster>(&file)?);
            act(config, DutyAct::PutRoster { roster }).await
        }
        RosterCommand::Now { name, json } => {
            let value = ask(config, RoomAsk::Rosters { name, days: 8 }).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::on_duty(&value)
            })
        }
        RosterCommand::Show { name, days, json } => {
            let value = ask(config, RoomAsk::Rosters { name, days }).await?;
            Ok(if json { value.to_string() } else { words::shifts(&value) })
        }
        RosterCommand::Import { name, file } => {
            let sheet = sheet_file::read(&file).map_err(wrong)?;
            act(config, DutyAct::ImportRoster { name, sheet }).await
        }
        RosterCommand::Export { name, days, out } => {
            let value = ask(config, RoomAsk::RosterSheet { name, days }).await?;
            out.put("roster", &value).map_err(wrong)
        }
        RosterCommand::Override {
            name,
            out,
            into,
            from,
            to,
            reason,
        } => {
            let moves = vec![one_move(out, into, &from, &to)?];
            let roster = name;
            act(config, DutyAct::Override { roster, moves, reason }).await
        }
        RosterCommand::Swap {
            name,
            out,
            into,
            from,
            to,
            back_from,
            back_to,
            reason,
        } => {
            let mut moves = vec![one_move(out.clone(), into.clone(), &from, &to)?];
            if let (Some(from), Some(to)) = (back_from, back_to) {
                moves.push(one_move(into, out.clone(), &from, &to)?);
            }
            let swap = DutyAct::Swap {
                roster: name,
                moves,
                reason,
                asked_by: out,
            };
            act(config, swap).await
        }
        RosterCommand::Consent { id, login, refuse } => {
            let agree = !refuse;
            act(config, DutyAct::Answer { id, agree, login }).await
        }
        RosterCommand::Ical { name, only } => {
            let value = ask(config, RoomAsk::Calendar { name, only }).await?;
            Ok(value.as_str().unwrap_or_default().to_owned())
        }
    }
}

fn one_move(out: String, into: String, from: &str, to: &str) -> Result<Move, (String, u8)> {
    Ok(Move {
        from: cli::instant(from).map_err(wrong)?,
        to: cli::instant(to).map_err(wrong)?,
        out,
        into,
    })
}

async fn handover(config: &Config, command: HandoverCommand) -> Told {
    match command {
        HandoverCommand::List { json } => {
            let value = ask(config, RoomAsk::Handovers { id: None }).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::handovers(&value)
            })
        }
        HandoverCommand::Show { id, json } => {
            let value = ask(config, RoomAsk::Handovers { id: Some(id) }).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::handover(&value)
            })
        }
        HandoverCommand::Open { roster, coming } => act(config, DutyAct::OpenHandover { roster, coming }).await,
        HandoverCommand::Note {
            id,
            notes,
            room,
            thing,
            missing,
        } => {
            let there = thing.into_iter().map(|name| Thing { name, there: true });
            let gone = missing.into_iter().map(|name| Thing { name, there: false });
            let write = DutyAct::WriteHandover {
                id,
                room,
                notes,
                things: there.chain(gone).collect(),
            };
            act(config, write).await
        }
        HandoverCommand::Sign { id, side, login } => {
            let side = Side::parse(&side).ok_or_else(|| wrong(format!("`{side}` is neither leaving nor coming")))?;
            let pin = cli::read_password().map_err(wrong)?;
            act(config, DutyAct::SignHandover { id, side, login, pin }).await
        }
        HandoverCommand::Word { id, reason } => act(config, DutyAct::GiveWord { id, reason }).await,
    }
}

async fn chain(config: &Config, command: ChainCommand) -> Told {
    match command {
        ChainCommand::Show { json } => {
            let value = ask(config, RoomAsk::Chain).await?;
            if json {
                return Ok(value.to_string());
            }
            let chain: Chain = serde_json::from_value(value).map_err(|error| (error.to_string(), 1))?;
            toml::to_string(&chain).map_err(|error| (error.to_string(), 1))
        }
        ChainCommand::Set { file } => {
            let chain = Box::new(toml_of::<Chain>(&file)?);
            act(config, DutyAct::SetChain { chain }).await
        }
    }
}

async fn register(config: &Config, command: RegisterCommand) -> Told {
    let book = |word: &str| {
        let known: Vec<&str> = Book::ALL.iter().map(|book| book.as_str()).collect();
        let reason = format!("`{word}` is no register: expected {}", known.join(", "));
        Book::parse(word).ok_or_else(|| wrong(reason))
    };
    match command {
        RegisterCommand::Import { book: word, file } => import(config, book(&word)?, &file).await,
        RegisterCommand::Export { book: word, out } => export(config, book(&word)?, &out).await,
        RegisterCommand::History { book: word, name } => history(config, book(&word)?, name).await,
    }
}

async fn import(config: &Config, book: Book, file: &Path) -> Told {
    let sheet = sheet_file::read(file).map_err(wrong)?;
    act(config, DutyAct::ImportRegister { book, sheet }).await
}

async fn export(config: &Config, book: Book, out: &Out) -> Told {
    let value = ask(config, RoomAsk::Export { book }).await?;
    out.put(book.as_str(), &value).map_err(wrong)
}

async fn history(config: &Config, book: Book, name: String) -> Told {
    let value = ask(config, RoomAsk::History { book, name }).await?;
    Ok(words::history(&value))
}

async fn spare(config: &Config, command: SpareCommand) -> Told {
    match command {
        SpareCommand::Stock { json } => {
            let value = ask(config, RoomAsk::Stock).await?;
            Ok(if json { value.to_string() } else { words::stock(&value) })
        }
        SpareCommand::Ask { name, ticket, count } => {
            let spare = name;
            act(config, DutyAct::AskSpare { spare, count, ticket }).await
        }
        SpareCommand::Count { name, count } => {
            let spare = name;
            act(config, DutyAct::CountSpare { spare, count }).await
        }
        SpareCommand::Answer { id, word } => {
            let allowed = match word.as_str() {
                "allow" => true,
                "refuse" => false,
                other => return Err(wrong(format!("`{other}` is neither allow nor refuse"))),
            };
            act(config, DutyAct::AnswerSpare { id, allowed }).await
        }
    }
}

fn toml_of<T: DeserializeOwned>(file: &Path) -> Result<T, (String, u8)> {
    let name = input_file::name(file);
    let text = input_file::text(file, FILE_BYTES_MAX).map_err(|error| wrong(format!("cannot read {name}: {error}")))?;
    toml::from_str(&text).map_err(|error| wrong(format!("{name}: {error}")))
}
