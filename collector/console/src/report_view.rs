//! A report about a ticket as people read it: the facts in words, then what was written. One view for the page that is
//! printed, for Markdown, and for the command line.

use crate::{moments, words};
use fluent_bundle::FluentValue;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use tocsin_desk::{
    account::report::{Facts, Kind, Report, Version},
    clocks::Moment,
    model::{Actor, PageState},
    policy::Policy,
};
use tocsin_vocabulary::{Language, Text, Timestamp};

/// In which language, zone and by which names of levels a report is told.
#[derive(Debug, Clone)]
pub struct Speech<'a> {
    /// The language.
    pub language: Language,
    /// The site's zone.
    pub zone: &'a TimeZone,
    /// The policies of the site.
    pub policies: &'a [Policy],
}

/// A heading with its rows; the first row names the columns where there are several.
pub(crate) struct Block {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// A report in words.
pub(crate) struct ReportView {
    pub(crate) title: String,
    pub(crate) subject: String,
    /// Version, standing, who wrote it and when.
    pub(crate) stands: String,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) sections: Vec<(String, String)>,
}

impl Speech<'_> {
    fn t(&self, key: &str) -> String {
        words::say(self.language, key, &[])
    }

    fn tell(&self, key: &str, blanks: &[(&str, FluentValue<'_>)]) -> String {
        words::say(self.language, key, blanks)
    }

    fn word(&self, list: &str, member: &str) -> String {
        words::member(self.language, list, member)
    }

    fn text(&self, text: &Text) -> String {
        text.get(self.language).to_owned()
    }

    fn at(&self, at: Timestamp) -> String {
        moments::absolute(at, self.zone)
    }

    /// The level as its policy calls it; what a policy that is not known calls it is what the basic one does.
    fn level(&self, facts: &Facts) -> String {
        let ticket = &facts.ticket;
        let named = |name: &str| self.policies.iter().find(|known| known.name == name);
        let policy = named(&ticket.reckoning.policy).or_else(|| named("basic"));
        policy.map_or_else(
            || ticket.level.rank().to_string(),
            |policy| self.text(&policy.level_name(ticket.level)),
        )
    }

    fn actor(&self, actor: &Actor) -> String {
        match actor {
            Actor::System => self.t("product"),
            Actor::Person(_, name) => name.clone(),
        }
    }
}

/// A version of a report in words.
pub(crate) fn view(report: &Report, version: &Version<'_>, speech: &Speech<'_>) -> ReportView {
    let facts = version.facts;
    let sections = report.kind.sections().iter().map(|(key, _)| {
        let written = version.words.get(*key).cloned().unwrap_or_default();
        (speech.word("section", key), written)
    });
    let facts_of_it = [
        ("n", version.number.into()),
        ("standing", speech.word("standing", version.standing.as_str()).into()),
        ("who", version.line.by.clone().into()),
        ("at", speech.at(version.line.at).into()),
    ];
    // What nobody wrote yet is no version: it is what the ticket says by itself.
    let stands = if version.line.by.is_empty() {
        speech.tell("report-drafted", &facts_of_it)
    } else {
        speech.tell("report-version", &facts_of_it)
    };
    ReportView {
        title: speech.word("owed", report.kind.as_str()),
        subject: format!("#{} {}", report.number, speech.text(&facts.ticket.title)),
        stands,
        pairs: pairs(facts, speech),
        blocks: blocks(report.kind, facts, speech),
        sections: sections.filter(|(_, written)| !written.is_empty()).collect(),
    }
}

fn pairs(facts: &Facts, speech: &Speech<'_>) -> Vec<(String, String)> {
    let ticket = &facts.ticket;
    let mut pairs = vec![
        (speech.t("customer"), facts.customer.clone()),
        (speech.word("column", "contract"), facts.contract.clone()),
        (speech.t("asset"), ticket.asset_name.clone()),
        (speech.word("column", "level"), speech.level(facts)),
        (
            speech.t("report-assignee"),
            ticket.assignee_name.clone().unwrap_or_default(),
        ),
    ];
    let moments = &ticket.reckoning.moments;
    pairs.extend(Moment::ALL.iter().filter_map(|moment| {
        let at = moments.get(*moment)?;
        Some((speech.word("moment", moment.as_str()), speech.at(at)))
    }));
    if let (Some(back), begun) = (moments.restored, moments.occurred) {
        let lasted = moments::lasted(back.since(begun), speech.language);
        pairs.push((speech.t("report-lasted"), lasted));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    pairs
}

fn blocks(kind: Kind, facts: &Facts, speech: &Speech<'_>) -> Vec<Block> {
    let mut blocks = vec![clocks(facts, speech)];
    if kind == Kind::Incident {
        blocks.extend([evidence(facts, speech), pages(facts, speech)]);
    }
    blocks.push(spares(facts, speech));
    blocks.push(actions(facts, speech));
    blocks.retain(|block| !block.rows.is_empty());
    blocks
}

fn clocks(facts: &Facts, speech: &Speech<'_>) -> Block {
    let rows = facts.ticket.clocks.iter().enumerate().map(|(place, clock)| {
        let wording = facts
            .ticket
            .reckoning
            .timings
            .get(place)
            .map(|timing| timing.wording.clone());
        let outcome = match (clock.breached_at, clock.stopped_at) {
            (Some(at), _) => format!("{} {}", speech.t("report-missed"), speech.at(at)),
            (None, Some(at)) => format!("{} {}", speech.t("report-met"), speech.at(at)),
            (None, None) => speech.t("report-running"),
        };
        vec![
            speech.word("clock", clock.kind.as_str()),
            wording.unwrap_or_default(),
            speech.at(clock.started_at),
            speech.at(clock.due_at),
            outcome,
        ]
    });
    Block {
        title: speech.t("report-clocks"),
        head: vec![
            speech.t("report-clock"),
            speech.t("report-clause"),
            speech.t("report-started"),
            speech.t("report-due"),
            speech.t("report-outcome"),
        ],
        rows: rows.collect(),
    }
}

fn evidence(facts: &Facts, speech: &Speech<'_>) -> Block {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let rows = facts.alerts.iter().map(|alert| {
        vec![
            speech.text(&alert.title),
            number(alert.value),
            number(alert.threshold),
            speech.at(alert.occurred_at),
            alert.cleared_at.map(|at| speech.at(at)).unwrap_or_default(),
        ]
    });
    Block {
        title: speech.t("evidence"),
        head: vec![
            speech.t("alert"),
            speech.t("report-value"),
            speech.t("report-threshold"),
            speech.t("time-occurred"),
            speech.t("report-cleared"),
        ],
        rows: rows.collect(),
    }
}

