//! Joins the channels' worker to the ledger's outbox: pages with what their texts are made of, signed links, what became of
//! each, and what people answer.

use crate::{clock::Clock, engine::EngineHandle, live::Live};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tocsin_channels::{
    Envelope, Facts, Failed, Incoming, OWN_LEVEL, Outbox, OutboxError, Outcome, Reached, Receipt, Secrecy,
    reply::{self, Accept},
    sms,
};
use tocsin_console::{
    authority::{self, Action as May},
    backend::{Change, HealthPart},
};
use tocsin_desk::{
    delivery::{DeliveryState, DuePage},
    effect::Effects,
    input::{Act, Action},
    model::{Actor, Page, PageReason, PageState, Person, Ticket, Via},
    record::AuditLine,
};
use tocsin_ledger::{
    Ledger, LedgerError,
    steps::{Step, reached},
};
use tocsin_vocabulary::{Code, IdSource, PageId, PersonId, Text, Timestamp};
use tokio::sync::Notify;

/// The ledger's outbox as the worker sees it.
pub struct LedgerOutbox {
    /// Pages and people.
    pub ledger: Arc<Ledger>,
    /// Rings when a page moved on.
    pub live: Arc<Live>,
    /// The shell's clock.
    pub clock: Clock,
    /// Signs links.
    pub link_key: [u8; 32],
    /// Where people reach the console.
    pub console_url: String,
    /// Pages that could not be sent, for health.
    pub failing: Arc<Failing>,
    /// Takes what people answer.
    pub engine: EngineHandle,
    /// Wakes the delivery worker.
    pub kick: Arc<Notify>,
    /// Names of new pages.
    pub ids: Mutex<IdSource>,
    /// Answers that could not be used and were answered: of each person on which day, in days since the epoch, how many.
    pub answers: Mutex<HashMap<PersonId, (i64, u32)>>,
}

/// So many answers of a person that cannot be used are answered on one day.
const ANSWERS_A_DAY_MAX: u32 = 10;
const DAY_MILLIS: i64 = 86_400_000;

/// A report of a message that nobody knows is looked at again after this.
const REPORT_PAUSE: Duration = Duration::from_millis(500);
/// A page that was given up shows in health for so long.
const GIVEN_UP_SHOWN: Duration = Duration::from_secs(3_600);
/// A page that was not tried again so long after its time was withdrawn.
const RETRY_GRACE: Duration = Duration::from_secs(120);
/// Failing pages that are remembered.
const FAILING_MAX: usize = 1_000;

/// Pages that could not be sent, each with why and until when that counts.
#[derive(Debug, Default)]
pub struct Failing(Mutex<HashMap<PageId, (String, Timestamp)>>);

impl Failing {
    fn lock(&self) -> MutexGuard<'_, HashMap<PageId, (String, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page was not sent: it is tried again at `next`, or given up.
    pub fn failed(&self, page: PageId, reason: &str, next: Option<Timestamp>, now: Timestamp) {
        let until = next.map_or_else(|| now.plus(GIVEN_UP_SHOWN), |next| next.plus(RETRY_GRACE));
        let mut pages = self.lock();
        pages.retain(|_, (_, until)| *until > now);
        if pages.len() < FAILING_MAX {
            pages.insert(page, (reason.to_owned(), until));
        }
    }

    /// A page was sent.
    pub fn sent(&self, page: PageId) {
        self.lock().remove(&page);
    }

    /// Whether pages leave.
    #[must_use]
    pub fn health(&self, now: Timestamp) -> HealthPart {
        let pages = self.lock();
        let failing: Vec<&str> = pages
            .values()
            .filter(|(_, until)| *until > now)
            .map(|(reason, _)| reason.as_str())
            .collect();
        HealthPart {
            name: "channels".to_owned(),
            healthy: failing.is_empty(),
            detail: match failing.first() {
                None => "pages are sent".to_owned(),
                Some(reason) => format!("{} pages could not be sent, such as: {reason}", failing.len()),
            },
        }
    }
}

fn unreadable(error: LedgerError) -> OutboxError {
    OutboxError::new(error)
}

