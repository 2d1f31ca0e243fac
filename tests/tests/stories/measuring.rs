//! The measuring programs do measure; how much is for `BENCHMARKS.md`, not for a story.

use std::{fs::File, path::Path, process::Command};
use tocsin_tests::{
    fleet::{model::Model, peer::PeerKind},
    program,
    recording::Recorder,
    site,
};
use tocsin_vocabulary::{Timestamp, batch::Tick};

fn output(program: &str, arguments: &[&str]) -> String {
    site::run(Command::new(program::path(program)).args(arguments), "").expect("figures")
}

#[test]
fn the_way_from_fault_to_page_is_measured() {
    let printed = output("fault-to-page", &["--tries", "5", "--groups", "5"]);
    assert!(printed.starts_with("5 tries"), "{printed}");
    for line in ["cause → page", "tick → page", "alert → page"] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn what_an_agent_costs_is_measured() {
    let printed = output("agent-cost", &["agent", "--ticks", "3", "--settle", "1"]);
    assert!(printed.contains("ms per tick") && printed.contains("MiB"), "{printed}");
}

#[test]
fn an_agent_is_measured_beside_others_on_a_crowded_host_and_after_many_ticks() {
    let printed = output("agent-cost", &["beside", "--interval", "1", "--rounds", "1"]);
    assert!(
        printed.contains("tocsin-agent") && printed.contains("bare C loop"),
        "{printed}"
    );
    let crowd = "crowd --processes 100 --mounts 10 --disks 5 --interval 1 --ticks 2";
    let printed = output("agent-cost", &crowd.split(' ').collect::<Vec<_>>());
    assert!(printed.contains("of a core"), "{printed}");
    let printed = output("agent-cost", &["aged", "--ticks", "120"]);
    assert_eq!(printed.lines().count(), 13, "{printed}");
}

#[test]
fn file_systems_that_hang_cost_a_parked_thread_each_and_no_tick() {
    if !program::is_root() {
        program::skipped("an agent beside file systems that hang", "mounting them takes root");
        return;
    }
    let namespaces = ["--mount", "--pid", "--fork", "--mount-proc", "true"];
    let allowed = Command::new("unshare").args(namespaces).status();
    if !Path::new("/dev/fuse").exists() || !allowed.is_ok_and(|status| status.success()) {
        program::skipped(
            "an agent beside file systems that hang",
            "there is no FUSE, or no namespace may be made",
        );
        return;
    }
    let printed = output("agent-cost", &["hung", "--mounts", "50", "--seconds", "10"]);
    assert!(
        printed.contains("50 mounts") && printed.contains("0 left out"),
        "{printed}"
    );
}

#[test]
fn what_a_fleet_costs_is_measured_second_by_second_and_beside_a_peer() {
    let mut arguments = "--hosts 3 --series 40 --interval 1 --warm-up 1 --seconds 3 --per-second"
        .split(' ')
        .collect::<Vec<_>>();
    let peer = PeerKind::VictoriaMetrics;
    if peer.program().is_file() {
        arguments.extend(["--peer", "victoria-metrics"]);
    } else {
        program::skipped("a fleet beside a peer", "victoria-metrics is not installed");
    }
    let printed = output("fleet", &arguments);
    for line in [
        "3 hosts x 40 series",
        "ns per sample",
        "tick sent -> acknowledged",
        "per connection",
        "CPU ms",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(printed.contains("refused 0"), "{printed}");
    assert_eq!(
        printed.contains("ours / VictoriaMetrics"),
        peer.program().is_file(),
        "{printed}"
    );
}

#[test]
fn hosts_that_come_back_at_once_bring_all_of_their_backlog() {
    let arguments = ["--hosts", "3", "--series", "40", "--interval", "1", "--backlog", "3"];
    let printed = output("fleet", &arguments);
    assert!(printed.contains("start -> backlog acknowledged"), "{printed}");
    assert!(printed.contains("refused 0"), "{printed}");
}

#[test]
fn a_fleet_loses_nothing_when_the_collector_is_killed_again_and_again() {
    let arguments = "--hosts 3 --series 40 --interval 1 --seconds 6 --kill-every 2"
        .split(' ')
        .collect::<Vec<_>>();
    // It fails when anything is lost or there twice.
    let printed = output("fleet", &arguments);
    assert!(printed.contains("lost 0, stored twice 0"), "{printed}");
}

#[test]
fn what_a_sample_costs_without_transport_is_measured() {
    let printed = output("ingest-cost", &["--hosts", "3", "--series", "40", "--ticks", "4"]);
    assert!(printed.contains("which spoke 0 times"), "no rule is met: {printed}");
    for line in ["rules (all threads)", "sealing", "blocks", "bytes per series"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
}

#[test]
fn what_a_recorded_sample_takes_on_disk_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("host.recording");
    let mut recorder = Recorder::begin(File::create(&path).expect("a file")).expect("a recording");
    let machine = Model::made(40).machine(1);
    for seq in 1..=20 {
        let time = Timestamp::from_millis(1_767_571_200_000 + i64::try_from(seq).unwrap_or(0) * 10_000);
        let cells = machine.cells(seq);
        recorder
            .add(&Tick { time, cells }, machine.dictionary())
            .expect("a tick");
    }
    let path = path.to_str().expect("a path of plain letters");
    let printed = output("ingest-cost", &["--recording", path, "--every", "2"]);
    assert!(printed.starts_with("10 ticks over 180 s"), "{printed}");
    assert!(
        printed.contains("never change") && printed.contains("ours: blocks"),
        "{printed}"
    );
}
