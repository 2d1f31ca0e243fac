//! Chips of every habit, batteries, mains; the recorded hardware.

use super::*;
use crate::fuzzing::timed;
use crate::surveys::stand::{Stand, assert_values, status, values, verdict};
use hwmon::parse_file_name;

const CHIP: &str = "sys/class/hwmon/hwmon3";

/// A chip `board` on device `board.656`.
fn chip(files: &[(&str, &str)]) -> Stand {
    let stand = Stand::new(&[]);
    stand.link(&format!("{CHIP}/device"), "../../../devices/platform/board.656");
    stand.write(&format!("{CHIP}/name"), "board\n");
    for (name, text) in files {
        stand.write(&format!("{CHIP}/{name}"), text);
    }
    stand
}

fn look(stand: &Stand) -> Findings {
    stand.look_at(&mut Sensors::default(), 0)
}

#[test]
fn every_sort_of_sensor_is_told_in_its_unit() {
    let stand = chip(&[
        ("temp1_input", "41500\n"),
        ("temp1_label", "CPU\n"),
        ("temp1_max", "80000\n"),
        ("temp1_crit", "95000\n"),
        ("fan1_input", "1320\n"),
        ("fan1_min", "600\n"),
        ("in3_input", "3312\n"),
        ("in3_min", "2970\n"),
        ("in3_max", "3630\n"),
        ("power1_average", "184500000\n"),
        ("curr1_input", "12340\n"),
        ("freq1_input", "300000000\n"),
    ]);
    let found = look(&stand);
    assert_values(
        &found,
        &[
            ("hw.temperature{hw.id=board.656/temp1,hw.name=CPU}", 41.5),
            (
                "hw.temperature.limit{hw.id=board.656/temp1,hw.limit_type=high.critical,hw.name=CPU}",
                95.0,
            ),
            ("hw.fan.speed{hw.id=board.656/fan1}", 1_320.0),
            (
                "hw.fan.speed.limit{hw.id=board.656/fan1,hw.limit_type=low.degraded}",
                600.0,
            ),
            ("hw.voltage{hw.id=board.656/in3}", 3.312),
            ("hw.power{hw.id=board.656/power1}", 184.5),
            ("tocsin.sensor.current{hw.id=board.656/curr1}", 12.34),
        ],
    );
    assert_eq!(found.parts.len(), 3);
    assert!(found.parts.iter().all(|part| part.status == PartStatus::Ok));
    assert_eq!(found.parts[0].details["chip"], "board");
}

#[test]
fn the_hardware_s_own_limits_and_flags_decide() {
    for (files, kind, id, expected, reason) in [
        (
            &[("temp1_input", "96000"), ("temp1_crit", "95000")][..],
            "temperature",
            "board.656/temp1",
            PartStatus::Failed,
            "above its critical limit of 95 degrees C",
        ),
        (
            &[
                ("temp1_input", "85000"),
                ("temp1_max", "80000"),
                ("temp1_crit", "95000"),
            ],
            "temperature",
            "board.656/temp1",
            PartStatus::Degraded,
            "above its upper limit of 80 degrees C",
        ),
        (
            &[("temp1_input", "50000"), ("temp1_crit_alarm", "1")],
            "temperature",
            "board.656/temp1",
            PartStatus::Failed,
            "its critical alarm is set",
        ),
        (
            &[("fan1_input", "0"), ("fan1_min", "600")],
            "fan",
            "board.656/fan1",
            PartStatus::Degraded,
            "below its lower limit of 600 rpm",
        ),
        (
            &[("fan1_input", "6000"), ("fan1_min", "600"), ("fan1_max", "5800")],
            "fan",
            "board.656/fan1",
            PartStatus::Ok,
            "",
        ),
        (
            &[("fan1_input", "590"), ("fan1_min", "600"), ("fan1_max", "5800")],
            "fan",
            "board.656/fan1",
            PartStatus::Ok,
            "",
        ),
        (
            &[("fan1_fault", "1")],
            "fan",
            "board.656/fan1",
            PartStatus::Failed,
            "its fault flag is set",
        ),
        (
            &[
                ("in1_input", "1100"),
                ("in1_min", "1000"),
                ("in1_max", "1300"),
                ("in1_alarm", "1"),
            ],
            "voltage",
            "board.656/in1",
            PartStatus::Degraded,
            "its alarm is set",
        ),
    ] {
        let found = look(&chip(files));
        assert_eq!(
            verdict(&found, kind, id),
            Some((expected, reason.to_owned())),
            "{files:?}"
        );
    }
}

