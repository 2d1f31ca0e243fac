//! Surveys: what a host is asked less often than on every tick, because asking takes long, runs another program, or
//! may hang.
//!
//! A survey looks at one subject — arrays, sensors, units, the inventory — below the host's root and tells its
//! `Findings`: values, `Part`s with a verdict, events, documents. Surveys run on threads of their own, each with at
//! most one look outstanding; a tick never waits for one but takes what was found last. A look that takes longer than
//! its survey's budget is told, and after some in a row the survey is switched off for a while: a guest does not insist.
//!
//! * `findings` — what a look tells,
//! * `feed` — what looks by itself and has findings ready,
//! * `host` — what a look reads: files below a root, tools with fixed arguments,
//! * `memory` — what surveys keep over a restart,
//! * `tool` — running a program with a deadline,
//! * `surveyor` — when, on which thread, within which budget,
//! * `taken` — from findings to cells, events and documents.

mod backups;
mod caches;
mod clock;
mod disks;
mod edac;
mod fc;
mod feed;
pub(crate) mod findings;
mod growth;
pub(crate) mod host;
mod inventory;
mod ipmi;
mod limits;
mod links;
mod lvm;
mod md;
pub(crate) mod memory;
mod multipath;
pub(crate) mod privileged;
mod raid;
mod routes;
mod sensors;
mod smart;
mod sockets;
#[cfg(test)]
pub(crate) mod stand;
mod surveyor;
mod taken;
pub(crate) mod tool;
mod units;
mod ups;
mod zfs;

pub use backups::BackupService;
pub(crate) use feed::Feed;
pub use findings::Document;
pub(crate) use findings::Findings;
pub(crate) use findings::{Part, PartStatus};
pub(crate) use host::Host;
pub(crate) use surveyor::{Mode, Surveyor};

use std::time::Duration;

/// One subject that is looked at now and then.
pub(crate) trait Survey: Send {
    /// What it is called in the configuration, in events and in `survey`'s series: one short word.
    fn name(&self) -> &'static str;

    /// Time between two looks.
    fn period(&self) -> Duration;

    /// What a look may take.
    fn budget(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Looks once. What is absent on this host is left out: it is neither zero nor an error.
    fn look(&mut self, host: &Host, findings: &mut Findings);
}

/// Which surveys a host is asked, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurveysConfig {
    /// Names of surveys that are switched off.
    pub off: Vec<String>,
    /// Network interfaces that are left out; `*` stands for anything.
    pub exclude_interfaces: Vec<String>,
    /// Units of systemd that are watched also while they are well; `*` stands for any characters.
    pub units: Vec<String>,
    /// Services that backups of this host need.
    pub backup_services: Vec<BackupService>,
}

/// Every survey, in the order of their sections in the dictionary.
pub(crate) fn all(config: &SurveysConfig) -> Vec<Box<dyn Survey>> {
    let way = privileged::Way::now();
    let mut surveys: Vec<Box<dyn Survey>> = vec![
        Box::new(disks::DiskStates::default()),
        Box::new(caches::Caches),
        Box::new(md::Md),
        Box::new(fc::Fc::default()),
        Box::new(multipath::Multipath::new(way.clone())),
        Box::new(zfs::Zfs::new(way.clone())),
        Box::new(lvm::Lvm::new(way.clone())),
        Box::new(raid::Raid::new(way.clone())),
        Box::new(smart::Smart::new(way.clone())),
        Box::new(sensors::Sensors::default()),
        Box::new(ipmi::Ipmi::new(way)),
        Box::new(edac::Edac::default()),
        Box::new(ups::Ups::default()),
        Box::new(links::Links::new(config.exclude_interfaces.clone())),
        Box::new(routes::Routes::default()),
        Box::new(sockets::Sockets::default()),
        Box::new(clock::Clock::default()),
        Box::new(units::Units::new(config.units.clone())),
        Box::new(inventory::Inventory::default()),
    ];
    if !config.backup_services.is_empty() {
        surveys.push(Box::new(backups::Backups::new(config.backup_services.clone())));
    }
    surveys.retain(|survey| !config.off.iter().any(|off| off == survey.name()));
    surveys
}

/// Names of all surveys, for the configuration's checks.
pub(crate) fn names() -> Vec<&'static str> {
    all(&SurveysConfig::default())
        .iter()
        .map(|survey| survey.name())
        .collect()
}
