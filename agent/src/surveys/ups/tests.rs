//! Both services, every state.

use super::*;
use crate::fuzzing::timed;
use crate::surveys::stand::{Stand, assert_values, status, verdict};

const APC: &str = "apcaccess status";

fn apc(status: &str) -> String {
    format!(
        "APC      : 001,036,0900\nUPSNAME  : rack2\nMODEL    : Smart-UPS 1500\nSTATUS   : {status}\n\
         LINEV    : 231.0 Volts\nLOADPCT  : 24.5 Percent\nBCHARGE  : 96.0 Percent\nTIMELEFT : 41.5 Minutes\n\
         BATTV    : 27.1 Volts\nITEMP    : 29.5 C\nSERIALNO : XX0000000000\nEND APC  : now\n"
    )
}

#[test]
fn apcupsd_tells_figures_and_who_it_is() {
    let stand = Stand::new(&[]);
    stand.says(APC, &apc("ONLINE"));
    let found = stand.look_at(&mut Ups::default(), 0);
    assert_values(
        &found,
        &[
            ("tocsin.ups.on_battery{hw.id=apcupsd}", 0.0),
            ("hw.battery.charge{hw.id=apcupsd}", 0.96),
            ("hw.battery.time_left{hw.id=apcupsd}", 2_490.0),
            ("hw.power_supply.utilization{hw.id=apcupsd}", 0.245),
            ("hw.voltage{hw.id=apcupsd/input}", 231.0),
            ("hw.voltage{hw.id=apcupsd/battery}", 27.1),
            ("hw.temperature{hw.id=apcupsd}", 29.5),
        ],
    );
    assert_eq!(found.parts[0].details["model"], "Smart-UPS 1500");
    assert_eq!(found.parts[0].status, PartStatus::Ok);
}

#[test]
fn states_of_apcupsd_have_their_verdicts() {
    for (words, expected) in [
        ("ONLINE", PartStatus::Ok),
        ("TRIM ONLINE", PartStatus::Ok),
        ("CAL ONBATT", PartStatus::Ok),
        ("ONBATT", PartStatus::Degraded),
        ("ONBATT LOWBATT", PartStatus::Failed),
        ("ONLINE LOWBATT", PartStatus::Degraded),
        ("ONLINE REPLACEBATT", PartStatus::Degraded),
        ("ONLINE OVERLOAD", PartStatus::Degraded),
        ("ONLINE NOBATT", PartStatus::Degraded),
        ("SHUTTING DOWN", PartStatus::Failed),
        ("COMMLOST", PartStatus::Unread),
    ] {
        let stand = Stand::new(&[]);
        stand.says(APC, &apc(words));
        let found = stand.look_at(&mut Ups::default(), 0);
        assert_eq!(status(&found, "ups", "apcupsd"), Some(expected), "{words}");
    }
}

#[test]
fn a_supply_that_is_lost_keeps_its_name_and_loses_its_figures() {
    let stand = Stand::new(&[]);
    let mut ups = Ups::default();
    stand.says(APC, &apc("ONLINE"));
    stand.look_at(&mut ups, 0);
    stand.says(APC, "STATUS   : COMMLOST\nMBATTCHG : 5 Percent\n");
    let found = stand.look_at(&mut ups, 30);
    assert_eq!(
        verdict(&found, "ups", "apcupsd"),
        Some((PartStatus::Unread, "its service has lost it".to_owned()))
    );
    assert_eq!(found.parts[0].details["serial"], "XX0000000000");
    assert!(found.values.is_empty());
}

fn nut(status: &str) -> String {
    format!(
        "battery.charge: 88\nbattery.runtime: 1260\ninput.voltage: 229.4\nups.load: 31\nups.realpower: 412\n\
         device.model: Eaton 5P 1550\nups.status: {status}\n"
    )
}