fn pages(facts: &Facts, speech: &Speech<'_>) -> Block {
    let sent = facts
        .pages
        .iter()
        .filter(|record| record.page.state != PageState::Withdrawn);
    let rows = sent.map(|record| {
        let page = &record.page;
        vec![
            speech.at(page.sent_at.unwrap_or(page.created_at)),
            record.person_name.clone(),
            page.destination.clone(),
            speech.word("reason", page.reason.as_str()),
            speech.word("page", page.state.as_str()),
        ]
    });
    Block {
        title: speech.t("report-pages"),
        head: vec![
            speech.t("time"),
            speech.t("who"),
            speech.t("channels"),
            speech.t("reason"),
            speech.t("state"),
        ],
        rows: rows.collect(),
    }
}

fn spares(facts: &Facts, speech: &Speech<'_>) -> Block {
    let allowed = facts.spares.iter().filter(|one| one.allowed == Some(true));
    Block {
        title: speech.t("spare-uses"),
        head: vec![speech.word("column", "name"), speech.word("column", "count")],
        rows: allowed
            .map(|one| vec![one.name.clone(), one.count.to_string()])
            .collect(),
    }
}

fn actions(facts: &Facts, speech: &Speech<'_>) -> Block {
    // Whom the system paged stands in a table of its own.
    let told = facts.entries.iter().filter(|entry| entry.action != "page");
    let rows = told.map(|entry| {
        vec![
            speech.at(entry.at),
            speech.actor(&entry.actor),
            speech.word("did", &entry.action),
            speech.text(&entry.note),
        ]
    });
    Block {
        title: speech.t("timeline"),
        head: vec![
            speech.t("time"),
            speech.t("who"),
            speech.t("report-action"),
            speech.t("report-note"),
        ],
        rows: rows.collect(),
    }
}

/// A version of a report as Markdown (CommonMark with tables).
#[must_use]
pub fn markdown(report: &Report, version: &Version<'_>, speech: &Speech<'_>) -> String {
    let view = view(report, version, speech);
    let mut out = format!(
        "# {}\n\n**{}**\n\n{}\n\n",
        plain(&view.title),
        plain(&view.subject),
        plain(&view.stands)
    );
    for (name, value) in &view.pairs {
        let _ = writeln!(out, "- {}: {}", plain(name), plain(value));
    }
    for (title, text) in &view.sections {
        let text: Vec<String> = text.lines().map(plain).collect();
        let _ = write!(out, "\n## {}\n\n{}\n", plain(title), text.join("  \n"));
    }
    for block in &view.blocks {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| plain(&cell.replace('\n', " "))).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let _ = write!(out, "\n## {}\n\n{}", plain(&block.title), line(&block.head));
        let _ = writeln!(out, "|{}", " --- |".repeat(block.head.len()));
        for row in &block.rows {
            out.push_str(&line(row));
        }
    }
    out
}

/// Words that mean nothing in Markdown but themselves: names of hosts and what people wrote can hold anything.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if "\\`*_[]<>|#~&".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    // A line that begins so would be a list, a quotation or a rule.
    if out.starts_with(['-', '+', '=']) {
        out.insert(0, '\\');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_a_host_is_called_is_no_markup() {
        assert_eq!(plain("<b>|x|</b>"), "\\<b\\>\\|x\\|\\</b\\>");
        assert_eq!(plain("- a\u{7}"), "\\- a");
    }
}
