//! Linux software RAID: what `/proc/mdstat` and `/sys/block/md*/md` say of each array (kernel documentation
//! `admin-guide/md.rst`). The table is there on every kernel, the folder says more; when both speak, the worse is told.

mod mdstat;
#[cfg(test)]
mod tests;

use super::{Findings, Host, Part, PartStatus, Survey};
use mdstat::{Activity, Array, Member, Role};
use std::{collections::BTreeMap, time::Duration};

/// Looks at arrays.
pub(crate) struct Md;

impl Survey for Md {
    fn name(&self) -> &'static str {
        "md"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let text = host.bytes("proc/mdstat").unwrap_or_default();
        let mut arrays: BTreeMap<String, Vec<Array>> = BTreeMap::new();
        let listed = mdstat::arrays(&String::from_utf8_lossy(&text));
        for array in listed.into_iter().chain(folders(host)) {
            arrays.entry(array.name.clone()).or_default().push(array);
        }
        for views in arrays.values() {
            tell(host, views, findings);
        }
    }
}

/// The arrays as their folders describe them.
fn folders(host: &Host) -> Vec<Array> {
    let names = host.entries("sys/block");
    let names = names.iter().filter(|name| name.starts_with("md"));
    names.filter_map(|name| folder(host, name)).collect()
}

fn folder(host: &Host, name: &str) -> Option<Array> {
    let md = format!("sys/block/{name}/md");
    let state = host.text(format!("{md}/array_state"))?;
    let metadata = host.text(format!("{md}/metadata_version")).unwrap_or_default();
    let wanted = host.number(format!("{md}/raid_disks"));
    let missing = host.number(format!("{md}/degraded"));
    let members = host.entries(&md);
    let members = members.iter().filter_map(|entry| {
        let device = entry.strip_prefix("dev-")?;
        let state = host.text(format!("{md}/{entry}/state")).unwrap_or_default();
        Some(Member {
            device: device.to_owned(),
            role: role(&state),
        })
    });
    Some(Array {
        name: name.to_owned(),
        inactive: matches!(state.as_str(), "clear" | "inactive" | "broken"),
        container: metadata.starts_with("external:") && !metadata.contains('/'),
        level: host.text(format!("{md}/level")).unwrap_or_default(),
        read_only: state == "readonly",
        wanted,
        present: wanted
            .zip(missing)
            .map(|(wanted, missing)| wanted.saturating_sub(missing)),
        members: members.collect(),
        activity: activity(host, &md),
    })
}

/// A member's state is a list of flags (`in_sync,write_mostly`).
fn role(state: &str) -> Role {
    let has = |flag: &str| state.split(',').any(|word| word.trim() == flag);
    if has("faulty") {
        Role::Failed
    } else if has("spare") {
        Role::Spare
    } else {
        Role::Active
    }
}

fn activity(host: &Host, md: &str) -> Option<(Activity, Option<f64>)> {
    let activity = match host.text(format!("{md}/sync_action"))?.as_str() {
        "recover" => Activity::Recovery,
        "resync" => Activity::Resync,
        "reshape" => Activity::Reshape,
        "check" | "repair" => Activity::Check,
        _ => return None,
    };
    let done = host.text(format!("{md}/sync_completed")).unwrap_or_default();
    let share = done.split_once('/').and_then(|(done, all)| {
        let (done, all) = (done.trim().parse::<f64>().ok()?, all.trim().parse::<f64>().ok()?);
        (all > 0.0).then_some(done / all)
    });
    Some((activity, share))
}

/// Tells one array, seen in one or two ways.
fn tell(host: &Host, views: &[Array], findings: &mut Findings) {
    let Some(first) = views.first() else { return };
    let id = [("hw.id", first.name.as_str())];
    let mut part = Part::new("array", first.name.as_str());
    let mut members: BTreeMap<&str, Role> = BTreeMap::new();
    for array in views {
        judge(array, &mut part);
        for member in &array.members {
            let role = members.entry(&member.device).or_insert(member.role);
            *role = (*role).max(member.role);
        }
    }
    if views.iter().all(|array| array.container) {
        part.detail("state", "container");
    }
    if views.iter().any(|array| array.read_only) {
        part.detail("mode", "read-only");
    }
    part.detail("level", first.level.as_str());
    if let Some(sectors) = host.number(format!("sys/block/{}/size", first.name)) {
        part.detail("size", format!("{} B", sectors.saturating_mul(512)));
    }
    let md = format!("sys/block/{}/md", first.name);
    part.detail("uuid", host.text(format!("{md}/uuid")).unwrap_or_default());
    findings.part(part);
    if let Some(wanted) = views.iter().find_map(|array| array.wanted) {
        findings.count("tocsin.array.members.wanted", &id, wanted);
    }
    if let Some(present) = views.iter().filter_map(|array| array.present).min() {
        findings.count("tocsin.array.members.present", &id, present);
    }
    if let Some(share) = views.iter().find_map(|array| array.activity.as_ref()?.1) {
        findings.value("tocsin.array.progress", &id, share);
    }
    if let Some(sectors) = host.number(format!("{md}/mismatch_cnt")) {
        findings.count("tocsin.array.mismatches", &id, sectors);
    }
    for (device, role) in members {
        let mut part = Part::new("array_member", format!("{}/{device}", first.name));
        if role == Role::Failed {
            part.judge(
                PartStatus::Failed,
                "the kernel removed it from the array after an error",
            );
        }
        part.detail("role", if role == Role::Spare { "spare" } else { "member" });
        findings.part(part);
    }
}

fn judge(array: &Array, part: &mut Part) {
    if array.container {
        return; // it holds arrays and is never active itself
    }
    if array.inactive {
        return part.judge(PartStatus::Failed, "it is inactive");
    }
    if let (Some(wanted), Some(present)) = (array.wanted, array.present)
        && present < wanted
    {
        let missing = wanted - present;
        let status = if missing > bearable(&array.level, wanted) {
            PartStatus::Failed
        } else {
            PartStatus::Degraded
        };
        judge_once(part, status, &format!("{missing} of {wanted} members are missing"));
    }
    for member in array.members.iter().filter(|member| member.role == Role::Failed) {
        judge_once(part, PartStatus::Degraded, &format!("{} failed", member.device));
    }
    match array.activity {
        Some((Activity::Recovery, _)) => judge_once(part, PartStatus::Degraded, "a member is being rebuilt"),
        Some((Activity::Resync, _)) => judge_once(part, PartStatus::Degraded, "its members are being made equal"),
        _ => {}
    }
}

/// Both views say the same in most cases.
fn judge_once(part: &mut Part, status: PartStatus, reason: &str) {
    if !part.reason.split("; ").any(|known| known == reason) {
        part.judge(status, reason);
    }
}

/// How many members an array of this level may miss; half of them at most where it depends on which.
fn bearable(level: &str, wanted: u64) -> u64 {
    match level {
        "raid0" | "linear" => 0,
        "raid1" => wanted.saturating_sub(1),
        "raid6" => 2,
        "raid10" => wanted / 2,
        _ => 1,
    }
}
