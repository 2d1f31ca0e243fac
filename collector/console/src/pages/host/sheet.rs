//! A section of a host's page: a few facts and a table, as long as they are worth a look.

use super::part_words;
use crate::{figures::figure, host_view::Standing, markup::Html, markup::escape, pages::hosts::Gauge, shell::Shell};

/// Rows that stand open; what is not well always does.
const OPEN_ROWS: usize = 8;
/// Most rows of a section; the API has the rest.
const ROWS_MAX: usize = 500;

/// One name with its value.
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: String,
    /// `failed`, `degraded`, `unread`, `ok`; empty without a verdict.
    pub(crate) tone: &'static str,
}

impl Fact {
    /// Without a verdict.
    pub(crate) fn new(name: String, value: String) -> Self {
        Self { name, value, tone: "" }
    }
}

/// One cell of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell(pub(crate) Html);

impl Cell {
    /// Words, escaped.
    pub(crate) fn text(text: &str) -> Self {
        Self(Html(escape(text)))
    }

    /// What the row is about, and more of it in small letters.
    pub(crate) fn name(name: &str, more: &str) -> Self {
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(r#"<span class="under muted">{}</span>"#, escape(more))
        };
        Self(Html(format!("<b>{}</b>{more}", escape(name))))
    }

    /// A value with its unit; nothing when it is not known.
    pub(crate) fn figure(value: Option<f64>, unit: &str) -> Self {
        let known = value.filter(|value| value.is_finite());
        Self::text(&known.map(|value| figure(value, unit)).unwrap_or_default())
    }

    /// The speed of a link; nothing when it is not known.
    pub(crate) fn speed(bits: Option<f64>) -> Self {
        Self::text(&bits.map(crate::figures::speed).unwrap_or_default())
    }

    /// A share with its bar.
    pub(crate) fn share(value: Option<f64>) -> Self {
        let gauge = Gauge::new(value);
        if !gauge.known {
            return Self::default();
        }
        let (text, share) = (escape(&gauge.text), gauge.share);
        Self(Html(format!(
            r#"{text}<meter min="0" max="100" value="{share}" aria-hidden="true"></meter>"#
        )))
    }

    /// Shape, word and reason of a verdict.
    pub(crate) fn standing(shell: &Shell, standing: &Standing) -> Self {
        let key = standing.health.as_str();
        if key.is_empty() {
            return Self::default();
        }
        let word = escape(&shell.word("part", key));
        let why = if standing.reason.is_empty() {
            String::new()
        } else {
            let reason = part_words::reason(shell, &standing.reason);
            format!(r#"<span class="under">{}</span>"#, escape(&reason))
        };
        Self(Html(format!(r#"<span class="part {key}">{word}</span>{why}"#)))
    }

    fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }
}

/// A column: the last part of its word's key, and whether it holds figures.
type Column = (&'static str, bool);

/// The head of a column.
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) class: &'static str,
}

/// A section.
pub(crate) struct Sheet {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) count: usize,
    pub(crate) ill: usize,
    pub(crate) facts: Vec<Fact>,
    pub(crate) heads: Vec<Head>,
    pub(crate) open: Vec<Vec<Cell>>,
    pub(crate) folded: Vec<Vec<Cell>>,
}

impl Sheet {
    /// A section of these rows, each with whether it needs a look. The first two are
    /// the verdict and the name; of the others, those that nobody fills are left out. None without
    /// rows and facts.
    pub(crate) fn new(
        shell: &Shell,
        id: &'static str,
        columns: &[Column],
        rows: Vec<(bool, Vec<Cell>)>,
        facts: Vec<Fact>,
    ) -> Option<Self> {
        if rows.is_empty() && facts.is_empty() {
            return None;
        }
        let filled = |at: usize| {
            rows.iter()
                .any(|(_, cells)| cells.get(at).is_some_and(|cell| !cell.is_empty()))
        };
        // The verdict and the name stand first in every section, on a phone too.
        let used: Vec<bool> = (0..columns.len()).map(|at| at < 2 || filled(at)).collect();
        let heads = columns.iter().zip(&used).filter(|(_, used)| **used);
        let ill = rows.iter().filter(|(ill, _)| *ill).count();
        let (count, open) = (rows.len(), ill.max(OPEN_ROWS));
        // One row more is shorter than the line that would hide it.
        let open = if count <= open + 1 { count } else { open };
        let mut cells = rows.into_iter().take(ROWS_MAX).map(|(_, cells)| {
            let kept = cells.into_iter().zip(&used).filter(|(_, used)| **used);
            kept.map(|(cell, _)| cell).collect()
        });
        Some(Self {
            id,
            title: shell.word("sheet", id),
            count,
            ill,
            facts,
            heads: heads
                .map(|((key, number), _)| Head {
                    name: shell.word("column", key),
                    class: if *number { "num" } else { "" },
                })
                .collect(),
            open: cells.by_ref().take(open).collect(),
            folded: cells.collect(),
        })
    }

    /// The cells of a row with their heads.
    pub(crate) fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Head, &'a Html)> {
        self.heads.iter().zip(row.iter().map(|cell| &cell.0))
    }

    /// `hide the other 14`.
    pub(crate) fn others(&self, shell: &Shell) -> String {
        shell.tell("sheet-others", &[("n", (self.count - self.open.len()).into())])
    }
}
