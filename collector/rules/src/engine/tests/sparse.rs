//! A tick that looks only at what changed comes to the same as one that looks at everything.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Tick { cells: Vec<u8>, apart: u8, late: bool },
    Wait(u16),
    Dictionary(usize),
    Reload(usize),
    Tag(bool),
    Restart,
    Forget,
}

fn any_step() -> impl Strategy<Value = Step> {
    let tick = (
        prop::collection::vec(0_u8..6, 140),
        0_u8..30,
        prop::bool::weighted(0.05),
    );
    prop_oneof![
        16 => tick.prop_map(|(cells, apart, late)| Step::Tick { cells, apart, late }),
        3 => (0_u16..400).prop_map(Step::Wait),
        2 => (0_usize..4).prop_map(Step::Dictionary),
        1 => (0_usize..3).prop_map(Step::Reload),
        1 => any::<bool>().prop_map(Step::Tag),
        1 => Just(Step::Restart),
        1 => Just(Step::Forget),
    ]
}

/// Rules on levels and on counters, several on one cell.
fn sets() -> [RuleSet; 3] {
    let errors = |name: &str, lines: &str| {
        full(name, lines)
            .replace("system.filesystem.utilization", "system.network.errors")
            .replace("system.filesystem.mountpoint", "network.interface.name")
            .replace("0.9", "2")
    };
    [
        full("a", "for = \"20s\"\nclear_below = 0.5\nclear_for = \"30s\"")
            + &full("b", "from_healthy = true")
            + &errors("r", "rate = true")
            + &errors("s", "per = \"60s\"\nfor = \"15s\"")
            + &silent(""),
        full("a", "tags = \"x\"") + &errors("r", "rate = true\nclear_for = \"15s\"\nfrom_healthy = true"),
        full(
            "b",
            "where = { \"system.filesystem.mountpoint\" = \"/1*\" }\nclear_for = \"5s\"",
        ) + &errors("s", "rate = true\ntags = \"x\""),
    ]
    .map(|text| rules(&text))
}

/// So many mounts from a number on, among them interfaces: cells in more than one word, most of them quiet.
fn dictionary(from: usize, count: usize) -> Dictionary {
    let series = (from..from + count).map(|at| {
        let name = format!("/{at}");
        if at.is_multiple_of(3) {
            metric("system.network.errors")
                .unwrap()
                .series(&[("network.interface.name", &name)])
        } else if at.is_multiple_of(5) {
            metric("system.uptime").unwrap().series(&[])
        } else {
            let metric = metric("system.filesystem.utilization").unwrap();
            metric.series(&[("system.filesystem.mountpoint", &name)])
        }
    });
    Dictionary::new(vec![Arc::new(Section::new(series.collect()))])
}

/// The same host, looked at in both ways.
struct Pair {
    sparse: Engine,
    whole: Engine,
    last: Vec<Cell>,
}

impl Pair {
    fn both(&mut self, mut act: impl FnMut(&mut Engine) -> Vec<Transition>) -> Result<(), TestCaseError> {
        prop_assert_eq!(act(&mut self.sparse), act(&mut self.whole));
        Ok(())
    }

    /// Cells change seldom: only those of a kind that differs from 0 do.
    fn tick(&mut self, dictionary: &Dictionary, kinds: &[u8], now: i64, late: bool) -> Result<(), TestCaseError> {
        // What came late is compared with nothing that was live.
        let mut last = self.last.clone();
        last.resize(dictionary.len(), Cell::Scaled(0));
        let mut changed = vec![0_u64; last.len().div_ceil(64)];
        let mut cells = last.clone();
        for (at, (cell, series)) in cells.iter_mut().zip(dictionary.series()).enumerate() {
            let kind = kinds.get(at).copied().unwrap_or(0);
            let total = if let Cell::Scaled(total) = *cell { total } else { 0 };
            let counter = series.kind == tocsin_vocabulary::Kind::Counter;
            *cell = match kind {
                1 => Cell::Scaled(if counter { total + 100 } else { 9_900 }),
                2 => Cell::Scaled(if counter { total + 10 } else { 100 }),
                3 => Cell::Scaled(if counter { 0 } else { 8_000 }),
                4 if at % 4 == 0 => Cell::Absent,
                5 if at % 4 == 0 => Cell::Raw(f64::NAN),
                _ => *cell,
            };
            if *cell != last[at] {
                changed[at / 64] |= 1 << (at % 64);
            }
        }
        if !late {
            self.last.clone_from(&cells);
        }
        let tick = Tick { time: at(now), cells };
        let sparse = self.sparse.tick(HOST, dictionary, &tick, &changed, at(now), late);
        let all = vec![u64::MAX; changed.len()];
        prop_assert_eq!(sparse, self.whole.tick(HOST, dictionary, &tick, &all, at(now), late));
        Ok(())
    }

    fn restart(&mut self, rules: &RuleSet, now: Timestamp) -> Result<(), TestCaseError> {
        self.both(|engine| {
            let raised = engine.snapshot().into_iter().filter(|state| state.state.is_raised());
            let restored: Vec<_> = raised
                .map(|state| Restored {
                    rule: state.rule,
                    host: state.host,
                    instance: state.instance,
                    raised_at: state.since.unwrap_or_default(),
                    value: state.value,
                    severity: Severity::Critical,
                })
                .collect();
            *engine = Engine::new(rules.clone());
            let said = engine.restore(restored, now);
            engine.expect(HOST, INTERVAL, now);
            said
        })
    }
}

proptest! {
    #[test]
    fn looking_at_what_changed_is_as_good_as_looking_at_everything(steps in prop::collection::vec(any_step(), 1..60)) {
        let sets = sets();
        let dictionaries = [dictionary(0, 140), dictionary(7, 70), dictionary(100, 12), dictionary(0, 0)];
        let (mut rules, mut mounts, mut now) = (0, 0, 0);
        let engine = || Engine::new(sets[0].clone());
        let mut pair = Pair { sparse: engine(), whole: engine(), last: Vec::new() };
        for step in steps {
            match step {
                Step::Tick { cells, apart, late } => {
                    now += i64::from(apart);
                    // On most ticks most cells stand.
                    let cells: Vec<u8> = cells.iter().enumerate()
                        .map(|(at, kind)| if (at + usize::from(apart)).is_multiple_of(7) { *kind } else { 0 })
                        .collect();
                    pair.tick(&dictionaries[mounts], &cells, now, late)?;
                }
                Step::Wait(seconds) => {
                    now += i64::from(seconds);
                    pair.both(|engine| engine.advance(at(now)))?;
                }
                Step::Dictionary(which) => mounts = which,
                Step::Reload(which) => {
                    rules = which;
                    pair.both(|engine| engine.reload(sets[which].clone(), at(now)))?;
                }
                Step::Tag(on) => {
                    let tags: &[String] = if on { &["x".to_owned()] } else { &[] };
                    pair.both(|engine| engine.introduce(HOST, "h", tags, at(now)))?;
                }
                Step::Restart => pair.restart(&sets[rules], at(now))?,
                Step::Forget => pair.both(|engine| engine.forget(HOST, at(now)))?,
            }
            prop_assert_eq!(pair.sparse.states(HOST), pair.whole.states(HOST));
            prop_assert_eq!(pair.sparse.next_deadline(), pair.whole.next_deadline());
        }
    }
}
