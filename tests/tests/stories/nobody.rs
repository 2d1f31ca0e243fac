//! The agent needs no rights: what root measures, nobody measures too.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};
use tocsin_tests::program;

/// Every series of the last of two ticks, and whether it had a value.
fn series(command: &mut Command) -> BTreeMap<String, bool> {
    let output = command
        .args(["sample", "--format", "json", "--count", "2", "--interval", "1s"])
        .output();
    let output = output.expect("the agent samples");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let last: Value = serde_json::from_str(text.lines().last().expect("a tick")).expect("JSON");
    let series = last["series"].as_array().expect("series").iter();
    series
        .map(|one| (format!("{}{}", one["name"], one["attributes"]), !one["value"].is_null()))
        .collect()
}

#[test]
fn nobody_without_capabilities_measures_what_root_measures() {
    if !program::is_root() {
        program::skipped(
            "nobody_without_capabilities_measures_what_root_measures",
            "only root can become nobody",
        );
        return;
    }
    // Where nobody may reach it: the build's own folder need not be readable by others.
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("tocsin-agent");
    std::fs::copy(program::path("tocsin-agent"), &copy).expect("a copy of the program");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("an open folder");

    let mut nobody = Command::new("setpriv");
    nobody.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
    ]);
    let (as_nobody, as_root) = (series(nobody.arg(&copy)), series(&mut Command::new(&copy)));
    let names = |series: &BTreeMap<String, bool>| series.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&as_nobody), names(&as_root));
    assert!(as_root.len() > 50, "{} series", as_root.len());
    let lacking: Vec<_> = as_root
        .iter()
        .filter(|(name, has)| **has && !as_nobody[*name])
        .collect();
    assert!(lacking.is_empty(), "without a value for nobody: {lacking:?}");
}