#[test]
fn limits_that_nobody_set_and_alarms_that_compare_with_them_mean_nothing() {
    let found = look(&chip(&[
        ("in1_input", "1024"),
        ("in1_min", "0"),
        ("in1_max", "0"),
        ("in1_alarm", "1"),
        ("temp2_input", "38000"),
        ("temp2_crit", "65261850"),
        ("temp2_crit_alarm", "1"),
        ("fan1_input", "900"),
        ("fan1_min", "0"),
        ("fan1_alarm", "1"),
    ]));
    for (kind, id) in [
        ("voltage", "board.656/in1"),
        ("temperature", "board.656/temp2"),
        ("fan", "board.656/fan1"),
    ] {
        assert_eq!(status(&found, kind, id), Some(PartStatus::Ok), "{id}");
    }
}

#[test]
fn what_is_not_connected_is_absent() {
    let found = look(&chip(&[
        ("temp1_input", "127500"),
        ("temp2_input", "-128000"),
        ("temp3_input", "-8000"),
        ("temp3_fault", "1"),
        ("temp4_input", "not a number"),
        ("fan1_input", "0"),
        ("fan2_input", "0"),
        ("fan2_min", "0"),
    ]));
    assert!(found.values.is_empty(), "{:?}", values(&found));
    assert!(found.parts.is_empty(), "{:?}", found.parts);
}

#[test]
fn a_sensor_that_falls_silent_is_unread_and_a_fan_that_stops_is_told() {
    let stand = chip(&[("temp1_input", "40000"), ("fan1_input", "1200")]);
    let mut sensors = Sensors::default();
    stand.look_at(&mut sensors, 0);
    stand.write(&format!("{CHIP}/temp1_input"), "-128000");
    stand.write(&format!("{CHIP}/fan1_input"), "0");
    let found = stand.look_at(&mut sensors, 30);
    assert_eq!(
        status(&found, "temperature", "board.656/temp1"),
        Some(PartStatus::Unread)
    );
    assert_values(&found, &[("hw.fan.speed{hw.id=board.656/fan1}", 0.0)]);
    assert_eq!(found.values.len(), 2, "the silent one is there without a figure");
}

#[test]
fn a_temperature_at_its_limit_does_not_flap() {
    let stand = chip(&[("temp1_input", "95000"), ("temp1_crit", "95000")]);
    let mut sensors = Sensors::default();
    for (reading, expected) in [
        ("95000", PartStatus::Failed),
        ("93000", PartStatus::Failed),
        ("92000", PartStatus::Ok),
        ("93000", PartStatus::Ok),
    ] {
        stand.write(&format!("{CHIP}/temp1_input"), reading);
        let found = stand.look_at(&mut sensors, 0);
        assert_eq!(
            status(&found, "temperature", "board.656/temp1"),
            Some(expected),
            "{reading}"
        );
    }
}

