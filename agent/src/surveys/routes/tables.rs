//! The kernel's tables of routes and neighbours: `/proc/net/route`, `/proc/net/ipv6_route`, `/proc/net/arp` (`proc(5)`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `RTF_UP` of `route(8)`.
const UP: u32 = 0x1;
/// `RTF_REJECT`: nothing goes there.
const REJECT: u32 = 0x200;
/// `ATF_COM` and `ATF_PERM` of `arp(7)`: the neighbour's address is known.
const COMPLETE: u32 = 0x2 | 0x4;

/// A default route.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) interface: String,
    /// None on links that need none.
    pub(super) gateway: Option<IpAddr>,
}

/// Default routes of the IPv4 table. Addresses are in the machine's own byte order, as the kernel prints them.
pub(super) fn defaults_v4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, flags, _, _, _, mask, ..] = fields.as_slice() else {
            return None;
        };
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let flags = number(flags)?;
        if number(destination)? != 0 || number(mask)? != 0 || flags & UP == 0 || flags & REJECT != 0 {
            return None;
        }
        let gateway = Ipv4Addr::from(number(gateway)?.to_ne_bytes());
        Some(Route {
            interface: (*interface).to_owned(),
            gateway: (!gateway.is_unspecified()).then_some(IpAddr::V4(gateway)),
        })
    };
    text.lines().filter_map(route).collect()
}

/// Default routes of the IPv6 table.
pub(super) fn defaults_v6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, _, _, _, flags, interface] = fields.as_slice() else {
            return None;
        };
        let address = |text: &str| u128::from_str_radix(text, 16).ok();
        let flags = u32::from_str_radix(flags, 16).ok()?;
        if address(destination)? != 0 || *length != "00" || flags & UP == 0 || flags & REJECT != 0 {
            return None;
        }
        let gateway = Ipv6Addr::from(address(gateway)?);
        Some(Route {
            interface: (*interface).to_owned(),
            gateway: (!gateway.is_unspecified()).then_some(IpAddr::V6(gateway)),
        })
    };
    text.lines().filter_map(route).collect()
}

/// Whether the kernel knows where `address` is; none when it did not have to ask.
pub(super) fn neighbour(text: &str, address: Ipv4Addr, interface: &str) -> Option<bool> {
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [known, _, flags, _, _, on] = fields.as_slice() else {
            return None;
        };
        if known.parse() != Ok(address) || *on != interface {
            return None;
        }
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
        Some(flags & COMPLETE != 0)
    })
}
