//! In which order things arrive that happened at one moment changes no history: series within a tick, hosts beside each
//! other. Nor do counters that begin anew, broken values, ticks that come twice, gaps and restarts between.

use super::{
    history::{Told, every_kind},
    *,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOSTS: [HostId; 2] = [HOST, HostId::from_bytes([2; 16])];
/// Free and used of two mounts, errors of two interfaces in two directions.
const SERIES: usize = 8;

fn counters() -> String {
    let errors = "metric = \"system.network.errors\"\n";
    let words = "severity = \"warning\"\naction = \"notify\"\nflapping = false\n\
                 title = { en = \"{host} {value}\", zh = \"{host}\" }\nremedy = { en = \"Look.\", zh = \"Look.\" }";
    [
        ("rate", format!("{errors}rate = true\nabove = 1")),
        (
            "rate-held",
            format!("{errors}rate = true\nabove = 1\nfor = \"20s\"\nclear_below = 0.5"),
        ),
        ("grew", format!("{errors}delta = \"30s\"\nabove = 60")),
    ]
    .iter()
    .map(|(name, condition)| format!("[[rule]]\nname = \"{name}\"\n{words}\n{condition}\n"))
    .collect()
}

/// The same series in this order.
fn series_of(order: &[usize]) -> Dictionary {
    let usage = |mount: &str, state: &str| {
        let mount = [
            ("system.filesystem.mountpoint", mount),
            ("system.filesystem.state", state),
        ];
        metric("system.filesystem.usage").unwrap().series(&mount)
    };
    let errors = |nic: &str, direction: &str| {
        let nic = [("network.interface.name", nic), ("network.io.direction", direction)];
        metric("system.network.errors").unwrap().series(&nic)
    };
    let all = [
        usage("/", "free"),
        usage("/", "used"),
        usage("/data", "free"),
        usage("/data", "used"),
        errors("eth0", "receive"),
        errors("eth0", "transmit"),
        errors("eth1", "receive"),
        errors("eth1", "transmit"),
    ];
    let ordered = order.iter().map(|at| all[*at].clone()).collect();
    Dictionary::new(vec![Arc::new(Section::new(ordered))])
}

/// What cells hold in their first order: gauges as they are, counters summed; 10 is a reset, 11 nothing, 12 no number.
fn cells(values: &[u8; SERIES], totals: &mut [i64; SERIES]) -> [Cell; SERIES] {
    std::array::from_fn(|at| match values[at] {
        11 => Cell::Absent,
        12 => Cell::Raw(f64::NAN),
        10 => {
            totals[at] = 0;
            Cell::Scaled(0)
        }
        value if at < 4 => Cell::Scaled(value.into()),
        value => {
            totals[at] += i64::from(value) * 4;
            Cell::Scaled(totals[at])
        }
    })
}

struct Run {
    engine: Engine,
    dictionary: Dictionary,
    order: Vec<usize>,
    history: Vec<(HostId, Told)>,
    raised: BTreeMap<(HostId, String, String), Restored>,
}

impl Run {
    fn new(rules: &RuleSet, order: &[usize]) -> Self {
        Self {
            engine: Engine::new(rules.clone()),
            dictionary: series_of(order),
            order: order.to_vec(),
            history: Vec::new(),
            raised: BTreeMap::new(),
        }
    }

    fn ordered(&self, seconds: i64, cells: &[Cell; SERIES]) -> Tick {
        Tick {
            time: at(seconds),
            cells: self.order.iter().map(|at| cells[*at]).collect(),
        }
    }

    fn tick(&mut self, host: HostId, seconds: i64, cells: &[Cell; SERIES]) {
        let tick = self.ordered(seconds, cells);
        let said = self
            .engine
            .tick(host, &self.dictionary, &tick, &[u64::MAX], tick.time, false);
        self.hear(said);
    }

    fn hear(&mut self, said: Vec<Transition>) {
        for one in said {
            let key = (one.host, one.rule.clone(), one.instance.clone());
            if one.kind != TransitionKind::Updated || one.evidence.reason != Reason::Holds {
                let told = (one.kind, one.rule.clone(), one.instance.clone(), one.severity, one.at);
                self.history.push((one.host, told));
            }
            if one.kind == TransitionKind::Cleared {
                self.raised.remove(&key);
                continue;
            }
            let raised_at = self.raised.get(&key).map_or(one.at, |known| known.raised_at);
            let restored = Restored {
                rule: one.rule,
                host: one.host,
                instance: one.instance,
                raised_at,
                value: one.value,
                severity: one.severity,
            };
            self.raised.insert(key, restored);
        }
    }

    fn restart(&mut self, past: &[[[Cell; SERIES]; 2]], seconds: i64) {
        self.engine = Engine::new(self.engine.rules().clone());
        let raised: Vec<Restored> = self.raised.values().cloned().collect();
        let said = self.engine.restore(raised, at(seconds));
        self.hear(said);
        for (number, both) in (0_i64..).zip(past) {
            for (host, cells) in HOSTS.into_iter().zip(both) {
                let tick = self.ordered(number * 10, cells);
                let said = self.engine.recall(host, &self.dictionary, &tick, at(seconds));
                self.hear(said);
            }
        }
    }

    /// What was said, in an order of its own.
    fn sorted(&mut self) -> &[(HostId, Told)] {
        let place = |one: &(HostId, Told)| (one.1.4, one.0, one.1.1.clone(), one.1.2.clone());
        self.history.sort_by_key(place);
        &self.history
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_series_and_hosts_within_a_moment_changes_no_history(
        values in prop::collection::vec(prop::array::uniform2(prop::array::uniform8(0_u8..13)), 1..30),
        order in Just((0..SERIES).collect::<Vec<_>>()).prop_shuffle(),
        swapped in prop::collection::vec(any::<bool>(), 30),
        twice in prop::collection::vec(any::<bool>(), 30),
        restarts in prop::collection::vec(prop::bool::weighted(0.15), 30),
    ) {
        let rules = rules(&(every_kind() + &counters()));
        let mut totals = [[0; SERIES]; 2];
        let ticks: Vec<[[Cell; SERIES]; 2]> = values
            .iter()
            .map(|both| std::array::from_fn(|host| cells(&both[host], &mut totals[host])))
            .collect();
        let straight: Vec<usize> = (0..SERIES).collect();
        let (mut plain, mut disturbed) = (Run::new(&rules, &straight), Run::new(&rules, &order));
        for (number, both) in ticks.iter().enumerate() {
            let seconds = i64::try_from(number).unwrap() * 10;
            if restarts[number] {
                disturbed.restart(&ticks[..number], seconds);
            }
            let turns = if swapped[number] { [1, 0] } else { [0, 1] };
            for host in [0, 1] {
                plain.tick(HOSTS[host], seconds, &both[host]);
            }
            for host in turns {
                disturbed.tick(HOSTS[host], seconds, &both[host]);
                if twice[number] {
                    disturbed.tick(HOSTS[host], seconds, &both[host]);
                }
            }
            prop_assert_eq!(plain.sorted(), disturbed.sorted(), "after tick {}", number);
        }
    }
}
