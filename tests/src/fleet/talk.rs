//! One stream of a simulated host, from hello to its end: the live tick first, then what was kept, under credit.

use super::{
    member::{Member, Surroundings},
    pace,
};
use std::{collections::VecDeque, time::Duration};
use tocsin_agent::ranges::Ranges;
use tocsin_proto::{
    CHUNK_TICKS_MAX, MESSAGE_BYTES_MAX, PROTOCOL,
    v1::{self, AgentMessage, CollectorMessage, agent_message::Body, collector_message, ingest_client::IngestClient},
};
use tocsin_vocabulary::{Timestamp, batch::Encoder};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

/// Messages handed to the transport and not yet taken by it, as an agent has it.
const OUTBOUND_MAX: usize = 4;
/// A collector that has not welcomed after this long is left, as an agent does.
const WELCOME_PATIENCE: Duration = Duration::from_secs(20);
/// Messages that wait for the transport before a host stops making more.
const OUTBOX_MAX: usize = 16;

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The collector asked to come back after a while.
    RetryAfter(Duration, String),
    /// The collector does not want this host.
    Refused(String),
    /// The connection broke.
    Broken(String),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        let reason = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => Self::Refused(reason),
            _ => Self::Broken(reason),
        }
    }
}

/// A live tick that waits for its acknowledgement.
#[derive(Debug)]
struct Waiting {
    seq: u64,
    sent_at: Timestamp,
    since: Instant,
}

/// A welcomed stream.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    member: &'a mut Member,
    surroundings: &'a Surroundings,
    outbound: mpsc::Sender<AgentMessage>,
    outbox: VecDeque<AgentMessage>,
    encoder: Encoder,
    offered: bool,
    /// The collector knows the dictionary.
    ready: bool,
    next_live: u64,
    /// The newest tick that hello told of: up to it what is missing goes as backlog. A collector misses what came
    /// between hello and the first live tick only once that has come, so with ticks that end it goes live.
    horizon: u64,
    /// Backlog sent on this stream.
    sent: Ranges,
    credit: u32,
    waiting: VecDeque<Waiting>,
}

impl<'a> Talk<'a> {
    /// Says hello over `channel` and waits to be welcomed.
    pub(super) async fn open(
        channel: Channel,
        member: &'a mut Member,
        surroundings: &'a Surroundings,
    ) -> Result<(Self, Streaming<CollectorMessage>), Ended> {
        let (outbound, queue) = mpsc::channel(OUTBOUND_MAX);
        let taken = member.pace.taken(pace::now().min(*surroundings.ends.borrow()));
        let hello = v1::Hello {
            protocol: PROTOCOL,
            spool_id: member.spool.to_vec().into(),
            boot_id: "simulated".to_owned(),
            first_seq: if taken == 0 { 0 } else { member.sealed + 1 },
            last_seq: taken,
            interval_ms: u64::try_from(member.pace.interval().as_millis()).unwrap_or(u64::MAX),
            sent_at_ms: pace::now().as_millis(),
            last_event_seq: 0,
        };
        // Sending the first message into an empty queue does not fail.
        let _ = outbound.try_send(message(Body::Hello(hello)));
        let mut client = IngestClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let answered = async {
            let mut inbound = client.stream(ReceiverStream::new(queue)).await?.into_inner();
            let first = inbound.message().await?;
            Ok::<_, Status>((inbound, first))
        };
        let answered = tokio::time::timeout(WELCOME_PATIENCE, answered).await;
        let (inbound, first) = answered.map_err(|_| Ended::Broken("not welcomed in time".to_owned()))??;
        let mut talk = Self {
            member,
            surroundings,
            outbound,
            outbox: VecDeque::new(),
            encoder: Encoder::new(),
            offered: false,
            ready: false,
            next_live: taken + 1,
            horizon: taken,
            sent: Ranges::new(),
            credit: 0,
            waiting: VecDeque::new(),
        };
        match first.and_then(|message| message.body) {
            Some(collector_message::Body::Welcome(welcome)) => talk.welcomed(&welcome),
            Some(other) => {
                return Err(talk
                    .hear(other)
                    .unwrap_or_else(|| Ended::Broken("not welcomed".to_owned())));
            }
            None => return Err(Ended::Broken("closed before a welcome".to_owned())),
        }
        Ok((talk, inbound))
    }

