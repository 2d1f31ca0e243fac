//! Between the agent's own types and the wire's.

use crate::{
    ranges::Ranges,
    spool::{Gap, StoredEvent, StoredTick},
};
use tocsin_proto::v1::{self, AgentMessage, Batch, Chunk, DictionaryOffer, Events, Sections, agent_message::Body};
use tocsin_vocabulary::{Dictionary, Hash};

/// A message of this body.
pub(super) const fn message(body: Body) -> AgentMessage {
    AgentMessage { body: Some(body) }
}

pub(super) fn batch(seq: u64, payload: Vec<u8>) -> Batch {
    Batch {
        seq,
        payload: payload.into(),
    }
}

pub(super) fn chunk(ticks: Vec<StoredTick>) -> AgentMessage {
    let batches = ticks.into_iter().map(|tick| batch(tick.seq, tick.payload)).collect();
    message(Body::Backlog(Chunk { batches }))
}

pub(super) fn offer(dictionary: &Dictionary) -> AgentMessage {
    let sections = dictionary
        .sections()
        .iter()
        .map(|section| section.hash().as_bytes().to_vec().into())
        .collect();
    message(Body::Offer(DictionaryOffer {
        hash: dictionary.hash().as_bytes().to_vec().into(),
        sections,
    }))
}

/// The sections of `dictionary` that were asked for, split so that no message grows beyond `bytes_max`.
pub(super) fn sections(dictionary: &Dictionary, needed: &[Hash], bytes_max: usize) -> Vec<AgentMessage> {
    let mut messages = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for section in dictionary
        .sections()
        .iter()
        .filter(|section| needed.contains(&section.hash()))
    {
        let section = section.bytes();
        if bytes > 0 && bytes + section.len() > bytes_max {
            messages.push(message(Body::Sections(Sections {
                sections: std::mem::take(&mut part),
            })));
            bytes = 0;
        }
        bytes += section.len();
        part.push(section.into());
    }
    if !part.is_empty() {
        messages.push(message(Body::Sections(Sections { sections: part })));
    }
    messages
}

pub(super) fn events(events: Vec<StoredEvent>) -> AgentMessage {
    let events = events
        .into_iter()
        .map(|event| v1::Event {
            seq: event.seq,
            time_ms: event.time.as_millis(),
            name: event.name,
            severity: event.severity.as_str().to_owned(),
            attributes: event.attributes.into_iter().collect(),
            body: event.body,
        })
        .collect();
    message(Body::Events(Events { events }))
}

pub(super) fn gap(gap: &Gap) -> AgentMessage {
    message(Body::Gap(v1::Gap {
        first_seq: gap.first,
        last_seq: gap.last,
        from_ms: gap.from.as_millis(),
        to_ms: gap.to.as_millis(),
        reason: gap.reason.as_str().to_owned(),
    }))
}

pub(super) fn ranges(wire: &[v1::Range]) -> Ranges {
    Ranges::of(wire.iter().map(|range| (range.first, range.last)))
}
