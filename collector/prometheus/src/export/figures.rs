//! How an export is doing: figures for `/metrics`, one part of the collector's health.

use std::{
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tocsin_vocabulary::Timestamp;

/// A receiver may be away this long before the collector counts as unwell.
const PATIENCE: Duration = Duration::from_secs(300);
/// Something lost keeps the collector unwell this long, so that somebody sees it.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// Running totals of one export.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) requests: AtomicU64,
    pub(crate) samples: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) refused_samples: AtomicU64,
    pub(crate) missed_segments: AtomicU64,
    pub(crate) undecodable_ticks: AtomicU64,
    pub(crate) behind_bytes: AtomicU64,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    /// Since when nothing gets through, and why.
    failing: Option<(Timestamp, String)>,
    /// When something was given up, and what.
    lost: Option<(Timestamp, String)>,
}

impl Figures {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// A request was not taken; answers whether this is news.
    pub(crate) fn failing(&self, reason: &str, now: Timestamp) -> bool {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let since = trouble.failing.as_ref().map_or(now, |(since, _)| *since);
        let news = trouble.failing.is_none();
        trouble.failing = Some((since, reason.to_owned()));
        news
    }

    /// A request was answered; answers since when none was, if so.
    pub(crate) fn answered(&self) -> Option<Timestamp> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.failing.take().map(|(since, _)| since)
    }

    /// Something was given up.
    pub(crate) fn lost(&self, what: String, now: Timestamp) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).lost = Some((now, what));
    }

    /// What is wrong, in words; none when nothing is.
    pub(crate) fn complaint(&self, now: Timestamp) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = trouble
            .failing
            .as_ref()
            .filter(|(since, _)| now.since(*since) >= PATIENCE);
        let lost = trouble.lost.as_ref().filter(|(at, _)| now.since(*at) < REMEMBERED);
        let words = failing
            .map(|(since, reason)| format!("{}: nothing gets through since {since}: {reason}", self.name))
            .into_iter()
            .chain(lost.map(|(at, what)| format!("{}: at {at} {what}", self.name)));
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// All exports in Prometheus' text format; empty when there are none.
pub(crate) fn exposition(all: &[std::sync::Arc<Figures>]) -> String {
    type Field = fn(&Figures) -> &AtomicU64;
    let table: [(&str, &str, &str, Field); 7] = [
        ("requests_total", "counter", "requests that were accepted", |figures| {
            &figures.requests
        }),
        ("samples_total", "counter", "samples that were accepted", |figures| {
            &figures.samples
        }),
        (
            "retries_total",
            "counter",
            "requests that had to be sent again",
            |figures| &figures.retries,
        ),
        (
            "refused_samples_total",
            "counter",
            "samples that the receiver refused for good",
            |figures| &figures.refused_samples,
        ),
        (
            "missed_segments_total",
            "counter",
            "journal segments that were gone before they were sent",
            |figures| &figures.missed_segments,
        ),
        (
            "undecodable_ticks_total",
            "counter",
            "ticks that refer to one which is damaged or gone",
            |figures| &figures.undecodable_ticks,
        ),
        (
            "behind_bytes",
            "gauge",
            "bytes of the journal that are not sent yet",
            |figures| &figures.behind_bytes,
        ),
    ];
    let mut out = String::new();
    for (name, kind, help, field) in table.iter().filter(|_| !all.is_empty()) {
        let _ = writeln!(
            out,
            "# HELP tocsin_export_{name} {help}\n# TYPE tocsin_export_{name} {kind}"
        );
        for figures in all {
            let value = field(figures).load(Ordering::Relaxed);
            let _ = writeln!(out, "tocsin_export_{name}{{export=\"{}\"}} {value}", figures.name);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_absence_is_no_complaint_and_a_loss_is_remembered() {
        let figures = Figures::new("archive");
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        assert!(figures.failing("refused", at(0)));
        assert!(!figures.failing("timeout", at(200)));
        assert_eq!(figures.complaint(at(299)), None);
        assert!(figures.complaint(at(300)).unwrap().contains("timeout"));
        assert_eq!(figures.answered(), Some(at(0)));
        assert_eq!(figures.complaint(at(300)), None);
        figures.lost("5 samples were refused".to_owned(), at(400));
        assert!(figures.complaint(at(3_999)).is_some() && figures.complaint(at(4_000)).is_none());
    }

    #[test]
    fn figures_are_told_by_name() {
        let figures = std::sync::Arc::new(Figures::new("archive"));
        figures.samples.store(7, Ordering::Relaxed);
        let text = exposition(&[figures]);
        assert!(
            text.contains("\ntocsin_export_samples_total{export=\"archive\"} 7\n"),
            "{text}"
        );
        assert_eq!(exposition(&[]), "");
    }
}
