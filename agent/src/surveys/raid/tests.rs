//! Controllers of four vendors, well and ill.

mod storcli;

use super::*;
use crate::fuzzing::timed;
use crate::{
    field_data,
    surveys::stand::{self, Stand, seen as ordered},
};
use PartStatus::{Degraded, Failed, Ok, Unread};

fn told(label: &str, text: &str) -> stand::Seen {
    told_all(&[(label, text)])
}

fn told_all(outputs: &[(&str, &str)]) -> stand::Seen {
    let (mut seen, mut findings) = (Seen::default(), Findings::default());
    for (label, text) in outputs {
        read(label, text.as_bytes(), &mut seen);
    }
    seen.tell(&mut findings);
    ordered(findings)
}

const SSACLI: &str = "
Smart Array P999 in Slot 3 (Embedded)
   Slot: 3
   Serial Number: PX1
   Controller Status: OK
   Cache Status: OK
   Battery/Capacitor Status: OK
   Controller Temperature (C): 50


   Internal Drive Cage at Port 1I, Box 1, OK

      Power Supply Status: Not Redundant

   Physical Drives
      physicaldrive 1I:1:1 (port 1I:box 1:bay 1, SAS HDD, 1 TB, OK)
      physicaldrive 1I:1:2 (port 1I:box 1:bay 2, SAS HDD, 1 TB, OK)


   Array: A
      Status: OK

      Logical Drive: 1
         Size: 1 TB
         Fault Tolerance: 1
         Status: OK
         Unrecoverable Media Errors: None
         Caching:  Enabled
         Mirror Group 1:
            physicaldrive 1I:1:1 (port 1I:box 1:bay 1, SAS HDD, 1 TB, OK)

      physicaldrive 1I:1:1
         Port: 1I
         Status: OK
         Size: 1 TB
         Serial Number: D1
         Current Temperature (C): 33

   Unassigned

      physicaldrive 1I:1:2
         Status: OK
         Drive Type: Unassigned Drive
";

#[test]
fn ssacli_tells_controllers_volumes_drives_and_batteries() {
    let seen = told("raid ssacli", SSACLI);
    let all = [
        ("controller", "slot3"),
        ("battery", "slot3/battery"),
        ("enclosure", "slot3/1I/box1"),
        ("logical_drive", "slot3/ld1"),
        ("physical_drive", "slot3/1I:1:1"),
        ("physical_drive", "slot3/1I:1:2"),
    ];
    for (kind, id) in all {
        assert_eq!(seen.verdict(kind, id), (Ok, ""), "{id}");
    }
    assert_eq!(seen.parts.len(), all.len());
    assert_eq!(
        seen.values["hw.temperature{hw.id=slot3/1I:1:1,hw.type=physical_drive}"],
        33.0
    );
    assert_eq!(
        seen.parts[&("physical_drive", "slot3/1I:1:1".to_owned())].details["serial"],
        "D1"
    );
    for (from, to, kind, id, verdict) in [
        (
            "Fault Tolerance: 1\n         Status: OK",
            "Fault Tolerance: 1\n         Status: Recovering, 12% complete",
            "logical_drive",
            "slot3/ld1",
            (Degraded, "it is Recovering"),
        ),
        (
            "Fault Tolerance: 1\n         Status: OK",
            "Status: Failed",
            "logical_drive",
            "slot3/ld1",
            (Failed, "it is Failed"),
        ),
        (
            "Port: 1I\n         Status: OK",
            "Status: Predictive Failure",
            "physical_drive",
            "slot3/1I:1:1",
            (Degraded, "it is Predictive Failure"),
        ),
        (
            "Port: 1I\n         Status: OK",
            "Status: Failed",
            "physical_drive",
            "slot3/1I:1:1",
            (Failed, "it is Failed"),
        ),
        (
            "Box 1, OK",
            "Box 1, Failed",
            "enclosure",
            "slot3/1I/box1",
            (Failed, "it is Failed"),
        ),
        (
            "Capacitor Status: OK",
            "Capacitor Status: Failed (Replace Batteries)",
            "battery",
            "slot3/battery",
            (Failed, "it is Failed (Replace Batteries)"),
        ),
        (
            "Cache Status: OK",
            "Cache Status: Temporarily Disabled",
            "controller",
            "slot3",
            (Degraded, "its cache is Temporarily Disabled"),
        ),
        (
            "Caching:  Enabled",
            "Caching:  Temporarily Disabled",
            "logical_drive",
            "slot3/ld1",
            (Degraded, "its cache is Temporarily Disabled"),
        ),
        (
            "Media Errors: None",
            "Media Errors: Detected",
            "logical_drive",
            "slot3/ld1",
            (Degraded, "it has unrecoverable media errors"),
        ),
    ] {
        assert!(SSACLI.contains(from), "{from}");
        assert_eq!(
            told("raid ssacli", &SSACLI.replace(from, to)).verdict(kind, id),
            verdict,
            "{to}"
        );
    }
}

