//! Listings in every format, states in words, thresholds that lie, the log.

use super::*;
use crate::fuzzing::timed;
use crate::surveys::stand::{Stand, assert_values, status, values, verdict};
use sensors::parse_line;
use tocsin_vocabulary::Severity;

const LIST: &str = "ipmitool sdr elist";
const THRESHOLDS: &str = "ipmitool sensor list";
const SEL: &str = "ipmitool sel elist last 64";

fn controller(listing: &str) -> Stand {
    let stand = Stand::new(&[("sys/class/ipmi/ipmi0/dev", "240:0\n")]);
    stand.says(LIST, listing);
    stand
}

fn look(stand: &Stand) -> Findings {
    stand.look_at(&mut Ipmi::new(Way::Direct), 0)
}

#[test]
fn values_and_states_are_told_by_unit_entity_and_name() {
    let found = look(&controller(
        "Inlet Temp       | 04h | ok  |  7.1 | 23 degrees C\n\
         FAN1             | 30h | ok  | 29.1 | 4680 RPM\n\
         Fan Zone         | 31h | ok  |  7.9 | 31.36 percent, Transition to Running\n\
         P12V             | 16h | ok  |  7.1 | 12.03 Volts\n\
         PS1 Input        | 20h | ok  | 10.1 | 120 Watts, Presence detected\n\
         PS1 Curr         | 21h | ok  | 10.1 | 0.60 Amps\n\
         BBU              | 40h | ok  | 40.1 | Low\n\
         Drive 3          | 52h | ok  |  4.4 | Drive Present\n\
         Watchdog         | 71h | ok  |  7.1 | \n\
         DIMM 7           | 80h | ns  | 32.7 | No Reading\n\
         Temp 9           | 81h | ns  |  8.1 | Disabled\n",
    ));
    assert_values(
        &found,
        &[
            ("hw.temperature{hw.id=Inlet Temp}", 23.0),
            ("hw.fan.speed{hw.id=FAN1}", 4_680.0),
            ("hw.fan.speed_ratio{hw.id=Fan Zone}", 0.3136),
            ("hw.voltage{hw.id=P12V}", 12.03),
            ("hw.power{hw.id=PS1 Input}", 120.0),
            ("tocsin.sensor.current{hw.id=PS1 Curr}", 0.6),
        ],
    );
    let parts: Vec<_> = found.parts.iter().map(|part| (part.kind, part.id.as_str())).collect();
    assert_eq!(
        parts,
        [
            ("controller", "bmc"),
            ("temperature", "Inlet Temp"),
            ("fan", "FAN1"),
            ("fan", "Fan Zone"),
            ("voltage", "P12V"),
            ("power_supply", "PS1 Input"),
            ("power_supply", "PS1 Curr"),
            ("battery", "BBU"),
            ("disk", "Drive 3"),
            ("sensor", "Watchdog"),
        ],
        "what has no reading is no part"
    );
    assert_eq!(status(&found, "battery", "BBU"), Some(PartStatus::Degraded));
}

#[test]
fn the_text_decides_and_not_the_column_that_says_ok() {
    for (words, expected) in [
        ("Presence detected", PartStatus::Ok),
        ("Presence detected, Failure detected", PartStatus::Failed),
        ("Presence detected, Power Supply AC lost", PartStatus::Failed),
        ("Presence detected, Predictive failure", PartStatus::Degraded),
        ("AC lost", PartStatus::Failed),
        ("Drive Present, Drive Fault", PartStatus::Failed),
        ("Drive Present, In Critical Array", PartStatus::Degraded),
        ("Drive Present, In Failed Array", PartStatus::Failed),
        ("Drive Present, Rebuild In Progress", PartStatus::Degraded),
        ("Fully Redundant", PartStatus::Ok),
        ("Redundancy Lost", PartStatus::Degraded),
        ("Non-Redundant: Sufficient from Redundant", PartStatus::Degraded),
        ("Non-Redundant: Insufficient Resources", PartStatus::Failed),
        ("Correctable ECC", PartStatus::Ok),
        ("Correctable ECC logging limit reached", PartStatus::Degraded),
        ("Uncorrectable ECC", PartStatus::Failed),
        ("Thermal Trip", PartStatus::Failed),
        ("Transition to OK", PartStatus::Ok),
        ("Transition to Non-Critical from OK", PartStatus::Degraded),
        ("Transition to Critical from less severe", PartStatus::Failed),
        ("Transition to Running", PartStatus::Ok),
    ] {
        let found = look(&controller(&format!("PS1 Status | C8h | ok | 10.1 | {words}\n")));
        assert_eq!(status(&found, "power_supply", "PS1 Status"), Some(expected), "{words}");
    }
}

