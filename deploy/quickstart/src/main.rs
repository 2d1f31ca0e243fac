//! A first look: collector and agent in one process, over real mTLS on loopback, with data in one folder.
//!
//! * [`place`] — the folder, the rules and the agent's configuration in it,
//! * [`access`] — who may sign in, and the file that says so,
//! * [`stand_in`] — the service that may be killed to see what happens,
//! * [`watch`] — the live line, and what happens told as it happens,
//! * [`drill`] — `--drill`: causes a fault and tells how long each step took.

mod access;
mod drill;
mod place;
mod stand_in;
mod watch;

use anyhow::Context as _;
use clap::Parser;
use place::Place;
use stand_in::StandIn;
use std::io::Write as _;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tocsin_agent::clock::SystemClock;
use tocsin_collector::{app, clock, control::Control};
use tocsin_vocabulary::time::parse_duration;
use tokio_util::sync::CancellationToken;

/// See Tocsin watch this machine: one process, no services, nothing installed.
#[derive(Debug, Parser)]
#[command(
    name = "tocsin-quickstart",
    version,
    after_help = "\
Starts a collector and an agent on loopback, prints the console's address and a one-time sign-in,
then one live line of this machine's figures. Kill the stand-in service it names to see a fault
become a ticket and a page. Ctrl-C stops; starting again goes on with the same data.

  tocsin-quickstart                    first look
  tocsin-quickstart --drill            cause a fault, tell how long each step took, go on running
  tocsin-quickstart --data-dir /tmp/t  keep everything in /tmp/t"
)]
struct Options {
    /// Folder of all data [default: tocsin/quickstart in your state folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Port of the console and API on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Time between ticks, 1s to 60s
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    sample_interval: Duration,
    /// Cause a fault, tell how long each step took, and mend it
    #[arg(long)]
    drill: bool,
}

/// How long stopping may take altogether.
const STOP_DEADLINE: Duration = Duration::from_millis(1_900);

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let ended = runtime.block_on(run(options));
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tocsin-quickstart: {message}");
    ExitCode::FAILURE
}

async fn run(options: Options) -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("the TLS provider was installed twice"))?;
    let place = Place::prepare(options.data_dir.as_deref(), options.port, options.sample_interval)?;
    place.init_logs()?;
    let cancel = CancellationToken::new();
    stop_on_signal(cancel.clone())?;

    let collector = app::start(place.collector.clone(), clock::system(), cancel.clone())
        .await
        .context("the collector cannot start")?;
    let access = access::prepare(&place, &collector).await?;
    let mut stand_in = StandIn::start(&place.stand_in())?;
    let agent = tokio::spawn(run_agent(place.clone(), collector.control.clone(), cancel.clone()));

    watch::greet(&place, &access, &stand_in);
    let told = tokio::spawn(watch::tell(
        collector.backend.clone(),
        access.console_url.clone(),
        cancel.clone(),
    ));
    if options.drill {
        drill::run(&collector, &mut stand_in, cancel.clone()).await?;
    }
    let ended = collector.ended().await;
    let finish = async {
        let _ = told.await;
        agent.await
    };
    let agent = tokio::time::timeout(STOP_DEADLINE, finish).await;
    stand_in.stop();
    ended?;
    match agent {
        Ok(Ok(ended)) => ended.context("the agent failed"),
        Ok(Err(error)) => Err(error).context("the agent failed"),
        Err(_) => anyhow::bail!("the agent did not stop in time"),
    }
}

/// Enrols this machine the first time, then samples and streams until cancelled.
async fn run_agent(place: Place, control: Arc<Control>, cancel: CancellationToken) -> anyhow::Result<()> {
    let ended = async {
        if !tocsin_agent::identity::is_enrolled(&place.agent_dir) {
            let install = control.create_token(String::new(), Duration::from_secs(60)).await?;
            let facts = tocsin_agent::app::wire_facts(Path::new("/"));
            tocsin_agent::enrol::enrol(&install, &place.agent_dir, false, facts, &SystemClock).await?;
        }
        tocsin_agent::app::run(place.agent_options(control.addresses.agents)?, cancel.clone()).await
    }
    .await;
    // An agent that ends early leaves nothing to look at: stop, and say why.
    cancel.cancel();
    ended
}

fn stop_on_signal(cancel: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            () = cancel.cancelled() => {}
        }
        cancel.cancel();
    });
    Ok(())
}
