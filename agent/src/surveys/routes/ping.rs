//! One echo request over a ping socket (`icmp(7)`, "ping sockets"): no privilege, and the kernel hands over only the
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
const PAYLOAD: &[u8] = b"tocsin asks its gateway";

/// Type, code, checksum, identifier, sequence number.
const HEADER_BYTES: usize = 8;

/// How long `gateway`'s answer took; none without an answer within `patience`, or where ping sockets are not allowed.
/// `interface` is the index that a link-local address needs.
pub(super) fn ask(gateway: IpAddr, interface: u32, patience: Duration) -> Option<Duration> {
    let (socket, echo, reply) = open(gateway, interface).ok()?;
    let request = request(echo);
    let began = SystemClock.mono();
    let end = began + patience;
    send(&socket, &request, SendFlags::empty()).ok()?;
    loop {
        let now = SystemClock.mono();
        let left = end.checked_sub(now).filter(|left| !left.is_zero())?;
        if !wait(&socket, left)? {
            return None;
        }
        let mut answer = [0; 256];
        match recv(&socket, &mut answer, RecvFlags::DONTWAIT) {
            Ok((length, _)) if is_reply(&answer[..length.min(answer.len())], reply) => {
                return Some(SystemClock.mono().saturating_sub(began));
            }
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return None, // the kernel could not deliver it
        }
    }
}

fn open(gateway: IpAddr, interface: u32) -> Result<(OwnedFd, u8, u8), Errno> {
    let (family, protocol, echo, reply) = match gateway {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, ECHO_V4, REPLY_V4),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, ECHO_V6, REPLY_V6),
    };
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(protocol))?;
    let to = match gateway {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(address, 0, 0, interface))
        }
        _ => SocketAddr::new(gateway, 0),
    };
    connect(&socket, &to)?;
    Ok((socket, echo, reply))
}

/// The kernel fills in checksum and identifier.
fn request(echo: u8) -> Vec<u8> {
    let mut request = vec![echo, 0, 0, 0, 0, 0, 0, 1];
    request.extend_from_slice(PAYLOAD);
    request
}

fn is_reply(answer: &[u8], reply: u8) -> bool {
    answer.len() >= HEADER_BYTES && answer[0] == reply && &answer[HEADER_BYTES..] == PAYLOAD
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
    fn an_answer_is_ours_by_type_and_payload() {
        let mut answer = request(REPLY_V4);
        assert!(is_reply(&answer, REPLY_V4));
        assert!(!is_reply(&answer, REPLY_V6));
        answer[HEADER_BYTES] ^= 1;
        assert!(!is_reply(&answer, REPLY_V4));
        assert!(!is_reply(&[0; 7], REPLY_V4));
    }

    /// Where ping sockets are allowed the machine answers itself; elsewhere there is no answer, and nothing breaks.
    #[test]
    fn this_machine_answers_where_it_may_be_asked() {
        let own = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let allowed = open(own, 0).is_ok();
        let answer = ask(own, 0, Duration::from_secs(10));
        assert_eq!(answer.is_some(), allowed);
    }
}