fn row(name: &str, value: &str, unit: &str, state: &str, limits: [&str; 6]) -> String {
    format!("{name} | {value} | {unit} | {state} | {}\n", limits.join(" | "))
}

#[test]
fn thresholds_decide_where_they_are_known() {
    let na = "na";
    let stand = controller(
        "CPU1 Temp | 01h | ucr | 3.1 | 97 degrees C\n\
         CPU2 Temp | 02h | unc | 3.2 | 88 degrees C\n\
         Fan 4 | 03h | lcr | 29.4 | 0 RPM\n\
         Odd Temp | 04h | cr | 7.4 | 30 degrees C\n\
         Power Meter | 05h | cr | 7.5 | 180 Watts\n\
         Virtual Fan | 06h | nc | 7.6 | 19.60 percent\n",
    );
    let unknown = look(&stand);
    assert_eq!(
        verdict(&unknown, "temperature", "Odd Temp"),
        Some((PartStatus::Failed, "beyond a limit (cr)".to_owned())),
        "without thresholds the controller is believed"
    );
    stand.says(
        THRESHOLDS,
        &[
            row(
                "CPU1 Temp",
                "97.000",
                "degrees C",
                "cr",
                [na, na, na, "85.000", "95.000", na],
            ),
            row(
                "CPU2 Temp",
                "88.000",
                "degrees C",
                "nc",
                [na, na, na, "85.000", "95.000", na],
            ),
            row("Fan 4", "0.000", "RPM", "cr", [na, "500.000", "900.000", na, na, na]),
            row("Odd Temp", "30.000", "degrees C", "cr", [na, na, na, na, na, na]),
            row("Power Meter", "180.000", "Watts", "cr", [na, na, "384.000", na, na, na]),
            row(
                "Virtual Fan",
                "19.600",
                "unspecified",
                "nc",
                [na, na, "75.000", na, na, na],
            ),
            row("PS1", "0x0", "discrete", "0x0180", [na, na, na, na, na, na]),
        ]
        .concat(),
    );
    let found = look(&stand);
    for (kind, id, expected) in [
        ("temperature", "CPU1 Temp", PartStatus::Failed),
        ("temperature", "CPU2 Temp", PartStatus::Degraded),
        ("fan", "Fan 4", PartStatus::Failed),
        ("temperature", "Odd Temp", PartStatus::Ok),
        ("power_supply", "Power Meter", PartStatus::Ok),
        ("fan", "Virtual Fan", PartStatus::Ok),
    ] {
        assert_eq!(status(&found, kind, id), Some(expected), "{id}");
    }
    assert_values(
        &found,
        &[
            (
                "hw.temperature.limit{hw.id=CPU1 Temp,hw.limit_type=high.critical}",
                95.0,
            ),
            ("hw.fan.speed.limit{hw.id=Fan 4,hw.limit_type=low.degraded}", 900.0),
        ],
    );
}

#[test]
fn the_long_listing_is_asked_once_a_day_and_hourly_while_it_is_missed() {
    let stand = controller("CPU1 Temp | 01h | ok | 3.1 | 40 degrees C\n");
    let limit = |second: u64, stand: &Stand, ipmi: &mut Ipmi| {
        let found = stand.look_at(ipmi, second);
        values(&found)
            .into_iter()
            .find(|(name, _)| name.contains("limit"))
            .map(|(_, value)| value)
    };
    let thresholds = |high: &str| {
        stand.says(
            THRESHOLDS,
            &row(
                "CPU1 Temp",
                "40",
                "degrees C",
                "ok",
                ["na", "na", "na", high, "na", "na"],
            ),
        );
    };
    let mut ipmi = Ipmi::new(Way::Direct);
    thresholds("80");
    assert_eq!(limit(0, &stand, &mut ipmi), Some(80.0));
    thresholds("81");
    assert_eq!(limit(86_399, &stand, &mut ipmi), Some(80.0));
    assert_eq!(limit(86_400, &stand, &mut ipmi), Some(81.0));
    stand.says(LIST, "CPU2 Temp | 02h | nc | 3.2 | 90 degrees C\n");
    stand.says(
        THRESHOLDS,
        &row(
            "CPU2 Temp",
            "90",
            "degrees C",
            "nc",
            ["na", "na", "na", "85", "na", "na"],
        ),
    );
    assert_eq!(limit(86_460, &stand, &mut ipmi), None);
    assert_eq!(limit(90_000, &stand, &mut ipmi), Some(85.0));
}

