//! Counters of old and new kernels, tables of connections, the recorded host.

use super::*;
use crate::fuzzing::any_like;
use crate::surveys::{
    host::each_line,
    stand::{Stand, assert_values, values},
};

const SNMP: &str = "\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm MaxConn ActiveOpens AttemptFails EstabResets OutSegs RetransSegs InErrs OutRsts
Tcp: 1 -1 100 7 9 5000 42 3 11
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 900 1 6 800 5 2
";

#[test]
fn counters_are_found_by_name() {
    let stand = Stand::new(&[
        ("proc/net/snmp", SNMP),
        (
            "proc/net/snmp6",
            "Ip6InReceives 7\nUdp6InErrors    \t4\nUdp6RcvbufErrors 3\n",
        ),
        (
            "proc/net/netstat",
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 12 15\n",
        ),
        (
            "proc/net/sockstat",
            "sockets: used 99\nTCP: inuse 8 orphan 2 tw 5 alloc 9 mem 3\nUDP: inuse 4 mem 1\nRAW: inuse 0\n",
        ),
        ("proc/net/sockstat6", "TCP6: inuse 6\nUDP6: inuse 1\n"),
    ]);
    let page = f64::from(u32::try_from(rustix::param::page_size()).unwrap());
    assert_values(
        &stand.look_at(&mut Sockets::default(), 0),
        &[
            ("tocsin.network.tcp.segments.sent{}", 5_000.0),
            ("tocsin.network.tcp.retransmits{}", 42.0),
            ("tocsin.network.tcp.errors{}", 3.0),
            ("tocsin.network.tcp.attempts.failed{}", 7.0),
            ("tocsin.network.tcp.connections.reset{}", 9.0),
            ("tocsin.network.tcp.resets.sent{}", 11.0),
            ("tocsin.network.tcp.listen.overflows{}", 12.0),
            ("tocsin.network.tcp.listen.drops{}", 15.0),
            ("tocsin.network.udp.errors{}", 10.0),
            ("tocsin.network.udp.buffer_errors{network.io.direction=receive}", 8.0),
            ("tocsin.network.udp.buffer_errors{network.io.direction=transmit}", 2.0),
            ("tocsin.network.sockets{network.transport=tcp}", 14.0),
            ("tocsin.network.sockets{network.transport=udp}", 5.0),
            ("tocsin.network.tcp.orphans{}", 2.0),
            ("tocsin.network.tcp.memory{}", 3.0 * page),
        ],
    );
}

#[test]
fn what_an_old_kernel_does_not_count_is_absent() {
    let stand = Stand::new(&[
        ("proc/net/snmp", "Tcp: OutSegs\nTcp: 5\nUdp: InDatagrams\nUdp: 1\n"),
        ("proc/net/sockstat", "TCP: inuse 8\n"),
    ]);
    let found = stand.look_at(&mut Sockets::default(), 0);
    assert_eq!(
        values(&found).into_keys().collect::<Vec<_>>(),
        [
            "tocsin.network.sockets{network.transport=tcp}",
            "tocsin.network.tcp.segments.sent{}"
        ]
    );
    assert!(Stand::new(&[]).look_at(&mut Sockets::default(), 0).values.is_empty());
}

fn table(states: &[&str]) -> String {
    let mut text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n".to_owned();
    for (at, state) in states.iter().enumerate() {
        text.push_str(&format!(
            "{at:4}: 0100007F:1538 0100007F:A1B2 {state} 00000000:00000000 00:00000000 00000000     0        0 {at}\n"
        ));
    }
    text
}

fn state(name: &str) -> String {
    format!("system.network.connection.count{{network.connection.state={name},network.transport=tcp}}")
}

#[test]
fn connections_of_both_protocols_are_counted_by_state() {
    let stand = Stand::new(&[
        ("proc/net/tcp", &table(&["01", "01", "06", "0A", "0C", "FF", "00"])),
        ("proc/net/tcp6", &table(&["01", "08", "0B", "03"])),
    ]);
    let found = stand.look_at(&mut Sockets::default(), 0);
    for (name, count) in [
        ("established", 3.0),
        ("time_wait", 1.0),
        ("listen", 1.0),
        ("syn_received", 2.0),
        ("close_wait", 1.0),
        ("closing", 1.0),
        ("last_ack", 0.0),
    ] {
        assert_values(&found, &[(&state(name), count)]);
    }
    assert_eq!(found.values.len(), 11);
}

