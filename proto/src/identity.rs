//! A host's identity: the URI SAN of its certificate, `spiffe://tocsin/agent/<uuid>`.

use tocsin_vocabulary::HostId;

const PREFIX: &str = "spiffe://tocsin/agent/";

/// The URI that a host's certificate bears.
#[must_use]
pub fn agent_uri(host: HostId) -> String {
    format!("{PREFIX}{host}")
}

/// The host that a certificate's URI names, if it is an agent's.
#[must_use]
pub fn host_of_uri(uri: &str) -> Option<HostId> {
    uri.strip_prefix(PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tocsin_vocabulary::{IdSource, Timestamp};

    #[test]
    fn a_uri_names_exactly_one_host() {
        let host = HostId::next(&mut IdSource::new(1), Timestamp::from_millis(1));
        assert_eq!(host_of_uri(&agent_uri(host)), Some(host));
        assert_eq!(
            host_of_uri("spiffe://elsewhere/agent/0192f0c1-2345-7abc-8def-0123456789ab"),
            None
        );
        assert_eq!(host_of_uri(&format!("{}/x", agent_uri(host))), None);
    }
}