#[test]
fn sensors_of_one_name_are_told_apart_by_number() {
    let found = look(&controller(
        "Temp | 01h | ok | 3.1 | 40 degrees C\n\
         Temp | 02h | ok | 3.2 | 41 degrees C\n\
         Temp | 02h | ok | 3.3 | 42 degrees C\n",
    ));
    assert_values(
        &found,
        &[
            ("hw.temperature{hw.id=Temp}", 40.0),
            ("hw.temperature{hw.id=Temp (02h)}", 41.0),
            ("hw.temperature{hw.id=Temp #2}", 42.0),
        ],
    );
}

#[test]
fn a_controller_that_cannot_be_asked_is_unread_and_none_is_absent() {
    let stand = Stand::new(&[]);
    stand.says(LIST, "Temp | 01h | ok | 3.1 | 40 degrees C\n");
    assert!(look(&stand).parts.is_empty(), "no controller");
    stand.write("dev/ipmi0", "");
    stand.answers(
        LIST,
        1,
        "",
        "\nCould not open device at /dev/ipmi0: Permission denied\n",
    );
    assert_eq!(
        verdict(&look(&stand), "controller", "bmc"),
        Some((
            PartStatus::Unread,
            "Could not open device at /dev/ipmi0: Permission denied".to_owned()
        ))
    );
    stand.hangs(LIST);
    assert_eq!(status(&look(&stand), "controller", "bmc"), Some(PartStatus::Unread));
    let without_tool = Stand::new(&[("dev/ipmi0", "")]);
    assert!(look(&without_tool).parts.is_empty());
}

#[test]
fn new_records_of_the_log_become_events_once() {
    let stand = controller("Temp | 01h | ok | 3.1 | 40 degrees C\n");
    let mut ipmi = Ipmi::new(Way::Direct);
    let old = "   1 | 01/02/2026 | 03:04:05 | Event Logging Disabled SEL | Log area reset/cleared | Asserted\n";
    let failed = "   2 | 01/03/2026 | 10:00:00 | Power Supply PS1 | Failure detected | Asserted\n";
    let over = "   3 | 01/03/2026 | 10:05:00 | Power Supply PS1 | Failure detected | Deasserted\n";
    let hot = "   4 | Pre-Init  |0000000003| Temperature CPU1 | Upper Non-critical going high | Asserted | Reading 86 > Threshold 85 degrees C\n";
    let mut events = |log: &str| {
        stand.says(SEL, log);
        let found = stand.look_at(&mut ipmi, 0);
        found
            .events
            .into_iter()
            .map(|event| (event.severity, event.body))
            .collect::<Vec<_>>()
    };
    assert_eq!(events(old), [], "what is in it happened long ago");
    assert_eq!(
        events(&[old, failed].concat()),
        [(
            Severity::Major,
            "Power Supply PS1: Failure detected, Asserted (01/03/2026 10:00:00 by the controller's clock)".to_owned()
        )]
    );
    let more = events(&[failed, over, hot].concat());
    assert_eq!(
        more.iter().map(|(severity, _)| *severity).collect::<Vec<_>>(),
        [Severity::Info, Severity::Warning]
    );
    assert!(more[1].1.contains("Reading 86 > Threshold 85 degrees C"));
    assert_eq!(events(&[failed, over, hot].concat()), []);
    assert_eq!(events(old).len(), 1, "it was cleared");
}

#[test]
fn what_came_while_the_agent_was_away_is_told_after_its_restart() {
    let stand = controller("").remembering();
    let old = "1 | 01/02/2026 | 03:04:05 | Event Logging Disabled SEL | Log area reset/cleared | Asserted\n";
    let new = "2 | 01/03/2026 | 10:00:00 | Memory DIMM_A1 | Uncorrectable ECC | Asserted\n";
    stand.says(SEL, old);
    assert!(look(&stand).events.is_empty());
    assert!(look(&stand).events.is_empty(), "nothing is told again");
    stand.says(SEL, &[old, new].concat());
    let events = look(&stand).events;
    assert_eq!(events.len(), 1);
    assert!(events[0].body.starts_with("Memory DIMM_A1"), "{}", events[0].body);
}

#[test]
fn without_root_and_without_a_helper_the_controller_is_unread() {
    let stand = controller("Temp | 01h | ok | 3.1 | 40 degrees C\n");
    let found = stand.look_at(&mut Ipmi::new(Way::Helper("/no/such.sock".into())), 0);
    let why = "only root may ask: enable tocsin-errand.socket".to_owned();
    assert_eq!(verdict(&found, "controller", "bmc"), Some((PartStatus::Unread, why)));
    let none = Stand::new(&[]).look_at(&mut Ipmi::new(Way::Helper("/no/such.sock".into())), 0);
    assert!(none.parts.is_empty());
}

