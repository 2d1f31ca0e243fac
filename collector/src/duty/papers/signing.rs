//! The customer's word: before every step of a person the terms are asked, and a confirmation is written before the
//! ticket closes. A confirmation whose ticket then could not be closed stays: it is what the customer signed.

use super::{Room, entered, failed, said, subject, unreadable, wrong};
use crate::clock;
use std::time::Duration;
use tocsin_console::backend::Failure;
use tocsin_desk::{
    duty::Doer,
    input::{Act, Action},
    life::{self, ActionKind},
    model::{Actor, Person, Role, Ticket, TicketState, Via},
    paper::{
        self, NAME_MAX, Papers, WORDS_MAX,
        act::{PaperAct, PaperDone},
        attachment::{Attachment, Done, Media, Purpose},
        confirmation::{Confirmation, SignLink, Signing, Way, statement},
        ink::Ink,
    },
    sheet::Rating,
};
use tocsin_vocabulary::{Code, Hash, Language, Timestamp};

/// A link to sign behind is good for so long.
const LINK_LIFE: Duration = Duration::from_secs(24 * 3_600);

fn not_yet(ticket: &Ticket) -> Failure {
    let reason = format!(
        "#{} is {}: it is confirmed when it is resolved",
        ticket.number,
        ticket.state.as_str()
    );
    Failure::new(Code::Conflict, reason)
}

impl Room {
    /// A person acts on a ticket: refused where an approval or a signature is missing. A confirmation is written down.
    ///
    /// # Errors
    /// When the terms of signing, the table of ticket life, the revision or the ledger refuses.
    pub async fn work(&self, act: Act) -> Result<Ticket, Failure> {
        let kind = act.action.kind();
        let Actor::Person(actor, _) = &act.actor else {
            return self.engine.act(act).await;
        };
        if !matches!(
            kind,
            ActionKind::Arrive | ActionKind::Restore | ActionKind::Resolve | ActionKind::Confirm
        ) {
            return self.engine.act(act).await;
        }
        let ticket = self.ledger.ticket_by_id(act.ticket).await.map_err(failed)?;
        // What the table refuses, the desk itself refuses in its own words.
        if let Some(ticket) = ticket.filter(|ticket| life::next(ticket.state, ticket.prior_state, kind).is_ok()) {
            let papers = self.papers(ticket.id).await?;
            self.permit(kind, &ticket, &papers).await?;
            if kind == ActionKind::Confirm && act.revision.is_none_or(|seen| seen == ticket.revision) {
                let people = self.people().await?;
                let person = people.into_iter().find(|person| person.id == *actor);
                let person = person.ok_or_else(|| Failure::new(Code::NotFound, "nobody knows who confirms"))?;
                self.told(&ticket, &papers, &person, act.via).await?;
            }
        }
        self.engine.act(act).await
    }

    async fn permit(&self, step: ActionKind, ticket: &Ticket, papers: &Papers) -> Result<(), Failure> {
        let terms = self.ledger.terms().await.map_err(failed)?;
        terms
            .hinders(step, ticket.level, papers)
            .map_or(Ok(()), |reason| Err(Failure::new(Code::FailedPrecondition, reason)))
    }

    /// Writes down that somebody confirmed without signing: the customer by account, or the desk for them.
    async fn told(&self, ticket: &Ticket, papers: &Papers, person: &Person, via: Via) -> Result<(), Failure> {
        let way = if person.role == Role::Customer {
            Way::Account
        } else {
            Way::Desk
        };
        let entries = self.ledger.entries(ticket.id).await.map_err(failed)?;
        let resolved_at = entries
            .iter()
            .rev()
            .find(|entry| entry.to == Some(TicketState::Resolved))
            .map_or(ticket.opened_at, |entry| entry.at);
        let signed = |one: &Confirmation| {
            matches!(one.way, Way::Signature | Way::Paper | Way::Account) && one.by.at >= resolved_at
        };
        if papers.confirmations.iter().any(signed) {
            return Ok(());
        }
        if way == Way::Desk && self.ledger.terms().await.map_err(failed)?.proof {
            let reason = "the customer must confirm it: by account, by a signature on the phone, or on paper";
            return Err(Failure::new(Code::FailedPrecondition, reason));
        }
        let published = self.ledger.ticket_sheet(ticket.id).await.map_err(failed)?.published;
        let text = statement(ticket, &entries, &published, person.language, &self.zone);
        let new = Confirmation {
            id: 0,
            ticket: ticket.id,
            way,
            name: if way == Way::Account {
                person.name.clone()
            } else {
                String::new()
            },
            by: Done {
                by: person.name.clone(),
                at: self.now(),
            },
            text_hash: Hash::of(text.as_bytes()).to_string(),
            text,
            file: None,
        };
        let by = Doer {
            login: person.login.clone(),
            name: person.name.clone(),
            via: via.as_str().to_owned(),
        };
        let action = format!("confirmation.{}", way.as_str());
        let line = self.line(&by, &action, &subject(ticket), &new.text_hash);
        self.ledger.confirm(&new, None, None, &[line]).await.map_err(failed)?;
        Ok(())
    }

