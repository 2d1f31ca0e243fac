//! `GET /events`: names of what changed, as server-sent events. Pages then fetch the parts that show it.

use crate::{
    backend::{Change, Failure},
    guard::{Answer, Visit},
};
use axum::response::{
    IntoResponse as _,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use std::{convert::Infallible, time::Duration};
use tocsin_vocabulary::{Code, HostId};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// A stream is ended after this long; the browser comes back and is asked anew who it is.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Silence that intermediaries are not given a chance to cut.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Which ticks a page wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ticks {
    None,
    All,
    Of(HostId),
}

/// `desk`, `hosts`, `pages`, `tick`, `documents`; `?ticks=` names a host, or `all`. Nothing about the things themselves is said.
pub(crate) async fn events(visit: Visit) -> Answer {
    let ticks = match visit.parameter("ticks").as_deref() {
        None | Some("") => Ticks::None,
        Some("all") => Ticks::All,
        Some(text) => {
            let id: HostId = text
                .parse()
                .map_err(|_| Failure::new(Code::InvalidInput, "`ticks` is neither a host's id nor `all`"))?;
            let host = visit
                .console
                .backend
                .host(id)
                .await?
                .ok_or_else(crate::guard::nothing)?;
            visit.must_see(host.record.customer)?;
            Ticks::Of(id)
        }
    };
    let receiver = visit.console.backend.changes();
    let stream = follow(receiver, ticks);
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

fn follow(receiver: Receiver<Change>, ticks: Ticks) -> impl Stream<Item = Result<Event, Infallible>> {
    let end = Box::pin(tokio::time::sleep(LIFETIME));
    stream::unfold(
        (receiver, end, true),
        move |(mut receiver, mut end, first)| async move {
            if first {
                // Whatever changed while the stream was away is fetched once.
                return Some((Ok(Event::default().event("change").data("all")), (receiver, end, false)));
            }
            loop {
                let change = tokio::select! {
                    change = receiver.recv() => change,
                    () = &mut end => return None,
                };
                let name = match change {
                    Ok(Change::Tick(host)) if ticks == Ticks::All || ticks == Ticks::Of(host) => "tick",
                    Ok(Change::Documents(host)) if ticks == Ticks::All || ticks == Ticks::Of(host) => "documents",
                    Ok(Change::Tick(_) | Change::Documents(_)) => continue,
                    Ok(Change::Hosts) => "hosts",
                    Ok(Change::Desk) => "desk",
                    Ok(Change::Pages) => "pages",
                    // Too slow for the flood: what was missed may be anything.
                    Err(RecvError::Lagged(_)) => "all",
                    Err(RecvError::Closed) => return None,
                };
                return Some((Ok(Event::default().event("change").data(name)), (receiver, end, false)));
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use tokio::sync::broadcast;

    #[tokio::test]
    async fn only_wanted_ticks_are_told_and_the_end_of_changes_ends_the_stream() {
        let (sender, receiver) = broadcast::channel(8);
        let (one, other) = (HostId::from_bytes([1; 16]), HostId::from_bytes([2; 16]));
        for change in [Change::Tick(other), Change::Tick(one), Change::Desk] {
            sender.send(change).unwrap();
        }
        drop(sender);
        let told: Vec<_> = follow(receiver, Ticks::Of(one)).collect().await;
        assert_eq!(told.len(), 3, "the first, one tick, one change of the desk");
    }
}