#[test]
fn chips_are_called_after_their_devices_wherever_their_files_lie() {
    let stand = Stand::new(&[
        ("sys/class/hwmon/hwmon0/name", "acpitz"),
        ("sys/class/hwmon/hwmon0/temp1_input", "30000"),
        ("sys/class/hwmon/hwmon1/name", "acpitz"),
        ("sys/class/hwmon/hwmon1/temp1_input", "31000"),
        ("sys/class/hwmon/hwmon2/device/name", "old"),
        ("sys/class/hwmon/hwmon2/device/temp1_input", "32000"),
    ]);
    stand.write("sys/devices/pci0000:00/nvme/nvme0/hwmon7/temp1_input", "33000");
    stand.write("sys/devices/pci0000:00/nvme/nvme0/hwmon7/name", "nvme");
    stand.link("sys/class/hwmon/hwmon7", "../../devices/pci0000:00/nvme/nvme0/hwmon7");
    assert_values(
        &look(&stand),
        &[
            ("hw.temperature{hw.id=acpitz/temp1}", 30.0),
            ("hw.temperature{hw.id=acpitz#2/temp1}", 31.0),
            ("hw.temperature{hw.id=old/temp1}", 32.0),
            ("hw.temperature{hw.id=nvme0/temp1}", 33.0),
        ],
    );
}

#[test]
fn zones_are_told_unless_a_chip_shows_the_same() {
    let stand = chip(&[]);
    for (path, text) in [
        ("sys/class/thermal/thermal_zone0/type", "soc-thermal"),
        ("sys/class/thermal/thermal_zone0/temp", "104000"),
        ("sys/class/thermal/thermal_zone0/trip_point_0_type", "passive"),
        ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "85000"),
        ("sys/class/thermal/thermal_zone0/trip_point_1_type", "critical"),
        ("sys/class/thermal/thermal_zone0/trip_point_1_temp", "103000"),
        ("sys/class/thermal/thermal_zone1/type", "gpu-thermal"),
        ("sys/class/thermal/thermal_zone1/temp", "50000"),
        ("sys/class/hwmon/hwmon5/name", "gpu_thermal"),
        ("sys/class/hwmon/hwmon5/temp1_input", "50000"),
        ("sys/class/thermal/cooling_device0/type", "Processor"),
    ] {
        stand.write(path, text);
    }
    let found = look(&stand);
    assert_eq!(status(&found, "temperature", "soc-thermal"), Some(PartStatus::Failed));
    assert_eq!(status(&found, "temperature", "gpu-thermal"), None);
    assert_eq!(status(&found, "temperature", "gpu_thermal/temp1"), Some(PartStatus::Ok));
}

#[test]
fn batteries_and_mains_are_judged_by_what_they_say() {
    let stand = Stand::new(&[
        ("sys/class/power_supply/AC0/type", "Mains"),
        ("sys/class/power_supply/AC0/online", "1"),
        ("sys/class/power_supply/AC1/type", "Mains"),
        ("sys/class/power_supply/AC1/online", "0"),
        ("sys/class/power_supply/B0/type", "Battery"),
        ("sys/class/power_supply/B0/present", "1"),
        ("sys/class/power_supply/B0/health", "Dead"),
        ("sys/class/power_supply/B0/capacity", "64"),
        ("sys/class/power_supply/B1/type", "UPS"),
        ("sys/class/power_supply/B1/status", "Discharging"),
        ("sys/class/power_supply/B1/charge_now", "500000"),
        ("sys/class/power_supply/B1/charge_full", "2000000"),
        ("sys/class/power_supply/B1/current_now", "-1000000"),
        ("sys/class/power_supply/B1/capacity_level", "Critical"),
        ("sys/class/power_supply/B2/type", "Battery"),
        ("sys/class/power_supply/B2/present", "0"),
        ("sys/class/power_supply/mouse/type", "Battery"),
        ("sys/class/power_supply/mouse/scope", "Device"),
        ("sys/class/power_supply/usb0/type", "USB"),
        ("sys/class/power_supply/usb0/online", "0"),
    ]);
    let found = look(&stand);
    assert_eq!(status(&found, "power_supply", "AC0"), Some(PartStatus::Ok));
    assert_eq!(
        verdict(&found, "power_supply", "AC1"),
        Some((PartStatus::Degraded, "no mains".to_owned()))
    );
    assert_eq!(
        verdict(&found, "battery", "B0"),
        Some((PartStatus::Failed, "Dead".to_owned()))
    );
    assert_eq!(status(&found, "battery", "B1"), Some(PartStatus::Degraded));
    assert_eq!(found.parts.len(), 4);
    assert_values(
        &found,
        &[
            ("hw.battery.charge{hw.id=B0}", 0.64),
            ("hw.battery.charge{hw.id=B1}", 0.25),
            ("hw.battery.time_left{hw.id=B1}", 1_800.0),
        ],
    );
}

