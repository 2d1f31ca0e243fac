//! Arrays in every state.

use super::*;
use crate::fuzzing::any_like;
use crate::{
    field_data,
    surveys::stand::{Stand, seen},
};
use PartStatus::{Degraded, Failed, Ok};

const MDSTAT: &str = "Personalities : [raid1] [raid6] [raid5] [raid4]
md1 : active raid1 sdb1[1] sda1[0]
      1046528 blocks super 1.2 [2/2] [UU]
md2 : active raid1 sdb2[2](F) sda2[0]
      1046528 blocks super 1.2 [2/1] [U_]
md3 : active raid5 sdd1[4] sdc1[2](W) sdb3[1] sda3[0]
      3139584 blocks super 1.2 level 5, 512k chunk, algorithm 2 [4/3] [UUU_]
      [===>.................]  recovery = 17.5% (183520/1046528) finish=0.3min speed=45880K/sec
md4 : active raid6 sdd2[3](F) sdc2[2](F) sdb4[1](F) sda4[0]
      2093056 blocks level 6, 64k chunk, algorithm 2 [4/1] [U___]
md5 : inactive sdc5[2](S) sdb5[1](S)
      2093056 blocks super 1.2
md6 : active (auto-read-only) raid1 sdb6[1] sda6[0]
      1046528 blocks super 1.2 [2/2] [UU]
      \tresync=PENDING
md7 : active raid1 sdc7[2](S) sdb7[1] sda7[0]
      1046528 blocks super 1.2 [2/2] [UU]
      resync=DELAYED
md8 : active raid1 sdb8[1] sda8[0]
      1046528 blocks super 1.2 [2/2] [UU]
      [=====>...............]  check = 27.0% (282560/1046528) finish=0.2min speed=56512K/sec
md9 : active raid5 sdc9[3] sdb9[1] sda9[0]
      2093056 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/3] [UUU]
      [>....................]  reshape =  0.4% (4608/1046528) finish=3.7min speed=4608K/sec
md10 : active raid0 sdb10[1] sda10[0]
      2093056 blocks super 1.2 512k chunks
md11 : active raid1 sdc11[2](F) sdb11[1] sda11[0]
      1046528 blocks super 1.2 [2/2] [UU]
md127 : inactive sdb[1](S) sda[0](S)
      6306 blocks super external:imsm
md126 : active raid1 sda[1] sdb[0]
      1046528 blocks super external:/md127/0 [2/2] [UU]
md12 : active raid1 sdb12[1] sda12[0]
      1046528 blocks super 1.2 [2/2] [UU]
      [==>..................]  resync = 12.6% (132096/1046528) finish=0.3min speed=44032K/sec
      bitmap: 1/1 pages [4KB], 65536KB chunk

unused devices: <none>
";

#[test]
fn every_state_has_its_verdict() {
    let stand = Stand::new(&[("proc/mdstat", MDSTAT)]);
    let seen = stand.look(&mut Md);
    for (array, verdict) in [
        ("md1", (Ok, "")),
        ("md2", (Degraded, "1 of 2 members are missing; sdb2 failed")),
        (
            "md3",
            (Degraded, "1 of 4 members are missing; a member is being rebuilt"),
        ),
        ("md4", (Failed, "3 of 4 members are missing")),
        ("md5", (Failed, "it is inactive")),
        ("md6", (Ok, "")),
        ("md7", (Degraded, "its members are being made equal")),
        ("md8", (Ok, "")),
        ("md9", (Ok, "")),
        ("md10", (Ok, "")),
        ("md11", (Degraded, "sdc11 failed")),
        ("md127", (Ok, "")),
        ("md126", (Ok, "")),
        ("md12", (Degraded, "its members are being made equal")),
    ] {
        assert_eq!(seen.verdict("array", array), verdict, "{array}");
    }
    assert_eq!(seen.count("array"), 14);
    assert_eq!(seen.verdict("array_member", "md2/sdb2").0, Failed);
    let spare = &seen.parts[&("array_member", "md7/sdc7".to_owned())];
    assert_eq!((spare.status, spare.details["role"].as_str()), (Ok, "spare"));
    for (name, value) in [
        ("tocsin.array.members.wanted{hw.id=md3}", 4.0),
        ("tocsin.array.members.present{hw.id=md3}", 3.0),
        ("tocsin.array.progress{hw.id=md3}", 0.175),
        ("tocsin.array.progress{hw.id=md8}", 0.27),
        ("tocsin.array.progress{hw.id=md9}", 0.004),
        ("tocsin.array.progress{hw.id=md12}", 0.126),
    ] {
        assert_eq!(seen.values.get(name), Some(&value), "{name}");
    }
    assert!(!seen.values.contains_key("tocsin.array.progress{hw.id=md7}"));
    assert!(
        !seen.values.contains_key("tocsin.array.members.wanted{hw.id=md10}"),
        "it counts nothing"
    );
}

