//! What each time service prints.

use super::*;
use crate::fuzzing::any_like;
use crate::surveys::stand::{Stand, assert_values, values};
use answers::{chrony, ntp, show, span, status, timesync};

const CHRONY: &str = "\
Reference ID    : C0000205 (192.0.2.5)
Stratum         : 3
Ref time (UTC)  : Sat Jan 03 10:00:00 2026
System time     : 0.000412000 seconds slow of NTP time
Last offset     : +0.000010000 seconds
RMS offset      : 0.000100000 seconds
Leap status     : Normal
";
const NTPQ: &str = "     remote           refid      st t when poll reach   delay   offset  jitter
==============================================================================
+192.0.2.6       .GPS.            1 u   33   64  377    0.512    0.104   0.020
*192.0.2.5       192.0.2.99       2 u   12   64  377    0.733   -1.250   0.031
 192.0.2.7       .INIT.          16 u    - 1024    0    0.000    0.000   0.000
";
const TIMESYNC: &str = "\
       Server: 192.0.2.5 (ntp.example)
Poll interval: 34min 8s (min: 32s; max 34min 8s)
         Leap: normal
      Version: 4
       Offset: -1.342ms
        Delay: 9.2ms
 Packet count: 63
";

fn answer(service: &'static str, source: &str, synchronized: bool, offset: Option<f64>) -> Option<Answer> {
    Some(Answer {
        service,
        source: source.to_owned(),
        synchronized,
        offset,
    })
}

#[test]
fn every_service_says_how_far_the_clock_is_ahead() {
    assert_eq!(chrony(CHRONY), answer("chrony", "192.0.2.5", true, Some(-0.000_412)));
    assert_eq!(
        chrony(&CHRONY.replace("slow", "fast")),
        answer("chrony", "192.0.2.5", true, Some(0.000_412))
    );
    assert_eq!(ntp(NTPQ), answer("ntpd", "192.0.2.5", true, Some(0.001_25)));
    assert_eq!(
        timesync(TIMESYNC),
        answer("systemd-timesyncd", "192.0.2.5", true, Some(0.001_342))
    );
}

#[test]
fn a_service_that_follows_nobody_is_not_synchronised() {
    let lost = CHRONY
        .replace("C0000205 (192.0.2.5)", "00000000 ()")
        .replace("Normal", "Not synchronised");
    assert_eq!(chrony(&lost), answer("chrony", "", false, None));
    let own = CHRONY.replace("C0000205 (192.0.2.5)", "7F7F0101 ()");
    assert_eq!(chrony(&own), answer("chrony", "local", false, None));
    assert_eq!(ntp(&NTPQ.replace('*', " ")), answer("ntpd", "", false, None));
    let own = NTPQ.replace("*192.0.2.5 ", "*127.127.1.0");
    assert_eq!(ntp(&own), answer("ntpd", "local", false, None));
    let waiting = "Server: n/a\nPoll interval: 0\nPacket count: 0\n";
    assert_eq!(timesync(waiting), answer("systemd-timesyncd", "", false, None));
}

#[test]
fn what_is_no_answer_is_none() {
    for read in [chrony, ntp, timesync, show, status] {
        assert_eq!(read(""), None);
        assert_eq!(read("506 Cannot talk to daemon\n"), None);
        assert_eq!(read("ntpq: read: Connection refused\n"), None);
    }
}

#[test]
fn systemd_tells_at_least_whether_somebody_keeps_the_clock() {
    let told = |synchronized| answer("systemd", "", synchronized, None);
    assert_eq!(show("Timezone=UTC\nNTP=yes\nNTPSynchronized=yes\n"), told(true));
    assert_eq!(show("NTP=yes\nNTPSynchronized=no\n"), told(false));
    assert_eq!(show("NTP=no\nNTPSynchronized=yes\n"), told(true));
    assert_eq!(show("NTP=no\nNTPSynchronized=no\n"), None, "nobody does");
    let old = "      Local time: Sat 2026-01-03\n     NTP enabled: yes\nNTP synchronized: no\n";
    assert_eq!(status(old), told(false));
    let newer = "System clock synchronized: yes\n              NTP service: active\n";
    assert_eq!(status(newer), told(true));
}

#[test]
fn spans_are_read_as_systemd_prints_them() {
    for (text, seconds) in [
        ("+23us", 23e-6),
        ("-1.5ms", -0.0015),
        ("2.25s", 2.25),
        ("-1h 2min 3s", -3_723.0),
        ("+0", f64::NAN),
        ("", f64::NAN),
        ("12parsec", f64::NAN),
    ] {
        let found = span(text).unwrap_or(f64::NAN);
        assert!(
            (found - seconds).abs() < 1e-12 || (found.is_nan() && seconds.is_nan()),
            "{text} is {found}"
        );
    }
}

#[test]
fn the_first_service_that_answers_counts() {
    let stand = Stand::new(&[]);
    stand.answers("chronyc -n tracking", 1, "506 Cannot talk to daemon\n", "");
    stand.hangs("ntpq -p -n");
    stand.says("timedatectl timesync-status", TIMESYNC);
    stand.says("timedatectl show", "NTP=yes\nNTPSynchronized=yes\n");
    let found = stand.look_at(&mut Clock::default(), 0);
    assert_values(
        &found,
        &[
            ("tocsin.clock.offset{}", 0.001_342),
            ("tocsin.clock.synchronized{}", 1.0),
        ],
    );
    assert_eq!(found.parts[0].details["service"], "systemd-timesyncd");
    assert_eq!(found.parts[0].details["source"], "192.0.2.5");
}

#[test]
fn a_clock_that_stays_without_a_source_is_degraded_after_a_while() {
    let stand = Stand::new(&[]);
    stand.says("ntpq -p -n", &NTPQ.replace('*', " "));
    let mut clock = Clock::default();
    for (second, expected) in [(0, PartStatus::Ok), (599, PartStatus::Ok), (600, PartStatus::Degraded)] {
        let found = stand.look_at(&mut clock, second);
        assert_eq!(found.parts[0].status, expected, "{second}");
        assert_values(&found, &[("tocsin.clock.synchronized{}", 0.0)]);
    }
    stand.says("ntpq -p -n", NTPQ);
    assert_eq!(stand.look_at(&mut clock, 720).parts[0].status, PartStatus::Ok);
    stand.says("ntpq -p -n", &NTPQ.replace('*', " "));
    assert_eq!(stand.look_at(&mut clock, 840).parts[0].status, PartStatus::Ok);
}

#[test]
fn without_a_time_service_nothing_is_told() {
    let found = Stand::new(&[]).look_at(&mut Clock::default(), 0);
    assert!(values(&found).is_empty() && found.parts.is_empty());
}

#[test]
fn any_answer_is_read_or_not() {
    any_like(&[CHRONY, NTPQ, TIMESYNC], |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for read in [chrony, ntp, timesync, show, status] {
            if let Some(answer) = read(&text) {
                assert!(answer.offset.is_none_or(f64::is_finite));
            }
        }
    });
}
