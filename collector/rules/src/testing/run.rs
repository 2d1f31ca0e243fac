//! Runs a test: the real engine in virtual time, and what it said beside what was expected.

use super::{Expectation, Expected, MadeEvent, RuleTest, offset, word};
use crate::{
    engine::{Engine, Phase},
    nearest::nearest,
    rule::{Event, RuleSet},
    transition::{Transition, TransitionKind},
};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tocsin_vocabulary::{
    Dictionary, HostId, Section, Severity, Text,
    batch::{Cell, Tick},
};

/// The host of every test.
const HOST: HostId = HostId::from_bytes([1; 16]);

/// Something that the engine said of the tested rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// When, from the test's beginning.
    pub at: Duration,
    /// What.
    pub kind: TransitionKind,
    /// Of which instance.
    pub instance: String,
    /// How bad.
    pub severity: Severity,
    /// In words.
    pub title: Text,
}

impl Said {
    /// What, in a word: `raised`, `updated`, `cleared`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        word(self.kind)
    }
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// What was expected.
    pub expected: String,
    /// What was there.
    pub found: String,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Everything that was said of the rule, in the order of time.
    pub said: Vec<Said>,
    /// What was expected in vain; empty when the test has passed.
    pub misses: Vec<Miss>,
}

impl Outcome {
    /// Whether everything was as expected.
    #[must_use]
    pub const fn has_passed(&self) -> bool {
        self.misses.is_empty()
    }
}

impl fmt::Display for Outcome {
    /// What was expected, what was there, and the whole story: several lines, each indented.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for miss in &self.misses {
            writeln!(f, "  - expected {}", miss.expected)?;
            writeln!(f, "  + found    {}", miss.found)?;
        }
        if self.said.is_empty() {
            return writeln!(f, "  the rule said nothing at all");
        }
        writeln!(f, "  what the rule said:")?;
        for said in &self.said {
            let (at, what) = (offset(said.at), word(said.kind));
            writeln!(
                f,
                "    {at:>10}  {what:<8}{:<10}{}",
                said.severity.as_str(),
                said.title.en
            )?;
        }
        Ok(())
    }
}

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Event(usize),
    Tick(usize),
    Expectation(usize),
}

/// An engine on its way through a test.
struct Run<'a> {
    test: &'a RuleTest,
    engine: Engine,
    dictionary: Dictionary,
    /// Series that the dictionary has.
    present: Vec<usize>,
    last: Vec<Cell>,
    /// By instance: how bad it is; `None` once cleared.
    held: BTreeMap<String, Option<Severity>>,
    outcome: Outcome,
}

impl RuleTest {
    /// Runs the test over these rules.
    #[must_use]
    pub fn run(&self, rules: &RuleSet) -> Outcome {
        if rules.get(&self.rule).is_none() {
            let near = nearest(&self.rule, rules.rules().map(|rule| rule.name.as_str()));
            let found = match near {
                Some(near) => format!("no such rule; did you mean `{near}`?"),
                None => "no such rule".to_owned(),
            };
            return Outcome {
                said: Vec::new(),
                misses: vec![Miss {
                    expected: format!("a rule `{}`", self.rule),
                    found,
                }],
            };
        }
        let mut run = Run::new(self, rules);
        for (at, due) in self.dues() {
            run.wind(at);
            match due {
                Due::Event(nth) => run.event(nth, &self.events[nth]),
                Due::Tick(nth) => run.tick(at, nth),
                Due::Expectation(nth) => run.compare(&self.expect[nth]),
            }
        }
        run.finish()
    }

    /// How long it takes.
    fn length(&self) -> Duration {
        let ticks = self.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
        let measured = self.interval.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        let expected = self.expect.iter().map(|one| one.at);
        let happened = self.events.iter().map(|event| event.at);
        expected.chain(happened).fold(measured, Duration::max)
    }

    /// Everything that is due, in the order of time: at one moment events first, expectations last.
    fn dues(&self) -> Vec<(Duration, Due)> {
        let interval = self.interval.as_millis().max(1);
        let ticks = usize::try_from(self.length().as_millis() / interval).unwrap_or(usize::MAX);
        let mut dues: Vec<(Duration, Due)> = (0..=ticks)
            .map(|nth| (self.interval * u32::try_from(nth).unwrap_or(u32::MAX), Due::Tick(nth)))
            .filter(|(at, _)| !self.silent.iter().any(|(from, to)| (*from..*to).contains(at)))
            .collect();
        dues.extend(
            self.events
                .iter()
                .enumerate()
                .map(|(nth, event)| (event.at, Due::Event(nth))),
        );
        dues.extend(
            self.expect
                .iter()
                .enumerate()
                .map(|(nth, one)| (one.at, Due::Expectation(nth))),
        );
        dues.sort_unstable();
        dues
    }
}

