//! Who listens: sockets of the kernel's tables, and the processes that hold them as far as the agent may see.

use super::Host;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The state of a listening TCP socket and of an unconnected UDP socket (kernel, `include/net/tcp_states.h`).
const TCP_LISTEN: &str = "0A";
const UDP_UNCONNECTED: &str = "07";
/// Most processes and descriptors of each that are looked through for a socket's owner.
const PROCESSES_MAX: usize = 5_000;
const DESCRIPTORS_MAX: usize = 1_024;
/// Most ports that are told.
const PORTS_MAX: usize = 4_000;
/// Most bytes of each table that are read. Those who listen come first in it.
const TABLE_BYTES_MAX: u64 = 64 << 20;
/// Where ports begin that the kernel gives out by itself, when it does not say.
const EPHEMERAL_FIRST: u16 = 32_768;

/// A port on which somebody listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Port {
    protocol: &'static str,
    port: u16,
    address: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    process: String,
}

/// Listening ports, by protocol and number; `None` when the kernel's tables can't be read.
pub(super) fn listening(host: &Host) -> Option<Vec<Port>> {
    let ephemeral = host
        .text("proc/sys/net/ipv4/ip_local_port_range")
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(EPHEMERAL_FIRST);
    let mut readable = false;
    let mut sockets: BTreeMap<u64, Port> = BTreeMap::new();
    let mut ports = BTreeSet::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        let read = host.each_line(format!("proc/net/{protocol}"), TABLE_BYTES_MAX, |line| {
            let Some((port, inode)) = socket(&String::from_utf8_lossy(line), protocol) else {
                return;
            };
            // What a client was given for a moment is nobody's service.
            if port.protocol == "udp" && port.port >= ephemeral {
                return;
            }
            if inode == 0 {
                ports.insert(port);
            } else if sockets.len() < PORTS_MAX {
                sockets.insert(inode, port);
            }
        });
        readable |= read.is_some();
    }
    if !readable {
        return None;
    }
    name_owners(host, &mut sockets);
    ports.extend(sockets.into_values());
    Some(ports.into_iter().take(PORTS_MAX).collect())
}

fn socket(line: &str, protocol: &str) -> Option<(Port, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let (protocol, wanted) = if protocol.starts_with("tcp") {
        ("tcp", TCP_LISTEN)
    } else {
        ("udp", UDP_UNCONNECTED)
    };
    if state != wanted {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = Port {
        protocol,
        port: u16::from_str_radix(port, 16).ok()?,
        address: address_of(address)?.to_string(),
        process: String::new(),
    };
    Some((port, inode))
}

/// The kernel prints words of 32 bits in the machine's own order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    let (words, rest) = hex.as_bytes().as_chunks::<8>();
    for word in words.iter().filter(|_| rest.is_empty()) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes.as_slice())
        .ok()
        .map(|sixteen| Ipv6Addr::from(sixteen).into())
}

fn name_owners(host: &Host, sockets: &mut BTreeMap<u64, Port>) {
    let mut left = sockets.len();
    let processes = host.entries("proc");
    let processes = processes
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    for process in processes.take(PROCESSES_MAX) {
        if left == 0 {
            return;
        }
        let folder = format!("proc/{process}/fd");
        for descriptor in host.entries(&folder).iter().take(DESCRIPTORS_MAX) {
            let Some(link) = host.link_name(format!("{folder}/{descriptor}")) else {
                continue;
            };
            let inode = link
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            let Some(port) = inode.and_then(|inode: u64| sockets.get_mut(&inode)) else {
                continue;
            };
            if port.process.is_empty() {
                port.process = host.text(format!("proc/{process}/comm")).unwrap_or_default();
                left -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    #[test]
    fn only_who_listens_is_told() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0";
        let (port, inode) = socket(line, "tcp").unwrap();
        assert_eq!((port.port, port.address.as_str(), inode), (8080, "127.0.0.1", 12_345));
        assert!(socket(&line.replace(" 0A ", " 01 "), "tcp").is_none());
        let six = line.replace("0100007F", "00000000000000000000000001000000");
        assert_eq!(socket(&six, "tcp6").unwrap().0.address, "::1");
        assert!(socket(&line.replace("0100007F", "0100"), "tcp").is_none());
    }

    #[test]
    fn any_table_is_survived() {
        bolero::check!().with_type::<String>().for_each(timed(|line: &String| {
            let _ = socket(line, "tcp");
            let _ = socket(line, "udp6");
        }));
    }
}
