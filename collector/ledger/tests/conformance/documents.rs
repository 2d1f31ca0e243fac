//! Documents and diagnoses: contents once, versions with history, bounds.

use crate::world::{World, at, line, tickets};
use std::collections::BTreeMap;
use tocsin_desk::record::HostRecord;
use tocsin_ledger::{AGE_MAX, NAMES_MAX, NewDocument, VERSIONS_MAX};
use tocsin_vocabulary::{Code, DiagnosisId, DocumentId, Hash};

on_both_engines! {
    a_document_is_kept_with_its_history_and_read_back,
    history_is_bounded_and_the_newest_stays,
    old_versions_go_and_contents_with_the_last_that_had_them,
    a_host_may_have_so_many_documents,
    a_diagnosis_is_kept_with_its_ticket,
}

fn new(world: &mut World, host: &HostRecord, name: &str, content: &str, seconds: i64) -> NewDocument {
    NewDocument {
        id: DocumentId::next(&mut world.ids, at(seconds)),
        host: host.id,
        kind: "file".to_owned(),
        name: name.to_owned(),
        at: at(seconds),
        received_at: at(seconds + 1),
        hash: Hash::of(content.as_bytes()).to_string(),
        media: "text/plain".to_owned(),
        attributes: BTreeMap::from([("owner".to_owned(), "root".to_owned())]),
    }
}

async fn keep(world: &mut World, host: &HostRecord, name: &str, content: &str, seconds: i64) -> DocumentId {
    let document = new(world, host, name, content, seconds);
    world
        .ledger
        .keep_document(&document, Some(content.as_bytes()))
        .await
        .unwrap();
    document.id
}

async fn a_document_is_kept_with_its_history_and_read_back(mut world: World) {
    let (host, other) = (world.host("web-01").await, world.host("web-02").await);
    let first = keep(&mut world, &host, "/etc/hosts", "one\n", 1).await;
    let second = keep(&mut world, &host, "/etc/hosts", "two\0\u{ff}\n", 2).await;
    let again = new(&mut world, &host, "/etc/hosts", "one\n", 3);
    assert!(!world.ledger.has_document(&again).await.unwrap());
    assert!(world.ledger.has_content(host.id, &again.hash).await.unwrap());
    assert!(!world.ledger.has_content(other.id, &again.hash).await.unwrap());
    world.ledger.keep_document(&again, None).await.unwrap();
    assert!(world.ledger.has_document(&again).await.unwrap());
    let twice = NewDocument {
        id: DocumentId::next(&mut world.ids, at(9)),
        ..again.clone()
    };
    world.ledger.keep_document(&twice, None).await.unwrap();

    let versions = world
        .ledger
        .document_versions(host.id, "file", "/etc/hosts")
        .await
        .unwrap();
    let ids: Vec<DocumentId> = versions.iter().map(|version| version.id).collect();
    assert_eq!(ids, [again.id, second, first]);
    assert_eq!(
        (versions[1].size, versions[1].attributes["owner"].as_str()),
        (7, "root")
    );
    let newest = world.ledger.documents(host.id).await.unwrap();
    assert_eq!(newest.iter().map(|newest| newest.id).collect::<Vec<_>>(), [again.id]);
    let (record, content) = world.ledger.document(host.id, second).await.unwrap().unwrap();
    assert_eq!((record.at, content.as_slice()), (at(2), "two\0\u{ff}\n".as_bytes()));
    assert!(
        world.ledger.document(other.id, second).await.unwrap().is_none(),
        "not theirs"
    );

    let unknown = new(&mut world, &host, "/etc/hosts", "never sent", 5);
    let error = world.ledger.keep_document(&unknown, None).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

async fn history_is_bounded_and_the_newest_stays(mut world: World) {
    let host = world.host("web-01").await;
    for i in 0..i64::try_from(VERSIONS_MAX).unwrap() + 3 {
        keep(&mut world, &host, "/etc/hosts", &i.to_string(), i).await;
    }
    let versions = world
        .ledger
        .document_versions(host.id, "file", "/etc/hosts")
        .await
        .unwrap();
    assert_eq!(versions.len(), VERSIONS_MAX);
    assert_eq!(versions[0].hash, Hash::of(b"102").to_string());
    assert!(
        !world
            .ledger
            .has_content(host.id, &Hash::of(b"2").to_string())
            .await
            .unwrap()
    );
}

async fn old_versions_go_and_contents_with_the_last_that_had_them(mut world: World) {
    let (host, other) = (world.host("web-01").await, world.host("web-02").await);
    let old = keep(&mut world, &host, "/etc/hosts", "shared", 1).await;
    let theirs = keep(&mut world, &other, "/etc/hosts", "shared", 1).await;
    let newest = keep(&mut world, &host, "/etc/hosts", "new", 2).await;
    assert_eq!(world.ledger.trim_documents(at(10)).await.unwrap(), 0);
    let later = at(10).plus(AGE_MAX);
    assert_eq!(world.ledger.trim_documents(later).await.unwrap(), 1);
    assert!(world.ledger.document(host.id, old).await.unwrap().is_none());
    assert!(world.ledger.document(host.id, newest).await.unwrap().is_some());
    assert!(world.ledger.document(other.id, theirs).await.unwrap().is_some());
    assert_eq!(world.ledger.trim_documents(later).await.unwrap(), 0);
}

async fn a_host_may_have_so_many_documents(mut world: World) {
    let host = world.host("web-01").await;
    for i in 0..NAMES_MAX {
        keep(&mut world, &host, &i.to_string(), "same", 1).await;
    }
    let more = new(&mut world, &host, "more", "same", 1);
    let error = world.ledger.keep_document(&more, None).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    keep(&mut world, &host, "7", "other", 2).await;
}

async fn a_diagnosis_is_kept_with_its_ticket(mut world: World) {
    let (host, other) = (world.host("web-01").await, world.host("web-02").await);
    let ticket = world.ticket(&host, 1);
    world.ledger.commit(&tickets(vec![ticket.clone()]), &[]).await.unwrap();
    let ask = DiagnosisId::next(&mut world.ids, at(20));
    let lines = [line("host.diagnose", 20)];
    world
        .ledger
        .ask_diagnosis(ask, host.id, Some(ticket.id), "wang", at(20), &lines)
        .await
        .unwrap();
    assert!(world.ledger.was_asked(host.id, ask).await.unwrap());
    assert!(!world.ledger.was_asked(other.id, ask).await.unwrap());
    let asked = world.ledger.diagnoses_of_ticket(ticket.id).await.unwrap();
    assert_eq!((asked.len(), asked[0].document, asked[0].refused), (1, None, false));
    assert_eq!((asked[0].asked_by.as_str(), asked[0].asked_at), ("wang", at(20)));

    let mut snapshot = new(&mut world, &host, &ask.to_string(), "top", 25);
    snapshot.kind = "diagnosis".to_owned();
    world.ledger.keep_document(&snapshot, Some(b"top")).await.unwrap();
    for listed in [
        world.ledger.diagnoses_of_ticket(ticket.id).await.unwrap(),
        world.ledger.diagnoses(host.id).await.unwrap(),
    ] {
        assert_eq!(
            (listed[0].document, listed[0].received_at),
            (Some(snapshot.id), Some(at(26)))
        );
    }
    assert!(
        world.ledger.documents(host.id).await.unwrap().is_empty(),
        "it is listed apart"
    );
    let audit = world.ledger.audit_lines(&Default::default()).await.unwrap();
    assert_eq!(audit.items[0].action, "host.diagnose");
}
