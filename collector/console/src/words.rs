//! Sentences of the interface, from `locales/*.ftl`.

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use std::sync::LazyLock;
use tocsin_vocabulary::Language;

const ENGLISH: &str = include_str!("../locales/en.ftl");
const CHINESE: &str = include_str!("../locales/zh-CN.ftl");

static ENGLISH_BUNDLE: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| bundle(Language::English));
static CHINESE_BUNDLE: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| bundle(Language::Chinese));

fn source(language: Language) -> &'static str {
    match language {
        Language::English => ENGLISH,
        Language::Chinese => CHINESE,
    }
}

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    let locale = language.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    bundle.set_use_isolating(false);
    // A test holds that both files parse and name nothing twice, so what is left over here is nothing.
    let resource = FluentResource::try_new(source(language).to_owned()).unwrap_or_else(|(rest, _)| rest);
    if let Err(errors) = bundle.add_resource(resource) {
        tracing::error!(language = language.tag(), ?errors, "words are defined twice");
    }
    bundle
}

/// The sentence of `key`, with its blanks filled. An unknown key shows itself, so that nothing is hidden.
pub(crate) fn say(language: Language, key: &str, blanks: &[(&str, FluentValue<'_>)]) -> String {
    let bundle = match language {
        Language::English => &*ENGLISH_BUNDLE,
        Language::Chinese => &*CHINESE_BUNDLE,
    };
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        tracing::error!(key, "no such words");
        return key.to_owned();
    };
    let mut arguments = FluentArgs::with_capacity(blanks.len());
    for (name, value) in blanks {
        arguments.set(*name, value.clone());
    }
    let mut errors = Vec::new();
    bundle
        .format_pattern(pattern, Some(&arguments), &mut errors)
        .into_owned()
}

/// Whether there are words for this key.
pub(crate) fn knows(language: Language, key: &str) -> bool {
    match language {
        Language::English => ENGLISH_BUNDLE.has_message(key),
        Language::Chinese => CHINESE_BUNDLE.has_message(key),
    }
}

/// The word for a member of a closed list; the member itself when it is new to us.
pub(crate) fn member(language: Language, list: &str, member: &str) -> String {
    let key = format!("{list}-{}", member.replace('_', "-"));
    if knows(language, &key) {
        say(language, &key, &[])
    } else {
        member.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn keys(language: Language) -> BTreeSet<String> {
        FluentResource::try_new(source(language).to_owned()).expect("parses");
        let keys: Vec<String> = source(language)
            .lines()
            .filter_map(|line| line.split_once(" = ").or_else(|| line.split_once(" =")))
            .map(|(key, _)| key.to_owned())
            .filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect();
        let set: BTreeSet<String> = keys.iter().cloned().collect();
        assert_eq!(set.len(), keys.len(), "a key is defined twice");
        set
    }

    fn read_all(folder: &Path, out: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read_all(&path, out);
            } else {
                out.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }

    fn quoted_after<'a>(text: &'a str, call: &str) -> Vec<&'a str> {
        text.match_indices(call)
            .filter_map(|(at, _)| text[at + call.len()..].split('"').next())
            .filter(|key| !key.is_empty() && !key.contains('{'))
            .collect()
    }

    #[test]
    fn both_languages_have_the_same_keys() {
        assert_eq!(keys(Language::English), keys(Language::Chinese));
    }

    #[test]
    fn every_key_that_is_used_exists_and_none_is_left_over() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = String::new();
        read_all(&root.join("src"), &mut text);
        read_all(&root.join("templates"), &mut text);
        text.retain(|c| !c.is_whitespace());
        let used: BTreeSet<&str> = [".t(\"", ".tell(\"", "say(language,\""]
            .iter()
            .flat_map(|call| quoted_after(&text, call))
            .collect();
        let mut prefixes: BTreeSet<&str> = quoted_after(&text, ".word(\"").into_iter().collect();
        prefixes.insert("clock");
        let known = keys(Language::Chinese);
        for key in &used {
            assert!(known.contains(*key), "`{key}` is used, and there are no words for it");
        }
        for key in &known {
            let by_prefix = prefixes.iter().any(|prefix| key.starts_with(&format!("{prefix}-")));
            assert!(used.contains(key.as_str()) || by_prefix, "nobody says `{key}`");
        }
    }

    #[test]
    fn every_member_of_a_closed_list_has_a_word() {
        use tocsin_desk::model::{Role, TicketState};
        use tocsin_vocabulary::Severity;
        let mut expected: Vec<String> = Vec::new();
        expected.extend(
            TicketState::ALL
                .iter()
                .map(|state| format!("state-{}", state.as_str().replace('_', "-"))),
        );
        expected.extend(
            Role::ALL
                .iter()
                .map(|role| format!("role-{}", role.as_str().replace('_', "-"))),
        );
        expected.extend(
            Severity::ALL
                .iter()
                .map(|severity| format!("severity-{}", severity.as_str())),
        );
        expected.extend(
            tocsin_desk::life::ActionKind::ALL
                .iter()
                .map(|step| format!("did-{}", step.as_str())),
        );
        expected.extend(
            tocsin_vocabulary::Code::ALL
                .iter()
                .map(|code| format!("error-{}", code.key().replace('_', "-"))),
        );
        let clocks = tocsin_desk::model::ClockKind::ALL.map(tocsin_desk::model::ClockKind::as_str);
        expected.extend(clocks.map(|clock| format!("clock-{clock}")));
        expected.extend(clocks.map(|clock| format!("clock-left-{clock}")));
        expected.extend(["live", "silent", "never", "revoked"].map(|state| format!("host-{state}")));
        expected.extend(["queued", "sent", "failed", "withdrawn"].map(|state| format!("page-{state}")));
        expected.extend(
            [
                "opened",
                "unaccepted",
                "warned",
                "breached",
                "recurred",
                "restored",
                "notice",
            ]
            .map(|why| format!("reason-{why}")),
        );
        for key in expected {
            assert!(knows(Language::Chinese, &key), "{key}");
        }
    }

    #[test]
    fn blanks_are_filled() {
        let text = say(Language::English, "time-minutes", &[("n", FluentValue::from(12))]);
        assert_eq!(text, "12 min");
    }
}