impl LedgerOutbox {
    fn envelope(&self, due: DuePage) -> Envelope {
        let path = tocsin_console::link::path(&self.link_key, due.page.id);
        Envelope {
            link: format!("{}{path}", self.console_url),
            facts: Facts {
                // A word that we do not know is read as the strictest.
                secrecy: Secrecy::parse(&due.secrecy).unwrap_or(Secrecy::None),
                asset: due.asset,
                customer: due.customer,
                site: due.site,
                is_open: due.is_open,
                since: due.opened_at,
                due_at: due.next_due_at,
                staff: due.staff,
                unknown: due.unknown,
                ..Facts::default()
            },
            page: due.page,
            person: due.person,
            also: Vec::new(),
        }
    }

    async fn audit(&self, channel: &str, action: &str, subject: &str, detail: String) -> Result<(), OutboxError> {
        let line = AuditLine {
            at: (self.clock)(),
            actor: "system".to_owned(),
            via: channel.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail,
        };
        self.ledger.audit(line).await.map_err(unreadable)
    }

    /// A person accepts by answering. What is refused stands in the audit trail, and whoever sent it from a phone of the
    /// register is told: they believe that they have accepted. Strangers get no answer.
    async fn replied(&self, channel: &str, from: &str, text: &str) -> Result<(), OutboxError> {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
        let accept = reply::accept(text);
        let subject = accept
            .as_ref()
            .map_or_else(String::new, |accept| format!("#{}", accept.ticket));
        let people = self.ledger.people().await.map_err(unreadable)?;
        let sender = people.iter().find(|person| sms::same_phone(&person.phone, from));
        let meant = match sender {
            None => Err(Text::plain("this phone is nobody's in the register")),
            Some(_) => self.meant(accept).await?,
        };
        let (why, answered) = match meant {
            Err(why) => (Some(why), None),
            Ok((person, ticket)) => {
                let refused = self.accept(&person, &ticket).await.err();
                (refused, Some((person, ticket)))
            }
        };
        let (action, detail) = match (&why, &answered) {
            (None, Some((person, _))) => ("reply.accept", format!("from {from}: accepted by {}", person.login)),
            (why, _) => {
                let why = why.as_ref().map_or("", |why| why.en.as_str());
                ("reply.refuse", format!("from {from}: `{shown}`: {why}"))
            }
        };
        self.audit(channel, action, &subject, detail).await?;
        match (answered, sender, why) {
            (Some((person, ticket)), _, why) => self.answer(channel, &person, Some(&ticket), why).await,
            (None, Some(sender), Some(why)) if self.may_answer(sender) => {
                self.answer(channel, sender, None, Some(why)).await
            }
            _ => Ok(()),
        }
    }

    /// Who wants to accept what; the error says why that cannot be told.
    async fn meant(&self, accept: Option<Accept>) -> Result<Result<(Person, Ticket), Text>, OutboxError> {
        let refused = |en: &str, zh: &str| Ok(Err(Text::new(en, zh)));
        let Some(accept) = accept else {
            return refused(
                "it does not name a ticket and a staff number, such as 1042 07",
                "请回复工单号和工号，例如 1042 07",
            );
        };
        let found = self.ledger.person_by_staff_number(&accept.staff).await;
        let Some(person) = found.map_err(unreadable)? else {
            return refused("nobody has this staff number", "没有这个工号");
        };
        let Some(ticket) = self.ledger.ticket(accept.ticket).await.map_err(unreadable)? else {
            return refused("there is no such ticket", "没有这个工单");
        };
        Ok(Ok((person, ticket)))
    }