#[test]
fn a_host_without_sensors_tells_nothing() {
    let found = look(&Stand::new(&[]));
    assert!(found.values.is_empty() && found.parts.is_empty());
}

#[test]
fn any_name_of_a_file_is_a_sensor_or_none() {
    assert_eq!(parse_file_name("temp2_crit_alarm"), Some(("temp", 2, "crit_alarm")));
    assert_eq!(parse_file_name("temp_input"), None);
    assert_eq!(parse_file_name("temp99999999999_input"), None);
    bolero::check!().for_each(timed(|bytes: &[u8]| {
        let _ = parse_file_name(&String::from_utf8_lossy(bytes));
    }));
}

#[test]
fn any_bytes_in_a_sensor_s_files_are_a_value_or_none() {
    let stand = chip(&[("temp1_label", "CPU")]);
    bolero::check!().with_iterations(200).for_each(timed(|bytes: &[u8]| {
        const FILES: [&str; 5] = ["temp1_input", "temp1_max", "fan1_input", "in1_alarm", "name"];
        let (which, text) = bytes.split_first().unwrap_or((&0, bytes));
        let file = FILES[usize::from(*which) % FILES.len()];
        stand.write(&format!("{CHIP}/{file}"), &String::from_utf8_lossy(text));
        look(&stand);
    }));
}

#[test]
fn recorded_chips_zones_and_supplies_are_read() {
    let Some(stand) = Stand::recorded() else { return };
    let found = look(&stand);
    assert_values(
        &found,
        &[
            ("hw.temperature{hw.id=coretemp.0/temp1,hw.name=Physical id 0}", 55.0),
            ("hw.temperature{hw.id=coretemp.1/temp5,hw.name=Core 3}", 50.0),
            (
                "hw.temperature.limit{hw.id=coretemp.0/temp1,hw.limit_type=high.critical,hw.name=Physical id 0}",
                100.0,
            ),
            ("hw.temperature{hw.id=hwmon4/temp2,hw.name=foosensor}", 54.0),
            ("hw.temperature{hw.id=mt7996_phy0_2-phy0/temp1}", 57.0),
            ("hw.fan.speed{hw.id=nct6779-nct6775.656/fan2}", 1_098.0),
            ("hw.voltage{hw.id=nct6779-nct6775.656/in1}", 1.024),
            ("hw.temperature{hw.id=cpu-thermal}", 12.4),
            ("hw.battery.charge{hw.id=BAT0}", 0.81),
            ("hw.voltage{hw.id=BAT0}", 11.66),
            ("hw.power{hw.id=BAT0}", 5.0),
        ],
    );
    // Its alarm compares with limits that nobody set.
    assert_eq!(
        status(&found, "voltage", "nct6779-nct6775.656/in1"),
        Some(PartStatus::Ok)
    );
    assert_eq!(status(&found, "power_supply", "AC"), Some(PartStatus::Degraded));
    assert_eq!(status(&found, "battery", "BAT0"), Some(PartStatus::Ok));
    assert!(!found.parts.iter().any(|part| part.id.contains("bogus")));
    let bad = found.parts.iter().filter(|part| part.status != PartStatus::Ok);
    let bad: Vec<_> = bad.map(|part| part.id.as_str()).collect();
    assert_eq!(bad, ["applesmc.768/fan1", "AC"], "a fan that stands, no mains");
}