#[test]
fn the_folder_of_an_array_says_what_the_table_does_not() {
    let stand = Stand::new(&[
        (
            "proc/mdstat",
            "md0 : active raid1 sdb[1] sda[0]\n      100 blocks [2/2] [UU]\n",
        ),
        ("sys/block/md0/size", "200"),
        ("sys/block/md0/md/array_state", "active\n"),
        ("sys/block/md0/md/level", "raid1\n"),
        ("sys/block/md0/md/raid_disks", "2\n"),
        ("sys/block/md0/md/degraded", "1\n"),
        ("sys/block/md0/md/sync_action", "recover\n"),
        ("sys/block/md0/md/sync_completed", "50 / 200\n"),
        ("sys/block/md0/md/mismatch_cnt", "128\n"),
        ("sys/block/md0/md/dev-sda/state", "in_sync\n"),
        ("sys/block/md0/md/dev-sdb/state", "faulty,write_mostly\n"),
        ("sys/block/md1/md/array_state", "broken\n"),
        ("sys/block/md1/md/level", "raid0\n"),
        ("sys/block/sda/size", "1"),
    ]);
    let seen = stand.look(&mut Md);
    let reason = "1 of 2 members are missing; sdb failed; a member is being rebuilt";
    assert_eq!(seen.verdict("array", "md0"), (Degraded, reason));
    assert_eq!(seen.parts[&("array", "md0".to_owned())].details["size"], "102400 B");
    assert_eq!(seen.verdict("array", "md1"), (Failed, "it is inactive"));
    assert_eq!(seen.verdict("array_member", "md0/sdb").0, Failed);
    assert_eq!(seen.values["tocsin.array.progress{hw.id=md0}"], 0.25);
    assert_eq!(seen.values["tocsin.array.members.present{hw.id=md0}"], 1.0);
    assert_eq!(seen.values["tocsin.array.mismatches{hw.id=md0}"], 128.0);
}

#[test]
fn a_host_without_arrays_tells_nothing() {
    for files in [
        &[][..],
        &[("proc/mdstat", "Personalities : \nunused devices: <none>\n")],
    ] {
        let seen = Stand::new(files).look(&mut Md);
        assert!(seen.parts.is_empty() && seen.values.is_empty());
    }
}

#[test]
fn any_text_is_survived() {
    any_like(&[MDSTAT], |bytes: &[u8]| {
        for array in mdstat::arrays(&String::from_utf8_lossy(bytes)) {
            judge(&array, &mut Part::new("array", array.name.as_str()));
        }
    });
}

#[test]
fn recorded_arrays_have_the_state_that_they_show() {
    let Some(stand) = Stand::recorded() else { return };
    let seen = stand.look(&mut Md);
    for (array, status) in [
        ("md3", Ok),
        ("md127", Ok),
        ("md0", Ok),
        ("md4", Failed),
        ("md6", Degraded),
        ("md8", Degraded),
        ("md201", Ok),
        ("md7", Degraded),
        ("md9", Degraded),
        ("md10", Ok),
        ("md11", Degraded),
        ("md12", Ok),
        ("md126", Ok),
        ("md219", Ok),
        ("md00", Ok),
        ("md120", Ok),
        ("md101", Ok),
        ("md1", Ok),
        ("md5", Degraded),
    ] {
        assert_eq!(seen.verdict("array", array).0, status, "{array}");
    }
    for member in [
        "md4/sda3",
        "md6/sdb2",
        "md7/sdc1",
        "md9/sde",
        "md9/sdf",
        "md11/sdc3",
        "md5/sdp",
    ] {
        assert_eq!(seen.verdict("array_member", member).0, Failed, "{member}");
    }
    assert_eq!(seen.values["tocsin.array.progress{hw.id=md8}"], 0.085);
}

#[test]
fn recorded_tables_have_the_verdicts_of_their_arrays() {
    for (file, ill) in [
        (
            "hardware/proc-mdstat-node_exporter.txt",
            &["md11", "md4", "md6", "md7", "md8", "md9"][..],
        ),
        (
            "hardware/proc-mdstat-procfs.txt",
            &["md11", "md4", "md42", "md6", "md7", "md8", "md9"],
        ),
    ] {
        let Some(text) = field_data::file(file) else { return };
        let mut findings = Findings::default();
        let host = Stand::new(&[]).host();
        for array in mdstat::arrays(&String::from_utf8_lossy(&text)) {
            tell(&host, &[array], &mut findings);
        }
        assert_eq!(seen(findings).ill("array"), ill, "{file}");
    }
}