    /// Whether a person's answer that cannot be used is answered: a phone that answers by itself must not talk with us for
    /// ever.
    fn may_answer(&self, person: &Person) -> bool {
        if !authority::allows(person.role, May::WorkTicket) {
            return false;
        }
        let today = (self.clock)().as_millis().div_euclid(DAY_MILLIS);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, count) = answers.entry(person.id).or_default();
        if *day != today {
            (*day, *count) = (today, 0);
        }
        *count += 1;
        *count <= ANSWERS_A_DAY_MAX
    }

    /// Accepts a ticket as a person; the error says why not.
    async fn accept(&self, person: &Person, ticket: &Ticket) -> Result<(), Text> {
        if !authority::allows(person.role, May::WorkTicket) {
            let zh = "按角色不能接单";
            return Err(Text::new("their role does not accept tickets", zh));
        }
        let act = Act {
            ticket: ticket.id,
            actor: Actor::Person(person.id, person.name.clone()),
            via: Via::Link,
            action: Action::Accept,
            revision: None,
        };
        match self.engine.act(act).await {
            Ok(_) => Ok(()),
            // Told twice: it is theirs already.
            Err(failure) if failure.code == Code::Conflict && ticket.assignee == Some(person.id) => Ok(()),
            Err(failure) => {
                let zh = match failure.code {
                    Code::Conflict => "工单已由他人接单或已结束",
                    _ => "暂时无法接单\u{ff0c}请致电值班室",
                };
                Err(Text::new(failure.reason, zh))
            }
        }
    }

    /// Tells whoever answered how it went.
    async fn answer(
        &self,
        channel: &str,
        person: &Person,
        ticket: Option<&Ticket>,
        refused: Option<Text>,
    ) -> Result<(), OutboxError> {
        let now = (self.clock)();
        let title = match refused {
            None => Text::new(
                format!("accepted by {}", person.name),
                format!("已由{}接单", person.name),
            ),
            Some(why) => Text::new(
                format!("not accepted: {}", why.en),
                format!("接单未成功\u{ff1a}{}", why.zh),
            ),
        };
        let id = PageId::next(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now);
        let page = Page {
            key: ticket.map_or_else(
                || format!("reply-{id}"),
                |ticket| format!("{}-reply-{id}", ticket.number),
            ),
            id,
            ticket: ticket.map(|ticket| ticket.id),
            ticket_number: ticket.map(|ticket| ticket.number),
            person: person.id,
            destination: channel.to_owned(),
            reason: PageReason::Notice,
            title,
            body: Text::default(),
            level: ticket.map_or(OWN_LEVEL, |ticket| ticket.level),
            drill: false,
            created_at: now,
            state: PageState::Queued,
            attempts: 0,
            due_at: now,
            sent_at: None,
            error: String::new(),
        };
        let effects = Effects {
            pages: vec![page],
            ..Effects::default()
        };
        self.ledger.commit(&effects, &[]).await.map_err(unreadable)?;
        self.kick.notify_one();
        Ok(())
    }

    /// Whoever was called pressed 1.
    async fn pressed(&self, channel: &str, reference: &str) -> Result<(), OutboxError> {
        let Ok(id) = reference.parse::<PageId>() else {
            return Ok(());
        };
        let Some(record) = self.ledger.page(id).await.map_err(unreadable)? else {
            return Ok(());
        };
        let people = self.ledger.people().await.map_err(unreadable)?;
        let person = people.into_iter().find(|person| person.id == record.page.person);
        let ticket = match record.page.ticket {
            Some(ticket) => self.ledger.ticket_by_id(ticket).await.map_err(unreadable)?,
            None => None,
        };
        let (Some(person), Some(ticket)) = (person, ticket) else {
            return Ok(());
        };
        let detail = match self.accept(&person, &ticket).await {
            Ok(()) => format!("accepted by {} by a digit", person.login),
            Err(why) => format!("a digit of {} was refused: {}", person.login, why.en),
        };
        self.audit(channel, "reply.accept", &format!("#{}", ticket.number), detail)
            .await
    }
}