const ARCCONF: &str = "Controllers found: 1
----------------------------------------------------------------------
Controller information
----------------------------------------------------------------------
   Controller Status                        : Optimal
   Controller Model                         : ASR9999
   Temperature                              : 51 C/ 123 F (Normal)
   Defunct disk drive count                 : 0
   --------------------------------------------------------
   Controller Cache Backup Unit Information
   --------------------------------------------------------
   Overall Backup Unit Status               : Ready
----------------------------------------------------------------------
Logical device information
----------------------------------------------------------------------
Logical Device number 0
   Logical Device name                      : data
   RAID level                               : 1
   Status of Logical Device                 : Optimal
   Write-cache setting                      : Enabled
   Write-cache status                       : On
   Failed stripes                           : No
   --------------------------------------------------------
   Logical Device segment information
   --------------------------------------------------------
   Group 0, Segment 0                       : Present (1MB, SATA, SSD, Connector:0, Device:0) S1
----------------------------------------------------------------------
Physical Device information
----------------------------------------------------------------------
      Device #0
         Device is a Hard drive
         State                              : Online
         Reported Channel,Device(T:L)       : 0,1(1:0)
         Reported Location                  : Connector 0, Device 1
         Model                              : DISK2
         S.M.A.R.T.                         : No
         S.M.A.R.T. warnings                : 0
         Temperature                        : 30 C/ 86 F
      ----------------------------------------------------------------
      Device Phy Information
      ----------------------------------------------------------------
         Phy #0
            PHY Identifier                  : 0
      Device #1
         Device is an Enclosure Services Device
         Reported Channel,Device(T:L)       : 2,0(0:0)
";

#[test]
fn arcconf_tells_controllers_volumes_drives_and_batteries() {
    let seen = told("raid arcconf 1", ARCCONF);
    let all = [
        ("controller", "c1"),
        ("battery", "c1/battery"),
        ("logical_drive", "c1/ld0"),
        ("physical_drive", "c1/0,1"),
    ];
    for (kind, id) in all {
        assert_eq!(seen.verdict(kind, id), (Ok, ""), "{id}");
    }
    assert_eq!(seen.parts.len(), all.len());
    assert_eq!(seen.values["hw.temperature{hw.id=c1/0,1,hw.type=physical_drive}"], 30.0);
    for (from, to, kind, id, verdict) in [
        (
            "Controller Status                        : Optimal",
            "Controller Status : Failed",
            "controller",
            "c1",
            (Failed, "it is Failed"),
        ),
        (
            "count                 : 0",
            "count : 2",
            "controller",
            "c1",
            (Degraded, "it has defunct drives"),
        ),
        (
            "Unit Status               : Ready",
            "Unit Status : Not Ready",
            "battery",
            "c1/battery",
            (Degraded, "it is Not Ready"),
        ),
        (
            "Logical Device                 : Optimal",
            "Logical Device : Degraded",
            "logical_drive",
            "c1/ld0",
            (Degraded, "it is Degraded"),
        ),
        (
            "Write-cache status                       : On",
            "Write-cache status : Off",
            "logical_drive",
            "c1/ld0",
            (Degraded, "it writes through instead of back"),
        ),
        (
            "Segment 0                       : Present",
            "Segment 0 : Missing",
            "logical_drive",
            "c1/ld0",
            (Degraded, "Group 0, Segment 0 is Missing"),
        ),
        (
            "State                              : Online",
            "State : Failed",
            "physical_drive",
            "c1/0,1",
            (Failed, "it is Failed"),
        ),
        (
            "S.M.A.R.T. warnings                : 0",
            "S.M.A.R.T. warnings : 1",
            "physical_drive",
            "c1/0,1",
            (Degraded, "it warns of its own failure"),
        ),
    ] {
        assert!(ARCCONF.contains(from), "{from}");
        assert_eq!(
            told("raid arcconf 1", &ARCCONF.replace(from, to)).verdict(kind, id),
            verdict,
            "{to}"
        );
    }
    let without = ARCCONF.replace(": Ready", ": Not Installed");
    assert_eq!(told("raid arcconf 1", &without).count("battery"), 0);
}