#[test]
fn network_ups_tools_tell_each_supply() {
    let stand = Stand::new(&[]);
    stand.says("upsc -l", "rack1\n-rf\nrack2\n../etc\n");
    stand.says("upsc rack1", &nut("OL CHRG"));
    stand.answers("upsc rack2", 1, "", "Error: Data stale\n");
    let found = stand.look_at(&mut Ups::default(), 0);
    assert_values(
        &found,
        &[
            ("hw.battery.charge{hw.id=rack1}", 0.88),
            ("hw.battery.time_left{hw.id=rack1}", 1_260.0),
            ("hw.power{hw.id=rack1}", 412.0),
            ("tocsin.ups.on_battery{hw.id=rack1}", 0.0),
        ],
    );
    assert_eq!(status(&found, "ups", "rack1"), Some(PartStatus::Ok));
    assert_eq!(status(&found, "ups", "rack2"), Some(PartStatus::Unread));
    assert_eq!(found.parts.len(), 2, "names that could be options are not asked");
}

#[test]
fn states_of_network_ups_tools_have_their_verdicts() {
    for (words, expected) in [
        ("OL", PartStatus::Ok),
        ("OL BOOST", PartStatus::Ok),
        ("OB CAL DISCHRG", PartStatus::Ok),
        ("OB DISCHRG", PartStatus::Degraded),
        ("OB LB", PartStatus::Failed),
        ("OL LB CHRG", PartStatus::Degraded),
        ("OL RB", PartStatus::Degraded),
        ("OL OVER", PartStatus::Degraded),
        ("BYPASS", PartStatus::Degraded),
        ("ALARM OL", PartStatus::Degraded),
        ("OFF", PartStatus::Failed),
        ("FSD OB LB", PartStatus::Failed),
        ("", PartStatus::Unread),
    ] {
        let supply = nut::parse("rack1", &self::nut(words));
        let mut part = Part::new("ups", "rack1");
        for (status, reason) in supply.verdicts {
            part.judge(status, reason);
        }
        assert_eq!(part.status, expected, "{words}");
    }
}

#[test]
fn without_a_service_nothing_is_told() {
    let stand = Stand::new(&[]);
    stand.answers(
        APC,
        1,
        "",
        "Error contacting apcupsd @ localhost:3551: Connection refused\n",
    );
    stand.answers("upsc -l", 1, "", "Error: Connection failure: Connection refused\n");
    let found = stand.look_at(&mut Ups::default(), 0);
    assert!(found.parts.is_empty() && found.values.is_empty());
}

#[test]
fn any_answer_is_a_supply_or_none() {
    bolero::check!().for_each(timed(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let _ = (apcupsd::parse(&text), nut::parse("rack1", &text), nut::is_name(&text));
    }));
}

#[test]
fn recorded_supplies_have_their_verdicts() {
    let (Some(online), Some(lost)) = (
        crate::field_data::text("hardware/netdata-apcupsd-status.txt"),
        crate::field_data::text("hardware/netdata-apcupsd-status_commlost.txt"),
    ) else {
        return;
    };
    let stand = Stand::new(&[]);
    stand.says(APC, &online);
    let found = stand.look_at(&mut Ups::default(), 0);
    assert_eq!(status(&found, "ups", "apcupsd"), Some(PartStatus::Ok));
    assert_values(
        &found,
        &[
            ("hw.battery.charge{hw.id=apcupsd}", 1.0),
            ("hw.battery.time_left{hw.id=apcupsd}", 7_800.0),
            ("hw.power_supply.utilization{hw.id=apcupsd}", 0.093),
            ("hw.voltage{hw.id=apcupsd/input}", 235.3),
            ("hw.voltage{hw.id=apcupsd/output}", 236.6),
            ("hw.temperature{hw.id=apcupsd}", 32.8),
        ],
    );
    stand.says(APC, &lost);
    let found = stand.look_at(&mut Ups::default(), 0);
    assert_eq!(status(&found, "ups", "apcupsd"), Some(PartStatus::Unread));
    assert!(found.values.is_empty());
}
