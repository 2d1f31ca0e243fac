//! What the command prints of the recorded tree of real hardware: one assertion for each kind that it holds.

use super::{Format, SampleArgs, print};
use crate::{
    clock::{SharedClock, SystemClock},
    field_data,
};
use std::{collections::BTreeMap, sync::Arc};

/// What `sample --root` prints as JSON, as `name{attribute=value,…}`; nothing without recordings.
fn printed() -> Option<BTreeMap<String, f64>> {
    let scratch = tempfile::tempdir().unwrap();
    let args = SampleArgs {
        format: Format::Json,
        root: field_data::tree(scratch.path())?,
        ..SampleArgs::default()
    };
    let mut out = Vec::new();
    print(&args, &(Arc::new(SystemClock) as SharedClock), &mut out).unwrap();
    let tick: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let series = tick["series"].as_array().unwrap().iter();
    let named = series.filter_map(|series| {
        let attributes = series["attributes"].as_object().unwrap().iter();
        let attributes: Vec<String> = attributes
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
            .collect();
        let name = series["name"].as_str().unwrap();
        Some((format!("{name}{{{}}}", attributes.join(",")), series["value"].as_f64()?))
    });
    Some(named.collect())
}

/// The status of a part: well, degraded, failed.
fn status(kind: &str, id: &str) -> String {
    format!("tocsin.part.status{{hw.id={id},hw.type={kind}}}")
}

#[test]
fn the_recorded_tree_is_printed_with_the_state_of_all_its_hardware() {
    const WELL: f64 = 0.0;
    const DEGRADED: f64 = 1.0;
    const FAILED: f64 = 2.0;
    let Some(printed) = printed() else { return };
    let arrays = [
        (WELL, &["md0", "md00", "md1", "md3", "md10", "md12"][..]),
        (WELL, &["md101", "md120", "md126", "md127", "md201", "md219"]),
        (DEGRADED, &["md5", "md6", "md7", "md8", "md9", "md11"]),
        (FAILED, &["md4"]),
    ];
    let arrays = arrays
        .iter()
        .flat_map(|(state, arrays)| arrays.iter().map(|array| (status("array", array), *state)));
    let named = [
        // Fibre Channel and InfiniBand: state and speed.
        (status("port", "0x1000e0071bce95f2"), WELL),
        ("tocsin.port.speed{hw.id=0x1000e0071bce95f2}".to_owned(), 16e9),
        (status("port", "host1"), WELL),
        ("tocsin.port.speed{hw.id=host1}".to_owned(), 8e9),
        ("tocsin.port.speed{hw.id=mlx4_0/1}".to_owned(), 4e10),
        // Bonds and their slaves.
        (status("bond", "dmz"), WELL),
        (status("bond", "int"), DEGRADED),
        ("tocsin.network.bond.slaves{network.interface.name=int}".to_owned(), 2.0),
        (
            "tocsin.network.bond.slaves.up{network.interface.name=int}".to_owned(),
            1.0,
        ),
        // Sensors.
        (
            "hw.temperature{hw.id=coretemp.0/temp1,hw.name=Physical id 0}".to_owned(),
            55.0,
        ),
        ("hw.fan.speed{hw.id=nct6779-nct6775.656/fan2}".to_owned(), 1_098.0),
        (status("power_supply", "AC"), DEGRADED),
        // Memory.
        (status("memory", "mc0"), FAILED),
        (
            "hw.errors{error.type=uncorrected,hw.id=mc0,hw.type=memory}".to_owned(),
            5.0,
        ),
        // Disks.
        (status("nvme_controller", "nvme0"), WELL),
        (status("block_device", "sdl"), FAILED),
    ];
    let wrong: Vec<_> = named
        .into_iter()
        .chain(arrays)
        .filter(|(name, value)| printed.get(name) != Some(value))
        .map(|(name, _)| (printed.get(&name), name))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // No array is left out.
    let told = printed.keys().filter(|name| name.ends_with("hw.type=array}"));
    assert_eq!(told.count(), 19);
}
