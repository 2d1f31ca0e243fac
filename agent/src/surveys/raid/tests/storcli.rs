//! What `storcli` prints.

use super::*;

/// A controller as `storcli /call show all J` prints it, the parts that matter.
pub(super) fn controllers(volume: &str, cache: &str, drive: &str, battery: &str) -> String {
    format!(
        r#"{{"Controllers":[{{"Command Status":{{"Controller":0,"Status":"Success"}},"Response Data":{{
        "Basics":{{"Model":"RAID 9000","Serial Number":"C123"}},"Version":{{"Firmware Version":"1.2"}},
        "Status":{{"Controller Status":"Optimal","Memory Uncorrectable Errors":0}},
        "HwCfg":{{"BBU":"Present","ROC temperature(Degree Celsius)":55}},
        "VD LIST":[{{"DG/VD":"0/239","TYPE":"RAID5","State":"{volume}","Cache":"{cache}","Size":"3 TB","Name":"data"}}],
        "PD LIST":[{{"EID:Slt":"252:1","State":"{drive}","DG":0,"Size":"1 TB","Med":"HDD","Model":"DISK1"}},
                   {{"EID:Slt":" :3","State":"UGood","DG":"F","Size":"1 TB","Med":"HDD","Model":"DISK1"}}],
        "BBU_Info":[{{"Model":"CVPM02","State":"{battery}","MfgDate":"2020/01/01"}}]}}}}]}}"#
    )
}

const VOLUMES: &str = r#"{"Controllers":[{"Command Status":{"Controller":0},"Response Data":{
    "/c0/v239":[{"DG/VD":"0/239","TYPE":"RAID5","State":"Optl","Cache":"NRWTD","Size":"3 TB","Name":"data"}],
    "VD239 Properties":{"Write Cache(initial setting)":"WriteBack"}}}]}"#;

const DRIVES: &str = r#"{"Controllers":[{"Command Status":{"Controller":0},"Response Data":{
    "Drive /c0/e252/s1":[{"EID:Slt":"252:1","State":"Onln","DG":0,"Size":"1 TB","Med":"HDD","Model":"DISK1"}],
    "Drive /c0/e252/s1 - Detailed Information":{"Drive /c0/e252/s1 State":{"Media Error Count":3,
        "Drive Temperature":" 41C (105.80 F)","Predictive Failure Count":2,"S.M.A.R.T alert flagged by drive":"Yes"},
        "Drive /c0/e252/s1 Device attributes":{"SN":"  ABC  ","Firmware Revision":"F1 "}}}}]}"#;

#[test]
fn storcli_tells_controllers_volumes_drives_and_batteries() {
    let label = "raid storcli controllers";
    let seen = told(label, &controllers("Optl", "RWBD", "Onln", "Optimal"));
    for (kind, id) in [
        ("controller", "c0"),
        ("logical_drive", "c0/v239"),
        ("physical_drive", "c0/e252/s1"),
        ("battery", "c0/battery"),
    ] {
        assert_eq!(seen.verdict(kind, id), (Ok, ""), "{id}");
    }
    let foreign = "it bears a foreign configuration";
    assert_eq!(seen.verdict("physical_drive", "c0/s3"), (Degraded, foreign));
    assert_eq!(seen.values["hw.temperature{hw.id=c0,hw.type=controller}"], 55.0);
    let seen = told(label, &controllers("Dgrd", "RWBD", "Rbld", "Dgd (Needs Attention)"));
    assert_eq!(seen.verdict("logical_drive", "c0/v239"), (Degraded, "it is Dgrd"));
    assert_eq!(seen.verdict("physical_drive", "c0/e252/s1"), (Degraded, "it is Rbld"));
    assert_eq!(seen.verdict("battery", "c0/battery").0, Degraded);
    let seen = told(label, &controllers("OfLn", "RWBD", "UBad", "Failed"));
    for (kind, id) in [
        ("logical_drive", "c0/v239"),
        ("physical_drive", "c0/e252/s1"),
        ("battery", "c0/battery"),
    ] {
        assert_eq!(seen.verdict(kind, id).0, Failed, "{id}");
    }
    let degraded =
        controllers("Optl", "RWBD", "Onln", "Optimal").replace(r#"Status":"Optimal"#, r#"Status":"Needs Attention"#);
    assert_eq!(
        told(label, &degraded).verdict("controller", "c0"),
        (Degraded, "it is Needs Attention")
    );
}

#[test]
fn a_volume_that_writes_through_where_it_should_write_back_is_degraded() {
    let through = controllers("Optl", "NRWTD", "Onln", "Failed");
    let reason = "it writes through instead of back";
    let seen = told_all(&[
        ("raid storcli controllers", &through),
        ("raid storcli volumes", VOLUMES),
    ]);
    assert_eq!(seen.verdict("logical_drive", "c0/v239"), (Degraded, reason));
    let meant = VOLUMES.replace("\"WriteBack\"", "\"WriteThrough\"");
    let without_battery = through.replace("BBU_Info", "None");
    let seen = told_all(&[
        ("raid perccli controllers", &without_battery),
        ("raid perccli volumes", &meant),
    ]);
    assert_eq!(seen.verdict("logical_drive", "c0/v239"), (Ok, ""));
    assert_eq!(
        seen.parts[&("logical_drive", "c0/v239".to_owned())].details["write_cache"],
        "write through"
    );
    let seen = told("raid storcli controllers", &through);
    assert_eq!(
        seen.verdict("logical_drive", "c0/v239"),
        (Degraded, reason),
        "there is a battery for it"
    );
}

#[test]
fn storcli_adds_what_a_drive_says_of_itself() {
    let controllers = controllers("Optl", "RWBD", "Onln", "Optimal");
    let seen = told_all(&[
        ("raid storcli controllers", &controllers),
        ("raid storcli drives", DRIVES),
    ]);
    let reason = "it predicts its own failure";
    assert_eq!(seen.verdict("physical_drive", "c0/e252/s1"), (Degraded, reason));
    let details = &seen.parts[&("physical_drive", "c0/e252/s1".to_owned())].details;
    assert_eq!(
        (details["serial"].as_str(), details["model"].as_str()),
        ("ABC", "DISK1")
    );
    assert_eq!(seen.values["tocsin.disk.media_errors{hw.id=c0/e252/s1}"], 3.0);
    assert_eq!(
        seen.values["hw.temperature{hw.id=c0/e252/s1,hw.type=physical_drive}"],
        41.0
    );
}
