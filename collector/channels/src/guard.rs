//! Whereto anything may go. A configured name is resolved here, and what it resolves to is checked, so that a name whose
//! answer was changed leads nobody to this machine's own services or to a cloud's metadata address.
//!
//! With `allow = ["10.1.0.0/16", "203.0.113.7"]` a channel reaches these addresses and no others. Without it: everything
//! but loopback, link-local (169.254.0.0/16, fe80::/10), unspecified, multicast and broadcast addresses; loopback only
//! when the configuration itself says `localhost` or a loopback address.

use crate::{
    advice::{self, Advice},
    channel::SendError,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};
use tokio::net::TcpStream;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// A block of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address and no block such as 10.0.0.0/8");
        let (base, bits) = text
            .split_once('/')
            .map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let all = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| wrong())?;
        if bits > all {
            return Err(wrong());
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (u128::from(base.to_bits()) ^ u128::from(address.to_bits())) << 96
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => base.to_bits() ^ address.to_bits(),
            _ => return false,
        };
        self.bits == 0 || differ >> (128 - u32::from(self.bits)) == 0
    }
}

/// What one channel may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    allow: Vec<Network>,
    /// The configuration names this machine itself.
    loopback: bool,
}

impl Guard {
    /// For a channel that goes to `host`, and only to `allow` when that is not empty.
    #[must_use]
    pub fn new(allow: Vec<Network>, host: &str) -> Self {
        Self {
            allow,
            loopback: is_loopback(host),
        }
    }

    /// Whether an address may be reached.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if !self.allow.is_empty() {
            return self.allow.iter().any(|network| network.contains(address));
        }
        let link_local = match address {
            IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let forbidden = link_local || address.is_unspecified() || address.is_multicast();
        !forbidden && (self.loopback || !address.is_loopback())
    }

    /// The addresses behind a name that may be reached.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, SendError> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| SendError::temporary(format!("cannot resolve {host}: {error}")).meaning(Advice::Name))?
            .collect();
        let allowed: Vec<_> = found
            .iter()
            .copied()
            .filter(|address| self.allows(address.ip()))
            .collect();
        match (allowed.is_empty(), found.first()) {
            (false, _) => Ok(allowed),
            (true, Some(first)) => {
                let reason = format!(
                    "{host} is at {}, which this channel may not reach: see `allow` in its configuration",
                    first.ip()
                );
                Err(SendError::temporary(reason).meaning(Advice::Forbidden))
            }
            (true, None) => Err(no_address(host)),
        }
    }

    /// A connection to the first allowed address that answers.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, SendError> {
        let mut last = no_address(host);
        for address in self.resolve(host, port).await? {
            match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => {
                    let reason = format!("cannot reach {host}:{port}: {error}");
                    last = SendError::temporary(reason).meaning(advice::of_io(error.kind()));
                }
                Err(_) => {
                    let seconds = CONNECT_TIMEOUT.as_secs();
                    let reason = format!("cannot reach {host}:{port}: no answer in {seconds} s");
                    last = SendError::temporary(reason).meaning(Advice::Silent);
                }
            }
        }
        Err(last)
    }
}

fn no_address(host: &str) -> SendError {
    SendError::temporary(format!("{host} has no address")).meaning(Advice::Name)
}

/// Resolves names for HTTP.
pub(crate) struct Resolver(pub(crate) Guard);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let addresses = guard.resolve(name.as_str(), 0).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether a host is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str], host: &str) -> Guard {
        Guard::new(allow.iter().map(|block| block.parse().unwrap()).collect(), host)
    }

    #[test]
    fn a_name_leads_to_no_service_of_this_machine_and_to_no_metadata_address() {
        let free = guard(&[], "robots.example.com");
        for address in [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ] {
            assert!(!free.allows(address.parse().unwrap()), "{address}");
        }
        assert!(free.allows("10.1.2.3".parse().unwrap()));
        assert!(guard(&[], "localhost").allows("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_list_is_all_that_may_be_reached() {
        let narrow = guard(&["10.1.0.0/16", "203.0.113.7", "fd00::/8"], "localhost");
        for (address, allowed) in [
            ("10.1.255.1", true),
            ("10.2.0.1", false),
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("fd12::1", true),
            ("127.0.0.1", false),
        ] {
            assert_eq!(narrow.allows(address.parse().unwrap()), allowed, "{address}");
        }
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!(guard(&["0.0.0.0/0"], "x").allows("8.8.8.8".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_forbidden_address_is_named_with_the_remedy() {
        let error = guard(&["10.0.0.0/8"], "localhost")
            .connect("127.0.0.1", 1)
            .await
            .unwrap_err();
        assert!(
            error.reason.contains("127.0.0.1") && error.reason.contains("`allow`"),
            "{error}"
        );
        assert_eq!(error.advice, Some(Advice::Forbidden));
    }
}
