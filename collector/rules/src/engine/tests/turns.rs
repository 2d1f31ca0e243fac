//! Whatever happens in whatever order: raised and cleared take turns.

use super::*;
use proptest::prelude::*;

/// One thing that happens to the engine.
#[derive(Debug, Clone)]
enum Turn {
    Tick { values: Vec<u8>, late: bool },
    Wait(u16),
    Mounts(usize),
    Reload(usize),
    Tag(bool),
    Forget,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        12 => (prop::collection::vec(0_u8..5, 3), prop::bool::weighted(0.1))
            .prop_map(|(values, late)| Turn::Tick { values, late }),
        4 => (0_u16..400).prop_map(Turn::Wait),
        1 => (0_usize..4).prop_map(Turn::Mounts),
        1 => (0_usize..3).prop_map(Turn::Reload),
        1 => any::<bool>().prop_map(Turn::Tag),
        1 => Just(Turn::Forget),
    ]
}

proptest! {
    #[test]
    fn raised_and_cleared_take_turns_and_the_snapshot_agrees(turns in prop::collection::vec(any_turn(), 1..80)) {
        let sets = [
            full("a", "for = \"20s\"\nclear_below = 0.5\nclear_for = \"30s\"") + &full("b", "") + &silent(""),
            full("a", "tags = \"x\"") + &silent("clear_for = \"15s\""),
            full("b", "where = { \"system.filesystem.mountpoint\" = \"/a*\" }\nclear_for = \"5s\""),
        ]
        .map(|text| rules(&text));
        let dictionaries = [mounts(&["/", "/a", "/ab"]), mounts(&["/a"]), mounts(&["/ab", "/"]), mounts(&[])];
        let mut engine = Engine::new(sets[0].clone());
        let (mut mounts, mut now) = (0, 0);
        let mut raised = std::collections::BTreeSet::new();
        engine.expect(HOST, INTERVAL, at(now));
        for turn in turns {
            let transitions = match turn {
                Turn::Tick { values, late } => {
                    now += 10;
                    let values: Vec<f64> = values
                        .iter()
                        .take(dictionaries[mounts].len())
                        .map(|value| [0.1, 0.6, 0.92, 0.99, f64::NAN][usize::from(*value)])
                        .collect();
                    engine.tick(HOST, &dictionaries[mounts], &tick(now, &values), &[7], at(now), late)
                }
                Turn::Wait(seconds) => {
                    now += i64::from(seconds);
                    engine.advance(at(now))
                }
                Turn::Mounts(which) => {
                    mounts = which;
                    Vec::new()
                }
                Turn::Reload(which) => engine.reload(sets[which].clone(), at(now)),
                Turn::Tag(on) => {
                    let tags: &[String] = if on { &["x".to_owned()] } else { &[] };
                    engine.introduce(HOST, "h", tags, at(now))
                }
                Turn::Forget => {
                    let cleared = engine.forget(HOST, at(now));
                    engine.expect(HOST, INTERVAL, at(now));
                    cleared
                }
            };
            for one in transitions {
                let key = (one.rule.clone(), one.instance.clone());
                match one.kind {
                    TransitionKind::Raised => prop_assert!(raised.insert(key), "raised twice: {one:?}"),
                    TransitionKind::Updated => prop_assert!(raised.contains(&key), "updated while clear: {one:?}"),
                    TransitionKind::Cleared => prop_assert!(raised.remove(&key), "cleared twice: {one:?}"),
                }
            }
            let known: std::collections::BTreeSet<_> = engine
                .snapshot()
                .into_iter()
                .filter(|state| state.state != Phase::Pending)
                .map(|state| (state.rule, state.instance))
                .collect();
            prop_assert_eq!(&known, &raised);
        }
        // However it went, a healthy host has no alert in the end.
        let _ = engine.reload(sets[0].clone(), at(now));
        // Longer than an alert that flapped must be calm.
        for _ in 0..120 {
            now += 10;
            let _ = engine.tick(HOST, &dictionaries[0], &tick(now, &[0.1; 3]), &[7], at(now), false);
            let _ = engine.advance(at(now));
        }
        prop_assert_eq!(engine.snapshot(), Vec::new());
    }
}