const MEGACLI: &str = "
Adapter #0

Virtual Drive: 0 (Target Id: 0)
Name                :data
RAID Level          : Primary-1, Secondary-0, RAID Level Qualifier-0
State               : Optimal
Default Cache Policy: WriteBack, ReadAhead, Direct, No Write Cache if Bad BBU
Current Cache Policy: WriteBack, ReadAhead, Direct, No Write Cache if Bad BBU
Bad Blocks Exist: No
PD: 0 Information
Enclosure Device ID: 32
Slot Number: 4
Media Error Count: 1
Predictive Failure Count: 0
Raw Size: 1 GB [0x1 Sectors]
Firmware state: Online, Spun Up
Inquiry Data: S1   MAKER DISK   F1
Foreign State: None
Drive Temperature :33C (91.40 F)
Drive has flagged a S.M.A.R.T alert : No
";

#[test]
fn megacli_tells_volumes_drives_and_batteries() {
    let battery =
        "BBU status for Adapter: 0\n\nBatteryType: iBBU\nBattery State: Optimal\n  Battery Pack Missing  : No\n";
    let seen = told_all(&[("raid megacli drives", MEGACLI), ("raid megacli batteries", battery)]);
    for (kind, id) in [
        ("logical_drive", "c0/v0"),
        ("physical_drive", "c0/e32/s4"),
        ("battery", "c0/battery"),
    ] {
        assert_eq!(seen.verdict(kind, id), (Ok, ""), "{id}");
    }
    assert_eq!(seen.parts.len(), 3);
    assert_eq!(seen.values["tocsin.disk.media_errors{hw.id=c0/e32/s4}"], 1.0);
    for (from, to, kind, id, verdict) in [
        (
            "State               : Optimal",
            "State : Degraded",
            "logical_drive",
            "c0/v0",
            (Degraded, "it is Degraded"),
        ),
        (
            "State               : Optimal",
            "State : Offline",
            "logical_drive",
            "c0/v0",
            (Failed, "it is Offline"),
        ),
        (
            "Current Cache Policy: WriteBack",
            "Current Cache Policy: WriteThrough",
            "logical_drive",
            "c0/v0",
            (Degraded, "it writes through instead of back"),
        ),
        (
            "Firmware state: Online",
            "Firmware state: Rebuild",
            "physical_drive",
            "c0/e32/s4",
            (Degraded, "it is Rebuild, Spun Up"),
        ),
        (
            "Firmware state: Online",
            "Firmware state: Unconfigured(bad)",
            "physical_drive",
            "c0/e32/s4",
            (Failed, "it is Unconfigured(bad), Spun Up"),
        ),
        (
            "Failure Count: 0",
            "Failure Count: 1",
            "physical_drive",
            "c0/e32/s4",
            (Degraded, "it predicts its own failure"),
        ),
    ] {
        assert!(MEGACLI.contains(from), "{from}");
        assert_eq!(
            told("raid megacli drives", &MEGACLI.replace(from, to)).verdict(kind, id),
            verdict,
            "{to}"
        );
    }
    let missing = battery.replace("Missing  : No", "Missing  : Yes");
    assert_eq!(
        told("raid megacli batteries", &missing)
            .verdict("battery", "c0/battery")
            .0,
        Failed
    );
}

#[test]
fn a_controller_that_can_not_be_read_is_not_well() {
    let stand = Stand::new(&[("sys/class/scsi_host/host0/proc_name", "megaraid_sas\n")]);
    let seen = stand.look(&mut Raid::new(Way::Direct));
    let why = "its tool is not installed: storcli or perccli";
    assert_eq!(seen.verdict("controller", "megaraid_sas"), (Unread, why));
    let nothing = r#"{"Controllers":[{"Command Status":{"Status":"Failure","Description":"No Controller found"}}]}"#;
    stand.prints("storcli64", 0, nothing);
    let seen = stand.look(&mut Raid::new(Way::Direct));
    let why = "its tool tells nothing of it: storcli or perccli";
    assert_eq!(seen.verdict("controller", "megaraid_sas"), (Unread, why));
    stand.hangs("storcli64");
    stand.prints(
        "storcli64 /call show all",
        0,
        storcli::controllers("Optl", "RWBD", "Onln", "Optimal"),
    );
    let seen = stand.look(&mut Raid::new(Way::Helper("/no/such.sock".into())));
    let why = "only root may ask: enable tocsin-errand.socket";
    assert_eq!(seen.verdict("controller", "storcli64"), (Unread, why));
    let seen = stand.look(&mut Raid::new(Way::Direct));
    assert_eq!(seen.verdict("controller", "c0"), (Ok, ""));
    let why = "`storcli64` did not end within 60s";
    assert_eq!(
        seen.verdict("controller", "storcli64"),
        (Unread, why),
        "the second command hangs"
    );
    let none = Stand::new(&[("sys/class/scsi_host/host0/proc_name", "ahci")]);
    assert!(none.look(&mut Raid::new(Way::Direct)).parts.is_empty());
}