impl<'a> Run<'a> {
    fn new(test: &'a RuleTest, rules: &RuleSet) -> Self {
        let mut run = Self {
            test,
            engine: Engine::new(rules.clone()),
            dictionary: Dictionary::new(Vec::new()),
            present: Vec::new(),
            last: Vec::new(),
            held: BTreeMap::new(),
            outcome: Outcome::default(),
        };
        let said = run.engine.introduce(HOST, &test.host, &test.tags, test.start);
        run.hear(Duration::ZERO, said);
        let said = run.engine.assign(HOST, &test.groups, &test.customer, test.start);
        run.hear(Duration::ZERO, said);
        run.engine.expect(HOST, test.interval, test.start);
        run
    }

    /// Lets time pass: every deadline until then is acted on at its own time.
    fn wind(&mut self, to: Duration) {
        let mut before = None;
        while let Some(deadline) = self.engine.next_deadline() {
            let at = deadline.since(self.test.start);
            if at > to || before == Some(deadline) {
                return;
            }
            before = Some(deadline);
            let said = self.engine.advance(deadline);
            self.hear(at, said);
            for host in self.engine.take_asks() {
                let said = self.engine.answered(host, self.test.answers, deadline);
                self.hear(at, said);
            }
        }
    }

    fn event(&mut self, nth: usize, event: &MadeEvent) {
        let attributes: Vec<(&str, &str)> = event
            .attributes
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let time = self.test.start.plus(event.at);
        let told = Event {
            number: nth as u64 + 1,
            name: &event.name,
            attributes: &attributes,
            body: &event.body,
            time,
        };
        let said = self.engine.event(HOST, &told, time, event.late);
        self.hear(event.at, said);
    }

    fn tick(&mut self, at: Duration, nth: usize) {
        let series = self.test.series.iter();
        let present: Vec<usize> = series
            .enumerate()
            .filter(|(_, one)| nth < one.values.len())
            .map(|(at, _)| at)
            .collect();
        if nth == 0 || present != self.present {
            let section = Section::new(present.iter().map(|at| self.test.series[*at].series.clone()).collect());
            self.dictionary = Dictionary::new(vec![Arc::new(section)]);
            self.present = present;
            self.last.clear();
        }
        let cells: Vec<Cell> = self
            .present
            .iter()
            .map(|at| {
                let made = &self.test.series[*at];
                made.values[nth].map_or(Cell::Absent, |value| Cell::from_f64(value, made.series.decimals))
            })
            .collect();
        let mut changed = vec![0_u64; cells.len().div_ceil(64)];
        for (at, cell) in cells.iter().enumerate() {
            if self.last.get(at) != Some(cell) {
                changed[at / 64] |= 1 << (at % 64);
            }
        }
        let time = self.test.start.plus(at);
        let tick = Tick { time, cells };
        let said = self.engine.tick(HOST, &self.dictionary, &tick, &changed, time, false);
        self.last = tick.cells;
        self.hear(at, said);
    }

    fn hear(&mut self, at: Duration, said: Vec<Transition>) {
        for one in said.into_iter().filter(|one| one.rule == self.test.rule) {
            let now = (one.kind != TransitionKind::Cleared).then_some(one.severity);
            self.held.insert(one.instance.clone(), now);
            self.outcome.said.push(Said {
                at,
                kind: one.kind,
                instance: one.instance,
                severity: one.severity,
                title: one.title,
            });
        }
    }

