//! The handbook, served as pages.

use crate::{
    guard::{Answer, Visit, nothing},
    handbook,
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use axum::extract::Path;

struct Entry {
    url: String,
    title: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "help.html")]
struct Help {
    shell: Shell,
    topics: Vec<Entry>,
    text: Html,
}

/// `GET /help`: the first topic.
pub(crate) async fn index(visit: Visit) -> Answer {
    show(&visit, handbook::FIRST)
}

/// `GET /help/{topic}`.
pub(crate) async fn topic(visit: Visit, Path(name): Path<String>) -> Answer {
    show(&visit, &name)
}

fn show(visit: &Visit, name: &str) -> Answer {
    let text = handbook::html(name, visit.language).ok_or_else(nothing)?;
    let topics = handbook::topics(visit.language)
        .into_iter()
        .map(|(topic, title)| Entry {
            url: format!("/help/{topic}"),
            title,
            chosen: topic == name,
        })
        .collect();
    page(&Help {
        shell: Shell::new(visit, "help"),
        topics,
        text,
    })
}
