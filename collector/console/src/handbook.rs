//! The handbook: Markdown built in, in both languages. Raw HTML in it is shown as text.

use crate::markup::Html;
use pulldown_cmark::{Event, Options, Parser, html::push_html};
use tocsin_vocabulary::{Language, catalogue};

/// The topic that `/help` opens.
pub(crate) const FIRST: &str = "start";
/// Where the generated catalogue of metrics goes.
const CATALOGUE: &str = "{{catalogue}}";

macro_rules! topics {
    ($($name:literal),* $(,)?) => {
        /// Name, English, Chinese; in the order of the menu.
        const TOPICS: &[(&str, &str, &str)] = &[$((
            $name,
            include_str!(concat!("../handbook/en/", $name, ".md")),
            include_str!(concat!("../handbook/zh-CN/", $name, ".md")),
        )),*];
    };
}
topics!(
    "start",
    "fault-to-phone",
    "hosts-and-enrolment",
    "rules",
    "evidence",
    "rule-workbench",
    "probes",
    "planned-work",
    "metrics",
    "channels",
    "people-and-roles",
    "duty",
    "papers",
    "clocks",
    "accounts",
    "backups",
    "backup-intake",
    "api",
    "troubleshooting"
);

const fn source(topic: &(&'static str, &'static str, &'static str), language: Language) -> &'static str {
    match language {
        Language::English => topic.1,
        Language::Chinese => topic.2,
    }
}

/// Names and titles of all topics.
pub(crate) fn topics(language: Language) -> Vec<(&'static str, String)> {
    let title = |text: &str| {
        text.lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches('#')
            .trim()
            .to_owned()
    };
    TOPICS
        .iter()
        .map(|topic| (topic.0, title(source(topic, language))))
        .collect()
}

/// A topic as HTML.
pub(crate) fn html(name: &str, language: Language) -> Option<Html> {
    let topic = TOPICS.iter().find(|topic| topic.0 == name)?;
    let text = source(topic, language).replace(CATALOGUE, &catalogue::markdown(language));
    let parser = Parser::new_ext(&text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        other => other,
    });
    let mut out = String::new();
    push_html(&mut out, parser);
    // Wide tables scroll by themselves, not the page.
    Some(Html(
        out.replace("<table>", "<div class=\"wide\" tabindex=\"0\"><table>")
            .replace("</table>", "</table></div>"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn headings(text: &str, mark: &str) -> usize {
        text.lines().filter(|line| line.starts_with(mark)).count()
    }

    #[test]
    fn both_languages_have_the_same_topics_and_as_many_sections() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("handbook");
        let files = |language: &str| -> BTreeSet<String> {
            let entries = std::fs::read_dir(folder.join(language)).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let named: BTreeSet<String> = TOPICS.iter().map(|topic| format!("{}.md", topic.0)).collect();
        assert_eq!(files("en"), named);
        assert_eq!(files("zh-CN"), named);
        for (name, english, chinese) in TOPICS {
            for mark in ["# ", "## ", "### ", "```", "| "] {
                assert_eq!(headings(english, mark), headings(chinese, mark), "{name}: {mark}");
            }
        }
    }

    #[test]
    fn links_within_the_handbook_lead_somewhere() {
        let mut seen = 0;
        for language in [Language::English, Language::Chinese] {
            for (name, _, _) in TOPICS {
                let text = html(name, language).unwrap().0;
                for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    seen += 1;
                    let topic = link.strip_prefix("/help/").unwrap_or_else(|| panic!("{name}: {link}"));
                    assert!(html(topic, language).is_some(), "{name}: {link}");
                }
            }
        }
        assert!(seen >= 10, "{seen}");
    }

    #[test]
    fn every_topic_has_a_title_and_text_in_both_languages() {
        for language in [Language::English, Language::Chinese] {
            for (name, title) in topics(language) {
                assert!(!title.is_empty(), "{name}");
                let text = html(name, language).unwrap().0;
                assert!(text.starts_with("<h1>") && text.len() > 300, "{name} {language:?}");
                assert!(!text.contains("{{"), "{name}");
                assert!(
                    !text.contains("style="),
                    "{name}: the policy of the pages forbids inline style"
                );
            }
        }
        assert_eq!(html("no-such-topic", Language::English), None);
        assert!(
            html("metrics", Language::English)
                .unwrap()
                .0
                .contains("system.cpu.utilization")
        );
    }
}
