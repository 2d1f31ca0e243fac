//! The commands of papers: `paper` with attachments, approvals, confirmations and call-backs of a ticket. All of them ask
//! the running collector over its socket.

mod arguments;
mod words;

pub use arguments::{Paper, TermsCommand, Who};

use crate::{
    cli,
    config::Config,
    control::{self, Answer, Ask, papers::PaperAsk},
    input_file,
};
use serde_json::Value;
use std::{path::Path, process::ExitCode};
use tocsin_desk::paper::{
    act::{PaperAct, unhex},
    approval::{Approver, Request},
    attachment::{self, Purpose},
    terms::Terms,
};

/// Exit status of wrong input.
const WRONG: u8 = 2;

/// What to print, or why not and with which exit status.
type Told = Result<String, (String, u8)>;

fn wrong(message: impl Into<String>) -> (String, u8) {
    (message.into(), WRONG)
}

/// Does what was asked and prints what came of it.
pub async fn run(config: &Config, paper: Paper) -> ExitCode {
    match told(config, paper).await {
        Ok(text) => cli::print(text.trim_end_matches('\n')),
        Err((message, status)) => cli::fail(&message, status),
    }
}

async fn ask(config: &Config, ask: PaperAsk) -> Result<Value, (String, u8)> {
    match control::ask(&cli::socket(config), &Ask::Paper { ask }).await {
        Ok(Answer::Done(value)) => Ok(value),
        Ok(Answer::Failed { code, reason }) => Err((reason, code.exit_status())),
        Err(message) => Err((message, 6)),
    }
}

async fn act(config: &Config, login: String, act: PaperAct) -> Told {
    let done = ask(config, PaperAsk::Act { login, act }).await?;
    Ok(match done.get("link").and_then(Value::as_str) {
        Some(link) => link.to_owned(),
        None => cli::printable(done.get("said").and_then(Value::as_str).unwrap_or("done")),
    })
}

fn granted(word: &str) -> Result<bool, (String, u8)> {
    match word {
        "grant" => Ok(true),
        "refuse" => Ok(false),
        other => Err(wrong(format!("`{other}` is neither grant nor refuse"))),
    }
}

async fn told(config: &Config, paper: Paper) -> Told {
    match paper {
        Paper::Show { ticket, json } => {
            let value = ask(config, PaperAsk::Show { ticket }).await?;
            Ok(if json { value.to_string() } else { words::papers(&value) })
        }
        Paper::Open { json } => {
            let value = ask(config, PaperAsk::Open).await?;
            Ok(if json {
                value.to_string()
            } else {
                words::approvals(&value)
            })
        }
        Paper::Get { ticket, file, out } => get(config, ticket, file, &out).await,
        Paper::Terms(TermsCommand::Show) => {
            let value = ask(config, PaperAsk::Terms).await?;
            let terms: Terms = serde_json::from_value(value).map_err(|error| (error.to_string(), 1))?;
            toml::to_string(&terms).map_err(|error| (error.to_string(), 1))
        }
        Paper::Attach { file, .. } if !file.is_file() => Err(wrong(format!("{} is no file", file.display()))),
        acting => {
            let (login, what) = read(acting)?;
            act(config, login, what).await
        }
    }
}

/// What shall be done, and in whose name.
fn read(paper: Paper) -> Result<(String, PaperAct), (String, u8)> {
    Ok(match paper {
        Paper::Attach {
            ticket,
            file,
            signed,
            who,
        } => (who.login, attach(ticket, &file, signed)?),
        Paper::Publish { ticket, file, who } => (who.login, show(ticket, file, true)),
        Paper::Unpublish { ticket, file, who } => (who.login, show(ticket, file, false)),
        Paper::Ask {
            ticket,
            what,
            risk,
            rollback,
            from,
            to,
            of,
            who,
        } => {
            let request = Request {
                what,
                risk,
                rollback,
                from: cli::instant(&from).map_err(wrong)?,
                to: cli::instant(&to).map_err(wrong)?,
                of: Approver::parse(&of).ok_or_else(|| wrong(format!("`{of}` is neither lead nor customer")))?,
            };
            (who.login, PaperAct::Ask { ticket, request })
        }
        Paper::Answer { id, word, words, who } => {
            let granted = granted(&word)?;
            (who.login, PaperAct::Answer { id, granted, words })
        }
        Paper::Phone {
            id,
            word,
            approver,
            at,
            words,
            who,
        } => {
            let act = PaperAct::ByPhone {
                id,
                approver,
                granted: granted(&word)?,
                words,
                said_at: cli::instant(&at).map_err(wrong)?,
            };
            (who.login, act)
        }
        Paper::Sign { id, login } => {
            let pin = cli::read_password().map_err(wrong)?;
            (login.clone(), PaperAct::Sign { id, login, pin })
        }
        Paper::Withdraw { id, who } => (who.login, PaperAct::Withdraw { id }),
        Paper::SignLink { ticket, who } => (who.login, PaperAct::OfferSigning { ticket }),
        Paper::Confirm {
            ticket,
            file,
            name,
            who,
        } => (who.login, PaperAct::OnPaper { ticket, file, name }),
        Paper::Call {
            ticket,
            whom,
            phone,
            at,
            answer,
            complaint,
            who,
        } => {
            let act = PaperAct::CallBack {
                ticket,
                whom,
                phone,
                at: cli::instant(&at).map_err(wrong)?,
                answer,
                content: !complaint,
            };
            (who.login, act)
        }
        Paper::Terms(TermsCommand::Set { file, who }) => {
            let text = String::from_utf8(content(&file)?).map_err(|error| wrong(error.to_string()))?;
            let terms = toml::from_str(&text).map_err(|error| wrong(format!("{}: {error}", file.display())))?;
            (who.login, PaperAct::SetTerms { terms })
        }
        Paper::Show { .. } | Paper::Open { .. } | Paper::Get { .. } | Paper::Terms(TermsCommand::Show) => {
            return Err(wrong("nothing is done by looking"));
        }
    })
}

const fn show(ticket: u64, file: u64, published: bool) -> PaperAct {
    PaperAct::Show {
        ticket,
        file,
        published,
    }
}

fn attach(ticket: u64, file: &Path, signed: bool) -> Result<PaperAct, (String, u8)> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(PaperAct::Attach {
        ticket,
        name,
        bytes: content(file)?,
        purpose: if signed {
            Purpose::Confirmation
        } else {
            Purpose::Evidence
        },
    })
}

fn content(file: &Path) -> Result<Vec<u8>, (String, u8)> {
    let most = u64::try_from(attachment::BYTES_MAX).unwrap_or(u64::MAX);
    input_file::bytes(file, most).map_err(|error| wrong(format!("cannot read {}: {error}", input_file::name(file))))
}

async fn get(config: &Config, ticket: u64, file: u64, out: &Path) -> Told {
    let value = ask(config, PaperAsk::Get { ticket, file }).await?;
    let strange = || ("the collector answered strangely".to_owned(), 1);
    let bytes = value
        .get("hex")
        .and_then(Value::as_str)
        .and_then(unhex)
        .ok_or_else(strange)?;
    // Whatever lies there stays: a name is for people and may be anything.
    std::fs::File::create_new(out)
        .and_then(|mut open| std::io::Write::write_all(&mut open, &bytes))
        .map_err(|error| wrong(format!("cannot write {}: {error}", out.display())))?;
    let name = cli::printable(value.get("name").and_then(Value::as_str).unwrap_or_default());
    Ok(format!("{} holds {name}, {} bytes", out.display(), bytes.len()))
}
