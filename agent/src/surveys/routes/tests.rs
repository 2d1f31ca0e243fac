//! Default routes that come and go, gateways that answer or do not.

use super::*;
use crate::fuzzing::any_like;
use crate::surveys::stand::{Stand, assert_values, values};
use std::sync::{Arc, Mutex};
use tables::{defaults_v4, defaults_v6, neighbour};

const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
const LOCAL: &str = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
const ARP: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";

/// A line of the kernel's table; it prints addresses in the machine's byte order.
fn default_via(gateway: [u8; 4], interface: &str) -> String {
    let gateway = u32::from_ne_bytes(gateway);
    format!("{interface}\t00000000\t{gateway:08X}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n")
}

fn gateway() -> String {
    [HEAD, &default_via([192, 0, 2, 1], "eth0"), LOCAL].concat()
}

/// Routes whose gateways answer when the switch is on.
fn routes() -> (Routes, Arc<Mutex<bool>>) {
    let switch = Arc::new(Mutex::new(false));
    let asked = Arc::clone(&switch);
    let ask = move |_: IpAddr, _: u32| asked.lock().unwrap().then_some(Duration::from_micros(420));
    (Routes::new(Box::new(ask)), switch)
}

fn names(found: &Findings) -> Vec<&'static str> {
    found.events.iter().map(|event| event.name).collect()
}

const REACHABLE: &str =
    "tocsin.network.gateway.reachable{network.interface.name=eth0,tocsin.network.gateway=192.0.2.1}";

#[test]
fn default_routes_are_found_in_both_tables() {
    let v4 = [
        &gateway(),
        "eth1\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n",
        "eth2\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n",
        "short\t0\n",
    ]
    .concat();
    let route = |interface: &str, gateway: Option<&str>| Route {
        interface: interface.to_owned(),
        gateway: gateway.map(|text| text.parse().unwrap()),
    };
    assert_eq!(
        defaults_v4(&v4),
        [route("eth0", Some("192.0.2.1")), route("eth1", None)]
    );
    let zeros = "0".repeat(32);
    let v6 = format!(
        "{zeros} 00 {zeros} 00 fe80000000000000000000000000abcd 00000400 00000003 00000000 00000003     eth0\n\
         {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n\
         20010db8000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001     eth0\n"
    );
    assert_eq!(defaults_v6(&v6), [route("eth0", Some("fe80::abcd"))]);
}

#[test]
fn neighbours_are_known_not_found_or_not_asked_for() {
    let text = [
        ARP,
        "192.0.2.1        0x1         0x2         02:00:00:00:00:05     *        eth0\n",
        "192.0.2.7        0x1         0x0         00:00:00:00:00:00     *        eth0\n",
        "192.0.2.8        0x1         0x6         02:00:00:00:00:06     *        eth0\n",
    ]
    .concat();
    let at = |address: &str, interface: &str| neighbour(&text, address.parse().unwrap(), interface);
    assert_eq!(at("192.0.2.1", "eth0"), Some(true));
    assert_eq!(at("192.0.2.7", "eth0"), Some(false));
    assert_eq!(at("192.0.2.8", "eth0"), Some(true));
    assert_eq!(at("192.0.2.1", "eth1"), None);
    assert_eq!(at("192.0.2.9", "eth0"), None);
}

#[test]
fn a_gateway_that_answers_is_reachable_and_one_that_stops_is_not() {
    let stand = Stand::new(&[("proc/net/route", &gateway())]);
    let (mut routes, answers) = routes();
    let found = stand.look_at(&mut routes, 0);
    assert_values(&found, &[("tocsin.network.routes.default{network.type=ipv4}", 1.0)]);
    assert!(!values(&found).contains_key(REACHABLE), "nothing tells");
    *answers.lock().unwrap() = true;
    let found = stand.look_at(&mut routes, 30);
    assert_values(
        &found,
        &[
            (REACHABLE, 1.0),
            (
                "tocsin.network.gateway.round_trip{network.interface.name=eth0,tocsin.network.gateway=192.0.2.1}",
                0.000_42,
            ),
        ],
    );
    assert_eq!(names(&found), Vec::<&str>::new());
    *answers.lock().unwrap() = false;
    let found = stand.look_at(&mut routes, 60);
    assert_values(&found, &[(REACHABLE, 0.0)]);
    assert_eq!(names(&found), ["network.gateway.gone"]);
    assert_eq!(names(&stand.look_at(&mut routes, 90)), Vec::<&str>::new(), "told once");
    *answers.lock().unwrap() = true;
    assert_eq!(names(&stand.look_at(&mut routes, 120)), ["network.gateway.back"]);
}

