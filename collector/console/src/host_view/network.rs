//! Interfaces, adapters' ports, gateways, connections.

use super::{Known, Standing, worst_first};
use crate::parts::Part;

/// A network interface.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    /// Whether it is up and has a link.
    pub(crate) up: Option<bool>,
    /// Bits per second.
    pub(crate) speed: Option<f64>,
    pub(crate) full_duplex: Option<bool>,
    /// Bytes per second.
    pub(crate) received: Option<f64>,
    /// Bytes per second.
    pub(crate) sent: Option<f64>,
    /// Within the last hour.
    pub(crate) errors: Option<f64>,
    /// Slaves that work, and how many there are.
    pub(crate) slaves: Option<(f64, f64)>,
    /// The bond or bridge that it belongs to.
    pub(crate) master: String,
    /// `active-backup`, `802.3ad`.
    pub(crate) mode: String,
}

/// Every network interface but the loopback.
pub(crate) fn interfaces(known: &Known<'_>) -> Vec<Interface> {
    let metrics = ["tocsin.network.up", "system.network.io", "tocsin.network.bond.slaves"];
    let mut names = known.names(&metrics, "network.interface.name");
    names.retain(|name| *name != "lo");
    let mut interfaces: Vec<Interface> = names.into_iter().map(|name| interface(known, name)).collect();
    worst_first(&mut interfaces, |interface| interface.standing.health);
    interfaces
}

fn interface(known: &Known<'_>, name: &str) -> Interface {
    let on = [("network.interface.name", name)];
    let of = |metric: &str| known.value(metric, &on);
    let flag = |metric: &str| of(metric).map(|value| value > 0.0);
    let way = |way: &str| known.rate("system.network.io", &[on[0], ("network.io.direction", way)]);
    let parts: Vec<&Part> = known
        .part("port", name)
        .into_iter()
        .chain(known.part("bond", name))
        .collect();
    let detail = |key: &str| {
        let told = parts.iter().find_map(|part| part.details.get(key));
        told.cloned().unwrap_or_default()
    };
    Interface {
        name: name.to_owned(),
        standing: Standing::of(parts.iter().copied()),
        up: flag("tocsin.network.up"),
        speed: of("tocsin.network.speed"),
        full_duplex: flag("tocsin.network.full_duplex"),
        received: way("receive"),
        sent: way("transmit"),
        errors: known.grown("system.network.errors", &on),
        slaves: of("tocsin.network.bond.slaves.up").zip(of("tocsin.network.bond.slaves")),
        master: detail("master"),
        mode: detail("mode"),
    }
}

/// A port of a Fibre Channel or InfiniBand adapter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adapter<'a> {
    pub(crate) part: &'a Part,
    /// Bits per second.
    pub(crate) speed: Option<f64>,
    /// Bytes per second.
    pub(crate) received: Option<f64>,
    /// Bytes per second.
    pub(crate) sent: Option<f64>,
    /// Within the last hour.
    pub(crate) errors: Option<f64>,
}

/// Ports that are no network interfaces.
pub(crate) fn adapters<'a>(known: &Known<'a>) -> Vec<Adapter<'a>> {
    let mut adapters: Vec<Adapter<'_>> = known
        .parts("port")
        .filter(|part| part.details.contains_key("adapter"))
        .map(|part| {
            let on = [("hw.id", part.id.as_str())];
            let way = |way: &str| known.rate("hw.network.io", &[on[0], ("network.io.direction", way)]);
            Adapter {
                part,
                speed: known.value("tocsin.port.speed", &on),
                received: way("receive"),
                sent: way("transmit"),
                errors: known.grown("hw.errors", &[on[0], ("hw.type", "port")]),
            }
        })
        .collect();
    worst_first(&mut adapters, |adapter| adapter.part.health());
    adapters
}

/// The gateway of a default route.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gateway {
    pub(crate) address: String,
    pub(crate) interface: String,
    /// None when nothing tells.
    pub(crate) reachable: Option<bool>,
    /// Seconds.
    pub(crate) round_trip: Option<f64>,
}

/// Gateways, those that do not answer first.
pub(crate) fn gateways(known: &Known<'_>) -> Vec<Gateway> {
    let metrics = ["tocsin.network.gateway.reachable", "tocsin.network.gateway.round_trip"];
    let mut pairs: Vec<(&str, &str)> = metrics
        .iter()
        .flat_map(|metric| known.all(metric))
        .filter_map(|(series, _)| {
            let interface = series.attribute("network.interface.name")?;
            Some((series.attribute("tocsin.network.gateway")?, interface))
        })
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut gateways: Vec<Gateway> = pairs
        .into_iter()
        .map(|(address, interface)| {
            let on = [
                ("network.interface.name", interface),
                ("tocsin.network.gateway", address),
            ];
            Gateway {
                address: address.to_owned(),
                interface: interface.to_owned(),
                reachable: known.value(metrics[0], &on).map(|value| value > 0.0),
                round_trip: known.value(metrics[1], &on),
            }
        })
        .collect();
    gateways.sort_by_key(|gateway| gateway.reachable != Some(false));
    gateways
}

/// What the host's connections say as a whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Traffic {
    /// By `ipv4` and `ipv6`.
    pub(crate) default_routes: Vec<(String, f64)>,
    /// Share of the table of tracked connections, 0 to 1.
    pub(crate) conntrack: Option<f64>,
    /// TCP connections by state, the most first.
    pub(crate) connections: Vec<(String, f64)>,
    /// Share of the TCP segments that were sent again, 0 to 1.
    pub(crate) retransmits: Option<f64>,
    /// Within the last hour.
    pub(crate) listen_drops: Option<f64>,
}

/// Connections and routes.
pub(crate) fn traffic(known: &Known<'_>) -> Traffic {
    let by = |metric: &str, key: &str| {
        let pairs = known.all(metric).iter();
        let mut pairs: Vec<(String, f64)> = pairs
            .filter_map(|(series, value)| Some((series.attribute(key)?.to_owned(), *value)))
            .collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
        pairs
    };
    let mut connections = by("system.network.connection.count", "network.connection.state");
    connections.retain(|(_, count)| *count > 0.0);
    let again = known.rate("tocsin.network.tcp.retransmits", &[]);
    let sent = known
        .rate("tocsin.network.tcp.segments.sent", &[])
        .filter(|sent| *sent > 0.0);
    Traffic {
        default_routes: by("tocsin.network.routes.default", "network.type"),
        conntrack: known.value("tocsin.network.conntrack.utilization", &[]),
        connections,
        retransmits: again.zip(sent).map(|(again, sent)| (again / sent).min(1.0)),
        listen_drops: known.grown("tocsin.network.tcp.listen.drops", &[]),
    }
}
