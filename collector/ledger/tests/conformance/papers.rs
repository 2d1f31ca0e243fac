//! What people sign and hand in.

use crate::world::{World, at, line, tickets};
use std::time::Duration;
use tocsin_desk::{
    model::{Role, Ticket},
    paper::{
        Papers,
        approval::{Answer, Approval, Approver, Request},
        attachment::{Attachment, Done, FILES_MAX, Media, Purpose},
        call::Call,
        confirmation::{Confirmation, SignLink, Way},
        terms::Terms,
    },
};
use tocsin_vocabulary::{Code, time::HumanDuration};

on_both_engines! {
    papers_are_read_as_written_and_a_file_is_shown_and_taken_back,
    a_ticket_has_so_many_files,
    an_approval_is_answered_by_one_and_open_until_it_is_signed,
    a_link_is_signed_behind_once,
    terms_are_the_shipped_ones_until_somebody_sets_others,
}

async fn ticket(world: &mut World) -> Ticket {
    let host = world.host("web-01").await;
    let ticket = world.ticket(&host, 1);
    let effects = tickets(vec![ticket.clone()]);
    world.ledger.commit(&effects, &[]).await.unwrap();
    ticket
}

fn done(seconds: i64) -> Done {
    Done {
        by: "王工".to_owned(),
        at: at(seconds),
    }
}

fn photo(ticket: &Ticket) -> Attachment {
    Attachment {
        id: 0,
        ticket: ticket.id,
        digest: "ab".repeat(32),
        name: "现场 1.jpg".to_owned(),
        media: Media::Jpeg,
        bytes: 12,
        purpose: Purpose::Evidence,
        added: done(1),
        published: None,
    }
}

fn confirmation(ticket: &Ticket) -> Confirmation {
    Confirmation {
        id: 0,
        ticket: ticket.id,
        way: Way::Signature,
        name: "孙主任".to_owned(),
        by: done(5),
        text: "done".to_owned(),
        text_hash: "cd".repeat(32),
        file: None,
    }
}

async fn papers_are_read_as_written_and_a_file_is_shown_and_taken_back(mut world: World) {
    let ticket = ticket(&mut world).await;
    let ledger = &world.ledger;
    assert_eq!(ledger.papers(ticket.id).await.unwrap(), Papers::default());
    let id = ledger
        .add_attachment(&photo(&ticket), &[line("attachment.add", 1)])
        .await
        .unwrap();
    let published = done(2);
    ledger
        .publish_attachment(ticket.id, id, Some(&published), &[])
        .await
        .unwrap();
    let kept = Attachment {
        id,
        published: Some(published),
        ..photo(&ticket)
    };
    assert_eq!(
        ledger.papers(ticket.id).await.unwrap().attachments,
        std::slice::from_ref(&kept)
    );
    assert_eq!(ledger.attachments_after(0, 10).await.unwrap(), [kept]);
    assert_eq!(ledger.attachments_after(id, 10).await.unwrap(), []);
    ledger.publish_attachment(ticket.id, id, None, &[]).await.unwrap();
    let papers = ledger.papers(ticket.id).await.unwrap();
    assert_eq!(papers.attachments[0].published, None);
    let missing = ledger.publish_attachment(ticket.id, 99, None, &[]).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
    let call = Call {
        id: 0,
        ticket: ticket.id,
        whom: "孙主任".to_owned(),
        phone: String::new(),
        at: at(6),
        answer: "fine".to_owned(),
        content: true,
        by: done(6),
    };
    let id = ledger.add_call(&call, &[]).await.unwrap();
    assert_eq!(ledger.papers(ticket.id).await.unwrap().calls, [Call { id, ..call }]);
}

async fn a_ticket_has_so_many_files(mut world: World) {
    let ticket = ticket(&mut world).await;
    for _ in 0..FILES_MAX {
        world.ledger.add_attachment(&photo(&ticket), &[]).await.unwrap();
    }
    let more = world.ledger.add_attachment(&photo(&ticket), &[]).await.unwrap_err();
    assert!(more.to_string().contains("50 files already"), "{more}");
}

async fn an_approval_is_answered_by_one_and_open_until_it_is_signed(mut world: World) {
    let ticket = ticket(&mut world).await;
    let (wang, chen) = (
        world.person("wang", Role::Operator).await,
        world.person("chen", Role::TeamLead).await,
    );
    let request = Request {
        what: "更换".to_owned(),
        risk: "r".to_owned(),
        rollback: "b".to_owned(),
        from: at(0),
        to: at(100),
        of: Approver::Lead,
    };
    let ledger = &world.ledger;
    let new = Approval::ask(&ticket, &request, &wang, at(1)).unwrap();
    let id = ledger
        .ask_approval(&new, &[], &[line("approval.ask", 1)])
        .await
        .unwrap();
    let yes = Answer {
        granted: true,
        words: "",
    };
    let record = |one: &mut Approval| one.by_phone(&chen, yes, at(2), &wang, at(2));
    let recorded = ledger.change_approval(id, &[], &[], record).await.unwrap().unwrap();
    assert_eq!(ledger.approval(id).await.unwrap(), Some(recorded.clone()));
    assert_eq!(ledger.open_approvals().await.unwrap(), [recorded]);
    let again = ledger
        .change_approval(id, &[], &[], |one| one.answer(&chen, yes, at(3)))
        .await;
    assert!(again.unwrap().is_err(), "it is answered");
    let sign = ledger
        .change_approval(id, &[], &[], |one| one.sign("chen", at(4)))
        .await;
    sign.unwrap().unwrap();
    assert_eq!(ledger.open_approvals().await.unwrap(), []);
    assert!(ledger.papers(ticket.id).await.unwrap().approvals[0].is_settled());
    let missing = ledger.change_approval(99, &[], &[], |_| Ok::<(), ()>(())).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
}

async fn a_link_is_signed_behind_once(mut world: World) {
    let ticket = ticket(&mut world).await;
    let ledger = &world.ledger;
    let link = SignLink {
        ticket: ticket.id,
        login: "wang".to_owned(),
        expires_at: at(100),
        confirmation: None,
    };
    ledger.offer_signing("hash", &link, &[]).await.unwrap();
    assert_eq!(ledger.sign_link("hash").await.unwrap(), Some(link));
    assert_eq!(ledger.sign_link("other").await.unwrap(), None);
    let signature = photo(&ticket);
    let sign = async || {
        ledger
            .confirm(&confirmation(&ticket), Some(&signature), Some("hash"), &[])
            .await
    };
    let id = sign().await.unwrap();
    assert_eq!(sign().await.unwrap_err().code(), Code::Conflict);
    assert_eq!(ledger.sign_link("hash").await.unwrap().unwrap().confirmation, Some(id));
    let papers = ledger.papers(ticket.id).await.unwrap();
    assert_eq!(papers.attachments.len(), 1, "the second left nothing behind");
    let kept = Confirmation {
        id,
        file: Some(papers.attachments[0].id),
        ..confirmation(&ticket)
    };
    assert_eq!(papers.confirmations, [kept]);
}

async fn terms_are_the_shipped_ones_until_somebody_sets_others(world: World) {
    assert_eq!(world.ledger.terms().await.unwrap(), Terms::default());
    let terms = Terms {
        proof: true,
        remind_every: HumanDuration(Duration::from_secs(3_600)),
        ..Terms::default()
    };
    for terms in [Terms::default(), terms] {
        world.ledger.set_terms(&terms, "chen", at(1), &[]).await.unwrap();
        assert_eq!(world.ledger.terms().await.unwrap(), terms);
    }
}
