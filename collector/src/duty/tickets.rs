//! What tickets bear beside their state.

use super::{Room, done, failed, mistaken, wrong};
use tocsin_console::backend::Failure;
use tocsin_desk::{
    defect::{self, Signed},
    duty::{Doer, Done, DutyAct},
    model::{Ticket, TicketState},
    sheet::Rating,
};
use tocsin_vocabulary::Code;

/// Longest words of a rating, in characters.
const WORDS_MAX: usize = 2_000;

impl Room {
    pub(super) async fn of_tickets(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        let action = act.as_str();
        match act {
            DutyAct::PutIntake { ticket, intake } => {
                let mistakes = intake.mistakes();
                if !mistakes.is_empty() {
                    return Err(mistaken(&mistakes));
                }
                let ticket = self.ticket(ticket).await?;
                let line = [self.line(by, action, &format!("#{}", ticket.number), &intake.caller)];
                let put = self.ledger.put_intake(ticket.id, &intake, &line);
                put.await.map_err(failed)?;
                Ok(done("written"))
            }
            DutyAct::SignStep { ticket, step, words } => self.sign_step(by, action, ticket, step, &words).await,
            DutyAct::Publish { ticket, seq } => {
                let ticket = self.ticket(ticket).await?;
                let entries = self.ledger.entries(ticket.id).await.map_err(failed)?;
                if !entries.iter().any(|entry| entry.seq == seq && entry.action == "note") {
                    return Err(wrong("only a note can be published"));
                }
                let line = [self.line(by, action, &format!("#{}", ticket.number), &seq.to_string())];
                let publish = self.ledger.publish(ticket.id, seq, &by.name, self.now(), &line);
                publish.await.map_err(failed)?;
                Ok(done("the customer can read it"))
            }
            DutyAct::Unpublish { ticket, seq } => {
                let ticket = self.ticket(ticket).await?;
                let line = [self.line(by, action, &format!("#{}", ticket.number), &seq.to_string())];
                self.ledger.unpublish(ticket.id, seq, &line).await.map_err(failed)?;
                Ok(done("the customer can no longer read it"))
            }
            DutyAct::Link {
                ticket,
                other,
                relation,
            } => {
                let (ticket, other) = (self.ticket(ticket).await?, self.ticket(other).await?);
                if ticket.id == other.id || ticket.customer != other.customer {
                    return Err(wrong("the other must be another ticket of the same customer"));
                }
                let line = [self.line(
                    by,
                    action,
                    &format!("#{}", ticket.number),
                    &format!("#{}", other.number),
                )];
                let link = self
                    .ledger
                    .link_tickets(ticket.id, other.id, relation, self.now(), &line);
                link.await.map_err(failed)?;
                Ok(done(format!("#{} and #{} are linked", ticket.number, other.number)))
            }
            DutyAct::Rate { ticket, stars, words } => self.rate(by, action, ticket, stars, words).await,
            _ => Err(wrong("this is no matter of tickets")),
        }
    }

    pub(super) async fn ticket(&self, number: u64) -> Result<Ticket, Failure> {
        let found = self.ledger.ticket(number).await.map_err(failed)?;
        found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no ticket #{number}")))
    }

    async fn sign_step(
        &self,
        by: &Doer,
        action: &str,
        number: u64,
        step: String,
        words: &str,
    ) -> Result<Done, Failure> {
        let ticket = self.ticket(number).await?;
        let sheet = self.ledger.ticket_sheet(ticket.id).await.map_err(failed)?;
        defect::may_sign(ticket.kind, &sheet.steps, &step, words)
            .map_err(|error| Failure::new(Code::Conflict, error.to_string()))?;
        let line = [self.line(by, action, &format!("#{number}"), &step)];
        let signed = Signed {
            step,
            by: by.name.clone(),
            at: self.now(),
            words: words.trim().to_owned(),
        };
        let sign = self.ledger.sign_step(ticket.id, &signed, &line);
        sign.await.map_err(failed)?;
        Ok(done(format!("step `{}` of #{number} is signed", signed.step)))
    }

    async fn rate(&self, by: &Doer, action: &str, number: u64, stars: u8, words: String) -> Result<Done, Failure> {
        if !(1..=5).contains(&stars) || words.chars().count() > WORDS_MAX {
            return Err(wrong(format!(
                "a rating has 1 to 5 stars and at most {WORDS_MAX} characters"
            )));
        }
        let ticket = self.ticket(number).await?;
        if !matches!(ticket.state, TicketState::Resolved | TicketState::Closed) {
            let reason = format!("#{number} is not resolved yet: rate it when it is");
            return Err(Failure::new(Code::Conflict, reason));
        }
        let line = [self.line(by, action, &format!("#{number}"), &stars.to_string())];
        let rating = Rating {
            stars,
            words: words.trim().to_owned(),
            by: by.name.clone(),
            at: self.now(),
        };
        let rate = self.ledger.rate_ticket(ticket.id, &rating, &line);
        rate.await.map_err(failed)?;
        Ok(done("thank you"))
    }
}
