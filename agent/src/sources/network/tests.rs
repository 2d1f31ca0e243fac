//! Lines of old and new kernels, links that go and come.

use super::*;
use crate::fuzzing::any_like;

const HEADER: &str =
    "Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n";

#[test]
fn lines_with_and_without_a_space_are_read() {
    for gap in ["", " ", "    "] {
        let line = format!("  eth0:{gap}1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
        let (name, counters) = parse_line(line.as_bytes()).unwrap();
        assert_eq!(name, b"eth0");
        assert_eq!(
            (counters.received.overruns, counters.received.of_the_line),
            (Some(5), Some(6))
        );
        assert_eq!(
            (counters.transmitted.overruns, counters.transmitted.of_the_line),
            (Some(13), Some(15))
        );
        assert_eq!((counters.received.bytes, counters.received.dropped), (Some(1), Some(4)));
        assert_eq!(
            (counters.transmitted.bytes, counters.transmitted.errors),
            (Some(9), Some(11))
        );
    }
    let (name, _) = parse_line(b"eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15").unwrap();
    assert_eq!(name, b"eth0:1");
    assert!(lines(HEADER.as_bytes()).filter_map(parse_line).next().is_none());
    assert_eq!(parse_line(b"eth0: 1 2 3"), None);
}

#[test]
fn what_is_unknown_is_absent() {
    assert_eq!(parse_speed(b"1000"), Some(1_000_000_000));
    assert_eq!(parse_speed(b"-1"), None);
    assert_eq!(parse_speed(b"4294967295"), None); // -1 as older kernels print it
    assert_eq!(parse_duplex(b"unknown"), None);
    assert_eq!(parse_operstate(b"lowerlayerdown"), Some(Some(false)));
    assert_eq!(parse_operstate(b"unknown"), Some(None));
    assert_eq!(parse_operstate(b""), None);
}

fn tree() -> (tempfile::TempDir, impl Fn(&str, &str)) {
    let root = tempfile::tempdir().unwrap();
    let base = root.path().to_owned();
    let write = move |name: &str, text: &str| {
        let path = base.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    (root, write)
}

#[test]
fn a_link_that_goes_down_and_up_is_told_once_each() {
    let (root, write) = tree();
    write(
        "proc/net/dev",
        &format!(
            "{HEADER}  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
        ),
    );
    let state = |operstate: &str, changes: &str, speed: &str| {
        write("sys/class/net/eth0/operstate", operstate);
        write("sys/class/net/eth0/carrier_changes", changes);
        write("sys/class/net/eth0/speed", speed);
    };
    let mut network = Network::new(root.path(), vec!["lo".to_owned()]);
    let mut sample = |second: u64| {
        let (mut cells, mut events) = (Vec::new(), Vec::new());
        network.sample(&mut Vec::new(), &mut cells, &mut events, Duration::from_secs(second));
        (
            cells[12..].to_vec(),
            events.into_iter().map(|event| event.name).collect::<Vec<_>>(),
        )
    };
    state("up\n", "2\n", "1000\n");
    let up = [
        Cell::Scaled(1),
        Cell::Scaled(2),
        Cell::Scaled(1_000_000_000),
        Cell::Absent,
    ];
    assert_eq!(sample(0), (up.to_vec(), vec![]));
    state("down\n", "3\n", "-1\n");
    let down = [Cell::Scaled(0), Cell::Scaled(3), Cell::Absent, Cell::Absent];
    assert_eq!(sample(1), (down.to_vec(), vec!["network.link.down"]));
    assert_eq!(sample(2).1, Vec::<&str>::new());
    state("up\n", "4\n", "10000\n");
    let (cells, events) = sample(3);
    assert_eq!(
        (cells[2], events),
        (Cell::Scaled(10_000_000_000), vec!["network.link.up"])
    );
    state("up\n", "4\n", "100\n");
    assert_eq!(sample(62).0[2], Cell::Scaled(10_000_000_000));
    assert_eq!(sample(63).0[2], Cell::Scaled(100_000_000));
}

#[test]
fn without_proc_net_dev_interfaces_come_from_sys() {
    let (root, write) = tree();
    write("sys/class/net/tun0/operstate", "unknown\n");
    write("sys/class/net/tun0/carrier", "1\n");
    write("sys/class/net/bonding_masters", "");
    let mut network = Network::new(root.path(), Vec::new());
    let (mut cells, mut events) = (Vec::new(), Vec::new());
    assert!(network.sample(&mut Vec::new(), &mut cells, &mut events, Duration::ZERO));
    assert_eq!(cells.len(), 16);
    assert_eq!((cells[0], cells[12]), (Cell::Absent, Cell::Scaled(1)));
    assert!(!network.sample(&mut Vec::new(), &mut cells, &mut events, Duration::ZERO));
}

#[test]
fn any_bytes_are_read() {
    any_like(
        &[include_str!("../../../fixtures/modern/proc/net/dev")],
        |bytes: &[u8]| {
            let _ = lines(bytes).filter_map(parse_line).count();
            let _ = (parse_operstate(bytes), parse_speed(bytes), parse_duplex(bytes));
        },
    );
}
