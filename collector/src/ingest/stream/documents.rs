//! Documents: offered one at a time, asked for when their content is not here, checked, kept, acknowledged.
//!
//! A content is taken over from an earlier version only of the same host: a host can't come by what another one has by
//! naming its hash.

use super::{BUSY_RETRY, Stream, end::End};
use crate::ingest::{thread::at_home, wire};
use std::sync::Arc;
use tocsin_console::backend::Change;
use tocsin_ledger::{Ledger, LedgerError, NewDocument};
use tocsin_proto::{
    DOCUMENT_BYTES_MAX, DOCUMENT_NAME_BYTES_MAX, DOCUMENT_PIECE_BYTES_MAX,
    v1::{self, collector_message::Body},
};
use tocsin_vocabulary::{Code, DiagnosisId, DocumentId, Hash, Timestamp};

/// What a document may be.
const KINDS: [&str; 4] = ["diagnosis", "file", "inventory", "parts"];
/// As what it may be shown.
const MEDIA: [&str; 2] = ["application/json", "text/plain"];

/// A document whose content is on its way.
pub(super) struct Arriving {
    number: u64,
    document: NewDocument,
    size: usize,
    content: Vec<u8>,
}

impl Stream {
    pub(super) async fn document(&mut self, offer: v1::DocumentOffer, now: Timestamp) -> Result<(), End> {
        self.arriving = None;
        let number = offer.number;
        let size = usize::try_from(offer.size).unwrap_or(usize::MAX);
        let document = match self.sound(offer, now)? {
            Ok(document) => document,
            Err(refused) => return self.answer(number, refused).await,
        };
        if let Some(refused) = self.unasked(&document).await? {
            return self.answer(number, refused).await;
        }
        let known = document.clone();
        if self
            .ask(move |ledger| async move { ledger.has_document(&known).await })
            .await?
        {
            return self.answer(number, String::new()).await;
        }
        if !self.parts.live.brings_document(document.host, size, now) {
            let refused = "this host brought more documents than a day allows: let its agent watch fewer files";
            return self.answer(number, refused.to_owned()).await;
        }
        let (host, content) = (document.host, document.hash.clone());
        if self
            .ask(move |ledger| async move { ledger.has_content(host, &content).await })
            .await?
        {
            return self.keep(number, document, None).await;
        }
        let hash = Hash::from_hex(&document.hash).map(|hash| hash.as_bytes().to_vec());
        self.arriving = Some(Box::new(Arriving {
            number,
            document,
            size,
            content: Vec::new(),
        }));
        self.say(Body::DocumentNeed(v1::DocumentNeed {
            hash: hash.unwrap_or_default().into(),
            offset: 0,
        }))
        .await
    }

    pub(super) async fn piece(&mut self, piece: v1::DocumentPiece) -> Result<(), End> {
        // What was not asked for is not heard.
        let Some(mut arriving) = self.arriving.take() else {
            return Ok(());
        };
        let length = arriving.content.len();
        let fits = piece.offset == u64::try_from(length).unwrap_or(u64::MAX)
            && piece.bytes.len() <= DOCUMENT_PIECE_BYTES_MAX
            && length + piece.bytes.len() <= arriving.size;
        if !fits {
            return Err(End::Refused(
                Code::InvalidInput,
                "a piece of a document does not follow the one before".to_owned(),
            ));
        }
        arriving.content.extend_from_slice(&piece.bytes);
        if !piece.last {
            self.arriving = Some(arriving);
            return Ok(());
        }
        let Arriving {
            number,
            document,
            content,
            ..
        } = *arriving;
        if Hash::of(&content).to_string() != document.hash {
            let refused = "its content is not what its hash says".to_owned();
            return self.answer(number, refused).await;
        }
        self.keep(number, document, Some(content)).await
    }

    async fn keep(&self, number: u64, document: NewDocument, content: Option<Vec<u8>>) -> Result<(), End> {
        let (ledger, host) = (self.parts.ledger.clone(), document.host);
        let kept = at_home(&self.parts.home, async move {
            ledger.keep_document(&document, content.as_deref()).await
        });
        match kept.await {
            Ok(()) => {
                self.parts.live.ring(Change::Documents(host));
                self.answer(number, String::new()).await
            }
            // There is room in the ledger, but not for this.
            Err(error @ LedgerError::Exhausted { .. }) => self.answer(number, error.to_string()).await,
            Err(error) => Err(busy(error)),
        }
    }

    /// Asks the ledger, where its connections are served.
    async fn ask<T, F>(&self, question: impl FnOnce(Arc<Ledger>) -> F) -> Result<T, End>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, LedgerError>> + Send + 'static,
    {
        let asked = at_home(&self.parts.home, question(self.parts.ledger.clone()));
        asked.await.map_err(busy)
    }

    async fn answer(&self, number: u64, refused: String) -> Result<(), End> {
        if !refused.is_empty() {
            let (host, name) = (self.parts.record.id, &self.parts.record.name);
            tracing::warn!(%host, name, reason = refused, "a document is not taken");
        }
        self.say(Body::DocumentAck(v1::DocumentAck { number, refused })).await
    }

    /// A version within its bounds, or why it is refused.
    fn sound(&mut self, offer: v1::DocumentOffer, now: Timestamp) -> Result<Result<NewDocument, String>, End> {
        let refused = |reason: &str| Ok(Err(reason.to_owned()));
        let Some(hash) = Hash::from_slice(&offer.hash) else {
            return refused("its hash is not 32 bytes");
        };
        if !KINDS.contains(&offer.kind.as_str()) {
            return refused("its kind is not known here: upgrade the collector");
        }
        if !MEDIA.contains(&offer.media.as_str()) {
            return refused("its media type is not known here: upgrade the collector");
        }
        if offer.size > DOCUMENT_BYTES_MAX as u64 || offer.name.len() > DOCUMENT_NAME_BYTES_MAX {
            return refused("it or its name is too large");
        }
        Ok(Ok(NewDocument {
            id: self.next_document(now)?,
            host: self.parts.record.id,
            kind: offer.kind,
            name: offer.name,
            at: Timestamp::from_millis(offer.time_ms),
            received_at: now,
            hash: hash.to_string(),
            media: offer.media,
            attributes: wire::attributes_of(offer.attributes),
        }))
    }

    fn next_document(&mut self, now: Timestamp) -> Result<DocumentId, End> {
        if self.ids.is_none() {
            let ids = crate::clock::ids().map_err(|error| End::Retry(BUSY_RETRY, error.to_string()))?;
            self.ids = Some(Box::new(ids));
        }
        match &mut self.ids {
            Some(ids) => Ok(DocumentId::next(ids, now)),
            None => Err(End::Gone),
        }
    }

    /// Why a diagnosis that nobody asked this host for is refused.
    async fn unasked(&self, document: &NewDocument) -> Result<Option<String>, End> {
        if document.kind != "diagnosis" {
            return Ok(None);
        }
        let asked = match document.name.parse::<DiagnosisId>() {
            Ok(id) => {
                let host = document.host;
                self.ask(move |ledger| async move { ledger.was_asked(host, id).await })
                    .await?
            }
            Err(_) => false,
        };
        Ok((!asked).then(|| "nobody asked for this diagnosis".to_owned()))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn busy(error: LedgerError) -> End {
    End::Retry(BUSY_RETRY, error.to_string())
}
