//! LVM: volumes that are full, partial or invalid, by `lvs` (lvs(8), the attribute bits).
//!
//! A thin pool or a snapshot that is full takes its file systems down with it, though `df` shows room.

use super::{
    Findings, Host, Part, PartStatus, Survey,
    privileged::{Answer, Way},
};
use serde_json::Value;
use std::time::Duration;

/// Share of a thin pool or snapshot from which it is nearly full.
const NEARLY_FULL: f64 = 0.95;

/// Looks at volumes.
pub(crate) struct Lvm {
    way: Way,
}

impl Lvm {
    /// Asks by `way`.
    pub(crate) const fn new(way: Way) -> Self {
        Self { way }
    }
}

impl Survey for Lvm {
    fn name(&self) -> &'static str {
        "lvm"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn budget(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn look(&mut self, host: &Host, findings: &mut Findings) {
        let (errands, allowed) = self.way.list(host, "lvs");
        let Some(errand) = errands.first() else { return };
        let answer = match allowed {
            Ok(()) => self.way.ask(host, errand),
            Err(why) => Answer::Nothing(why),
        };
        let volumes = match &answer {
            Answer::Said(output) => volumes(&output.out).ok_or("`lvs` printed no JSON: it needs LVM 2.02.158 or later"),
            Answer::Nothing(why) => Err(why.as_str()),
        };
        match volumes {
            Ok(volumes) => volumes.iter().for_each(|volume| tell(volume, findings)),
            Err(why) => {
                let mut part = Part::new("logical_volume", "all");
                part.judge(PartStatus::Unread, why);
                findings.part(part);
            }
        }
    }
}

/// One logical volume.
#[derive(Debug, Clone, Default, PartialEq)]
struct Volume {
    /// Volume group and name.
    id: String,
    size: String,
    /// The attribute bits, such as `twi-aotzD-`.
    bits: Vec<char>,
    /// Shares of a thin pool, snapshot or cache that are used.
    data: Option<f64>,
    metadata: Option<f64>,
}

fn volumes(bytes: &[u8]) -> Option<Vec<Volume>> {
    let json: Value = serde_json::from_slice(bytes).ok()?;
    let reports = json["report"].as_array()?;
    let rows = reports
        .iter()
        .flat_map(|report| report["lv"].as_array().map_or(&[][..], Vec::as_slice));
    let volume = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().trim().to_owned();
        let share = |key: &str| {
            row[key]
                .as_str()?
                .trim()
                .parse::<f64>()
                .ok()
                .map(|percent| percent / 100.0)
        };
        Volume {
            id: format!("{}/{}", text("vg_name"), text("lv_name")),
            size: text("lv_size"),
            bits: text("lv_attr").chars().collect(),
            data: share("data_percent"),
            metadata: share("metadata_percent"),
        }
    };
    Some(rows.map(volume).collect())
}

fn tell(volume: &Volume, findings: &mut Findings) {
    let mut part = Part::new("logical_volume", volume.id.as_str());
    if !volume.size.is_empty() {
        part.detail("size", format!("{} B", volume.size));
    }
    let bit = |at: usize| volume.bits.get(at).copied().unwrap_or('-');
    let kind = bit(0);
    let word = match kind {
        't' => "thin pool",
        'V' => "thin volume",
        's' | 'S' => "snapshot",
        'r' | 'R' => "raid",
        'm' | 'M' => "mirror",
        'C' => "cache",
        _ => "",
    };
    part.detail("type", word);
    judge_state(bit(4), &mut part);
    judge_health(bit(8), kind, &mut part);
    if matches!(kind, 't' | 's' | 'S') {
        judge_full("its data", volume.data, &mut part);
        judge_full("its metadata", volume.metadata, &mut part);
    }
    let id = [("hw.id", volume.id.as_str())];
    for (name, share) in [
        ("tocsin.lvm.data.utilization", volume.data),
        ("tocsin.lvm.metadata.utilization", volume.metadata),
    ] {
        if let Some(share) = share {
            findings.value(name, &id, share);
        }
    }
    findings.part(part);
}

/// The fifth bit.
fn judge_state(bit: char, part: &mut Part) {
    match bit {
        's' | 'S' => part.judge(PartStatus::Degraded, "it is suspended"),
        'I' => part.judge(PartStatus::Failed, "the snapshot is invalid"),
        'm' | 'M' => part.judge(PartStatus::Degraded, "the merging of the snapshot failed"),
        'c' | 'C' => part.judge(PartStatus::Degraded, "its thin pool must be checked"),
        'd' => part.judge(PartStatus::Degraded, "its device is mapped without tables"),
        'X' => part.judge(PartStatus::Unread, "its state is unknown"),
        _ => {}
    }
}

