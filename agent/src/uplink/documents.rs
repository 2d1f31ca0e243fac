//! Documents on a stream: one is offered at a time, its content follows in pieces when it is wanted, and the next one
//! follows the answer. They go when nothing else does: a live tick never waits for more than one piece.

use super::message::message;
use crate::documents::{DocumentsHandle, DocumentsView, Version};
use std::future::pending;
use tocsin_proto::{
    DOCUMENT_PIECE_BYTES_MAX,
    v1::{AgentMessage, DocumentAck, DocumentNeed, DocumentOffer, DocumentPiece, agent_message::Body},
};
use tocsin_vocabulary::Hash;
use tokio::sync::{oneshot, watch};

enum State {
    /// The next one may be offered.
    Idle,
    /// Offered, and not answered.
    Offered(Version),
    /// Its content is being read.
    Reading(Version, u64, oneshot::Receiver<Option<Vec<u8>>>),
    /// Its content is on its way; the rest begins here.
    Sending(Version, Vec<u8>, usize),
}

/// What one stream does about documents.
pub(super) struct Documents {
    handle: DocumentsHandle,
    view: watch::Receiver<DocumentsView>,
    state: State,
    /// Everything up to this number was offered on this stream, or need not be.
    cursor: u64,
    /// Offers also what a collector has.
    all: bool,
}

impl Documents {
    pub(super) fn new(handle: DocumentsHandle, all: bool) -> Self {
        let view = handle.view();
        Self {
            handle,
            view,
            state: State::Idle,
            cursor: 0,
            all,
        }
    }

    /// Whether [`Self::next`] has something to send.
    pub(super) fn is_ready(&self) -> bool {
        match self.state {
            State::Idle => self.upcoming().is_some(),
            State::Sending(..) => true,
            State::Offered(_) | State::Reading(..) => false,
        }
    }

    fn upcoming(&self) -> Option<Version> {
        let view = self.view.borrow();
        let mut wanted = view.versions.iter().filter(|version| self.all || !version.acked);
        wanted.find(|version| version.number > self.cursor).cloned()
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Option<AgentMessage> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {
                let version = self.upcoming()?;
                self.cursor = version.number;
                let offer = offer(&version)?;
                self.state = State::Offered(version);
                Some(message(Body::Document(offer)))
            }
            State::Sending(version, content, from) => {
                let to = content.len().min(from + DOCUMENT_PIECE_BYTES_MAX);
                let last = to == content.len();
                let piece = DocumentPiece {
                    hash: bytes_of(&version.hash)?,
                    offset: u64::try_from(from).unwrap_or(u64::MAX),
                    bytes: content[from..to].to_vec().into(),
                    last,
                };
                self.state = if last {
                    State::Offered(version)
                } else {
                    State::Sending(version, content, to)
                };
                Some(message(Body::Piece(piece)))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Waits until something changed that may let [`Self::next`] send: a document came, or a content was read.
    pub(super) async fn change(&mut self) {
        match &mut self.state {
            State::Idle => {
                if self.view.changed().await.is_err() {
                    pending::<()>().await;
                }
            }
            State::Reading(_, _, answer) => {
                let content = answer.await;
                let State::Reading(version, offset, _) = std::mem::replace(&mut self.state, State::Idle) else {
                    return;
                };
                match content {
                    Ok(Some(content)) => {
                        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                        self.state = State::Sending(version, content, from);
                    }
                    // It was given up meanwhile.
                    Ok(None) => {}
                    // The disk is slow: it is offered again.
                    Err(_) => self.cursor = version.number - 1,
                }
            }
            State::Offered(_) | State::Sending(..) => pending().await,
        }
    }

    /// The collector wants the content of what was offered.
    pub(super) fn needed(&mut self, need: &DocumentNeed) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Offered(version) if bytes_of(&version.hash).as_ref() == Some(&need.hash) => {
                let answer = self.handle.read(version.hash.clone());
                self.state = State::Reading(version, need.offset, answer);
            }
            other => self.state = other,
        }
    }

    /// The collector has what was offered, or will never take it.
    pub(super) fn acked(&mut self, ack: &DocumentAck) {
        if let State::Offered(version) = &self.state
            && version.number == ack.number
        {
            if !ack.refused.is_empty() {
                let (kind, name, reason) = (&version.kind, &version.name, &ack.refused);
                tracing::warn!(kind, name, reason, "the collector does not take a document");
            }
            self.handle.acked(ack.number);
            self.state = State::Idle;
        }
    }
}

fn bytes_of(hash: &str) -> Option<bytes::Bytes> {
    Hash::from_hex(hash).map(|hash| hash.as_bytes().to_vec().into())
}

fn offer(version: &Version) -> Option<DocumentOffer> {
    Some(DocumentOffer {
        number: version.number,
        kind: version.kind.clone(),
        name: version.name.clone(),
        hash: bytes_of(&version.hash)?,
        size: version.size,
        media: version.media.clone(),
        time_ms: version.time.as_millis(),
        attributes: version.attributes.clone().into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_hash_is_one() {
        let hash = Hash::of(b"one");
        assert_eq!(bytes_of(&hash.to_string()).unwrap().as_ref(), hash.as_bytes());
        for bad in ["", "zz", &"0".repeat(63), &"0".repeat(66), "é"] {
            assert_eq!(bytes_of(bad), None, "{bad}");
        }
    }
}