#[test]
fn the_more_connections_the_less_often_they_are_counted() {
    let stand = Stand::new(&[("proc/net/tcp", &table(&["01"; 40_000]))]);
    let mut sockets = Sockets::default();
    let mut established = |second: u64| values(&stand.look_at(&mut sockets, second))[&state("established")];
    assert_eq!(established(0), 40_000.0);
    stand.write("proc/net/tcp", &table(&["01"]));
    assert_eq!(established(180), 40_000.0, "what was counted last stands");
    assert_eq!(established(210), 1.0);
    stand.write("proc/net/tcp", &table(&["01", "01"]));
    assert_eq!(established(300), 1.0);
    assert_eq!(established(330), 2.0);
}

#[test]
fn while_their_number_stands_still_connections_are_counted_seldom() {
    let stand = Stand::new(&[("proc/net/tcp", &table(&["01"; 100]))]);
    let in_use = |count: u64| {
        stand.write(
            "proc/net/sockstat",
            &format!("TCP: inuse {count} orphan 0 tw 9 alloc 1\n"),
        );
    };
    let mut sockets = Sockets::default();
    let mut waiting = |second: u64| values(&stand.look_at(&mut sockets, second))[&state("close_wait")];
    in_use(100);
    assert_eq!(waiting(0), 0.0);
    stand.write("proc/net/tcp", &table(&["08"; 160]));
    in_use(120);
    assert_eq!(waiting(570), 0.0, "a few came");
    assert_eq!(waiting(600), 160.0, "some day they are counted again");
    stand.write("proc/net/tcp", &table(&["08"; 220]));
    in_use(220);
    assert_eq!(waiting(690), 160.0, "too soon");
    assert_eq!(waiting(720), 220.0, "many came");
}

#[test]
fn a_table_without_end_is_not_counted() {
    let endless = || std::io::BufReader::new(std::io::repeat(b'1'));
    let count = |table: &mut dyn std::io::BufRead, most: u64| {
        let mut states = States::default();
        each_line(table, most, |line| states.add(line)).map(|()| states.total())
    };
    assert_eq!(count(&mut endless(), u64::MAX), None, "one line");
    let text = table(&["01", "0A"]);
    let length = u64::try_from(text.len()).unwrap();
    assert_eq!(count(&mut text.as_bytes(), length), Some(2));
    assert_eq!(count(&mut text.as_bytes(), length - 1), None);
}

#[test]
fn connection_tracking_is_told_where_it_is() {
    let stand = Stand::new(&[
        ("proc/sys/net/netfilter/nf_conntrack_count", "49152\n"),
        ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
        (
            "proc/net/stat/nf_conntrack",
            "entries searched insert_failed drop early_drop\n0000c000 0 0000000a 1 0\n0000c000 0 1 0 f\n",
        ),
    ]);
    assert_values(
        &stand.look_at(&mut Sockets::default(), 0),
        &[
            ("system.network.conntrack.count{}", 49_152.0),
            ("system.network.conntrack.max{}", 65_536.0),
            ("tocsin.network.conntrack.utilization{}", 0.75),
            ("tocsin.network.conntrack.dropped{}", 27.0),
        ],
    );
}

#[test]
fn any_tables_are_counters_or_none() {
    any_like(&[SNMP], |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let _ = Stat::parse(&text).get("TCP", "inuse");
        let _ = Pairs::parse(&text).get("Tcp", "OutSegs");
        let _ = counters::snmp6(&text, "Udp6InErrors");
        let _ = counters::sum_hex(&text, &["drop"]);
        let mut states = States::default();
        let _ = each_line(bytes, u64::MAX, |line| states.add(line));
        let lines = bytes.split(|byte| *byte == b'\n').count();
        assert!(states.total() <= u64::try_from(lines).unwrap());
    });
}

#[test]
fn the_recorded_host_is_read() {
    let Some(stand) = Stand::recorded() else { return };
    assert_values(
        &stand.look_at(&mut Sockets::default(), 0),
        &[
            ("tocsin.network.sockets{network.transport=tcp}", 21.0),
            ("tocsin.network.sockets{network.transport=udp}", 9.0),
            ("tocsin.network.sockets{network.transport=raw}", 1.0),
            ("tocsin.network.tcp.retransmits{}", 227.0),
            ("tocsin.network.tcp.connections.reset{}", 161.0),
            ("tocsin.network.tcp.listen.overflows{}", 0.0),
            ("tocsin.network.udp.buffer_errors{network.io.direction=receive}", 18.0),
            ("system.network.conntrack.count{}", 123.0),
            ("system.network.conntrack.max{}", 65_536.0),
            ("tocsin.network.conntrack.utilization{}", 0.0019),
            ("tocsin.network.conntrack.dropped{}", 0.0),
        ],
    );
}
