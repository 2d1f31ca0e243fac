//! What the README, the handbook and the page of figures tell to type exists: every subcommand and every option of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tocsin_tests::program;

/// Ours, as the documents name them.
const PROGRAMS: [&str; 13] = [
    "tocsin-collector",
    "tocsin-agent",
    "tocsin-quickstart",
    "agent-cost",
    "backup-cost",
    "fault-to-page",
    "fleet",
    "ingest-cost",
    "paging",
    "query-cost",
    "record-host",
    "replay-cost",
    "same-flip",
];

/// What a program, or a subcommand of it, says of itself when asked for help.
#[derive(Default)]
struct Help {
    subcommands: BTreeSet<String>,
    options: BTreeSet<String>,
}

impl Help {
    fn of(path: &[&str]) -> Self {
        let out = Command::new(program::path(path[0]))
            .args(&path[1..])
            .arg("--help")
            .output()
            .expect("a program that answers");
        let text = String::from_utf8(out.stdout).expect("UTF-8");
        let mut help = Self::default();
        let mut commands = false;
        for line in text.lines() {
            commands = line == "Commands:" || (commands && (line.is_empty() || line.starts_with(' ')));
            let name = line.strip_prefix("  ").filter(|line| !line.starts_with(' '));
            if let (true, Some(name)) = (commands, name.and_then(|line| line.split(' ').next())) {
                help.subcommands.insert(name.to_owned());
            }
            let words = line.split(|other: char| !(other.is_ascii_alphanumeric() || other == '-'));
            help.options
                .extend(words.filter(|word| word.starts_with('-')).map(str::to_owned));
        }
        help
    }
}

/// Documents with commands: README in both languages, the page of figures, the handbook.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut found = vec![
        root.join("README.md"),
        root.join("README.zh-CN.md"),
        root.join("tests/BENCHMARKS.md"),
    ];
    for language in ["en", "zh-CN"] {
        let folder = root.join("collector/console/handbook").join(language);
        found.extend(
            fs::read_dir(folder)
                .expect("a folder")
                .map(|page| page.expect("a page").path()),
        );
    }
    found
}

/// Lines of code blocks (continued ones joined) and pieces of code within the text, each with its line.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let (mut block, mut shell, mut continued) = (false, false, false);
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = !block;
            shell = block && matches!(language, "" | "sh" | "console" | "text");
            continued = false;
        } else if shell {
            let piece = line.trim_end_matches('\\');
            match found.last_mut().filter(|_| continued) {
                Some((_, whole)) => whole.push_str(piece),
                None => found.push((number, piece.to_owned())),
            }
            continued = line.ends_with('\\');
        } else if !block {
            found.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(|piece| (number, piece.to_owned())),
            );
        }
    }
    found
}

/// Words of the commands in a line of code that are ours: the program's name, then what follows up to the next command.
fn commands(line: &str) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    let (mut begins, mut quoted, mut within) = (true, false, false);
    for word in line.split_whitespace() {
        let was_quoted = quoted;
        quoted ^= word.matches(['\'', '"']).count() % 2 == 1;
        let name = word.rsplit('/').next().unwrap_or(word);
        if !was_quoted && matches!(word, "&&" | "||" | "|" | ";" | "#" | "--" | ">" | "&") {
            (begins, within) = (!matches!(word, "#" | ">" | "&"), false);
        } else if begins && PROGRAMS.contains(&name) {
            found.push(vec![name]);
            (begins, within) = (false, true);
        } else if within && !was_quoted {
            found.last_mut().expect("a command").push(word);
        } else {
            begins = begins && (word == "$" || word == "sudo" || word.contains('='));
        }
    }
    found
}

/// Helps that were asked for, by the path of the subcommand.
type Known<'a> = BTreeMap<Vec<&'a str>, Help>;

/// What a command as shown names that does not exist, and how many options it has.
fn missing<'a>(words: &[&'a str], known: &mut Known<'a>) -> (Vec<String>, usize) {
    let (mut wrong, mut options) = (Vec::new(), 0);
    let mut path = vec![words[0]];
    let mut words = words[1..].iter();
    while let Some(word) = words.next() {
        let help = known.entry(path.clone()).or_insert_with(|| Help::of(&path));
        let option = word.trim_start_matches('[').split(['=', ']']).next().unwrap_or(word);
        if option.len() > 2 && option.starts_with("--") {
            options += 1;
            if !help.options.contains(option) {
                wrong.push(format!("{} has no {option}", path.join(" ")));
            }
            if matches!(*word, "--config" | "--state-dir") {
                words.next();
            }
        } else if help.subcommands.contains(*word) {
            path.push(word);
        } else if !help.subcommands.is_empty() && word.starts_with(|first: char| first.is_ascii_lowercase()) {
            let absent = word.split('|').filter(|one| !help.subcommands.contains(*one));
            wrong.extend(absent.map(|one| format!("{} has no subcommand {one}", path.join(" "))));
            break;
        }
    }
    (wrong, options)
}

#[test]
fn every_command_that_the_documents_show_exists() {
    let pages: Vec<(String, String)> = documents()
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(path).expect("UTF-8")))
        .collect();
    let lines: Vec<(&str, usize, String)> = pages
        .iter()
        .flat_map(|(page, text)| code(text).into_iter().map(move |(at, line)| (page.as_str(), at, line)))
        .collect();
    let mut known = Known::new();
    let (mut found, mut shown, mut options) = (Vec::new(), 0, 0);
    for (page, at, line) in &lines {
        for words in commands(line) {
            let (wrong, with) = missing(&words, &mut known);
            found.extend(wrong.into_iter().map(|wrong| format!("{page}:{at}: {wrong}")));
            shown += 1;
            options += with;
        }
    }
    assert!(
        shown > 200 && options > 200,
        "only {shown} commands with {options} options were found"
    );
    assert!(found.is_empty(), "{found:#?}");
}
