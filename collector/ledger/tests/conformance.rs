//! One suite, two engines: each case runs on SQLite in a temporary folder and on a throwaway PostgreSQL server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test from end to end"
)]

/// Makes two tests of each case: `CASE::on_sqlite` and `CASE::on_postgres`. A case takes a `World` of its own.
macro_rules! on_both_engines {
    ($($case:ident),* $(,)?) => {$(
        mod $case {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$case($crate::world::World::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                if let Some(world) = $crate::world::World::postgres().await {
                    super::$case(world).await;
                }
            }
        }
    )*};
}

#[path = "conformance/access.rs"]
mod access;
#[path = "conformance/accounts.rs"]
mod accounts;
#[path = "conformance/audit.rs"]
mod audit;
#[path = "conformance/backup_coverage.rs"]
mod backup_coverage;
#[path = "conformance/backups.rs"]
mod backups;
#[path = "conformance/clocks.rs"]
mod clocks;
#[path = "conformance/day.rs"]
mod day;
#[path = "conformance/deliveries.rs"]
mod deliveries;
#[path = "conformance/desk.rs"]
mod desk;
#[path = "conformance/documents.rs"]
mod documents;
#[path = "conformance/evidence.rs"]
mod evidence;
#[path = "conformance/hosts.rs"]
mod hosts;
#[path = "conformance/lists.rs"]
mod lists;
#[path = "conformance/open.rs"]
mod open;
#[path = "conformance/outbox.rs"]
mod outbox;
#[path = "conformance/papers.rs"]
mod papers;
#[path = "conformance/past_events.rs"]
mod past_events;
#[path = "conformance/planned.rs"]
mod planned;
#[path = "conformance/postgres.rs"]
mod postgres;
#[path = "conformance/terms.rs"]
mod terms;
#[path = "conformance/tokens.rs"]
mod tokens;
#[path = "conformance/world.rs"]
mod world;
