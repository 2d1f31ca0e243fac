//! The tests of a rule in force, run for its page.

use crate::rules_files::{read_file, toml_files};
use std::path::Path;
use tocsin_console::backend::RuleTrial;
use tocsin_rules::{
    Rule, RuleSet,
    testing::{self, RuleTest},
};

/// Tests of one rule that its page runs: each takes milliseconds.
const TESTS_MAX: usize = 20;

/// What comes of the tests of a rule: those in the folder `tests` below the site's rules; if none is there, those of the
/// built-in rule of this name. A file that can't be read counts as failed.
pub(super) fn trials(folder: Option<&Path>, rule: &Rule) -> Vec<RuleTrial> {
    let (mut tests, mut trials) = folder.map(|folder| own(folder, &rule.name)).unwrap_or_default();
    if tests.is_empty() && trials.is_empty() {
        let builtin = RuleSet::builtin_tests().iter();
        tests = builtin
            .flat_map(|(file, text)| testing::read(file, text).unwrap_or_default())
            .collect();
        tests.retain(|test| test.rule == rule.name);
    }
    let Ok(rules) = RuleSet::parse(&[(&rule.file, &rule.text)]) else {
        return trials;
    };
    trials.extend(tests.iter().take(TESTS_MAX).map(|test| {
        let outcome = test.run(&rules);
        RuleTrial {
            name: test.name.clone(),
            place: format!("{}:{}", test.file, test.line),
            failure: (!outcome.has_passed()).then(|| outcome.to_string()),
        }
    }));
    trials
}

/// Tests of a rule in the site's own files, and what is wrong with files that name it.
fn own(folder: &Path, rule: &str) -> (Vec<RuleTest>, Vec<RuleTrial>) {
    let (mut tests, mut mistakes) = (Vec::new(), Vec::new());
    for path in toml_files(&folder.join("tests")).unwrap_or_default() {
        let name = format!("tests/{}", path.file_name().unwrap_or_default().to_string_lossy());
        let Ok(text) = read_file(&path, &name) else { continue };
        match testing::read(&name, &text) {
            Ok(read) => tests.extend(read.into_iter().filter(|test| test.rule == rule)),
            Err(errors) if text.contains(&format!("\"{rule}\"")) => {
                mistakes.extend(errors.first().map(|first| RuleTrial {
                    name: first.message.clone(),
                    place: format!("{}:{}", first.file, first.line),
                    failure: Some(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
                }));
            }
            Err(_) => {}
        }
    }
    (tests, mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const RULE: &str = "[[rule]]\nname = \"process-missing\"\nmetric = \"tocsin.process.group.count\"\nbelow = 1\n\
                        severity = \"major\"\naction = \"ticket\"\ntitle = { en = \"t\", zh = \"t\" }\n\
                        remedy = { en = \"r\", zh = \"r\" }\n";

    fn failures(folder: &Path, rule: &Rule) -> Vec<Option<String>> {
        trials(Some(folder), rule)
            .into_iter()
            .map(|trial| trial.failure)
            .collect()
    }

    #[test]
    fn a_rule_is_tried_with_the_sites_tests_or_else_with_the_built_in_ones() {
        let folder = tempfile::tempdir().unwrap();
        let rules = RuleSet::parse(&[("a.toml", RULE)]).unwrap();
        let rule = rules.get("process-missing").unwrap();
        let builtin = failures(folder.path(), rule);
        assert!(!builtin.is_empty(), "those of the built-in rule of this name");

        fs::create_dir(folder.path().join("tests")).unwrap();
        let file = folder.path().join("tests/a.toml");
        let test = "[[test]]\nrule = \"process-missing\"\nraises = 1\n[[test.series]]\n\
                    metric = \"tocsin.process.group.count\"\nvalues = \"1x5 0x5\"\n";
        fs::write(&file, test).unwrap();
        assert_eq!(failures(folder.path(), rule), [None]);
        fs::write(&file, test.replace("raises = 1", "raises = 2")).unwrap();
        let failed = failures(folder.path(), rule).remove(0).unwrap();
        assert!(failed.contains("expected 2 raises"), "{failed}");
        fs::write(&file, test.replace("values", "valeus")).unwrap();
        let wrong = failures(folder.path(), rule).remove(0).unwrap();
        assert!(wrong.contains("did you mean `values`?"), "{wrong}");
    }
}