#[test]
fn only_controllers_that_there_are_are_asked() {
    let stand = Stand::new(&[]);
    stand.prints("arcconf", 0, ARCCONF.replace("found: 1", "found: 2"));
    let seen = stand.look(&mut Raid::new(Way::Direct));
    assert_eq!(stand.asked(), ["arcconf GETCONFIG 1 AL", "arcconf GETCONFIG 2 AL"]);
    assert_eq!((seen.count("controller"), seen.count("physical_drive")), (2, 2));
    stand.hangs("arcconf");
    stand.look(&mut Raid::new(Way::Direct));
    assert_eq!(stand.asked().len(), 1, "what hangs is not asked again and again");
}

#[test]
fn any_text_is_survived() {
    let storcli = storcli::controllers("Optl", "RWBD", "Onln", "Optimal");
    let samples = [
        ("raid storcli controllers", storcli.as_str()),
        ("raid ssacli", SSACLI),
        ("raid arcconf 1", ARCCONF),
        ("raid megacli drives", MEGACLI),
    ];
    bolero::check!()
        .with_type::<(u16, Vec<u8>)>()
        .for_each(timed(|(at, bytes): &(u16, Vec<u8>)| {
            for (label, sample) in samples {
                let at = usize::from(*at) % sample.len();
                let spoilt = [&sample.as_bytes()[..at], bytes, &sample.as_bytes()[at..]].concat();
                for text in [&spoilt, bytes] {
                    let (mut seen, mut findings) = (Seen::default(), Findings::default());
                    read(label, text, &mut seen);
                    seen.tell(&mut findings);
                }
            }
        }));
}

#[test]
fn recorded_controllers_have_the_verdicts_that_they_deserve() {
    for (label, file, counts, ill) in [
        (
            "raid storcli controllers",
            "storcli-megaraid-controllers-info.json",
            (1, 1, 6, 1),
            &[][..],
        ),
        (
            "raid storcli drives",
            "storcli-megaraid-drives-info.json",
            (0, 0, 6, 0),
            &[],
        ),
        (
            "raid storcli controllers",
            "storcli-mpt3sas-controllers-info.json",
            (1, 0, 29, 0),
            &[],
        ),
        ("raid ssacli", "hpssa-ssacli-P212_P410i.txt", (2, 3, 18, 0), &[]),
        (
            "raid ssacli",
            "hpssa-ssacli-P400i-unassigned.txt",
            (1, 1, 4, 1),
            &["slot0", "slot0/battery"],
        ),
        ("raid ssacli", "hpssa-ssacli-P408i-a.txt", (1, 1, 4, 1), &[]),
        (
            "raid arcconf 1",
            "adaptecraid-getconfig-ld-current.txt",
            (0, 1, 0, 0),
            &[],
        ),
        (
            "raid arcconf 1",
            "adaptecraid-getconfig-pd-current.txt",
            (0, 0, 6, 0),
            &[],
        ),
        (
            "raid arcconf 1",
            "adaptecraid-getconfig-pd-with-enclosure.txt",
            (0, 0, 12, 0),
            &[],
        ),
        (
            "raid megacli drives",
            "megacli-mega-phys-drives-info.txt",
            (0, 1, 8, 0),
            &[],
        ),
        (
            "raid megacli batteries",
            "megacli-mega-bbu-info-recent.txt",
            (0, 0, 0, 1),
            &[],
        ),
    ] {
        let Some(bytes) = field_data::file(&format!("hardware/netdata-{file}")) else {
            return;
        };
        let seen = told(label, &String::from_utf8_lossy(&bytes));
        let mut found: Vec<&str> = Vec::new();
        for kind in ["controller", "battery", "logical_drive", "physical_drive", "enclosure"] {
            found.extend(seen.ill(kind));
        }
        found.sort_unstable();
        assert_eq!(found, ill, "{file}");
        let counted = ["controller", "logical_drive", "physical_drive", "battery"].map(|kind| seen.count(kind));
        assert_eq!(counted, [counts.0, counts.1, counts.2, counts.3], "{file}");
    }
}
