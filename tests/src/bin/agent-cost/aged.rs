//! An agent after many ticks: what it has in memory must not grow. Ticks come a hundred times as fast as they may be
//! configured, so that hours pass in minutes; no collector takes them, so the spool fills up to its bound meanwhile.

use std::{sync::Arc, time::Duration};
use tocsin_agent::{
    app::{self, Options as AgentOptions},
    clock::SystemClock,
    config::Config,
    status::Status,
};
use tocsin_tests::program;
use tokio_util::sync::CancellationToken;

/// Between ticks.
const INTERVAL: Duration = Duration::from_millis(10);
/// Looks at memory over the whole time.
const LOOKS: u64 = 12;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Ticks: 21 600 are 6 hours at 1 s
    #[arg(long, default_value_t = 21_600)]
    ticks: u64,
}

pub(super) async fn measure(options: &Options) {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config {
        interval: INTERVAL,
        ..Config::default()
    };
    let agent = AgentOptions::embedded(config, folder.path().to_owned(), Arc::new(SystemClock));
    let stop = CancellationToken::new();
    let running = tokio::spawn(app::run(agent, stop.clone()));
    println!("{:>10}{:>12}{:>14}", "ticks", "RSS KiB", "spool KiB");
    for look in 1..=LOOKS {
        let wanted = options.ticks * look / LOOKS;
        let status = loop {
            let status = Status::read(folder.path()).unwrap_or_default();
            if status.tick_seq >= wanted {
                break status;
            }
            assert!(!running.is_finished(), "the agent ended");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let resident = program::resident_bytes(std::process::id());
        println!(
            "{:>10}{:>12}{:>14}",
            status.tick_seq,
            resident / 1024,
            status.spool.bytes / 1024
        );
    }
    stop.cancel();
    running.await.expect("no panic").expect("a clean end");
}
