//! Stories of windows, changes, ages, arithmetic and compounds.

use super::*;

/// A rule with this condition, about `metric`'s host.
fn rule(condition: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "r"
        {condition}
        severity = "warning"
        action = "notify"
        title.en = "{{host}} {{value}} of {{threshold}}"
        title.zh = "{{host}} {{value}}"
        remedy.en = "Look."
        remedy.zh = "检查。"
        "#
    )
}

fn series(name: &str, attributes: &[(&str, &str)]) -> tocsin_vocabulary::Series {
    metric(name).unwrap().series(attributes)
}

fn dictionary(series: Vec<tocsin_vocabulary::Series>) -> Dictionary {
    Dictionary::new(vec![Arc::new(Section::new(series))])
}

/// One host with any series; values are given in the order in which series were named.
struct Host {
    engine: Engine,
    dictionary: Dictionary,
    order: Vec<usize>,
}

impl Host {
    fn new(condition: &str, all: &[tocsin_vocabulary::Series]) -> Self {
        let dictionary = dictionary(all.to_vec());
        let order = all
            .iter()
            .map(|one| dictionary.series().position(|series| series == one).unwrap())
            .collect();
        Self {
            engine: Engine::new(rules(&rule(condition))),
            dictionary,
            order,
        }
    }

    fn of(&self, seconds: i64, values: &[f64]) -> Tick {
        let mut cells = vec![Cell::Absent; self.order.len()];
        for (place, value) in self.order.iter().zip(values) {
            let decimals = self.dictionary.series().nth(*place).unwrap().decimals;
            if !value.is_nan() {
                cells[*place] = Cell::from_f64(*value, decimals);
            }
        }
        Tick {
            time: at(seconds),
            cells,
        }
    }

    fn say(&mut self, seconds: i64, values: &[f64]) -> Vec<Transition> {
        let tick = self.of(seconds, values);
        self.engine
            .tick(HOST, &self.dictionary, &tick, &[u64::MAX], at(seconds), false)
    }

    fn tick(&mut self, seconds: i64, values: &[f64]) -> Vec<TransitionKind> {
        kinds(&self.say(seconds, values))
    }
}

/// What was raised and cleared.
fn kinds(said: &[Transition]) -> Vec<TransitionKind> {
    let turns = said.iter().map(|one| one.kind);
    turns.filter(|kind| *kind != TransitionKind::Updated).collect()
}

use TransitionKind::{Cleared, Raised};

fn load() -> Vec<tocsin_vocabulary::Series> {
    vec![series("system.cpu.load_average.1m", &[])]
}

const LOAD: &str = "metric = \"system.cpu.load_average.1m\"\n";

#[test]
fn a_mean_over_a_span_raises_when_the_span_is_full_and_not_for_a_peak() {
    let mut host = Host::new(&format!("{LOAD}avg = \"1m\"\nabove = 10\nclear_below = 5"), &load());
    for seconds in (0..50).step_by(10) {
        assert_eq!(host.tick(seconds, &[100.0]), [], "not watched for a minute yet");
    }
    let told: Vec<_> = (5..15).flat_map(|tick| host.tick(tick * 10, &[1.0])).collect();
    assert_eq!(told, [Raised, Cleared]);
    let mut host = Host::new(&format!("{LOAD}avg = \"1m\"\nabove = 10\nclear_below = 5"), &load());
    let mut told = Vec::new();
    for seconds in (0..600).step_by(10) {
        let value = match seconds {
            100 => 50.0, // a peak: the mean is about 9
            300..=400 => 20.0,
            _ => 1.0,
        };
        told.extend(host.say(seconds, &[value]).into_iter().map(|one| (seconds, one.kind)));
    }
    assert!(
        matches!(told[..], [(310..=350, Raised), (440..=470, Cleared)]),
        "{told:?}"
    );
}

