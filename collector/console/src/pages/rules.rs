//! Rules as loaded: why did it fire, what would fire?

use crate::{
    guard::{Answer, Visit},
    shell::{Shell, page},
};
use askama::Template;

struct Row {
    name: String,
    url: String,
    file: String,
    text: String,
    severity: String,
    severity_key: &'static str,
    action: String,
    title: String,
    metric: String,
    raised: usize,
    pending: usize,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct Rules {
    shell: Shell,
    rules: Vec<Row>,
    /// Mistakes of the folder as it is now.
    refused: Vec<String>,
}

/// `GET /rules`.
pub(crate) async fn list(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "rules");
    let mut rules = visit.console.backend.rules().await?;
    let refused = visit.console.backend.rules_refused().await;
    rules.sort_by(|a, b| {
        (b.raised, b.pending)
            .cmp(&(a.raised, a.pending))
            .then_with(|| a.name.cmp(&b.name))
    });
    let rules = rules
        .into_iter()
        .map(|rule| Row {
            severity: shell.severity(rule.severity),
            severity_key: rule.severity.as_str(),
            action: shell.word("response", &rule.action),
            title: shell.text(&rule.title).to_owned(),
            url: format!("/rules/{}", crate::markup::percent(&rule.name)),
            name: rule.name,
            file: rule.file,
            text: rule.text,
            metric: rule.metric,
            raised: rule.raised,
            pending: rule.pending,
        })
        .collect();
    page(&Rules { shell, rules, refused })
}
