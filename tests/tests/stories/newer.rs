//! Data of a newer version is refused, with the remedy, and left as it is.

use sqlx::Connection as _;
use tocsin_tests::site::{self, Site};

#[tokio::test]
async fn a_metric_store_of_a_newer_format_is_refused() {
    let mut site = Site::start("").await;
    assert!(site.collector().stop().await);
    let format = site.state("metrics/FORMAT");
    assert!(format.is_file(), "the store says its format");
    std::fs::write(&format, "tocsin-metrics 999 248f8f7a\n").expect("a later build's mark");
    let error = site::run(&mut site.command_to_run(), "").expect_err("newer data");
    assert!(
        error.contains("format 999") && error.contains("install the newer collector"),
        "{error}"
    );
    assert_eq!(
        std::fs::read_to_string(&format).expect("the mark"),
        "tocsin-metrics 999 248f8f7a\n"
    );
}

#[tokio::test]
async fn a_ledger_of_a_newer_schema_is_refused() {
    let mut site = Site::start("").await;
    assert!(site.collector().stop().await);
    let path = site.state("ledger.db");
    let mut ledger = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
        .await
        .expect("the ledger");
    sqlx::query("INSERT INTO schema_version (version, name, applied_at) VALUES (999, 'later', 0)")
        .execute(&mut ledger)
        .await
        .expect("a later build's mark");
    ledger.close().await.expect("closed");
    let error = site::run(&mut site.command_to_run(), "").expect_err("newer data");
    assert!(error.contains("999") && error.contains("ledger.db"), "{error}");
}
