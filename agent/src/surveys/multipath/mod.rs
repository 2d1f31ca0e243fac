//! Multipath: the paths from this host to its volumes on storage arrays, by `multipath -ll`, and by
//! `/sys/block/dm-*` where that is not to be had; NVMe's own multipath by `/sys/class/nvme-subsystem`.
//!
//! Of each volume the most paths that were ever seen are remembered, over restarts too: a path that failed long enough is
//! removed from the list, and what is left looks whole. Device mapper queues requests while no path works, so
//! everything that touches such a volume hangs; the tool has a deadline, and `/sys` does not touch the volume.

mod listing;
mod nvme;
#[cfg(test)]
mod tests;

use super::{
    Findings, Host, Part, PartStatus, Survey,
    memory::Bests,
    privileged::{Answer, Way},
};
use listing::{Map, Path, PathState};
use std::time::Duration;

const NAME: &str = "multipath";

/// Looks at paths.
pub(crate) struct Multipath {
    way: Way,
    /// Of each volume the most paths ever seen; `None` before the first look.
    most: Option<Bests>,
}

impl Multipath {
    /// Asks by `way`.
    pub(crate) const fn new(way: Way) -> Self {
        Self { way, most: None }
    }

    fn tell(&mut self, map: &Map, unknown: Option<&str>, host: &Host, findings: &mut Findings) {
        let id = [("hw.id", map.wwid.as_str())];
        let working = map.paths.iter().filter(|path| path.state != PathState::Failed).count();
        let most = self.most.get_or_insert_default();
        let most = most.note(&map.wwid, map.paths.len() as u64, host.now);
        let mut part = Part::new("multipath", map.wwid.as_str());
        part.detail("name", map.name.as_str());
        part.detail("product", map.product.as_str());
        part.detail("size", map.size.as_str());
        if working == 0 {
            part.judge(PartStatus::Failed, "none of its paths works");
        } else if (working as u64) < most {
            part.judge(PartStatus::Degraded, format!("{working} of {most} paths work"));
        } else if map.paths.iter().any(|path| path.state == PathState::Shaky) {
            part.judge(PartStatus::Degraded, "a path is unsteady");
        } else if let Some(why) = unknown {
            part.judge(PartStatus::Unread, why);
        }
        findings.part(part);
        findings.count("tocsin.multipath.paths.known", &id, most);
        findings.count("tocsin.multipath.paths.working", &id, working as u64);
        for (at, path) in map.paths.iter().enumerate() {
            tell_path(map, path, at, unknown, findings);
        }
    }
}

fn tell_path(map: &Map, path: &Path, at: usize, unknown: Option<&str>, findings: &mut Findings) {
    let orphan = path.address.contains('#');
    let address = if orphan { format!("#{at}") } else { path.address.clone() };
    let mut part = Part::new("path", format!("{}/{address}", map.wwid));
    if !orphan {
        part.detail("device", path.device.as_str());
    }
    match path.state {
        PathState::Failed if orphan => part.judge(PartStatus::Failed, "its device is gone"),
        PathState::Failed => part.judge(PartStatus::Failed, format!("it is {}", path.words)),
        PathState::Shaky => part.judge(PartStatus::Degraded, format!("it is {}", path.words)),
        PathState::Working => {
            if let Some(why) = unknown {
                part.judge(PartStatus::Unread, why);
            }
        }
    }
    findings.part(part);
}

impl Survey for Multipath {
    fn name(&self) -> &'static str {
        NAME
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        if self.most.is_none() {
            self.most = host.recall(NAME);
        }
        for subsystem in nvme::subsystems(host) {
            self.tell(&subsystem, None, host, findings);
        }
        self.tell_mapped(host, findings);
        if let Some(most) = &self.most {
            host.remember(NAME, most);
        }
    }
}

impl Multipath {
    /// Tells the volumes of device mapper: as the kernel shows them, and as the tool does.
    fn tell_mapped(&mut self, host: &Host, findings: &mut Findings) {
        let seen = by_kernel(host);
        if seen.is_empty() {
            return;
        }
        let (errands, allowed) = self.way.list(host, "multipath");
        let answer = match (allowed, errands.first()) {
            (Err(why), _) => Err(why),
            (Ok(()), None) => Err("`multipath` is not installed".to_owned()),
            (Ok(()), Some(errand)) => match self.way.ask(host, errand) {
                Answer::Said(output) => Ok(listing::maps(&String::from_utf8_lossy(&output.out))),
                Answer::Nothing(why) => Err(why),
            },
        };
        let (told, why) = match answer {
            Ok(maps) => (maps, "`multipath` does not list it".to_owned()),
            Err(why) => (Vec::new(), format!("whether its paths work is not known: {why}")),
        };
        for map in &told {
            self.tell(map, None, host, findings);
        }
        for map in &seen {
            if !told.iter().any(|known| known.wwid == map.wwid) {
                self.tell(map, Some(&why), host, findings);
            }
        }
    }
}

/// The volumes as the kernel shows them: which devices are their paths, and whether those are there.
fn by_kernel(host: &Host) -> Vec<Map> {
    let mut maps = Vec::new();
    for name in host.entries("sys/block") {
        let folder = format!("sys/block/{name}");
        let uuid = host.text(format!("{folder}/dm/uuid")).unwrap_or_default();
        let Some(wwid) = uuid.strip_prefix("mpath-") else {
            continue;
        };
        let paths = host.entries(format!("{folder}/slaves"));
        let paths = paths.into_iter().map(|device| {
            let state = host
                .text(format!("sys/block/{device}/device/state"))
                .unwrap_or_default();
            let address = host
                .link_name(format!("sys/block/{device}/device"))
                .unwrap_or_else(|| device.clone());
            Path {
                address,
                device,
                state: if matches!(state.as_str(), "running" | "live" | "") {
                    PathState::Working
                } else {
                    PathState::Failed
                },
                words: state,
            }
        });
        maps.push(Map {
            wwid: wwid.to_owned(),
            name: host.text(format!("{folder}/dm/name")).unwrap_or_default(),
            product: String::new(),
            size: String::new(),
            paths: paths.collect(),
        });
    }
    maps
}
