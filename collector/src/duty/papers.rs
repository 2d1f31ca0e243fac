//! Papers of tickets: what people sign and hand in.
//!
//! * `approvals` — risky work that somebody must allow,
//! * `signing` — the customer's word that it is done,
//! * here — attachments, call-backs, and which acts may be done by whom.

mod approvals;
mod signing;

use super::{Room, failed, mistaken, wrong};
use crate::attachments::ContentError;
use tocsin_console::{authority, backend::Failure};
use tocsin_desk::{
    duty::Doer,
    model::{Person, Role, Ticket},
    paper::{
        Papers,
        act::{PaperAct, PaperDone},
        attachment::{self, Attachment, Done, Media, Purpose},
        call::Call,
        terms::Terms,
    },
};
use tocsin_vocabulary::Code;

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unreadable(error: ContentError) -> Failure {
    let source = std::error::Error::source(&error);
    let cause = source.map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(Code::Internal, format!("{error}{cause}"))
}

fn said(words: impl Into<String>) -> PaperDone {
    PaperDone {
        said: words.into(),
        ..PaperDone::default()
    }
}

fn entered(id: u64, words: impl Into<String>) -> PaperDone {
    PaperDone {
        id: Some(id),
        ..said(words)
    }
}

fn subject(ticket: &Ticket) -> String {
    format!("#{}", ticket.number)
}

impl Room {
    /// Does one thing for a person, if their role allows it; a customer reaches its own tickets alone.
    ///
    /// # Errors
    /// With every mistake of what was given, or when they may not, or the ledger refuses.
    pub async fn paper(&self, person: &Person, via: &str, act: PaperAct) -> Result<PaperDone, Failure> {
        if !authority::allows(person.role, authority::needs_for_paper(&act)) {
            let reason = format!("the role of `{}` does not allow this", person.login);
            return Err(Failure::new(Code::Forbidden, reason));
        }
        let by = Doer {
            login: person.login.clone(),
            name: person.name.clone(),
            via: via.to_owned(),
        };
        let action = act.as_str();
        let done = match act {
            PaperAct::Attach {
                ticket,
                name,
                bytes,
                purpose,
            } => {
                let ticket = self.ticket_of(person, ticket).await?;
                self.attach(person, &by, &ticket, (&name, bytes, purpose)).await?
            }
            PaperAct::Show {
                ticket,
                file,
                published,
            } => {
                let ticket = self.ticket_of(person, ticket).await?;
                let line = [self.line(&by, action, &subject(&ticket), &file.to_string())];
                let done = published.then(|| self.done_by(person));
                let publish = self.ledger.publish_attachment(ticket.id, file, done.as_ref(), &line);
                publish.await.map_err(failed)?;
                said(if published {
                    "the customer can see it"
                } else {
                    "the customer can no longer see it"
                })
            }
            PaperAct::CallBack {
                ticket,
                whom,
                phone,
                at,
                answer,
                content,
            } => {
                let ticket = self.ticket_of(person, ticket).await?;
                let call = Call {
                    id: 0,
                    ticket: ticket.id,
                    whom: whom.trim().to_owned(),
                    phone: phone.trim().to_owned(),
                    at,
                    answer: answer.trim().to_owned(),
                    content,
                    by: self.done_by(person),
                };
                self.call_back(&by, &ticket, &call).await?
            }
            PaperAct::SetTerms { terms } => self.set_terms(&by, &terms).await?,
            PaperAct::OfferSigning { .. } | PaperAct::OnPaper { .. } => self.of_signing(person, &by, act).await?,
            _ => self.of_approvals(person, &by, act).await?,
        };
        self.live.ring(tocsin_console::backend::Change::Desk);
        Ok(done)
    }

    async fn call_back(&self, by: &Doer, ticket: &Ticket, call: &Call) -> Result<PaperDone, Failure> {
        let mistakes = call.mistakes(self.now());
        if !mistakes.is_empty() {
            return Err(mistaken(&mistakes));
        }
        let line = [self.line(by, "ticket.call", &subject(ticket), &call.whom)];
        let id = self.ledger.add_call(call, &line).await.map_err(failed)?;
        Ok(entered(id, format!("call-back {id} is written")))
    }

    async fn set_terms(&self, by: &Doer, terms: &Terms) -> Result<PaperDone, Failure> {
        let mistakes = terms.mistakes();
        if !mistakes.is_empty() {
            return Err(mistaken(&mistakes));
        }
        let line = [self.line(by, "paper.terms", "site", "")];
        let set = self.ledger.set_terms(terms, &by.login, self.now(), &line);
        set.await.map_err(failed)?;
        Ok(said("the terms of signing are set"))
    }

    /// A ticket, unless it is another customer's.
    async fn ticket_of(&self, person: &Person, number: u64) -> Result<Ticket, Failure> {
        let ticket = self.ticket(number).await?;
        if person.role == Role::Customer && person.customer != Some(ticket.customer) {
            return Err(Failure::new(Code::NotFound, format!("there is no ticket #{number}")));
        }
        Ok(ticket)
    }

    fn done_by(&self, person: &Person) -> Done {
        Done {
            by: person.name.clone(),
            at: self.now(),
        }
    }

    async fn attach(
        &self,
        person: &Person,
        by: &Doer,
        ticket: &Ticket,
        (name, bytes, purpose): (&str, Vec<u8>, Purpose),
    ) -> Result<PaperDone, Failure> {
        if bytes.len() > attachment::BYTES_MAX {
            let reason = format!(
                "the file is larger than {} MiB: make it smaller",
                attachment::BYTES_MAX >> 20
            );
            return Err(wrong(reason));
        }
        let media = Media::of(&bytes).ok_or_else(|| {
            wrong("the file is none of JPEG, PNG, WebP, PDF and text in UTF-8: its content says so, not its name")
        })?;
        if purpose == Purpose::Signature {
            return Err(wrong("a signature is drawn, not sent"));
        }
        let added = self.done_by(person);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let new = Attachment {
            id: 0,
            ticket: ticket.id,
            digest: self.files.put(bytes).await.map_err(unreadable)?,
            name: attachment::name_of(name, media),
            media,
            bytes: size,
            purpose,
            published: (person.role == Role::Customer).then(|| added.clone()),
            added,
        };
        let line = [self.line(
            by,
            "attachment.add",
            &subject(ticket),
            &format!("{} {}", new.digest, new.name),
        )];
        let id = self.ledger.add_attachment(&new, &line).await.map_err(failed)?;
        Ok(entered(id, format!("file {id} is kept as {}", new.name)))
    }

    /// All papers of a ticket.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn papers(&self, ticket: tocsin_vocabulary::TicketId) -> Result<Papers, Failure> {
        self.ledger.papers(ticket).await.map_err(failed)
    }

    /// The content of an attachment.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub async fn content(&self, attachment: &Attachment) -> Result<Vec<u8>, Failure> {
        self.files.get(&attachment.digest).await.map_err(unreadable)
    }
}
