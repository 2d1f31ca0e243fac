//! Why nothing is heard from a host, as far as can be known from here.
//!
//! * Nothing is heard from any other host either: the collector may be blind.
//! * It was enrolled and never heard.
//! * Otherwise its last address is asked over TCP. An answer, be it a refusal, proves that a machine there lives, and that
//!   its agent is what is silent; no answer within [`ANSWER_WITHIN`] means that it can't be reached from here.
//!
//! The first page does not wait for the answer: it is added to the alert when it comes. When many hosts fall silent at
//! once only some are asked, for then the answer is the same for all.

use super::{Command, Engine};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tocsin_desk::{
    input::{AlertChange, Turn},
    model::Silence,
};
use tocsin_vocabulary::{HostId, Timestamp};
use tokio::{net::TcpStream, sync::Semaphore};

/// How long a machine may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Machines that are asked at once; further ones are not asked.
pub(super) const ASKED_MAX: usize = 64;
/// What is asked: first where an administrator usually comes in, then a port that hardly anything listens on and that a
/// machine without a packet filter refuses at once.
const PORTS: [u16; 2] = [22, 9];
/// A host that was heard within two of its intervals shows that the collector hears; within these bounds.
const HEARD_LATELY_MIN: Duration = Duration::from_secs(2);
const HEARD_LATELY_MAX: Duration = Duration::from_secs(30);
/// For so long it need not be looked up again.
const LOOKED_UP_FOR: Duration = Duration::from_secs(1);
/// Of fewer hosts none proves anything about the others.
const HOSTS_MIN: usize = 3;

/// Whether anything at an address answers.
async fn answers(address: IpAddr) -> bool {
    for port in PORTS {
        let asked = tokio::time::timeout(ANSWER_WITHIN, TcpStream::connect(SocketAddr::new(address, port)));
        match asked.await {
            Ok(Ok(_)) => return true,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return true,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    false
}

impl Engine {
    /// A rule spoke of a host's silence: says why, or asks.
    pub(super) fn silence_of(&mut self, change: &mut AlertChange, now: Timestamp) {
        match change.turn {
            Turn::Cleared => {
                self.silent.remove(&change.host);
                return;
            }
            Turn::Updated => {
                change.ruling.silence = self.known_silence(change.host);
                return;
            }
            Turn::Raised => {}
        }
        let asked = self.silent.contains_key(&change.host);
        // Another rule may have asked before.
        let known = self.known_silence(change.host);
        change.ruling.silence = self.plain_silence(change.host, now).or(known);
        self.silent.entry(change.host).or_default().push(change.clone());
        if change.ruling.silence.is_none() && !asked {
            self.ask(change.host);
        }
    }

    /// What other alerts of the same silence say.
    fn known_silence(&self, host: HostId) -> Option<Silence> {
        let changes = self.silent.get(&host)?;
        changes.iter().find_map(|change| change.ruling.silence)
    }

    /// What needs no question.
    fn plain_silence(&mut self, host: HostId, now: Timestamp) -> Option<Silence> {
        if self.never_heard.contains(&host) && self.parts.live.presence(host).last_seen_at.is_none() {
            return Some(Silence::NeverHeard);
        }
        let watched = self
            .assets
            .len()
            .saturating_sub(self.gone.len() + self.never_heard.len());
        let blind = watched >= HOSTS_MIN && self.hears_none(host, now);
        blind.then_some(Silence::CollectorBlind)
    }

    /// Whether no host was heard within the time that a host which lives needs for two ticks. That is looked up once for
    /// all that fall silent together.
    fn hears_none(&mut self, host: HostId, now: Timestamp) -> bool {
        if let Some((at, none)) = self.hears_none
            && now.since(at) < LOOKED_UP_FOR
        {
            return none;
        }
        let interval = Duration::from_millis(self.parts.live.presence(host).interval_ms);
        let lately = interval.saturating_mul(2).clamp(HEARD_LATELY_MIN, HEARD_LATELY_MAX);
        let heard = self.parts.live.last_seen(now.minus(lately));
        let none = heard.iter().all(|(other, _)| *other == host);
        self.hears_none = Some((now, none));
        none
    }

    /// A rule wants to know whether the machine of a silent host answers. One that can't be asked is one that does not.
    pub(super) fn ask_for_rules(&mut self, host: HostId) {
        let now = (self.parts.clock)();
        if self.plain_silence(host, now).is_some() || !self.ask(host) {
            self.tell(|rules| rules.answered(host, false, now));
        }
    }

    /// Asks the machine where the host's agent came from, if there is room; answers whether it does.
    fn ask(&self, host: HostId) -> bool {
        let address = self.parts.live.presence(host).address;
        let address = address.or_else(|| self.addresses.get(&host).copied());
        let (Some(address), Some(engine), Ok(place)) = (
            address,
            self.commands.upgrade(),
            Arc::<Semaphore>::clone(&self.asking).try_acquire_owned(),
        ) else {
            return false;
        };
        tokio::spawn(async move {
            let silence = if answers(address).await {
                Silence::AgentSilent
            } else {
                Silence::HostUnreachable
            };
            drop(place);
            // Nobody listens when the engine has stopped.
            let _ = engine.send(Command::Silence(host, silence)).await;
        });
        true
    }

    /// The answer came: the alerts of this silence say so, if they still hold.
    pub(super) fn silence_told(&mut self, host: HostId, silence: Silence) {
        let Some(changes) = self.silent.get_mut(&host) else {
            return;
        };
        for change in changes {
            change.ruling.silence = Some(silence);
            let told = AlertChange {
                turn: Turn::Updated,
                ..change.clone()
            };
            self.unwritten.push(told);
        }
    }
}

/// Where a host may be asked, of what it says of itself: the first address that is not its own loop or link.
pub(super) fn address_of(addresses: &[String]) -> Option<IpAddr> {
    let addresses = addresses.iter().filter_map(|text| text.split('/').next()?.parse().ok());
    let mut routed = addresses.filter(|address: &IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    });
    routed.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_that_refuses_lives() {
        assert!(answers(IpAddr::from([127, 0, 0, 1])).await);
    }

    #[test]
    fn a_host_is_asked_where_others_can_reach_it() {
        let addresses = ["127.0.0.1", "fe80::1", "169.254.1.1", "10.0.0.5/24", "10.0.0.6"];
        let found = address_of(&addresses.map(str::to_owned));
        assert_eq!(found, Some(IpAddr::from([10, 0, 0, 5])));
        assert_eq!(address_of(&[]), None);
    }
}