    pub(super) async fn of_signing(&self, person: &Person, by: &Doer, act: PaperAct) -> Result<PaperDone, Failure> {
        let action = act.as_str();
        match act {
            PaperAct::OfferSigning { ticket } => {
                let ticket = self.ticket_of(person, ticket).await?;
                if ticket.state != TicketState::Resolved {
                    return Err(not_yet(&ticket));
                }
                let secret = clock::secret().map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
                let link = SignLink {
                    ticket: ticket.id,
                    login: person.login.clone(),
                    expires_at: self.now().plus(LINK_LIFE),
                    confirmation: None,
                };
                let line = [self.line(by, action, &subject(&ticket), "")];
                let hash = clock::secret_hash(&secret);
                let offer = self.ledger.offer_signing(&hash, &link, &line);
                offer.await.map_err(failed)?;
                Ok(PaperDone {
                    link: Some(format!("/sign/{secret}")),
                    ..said("the customer can sign behind this link, once, within 24 hours")
                })
            }
            PaperAct::OnPaper { ticket, file, name } => self.on_paper(person, by, ticket, file, &name).await,
            _ => Err(wrong("this is no matter of signing")),
        }
    }

    async fn on_paper(
        &self,
        person: &Person,
        by: &Doer,
        number: u64,
        file: u64,
        name: &str,
    ) -> Result<PaperDone, Failure> {
        let name = paper::words("name", name, true, NAME_MAX).map_err(wrong)?;
        let ticket = self.ticket_of(person, number).await?;
        if ticket.state != TicketState::Resolved {
            return Err(not_yet(&ticket));
        }
        let papers = self.papers(ticket.id).await?;
        let scan = papers
            .attachment(file)
            .ok_or_else(|| Failure::new(Code::NotFound, format!("#{number} has no file {file}")))?;
        if scan.purpose == Purpose::Signature || scan.media == Media::Text {
            return Err(wrong("a signed paper is a photo, a picture or a PDF"));
        }
        self.permit(ActionKind::Confirm, &ticket, &papers).await?;
        let entries = self.ledger.entries(ticket.id).await.map_err(failed)?;
        let published = self.ledger.ticket_sheet(ticket.id).await.map_err(failed)?.published;
        let text = statement(&ticket, &entries, &published, Language::Chinese, &self.zone);
        let new = Confirmation {
            id: 0,
            ticket: ticket.id,
            way: Way::Paper,
            name,
            by: self.done_by(person),
            text_hash: Hash::of(text.as_bytes()).to_string(),
            text,
            file: Some(file),
        };
        let line = self.line(by, "confirmation.paper", &subject(&ticket), &scan.digest);
        let id = self.ledger.confirm(&new, None, None, &[line]).await.map_err(failed)?;
        self.close(&ticket, person, Via::Console).await?;
        Ok(entered(id, format!("#{number} is confirmed on paper and closed")))
    }

