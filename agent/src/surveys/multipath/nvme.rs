//! NVMe's own multipath: a subsystem of an array, and the controllers by which it is reached.

use super::listing::{Map, Path, PathState};
use crate::surveys::Host;

/// The subsystems that are reached over a fabric, or by more than one controller; a local disk is neither.
pub(super) fn subsystems(host: &Host) -> Vec<Map> {
    let names = host.entries("sys/class/nvme-subsystem");
    names.iter().filter_map(|name| subsystem(host, name)).collect()
}

fn subsystem(host: &Host, name: &str) -> Option<Map> {
    let folder = format!("sys/class/nvme-subsystem/{name}");
    let text = |file: &str| host.text(format!("{folder}/{file}")).unwrap_or_default();
    let mut controllers = host.entries(&folder);
    controllers.retain(|entry| {
        let number = entry.strip_prefix("nvme").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    });
    let local = |controller: &String| matches!(text(&format!("{controller}/transport")).as_str(), "pcie" | "");
    if controllers.is_empty() || (controllers.len() == 1 && controllers.iter().all(local)) {
        return None;
    }
    let path = |controller: String| {
        let state = text(&format!("{controller}/state"));
        let address = text(&format!("{controller}/address"));
        Path {
            address: if address.is_empty() {
                controller.clone()
            } else {
                address
            },
            device: controller,
            state: match state.as_str() {
                "live" | "" => PathState::Working,
                _ => PathState::Failed,
            },
            words: state,
        }
    };
    let nqn = text("subsysnqn");
    Some(Map {
        wwid: if nqn.is_empty() { name.to_owned() } else { nqn },
        name: name.to_owned(),
        product: text("model"),
        size: String::new(),
        paths: controllers.into_iter().map(path).collect(),
    })
}
