//! Serves HTTP/2 on the connections of agents, with nothing between it and the service.
//!
//! A server for everybody has layers for routes, ages and middleware, and every tick and every acknowledgement passes all
//! of them. Agents have one service and a listener of their own.

use super::service::IngestService;
use crate::listen::Connection;
use hyper::{Request, body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::pin::pin;
use tocsin_proto::v1::ingest_server::IngestServer;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// How connections are served: windows, pings, limits.
pub(crate) type Manner = Builder<TokioExecutor>;

/// Serves what is accepted until cancelled, and then until the last stream has ended: each does so by itself.
pub(crate) async fn serve(
    mut accepted: mpsc::Receiver<Connection>,
    service: IngestServer<IngestService>,
    manner: Manner,
    cancel: CancellationToken,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            connection = accepted.recv() => {
                let Some(connection) = connection else { break };
                match connection.here() {
                    Ok(connection) => {
                        open.spawn(one(connection, service.clone(), manner.clone(), cancel.clone()));
                    }
                    Err(error) => tracing::warn!(%error, "cannot serve the connection of an agent"),
                }
            }
            Some(ended) = open.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "the connection of an agent ended by a fault");
            },
            () = cancel.cancelled() => break,
        }
    }
    while open.join_next().await.is_some() {}
}

async fn one(connection: Connection, service: IngestServer<IngestService>, manner: Manner, cancel: CancellationToken) {
    let peer = connection.peer();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        service.clone().call(request)
    });
    let mut serving = pin!(manner.serve_connection(TokioIo::new(connection), service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = cancel.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(address = %peer.address, %error, "the connection of an agent ended");
    }
}
