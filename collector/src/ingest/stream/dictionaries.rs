//! Dictionaries: offered, asked for, kept. What a host measures beyond a limit is refused to that host, in words that
//! tell what to do about it.

use super::{Stream, end::End};
use bytes::Bytes;
use tocsin_metrics::StoreError;
use tocsin_proto::v1::{self, collector_message::Body};
use tocsin_vocabulary::{
    Code, Hash,
    series::{ATTRIBUTES_MAX, DECIMALS_MAX, SectionError, TEXT_BYTES_MAX},
};

/// Most sections of one dictionary.
const SECTIONS_MAX: usize = 256;
/// Most dictionaries of one stream that wait for sections.
const OFFERS_MAX: usize = 16;

/// A dictionary that was offered and is not complete yet.
pub(super) struct Offered {
    dictionary: Bytes,
    sections: Vec<Hash>,
}

impl Stream {
    /// Answers what is missing of an offered dictionary; nothing missing means that it is ready to be used.
    pub(super) async fn offer(&mut self, offer: v1::DictionaryOffer) -> Result<(), End> {
        if offer.sections.len() > SECTIONS_MAX || self.offered.len() >= OFFERS_MAX {
            let reason = format!("a dictionary may have {SECTIONS_MAX} sections, a stream {OFFERS_MAX} open offers");
            return Err(End::Refused(Code::ResourceExhausted, reason));
        }
        if Hash::from_slice(&offer.hash).is_none() {
            return Err(End::Refused(
                Code::InvalidInput,
                "a dictionary's hash is not 32 bytes".to_owned(),
            ));
        }
        let hashes: Option<Vec<Hash>> = offer.sections.iter().map(|bytes| Hash::from_slice(bytes)).collect();
        let sections =
            hashes.ok_or_else(|| End::Refused(Code::InvalidInput, "a section's hash is not 32 bytes".to_owned()))?;
        if self.is_known(&offer.hash, &sections) {
            return self.ready(offer.hash).await;
        }
        let missing = self.parts.store.missing_sections(&sections);
        self.offered.push(Offered {
            dictionary: offer.hash.clone(),
            sections,
        });
        if missing.is_empty() {
            return self.settle().await;
        }
        let sections = missing.iter().map(|hash| hash.as_bytes().to_vec().into()).collect();
        self.say(Body::Need(v1::DictionaryNeed {
            dictionary: offer.hash,
            sections,
        }))
        .await
    }

    pub(super) async fn sections(&mut self, sections: v1::Sections) -> Result<(), End> {
        if sections.sections.len() > SECTIONS_MAX {
            return Err(End::Refused(
                Code::ResourceExhausted,
                "too many sections in one message".to_owned(),
            ));
        }
        let bytes = sections.sections.iter().map(|section| section.len()).sum();
        let now = (self.parts.clock)();
        if !self.parts.live.brings_sections(self.parts.record.id, bytes, now) {
            let reason = format!(
                "the series of host {} change too often: it brought more new dictionaries than a day allows; leave out \
                 what comes and goes in its agent.toml",
                self.parts.record.name
            );
            return Err(End::Refused(Code::ResourceExhausted, reason));
        }
        let store = self.parts.store.clone();
        let put = tokio::task::spawn_blocking(move || {
            let sections: Vec<Vec<u8>> = sections.sections.iter().map(|bytes| bytes.to_vec()).collect();
            store.put_sections(&sections)
        });
        let put = put.await.map_err(|_| End::Gone)?;
        put.map_err(|error| self.refusal(error))?;
        self.settle().await
    }

    /// Keeps every offered dictionary that is complete, and says that it is ready.
    async fn settle(&mut self) -> Result<(), End> {
        let store = self.parts.store.clone();
        let complete = self
            .offered
            .extract_if(.., |offered| store.missing_sections(&offered.sections).is_empty());
        for Offered { dictionary, sections } in complete.collect::<Vec<_>>() {
            let store = self.parts.store.clone();
            let put = tokio::task::spawn_blocking(move || store.put_dictionary(&sections));
            let put = put.await.map_err(|_| End::Gone)?;
            let kept = put.map_err(|error| self.refusal(error))?;
            self.check_series(kept.len())?;
            self.ready(dictionary).await?;
        }
        Ok(())
    }

    /// Whether a dictionary is kept already and may be used: what most streams offer after a restart.
    fn is_known(&self, dictionary: &[u8], sections: &[Hash]) -> bool {
        let known = Hash::from_slice(dictionary).and_then(|hash| self.parts.store.dictionary(hash));
        known.is_some_and(|known| {
            self.check_series(known.len()).is_ok()
                && known
                    .sections()
                    .iter()
                    .map(|section| section.hash())
                    .eq(sections.iter().copied())
        })
    }

    async fn ready(&self, dictionary: Bytes) -> Result<(), End> {
        let sections = Vec::new();
        self.say(Body::Need(v1::DictionaryNeed { dictionary, sections })).await
    }

    fn check_series(&self, found: usize) -> Result<(), End> {
        let max = self.parts.capacity.limits.series_per_host;
        if u32::try_from(found).is_ok_and(|found| found <= max) {
            return Ok(());
        }
        let reason = format!(
            "host {} measures {found} series, the limit is {max} per host: let it measure less (fewer mounts, \
             interfaces or process groups in its agent.toml), or raise limits.series_per_host in collector.toml",
            self.parts.record.name
        );
        Err(End::Refused(Code::ResourceExhausted, reason))
    }

    /// What the store refused, in words for whoever looks after the host.
    fn refusal(&self, error: StoreError) -> End {
        match error {
            StoreError::Limit {
                what: "series", found, ..
            } => match self.check_series(found) {
                Err(end) => end,
                Ok(()) => error.into(),
            },
            StoreError::Section(SectionError::Limit(what)) => End::Refused(
                Code::ResourceExhausted,
                format!(
                    "host {} measures a series with too many or too long {what}: a series may have {ATTRIBUTES_MAX} \
                     attributes, texts of {TEXT_BYTES_MAX} bytes and {DECIMALS_MAX} decimals; leave it out in the \
                     host's agent.toml",
                    self.parts.record.name
                ),
            ),
            error => error.into(),
        }
    }
}