#[test]
fn a_quantile_and_a_delta_are_of_the_span() {
    let mut host = Host::new(&format!("{LOAD}quantile = 0.9\nover = \"2m\"\nabove = 10"), &load());
    let told: Vec<_> = (0..30)
        .flat_map(|tick| host.tick(tick * 10, &[if tick % 5 == 0 { 50.0 } else { 1.0 }]))
        .collect();
    assert_eq!(told, [Raised], "every fifth is more than one in ten");
    let mut host = Host::new(&format!("{LOAD}delta = \"2m\"\nbelow = -10"), &load());
    for tick in 0..20 {
        assert_eq!(host.tick(tick * 10, &[50.0]), []);
    }
    assert_eq!(host.tick(200, &[39.0]), [Raised]);
    let told: Vec<_> = (21..40).flat_map(|tick| host.tick(tick * 10, &[39.0])).collect();
    assert_eq!(told, [Cleared]);
}

#[test]
fn a_counters_increase_over_a_span_needs_no_rate_and_survives_a_reset() {
    let kills = vec![series("tocsin.memory.oom_kills", &[])];
    let condition = "metric = \"tocsin.memory.oom_kills\"\ndelta = \"1m\"\nabove = 0";
    let mut host = Host::new(condition, &kills);
    for tick in 0..10 {
        assert_eq!(host.tick(tick * 10, &[7.0]), []);
    }
    assert_eq!(host.tick(100, &[8.0]), [Raised]);
    assert_eq!(host.tick(110, &[0.0]), [], "it began anew, and nothing is known");
    let told: Vec<_> = (12..25).flat_map(|tick| host.tick(tick * 10, &[0.0])).collect();
    assert_eq!(told, [Cleared]);
}

#[test]
fn a_fall_lasts_until_the_value_is_back_or_is_how_things_are_now() {
    let speed = || vec![series("tocsin.network.speed", &[("network.interface.name", "eth0")])];
    let condition = "metric = \"tocsin.network.speed\"\nchange = \"decrease\"";
    let mut host = Host::new(condition, &speed());
    assert_eq!(host.tick(0, &[1e9]), []);
    assert_eq!(host.tick(10, &[1e10]), [], "faster is fine");
    assert_eq!(host.tick(20, &[1e8]), [Raised]);
    assert_eq!(host.tick(30, &[1e9]), []);
    assert_eq!(host.tick(40, &[1e10]), [Cleared]);
    let mut host = Host::new(&format!("{condition}\nwithin = \"1m\""), &speed());
    assert_eq!(host.tick(0, &[1e9]), []);
    assert_eq!(host.tick(10, &[1e8]), [Raised]);
    assert_eq!(host.tick(60, &[1e8]), []);
    assert_eq!(host.tick(70, &[1e8]), [Cleared]);
}

#[test]
fn a_state_in_a_set_holds_and_another_clears() {
    let mut host = Host::new(&format!("{LOAD}in = [2, 3]"), &load());
    assert_eq!(host.tick(0, &[1.0]), []);
    assert_eq!(host.tick(10, &[3.0]), [Raised]);
    assert_eq!(host.tick(20, &[2.0]), []);
    assert_eq!(host.tick(30, &[2.5]), [Cleared]);
    let mut host = Host::new(&format!("{LOAD}not_in = [0]"), &load());
    assert_eq!(host.tick(0, &[1.0]), [Raised]);
    assert_eq!(host.tick(10, &[0.0]), [Cleared]);
}

#[test]
fn an_age_counts_in_ticks_from_what_the_value_names_or_from_its_change() {
    let mut host = Host::new(&format!("{LOAD}age = \"value\"\nabove = \"1h\""), &load());
    assert_eq!(host.tick(0, &[1_000_000.0 - 3_590.0]), []);
    let raised = host.say(130, &[1_000_000.0 - 3_590.0]);
    assert_eq!(raised[0].title.en, format!("{HOST} 1h 2m of 1h"));
    assert_eq!(host.tick(140, &[1_000_025.0]), [Cleared]);
    let mut host = Host::new(&format!("{LOAD}age = \"change\"\nabove = \"1m\""), &load());
    assert_eq!(host.tick(0, &[1.0]), []);
    assert_eq!(host.tick(60, &[1.0]), []);
    assert_eq!(host.tick(70, &[1.0]), [Raised]);
    assert_eq!(host.tick(80, &[2.0]), [Cleared]);
}

