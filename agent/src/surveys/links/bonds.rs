//! Bonds: `/proc/net/bonding/NAME`, or `bonding` in `/sys` where the former is missing (kernel documentation
//! `networking/bonding`).

use super::{FOLDER, WINDOW, is_switched_on};
use crate::surveys::{Findings, Host, Part, PartStatus, growth::Growth};
use std::collections::BTreeMap;

/// Most slaves of one bond.
pub(super) const SLAVES_MAX: usize = 64;

/// A partner that never answered.
const NO_PARTNER: &str = "00:00:00:00:00:00";

/// What is remembered of a bond.
#[derive(Debug, Default)]
pub(super) struct Known {
    most_slaves: usize,
    failures: BTreeMap<String, Growth>,
}

/// A bond as the kernel shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Bond {
    pub(super) mode: String,
    /// None when the kernel does not say.
    pub(super) up: Option<bool>,
    pub(super) slaves: Vec<Slave>,
    /// The LACP partner's address; only a privileged agent sees it.
    pub(super) partner: Option<String>,
    /// The aggregator that carries traffic.
    pub(super) aggregator: Option<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slave {
    pub(super) name: String,
    pub(super) up: Option<bool>,
    pub(super) failures: Option<u64>,
    pub(super) aggregator: Option<u64>,
}

impl Bond {
    /// None when `name` is no bond.
    pub(super) fn read(host: &Host, name: &str) -> Option<Self> {
        if let Some(bytes) = host.bytes(format!("proc/net/bonding/{name}")) {
            return Some(Self::parse(&String::from_utf8_lossy(&bytes)));
        }
        let folder = format!("{FOLDER}/{name}");
        let names = host.text(format!("{folder}/bonding/slaves"))?;
        let text = |file: &str| host.text(format!("{folder}/bonding/{file}"));
        let slaves = names.split_whitespace().take(SLAVES_MAX);
        Some(Self {
            mode: text("mode").unwrap_or_default(),
            up: text("mii_status").map(|status| status == "up"),
            slaves: slaves.map(|slave| Slave::read(host, &folder, slave)).collect(),
            partner: text("ad_partner_mac"),
            aggregator: host.number(format!("{folder}/bonding/ad_aggregator")),
        })
    }

    /// The text of `/proc/net/bonding/NAME`: what is before the first slave is the bond's.
    pub(super) fn parse(text: &str) -> Self {
        let mut bond = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if key == "Slave Interface" {
                if bond.slaves.len() == SLAVES_MAX {
                    break;
                }
                bond.slaves.push(Slave {
                    name: value.to_owned(),
                    ..Slave::default()
                });
                continue;
            }
            match (key, bond.slaves.last_mut()) {
                ("Bonding Mode", None) => value.clone_into(&mut bond.mode),
                ("MII Status", None) => bond.up = Some(value == "up"),
                ("Aggregator ID", None) => bond.aggregator = value.parse().ok(),
                ("Partner Mac Address", None) => bond.partner = Some(value.to_owned()),
                ("MII Status", Some(slave)) => slave.up = Some(value == "up"),
                ("Link Failure Count", Some(slave)) => slave.failures = value.parse().ok(),
                ("Aggregator ID", Some(slave)) => slave.aggregator = value.parse().ok(),
                _ => {}
            }
        }
        bond
    }

    /// IEEE 802.3ad, mode 4.
    fn is_lacp(&self) -> bool {
        self.mode.contains("802.3ad")
    }

    fn slaves_up(&self) -> usize {
        self.slaves.iter().filter(|slave| slave.up != Some(false)).count()
    }
}

impl Slave {
    fn read(host: &Host, bond: &str, name: &str) -> Self {
        let folders = [
            format!("{FOLDER}/{name}/bonding_slave"),
            format!("{bond}/lower_{name}/bonding_slave"),
            format!("{bond}/slave_{name}/bonding_slave"),
        ];
        let text = |file: &str| folders.iter().find_map(|folder| host.text(format!("{folder}/{file}")));
        let number = |file: &str| text(file)?.parse().ok();
        Self {
            name: name.to_owned(),
            up: text("mii_status").map(|status| status == "up"),
            failures: number("link_failure_count"),
            aggregator: number("ad_aggregator_id"),
        }
    }
}

impl Known {
    pub(super) fn tell(&mut self, host: &Host, name: &str, bond: &Bond, findings: &mut Findings) {
        let attributes = [("network.interface.name", name)];
        let count = |slaves: usize| u64::try_from(slaves).unwrap_or(u64::MAX);
        findings.count("tocsin.network.bond.slaves", &attributes, count(bond.slaves.len()));
        findings.count("tocsin.network.bond.slaves.up", &attributes, count(bond.slaves_up()));
        let mut failing = Vec::new();
        for slave in &bond.slaves {
            let Some(failures) = slave.failures else { continue };
            let attributes = [("network.interface.name", slave.name.as_str())];
            findings.count("tocsin.network.bond.link_failures", &attributes, failures);
            let growth = self.failures.entry(slave.name.clone()).or_default();
            if growth.note(failures, host.mono, WINDOW) > 0 {
                failing.push(slave.name.as_str());
            }
        }
        self.failures
            .retain(|name, _| bond.slaves.iter().any(|slave| slave.name == *name));
        findings.part(self.judge(name, bond, &failing, is_switched_on(host, name)));
    }

    fn judge(&mut self, name: &str, bond: &Bond, failing: &[&str], switched_on: bool) -> Part {
        let mut part = Part::new("bond", name);
        part.detail("mode", bond.mode.as_str());
        let names: Vec<&str> = bond.slaves.iter().map(|slave| slave.name.as_str()).collect();
        part.detail("slaves", names.join(" "));
        if !switched_on {
            part.detail("state", "switched off");
            return part;
        }
        let (slaves, most) = (bond.slaves.len(), self.most_slaves);
        self.most_slaves = most.max(slaves);
        if slaves == 0 {
            if most > 0 {
                part.judge(PartStatus::Failed, format!("it has none of {most} slaves"));
            }
            return part; // a bond that nobody uses
        }
        if bond.up == Some(false) || bond.slaves_up() == 0 {
            part.judge(PartStatus::Failed, "none of its slaves works");
            return part;
        }
        let list = |test: &dyn Fn(&Slave) -> bool| {
            let names = bond
                .slaves
                .iter()
                .filter(|slave| test(slave))
                .map(|slave| slave.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let down = list(&|slave| slave.up == Some(false));
        let apart =
            list(&|slave| slave.up == Some(true) && slave.aggregator.is_some() && slave.aggregator != bond.aggregator);
        let mut degraded = |holds: bool, reason: String| {
            if holds {
                part.judge(PartStatus::Degraded, reason);
            }
        };
        degraded(!down.is_empty(), format!("down: {down}"));
        degraded(slaves < most, format!("it has {slaves} of {most} slaves"));
        degraded(
            bond.is_lacp() && bond.partner.as_deref() == Some(NO_PARTNER),
            "no LACP partner answers".to_owned(),
        );
        degraded(
            bond.is_lacp() && bond.aggregator.is_some() && !apart.is_empty(),
            format!("outside the active aggregator: {apart}"),
        );
        degraded(
            !failing.is_empty(),
            format!("failed within the last hour: {}", failing.join(", ")),
        );
        part
    }
}
