//! Paths in every state.

use super::*;
use crate::fuzzing::any_like;
use crate::{
    field_data,
    surveys::stand::{Stand, seen},
};
use PartStatus::{Degraded, Failed, Ok, Unread};

const WHOLE: &str = "disk1 (36000d31000aaaa) dm-3 ACME,Array
size=10G features='1 queue_if_no_path' hwhandler='1 alua' wp=rw
|-+- policy='service-time 0' prio=50 status=active
| |- 1:0:0:1 sdb 8:16 active ready running
| `- 2:0:0:1 sdc 8:32 active i/o pending running
`-+- policy='service-time 0' prio=10 status=enabled
  |- 1:0:1:1 sdd 8:48 active ghost running
  `- 2:0:1:1 sde 8:64 active ready running
";

fn stand() -> Stand {
    let stand = Stand::new(&[
        ("sys/block/dm-3/dm/uuid", "mpath-36000d31000aaaa\n"),
        ("sys/block/dm-3/dm/name", "disk1"),
    ]);
    for device in ["sdb", "sdc", "sdd", "sde"] {
        stand.write(&format!("sys/block/dm-3/slaves/{device}"), "");
        stand.write(&format!("sys/block/{device}/device/state"), "running\n");
    }
    stand
}

#[test]
fn a_volume_is_as_well_as_its_paths() {
    let stand = stand();
    let mut survey = Multipath::new(Way::Direct);
    let id = "36000d31000aaaa";
    for (text, verdict, working) in [
        (WHOLE.to_owned(), (Ok, ""), 4.0),
        (
            WHOLE.replace("sdc 8:32 active i/o pending", "sdc 8:32 failed faulty"),
            (Degraded, "3 of 4 paths work"),
            3.0,
        ),
        (
            WHOLE.replace("active ghost", "active shaky"),
            (Degraded, "a path is unsteady"),
            4.0,
        ),
        (
            WHOLE.replace("sde 8:64 active ready running", "sde 8:64 active ready offline"),
            (Degraded, "3 of 4 paths work"),
            3.0,
        ),
        (
            WHOLE.lines().take(5).collect::<Vec<_>>().join("\n"),
            (Degraded, "2 of 4 paths work"),
            2.0,
        ),
        (
            WHOLE.replace("active", "failed"),
            (Failed, "none of its paths works"),
            0.0,
        ),
        (
            WHOLE.replace("disk1 (36000d31000aaaa)", "reload: disk1 (36000d31000aaaa)"),
            (Ok, ""),
            4.0,
        ),
    ] {
        stand.prints("multipath", 0, &text);
        let seen = stand.look(&mut survey);
        assert_eq!(seen.verdict("multipath", id), verdict, "{text}");
        assert_eq!(
            seen.values["tocsin.multipath.paths.working{hw.id=36000d31000aaaa}"],
            working
        );
        assert_eq!(seen.values["tocsin.multipath.paths.known{hw.id=36000d31000aaaa}"], 4.0);
    }
    let parts = stand.look(&mut survey).parts;
    assert_eq!(parts[&("multipath", id.to_owned())].details["size"], "10G");
    assert_eq!(parts[&("path", format!("{id}/2:0:1:1"))].details["device"], "sde");
}

#[test]
fn when_the_tool_hangs_the_kernel_still_tells_how_many_paths_there_are() {
    let stand = stand();
    stand.hangs("multipath");
    let mut survey = Multipath::new(Way::Direct);
    let id = "36000d31000aaaa";
    let why = "whether its paths work is not known: `multipath` did not end within 20s";
    assert_eq!(stand.look(&mut survey).verdict("multipath", id), (Unread, why));
    stand.write("sys/block/sdb/device/state", "transport-offline\n");
    let seen = stand.look(&mut survey);
    assert_eq!(seen.verdict("multipath", id), (Degraded, "3 of 4 paths work"));
    assert_eq!(
        seen.verdict("path", &format!("{id}/sdb")),
        (Failed, "it is transport-offline")
    );
    stand.remove("sys/block/dm-3/slaves/sdb");
    assert_eq!(
        stand.look(&mut survey).verdict("multipath", id),
        (Degraded, "3 of 4 paths work")
    );
}

#[test]
fn without_privilege_it_is_said() {
    let stand = stand();
    stand.prints("multipath", 0, WHOLE);
    let seen = stand.look(&mut Multipath::new(Way::Helper("/no/such.sock".into())));
    let why = "whether its paths work is not known: only root may ask: enable tocsin-errand.socket";
    assert_eq!(seen.verdict("multipath", "36000d31000aaaa"), (Unread, why));
}

#[test]
fn a_host_without_multipath_runs_nothing() {
    let stand = Stand::new(&[("sys/block/dm-0/dm/uuid", "LVM-x")]);
    stand.prints("multipath", 0, WHOLE);
    assert!(stand.look(&mut Multipath::new(Way::Direct)).parts.is_empty());
    assert!(stand.asked().is_empty());
}

#[test]
fn controllers_of_a_remote_nvme_subsystem_are_its_paths() {
    let folder = "sys/class/nvme-subsystem/nvme-subsys1";
    let stand = Stand::new(&[("sys/class/nvme-subsystem/nvme-subsys0/nvme0/transport", "pcie")]);
    stand.write(&format!("{folder}/subsysnqn"), "nqn.2020-01.example:array\n");
    for (controller, address) in [
        ("nvme1", "traddr=10.0.0.1,trsvcid=4420"),
        ("nvme2", "traddr=10.0.0.2,trsvcid=4420"),
    ] {
        stand.write(&format!("{folder}/{controller}/transport"), "tcp\n");
        stand.write(&format!("{folder}/{controller}/state"), "live\n");
        stand.write(&format!("{folder}/{controller}/address"), address);
    }
    let (mut survey, id) = (Multipath::new(Way::Direct), "nqn.2020-01.example:array");
    let seen = stand.look(&mut survey);
    assert_eq!((seen.verdict("multipath", id), seen.count("multipath")), ((Ok, ""), 1));
    stand.write(&format!("{folder}/nvme2/state"), "connecting\n");
    let seen = stand.look(&mut survey);
    assert_eq!(seen.verdict("multipath", id), (Degraded, "1 of 2 paths work"));
    let path = format!("{id}/traddr=10.0.0.2,trsvcid=4420");
    assert_eq!(seen.verdict("path", &path), (Failed, "it is connecting"));
    stand.remove(&format!("{folder}/nvme2"));
    assert_eq!(
        stand.look(&mut survey).verdict("multipath", id),
        (Degraded, "1 of 2 paths work")
    );
    stand.write(&format!("{folder}/nvme1/state"), "dead");
    assert_eq!(stand.look(&mut survey).verdict("multipath", id).0, Failed);
}

#[test]
fn a_recorded_subsystem_has_a_dead_path() {
    let Some(stand) = Stand::recorded() else { return };
    let seen = stand.look(&mut Multipath::new(Way::Direct));
    let id = "nqn.2014-08.org.nvmexpress:uuid:a34c4f3a-0d6f-5cec-dead-beefcafebabe";
    assert_eq!(seen.verdict("multipath", id), (Degraded, "3 of 4 paths work"));
}

#[test]
fn any_text_is_survived() {
    any_like(&[WHOLE], |bytes: &[u8]| {
        let host = Host::new(
            "/nowhere".as_ref(),
            tocsin_vocabulary::Timestamp::from_millis(0),
            Duration::ZERO,
            None,
        );
        let text = String::from_utf8_lossy(bytes);
        for map in listing::maps(&text)
            .iter()
            .chain(&listing::maps(&format!("{WHOLE}{text}")))
        {
            Multipath::new(Way::Direct).tell(map, None, &host, &mut Findings::default());
        }
    });
}

#[test]
fn recorded_listings_have_the_verdicts_of_their_paths() {
    for (file, verdicts) in [
        ("l-undef", &[("35000cca02d4a86a4", Ok, 2)][..]),
        (
            "ll-3par",
            &[
                ("360002ac0000000000000007a0002d495", Ok, 4),
                ("360002ac0000000000000007b0002d495", Degraded, 4),
                ("3600508b1001c7e4f0000000000000001", Ok, 1),
            ],
        ),
        (
            "ll-emc-vnx-allfailed",
            &[
                ("3600601601290380036a00936cf13e711", Failed, 2),
                ("3600601601bd032007c097518e96ae411", Failed, 1),
            ],
        ),
        (
            "ll-mixed",
            &[
                ("36001405d363af4e9a69472cbd4711629", Degraded, 2),
                ("36001405b52f5c056b524a9c8633cf2b0", Degraded, 2),
            ],
        ),
        ("ll-old-format", &[("360060e801045249004f2a5f900000031", Ok, 2)]),
    ] {
        let Some(bytes) = field_data::file(&format!("hardware/multipath-{file}.txt")) else {
            return;
        };
        let (mut findings, mut survey) = (Findings::default(), Multipath::new(Way::Direct));
        let maps = listing::maps(&String::from_utf8_lossy(&bytes));
        for map in &maps {
            survey.tell(map, None, &Stand::new(&[]).host(), &mut findings);
        }
        let seen = seen(findings);
        assert_eq!(seen.count("multipath"), verdicts.len(), "{file}");
        for (id, status, paths) in verdicts {
            assert_eq!(seen.verdict("multipath", id).0, *status, "{file} {id}");
            assert_eq!(
                maps.iter().find(|map| map.wwid == *id).unwrap().paths.len(),
                *paths,
                "{file} {id}"
            );
        }
    }
}