/// Used and free of two mounts, and their share.
fn file_systems() -> Vec<tocsin_vocabulary::Series> {
    let of = |name: &str, mount: &str, state: &str| {
        series(
            name,
            &[
                ("system.filesystem.mountpoint", mount),
                ("system.filesystem.state", state),
            ],
        )
    };
    ["/", "/data"]
        .into_iter()
        .flat_map(|mount| {
            [
                of("system.filesystem.utilization", mount, "used"),
                of("system.filesystem.usage", mount, "used"),
                of("system.filesystem.usage", mount, "free"),
            ]
        })
        .collect()
}

const GIB: f64 = 1_073_741_824.0;

#[test]
fn arithmetic_joins_series_of_the_same_mount_and_a_zero_is_no_alert() {
    let condition = r#"
        expression = "free / (free + used)"
        unit = "%"
        below = 0.1
        [rule.series.free]
        metric = "system.filesystem.usage"
        where = { "system.filesystem.state" = "free" }
        [rule.series.used]
        metric = "system.filesystem.usage"
        where = { "system.filesystem.state" = "used" }
        [rule.x]
    "#;
    // Keys after a table would belong to it, so the rest of the rule comes first here.
    let text = rule("").trim_end().to_owned() + &condition.replace("[rule.x]\n", "");
    let mut host = Host::new(LOAD_RULE, &file_systems());
    host.engine = Engine::new(rules(&text));
    let said = host.say(0, &[0.0, 95.0 * GIB, 5.0 * GIB, 0.0, 10.0 * GIB, 90.0 * GIB]);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].title.en, format!("{HOST} 5 % of 10 %"));
    assert!(said[0].instance.contains("mountpoint=/,"), "{}", said[0].instance);
    assert_eq!(host.tick(10, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), [], "0 / 0 is not known");
    assert_eq!(host.tick(20, &[0.0, f64::NAN, 5.0 * GIB, 0.0, 0.0, 0.0]), []);
    assert_eq!(host.tick(30, &[0.0, 5.0 * GIB, 5.0 * GIB, 0.0, 0.0, 0.0]), [Cleared]);
}

const LOAD_RULE: &str = "metric = \"system.cpu.load_average.1m\"\nabove = 1e9";

/// Rule 16 of the pack: nearly full, and little is left or it will be full within a day.
const NEARLY_FULL: &str = r#"
    all = [
        { metric = "system.filesystem.utilization", above = 0.8, clear_below = 0.78, where = { "system.filesystem.state" = "used" } },
        { any = [
            { metric = "system.filesystem.usage", where = { "system.filesystem.state" = "free" }, below = 10737418240 },
            { metric = "system.filesystem.utilization", where = { "system.filesystem.state" = "used" }, forecast = 1, below = "24h" },
        ] },
    ]
"#;

#[test]
fn nearly_full_matters_when_little_is_left_or_it_fills_up() {
    let mut host = Host::new(NEARLY_FULL, &file_systems());
    let mut say = |seconds: i64, share: f64, free: f64| {
        let said = host.say(seconds, &[0.1, 1.0, 1e15, share, 1.0, free * GIB]);
        said.iter().for_each(|one| assert!(one.instance.contains("/data")));
        kinds(&said)
    };
    assert_eq!(say(0, 0.85, 500.0), [], "85 % of much is well");
    assert_eq!(say(10, 0.85, 5.0), [Raised]);
    assert_eq!(say(20, 0.79, 5.0), [], "between");
    assert_eq!(say(30, 0.77, 5.0), [Cleared]);
    // It fills from 77 % by 1 % in an hour: full in less than a day from 80 % on.
    let mut told = Vec::new();
    for minute in 1..600 {
        told.extend(say(30 + minute * 60, 0.77 + minute as f64 / 6_000.0, 500.0));
    }
    assert_eq!(told, [Raised]);
    assert_eq!(say(60_000, 0.5, 900.0), [Cleared]);
}

