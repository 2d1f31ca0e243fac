//! The way out of the host: default routes and whether their gateways answer.
//!
//! A gateway is asked with one echo request over an unprivileged ping socket where the system allows that
//! (`net.ipv4.ping_group_range`); nothing goes further than this first hop. A gateway that answers no pings is judged by
//! the kernel's own table of neighbours. Where neither tells, nothing is told.

mod tables;

use super::{Findings, Host, Survey};
use crate::echo;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};
use tables::Route;
use tocsin_vocabulary::Severity;

/// Most gateways that are asked.
const GATEWAYS_MAX: usize = 8;
/// How long a gateway has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks a gateway: its address and the interface's index; how long the answer took.
type Ask = Box<dyn FnMut(IpAddr, u32) -> Option<Duration> + Send>;

/// Looks at default routes.
pub(crate) struct Routes {
    ask: Ask,
    /// Gateways that answered once.
    answered: BTreeSet<IpAddr>,
    /// Gateways that were reachable or not at the last look.
    reachable: BTreeMap<(IpAddr, String), bool>,
    /// How many default routes there were, by protocol.
    routes: BTreeMap<&'static str, usize>,
    /// What is so at the first look did not happen now.
    looked: bool,
}

impl Default for Routes {
    fn default() -> Self {
        Self::new(Box::new(|gateway, interface| echo::ask(gateway, interface, PATIENCE)))
    }
}

impl Routes {
    fn new(ask: Ask) -> Self {
        Self {
            ask,
            answered: BTreeSet::new(),
            reachable: BTreeMap::new(),
            routes: BTreeMap::new(),
            looked: false,
        }
    }
}

impl Survey for Routes {
    fn name(&self) -> &'static str {
        "routes"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn budget(&self) -> Duration {
        PATIENCE * 10
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let mut gateways = BTreeMap::new();
        let tables = [
            ("ipv4", "proc/net/route", tables::defaults_v4 as fn(&str) -> Vec<Route>),
            ("ipv6", "proc/net/ipv6_route", tables::defaults_v6),
        ];
        for (family, path, parse) in tables {
            let Some(text) = host.text(path) else { continue };
            let routes = parse(&text);
            self.tell_routes(family, &routes, findings);
            for route in routes {
                if let Some(gateway) = route.gateway {
                    gateways.insert((gateway, route.interface), ());
                }
            }
        }
        let neighbours = host.text("proc/net/arp").unwrap_or_default();
        let mut seen = BTreeMap::new();
        for (gateway, interface) in gateways.into_keys().take(GATEWAYS_MAX) {
            let took = if host.is_live() {
                let index = host.number(format!("sys/class/net/{interface}/ifindex"));
                let index = index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
                (self.ask)(gateway, index)
            } else {
                None
            };
            let state = self.judge(gateway, &interface, took, &neighbours);
            tell(gateway, &interface, took, state, findings);
            if let Some(state) = state {
                self.tell_change(gateway, &interface, state, findings);
                seen.insert((gateway, interface), state);
            }
        }
        self.reachable = seen;
        self.looked = true;
    }
}

impl Routes {
    /// Whether a gateway is there; none when nothing tells.
    fn judge(&mut self, gateway: IpAddr, interface: &str, took: Option<Duration>, neighbours: &str) -> Option<bool> {
        if took.is_some() {
            self.answered.insert(gateway);
            return Some(true);
        }
        let neighbour = match gateway {
            IpAddr::V4(gateway) => tables::neighbour(neighbours, gateway, interface),
            IpAddr::V6(_) => None,
        };
        // One that answered once and whose neighbour entry is gone or was never shown is not there.
        neighbour.or_else(|| self.answered.contains(&gateway).then_some(false))
    }

    fn tell_routes(&mut self, family: &'static str, routes: &[Route], findings: &mut Findings) {
        let count = routes.len();
        let attributes = [("network.type", family)];
        let before = self.routes.insert(family, count);
        let ever = before.is_some_and(|before| before > 0);
        if count > 0 || before.is_some() {
            findings.count(
                "tocsin.network.routes.default",
                &attributes,
                u64::try_from(count).unwrap_or(u64::MAX),
            );
        } else {
            self.routes.remove(family); // a host without a way out, or without this protocol
        }
        let text = |name, severity, body: String, findings: &mut Findings| {
            findings.event(name, severity, vec![("network.type", family.to_owned())], body);
        };
        if ever && count == 0 {
            let body = format!("the default route for {family} is gone");
            text("network.route.gone", Severity::Major, body, findings);
        } else if before == Some(0) && count > 0 {
            let body = format!("there is a default route for {family} again");
            text("network.route.back", Severity::Info, body, findings);
        }
    }

    fn tell_change(&self, gateway: IpAddr, interface: &str, state: bool, findings: &mut Findings) {
        let before = self.reachable.get(&(gateway, interface.to_owned()));
        let (name, severity, word) = match (before, state) {
            (Some(true), false) => ("network.gateway.gone", Severity::Major, "does not answer"),
            (None, false) if self.looked => ("network.gateway.gone", Severity::Major, "does not answer"),
            (Some(false), true) => ("network.gateway.back", Severity::Info, "answers again"),
            _ => return,
        };
        let attributes = vec![
            ("network.interface.name", interface.to_owned()),
            ("tocsin.network.gateway", gateway.to_string()),
        ];
        findings.event(
            name,
            severity,
            attributes,
            format!("gateway {gateway} on {interface} {word}"),
        );
    }
}

fn tell(gateway: IpAddr, interface: &str, took: Option<Duration>, state: Option<bool>, findings: &mut Findings) {
    let gateway = gateway.to_string();
    let attributes = [
        ("network.interface.name", interface),
        ("tocsin.network.gateway", gateway.as_str()),
    ];
    if let Some(state) = state {
        findings.count("tocsin.network.gateway.reachable", &attributes, u64::from(state));
    }
    if let Some(took) = took {
        findings.value("tocsin.network.gateway.round_trip", &attributes, took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
