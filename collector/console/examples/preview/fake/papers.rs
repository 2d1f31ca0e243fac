//! Papers in memory: what is done is written to the audit trail; ticket 1042 has a photo, an approval that is not signed
//! and a call-back.

use super::{Fake, lock};
use async_trait::async_trait;
use tocsin_console::{
    backend::{Failure, Paperwork, System as _},
    session::secret_hash,
};
use tocsin_desk::{
    model::{Person, Ticket, TicketState},
    paper::{
        Papers,
        act::{PaperAct, PaperDone},
        approval::{Approval, ApprovalState, Approver, Verdict},
        attachment::{Attachment, Done, Media, Purpose},
        call::Call,
        confirmation::{SignLink, Signing},
        ink::Ink,
        terms::Terms,
    },
    record::AuditLine,
};
use tocsin_vocabulary::{Code, TicketId, Timestamp};

/// The secret of the one link to sign behind.
pub(crate) const SIGN_SECRET: &str = "preview-of-a-page-to-sign";

fn approval(ticket: &Ticket, id: u64, of: Approver, now: Timestamp) -> Approval {
    Approval {
        id,
        ticket: ticket.id,
        number: ticket.number,
        customer: ticket.customer,
        what: "更换控制器 <b>B</b>".to_owned(),
        risk: "internal-risk 阵列降级运行约 20 分钟".to_owned(),
        rollback: "换回旧控制器".to_owned(),
        from: now,
        to: now.plus(super::minutes(120)),
        of,
        asker: "wang".to_owned(),
        asked: Done {
            by: "王工".to_owned(),
            at: now,
        },
        state: ApprovalState::Asked,
        verdict: None,
        reminders: 0,
    }
}

impl Fake {
    fn papers_of(&self, ticket: &Ticket) -> Papers {
        let now = self.now();
        let file = |id, name: &str, media, published: bool| Attachment {
            id,
            ticket: ticket.id,
            digest: "0".repeat(64),
            name: name.to_owned(),
            media,
            bytes: 1_500_000,
            purpose: Purpose::Evidence,
            added: Done {
                by: "王工".to_owned(),
                at: now,
            },
            published: published.then(|| Done {
                by: "王工".to_owned(),
                at: now,
            }),
        };
        let mut unsigned = approval(ticket, 2, Approver::Lead, now);
        unsigned.state = ApprovalState::Granted;
        unsigned.verdict = Some(Verdict {
            login: "chen".to_owned(),
            name: "陈班长".to_owned(),
            at: now,
            words: "先备份".to_owned(),
            recorded: Some(Done {
                by: "王工".to_owned(),
                at: now,
            }),
            signed_at: None,
        });
        Papers {
            attachments: vec![
                file(1, "internal-photo.jpg", Media::Jpeg, false),
                file(2, "现场照片 1.jpg", Media::Jpeg, true),
            ],
            approvals: vec![unsigned, approval(ticket, 3, Approver::Lead, now)],
            confirmations: Vec::new(),
            calls: vec![Call {
                id: 1,
                ticket: ticket.id,
                whom: "孙主任".to_owned(),
                phone: "010-8888".to_owned(),
                at: now,
                answer: "internal-answer 已正常".to_owned(),
                content: true,
                by: Done {
                    by: "王工".to_owned(),
                    at: now,
                },
            }],
        }
    }

    fn wrote(&self, login: &str, via: &str, action: &str) {
        lock(&self.doors).audit.push(AuditLine {
            at: self.now(),
            actor: login.to_owned(),
            via: via.to_owned(),
            action: action.to_owned(),
            subject: String::new(),
            detail: String::new(),
        });
    }
}

#[async_trait]
impl Paperwork for Fake {
    async fn paper_act(&self, by: &Person, via: &str, act: PaperAct) -> Result<PaperDone, Failure> {
        if let PaperAct::Sign { pin, .. } = &act
            && pin != "2580"
        {
            return Err(Failure::new(Code::Forbidden, "the PIN is wrong"));
        }
        if let PaperAct::Attach { bytes, .. } = &act
            && Media::of(bytes).is_none()
        {
            return Err(Failure::new(Code::InvalidInput, "the file is none of those"));
        }
        self.wrote(&by.login, via, act.as_str());
        Ok(match act {
            PaperAct::OfferSigning { .. } => PaperDone {
                link: Some(format!("/sign/{SIGN_SECRET}")),
                ..PaperDone::default()
            },
            _ => PaperDone::default(),
        })
    }
    async fn papers(&self, ticket: TicketId) -> Result<Papers, Failure> {
        let found = lock(&self.desk).tickets.iter().find(|one| one.id == ticket).cloned();
        let found = found.filter(|one| one.number == 1042);
        Ok(found.map_or_else(Papers::default, |one| self.papers_of(&one)))
    }
    async fn content(&self, _attachment: &Attachment) -> Result<Vec<u8>, Failure> {
        Ok(b"as if it were a photo".to_vec())
    }
    async fn terms(&self) -> Result<Terms, Failure> {
        Ok(Terms::default())
    }
    async fn behind(&self, hash: &str) -> Result<(SignLink, Ticket), Failure> {
        let gone = || Failure::new(Code::NotFound, "this link is not good any more: ask for another");
        if hash != secret_hash(SIGN_SECRET) {
            return Err(gone());
        }
        let mut ticket = lock(&self.desk).tickets.first().cloned().ok_or_else(gone)?;
        ticket.state = TicketState::Resolved;
        let link = SignLink {
            ticket: ticket.id,
            login: "wang".to_owned(),
            expires_at: Timestamp::from_millis(i64::MAX),
            confirmation: None,
        };
        Ok((link, ticket))
    }
    async fn sign_by_hand(&self, signing: Signing) -> Result<(), Failure> {
        Ink::parse(&signing.ink).map_err(|error| Failure::new(Code::InvalidInput, error.to_string()))?;
        self.wrote(&signing.name, "link", "confirmation.signature");
        Ok(())
    }
    async fn rate_by_hand(&self, _hash: &str, _stars: u8, _words: &str) -> Result<(), Failure> {
        self.wrote("", "link", "ticket.rate");
        Ok(())
    }
}