    fn welcomed(&mut self, welcome: &v1::Welcome) {
        let had = self.member.received.clone();
        self.member.holds(&welcome.received, welcome.sealed_seq);
        let tally = &self.surroundings.tally;
        tally.welcomed.add(1);
        tally.forgotten.add(had.minus(&self.member.received).count());
        self.credit = welcome.backlog_credit;
        self.member.progress.is_connected();
    }

    /// Says who this is and what it measures.
    fn offer(&mut self) {
        self.offered = true;
        let number = self.member.machine.number();
        let dictionary = self.member.machine.dictionary();
        let bytes = |hash: tocsin_vocabulary::Hash| hash.as_bytes().to_vec().into();
        let offer = v1::DictionaryOffer {
            hash: bytes(dictionary.hash()),
            sections: dictionary
                .sections()
                .iter()
                .map(|section| bytes(section.hash()))
                .collect(),
        };
        self.outbox
            .push_back(message(Body::Facts(super::register::facts(number))));
        self.outbox.push_back(message(Body::Offer(offer)));
    }

    /// Sends and hears until the stream ends.
    pub(super) async fn run(mut self, mut inbound: Streaming<CollectorMessage>) -> Ended {
        let (mut ends, mut begins) = (self.surroundings.ends.clone(), self.surroundings.begins.clone());
        let outbound = self.outbound.clone();
        loop {
            if !self.offered && *begins.borrow_and_update() {
                self.offer();
            }
            self.fill();
            let pause = self.until_live(*ends.borrow_and_update());
            tokio::select! {
                place = outbound.reserve(), if !self.outbox.is_empty() => {
                    let Ok(place) = place else { return Ended::Broken("the stream takes nothing more".to_owned()) };
                    if let Some(message) = self.outbox.pop_front() {
                        place.send(message);
                    }
                }
                heard = inbound.message() => {
                    let ended = match heard {
                        Ok(Some(CollectorMessage { body: Some(body) })) => self.hear(body),
                        Ok(Some(_)) => None,
                        Ok(None) => Some(Ended::Broken("the collector closed the stream".to_owned())),
                        Err(status) => Some(status.into()),
                    };
                    if let Some(ended) = ended {
                        return ended;
                    }
                }
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => self.tick(),
                Ok(()) = ends.changed() => {}
                Ok(()) = begins.changed(), if !self.offered => {}
            }
        }
    }

    /// Until the next live tick may be sent; none when there will be none, or none may be sent now.
    fn until_live(&self, end: Timestamp) -> Option<Duration> {
        let at = self.member.pace.time(self.next_live);
        let may = self.ready && at <= end && self.outbox.len() < OUTBOX_MAX;
        may.then(|| at.since(pace::now()))
    }

    fn tick(&mut self) {
        let seq = self.next_live;
        let key_frame = self.member.is_key_frame(seq);
        let payload = self.member.encoded(&mut self.encoder, seq, key_frame);
        let (tally, sent_at) = (&self.surroundings.tally, pace::now());
        tally.live.add(1);
        tally.sent_late(sent_at.since(self.member.pace.time(seq)));
        self.count(1, payload.len());
        self.member.machine.failing().sent(seq, sent_at);
        self.waiting.push_back(Waiting {
            seq,
            sent_at,
            since: Instant::now(),
        });
        // Before any chunk that waits.
        self.outbox.push_front(message(Body::Live(batch(seq, payload))));
        self.next_live += 1;
    }

    fn count(&self, ticks: u64, bytes: usize) {
        let tally = &self.surroundings.tally;
        tally.samples.add(ticks * self.member.machine.dictionary().len() as u64);
        tally.bytes.add(bytes as u64);
    }

