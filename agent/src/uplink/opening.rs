//! Opening a stream: hello, and what the collector answers; and why a stream ends, in words for the status.

use crate::tls;
use std::time::Duration;
use tocsin_proto::{
    MESSAGE_BYTES_MAX,
    v1::{AgentMessage, CollectorMessage, Welcome, collector_message::Body, ingest_client::IngestClient},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

/// Messages handed to the transport and not yet taken by it: few, so that a live tick never queues behind backlog.
const OUTBOUND_MAX: usize = 4;
/// A collector that has not welcomed after this long is left.
const WELCOME_PATIENCE: Duration = Duration::from_secs(20);

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The agent stops.
    Stopped,
    /// It is opened again at once, for the interval or the collectors changed.
    Reopened,
    /// It is opened again at once, with a new certificate.
    Renewed,
    /// The collector asked to come back after a while.
    RetryAfter(Duration, String),
    /// The collector does not want this agent.
    Refused(String),
    /// The connection broke or the collector closed it.
    Broken(String),
}

/// A stream that was welcomed.
pub(super) struct Opened {
    pub(super) client: IngestClient<Channel>,
    pub(super) outbound: mpsc::Sender<AgentMessage>,
    pub(super) inbound: Streaming<CollectorMessage>,
    pub(super) welcome: Welcome,
}

/// Says `hello` over `channel` and waits to be welcomed.
pub(super) async fn open(channel: Channel, peer: &str, hello: AgentMessage) -> Result<Opened, Ended> {
    let mut client = IngestClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (outbound, queue) = mpsc::channel(OUTBOUND_MAX);
    // Sending the first message into an empty queue does not fail.
    let _ = outbound.try_send(hello);
    let answered = async {
        let mut inbound = client.stream(ReceiverStream::new(queue)).await?.into_inner();
        let first = inbound.message().await?;
        Ok::<_, tonic::Status>((inbound, first))
    };
    let (inbound, first) = match tokio::time::timeout(WELCOME_PATIENCE, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(status)) => return Err(ended_by(peer, &status)),
        Err(_) => {
            let seconds = WELCOME_PATIENCE.as_secs();
            return Err(Ended::Broken(format!("{peer} did not welcome within {seconds} s")));
        }
    };
    match first.and_then(|message| message.body) {
        Some(Body::Welcome(welcome)) => Ok(Opened {
            client,
            outbound,
            inbound,
            welcome,
        }),
        Some(Body::Retry(retry)) => Err(Ended::RetryAfter(Duration::from_millis(retry.delay_ms), retry.reason)),
        Some(Body::Refused(refused)) => Err(Ended::Refused(refused.reason)),
        _ => Err(Ended::Broken(format!("{peer} answered the hello with something else"))),
    }
}

/// What an error of the stream means.
pub(super) fn ended_by(peer: &str, status: &tonic::Status) -> Ended {
    if let Some(alert) = tls::alert_behind(status) {
        return Ended::Refused(format!(
            "{peer} does not accept this host's certificate ({alert}): was it revoked, or issued by another site? \
             enrol again with --again and a new install string"
        ));
    }
    let reason = match status.message() {
        "" | "transport error" => format!("the connection with {peer} broke{}", causes(status)),
        message => format!("{peer}: {message} ({:?})", status.code()),
    };
    match status.code() {
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => Ended::Refused(reason),
        _ => Ended::Broken(reason),
    }
}

/// What lies behind an error, in the words of those who met it.
fn causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .map(|cause| format!(": {cause}"))
        .collect()
}
