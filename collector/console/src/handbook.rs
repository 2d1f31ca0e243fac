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
    "metrics",
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
        out.replace("<table>", "<div class=\"wide\"><table>")
            .replace("</table>", "</table></div>"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
