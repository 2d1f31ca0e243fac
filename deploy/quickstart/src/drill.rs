//! `--drill`: ends the stand-in, tells how long each step took, accepts the ticket, mends the fault.

use crate::{stand_in::StandIn, watch::say};
use anyhow::Context as _;
use std::{sync::Arc, time::Duration};
use tocsin_collector::{app::Collector, clock};
use tocsin_console::backend::{Backend, Change};
use tocsin_desk::{
    input::{Act, Action},
    model::{Actor, PageState, Ticket, TicketState, Via},
    record::{AlertFilter, PageFilter, TicketFilter},
};
use tocsin_vocabulary::Timestamp;
use tokio_util::sync::CancellationToken;

/// Nothing in a drill takes longer than this on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the drill, or ends early when cancelled.
pub(crate) async fn run(
    collector: &Collector,
    stand_in: &mut StandIn,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        done = tokio::time::timeout(PATIENCE, drill(&collector.backend, stand_in)) => {
            done.context("the drill did not come to its end within a minute: see quickstart.log in the data folder")?
        }
    }
}

async fn drill(backend: &Arc<dyn Backend>, stand_in: &mut StandIn) -> anyhow::Result<()> {
    let clock = clock::system();
    say("drill: waiting for the first tick that sees the stand-in");
    let before = until(backend, async |backend| Ok(seen(backend).await?.then_some(()))).await;
    before?;

    let ended_at = clock();
    stand_in.stop();
    say("drill: stand-in ended");
    let ticket = until(backend, async |backend| newest(backend, ended_at).await).await?;
    let alerts = backend.alerts(&AlertFilter::default()).await?.items;
    let raised_at = alerts
        .iter()
        .filter(|alert| alert.fault == ticket.fault)
        .map(|alert| alert.raised_at)
        .min();
    let after = |at: Timestamp| at.since(ended_at).as_millis();
    if let Some(raised_at) = raised_at {
        say(&format!("drill: fault seen after {} ms", after(raised_at)));
    }
    say(&format!(
        "drill: ticket #{} opened after {} ms: {}",
        ticket.number,
        after(ticket.opened_at),
        ticket.title.en
    ));
    let page = until(backend, async |backend| {
        let filter = PageFilter {
            ticket: Some(ticket.id),
            ..PageFilter::default()
        };
        let pages = backend.pages(&filter).await?.items;
        Ok(pages.into_iter().find(|record| record.page.state == PageState::Sent))
    })
    .await?;
    let sent_at = page.page.sent_at.unwrap_or(page.page.created_at);
    say(&format!(
        "drill: page sent to {} after {} ms",
        page.person_name,
        after(sent_at)
    ));

    let people = backend.people().await?;
    let person = people
        .iter()
        .find(|person| person.on_duty)
        .context("nobody is on duty")?;
    let accept = Act {
        ticket: ticket.id,
        actor: Actor::Person(person.id, person.name.clone()),
        via: Via::Console,
        action: Action::Accept,
        revision: None,
    };
    backend.act(accept).await?;
    say(&format!("drill: ticket accepted after {} ms", after(clock())));

    *stand_in = StandIn::start(stand_in.name())?;
    say(&format!("drill: stand-in started again, process {}", stand_in.pid()));
    until(backend, async |backend| {
        let now = backend.ticket_by_id(ticket.id).await?;
        Ok(now.filter(|ticket| ticket.state == TicketState::Restored))
    })
    .await?;
    say(&format!(
        "drill: ticket restored by itself after {} ms; it waits for cause and solution in the console",
        after(clock())
    ));
    Ok(())
}

/// Whether the newest tick counts the stand-in.
async fn seen(backend: &dyn Backend) -> anyhow::Result<bool> {
    for host in backend.hosts().await? {
        if let Some(tick) = backend.latest(host.record.id).await? {
            let counted = tick.values.iter().any(|latest| {
                latest.series.name == "tocsin.process.group.count" && latest.value.is_some_and(|count| count >= 1.0)
            });
            if counted {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A ticket that opened, or a fault that came back, since `since`.
async fn newest(backend: &dyn Backend, since: Timestamp) -> anyhow::Result<Option<Ticket>> {
    let tickets = backend.tickets(&TicketFilter::default()).await?.items;
    Ok(tickets
        .into_iter()
        .find(|ticket| ticket.updated_at >= since && ticket.state == TicketState::Open))
}

/// Asks again after each change until there is an answer.
async fn until<T>(
    backend: &Arc<dyn Backend>,
    ask: impl AsyncFn(&dyn Backend) -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let mut changes = backend.changes();
    loop {
        if let Some(answer) = ask(backend.as_ref()).await? {
            return Ok(answer);
        }
        while !matches!(
            changes.recv().await,
            Ok(Change::Desk | Change::Pages | Change::Tick(_)) | Err(_)
        ) {}
    }
}
