//! The default pack: each rule has a test as data that raises and clears it, and none speaks of a healthy host.

#![allow(clippy::panic, reason = "a broken assumption is a failed test")]

use std::collections::BTreeSet;
use tocsin_rules::{
    RuleSet,
    testing::{self, RuleTest},
};

fn tests() -> Vec<RuleTest> {
    let mut all = Vec::new();
    for (file, text) in RuleSet::builtin_tests() {
        all.extend(testing::read(file, text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")));
    }
    all
}

#[test]
fn every_default_rule_has_a_test_that_raises_and_clears_it() {
    let tests = tests();
    let tested: BTreeSet<&str> = tests
        .iter()
        .filter(|test| test.raises_and_clears())
        .map(|test| test.rule.as_str())
        .collect();
    let rules = RuleSet::builtin();
    let untested: Vec<&str> = rules
        .rules()
        .map(|rule| rule.name.as_str())
        .filter(|name| !tested.contains(name))
        .collect();
    assert_eq!(untested, Vec::<&str>::new());
}

#[test]
fn every_default_rule_clears_otherwise_than_it_raises() {
    let ways = ["clear_below", "clear_above", "clear_for", "clear_after", "cleared_by"];
    let rules = RuleSet::builtin();
    let without: Vec<&str> = rules
        .rules()
        .filter(|rule| !ways.iter().any(|way| rule.text.contains(way)))
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(without, Vec::<&str>::new());
}

#[test]
fn every_test_of_the_default_pack_passes() {
    let rules = RuleSet::builtin();
    let mut failures = String::new();
    for test in tests() {
        let outcome = test.run(&rules);
        if !outcome.has_passed() {
            failures.push_str(&format!(
                "{}:{} {}: {}\n{outcome}\n",
                test.file, test.line, test.rule, test.name
            ));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
