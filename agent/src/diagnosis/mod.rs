//! The diagnostic snapshot: what somebody who looks at a sick host would look at first, taken once on request.
//!
//! What it looks at is fixed here and reads only. Of a request nothing is used but its identifier, as the name of the
//! document that answers it. An administrator of the host may forbid it (`diagnosis = false`); then the answer says so.

mod sections;

#[cfg(test)]
mod tests;

use crate::{
    clock::SharedClock,
    config::Config,
    documents::DocumentsHandle,
    sources::is_live,
    surveys::{
        Document, Host,
        tool::{SystemTools, Tools},
    },
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Requests that may wait; beyond it they are not answered.
pub(crate) const REQUESTS_MAX: usize = 4;
/// Length of a request's identifier, a UUID with hyphens.
const REQUEST_BYTES: usize = 36;
/// Pause while the disk does not keep up, and how often it is waited.
const BUSY: Duration = Duration::from_millis(200);
const BUSY_TIMES: usize = 50;

/// Takes snapshots, one after the other.
pub(crate) struct Diagnostician {
    pub(crate) config: watch::Receiver<Config>,
    /// `/`, or a recorded tree.
    pub(crate) root: PathBuf,
    pub(crate) documents: DocumentsHandle,
    pub(crate) clock: SharedClock,
    /// Identifiers, as the collector sent them.
    pub(crate) requests: mpsc::Receiver<String>,
}

impl Diagnostician {
    /// Answers until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let tools: Option<Arc<dyn Tools>> =
            is_live(&self.root).then(|| Arc::new(SystemTools::new(Arc::clone(&self.clock))) as Arc<dyn Tools>);
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => return,
                request = self.requests.recv() => match request {
                    Some(request) => request,
                    None => return stop.cancelled().await,
                },
            };
            if !is_identifier(&request) {
                tracing::warn!("a request for a diagnosis has no identifier and is not answered");
                continue;
            }
            let document = if self.config.borrow().diagnosis {
                tracing::info!(request, "taking a diagnostic snapshot");
                tokio::select! {
                    () = stop.cancelled() => return,
                    document = self.take(request, tools.clone()) => document,
                }
            } else {
                tracing::info!(request, "a diagnostic snapshot was asked for, and is forbidden here");
                Some(refusal(request))
            };
            if let Some(document) = document {
                self.hand_over(document).await;
            }
        }
    }

    /// On a thread of its own: a file may hang.
    async fn take(&self, request: String, tools: Option<Arc<dyn Tools>>) -> Option<Document> {
        let (clock, root) = (Arc::clone(&self.clock), self.root.clone());
        let (done, taken) = oneshot::channel();
        let thread = std::thread::Builder::new().name("diagnosis".to_owned()).spawn(move || {
            let began = clock.mono();
            let host = Host::new(&root, clock.wall(), began, tools);
            let text = sections::take(&host, &|| clock.mono().saturating_sub(began));
            // The agent may have stopped meanwhile.
            let _ = done.send(document(request, text, BTreeMap::new()));
        });
        if let Err(error) = thread {
            tracing::warn!(%error, "cannot start the thread of a diagnosis");
            return None;
        }
        tokio::time::timeout(sections::WHOLE_DEADLINE * 2, taken)
            .await
            .ok()?
            .ok()
    }

    async fn hand_over(&self, document: Document) {
        let mut documents = vec![document];
        for _ in 0..BUSY_TIMES {
            match self.documents.put(documents, self.clock.wall()) {
                Ok(()) => return,
                Err(again) => documents = again,
            }
            tokio::time::sleep(BUSY).await;
        }
        tracing::warn!("a diagnosis was given up: the disk does not keep up");
    }
}

fn document(request: String, text: String, attributes: BTreeMap<String, String>) -> Document {
    Document {
        kind: "diagnosis",
        name: request,
        media: "text/plain",
        bytes: text.into_bytes(),
        attributes,
    }
}

fn refusal(request: String) -> Document {
    let text = "diagnosis is switched off in this host's agent.toml (`diagnosis = false`)\n".to_owned();
    let attributes = BTreeMap::from([("refused".to_owned(), "true".to_owned())]);
    document(request, text, attributes)
}

/// Whether a request's name looks like a UUID: nothing else is written anywhere.
fn is_identifier(request: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    request.len() == REQUEST_BYTES && request.bytes().all(sound)
}
