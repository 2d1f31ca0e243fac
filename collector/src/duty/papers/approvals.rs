//! Approvals: asking, answering, answering by phone, signing later, reminding.

use super::{Room, entered, failed, said, wrong};
use tocsin_console::backend::{Change, Failure};
use tocsin_desk::{
    duty::Doer,
    model::{Page, PageReason, PageState, Person, Role},
    paper::{
        act::{PaperAct, PaperDone},
        approval::{Answer, Approval, ApprovalError, Approver, Request},
    },
};
use tocsin_vocabulary::{Code, Level, PageId, Text, Timestamp};

/// The level that pages about approvals bear: they are no fault.
const LEVEL: u8 = 3;

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn refused(error: ApprovalError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

const fn word(granted: bool) -> &'static str {
    if granted { "granted" } else { "refused" }
}

impl Room {
    pub(super) async fn of_approvals(&self, person: &Person, by: &Doer, act: PaperAct) -> Result<PaperDone, Failure> {
        let action = act.as_str();
        match act {
            PaperAct::Ask { ticket, request } => self.ask(person, by, ticket, request).await,
            PaperAct::Answer { id, granted, words } => {
                let now = self.now();
                let line = self.line_of(by, action, id, word(granted)).await?;
                let answer = |one: &mut Approval| {
                    let words = &words;
                    one.answer(person, Answer { granted, words }, now)
                };
                self.change(id, &[], line, answer).await?;
                Ok(said(format!("approval {id} is {}", word(granted))))
            }
            PaperAct::ByPhone {
                id,
                approver,
                granted,
                words,
                said_at,
            } => {
                let words = &words;
                let answer = Answer { granted, words };
                self.by_phone(person, by, (id, &approver), answer, said_at).await
            }
            PaperAct::Sign { id, login, pin } => {
                let subject = format!("approval {id}");
                let signer = self.check_pin(by, "approval.wrong_pin", &subject, &login, pin).await?;
                let (now, doer) = (
                    self.now(),
                    Doer {
                        login: signer.login,
                        ..by.clone()
                    },
                );
                let line = self.line_of(&doer, action, id, "").await?;
                self.change(id, &[], line, |one| one.sign(&login, now)).await?;
                Ok(said(format!("approval {id} is signed by `{login}`")))
            }
            PaperAct::Withdraw { id } => {
                let line = self.line_of(by, action, id, "").await?;
                self.change(id, &[], line, Approval::withdraw).await?;
                Ok(said(format!("approval {id} is withdrawn")))
            }
            _ => Err(wrong("this is no matter of approvals")),
        }
    }

    async fn line_of(
        &self,
        by: &Doer,
        action: &str,
        id: u64,
        detail: &str,
    ) -> Result<tocsin_desk::record::AuditLine, Failure> {
        let approval = self.approval(id).await?;
        let detail = format!("approval {id} {detail}");
        Ok(self.line(by, action, &format!("#{}", approval.number), detail.trim_end()))
    }

    async fn approval(&self, id: u64) -> Result<Approval, Failure> {
        let found = self.ledger.approval(id).await.map_err(failed)?;
        found.ok_or_else(|| Failure::new(Code::NotFound, format!("there is no approval {id}")))
    }

    async fn change(
        &self,
        id: u64,
        pages: &[Page],
        line: tocsin_desk::record::AuditLine,
        change: impl FnOnce(&mut Approval) -> Result<(), ApprovalError> + Send,
    ) -> Result<Approval, Failure> {
        let changed = self.ledger.change_approval(id, pages, &[line], change).await;
        changed.map_err(failed)?.map_err(refused)
    }

    async fn ask(&self, person: &Person, by: &Doer, ticket: u64, request: Request) -> Result<PaperDone, Failure> {
        let ticket = self.ticket_of(person, ticket).await?;
        if !ticket.state.is_live() {
            let reason = format!(
                "#{} is {}: nothing is done on it any more",
                ticket.number,
                ticket.state.as_str()
            );
            return Err(Failure::new(Code::Conflict, reason));
        }
        let now = self.now();
        let approval = Approval::ask(&ticket, &request, person, now).map_err(refused)?;
        let people = self.people().await?;
        let asked = approvers(&people, &approval);
        if asked.is_empty() {
            let whom = approval.of.as_str();
            let reason = format!("nobody could approve it: no person in the register may speak as `{whom}`");
            return Err(Failure::new(Code::FailedPrecondition, reason));
        }
        let title = Text::new(
            format!("#{} asks for approval", ticket.number),
            format!("工单 #{} 请求审批", ticket.number),
        );
        let pages: Vec<Page> = asked
            .iter()
            .flat_map(|one| self.approval_pages(&approval, one, "", &title, now))
            .collect();
        let line = self.line(by, "approval.ask", &super::subject(&ticket), approval.of.as_str());
        let id = self
            .ledger
            .ask_approval(&approval, &pages, &[line])
            .await
            .map_err(failed)?;
        self.rang();
        Ok(entered(id, format!("approval {id} waits for its answer")))
    }