    /// Somebody signed on a phone behind a one-time link; the engineer who made it is the one who took it down.
    ///
    /// # Errors
    /// When the link is not good or used, nothing was drawn or written, or the ticket can't be closed now.
    pub async fn sign_by_hand(&self, signing: Signing) -> Result<(), Failure> {
        let name = paper::words("name", &signing.name, true, NAME_MAX).map_err(wrong)?;
        let ink = Ink::parse(&signing.ink).map_err(|error| wrong(error.to_string()))?;
        let (link, ticket) = self.behind(&signing.secret_hash).await?;
        if link.confirmation.is_some() {
            return Err(Failure::new(
                Code::Conflict,
                "somebody has signed behind this link already",
            ));
        }
        if ticket.state != TicketState::Resolved {
            return Err(not_yet(&ticket));
        }
        let engineer = self.person(&link.login).await?;
        let papers = self.papers(ticket.id).await?;
        self.permit(ActionKind::Confirm, &ticket, &papers).await?;
        let picture = ink.svg().into_bytes();
        let by = self.done_by(&engineer);
        let file = Attachment {
            id: 0,
            ticket: ticket.id,
            bytes: u64::try_from(picture.len()).unwrap_or(u64::MAX),
            digest: self.files.put(picture).await.map_err(unreadable)?,
            name: "signature.svg".to_owned(),
            media: Media::Ink,
            purpose: Purpose::Signature,
            added: by.clone(),
            published: Some(by.clone()),
        };
        let new = Confirmation {
            id: 0,
            ticket: ticket.id,
            way: Way::Signature,
            name,
            by,
            text_hash: Hash::of(signing.text.as_bytes()).to_string(),
            text: signing.text,
            file: None,
        };
        let doer = Doer {
            login: link.login.clone(),
            name: engineer.name.clone(),
            via: "link".to_owned(),
        };
        let detail = format!("text {} signature {}", new.text_hash, file.digest);
        let line = [self.line(&doer, "confirmation.signature", &subject(&ticket), &detail)];
        let secret_hash = Some(signing.secret_hash.as_str());
        let confirm = self.ledger.confirm(&new, Some(&file), secret_hash, &line);
        confirm.await.map_err(failed)?;
        self.close(&ticket, &engineer, Via::Link).await
    }

    async fn close(&self, ticket: &Ticket, person: &Person, via: Via) -> Result<(), Failure> {
        let act = Act {
            ticket: ticket.id,
            actor: Actor::Person(person.id, person.name.clone()),
            via,
            action: Action::Confirm,
            revision: Some(ticket.revision),
        };
        self.engine.act(act).await.map(|_| ())
    }

    /// The link that a secret opens, with its ticket.
    ///
    /// # Errors
    /// `NotFound` when there is none, or it is too old.
    pub async fn behind(&self, secret_hash: &str) -> Result<(SignLink, Ticket), Failure> {
        let gone = || Failure::new(Code::NotFound, "this link is not good any more: ask for another");
        let link = self
            .ledger
            .sign_link(secret_hash)
            .await
            .map_err(failed)?
            .ok_or_else(gone)?;
        if link.expires_at <= self.now() {
            return Err(gone());
        }
        let ticket = self.ledger.ticket_by_id(link.ticket).await.map_err(failed)?;
        Ok((link, ticket.ok_or_else(gone)?))
    }

    /// Whoever signed behind a link rates the work, once.
    ///
    /// # Errors
    /// When nobody has signed, it was rated, or the rating is none.
    pub async fn rate_by_hand(&self, secret_hash: &str, stars: u8, words: &str) -> Result<(), Failure> {
        let words = paper::words("words", words, false, WORDS_MAX).map_err(wrong)?;
        if !(1..=5).contains(&stars) {
            return Err(wrong("a rating has 1 to 5 stars"));
        }
        let (link, ticket) = self.behind(secret_hash).await?;
        let papers = self.papers(ticket.id).await?;
        let signed = papers
            .confirmations
            .into_iter()
            .find(|one| Some(one.id) == link.confirmation);
        let signed = signed.ok_or_else(|| Failure::new(Code::Conflict, "sign first, then rate"))?;
        let sheet = self.ledger.ticket_sheet(ticket.id).await.map_err(failed)?;
        let since = |rated: Timestamp| rated >= signed.by.at;
        if sheet.rating.is_some_and(|rating| since(rating.at)) {
            return Err(Failure::new(Code::Conflict, "it is rated already: thank you"));
        }
        let rating = Rating {
            stars,
            words,
            by: signed.name,
            at: self.now(),
        };
        let doer = Doer {
            login: link.login,
            name: rating.by.clone(),
            via: "link".to_owned(),
        };
        let line = self.line(&doer, "ticket.rate", &subject(&ticket), &stars.to_string());
        self.ledger
            .rate_ticket(ticket.id, &rating, &[line])
            .await
            .map_err(failed)?;
        self.live.ring(tocsin_console::backend::Change::Desk);
        Ok(())
    }
}