#[test]
fn a_gateway_that_answers_no_pings_is_judged_by_the_table_of_neighbours() {
    let stand = Stand::new(&[("proc/net/route", &gateway())]);
    let entry = |flags: &str| {
        let line = format!("192.0.2.1 0x1 {flags} 02:00:00:00:00:05 * eth0\n");
        stand.write("proc/net/arp", &[ARP, &line].concat());
    };
    let (mut routes, _) = routes();
    entry("0x2");
    assert_values(&stand.look_at(&mut routes, 0), &[(REACHABLE, 1.0)]);
    entry("0x0");
    let found = stand.look_at(&mut routes, 30);
    assert_values(&found, &[(REACHABLE, 0.0)]);
    assert_eq!(found.events[0].body, "gateway 192.0.2.1 on eth0 does not answer");
}

#[test]
fn a_gateway_that_never_answered_is_told_unless_it_was_so_from_the_start() {
    let silent = "192.0.2.1 0x1 0x0 00:00:00:00:00:00 * eth0\n";
    let stand = Stand::new(&[("proc/net/route", &gateway()), ("proc/net/arp", silent)]);
    let (mut routes, _) = routes();
    assert_eq!(names(&stand.look_at(&mut routes, 0)), Vec::<&str>::new());
    stand.write("proc/net/route", &[HEAD, &default_via([192, 0, 2, 9], "eth0")].concat());
    stand.write("proc/net/arp", "192.0.2.9 0x1 0x0 00:00:00:00:00:00 * eth0\n");
    assert_eq!(names(&stand.look_at(&mut routes, 30)), ["network.gateway.gone"]);
}

#[test]
fn a_default_route_that_goes_is_told_and_one_that_never_was_is_absent() {
    let stand = Stand::new(&[("proc/net/route", HEAD), ("proc/net/ipv6_route", "")]);
    let (mut routes, _) = routes();
    assert!(stand.look_at(&mut routes, 0).values.is_empty());
    stand.write("proc/net/route", &gateway());
    assert_eq!(
        names(&stand.look_at(&mut routes, 30)),
        Vec::<&str>::new(),
        "it came with the network"
    );
    stand.write("proc/net/route", &[HEAD, LOCAL].concat());
    let found = stand.look_at(&mut routes, 60);
    assert_values(&found, &[("tocsin.network.routes.default{network.type=ipv4}", 0.0)]);
    assert_eq!(names(&found), ["network.route.gone"]);
    assert_values(
        &stand.look_at(&mut routes, 90),
        &[("tocsin.network.routes.default{network.type=ipv4}", 0.0)],
    );
    stand.write("proc/net/route", &gateway());
    assert_eq!(names(&stand.look_at(&mut routes, 120)), ["network.route.back"]);
}

#[test]
fn any_tables_are_routes_and_neighbours_or_none() {
    any_like(&[LOCAL, ARP], |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let _ = (defaults_v4(&text), defaults_v6(&text));
        let _ = neighbour(&text, std::net::Ipv4Addr::LOCALHOST, "eth0");
    });
}

#[test]
fn recorded_neighbours_are_read() {
    let Some(stand) = Stand::recorded() else { return };
    let (mut routes, _) = routes();
    assert!(
        stand.look_at(&mut routes, 0).values.is_empty(),
        "it has no table of routes"
    );
    let Some(text) = stand.text("proc/net/arp") else { return };
    assert_eq!(neighbour(&text, "192.168.1.4".parse().unwrap(), "eth1"), Some(true));
}
