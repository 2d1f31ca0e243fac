//! What the terminal shows: a greeting, one live line of this machine's figures, and what happens as it happens.

use crate::{access::Access, place::Place, stand_in::StandIn};
use std::{
    collections::HashSet,
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};
use tocsin_console::backend::{Backend, Change, LatestTick};
use tocsin_desk::{
    model::{Ticket, TicketState},
    record::{PageFilter, TicketFilter},
};
use tocsin_vocabulary::{PageId, TicketId};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// Between two live lines when the output is no terminal.
const QUIET_PERIOD: Duration = Duration::from_secs(10);

/// Says something on standard output; a closed pipe is no error.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout();
    let clear = if out.is_terminal() { "\r\x1b[2K" } else { "" };
    let _ = writeln!(out, "{clear}{text}");
    let _ = out.flush();
}

/// The first words.
pub(crate) fn greet(place: &Place, access: &Access, stand_in: &StandIn) {
    say(&format!(
        "Tocsin 警钟 {version} watches this machine. Data: {dir}

  console        {console}
  sign in once   {sign_in}
                 (the browser will warn: the certificate is this machine's own, {ca})
  for programs   {dir}/access.json

  cause a fault  kill {pid}        a stand-in service that harms nobody
  mend it        bash -c 'exec -a {name} sleep 3600' &
  pages          {console}/inbox shows what a phone would show

  Ctrl-C stops; starting again goes on with the same data.
",
        version = env!("CARGO_PKG_VERSION"),
        dir = place.dir.display(),
        console = access.console_url,
        sign_in = access.sign_in,
        ca = access.ca_file.display(),
        pid = stand_in.pid(),
        name = stand_in.name(),
    ));
}

/// Shows the live line and tells of tickets and pages until cancelled.
pub(crate) async fn tell(backend: Arc<dyn Backend>, console_url: String, cancel: CancellationToken) {
    let mut changes = backend.changes();
    let mut teller = Teller {
        backend,
        console_url,
        pages: HashSet::new(),
        tickets: Vec::new(),
    };
    teller.learn().await;
    let terminal = std::io::stdout().is_terminal();
    let mut quiet = tokio::time::interval(QUIET_PERIOD);
    quiet.tick().await;
    loop {
        let change = tokio::select! {
            () = cancel.cancelled() => break,
            change = changes.recv() => change,
            _ = quiet.tick() => {
                if !terminal {
                    teller.figures(false).await;
                }
                continue;
            }
        };
        match change {
            Ok(Change::Tick(_)) if terminal => teller.figures(true).await,
            Ok(Change::Desk | Change::Pages) | Err(RecvError::Lagged(_)) => teller.news().await,
            Ok(_) => {}
            Err(RecvError::Closed) => break,
        }
    }
}

struct Teller {
    backend: Arc<dyn Backend>,
    console_url: String,
    pages: HashSet<PageId>,
    tickets: Vec<(TicketId, TicketState)>,
}

impl Teller {
    async fn tickets(&self) -> Vec<Ticket> {
        let filter = TicketFilter::default();
        self.backend
            .tickets(&filter)
            .await
            .map(|list| list.items)
            .unwrap_or_default()
    }

    /// What was before this start is no news.
    async fn learn(&mut self) {
        self.tickets = self
            .tickets()
            .await
            .into_iter()
            .map(|ticket| (ticket.id, ticket.state))
            .collect();
        if let Ok(pages) = self.backend.pages(&PageFilter::default()).await {
            self.pages.extend(pages.items.into_iter().map(|record| record.page.id));
        }
    }

    async fn news(&mut self) {
        for ticket in self.tickets().await {
            let known = self.tickets.iter_mut().find(|(id, _)| *id == ticket.id);
            match known {
                Some((_, state)) if *state == ticket.state => continue,
                Some((_, state)) => *state = ticket.state,
                None => self.tickets.push((ticket.id, ticket.state)),
            }
            say(&format!(
                "ticket #{}  {}  {}",
                ticket.number,
                ticket.state.as_str(),
                printable(&ticket.title.en)
            ));
        }
        let pages = self
            .backend
            .pages(&PageFilter::default())
            .await
            .map(|list| list.items)
            .unwrap_or_default();
        for record in pages.into_iter().rev() {
            if self.pages.insert(record.page.id) {
                let path = tocsin_console::link::path(&self.backend.link_key(), record.page.id);
                say(&format!(
                    "page to {}  {}{path}",
                    printable(&record.person_name),
                    self.console_url
                ));
            }
        }
    }

    /// One line of this machine's figures.
    async fn figures(&self, in_place: bool) {
        let Ok(hosts) = self.backend.hosts().await else { return };
        let Some(host) = hosts.first() else { return };
        let Ok(Some(tick)) = self.backend.latest(host.record.id).await else {
            return;
        };
        let line = line(&tick);
        let mut out = std::io::stdout();
        let _ = if in_place {
            write!(out, "\r\x1b[2K{line}")
        } else {
            writeln!(out, "{line}")
        };
        let _ = out.flush();
    }
}

fn line(tick: &LatestTick) -> String {
    let value = |name: &str, wanted: &dyn Fn(f64, f64) -> f64| {
        tick.values
            .iter()
            .filter(|latest| latest.series.name == name)
            .filter_map(|latest| latest.value)
            .reduce(wanted)
    };
    let first = |kept: f64, _: f64| kept;
    let percent = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ratio| format!("{:.0} %", ratio * 100.0));
    let clock = tick.time.to_string();
    format!(
        "{}  cpu {}  memory {}  fullest disk {}  load {}",
        clock.get(11..19).unwrap_or(&clock),
        percent(value("system.cpu.utilization", &first)),
        percent(value("system.memory.utilization", &first)),
        percent(value("system.filesystem.utilization", &f64::max)),
        value("system.cpu.load_average.1m", &first).map_or_else(|| "-".to_owned(), |load| format!("{load:.2}")),
    )
}

/// A name from a monitored host on a terminal: control characters can't move the cursor.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect()
}