    /// Makes the next chunk of backlog, when there is credit for it and nothing else waits.
    fn fill(&mut self) {
        if !self.ready || self.credit == 0 || !self.outbox.is_empty() {
            return;
        }
        let missing = self.member.missing(self.horizon).minus(&self.sent);
        let Some((first, last)) = newest_hour(&missing, self.member.pace.ticks_in(Duration::from_secs(3_600))) else {
            return;
        };
        let last = last.min(first + CHUNK_TICKS_MAX as u64 - 1);
        let mut encoder = Encoder::new();
        let batches: Vec<v1::Batch> = (first..=last)
            .map(|seq| batch(seq, self.member.encoded(&mut encoder, seq, false)))
            .collect();
        let bytes = batches.iter().map(|batch| batch.payload.len()).sum();
        self.count(last - first + 1, bytes);
        self.surroundings.tally.backlog.add(last - first + 1);
        self.sent.insert(first, last);
        self.credit -= 1;
        self.outbox.push_back(message(Body::Backlog(v1::Chunk { batches })));
    }

    /// Heeds what the collector says; answers how the stream ends, if it does.
    fn hear(&mut self, body: collector_message::Body) -> Option<Ended> {
        use collector_message::Body as Heard;
        match body {
            Heard::Need(need) if need.sections.is_empty() => self.is_ready(),
            Heard::Need(need) => {
                let dictionary = self.member.machine.dictionary();
                let needed = dictionary.sections().iter().filter(|section| {
                    need.sections
                        .iter()
                        .any(|hash| hash.as_ref() == section.hash().as_bytes())
                });
                let sections = needed.map(|section| section.bytes().into()).collect();
                self.outbox
                    .push_back(message(Body::Sections(v1::Sections { sections })));
            }
            Heard::Ack(ack) => self.acknowledged(&ack),
            Heard::Credit(credit) => self.credit += credit.chunks,
            Heard::Retry(retry) => {
                return Some(Ended::RetryAfter(Duration::from_millis(retry.delay_ms), retry.reason));
            }
            Heard::Refused(refused) => return Some(Ended::Refused(format!("{}: {}", refused.code, refused.reason))),
            // A simulated host offers no documents, and has nothing to diagnose.
            Heard::Welcome(_)
            | Heard::Settings(_)
            | Heard::DocumentNeed(_)
            | Heard::DocumentAck(_)
            | Heard::Diagnose(_) => {}
        }
        None
    }

    fn is_ready(&mut self) {
        if self.ready {
            return;
        }
        self.ready = true;
        self.look_behind();
    }

    fn acknowledged(&mut self, ack: &v1::Ack) {
        self.member.holds(&ack.received, ack.sealed_seq);
        while let Some(first) = self.waiting.front()
            && self.member.received.contains(first.seq)
        {
            self.surroundings
                .tally
                .acknowledged(first.sent_at, first.since.elapsed());
            self.waiting.pop_front();
            self.member.progress.is_live(pace::now());
        }
        self.look_behind();
    }

    fn look_behind(&self) {
        if self.ready && self.member.missing(self.horizon).is_empty() {
            self.member.progress.is_caught_up(pace::now());
        }
    }
}

/// The first stretch of what is missing in the newest hour of it.
fn newest_hour(missing: &Ranges, hour: u64) -> Option<(u64, u64)> {
    let newest = missing.last()?;
    let begin = newest - (newest - 1) % hour;
    missing.within(begin, newest).iter().next()
}

const fn message(body: Body) -> AgentMessage {
    AgentMessage { body: Some(body) }
}

fn batch(seq: u64, payload: Vec<u8>) -> v1::Batch {
    v1::Batch {
        seq,
        payload: payload.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backlog_goes_newest_hour_first_and_forwards_within_it() {
        let mut missing = Ranges::of([(1, 800)]);
        let mut order = Vec::new();
        while let Some((first, last)) = newest_hour(&missing, 360) {
            missing.remove(first, last);
            order.push((first, last));
        }
        assert_eq!(order, [(721, 800), (361, 720), (1, 360)]);
    }
}
