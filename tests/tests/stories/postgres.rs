//! The ledger on PostgreSQL: the same path from fault to page, on the other engine.

use tocsin_tests::{
    postgres::Server,
    site::{LISTEN, Plan, Site},
};

#[tokio::test]
async fn the_whole_path_works_with_the_ledger_on_postgresql() {
    let Some(server) = Server::start() else { return };
    crate::fault_to_phone::from_fault_to_closed_ticket(&format!("ledger.url = \"{}\"\n", server.url())).await;
}

#[tokio::test]
async fn a_collector_without_its_postgresql_says_which_one_it_cannot_reach() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("collector.toml");
    let url = "postgres://nobody:secret@127.0.0.1:1/none";
    let state = folder.path().join("state");
    std::fs::write(
        &config,
        format!("state_dir = {state:?}\nledger.url = \"{url}\"\n{LISTEN}"),
    )
    .expect("a configuration");
    let mut command = std::process::Command::new(tocsin_tests::program::path("tocsin-collector"));
    let error =
        tocsin_tests::site::run(command.arg("--config").arg(config).arg("run"), "").expect_err("no server there");
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(!error.contains("secret"), "a password is not for the log: {error}");
}

#[tokio::test]
async fn a_collector_killed_on_postgresql_goes_on_where_it_was() {
    let Some(server) = Server::start() else { return };
    let more = format!("ledger.url = \"{}\"\n", server.url());
    let mut site = Site::start_as(Plan {
        more,
        ..Plan::default()
    })
    .await;
    let host = tocsin_tests::host::Host::start(&site, "host", "");
    host.is_live(&site).await;
    site.collector().kill();
    site.run().await;
    host.goes_on(&site).await;
    assert_eq!(site.get("hosts").await["items"].as_array().map(Vec::len), Some(1));
}