#[test]
fn records_that_came_into_an_empty_log_are_new() {
    let stand = controller("");
    let mut ipmi = Ipmi::new(Way::Direct);
    stand.says(SEL, "SEL has no entries\n");
    assert!(stand.look_at(&mut ipmi, 0).events.is_empty());
    stand.says(
        SEL,
        "1 | 01/03/2026 | 10:00:00 | Memory DIMM_A1 | Uncorrectable ECC | Asserted\n",
    );
    let found = stand.look_at(&mut ipmi, 180);
    assert_eq!(found.events.len(), 1);
    assert_eq!(
        (found.events[0].name, found.events[0].severity),
        ("hardware.log", Severity::Major)
    );
}

#[test]
fn any_line_is_a_sensor_a_record_or_none() {
    bolero::check!().for_each(timed(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let sensors = sensors::parse(&text);
        let mut ids = BTreeSet::new();
        for sensor in &sensors {
            let id = unique(&mut ids, sensor);
            let _ = (verdict::part(sensor, &id, PartStatus::Ok), sensor.value());
        }
        let _ = log::parse(&text);
        let mut log = log::Log::default();
        log.follow("", &mut Findings::default());
        log.follow(&text, &mut Findings::default());
    }));
}

fn recorded(file: &str) -> Option<Findings> {
    Some(look(&controller(&crate::field_data::text(&format!(
        "hardware/{file}"
    ))?)))
}

#[test]
fn recorded_listings_get_the_verdicts_of_their_text() {
    let Some(found) = recorded("ipmitool-sdr-compact-failed-psu-drive.txt") else {
        return;
    };
    for (kind, id, expected) in [
        ("power_supply", "PS1 Status", Some(PartStatus::Failed)),
        ("power_supply", "PS2 Status", Some(PartStatus::Ok)),
        ("power_supply", "PS3 Status", Some(PartStatus::Ok)),
        ("power_supply", "Power Redundancy", Some(PartStatus::Ok)),
        ("disk", "Drive 4", Some(PartStatus::Failed)),
        ("sensor", "Non Fatal PCI Er", None),
    ] {
        assert_eq!(status(&found, kind, id), expected, "{id}");
    }
    let Some(found) = recorded("ipmitool-sdr-elist-hp-dl-failed-psu.txt") else {
        return;
    };
    for (kind, id, expected) in [
        ("power_supply", "Power Supply 1", Some(PartStatus::Failed)),
        ("power_supply", "Power Supply 2", Some(PartStatus::Ok)),
        ("power_supply", "Power Supplies", Some(PartStatus::Degraded)),
        ("fan", "Fan Block 1", Some(PartStatus::Ok)),
        ("fan", "Fans", Some(PartStatus::Ok)),
        ("temperature", "Temp 1", Some(PartStatus::Ok)),
        ("temperature", "Temp 4", None),
        ("memory", "Memory", Some(PartStatus::Degraded)),
    ] {
        assert_eq!(status(&found, kind, id), expected, "{id}");
    }
    assert_values(
        &found,
        &[
            ("hw.power{hw.id=Power Supply 1}", 0.0),
            ("hw.power{hw.id=Power Supply 2}", 95.0),
            ("hw.fan.speed_ratio{hw.id=Fan Block 1}", 0.2156),
            ("hw.temperature{hw.id=Temp 28}", 73.0),
        ],
    );
}

#[test]
fn recorded_thresholds_are_read_and_false_states_are_not_believed() {
    let Some(found) = recorded("ipmitool-sensor-list-intel.txt") else {
        return;
    };
    assert_values(
        &found,
        &[
            ("hw.voltage{hw.id=BB +5V}", 5.07),
            ("hw.voltage.limit{hw.id=BB +5V,hw.limit_type=low.critical}", 4.446),
            ("hw.fan.speed{hw.id=Fan 2}", 8_557.0),
            (
                "hw.temperature.limit{hw.id=Ctrl Panel Temp,hw.limit_type=high.critical}",
                48.0,
            ),
        ],
    );
    assert!(found.parts.iter().all(|part| part.status == PartStatus::Ok));
    let Some(found) = recorded("ipmi-checkmk-dl360g5-false-states.txt") else {
        return;
    };
    assert_values(
        &found,
        &[
            ("hw.temperature{hw.id=Temp 1}", 39.0),
            ("hw.power{hw.id=Power Meter}", 180.0),
        ],
    );
    let bad: Vec<_> = found
        .parts
        .iter()
        .filter(|part| part.status != PartStatus::Ok)
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!(parse_line("a b c").is_none());
}
