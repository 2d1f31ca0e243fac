//! The measuring programs do measure; how much is for `BENCHMARKS.md`, not for a story.

use std::process::Command;
use tocsin_tests::{program, site};

fn output(program: &str, arguments: &[&str]) -> String {
    site::run(Command::new(program::path(program)).args(arguments), "").expect("figures")
}

#[test]
fn the_way_from_fault_to_page_is_measured() {
    let printed = output("fault-to-page", &["--tries", "5", "--groups", "5"]);
    assert!(printed.starts_with("5 tries"), "{printed}");
    for line in ["cause → page", "tick → page", "alert → page"] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn what_an_agent_costs_is_measured() {
    let printed = output("agent-cost", &["agent", "--ticks", "3", "--settle", "1"]);
    assert!(printed.contains("ms per tick") && printed.contains("MiB"), "{printed}");
}
