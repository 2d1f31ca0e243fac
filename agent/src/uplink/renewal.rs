//! Renewal of the certificate, over the stream's own connection, with a new key each time.

use crate::identity::{Identity, IdentityError, KeyRequest, NewIdentity};
use std::{
    future::{Future, pending},
    path::PathBuf,
    pin::Pin,
    time::Duration,
};
use tocsin_proto::v1::{RenewRequest, ingest_client::IngestClient};
use tonic::transport::Channel;

/// A collector that has not answered after this long is asked again later.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// A renewal that is going on.
pub(super) type Renewing = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Asks for a certificate of a new key, and stores both.
pub(super) async fn renew(
    mut client: IngestClient<Channel>,
    state_dir: PathBuf,
    generation: u64,
    collectors: Vec<String>,
) -> Result<(), String> {
    let told = |error: IdentityError| format!("{:#}", anyhow::Error::from(error));
    let request = KeyRequest::new().map_err(told)?;
    let mut message = tonic::Request::new(RenewRequest {
        csr: request.csr.clone().into(),
        generation,
    });
    message.set_timeout(ANSWER_PATIENCE);
    let answer = client
        .renew(message)
        .await
        .map_err(|status| status.message().to_owned())?
        .into_inner();
    let new = NewIdentity {
        key_pem: request.key_pem,
        chain: answer.chain.iter().map(|der| der.to_vec()).collect(),
        collectors,
        generation: answer.generation,
    };
    let identity = Identity::store(&state_dir, &new).map_err(told)?;
    tracing::info!(generation = identity.generation, until = %identity.not_after, "the certificate was renewed");
    Ok(())
}

/// The end of a piece of work, if one was begun.
pub(super) async fn end(work: &mut Option<Renewing>) -> Result<(), String> {
    match work {
        Some(work) => work.await,
        None => pending().await,
    }
}
