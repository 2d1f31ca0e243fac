//! Tidiness that Cargo can't hold: who may import whom, where wire types, SQL and markup end, what every file begins with.

#![allow(clippy::expect_used, reason = "a broken assumption is a failed test")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// Every Rust file of the workspace with its text; build output is not ours.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() || name == "target" || name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let relative = path
                    .strip_prefix(root())
                    .expect("below the root")
                    .to_string_lossy()
                    .into_owned();
                found.push((relative, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    assert!(found.len() > 100, "the workspace was found");
    found
}

/// Names of the workspace's crates that a manifest depends on outside tests.
fn own_dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
    let manifest: toml::Table = text.parse().expect("TOML");
    let dependencies = manifest
        .get("dependencies")
        .and_then(toml::Value::as_table)
        .cloned()
        .unwrap_or_default();
    dependencies
        .keys()
        .filter(|name| name.starts_with("tocsin-"))
        .cloned()
        .collect()
}

#[test]
fn crates_see_only_whom_they_may() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("proto/vocabulary", &[][..]),
        ("proto", &["tocsin-vocabulary"]),
        ("proto/adapters", &["tocsin-vocabulary"]),
        ("agent/early", &[]),
        ("agent/thrift", &[]),
        (
            "agent",
            &[
                "tocsin-adapters",
                "tocsin-early",
                "tocsin-proto",
                "tocsin-thrift",
                "tocsin-vocabulary",
            ],
        ),
        ("collector/rules", &["tocsin-vocabulary"]),
        ("collector/desk", &["tocsin-vocabulary"]),
        ("collector/chart", &["tocsin-vocabulary"]),
        ("collector/metrics", &["tocsin-vocabulary"]),
        ("collector/ledger", &["tocsin-desk", "tocsin-vocabulary"]),
        ("collector/sheets", &["tocsin-desk", "tocsin-vocabulary"]),
        ("collector/channels", &["tocsin-desk", "tocsin-vocabulary"]),
        ("collector/prometheus", &["tocsin-metrics", "tocsin-vocabulary"]),
        (
            "collector/console",
            &["tocsin-chart", "tocsin-desk", "tocsin-sheets", "tocsin-vocabulary"],
        ),
    ]);
    for (folder, allowed) in may {
        let seen = own_dependencies(&format!("{folder}/Cargo.toml"));
        let strangers: Vec<_> = seen.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(
            strangers.is_empty(),
            "{folder} sees {strangers:?}; it may see {allowed:?}"
        );
    }
}

#[test]
fn pure_crates_know_no_clock_no_file_no_socket_no_task() {
    let pure = [
        "proto/adapters/src/",
        "proto/vocabulary/src/",
        "collector/rules/src/",
        "collector/desk/src/",
        "collector/chart/src/",
    ];
    let impure = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "SystemTime",
        "Instant::now",
        "tokio",
        "Zoned::now",
    ];
    for (path, text) in sources() {
        if !pure.iter().any(|folder| path.starts_with(folder)) || path.contains("test") {
            continue;
        }
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in production.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in impure {
                assert!(!line.contains(word), "{path} is pure, but says `{word}`: {line}");
            }
        }
    }
}

#[test]
fn sql_stays_in_the_ledger_and_markup_in_the_console() {
    for (path, text) in sources() {
        if path.starts_with("tests/") {
            continue;
        }
        if !path.starts_with("collector/ledger/") {
            assert!(!text.contains("sqlx"), "{path}: SQL ends at the ledger");
        }
        if !path.starts_with("collector/console/") {
            assert!(!text.contains("askama"), "{path}: markup ends at the console");
        }
        let wire = path.starts_with("proto/") || path.starts_with("agent/") || path.starts_with("collector/src/");
        assert!(
            wire || !text.contains("tocsin_proto::"),
            "{path}: wire types end at the edge"
        );
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{path} does not begin with `//!`");
    }
}

#[test]
fn no_file_is_a_maze() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 600, "{path} has {lines} lines: split it by noun");
    }
}

/// Whether an SPDX expression is met by the allowed licences. Parentheses only group alternatives, as crates use them.
fn allowed(expression: &str, licences: &[String]) -> bool {
    let plain = expression.replace('/', " OR ");
    let all = |group: &str| group.split(" AND ").all(|part| any(part.trim(), licences));
    // `A AND (B OR C)`: the parts of an AND are looked at one by one, each may be a choice.
    fn any(part: &str, licences: &[String]) -> bool {
        let inner = part.trim_start_matches('(').trim_end_matches(')');
        inner
            .split(" OR ")
            .any(|one| licences.iter().any(|licence| licence == one.trim()))
    }
    if plain.contains(" AND ") && !plain.contains('(') {
        return plain.split(" OR ").any(all);
    }
    all(&plain)
}

#[test]
fn every_dependency_has_a_licence_on_the_list() {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let deny: toml::Table = text.parse().expect("TOML");
    let words = |value: &toml::Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    let general = words(&deny["licenses"]["allow"]);
    let exceptions = deny["licenses"]
        .get("exceptions")
        .and_then(toml::Value::as_array)
        .cloned()
        .unwrap_or_default();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        let mut licences = general.clone();
        let own = exceptions.iter().find(|exception| {
            ["crate", "name"]
                .iter()
                .any(|key| exception.get(*key).and_then(toml::Value::as_str) == Some(name))
        });
        licences.extend(
            own.and_then(|exception| exception.get("allow"))
                .map(&words)
                .unwrap_or_default(),
        );
        assert!(
            allowed(licence, &licences),
            "{name} is under `{licence}`, which deny.toml does not allow"
        );
    }
}

/// Whether the text could be what `pattern` makes when its `{holes}` are filled.
fn could_be(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('{').enumerate().map(|(at, part)| {
        let literal = if at == 0 {
            Some(part)
        } else {
            part.split_once('}').map(|(_, rest)| rest)
        };
        literal.unwrap_or_default()
    });
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty() || pattern.ends_with('}')
}

#[test]
fn what_agents_say_of_parts_is_in_the_phrase_book() {
    let book = fs::read_to_string(root().join("collector/console/locales/phrases.zh-CN.txt")).expect("a phrase book");
    let known: Vec<&str> = book
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(known, _)| known)
        .collect();
    let mut unknown = Vec::new();
    for (file, text) in sources() {
        if !file.starts_with("agent/src/surveys/") || file.contains("test") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in code.split(".judge(").skip(1) {
            let call = call.split(");").next().unwrap_or_default();
            let Some(phrase) = call.split('"').nth(1).filter(|phrase| phrase.contains(' ')) else {
                continue;
            };
            if !known.iter().any(|known| could_be(phrase, known)) {
                unknown.push(format!("{file}: {phrase}"));
            }
        }
    }
    assert!(unknown.is_empty(), "add to the phrase book: {unknown:#?}");
}
