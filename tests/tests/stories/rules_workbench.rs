//! The rule workbench beside a running collector and without one: what is in force, and what of yesterday would have been.

use serde_json::Value;
use std::path::Path;
use tocsin_tests::{
    fault::{Scene, rule},
    patience::until,
    program,
    site::Site,
};

fn json(site: &Site, arguments: &[&str]) -> Value {
    serde_json::from_str(&site.cli(arguments)).expect("JSON")
}

/// A command's status, and what it printed and complained about.
fn outcome(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let output = site.command(arguments).output().expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        format!("{}{}", text(&output.stdout), text(&output.stderr)),
    )
}

fn words(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// How many alerts of `down` would have been, were, and both.
fn tally(replayed: &Value) -> [u64; 3] {
    let all = replayed["tallies"].as_array().expect("tallies");
    let of = all.iter().find(|tally| tally["rule"] == "down");
    ["would", "did", "both"].map(|key| of.and_then(|tally| tally[key].as_u64()).unwrap_or(0))
}

#[tokio::test]
async fn what_fired_is_replayed_with_the_same_rules_with_changed_ones_and_after_the_collector_stopped() {
    let mut scene = Scene::set("workbench", "").await;
    let _ticket = scene.cause().await;
    let listed = json(&scene.site, &["rules", "list", "--json"]);
    let items = listed["items"].as_array().expect("items");
    let in_force: Vec<&Value> = items.iter().filter(|item| item["in_force"] == true).collect();
    assert_eq!(in_force.len(), 1, "{listed}");
    assert_eq!(in_force[0]["name"], "down");
    assert!(
        items.iter().any(|item| item["name"] == "filesystem-full"),
        "built-in ones are listed too"
    );

    let same = json(&scene.site, &["rules", "replay", "--from", "-1h", "--json"]);
    assert_eq!(tally(&same), [1, 1, 1], "{same}");
    assert!(
        same["would"][0]["host_name"]
            .as_str()
            .is_some_and(|name| !name.is_empty()),
        "{same}"
    );
    assert_eq!(same["would"][0]["both"], true);

    let changed = scene.site.path("changed");
    std::fs::create_dir(&changed).expect("a folder");
    let laxer = rule(&scene.name).replace("below = 1", "below = 1\nfor = \"1d\"");
    std::fs::write(changed.join("story.toml"), laxer).expect("a file");
    let other = json(
        &scene.site,
        &["rules", "replay", "--from", "-1h", "--rules", words(&changed), "--json"],
    );
    assert_eq!(tally(&other), [0, 1, 0], "{other}");
    assert_eq!(other["did_only"][0]["rule"], "down");
    let (status, none) = outcome(&scene.site, &["rules", "replay", "--host", "no-such-*"]);
    assert_eq!(status, Some(3), "{none}");

    std::fs::write(
        changed.join("story.toml"),
        "[[rule]]\nname = \"broken\"\nmetric = \"system.uptme\"\n",
    )
    .expect("a file");
    let (status, told) = outcome(&scene.site, &["rules", "check", words(&changed)]);
    assert_eq!(status, Some(2), "{told}");
    assert!(
        told.contains("story.toml:3: ") && told.contains("did you mean `system.uptime`?"),
        "{told}"
    );

    let cookie = scene.site.sign_in().await;
    let page = scene.site.page("/rules/down", &cookie).await;
    assert!(
        page.contains("tocsin.process.group.count") && page.contains("/replay?rule=down"),
        "{page}"
    );

    until(
        "the alert to be in the samples that are read after a stop",
        async || scene.counted().await.filter(|count| *count < 1.0),
    )
    .await;
    assert!(scene.site.collector().stop().await);
    let closed = json(&scene.site, &["rules", "replay", "--from", "-1h", "--json"]);
    assert_eq!(tally(&closed), [1, 1, 1], "{closed}");
}

#[test]
fn without_any_collector_rules_are_listed_checked_explained_and_tested() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = words(folder.path());
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(program::path("tocsin-collector"))
            .args(arguments)
            .args(["--state-dir", nowhere])
            .env("LANG", "zh_CN.UTF-8")
            .env_remove("LC_ALL")
            .output()
            .expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            format!("{}{}", text(&output.stdout), text(&output.stderr)),
        )
    };
    let (status, told) = run(&["rules", "explain", "filesystem-full"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("触发条件") && told.contains("高于 90 %"), "{told}");
    let (status, told) = run(&["rules", "test"]);
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains(" tests passed, 0 failed"), "{told}");

    let rules = folder.path().join("rules");
    std::fs::create_dir_all(rules.join("tests")).expect("a folder");
    std::fs::write(rules.join("a.toml"), rule("nginx")).expect("a file");
    let test = "[[test]]\nrule = \"down\"\n[[test.series]]\nmetric = \"tocsin.process.group.count\"\n\
                attributes = { \"tocsin.process.group\" = \"nginx\" }\nvalues = \"3x1m 0x1m 3x1m\"\n\
                [[test.expect]]\nat = \"70s\"\nalert = \"raised\"\nseverity = \"major\"\n\
                [[test.expect]]\nat = \"3m\"\nalert = \"raised\"\n";
    std::fs::write(rules.join("tests/a.toml"), test).expect("a file");
    let (status, told) = run(&["rules", "test", words(&rules)]);
    assert_eq!(status, Some(1), "{told}");
    for part in [
        "tests/a.toml:1: down",
        "- expected at 3m: raised",
        "+ found    cleared",
        "1 failed",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn whatever_lies_in_a_folder_of_rules_is_told_at_once_and_changes_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(program::path("tocsin-collector"));
        command.args(arguments).args(["--state-dir", words(folder.path())]);
        let output = command.output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let rules = folder.path().join("rules");
    std::fs::create_dir_all(rules.join("tests")).expect("folders");
    let path = words(&rules);
    let (status, _, told) = run(&["rules", "check", path]);
    assert_eq!(status, Some(3), "an empty folder: {told}");

    let write = |name: &str, bytes: &[u8]| std::fs::write(rules.join(name), bytes).expect("a file");
    write("binary.toml", b"\x7fELF\xff\xfe");
    write("long.toml", &[b'x'; 10_000_000]);
    write(
        "typo.toml",
        b"[[rule]]\nname = \"a\"\nmetric = \"system.uptme\"\nabowe = 1\n",
    );
    write("tests/typo.toml", b"[[test]]\nrul = \"a\"\n");
    std::os::unix::fs::symlink("circle.toml", rules.join("circle.toml")).expect("a link");
    let (status, out, _) = run(&["rules", "check", path, "--json"]);
    assert_eq!(status, Some(2), "{out}");
    let checked: Value = serde_json::from_str(&out).expect("JSON");
    let mistakes = checked["mistakes"].as_array().expect("mistakes");
    for name in [
        "binary.toml",
        "long.toml",
        "circle.toml",
        "typo.toml",
        "tests/typo.toml",
    ] {
        let file = rules.join(name);
        let told = mistakes.iter().find(|mistake| mistake["file"] == words(&file));
        let told = told.unwrap_or_else(|| panic!("{name} is not told: {out}"));
        assert!(
            told["line"].is_u64() && !told["hint"].as_str().unwrap_or_default().is_empty(),
            "{told}"
        );
    }
    let of = |line: u64| mistakes.iter().any(|mistake| mistake["line"] == line);
    assert!(of(3) && of(4), "both mistakes of one rule: {out}");
    for command in [
        &["rules", "list", "--rules", path][..],
        &["rules", "explain", "a", "--rules", path],
        &["rules", "test", path],
        &["rules", "replay", "--rules", path],
    ] {
        let (status, out, told) = run(command);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{command:?}: {told}");
        assert!(
            told.contains("binary.toml:1: ") && told.contains("long.toml:1: "),
            "{command:?}: {told}"
        );
    }
}
