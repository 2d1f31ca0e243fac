//! Disks of every kind, well and ill.

use super::*;
use crate::fuzzing::{any_like, timed};
use crate::{
    field_data,
    surveys::stand::{Seen, Stand},
};
use PartStatus::{Degraded, Failed, Ok, Unread};

const HOUR: Duration = Duration::from_secs(3_600);

fn ata(serial: &str, attributes: &[(u64, u64)]) -> String {
    let table: Vec<String> = attributes
        .iter()
        .map(|(id, raw)| {
            format!(r#"{{"id":{id},"name":"A{id}","when_failed":"","raw":{{"value":{raw},"string":"x"}}}}"#)
        })
        .collect();
    format!(
        r#"{{"smartctl":{{"exit_status":0}},"device":{{"name":"/dev/sda","protocol":"ATA"}},"model_name":"M1",
        "serial_number":"{serial}","user_capacity":{{"bytes":1000}},"smart_status":{{"passed":true}},
        "temperature":{{"current":31}},"power_on_time":{{"hours":10}},"ata_smart_attributes":{{"table":[{}]}}}}"#,
        table.join(",")
    )
}

fn nvme(exit: i64, passed: bool, log: &str) -> String {
    format!(
        r#"{{"smartctl":{{"exit_status":{exit}}},"device":{{"name":"/dev/nvme0","protocol":"NVMe"}},"serial_number":"N1",
        "smart_status":{{"passed":{passed}}},"nvme_smart_health_information_log":{log}}}"#
    )
}

fn sas(defects: u64, uncorrected: u64) -> String {
    format!(
        r#"{{"smartctl":{{"exit_status":0}},"device":{{"name":"/dev/sda","protocol":"SCSI"}},"serial_number":"S1",
        "smart_status":{{"passed":true}},"scsi_grown_defect_list":{defects},"scsi_error_counter_log":
        {{"read":{{"total_uncorrected_errors":1}},"write":{{"total_uncorrected_errors":{uncorrected}}}}}}}"#
    )
}

struct Bench {
    stand: Stand,
    smart: Smart,
}

impl Bench {
    fn new() -> Self {
        Self {
            stand: Stand::new(&[("sys/block/sda/size", "1")]),
            smart: Smart::new(Way::Direct),
        }
    }

    fn says(&mut self, status: i32, out: &str) -> Seen {
        self.stand.prints("smartctl", status, out);
        self.stand.pass(PERIOD);
        self.stand.look(&mut self.smart)
    }
}

/// The verdict on a disk that says this at first.
fn first(status: i32, out: &str) -> Option<(PartStatus, String)> {
    let seen = Bench::new().says(status, out);
    assert!(seen.parts.len() <= 1);
    seen.parts.into_values().next().map(|part| (part.status, part.reason))
}

#[test]
fn a_disk_is_judged_by_its_counts_whatever_it_says_of_itself() {
    for (attributes, verdict) in [
        (&[(5, 0), (187, 0), (197, 0), (198, 0), (199, 12)][..], (Ok, "")),
        (&[(5, 100)], (Ok, "")),
        (&[(5, 101)], (Failed, "101 sectors are reallocated")),
        (&[(187, 1)], (Degraded, "1 reported uncorrectable errors")),
        (
            &[(197, 8), (198, 2)],
            (Degraded, "8 pending sectors; 2 uncorrectable errors"),
        ),
        (&[(188, 17_180_131_332)], (Ok, "")),
    ] {
        let found = first(0, &ata("D1", attributes)).unwrap();
        assert_eq!((found.0, found.1.as_str()), verdict, "{attributes:?}");
    }
}

