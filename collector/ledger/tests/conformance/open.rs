//! How a ledger is opened, and what is said when it can't be.

use crate::{
    postgres,
    world::{World, at, line},
};
use std::path::Path;
use tocsin_ledger::{Chain, Ledger, LedgerError};
use tocsin_vocabulary::Code;

on_both_engines! {
    an_opened_again_ledger_holds_what_it_held,
    a_newer_schema_is_refused_with_the_remedy,
    a_closed_ledger_is_unavailable,
}

async fn an_opened_again_ledger_holds_what_it_held(mut world: World) {
    let host = world.host("web-01").await;
    world.ledger.audit(line("a", 1)).await.unwrap();
    let World {
        ledger,
        address,
        _folder,
        ..
    } = world;
    ledger.close().await;
    drop(ledger);
    let again = Ledger::open(&address, at(100)).await.unwrap();
    assert_eq!(again.hosts().await.unwrap(), [host]);
    assert_eq!(again.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
}

async fn a_newer_schema_is_refused_with_the_remedy(world: World) {
    world
        .tamper("INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'tomorrow', 0)")
        .await;
    let World {
        ledger,
        address,
        _folder,
        ..
    } = world;
    ledger.close().await;
    drop(ledger);
    let error = Ledger::open(&address, at(1)).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.to_string().contains("newer collector"), "{error}");
}

async fn a_closed_ledger_is_unavailable(world: World) {
    world.ledger.close().await;
    assert_eq!(world.ledger.hosts().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(
        world.ledger.audit(line("a", 1)).await.unwrap_err().code(),
        Code::Unavailable
    );
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

#[tokio::test]
async fn an_unknown_address_is_refused_without_its_password() {
    let error = Ledger::open("mysql://tocsin:secret@db/ledger", at(0))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidInput);
    assert!(error.to_string().contains("mysql://tocsin@db/ledger"), "{error}");
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let world = World::sqlite().await;
    let error = Ledger::open(&world.address, at(0)).await.unwrap_err();
    assert!(matches!(error, LedgerError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop the other collector"), "{error}");
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database at all, but long enough to have a head of one hundred bytes or so; ".repeat(20),
    )
    .unwrap();
    let before = std::fs::read(&text).unwrap();
    let error = Ledger::open(&sqlite(&text), at(0)).await.unwrap_err();
    assert!(matches!(error, LedgerError::NotADatabase { .. }), "{error}");
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let foreign = folder.path().join("shop.db");
    let pool = sqlx::AnyPool::connect(&format!("sqlite://{}?mode=rwc", foreign.display()))
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE orders (id INTEGER)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let before = std::fs::read(&foreign).unwrap();
    let error = Ledger::open(&sqlite(&foreign), at(0)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
    assert_eq!(std::fs::read(&foreign).unwrap(), before);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Ledger::open(&sqlite(&folder.path().join("nowhere/ledger.db")), at(0))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.to_string().contains("nowhere is not usable"), "{error}");
}

#[tokio::test]
async fn a_path_with_odd_characters_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("台账 100%?#.db");
    Ledger::open(&sqlite(&path), at(0)).await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_copy_is_a_ledger_of_its_own() {
    let mut world = World::sqlite().await;
    let host = world.host("web-01").await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    world.ledger.backup_to(&copy).await.unwrap();
    world.host("web-02").await;
    let copied = Ledger::open(&sqlite(&copy), at(1)).await.unwrap();
    assert_eq!(copied.hosts().await.unwrap(), [host]);
    drop(copied);
    world.ledger.backup_to(&copy).await.unwrap();
    assert_eq!(
        Ledger::open(&sqlite(&copy), at(1))
            .await
            .unwrap()
            .hosts()
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_copy_is_checked_without_changing_a_byte_beside_it_or_in_it() {
    let world = World::sqlite().await;
    world.ledger.audit(line("a", 1)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.db");
    world.ledger.backup_to(&path).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let copy = Ledger::open_copy(&path).await.unwrap();
    assert_eq!(copy.damages().await.unwrap(), Vec::<String>::new());
    assert_eq!(copy.verify_audit().await.unwrap(), Chain::Whole { lines: 1 });
    assert!(copy.audit(line("b", 2)).await.is_err(), "it is read, not written");
    copy.close().await;
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let mut damaged = before;
    // The pages after the first hold tables and indexes.
    damaged[4_096 * 3..4_096 * 6].fill(0x5A);
    std::fs::write(&path, damaged).unwrap();
    let copy = Ledger::open_copy(&path).await.unwrap();
    assert!(copy.damages().await.map_or(true, |damages| !damages.is_empty()));
    assert!(Ledger::open_copy(&folder.path().join("nowhere.db")).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_away_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!(
        "postgres://tocsin:secret@localhost/ledger?host={}",
        folder.path().display()
    );
    let error = Ledger::open(&address, at(0)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let parameters = "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0";
    let Some(address) = postgres::database(parameters).await else {
        return;
    };
    let error = Ledger::open(&address, at(0)).await.unwrap_err();
    assert!(error.to_string().contains("UTF8"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_that_start_at_once_migrate_once() {
    let Some(address) = postgres::database("").await else {
        return;
    };
    let starts: Vec<_> = (0..5)
        .map(|_| {
            let address = address.clone();
            tokio::spawn(async move { Ledger::open(&address, at(0)).await.unwrap() })
        })
        .collect();
    for start in starts {
        start.await.unwrap().hosts().await.unwrap();
    }
}
