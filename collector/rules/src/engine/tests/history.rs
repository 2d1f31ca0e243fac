//! Whatever else happens — a tick twice, backlog in between, a restart at any point — the history of alerts is the same.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One rule of each kind whose history a restart can keep; none flaps, for that is not told again.
pub(super) fn every_kind() -> String {
    let free = "metric = \"system.filesystem.usage\"\nwhere = { \"system.filesystem.state\" = \"free\" }\n";
    let conditions = [
        ("plain", format!("{free}below = 3\nclear_above = 5")),
        ("window", format!("{free}avg = \"30s\"\nbelow = 4")),
        ("least", format!("{free}min = \"40s\"\nabove = 4")),
        ("delta", format!("{free}delta = \"30s\"\nabove = 4")),
        ("share", format!("{free}quantile = 0.5\nover = \"40s\"\nabove = 6")),
        ("fell", format!("{free}change = \"decrease\"\nabove = 3\nwithin = \"40s\"")),
        ("still", format!("{free}age = \"change\"\nabove = 25")),
        ("state", format!("{free}in = [1, 7]")),
        ("gone", format!("{free}absent = true")),
        ("held", format!("{free}below = 5\nfor = \"30s\"")),
        ("calm", format!("{free}below = 5\nclear_above = 6\nclear_for = \"20s\"")),
        ("mean-held", format!("{free}avg = \"30s\"\nbelow = 5\nfor = \"20s\"\nclear_for = \"20s\"")),
        ("gone-held", format!("{free}absent = true\nfor = \"20s\"")),
        (
            "both",
            "all = [{ metric = \"system.filesystem.usage\", where = { \"system.filesystem.state\" = \"free\" }, below = 5 }, \
             { not = { metric = \"system.filesystem.usage\", where = { \"system.filesystem.state\" = \"used\" }, below = 5 } }]"
                .to_owned(),
        ),
        (
            "sum",
            "expression = \"free / (free + used)\"\nbelow = 0.3\nseries = { \
             free = { metric = \"system.filesystem.usage\", where = { \"system.filesystem.state\" = \"free\" } }, \
             used = { metric = \"system.filesystem.usage\", where = { \"system.filesystem.state\" = \"used\" } } }"
                .to_owned(),
        ),
        (
            "worse",
            format!("{free}below = 6\n[[rule.level]]\nseverity = \"critical\"\nbelow = 3\nclear_above = 4"),
        ),
    ];
    let words = "severity = \"warning\"\naction = \"notify\"\nflapping = false\n\
                 title = { en = \"{host} {value}\", zh = \"{host}\" }\nremedy = { en = \"Look.\", zh = \"Look.\" }";
    let each = conditions.iter();
    each.map(|(name, condition)| format!("[[rule]]\nname = \"{name}\"\n{words}\n{condition}\n"))
        .collect()
}

fn host_series() -> Dictionary {
    let usage = metric("system.filesystem.usage").unwrap();
    let of = |mount: &str, state: &str| {
        usage.series(&[
            ("system.filesystem.mountpoint", mount),
            ("system.filesystem.state", state),
        ])
    };
    let all = ["/", "/data"]
        .into_iter()
        .flat_map(|mount| [of(mount, "free"), of(mount, "used")]);
    Dictionary::new(vec![Arc::new(Section::new(all.collect()))])
}

/// What is compared of a transition: not its value, which may be told at other times.
pub(super) type Told = (TransitionKind, String, String, Severity, Timestamp);

/// An engine and what it said.
struct Run {
    engine: Engine,
    dictionary: Dictionary,
    history: Vec<Told>,
    raised: BTreeMap<(String, String), Restored>,
}

impl Run {
    fn new(rules: &RuleSet) -> Self {
        Self {
            engine: Engine::new(rules.clone()),
            dictionary: host_series(),
            history: Vec::new(),
            raised: BTreeMap::new(),
        }
    }

    fn hear(&mut self, said: Vec<Transition>) {
        for one in said {
            let key = (one.rule.clone(), one.instance.clone());
            let is_value = one.kind == TransitionKind::Updated && one.evidence.reason == Reason::Holds;
            if !is_value {
                self.history
                    .push((one.kind, one.rule.clone(), one.instance.clone(), one.severity, one.at));
            }
            if one.kind == TransitionKind::Cleared {
                self.raised.remove(&key);
            } else {
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
    }

    fn tick(&mut self, tick: &Tick, late: bool) {
        let said = self
            .engine
            .tick(HOST, &self.dictionary, tick, &[u64::MAX], tick.time, late);
        self.hear(said);
    }

    fn restart(&mut self, past: &[Tick], now: Timestamp) {
        self.engine = Engine::new(self.engine.rules().clone());
        let raised: Vec<Restored> = self.raised.values().cloned().collect();
        let said = self.engine.restore(raised, now);
        self.hear(said);
        for tick in past {
            let said = self.engine.recall(HOST, &self.dictionary, tick, now);
            self.hear(said);
        }
    }
}

fn ticks(values: &[[u8; 4]]) -> Vec<Tick> {
    let cell = |value: &u8| {
        if *value > 9 {
            Cell::Absent
        } else {
            Cell::Scaled(i64::from(*value))
        }
    };
    let each = (0_i64..).zip(values);
    each.map(|(number, values)| Tick {
        time: at(number * 10),
        cells: values.iter().map(cell).collect(),
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn repetition_backlog_and_restarts_change_no_history(
        values in prop::collection::vec(prop::array::uniform4(0_u8..11), 1..40),
        twice in prop::collection::vec(any::<bool>(), 40),
        late in prop::collection::vec(prop::option::weighted(0.2, 0_usize..40), 40),
        restarts in prop::collection::vec(prop::bool::weighted(0.15), 40),
        gaps in prop::collection::vec(prop::bool::weighted(0.1), 40),
    ) {
        let rules = rules(&every_kind());
        let mut ticks = ticks(&values);
        let mut gap = gaps.iter();
        ticks.retain(|_| !gap.next().unwrap());
        let (mut plain, mut disturbed) = (Run::new(&rules), Run::new(&rules));
        for (number, tick) in ticks.iter().enumerate() {
            plain.tick(tick, false);
            if restarts[number] {
                disturbed.restart(&ticks[..number], tick.time);
            }
            disturbed.tick(tick, false);
            if twice[number] {
                disturbed.tick(tick, false);
            }
            if let Some(past) = late[number].filter(|past| *past < number) {
                disturbed.tick(&Tick { time: ticks[past].time, cells: ticks[past].cells.clone() }, true);
            }
            let key = |one: &Told| (one.1.clone(), one.2.clone());
            plain.history.sort_by_key(|one| (one.4, key(one)));
            disturbed.history.sort_by_key(|one| (one.4, key(one)));
            prop_assert_eq!(&plain.history, &disturbed.history, "after tick {}", number);
        }
    }
}
