//! Echo requests over a ping socket (`icmp(7)`, "ping sockets"): no privilege, and the kernel hands over only the
//! answers to what was asked.

use crate::clock::{Clock as _, SystemClock};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send, socket_with},
};
use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    time::Duration,
};

/// Types of RFC 792 and RFC 4443.
const ECHO_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const ECHO_V6: u8 = 128;
const REPLY_V6: u8 = 129;

/// What the request carries after its header, so that an answer is known to be ours.
const PAYLOAD: &[u8] = b"tocsin asks whether you are there";
/// Longest answer that is read; ours are shorter.
pub(crate) const ANSWER_BYTES_MAX: usize = 256;

/// Type, code, checksum, identifier, sequence number.
const HEADER_BYTES: usize = 8;

/// How long `gateway`'s answer took; none without an answer within `patience`, or where ping sockets are not allowed.
/// `interface` is the index that a link-local address needs.
pub(crate) fn ask(gateway: IpAddr, interface: u32, patience: Duration) -> Option<Duration> {
    let Echo { socket, kind } = Echo::open(gateway, interface).ok()?;
    let request = kind.request(1);
    let began = SystemClock.mono();
    let end = began + patience;
    send(&socket, &request, SendFlags::empty()).ok()?;
    loop {
        let now = SystemClock.mono();
        let left = end.checked_sub(now).filter(|left| !left.is_zero())?;
        if !wait(&socket, left)? {
            return None;
        }
        let mut answer = [0; ANSWER_BYTES_MAX];
        match recv(&socket, &mut answer, RecvFlags::DONTWAIT) {
            Ok((length, _)) if kind.answered(&answer[..length.min(answer.len())]) == Some(1) => {
                return Some(SystemClock.mono().saturating_sub(began));
            }
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return None, // the kernel could not deliver it
        }
    }
}

/// A ping socket that is connected to whom it asks. It never blocks.
pub(crate) struct Echo {
    pub(crate) socket: OwnedFd,
    pub(crate) kind: EchoKind,
}

/// The types of request and answer in one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EchoKind {
    request: u8,
    reply: u8,
}

impl Echo {
    /// A socket to `target`. `interface` is the index that a link-local address needs.
    ///
    /// # Errors
    /// `EACCES` where the system does not allow ping sockets, see [`allowed_groups`].
    pub(crate) fn open(target: IpAddr, interface: u32) -> Result<Self, Errno> {
        let (family, protocol, request, reply) = match target {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, ECHO_V4, REPLY_V4),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, ECHO_V6, REPLY_V6),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, Some(protocol))?;
        let to = match target {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                SocketAddr::V6(SocketAddrV6::new(address, 0, 0, interface))
            }
            _ => SocketAddr::new(target, 0),
        };
        connect(&socket, &to)?;
        let kind = EchoKind { request, reply };
        Ok(Self { socket, kind })
    }
}

impl EchoKind {
    /// A request of this number; the kernel fills in checksum and identifier.
    pub(crate) fn request(self, number: u16) -> Vec<u8> {
        let [high, low] = number.to_be_bytes();
        let mut request = vec![self.request, 0, 0, 0, 0, 0, high, low];
        request.extend_from_slice(PAYLOAD);
        request
    }

    /// Which request is answered; none when it is no answer to one of ours.
    pub(crate) fn answered(self, answer: &[u8]) -> Option<u16> {
        let (header, payload) = answer.split_at_checked(HEADER_BYTES)?;
        (header[0] == self.reply && payload == PAYLOAD).then(|| u16::from_be_bytes([header[6], header[7]]))
    }
}

/// The groups whose processes may open ping sockets, as the kernel writes them: two numbers.
pub(crate) fn allowed_groups() -> String {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wait(socket: &OwnedFd, left: Duration) -> Option<bool> {
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).ok()?,
        tv_nsec: left.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&timeout)) {
        Ok(0) => Some(false),
        Ok(_) | Err(Errno::INTR) => Some(true),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn an_answer_is_ours_by_type_and_payload_and_names_its_request() {
        let kind = |request, reply| EchoKind { request, reply };
        let (asking, v6) = (kind(ECHO_V4, REPLY_V4), kind(ECHO_V6, REPLY_V6));
        // What the far end makes of a request: another type, the same number and payload.
        let mut answer = kind(REPLY_V4, 0).request(259);
        assert_eq!(asking.answered(&answer), Some(259));
        assert_eq!(v6.answered(&answer), None);
        answer[HEADER_BYTES] ^= 1;
        assert_eq!(asking.answered(&answer), None);
        assert_eq!(asking.answered(&[0; 7]), None);
    }

    /// Where ping sockets are allowed the machine answers itself; elsewhere there is no answer, and nothing breaks.
    #[test]
    fn this_machine_answers_where_it_may_be_asked() {
        let own = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let allowed = Echo::open(own, 0).is_ok();
        let answer = ask(own, 0, Duration::from_secs(10));
        assert_eq!(answer.is_some(), allowed);
    }
}