#[test]
fn the_exit_status_is_a_mask() {
    let with = |exit: i64| ata("D1", &[(5, 0)]).replace(r#""exit_status":0"#, &format!(r#""exit_status":{exit}"#));
    for (exit, verdict) in [
        (4, (Ok, "")),
        (32 | 64, (Ok, "")),
        (8, (Failed, "it says of itself that it fails")),
        (16, (Degraded, "an attribute is at its threshold")),
        (128, (Degraded, "a self-test found errors")),
        (
            16 | 64 | 128,
            (Degraded, "an attribute is at its threshold; a self-test found errors"),
        ),
        (1, (Unread, "`smartctl` could not open it")),
        (2 | 4, (Unread, "`smartctl` could not open it")),
    ] {
        let exit_status = i32::try_from(exit).unwrap();
        let found = first(exit_status, &with(exit)).unwrap();
        assert_eq!((found.0, found.1.as_str()), verdict, "{exit}");
    }
}

#[test]
fn what_can_not_be_read_is_never_well() {
    let refused =
        r#"{"smartctl":{"exit_status":2,"messages":[{"string":"open failed: Permission denied","severity":"error"}]}}"#;
    assert_eq!(
        first(2, refused),
        Some((Unread, "open failed: Permission denied".to_owned()))
    );
    let old = "smartctl: unrecognized option '--json=c'";
    let told = "`smartctl` printed no JSON: it needs version 7.0 or later";
    assert_eq!(first(1, old), Some((Unread, told.to_owned())));
    for garbage in ["", "[]", "{", "null", "\u{0}\u{0}"] {
        assert_eq!(first(0, garbage), Some((Unread, told.to_owned())), "{garbage}");
    }
    let mute = r#"{"smartctl":{"exit_status":4},"device":{"name":"/dev/sda","protocol":"ATA"}}"#;
    assert_eq!(first(4, mute), Some((Unread, "it does not tell its health".to_owned())));
}

#[test]
fn what_has_no_smart_is_left_out() {
    let volume =
        r#"{"smartctl":{"exit_status":4},"device":{"name":"/dev/sda","protocol":"SCSI"},"temperature":{"current":0}}"#;
    assert_eq!(first(4, volume), None);
    let none = r#"{"smartctl":{"exit_status":4},"device":{"protocol":"ATA"},"smart_support":{"available":false}}"#;
    assert_eq!(first(4, none), None);
    let stick = r#"{"smartctl":{"exit_status":1,"messages":[{"string":"/dev/sda: Unknown USB bridge [0x1234:0x5678]","severity":"error"}]}}"#;
    assert_eq!(first(1, stick), None);
    let mut smart = Smart::new(Way::Direct);
    let without_tool = Stand::new(&[("sys/block/sda/size", "1")]).look(&mut smart);
    assert!(without_tool.parts.is_empty());
}

#[test]
fn growth_within_a_day_is_a_failure_and_later_a_warning() {
    let mut bench = Bench::new();
    assert_eq!(bench.says(0, &ata("D1", &[(5, 3)])).verdict("disk", "D1"), (Ok, ""));
    let grown = bench.says(0, &ata("D1", &[(5, 4)]));
    assert_eq!(
        grown.verdict("disk", "D1"),
        (Failed, "reallocated sectors grew within a day")
    );
    bench.stand.pass(HOUR * 23);
    assert_eq!(bench.says(0, &ata("D1", &[(5, 4)])).verdict("disk", "D1").0, Failed);
    bench.stand.pass(HOUR);
    let later = bench.says(0, &ata("D1", &[(5, 4)]));
    assert_eq!(later.verdict("disk", "D1"), (Degraded, "reallocated sectors grew by 1"));
    let other = bench.says(0, &ata("D2", &[(5, 40)]));
    assert_eq!(
        other.verdict("disk", "D2"),
        (Ok, ""),
        "another disk in the same place has its own history"
    );
}

#[test]
fn sas_disks_are_judged_by_what_they_could_not_correct() {
    assert_eq!(
        first(0, &sas(260, 0)),
        Some((Degraded, "1 uncorrectable errors".to_owned()))
    );
    assert_eq!(
        first(0, &sas(0, 534)),
        Some((Degraded, "535 uncorrectable errors".to_owned()))
    );
    let mut bench = Bench::new();
    bench.says(0, &sas(56, 0));
    let grown = bench.says(0, &sas(57, 0));
    assert_eq!(
        grown.verdict("disk", "S1"),
        (Failed, "reallocated sectors grew within a day")
    );
    assert_eq!(grown.values["tocsin.disk.reallocated{hw.id=S1}"], 57.0);
}

#[test]
fn nvme_disks_say_why() {
    for (exit, passed, log, verdict) in [
        (
            0,
            true,
            r#"{"critical_warning":0,"available_spare":100,"available_spare_threshold":10,"percentage_used":89}"#,
            (Ok, ""),
        ),
        (
            8,
            false,
            r#"{"critical_warning":16}"#,
            (
                Failed,
                "it says of itself that it fails; the backup of its volatile memory failed",
            ),
        ),
        (
            0,
            true,
            r#"{"critical_warning":3}"#,
            (
                Degraded,
                "its spare is below the threshold; its temperature is beyond the threshold",
            ),
        ),
        (0, true, r#"{"critical_warning":8}"#, (Failed, "it is read-only")),
        (
            0,
            true,
            r#"{"critical_warning":0,"available_spare":9,"available_spare_threshold":10}"#,
            (Degraded, "its spare is below the threshold"),
        ),
        (
            0,
            true,
            r#"{"critical_warning":0,"percentage_used":90}"#,
            (Degraded, "it is nearly worn out"),
        ),
        (
            0,
            true,
            r#"{"critical_warning":0,"percentage_used":120}"#,
            (Failed, "it is worn out"),
        ),
        (0, true, r#"{"critical_warning":0,"media_errors":7}"#, (Ok, "")),
    ] {
        let found = first(exit, &nvme(exit.into(), passed, log)).unwrap();
        assert_eq!((found.0, found.1.as_str()), verdict, "{log}");
    }
}

#[test]
fn a_disk_that_sleeps_is_let_sleep_and_keeps_its_last_word() {
    let told = r#"{"smartctl":{"exit_status":2,"messages":[{"string":"Device is in STANDBY mode, exit(2)","severity":"information"}]},"device":{"name":"/dev/sda"}}"#;
    let silent = r#"{"smartctl":{"exit_status":2},"device":{"name":"/dev/sda"}}"#;
    for asleep in [told, silent] {
        assert_eq!(
            first(2, asleep),
            Some((Unread, "it sleeps and was not read yet".to_owned()))
        );
        let mut bench = Bench::new();
        bench.says(0, &ata("D1", &[(197, 1)]));
        let seen = bench.says(2, asleep);
        assert_eq!(seen.verdict("disk", "D1"), (Degraded, "1 pending sectors"));
        assert_eq!(seen.values["tocsin.disk.pending{hw.id=D1}"], 1.0);
    }
    let mut bench = Bench::new();
    bench.says(0, &ata("D1", &[]));
    assert!(bench.stand.asked()[0].contains("--nocheck=standby"));
}

#[test]
fn a_disk_is_asked_every_half_hour_and_told_at_every_look() {
    let mut bench = Bench::new();
    bench.says(0, &ata("D1", &[(5, 0)]));
    assert_eq!(bench.stand.asked().len(), 1);
    bench.stand.pass(Duration::from_secs(60));
    let seen = bench.stand.look(&mut bench.smart);
    assert!(bench.stand.asked().is_empty());
    assert_eq!(seen.values["hw.temperature{hw.id=D1,hw.type=disk}"], 31.0);
    assert_eq!(seen.values["tocsin.disk.power_on.time{hw.id=D1}"], 36_000.0);
    bench.stand.remove("sys/block/sda");
    assert!(bench.stand.look(&mut bench.smart).parts.is_empty());
}

#[test]
fn one_that_was_read_and_is_not_any_more_keeps_its_name() {
    let mut bench = Bench::new();
    bench.says(0, &ata("D1", &[]));
    bench.says(0, &ata("D1", &[(5, 0)]));
    bench.stand.hangs("smartctl");
    bench.stand.pass(PERIOD);
    let seen = bench.stand.look(&mut bench.smart);
    assert_eq!(
        seen.verdict("disk", "D1"),
        (Unread, "`smartctl` did not end within 30s")
    );
    assert!(seen.values.is_empty());
}

#[test]
fn without_privilege_each_disk_is_unread_until_there_is_a_helper() {
    let stand = Stand::new(&[("sys/block/sda/size", "1")]);
    stand.prints("smartctl", 0, ata("D1", &[]));
    let mut smart = Smart::new(Way::Helper("/no/such.sock".into()));
    let seen = stand.look(&mut smart);
    assert_eq!(
        seen.verdict("disk", "sda"),
        (Unread, "only root may ask: enable tocsin-errand.socket")
    );
    assert!(stand.asked().is_empty());
}

#[test]
fn any_text_is_survived() {
    let sample = ata("D1", &[(5, 10), (187, 0), (188, 17_180_131_332)]);
    any_like(&[&sample], |bytes: &[u8]| {
        if let Some(report) = Report::parse(bytes, 0) {
            let mut part = describe("sda", &report);
            verdict::judge(&report, &mut History::default(), Timestamp::from_millis(0), &mut part);
        }
    });
}

#[test]
fn any_table_of_attributes_is_survived() {
    bolero::check!().with_type::<(i64, Vec<(u8, u64)>)>().for_each(timed(
        |(exit, attributes): &(i64, Vec<(u8, u64)>)| {
            let attributes: Vec<(u64, u64)> = attributes.iter().map(|(id, raw)| (u64::from(*id), *raw)).collect();
            let report = Report::parse(ata("D1", &attributes).as_bytes(), *exit).unwrap();
            let mut part = describe("sda", &report);
            verdict::judge(&report, &mut History::default(), Timestamp::from_millis(0), &mut part);
            assert!((part.status == Ok) == part.reason.is_empty());
        },
    ));
}

/// The controller that only `nvme` is asked of.
fn nvme_alone(log: &str) -> Seen {
    let stand = Stand::new(&[
        ("sys/class/nvme/nvme0/model", "FireCuda 530"),
        ("sys/class/nvme/nvme0/serial", "N7"),
        ("sys/class/nvme/nvme0/transport", "pcie"),
    ]);
    stand.says("nvme", log);
    stand.look(&mut Smart::new(Way::Direct))
}

#[test]
fn without_smartctl_the_log_of_nvme_is_read() {
    let seen = nvme_alone(
        r#"{"critical_warning":4,"temperature":324,"avail_spare":100,"spare_thresh":5,"percent_used":30,"media_errors":"2"}"#,
    );
    assert_eq!(seen.verdict("disk", "N7"), (Failed, "its reliability is degraded"));
    assert_eq!(seen.parts[&("disk", "N7".to_owned())].details["model"], "FireCuda 530");
    assert_eq!(seen.values["hw.temperature{hw.id=N7,hw.type=disk}"], 51.0);
    assert_eq!(seen.values["tocsin.disk.media_errors{hw.id=N7}"], 2.0);
    let worn = nvme_alone(r#"{"critical_warning":{"value":1},"avail_spare":3,"spare_thresh":5,"percent_used":91}"#);
    assert_eq!(
        worn.verdict("disk", "N7"),
        (Degraded, "its spare is below the threshold; it is nearly worn out")
    );
    for silent in ["", "{}", "smart-log: Permission denied"] {
        let seen = nvme_alone(silent);
        assert_eq!(
            seen.verdict("disk", "nvme0"),
            (Unread, "`nvme` printed no log of its health")
        );
    }
}

#[test]
fn any_log_of_nvme_is_survived() {
    bolero::check!().for_each(timed(|bytes: &[u8]| {
        if let Some(report) = Report::parse_nvme_log(bytes) {
            let mut part = describe("nvme0", &report);
            verdict::judge(&report, &mut History::default(), Timestamp::from_millis(0), &mut part);
        }
    }));
}

#[test]
fn a_recorded_log_of_nvme_is_well() {
    let Some(log) = field_data::text("hardware/netdata-nvme-v2.11-nvme-smart-log.json") else {
        return;
    };
    let seen = nvme_alone(&log);
    assert_eq!(seen.verdict("disk", "N7"), (Ok, ""));
    assert_eq!(seen.values["hw.temperature{hw.id=N7,hw.type=disk}"], 51.0);
    assert_eq!(seen.values["tocsin.disk.endurance.used{hw.id=N7}"], 0.3);
}

#[test]
fn recorded_disks_have_the_verdicts_that_they_deserve() {
    for (file, verdict) in [
        ("HGST_HUS724020ALE640_28", Some(Ok)),
        ("HITACHI_H109060SESUN600G_9", Some(Ok)),
        ("MB0500EBNCR_13", Some(Degraded)),
        ("SEAGATE_ST373453LC_26", Some(Degraded)),
        ("ST3200820AS_16", Some(Ok)),
        ("ST3500418AS_12", Some(Failed)),
        ("megaraid,0-null-TOSHIBA_AL15SEB24EQY-0_megaraid_0", Some(Ok)),
        ("megaraid,2-null-TOSHIBA_MG08SCA16TEY-0", Some(Ok)),
        ("nvme-null-INTEL_SSDPE2KE016T8-nvme0", Some(Ok)),
        ("nvme-null-SAMSUNG_MZWLL3T2HAJQ-00005-nvme0", Some(Failed)),
        ("sat+megaraid,0-null-MZ7KH480HAHQ0D3-0", Some(Ok)),
        ("sat-Phison_Driven_SSDs-KINGSTON_SA400M8120G-sda", Some(Ok)),
        ("sat-Seagate_Constellation_ES.3-ST3000NM0033-9ZM178-sdc", Some(Ok)),
        ("scrutiny-smart-ata-date2", Some(Degraded)),
        ("scrutiny-smart-fail", Some(Unread)),
        ("scrutiny-smart-fail2", Some(Failed)),
        ("scrutiny-smart-megaraid1", Some(Failed)),
        ("scrutiny-smart-nvme-failed", Some(Ok)),
        ("scrutiny-smart-nvme", Some(Ok)),
        ("scrutiny-smart-raid", None),
        ("scrutiny-smart-scsi", Some(Ok)),
    ] {
        let Some(bytes) = field_data::file(&format!("smart/{file}.json")) else {
            return;
        };
        let text = String::from_utf8(bytes).unwrap();
        let found = first(0, &text);
        assert_eq!(found.as_ref().map(|found| found.0), verdict, "{file}: {found:?}");
    }
    let packed = field_data::file("smart/sat-Seagate_Constellation_ES.3-ST3000NM0033-9ZM178-sdc.json").unwrap();
    assert_eq!(Report::parse(&packed, 0).unwrap().timeouts, Some(4));
}
