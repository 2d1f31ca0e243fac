//! What the command line asks about papers.

use super::Control;
use crate::duty::failed;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tocsin_console::backend::Failure;
use tocsin_desk::paper::act::PaperAct;
use tocsin_vocabulary::Code;

/// A question about papers, or something to do about them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum PaperAsk {
    /// Does one thing in somebody's name.
    Act {
        /// Login of whoever answers for it.
        login: String,
        /// What.
        act: PaperAct,
    },
    /// All papers of a ticket.
    Show {
        /// Its number.
        ticket: u64,
    },
    /// A file, in hexadecimal.
    Get {
        /// Of which ticket.
        ticket: u64,
        /// Its number.
        file: u64,
    },
    /// Approvals that wait for an answer or a signature.
    Open,
    /// What must be signed before which step.
    Terms,
}

fn told(value: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::new(Code::Internal, error.to_string()))
}

impl Control {
    pub(super) async fn answer_paper(&self, ask: PaperAsk) -> Result<Value, Failure> {
        match ask {
            PaperAsk::Act { login, act } => {
                let person = self.person(&login).await?;
                let mut done = told(self.room.paper(&person, "cli", act).await?)?;
                if let Some(link) = done.get("link").and_then(Value::as_str) {
                    let whole = format!("{}{link}", self.console_url.trim_end_matches('/'));
                    done["link"] = json!(whole);
                }
                Ok(done)
            }
            PaperAsk::Show { ticket } => told(self.room.papers(self.numbered(ticket).await?).await?),
            PaperAsk::Get { ticket, file } => {
                let papers = self.room.papers(self.numbered(ticket).await?).await?;
                let missing = || Failure::new(Code::NotFound, format!("#{ticket} has no file {file}"));
                let attachment = papers.attachment(file).ok_or_else(missing)?;
                let content = self.room.content(attachment).await?;
                Ok(json!({ "name": attachment.name, "hex": tocsin_desk::paper::act::hex(&content) }))
            }
            PaperAsk::Open => told(self.ledger.open_approvals().await.map_err(failed)?),
            PaperAsk::Terms => told(self.ledger.terms().await.map_err(failed)?),
        }
    }

    async fn numbered(&self, number: u64) -> Result<tocsin_vocabulary::TicketId, Failure> {
        let found = self.ledger.ticket(number).await.map_err(failed)?;
        let found = found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no ticket #{number}")))?;
        Ok(found.id)
    }
}