#[test]
fn not_turns_a_condition_round() {
    let condition = r#"
        all = [
            { metric = "system.cpu.load_average.1m", above = 10 },
            { not = { metric = "system.uptime", below = 600 } },
        ]
    "#;
    let mut host = Host::new(condition, &[load().remove(0), series("system.uptime", &[])]);
    assert_eq!(host.tick(0, &[20.0, 100.0]), [], "it has just booted");
    assert_eq!(host.tick(10, &[20.0, f64::NAN]), [], "nobody knows");
    assert_eq!(host.tick(20, &[20.0, 700.0]), [Raised]);
    assert_eq!(host.tick(30, &[20.0, 100.0]), [Cleared]);
}

#[test]
fn after_a_restart_a_window_neither_raises_nor_clears_until_it_knows() {
    let text = format!("{LOAD}avg = \"1m\"\nabove = 10");
    let mut host = Host::new(&text, &load());
    let _ = host.engine.restore(
        [Restored {
            rule: "r".to_owned(),
            host: HOST,
            instance: String::new(),
            raised_at: at(-100),
            value: Some(20.0),
            severity: Severity::Warning,
        }],
        at(0),
    );
    for tick in 0..5 {
        assert_eq!(host.tick(tick * 10, &[1.0]), []);
    }
    let told: Vec<_> = (5..10).flat_map(|tick| host.tick(tick * 10, &[1.0])).collect();
    assert_eq!(told, [Cleared]);
    // Told of the last minute, it knows at once.
    let mut host = Host::new(&text, &load());
    assert_eq!(host.engine.rules().looks_back(), Duration::from_secs(60));
    for tick in -7..0 {
        let past = host.of(tick * 10, &[20.0]);
        assert_eq!(host.engine.recall(HOST, &host.dictionary, &past, at(0)), []);
    }
    assert_eq!(host.tick(0, &[20.0]), [Raised]);
}

#[test]
fn a_baseline_is_learnt_from_hours_that_the_caller_tells() {
    let mut host = Host::new(&format!("{LOAD}baseline = \"above\"\nleast = 1\nabove = 4"), &load());
    assert_eq!(host.tick(0, &[1.0]), []);
    let wanted = host.engine.wanted(HOST);
    assert_eq!(
        (wanted.len(), wanted[0].rule.as_str(), &wanted[0].series),
        (1, "r", &load()[0])
    );
    let hours: Vec<Hourly> = (1..=400)
        .map(|before| Hourly {
            hour: at(-before * 3_600),
            mean: 5.0 + (before % 7) as f64 / 10.0,
        })
        .collect();
    host.engine.learn(HOST, "r", &wanted[0].instance, &hours);
    let mut told = Vec::new();
    for minute in 1..120 {
        let value = if minute > 60 { 50.0 } else { 5.0 };
        told.extend(host.tick(minute * 60, &[value]));
    }
    assert_eq!(told, [Raised]);
}

#[test]
fn a_tick_that_comes_twice_counts_once() {
    let errors = || vec![series("system.network.errors", &[("network.interface.name", "eth0")])];
    let condition = "metric = \"system.network.errors\"\nrate = true\nabove = 2\nfor = \"20s\"";
    let mut host = Host::new(condition, &errors());
    let told: Vec<_> = (0..6)
        .flat_map(|tick| {
            let values = [tick as f64 * 30.0];
            let mut told = host.tick(tick * 10, &values);
            told.extend(host.tick(tick * 10, &values));
            told
        })
        .collect();
    assert_eq!(told, [Raised]);
}
