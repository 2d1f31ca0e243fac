//! Teams, which are bonds that a service of the host looks after (`teamd(8)`): the kernel shows no states of its own for
//! them, so that a port counts by its link. A team is told from other masters by the file that its `teamd` keeps.

use super::{
    FOLDER,
    bonds::{Bond, SLAVES_MAX, Slave},
};
use crate::surveys::Host;

/// Where each `teamd` keeps its number and its socket.
const TEAMS: &str = "run/teamd";

/// The team `name` with its ports among `names`; none when it is no team.
pub(super) fn read(host: &Host, name: &str, names: &[String]) -> Option<Bond> {
    let kept = ["pid", "sock"].map(|file| host.path(format!("{TEAMS}/{name}.{file}")));
    if !kept.iter().any(|file| file.exists()) {
        return None;
    }
    let is_port = |port: &&String| host.link_name(format!("{FOLDER}/{port}/master")).as_deref() == Some(name);
    let ports = names.iter().filter(is_port).take(SLAVES_MAX);
    Some(Bond {
        mode: "team".to_owned(),
        up: is_up(host, name),
        slaves: ports.map(|port| port_of(host, port)).collect(),
        partner: None,
        aggregator: None,
    })
}

fn port_of(host: &Host, name: &str) -> Slave {
    Slave {
        name: name.to_owned(),
        up: is_up(host, name),
        failures: host.number(format!("{FOLDER}/{name}/carrier_down_count")),
        aggregator: None,
    }
}

fn is_up(host: &Host, name: &str) -> Option<bool> {
    let state = host.text(format!("{FOLDER}/{name}/operstate"))?;
    match state.as_str() {
        "unknown" => host
            .number(format!("{FOLDER}/{name}/carrier"))
            .map(|carrier| carrier == 1),
        state => Some(state == "up"),
    }
}
