//! Exchange with Prometheus: whose hosts an asker sees, and what exports call them.

use crate::app::Common;
use async_trait::async_trait;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use hyper::StatusCode;
use std::{path::Path, sync::Arc};
use tocsin_console::{
    ConsoleOptions,
    authority::{self, Action},
    backend::Backend,
};
use tocsin_desk::record::{HostRecord, Speaker};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_prometheus::{Directory, Exchange, Exports, Fleet, HostNames, RemoteWriteConfig, Worker};

use crate::{app::Stores, clock::Clock};

/// The register as exports see it.
struct Register(Arc<Ledger>);

fn fleet(records: impl IntoIterator<Item = HostRecord>) -> Fleet {
    Fleet::new(records.into_iter().map(|record| HostNames {
        id: record.id,
        host: record.name,
        customer: record.customer_name,
        site: record.site_name,
    }))
}

#[async_trait]
impl Directory for Register {
    async fn fleet(&self) -> Result<Fleet, String> {
        self.0
            .hosts()
            .await
            .map(fleet)
            .map_err(|error: LedgerError| error.to_string())
    }
}

/// Sets the exports up.
pub(crate) fn exports(
    configs: &[RemoteWriteConfig],
    state_dir: &Path,
    stores: &Stores,
    clock: &Clock,
) -> anyhow::Result<(Exports, Vec<Worker>)> {
    let directory: Arc<dyn Directory> = Arc::new(Register(stores.ledger.clone()));
    Ok(Exports::open(
        configs,
        &state_dir.join("export"),
        &stores.store,
        &directory,
        clock,
    )?)
}

/// Remote-read and federation, for whoever may read hosts.
pub(crate) fn routes(common: &Common<'_>, backend: Arc<dyn Backend>) -> Router {
    let exchange = Exchange::new(common.stores.store.clone(), common.clock.clone());
    let router = tocsin_prometheus::router(exchange).layer(from_fn_with_state(common.stores.ledger.clone(), narrow));
    tocsin_console::guarded(router, backend, ConsoleOptions::default(), Action::ReadHosts)
}

/// Adds the hosts that whoever asks may see.
async fn narrow(State(ledger): State<Arc<Ledger>>, mut request: Request, next: Next) -> Response {
    let Some(speaker) = request.extensions().get::<Speaker>().cloned() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    match ledger.hosts().await {
        Ok(records) => {
            let seen = records
                .into_iter()
                .filter(|record| authority::sees(&speaker, record.customer));
            request.extensions_mut().insert(Arc::new(fleet(seen)));
            next.run(request).await
        }
        Err(error) => {
            tracing::warn!(%error, "cannot read the register of hosts");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