    fn compare(&mut self, expected: &Expectation) {
        let fits = |instance: &str| expected.instance.as_deref().is_none_or(|wanted| wanted == instance);
        let held: Vec<Option<Severity>> = self
            .held
            .iter()
            .filter(|(instance, _)| fits(instance))
            .map(|(_, now)| *now)
            .collect();
        let raised: Vec<Severity> = held.iter().flatten().copied().collect();
        let pending = self
            .engine
            .states(HOST)
            .iter()
            .any(|state| state.rule == self.test.rule && fits(&state.instance) && state.state == Phase::Pending);
        let met = match expected.alert {
            Expected::Nothing => held.is_empty(),
            Expected::Pending => pending,
            Expected::Raised => raised
                .iter()
                .any(|severity| expected.severity.is_none_or(|one| one == *severity)),
            Expected::Cleared => !held.is_empty() && raised.is_empty(),
        };
        if met {
            return;
        }
        let found = match (raised.first(), held.is_empty(), pending) {
            (Some(severity), ..) => format!("raised, {severity}"),
            (None, false, _) => "cleared".to_owned(),
            (None, true, true) => "pending".to_owned(),
            (None, true, false) => "none".to_owned(),
        };
        let severity = expected.severity.map(|one| format!(", {one}")).unwrap_or_default();
        let instance = expected
            .instance
            .as_deref()
            .map(|one| format!(" of {one}"))
            .unwrap_or_default();
        self.outcome.misses.push(Miss {
            expected: format!(
                "at {}: {}{severity}{instance}",
                offset(expected.at),
                expected.alert.as_str()
            ),
            found,
        });
    }

    fn finish(mut self) -> Outcome {
        let raises = self
            .outcome
            .said
            .iter()
            .filter(|said| said.kind == TransitionKind::Raised)
            .count();
        if let Some(expected) = self.test.raises.filter(|expected| *expected != raises) {
            self.outcome.misses.push(Miss {
                expected: format!("{expected} raises in all"),
                found: raises.to_string(),
            });
        }
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::{super::read, *};

    const RULE: &str = r#"
[[rule]]
name = "full"
metric = "system.filesystem.utilization"
above = 0.9
clear_below = 0.8
for = "1m"
severity = "warning"
action = "notify"
title = { en = "{host}: {value}", zh = "{host}" }
remedy = { en = "Look.", zh = "Look." }
[[rule.level]]
severity = "critical"
above = 0.98
"#;

    fn outcome(lines: &str) -> Outcome {
        let rules = RuleSet::parse(&[("r.toml", RULE)]).unwrap();
        let text = format!("[[test]]\nrule = \"full\"\n{lines}");
        let tests = read("t.toml", &text).unwrap_or_else(|errors| panic!("{errors:#?}"));
        tests[0].run(&rules)
    }

    const SERIES: &str =
        "[[test.series]]\nmetric = \"system.filesystem.utilization\"\nvalues = \"0.5x1m 0.95x3m 0.99x3m 0.5x1m\"\n";

    #[test]
    fn a_test_follows_an_alert_through_its_life() {
        let expect = |at: &str, alert: &str, more: &str| {
            format!("[[test.expect]]\nat = \"{at}\"\nalert = \"{alert}\"\n{more}\n")
        };
        let told = outcome(
            &[
                "raises = 1\n",
                SERIES,
                &expect("50s", "none", ""),
                &expect("70s", "pending", ""),
                &expect("130s", "raised", "severity = \"warning\""),
                &expect("310s", "raised", "severity = \"critical\""),
                &expect("430s", "cleared", ""),
            ]
            .concat(),
        );
        assert!(told.has_passed(), "{told}");
        let kinds: Vec<TransitionKind> = told.said.iter().map(|said| said.kind).collect();
        assert_eq!(kinds[0], TransitionKind::Raised);
        assert_eq!(kinds.last(), Some(&TransitionKind::Cleared));
    }

    #[test]
    fn what_was_expected_in_vain_is_told_beside_what_was_there() {
        let told = outcome(&format!(
            "raises = 3\n{SERIES}[[test.expect]]\nat = \"70s\"\nalert = \"raised\"\n[[test.expect]]\nat = \"130s\"\nalert = \"raised\"\nseverity = \"major\"\n"
        ));
        let text = told.to_string();
        for part in [
            "- expected at 1m10s: raised",
            "+ found    pending",
            "- expected at 2m10s: raised, major",
            "+ found    raised, warning",
            "- expected 3 raises in all",
            "what the rule said",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_rule_that_is_not_there_is_a_failure_with_a_hint() {
        let rules = RuleSet::parse(&[("r.toml", RULE)]).unwrap();
        let text = "[[test]]\nrule = \"ful\"\nraises = 0\n";
        let told = read("t.toml", text).unwrap()[0].run(&rules);
        assert!(told.to_string().contains("did you mean `full`?"), "{told}");
    }
}