/// The ninth bit.
fn judge_health(bit: char, kind: char, part: &mut Part) {
    match bit {
        'p' if matches!(kind, 'r' | 'R' | 'm' | 'M') => part.judge(PartStatus::Degraded, "a device of it is missing"),
        'p' => part.judge(PartStatus::Failed, "a device of it is missing"),
        'r' => part.judge(PartStatus::Degraded, "it must be refreshed: a device had errors"),
        'm' => part.judge(PartStatus::Degraded, "its copies differ"),
        'F' => part.judge(PartStatus::Failed, "it failed"),
        'D' => part.judge(PartStatus::Failed, "it is out of data space"),
        'M' => part.judge(PartStatus::Failed, "its metadata is read-only"),
        'E' => part.judge(PartStatus::Failed, "its write cache had errors"),
        'X' => part.judge(PartStatus::Unread, "its health is unknown"),
        _ => {}
    }
}

fn judge_full(what: &str, share: Option<f64>, part: &mut Part) {
    match share {
        Some(share) if share >= 1.0 => part.judge(PartStatus::Failed, format!("{what} is full")),
        Some(share) if share >= NEARLY_FULL => part.judge(PartStatus::Degraded, format!("{what} is nearly full")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use crate::{
        field_data,
        surveys::stand::{Seen, Stand},
    };
    use PartStatus::{Degraded, Failed, Ok, Unread};

    fn look(out: &[u8]) -> Seen {
        let stand = Stand::new(&[("sys/block/dm-0/dm/uuid", "LVM-abc")]);
        stand.prints("lvs", 0, out);
        stand.look(&mut Lvm::new(Way::Direct))
    }

    fn one(attributes: &str, data: &str, metadata: &str) -> (PartStatus, String) {
        let row = format!(
            r#"{{"report":[{{"lv":[{{"vg_name":"v","lv_name":"l","lv_size":"100","lv_attr":"{attributes}","data_percent":"{data}","metadata_percent":"{metadata}"}}]}}]}}"#
        );
        let seen = look(row.as_bytes());
        let (status, reason) = seen.verdict("logical_volume", "v/l");
        (status, reason.to_owned())
    }

    #[test]
    fn volumes_are_judged_by_their_bits_and_by_how_full_they_are() {
        for (attributes, data, metadata, verdict) in [
            ("-wi-ao----", "", "", (Ok, "")),
            ("twi-aotz--", "94.99", "10.00", (Ok, "")),
            ("twi-aotz--", "95.00", "10.00", (Degraded, "its data is nearly full")),
            ("twi-aotz--", "10.00", "100.00", (Failed, "its metadata is full")),
            (
                "twi-aotzD-",
                "100.00",
                "10.00",
                (Failed, "it is out of data space; its data is full"),
            ),
            ("Vwi-aotz--", "100.00", "", (Ok, "")),
            ("swi-a-s---", "96.10", "", (Degraded, "its data is nearly full")),
            (
                "swi-I-s---",
                "100.00",
                "",
                (Failed, "the snapshot is invalid; its data is full"),
            ),
            ("rwi-a-r-p-", "", "", (Degraded, "a device of it is missing")),
            ("-wi-a---p-", "", "", (Failed, "a device of it is missing")),
            ("rwi-a-r-m-", "", "", (Degraded, "its copies differ")),
            ("-wi-s-----", "", "", (Degraded, "it is suspended")),
            ("", "", "", (Ok, "")),
        ] {
            let found = one(attributes, data, metadata);
            assert_eq!((found.0, found.1.as_str()), verdict, "{attributes} {data} {metadata}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_said_once() {
        assert_eq!(look(b"  LV VG Attr").verdict("logical_volume", "all").0, Unread);
        let stand = Stand::new(&[("sys/block/dm-0/dm/uuid", "LVM-abc")]);
        stand.hangs("lvs");
        let seen = stand.look(&mut Lvm::new(Way::Direct));
        let why = "`lvs` did not end within 20s";
        assert_eq!(seen.verdict("logical_volume", "all"), (Unread, why));
        let none = Stand::new(&[("sys/block/dm-0/dm/uuid", "CRYPT-abc")]);
        none.prints("lvs", 0, "");
        assert!(none.look(&mut Lvm::new(Way::Direct)).parts.is_empty());
        assert!(none.asked().is_empty());
    }

    #[test]
    fn any_text_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            for volume in volumes(bytes).unwrap_or_default() {
                tell(&volume, &mut Findings::default());
            }
        }));
        bolero::check!()
            .with_type::<(String, f64)>()
            .for_each(timed(|(bits, share): &(String, f64)| {
                let volume = Volume {
                    bits: bits.chars().collect(),
                    data: Some(*share),
                    ..Volume::default()
                };
                tell(&volume, &mut Findings::default());
            }));
    }

    #[test]
    fn a_recorded_thin_pool_is_well() {
        let Some(bytes) = field_data::file("hardware/netdata-lvm-lvs-report.json") else {
            return;
        };
        let seen = look(&bytes);
        assert_eq!(seen.verdict("logical_volume", "cm-vg/root"), (Ok, ""));
        assert_eq!(seen.values["tocsin.lvm.data.utilization{hw.id=cm-vg/root}"], 0.7889);
        assert_eq!(seen.values["tocsin.lvm.metadata.utilization{hw.id=cm-vg/root}"], 0.1925);
    }
}