    /// Writes down what the approver said, and tells them what was written in their name.
    async fn by_phone(
        &self,
        person: &Person,
        by: &Doer,
        (id, login): (u64, &str),
        answer: Answer<'_>,
        said_at: Timestamp,
    ) -> Result<PaperDone, Failure> {
        let approver = self.person(login).await?;
        let (now, approval) = (self.now(), self.approval(id).await?);
        let pages = self.reminder(&approval, &approver, now);
        let line = self
            .line_of(
                by,
                "approval.phone",
                id,
                &format!("{} by {login}", word(answer.granted)),
            )
            .await?;
        let record = |one: &mut Approval| {
            one.by_phone(&approver, answer, said_at, person, now)?;
            one.reminders = 1;
            Ok(())
        };
        self.change(id, &pages, line, record).await?;
        self.rang();
        let word = word(answer.granted);
        Ok(said(format!(
            "approval {id} is {word} by phone; `{login}` must sign it"
        )))
    }

    /// Pages every approver whose signature is due.
    pub(in crate::duty) async fn remind_approvers(&self, now: Timestamp) -> Result<(), Failure> {
        let open = self.ledger.open_approvals().await.map_err(failed)?;
        if !open.iter().any(Approval::is_unsigned) {
            return Ok(());
        }
        let every = self.ledger.terms().await.map_err(failed)?.remind_every.0;
        let people = self.people().await?;
        let mut paged = false;
        for approval in open {
            if approval.remind_at(every).is_none_or(|at| at > now) {
                continue;
            }
            let login = approval.verdict.as_ref().map(|verdict| verdict.login.as_str());
            let Some(approver) = people.iter().find(|person| Some(person.login.as_str()) == login) else {
                continue;
            };
            let pages = self.reminder(&approval, approver, now);
            let seen = approval.reminders;
            let count = |one: &mut Approval| {
                // It was signed, or another collector was first.
                if !one.is_unsigned() || one.reminders != seen {
                    return Err(());
                }
                one.reminders += 1;
                Ok(())
            };
            let changed = self.ledger.change_approval(approval.id, &pages, &[], count).await;
            paged |= changed.map_err(failed)?.is_ok();
        }
        if paged {
            self.rang();
        }
        Ok(())
    }

    fn reminder(&self, approval: &Approval, approver: &Person, now: Timestamp) -> Vec<Page> {
        let round = format!("approval-{}-sign-{}-", approval.id, approval.reminders + 1);
        let title = Text::new(
            format!(
                "Approval {} of #{} waits for your signature",
                approval.id, approval.number
            ),
            format!("工单 #{} 的审批 {} 待您补签", approval.number, approval.id),
        );
        self.approval_pages(approval, approver, &round, &title, now)
    }

    fn approval_pages(
        &self,
        approval: &Approval,
        person: &Person,
        round: &str,
        title: &Text,
        now: Timestamp,
    ) -> Vec<Page> {
        let mut ids = self.new_ids();
        let one = |destination: &String| Page {
            id: PageId::next(&mut ids, now),
            key: format!("{round}{}-{destination}", person.id),
            ticket: Some(approval.ticket),
            ticket_number: Some(approval.number),
            person: person.id,
            destination: destination.clone(),
            reason: PageReason::Approval,
            title: title.clone(),
            body: Text::new(approval.what.clone(), approval.what.clone()),
            level: Level::new(LEVEL),
            drill: false,
            created_at: now,
            state: PageState::Queued,
            attempts: 0,
            due_at: now,
            sent_at: None,
            error: String::new(),
        };
        self.destinations.iter().map(one).collect()
    }

    /// Pages were entered.
    fn rang(&self) {
        self.live.ring(Change::Pages);
        self.outbox.notify_one();
    }
}

/// Those who are told of a request: of the house the leads, or the administrators where there is no lead.
fn approvers<'a>(people: &'a [Person], approval: &Approval) -> Vec<&'a Person> {
    let mut may: Vec<&Person> = people
        .iter()
        .filter(|person| approval.of.includes(person, approval.customer) && person.login != approval.asker)
        .collect();
    if approval.of == Approver::Lead && may.iter().any(|person| person.role == Role::TeamLead) {
        may.retain(|person| person.role == Role::TeamLead);
    }
    may
}