#[async_trait]
impl Outbox for LedgerOutbox {
    async fn recover(&self, now: Timestamp) -> Result<(), OutboxError> {
        let found = self.ledger.recover_deliveries(now).await.map_err(unreadable)?;
        if found > 0 {
            tracing::warn!(
                found,
                "pages were being sent when the collector ended: they are sent again, marked as resent"
            );
        }
        Ok(())
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Envelope>, OutboxError> {
        let due = self.ledger.due_deliveries(now, limit).await.map_err(unreadable)?;
        if !due.is_empty() {
            reached(Step::PagesRead);
        }
        Ok(due.into_iter().map(|due| self.envelope(due)).collect())
    }

    async fn begin(&self, pages: &[PageId], channel: &str, now: Timestamp) -> Result<Vec<PageId>, OutboxError> {
        reached(Step::SendingMeant);
        let may_go = self.ledger.begin_deliveries(pages, channel, now).await;
        reached(Step::SendingBegun);
        may_go.map_err(unreadable)
    }

    async fn sent(&self, page: PageId, receipt: &Receipt, now: Timestamp) -> Result<(), OutboxError> {
        let state = match receipt.reached {
            Reached::Accepted => DeliveryState::Accepted,
            Reached::Delivered => DeliveryState::Delivered,
        };
        reached(Step::Answered);
        self.ledger
            .delivery_accepted(page, state, &receipt.reference, &receipt.answer, now)
            .await
            .map_err(unreadable)?;
        reached(Step::OutcomeWritten);
        self.failing.sent(page);
        self.live.ring(Change::Pages);
        Ok(())
    }

    async fn failed(&self, page: PageId, failed: &Failed, now: Timestamp) -> Result<(), OutboxError> {
        let Failed { reason, unknown, next } = failed;
        reached(Step::Refused);
        self.ledger
            .delivery_failed(page, reason, *unknown, *next, now)
            .await
            .map_err(unreadable)?;
        reached(Step::RefusalWritten);
        self.failing.failed(page, reason, *next, now);
        self.live.ring(Change::Pages);
        Ok(())
    }

    async fn postpone(&self, page: PageId, due: Timestamp) -> Result<(), OutboxError> {
        self.ledger.postpone_page(page, due).await.map_err(unreadable)
    }

    async fn came(&self, channel: &str, incoming: Incoming, now: Timestamp) -> Result<(), OutboxError> {
        match incoming {
            Incoming::Report {
                references,
                outcome,
                detail,
            } => {
                let state = match outcome {
                    Outcome::Delivered => DeliveryState::Delivered,
                    Outcome::Read => DeliveryState::Read,
                    Outcome::Failed => DeliveryState::Failed,
                };
                reached(Step::ReportCame);
                let report = || self.ledger.delivery_reported(channel, &references, state, &detail, now);
                let mut reported = report().await.map_err(unreadable)?;
                if reported.is_none() {
                    // A quick phone is told of before the message's name was written down.
                    tokio::time::sleep(REPORT_PAUSE).await;
                    reported = report().await.map_err(unreadable)?;
                }
                reached(Step::ReportWritten);
                if let Some(reported) = reported {
                    if state == DeliveryState::Failed {
                        let next = reported.again.then_some(now);
                        self.failing.failed(reported.page, &detail, next, now);
                    }
                    self.live.ring(Change::Pages);
                    if reported.again {
                        self.kick.notify_one();
                    }
                }
                Ok(())
            }
            Incoming::Reply { from, text } => {
                reached(Step::ReplyCame);
                self.replied(channel, &from, &text).await?;
                reached(Step::ReplyHeard);
                Ok(())
            }
            Incoming::Accept { reference } => self.pressed(channel, &reference).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::IdSource;

    #[test]
    fn a_page_that_cannot_leave_turns_health_red_until_it_does_or_is_no_longer_tried() {
        let failing = Failing::default();
        let now = Timestamp::from_millis(1_790_000_000_000);
        let after = |seconds| now.plus(Duration::from_secs(seconds));
        let page = PageId::next(&mut IdSource::new(1), now);
        assert!(failing.health(now).healthy);
        failing.failed(page, "connection refused", Some(after(10)), now);
        let health = failing.health(after(10));
        assert!(!health.healthy && health.detail.contains("refused"), "{health:?}");
        assert!(failing.health(after(1_000)).healthy, "withdrawn");
        failing.failed(page, "connection refused", None, after(10));
        assert!(!failing.health(after(1_000)).healthy, "given up");
        failing.sent(page);
        assert!(failing.health(after(1_000)).healthy);
    }
}
