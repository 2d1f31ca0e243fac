//! What a configuration may say, and how mistakes are told.

use super::*;

#[test]
fn all_mistakes_are_reported_at_once_with_line_and_hint() {
    let text =
        "interval = \"90s\"\nper_core = 1\nintervall = \"5s\"\n[spool]\nsize = \"1KB\"\n\n[[process]]\nname = 0\n";
    let mistakes = Config::parse(text).unwrap_err();
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 1: `interval`: `90s` is out of bounds (from 1s to 60s)",
            "line 2: `per_core` is a number, expected true or false",
            "line 3: `intervall` is not a setting (did you mean `interval`?)",
            "line 5: `spool.size`: `1KB` is not a size (such as 64MiB or 2GiB)",
            "line 8: `process.name` is a number, expected a text in quotes",
        ]
    );
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let mistakes = Config::parse("interval = \"10s\"\nper_core = maybe\n").unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.line == 2), "{mistakes:?}");
}

#[test]
fn the_printed_configuration_means_the_defaults_commented_or_not() {
    assert_eq!(Config::parse(PRINTED), Ok(Config::default()));
    let bare: String = PRINTED
        .lines()
        .take_while(|line| !line.contains("An example"))
        .map(|line| {
            format!(
                "{}\n",
                line.strip_prefix("#")
                    .filter(|rest| !rest.starts_with(' '))
                    .unwrap_or(line)
            )
        })
        .collect();
    assert!(bare.contains("\ninterval = \"10s\""));
    assert_eq!(Config::parse(&bare), Ok(Config::default()));
}

#[test]
fn groups_of_processes_need_names_of_their_own() {
    let text = "[[process]]\nname = \"a\"\n[[process]]\nname = \"a\"\n[[process]]\ncommand = \"x\"\n";
    let told: Vec<usize> = Config::parse(text)
        .unwrap_err()
        .iter()
        .map(|mistake| mistake.line)
        .collect();
    assert_eq!(told, [3, 5]);
}

#[test]
fn a_full_configuration_reads() {
    let text = "collectors = [\"10.0.0.5:7443\", \"[fd00::5]:7443\"]\ninterval = \"5s\"\nper_core = true\nlog = \"debug\"\n\
        [spool]\nsize = \"1GiB\"\n[mounts]\nexclude = [\"/mnt/*\"]\n[interfaces]\nexclude = []\n\
        [[process]]\nname = \"db\"\ncommand = \"-D /srv\"\nuser = \"postgres\"\n[[process]]\nname = \"nginx\"\n";
    let config = Config::parse(text).unwrap();
    assert_eq!(config.collectors.len(), 2);
    assert_eq!(config.spool_bytes, 1 << 30);
    assert_eq!(config.interfaces_exclude, Vec::<String>::new());
    assert_eq!(config.processes[0].process, None);
    assert_eq!(config.processes[1].process.as_deref(), Some("nginx"));
}

#[test]
fn any_text_is_a_configuration_or_mistakes() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Err(mistakes) = Config::parse(text)
        {
            assert!(!mistakes.is_empty());
        }
    });
}

#[test]
fn a_missing_file_means_the_defaults_only_where_asked() {
    let path = Path::new("/nonexistent/agent.toml");
    assert_eq!(Config::load_or_default(path).unwrap(), Config::default());
    assert!(
        Config::load(path)
            .unwrap_err()
            .to_string()
            .starts_with("/nonexistent/agent.toml: cannot read")
    );
}
